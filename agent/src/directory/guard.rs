//! What an LDAP server may send: whole messages, each of a bounded size, depth and number of parts, all together bounded.
//!
//! Parties: the *server* may be anybody's, or somebody in the network's where it is asked without TLS; the *library*
//! that reads its answers holds a message of any size and follows its nesting by calling itself, so that a message of
//! a megabyte that only nests would end this very process. So the library never speaks with the server: it has one end
//! of a pair inside of this process, and nothing passes that was not looked at here.

use std::sync::{Arc, OnceLock};

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

/// What may pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Limits {
    /// Bytes of one message.
    pub message: usize,
    /// Values within values.
    pub depth: usize,
    /// Values of one message.
    pub parts: usize,
    /// Bytes of all messages together.
    pub total: usize,
    /// Values of all messages together.
    pub total_parts: usize,
}

impl Default for Limits {
    /// Far more than the groups of a computer take; messages of LDAP nest about ten deep.
    fn default() -> Self {
        Self {
            message: 1024 * 1024,
            depth: 32,
            parts: 10_000,
            total: 16 * 1024 * 1024,
            total_parts: 50_000,
        }
    }
}

/// Why the conversation was ended from this side.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refusal {
    #[error("it sent a message of {size} bytes, at most {limit} are read")]
    Message { size: u64, limit: usize },
    #[error("it sent more than {0} bytes")]
    Total(usize),
    #[error("it sent a message of more than {0} parts")]
    Parts(usize),
    #[error("it sent more than {0} parts")]
    TotalParts(usize),
    #[error("it sent a message that nests more than {0} levels deep")]
    Depth(usize),
    #[error("it sent what is no message of LDAP")]
    Malformed,
    #[error("the connection broke off: {0}")]
    Broken(String),
}

/// The first tag of every message: a sequence.
const SEQUENCE: u8 = 0x30;
/// The bit of a tag whose value holds values.
const CONSTRUCTED: u8 = 0x20;

/// Carries both directions until one of the two ends, or the server breaks a limit: then both ends are closed and the
/// reason is in `refused`.
pub(super) async fn carry(
    server: impl AsyncRead + AsyncWrite,
    library: impl AsyncRead + AsyncWrite,
    limits: Limits,
    refused: Arc<OnceLock<Refusal>>,
) {
    let (mut from_server, mut to_server) = tokio::io::split(server);
    let (mut from_library, mut to_library) = tokio::io::split(library);
    let answers = async {
        let (mut bytes, mut parts) = (0_usize, 0_usize);
        while let Some(message) = message(&mut from_server, limits.message).await? {
            bytes = bytes.saturating_add(message.len());
            if bytes > limits.total {
                return Err(Refusal::Total(limits.total));
            }
            parts = parts.saturating_add(check(&message, limits)?);
            if parts > limits.total_parts {
                return Err(Refusal::TotalParts(limits.total_parts));
            }
            // The library went away: nobody waits for more.
            if to_library.write_all(&message).await.is_err() {
                break;
            }
        }
        Ok(())
    };
    let questions = tokio::io::copy(&mut from_library, &mut to_server);
    tokio::select! {
        answered = answers => {
            if let Err(reason) = answered {
                refused.set(reason).ok();
            }
        }
        _ended = questions => {}
    }
}

/// Reads one whole message, with its tag and length; nothing at the end.
///
/// # Errors
/// It is none, is larger than `limit`, or the connection breaks.
pub(super) async fn message(
    reader: &mut (impl AsyncRead + Unpin),
    limit: usize,
) -> Result<Option<Vec<u8>>, Refusal> {
    let broken = |error: std::io::Error| Refusal::Broken(error.to_string());
    let mut head = [0_u8; 2];
    if reader.read(&mut head[..1]).await.map_err(broken)? == 0 {
        return Ok(None);
    }
    reader.read_exact(&mut head[1..]).await.map_err(broken)?;
    let [tag, first] = head;
    if tag != SEQUENCE {
        return Err(Refusal::Malformed);
    }
    let mut whole = vec![tag, first];
    let size = if first < 0x80 {
        u64::from(first)
    } else {
        // A length without an end is not allowed in LDAP (RFC 4511 §5.1).
        let digits = usize::from(first - 0x80);
        if !(1..=8).contains(&digits) {
            return Err(Refusal::Malformed);
        }
        let mut length = [0_u8; 8];
        let length = length.get_mut(..digits).ok_or(Refusal::Malformed)?;
        reader.read_exact(length).await.map_err(broken)?;
        whole.extend_from_slice(length);
        number(length)
    };
    let room = limit.saturating_sub(whole.len()) as u64;
    if size > room {
        return Err(Refusal::Message { size, limit });
    }
    // Grows as it comes: what is only announced takes no memory.
    let read = reader.take(size).read_to_end(&mut whole).await.map_err(broken)?;
    if read as u64 != size {
        return Err(Refusal::Broken("in the middle of a message".to_owned()));
    }
    Ok(Some(whole))
}

fn number(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0, |number: u64, byte| (number << 8) | u64::from(*byte))
}

