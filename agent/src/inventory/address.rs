//! The address from which the machine speaks to others.

use std::net::{IpAddr, UdpSocket};

use muster_shared::protocol::inventory::Interface;

/// The address that the system chooses for a far peer, IPv4 before IPv6; `None` when it has no way out.
///
/// Connecting a datagram socket sends nothing: the system only looks into its routes. The peers are of the
/// ranges for documentation, which nobody has.
pub(super) fn main_address() -> Option<IpAddr> {
    [("0.0.0.0:0", "192.0.2.1:9"), ("[::]:0", "[2001:db8::1]:9")]
        .into_iter()
        .find_map(|(any, far)| {
            let socket = UdpSocket::bind(any).ok()?;
            socket.connect(far).ok()?;
            Some(socket.local_addr().ok()?.ip()).filter(|address| is_reachable(*address))
        })
}

fn is_reachable(address: IpAddr) -> bool {
    !address.is_unspecified()
        && !address.is_loopback()
        && match address {
            IpAddr::V4(address) => !address.is_link_local(),
            IpAddr::V6(address) => !address.is_unicast_link_local(),
        }
}

/// The hardware address of the interface that has an address, empty when none has it.
pub(super) fn mac_of(address: IpAddr, interfaces: &[Interface]) -> String {
    let has_it = |interface: &&Interface| {
        interface.addresses.iter().any(|own| {
            let bare = own.split('/').next().unwrap_or(own);
            bare.parse::<IpAddr>().is_ok_and(|own| own == address)
        })
    };
    interfaces
        .iter()
        .find(has_it)
        .map(|interface| interface.mac.clone())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interface_that_has_the_address_gives_its_own() {
        let interface = |name: &str, mac: &str, address: &str| Interface {
            name: name.to_owned(),
            mac: mac.to_owned(),
            addresses: vec![address.to_owned()],
        };
        let list = [
            interface("a", "52:54:00:00:00:01", "192.0.2.17/24"),
            interface("b", "52:54:00:00:00:02", "2001:db8::7/64"),
        ];
        assert_eq!(mac_of("2001:db8::7".parse().unwrap(), &list), "52:54:00:00:00:02");
        assert_eq!(mac_of("192.0.2.1".parse().unwrap(), &list), "");
    }

    #[test]
    fn loopback_and_link_local_are_nobody_s_main_address() {
        for address in ["127.0.0.1", "169.254.1.1", "::1", "fe80::1", "0.0.0.0"] {
            assert!(!is_reachable(address.parse().unwrap()), "{address}");
        }
        assert!(main_address().is_none_or(is_reachable));
    }
}
