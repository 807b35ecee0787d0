#!/bin/sh
# Makes the installers that the examples carry, into their folders. Needs wixl (Debian: wixl), makensis
# (nsis) and dpkg-deb. Usage: make.sh [msi|exe|deb]... [--into FOLDER OF THE EXAMPLES]
set -eu
here=$(cd "$(dirname "$0")" && pwd)
into=$(dirname "$here")
kinds=""
while [ $# -gt 0 ]; do
  case "$1" in
    --into) into=$(cd "$2" && pwd); shift ;;
    msi | exe | deb) kinds="$kinds $1" ;;
    *) echo "make.sh: msi, exe, deb or --into FOLDER, not $1" >&2; exit 2 ;;
  esac
  shift
done
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for kind in ${kinds:-msi exe deb}; do
  case "$kind" in
    msi)
      echo 'Example Viewer' > "$work/viewer.txt"
      cp "$here/example-viewer.wxs" "$work/"
      (cd "$work" && wixl --arch x64 -o example-viewer.msi example-viewer.wxs)
      mv "$work/example-viewer.msi" "$into/example-msi/" ;;
    exe)
      echo 'Example Editor' > "$work/editor.txt"
      cp "$here/example-editor.nsi" "$work/"
      (cd "$work" && makensis -V1 '-XTarget amd64-unicode' example-editor.nsi)
      mv "$work/example-editor.exe" "$into/example-exe/" ;;
    deb)
      mkdir -p "$work/deb/DEBIAN" "$work/deb/usr/share/example-deb"
      cp "$here/example-deb.control" "$work/deb/DEBIAN/control"
      echo 'Example' > "$work/deb/usr/share/example-deb/readme.txt"
      dpkg-deb --root-owner-group --build "$work/deb" "$into/example-deb/example-deb.deb" > /dev/null ;;
  esac
done
