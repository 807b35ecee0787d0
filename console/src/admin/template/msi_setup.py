# -*- coding: utf-8 -*-
"""@title@

Installs @file_text@. This file runs on the machines, as SYSTEM, in the folder of the unpacked package;
name, version and filters of the package stand in WAPT/control.

Try it:              muster package test @package@
Build and sign it:   muster package build @package@
"""
from setuphelpers import *

INSTALLER = @file@

# The product code of the MSI. Windows must list it after install(), else the package is ERROR; removing the
# package runs the uninstall command that Windows keeps with it.
uninstallkey = [@key@]


def install():
    """Installs silently, unless Windows lists this product in this version or a newer one."""
    install_msi_if_needed(
        INSTALLER,
        # Properties of this MSI, such as {'ALLUSERS': 1, 'INSTALLDIR': r'C:\Tools'}
        properties={},
        # True uninstalls older products of the same name first, for an MSI that does not do it by itself
        remove_old_version=False,
    )


def uninstall():
    """Takes away what the MSI leaves behind: Windows has uninstalled it before this runs.

    Only the text of this file is kept on the machine, not the files of the package.
    """
    # remove_tree(makepath(programfiles, 'Publisher', 'Product'))


def audit():
    """Says on a schedule whether all is well: 'OK', 'WARNING' or 'ERROR'.

    That the uninstall keys are there is checked in any case.
    """
    return 'OK'


# Runs once for each user at sign-in, as that user.
# def session_setup():
#     registry_set(HKEY_CURRENT_USER, r'Software\Product', 'Language', get_language())


@update@
