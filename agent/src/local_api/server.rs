//! The listening side: one request a connection, answered line by line.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use muster_shared::protocol::error::{ErrorBody, ErrorCode};
use muster_shared::protocol::local::{LocalEvent, LocalRequest, MAX_REQUEST_BYTES};
use tokio::io::{AsyncBufRead, AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::desk::Desk;
use super::places::{Place, Places};
use super::read_line;
use crate::agent::Agent;
use crate::daemon::Command;
use crate::platform::{LocalListener, LocalStream, Peer};

/// A client that does not read is let go.
const WRITE: Duration = Duration::from_secs(10);

/// More than this after its request, in bytes, and a client is let go.
const MAX_CHATTER_BYTES: usize = 4096;

/// A client that gets no place hears why, if it listens.
const WRITE_REFUSAL: Duration = Duration::from_millis(100);

/// The running local API.
#[derive(Debug)]
pub struct LocalServer {
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl LocalServer {
    /// Closes the socket.
    pub async fn stop(self) {
        self.stop.cancel();
        self.task.await.ok();
    }
}

/// Listens, answers what needs no actor, and passes the rest to it.
///
/// # Errors
/// When the socket cannot be made.
pub fn serve(socket: &Path, agent: &Agent, commands: mpsc::Sender<Command>) -> std::io::Result<LocalServer> {
    let mut listener = LocalListener::bind(socket)?;
    let stop = CancellationToken::new();
    let stopping = stop.clone();
    let places = Places::of_connections();
    let desk = Arc::new(Desk::new(agent, commands));
    let task = tokio::spawn(async move {
        loop {
            let accepted = tokio::select! {
                () = stopping.cancelled() => return,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, peer)) => match places.take(&peer.account, peer.is_administrator) {
                    Ok(place) => {
                        let (desk, places) = (desk.clone(), places.clone());
                        // Ends by itself when the actor does, with its last word.
                        tokio::spawn(async move {
                            if let Err(error) = converse(stream, &peer, &desk, &places, place).await {
                                tracing::debug!(%error, user = %peer.user, "a local client went away");
                            }
                        });
                    }
                    Err(taken) => {
                        let error = ErrorBody::new(ErrorCode::TooManyRequests, taken.to_string())
                            .with_hint("try again when others have ended");
                        turn_away(stream, error).await;
                    }
                },
                Err(error) => {
                    tracing::warn!(%error, "a local connection could not be taken");
                    // Not to spin when the system is out of descriptors.
                    tokio::time::sleep(Duration::from_millis(200)).await;
                }
            }
        }
    });
    Ok(LocalServer { stop, task })
}

async fn turn_away(mut stream: LocalStream, error: ErrorBody) {
    let refusal = async {
        write(&mut stream, &LocalEvent::Error { error }).await.ok();
        stream.shutdown().await.ok();
    };
    tokio::time::timeout(WRITE_REFUSAL, refusal).await.ok();
}

async fn converse(
    stream: LocalStream,
    peer: &Peer,
    desk: &Arc<Desk>,
    places: &Places,
    _place: Place,
) -> std::io::Result<()> {
    let (reader, mut writer) = tokio::io::split(stream);
    let mut reader = BufReader::with_capacity(2048, reader);
    let line = match tokio::time::timeout(places.patience(), read_line(&mut reader, MAX_REQUEST_BYTES)).await
    {
        Ok(line) => line?,
        Err(_elapsed) => return Ok(()),
    };
    let Some(line) = line else { return Ok(()) };
    let request = match LocalRequest::parse(&line) {
        Ok(request) => request,
        Err(error) => return write(&mut writer, &LocalEvent::Error { error }).await,
    };
    drop(line);
    let mut events = desk.serve(peer, request).await;
    // Nothing more is read, but a client that closes is noticed: what it followed is let go.
    let mut gone = std::pin::pin!(closed(&mut reader));
    let mut is_reading = true;
    loop {
        let event = tokio::select! {
            event = events.recv() => event,
            closed = &mut gone, if is_reading => {
                closed?;
                // A client may close its writing side and still read.
                is_reading = false;
                continue;
            }
        };
        let Some(event) = event else { break };
        write(&mut writer, &event).await?;
        if event.is_last() {
            break;
        }
    }
    writer.shutdown().await
}

/// Waits until the client has nothing more to say.
async fn closed(reader: &mut (impl AsyncBufRead + Unpin)) -> std::io::Result<()> {
    let mut read = 0;
    loop {
        let length = reader.fill_buf().await?.len();
        if length == 0 {
            return Ok(());
        }
        reader.consume(length);
        read += length;
        if read > MAX_CHATTER_BYTES {
            return Err(std::io::Error::other("it says more than its request"));
        }
    }
}

async fn write(writer: &mut (impl tokio::io::AsyncWrite + Unpin), event: &LocalEvent) -> std::io::Result<()> {
    let mut line = serde_json::to_vec(event)?;
    line.push(b'\n');
    let written = async {
        writer.write_all(&line).await?;
        writer.flush().await
    };
    match tokio::time::timeout(WRITE, written).await {
        Ok(written) => written,
        Err(_elapsed) => Err(std::io::ErrorKind::TimedOut.into()),
    }
}
