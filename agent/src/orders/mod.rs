//! Orders: what a signed action must fulfil before this host does anything about it.
//!
//! Parties: a *person* signs the payload once for any number of hosts; the *server* carries it and proves
//! by a Merkle path that this host is meant; this *agent* trusts neither the server nor the network, only
//! its own trust folder, its own configuration and its own database.
//!
//! Order of checks (protocol.md §2): 1. the signature and the chain of its certificate hold at this
//! agent's own time; 2. the payload is one of this version, without unknown fields; 3. the signer may order
//! this ([`authority`]); 4. it is valid now, and its life is bounded; 5. this host's identifier is proved to
//! be among the signed targets; 6. the batch was never accepted before; 7. its arguments make sense. Then
//! the acceptance and the task are written in one transaction, and only then is the order acknowledged.
//!
//! This agent's own time never goes below the highest `issued_at` accepted minus one day, so that setting
//! the clock back does not bring expired orders to life.

mod authority;
mod rate;

use jiff::{SignedDuration, Timestamp};
use muster_shared::crypto::{Certificate, TrustStore};
use muster_shared::envelope::merkle::{self, Proof};
use muster_shared::envelope::{Envelope, EnvelopeError, parse_payload};
use muster_shared::protocol::action::{
    ACTION_TYPE, ACTION_VERSION, ActionKind, ActionPayload, MAX_ACTION_LIFETIME_DAYS, MAX_ACTION_PACKAGES,
};
use muster_shared::protocol::error::ErrorCode;
use muster_shared::request::Request;
use uuid::Uuid;

pub use self::authority::{Authority, Forbidden};
pub use self::rate::Allowance;
use crate::state::orders::AcceptedOrder;
use crate::state::tasks::{MAX_PENDING, NewTask};
use crate::state::{State, StateError};

/// How far the clock may fall behind the highest order accepted before it is not believed.
const CLOCK_SLACK: SignedDuration = SignedDuration::from_hours(24);

/// Why an order is not carried out.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    #[error("the order's envelope is not accepted")]
    Envelope(#[source] EnvelopeError),
    #[error("the order is of version {0}, this agent reads version {ACTION_VERSION}")]
    Version(u32),
    #[error("the signer {signer} may not order {action} here")]
    Signer {
        signer: String,
        action: ActionKind,
        #[source]
        source: Forbidden,
    },
    #[error("the order is valid from {not_before} on, it is {now} here")]
    NotYetValid { not_before: Timestamp, now: Timestamp },
    #[error("the order expired on {expires_at}, it is {now} here")]
    Expired { expires_at: Timestamp, now: Timestamp },
    #[error("the order lives longer than {MAX_ACTION_LIFETIME_DAYS} days or ends before it begins")]
    Unbounded,
    #[error("the order is not for this host ({0})")]
    OtherHost(String),
    #[error("the order {0} was accepted before")]
    Replayed(Uuid),
    #[error("the order was issued before {0}, when this agent lost its list of accepted orders")]
    BeforeLoss(Timestamp),
    #[error("the order makes no sense: {0}")]
    Arguments(String),
    #[error("too many tasks wait already ({MAX_PENDING})")]
    Busy,
    #[error("the order cannot be recorded")]
    State(#[source] StateError),
}

impl Refusal {
    /// The code that goes back with the refusal.
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::Envelope(error) => error.code(),
            Self::Version(_) => ErrorCode::PayloadUnsupported,
            Self::Signer { .. } => ErrorCode::EnvelopeSignerForbidden,
            Self::NotYetValid { .. } => ErrorCode::ActionNotYetValid,
            Self::Expired { .. } => ErrorCode::ActionExpired,
            Self::Unbounded | Self::Arguments(_) => ErrorCode::ActionInvalid,
            Self::OtherHost(_) => ErrorCode::ActionNotForHost,
            Self::Replayed(_) | Self::BeforeLoss(_) => ErrorCode::ActionReplayed,
            Self::Busy => ErrorCode::TooManyRequests,
            Self::State(error) if error.is_full() => ErrorCode::StorageFull,
            Self::State(_) => ErrorCode::Internal,
        }
    }
}

/// An order that was accepted: it and its task are on disk.
#[derive(Debug, Clone, PartialEq)]
pub struct Accepted {
    pub payload: ActionPayload,
    pub signer: String,
    pub task: NewTask,
}

/// What judging an order takes.
#[derive(Debug, Clone, Copy)]
pub struct Judge<'a> {
    pub trust: &'a TrustStore,
    pub authority: &'a Authority,
    /// This host's identifier.
    pub identifier: &'a str,
    pub state: &'a State,
    /// The machine's clock.
    pub now: Timestamp,
}

