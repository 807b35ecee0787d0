#!/bin/sh
# Runs one test program of the Windows build under Wine; cargo calls it as the target's runner.
# Makes target/windows-tests on first use: the machine of machine.sh with its CPython installed for everybody.
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
machine="$root/target/windows-machine"
export WINEPREFIX="${MUSTER_TEST_PREFIX:-$root/target/windows-tests}"
export WINEARCH=win64 WINEDEBUG=-all WINEDLLOVERRIDES=winedbg.exe=d

if [ ! -f "$WINEPREFIX/ready" ]; then
  rm -rf "$WINEPREFIX"
  cp -a --reflink=auto "$machine/prefix" "$WINEPREFIX"
  cp -a "$machine/python" "$WINEPREFIX/drive_c/Program Files/Python312"
  # As the installer of python.org registers itself; the agent looks here.
  timeout 60 wine reg add 'HKLM\Software\Python\PythonCore\3.12\InstallPath' \
    /v ExecutablePath /d 'C:\Program Files\Python312\python.exe' /f >/dev/null 2>&1
  timeout 60 wineserver --wait
  : > "$WINEPREFIX/ready"
fi

# Python under Wine writes to pipes and not to files; a program under Wine reads no terminal.
{ timeout "${MUSTER_TEST_SECONDS:-600}" wine "$@" </dev/null 2>&3 || echo $? > "$WINEPREFIX/failed.$$"; } 3>&2 | cat
if [ -f "$WINEPREFIX/failed.$$" ]; then
  code=$(cat "$WINEPREFIX/failed.$$")
  rm -f "$WINEPREFIX/failed.$$"
  exit "$code"
fi
