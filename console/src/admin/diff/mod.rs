//! What differs between two builds of a package: control, files, scripts.

mod side;

use std::path::PathBuf;
use std::time::Duration;

use muster_shared::control::Control;
use muster_shared::hint::Hint;
use muster_shared::package::{PackageError, member};
use serde::Serialize;
use similar::TextDiff;

pub use self::side::Side;

/// Texts up to this size are compared line by line, in bytes.
const MAX_TEXT_BYTES: u64 = 512 * 1024;
/// All comparisons by line together, in bytes.
const MAX_DIFF_BYTES: usize = 4 * 1024 * 1024;
/// A comparison by line that takes longer becomes coarser.
const COMPARE_WITHIN: Duration = Duration::from_secs(2);
/// Lines shown around a change.
const CONTEXT: usize = 3;

/// What a signature writes anew each time.
const SIGNATURE_ATTRIBUTES: [&str; 6] = [
    "package_uuid",
    "signer",
    "signer_fingerprint",
    "signature",
    "signature_date",
    "signed_attributes",
];

/// Why two packages cannot be compared.
#[derive(Debug, thiserror::Error)]
pub enum DiffError {
    #[error("{path} cannot be compared")]
    Package {
        path: PathBuf,
        #[source]
        source: PackageError,
    },
    #[error("cannot read {path}")]
    Read {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("{path} holds more files than a package can have")]
    TooMany { path: PathBuf },
}

impl Hint for DiffError {
    fn hints(&self) -> Vec<String> {
        match self {
            Self::Package { source, .. } => source.hints(),
            Self::Read { .. } | Self::TooMany { .. } => Vec::new(),
        }
    }
}

/// What differs. Every list is in name order.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Difference {
    pub control: Vec<AttributeDifference>,
    pub added: Vec<FileOfOneSide>,
    pub removed: Vec<FileOfOneSide>,
    pub changed: Vec<ChangedFile>,
}

/// One attribute of the control.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AttributeDifference {
    pub attribute: String,
    pub before: String,
    pub after: String,
}

/// A file that only one of the two has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FileOfOneSide {
    pub name: String,
    /// In bytes.
    pub size: u64,
}

/// A file that both have, with other content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ChangedFile {
    pub name: String,
    /// In bytes.
    pub size_before: u64,
    pub size_after: u64,
    /// The changed lines in the unified form; absent for binary and for large files.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub diff: Option<String>,
}

impl Difference {
    /// Nothing differs.
    pub fn is_empty(&self) -> bool {
        self.control.is_empty() && self.added.is_empty() && self.removed.is_empty() && self.changed.is_empty()
    }
}

/// Compares two builds; with `all` also what a signature writes anew each time.
///
/// # Errors
/// A file that differs cannot be read.
pub fn compare(before: &Side, after: &Side, all: bool) -> Result<Difference, DiffError> {
    let mut difference = Difference {
        control: compare_controls(before.control(), after.control(), all),
        ..Difference::default()
    };
    let is_left_out = |name: &str| {
        // The control is compared by its attributes, and manifests follow from the files.
        name == member::CONTROL || member::UNLISTED.contains(&name) || (!all && name == member::CERTIFICATE)
    };
    let mut budget = MAX_DIFF_BYTES;
    for (name, file) in before.files().iter().filter(|(name, _file)| !is_left_out(name)) {
        match after.files().get(name) {
            None => difference.removed.push(FileOfOneSide {
                name: name.clone(),
                size: file.size,
            }),
            Some(other) if other.sha256 == file.sha256 => {}
            Some(other) => {
                let diff = line_diff(before, after, name)?.filter(|diff| diff.len() <= budget);
                budget -= diff.as_ref().map_or(0, String::len);
                difference.changed.push(ChangedFile {
                    name: name.clone(),
                    size_before: file.size,
                    size_after: other.size,
                    diff,
                });
            }
        }
    }
    for (name, file) in after.files().iter().filter(|(name, _file)| !is_left_out(name)) {
        if !before.files().contains_key(name) {
            difference.added.push(FileOfOneSide {
                name: name.clone(),
                size: file.size,
            });
        }
    }
    Ok(difference)
}