impl Judge<'_> {
    /// Checks an order and records it with its task; see the module's text for the order of checks.
    ///
    /// # Errors
    /// The first check that fails. Nothing is recorded then.
    pub async fn accept(&self, envelope: &Envelope, proof: &Proof) -> Result<Accepted, Refusal> {
        let high_water = self.state.high_water().await.map_err(Refusal::State)?;
        let now = own_time(self.now, high_water);
        let (payload, signer) = self.judge(envelope, proof, now)?;
        let since = self.state.orders_since().await.map_err(Refusal::State)?;
        if let Some(since) = since.filter(|since| payload.issued_at < *since) {
            return Err(Refusal::BeforeLoss(since));
        }
        if self
            .state
            .knows_order(payload.batch)
            .await
            .map_err(Refusal::State)?
        {
            return Err(Refusal::Replayed(payload.batch));
        }
        check_arguments(&payload).map_err(Refusal::Arguments)?;
        if self.state.pending_count().await.map_err(Refusal::State)? >= MAX_PENDING {
            return Err(Refusal::Busy);
        }
        let name = signer.common_name();
        let task = NewTask::new(
            payload.action,
            payload.packages.clone(),
            payload.options.clone(),
            &name,
            self.now,
        )
        .with_batch(payload.batch);
        let order = AcceptedOrder {
            batch: payload.batch,
            action: payload.action.as_str().to_owned(),
            signer: name.clone(),
            signer_fingerprint: signer.fingerprint(),
            issued_at: payload.issued_at,
            expires_at: payload.expires_at,
            accepted_at: self.now,
        };
        let written = self
            .state
            .accept_order(&order, std::slice::from_ref(&task))
            .await
            .map_err(Refusal::State)?;
        if !written {
            return Err(Refusal::Replayed(payload.batch));
        }
        Ok(Accepted {
            payload,
            signer: name,
            task,
        })
    }

    /// Everything that needs no database.
    fn judge(
        &self,
        envelope: &Envelope,
        proof: &Proof,
        now: Timestamp,
    ) -> Result<(ActionPayload, Certificate), Refusal> {
        let verified = envelope
            .verify(ACTION_TYPE, self.trust, now)
            .map_err(Refusal::Envelope)?;
        let payload: ActionPayload = parse_payload(&verified.payload).map_err(Refusal::Envelope)?;
        if payload.version != ACTION_VERSION {
            return Err(Refusal::Version(payload.version));
        }
        let intermediates: Vec<Certificate> = envelope
            .certificates
            .iter()
            .filter_map(|pem| Certificate::from_pem(pem).ok())
            .collect();
        let mut forbidden = None;
        let mut signer = None;
        for candidate in &verified.signers {
            let path = self
                .trust
                .check(candidate, &intermediates, now)
                .map_err(|error| Refusal::Envelope(EnvelopeError::Trust(error)))?;
            match self.authority.may_order(self.trust, &path, payload.action) {
                Ok(()) => {
                    signer = Some(candidate.clone());
                    break;
                }
                Err(source) => {
                    forbidden.get_or_insert(Refusal::Signer {
                        signer: candidate.common_name(),
                        action: payload.action,
                        source,
                    });
                }
            }
        }
        let Some(signer) = signer else {
            return Err(forbidden.unwrap_or(Refusal::Envelope(EnvelopeError::Unsigned)));
        };
        let longest = SignedDuration::from_hours(24 * MAX_ACTION_LIFETIME_DAYS);
        if payload.expires_at <= payload.issued_at
            || payload.expires_at < payload.not_before
            || payload.expires_at.duration_since(payload.issued_at) > longest
        {
            return Err(Refusal::Unbounded);
        }
        // An order from far ahead would also drag this agent's idea of the time along.
        let earliest = payload.not_before.max(
            payload
                .issued_at
                .checked_sub(CLOCK_SLACK)
                .unwrap_or(payload.issued_at),
        );
        if now < earliest {
            return Err(Refusal::NotYetValid {
                not_before: earliest,
                now,
            });
        }
        if now > payload.expires_at {
            return Err(Refusal::Expired {
                expires_at: payload.expires_at,
                now,
            });
        }
        if !merkle::verify(
            self.identifier,
            proof,
            payload.targets.count,
            &payload.targets.root,
        ) {
            return Err(Refusal::OtherHost(self.identifier.to_owned()));
        }
        Ok((payload, signer))
    }
}

/// This agent's own time: the clock, but never below the highest order accepted minus a day.
pub fn own_time(clock: Timestamp, high_water: Option<Timestamp>) -> Timestamp {
    let floor = high_water.and_then(|high| high.checked_sub(CLOCK_SLACK).ok());
    floor.map_or(clock, |floor| clock.max(floor))
}

fn check_arguments(payload: &ActionPayload) -> Result<(), String> {
    let action = payload.action;
    if action.needs_packages() && payload.packages.is_empty() {
        return Err(format!("{action} names no package"));
    }
    if payload.packages.len() > MAX_ACTION_PACKAGES {
        return Err(format!("it names more than {MAX_ACTION_PACKAGES} packages"));
    }
    for package in &payload.packages {
        Request::parse(package).map_err(|error| error.to_string())?;
    }
    payload.options.problem(action).map_or(Ok(()), Err)
}

#[cfg(test)]
mod tests;
