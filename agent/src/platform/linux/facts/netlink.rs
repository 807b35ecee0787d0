//! The kernel's own list of addresses (rtnetlink, RFC 3549): one question, answered without a process.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recv, sendto, socket_with};

/// `RTM_GETADDR` and its answer.
const GET_ADDRESS: u16 = 22;
const NEW_ADDRESS: u16 = 20;
/// `NLM_F_REQUEST | NLM_F_DUMP`.
const DUMP: u16 = 0x301;
const ERROR: u16 = 2;
const DONE: u16 = 3;
/// `IFA_ADDRESS` and `IFA_LOCAL`.
const PEER: u16 = 1;
const LOCAL: u16 = 2;
const HEAD: usize = 16;
/// No machine has more addresses that anybody wants to read.
const MOST: usize = 10_000;
/// The kernel answers at once; a question never hangs.
const PATIENCE: Duration = Duration::from_secs(2);

/// One address of an interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Address {
    /// Number of the interface.
    pub index: u32,
    pub address: IpAddr,
    pub prefix: u8,
    /// 0 is the world, 253 the link, 254 the machine itself.
    pub scope: u8,
}

/// Every address of this machine.
pub(super) fn addresses() -> io::Result<Vec<Address>> {
    let socket = socket_with(
        AddressFamily::NETLINK,
        SocketType::RAW,
        SocketFlags::CLOEXEC,
        None,
    )?;
    set_socket_timeout(&socket, Timeout::Recv, Some(PATIENCE))?;
    sendto(
        &socket,
        &question(),
        SendFlags::empty(),
        &SocketAddrNetlink::new(0, 0),
    )?;
    let mut list = Vec::new();
    let mut buffer = vec![0_u8; 64 * 1024];
    while list.len() < MOST {
        let (length, _whole) = recv(&socket, &mut buffer, RecvFlags::empty())?;
        let bytes = buffer.get(..length).unwrap_or_default();
        if bytes.is_empty() || parse(bytes, &mut list)? == Part::Last {
            break;
        }
    }
    Ok(list)
}

fn question() -> Vec<u8> {
    let mut message = Vec::with_capacity(HEAD + 8);
    message.extend((HEAD as u32 + 8).to_ne_bytes());
    message.extend(GET_ADDRESS.to_ne_bytes());
    message.extend(DUMP.to_ne_bytes());
    message.extend(1_u32.to_ne_bytes());
    message.extend(0_u32.to_ne_bytes());
    // Any family, any interface.
    message.extend([0_u8; 8]);
    message
}

#[derive(Debug, PartialEq, Eq)]
enum Part {
    More,
    Last,
}

/// Reads the messages of one answer.
fn parse(mut bytes: &[u8], list: &mut Vec<Address>) -> io::Result<Part> {
    while let Some(head) = bytes.get(..HEAD) {
        let length = word(head, 0) as usize;
        let kind = half(head, 4);
        let Some(body) = bytes.get(HEAD..length) else {
            break;
        };
        match kind {
            DONE => return Ok(Part::Last),
            ERROR => {
                let code = i32::from_ne_bytes(word(body, 0).to_ne_bytes());
                return Err(io::Error::from_raw_os_error(code.saturating_neg()));
            }
            NEW_ADDRESS => list.extend(address(body)),
            _ => {}
        }
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    Ok(Part::More)
}

/// The body of `RTM_NEWADDR`: a fixed part of eight bytes, then attributes.
fn address(body: &[u8]) -> Option<Address> {
    let (fixed, mut attributes) = body.split_at_checked(8)?;
    let (mut peer, mut local) = (None, None);
    while attributes.len() >= 4 {
        let length = usize::from(half(attributes, 0));
        let Some(value) = attributes.get(4..length) else {
            break;
        };
        match half(attributes, 2) {
            PEER => peer = ip(value),
            LOCAL => local = ip(value),
            _ => {}
        }
        attributes = attributes.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    Some(Address {
        index: word(fixed, 4),
        // Between two ends of a tunnel the plain address is the other end's.
        address: local.or(peer)?,
        prefix: *fixed.get(1)?,
        scope: *fixed.get(3)?,
    })
}

fn ip(value: &[u8]) -> Option<IpAddr> {
    if let Ok(four) = <[u8; 4]>::try_from(value) {
        return Some(Ipv4Addr::from(four).into());
    }
    let sixteen = <[u8; 16]>::try_from(value).ok()?;
    Some(Ipv6Addr::from(sixteen).into())
}

/// Four bytes as this machine's number, 0 where there are none.
fn word(bytes: &[u8], at: usize) -> u32 {
    bytes
        .get(at..at + 4)
        .and_then(|bytes| bytes.try_into().ok())
        .map_or(0, u32::from_ne_bytes)
}

fn half(bytes: &[u8], at: usize) -> u16 {
    bytes
        .get(at..at + 2)
        .and_then(|bytes| bytes.try_into().ok())
        .map_or(0, u16::from_ne_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(kind: u16, body: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        bytes.extend((HEAD as u32 + body.len() as u32).to_ne_bytes());
        bytes.extend(kind.to_ne_bytes());
        bytes.extend([0; 10]);
        bytes.extend(body);
        bytes
    }

    fn sample() -> Vec<u8> {
        let mut body = vec![2, 24, 0, 0];
        body.extend(3_u32.to_ne_bytes());
        for (kind, address) in [(PEER, [192, 0, 2, 1]), (LOCAL, [192, 0, 2, 17])] {
            body.extend(8_u16.to_ne_bytes());
            body.extend(kind.to_ne_bytes());
            body.extend(address);
        }
        [message(NEW_ADDRESS, &body), message(DONE, &[0; 4])].concat()
    }

    #[test]
    fn an_address_is_read_with_its_interface() {
        let mut list = Vec::new();
        assert_eq!(parse(&sample(), &mut list).unwrap(), Part::Last);
        assert_eq!(
            list,
            [Address {
                index: 3,
                address: "192.0.2.17".parse().unwrap(),
                prefix: 24,
                scope: 0
            }]
        );
    }

    #[test]
    fn a_refusal_is_an_error_and_cut_answers_end_the_reading() {
        let refused = message(ERROR, &(-1_i32).to_ne_bytes());
        assert!(parse(&refused, &mut Vec::new()).is_err());
        let whole = sample();
        for end in 0..whole.len() {
            parse(&whole[..end], &mut Vec::new()).unwrap();
        }
        // A length of zero must not be read for ever.
        parse(&[0; 64], &mut Vec::new()).unwrap();
    }

    #[test]
    fn the_kernel_of_this_machine_lists_loopback() {
        // Without permission for such a socket the other sources are asked.
        if let Ok(list) = addresses() {
            assert!(list.iter().any(|one| one.address.is_loopback()), "{list:?}");
        }
    }
}
