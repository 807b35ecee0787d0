# -*- coding: utf-8 -*-
"""@title@

Installs @file_text@ (made with @maker@). This file runs on the machines, as SYSTEM, in the folder of the
unpacked package; name, version and filters of the package stand in WAPT/control.

Try it:              muster package test @package@
Build and sign it:   muster package build @package@
"""
from setuphelpers import *

INSTALLER = @file@

# @flags_comment@
SILENT = @flags@

# The name of the software in Windows' list, below
# HKEY_LOCAL_MACHINE\SOFTWARE\Microsoft\Windows\CurrentVersion\Uninstall.
# @key_comment@
KEY = @key@

# Windows must list these keys after install(), else the package is ERROR; removing the package runs the
# uninstall commands that Windows keeps with them.
uninstallkey = [KEY] if KEY else []


def install():
    """Installs silently, unless Windows lists the software in this version or a newer one."""
    install_exe_if_needed(
        INSTALLER,
        silentflags=SILENT,
        key=KEY,
        # '' installs only where the key is missing, whatever the version
        min_version=@min_version@,
        # 1.2 and 1.2.0.0 are the same version, whichever of them Windows lists
        get_version=lambda entry: Version(entry['version'], 4),
    )


def uninstall():
    """Takes away what the uninstaller leaves behind: it has run before this, by the key above.

    Only the text of this file is kept on the machine, not the files of the package.
    """
    # @uninstall_comment@
    # run(r'"C:\Program Files\Product\uninstall.exe" @uninstall_flags@')
    # remove_tree(makepath(programfiles, 'Product'))


def audit():
    """Says on a schedule whether all is well: 'OK', 'WARNING' or 'ERROR'.

    That the uninstall keys are there is checked in any case.
    """
    return 'OK'


# Runs once for each user at sign-in, as that user.
# def session_setup():
#     registry_set(HKEY_CURRENT_USER, r'Software\Product', 'Language', get_language())


@update@
