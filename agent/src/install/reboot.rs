//! Restarts of the machine that installers asked for (exit codes 3010 and 1641), until the machine was restarted.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::agent::Agent;
use crate::platform;
use crate::state::{State, StateError};

/// Name of the fact that holds it.
const WANTED: &str = "restart_wanted";

/// More names are not kept.
const MAX_PACKAGES: usize = 50;

/// A restart that packages wait for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestartWanted {
    /// The packages whose installers or uninstallers asked for it.
    pub packages: Vec<String>,
    /// When the last of them did.
    pub since: Timestamp,
}

impl RestartWanted {
    /// The machine was not started since.
    fn still_counts(&self, booted_at: Option<Timestamp>) -> bool {
        booted_at.is_none_or(|booted_at| booted_at <= self.since)
    }
}

/// Notes that a package waits for a restart.
///
/// # Errors
/// When the database does not take it.
pub(super) async fn note(agent: &Agent, package: &str) -> Result<(), StateError> {
    let mut packages = wanted(&agent.state)
        .await?
        .map_or_else(Vec::new, |known| known.packages);
    if packages.len() < MAX_PACKAGES && !packages.iter().any(|known| known == package) {
        packages.push(package.to_owned());
    }
    let now = agent.now();
    tracing::info!(package, "its installer asks for a restart of the machine");
    agent
        .state
        .set_json_fact(WANTED, &RestartWanted { packages, since: now })
        .await
}

/// What waits for a restart; nothing once the machine was restarted.
///
/// # Errors
/// When the database does not answer.
pub async fn wanted(state: &State) -> Result<Option<RestartWanted>, StateError> {
    let known: Option<RestartWanted> = state.json_fact(WANTED).await?;
    let booted_at = platform::facts::system::booted_at();
    Ok(known.filter(|known| known.still_counts(booted_at)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_restart_of_the_machine_settles_it() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let known = RestartWanted {
            packages: vec!["demo-a".to_owned()],
            since: at("2026-01-01T12:00:00Z"),
        };
        assert!(known.still_counts(Some(at("2026-01-01T08:00:00Z"))));
        assert!(known.still_counts(None));
        assert!(!known.still_counts(Some(at("2026-01-01T12:05:00Z"))));
    }
}
