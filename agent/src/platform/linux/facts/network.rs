//! Network: `ip -json address` where it is there, else `/sys` and `/proc`; routes; resolvers.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use muster_shared::protocol::inventory::Interface;
use serde::Deserialize;

use super::text::{read_limited, read_word};
use crate::inventory::facts::FactError;
use crate::platform::ask;

/// At most this many interfaces are reported (machines that run containers have thousands).
const MOST: usize = 64;

/// The machine's interfaces with their addresses, loopback and link-local left out, by name.
///
/// # Errors
/// When neither `ip` nor `/sys/class/net` answers.
pub async fn interfaces() -> Result<Vec<Interface>, FactError> {
    for program in ["/usr/sbin/ip", "/sbin/ip", "/usr/bin/ip"] {
        match ask(
            program,
            &["-json", "address"],
            Duration::from_secs(5),
            4 * 1024 * 1024,
        )
        .await
        {
            Ok(output) => {
                if let Some(list) = from_ip(&output) {
                    return Ok(list);
                }
            }
            Err(error) if error.is_absent() => {}
            Err(error) => tracing::debug!(%error, "ip gave no list of addresses"),
        }
    }
    from_sysfs()
}

#[derive(Deserialize)]
struct Link {
    ifname: String,
    #[serde(default)]
    link_type: String,
    #[serde(default)]
    address: String,
    #[serde(default)]
    addr_info: Vec<Address>,
}

#[derive(Deserialize)]
struct Address {
    #[serde(default)]
    local: String,
    #[serde(default)]
    prefixlen: u8,
    #[serde(default)]
    scope: String,
}

fn from_ip(output: &[u8]) -> Option<Vec<Interface>> {
    let links: Vec<Link> = serde_json::from_slice(output).ok()?;
    let list = links
        .into_iter()
        .filter(|link| link.link_type != "loopback")
        .map(|link| Interface {
            name: link.ifname,
            mac: if link.link_type == "ether" {
                link.address
            } else {
                String::new()
            },
            addresses: link
                .addr_info
                .into_iter()
                .filter(|address| address.scope != "link" && address.scope != "host")
                .map(|address| format!("{}/{}", address.local, address.prefixlen))
                .collect(),
        })
        .collect();
    Some(tidy(list))
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

fn from_sysfs() -> Result<Vec<Interface>, FactError> {
    let entries = fs_err::read_dir("/sys/class/net").map_err(|source| FactError::Unreadable {
        what: "/sys/class/net",
        source,
    })?;
    let mut addresses = ipv4_of_interfaces(
        &read_limited("/proc/net/route").unwrap_or_default(),
        &read_limited("/proc/net/fib_trie").unwrap_or_default(),
    );
    for (name, address) in ipv6_of_interfaces(&read_limited("/proc/net/if_inet6").unwrap_or_default()) {
        addresses.entry(name).or_default().push(address);
    }
    let list = entries
        .flatten()
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            if name == "lo" {
                return None;
            }
            let mac = read_word(entry.path().join("address"));
            Some(Interface {
                addresses: addresses.remove(&name).unwrap_or_default(),
                mac: if mac == "00:00:00:00:00:00" {
                    String::new()
                } else {
                    mac
                },
                name,
            })
        })
        .collect();
    Ok(tidy(list))
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
    fn the_list_of_ip_loses_loopback_and_link_local() {
        let json = br#"[{"ifname":"lo","link_type":"loopback","address":"00:00:00:00:00:00","addr_info":[{"family":"inet","local":"127.0.0.1","prefixlen":8,"scope":"host"}]},
            {"ifname":"eth0","link_type":"ether","address":"52:54:00:12:34:56","addr_info":[{"local":"192.0.2.17","prefixlen":24,"scope":"global"},{"local":"fe80::1","prefixlen":64,"scope":"link"}]},
            {"ifname":"tun0","link_type":"none","addr_info":[]},{}]"#;
        assert!(from_ip(json).is_none(), "a row without a name is not ip's output");
        let json = std::str::from_utf8(json).unwrap().replace(",{}]", "]");
        let list = from_ip(json.as_bytes()).unwrap();
        assert_eq!(list.len(), 1);
        assert_eq!(list[0].addresses, ["192.0.2.17/24"]);
        assert_eq!(list[0].mac, "52:54:00:12:34:56");
    }

    #[test]
    fn name_servers_are_read_from_resolv_conf() {
        assert_eq!(
            name_servers("# c\nnameserver 9.9.9.9\nsearch a\nnameserver\nnameserver ::1\n"),
            ["9.9.9.9", "::1"]
        );
    }

    #[tokio::test]
    async fn this_machine_answers() {
        interfaces().await.unwrap();
        gateways();
        dns_servers();
    }
}
