//! What administrators find in the system's log: here the journal keeps the service's standard error.

use crate::platform::Severity;

/// Nothing beside the ordinary log, which the service manager keeps already.
pub fn write_event(_severity: Severity, _text: &str) {}

/// Nothing to register.
///
/// # Errors
/// Never.
#[expect(clippy::unnecessary_wraps, reason = "the same signature as on Windows")]
pub fn register_events() -> std::io::Result<()> {
    Ok(())
}

/// Nothing to take back.
///
/// # Errors
/// Never.
#[expect(clippy::unnecessary_wraps, reason = "the same signature as on Windows")]
pub fn unregister_events() -> std::io::Result<()> {
    Ok(())
}
