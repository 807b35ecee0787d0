//! The watchdog: runs the old program, switches, waits for the new one's sign of life, and goes back without one.
//!
//! It holds a lock, so that there is one at most, and says in `watch.log` what it does.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use muster_shared::clock;
use muster_shared::hint::chain;
use tokio::time::Instant;

use super::UpgradeError;
use super::order::{Order, Phase, Place};
use super::stage::hash;
use super::switch;
use crate::agent::{Lock, LockError};
use crate::paths::Paths;
use crate::platform;

/// How often the sign of life is looked for; only during an upgrade.
const GLANCE: Duration = Duration::from_millis(500);

/// A new agent that failed this often with a message is not waited for any longer.
const MAX_FAILED_STARTS: u32 = 3;

/// Starts the watchdog as a process of its own that outlives the service.
///
/// # Errors
/// When it cannot be started.
pub fn start_watchdog(paths: &Paths) -> Result<(), UpgradeError> {
    let place = Place::of(paths);
    platform::upgrade::spawn_watchdog(&place.old_program(), paths.root(), &place.watch_log())
        .map_err(UpgradeError::Watchdog)
}

/// At a start of the service, of either program: when a switch is under way and nobody watches it, somebody does
/// from now on. A reset of the machine ended the watchdog.
///
/// # Errors
/// When the order cannot be read or the watchdog cannot be started.
pub fn guard(paths: &Paths) -> Result<(), UpgradeError> {
    let place = Place::of(paths);
    let Some(order) = place.order()? else {
        return Ok(());
    };
    if order.phase != Phase::Switched {
        return Ok(());
    }
    match Lock::take(&place.watch_lock()) {
        // Let go at once: the watchdog takes it itself.
        Ok(lock) => drop(lock),
        Err(_held) => return Ok(()),
    }
    start_watchdog(paths)
}

/// Carries the order out and follows it to its end; gives the order as it ended, or nothing when there is none to
/// carry out or another watchdog is on it.
///
/// # Errors
/// When the order cannot be read or written, or the way back failed.
pub async fn watch(paths: &Paths) -> Result<Option<Order>, UpgradeError> {
    let ended = carry_out(paths).await?;
    if ended.is_some() {
        platform::upgrade::watch_at_boot_no_more(paths.root()).await.ok();
    }
    Ok(ended)
}

async fn carry_out(paths: &Paths) -> Result<Option<Order>, UpgradeError> {
    let place = Place::of(paths);
    let _lock = match Lock::take(&place.watch_lock()) {
        Ok(lock) => lock,
        Err(LockError::Held { .. }) => return Ok(None),
        Err(LockError::Open { path, source }) => return Err(UpgradeError::file("lock", path)(source)),
    };
    let Some(mut order) = place.order()? else {
        return Ok(None);
    };
    match order.phase {
        Phase::Staged => {
            tracing::info!(from = %order.old_version, to = %order.new_version, "switching to the new agent");
            // Written first: whoever finds it knows that the program may be the new one.
            order.phase = Phase::Switched;
            place.write_order(&order)?;
            let watched = platform::upgrade::watch_at_boot(&place.old_program(), paths.root()).await;
            if let Err(error) = watched {
                tracing::warn!(%error, "after a reset only the new agent itself can see to it that it is watched");
            }
        }
        Phase::Switched if !order.reason.is_empty() => {
            tracing::info!("going on with the way back");
            let reason = order.reason.clone();
            return go_back(paths, &place, order, reason).await.map(Some);
        }
        Phase::Switched => tracing::info!("going on with the switch to the new agent"),
        Phase::Done | Phase::WentBack => return Ok(None),
    }
    match in_place(&place, &order)? {
        InPlace::New => {}
        // Also after a reset in the middle: every step of it is safe to be done again.
        InPlace::Old => {
            if let Err(error) = forward(paths, &place, &order).await {
                let reason = format!("the switch failed: {}", chain(&error));
                return go_back(paths, &place, order, reason).await.map(Some);
            }
        }
        InPlace::Other => {
            SUPERSEDED.clone_into(&mut order.reason);
            return end(&place, order, Phase::WentBack).map(Some);
        }
    }
    match wait_for_life(&place, &order).await? {
        None => {
            tracing::info!(version = %order.new_version, "the new agent lives");
            end(&place, order, Phase::Done).map(Some)
        }
        Some(reason) => go_back(paths, &place, order, reason).await.map(Some),
    }
}

