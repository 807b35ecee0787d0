"""Installed software: the uninstall registry on Windows, dpkg or rpm on Linux, applications
and packages on macOS."""

import re
import shutil
import subprocess
import time

from . import context
from .errors import EWaptInstallError
from .text import ensure_list
from .versions import Version
from .windows_registry import (HKEY_LOCAL_MACHINE, KEY_WOW64_32KEY, KEY_WOW64_64KEY,
                               read_subkeys, read_values)

UNINSTALL_PATH = r'SOFTWARE\Microsoft\Windows\CurrentVersion\Uninstall'


def registry_entry(key, values, win64):
    """Makes a software entry of the values of an uninstall key."""
    def text(name):
        value = values.get(name)
        return '' if value is None else str(value).strip('\x00 ')
    return {
        'key': key,
        'name': text('DisplayName'),
        'version': text('DisplayVersion'),
        'install_date': text('InstallDate'),
        'install_location': text('InstallLocation').strip('"'),
        'uninstall_string': text('UninstallString'),
        'quiet_uninstall_string': text('QuietUninstallString'),
        'publisher': text('Publisher'),
        'system_component': 1 if values.get('SystemComponent') in (1, '1') else 0,
        'windows_installer': 1 if values.get('WindowsInstaller') in (1, '1') else 0,
        'win64': win64,
    }


def registry_views():
    """Yields (view flag, is 64-bit) of the two halves of the registry."""
    yield KEY_WOW64_64KEY, True
    yield KEY_WOW64_32KEY, False


def _windows_softwares():
    seen = set()
    for view, win64 in registry_views():
        for key in read_subkeys(HKEY_LOCAL_MACHINE, UNINSTALL_PATH, view):
            values = read_values(HKEY_LOCAL_MACHINE, UNINSTALL_PATH + '\\' + key, view)
            if values is None:
                continue
            entry = registry_entry(key, values, win64)
            # A 32-bit Windows shows the same key in both views.
            identity = (key.lower(), entry['name'], entry['version'],
                        entry['uninstall_string'], entry['install_location'])
            if identity not in seen:
                seen.add(identity)
                yield entry


def parse_dpkg(text):
    """Reads tab separated lines: status, name, version, maintainer."""
    for line in text.splitlines():
        fields = line.split('\t')
        if len(fields) == 4 and fields[0][1:2] == 'i':
            yield _linux_entry(fields[1], fields[2], fields[3],
                               'apt-get remove -y %s' % fields[1])


def parse_rpm(text):
    """Reads tab separated lines: name, version, vendor, install time in seconds."""
    for line in text.splitlines():
        fields = line.split('\t')
        if len(fields) == 4 and fields[0] != 'gpg-pubkey':
            entry = _linux_entry(fields[0], fields[1], fields[2].replace('(none)', ''),
                                 'rpm -e %s' % fields[0])
            if fields[3].isdigit():
                entry['install_date'] = time.strftime('%Y%m%d', time.localtime(int(fields[3])))
            yield entry


def _linux_entry(name, version, publisher, uninstall):
    return {'key': name, 'name': name, 'version': version, 'install_date': '',
            'install_location': '', 'uninstall_string': uninstall,
            'quiet_uninstall_string': uninstall, 'publisher': publisher,
            'system_component': 0, 'windows_installer': 0, 'win64': False}


def _query(*command):
    return subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL, encoding='utf-8', errors='replace',
                          timeout=120, check=False).stdout


def _linux_softwares():
    if shutil.which('dpkg-query'):
        yield from parse_dpkg(_query(
            'dpkg-query', '-W', '-f',
            '${db:Status-Abbrev}\t${Package}\t${Version}\t${Maintainer}\n'))
    elif shutil.which('rpm'):
        yield from parse_rpm(_query(
            'rpm', '-qa', '--qf', '%{NAME}\t%{VERSION}-%{RELEASE}\t%{VENDOR}\t%{INSTALLTIME}\n'))
    else:
        raise EWaptInstallError('cannot list the installed software: neither dpkg-query nor rpm '
                                'is on this machine')