/// Looks at the values of a message without calling itself; how many there are.
fn check(message: &[u8], limits: Limits) -> Result<usize, Refusal> {
    // Where the values that hold the current one end.
    let mut ends: Vec<usize> = vec![message.len()];
    let (mut at, mut parts) = (0, 0);
    while let Some(end) = ends.last().copied() {
        if at == end {
            ends.pop();
            continue;
        }
        parts += 1;
        if parts > limits.parts {
            return Err(Refusal::Parts(limits.parts));
        }
        let tag = *message.get(at).ok_or(Refusal::Malformed)?;
        let first = *message.get(at + 1).ok_or(Refusal::Malformed)?;
        let (digits, size) = if first < 0x80 {
            (0, u64::from(first))
        } else {
            let digits = usize::from(first - 0x80);
            let length = message.get(at + 2..at + 2 + digits).ok_or(Refusal::Malformed)?;
            if !(1..=8).contains(&digits) {
                return Err(Refusal::Malformed);
            }
            (digits, number(length))
        };
        let begin = at + 2 + digits;
        let stop = usize::try_from(size)
            .ok()
            .and_then(|size| begin.checked_add(size))
            .filter(|stop| *stop <= end)
            .ok_or(Refusal::Malformed)?;
        at = begin;
        if tag & CONSTRUCTED == 0 {
            at = stop;
        } else {
            if ends.len() > limits.depth {
                return Err(Refusal::Depth(limits.depth));
            }
            ends.push(stop);
        }
    }
    Ok(parts)
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A value of a tag around others.
    pub(in super::super) fn value(tag: u8, content: &[u8]) -> Vec<u8> {
        let mut bytes = vec![tag];
        match content.len() {
            short @ 0..=127 => bytes.push(short as u8),
            long => {
                bytes.push(0x84);
                bytes.extend((long as u32).to_be_bytes());
            }
        }
        bytes.extend_from_slice(content);
        bytes
    }

    /// A message that is nothing but values within values.
    pub(in super::super) fn nested(levels: usize) -> Vec<u8> {
        let mut heads: Vec<[u8; 6]> = Vec::new();
        let mut size = 0_u32;
        for _ in 0..levels {
            let [a, b, c, d] = size.to_be_bytes();
            heads.push([SEQUENCE, 0x84, a, b, c, d]);
            size += 6;
        }
        heads.into_iter().rev().flatten().collect()
    }

    fn small() -> Limits {
        Limits {
            message: 100,
            depth: 4,
            parts: 10,
            total: 250,
            total_parts: 20,
        }
    }

    /// What the library gets of these bytes, and why the rest does not pass.
    async fn passed(bytes: Vec<u8>, limits: Limits) -> (Vec<u8>, Option<Refusal>) {
        let (server, mut outside) = tokio::io::duplex(64 * 1024);
        let (library, mut inside) = tokio::io::duplex(64 * 1024);
        let refused = Arc::new(OnceLock::new());
        let carried = tokio::spawn(carry(server, library, limits, refused.clone()));
        outside.write_all(&bytes).await.unwrap();
        drop(outside);
        let mut got = Vec::new();
        inside.read_to_end(&mut got).await.unwrap();
        carried.await.unwrap();
        (got, refused.get().cloned())
    }

    #[tokio::test]
    async fn whole_messages_pass_as_they_are() {
        let message = value(SEQUENCE, &[2, 1, 1, 0x61, 3, 10, 1, 0]);
        let two = [message.clone(), message].concat();
        assert_eq!(passed(two.clone(), small()).await, (two, None));
    }

    #[tokio::test]
    async fn what_breaks_a_limit_ends_the_conversation_before_the_library_sees_it() {
        let good = value(SEQUENCE, &[2, 1, 1]);
        for (bad, reason) in [
            (nested(5), Refusal::Depth(4)),
            (value(SEQUENCE, &[5, 0].repeat(20)), Refusal::Parts(10)),
            (
                value(SEQUENCE, &[0; 200]),
                Refusal::Message {
                    size: 200,
                    limit: 100,
                },
            ),
            (
                vec![SEQUENCE, 0x88, 255, 255, 255, 255, 255, 255, 255, 255],
                Refusal::Message {
                    size: u64::MAX,
                    limit: 100,
                },
            ),
            (vec![SEQUENCE, 0x80, 0, 0], Refusal::Malformed),
            (vec![0x31, 0], Refusal::Malformed),
            (value(SEQUENCE, &[2, 5, 1]), Refusal::Malformed),
            (b"HTTP/1.1 200 OK\r\n".to_vec(), Refusal::Malformed),
        ] {
            let all = [good.clone(), bad].concat();
            assert_eq!(passed(all, small()).await, (good.clone(), Some(reason)));
        }
        let (_got, refused) = passed(good.repeat(60), small()).await;
        assert!(
            matches!(refused, Some(Refusal::Total(_) | Refusal::TotalParts(_))),
            "{refused:?}"
        );
        let cut = [SEQUENCE, 10, 2];
        assert!(matches!(
            passed(cut.to_vec(), small()).await.1,
            Some(Refusal::Broken(_))
        ));
    }

    proptest! {
        #[test]
        fn any_bytes_are_looked_at_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            if let Ok(parts) = check(&bytes, Limits::default()) {
                prop_assert!(parts <= Limits::default().parts);
            }
        }
    }
}