fn end(place: &Place, mut order: Order, phase: Phase) -> Result<Order, UpgradeError> {
    order.phase = phase;
    order.ended_at = Some(clock::now());
    place.write_order(&order)?;
    Ok(order)
}

/// Which program is where the service is started from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum InPlace {
    New,
    /// The one from before, or none: the machine was reset while one took the other's place.
    Old,
    /// Somebody installed another one meanwhile.
    Other,
}

fn in_place(place: &Place, order: &Order) -> Result<InPlace, UpgradeError> {
    if !order.program.exists() {
        return Ok(InPlace::Old);
    }
    let found = hash(&order.program)?;
    if found == order.new_sha256 {
        Ok(InPlace::New)
    } else if found == hash(&place.old_program())? {
        Ok(InPlace::Old)
    } else {
        Ok(InPlace::Other)
    }
}

async fn forward(paths: &Paths, place: &Place, order: &Order) -> Result<(), UpgradeError> {
    if platform::upgrade::STOPS_FIRST {
        platform::upgrade::stop_service(&order.program, paths.root())
            .await
            .map_err(UpgradeError::Restart)?;
    }
    place.forget_signs();
    switch::forward(paths, place, order).await?;
    platform::upgrade::restart_service(&order.program, paths.root(), &place.watch_log())
        .await
        .map_err(UpgradeError::Restart)
}

/// Nothing when the new agent proved itself alive; else why it is not waited for any longer.
async fn wait_for_life(place: &Place, order: &Order) -> Result<Option<String>, UpgradeError> {
    let deadline = Instant::now() + Duration::from_secs(order.within_secs);
    loop {
        // A half-told sign of life is none; the next look finds the whole one.
        if place
            .proof()
            .ok()
            .flatten()
            .is_some_and(|proof| proof.order == order.id)
        {
            return Ok(None);
        }
        let failed = place.failed_starts().unwrap_or_default();
        if failed.count >= MAX_FAILED_STARTS {
            return Ok(Some(format!(
                "it failed {} times to start: {}",
                failed.count, failed.reason
            )));
        }
        if Instant::now() >= deadline {
            let said = if failed.reason.is_empty() {
                String::new()
            } else {
                format!("; its last message: {}", failed.reason)
            };
            return Ok(Some(format!(
                "it gave no sign of life within {} s{said}",
                order.within_secs
            )));
        }
        tokio::time::sleep(GLANCE).await;
    }
}

async fn go_back(
    paths: &Paths,
    place: &Place,
    mut order: Order,
    reason: String,
) -> Result<Order, UpgradeError> {
    tracing::error!(%reason, "going back to the old agent");
    let now = clock::now();
    // Written first: whoever finds it after a reset goes on backwards and not forwards.
    order.reason = reason;
    place.write_order(&order)?;
    let stop = || async {
        platform::upgrade::stop_service(&order.program, paths.root())
            .await
            .map_err(UpgradeError::Restart)
    };
    stop().await?;
    switch::back(place, &order)?;
    // Where no service manager holds it back, the new one was started once more before the old one was in place.
    stop().await?;
    switch::database_back(paths, place, now).await?;
    let order = end(place, order, Phase::WentBack)?;
    platform::upgrade::restart_service(&order.program, paths.root(), &place.watch_log())
        .await
        .map_err(UpgradeError::Restart)?;
    Ok(order)
}

/// In the sentence about an agent that had to go back, and in no other.
pub(super) const DID_NOT_LIVE: &str = "did not live";

