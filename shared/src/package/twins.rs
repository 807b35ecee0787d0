//! The SHA-1 twins of old packages, `WAPT/manifest.sha1` and `WAPT/signature`: looked at, never believed.
//!
//! The predecessor wrote them beside the SHA-256 files for agents before its version 1.5 and ignores them itself:
//! a package whose twin says something else is accepted there, and so it is here, with a word about it. A package
//! that has only the twins is refused as unsigned.

use std::collections::BTreeSet;

use sha1::{Digest as _, Sha1};

use super::manifest::MAX_MANIFEST_BYTES;
use super::verify::decode_base64;
use super::{Package, PackageError, Verified, member};

/// The largest signature member, in bytes.
const MAX_SIGNATURE_BYTES: u64 = 64 * 1024;

/// What the SHA-1 twins of a verified package say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sha1Twins {
    /// There are none, as in every package of today.
    Absent,
    /// They say the same as the SHA-256 files.
    Consistent,
    /// They say something else; the reason in words.
    Contradicting(String),
}

impl Package<Verified> {
    /// Compares the SHA-1 twins, if there are any, with the members and the signer. Reads the whole archive then.
    ///
    /// # Errors
    /// When the archive can no longer be read.
    pub fn sha1_twins(&self) -> Result<Sha1Twins, PackageError> {
        let manifest = self.read_member(member::MANIFEST_SHA1, MAX_MANIFEST_BYTES)?;
        let signature = self.read_member(member::SIGNATURE_SHA1, MAX_SIGNATURE_BYTES)?;
        let contradicting = |text: String| Ok(Sha1Twins::Contradicting(text));
        let manifest = match (manifest, &signature) {
            (None, None) => return Ok(Sha1Twins::Absent),
            (None, Some(_)) => return contradicting(format!("{} is missing", member::MANIFEST_SHA1)),
            (Some(manifest), _) => manifest,
        };
        let Some(listed) = parse(&manifest) else {
            return contradicting(format!("{} cannot be read", member::MANIFEST_SHA1));
        };
        let mut unseen: BTreeSet<&str> = listed.iter().map(|(name, _sum)| name.as_str()).collect();
        let mut members = self.members();
        for entry in self.entries.iter().filter(|entry| !entry.is_dir()) {
            let name = entry.name.as_str();
            if member::UNLISTED.contains(&name) {
                continue;
            }
            let mut hash = Sha1::new();
            members.copy(entry, |chunk| {
                hash.update(chunk);
                Ok(())
            })?;
            let sum = hex::encode(hash.finalize());
            if !unseen.remove(name) {
                return contradicting(format!("{} does not list {name}", member::MANIFEST_SHA1));
            }
            // Names are sorted and unique, see below.
            let place = listed.binary_search_by(|(listed, _sum)| listed.as_str().cmp(name));
            if place
                .ok()
                .and_then(|place| listed.get(place))
                .map(|(_name, sum)| sum)
                != Some(&sum)
            {
                return contradicting(format!("{} has another sum of {name}", member::MANIFEST_SHA1));
            }
        }
        if let Some(missing) = unseen.first() {
            return contradicting(format!(
                "{} lists {missing}, which is not there",
                member::MANIFEST_SHA1
            ));
        }
        let Some(signature) = signature else {
            return contradicting(format!("{} is missing", member::SIGNATURE_SHA1));
        };
        let holds = decode_base64(&signature)
            .is_some_and(|signature| self.signer().verify_legacy_sha1(&manifest, &signature).is_ok());
        if holds {
            Ok(Sha1Twins::Consistent)
        } else {
            contradicting(format!("{} does not match", member::SIGNATURE_SHA1))
        }
    }
}

/// Names and sums in the order of the names; `None` when it is no such list, or a name is in it twice.
fn parse(bytes: &[u8]) -> Option<Vec<(String, String)>> {
    let mut rows: Vec<(String, String)> = serde_json::from_slice(bytes).ok()?;
    for (_name, sum) in &mut rows {
        sum.make_ascii_lowercase();
    }
    rows.sort();
    let is_unique = rows.windows(2).all(|pair| match pair {
        [(one, _), (other, _)] => one != other,
        _ => true,
    });
    is_unique.then_some(rows)
}