/// The attributes that differ, those of the first in its order, then those that only the second has.
fn compare_controls(before: &Control, after: &Control, all: bool) -> Vec<AttributeDifference> {
    let only_after = after
        .attributes()
        .map(|(name, _value)| name)
        .filter(|name| !before.has(name));
    let names = before.attributes().map(|(name, _value)| name).chain(only_after);
    names
        .filter(|name| all || !SIGNATURE_ATTRIBUTES.contains(name))
        .filter(|name| before.get(name) != after.get(name))
        .map(|name| AttributeDifference {
            attribute: name.to_owned(),
            before: before.get(name).to_owned(),
            after: after.get(name).to_owned(),
        })
        .collect()
}

fn line_diff(before: &Side, after: &Side, name: &str) -> Result<Option<String>, DiffError> {
    let (Some(old), Some(new)) = (text(before, name)?, text(after, name)?) else {
        return Ok(None);
    };
    let diff = TextDiff::configure()
        .timeout(COMPARE_WITHIN)
        .diff_lines(&old, &new);
    let text = diff
        .unified_diff()
        .context_radius(CONTEXT)
        .header(&format!("a/{name}"), &format!("b/{name}"))
        .to_string();
    Ok(Some(text))
}

fn text(side: &Side, name: &str) -> Result<Option<String>, DiffError> {
    let Some(bytes) = side.read(name, MAX_TEXT_BYTES)? else {
        return Ok(None);
    };
    if bytes.contains(&0) {
        return Ok(None);
    }
    Ok(String::from_utf8(bytes).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sources(dir: &std::path::Path, files: &[(&str, &str)]) -> Side {
        for (name, content) in files {
            let path = dir.join(name);
            fs_err::create_dir_all(path.parent().unwrap()).unwrap();
            fs_err::write(path, content).unwrap();
        }
        Side::open(dir, jiff::Timestamp::UNIX_EPOCH).unwrap()
    }

    #[test]
    fn scripts_are_compared_by_line_and_signatures_only_when_asked() {
        let (a, b) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let before = sources(
            a.path(),
            &[
                ("WAPT/control", "package: a\nversion: 1.0-0\nsigner: alice"),
                ("setup.py", "def install():\n    pass\n"),
                ("same.txt", "x"),
                ("gone.txt", "x"),
                (".git/config", "x"),
            ],
        );
        let after = sources(
            b.path(),
            &[
                ("WAPT/control", "package: a\nversion: 1.0-1\nsigner: bob\nname: A"),
                ("setup.py", "def install():\n    print(1)\n"),
                ("same.txt", "x"),
                ("new.bin", "\u{0}"),
            ],
        );
        let difference = compare(&before, &after, false).unwrap();
        let names: Vec<&str> = difference
            .control
            .iter()
            .map(|one| one.attribute.as_str())
            .collect();
        assert_eq!(names, ["version", "name"]);
        assert_eq!(difference.added[0].name, "new.bin");
        assert_eq!(difference.removed[0].name, "gone.txt");
        assert_eq!(difference.changed.len(), 1);
        let diff = difference.changed[0].diff.as_ref().unwrap();
        assert!(diff.contains("-    pass\n+    print(1)\n"), "{diff}");
        assert_eq!(compare(&before, &after, true).unwrap().control.len(), 3);
        assert!(compare(&after, &after, true).unwrap().is_empty());
    }

    #[test]
    fn binary_and_large_files_are_only_named() {
        let (a, b) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let big = "x\n".repeat(300_000);
        let control = ("WAPT/control", "package: a\nversion: 1");
        let before = sources(a.path(), &[control, ("x.bin", "\u{0}a"), ("big.txt", &big)]);
        let after = sources(b.path(), &[control, ("x.bin", "\u{0}b"), ("big.txt", "x")]);
        let difference = compare(&before, &after, false).unwrap();
        assert_eq!(difference.changed.len(), 2);
        assert!(difference.changed.iter().all(|file| file.diff.is_none()));
    }
}
