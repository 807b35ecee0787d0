//! The asking side: what commands use to talk to the running service.

use std::path::Path;

use muster_shared::protocol::error::ErrorCode;
use muster_shared::protocol::local::{LocalEvent, LocalRequest, MAX_LINE_BYTES};
use serde_json::Value;
use tokio::io::{AsyncWriteExt as _, BufReader};

use super::read_line;
use crate::failure::Failure;
use crate::platform;

/// A connection to the running service.
#[derive(Debug)]
pub struct LocalClient {
    stream: platform::LocalStream,
}

impl LocalClient {
    /// Connects; `None` when no service runs there.
    ///
    /// # Errors
    /// When one runs and cannot be talked to.
    pub async fn connect(socket: &Path) -> Result<Option<Self>, Failure> {
        match platform::connect_local(socket).await {
            Ok(stream) => Ok(Some(Self { stream })),
            Err(error)
                if matches!(
                    error.kind(),
                    std::io::ErrorKind::NotFound
                        | std::io::ErrorKind::ConnectionRefused
                        | std::io::ErrorKind::NotADirectory
                ) =>
            {
                Ok(None)
            }
            Err(error) => Err(Failure::new(
                ErrorCode::Unavailable,
                format!("the service does not answer at {}: {error}", socket.display()),
            )
            .with_hint("run the command as root (administrator)")),
        }
    }

    /// Asks and waits for the answer, giving what happens meanwhile to `progress`.
    ///
    /// # Errors
    /// When the service refuses, fails, or goes away.
    pub async fn ask(
        self,
        request: &LocalRequest,
        mut progress: impl FnMut(Option<u8>, &str),
    ) -> Result<Value, Failure> {
        self.follow(request, |event| {
            if let LocalEvent::Progress { percent, text, .. } = event {
                progress(percent, &text);
            }
        })
        .await
    }

    /// Asks and gives every line before the last one to `on_event`.
    ///
    /// # Errors
    /// When the service refuses, fails, or goes away.
    pub async fn follow(
        self,
        request: &LocalRequest,
        mut on_event: impl FnMut(LocalEvent),
    ) -> Result<Value, Failure> {
        let gone = |error: &dyn std::fmt::Display| {
            Failure::new(ErrorCode::Unavailable, format!("the service went away: {error}"))
                .with_hint("`muster-agent status` shows whether it runs again")
        };
        let (reader, mut writer) = tokio::io::split(self.stream);
        let mut line = serde_json::to_vec(request).map_err(|error| gone(&error))?;
        line.push(b'\n');
        writer.write_all(&line).await.map_err(|error| gone(&error))?;
        let mut reader = BufReader::new(reader);
        loop {
            let line = read_line(&mut reader, MAX_LINE_BYTES)
                .await
                .map_err(|error| gone(&error))?
                .ok_or_else(|| gone(&"it closed the connection"))?;
            match serde_json::from_str(&line).map_err(|error| gone(&error))? {
                LocalEvent::Answer { value } => return Ok(value),
                LocalEvent::Error { error } => return Err(error.into()),
                event => on_event(event),
            }
        }
    }
}
