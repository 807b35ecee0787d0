"""Where things live: system and user folders, all of them below the root prefix."""

import os

from . import context
from .context import under_root
from .errors import needs_windows


def makepath(*parts):
    """Joins path parts; callables among them (programfiles, ...) are called first."""
    values = []
    for part in parts:
        if callable(part):
            part = part()
        values.append(os.fspath(part))
    if context.is_windows:
        values = [value + '\\' if len(value) == 2 and value[1] == ':' else value
                  for value in values]
    return os.path.join(*values) if values else ''


def _environ(*names):
    for name in names:
        if os.environ.get(name):
            return os.environ[name]
    raise KeyError('none of the environment variables %s is set' % ', '.join(names))


def _unix_programs():
    return under_root('/Applications' if context.is_macos else '/opt')


def programfiles():
    """Program Files of the system's own architecture; /opt on Linux, /Applications on macOS."""
    if context.is_windows:
        return under_root(_environ('ProgramW6432', 'ProgramFiles'))
    return _unix_programs()


def programfiles32():
    """Program Files of 32-bit programs; as programfiles() on other systems."""
    if context.is_windows:
        return under_root(_environ('ProgramFiles(x86)', 'ProgramFiles'))
    return _unix_programs()


def programfiles64():
    """Program Files of 64-bit programs; as programfiles() on other systems."""
    return programfiles()


@needs_windows(advice='on Linux name the folder itself, through under_root()')
def system32():
    """Folder of the system's own programs."""
    return under_root(os.path.join(_environ('SystemRoot', 'windir'), 'System32'))


@needs_windows(advice="on Linux the tree starts at under_root('/')")
def systemdrive():
    """The drive that holds Windows, such as C:."""
    drive = _environ('SystemDrive')
    return under_root(drive + '\\') if context.root else drive


def windows_directory():
    """The Windows folder."""
    return os.path.dirname(system32())


def common_application_data():
    """Machine-wide settings: ProgramData, /etc on Linux, /Library/Application Support on macOS."""
    if context.is_windows:
        return under_root(_environ('ProgramData', 'ALLUSERSPROFILE'))
    return under_root('/Library/Application Support' if context.is_macos else '/etc')


def user_home_directory(user=None):
    """Home of a user, by default of the one the script runs as."""
    home = os.path.expanduser('~' + (user or ''))
    if home.startswith('~'):
        raise KeyError('user %s has no home folder on this machine' % (user or '(current)'))
    return under_root(home)


def application_data():
    """Roaming settings of the user: AppData\\Roaming, ~/.config on Linux, ~/Library/Application
    Support on macOS."""
    if context.is_windows:
        return under_root(_environ('APPDATA'))
    if context.is_macos:
        return os.path.join(user_home_directory(), 'Library', 'Application Support')
    configured = os.environ.get('XDG_CONFIG_HOME', '')
    if os.path.isabs(configured):
        return under_root(configured)
    return os.path.join(user_home_directory(), '.config')


def user_appdata():
    """Roaming settings of the user; the same folder as application_data()."""
    return application_data()


def user_local_appdata():
    """Local data of the user: AppData\\Local, ~/.local/share on Linux, as application_data()
    on macOS."""
    if context.is_windows:
        return under_root(_environ('LOCALAPPDATA'))
    if context.is_macos:
        return application_data()
    configured = os.environ.get('XDG_DATA_HOME', '')
    if os.path.isabs(configured):
        return under_root(configured)
    return os.path.join(user_home_directory(), '.local', 'share')


def default_user_home():
    """The profile that new users start from: Users\\Default, /etc/skel on Linux."""
    if context.is_windows:
        return os.path.join(os.path.dirname(under_root(_environ('PUBLIC'))), 'Default')
    return under_root('/etc/skel')


def default_user_appdata():
    """Roaming settings that new users start with."""
    return os.path.join(default_user_home(),
                        *(['AppData', 'Roaming'] if context.is_windows else ['.config']))


