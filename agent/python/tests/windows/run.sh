#!/bin/sh
# Runs the Windows half of the tests of setuphelpers under Wine, on a copy of the machine that
# tests/windows/machine.sh makes. Arguments name single tests (test_windows.Registry).
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../../../.." && pwd)
"$root/tests/windows/machine.sh"
machine="$root/target/windows-machine"
folder="$root/target/windows-python"
mkdir -p "$folder"

export WINEPREFIX="$folder/prefix" WINEARCH=win64 WINEDEBUG=-all WINEDLLOVERRIDES=winedbg.exe=d
# A fresh copy each time: what a broken run leaves behind would break the next one.
rm -rf "$WINEPREFIX"
cp -a "$machine/prefix" "$WINEPREFIX"

# Two versions of one product, each with a product code of its own.
cd "$folder"
echo 'installed by a test' >readme.txt
product() { # version, product code, file
  wixl --arch x64 -D Version="$1" -D Code="$2" -o "$3" "$here/product.wxs"
}
product 1.2.3 2c1f7a70-3f0e-4c0e-9a3f-52d1c1b0a123 product-1.msi
product 1.3.0 2c1f7a70-3f0e-4c0e-9a3f-52d1c1b0a130 product-2.msi

export MUSTER_TEST_MSI_FOLDER="$folder"
rm -f failed
for tests in ${*:-test_windows test_pywin32}; do
  # Python under Wine wants pipes, not files, for its output.
  {
    timeout 260 wine "$machine/python/python.exe" -I -S -B "$here/run.py" "$tests" </dev/null 2>&1 || touch failed
    # Whatever is left holds the pipe.
    timeout 30 wineserver --kill || true
  } | cat
done
[ ! -e failed ]
