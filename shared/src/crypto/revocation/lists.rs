//! The revocation lists that a trust store knows: judging a certificate by the newest of its issuer's.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use sha2::{Digest as _, Sha256};

use super::RevocationList;
use crate::crypto::certificate::Certificate;
use crate::crypto::chain::TrustError;

/// The most lists that one store holds.
const MAX_LISTS: usize = 1000;

/// The most bytes of lists that one store holds.
const MAX_BYTES: usize = 64 << 20;

/// A list and an issuer's certificate, both by SHA-256.
type Pair = ([u8; 32], [u8; 32]);

/// Lists from anywhere; whether one counts is decided by its signature, once for each key.
#[derive(Clone, Default)]
pub(in crate::crypto) struct Lists {
    lists: Vec<Arc<RevocationList>>,
    bytes: usize,
    /// Shared by the clones of a store, so that a signature is computed once.
    verified: Arc<Mutex<HashMap<Pair, bool>>>,
}

impl Lists {
    /// Adds lists, but no list twice and none beyond the bounds; those added first stay.
    pub(in crate::crypto) fn add(&mut self, lists: impl IntoIterator<Item = RevocationList>) {
        for list in lists {
            let is_known = self
                .lists
                .iter()
                .any(|known| known.fingerprint == list.fingerprint);
            let bytes = self.bytes.saturating_add(list.der.len());
            if !is_known && self.lists.len() < MAX_LISTS && bytes <= MAX_BYTES {
                self.bytes = bytes;
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
        let known: Vec<_> = self
            .newest_of(issuer)
            .into_iter()
            .filter(|list| list.covers(certificate))
            .collect();
        let name = || certificate.common_name();
        for list in &known {
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

    /// The newest list of each part that an issuer's key signed.
    pub(in crate::crypto) fn newest_of(&self, issuer: &Certificate) -> Vec<&Arc<RevocationList>> {
        let mut newest: Vec<&Arc<RevocationList>> = Vec::new();
        for list in self.lists.iter().filter(|list| list.may_be_of(issuer)) {
            let same = newest.iter().position(|known| known.part == list.part);
            let is_newer = same
                .and_then(|place| newest.get(place))
                .is_none_or(|known| list.age(known).is_gt());
            if !is_newer || !self.is_signed(list, issuer) {
                continue;
            }
            match same.and_then(|place| newest.get_mut(place)) {
                Some(slot) => *slot = list,
                None => newest.push(list),
            }
        }
        newest
    }

    fn is_signed(&self, list: &RevocationList, issuer: &Certificate) -> bool {
        let key: [u8; 32] = Sha256::digest(issuer.der()).into();
        let pair = (list.fingerprint, key);
        let known = || self.verified.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(verdict) = known().get(&pair) {
            return *verdict;
        }
        let verdict = list.is_signed_by(issuer);
        known().insert(pair, verdict);
        verdict
    }
}

impl std::fmt::Debug for Lists {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(&self.lists).finish()
    }
}
