"""Services: the service manager of Windows, systemd on Linux."""

import contextlib
import shutil

from . import context
from .errors import EWaptInstallError, needs_windows, not_on_macos
from .process import run
from .software import wait_until
from .windows_registry import HKEY_LOCAL_MACHINE, registry_readstring

STOPPED, START_PENDING, STOP_PENDING, RUNNING = 1, 2, 3, 4
_ERROR_NOT_ACTIVE, _ERROR_ALREADY_RUNNING, _ERROR_NO_SERVICE = 1062, 1056, 1060
_CONNECT, _ENUMERATE = 0x0001, 0x0004
_QUERY, _START, _STOP, _DELETE = 0x0004, 0x0010, 0x0020, 0x00010000


class _WindowsService:
    """An open service of the Windows service manager."""

    def __init__(self, name, access):
        import ctypes
        from ctypes import wintypes
        self.ctypes = ctypes
        api = self.api = ctypes.WinDLL('advapi32', use_last_error=True)
        handle = wintypes.HANDLE
        api.OpenSCManagerW.restype = api.OpenServiceW.restype = handle
        api.OpenSCManagerW.argtypes = [wintypes.LPCWSTR, wintypes.LPCWSTR, wintypes.DWORD]
        api.OpenServiceW.argtypes = [handle, wintypes.LPCWSTR, wintypes.DWORD]
        api.QueryServiceStatus.argtypes = [handle, ctypes.c_void_p]
        api.StartServiceW.argtypes = [handle, wintypes.DWORD, ctypes.c_void_p]
        api.ControlService.argtypes = [handle, wintypes.DWORD, ctypes.c_void_p]
        api.DeleteService.argtypes = api.CloseServiceHandle.argtypes = [handle]
        self.status = (wintypes.DWORD * 7)()
        self.manager = api.OpenSCManagerW(None, None, _CONNECT | _ENUMERATE)
        if not self.manager:
            self.fail()
        self.service = api.OpenServiceW(self.manager, name, access)
        if not self.service:
            code = ctypes.get_last_error()
            api.CloseServiceHandle(self.manager)
            if code == _ERROR_NO_SERVICE:
                raise LookupError(name)
            raise ctypes.WinError(code)

    def fail(self, accepted=()):
        code = self.ctypes.get_last_error()
        if code not in accepted:
            raise self.ctypes.WinError(code)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.api.CloseServiceHandle(self.service)
        self.api.CloseServiceHandle(self.manager)

    def state(self):
        if not self.api.QueryServiceStatus(self.service, self.ctypes.byref(self.status)):
            self.fail()
        return self.status[1]

    def start(self):
        if not self.api.StartServiceW(self.service, 0, None):
            self.fail([_ERROR_ALREADY_RUNNING])

    def stop(self):
        if not self.api.ControlService(self.service, 1, self.ctypes.byref(self.status)):
            self.fail([_ERROR_NOT_ACTIVE])

    def delete(self):
        if not self.api.DeleteService(self.service):
            self.fail()


def _systemctl(*arguments, accept=None):
    if shutil.which('systemctl') is None:
        raise EWaptInstallError('services need systemd on Linux: systemctl is not on this machine')
    return run(['systemctl', '--no-pager', *arguments], accept_returncodes=accept)


def _unit(name):
    if name.startswith('-'):
        raise EWaptInstallError('%s is not the name of a service' % name)
    return name if '.' in name else name + '.service'


@not_on_macos
def service_installed(service_name):
    """Tells whether a service exists."""
    if not context.is_windows:
        return _systemctl('cat', _unit(service_name)).returncode == 0
    try:
        with _WindowsService(service_name, _QUERY):
            return True
    except LookupError:
        return False


def _state(service_name):
    try:
        with _WindowsService(service_name, _QUERY) as service:
            return service.state()
    except LookupError:
        raise EWaptInstallError('there is no service %s' % service_name) from None


@not_on_macos
def service_is_running(service_name):
    """Tells whether a service runs."""
    if not context.is_windows:
        return _systemctl('is-active', '--quiet', _unit(service_name)).returncode == 0
    return _state(service_name) == RUNNING


@not_on_macos
def service_is_stopped(service_name):
    """Tells whether a service is stopped."""
    if not context.is_windows:
        return not service_is_running(service_name)
    return _state(service_name) == STOPPED


def _change(service_name, wanted, timeout):
    """Starts or stops a service and waits until it has happened."""
    starting = wanted == RUNNING
    if not context.is_windows:
        _systemctl('start' if starting else 'stop', _unit(service_name), accept=[0])
        return
    try:
        with _WindowsService(service_name, _QUERY | (_START if starting else _STOP)) as service:
            if service.state() != wanted:
                (service.start if starting else service.stop)()
            reached = wait_until(lambda: service.state() == wanted, timeout, 0.25)
    except LookupError:
        raise EWaptInstallError('there is no service %s' % service_name) from None
    if not reached:
        raise EWaptInstallError('service %s did not %s within %s s' % (
            service_name, 'start' if starting else 'stop', timeout))


@not_on_macos
def service_start(service_name, timeout=30):
    """Starts a service; one that runs is fine."""
    _change(service_name, RUNNING, timeout)


@not_on_macos
def service_stop(service_name, timeout=30):
    """Stops a service; one that is stopped is fine."""
    _change(service_name, STOPPED, timeout)


@not_on_macos
def service_restart(service_name, timeout=30):
    """Stops and starts a service."""
    if not context.is_windows:
        _systemctl('restart', _unit(service_name), accept=[0])
        return
    service_stop(service_name, timeout)
    service_start(service_name, timeout)


@needs_windows(advice='on Linux disable the service and remove its package or unit file')
def service_delete(service_name):
    """Removes a service from the service manager."""
    with _WindowsService(service_name, _QUERY | _DELETE) as service:
        service.delete()


@needs_windows
@contextlib.contextmanager
def EnsureWUAUServRunning():
    """Context: the Windows Update service runs inside and is put back afterwards."""
    name = 'wuauserv'
    was_disabled = registry_readstring(
        HKEY_LOCAL_MACHINE, 'SYSTEM\\CurrentControlSet\\Services\\' + name, 'Start') == 4
    was_running = service_is_running(name)
    if was_disabled:
        run('sc config %s start= demand' % name)
    if not was_running:
        service_start(name, 60)
    try:
        yield
    finally:
        if not was_running:
            service_stop(name, 60)
        if was_disabled:
            run('sc config %s start= disabled' % name)
