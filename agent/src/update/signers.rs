//! The certificates that may have signed rows of an index, each judged once.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use jiff::Timestamp;
use muster_shared::crypto::{Certificate, TrustStore};
use muster_shared::hint::chain;

/// The most certificates of one index that are looked at, and the most signers that are judged: both come from
/// whoever controls the repository.
const MAX_CERTIFICATES: usize = 1000;
const MAX_SIGNERS: usize = 200;

/// Certificates of the trust folder and of an index, as candidates for signers.
pub(super) struct Signers<'a> {
    trust: &'a TrustStore,
    at: Timestamp,
    certificates: Vec<Certificate>,
    /// Fingerprint to position in `certificates`.
    positions: BTreeMap<String, usize>,
    /// What was found about a fingerprint; the reason when it is not trusted.
    judged: BTreeMap<String, Result<usize, String>>,
}

impl<'a> Signers<'a> {
    /// The candidates of an index, given as its PEM members, to be judged at a time.
    pub(super) fn new(pems: &[Vec<u8>], trust: &'a TrustStore, at: Timestamp) -> Self {
        let mut signers = Self {
            trust,
            at,
            certificates: Vec::new(),
            positions: BTreeMap::new(),
            judged: BTreeMap::new(),
        };
        for anchor in trust.anchors() {
            signers.add(anchor.clone());
        }
        let most = trust.anchors().len() + MAX_CERTIFICATES;
        for pem in pems {
            // One that cannot be read only cannot help.
            let chain = Certificate::chain_from_pem(&String::from_utf8_lossy(pem)).unwrap_or_default();
            for certificate in chain {
                if signers.certificates.len() < most {
                    signers.add(certificate);
                }
            }
        }
        signers
    }

    fn add(&mut self, certificate: Certificate) {
        let next = self.certificates.len();
        if *self.positions.entry(certificate.fingerprint()).or_insert(next) == next {
            self.certificates.push(certificate);
        }
    }

    /// The certificate with this fingerprint, when it is trusted as a signer; else why not.
    pub(super) fn judge(&mut self, fingerprint: &str) -> Result<&Certificate, String> {
        if !self.judged.contains_key(fingerprint) {
            let judged = self.look(fingerprint)?;
            self.judged.insert(fingerprint.to_owned(), judged);
        }
        match self.judged.get(fingerprint) {
            Some(Ok(position)) => self
                .certificates
                .get(*position)
                .ok_or_else(|| format!("the signer {fingerprint} was not judged")),
            Some(Err(reason)) => Err(reason.clone()),
            None => Err(format!("the signer {fingerprint} was not judged")),
        }
    }

    /// The judgement to keep, or why none is kept.
    fn look(&self, fingerprint: &str) -> Result<Result<usize, String>, String> {
        let position = *self.positions.get(fingerprint).ok_or_else(|| {
            format!("the certificate of its signer ({fingerprint}) is neither trusted here nor in the index")
        })?;
        let leaf = self
            .certificates
            .get(position)
            .ok_or_else(|| format!("the signer {fingerprint} was not judged"))?;
        if self.judged.len() >= MAX_SIGNERS {
            return Err(format!("the index names more than {MAX_SIGNERS} signers"));
        }
        let checked = self.trust.check_signer(leaf, &self.certificates, self.at);
        Ok(checked.map(|_path| position).map_err(|error| chain(&error)))
    }

    /// The time around now in which no certificate begins or ends and no revocation list ends: within it every
    /// judgement stays the same.
    pub(super) fn holds_within(&self) -> (Timestamp, Timestamp) {
        let mut span = (Timestamp::MIN, Timestamp::MAX);
        let mut turn = |point: Timestamp| match point.cmp(&self.at) {
            Ordering::Less => span.0 = span.0.max(point),
            Ordering::Greater => span.1 = span.1.min(point),
            // On the very turn nothing holds for longer.
            Ordering::Equal => span = (Timestamp::MAX, Timestamp::MIN),
        };
        for certificate in &self.certificates {
            turn(certificate.not_before());
            turn(certificate.not_after());
        }
        for list in self.trust.crls() {
            turn(list.this_update());
            if let Some(next) = list.next_update() {
                turn(next);
            }
        }
        span
    }
}
