//! The revocation lists that a trust store knows: judging a certificate by the newest of its issuer's.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use sha2::{Digest as _, Sha256};

use super::RevocationList;
use crate::crypto::certificate::Certificate;
use crate::crypto::chain::TrustError;

/// A list and an issuer's public key, both by SHA-256.
type Pair = ([u8; 32], [u8; 32]);

/// Lists from anywhere; whether one counts is decided by its signature, once for each key.
#[derive(Clone, Default)]
pub(in crate::crypto) struct Lists {
    lists: Vec<Arc<RevocationList>>,
    /// Shared by the clones of a store, so that a signature is computed once.
    verified: Arc<Mutex<HashMap<Pair, bool>>>,
}

impl Lists {
    /// Adds lists, but no list twice.
    pub(in crate::crypto) fn add(&mut self, lists: impl IntoIterator<Item = RevocationList>) {
        let mut known: HashSet<[u8; 32]> = self.lists.iter().map(|list| list.fingerprint).collect();
        for list in lists {
            if known.insert(list.fingerprint) {
                self.lists.push(Arc::new(list));
            }
        }
    }

    pub(in crate::crypto) fn is_empty(&self) -> bool {
        self.lists.is_empty()
    }

    pub(in crate::crypto) fn iter(&self) -> impl Iterator<Item = &Arc<RevocationList>> {
        self.lists.iter()
    }

    /// Refuses a certificate that its issuer took back, or whose issuer's newest list ended.
    pub(in crate::crypto) fn judge(
        &self,
        certificate: &Certificate,
        issuer: &Certificate,
        at: Timestamp,
    ) -> Result<(), TrustError> {
        let (newest, for_ever) = self.of(issuer);
        let known: Vec<_> = newest
            .into_iter()
            .filter(|list| list.covers(certificate))
            .collect();
        let name = || certificate.common_name();
        for list in known.iter().chain(&for_ever) {
            if let Some(revoked) = list.entry(certificate.serial_bytes()) {
                return Err(TrustError::Revoked {
                    name: name(),
                    at: revoked.at,
                    reason: revoked.reason.map_or("no reason given", super::Reason::as_str),
                });
            }
        }
        // Only now: what was taken back stays so, however old the list is.
        let ended = known
            .iter()
            .find_map(|list| list.next_update.filter(|_next| list.is_expired(at)));
        match ended {
            Some(next_update) => Err(TrustError::CrlExpired {
                name: name(),
                issuer: issuer.common_name(),
                next_update,
            }),
            None => Ok(()),
        }
    }

    /// The newest list of each part that an issuer's key signed, and those by which it took itself back: a key that
    /// was stolen would sign a newer one without that.
    fn of(&self, issuer: &Certificate) -> (Vec<&Arc<RevocationList>>, Vec<&Arc<RevocationList>>) {
        let mut newest: Vec<&Arc<RevocationList>> = Vec::new();
        let mut for_ever = Vec::new();
        for list in self.lists.iter().filter(|list| list.may_be_of(issuer)) {
            let is_of_itself = list.takes_back_itself(issuer);
            let same = newest.iter().position(|known| known.part == list.part);
            let is_newer = same
                .and_then(|place| newest.get(place))
                .is_none_or(|known| list.age(known).is_gt());
            if !(is_of_itself || is_newer) || !self.is_signed(list, issuer) {
                continue;
            }
            if is_of_itself {
                for_ever.push(list);
                continue;
            }
            match same.and_then(|place| newest.get_mut(place)) {
                Some(slot) => *slot = list,
                None => newest.push(list),
            }
        }
        (newest, for_ever)
    }

    /// The verdict on a signature when it was computed before.
    pub(super) fn known_verdict(&self, list: &RevocationList, issuer: &Certificate) -> Option<bool> {
        let known = self.verified.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(&pair(list, issuer)).copied()
    }

    pub(super) fn is_signed(&self, list: &RevocationList, issuer: &Certificate) -> bool {
        if !list.may_be_of(issuer) || !issuer.may_sign_lists() {
            return false;
        }
        if let Some(verdict) = self.known_verdict(list, issuer) {
            return verdict;
        }
        let verdict = list.has_signature_of(issuer);
        let mut known = self.verified.lock().unwrap_or_else(PoisonError::into_inner);
        known.insert(pair(list, issuer), verdict);
        verdict
    }

    /// How many signatures were computed.
    #[cfg(test)]
    pub(in crate::crypto) fn checks(&self) -> usize {
        self.verified.lock().unwrap_or_else(PoisonError::into_inner).len()
    }
}

fn pair(list: &RevocationList, issuer: &Certificate) -> Pair {
    (list.fingerprint, Sha256::digest(issuer.spki_der()).into())
}

impl std::fmt::Debug for Lists {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(&self.lists).finish()
    }
}
