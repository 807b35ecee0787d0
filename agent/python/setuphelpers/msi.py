"""The property table of Windows Installer files, through msi.dll or msitools."""

import os
import shutil
import subprocess

from . import context
from .errors import EWaptInstallError


def get_msi_properties(msi_filename):
    """Returns the Property table of an msi (ProductName, ProductVersion, ProductCode, ...)."""
    path = os.path.abspath(msi_filename)
    if not os.path.isfile(path):
        raise EWaptInstallError('cannot read %s: there is no such file' % path)
    return _through_windows(path) if context.is_windows else _through_msitools(path)


def parse_property_export(text):
    """Reads the Property table as msiinfo exports it: three header lines, then rows."""
    rows = text.replace('\r\n', '\n').split('\n')[3:]
    pairs = (row.split('\t', 1) for row in rows if '\t' in row)
    return {name: value for name, value in pairs}


def _through_msitools(path):
    program = shutil.which('msiinfo')
    if program is None:
        raise EWaptInstallError('reading %s needs the program msiinfo on Linux: install the '
                                'package msitools' % path)
    done = subprocess.run([program, 'export', path, 'Property'], stdin=subprocess.DEVNULL,
                          capture_output=True, timeout=120, check=False)
    if done.returncode != 0:
        raise EWaptInstallError('cannot read %s: %s' % (
            path, done.stderr.decode('utf-8', 'replace').strip()))
    return parse_property_export(done.stdout.decode('utf-8', 'replace'))


def _through_windows(path):
    import ctypes
    from ctypes import byref, wintypes
    msi = ctypes.WinDLL('msi')
    handle = ctypes.c_ulong

    def check(code, doing):
        if code != 0:
            raise EWaptInstallError('cannot read %s: %s failed with code %d'
                                    % (path, doing, code))

    database, view, record = handle(), handle(), handle()
    # The second argument is the "read only" marker: the number 0 in place of a text.
    msi.MsiOpenDatabaseW.argtypes = [wintypes.LPCWSTR, ctypes.c_void_p, ctypes.c_void_p]
    check(msi.MsiOpenDatabaseW(path, None, byref(database)), 'opening')
    try:
        check(msi.MsiDatabaseOpenViewW(database, 'SELECT `Property`, `Value` FROM `Property`',
                                       byref(view)), 'querying')
        try:
            check(msi.MsiViewExecute(view, handle(0)), 'querying')
            properties = {}
            while msi.MsiViewFetch(view, byref(record)) == 0:
                name, value = (_record_text(msi, record, field) for field in (1, 2))
                properties[name] = value
                msi.MsiCloseHandle(record)
            return properties
        finally:
            msi.MsiCloseHandle(view)
    finally:
        msi.MsiCloseHandle(database)


def _record_text(msi, record, field):
    import ctypes
    size = ctypes.c_ulong(0)
    empty = ctypes.create_unicode_buffer(1)
    msi.MsiRecordGetStringW(record, field, empty, ctypes.byref(size))
    size = ctypes.c_ulong(size.value + 1)
    buffer = ctypes.create_unicode_buffer(size.value)
    msi.MsiRecordGetStringW(record, field, buffer, ctypes.byref(size))
    return buffer.value
