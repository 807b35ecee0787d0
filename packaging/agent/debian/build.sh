#!/bin/sh
# Makes the Debian package of the agent from a program that was built.
# Usage: build.sh PROGRAM FOLDER
#   PROGRAM  muster-agent, as cargo built it; it must run on this machine
#   FOLDER   where muster-agent_VERSION_ARCH.deb goes; its path is printed
# DEB_COMPRESSION=-Zgzip -z1 makes a larger package in less time (default: xz).
set -eu
program=$(realpath "$1")
out=$2
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
umask 022
tree=$work/tree

version=$("$program" --version | cut -d ' ' -f 2)
architecture=$(dpkg --print-architecture)
# The oldest C library that has what the program asks for.
glibc=$(objdump -T "$program" | grep -o 'GLIBC_[0-9.]*' | sort -u -V | tail -n 1 | cut -d _ -f 2)

install -D -m 755 "$program" "$tree/usr/bin/muster-agent"
strip --strip-unneeded "$tree/usr/bin/muster-agent"

# The unit is the text that `muster-agent service install` writes.
mkdir -p "$tree/usr/lib/systemd/system"
"$program" service install --print | sed "s|$program|/usr/bin/muster-agent|g" \
  > "$tree/usr/lib/systemd/system/muster-agent.service"
grep -q '^ExecStart=/usr/bin/muster-agent run$' "$tree/usr/lib/systemd/system/muster-agent.service"

# Not a conffile: the agent itself writes into it, and dpkg would ask at every upgrade whose version is to stay.
install -D -m 644 "$here/agent.toml" "$tree/usr/share/muster-agent/agent.toml"
install -d -m 755 "$tree/etc/muster/trust"
install -D -m 644 "$here/muster-agent-session-setup.desktop" \
  "$tree/etc/xdg/autostart/muster-agent-session-setup.desktop"

"$program" --quiet man --dir "$tree/usr/share/man/man8" >/dev/null
find "$tree/usr/share/man" -type f -exec gzip -9n {} +
completions() {
  mkdir -p "$tree/usr/share/$2"
  "$program" completions "$1" > "$tree/usr/share/$2/$3"
}
completions bash bash-completion/completions muster-agent
completions zsh zsh/vendor-completions _muster-agent
completions fish fish/vendor_completions.d muster-agent.fish

doc=$tree/usr/share/doc/muster-agent
mkdir -p "$doc"
{
  echo 'Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/'
  echo 'Upstream-Name: muster'
  echo
  echo 'Files: *'
  echo 'Copyright: the authors of Muster'
  echo 'License: MIT or Apache-2.0'
  echo ' Apache-2.0 is in /usr/share/common-licenses/Apache-2.0. The text of MIT:'
  echo ' .'
  sed 's/^$/./; s/^/ /' "$root/LICENSE-MIT"
} > "$doc/copyright"
install -m 644 "$root/docs/installing-agents.md" "$root/docs/agent-configuration.md" "$doc/"
# What changed is told where Muster is published; Debian wants a file all the same.
gzip -9n > "$doc/changelog.gz" <<CHANGELOG
muster-agent ($version) unstable; urgency=medium

  * Version $version, see https://github.com/muster-deploy/muster/releases

 -- The Muster project <muster@muster-deploy.example>  $(date -R -u -d "@${SOURCE_DATE_EPOCH:-$(stat -c %Y "$program")}")
CHANGELOG

mkdir -p "$tree/usr/share/lintian/overrides"
cat > "$tree/usr/share/lintian/overrides/muster-agent" <<OVERRIDES
# The inventory reads dpkg's list of packages at each change; starting dpkg-query for that takes far longer.
muster-agent: uses-dpkg-database-directly *
OVERRIDES

mkdir "$tree/DEBIAN"
for script in postinst prerm postrm; do
  install -m 755 "$here/$script" "$tree/DEBIAN/$script"
done
echo /etc/xdg/autostart/muster-agent-session-setup.desktop > "$tree/DEBIAN/conffiles"
(cd "$tree" && find usr etc -type f -print0 | sort -z | xargs -0 md5sum) > "$tree/DEBIAN/md5sums"
cat > "$tree/DEBIAN/control" <<CONTROL
Package: muster-agent
Version: $version
Architecture: $architecture
Maintainer: The Muster project <muster@muster-deploy.example>
Installed-Size: $(du -sk "$tree" | cut -f 1)
Depends: libc6 (>= $glibc), libgcc-s1, python3 (>= 3.9)
Recommends: ca-certificates
Section: admin
Priority: optional
Homepage: https://github.com/muster-deploy/muster
Description: agent of the Muster software deployment
 Installs on this machine what people of the organisation signed, keeps it as it
 is assigned, and reports what is there. Nothing is installed because a server
 says so: each package and each order carries the signature of a person whose
 certificate lies in /etc/muster/trust.
CONTROL

mkdir -p "$out"
file="$out/muster-agent_${version}_${architecture}.deb"
# shellcheck disable=SC2086
dpkg-deb --root-owner-group ${DEB_COMPRESSION:--Zxz} --build "$tree" "$file" >/dev/null
echo "$file"
