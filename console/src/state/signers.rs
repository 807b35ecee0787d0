//! Signers that can be chosen, the one in use, and until when it is unlocked.

use jiff::Timestamp;

use crate::remote::Problem;
use crate::worker::{SignerEntry, SignerKind};

/// Signers.
#[derive(Debug, Default)]
pub struct Signers {
    pub entries: Vec<SignerEntry>,
    pub chosen: Option<String>,
    /// Modules that could not be read, and the like.
    pub problems: Vec<Problem>,
    pub asked: bool,
    unlocked: Option<(String, Timestamp)>,
}

impl Signers {
    /// The signer in use.
    pub fn current(&self) -> Option<&SignerEntry> {
        let key = self.chosen.as_deref()?;
        self.entries.iter().find(|entry| entry.key == key)
    }

    /// Takes the list; keeps the choice when it is still there.
    pub fn replace(&mut self, entries: Vec<SignerEntry>, chosen: Option<String>, problems: Vec<Problem>) {
        self.entries = entries;
        self.problems = problems;
        let known = |key: &String| self.entries.iter().any(|entry| entry.key == *key);
        self.chosen = chosen
            .filter(known)
            .or_else(|| self.chosen.take().filter(known))
            .or_else(|| self.entries.first().map(|entry| entry.key.clone()));
    }

    /// Notes until when a signer is open.
    pub fn set_unlocked(&mut self, unlocked: Option<(String, Timestamp)>) {
        self.unlocked = unlocked;
    }

    /// Some signer is open.
    pub fn is_unlocked(&self) -> bool {
        self.unlocked.is_some()
    }

    /// The signer in use is open; how many minutes are left.
    pub fn unlocked_minutes(&self, now: Timestamp) -> Option<i64> {
        let (key, until) = self.unlocked.as_ref()?;
        let left = until.as_second() - now.as_second();
        (Some(key) == self.chosen.as_ref() && left > 0).then_some((left + 59) / 60)
    }

    /// The signer in use asks for its secret.
    pub fn asks_secret(&self, now: Timestamp) -> bool {
        self.current().is_some_and(|entry| entry.needs_secret) && self.unlocked_minutes(now).is_none()
    }

    /// What the secret of the signer in use is called.
    pub fn secret_name(&self) -> &'static str {
        match self.current().map(|entry| entry.kind) {
            Some(SignerKind::Token) => "PIN",
            Some(SignerKind::File) | None => "Password",
        }
    }
}
