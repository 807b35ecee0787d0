//! The listening side: one request a connection, answered line by line.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use muster_shared::protocol::error::{ErrorBody, ErrorCode};
use muster_shared::protocol::local::{LocalEvent, LocalRequest};
use tokio::io::{AsyncWriteExt as _, BufReader};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::read_line;
use crate::daemon::Command;
use crate::platform::{LocalListener, LocalStream, Peer};

/// Connections served at the same time; more wait in the system's queue.
const MAX_CONNECTIONS: usize = 32;

/// A client that connects and says nothing is let go.
const FIRST_LINE: Duration = Duration::from_secs(10);

/// A client that does not read is let go.
const WRITE: Duration = Duration::from_secs(10);

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

/// Listens and passes requests to the actor.
///
/// # Errors
/// When the socket cannot be made.
pub fn serve(socket: &Path, commands: mpsc::Sender<Command>) -> std::io::Result<LocalServer> {
    let mut listener = LocalListener::bind(socket)?;
    let stop = CancellationToken::new();
    let stopping = stop.clone();
    let connections = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let task = tokio::spawn(async move {
        loop {
            let Ok(permit) = connections.clone().acquire_owned().await else {
                return;
            };
            let accepted = tokio::select! {
                () = stopping.cancelled() => return,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, peer)) => {
                    let commands = commands.clone();
                    tokio::spawn(async move {
                        if let Err(error) = converse(stream, &peer, commands).await {
                            tracing::debug!(%error, user = %peer.user, "a local client went away");
                        }
                        drop(permit);
                    });
                }
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

async fn converse(stream: LocalStream, peer: &Peer, commands: mpsc::Sender<Command>) -> std::io::Result<()> {
    let (reader, mut writer) = tokio::io::split(stream);
    let mut reader = BufReader::new(reader);
    let line = match tokio::time::timeout(FIRST_LINE, read_line(&mut reader)).await {
        Ok(line) => line?,
        Err(_elapsed) => return Ok(()),
    };
    let Some(line) = line else { return Ok(()) };
    let (reply, mut events) = mpsc::channel(crate::daemon::FOLLOWED_LINES);
    match command(&line, peer, reply) {
        Ok(command) => {
            if commands.send(command).await.is_err() {
                let error = ErrorBody::new(ErrorCode::Unavailable, "the agent is stopping");
                return write(&mut writer, &LocalEvent::Error { error }).await;
            }
        }
        Err(error) => return write(&mut writer, &LocalEvent::Error { error }).await,
    }
    while let Some(event) = events.recv().await {
        let is_last = !matches!(event, LocalEvent::Progress { .. });
        write(&mut writer, &event).await?;
        if is_last {
            break;
        }
    }
    writer.shutdown().await
}

fn command(line: &str, peer: &Peer, reply: mpsc::Sender<LocalEvent>) -> Result<Command, ErrorBody> {
    let request: LocalRequest = serde_json::from_str(line).map_err(|error| {
        ErrorBody::new(
            ErrorCode::RequestInvalid,
            format!("the request cannot be read: {error}"),
        )
    })?;
    if !peer.is_administrator {
        return Err(ErrorBody::new(
            ErrorCode::RightMissing,
            format!("{} is not an administrator of this machine", peer.user),
        )
        .with_hint("run the command as root (administrator)"));
    }
    let user = peer.user.clone();
    Ok(match request {
        LocalRequest::Run {
            action,
            packages,
            options,
        } => Command::Run {
            action,
            packages,
            options,
            user,
            reply,
        },
        LocalRequest::Status => Command::Status { reply },
        LocalRequest::Tasks => Command::Tasks { reply },
        LocalRequest::Cancel { task } => Command::Cancel { task, user, reply },
    })
}

async fn write(writer: &mut (impl tokio::io::AsyncWrite + Unpin), event: &LocalEvent) -> std::io::Result<()> {
    let mut line = serde_json::to_vec(event)?;
    line.push(b'\n');
    match tokio::time::timeout(WRITE, writer.write_all(&line)).await {
        Ok(written) => written,
        Err(_elapsed) => Err(std::io::ErrorKind::TimedOut.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(is_administrator: bool) -> Peer {
        Peer {
            user: "bob".to_owned(),
            is_administrator,
        }
    }

    #[test]
    fn only_administrators_are_obeyed() {
        let line = r#"{"type":"status"}"#;
        let (reply, _events) = mpsc::channel(1);
        assert!(command(line, &peer(true), reply.clone()).is_ok());
        assert_eq!(
            command(line, &peer(false), reply).unwrap_err().code,
            ErrorCode::RightMissing
        );
    }

    #[test]
    fn what_is_no_request_is_refused() {
        let (reply, _events) = mpsc::channel(1);
        let refused = command("{}", &peer(true), reply).unwrap_err();
        assert_eq!(refused.code, ErrorCode::RequestInvalid);
    }
}
