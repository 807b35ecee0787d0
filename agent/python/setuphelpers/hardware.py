"""The machine's hardware: firmware tables, memory, drives, battery."""

import glob
import os
import shutil
import subprocess

from . import context
from .errors import EWaptInstallError, needs_windows
from .files import get_disk_free_space
from .powershell import quote_powershell, run_powershell

_DMI_FOLDER = '/sys/class/dmi/id'
_DMI_SECTIONS = {
    'BIOS_Information': {'bios_vendor': 'Vendor', 'bios_version': 'Version',
                         'bios_date': 'Release_Date'},
    'System_Information': {'sys_vendor': 'Manufacturer', 'product_name': 'Product_Name',
                           'product_version': 'Version', 'product_serial': 'Serial_Number',
                           'product_uuid': 'UUID', 'product_sku': 'SKU_Number',
                           'product_family': 'Family'},
    'Base_Board_Information': {'board_vendor': 'Manufacturer', 'board_name': 'Product_Name',
                               'board_version': 'Version', 'board_serial': 'Serial_Number'},
    'Chassis_Information': {'chassis_vendor': 'Manufacturer', 'chassis_type': 'Type',
                            'chassis_version': 'Version', 'chassis_serial': 'Serial_Number',
                            'chassis_asset_tag': 'Asset_Tag'},
}


def parse_dmidecode(text):
    """Reads the output of dmidecode: {section: {field: value}}, names with underscores."""
    sections, current = {}, None
    for line in text.splitlines():
        if not line.strip() or line.startswith(('#', 'Handle')):
            continue
        if not line.startswith(('\t', ' ')):
            current = sections.setdefault(line.strip().replace(' ', '_'), {})
        elif current is not None and line.startswith('\t') and not line.startswith('\t\t'):
            name, mark, value = line.strip().partition(':')
            if mark:
                current.setdefault(name.replace(' ', '_'), value.strip())
    return sections


def _dmi_from_sysfs():
    found = {}
    for section, fields in _DMI_SECTIONS.items():
        for file_name, field in fields.items():
            try:
                with open(os.path.join(_DMI_FOLDER, file_name), encoding='utf-8',
                          errors='replace') as file:
                    found.setdefault(section, {})[field] = file.read().strip()
            except OSError:
                continue
    return found


def dmi_info():
    """Returns the firmware's description of the machine, by sections such as
    System_Information (Manufacturer, Product_Name, Serial_Number, UUID)."""
    if context.is_windows:
        return _dmi_from_windows()
    if context.is_macos:
        return _dmi_from_macos()
    if shutil.which('dmidecode') and os.geteuid() == 0:
        done = subprocess.run(['dmidecode', '-q'], stdin=subprocess.DEVNULL,
                              capture_output=True, timeout=60, check=False)
        found = parse_dmidecode(done.stdout.decode('utf-8', 'replace'))
        if found:
            return found
    return _dmi_from_sysfs()


def _dmi_from_macos():
    from .macos import system_profiler_info
    found = system_profiler_info()
    return {'System_Information': {
        'Manufacturer': 'Apple Inc.', 'Product_Name': found.get('machine_model', ''),
        'Serial_Number': found.get('serial_number', ''),
        'UUID': found.get('platform_UUID', '')}}


def _dmi_from_windows():
    queries = {
        'BIOS_Information': ('Win32_BIOS', {'Manufacturer': 'Vendor',
                                            'SMBIOSBIOSVersion': 'Version',
                                            'ReleaseDate': 'Release_Date'}),
        'System_Information': ('Win32_ComputerSystemProduct', {
            'Vendor': 'Manufacturer', 'Name': 'Product_Name', 'Version': 'Version',
            'IdentifyingNumber': 'Serial_Number', 'UUID': 'UUID'}),
        'Base_Board_Information': ('Win32_BaseBoard', {
            'Manufacturer': 'Manufacturer', 'Product': 'Product_Name', 'Version': 'Version',
            'SerialNumber': 'Serial_Number'}),
        'Chassis_Information': ('Win32_SystemEnclosure', {
            'Manufacturer': 'Manufacturer', 'ChassisTypes': 'Type', 'Version': 'Version',
            'SerialNumber': 'Serial_Number', 'SMBIOSAssetTag': 'Asset_Tag'}),
    }
    found = {}
    for section, (name, fields) in queries.items():
        rows = wmi_info_basic(name)
        if rows:
            found[section] = {field: rows[0].get(column) for column, field in fields.items()}
    return found


@needs_windows(advice='on Linux use dmi_info() and host_info()')
def wmi_info_basic(class_name='Win32_ComputerSystem'):
    """Returns the instances of a WMI class as dictionaries."""
    found = run_powershell('Get-CimInstance %s | Select-Object * -ExcludeProperty Cim*'
                           % quote_powershell(class_name))
    return found if isinstance(found, list) else [found] if found else []


@needs_windows(advice='on Linux use dmi_info() and host_info()')
def wmi_info(keys=('Win32_ComputerSystem', 'Win32_ComputerSystemProduct', 'Win32_BIOS',
                   'Win32_OperatingSystem'), **where):
    """Returns {WMI class: instance or list of instances}."""
    found = {}
    for key in [keys] if isinstance(keys, str) else keys:
        rows = [row for row in wmi_info_basic(key)
                if all(row.get(name) == value for name, value in where.items())]
        found[key.replace('Win32_', '')] = rows[0] if len(rows) == 1 else rows
    return found