/// Why an order is over that nobody carries out any more.
const SUPERSEDED: &str = "another program was put into its place meanwhile";

/// The sentence that says how an order stands.
pub(super) fn sentence(order: &Order) -> String {
    let Order {
        old_version,
        new_version,
        reason,
        ..
    } = order;
    match order.phase {
        Phase::Staged => format!("agent {new_version} is staged and takes over from {old_version} next"),
        Phase::Switched => format!("agent {new_version} has taken over from {old_version} and is watched"),
        Phase::Done => format!("agent {new_version} took over from {old_version}"),
        Phase::WentBack if reason == SUPERSEDED => {
            format!("agent {new_version} was to take over from {old_version}, but {SUPERSEDED}")
        }
        Phase::WentBack => format!("agent {new_version} {DID_NOT_LIVE}, {old_version} is back: {reason}"),
    }
}

impl Order {
    /// How it stands, in one sentence.
    pub fn sentence(&self) -> String {
        sentence(self)
    }

    /// When a new agent should have proved itself alive, counted from the staging; later than the watchdog does.
    pub fn expected_by(&self) -> Timestamp {
        let within = SignedDuration::from_secs(i64::try_from(self.within_secs).unwrap_or(i64::MAX / 4));
        self.staged_at
            .saturating_add(within + SignedDuration::from_mins(10))
            .unwrap_or(Timestamp::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::super::order::tests::order;
    use super::super::order::{FailedStarts, Proof};
    use super::*;

    fn place() -> (tempfile::TempDir, Place) {
        let root = tempfile::tempdir().unwrap();
        let paths = Paths::new(Some(root.path()));
        platform::lock_down_dir(&paths.self_upgrade_dir()).unwrap();
        (root, Place::of(&paths))
    }

    fn proof(order: &Order) -> Proof {
        Proof {
            order: order.id,
            version: String::new(),
            server: "away".to_owned(),
            at: Timestamp::UNIX_EPOCH,
        }
    }

    #[tokio::test]
    async fn what_is_in_place_after_a_reset_is_told_by_its_content() {
        let (root, place) = place();
        let mut order = order(Phase::Switched);
        order.program = root.path().join("muster-agent");
        let old = place.old_program();
        fs_err::create_dir_all(old.parent().unwrap()).unwrap();
        fs_err::write(&old, "old").unwrap();
        fs_err::write(root.path().join("new"), "new").unwrap();
        order.new_sha256 = hash(&root.path().join("new")).unwrap();
        let found = |content: &str| {
            fs_err::write(&order.program, content).unwrap();
            in_place(&place, &order).unwrap()
        };
        assert_eq!(found("old"), InPlace::Old);
        assert_eq!(found("new"), InPlace::New);
        assert_eq!(found("an administrator's"), InPlace::Other);
        fs_err::remove_file(&order.program).unwrap();
        assert_eq!(in_place(&place, &order).unwrap(), InPlace::Old);
    }

    #[tokio::test]
    async fn only_the_sign_of_life_of_this_very_order_counts() {
        let (_root, place) = place();
        let order = order(Phase::Switched);
        let mut other = proof(&order);
        other.order = uuid::Uuid::max();
        place.write_proof(&other).unwrap();
        let reason = wait_for_life(&place, &order).await.unwrap().unwrap();
        assert!(reason.contains("within 1 s"), "{reason}");
        place.write_proof(&proof(&order)).unwrap();
        assert_eq!(wait_for_life(&place, &order).await.unwrap(), None);
    }

    #[tokio::test]
    async fn an_agent_that_keeps_failing_is_not_waited_for() {
        let (_root, place) = place();
        let mut order = order(Phase::Switched);
        order.within_secs = 3600;
        let failed = FailedStarts {
            count: MAX_FAILED_STARTS,
            reason: "no configuration".to_owned(),
        };
        place.write_failed_starts(&failed).unwrap();
        let reason = wait_for_life(&place, &order).await.unwrap().unwrap();
        assert!(reason.contains("no configuration"), "{reason}");
    }
}
