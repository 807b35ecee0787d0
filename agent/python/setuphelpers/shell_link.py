"""Shortcut files (.lnk) through the COM objects of Windows itself."""

import contextlib
import uuid

from .errors import EWaptInstallError

_SHELL_LINK = '00021401-0000-0000-C000-000000000046'
_ISHELLLINKW = '000214F9-0000-0000-C000-000000000046'
_IPERSISTFILE = '0000010b-0000-0000-C000-000000000046'
# Places of the methods in the tables of the two interfaces.
_QUERY_INTERFACE, _RELEASE = 0, 2
_GET_PATH, _GET_DESCRIPTION, _GET_WORKING_DIRECTORY, _GET_ARGUMENTS = 3, 6, 8, 10
_SET_DESCRIPTION, _SET_WORKING_DIRECTORY, _SET_ARGUMENTS = 7, 9, 11
_GET_ICON_LOCATION, _SET_ICON_LOCATION, _SET_PATH = 16, 17, 20
_LOAD, _SAVE = 5, 6
_RAW_PATH = 4
#: Texts of a link are shorter than this, in characters.
_MAX_TEXT = 32768


def _identifier(text):
    import ctypes
    return ctypes.create_string_buffer(uuid.UUID(text).bytes_le, 16)


def _call(pointer, place, *arguments):
    """Calls a method of a COM object; each argument is a (ctypes type, value) pair."""
    import ctypes
    table = ctypes.cast(pointer, ctypes.POINTER(ctypes.POINTER(ctypes.c_void_p)))[0]
    kind = ctypes.WINFUNCTYPE(ctypes.c_long, ctypes.c_void_p, *[one for one, _ in arguments])
    return kind(table[place])(pointer, *[value for _, value in arguments])


def _check(code, doing):
    if code < 0:
        raise EWaptInstallError('Windows failed with code %#010x when %s'
                                % (code & 0xffffffff, doing))


@contextlib.contextmanager
def _shell_link():
    """Gives the two interfaces of a new link: the link itself and its file."""
    import ctypes
    ole32 = ctypes.WinDLL('ole32')
    started = ole32.CoInitialize(None)
    link, file = ctypes.c_void_p(), ctypes.c_void_p()
    try:
        in_process = 1
        ole32.CoCreateInstance.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_ulong,
                                           ctypes.c_void_p, ctypes.c_void_p]
        _check(ole32.CoCreateInstance(_identifier(_SHELL_LINK), None, in_process,
                                      _identifier(_ISHELLLINKW), ctypes.byref(link)),
               'making a shortcut')
        _check(_call(link, _QUERY_INTERFACE, (ctypes.c_void_p, ctypes.addressof(
            wanted := _identifier(_IPERSISTFILE))), (ctypes.c_void_p, ctypes.addressof(file))),
            'making a shortcut')
        del wanted
        yield link, file
    finally:
        for pointer in (file, link):
            if pointer:
                _call(pointer, _RELEASE)
        # 0 and 1 say that it was started here, a negative code that it was not.
        if started >= 0:
            ole32.CoUninitialize()


def write_link(path, target, arguments='', work_dir='', icon='', description=''):
    """Writes a shortcut file; `icon` is a file, with ',number' when it holds several."""
    from ctypes import c_int, c_wchar_p
    icon_file, _, number = icon.rpartition(',')
    if not icon_file or not number.strip().lstrip('-').isdigit():
        icon_file, number = icon, '0'
    with _shell_link() as (link, file):
        for place, text in ((_SET_PATH, target), (_SET_ARGUMENTS, arguments),
                            (_SET_WORKING_DIRECTORY, work_dir), (_SET_DESCRIPTION, description)):
            if text:
                _check(_call(link, place, (c_wchar_p, text)), 'writing %r into a shortcut' % text)
        if icon_file:
            _check(_call(link, _SET_ICON_LOCATION, (c_wchar_p, icon_file), (c_int, int(number))),
                   'giving a shortcut its icon')
        _check(_call(file, _SAVE, (c_wchar_p, path), (c_int, 1)), 'saving %s' % path)


def read_link(path):
    """Returns TargetPath, Arguments, WorkingDirectory, IconLocation and Description."""
    import ctypes
    from ctypes import c_int, c_ulong, c_void_p, c_wchar_p
    with _shell_link() as (link, file):
        _check(_call(file, _LOAD, (c_wchar_p, path), (c_ulong, 0)), 'reading %s' % path)
        buffer = ctypes.create_unicode_buffer(_MAX_TEXT)

        def text(place, *more):
            buffer.value = ''
            _check(_call(link, place, (c_void_p, ctypes.addressof(buffer)), (c_int, _MAX_TEXT),
                         *more), 'reading %s' % path)
            return buffer.value

        number = c_int()
        found = {'TargetPath': text(_GET_PATH, (c_void_p, None), (c_ulong, _RAW_PATH)),
                 'Arguments': text(_GET_ARGUMENTS),
                 'WorkingDirectory': text(_GET_WORKING_DIRECTORY),
                 'Description': text(_GET_DESCRIPTION)}
        icon = text(_GET_ICON_LOCATION, (c_void_p, ctypes.addressof(number)))
        found['IconLocation'] = '%s,%d' % (icon, number.value)
        return found
