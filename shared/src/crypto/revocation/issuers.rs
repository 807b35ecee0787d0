//! Who may have signed the lists at hand, and which of the lists count.
//!
//! Lists and intermediates come from strangers. So a list is only checked with keys that its name and key identifier
//! fit, and of strangers' certificates only with those of CAs that lead to an anchor; the signature checks are
//! bounded for each list and in all. Whoever brings more than that only could have left the lists out as well.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use der::Encode as _;
use jiff::Timestamp;

use super::{MAX_PARTS, RevocationList};
use crate::crypto::certificate::Certificate;
use crate::crypto::chain::{MAX_LEADING_CHECKS, TrustStore};

/// The most keys of strangers that one list is checked with.
const MAX_CHECKS_OF_ONE: usize = 4;

/// The most signature checks that fail, in all. Those that succeed are bounded by the number of lists.
const MAX_FAILED_CHECKS: usize = 200;

/// A list that counts with the certificate of its issuer.
type InForce = (Certificate, Arc<RevocationList>);

/// The anchors and intermediates by what lists name.
pub(in crate::crypto) struct Issuers<'a> {
    store: &'a TrustStore,
    intermediates: &'a [Certificate],
    at: Timestamp,
    /// Anchors first.
    all: Vec<&'a Certificate>,
    by_key_id: HashMap<Vec<u8>, Vec<usize>>,
    by_name: HashMap<Vec<u8>, Vec<usize>>,
    /// Whether one leads to an anchor, once it was asked.
    leads: HashMap<usize, bool>,
    leading_checks_left: usize,
    failed: usize,
}

impl<'a> Issuers<'a> {
    pub(in crate::crypto) fn new(
        store: &'a TrustStore,
        intermediates: &'a [Certificate],
        at: Timestamp,
    ) -> Self {
        // A leaf issues nothing, so its list would be about nobody.
        let others = intermediates.iter().filter(|other| other.is_ca());
        let all: Vec<&Certificate> = store.anchors().iter().chain(others).collect();
        let (mut by_key_id, mut by_name) = (HashMap::new(), HashMap::new());
        for (place, issuer) in all.iter().enumerate() {
            if let Some(key_id) = issuer.subject_key_id() {
                by_key_id.entry(key_id).or_insert_with(Vec::new).push(place);
            }
            let name = issuer.subject_name().to_der().unwrap_or_default();
            by_name.entry(name).or_insert_with(Vec::new).push(place);
        }
        Self {
            store,
            intermediates,
            at,
            all,
            by_key_id,
            by_name,
            leads: HashMap::new(),
            leading_checks_left: MAX_LEADING_CHECKS,
            failed: 0,
        }
    }

    /// Somebody signed the list who leads to an anchor.
    pub(in crate::crypto) fn have_signed(&mut self, list: &RevocationList) -> bool {
        !self.of(list).is_empty()
    }

    /// The certificates of the one key that signed the list, of those that lead to an anchor; anchors first.
    fn of(&mut self, list: &RevocationList) -> Vec<&'a Certificate> {
        let by_key_id = list
            .authority_key_id
            .as_ref()
            .and_then(|id| self.by_key_id.get(id));
        let name = list.issuer.to_der().unwrap_or_default();
        let places = by_key_id.into_iter().chain(self.by_name.get(&name));
        let mut places: Vec<usize> = places.flatten().copied().collect();
        places.sort_unstable();
        places.dedup();
        let anchors = self.store.anchors().len();
        let mut found: Vec<&Certificate> = Vec::new();
        let mut tried = HashSet::new();
        let mut strangers = 0;
        for place in places {
            let Some(issuer) = self.all.get(place).copied() else {
                continue;
            };
            if self.leads.get(&place) == Some(&false) || !list.may_be_of(issuer) {
                continue;
            }
            if let Some(first) = found.first() {
                if first.spki_der() == issuer.spki_der() && self.lead(place, issuer) {
                    found.push(issuer);
                }
                continue;
            }
            if !self.lead(place, issuer) || !tried.insert(issuer.spki_der()) {
                continue;
            }
            if self.store.lists().known_verdict(list, issuer).is_none() {
                if place >= anchors {
                    strangers += 1;
                }
                if strangers > MAX_CHECKS_OF_ONE || self.failed >= MAX_FAILED_CHECKS {
                    continue;
                }
            }
            if self.store.lists().is_signed(list, issuer) {
                found.push(issuer);
            } else {
                self.failed += 1;
            }
        }
        found
    }

    fn lead(&mut self, place: usize, issuer: &Certificate) -> bool {
        if let Some(known) = self.leads.get(&place) {
            return *known;
        }
        let left = &mut self.leading_checks_left;
        let leads = self
            .store
            .leads_to_anchor(issuer, self.intermediates, self.at, left);
        self.leads.insert(place, leads);
        leads
    }

    /// The lists of the store that count; see [`TrustStore::crls_in_force`].
    pub(in crate::crypto) fn in_force(mut self) -> Vec<InForce> {
        // By the place of the issuer, so that anchors come first, and by key.
        let mut newest: Vec<Vec<InForce>> = Vec::new();
        let mut by_key: HashMap<Vec<u8>, usize> = HashMap::new();
        let mut for_ever: Vec<InForce> = Vec::new();
        let mut revoked: HashMap<String, bool> = HashMap::new();
        let lists: Vec<Arc<RevocationList>> = self.store.lists().iter().map(Arc::clone).collect();
        for list in lists {
            let issuers = self.of(&list);
            for issuer in &issuers {
                if !list.takes_back_itself(issuer) {
                    continue;
                }
                // One is enough, and more would be a way to fill the disk: the first stays.
                match for_ever.iter_mut().find(|(known, _)| known == *issuer) {
                    Some((_, known)) if list.age(known).is_lt() => *known = Arc::clone(&list),
                    Some(_) => {}
                    None => for_ever.push(((*issuer).clone(), Arc::clone(&list))),
                }
            }
            let standing = issuers.into_iter().find(|issuer| {
                !*revoked
                    .entry(issuer.fingerprint())
                    .or_insert_with(|| self.store.is_revoked(issuer, self.intermediates, self.at))
            });
            let Some(issuer) = standing else { continue };
            let place = *by_key.entry(issuer.spki_der().to_vec()).or_insert_with(|| {
                newest.push(Vec::new());
                newest.len() - 1
            });
            let Some(parts) = newest.get_mut(place) else {
                continue;
            };
            match parts.iter_mut().find(|(_, known)| known.part == list.part) {
                Some((_, known)) if list.age(known).is_gt() => *known = list,
                Some(_) => {}
                None => parts.push((issuer.clone(), list)),
            }
        }
        for parts in &mut newest {
            parts.sort_by_key(|(_, list)| std::cmp::Reverse(list.this_update));
            parts.truncate(MAX_PARTS);
        }
        let mut all: Vec<InForce> = for_ever;
        for one in newest.into_iter().flatten() {
            if !all
                .iter()
                .any(|(_, known)| known.fingerprint == one.1.fingerprint)
            {
                all.push(one);
            }
        }
        all.sort_by_key(|(issuer, _)| !self.store.is_pinned(issuer));
        all
    }
}
