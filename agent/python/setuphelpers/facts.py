"""What machine and system this is: names, versions, language, users, privileges."""

import getpass
import locale
import os
import platform
import socket
import sys

from . import context
from .errors import needs_unix, needs_windows, system_name
from .linux import get_distrib_linux, get_distrib_version
from .process import run
from .versions import Version
from .windows_registry import (HKEY_LOCAL_MACHINE, reg_key_exists, reg_value_exists,
                               registry_readstring, registry_set)

_NT = r'SOFTWARE\Microsoft\Windows NT\CurrentVersion'


def is64():
    """Tells whether the system is a 64-bit one."""
    if context.is_windows:
        names = os.environ.get('PROCESSOR_ARCHITEW6432') or \
            os.environ.get('PROCESSOR_ARCHITECTURE', '')
        return names.upper() in ('AMD64', 'ARM64', 'IA64')
    return platform.machine().endswith('64')


def iswin64():
    """Tells whether this is a 64-bit Windows; false on other systems."""
    return context.is_windows and is64()


def isLinux64():
    """Tells whether this is a 64-bit Linux; false on other systems."""
    return context.is_linux and is64()


@needs_windows(advice='on Linux use get_distrib_linux() and get_distrib_version()')
def windows_version(members_count=3):
    """Returns the version of Windows, such as 10.0.19045."""
    found = sys.getwindowsversion()
    # Compatibility mode does not touch platform_version.
    numbers = getattr(found, 'platform_version', None) or (found.major, found.minor, found.build)
    return Version('.'.join(str(number) for number in numbers), members_count)


def get_os_version():
    """Returns the version of the system: Windows build, release of the distribution or of macOS."""
    if context.is_windows:
        return str(windows_version())
    return platform.mac_ver()[0] if context.is_macos else get_distrib_version()


def get_os_name():
    """Returns 'Windows', 'macOS', or the name of the Linux distribution."""
    return get_distrib_linux() if context.is_linux else system_name()


@needs_unix(advice='on Windows use windows_version()')
def get_kernel_version():
    """Returns the version of the kernel."""
    return os.uname().release


def get_language():
    """Returns the two-letter code of the system's language."""
    if context.language:
        return context.language
    if context.is_windows:
        import ctypes
        number = ctypes.windll.kernel32.GetUserDefaultUILanguage()
        name = locale.windows_locale.get(number, 'en')
    else:
        name = os.environ.get('LC_ALL') or os.environ.get('LC_MESSAGES') or \
            os.environ.get('LANG') or _configured_language()
    code = name.split('_')[0].split('.')[0].lower()
    return code if len(code) == 2 else 'en'


def _configured_language():
    for path in ('/etc/default/locale', '/etc/locale.conf'):
        try:
            with open(path, encoding='utf-8') as file:
                for line in file:
                    if line.startswith('LANG='):
                        return line[5:].strip().strip('"')
        except OSError:
            continue
    return 'en'


def get_computername():
    """Returns the name of the machine."""
    if context.is_windows:
        return os.environ.get('COMPUTERNAME') or socket.gethostname()
    return socket.gethostname().split('.')[0]


def get_hostname():
    """Returns the name of the machine in lower case, without its domain."""
    return socket.gethostname().split('.')[0].lower()


def get_fqdn():
    """Returns the full name of the machine in lower case."""
    return socket.getfqdn().lower()


def get_domain():
    """Returns the DNS domain of the machine, '' when it has none."""
    if context.is_windows:
        return registry_readstring(HKEY_LOCAL_MACHINE,
                                   r'SYSTEM\CurrentControlSet\Services\Tcpip\Parameters',
                                   'Domain').lower()
    return get_fqdn().partition('.')[2]


@needs_windows(advice='on Linux use get_domain()')
def get_computer_domain():
    """Returns the Windows domain or workgroup of the machine."""
    from .powershell import run_powershell
    return run_powershell('(Get-CimInstance Win32_ComputerSystem).Domain')


def get_current_user():
    """Returns the name of the user the script runs as."""
    if context.is_windows:
        import ctypes
        buffer, size = ctypes.create_unicode_buffer(257), ctypes.c_ulong(257)
        if ctypes.windll.advapi32.GetUserNameW(buffer, ctypes.byref(size)):
            return buffer.value
    return getpass.getuser()


