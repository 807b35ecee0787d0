//! The local API's endpoint on Windows: a named pipe whose peers the kernel names, on both sides.
//!
//! Parties: the agent, and any program of this machine. The pipe's access list keeps the network out and lets nobody
//! but SYSTEM and administrators make an instance of it; the first instance is claimed, so that no other program can
//! stand in for the agent while it runs.
//!
//! Who connected is asked of the connection itself, by impersonation: a number of a process may belong to another
//! one a moment later, and says nothing about a token that was put in between. The kernel answers once something was
//! read, so that a client is known only after its first bytes, and others are taken meanwhile.
//!
//! A client looks at the pipe's owner before it says anything: a program that took the name while no agent ran is
//! passed over. The agent then listens at a second name, which Windows lets only administrators take.
#![expect(
    unsafe_code,
    reason = "named pipes with an access list, and who is at the other end"
)]

use std::collections::VecDeque;
use std::io;
use std::os::windows::io::{AsRawHandle as _, FromRawHandle as _, IntoRawHandle as _, OwnedHandle};
use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use sha2::{Digest as _, Sha256};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf};
use tokio::net::windows::named_pipe::{NamedPipeClient, NamedPipeServer, ServerOptions};
use tokio::task::{AbortHandle, JoinSet};
use windows_sys::Win32::Foundation::{ERROR_FILE_NOT_FOUND, ERROR_PIPE_BUSY, INVALID_HANDLE_VALUE};
use windows_sys::Win32::Storage::FileSystem::{
    CreateFileW, FILE_FLAG_OVERLAPPED, OPEN_EXISTING, SECURITY_IDENTIFICATION, SECURITY_SQOS_PRESENT,
};

use super::access::{self, CONNECT, Descriptor};
use super::security;
use super::wide::wide;
use crate::platform::Peer;

/// The first bytes of a client; more than any request that people's programs send at once.
const FIRST_BYTES: usize = 2048;

/// A client that connects and says nothing is let go after this long.
const PATIENCE: Duration = Duration::from_secs(10);

/// So many clients may be about to say their first word; one more, and the one that is silent for longest goes.
const MOST_UNKNOWN: usize = 64;

/// One connection of the local API.
#[derive(Debug)]
pub struct LocalStream {
    pipe: Pipe,
    /// What the client said before it was known, as far as nobody took it yet.
    heard: Vec<u8>,
}

#[derive(Debug)]
enum Pipe {
    Server(NamedPipeServer),
    Client(NamedPipeClient),
}

/// The listening end.
#[derive(Debug)]
pub struct LocalListener {
    name: String,
    /// The instance that the next client gets.
    next: NamedPipeServer,
    /// Clients that have not said anything yet.
    unknown: JoinSet<io::Result<(LocalStream, Peer)>>,
    /// The same in the order in which they came.
    waiting: VecDeque<AbortHandle>,
}

impl LocalListener {
    /// Listens on the pipe that belongs to `path`.
    ///
    /// # Errors
    /// When other programs hold both of its names.
    pub fn bind(path: &Path) -> io::Result<Self> {
        let mut refused = None;
        for name in pipe_names(path) {
            match instance(&name, true) {
                Ok(next) => {
                    if let Some(error) = refused {
                        tracing::error!(%error, "another program holds the name of the local API; the agent listens at its second one");
                    }
                    return Ok(Self {
                        name,
                        next,
                        unknown: JoinSet::new(),
                        waiting: VecDeque::new(),
                    });
                }
                Err(error) => refused = Some(error),
            }
        }
        Err(refused.unwrap_or_else(|| io::ErrorKind::AddrInUse.into()))
    }

    /// The next connection of which something was heard, and who made it.
    ///
    /// # Errors
    /// When the system cannot hand over a connection. One whose peer it does not name is closed without a word.
    pub async fn accept(&mut self) -> io::Result<(LocalStream, Peer)> {
        loop {
            tokio::select! {
                connected = self.next.connect() => {
                    connected?;
                    // There is always an instance for the client after this one.
                    let connected = std::mem::replace(&mut self.next, instance(&self.name, false)?);
                    self.hear(connected);
                }
                Some(known) = self.unknown.join_next() => match known {
                    Ok(Ok(known)) => return Ok(known),
                    Ok(Err(error)) => tracing::debug!(%error, "a local client is not known and was let go"),
                    // It had to make room.
                    Err(_ended) => {}
                },
            }
        }
    }

    fn hear(&mut self, connected: NamedPipeServer) {
        self.waiting.retain(|one| !one.is_finished());
        while self.waiting.len() >= MOST_UNKNOWN {
            if let Some(silent) = self.waiting.pop_front() {
                silent.abort();
            }
        }
        self.waiting.push_back(self.unknown.spawn(introduced(connected)));
    }
}

