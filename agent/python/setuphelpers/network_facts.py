"""Addresses, gateways and name servers of the machine."""

import re
import socket

from . import context
from .powershell import run_powershell
from .process import run


def get_main_ip(host=None):
    """Returns the address of this machine that leads to a host (or to the internet)."""
    target = host or '192.0.2.1'  # reserved for documentation: routed, never reached
    for family, kind, protocol, _, address in socket.getaddrinfo(target, 9, type=socket.SOCK_DGRAM):
        with socket.socket(family, kind, protocol) as probe:
            try:
                probe.connect(address)
                return probe.getsockname()[0]
            except OSError:
                continue
    return '127.0.0.1'


def get_local_IPs():
    """Lists the IPv4 addresses of the machine except the loopback ones."""
    if context.is_windows:
        found = {entry[4][0] for entry in socket.getaddrinfo(socket.gethostname(), None,
                                                             socket.AF_INET)}
    else:
        command = ['ifconfig', '-a'] if context.is_macos else ['ip', '-o', '-4', 'addr', 'show']
        output = run(command, accept_returncodes=None)
        found = set(re.findall(r'\binet (\d+\.\d+\.\d+\.\d+)', output))
    return sorted(address for address in found if not address.startswith('127.'))


def parse_routes(text):
    """Reads the default gateways of /proc/net/route."""
    gateways = []
    for line in text.splitlines()[1:]:
        fields = line.split()
        if len(fields) > 3 and fields[1] == '00000000' and int(fields[3], 16) & 2:
            gateways.append('.'.join(str(byte) for byte in
                                     reversed(bytes.fromhex(fields[2].rjust(8, '0')))))
    return gateways


def get_default_gateways():
    """Lists the default gateways."""
    if context.is_windows:
        found = run_powershell("Get-NetRoute -DestinationPrefix '0.0.0.0/0' | "
                               'Select-Object -ExpandProperty NextHop')
        return [found] if isinstance(found, str) else list(found or [])
    if context.is_macos:
        output = run(['route', '-n', 'get', 'default'], accept_returncodes=None)
        return re.findall(r'gateway: (\S+)', output)
    with open('/proc/net/route', encoding='ascii') as file:
        return parse_routes(file.read())


def default_gateway():
    """Returns the first default gateway, or None."""
    gateways = get_default_gateways()
    return gateways[0] if gateways else None


def parse_resolv_conf(text):
    """Reads the name servers of resolv.conf."""
    return re.findall(r'^\s*nameserver\s+(\S+)', text, re.MULTILINE)


def get_dns_servers():
    """Lists the name servers."""
    if context.is_windows:
        found = run_powershell('Get-DnsClientServerAddress | '
                               'Select-Object -ExpandProperty ServerAddresses')
        return [found] if isinstance(found, str) else list(dict.fromkeys(found or []))
    try:
        with open('/etc/resolv.conf', encoding='utf-8', errors='replace') as file:
            return parse_resolv_conf(file.read())
    except FileNotFoundError:
        return []


def networking():
    """Returns addresses, gateways and name servers in one dictionary."""
    return {'addresses': get_local_IPs(), 'gateways': get_default_gateways(),
            'dns_servers': get_dns_servers()}
