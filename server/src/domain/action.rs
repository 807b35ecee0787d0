//! Actions on their way through the server: what is checked before one is relayed, and how its state moves.
//!
//! Parties: the *person* whose key signed the envelope; the *user* whose session submits it (they need not be
//! the same); the *hosts*, which check everything again. The server checks to refuse early with a clear
//! message; nothing here makes a host believe anything. Order of the checks: signature and trust → may the
//! signer order → payload read strictly → version, kind, arguments → times → targets against the signed root.

use jiff::{SignedDuration, Timestamp};
use muster_shared::crypto::{Certificate, TrustError, TrustStore};
use muster_shared::envelope::merkle::Tree;
use muster_shared::envelope::{self, Envelope};
use muster_shared::hint::{Hint as _, chain};
use muster_shared::name::HostId;
use muster_shared::protocol::action::{
    ACTION_TYPE, ACTION_VERSION, ActionPayload, MAX_ACTION_LIFETIME_DAYS, MAX_ACTION_PACKAGES,
    MAX_ACTION_TARGETS, SubmitAction, TargetState,
};
use muster_shared::protocol::error::ErrorCode;
use muster_shared::protocol::live::MAX_FRAME_BYTES;
use muster_shared::protocol::task::{Task, TaskState};
use muster_shared::request::Request;

use crate::error::ApiError;

/// A signer's clock may be ahead by this much.
const ALLOWED_AHEAD_SECS: i64 = 300;

const CODE_SIGNING: &str = "1.3.6.1.5.5.7.3.3";
const CLIENT_AUTH: &str = "1.3.6.1.5.5.7.3.2";
const SERVER_AUTH: &str = "1.3.6.1.5.5.7.3.1";

/// An action that may be stored and relayed.
#[derive(Debug)]
pub struct CheckedAction {
    pub payload: ActionPayload,
    pub envelope: Envelope,
    pub signer: String,
    pub signer_fingerprint: String,
    /// As submitted.
    pub targets: Vec<String>,
    pub tree: Tree,
}

/// Checks a submitted action. Costs the signatures and two hashes a target.
///
/// # Errors
/// The first rule that it breaks, with its code of the table.
pub fn check(submitted: SubmitAction, trust: &TrustStore, now: Timestamp) -> Result<CheckedAction, ApiError> {
    let SubmitAction { envelope, targets } = submitted;
    if trust.is_empty() {
        return Err(ApiError::new(
            ErrorCode::EnvelopeSignerUntrusted,
            "this server trusts no signer yet",
        )
        .hint("on the server: `muster-server trust add CERTIFICATE`"));
    }
    let envelope_error = |error: envelope::EnvelopeError| {
        // The trust folder of a server is kept by a command.
        let hints = if matches!(
            error,
            envelope::EnvelopeError::Trust(TrustError::UnknownIssuer { .. })
        ) {
            vec![
                "on the server, add the certificate of the signer, or of the CA that issued it: `muster-server trust \
                 add FILE.crt`"
                    .to_owned(),
            ]
        } else {
            error.hints()
        };
        ApiError::new(error.code(), chain(&error)).hints(hints)
    };
    let verified = envelope.verify(ACTION_TYPE, trust, now).map_err(envelope_error)?;
    for signer in &verified.signers {
        may_order(signer, trust)?;
    }
    let payload: ActionPayload = envelope::parse_payload(&verified.payload).map_err(envelope_error)?;
    check_arguments(&payload)?;
    check_times(&payload, now)?;
    let tree = check_targets(&payload, &targets)?;
    let signer = verified.signer();
    Ok(CheckedAction {
        signer: signer.common_name(),
        signer_fingerprint: signer.fingerprint(),
        payload,
        envelope,
        targets,
        tree,
    })
}

/// A pinned certificate may order; one below a trusted CA when its extended key usage allows it.
fn may_order(signer: &Certificate, trust: &TrustStore) -> Result<(), ApiError> {
    let usable = match signer.extended_key_usage() {
        _ if trust.is_pinned(signer) => true,
        None => true,
        Some(usages) => {
            let carries = |oid: &str| usages.iter().any(|usage| usage == oid);
            (carries(CODE_SIGNING) || carries(CLIENT_AUTH)) && !carries(SERVER_AUTH)
        }
    };
    if usable {
        return Ok(());
    }
    Err(ApiError::new(
        ErrorCode::EnvelopeSignerForbidden,
        format!(
            "the certificate {} is not for ordering actions",
            signer.common_name()
        ),
    )
    .hint("sign with a certificate for code signing or client authentication"))
}