/// Waits for the client's first bytes and asks the kernel whose they are.
async fn introduced(mut pipe: NamedPipeServer) -> io::Result<(LocalStream, Peer)> {
    let mut heard = vec![0_u8; FIRST_BYTES];
    let count = tokio::time::timeout(PATIENCE, pipe.read(&mut heard))
        .await
        .map_err(|_elapsed| io::Error::from(io::ErrorKind::TimedOut))??;
    if count == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    heard.truncate(count);
    // Names of a domain's accounts may come from far away.
    tokio::task::spawn_blocking(move || {
        let peer = security::account_of_token(&security::token_of_client(pipe.as_raw_handle())?)?;
        let pipe = Pipe::Server(pipe);
        Ok((LocalStream { pipe, heard }, peer))
    })
    .await
    .map_err(io::Error::other)?
}

fn instance(name: &str, first: bool) -> io::Result<NamedPipeServer> {
    let descriptor = Descriptor::parse(&access::pipe_access()?)?;
    let mut attributes = descriptor.attributes();
    let mut options = ServerOptions::new();
    options.first_pipe_instance(first).reject_remote_clients(true);
    // SAFETY: the attributes and the descriptor behind them are valid while this runs.
    unsafe { options.create_with_security_attributes_raw(name, (&raw mut attributes).cast()) }
}

/// Connects to the running agent.
///
/// # Errors
/// `NotFound` when no agent runs there, `PermissionDenied` when something else answers in its place.
pub async fn connect_local(path: &Path) -> io::Result<LocalStream> {
    let mut last = None;
    for name in pipe_names(path) {
        match connect(&name).await {
            Ok(pipe) => {
                return Ok(LocalStream {
                    pipe: Pipe::Client(pipe),
                    heard: Vec::new(),
                });
            }
            // A stranger under the first name says more than nobody under the second.
            Err(error) if error.kind() == io::ErrorKind::NotFound && last.is_some() => {}
            Err(error) => last = Some(error),
        }
    }
    Err(last.unwrap_or_else(|| io::ErrorKind::NotFound.into()))
}

