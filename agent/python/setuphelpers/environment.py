"""Machine-wide environment variables and the search path (Windows), file associations."""

from .errors import needs_windows
from .windows_registry import (HKEY_CLASSES_ROOT, HKEY_LOCAL_MACHINE, REG_EXPAND_SZ, REG_SZ,
                               registry_delete, registry_readstring, registry_set)

_ENVIRONMENT = r'SYSTEM\CurrentControlSet\Control\Session Manager\Environment'
_ON_LINUX = "on Linux put a file into under_root('/etc/profile.d') or a link into /usr/local/bin"


def path_with(path, folder):
    """Adds a folder to a Windows search path unless it is there."""
    parts = [part for part in path.split(';') if part]
    if any(_same_folder(part, folder) for part in parts):
        return ';'.join(parts)
    return ';'.join(parts + [folder])


def path_without(path, folder):
    """Takes a folder out of a Windows search path."""
    return ';'.join(part for part in path.split(';') if part and not _same_folder(part, folder))


def _same_folder(one, other):
    return one.strip('" ').rstrip('\\/').lower() == other.strip('" ').rstrip('\\/').lower()


def _tell_windows():
    """Lets running programs know that the environment has changed."""
    import ctypes
    everyone, setting_change, abort_if_hung = 0xFFFF, 0x001A, 0x0002
    ctypes.windll.user32.SendMessageTimeoutW(everyone, setting_change, 0, 'Environment',
                                             abort_if_hung, 2000, None)


@needs_windows(advice=_ON_LINUX)
def add_to_system_path(path):
    """Adds a folder to the machine's search path; returns the new path."""
    current = registry_readstring(HKEY_LOCAL_MACHINE, _ENVIRONMENT, 'Path')
    changed = path_with(current, path)
    if changed != current:
        registry_set(HKEY_LOCAL_MACHINE, _ENVIRONMENT, 'Path', changed, REG_EXPAND_SZ)
        _tell_windows()
    return changed


@needs_windows(advice=_ON_LINUX)
def remove_from_system_path(path):
    """Takes a folder out of the machine's search path; returns the new path."""
    current = registry_readstring(HKEY_LOCAL_MACHINE, _ENVIRONMENT, 'Path')
    changed = path_without(current, path)
    if changed != current:
        registry_set(HKEY_LOCAL_MACHINE, _ENVIRONMENT, 'Path', changed, REG_EXPAND_SZ)
        _tell_windows()
    return changed


@needs_windows(advice=_ON_LINUX)
def set_environ_variable(name, value, type=REG_EXPAND_SZ):
    """Sets an environment variable of the machine."""
    registry_set(HKEY_LOCAL_MACHINE, _ENVIRONMENT, name, value, type)
    _tell_windows()


@needs_windows(advice=_ON_LINUX)
def unset_environ_variable(name):
    """Deletes an environment variable of the machine; returns whether it was there."""
    found = registry_delete(HKEY_LOCAL_MACHINE, _ENVIRONMENT, name)
    if found:
        _tell_windows()
    return found


@needs_windows(advice='on Linux write a .desktop entry with MimeType and run '
               'update-desktop-database')
def register_ext(appname, fileext, shellopen, icon=None, otherverbs=()):
    """Associates a file extension with a program.

    `shellopen` is the command that opens a file, with "%1" in its place; `otherverbs`
    are further (verb, command) pairs.
    """
    filetype = appname + fileext
    registry_set(HKEY_CLASSES_ROOT, fileext, '', filetype, REG_SZ)
    for verb, command in [('open', shellopen), *(otherverbs or ())]:
        registry_set(HKEY_CLASSES_ROOT, r'%s\shell\%s\command' % (filetype, verb), '', command,
                     REG_SZ)
    if icon:
        registry_set(HKEY_CLASSES_ROOT, r'%s\DefaultIcon' % filetype, '', icon, REG_SZ)