def default_user_local_appdata():
    """Local data that new users start with."""
    return os.path.join(default_user_home(),
                        *(['AppData', 'Local'] if context.is_windows else ['.local', 'share']))


def _shell_folder(csidl):
    """Asks Windows for a special folder by its CSIDL number."""
    import ctypes
    buffer = ctypes.create_unicode_buffer(260)
    result = ctypes.windll.shell32.SHGetFolderPathW(None, csidl, None, 0, buffer)
    if result != 0:
        raise OSError('Windows does not know special folder %#x (%#x)'
                      % (csidl, result & 0xffffffff))
    return under_root(buffer.value)


def _xdg_user_folder(kind, fallback):
    """Reads a folder of the user (DESKTOP, DOCUMENTS) from user-dirs.dirs."""
    home = user_home_directory()
    try:
        with open(os.path.join(application_data(), 'user-dirs.dirs'), encoding='utf-8') as file:
            for line in file:
                name, _, value = line.strip().partition('=')
                if name == 'XDG_%s_DIR' % kind:
                    value = value.strip('"').replace('$HOME', home)
                    return under_root(value)
    except OSError:
        pass
    return os.path.join(home, fallback)


def desktop(common=1):
    """Desktop of all users (1) or of the current one (0)."""
    return common_desktop() if common else user_desktop()


@needs_windows(advice='Linux has no desktop common to all users; put a .desktop file in '
               "under_root('/usr/share/applications') or in /etc/skel")
def common_desktop():
    """Desktop of all users."""
    return _shell_folder(0x19)


def user_desktop():
    """Desktop of the current user."""
    return _shell_folder(0x10) if context.is_windows else _xdg_user_folder('DESKTOP', 'Desktop')


def my_documents():
    """Documents of the current user."""
    return (_shell_folder(0x05) if context.is_windows
            else _xdg_user_folder('DOCUMENTS', 'Documents'))


def programs(common=1):
    """Start menu programs of all users (1) or of the current one; menu entries on Linux."""
    if context.is_windows:
        return _shell_folder(0x17 if common else 0x02)
    if common:
        return under_root('/usr/share/applications')
    return os.path.join(user_local_appdata(), 'applications')


@needs_windows(advice='on Linux use programs()')
def start_menu(common=1):
    """Start menu of all users (1) or of the current one."""
    return _shell_folder(0x16 if common else 0x0b)


def startup(common=1):
    """What starts at logon for all users (1) or for the current one."""
    if context.is_windows:
        return _shell_folder(0x18 if common else 0x07)
    if common:
        return under_root('/etc/xdg/autostart')
    return os.path.join(application_data(), 'autostart')


@needs_windows
def recent():
    """Recent documents of the current user."""
    return _shell_folder(0x08)


@needs_windows
def sendto():
    """The Send To folder of the current user."""
    return _shell_folder(0x09)


@needs_windows
def bookmarks():
    """Favorites of the current user."""
    return _shell_folder(0x06)


def local_users_profiles():
    """Profile folders of the people who use this machine."""
    if context.is_windows:
        base = os.path.dirname(under_root(_environ('PUBLIC')))
        ignored = {'all users', 'default', 'default user', 'public'}
        names = [name for name in _folders(base) if name.lower() not in ignored]
        return [os.path.join(base, name) for name in names]
    import pwd
    homes = {under_root(entry.pw_dir) for entry in pwd.getpwall()
             if 1000 <= entry.pw_uid < 60000}
    return sorted(home for home in homes if os.path.isdir(home))


def local_desktops():
    """Desktops of the people who use this machine."""
    return [os.path.join(profile, 'Desktop') for profile in local_users_profiles()
            if os.path.isdir(os.path.join(profile, 'Desktop'))]


def _folders(base):
    try:
        return sorted(entry.name for entry in os.scandir(base) if entry.is_dir())
    except FileNotFoundError:
        return []
