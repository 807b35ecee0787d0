# -*- coding: utf-8 -*-
"""@title@

Provides @file_text@ to all users. This file runs on the machines, as SYSTEM, in the folder of the unpacked
package; name, version and filters of the package stand in WAPT/control.

Build and sign it:   muster package build @package@
"""
from setuphelpers import *

INSTALLER = @file@

# The name in the identity of the app.
APP = @key@

# Apps are not in the list of installed software.
uninstallkey = []


def is_provisioned():
    """Windows gives the app to every user who signs in."""
    found = run_powershell('Get-AppxProvisionedPackage -Online | Where-Object DisplayName -eq "%s" | '
                           'Select-Object DisplayName, Version' % APP)
    return bool(found)


def install():
    """Provides the app for all users; those who are signed in get it at their next sign-in."""
    run_powershell('Add-AppxProvisionedPackage -Online -SkipLicense -PackagePath "%s"'
                   % os.path.abspath(INSTALLER), output_format='text')


def uninstall():
    """Takes the app from all users and from those to come."""
    run_powershell('Get-AppxProvisionedPackage -Online | Where-Object DisplayName -eq "%s" | '
                   'Remove-AppxProvisionedPackage -Online' % APP, output_format='text')
    remove_metroapp(APP)


def audit():
    """The app is provided."""
    if is_provisioned():
        return 'OK'
    print('%s is not provided' % APP)
    return 'ERROR'
