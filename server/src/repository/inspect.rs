//! Opens a package file and checks everything that decides whether it may be published.
//!
//! Order of the checks: a signer is trusted at all → the archive within its limits → both signatures, the
//! manifest and the signer's chain at this time, with the right to sign code when there is code → the rules
//! of [`crate::domain::package_upload`]. The bytes checked are the bytes published: they lie in a file that
//! only this process writes.

use std::path::Path;

use jiff::Timestamp;
use muster_shared::control::{Control, Section};
use muster_shared::crypto::TrustStore;
use muster_shared::package::{Package, Unverified};

use super::error::RepositoryError;
use crate::domain::package_upload::{self, Destination};

/// The largest icon published, in bytes.
const MAX_ICON_BYTES: usize = 256 * 1024;

const PNG_MAGIC: &[u8] = b"\x89PNG\r\n\x1a\n";

/// A package that may be published, and all that its row and the index need.
#[derive(Debug)]
pub(super) struct Inspected {
    pub control: Control,
    pub size: u64,
    /// Lower-case hex.
    pub sha256: String,
    /// Lower-case hex.
    pub md5: String,
    /// A picture to publish beside it.
    pub icon: Option<Vec<u8>>,
    /// The common name in the signer's certificate.
    pub signer: String,
    /// The certificates that came with it: fingerprint and PEM, the signer first.
    pub chain: Vec<(String, String)>,
}

/// Checks a file. Blocks: it reads and hashes all of it.
pub(super) fn inspect(
    path: &Path,
    trust: &TrustStore,
    now: Timestamp,
    destination: Destination<'_>,
) -> Result<Inspected, RepositoryError> {
    if trust.is_empty() {
        return Err(RepositoryError::NoTrustedSigner);
    }
    let package = Package::<Unverified>::open(path)?.verify(trust, now)?;
    let control = package.control().clone();
    let section = package_upload::check(&control, destination)?;
    package.rules()?;
    let icon = if section.has_icon() {
        package.icon().filter(|icon| is_picture(icon))
    } else {
        None
    };
    let digests = package.digests()?;
    Ok(Inspected {
        size: package.size(),
        sha256: digests.sha256,
        md5: digests.md5,
        signer: package.signer().common_name(),
        chain: package
            .signer_chain()
            .iter()
            .map(|certificate| (certificate.fingerprint(), certificate.to_pem()))
            .collect(),
        icon: icon.filter(|_| is_icon_name(&control, section)),
        control,
    })
}

/// Browsers and consoles show icons: only what says to be a PNG, of a sensible size, is published.
fn is_picture(icon: &[u8]) -> bool {
    icon.starts_with(PNG_MAGIC) && icon.len() <= MAX_ICON_BYTES
}

/// Icons are named by the package's own uuid: anything else in that place names no file.
fn is_icon_name(control: &Control, section: Section) -> bool {
    section.has_icon() && control.get("package_uuid").parse::<uuid::Uuid>().is_ok()
}
