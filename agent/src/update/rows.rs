//! What is known of the rows of the index: for each, by the hash of its bytes, whether its signature is good.
//!
//! Parties: people sign the control of each package; the repository only lists them and is not trusted.
//! That a signature over these very bytes was made by the key of this very certificate stays true for ever, so it
//! is computed once and kept in a file that only this agent writes. Whether that certificate is trusted is *not*
//! kept: it is judged anew with the trust folder, the revocation lists and the time of each use. Rows of signers
//! that are not trusted are not computed at all, so that a hostile index costs nothing; they are looked at again
//! when that changes.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};
use std::path::Path;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD as BASE64;
use muster_shared::control::Control;
use muster_shared::crypto::Certificate;
use muster_shared::hint::chain;
use muster_shared::index::{IndexEntry, IndexError, IndexFile};
use muster_shared::package::check_control;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::signers::Signers;
use crate::platform;

/// Changes when the rules of the check do: then everything is computed again.
const FORMAT: u32 = 1;

/// SHA-256 of the bytes of a row.
pub(super) type RowHash = [u8; 32];

/// What is known of the signature of a row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Signature {
    /// Its signer's key made it over this row.
    Good,
    /// It does not match, or the row cannot be used; the reason.
    Bad(String),
    /// Nobody trusted could have made it so far.
    Unchecked,
}

/// One row, in the order of the index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct KnownRow {
    pub hash: RowHash,
    pub package: String,
    pub version: String,
    pub depends: String,
    /// The fingerprint of the certificate that it names.
    pub signer: Arc<str>,
    pub signature: Signature,
}

impl KnownRow {
    /// It is about these very bytes.
    pub(super) fn is(&self, bytes: &[u8]) -> bool {
        hash_of(bytes) == self.hash
    }
}

fn hash_of(bytes: &[u8]) -> RowHash {
    Sha256::digest(bytes).into()
}

/// The rows of one index.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct KnownRows {
    pub rows: Vec<KnownRow>,
}

/// A row that was read in full.
#[derive(Debug)]
pub(super) struct PickedRow {
    /// Its place in the index.
    pub place: usize,
    /// Of the bytes that were read.
    pub hash: RowHash,
    pub entry: IndexEntry,
}

/// Rows that were read in full.
pub(super) type Picked = Vec<PickedRow>;

/// A row with the hash of its bytes.
pub(super) fn row_in_full(place: usize, bytes: &[u8], entry: IndexEntry) -> PickedRow {
    PickedRow {
        place,
        hash: hash_of(bytes),
        entry,
    }
}

/// The form in the file. Signers are few and named by their place in a list.
#[derive(Serialize, Deserialize)]
struct Stored<'a> {
    format: u32,
    /// The index that this is about.
    mark: Mark,
    signers: Vec<String>,
    #[serde(borrow)]
    rows: Vec<StoredRow<'a>>,
}

/// Hash, package, version, depends, place of the signer, signature. What is borrowed from the file costs nothing to
/// read.
#[derive(Serialize, Deserialize)]
struct StoredRow<'a>(
    #[serde(borrow)] Cow<'a, str>,
    #[serde(borrow)] Cow<'a, str>,
    #[serde(borrow)] Cow<'a, str>,
    #[serde(borrow)] Cow<'a, str>,
    usize,
    Cow<'a, Signature>,
);

/// Tells one index file from another: its size in bytes and its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Mark {
    size: u64,
    seconds: u64,
    nanos: u32,
}

impl Mark {
    /// The mark of the file as it is now.
    pub(super) fn of(index_file: &Path) -> std::io::Result<Self> {
        let metadata = fs_err::metadata(index_file)?;
        let since = metadata
            .modified()?
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap_or_default();
        Ok(Self {
            size: metadata.len(),
            seconds: since.as_secs(),
            nanos: since.subsec_nanos(),
        })
    }
}

