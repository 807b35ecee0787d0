//! Network adapters, gateways and name servers: one call tells them all.
#![expect(unsafe_code, reason = "GetAdaptersAddresses")]

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use muster_shared::protocol::inventory::Interface;
use windows_sys::Win32::Foundation::{ERROR_BUFFER_OVERFLOW, NO_ERROR};
use windows_sys::Win32::NetworkManagement::IpHelper::{
    GAA_FLAG_INCLUDE_GATEWAYS, GAA_FLAG_SKIP_ANYCAST, GAA_FLAG_SKIP_MULTICAST, GetAdaptersAddresses,
    IF_TYPE_SOFTWARE_LOOPBACK, IP_ADAPTER_ADDRESSES_LH,
};
use windows_sys::Win32::NetworkManagement::Ndis::IfOperStatusUp;
use windows_sys::Win32::Networking::WinSock::{
    AF_INET, AF_INET6, AF_UNSPEC, SOCKADDR_IN, SOCKADDR_IN6, SOCKET_ADDRESS,
};

use super::super::wide::from_pointer;
use crate::inventory::facts::FactError;

/// At most this many adapters are reported.
const MOST: usize = 64;

#[derive(Debug, Default)]
struct Network {
    interfaces: Vec<Interface>,
    gateways: Vec<String>,
    dns_servers: Vec<String>,
}

/// The machine's interfaces with their addresses, loopback and link-local left out, by name.
///
/// # Errors
/// When the system does not list its adapters.
pub fn interfaces() -> Result<Vec<Interface>, FactError> {
    let mut list = read()?.interfaces;
    for interface in &mut list {
        interface.addresses.sort();
        interface.addresses.dedup();
    }
    list.retain(|interface| !interface.mac.is_empty() || !interface.addresses.is_empty());
    list.sort_by(|one, other| one.name.cmp(&other.name));
    list.truncate(MOST);
    Ok(list)
}

/// Gateways of adapters that are up.
pub fn gateways() -> Vec<String> {
    sorted(read().unwrap_or_default().gateways)
}

/// Name servers of adapters that are up, in their order.
pub fn dns_servers() -> Vec<String> {
    let mut list = Vec::new();
    for server in read().unwrap_or_default().dns_servers {
        if !list.contains(&server) {
            list.push(server);
        }
    }
    list.truncate(16);
    list
}

/// Changes when the machine's addresses or gateways do.
pub fn stamp() -> String {
    let network = read().unwrap_or_default();
    let addresses: Vec<&String> = network
        .interfaces
        .iter()
        .flat_map(|interface| &interface.addresses)
        .collect();
    format!("{addresses:?} {:?}", network.gateways)
}

fn sorted(mut list: Vec<String>) -> Vec<String> {
    list.sort();
    list.dedup();
    list
}

fn read() -> Result<Network, FactError> {
    let flags = GAA_FLAG_INCLUDE_GATEWAYS | GAA_FLAG_SKIP_ANYCAST | GAA_FLAG_SKIP_MULTICAST;
    // The list may grow between two calls: ask again with what it says it needs.
    let mut size = 32 * 1024_u32;
    for _attempt in 0..4 {
        // Eight-byte units: the structures inside hold pointers and need that alignment.
        let mut buffer = vec![0_u64; (size as usize).div_ceil(8)];
        let first = buffer.as_mut_ptr().cast::<IP_ADAPTER_ADDRESSES_LH>();
        // SAFETY: the buffer has `size` bytes or more and outlives everything read from it below.
        let code = unsafe {
            GetAdaptersAddresses(
                u32::from(AF_UNSPEC),
                flags,
                std::ptr::null(),
                first,
                &raw mut size,
            )
        };
        match code {
            // SAFETY: the system filled the buffer with a list that ends with a null pointer.
            NO_ERROR => return Ok(unsafe { walk(first) }),
            ERROR_BUFFER_OVERFLOW => {}
            code => {
                return Err(FactError::Unreadable {
                    what: "the list of network adapters",
                    source: std::io::Error::from_raw_os_error(i32::try_from(code).unwrap_or(0)),
                });
            }
        }
    }
    Err(FactError::Refused {
        what: "the list of network adapters",
        reason: "it keeps growing".to_owned(),
    })
}

