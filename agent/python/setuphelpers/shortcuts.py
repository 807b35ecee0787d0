"""Shortcuts: .lnk files on Windows, .desktop entries on Linux."""

import os
import shlex

from . import context
from .errors import EWaptInstallError, needs_windows
from .files import mkdirs, remove_file, remove_tree
from .paths import common_desktop, programs, user_desktop


def desktop_entry(label, target, arguments='', work_dir='', icon=''):
    """Writes the text of a .desktop entry."""
    command = shlex.quote(target).replace('%', '%%')
    if '://' in target:
        kind = ['Type=Link', 'URL=%s' % target]
    else:
        kind = ['Type=Application', 'Exec=%s' % ('%s %s' % (command, arguments)).strip()]
    lines = ['[Desktop Entry]', 'Version=1.0'] + kind + ['Name=%s' % label]
    if work_dir:
        lines.append('Path=%s' % work_dir)
    if icon:
        lines.append('Icon=%s' % icon)
    return '\n'.join(lines) + '\n'


def create_shortcut(path, target='', arguments='', wDir='', icon=''):
    """Writes a shortcut file; an address as target makes an internet shortcut."""
    if not target:
        raise EWaptInstallError('the shortcut %s needs a target' % path)
    mkdirs(os.path.dirname(os.path.abspath(path)))
    if not context.is_windows:
        label = os.path.splitext(os.path.basename(path))[0]
        if not path.endswith('.desktop'):
            path += '.desktop'
        with open(path, 'w', encoding='utf-8') as file:
            file.write(desktop_entry(label, target, arguments, wDir, icon))
        os.chmod(path, 0o755)
        return path
    if '://' in target:
        with open(path, 'w', encoding='utf-8', newline='\r\n') as file:
            file.write('[InternetShortcut]\nURL=%s\n' % target)
            if icon:
                file.write('IconFile=%s\nIconIndex=0\n' % icon)
        return path
    from .shell_link import write_link
    write_link(os.path.abspath(path), target, arguments, wDir, icon)
    if not os.path.isfile(path):
        raise EWaptInstallError('Windows did not write the shortcut %s' % path)
    return path


@needs_windows(advice='on Linux read the .desktop file with inifile_readstring()')
def get_shortcut_properties(path):
    """Returns target, arguments, working folder and icon of a shortcut."""
    from .shell_link import read_link
    return read_link(os.path.abspath(path))


def _shortcut_file(folder, label, target='x'):
    extension = '.lnk'
    if not context.is_windows:
        extension = '.desktop'
    elif '://' in target:
        extension = '.url'
    if label.lower().endswith(extension):
        return os.path.join(folder, label)
    return os.path.join(folder, label + extension)


def _remove(folder, label):
    remove_file(_shortcut_file(folder, label))
    if context.is_windows:
        remove_file(_shortcut_file(folder, label, '://'))


def _menu(common, folder):
    base = programs(common)
    # Menus of Linux desktops are flat: the entry's category, not a folder, groups it.
    return os.path.join(base, folder) if folder and context.is_windows else base


def create_desktop_shortcut(label, target='', arguments='', wDir='', icon=''):
    """Writes a shortcut on the desktop of all users (Windows)."""
    return create_shortcut(_shortcut_file(common_desktop(), label, target), target, arguments,
                           wDir, icon)


def create_user_desktop_shortcut(label, target='', arguments='', wDir='', icon=''):
    """Writes a shortcut on the desktop of the current user."""
    return create_shortcut(_shortcut_file(user_desktop(), label, target), target, arguments,
                           wDir, icon)


def create_programs_menu_shortcut(label, target='', arguments='', wDir='', icon='', folder=None):
    """Writes a start menu shortcut for all users."""
    return create_shortcut(_shortcut_file(_menu(1, folder), label, target), target, arguments,
                           wDir, icon)


def create_user_programs_menu_shortcut(label, target='', arguments='', wDir='', icon='',
                                       folder=None):
    """Writes a start menu shortcut for the current user."""
    return create_shortcut(_shortcut_file(_menu(0, folder), label, target), target, arguments,
                           wDir, icon)


def remove_desktop_shortcut(label):
    """Deletes a shortcut from the desktop of all users (Windows); a missing one is fine."""
    _remove(common_desktop(), label)


def remove_user_desktop_shortcut(label):
    """Deletes a shortcut from the desktop of the current user; a missing one is fine."""
    _remove(user_desktop(), label)


def remove_programs_menu_shortcut(label, folder=None):
    """Deletes a start menu shortcut of all users; a missing one is fine."""
    _remove(_menu(1, folder), label)


def remove_user_programs_menu_shortcut(label, folder=None):
    """Deletes a start menu shortcut of the current user; a missing one is fine."""
    _remove(_menu(0, folder), label)


@needs_windows(advice='menus of Linux desktops have no folders: use '
               'remove_programs_menu_shortcut()')
def remove_programs_menu_folder(folder):
    """Deletes a start menu folder of all users."""
    remove_tree(os.path.join(programs(1), folder))


@needs_windows(advice='menus of Linux desktops have no folders')
def remove_user_programs_menu_folder(folder):
    """Deletes a start menu folder of the current user."""
    remove_tree(os.path.join(programs(0), folder))
