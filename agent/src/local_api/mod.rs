//! The local API: JSON lines over a socket or pipe whose peer the operating system names.
//!
//! Parties: *administrators* of this machine (root; SYSTEM and elevated administrators) may ask everything;
//! everybody else may ask little, gets of it what concerns them, and may have done what [`rights`] says, whatever
//! they say about themselves. There is no port on the network. Types are in `muster_shared::protocol::local`.
//!
//! `server` takes connections within the limits of `places`, `person` finds out who it is, `desk` answers or
//! hands the request to the actor, `visible` takes out of answers and events what is not for everybody's eyes,
//! `catalogue` lists packages for people.

pub mod catalogue;
pub mod client;
mod desk;
mod follow;
mod icons;
pub mod person;
mod places;
pub mod rights;
pub mod server;
mod visible;

use tokio::io::{AsyncBufRead, AsyncBufReadExt as _};

/// Reads one line of at most `limit` bytes; nothing at the end of the stream.
async fn read_line(
    reader: &mut (impl AsyncBufRead + Unpin),
    limit: usize,
) -> std::io::Result<Option<String>> {
    let mut line = Vec::new();
    loop {
        let chunk = reader.fill_buf().await?;
        if chunk.is_empty() {
            return if line.is_empty() {
                Ok(None)
            } else {
                Ok(Some(text(line)))
            };
        }
        let (taken, is_end) = match chunk.iter().position(|byte| *byte == b'\n') {
            Some(position) => (position + 1, true),
            None => (chunk.len(), false),
        };
        if line.len() + taken > limit {
            return Err(std::io::Error::other(format!(
                "a line has more than {limit} bytes"
            )));
        }
        line.extend_from_slice(&chunk[..taken]);
        reader.consume(taken);
        if is_end {
            line.pop();
            return Ok(Some(text(line)));
        }
    }
}

fn text(line: Vec<u8>) -> String {
    String::from_utf8_lossy(&line).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_line_without_an_end_is_not_read_for_ever() {
        let mut endless = tokio::io::BufReader::new(tokio::io::repeat(b'x'));
        assert!(read_line(&mut endless, 1000).await.is_err());
        let mut short = tokio::io::BufReader::new(&b"one\ntwo"[..]);
        assert_eq!(read_line(&mut short, 10).await.unwrap().as_deref(), Some("one"));
        assert_eq!(read_line(&mut short, 10).await.unwrap().as_deref(), Some("two"));
        assert_eq!(read_line(&mut short, 10).await.unwrap(), None);
    }
}
