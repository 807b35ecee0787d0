#!/bin/sh
# Makes the Windows installer of the agent.
# Usage: build.sh AGENT PYTHON_EMBED SHA256 FOLDER
#   AGENT         muster-agent.exe, as cargo built it
#   PYTHON_EMBED  the embeddable CPython for amd64: the zip of python.org
#   SHA256        what that zip must hash to
#   FOLDER        where muster-agent-VERSION-x64-setup.exe goes; its path is printed
# TEST=1 marks the result as one for tests, and compresses less.
set -eu
agent=$(realpath "$1")
embed=$(realpath "$2")
sha256=$3
out=$4
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

echo "$sha256  $embed" | sha256sum --check --quiet || {
  echo "$embed is not the CPython that was named: its SHA-256 is $(sha256sum "$embed" | cut -d ' ' -f 1)" >&2
  exit 1
}
python3 -m zipfile -e "$embed" "$work/python"
[ -f "$work/python/python.exe" ] || {
  echo "$embed is no embeddable CPython: there is no python.exe at its root" >&2
  exit 1
}
x86_64-w64-mingw32-strip -o "$work/muster-agent.exe" "$agent"

version=$(sed -n '/^\[workspace.package\]/,/^\[/s/^version = "\(.*\)"/\1/p' "$root/Cargo.toml")
mark=""
compressor="/SOLID lzma"
if [ "${TEST:-}" = 1 ]; then
  mark="-test"
  compressor="zlib"
fi
mkdir -p "$out"
file="$(realpath "$out")/muster-agent-$version$mark-x64-setup.exe"
makensis -NOCD -V2 -X"Target amd64-unicode" \
  -DVERSION="$version" -DFILE_VERSION="$(echo "$version" | sed 's/[^0-9.].*//').0" \
  -DAGENT="$work/muster-agent.exe" -DPYTHON="$work/python" \
  -DSIZE_KB="$(du -sk "$work" | cut -f 1)" -DOUT="$file" \
  -DTEST="${mark:+ (test)}" -DCOMPRESSOR="$compressor" \
  "$here/installer.nsi" >&2
echo "$file"
