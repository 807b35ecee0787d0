//! Whether somebody shows something on the full screen that must not be disturbed.
#![expect(unsafe_code, reason = "one question to the shell")]

use windows_sys::Win32::UI::Shell::{
    QUNS_BUSY, QUNS_PRESENTATION_MODE, QUNS_RUNNING_D3D_FULL_SCREEN, SHQueryUserNotificationState,
};

/// Who shows something, in words; nothing when nobody does or it cannot be told.
///
/// The shell answers for the session in which it is asked: a program in the session of the services learns
/// nothing of what a person's screen shows.
#[expect(clippy::unused_async, reason = "the same signature as on Linux")]
pub async fn presentation() -> Option<String> {
    let mut state = 0;
    // SAFETY: the function writes one number, which outlives the call.
    let code = unsafe { SHQueryUserNotificationState(&raw mut state) };
    if code != 0 {
        return None;
    }
    match state {
        QUNS_BUSY => Some("a program uses the full screen".to_owned()),
        QUNS_RUNNING_D3D_FULL_SCREEN => Some("a program draws on the full screen".to_owned()),
        QUNS_PRESENTATION_MODE => Some("presentation settings are on".to_owned()),
        _ => None,
    }
}