impl KnownRows {
    /// What was kept, and for which index; nothing when there is none or it is of another kind.
    pub(super) fn read(file: &Path) -> Option<(Mark, Self)> {
        let bytes = fs_err::read(file).ok()?;
        let stored: Stored<'_> = serde_json::from_slice(&bytes).ok()?;
        if stored.format != FORMAT {
            return None;
        }
        let signers: Vec<Arc<str>> = stored.signers.into_iter().map(Into::into).collect();
        let mut rows = Vec::with_capacity(stored.rows.len());
        for StoredRow(hash, package, version, depends, signer, signature) in stored.rows {
            let mut row_hash = RowHash::default();
            let length = BASE64.decode_slice(hash.as_bytes(), &mut row_hash).ok()?;
            if length != row_hash.len() {
                return None;
            }
            rows.push(KnownRow {
                hash: row_hash,
                package: package.into_owned(),
                version: version.into_owned(),
                depends: depends.into_owned(),
                signer: signers.get(signer)?.clone(),
                signature: signature.into_owned(),
            });
        }
        Some((stored.mark, Self { rows }))
    }

    /// Keeps it for an index.
    pub(super) fn write(&self, file: &Path, mark: Mark) -> std::io::Result<()> {
        let mut signers: Vec<&str> = Vec::new();
        let mut places: HashMap<&str, usize> = HashMap::new();
        let rows = self
            .rows
            .iter()
            .map(|row| {
                let place = *places.entry(&row.signer).or_insert_with(|| {
                    signers.push(&row.signer);
                    signers.len() - 1
                });
                StoredRow(
                    Cow::Owned(BASE64.encode(row.hash)),
                    Cow::Borrowed(&row.package),
                    Cow::Borrowed(&row.version),
                    Cow::Borrowed(&row.depends),
                    place,
                    Cow::Borrowed(&row.signature),
                )
            })
            .collect();
        let stored = Stored {
            format: FORMAT,
            mark,
            signers: signers.into_iter().map(str::to_owned).collect(),
            rows,
        };
        let bytes = serde_json::to_vec(&stored).map_err(std::io::Error::other)?;
        platform::write_private(file, &bytes)
    }

    /// Some row waits for a signer who is trusted now.
    pub(super) fn is_behind(&self, signers: &mut Signers<'_>) -> bool {
        self.rows
            .iter()
            .any(|row| row.signature == Signature::Unchecked && signers.judge(&row.signer).is_ok())
    }

    /// Goes through an index: rows known from before are not computed again. Rows of the names in `pick` are read
    /// in full.
    ///
    /// # Errors
    /// The index is damaged.
    pub(super) fn of_index(
        index: &mut IndexFile<'_>,
        before: Self,
        signers: &mut Signers<'_>,
        pick: &BTreeSet<String>,
    ) -> Result<(Self, Picked), IndexError> {
        let mut rows = Vec::with_capacity(before.rows.len());
        let mut by_hash: HashMap<RowHash, KnownRow> =
            before.rows.into_iter().map(|row| (row.hash, row)).collect();
        let mut picked = Picked::new();
        index.each_row(|raw| {
            let hash = hash_of(raw.bytes);
            let known = by_hash.remove(&hash).filter(|known| {
                known.signature != Signature::Unchecked || signers.judge(&known.signer).is_err()
            });
            if let Some(known) = known {
                if pick.contains(&known.package)
                    && let Ok(entry) = raw.read()
                {
                    picked.push(PickedRow {
                        place: rows.len(),
                        hash,
                        entry,
                    });
                }
                rows.push(known);
                return;
            }
            match raw.read() {
                Ok(entry) => {
                    rows.push(known_row(hash, &entry.control, signers));
                    if pick.contains(entry.control.package()) {
                        picked.push(PickedRow {
                            place: rows.len() - 1,
                            hash,
                            entry,
                        });
                    }
                }
                Err(rejected) => rows.push(KnownRow {
                    hash,
                    signature: Signature::Bad(chain(&rejected.reason)),
                    package: rejected.package,
                    version: rejected.version,
                    depends: String::new(),
                    signer: Arc::from(""),
                }),
            }
        })?;
        Ok((Self { rows }, picked))
    }
}

fn known_row(hash: RowHash, control: &Control, signers: &mut Signers<'_>) -> KnownRow {
    let signer = control.get("signer_fingerprint").to_ascii_lowercase();
    let signature = match signers.judge(&signer) {
        Err(_reason) => Signature::Unchecked,
        Ok(certificate) => computed(control, certificate),
    };
    KnownRow {
        hash,
        package: control.package().to_owned(),
        version: control.version().to_owned(),
        depends: control.depends().to_owned(),
        signer: signer.into(),
        signature,
    }
}

fn computed(control: &Control, certificate: &Certificate) -> Signature {
    match check_control(control, certificate) {
        Ok(()) => Signature::Good,
        Err(error) => Signature::Bad(chain(&error)),
    }
}