fn check_arguments(payload: &ActionPayload) -> Result<(), ApiError> {
    if payload.version != ACTION_VERSION {
        return Err(ApiError::new(
            ErrorCode::PayloadUnsupported,
            format!(
                "the action has version {}, this server reads {ACTION_VERSION}",
                payload.version
            ),
        ));
    }
    let invalid = |message: String| Err(ApiError::new(ErrorCode::ActionInvalid, message));
    let kind = payload.action;
    if payload.packages.len() > MAX_ACTION_PACKAGES {
        return invalid(format!("an action names at most {MAX_ACTION_PACKAGES} packages"));
    }
    if kind.needs_packages() && payload.packages.is_empty() {
        return invalid(format!("the action {kind} must name packages"));
    }
    for package in &payload.packages {
        if let Err(error) = Request::parse(package) {
            return invalid(format!("{package:?} is no package request: {error}"));
        }
    }
    if let Some(problem) = payload.options.problem(kind) {
        return invalid(problem);
    }
    Ok(())
}

fn check_times(payload: &ActionPayload, now: Timestamp) -> Result<(), ApiError> {
    let lifetime = SignedDuration::from_hours(24 * MAX_ACTION_LIFETIME_DAYS);
    if payload.expires_at < payload.not_before
        || payload.expires_at.duration_since(payload.issued_at) > lifetime
    {
        return Err(ApiError::new(
            ErrorCode::ActionInvalid,
            format!(
                "an action ends after it begins, at most {MAX_ACTION_LIFETIME_DAYS} days after it was issued"
            ),
        ));
    }
    if payload.issued_at.duration_since(now) > SignedDuration::from_secs(ALLOWED_AHEAD_SECS) {
        return Err(ApiError::new(
            ErrorCode::ActionNotYetValid,
            format!(
                "the action was issued at {}, which is in the future here",
                payload.issued_at
            ),
        )
        .hint("compare the clocks of the signer's machine and of the server"));
    }
    if payload.expires_at < now {
        return Err(ApiError::new(
            ErrorCode::ActionExpired,
            format!("the action expired at {}", payload.expires_at),
        )
        .hint("sign it again"));
    }
    Ok(())
}

fn check_targets(payload: &ActionPayload, targets: &[String]) -> Result<Tree, ApiError> {
    if targets.len() > MAX_ACTION_TARGETS {
        return Err(ApiError::new(
            ErrorCode::ActionInvalid,
            format!("an action has at most {MAX_ACTION_TARGETS} targets"),
        ));
    }
    if let Some(bad) = targets.iter().find(|target| target.parse::<HostId>().is_err()) {
        return Err(ApiError::new(
            ErrorCode::ActionInvalid,
            format!(
                "the target {:?} is no host identifier",
                bad.chars().take(64).collect::<String>()
            ),
        ));
    }
    let tree =
        Tree::new(targets).map_err(|error| ApiError::new(ErrorCode::ActionInvalid, error.to_string()))?;
    if tree.count() != payload.targets.count || tree.root() != payload.targets.root {
        return Err(ApiError::new(
            ErrorCode::ActionTargetsMismatch,
            "the list of targets is not the one that was signed",
        ));
    }
    Ok(tree)
}

/// The largest envelope that still fits a frame to an agent together with its proof.
pub const MAX_ENVELOPE_BYTES: usize = MAX_FRAME_BYTES - 8 * 1024;

/// Whether news from the host moves a target on. Order is kept, what is over stays over, with two
/// exceptions: a host may have taken an action in the moment that it expired here, and a batch of several
/// tasks goes on after one of them is done.
pub fn moves(from: TargetState, to: TargetState, other_task: bool) -> bool {
    if from.is_over() {
        return match from {
            TargetState::Expired => matches!(rank(to), 2..=4) && to != TargetState::Expired,
            TargetState::Done => other_task && matches!(to, TargetState::Running | TargetState::Failed),
            _ => false,
        };
    }
    rank(to) > rank(from) || (to == TargetState::Running && from == TargetState::Running)
}

