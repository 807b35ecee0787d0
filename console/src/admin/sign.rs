//! Signing package files again: after another key, a change of maturity, or an import.

use std::path::Path;

use jiff::Timestamp;
use muster_shared::control::Control;
use muster_shared::crypto::Signer;
use muster_shared::package::{PackageError, sign};

/// Signs a package file in place; its files stay byte for byte.
///
/// # Errors
/// The file is no package, breaks a rule, or cannot be signed; it is as it was then.
pub fn sign(
    path: &Path,
    signer: &dyn Signer,
    keep_unknown: bool,
    now: Timestamp,
) -> Result<Control, PackageError> {
    sign::sign_file(path, signer, now, keep_unknown)
}
