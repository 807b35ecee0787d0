//! Network: interfaces of `/sys`, addresses of the kernel, routes and resolvers of `/proc` and `/etc`.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::path::Path;

use muster_shared::protocol::inventory::Interface;

use super::netlink;
use super::text::{read_limited, read_word};
use crate::inventory::facts::FactError;

const NET: &str = "/sys/class/net";
/// `ARPHRD_ETHER` and `ARPHRD_LOOPBACK` (if_arp.h).
const ETHERNET: &str = "1";
const LOOPBACK: &str = "772";
/// Addresses of this scope and above mean nothing beyond the link.
const LINK_SCOPE: u8 = 253;
/// At most this many interfaces are looked at.
const MOST_LINKS: usize = 4096;

/// At most this many interfaces are reported (machines that run containers have thousands).
const MOST: usize = 64;

/// The machine's interfaces with their addresses, loopback and link-local left out, by name.
///
/// # Errors
/// When `/sys/class/net` cannot be listed.
pub fn interfaces() -> Result<Vec<Interface>, FactError> {
    let links = links(Path::new(NET)).map_err(|source| FactError::Unreadable { what: NET, source })?;
    match netlink::addresses() {
        Ok(addresses) => Ok(joined(links, &addresses)),
        Err(error) => {
            tracing::debug!(%error, "the kernel gave no list of addresses; its tables in /proc are read");
            Ok(with_tables_of_proc(links))
        }
    }
}

/// An interface as `/sys` has it.
#[derive(Debug)]
struct Link {
    index: u32,
    is_loopback: bool,
    interface: Interface,
}

fn links(folder: &Path) -> std::io::Result<Vec<Link>> {
    let links = fs_err::read_dir(folder)?
        .flatten()
        .take(MOST_LINKS)
        .filter_map(|entry| {
            let kind = read_word(entry.path().join("type"));
            let mac = read_word(entry.path().join("address"));
            let is_ethernet = kind == ETHERNET && mac != "00:00:00:00:00:00";
            Some(Link {
                index: read_word(entry.path().join("ifindex")).parse().unwrap_or(0),
                is_loopback: kind == LOOPBACK,
                interface: Interface {
                    name: entry.file_name().into_string().ok()?,
                    mac: if is_ethernet { mac } else { String::new() },
                    addresses: Vec::new(),
                },
            })
        })
        .collect();
    Ok(links)
}

fn joined(links: Vec<Link>, addresses: &[netlink::Address]) -> Vec<Interface> {
    let list = links
        .into_iter()
        .filter(|link| !link.is_loopback)
        .map(|mut link| {
            link.interface.addresses = addresses
                .iter()
                .filter(|one| one.index == link.index && one.scope < LINK_SCOPE)
                .map(|one| format!("{}/{}", one.address, one.prefix))
                .collect();
            link.interface
        })
        .collect();
    tidy(list)
}

/// Addresses come and go in the kernel's order; sorting keeps the block's hash still.
fn tidy(mut list: Vec<Interface>) -> Vec<Interface> {
    for interface in &mut list {
        interface.addresses.sort();
        interface.addresses.dedup();
    }
    list.retain(|interface| !interface.mac.is_empty() || !interface.addresses.is_empty());
    list.sort_by(|one, other| {
        // Those that carry addresses first: they are the ones that matter if the list is cut.
        (one.addresses.is_empty(), &one.name).cmp(&(other.addresses.is_empty(), &other.name))
    });
    list.truncate(MOST);
    list.sort_by(|one, other| one.name.cmp(&other.name));
    list
}