fn rank(state: TargetState) -> u8 {
    match state {
        TargetState::Queued => 0,
        TargetState::Sent => 1,
        TargetState::Accepted => 2,
        TargetState::Running => 3,
        TargetState::Refused
        | TargetState::Done
        | TargetState::Failed
        | TargetState::Expired
        | TargetState::Cancelled => 4,
    }
}

/// Where an action stands on a host, seen from all the tasks that came of it.
pub fn state_of_tasks<'a>(
    tasks: impl Iterator<Item = &'a Task>,
) -> Option<(TargetState, Option<u8>, String)> {
    let mut worst: Option<(u8, TargetState, &Task)> = None;
    for task in tasks {
        // What is under way outweighs what is over; of what is over, the failure is what counts.
        let (weight, state) = match task.state {
            TaskState::Running => (5, TargetState::Running),
            TaskState::Pending => (4, TargetState::Accepted),
            TaskState::Failed => (3, TargetState::Failed),
            TaskState::Cancelled => (2, TargetState::Cancelled),
            TaskState::Done => (1, TargetState::Done),
        };
        if worst.as_ref().is_none_or(|(known, _, _)| weight > *known) {
            worst = Some((weight, state, task));
        }
    }
    worst.map(|(_, state, task)| (state, task.percent, task.text.clone()))
}

