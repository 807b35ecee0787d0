#!/bin/sh
# Installs the system packages that a target needs and that are missing.
# Usage: setup.sh demo|test|bench|bench-agent|wheels|fuzz|windows|wine|debian|installers
set -eu
case "${1:-test}" in
  demo) packages="python3 dpkg" ;;
  test) packages="python3 openssl softhsm2 opensc xvfb xauth xdotool imagemagick mesa-vulkan-drivers libgl1-mesa-dri libgl1 libegl1 libxkbcommon-x11-0 libxcursor1 libxi6 libxrandr2 wixl nsis rpm dpkg slapd ldap-utils samba samba-ad-provision samba-dsdb-modules samba-vfs-modules dbus python3-dbusmock systemd iproute2 util-linux nginx tinyproxy faketime groff-base zsh fish" ;;
  wheels) if python3 -m pip --version >/dev/null 2>&1; then packages=""; else packages="python3-pip"; fi ;;
  wine) packages="wine wine64 wixl nsis dpkg unzip" ;;
  bench-agent) packages="puppet-agent mender-client" ;;
  bench) packages="unzip zip libsolv-tools" ;;
  debian) packages="debootstrap" ;;
  installers) packages="nsis gcc-mingw-w64-x86-64-posix binutils binutils-mingw-w64-x86-64 dpkg" ;;
  fuzz) packages="g++ openssl unzip" ;;
  windows) packages="gcc-mingw-w64-x86-64-posix g++-mingw-w64-x86-64-posix binutils-mingw-w64-x86-64" ;;
  *) echo "setup.sh: demo, test, bench, bench-agent, wheels, fuzz, windows, wine, debian or installers, not $1" >&2; exit 2 ;;
esac
missing=""
for package in $packages; do
  [ "$(dpkg-query -W -f '${db:Status-Abbrev}' "$package" 2>/dev/null)" = "ii " ] || missing="$missing $package"
done
[ -n "$missing" ] || exit 0
if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
  echo "These packages are needed:$missing" >&2
  echo "hint: install them and run make again; as root on Debian or Ubuntu make does it by itself" >&2
  exit 1
fi
echo "Installing$missing" >&2
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
# shellcheck disable=SC2086
apt-get install -y -qq --no-install-recommends $missing >/dev/null
