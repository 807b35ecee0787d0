"""Silent installation of exe and msi installers, only where it is needed."""

import os
import re

from . import context
from .binaries import get_file_properties, getsilentflags
from .context import logger
from .errors import EWaptInstallError, needs_windows
from .msi import get_msi_properties
from .process import run
from .processlist import killalltasks
from .software import installed_softwares, need_install, software_keys, wait_until
from .text import ensure_list
from .uninstall import uninstall_cmd
from .versions import Version

_ON_LINUX = ('on Linux use install_deb(), install_rpm() or install_apt(), or set target_os to '
             'windows in the control file')
#: Some installers end before their last step has written the registry.
_KEY_WAIT_SECS = 10


def _options(force, killbefore, uninstallkeylist):
    """Completes what the script did not pass with the state of the running package."""
    force = context.force if force is None else force
    processes = ensure_list(killbefore) or context.impacted_processes()
    keys = context.uninstall_keys() if uninstallkeylist is None else uninstallkeylist
    return force, processes, keys


def _remember(keys, key):
    if key and key not in keys:
        keys.append(key)


def properties_text(properties):
    """Writes msi properties, a dictionary or ready text, as command line arguments."""
    if not properties:
        return ''
    if isinstance(properties, str):
        return properties
    return ' '.join('%s="%s"' % (name, str(value).replace('"', '""'))
                    for name, value in properties.items())


def _remove_other_versions(name, version, key):
    """Uninstalls older products with the same name."""
    pattern = '^%s$' % re.escape(name)
    for entry in installed_softwares(name=pattern):
        if entry['key'] != key and Version(entry['version']) < Version(version):
            logger.info('removing %s %s', entry['name'], entry['version'])
            run(uninstall_cmd(entry['key']), accept_returncodes=[0, 1605, 1641, 3010])


def _check_installed(installer, key, min_version, get_version, before):
    if not wait_until(lambda: installed_softwares(uninstallkey=key), _KEY_WAIT_SECS):
        new = sorted(software_keys() - before)
        raise EWaptInstallError('%s ran, but uninstall key %s is not there; %s' % (
            installer, key, 'new keys: %s' % ', '.join(new) if new else 'no new key appeared'))
    if min_version and need_install(key, min_version=min_version, get_version=get_version):
        found = ', '.join(str(get_version(entry) if get_version else entry['version'])
                          for entry in installed_softwares(uninstallkey=key))
        raise EWaptInstallError('%s ran, but %s has version %s, expected at least %s'
                                % (installer, key, found, min_version))


@needs_windows(advice=_ON_LINUX)
def install_msi_if_needed(msi, min_version=None, killbefore=None, accept_returncodes=(0, 1641, 3010),
                          timeout=300, properties=None, get_version=None,
                          remove_old_version=False, force=None, uninstallkeylist=None,
                          pidlist=None, key=None):
    """Installs an msi silently unless its product is there in the wanted version.

    `min_version` None takes the version of the msi, '' any version. The product code is
    added to the uninstall keys of the package.
    """
    if not os.path.isfile(msi):
        raise EWaptInstallError('the msi %s is not in the package (current folder: %s)'
                                % (msi, os.getcwd()))
    force, processes, keys = _options(force, killbefore, uninstallkeylist)
    about = get_msi_properties(msi)
    key = key or about['ProductCode']
    if min_version is None:
        min_version = about['ProductVersion']
    if force or need_install(key, min_version=min_version, get_version=get_version):
        killalltasks(processes)
        before = software_keys()
        if remove_old_version:
            _remove_other_versions(about['ProductName'], min_version or about['ProductVersion'],
                                   key)
        command = 'msiexec /norestart /q /i "%s" %s' % (os.path.abspath(msi),
                                                        properties_text(properties))
        run(command.strip(), accept_returncodes=accept_returncodes, timeout=timeout,
            pidlist=pidlist)
        _check_installed(msi, key, min_version, get_version, before)
    else:
        logger.info('%s is already installed, %s is left out', key, msi)
    _remember(keys, key)


@needs_windows(advice=_ON_LINUX)
def install_exe_if_needed(exe, silentflags=None, key=None, min_version=None, killbefore=None,
                          accept_returncodes=(0, 1641, 3010), timeout=300, get_version=None,
                          remove_old_version=False, force=None, uninstallkeylist=None,
                          pidlist=None):
    """Runs an exe installer silently unless its key is there in the wanted version.

    Without switches they are guessed from the file; `min_version` None takes the version
    of the file when there is a key, '' any version. The key is added to the uninstall keys.
    """
    if not os.path.isfile(exe):
        raise EWaptInstallError('the installer %s is not in the package (current folder: %s)'
                                % (exe, os.getcwd()))
    force, processes, keys = _options(force, killbefore, uninstallkeylist)
    if silentflags is None:
        silentflags = getsilentflags(exe)
    if min_version is None and key:
        about = get_file_properties(exe)
        min_version = about['ProductVersion'] or about['FileVersion'] or ''
    if force or need_install(key, min_version=min_version, get_version=get_version):
        killalltasks(processes)
        before = software_keys()
        if remove_old_version and key:
            for entry in installed_softwares(uninstallkey=key):
                if not min_version or Version(entry['version']) < Version(min_version):
                    run(uninstall_cmd(key), accept_returncodes=[0, 1605, 1641, 3010])
        run('"%s" %s' % (os.path.abspath(exe), silentflags),
            accept_returncodes=accept_returncodes, timeout=timeout, pidlist=pidlist)
        if key:
            _check_installed(exe, key, min_version, get_version, before)
        else:
            logger.warning('%s ran without a key: nothing tells whether it installed; new keys: '
                           '%s', exe, ', '.join(sorted(software_keys() - before)) or 'none')
    else:
        logger.info('%s is already installed, %s is left out', key, exe)
    _remember(keys, key)
