//! A network in CIDR notation: `10.1.0.0/16`, `2001:db8::/32`, or one address.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// A block of addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    prefix: u8,
}

/// A text that is no network.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no network such as 10.1.0.0/16 or 2001:db8::/32")]
pub struct NetworkError(String);

impl Network {
    /// Whether an address lies in it. IPv4 written as IPv6 counts as IPv4.
    pub fn contains(self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                let (own, other) = (u32::from(own), u32::from(other));
                let away = 32 - u32::from(self.prefix);
                own.checked_shr(away) == other.checked_shr(away)
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                let (own, other) = (u128::from(own), u128::from(other));
                let away = 128 - u32::from(self.prefix);
                own.checked_shr(away) == other.checked_shr(away)
            }
            _ => false,
        }
    }
}

impl FromStr for Network {
    type Err = NetworkError;

    /// Bits after the prefix are allowed, as people copy a host's address; they say nothing.
    fn from_str(text: &str) -> Result<Self, NetworkError> {
        let bad = || NetworkError(text.chars().take(100).collect());
        let (address, prefix) = match text.trim().split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text.trim(), None),
        };
        let written: IpAddr = address.trim().parse().map_err(|_error| bad())?;
        let address = written.to_canonical();
        let longest: u8 = if address.is_ipv4() { 32 } else { 128 };
        // What is shortened has another count of bits.
        if address != written && prefix.is_some() {
            return Err(bad());
        }
        let prefix = match prefix {
            None => longest,
            Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => digits
                .parse()
                .ok()
                .filter(|prefix| *prefix <= longest)
                .ok_or_else(bad)?,
            Some(_) => return Err(bad()),
        };
        Ok(Self { address, prefix })
    }
}

impl fmt::Display for Network {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.address, self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn addresses_lie_in_their_networks_and_in_no_others() {
        for (network, inside, outside) in [
            ("10.1.0.0/16", "10.1.255.3", "10.2.0.1"),
            ("10.1.2.3", "10.1.2.3", "10.1.2.4"),
            ("10.1.2.3/31", "10.1.2.2", "10.1.2.1"),
            ("2001:db8::/32", "2001:db8:1::5", "2001:db9::1"),
            ("::1/128", "::1", "::2"),
            ("0.0.0.0/0", "200.1.1.1", "::1"),
            ("::/0", "fe80::1", "10.0.0.1"),
        ] {
            let network: Network = network.parse().unwrap();
            assert!(network.contains(inside.parse().unwrap()), "{network} {inside}");
            assert!(!network.contains(outside.parse().unwrap()), "{network} {outside}");
        }
        let network: Network = "10.0.0.0/8".parse().unwrap();
        assert!(network.contains("::ffff:10.3.4.5".parse().unwrap()));
    }

    #[test]
    fn what_is_no_network_is_refused() {
        for text in [
            "",
            "10.1.0.0/33",
            "10.1/16",
            "::/129",
            "a",
            "10.0.0.1/",
            "10.0.0.1/+8",
            "10.0.0.1/-1",
            "::ffff:10.0.0.1/104",
        ] {
            assert!(text.parse::<Network>().is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_network_contains_its_own_address_and_reads_back(address: u32, prefix in 0..=32_u8) {
            let address = IpAddr::V4(address.into());
            let network = Network { address, prefix };
            prop_assert!(network.contains(address));
            prop_assert_eq!(network.to_string().parse::<Network>().unwrap(), network);
        }

        #[test]
        fn a_longer_prefix_contains_no_more(own: u128, other: u128, prefix in 1..=128_u8) {
            let own = IpAddr::V6(own.into());
            prop_assume!(own.to_canonical() == own);
            let other = IpAddr::V6(other.into());
            let narrow = Network { address: own, prefix };
            let wide = Network { address: own, prefix: prefix - 1 };
            prop_assert!(!narrow.contains(other) || wide.contains(other));
        }
    }
}
