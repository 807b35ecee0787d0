//! What tells the agent to end: SIGTERM of the service manager, Ctrl-C of a person.

use tokio::signal::unix::{SignalKind, signal};

/// Ready when the agent has been asked to stop; says by what.
///
/// # Errors
/// When the system refuses to report signals.
pub async fn shutdown_signal() -> std::io::Result<&'static str> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hangup = signal(SignalKind::hangup())?;
    tokio::select! {
        _ = terminate.recv() => Ok("SIGTERM"),
        _ = interrupt.recv() => Ok("SIGINT"),
        _ = hangup.recv() => Ok("SIGHUP"),
    }
}