/// The state that a finished task leaves its action in.
pub fn state_of_finished(state: TaskState) -> TargetState {
    match state {
        TaskState::Done => TargetState::Done,
        TaskState::Cancelled => TargetState::Cancelled,
        TaskState::Failed => TargetState::Failed,
        TaskState::Pending => TargetState::Accepted,
        TaskState::Running => TargetState::Running,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use muster_shared::crypto::issue::{Purpose, Subject, self_signed};
    use muster_shared::crypto::{FileSigner, PrivateKey};
    use muster_shared::protocol::action::{ActionKind, ActionOptions, Targets};
    use uuid::Uuid;

    fn now() -> Timestamp {
        "2026-06-01T12:00:00Z".parse().unwrap()
    }

    fn after(minutes: i64) -> Timestamp {
        now().checked_add(SignedDuration::from_mins(minutes)).unwrap()
    }

    fn signer() -> FileSigner {
        let key = PrivateKey::generate_ec().unwrap();
        let subject = Subject {
            common_name: "Alice".into(),
            ..Subject::default()
        };
        let purpose = Purpose {
            code_signing: true,
            client_auth: true,
            authority: false,
        };
        let certificate = self_signed(&key, &subject, purpose, after(-60), after(60 * 24 * 365)).unwrap();
        FileSigner::new(key, vec![certificate]).unwrap()
    }

    fn payload(targets: &[&str]) -> ActionPayload {
        ActionPayload {
            version: 1,
            batch: Uuid::now_v7(),
            action: ActionKind::Install,
            packages: vec!["tis-firefox(=120.0-3)".into()],
            options: ActionOptions::default(),
            issued_at: now(),
            not_before: now(),
            expires_at: after(15),
            targets: Targets {
                count: targets.len() as u64,
                root: muster_shared::envelope::merkle::root(targets).unwrap(),
            },
        }
    }

    fn submit(change: impl FnOnce(&mut ActionPayload), targets: &[&str]) -> Result<CheckedAction, ApiError> {
        use muster_shared::crypto::Signer as _;
        let signer = signer();
        let mut payload = payload(&["host-a", "host-b", "host-c"]);
        change(&mut payload);
        let bytes = serde_json::to_vec(&payload).unwrap();
        let envelope = Envelope::sign(ACTION_TYPE, &bytes, &signer).unwrap();
        let trust = TrustStore::new(vec![signer.certificate().clone()]);
        let targets = targets.iter().map(|target| (*target).to_owned()).collect();
        check(SubmitAction { envelope, targets }, &trust, now())
    }

    const ALL: [&str; 3] = ["host-b", "HOST-A", "host-c"];

    #[test]
    fn a_signed_action_for_its_signed_targets_is_accepted_in_any_order_and_case() {
        let checked = submit(|_| {}, &ALL).unwrap();
        assert_eq!(checked.signer, "Alice");
        assert!(checked.tree.proof("host-a").is_some());
    }

    #[test]
    fn another_list_of_targets_is_refused() {
        for targets in [&["host-a", "host-b"][..], &["host-a", "host-b", "host-d"]] {
            let error = submit(|_| {}, targets).unwrap_err();
            assert_eq!(error.code(), ErrorCode::ActionTargetsMismatch);
        }
        assert_eq!(
            submit(|_| {}, &["host-a", "HOST-a", "x"]).unwrap_err().code(),
            ErrorCode::ActionInvalid
        );
        assert_eq!(submit(|_| {}, &[]).unwrap_err().code(), ErrorCode::ActionInvalid);
        assert_eq!(
            submit(|_| {}, &["a b"]).unwrap_err().code(),
            ErrorCode::ActionInvalid
        );
    }

    #[test]
    fn times_are_bounded() {
        let code = |change: fn(&mut ActionPayload)| submit(change, &ALL).unwrap_err().code();
        assert_eq!(
            code(|p| (p.issued_at, p.not_before, p.expires_at) = (after(-60), after(-60), after(-1))),
            ErrorCode::ActionExpired
        );
        assert_eq!(
            code(|p| (p.issued_at, p.expires_at) = (after(60), after(90))),
            ErrorCode::ActionNotYetValid
        );
        assert_eq!(
            code(|p| p.expires_at = after(60 * 24 * 31)),
            ErrorCode::ActionInvalid
        );
        assert_eq!(code(|p| p.not_before = after(20)), ErrorCode::ActionInvalid);
        // Planned for later: queued until then.
        submit(|p| (p.not_before, p.expires_at) = (after(60), after(120)), &ALL).unwrap();
    }

    #[test]
    fn arguments_are_checked() {
        let code = |change: fn(&mut ActionPayload)| submit(change, &ALL).unwrap_err().code();
        assert_eq!(code(|p| p.packages.clear()), ErrorCode::ActionInvalid);
        assert_eq!(
            code(|p| p.packages = vec!["(=1)".into()]),
            ErrorCode::ActionInvalid
        );
        assert_eq!(code(|p| p.action = ActionKind::Cancel), ErrorCode::ActionInvalid);
        assert_eq!(code(|p| p.version = 2), ErrorCode::PayloadUnsupported);
    }

    #[test]
    fn a_stranger_or_a_changed_payload_is_refused() {
        use muster_shared::crypto::Signer as _;
        let (signer, stranger) = (signer(), signer());
        let bytes = serde_json::to_vec(&payload(&["host-a"])).unwrap();
        let envelope = Envelope::sign(ACTION_TYPE, &bytes, &signer).unwrap();
        let submitted = |envelope: &Envelope| SubmitAction {
            envelope: envelope.clone(),
            targets: vec!["host-a".into()],
        };
        let trust = TrustStore::new(vec![stranger.certificate().clone()]);
        let error = check(submitted(&envelope), &trust, now()).unwrap_err();
        assert_eq!(error.code(), ErrorCode::EnvelopeSignerUntrusted);
        let error = check(submitted(&envelope), &TrustStore::new(Vec::new()), now()).unwrap_err();
        assert!(error.body().hints.concat().contains("trust add"));
        let mut changed = envelope;
        changed.payload = Envelope::sign(ACTION_TYPE, b"{}", &signer).unwrap().payload;
        let trust = TrustStore::new(vec![signer.certificate().clone()]);
        let error = check(submitted(&changed), &trust, now()).unwrap_err();
        assert_eq!(error.code(), ErrorCode::EnvelopeSignatureInvalid);
    }

    #[test]
    fn states_move_forward_only_and_what_is_over_stays_over() {
        use TargetState::{Accepted, Cancelled, Done, Expired, Failed, Queued, Refused, Running, Sent};
        for (from, to) in [
            (Queued, Sent),
            (Sent, Accepted),
            (Accepted, Running),
            (Running, Done),
            (Sent, Refused),
        ] {
            assert!(moves(from, to, false), "{from:?} to {to:?}");
            assert!(!moves(to, from, false), "{to:?} to {from:?}");
        }
        assert!(moves(Running, Running, false), "progress");
        assert!(
            moves(Expired, Running, false) && moves(Expired, Done, false) && !moves(Expired, Sent, false)
        );
        assert!(moves(Done, Running, true) && !moves(Done, Running, false));
        assert!(!moves(Failed, Done, true) && !moves(Cancelled, Running, true));
    }
}
