//! The event log: start, end and failures of the service, and what it does before a shutdown.
#![expect(unsafe_code, reason = "the event log has no safe interface")]

use std::io;

use windows_registry::LOCAL_MACHINE;
use windows_sys::Win32::System::EventLog::{
    DeregisterEventSource, EVENTLOG_ERROR_TYPE, EVENTLOG_INFORMATION_TYPE, EVENTLOG_WARNING_TYPE,
    RegisterEventSourceW, ReportEventW,
};

use super::wide::wide;
use crate::platform::Severity;
use crate::platform::event_text::event_text;

/// The name under which events are found.
const SOURCE: &str = "Muster agent";

/// Where sources of the Application log are registered.
const SOURCES: &str = r"SYSTEM\CurrentControlSet\Services\EventLog\Application";

/// Its messages 1 to 1000 are nothing but the text that is passed with the event.
const MESSAGES: &str = r"%SystemRoot%\System32\EventCreate.exe";

/// Writes one event; the log of the service says the same, so that a refusal is no loss.
pub fn write_event(severity: Severity, text: &str) {
    let (kind, id) = match severity {
        Severity::Information => (EVENTLOG_INFORMATION_TYPE, 1),
        Severity::Warning => (EVENTLOG_WARNING_TYPE, 2),
        Severity::Error => (EVENTLOG_ERROR_TYPE, 3),
    };
    let (source, text) = (wide(SOURCE), wide(event_text(text)));
    let strings = [text.as_ptr()];
    // SAFETY: the texts end with a NUL and outlive the calls; the handle is checked, used once and given back.
    unsafe {
        let log = RegisterEventSourceW(std::ptr::null(), source.as_ptr());
        if log.is_null() {
            return;
        }
        ReportEventW(
            log,
            kind,
            0,
            id,
            std::ptr::null_mut(),
            1,
            0,
            strings.as_ptr(),
            std::ptr::null(),
        );
        DeregisterEventSource(log);
    }
}

/// Makes the system show our events without a remark about a missing description.
///
/// # Errors
/// When the registry refuses.
pub fn register_events() -> io::Result<()> {
    let key = LOCAL_MACHINE
        .create(format!("{SOURCES}\\{SOURCE}"))
        .map_err(into_io)?;
    key.set_expand_string("EventMessageFile", MESSAGES)
        .and_then(|()| key.set_u32("TypesSupported", 7))
        .map_err(into_io)
}

/// Takes the registration back. Does nothing when there is none.
///
/// # Errors
/// When the registry refuses.
pub fn unregister_events() -> io::Result<()> {
    let Ok(sources) = LOCAL_MACHINE.options().read().write().open(SOURCES) else {
        return Ok(());
    };
    if sources.open(SOURCE).is_err() {
        return Ok(());
    }
    sources.remove_tree(SOURCE).map_err(into_io)
}

fn into_io(error: impl std::fmt::Display) -> io::Error {
    io::Error::other(error.to_string())
}
