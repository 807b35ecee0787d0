//! Scheduled work: what expires is ended, what is no longer needed is dropped, certificates are renewed.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use actix_web::web;
use jiff::{SignedDuration, Timestamp};
use muster_shared::hint::chain;
use muster_shared::protocol::event::Event;
use muster_shared::protocol::live::Refresh;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};

use crate::authority::{AuthorityFiles, RenewableCertificate};
use crate::repository::RepositoryError;
use crate::repository::file_store::StoredFile;
use crate::state::AppState;
use crate::store::{StoreError, action_targets, actions, nonces, sessions, users};

/// How often actions are looked at for having expired.
const EXPIRE_EVERY: Duration = Duration::from_secs(5);

/// How often it is looked whether planned actions became due.
const DUE_EVERY: Duration = Duration::from_secs(5);

/// How often the database is tidied.
const TIDY_EVERY: Duration = Duration::from_mins(10);

/// How often the TLS certificate is looked at.
const RENEW_EVERY: Duration = Duration::from_hours(12);

/// How often it is looked whether a revocation list ends soon.
const WARN_EVERY: Duration = Duration::from_hours(12);

/// How often it is looked whether the rules of repositories changed.
const RULES_EVERY: Duration = Duration::from_secs(30);

/// Actions are kept this long after they ended.
const KEEP_ACTIONS: SignedDuration = SignedDuration::from_hours(24 * 180);

/// Starts every job; they end when the server stops, or when the set is dropped.
pub fn start(
    state: &web::Data<AppState>,
    files: AuthorityFiles,
    certificate: Arc<RenewableCertificate>,
) -> JoinSet<()> {
    let mut jobs = JoinSet::new();
    jobs.spawn(every(
        state.clone(),
        EXPIRE_EVERY,
        "expiring actions",
        |state| async move { expire(&state).await },
    ));
    let mut planned_until = state.now();
    jobs.spawn(every(
        state.clone(),
        DUE_EVERY,
        "bringing planned actions",
        move |state| {
            let after = std::mem::replace(&mut planned_until, state.now());
            async move { bring_due(&state, after).await }
        },
    ));
    jobs.spawn(every(
        state.clone(),
        TIDY_EVERY,
        "tidying the database",
        |state| async move { tidy(&state).await },
    ));
    jobs.spawn(every(
        state.clone(),
        RENEW_EVERY,
        "renewing the TLS certificate",
        move |state| {
            renew(&state, &files, &certificate);
            std::future::ready(Ok(()))
        },
    ));
    jobs.spawn(every(
        state.clone(),
        WARN_EVERY,
        "looking at revocation lists",
        |state| {
            warn_of_lists(&state);
            std::future::ready(Ok(()))
        },
    ));
    let rules = Arc::new(Mutex::new(SeenDocuments::default()));
    jobs.spawn(every(
        state.clone(),
        RULES_EVERY,
        "looking at the signed documents beside the packages",
        move |state| {
            let seen = Arc::clone(&rules);
            async move {
                look_at_documents(&state, &seen).await;
                Ok(())
            }
        },
    ));
    jobs
}

/// The signed documents beside the packages as they were seen last.
#[derive(Debug, Default)]
struct SeenDocuments {
    was_looked: bool,
    rules: Option<StoredFile>,
    distrust: Option<StoredFile>,
}

/// Tells agents when somebody put other rules, or whom to distrust, beside the packages, or took them away.
async fn look_at_documents(state: &AppState, seen: &Mutex<SeenDocuments>) {
    let looked = async {
        Ok::<_, RepositoryError>((
            state.repository.rules_mark().await?,
            state.repository.distrust_mark().await?,
        ))
    };
    match looked.await {
        Ok((rules, distrust)) => {
            let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
            let are_others = seen.was_looked && seen.rules != rules;
            let are_others_distrusted = seen.was_looked && seen.distrust != distrust;
            *seen = SeenDocuments {
                was_looked: true,
                rules,
                distrust,
            };
            drop(seen);
            if are_others {
                tracing::info!("the rules of repositories changed");
                state.relay.refresh_all(Refresh::Rules);
            }
            if are_others_distrusted {
                tracing::info!("the documents that take trust from keys changed");
                state.relay.refresh_all(Refresh::Repository);
            }
        }
        Err(error) => {
            tracing::error!(error = %chain(&error), "the signed documents beside the packages cannot be looked at");
        }
    }
}

fn warn_of_lists(state: &AppState) {
    match state.signers.list_warnings(state.now()) {
        Ok(warnings) => {
            for warning in warnings {
                tracing::warn!(
                    "{warning}; make a new one with `muster cert crl` and add it with `muster-server trust add`"
                );
            }
        }
        Err(error) => tracing::error!(error = %chain(&error), "the trusted signers cannot be read"),
    }
}

/// Ends what waited too long for its host.
///
/// # Errors
/// The database failed.
pub async fn expire(state: &AppState) -> Result<(), StoreError> {
    loop {
        let changes = action_targets::expire(&state.store, state.now()).await?;
        if changes.is_empty() {
            return Ok(());
        }
        for change in changes {
            state.events.publish(&Event::ActionTarget {
                batch: change.batch,
                target: change.target,
            });
        }
    }
}

/// Rings for hosts whose planned actions became due after a time.
///
/// # Errors
/// The database failed.
pub async fn bring_due(state: &AppState, after: Timestamp) -> Result<(), StoreError> {
    let hosts = action_targets::due_hosts(&state.store, after, state.now()).await?;
    state.relay.actions_waiting(hosts.iter().map(String::as_str));
    Ok(())
}

async fn tidy(state: &AppState) -> Result<(), StoreError> {
    let now = state.now();
    nonces::prune(&state.store, now).await?;
    sessions::prune(&state.store, now).await?;
    users::prune_failures(&state.store, now).await?;
    if let Ok(ended_before) = now.checked_sub(KEEP_ACTIONS) {
        actions::prune(&state.store, ended_before).await?;
    }
    Ok(())
}

fn renew(state: &AppState, files: &AuthorityFiles, certificate: &RenewableCertificate) {
    match files.renew_tls_if_due(state.now()).and_then(|renewed| {
        if renewed {
            certificate.reload(files)?;
        }
        Ok(renewed)
    }) {
        Ok(true) => tracing::info!("the TLS certificate was renewed"),
        Ok(false) => {}
        Err(error) => tracing::error!(error = %chain(&error), "the TLS certificate cannot be renewed"),
    }
}

async fn every<F: Future<Output = Result<(), StoreError>>>(
    state: web::Data<AppState>,
    period: Duration,
    name: &'static str,
    mut job: impl FnMut(web::Data<AppState>) -> F,
) {
    let mut ticks = interval(period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = state.stop.cancelled() => return,
        }
        if let Err(error) = job(state.clone()).await {
            tracing::error!(job = name, error = %chain(&error), "a job failed; it is tried again");
        }
    }
}
