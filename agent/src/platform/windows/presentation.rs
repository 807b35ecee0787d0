//! Whether somebody shows something on the full screen that must not be disturbed.
//!
//! The shell answers for the session in which it is asked, and the session of the services has no screen. So a small
//! command of the agent's is started in the session of whoever sits in front of the machine, and its exit code is the
//! answer. Nobody there, or no answer in time, counts as nothing shown: an upgrade that waits for ever is worse.
#![expect(
    unsafe_code,
    reason = "one question to the shell, and the numbers of sessions"
)]

use std::io;
use std::time::Duration;

use tokio::process::Command;
use windows_sys::Win32::System::RemoteDesktop::{ProcessIdToSessionId, WTSGetActiveConsoleSessionId};
use windows_sys::Win32::UI::Shell::{
    QUNS_BUSY, QUNS_PRESENTATION_MODE, QUNS_RUNNING_D3D_FULL_SCREEN, SHQueryUserNotificationState,
};

use super::sessions::{self, account_of_session};
use super::upgrade::own_program;
use crate::failure::Exit;

/// How long the answer may take; a logon that is still going on is slow.
const PATIENCE: Duration = Duration::from_secs(15);

/// No session is connected to the screen.
const NO_SESSION: u32 = u32::MAX;

/// Marks the command among the processes of its session.
const MARK: &str = "presentation";

/// Who shows something, in words; nothing when nobody does or it cannot be told.
pub async fn presentation() -> Option<String> {
    // SAFETY: no arguments.
    let console = unsafe { WTSGetActiveConsoleSessionId() };
    if console == NO_SESSION {
        return None;
    }
    if own_session() == Some(console) {
        return presentation_here().await;
    }
    let account = account_of_session(console)?;
    match tokio::time::timeout(PATIENCE, ask_in(&account)).await {
        Ok(Ok(true)) => Some(format!("{} shows something on the full screen", account.name())),
        Ok(Ok(false)) => None,
        Ok(Err(error)) => {
            tracing::debug!(%error, user = account.name(), "whether something is being shown cannot be told");
            None
        }
        Err(_elapsed) => {
            tracing::debug!(
                user = account.name(),
                "a session does not say whether something is being shown"
            );
            None
        }
    }
}

/// Asks in the account's session; the command ends with this future.
async fn ask_in(account: &sessions::Account) -> io::Result<bool> {
    let mut command = Command::new(own_program()?);
    command.arg("presentation");
    let mut asked = sessions::spawn_as(account, &command, MARK)?;
    let code = asked.wait().await?.code();
    match code {
        Some(0) => Ok(false),
        Some(code) if code == Exit::Busy as i32 => Ok(true),
        other => Err(io::Error::other(format!("the question ended with {other:?}"))),
    }
}

fn own_session() -> Option<u32> {
    let mut session = 0;
    // SAFETY: the number outlives the call.
    let done = unsafe { ProcessIdToSessionId(std::process::id(), &raw mut session) };
    (done != 0).then_some(session)
}

/// Who shows something in the session of this process, in words.
pub async fn presentation_here() -> Option<String> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_question_is_answered_within_its_time() {
        assert!(own_session().is_some());
        let asked = tokio::time::timeout(PATIENCE * 2, presentation()).await;
        assert!(asked.is_ok());
    }
}
