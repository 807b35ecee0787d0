"""What the Windows directory says of the machine: distinguished name, groups, site."""

from .errors import needs_windows
from .powershell import run_powershell
from .windows_registry import HKEY_LOCAL_MACHINE, registry_readstring

_ON_LINUX = ('on Linux ask the directory with the tools of realmd or sssd, such as `id` and '
             '`adcli info`')


@needs_windows(advice=_ON_LINUX)
def get_domain_info():
    """Returns {dn, site, groups} of the machine's account; dn is '' outside a domain."""
    policy = r'SOFTWARE\Microsoft\Windows\CurrentVersion\Group Policy\State\Machine'
    return {'dn': registry_readstring(HKEY_LOCAL_MACHINE, policy, 'Distinguished-Name'),
            'site': registry_readstring(HKEY_LOCAL_MACHINE, policy, 'Site-Name'),
            'groups': get_computer_groups()}


@needs_windows(advice=_ON_LINUX)
def get_computer_groups():
    """Lists the directory groups of the machine's account; [] outside a domain."""
    found = run_powershell(
        'if ((Get-CimInstance Win32_ComputerSystem).PartOfDomain) {'
        "$m = ([adsisearcher]\"(&(objectCategory=computer)(cn=$env:COMPUTERNAME))\").FindOne();"
        "if ($m) { $m.Properties['memberof'] | ForEach-Object {"
        "(([adsi]\"LDAP://$_\").Properties['cn'])[0] } } }")
    return [found] if isinstance(found, str) else list(found or [])
