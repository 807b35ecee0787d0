# -*- coding: utf-8 -*-
"""@title@

Installs @file_text@. This file runs on the machines, as root, in the folder of the unpacked package; name,
version and filters of the package stand in WAPT/control.

Needs: @needs@

Try it:              muster package test @package@
Build and sign it:   muster package build @package@
"""
from setuphelpers import *

INSTALLER = @file@

# The distribution's name of the software. @lister@ must list it after install(), else the package is ERROR;
# removing the package removes it by @remover@.
uninstallkey = [@key@]


def install():
    """Installs the file; @fetcher@ fetches what it needs out of the machine's own sources."""
    @helper@(INSTALLER)


def uninstall():
    """Takes away what the removal leaves behind: @remover@ has removed the software before this runs."""
@advice@


def audit():
    """Says on a schedule whether all is well: 'OK', 'WARNING' or 'ERROR'.

    That the software is there is checked in any case.
    """
    return 'OK'


@update@