/// # Safety
/// `adapter` is null or the first of a list that the system filled, whole while this runs.
unsafe fn walk(mut adapter: *const IP_ADAPTER_ADDRESSES_LH) -> Network {
    let mut network = Network::default();
    while !adapter.is_null() {
        // SAFETY: not null, and valid by the caller's promise.
        let this = unsafe { &*adapter };
        adapter = this.Next;
        if this.IfType == IF_TYPE_SOFTWARE_LOOPBACK {
            continue;
        }
        let mut interface = Interface {
            // SAFETY: strings of the list end with a NUL and live as long as it.
            name: unsafe { from_pointer(this.FriendlyName) },
            mac: mac(this
                .PhysicalAddress
                .get(..this.PhysicalAddressLength as usize)
                .unwrap_or_default()),
            addresses: Vec::new(),
        };
        let mut unicast = this.FirstUnicastAddress;
        while !unicast.is_null() {
            // SAFETY: not null; part of the same list.
            let entry = unsafe { &*unicast };
            unicast = entry.Next;
            // SAFETY: the address belongs to the same list.
            let address = unsafe { address_of(&entry.Address) };
            if let Some(address) = address.filter(|address| !is_link_local(*address)) {
                interface
                    .addresses
                    .push(format!("{address}/{}", entry.OnLinkPrefixLength));
            }
        }
        if this.OperStatus == IfOperStatusUp {
            let mut gateway = this.FirstGatewayAddress;
            while !gateway.is_null() {
                // SAFETY: not null; part of the same list.
                let entry = unsafe { &*gateway };
                gateway = entry.Next;
                // SAFETY: the address belongs to the same list.
                network
                    .gateways
                    .extend(unsafe { address_of(&entry.Address) }.map(|address| address.to_string()));
            }
            let mut server = this.FirstDnsServerAddress;
            while !server.is_null() {
                // SAFETY: not null; part of the same list.
                let entry = unsafe { &*server };
                server = entry.Next;
                // SAFETY: the address belongs to the same list.
                network
                    .dns_servers
                    .extend(unsafe { address_of(&entry.Address) }.map(|address| address.to_string()));
            }
        }
        network.interfaces.push(interface);
    }
    network
}

/// # Safety
/// The address points to a socket address of its family, valid while this runs.
unsafe fn address_of(address: &SOCKET_ADDRESS) -> Option<IpAddr> {
    if address.lpSockaddr.is_null() {
        return None;
    }
    // SAFETY: not null; every socket address begins with its family.
    match unsafe { (*address.lpSockaddr).sa_family } {
        AF_INET => {
            // SAFETY: this family has this structure; S_addr is one reading of its union.
            let raw = unsafe {
                address
                    .lpSockaddr
                    .cast::<SOCKADDR_IN>()
                    .read_unaligned()
                    .sin_addr
                    .S_un
                    .S_addr
            };
            Some(Ipv4Addr::from(raw.to_ne_bytes()).into())
        }
        AF_INET6 => {
            // SAFETY: this family has this structure; Byte is one reading of its union.
            let raw = unsafe {
                address
                    .lpSockaddr
                    .cast::<SOCKADDR_IN6>()
                    .read_unaligned()
                    .sin6_addr
                    .u
                    .Byte
            };
            Some(Ipv6Addr::from(raw).into())
        }
        _ => None,
    }
}

fn is_link_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_link_local() || address.is_loopback(),
        IpAddr::V6(address) => (address.segments()[0] & 0xffc0) == 0xfe80 || address.is_loopback(),
    }
}

fn mac(bytes: &[u8]) -> String {
    bytes
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect::<Vec<_>>()
        .join(":")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_answers() {
        interfaces().unwrap();
        gateways();
        dns_servers();
        assert_eq!(mac(&[0x52, 0x54, 0, 0x12, 0x34, 0xab]), "52:54:00:12:34:ab");
    }
}
