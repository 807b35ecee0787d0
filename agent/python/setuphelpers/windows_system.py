"""Single operations on a Windows machine: restart, libraries, messages, printers, redirection."""

import contextlib
import os

from . import context
from .errors import needs_windows
from .paths import system32
from .powershell import quote_powershell, run_powershell
from .process import run
from .windows_registry import (HKEY_LOCAL_MACHINE, REG_DWORD, registry_deletekey, registry_set,
                               registry_readstring)


@contextlib.contextmanager
def disable_file_system_redirection():
    """Context: a 32-bit process sees the real System32 inside; nothing to do elsewhere."""
    if not context.is_windows or not os.environ.get('PROCESSOR_ARCHITEW6432'):
        yield
        return
    import ctypes
    previous = ctypes.c_void_p()
    kernel32 = ctypes.windll.kernel32
    if not kernel32.Wow64DisableWow64FsRedirection(ctypes.byref(previous)):
        raise ctypes.WinError()
    try:
        yield
    finally:
        kernel32.Wow64RevertWow64FsRedirection(previous)


def reboot_machine(message='Restart for maintenance', timeout=30, force=0, reboot=1):
    """Restarts (reboot=1) or stops the machine after `timeout` seconds."""
    if context.is_windows:
        return run('shutdown %s /t %d %s /c "%s"' % (
            '/r' if reboot else '/s', timeout, '/f' if force else '',
            message.replace('"', "'")))
    minutes = max(1, -(-int(timeout) // 60)) if timeout else 0
    return run(['shutdown', '-r' if reboot else '-P', '+%d' % minutes, message])


@needs_windows
def register_dll(dllpath):
    """Registers a COM library."""
    return run('regsvr32 /s "%s"' % dllpath)


@needs_windows
def unregister_dll(dllpath):
    """Takes back the registration of a COM library."""
    return run('regsvr32 /s /u "%s"' % dllpath)


@needs_windows(advice='show messages of Linux desktops with notify-send in session_setup()')
def messagebox(title, msg, style=0):
    """Shows a message in the session of the script and waits; returns the button's number."""
    import ctypes
    return ctypes.windll.user32.MessageBoxW(0, msg, title, style)


@needs_windows(advice='show messages of Linux desktops with notify-send in session_setup()')
def showmessage(msg):
    """Shows a message to the users who have a session; does not wait for an answer."""
    return run('msg * /TIME:3600 "%s"' % msg.replace('"', "'"))


@needs_windows
def list_local_printers():
    """Lists name, driver and port of the printers."""
    found = run_powershell('Get-Printer | Select-Object Name,DriverName,PortName,Shared')
    return found if isinstance(found, list) else [found] if found else []


@needs_windows
def remove_printer(name):
    """Removes a printer."""
    run_powershell('Remove-Printer -Name %s' % quote_powershell(name), output_format='text')


@needs_windows
def adjust_current_privileges(priv, enable=1):
    """Switches a privilege (SeShutdownPrivilege, ...) of the script's process on or off."""
    import ctypes
    from ctypes import wintypes
    advapi32 = ctypes.WinDLL('advapi32', use_last_error=True)
    kernel32 = ctypes.WinDLL('kernel32', use_last_error=True)
    kernel32.GetCurrentProcess.restype = wintypes.HANDLE
    advapi32.OpenProcessToken.argtypes = [wintypes.HANDLE, wintypes.DWORD, ctypes.c_void_p]
    advapi32.AdjustTokenPrivileges.argtypes = [wintypes.HANDLE, wintypes.BOOL, ctypes.c_void_p,
                                               wintypes.DWORD, ctypes.c_void_p, ctypes.c_void_p]
    kernel32.CloseHandle.argtypes = [wintypes.HANDLE]

    class Privileges(ctypes.Structure):
        _fields_ = [('count', wintypes.DWORD), ('luid', ctypes.c_byte * 8),
                    ('attributes', wintypes.DWORD)]

    token, wanted = wintypes.HANDLE(), Privileges(1)
    if not advapi32.OpenProcessToken(kernel32.GetCurrentProcess(), 0x28, ctypes.byref(token)):
        raise ctypes.WinError(ctypes.get_last_error())
    try:
        if not advapi32.LookupPrivilegeValueW(None, ctypes.c_wchar_p(priv),
                                              ctypes.byref(wanted.luid)):
            raise ctypes.WinError(ctypes.get_last_error())
        wanted.attributes = 2 if enable else 0
        advapi32.AdjustTokenPrivileges(token, False, ctypes.byref(wanted), 0, None, None)
        if ctypes.get_last_error():
            raise ctypes.WinError(ctypes.get_last_error())
    finally:
        kernel32.CloseHandle(token)


@needs_windows
def fix_wmi():
    """Checks the WMI repository and repairs it when it is inconsistent."""
    return run('winmgmt /salvagerepository', timeout=600)


_SCRIPTS = r'SOFTWARE\Microsoft\Windows\CurrentVersion\Group Policy\Scripts\Shutdown\0'
_STATE = r'SOFTWARE\Microsoft\Windows\CurrentVersion\Group Policy\State\Machine\Scripts\Shutdown\0'


def _shutdown_scripts():
    """Lists (number, command, parameters) of the local shutdown scripts."""
    found, number = [], 0
    while True:
        command = registry_readstring(HKEY_LOCAL_MACHINE, '%s\\%d' % (_SCRIPTS, number), 'Script')
        if not command:
            return found
        parameters = registry_readstring(HKEY_LOCAL_MACHINE, '%s\\%d' % (_SCRIPTS, number),
                                         'Parameters')
        found.append((number, command, parameters))
        number += 1


def _write_shutdown_scripts(scripts):
    surplus = [str(number) for number, _, _ in _shutdown_scripts()[len(scripts):]]
    for base in (_SCRIPTS, _STATE):
        for name, value in (('GPO-ID', 'LocalGPO'), ('SOM-ID', 'Local'),
                            ('FileSysPath', os.path.join(system32(), 'GroupPolicy', 'Machine')),
                            ('DisplayName', 'Local Group Policy'),
                            ('GPOName', 'Local Group Policy')):
            registry_set(HKEY_LOCAL_MACHINE, base, name, value)
        for number in surplus:
            registry_deletekey(HKEY_LOCAL_MACHINE, base, number, force=True)
        for number, (command, parameters) in enumerate(scripts):
            path = '%s\\%d' % (base, number)
            registry_set(HKEY_LOCAL_MACHINE, path, 'Script', command)
            registry_set(HKEY_LOCAL_MACHINE, path, 'Parameters', parameters)


@needs_windows(advice='on Linux install a systemd unit with ExecStop')
def add_shutdown_script(cmd, parameters=''):
    """Has Windows run a command when it stops; returns its number."""
    scripts = [(command, given) for _, command, given in _shutdown_scripts()]
    if (cmd, parameters) not in scripts:
        scripts.append((cmd, parameters))
        _write_shutdown_scripts(scripts)
    return scripts.index((cmd, parameters))


@needs_windows(advice='on Linux remove the systemd unit')
def remove_shutdown_script(cmd, parameters=''):
    """Takes back a shutdown command; returns whether it was there."""
    scripts = [(command, given) for _, command, given in _shutdown_scripts()]
    if (cmd, parameters) not in scripts:
        return False
    scripts.remove((cmd, parameters))
    _write_shutdown_scripts(scripts)
    return True


@needs_windows
def shutdown_scripts_ui_visible(state=True):
    """Shows or hides the shutdown scripts while they run."""
    registry_set(HKEY_LOCAL_MACHINE,
                 r'SOFTWARE\Microsoft\Windows\CurrentVersion\Policies\System',
                 'HideShutdownScripts', 0 if state else 1, REG_DWORD)
