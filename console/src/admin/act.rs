//! Ordering an action: the payload that is signed once, and handing it to the server.
//!
//! Parties: the person who signs, the server that relays, the hosts that verify. The list of targets is
//! bound by its Merkle root inside the signed payload, so one signature serves any number of hosts.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use muster_shared::crypto::Signer;
use muster_shared::envelope::merkle::{Tree, TreeError};
use muster_shared::envelope::{Envelope, EnvelopeError};
use muster_shared::hint::Hint;
use muster_shared::name::{HostId, NameError};
use muster_shared::protocol::action::{
    ACTION_TYPE, ACTION_VERSION, ActionDetail, ActionKind, ActionOptions, ActionPayload,
    MAX_ACTION_LIFETIME_DAYS, MAX_ACTION_PACKAGES, MAX_ACTION_TARGETS, SubmitAction, Targets,
};
use muster_shared::request::{Request, RequestError};
use uuid::Uuid;

use crate::client::{Client, ClientError};

/// An action is valid from this long before it was issued, for hosts whose clock is a little slow.
const SLOW_CLOCKS: SignedDuration = SignedDuration::from_mins(5);
/// An action lives at least this long, in seconds.
const SHORTEST_LIFE: SignedDuration = SignedDuration::from_secs(10);

/// Why an action cannot be ordered.
#[derive(Debug, thiserror::Error)]
pub enum ActError {
    #[error("no host is named")]
    NoTarget,
    #[error("{count} hosts are named; one action takes at most {MAX_ACTION_TARGETS}")]
    TooManyTargets { count: usize },
    #[error("a target is not a host identifier")]
    Target(#[source] NameError),
    #[error("the targets cannot be bound")]
    Bind(#[source] TreeError),
    #[error("{action} needs the packages that it is for")]
    NoPackage { action: ActionKind },
    #[error("{action} takes no packages")]
    PackagesNotTaken { action: ActionKind },
    #[error("{action} takes no parameters; install does")]
    ParamsNotTaken { action: ActionKind },
    #[error("{count} packages are named; one action takes at most {MAX_ACTION_PACKAGES}")]
    TooManyPackages { count: usize },
    #[error("a package cannot be asked for so")]
    Package(#[source] RequestError),
    #[error("cancel needs the action or the task to cancel")]
    NothingToCancel,
    #[error("{0}")]
    Options(String),
    #[error("an action lives from {} s to {MAX_ACTION_LIFETIME_DAYS} days, not {lifetime:#}", SHORTEST_LIFE.as_secs())]
    Lifetime { lifetime: SignedDuration },
    #[error("the payload cannot be written: {0}")]
    Encode(String),
    #[error("the action cannot be signed")]
    Sign(#[source] EnvelopeError),
    #[error("the server did not take the action")]
    Submit(#[source] ClientError),
}

impl Hint for ActError {
    fn hints(&self) -> Vec<String> {
        match self {
            Self::NoTarget => vec!["name hosts, or choose them with a filter".to_owned()],
            Self::TooManyTargets { .. } => vec!["split them with a filter".to_owned()],
            Self::NoPackage { action } => {
                vec![format!("name them: muster host act {action} HOST --package NAME")]
            }
            Self::Package(_) => vec!["write NAME, NAME(=1.2-3) or NAME(>=1.2)".to_owned()],
            Self::NothingToCancel => {
                vec!["name it with --batch or --task; `muster action list` shows them".to_owned()]
            }
            Self::Sign(error) => error.hints(),
            Self::Submit(error) => error.hints(),
            Self::Target(_)
            | Self::Bind(_)
            | Self::PackagesNotTaken { .. }
            | Self::ParamsNotTaken { .. }
            | Self::TooManyPackages { .. }
            | Self::Options(_)
            | Self::Lifetime { .. }
            | Self::Encode(_) => Vec::new(),
        }
    }
}

/// An action ready to be signed.
#[derive(Debug, Clone, PartialEq)]
pub struct Prepared {
    /// What the bytes say.
    pub payload: ActionPayload,
    /// The exact bytes that are signed.
    pub bytes: Vec<u8>,
    /// The identifiers behind the root, each once.
    pub targets: Vec<String>,
}

/// Writes the payload of an action for these hosts, from `now` for `lifetime`.
///
/// # Errors
/// The first rule that the order breaks.
pub fn prepare(
    kind: ActionKind,
    packages: &[String],
    options: ActionOptions,
    targets: &[String],
    lifetime: SignedDuration,
    now: Timestamp,
) -> Result<Prepared, ActError> {
    let packages = check_packages(kind, packages)?;
    if kind == ActionKind::Cancel && options.cancel_batch.is_none() && options.cancel_task.is_none() {
        return Err(ActError::NothingToCancel);
    }
    if kind != ActionKind::Install && !options.params.is_empty() {
        return Err(ActError::ParamsNotTaken { action: kind });
    }
    if let Some(problem) = options.problem(kind) {
        return Err(ActError::Options(problem));
    }
    let longest = SignedDuration::from_hours(24 * MAX_ACTION_LIFETIME_DAYS);
    if lifetime < SHORTEST_LIFE || lifetime > longest {
        return Err(ActError::Lifetime { lifetime });
    }
    let targets = check_targets(targets)?;
    let tree = Tree::new(&targets).map_err(ActError::Bind)?;
    let instant =
        |at: Result<Timestamp, jiff::Error>| at.map_err(|error| ActError::Encode(error.to_string()));
    let payload = ActionPayload {
        version: ACTION_VERSION,
        batch: Uuid::now_v7(),
        action: kind,
        packages,
        options,
        issued_at: now,
        not_before: instant(now.checked_sub(SLOW_CLOCKS))?,
        expires_at: instant(now.checked_add(lifetime))?,
        targets: Targets {
            count: tree.count(),
            root: tree.root(),
        },
    };
    let bytes = serde_json::to_vec(&payload).map_err(|error| ActError::Encode(error.to_string()))?;
    Ok(Prepared {
        payload,
        bytes,
        targets,
    })
}

fn check_packages(kind: ActionKind, packages: &[String]) -> Result<Vec<String>, ActError> {
    if packages.is_empty() && kind.needs_packages() {
        return Err(ActError::NoPackage { action: kind });
    }
    if !packages.is_empty() && !kind.may_name_packages() {
        return Err(ActError::PackagesNotTaken { action: kind });
    }
    if packages.len() > MAX_ACTION_PACKAGES {
        return Err(ActError::TooManyPackages {
            count: packages.len(),
        });
    }
    packages
        .iter()
        .map(|text| {
            Request::parse(text)
                .map(|request| request.to_string())
                .map_err(ActError::Package)
        })
        .collect()
}

fn check_targets(targets: &[String]) -> Result<Vec<String>, ActError> {
    if targets.is_empty() {
        return Err(ActError::NoTarget);
    }
    if targets.len() > MAX_ACTION_TARGETS {
        return Err(ActError::TooManyTargets { count: targets.len() });
    }
    let mut seen = BTreeSet::new();
    let mut unique = Vec::with_capacity(targets.len());
    for target in targets {
        let identifier: HostId = target.parse().map_err(ActError::Target)?;
        if seen.insert(identifier.key()) {
            unique.push(identifier.as_str().to_owned());
        }
    }
    Ok(unique)
}

/// Signs a prepared action: one operation of the key, whatever the number of hosts.
///
/// # Errors
/// The key cannot be used now.
pub fn sign(prepared: &Prepared, signer: &dyn Signer) -> Result<SubmitAction, ActError> {
    let envelope = Envelope::sign(ACTION_TYPE, &prepared.bytes, signer).map_err(ActError::Sign)?;
    Ok(SubmitAction {
        envelope,
        targets: prepared.targets.clone(),
    })
}

/// Hands a signed action to the server.
///
/// # Errors
/// The server refuses it, or does not answer.
pub async fn submit(client: &Client, action: &SubmitAction) -> Result<ActionDetail, ActError> {
    client.submit_action(action).await.map_err(ActError::Submit)
}

#[cfg(test)]
mod tests {
    use muster_shared::envelope::merkle;

    use super::*;

    fn at() -> Timestamp {
        "2026-03-01T10:00:00Z".parse().unwrap()
    }

    fn order(kind: ActionKind, packages: &[&str], targets: &[&str]) -> Result<Prepared, ActError> {
        let owned = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        prepare(
            kind,
            &owned(packages),
            ActionOptions::default(),
            &owned(targets),
            SignedDuration::from_mins(15),
            at(),
        )
    }

    #[test]
    fn the_root_binds_exactly_the_hosts_named_each_once() {
        let prepared = order(
            ActionKind::Install,
            &["demo-a(>=1.2)"],
            &["B-host", "a-host", "b-HOST"],
        )
        .unwrap();
        assert_eq!(prepared.targets, ["B-host", "a-host"]);
        assert_eq!(prepared.payload.targets.count, 2);
        assert_eq!(
            prepared.payload.targets.root,
            merkle::root(&["a-host", "b-host"]).unwrap()
        );
        let read: ActionPayload = serde_json::from_slice(&prepared.bytes).unwrap();
        assert_eq!(read, prepared.payload);
        assert_eq!(read.expires_at, "2026-03-01T10:15:00Z".parse().unwrap());
    }

    #[test]
    fn orders_that_break_a_rule_are_refused_before_anything_is_signed() {
        assert!(matches!(
            order(ActionKind::Update, &[], &[]),
            Err(ActError::NoTarget)
        ));
        assert!(matches!(
            order(ActionKind::Update, &[], &["a b"]),
            Err(ActError::Target(_))
        ));
        assert!(matches!(
            order(ActionKind::Install, &[], &["a"]),
            Err(ActError::NoPackage { .. })
        ));
        assert!(matches!(
            order(ActionKind::Update, &["x"], &["a"]),
            Err(ActError::PackagesNotTaken { .. })
        ));
        assert!(matches!(
            order(ActionKind::Remove, &["x (="], &["a"]),
            Err(ActError::Package(_))
        ));
        assert!(matches!(
            order(ActionKind::Cancel, &[], &["a"]),
            Err(ActError::NothingToCancel)
        ));
        let forever = SignedDuration::from_hours(24 * 31);
        let refused = prepare(
            ActionKind::Update,
            &[],
            ActionOptions::default(),
            &["a".into()],
            forever,
            at(),
        );
        assert!(matches!(refused, Err(ActError::Lifetime { .. })));
    }
}
