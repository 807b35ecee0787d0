//! Packages of another repository become one's own: fetched, checked, renamed, signed.
//!
//! Each package is all or nothing: the copy is written beside its place and appears signed and whole, or not
//! at all. One that fails does not hold the others back.

mod own;
mod plan;
pub mod prefix;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use muster_shared::control::Control;
use muster_shared::crypto::Signer;
use muster_shared::hint::Hint;
use muster_shared::package::filename::canonical_filename;
use muster_shared::package::sign::{self, Copy};
use muster_shared::package::{Package, PackageError, Verified};

pub use self::own::{Own, Relation, raised_above};
pub use self::plan::{ImportPlan, ImportWishes, PlanError, PlannedImport, Skipped, passes, plan};
use super::external_repository::{ExternalRepository, RepositoryAccessError};

/// Why one package was not imported. Nothing of it is left behind.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    #[error(transparent)]
    Access(#[from] RepositoryAccessError),
    #[error("{package} itself is not as asked: its maturity is {maturity}")]
    Filtered { package: String, maturity: String },
    #[error("{path} is there already")]
    Exists { path: PathBuf },
    #[error("{package} cannot be signed as {as_package}")]
    Sign {
        package: String,
        as_package: String,
        #[source]
        source: PackageError,
    },
}

impl Hint for ImportError {
    fn hints(&self) -> Vec<String> {
        match self {
            Self::Access(error) => error.hints(),
            Self::Filtered { .. } => {
                vec!["take it with --from-maturity, --architecture or --locale".to_owned()]
            }
            Self::Exists { .. } => vec!["move it away, or choose another folder with --out".to_owned()],
            Self::Sign {
                source: PackageError::Problems(problems),
                ..
            } => problems
                .iter()
                .map(|problem| format!("{}: {}", problem.attribute, problem.advice))
                .collect(),
            Self::Sign { source, .. } => source.hints(),
        }
    }
}

/// Fetches one package, and writes its signed copy into a folder.
///
/// # Errors
/// It cannot be had, is refused, or cannot be signed under the new name.
pub async fn import(
    repository: &ExternalRepository,
    planned: &PlannedImport,
    wishes: &ImportWishes,
    out: &Path,
    signer: &dyn Signer,
    now: Timestamp,
    progress: impl FnMut(u64, u64),
) -> Result<PathBuf, ImportError> {
    let fetched = repository.fetch(&planned.entry, now, progress).await?;
    if !passes(fetched.package.control(), wishes) {
        return Err(ImportError::Filtered {
            package: planned.from_package.clone(),
            maturity: fetched.package.control().effective_maturity().to_owned(),
        });
    }
    let control = imported_control(&fetched.package, planned, wishes);
    let path = out.join(canonical_filename(&control, None));
    if path.symlink_metadata().is_ok() {
        return Err(ImportError::Exists { path });
    }
    let copy = Copy {
        control,
        keep_unknown: wishes.keep_unknown,
        without: &[],
    };
    sign::sign_verified(&fetched.package, copy, &path, signer, now).map_err(|source| ImportError::Sign {
        package: planned.from_package.clone(),
        as_package: planned.package.clone(),
        source,
    })?;
    Ok(path)
}

/// Attributes that only people read; they are kept from packages of before 2017, whose signatures cover little.
const DESCRIPTIVE: [&str; 9] = [
    "name",
    "categories",
    "maintainer",
    "description",
    "sources",
    "editor",
    "keywords",
    "licence",
    "homepage",
];

/// The control of a package as its signer vouches for it: whatever else was written into the file would get a
/// second signature that nobody meant.
pub fn trusted_control(package: &Package<Verified>) -> Control {
    let mut control = package.control().clone();
    let loose: Vec<String> = control
        .attributes()
        .map(|(name, _value)| name)
        .filter(|name| !control.is_signed(name))
        .filter(|name| !DESCRIPTIVE.contains(name) && !name.starts_with("description_"))
        .map(str::to_owned)
        .collect();
    for name in loose {
        control.remove(&name);
    }
    control
}

fn imported_control(package: &Package<Verified>, planned: &PlannedImport, wishes: &ImportWishes) -> Control {
    let mut control = trusted_control(package);
    if let Some(own_prefix) = &wishes.prefix {
        prefix::exchange(&mut control, own_prefix);
    }
    control.set("version", &planned.version);
    // A maturity that no signature covers is still kept: without one it would count as PROD.
    let maturity = wishes.maturity.as_deref();
    control.set("maturity", maturity.unwrap_or(package.control().maturity()));
    control
}
