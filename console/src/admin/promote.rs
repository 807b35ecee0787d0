//! The same build for more people: a copy under another maturity, signed anew, its files byte for byte.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use muster_shared::control::{Control, is_maturity};
use muster_shared::crypto::Signer;
use muster_shared::hint::Hint;
use muster_shared::package::filename::canonical_filename;
use muster_shared::package::sign::{self, Copy};
use muster_shared::package::{Package, PackageError, Verified};

use super::import::trusted_control;

/// Why a package was not promoted. The one that is there is as it was.
#[derive(Debug, thiserror::Error)]
pub enum PromoteError {
    #[error("{package} {version} has the maturity {maturity} already")]
    Same {
        package: String,
        version: String,
        maturity: String,
    },
    #[error("{maturity:?} is no maturity: use letters, digits, - and _")]
    Maturity { maturity: String },
    #[error("{path} is there already")]
    Exists { path: PathBuf },
    #[error("{path} cannot be signed")]
    Sign {
        path: PathBuf,
        #[source]
        source: PackageError,
    },
}

impl Hint for PromoteError {
    fn hints(&self) -> Vec<String> {
        match self {
            Self::Exists { .. } => vec!["choose another folder with --out".to_owned()],
            Self::Sign { source, .. } => source.hints(),
            Self::Maturity { .. } => vec!["usual ones are DEV, PREPROD and PROD".to_owned()],
            Self::Same { .. } => Vec::new(),
        }
    }
}

/// Refuses what is no maturity.
///
/// # Errors
/// It is empty or has characters that file names lose.
pub fn check_maturity(maturity: &str) -> Result<(), PromoteError> {
    if maturity.is_empty() || !is_maturity(maturity) {
        return Err(PromoteError::Maturity {
            maturity: maturity.to_owned(),
        });
    }
    Ok(())
}

/// Writes the promoted copy into a folder, under its usual file name. Control attributes that the format does not
/// know are dropped unless they are to be kept.
///
/// # Errors
/// It has that maturity already, its place is taken, or it cannot be signed.
pub fn promote(
    package: &Package<Verified>,
    maturity: &str,
    keep_unknown: bool,
    out: &Path,
    signer: &dyn Signer,
    now: Timestamp,
) -> Result<(PathBuf, Control), PromoteError> {
    check_maturity(maturity)?;
    let control = trusted_control(package);
    if control.effective_maturity() == maturity {
        return Err(PromoteError::Same {
            package: control.package().to_owned(),
            version: control.version().to_owned(),
            maturity: maturity.to_owned(),
        });
    }
    let control = control.with("maturity", maturity);
    let path = out.join(canonical_filename(&control, None));
    if path.symlink_metadata().is_ok() {
        return Err(PromoteError::Exists { path });
    }
    let copy = Copy {
        control,
        keep_unknown,
        without: &[],
    };
    let control =
        sign::sign_verified(package, copy, &path, signer, now).map_err(|source| PromoteError::Sign {
            path: package.path().to_owned(),
            source,
        })?;
    Ok((path, control))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn maturities_are_words() {
        for good in ["DEV", "PREPROD", "PROD", "pilot-2"] {
            assert!(check_maturity(good).is_ok(), "{good}");
        }
        for bad in ["", "a b", "../x", "é"] {
            assert!(check_maturity(bad).is_err(), "{bad}");
        }
    }
}