fn with_tables_of_proc(links: Vec<Link>) -> Vec<Interface> {
    let mut addresses = ipv4_of_interfaces(
        &read_limited("/proc/net/route").unwrap_or_default(),
        &read_limited("/proc/net/fib_trie").unwrap_or_default(),
    );
    for (name, address) in ipv6_of_interfaces(&read_limited("/proc/net/if_inet6").unwrap_or_default()) {
        addresses.entry(name).or_default().push(address);
    }
    let list = links
        .into_iter()
        .filter(|link| !link.is_loopback)
        .map(|mut link| {
            link.interface.addresses = addresses.remove(&link.interface.name).unwrap_or_default();
            link.interface
        })
        .collect();
    tidy(list)
}

/// Local IPv4 addresses come from `fib_trie`, their interface and prefix from the connected routes.
fn ipv4_of_interfaces(route: &str, fib_trie: &str) -> BTreeMap<String, Vec<String>> {
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut local: Vec<Ipv4Addr> = Vec::new();
    let mut candidate = None;
    for line in fib_trie.lines() {
        let line = line.trim();
        if let Some(rest) = line.strip_prefix("|-- ") {
            candidate = rest.parse().ok();
        } else if line.starts_with("/32 host LOCAL")
            && let Some(address) = candidate
        {
            local.push(address);
        }
    }
    local.sort_unstable();
    local.dedup();
    for row in routes(route).filter(|row| row.gateway.is_unspecified() && row.mask != 0) {
        for address in &local {
            if u32::from(*address) & row.mask == u32::from(row.destination) && !address.is_loopback() {
                found
                    .entry(row.interface.to_owned())
                    .or_default()
                    .push(format!("{address}/{}", row.mask.count_ones()));
            }
        }
    }
    found
}

fn ipv6_of_interfaces(if_inet6: &str) -> Vec<(String, String)> {
    if_inet6
        .lines()
        .filter_map(|line| {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let [address, _index, prefix, scope, _flags, name] = fields.as_slice() else {
                return None;
            };
            let address = Ipv6Addr::from(u128::from_str_radix(address, 16).ok()?);
            let prefix = u8::from_str_radix(prefix, 16).ok()?;
            (*scope == "00").then(|| ((*name).to_owned(), format!("{address}/{prefix}")))
        })
        .collect()
}

struct Route<'a> {
    interface: &'a str,
    destination: Ipv4Addr,
    gateway: Ipv4Addr,
    mask: u32,
}

/// Rows of `/proc/net/route` that are up. Its numbers are the address bytes as this machine's integer.
fn routes(text: &str) -> impl Iterator<Item = Route<'_>> {
    let address = |field: &str| {
        u32::from_str_radix(field, 16)
            .ok()
            .map(|value| Ipv4Addr::from(value.to_ne_bytes()))
    };
    text.lines().skip(1).filter_map(move |line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let is_up = u32::from_str_radix(fields.get(3)?, 16).ok()? & 1 == 1;
        is_up.then_some(Route {
            interface: fields.first()?,
            destination: address(fields.get(1)?)?,
            gateway: address(fields.get(2)?)?,
            mask: u32::from(address(fields.get(7)?)?),
        })
    })
}

/// Changes when the machine's routes do: cheap enough to be asked every few seconds.
pub fn stamp() -> String {
    let mut text = read_limited("/proc/net/route").unwrap_or_default();
    text.push_str(&read_limited("/proc/net/if_inet6").unwrap_or_default());
    text
}

/// Gateways of the default routes.
pub fn gateways() -> Vec<String> {
    default_gateways(&read_limited("/proc/net/route").unwrap_or_default())
}

fn default_gateways(text: &str) -> Vec<String> {
    let mut list: Vec<String> = routes(text)
        .filter(|row| row.destination.is_unspecified() && row.mask == 0 && !row.gateway.is_unspecified())
        .map(|row| row.gateway.to_string())
        .collect();
    list.sort();
    list.dedup();
    list
}

/// Name servers. Where the stub of systemd-resolved stands in, the real ones behind it.
pub fn dns_servers() -> Vec<String> {
    let own = name_servers(&read_limited("/etc/resolv.conf").unwrap_or_default());
    if own.iter().all(|server| server.starts_with("127.")) {
        let behind = name_servers(&read_limited("/run/systemd/resolve/resolv.conf").unwrap_or_default());
        if !behind.is_empty() {
            return behind;
        }
    }
    own
}

