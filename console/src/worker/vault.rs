//! The signer in use, kept open for a while after its secret was given once.
//!
//! One signer at a time. A secret is tried once and never kept: what stays is the opened key, or the
//! token's session, until [`KEPT_FOR`] has passed or the person locks it.

use std::time::{Duration, Instant};

use muster_shared::crypto::token::TokenError;
use muster_shared::crypto::{KeyError, SignError, Signer};
use muster_shared::hint::Hint as _;
use secrecy::SecretString;

use super::requests::SigningProblem;
use crate::admin::signer::{self, SignerChoice, SignerError};
use crate::remote::Problem;

/// How long an opened signer is kept.
pub(super) const KEPT_FOR: Duration = Duration::from_mins(15);

/// An opened signer, or none.
#[derive(Default)]
pub(super) struct Vault {
    open: Option<Open>,
}

struct Open {
    key: String,
    signer: Box<dyn Signer>,
    until: Instant,
}

impl Vault {
    /// Signs with a signer, opening it when it is not open. Blocks while key or token work.
    ///
    /// # Errors
    /// The signer cannot be opened, or what is done with it fails.
    pub(super) fn with<R>(
        &mut self,
        key: &str,
        choice: &SignerChoice,
        secret: Option<&SecretString>,
        sign: impl FnOnce(&dyn Signer) -> Result<R, Problem>,
    ) -> Result<R, SigningProblem> {
        if self
            .open
            .as_ref()
            .is_none_or(|open| open.key != key || open.until <= Instant::now())
        {
            self.open = None;
            let signer = signer::open(choice, secret).map_err(|error| refused(&error))?;
            self.open = Some(Open {
                key: key.to_owned(),
                signer,
                until: Instant::now() + KEPT_FOR,
            });
        }
        let Some(open) = &self.open else {
            return Err(failed(Problem::new("the signer was locked")));
        };
        let signed = sign(open.signer.as_ref());
        if signed.is_err() {
            // A token that was pulled and put back needs to be opened again.
            self.open = None;
        }
        signed.map_err(failed)
    }

    /// Locks the signer.
    pub(super) fn lock(&mut self) {
        self.open = None;
    }

    /// Locks the signer when its time is over; says what is left otherwise.
    pub(super) fn expire(&mut self) -> Option<Duration> {
        let left = self.left()?.1;
        if left.is_zero() {
            self.lock();
            return None;
        }
        Some(left)
    }

    /// Which signer is open and for how long.
    pub(super) fn left(&self) -> Option<(String, Duration)> {
        self.open.as_ref().map(|open| {
            (
                open.key.clone(),
                open.until.saturating_duration_since(Instant::now()),
            )
        })
    }
}

fn failed(problem: Problem) -> SigningProblem {
    SigningProblem {
        problem,
        wrong_secret: false,
    }
}

fn refused(error: &SignerError) -> SigningProblem {
    let wrong = |error: &SignError| match error {
        SignError::Key { source, .. } => matches!(source, KeyError::WrongPassword),
        SignError::Token(error) => matches!(error, TokenError::PinWrong { .. }),
        SignError::Read { .. }
        | SignError::Certificate { .. }
        | SignError::KeyMismatch { .. }
        | SignError::Sign(_) => false,
    };
    let wrong_secret = match error {
        SignerError::Open(error) => wrong(error),
        SignerError::Token(error) => matches!(error, TokenError::PinWrong { .. }),
        SignerError::Certificate { .. }
        | SignerError::Key { .. }
        | SignerError::WhichToken { .. }
        | SignerError::Uri(_)
        | SignerError::NoModule { .. }
        | SignerError::PinFile { .. } => false,
    };
    // The command line's advice on where to give a secret makes no sense beside the field for it.
    let hints = error
        .hints()
        .into_iter()
        .filter(|hint| !hint.contains("-stdin"))
        .collect();
    SigningProblem {
        problem: Problem {
            message: muster_shared::hint::chain(error),
            hints,
        },
        wrong_secret,
    }
}
