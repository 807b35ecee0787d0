//! The files that packages keep for their later hooks, copied to where our hooks look for them.

use std::path::{Path, PathBuf};

use muster_shared::migrate::{Fate, Item, MigrationReport};

use super::MigrationError;
use super::base::Base;
use super::rows::TakenPackage;
use crate::install::stage::persistent_folder;
use crate::paths::Paths;
use crate::platform;

/// The most files that are copied for one package.
const MAX_FILES: usize = 10_000;

/// Copies the folder of each package that was taken over.
pub(super) fn take(
    paths: &Paths,
    base: &Base,
    packages: &[TakenPackage],
    is_dry: bool,
    report: &mut MigrationReport,
) -> Result<(), MigrationError> {
    for package in packages {
        let Some(source) = source(base, package) else {
            continue;
        };
        let object = format!("files kept by {}", package.control.package());
        let target = persistent_folder(paths, &package.control);
        if target.exists() {
            report.push(Item::new(object, Fate::NotNeeded).because("the package keeps files here already"));
            continue;
        }
        let files = match list(&source) {
            Ok(files) if files.is_empty() => continue,
            Ok(files) if files.len() > MAX_FILES => {
                let reason = format!("they are more than {MAX_FILES} files");
                report.push(Item::not_taken(object, reason));
                continue;
            }
            Ok(files) => files,
            Err(error) => {
                report.push(Item::not_taken(object, error.to_string()));
                continue;
            }
        };
        if !is_dry {
            copy(&source, &files, &target)?;
        }
        let count = match files.len() {
            1 => "1 file".to_owned(),
            count => format!("{count} files"),
        };
        report.push(Item::new(object, Fate::Taken).became(count));
    }
    Ok(())
}

/// Where WAPT keeps them: as its row says, else below its folder by the package's build.
fn source(base: &Base, package: &TakenPackage) -> Option<PathBuf> {
    let uuid = package.control.get("package_uuid");
    let is_plain = !uuid.is_empty()
        && uuid
            .chars()
            .all(|letter| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_'));
    let named = PathBuf::from(&package.persistent_dir);
    [
        (named.is_absolute() && named.starts_with(base.persistent())).then_some(named),
        is_plain.then(|| base.persistent().join(uuid)),
    ]
    .into_iter()
    .flatten()
    .find(|folder| folder.is_dir())
}

/// Every file below a folder, relative to it; links are left where they are, because they may lead anywhere.
fn list(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut waiting = vec![PathBuf::new()];
    while let Some(relative) = waiting.pop() {
        for entry in fs_err::read_dir(folder.join(&relative))? {
            let entry = entry?;
            let path = relative.join(entry.file_name());
            let kind = entry.file_type()?;
            if kind.is_dir() {
                waiting.push(path);
            } else if kind.is_file() {
                found.push(path);
            }
            if found.len() > MAX_FILES {
                return Ok(found);
            }
        }
    }
    found.sort();
    Ok(found)
}

fn copy(source: &Path, files: &[PathBuf], target: &Path) -> Result<(), MigrationError> {
    platform::lock_down_dir(target).map_err(MigrationError::file("make the folder", target))?;
    for file in files {
        let to = target.join(file);
        if let Some(folder) = to.parent() {
            fs_err::create_dir_all(folder).map_err(MigrationError::file("make the folder", folder))?;
        }
        fs_err::copy(source.join(file), &to).map_err(MigrationError::file("write", &to))?;
    }
    Ok(())
}
