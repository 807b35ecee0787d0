//! The icons beside an index: one file for each package that has a picture, named by the package's uuid.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::{FolderError, place};
use crate::control::{Control, Section};
use crate::index::IndexEntry;
use crate::package::{Package, Verified};

/// Writes the icon of a package that has one; `true` when a file was written.
pub(super) fn write(folder: &Path, package: &Package<Verified>) -> Result<bool, FolderError> {
    let Some((path, icon)) = wanted(folder, package) else {
        return Ok(false);
    };
    if fs_err::read(&path).is_ok_and(|known| known == icon) {
        return Ok(false);
    }
    let folder = folder.join("icons");
    fs_err::create_dir_all(&folder)
        .and_then(|()| place::replace(&path, &icon, None))
        .map_err(|source| FolderError::Write { path, source })?;
    Ok(true)
}

/// Where the icon of a package belongs, and its bytes, when it has one that is published.
pub(in crate::index) fn wanted(folder: &Path, package: &Package<Verified>) -> Option<(PathBuf, Vec<u8>)> {
    let name = name(package.control())?;
    let icon = package.icon()?;
    Some((folder.join("icons").join(name), icon))
}

/// The name of the icon file of a package, when its section has icons and its uuid can name a file.
pub(in crate::index) fn name(control: &Control) -> Option<String> {
    let has_icon = control.section_kind().is_ok_and(Section::has_icon);
    let uuid = control.get("package_uuid");
    let is_name = !uuid.is_empty()
        && uuid.len() <= 100
        && uuid
            .chars()
            .all(|character| character.is_ascii_alphanumeric() || character == '-');
    (has_icon && is_name).then(|| format!("{uuid}.png"))
}

/// Removes icons that are named by a uuid which no row has; other pictures stay.
pub(super) fn remove_orphans(folder: &Path, rows: &[IndexEntry]) -> Result<usize, FolderError> {
    let icons = folder.join("icons");
    let mut removed = 0;
    for name in orphans(&icons, rows).map_err(|source| FolderError::Read {
        path: icons.clone(),
        source,
    })? {
        let path = icons.join(name);
        fs_err::remove_file(&path).map_err(|source| FolderError::Write { path, source })?;
        removed += 1;
    }
    Ok(removed)
}

/// The icons that no row has, sorted.
pub(in crate::index) fn orphans(icons: &Path, rows: &[IndexEntry]) -> std::io::Result<Vec<String>> {
    let wanted: BTreeSet<String> = rows.iter().filter_map(|row| name(&row.control)).collect();
    let entries = match fs_err::read_dir(icons) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut orphans = Vec::new();
    for entry in entries {
        let entry = entry?;
        if let Some(name) = entry.file_name().to_str()
            && name
                .strip_suffix(".png")
                .is_some_and(|stem| stem.parse::<uuid::Uuid>().is_ok())
            && !wanted.contains(name)
        {
            orphans.push(name.to_owned());
        }
    }
    orphans.sort();
    Ok(orphans)
}
