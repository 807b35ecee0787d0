//! The local API's endpoint on Windows: a named pipe whose peer the system names.
//!
//! The pipe's access list keeps the network out; the first instance is claimed, so that no other program
//! can stand in for the agent while it runs.
#![expect(
    unsafe_code,
    reason = "named pipes with an access list, and who is at the other end"
)]

use std::io;
use std::os::windows::io::AsRawHandle as _;
use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use sha2::{Digest as _, Sha256};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::windows::named_pipe::{ClientOptions, NamedPipeClient, NamedPipeServer, ServerOptions};
use windows_sys::Win32::Foundation::{ERROR_FILE_NOT_FOUND, ERROR_PIPE_BUSY};
use windows_sys::Win32::System::Pipes::GetNamedPipeClientProcessId;

use super::security::{Descriptor, PIPE, account_of_process};
use crate::platform::Peer;

/// One connection of the local API.
#[derive(Debug)]
pub enum LocalStream {
    Server(NamedPipeServer),
    Client(NamedPipeClient),
}

/// The listening end.
#[derive(Debug)]
pub struct LocalListener {
    name: String,
    /// The instance that the next client gets.
    next: NamedPipeServer,
}

impl LocalListener {
    /// Listens on the pipe that belongs to `path`.
    ///
    /// # Errors
    /// When another program holds the pipe.
    pub fn bind(path: &Path) -> io::Result<Self> {
        let name = pipe_name(path);
        let next = instance(&name, true)?;
        Ok(Self { name, next })
    }

    /// The next connection and who made it.
    ///
    /// # Errors
    /// When the system cannot hand over the connection or name its peer.
    pub async fn accept(&mut self) -> io::Result<(LocalStream, Peer)> {
        self.next.connect().await?;
        // There is always an instance for the client after this one.
        let connected = std::mem::replace(&mut self.next, instance(&self.name, false)?);
        let mut process_id = 0_u32;
        // SAFETY: the pipe's handle is open; the number outlives the call.
        let done =
            unsafe { GetNamedPipeClientProcessId(connected.as_raw_handle().cast(), &raw mut process_id) };
        if done == 0 {
            return Err(io::Error::last_os_error());
        }
        let peer = account_of_process(process_id)?;
        Ok((LocalStream::Server(connected), peer))
    }
}

fn instance(name: &str, first: bool) -> io::Result<NamedPipeServer> {
    let descriptor = Descriptor::parse(PIPE)?;
    let mut attributes = descriptor.attributes();
    let mut options = ServerOptions::new();
    options.first_pipe_instance(first).reject_remote_clients(true);
    // SAFETY: the attributes and the descriptor behind them are valid while this runs.
    unsafe { options.create_with_security_attributes_raw(name, (&raw mut attributes).cast()) }
}

/// Connects to the running agent.
///
/// # Errors
/// `NotFound` when no agent runs there.
pub async fn connect_local(path: &Path) -> io::Result<LocalStream> {
    let name = pipe_name(path);
    for _attempt in 0..50 {
        match ClientOptions::new().open(&name) {
            Ok(client) => return Ok(LocalStream::Client(client)),
            Err(error) if error.raw_os_error() == i32::try_from(ERROR_PIPE_BUSY).ok() => {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            Err(error) if error.raw_os_error() == i32::try_from(ERROR_FILE_NOT_FOUND).ok() => {
                return Err(io::Error::new(io::ErrorKind::NotFound, error));
            }
            Err(error) => return Err(error),
        }
    }
    Err(io::Error::new(
        io::ErrorKind::TimedOut,
        "the agent is busy with other clients",
    ))
}

/// Pipes have no folders: the name carries a hash of the path, so that each root has its own.
fn pipe_name(path: &Path) -> String {
    let text = path.to_string_lossy().to_lowercase();
    let hash = hex::encode(Sha256::digest(text.as_bytes()));
    format!(r"\\.\pipe\muster-agent-{}", hash.get(..16).unwrap_or(&hash))
}

impl AsyncRead for LocalStream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Server(pipe) => Pin::new(pipe).poll_read(context, buffer),
            Self::Client(pipe) => Pin::new(pipe).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for LocalStream {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Server(pipe) => Pin::new(pipe).poll_write(context, bytes),
            Self::Client(pipe) => Pin::new(pipe).poll_write(context, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Server(pipe) => Pin::new(pipe).poll_flush(context),
            Self::Client(pipe) => Pin::new(pipe).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Server(pipe) => Pin::new(pipe).poll_shutdown(context),
            Self::Client(pipe) => Pin::new(pipe).poll_shutdown(context),
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    #[tokio::test]
    async fn the_system_names_the_peer() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("agent.sock");
        let mut listener = LocalListener::bind(&path).unwrap();
        let client = tokio::spawn({
            let path = path.clone();
            async move {
                let mut stream = connect_local(&path).await.unwrap();
                stream.write_all(b"hello").await.unwrap();
                stream.flush().await.unwrap();
                stream
            }
        });
        let (mut stream, peer) = listener.accept().await.unwrap();
        let mut heard = [0_u8; 5];
        stream.read_exact(&mut heard).await.unwrap();
        assert_eq!(&heard, b"hello");
        assert!(!peer.user.is_empty());
        client.await.unwrap();
    }

    #[tokio::test]
    async fn nobody_there_is_told_by_the_kind_of_error() {
        let error = connect_local(Path::new(r"C:\no\such\agent.sock"))
            .await
            .unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }
}