fn name_servers(text: &str) -> Vec<String> {
    text.lines()
        .filter_map(|line| {
            let mut words = line.split_whitespace();
            (words.next()? == "nameserver")
                .then(|| words.next().map(str::to_owned))
                .flatten()
        })
        .take(16)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROUTE: &str = "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n\
        eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n\
        eth0\t000200C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n\
        eth1\t00000000\t0A0200C0\t0002\t0\t0\t0\t00000000\t0\t0\t0\n";

    #[test]
    fn gateways_are_those_of_default_routes_that_are_up() {
        if cfg!(target_endian = "little") {
            assert_eq!(default_gateways(ROUTE), ["192.0.2.1"]);
        }
        assert!(default_gateways("Iface\nnonsense\n\n").is_empty());
    }

    #[test]
    fn addresses_without_ip_come_from_the_routing_tables() {
        let trie = "Local:\n  +-- 192.0.2.0/24 2 0 2\n     |-- 192.0.2.0\n        /32 link BROADCAST\n     |-- 192.0.2.17\n        /32 host LOCAL\n     |-- 127.0.0.1\n        /32 host LOCAL\n";
        if cfg!(target_endian = "little") {
            let found = ipv4_of_interfaces(ROUTE, trie);
            assert_eq!(found.get("eth0").unwrap(), &["192.0.2.17/24"]);
        }
    }

    #[test]
    fn ipv6_addresses_of_links_are_left_out() {
        let text = "fe800000000000000000000000000001 02 40 20 80 eth0\n20010db8000000000000000000000007 02 40 00 80 eth0\n";
        assert_eq!(
            ipv6_of_interfaces(text),
            [("eth0".to_owned(), "2001:db8::7/64".to_owned())]
        );
    }

    #[test]
    fn interfaces_lose_loopback_and_link_local() {
        let place = tempfile::tempdir().unwrap();
        for (name, kind, index, mac) in [
            ("lo", LOOPBACK, "1", "00:00:00:00:00:00"),
            ("eth0", ETHERNET, "2", "52:54:00:12:34:56"),
            ("tun0", "65534", "3", ""),
            ("tun1", "65534", "4", ""),
        ] {
            let folder = place.path().join(name);
            fs_err::create_dir_all(&folder).unwrap();
            for (file, text) in [("type", kind), ("ifindex", index), ("address", mac)] {
                fs_err::write(folder.join(file), format!("{text}\n")).unwrap();
            }
        }
        let address = |index, address: &str, prefix, scope| netlink::Address {
            index,
            address: address.parse().unwrap(),
            prefix,
            scope,
        };
        let list = joined(
            links(place.path()).unwrap(),
            &[
                address(1, "127.0.0.1", 8, 254),
                address(2, "2001:db8::7", 64, 0),
                address(2, "192.0.2.17", 24, 0),
                address(2, "fe80::1", 64, 253),
                address(4, "198.51.100.2", 32, 0),
            ],
        );
        let names: Vec<_> = list.iter().map(|interface| interface.name.as_str()).collect();
        assert_eq!(names, ["eth0", "tun1"]);
        assert_eq!(list[0].addresses, ["192.0.2.17/24", "2001:db8::7/64"]);
        assert_eq!(list[0].mac, "52:54:00:12:34:56");
    }

    #[test]
    fn name_servers_are_read_from_resolv_conf() {
        assert_eq!(
            name_servers("# c\nnameserver 9.9.9.9\nsearch a\nnameserver\nnameserver ::1\n"),
            ["9.9.9.9", "::1"]
        );
    }

    #[test]
    fn this_machine_answers() {
        interfaces().unwrap();
        with_tables_of_proc(links(Path::new(NET)).unwrap());
        gateways();
        dns_servers();
    }
}