def _macos_softwares():
    from .macos import get_installed_pkgs, get_pkg_info, list_applications
    for name, version, identifier, folder in list_applications():
        yield {**_linux_entry(name, version, '', ''), 'key': identifier,
               'install_location': folder}
    for identifier in get_installed_pkgs():
        # Those of the system itself are hundreds, and nobody asks for them.
        if not identifier.startswith('com.apple.'):
            version = str(get_pkg_info(identifier).get('pkg-version', ''))
            yield _linux_entry(identifier, version, '', '')


def _softwares():
    if context.is_windows:
        return _windows_softwares()
    return _macos_softwares() if context.is_macos else _linux_softwares()


def installed_softwares(keywords='', uninstallkey=None, ignore_empty_names=True, name=None):
    """Lists the installed products, each a dictionary (key, name, version, uninstall_string,
    install_location, publisher, win64, ...).

    `keywords`: words that must all occur in key, name or publisher; `uninstallkey`: the
    exact key; `name`: a regular expression that the name starts with.
    """
    words = [word.lower() for item in ensure_list(keywords) for word in str(item).split()]
    pattern = re.compile(name, re.IGNORECASE) if name else None
    found = []
    for entry in _softwares():
        if uninstallkey is not None and entry['key'].lower() != uninstallkey.lower():
            continue
        if uninstallkey is None and ignore_empty_names and not entry['name']:
            continue
        if pattern is not None and not pattern.match(entry['name']):
            continue
        text = ' '.join((entry['key'], entry['name'], entry['publisher'])).lower()
        if all(word in text for word in words):
            found.append(entry)
    return found


def software_keys():
    """Returns the set of all uninstall keys (or package names) of the machine."""
    return {entry['key'] for entry in installed_softwares(ignore_empty_names=False)}


def uninstall_key_exists(uninstallkey):
    """Tells whether an uninstall key (or package) is there, in either registry view."""
    if not uninstallkey:
        return False
    if context.is_windows:
        return any(read_values(HKEY_LOCAL_MACHINE, UNINSTALL_PATH + '\\' + uninstallkey, view)
                   is not None for view, _ in registry_views())
    return bool(installed_softwares(uninstallkey=uninstallkey))


def install_location(uninstallkey):
    """Returns the folder that an uninstall key names, or None."""
    for entry in installed_softwares(uninstallkey=uninstallkey):
        if entry['install_location']:
            return entry['install_location']
    return None


def get_app_install_location(uninstallkey):
    """Returns the folder that an uninstall key names, or None."""
    return install_location(uninstallkey)


def wait_until(condition, timeout_secs, interval_secs=0.5, sleep=time.sleep,
               clock=time.monotonic):
    """Polls a condition until it holds; returns whether it did within the time."""
    deadline = clock() + timeout_secs
    while not condition():
        if clock() >= deadline:
            return False
        sleep(interval_secs)
    return True


def wait_uninstallkey_absent(uninstallkey, max_timeout=120):
    """Waits until an uninstall key is gone; raises when it still is there after the time."""
    if not wait_until(lambda: not uninstall_key_exists(uninstallkey), max_timeout):
        raise EWaptInstallError('uninstall key %s is still there after %s s'
                                % (uninstallkey, max_timeout))
    return True


def wait_uninstallkey_present(uninstallkey, max_timeout=120):
    """Waits until an uninstall key is there; raises when it is not after the time."""
    if not wait_until(lambda: uninstall_key_exists(uninstallkey), max_timeout):
        raise EWaptInstallError('uninstall key %s is not there after %s s'
                                % (uninstallkey, max_timeout))
    return True


def need_install(key=None, min_version=None, force=False, get_version=None, name=None):
    """Tells whether a product must be installed: absent, older than min_version, or forced.

    The product is given by key or by a regular expression on its name;
    `get_version(entry)` reads the version from elsewhere than the registry.
    """
    if force or not (key or name):
        return True
    entries = installed_softwares(uninstallkey=key, name=name)
    if not entries:
        return True
    if min_version in (None, ''):
        return False
    wanted = Version(min_version)
    for entry in entries:
        current = get_version(entry) if get_version else entry['version']
        if Version(current) >= wanted:
            return False
    return True
