//! The folder of downloaded packages: what is old or too much goes, oldest first.

use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;

/// How much the cache may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes in all.
    pub max_bytes: u64,
    /// Files that nothing touched for longer than this go.
    pub max_age: Duration,
}

impl Limits {
    /// MiB in all, and days.
    pub fn new(mib: u64, days: u64) -> Self {
        Self {
            max_bytes: mib.saturating_mul(1024 * 1024),
            max_age: Duration::from_secs(days.saturating_mul(24 * 60 * 60)),
        }
    }
}

impl Default for Limits {
    /// 8 GiB and 30 days.
    fn default() -> Self {
        Self {
            max_bytes: 8 * 1024 * 1024 * 1024,
            max_age: Duration::from_hours(30 * 24),
        }
    }
}

/// What was taken away.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cleaned {
    pub files: u64,
    pub bytes: u64,
}

/// Removes packages, pictures and unfinished downloads that are older than the limit, then the oldest until the
/// rest fits, in the folder and in those directly below it: of further repositories, and of pictures. Files that `keep`
/// names (by file name) stay, whatever their age.
///
/// # Errors
/// When the folder cannot be read; a file that cannot be removed is left and logged.
pub fn clean(
    folder: &Path,
    limits: Limits,
    keep: impl Fn(&str) -> bool,
    now: Timestamp,
) -> std::io::Result<Cleaned> {
    let mut found = Vec::new();
    let mut total = 0_u64;
    for entry in entries(folder)? {
        let Ok(metadata) = entry.metadata() else {
            continue;
        };
        let name = entry.file_name().to_string_lossy().into_owned();
        // Exactly the endings that this program writes.
        let is_ours = [".wapt", ".part", ".part.json", ".png"]
            .iter()
            .any(|ending| name.ends_with(ending));
        if !metadata.is_file() || !is_ours {
            continue;
        }
        total = total.saturating_add(metadata.len());
        if keep(&name) {
            continue;
        }
        let touched = metadata
            .modified()
            .ok()
            .and_then(|time| Timestamp::try_from(time).ok())
            .unwrap_or(Timestamp::UNIX_EPOCH);
        found.push(Stored {
            path: entry.path(),
            size: metadata.len(),
            touched,
        });
    }
    found.sort_by(|one, other| (one.touched, &one.path).cmp(&(other.touched, &other.path)));
    let mut cleaned = Cleaned::default();
    for stored in found {
        let age = now.duration_since(stored.touched);
        let is_old = Duration::try_from(age).is_ok_and(|age| age > limits.max_age);
        if !is_old && total <= limits.max_bytes {
            continue;
        }
        match fs_err::remove_file(&stored.path) {
            Ok(()) => {
                total = total.saturating_sub(stored.size);
                cleaned.files += 1;
                cleaned.bytes += stored.size;
            }
            Err(error) => tracing::warn!(%error, "a file of the cache cannot be removed"),
        }
    }
    Ok(cleaned)
}

/// Everything in the folder and in the folders in it.
fn entries(folder: &Path) -> std::io::Result<Vec<fs_err::DirEntry>> {
    let of = |folder: &Path| match fs_err::read_dir(folder) {
        Ok(entries) => entries.collect::<std::io::Result<Vec<_>>>(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    };
    let mut all = of(folder)?;
    let folders: Vec<PathBuf> = all
        .iter()
        // A link is no folder of a repository.
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .map(fs_err::DirEntry::path)
        .collect();
    for below in folders {
        all.extend(of(&below)?);
    }
    Ok(all)
}

struct Stored {
    path: PathBuf,
    size: u64,
    touched: Timestamp,
}

#[cfg(test)]
mod tests {
    use muster_shared::clock;

    use super::*;

    fn store(folder: &Path, name: &str, size: usize, days_old: i64, now: Timestamp) {
        let path = folder.join(name);
        fs_err::write(&path, vec![0_u8; size]).unwrap();
        let time = now - jiff::SignedDuration::from_hours(24 * days_old);
        let file = fs_err::OpenOptions::new().write(true).open(&path).unwrap();
        let since_epoch = Duration::from_secs(time.as_second().unsigned_abs());
        file.set_modified(std::time::UNIX_EPOCH + since_epoch).unwrap();
    }

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<_> = fs_err::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn old_files_go_and_other_peoples_files_stay() {
        let place = tempfile::tempdir().unwrap();
        let now = clock::now();
        for name in ["old.wapt", "old.wapt.0011.part", "kept.wapt", "Packages"] {
            store(place.path(), name, 10, 40, now);
        }
        store(place.path(), "new.wapt", 10, 1, now);
        // Each version of a package has a picture of its own.
        let icons = place.path().join("icons");
        fs_err::create_dir(&icons).unwrap();
        store(&icons, "old.png", 10, 40, now);
        store(&icons, "new.png", 10, 1, now);
        let cleaned = clean(place.path(), Limits::default(), |name| name == "kept.wapt", now).unwrap();
        assert_eq!(cleaned, Cleaned { files: 3, bytes: 30 });
        assert_eq!(
            names(place.path()),
            ["Packages", "icons", "kept.wapt", "new.wapt"]
        );
        assert_eq!(names(&icons), ["new.png"]);
    }

    #[test]
    fn the_oldest_go_first_until_the_rest_fits() {
        let place = tempfile::tempdir().unwrap();
        let now = clock::now();
        for (name, age) in [("a.wapt", 3), ("b.wapt", 2), ("c.wapt", 1)] {
            store(place.path(), name, 100, age, now);
        }
        let limits = Limits {
            max_bytes: 150,
            ..Limits::default()
        };
        clean(place.path(), limits, |_name| false, now).unwrap();
        assert_eq!(names(place.path()), ["c.wapt"]);
    }

    #[test]
    fn packages_of_all_repositories_share_the_room() {
        let place = tempfile::tempdir().unwrap();
        let now = clock::now();
        let extra = place.path().join("extra");
        fs_err::create_dir(&extra).unwrap();
        store(&extra, "a.wapt", 100, 3, now);
        store(place.path(), "b.wapt", 100, 2, now);
        let limits = Limits {
            max_bytes: 150,
            ..Limits::new(1, 30)
        };
        let cleaned = clean(place.path(), limits, |_name| false, now).unwrap();
        assert_eq!(cleaned, Cleaned { files: 1, bytes: 100 });
        assert_eq!(names(place.path()), ["b.wapt", "extra"]);
        assert!(names(&extra).is_empty());
    }

    #[test]
    fn a_cache_that_was_never_made_is_empty() {
        let place = tempfile::tempdir().unwrap();
        let missing = place.path().join("none");
        assert_eq!(
            clean(&missing, Limits::default(), |_name| false, clock::now()).unwrap(),
            Cleaned::default()
        );
    }
}
