# -*- coding: utf-8 -*-
"""@title@

Installs @file_text@. This file runs on the machines, as SYSTEM, in the folder of the unpacked package; name,
version and filters of the package stand in WAPT/control.

Build and sign it:   muster package build @package@
"""
from setuphelpers import *

INSTALLER = @file@

# The number of the update in Windows' list of installed updates.
UPDATE = @update_number@

# Updates are not in the list of installed software.
uninstallkey = []


def is_installed():
    """Windows lists the update."""
    return bool(UPDATE) and UPDATE.upper() in str(installed_windows_updates()).upper()


def install():
    """Installs silently, unless Windows lists the update."""
    if is_installed():
        print('%s is there already' % UPDATE)
        return
    # The service that installs updates may be switched off by policy: it runs for this time.
    with EnsureWUAUServRunning():
        # 3010: done, with the next start; 2359302: was there; -2145124329 (0x80240017): not for this machine
        run('wusa.exe "%s" @flags_text@' % os.path.abspath(INSTALLER),
            accept_returncodes=[0, 3010, 2359302, -2145124329, 2149842967], timeout=3600)


def uninstall():
    """Takes the update away, where Windows lets it."""
    if is_installed():
        run('wusa.exe /uninstall /kb:%s @flags_text@' % UPDATE[2:], accept_returncodes=[0, 3010, 2359303],
            timeout=3600)


def audit():
    """Windows lists the update, or a later one has replaced it."""
    if is_installed():
        return 'OK'
    print('%s is not listed; a later update may have replaced it' % UPDATE)
    return 'WARNING'