async fn connect(name: &str) -> io::Result<NamedPipeClient> {
    for _attempt in 0..50 {
        match open(name) {
            Ok(handle) => {
                if !access::is_pipe_of_administrators(&handle)? {
                    return Err(io::Error::new(
                        io::ErrorKind::PermissionDenied,
                        "another program answers in the agent's place: its account is no administrator's",
                    ));
                }
                // SAFETY: the handle is one of a pipe, opened for overlapped use, and handed over here.
                return unsafe { NamedPipeClient::from_raw_handle(handle.into_raw_handle()) };
            }
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

/// Opens the pipe with no more rights than the access list gives, and lets its server ask who this is and nothing
/// else: it cannot act in this account's name.
fn open(name: &str) -> io::Result<OwnedHandle> {
    let name = wide(name);
    // SAFETY: the name ends with a NUL and outlives the call; no attributes and no template are allowed.
    let handle = unsafe {
        CreateFileW(
            name.as_ptr(),
            CONNECT,
            0,
            std::ptr::null(),
            OPEN_EXISTING,
            FILE_FLAG_OVERLAPPED | SECURITY_SQOS_PRESENT | SECURITY_IDENTIFICATION,
            std::ptr::null_mut(),
        )
    };
    if handle == INVALID_HANDLE_VALUE {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: just opened, owned by nobody else.
    Ok(unsafe { OwnedHandle::from_raw_handle(handle.cast()) })
}

/// Pipes have no folders: the name carries a hash of the path, so that each root has its own. The second one begins
/// as only administrators may begin the name of a pipe.
fn pipe_names(path: &Path) -> [String; 2] {
    let text = path.to_string_lossy().to_lowercase();
    let hash = hex::encode(Sha256::digest(text.as_bytes()));
    let name = format!("muster-agent-{}", hash.get(..16).unwrap_or(&hash));
    [
        format!(r"\\.\pipe\{name}"),
        format!(r"\\.\pipe\ProtectedPrefix\Administrators\{name}"),
    ]
}

impl AsyncRead for LocalStream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let stream = self.get_mut();
        if !stream.heard.is_empty() {
            let count = stream.heard.len().min(buffer.remaining());
            buffer.put_slice(stream.heard.get(..count).unwrap_or_default());
            stream.heard.drain(..count);
            return Poll::Ready(Ok(()));
        }
        match &mut stream.pipe {
            Pipe::Server(pipe) => Pin::new(pipe).poll_read(context, buffer),
            Pipe::Client(pipe) => Pin::new(pipe).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for LocalStream {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.get_mut().pipe {
            Pipe::Server(pipe) => Pin::new(pipe).poll_write(context, bytes),
            Pipe::Client(pipe) => Pin::new(pipe).poll_write(context, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().pipe {
            Pipe::Server(pipe) => Pin::new(pipe).poll_flush(context),
            Pipe::Client(pipe) => Pin::new(pipe).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().pipe {
            Pipe::Server(pipe) => Pin::new(pipe).poll_shutdown(context),
            Pipe::Client(pipe) => Pin::new(pipe).poll_shutdown(context),
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt as _;

    use super::*;

    async fn say(path: &Path, text: &[u8]) -> LocalStream {
        let mut stream = connect_local(path).await.unwrap();
        stream.write_all(text).await.unwrap();
        stream.flush().await.unwrap();
        stream
    }

    #[tokio::test]
    async fn the_kernel_names_the_peer_and_nothing_that_it_said_is_lost() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("agent.sock");
        let mut listener = LocalListener::bind(&path).unwrap();
        let client = tokio::spawn({
            let path = path.clone();
            async move {
                let mut stream = say(&path, b"hello").await;
                stream.write_all(b", agent").await.unwrap();
                stream
            }
        });
        let (mut stream, peer) = listener.accept().await.unwrap();
        let mut heard = [0_u8; 12];
        // In small bites, as a reader of lines may take them.
        stream.read_exact(&mut heard[..3]).await.unwrap();
        stream.read_exact(&mut heard[3..]).await.unwrap();
        assert_eq!(&heard, b"hello, agent");
        let own = security::account_of_process(std::process::id()).unwrap();
        assert_eq!(peer, own);
        assert!(!peer.user.is_empty());
        client.await.unwrap();
    }

    #[tokio::test]
    async fn who_says_nothing_keeps_nobody_waiting_and_makes_room() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("agent.sock");
        let mut listener = LocalListener::bind(&path).unwrap();
        let (tell, mut told) = tokio::sync::mpsc::channel(1);
        let serving = tokio::spawn(async move {
            let (stream, _peer) = listener.accept().await.unwrap();
            tell.send(stream).await.unwrap();
            listener
        });
        let mut silent = Vec::new();
        for _one in 0..MOST_UNKNOWN + 5 {
            silent.push(connect_local(&path).await.unwrap());
        }
        let _client = say(&path, b"x").await;
        let mut stream = told.recv().await.unwrap();
        assert_eq!(stream.read_u8().await.unwrap(), b'x');
        let listener = serving.await.unwrap();
        assert!(listener.waiting.len() <= MOST_UNKNOWN);
    }

    #[tokio::test]
    async fn a_taken_name_does_not_keep_the_agent_from_listening() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("agent.sock");
        let [first, second] = pipe_names(&path);
        let squatter = ServerOptions::new().max_instances(1).create(&first).unwrap();
        // Wine 8 lets a second program claim the first instance of a name.
        if ServerOptions::new()
            .first_pipe_instance(true)
            .create(&first)
            .is_ok()
        {
            return;
        }
        let listener = LocalListener::bind(&path).unwrap();
        assert_eq!(listener.name, second);
        drop((squatter, listener));
        let mut listener = LocalListener::bind(&path).unwrap();
        assert_eq!(listener.name, first);
        let client = tokio::spawn(async move { say(&path, b"x").await });
        listener.accept().await.unwrap();
        client.await.unwrap();
    }

    #[tokio::test]
    async fn a_pipe_of_somebody_who_is_no_administrator_is_told_nothing() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("agent.sock");
        let [first, second] = pipe_names(&path);
        // The group of users stands for another account.
        let descriptor = Descriptor::parse("O:BUD:(A;;GA;;;WD)").unwrap();
        let mut attributes = descriptor.attributes();
        let attributes = (&raw mut attributes).cast();
        let make = |name: &str| {
            // SAFETY: the attributes and the descriptor behind them live until the end of the test.
            unsafe { ServerOptions::new().create_with_security_attributes_raw(name, attributes) }
        };
        // A system that lets nobody give a pipe away cannot be tried; it needs no trying either.
        let Ok(squatter) = make(&first) else { return };
        let error = connect_local(&path).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::PermissionDenied, "{error}");
        // The agent listens at its other name, and is found there.
        let _own = instance(&second, true).unwrap();
        connect_local(&path).await.unwrap();
        drop(squatter);
    }

    #[tokio::test]
    async fn nobody_there_is_told_by_the_kind_of_error() {
        let error = connect_local(Path::new(r"C:\no\such\agent.sock"))
            .await
            .unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }
}
