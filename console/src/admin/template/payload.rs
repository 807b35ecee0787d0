//! What the package installs, copied into its sources.

use std::path::Path;

use super::TemplateError;
use crate::admin::installer::{Installer, Kind};

/// The folder in the sources that holds a program that needs no installation.
pub(super) const FOLDER: &str = "files";

/// The name of an installer in the sources: every system can hold it, and a script can write it.
pub(super) fn file_name(installer: &Installer) -> String {
    let name: String = installer
        .file_name
        .chars()
        .map(|letter| {
            if letter.is_alphanumeric()
                || matches!(letter, '-' | '_' | '.' | '+' | ' ' | '(' | ')' | '~' | ',')
            {
                letter
            } else {
                '_'
            }
        })
        .collect();
    let name = name.trim_start_matches(['.', ' ']).trim_end_matches(['.', ' ']);
    if name.is_empty() {
        "installer".to_owned()
    } else {
        name.to_owned()
    }
}

/// Refuses to make the sources inside of the folder that is copied into them.
pub(super) fn check_outside(folder: &Path, parent: &Path) -> Result<(), TemplateError> {
    let resolved = |path: &Path| fs_err::canonicalize(path).unwrap_or_else(|_missing| path.to_owned());
    if resolved(parent).starts_with(resolved(folder)) {
        return Err(TemplateError::Inside {
            path: parent.to_owned(),
        });
    }
    Ok(())
}

/// Copies the installer, or the files of the folder, and adds their names.
pub(super) fn copy(
    installer: &Installer,
    staged: &Path,
    target: &Path,
    names: &mut Vec<String>,
) -> Result<(), TemplateError> {
    if installer.kind == Kind::Folder {
        return copy_folder(&installer.path, &staged.join(FOLDER), FOLDER, names);
    }
    let name = file_name(installer);
    fs_err::copy(&installer.path, staged.join(&name)).map_err(|source| TemplateError::Write {
        path: target.join(&name),
        source,
    })?;
    names.push(name);
    Ok(())
}

fn copy_folder(from: &Path, to: &Path, shown: &str, names: &mut Vec<String>) -> Result<(), TemplateError> {
    let unreadable = |source| TemplateError::Read {
        path: from.to_owned(),
        source,
    };
    if !fs_err::metadata(from).map_err(unreadable)?.is_dir() {
        return Err(TemplateError::NotAFolder {
            path: from.to_owned(),
        });
    }
    fs_err::create_dir_all(to).map_err(|source| TemplateError::Write {
        path: to.to_owned(),
        source,
    })?;
    let mut entries = Vec::new();
    for entry in fs_err::read_dir(from).map_err(unreadable)? {
        entries.push(entry.map_err(unreadable)?);
    }
    entries.sort_by_key(fs_err::DirEntry::file_name);
    for entry in entries {
        let path = entry.path();
        let kind = entry.file_type().map_err(|source| TemplateError::Read {
            path: path.clone(),
            source,
        })?;
        let target = to.join(entry.file_name());
        let shown = format!("{shown}/{}", entry.file_name().to_string_lossy());
        if kind.is_dir() {
            copy_folder(&path, &target, &shown, names)?;
        } else if kind.is_file() {
            fs_err::copy(&path, &target).map_err(|source| TemplateError::Write { path: target, source })?;
            names.push(shown);
        } else {
            return Err(TemplateError::Special { path });
        }
    }
    Ok(())
}
