#!/bin/sh
# Makes debian-machine in the target folder: a minimal Debian with Python, from which tests take their machines, and
# in it a repository with one real Debian package. What is there already is left alone.
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
machine="${CARGO_TARGET_DIR:-$root/target}/debian-machine"
base=$machine/base
mkdir -p "$machine"

if [ -f "$machine/ready" ]; then
  exit 0
fi
if [ "$(id -u)" -ne 0 ]; then
  echo "A Debian machine for the tests is made by root: run make as root" >&2
  exit 1
fi
echo "Making a Debian machine" >&2
rm -rf "$base"
debootstrap --variant=minbase --include=python3 bookworm "$base" >"$machine/log" 2>&1 || {
  tail -n 20 "$machine/log" >&2
  exit 1
}
repository=$base/srv/repository
mkdir -p "$repository"
chroot "$base" sh -ec 'apt-get -qq update; cd /srv/repository; apt-get -qq download hello' >>"$machine/log" 2>&1
package=$(basename "$repository"/hello_*.deb)
{
  dpkg-deb --field "$repository/$package"
  echo "Filename: ./$package"
  echo "Size: $(stat -c %s "$repository/$package")"
  echo "SHA256: $(sha256sum "$repository/$package" | cut -d ' ' -f 1)"
} > "$repository/Packages"
# The tests need no network.
rm -f "$base"/etc/apt/sources.list "$base"/etc/apt/sources.list.d/*
echo 'deb [trusted=yes] file:/srv/repository ./' > "$base/etc/apt/sources.list"
rm -rf "$base"/var/lib/apt/lists/* "$base"/var/cache/apt/*.bin "$base"/var/cache/apt/archives/*.deb
chroot "$base" apt-get -qq update >>"$machine/log" 2>&1
printf '127.0.0.1 localhost\n' > "$base/etc/hosts"
printf 'pc-debian\n' > "$base/etc/hostname"
: > "$machine/ready"
