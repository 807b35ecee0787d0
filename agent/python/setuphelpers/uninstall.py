"""Silent uninstall commands, and uninstall entries for programs that have none."""

import ntpath
import re
import shlex

from . import context
from .errors import EWaptInstallError, needs_windows
from .software import (UNINSTALL_PATH, installed_softwares, registry_views,
                       uninstall_key_exists)
from .versions import Version
from .windows_registry import (HKEY_LOCAL_MACHINE, KEY_WOW64_32KEY, KEY_WOW64_64KEY, KEY_WRITE,
                               read_values, reg_openkey_noredir, reg_setvalue, value_type, winreg)

_PROGRAM = re.compile(r'^\s*(?:"(?P<quoted>[^"]+)"|(?P<bare>.+?\.(?:exe|cmd|bat|com))(?=\s|$)|'
                      r'(?P<word>\S+))\s*(?P<rest>.*)$', re.IGNORECASE | re.DOTALL)


def split_program(command):
    """Splits a Windows command line into (program, arguments); unquoted paths may hold blanks."""
    match = _PROGRAM.match(command or '')
    if match is None:
        return '', ''
    program = match.group('quoted') or match.group('bare') or match.group('word')
    return program, match.group('rest').strip()


def _join(program, arguments):
    if ' ' in program:
        program = '"%s"' % program
    return ('%s %s' % (program, arguments)).strip()


def _with_switches(arguments, *switches):
    present = arguments.lower().split()
    return ' '.join([arguments] * bool(arguments) +
                    [switch for switch in switches if switch.lower() not in present])


def _silence_msiexec(program, arguments):
    arguments = re.sub(r'/i(?=\s*["{])', '/X', arguments, flags=re.IGNORECASE)
    quiet = re.search(r'(?i)(?:^|\s)[/-](?:q[nbrf]?[+!-]*|quiet|passive)(?=\s|$)', arguments)
    return _join(program, _with_switches(arguments, *([] if quiet else ['/q']), '/norestart'))


def silent_uninstall_command(key, values):
    """Derives the command that uninstalls silently from the values of an uninstall key."""
    quiet = (values.get('QuietUninstallString') or '').strip()
    command = (values.get('UninstallString') or '').strip()
    if quiet:
        program, arguments = split_program(quiet)
        return _join(program, re.sub(r'(?i)(?<!\S)/silent(?!\S)', '/VERYSILENT', arguments))
    if command:
        program, arguments = split_program(command)
        name = ntpath.basename(program).lower()
        if name in ('msiexec', 'msiexec.exe'):
            return _silence_msiexec(program, arguments)
        if 'spuninst' in name:
            return _join(program, _with_switches(arguments, '/quiet', '/norestart'))
        if re.match(r'unins\d{3}\.exe$', name):
            arguments = re.sub(r'(?i)(?<!\S)/silent(?!\S)', '', arguments).strip()
            return _join(program, _with_switches(arguments, '/VERYSILENT', '/SUPPRESSMSGBOXES',
                                                 '/NORESTART'))
        if 'uninst' in name or name == 'helper.exe':
            switches = arguments.split()
            return _join(program, arguments if '/S' in switches else
                         ('%s /S' % arguments).strip())
        return _join(program, arguments)
    if values.get('WindowsInstaller') in (1, '1'):
        return 'msiexec /quiet /norestart /X %s' % key
    raise EWaptInstallError('uninstall key %s names no uninstall command: remove the program in '
                            'uninstall() of the package' % key)


def uninstall_cmd(guid):
    """Returns the command that silently uninstalls the product of an uninstall key.

    On Linux the key is the name of a distribution package.
    """
    if not context.is_windows:
        if not uninstall_key_exists(guid):
            raise EWaptInstallError('package %s is not installed' % guid)
        entry = installed_softwares(uninstallkey=guid)[0]
        if entry['uninstall_string'].startswith('apt-get'):
            return 'DEBIAN_FRONTEND=noninteractive apt-get remove -y -q %s' % shlex.quote(guid)
        return 'rpm -e %s' % shlex.quote(guid)
    for view, _ in registry_views():
        values = read_values(HKEY_LOCAL_MACHINE, UNINSTALL_PATH + '\\' + guid, view)
        if values is not None:
            return silent_uninstall_command(guid, values)
    raise EWaptInstallError('uninstall key %s is not in the registry' % guid)


def remove_previous_version(key, max_version=None):
    """Uninstalls a product when it is older than max_version (or whatever its version is)."""
    from .process import run
    removed = False
    for entry in installed_softwares(uninstallkey=key):
        if max_version is None or Version(entry['version']) < Version(max_version):
            run(uninstall_cmd(entry['key']), accept_returncodes=[0, 1605, 1641, 3010])
            removed = True
    return removed


def _view(win64app):
    return KEY_WOW64_64KEY if win64app else KEY_WOW64_32KEY


@needs_windows(advice='on Linux make a .deb or .rpm package so that the system knows the program')
def register_uninstall(uninstallkey, uninstallstring, win64app=False,
                       quiet_uninstall_string='', install_location=None, display_name=None,
                       display_version=None, publisher=''):
    """Writes an uninstall entry, so that the program shows among the installed ones."""
    if not uninstallkey:
        raise EWaptInstallError('register_uninstall needs a key')
    if not uninstallstring:
        raise EWaptInstallError('register_uninstall needs an uninstall command for %s'
                                % uninstallkey)
    values = {'UninstallString': uninstallstring, 'DisplayName': display_name or uninstallkey,
              'QuietUninstallString': quiet_uninstall_string, 'Publisher': publisher,
              'InstallLocation': install_location, 'DisplayVersion': display_version}
    path = UNINSTALL_PATH + '\\' + uninstallkey
    with reg_openkey_noredir(HKEY_LOCAL_MACHINE, path, KEY_WRITE | _view(win64app),
                             create_if_missing=True) as key:
        for name, value in values.items():
            if value:
                reg_setvalue(key, name, str(value), value_type(str(value)))


@needs_windows
def unregister_uninstall(uninstallkey, win64app=False):
    """Deletes an uninstall entry; one that is missing is fine."""
    if not uninstallkey:
        raise EWaptInstallError('unregister_uninstall needs a key')
    try:
        winreg.DeleteKeyEx(HKEY_LOCAL_MACHINE, UNINSTALL_PATH + '\\' + uninstallkey,
                           _view(win64app), 0)
    except FileNotFoundError:
        pass


@needs_windows
def register_windows_uninstall(package_entry):
    """Writes an uninstall entry for the package itself."""
    register_uninstall('muster_' + package_entry.package,
                       'muster-agent remove %s' % package_entry.package,
                       display_name=package_entry.name or package_entry.package,
                       display_version=package_entry.version,
                       publisher=package_entry.maintainer, win64app=True)
