//! What tells the agent to end: Ctrl-C, Ctrl-Break, the console closing, the system going down.
//!
//! Under the service manager the request comes through `service` instead.

use tokio::signal::windows::{ctrl_break, ctrl_c, ctrl_close, ctrl_shutdown};

/// Ready when the agent has been asked to stop; says by what.
///
/// # Errors
/// When the system refuses to report these events.
pub async fn shutdown_signal() -> std::io::Result<&'static str> {
    let mut interrupt = ctrl_c()?;
    let mut pause = ctrl_break()?;
    let mut close = ctrl_close()?;
    let mut shutdown = ctrl_shutdown()?;
    tokio::select! {
        _ = interrupt.recv() => Ok("Ctrl-C"),
        _ = pause.recv() => Ok("Ctrl-Break"),
        _ = close.recv() => Ok("the console's end"),
        _ = shutdown.recv() => Ok("the system's shutdown"),
    }
}