def get_loggedinusers():
    """Lists the users who have a session."""
    if context.is_windows:
        from .powershell import run_powershell
        found = run_powershell(
            "Get-CimInstance Win32_Process -Filter \"Name='explorer.exe'\" | ForEach-Object "
            '{ (Invoke-CimMethod -InputObject $_ -MethodName GetOwner).User }')
        return sorted({found} if isinstance(found, str) else set(found or ()))
    output = run(['who'], accept_returncodes=None)
    return sorted({line.split()[0] for line in output.splitlines() if line.split()})


def get_last_logged_on_user():
    """Returns who logged on last, '' when unknown."""
    if context.is_windows:
        return registry_readstring(
            HKEY_LOCAL_MACHINE,
            r'SOFTWARE\Microsoft\Windows\CurrentVersion\Authentication\LogonUI',
            'LastLoggedOnUser')
    for line in run(['last', '-w'], accept_returncodes=None).splitlines():
        words = line.split()
        if words and words[0] not in ('reboot', 'shutdown', 'wtmp'):
            return words[0]
    return ''


def running_as_admin():
    """Tells whether the script has the rights of an administrator."""
    if context.is_windows:
        import ctypes
        return bool(ctypes.windll.shell32.IsUserAnAdmin())
    return os.geteuid() == 0


def running_as_system():
    """Tells whether the script runs as SYSTEM (root on Linux)."""
    if context.is_windows:
        return os.environ.get('USERPROFILE', '').lower().endswith('systemprofile')
    return os.geteuid() == 0


@needs_windows
def uac_enabled():
    """Tells whether User Account Control is on."""
    return registry_readstring(HKEY_LOCAL_MACHINE,
                               r'SOFTWARE\Microsoft\Windows\CurrentVersion\Policies\System',
                               'EnableLUA', 0) == 1


@needs_windows
def registered_organization():
    """Returns the organisation that Windows is registered for."""
    return registry_readstring(HKEY_LOCAL_MACHINE, _NT, 'RegisteredOrganization')


@needs_windows
def get_computer_description():
    """Returns the description of the machine."""
    return registry_readstring(HKEY_LOCAL_MACHINE,
                               r'SYSTEM\CurrentControlSet\Services\LanmanServer\Parameters',
                               'srvcomment')


@needs_windows
def set_computer_description(description):
    """Sets the description of the machine."""
    registry_set(HKEY_LOCAL_MACHINE,
                 r'SYSTEM\CurrentControlSet\Services\LanmanServer\Parameters', 'srvcomment',
                 str(description))


def pending_reboot_reasons():
    """Lists why the machine waits for a restart; [] when it does not."""
    if not context.is_windows:
        return ['/run/reboot-required'] if os.path.exists('/run/reboot-required') else []
    reasons = []
    base = r'SOFTWARE\Microsoft\Windows\CurrentVersion'
    if reg_key_exists(HKEY_LOCAL_MACHINE, base + r'\Component Based Servicing\RebootPending'):
        reasons.append('Component Based Servicing')
    if reg_key_exists(HKEY_LOCAL_MACHINE, base + r'\WindowsUpdate\Auto Update\RebootRequired'):
        reasons.append('Windows Update')
    if reg_value_exists(HKEY_LOCAL_MACHINE, r'SYSTEM\CurrentControlSet\Control\Session Manager',
                        'PendingFileRenameOperations'):
        reasons.append('files are replaced at the next start')
    return reasons


def get_app_path(exename):
    """Returns the full path of a program that is registered or on the search path, or None."""
    import shutil
    if context.is_windows:
        path = registry_readstring(
            HKEY_LOCAL_MACHINE,
            r'SOFTWARE\Microsoft\Windows\CurrentVersion\App Paths\%s' % exename, '')
        if path:
            return path.strip('"')
    return shutil.which(exename)


def host_info():
    """Returns a short description of machine and system."""
    return {
        'computer_name': get_computername(), 'computer_fqdn': get_fqdn(),
        'os_name': get_os_name(), 'os_version': get_os_version(),
        'architecture': platform.machine(), 'is64': is64(), 'language': get_language(),
        'current_user': get_current_user(), 'cpu_count': os.cpu_count(),
        'python_version': platform.python_version(),
    }
