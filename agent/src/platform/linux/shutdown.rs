//! Restarting the machine or switching it off after a while, and telling people at terminals.

use std::io;
use std::time::Duration;

use crate::platform::{Ending, ask};

/// The system's own programs answer at once.
const PATIENCE: Duration = Duration::from_secs(20);

/// Has the system end after `delay`, with a notice for the people who use it. The system keeps the plan by itself.
///
/// # Errors
/// When the system refuses or has no program for it.
pub async fn schedule_ending(ending: Ending, delay: Duration, text: &str) -> io::Result<()> {
    let kind = match ending {
        Ending::Restart => "-r",
        Ending::PowerOff => "-P",
    };
    let when = format!("+{}", minutes(delay));
    let notice = if text.is_empty() {
        "ordered by Muster"
    } else {
        text
    };
    ask("shutdown", &[kind, &when, "--", notice], PATIENCE, 4096)
        .await
        .map(|_said| ())
        .map_err(io::Error::other)
}

/// The system plans in whole minutes. Never less than one: what was done must be on disk and told before.
fn minutes(delay: Duration) -> u64 {
    delay.as_secs().div_ceil(60).max(1)
}

/// Shows a text at the terminals of people who are logged in; their windows are served by the local API.
pub async fn notify_terminals(text: &str) {
    if let Err(error) = ask("wall", &["--", text], PATIENCE, 4096).await
        && !error.is_absent()
    {
        tracing::debug!(%error, "terminals were not told");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_are_rounded_up_to_minutes() {
        for (secs, expected) in [(0, 1), (1, 1), (60, 1), (61, 2), (3600, 60)] {
            assert_eq!(minutes(Duration::from_secs(secs)), expected);
        }
    }
}
