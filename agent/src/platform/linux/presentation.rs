//! Whether somebody shows something that must not be disturbed.
//!
//! Linux has no one answer for all desktops. What counts here is what every desktop can say to logind: a program
//! of a person holds the `idle` lock in mode `block`, as video players and presentation tools do while they show.
//! Desktops that keep such wishes on their session's own bus are not seen, and without logind nothing is.

use std::time::Duration;

use serde::Deserialize;

use crate::platform::ask;

/// Accounts below are the system's own.
const FIRST_PERSON: u32 = 1000;

#[derive(Deserialize)]
struct Answer {
    data: (Vec<Inhibitor>,),
}

/// What, who, why, mode, user, process.
#[derive(Deserialize)]
struct Inhibitor(String, String, String, String, u32, u32);

/// Who shows something, in words; nothing when nobody does or it cannot be told.
pub async fn presentation() -> Option<String> {
    let question = [
        "--json=short",
        "call",
        "org.freedesktop.login1",
        "/org/freedesktop/login1",
        "org.freedesktop.login1.Manager",
        "ListInhibitors",
    ];
    match ask("busctl", &question, Duration::from_secs(5), 1024 * 1024).await {
        Ok(answer) => shown_by(&answer),
        Err(error) => {
            tracing::debug!(%error, "whether something is being shown cannot be told");
            None
        }
    }
}

/// The same: logind answers for all sessions.
pub async fn presentation_here() -> Option<String> {
    presentation().await
}

fn shown_by(answer: &[u8]) -> Option<String> {
    let answer: Answer = serde_json::from_slice(answer).ok()?;
    answer
        .data
        .0
        .into_iter()
        .find(|Inhibitor(what, _who, _why, mode, user, _process)| {
            what.split(':').any(|word| word == "idle") && mode == "block" && *user >= FIRST_PERSON
        })
        .map(|Inhibitor(_what, who, why, ..)| format!("{who}: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_persons_idle_lock_counts_as_a_presentation() {
        let answer = |rows: &str| format!(r#"{{"type":"a(ssssuu)","data":[[{rows}]]}}"#);
        let shows = answer(r#"["sleep:idle","vlc","playing","block",1000,42]"#);
        assert_eq!(shown_by(shows.as_bytes()).as_deref(), Some("vlc: playing"));
        for row in [
            r#"["idle","upower","checking","block",0,1]"#,
            r#"["idle","vlc","playing","delay",1000,42]"#,
            r#"["sleep","vlc","playing","block",1000,42]"#,
            "",
        ] {
            assert_eq!(shown_by(answer(row).as_bytes()), None, "{row}");
        }
        assert_eq!(shown_by(b"no json"), None);
    }
}
