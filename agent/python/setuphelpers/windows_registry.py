"""The Windows registry; the constants exist everywhere, the functions need Windows."""

import sys

from .errors import EWaptInstallError, needs_windows

if sys.platform == 'win32':
    import winreg
else:
    winreg = None

# Values fixed by the Windows API, so that scripts load on any system.
HKEY_CLASSES_ROOT = 0x80000000
HKEY_CURRENT_USER = 0x80000001
HKEY_LOCAL_MACHINE = 0x80000002
HKEY_USERS = 0x80000003
HKEY_CURRENT_CONFIG = 0x80000005

KEY_QUERY_VALUE = 0x0001
KEY_SET_VALUE = 0x0002
KEY_CREATE_SUB_KEY = 0x0004
KEY_ENUMERATE_SUB_KEYS = 0x0008
KEY_WOW64_64KEY = 0x0100
KEY_WOW64_32KEY = 0x0200
KEY_READ = 0x20019
KEY_WRITE = 0x20006
KEY_ALL_ACCESS = 0xF003F

REG_NONE = 0
REG_SZ = 1
REG_EXPAND_SZ = 2
REG_BINARY = 3
REG_DWORD = 4
REG_DWORD_BIG_ENDIAN = 5
REG_LINK = 6
REG_MULTI_SZ = 7
REG_QWORD = 11


def value_type(value):
    """Chooses the registry type that suits a Python value."""
    if isinstance(value, bool) or isinstance(value, int):
        return REG_DWORD if 0 <= int(value) < 1 << 32 else REG_QWORD
    if isinstance(value, (bytes, bytearray)):
        return REG_BINARY
    if isinstance(value, (list, tuple)):
        return REG_MULTI_SZ
    return REG_SZ


@needs_windows
def reg_openkey_noredir(rootkey, subkeypath, sam=KEY_READ, create_if_missing=False,
                        noredir=True):
    """Opens a key in the view of the system's own architecture (noredir) or as it comes."""
    if noredir and not sam & (KEY_WOW64_32KEY | KEY_WOW64_64KEY):
        sam |= KEY_WOW64_64KEY
    if create_if_missing:
        return winreg.CreateKeyEx(rootkey, subkeypath, 0, sam | KEY_READ)
    return winreg.OpenKeyEx(rootkey, subkeypath, 0, sam)


@needs_windows
def reg_closekey(hkey):
    """Closes a key."""
    winreg.CloseKey(hkey)


@needs_windows
def reg_getvalue(key, name, default=None):
    """Returns a value of an open key, or the default."""
    try:
        return winreg.QueryValueEx(key, name)[0]
    except FileNotFoundError:
        return default


@needs_windows
def reg_setvalue(key, name, value, type=REG_SZ):
    """Writes a value of an open key."""
    if type in (REG_SZ, REG_EXPAND_SZ) and not isinstance(value, str):
        value = str(value)
    winreg.SetValueEx(key, name, 0, type, value)


@needs_windows
def reg_delvalue(key, name):
    """Deletes a value of an open key; returns whether it was there."""
    try:
        winreg.DeleteValue(key, name)
        return True
    except FileNotFoundError:
        return False


@needs_windows
def reg_enum_subkeys(rootkey):
    """Yields the names of the keys below an open key."""
    for index in range(winreg.QueryInfoKey(rootkey)[0]):
        try:
            yield winreg.EnumKey(rootkey, index)
        except OSError:
            return


@needs_windows
def reg_enum_values(rootkey):
    """Yields (name, value, type) of an open key."""
    for index in range(winreg.QueryInfoKey(rootkey)[1]):
        try:
            yield winreg.EnumValue(rootkey, index)
        except OSError:
            return


@needs_windows
def reg_key_exists(uroot, path):
    """Tells whether a key exists."""
    try:
        with reg_openkey_noredir(uroot, path):
            return True
    except FileNotFoundError:
        return False


@needs_windows
def reg_value_exists(uroot, path, value_name):
    """Tells whether a value exists."""
    try:
        with reg_openkey_noredir(uroot, path) as key:
            winreg.QueryValueEx(key, value_name)
            return True
    except FileNotFoundError:
        return False


@needs_windows
def registry_readstring(root, path, keyname, default=''):
    """Returns a value of a key, or the default when key or value is missing."""
    try:
        with reg_openkey_noredir(root, path) as key:
            return reg_getvalue(key, keyname, default)
    except FileNotFoundError:
        return default


@needs_windows
def registry_set(root, path, keyname, value, type=None):
    """Writes a value, creating the key; the type follows the value unless given."""
    with reg_openkey_noredir(root, path, KEY_READ | KEY_WRITE, create_if_missing=True) as key:
        reg_setvalue(key, keyname, value, value_type(value) if type is None else type)
    return value


@needs_windows
def registry_setstring(root, path, keyname, value, type=REG_SZ):
    """Writes a text value, creating the key."""
    return registry_set(root, path, keyname, value, type)


@needs_windows
def registry_delete(root, path, valuename):
    """Deletes a value; returns whether it was there."""
    try:
        with reg_openkey_noredir(root, path, KEY_READ | KEY_WRITE) as key:
            return reg_delvalue(key, valuename)
    except FileNotFoundError:
        return False


@needs_windows
def registry_deletekey(root, path, keyname, force=False):
    """Deletes a key below a path, with force all it holds too; returns whether it was there."""
    full = '%s\\%s' % (path, keyname) if path else keyname
    try:
        with reg_openkey_noredir(root, full) as key:
            names = list(reg_enum_subkeys(key))
    except FileNotFoundError:
        return False
    if names and not force:
        raise EWaptInstallError('registry key %s holds other keys (%s): pass force=True to '
                                'delete them too' % (full, ', '.join(names)))
    for name in names:
        registry_deletekey(root, full, name, force=True)
    winreg.DeleteKeyEx(root, full, KEY_WOW64_64KEY, 0)
    return True


@needs_windows
def read_values(root, path, view):
    """Returns {name: value} of a key in one registry view, or None when it is missing."""
    try:
        with winreg.OpenKeyEx(root, path, 0, KEY_READ | view) as key:
            return {name: value for name, value, _ in reg_enum_values(key)}
    except OSError:
        return None


@needs_windows
def read_subkeys(root, path, view):
    """Returns the names of the keys below a path in one view ([] when it is missing)."""
    try:
        with winreg.OpenKeyEx(root, path, 0, KEY_READ | view) as key:
            return list(reg_enum_subkeys(key))
    except OSError:
        return []