def memory_status():
    """Returns total and free memory in bytes."""
    if context.is_windows:
        import ctypes

        class Status(ctypes.Structure):
            _fields_ = [('length', ctypes.c_ulong), ('load', ctypes.c_ulong)] + [
                (name, ctypes.c_ulonglong) for name in (
                    'total', 'available', 'page_total', 'page_available', 'virtual_total',
                    'virtual_available', 'extended_available')]

        status = Status(length=ctypes.sizeof(Status))
        if not ctypes.windll.kernel32.GlobalMemoryStatusEx(ctypes.byref(status)):
            raise ctypes.WinError()
        return {'total': status.total, 'available': status.available}
    if context.is_macos:
        pages = os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE')
        return {'total': pages, 'available': None}
    fields = {}
    with open('/proc/meminfo', encoding='ascii') as file:
        for line in file:
            name, value = line.split(':', 1)
            fields[name] = int(value.split()[0]) * 1024
    return {'total': fields['MemTotal'], 'available': fields.get('MemAvailable',
                                                                 fields['MemFree'])}


def local_drives():
    """Returns {drive or mount point: {total, free}} of the local file systems, in bytes."""
    if context.is_windows:
        import ctypes
        mask, fixed = ctypes.windll.kernel32.GetLogicalDrives(), 3
        drives = ['%s:' % chr(65 + bit) for bit in range(26) if mask & 1 << bit]
        mounts = [drive for drive in drives
                  if ctypes.windll.kernel32.GetDriveTypeW(drive + '\\') == fixed]
    elif context.is_macos:
        mounts = ['/'] + sorted(glob.glob('/Volumes/*'))
    else:
        with open('/proc/mounts', encoding='utf-8', errors='replace') as file:
            mounts = [fields[1].replace('\\040', ' ') for fields in map(str.split, file)
                      if fields[0].startswith('/dev/')]
    found = {}
    for mount in mounts:
        try:
            usage = shutil.disk_usage(mount + '\\' if context.is_windows else mount)
        except OSError:
            continue
        found[mount] = {'total': usage.total, 'free': get_disk_free_space(mount)}
    return found


def _power_supply(kind, name):
    for path in glob.glob('/sys/class/power_supply/*/type'):
        try:
            with open(path, encoding='ascii') as file:
                if file.read().strip() != kind:
                    continue
            with open(os.path.join(os.path.dirname(path), name), encoding='ascii') as file:
                return int(file.read())
        except (OSError, ValueError):
            continue
    return None


def _windows_power():
    import ctypes

    class Status(ctypes.Structure):
        _fields_ = [('line', ctypes.c_ubyte), ('flag', ctypes.c_ubyte),
                    ('percent', ctypes.c_ubyte), ('saver', ctypes.c_ubyte),
                    ('seconds', ctypes.c_ulong), ('full_seconds', ctypes.c_ulong)]

    status = Status()
    if not ctypes.windll.kernel32.GetSystemPowerStatus(ctypes.byref(status)):
        raise ctypes.WinError()
    return status


def battery_percent():
    """Returns the charge of the battery in percent, None without one."""
    if context.is_windows:
        percent = _windows_power().percent
        return None if percent == 255 else percent
    return _power_supply('Battery', 'capacity')


@needs_windows
def battery_lifetime():
    """Returns the minutes the battery will last, None when unknown."""
    seconds = _windows_power().seconds
    return None if seconds == 0xffffffff else seconds // 60


def running_on_ac():
    """Tells whether the machine is on mains power; true for one without battery."""
    if context.is_windows:
        return _windows_power().line != 0
    online = _power_supply('Mains', 'online')
    return True if online is None else bool(online)


def host_metrics():
    """Returns memory, drives and power in one dictionary."""
    return {'physical_memory': memory_status(), 'local_drives': local_drives(),
            'on_ac': running_on_ac(), 'battery_percent': battery_percent()}


@needs_windows
def installed_windows_updates(**queryfilter):
    """Lists the installed Windows updates (HotFixID, Description, InstalledOn)."""
    found = run_powershell('Get-HotFix | Select-Object HotFixID,Description,InstalledBy,'
                           '@{n="InstalledOn";e={"{0:yyyy-MM-dd}" -f $_.InstalledOn}}')
    rows = found if isinstance(found, list) else [found] if found else []
    return [row for row in rows
            if all(row.get(name) == value for name, value in queryfilter.items())]


@needs_windows
def wua_agent_version():
    """Returns the version of the Windows Update agent."""
    from .binaries import get_file_properties
    from .paths import system32
    version = get_file_properties(os.path.join(system32(), 'wuapi.dll'))['FileVersion']
    if not version:
        raise EWaptInstallError('the Windows Update agent does not tell its version')
    return version.split()[0]


@needs_windows
def critical_system_pending_updates():
    """Lists the critical Windows updates that are not installed."""
    found = run_powershell(
        '(New-Object -ComObject Microsoft.Update.Session).CreateUpdateSearcher().Search('
        "'IsInstalled=0 and IsHidden=0').Updates | Where-Object MsrcSeverity -eq 'Critical' | "
        'Select-Object -ExpandProperty Title', timeout=1800)
    return [found] if isinstance(found, str) else list(found or [])
