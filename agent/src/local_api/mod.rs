//! The local API: JSON lines over a socket or pipe whose peer the operating system names.
//!
//! Parties: *administrators* of this machine (root; SYSTEM and administrators) may ask everything;
//! everybody else is refused, whatever they say about themselves. There is no port on the network. Types
//! are in `muster_shared::protocol::local`.

pub mod client;
pub mod server;

use muster_shared::protocol::local::MAX_LINE_BYTES;
use tokio::io::{AsyncBufRead, AsyncBufReadExt as _};

/// Reads one line within the limit; nothing at the end of the stream.
async fn read_line(reader: &mut (impl AsyncBufRead + Unpin)) -> std::io::Result<Option<String>> {
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
        if line.len() + taken > MAX_LINE_BYTES {
            return Err(std::io::Error::other(format!(
                "a line has more than {MAX_LINE_BYTES} bytes"
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
