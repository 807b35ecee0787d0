//! Small files in memory, so that a fleet asking for the same icon or group package costs no disk.
//!
//! Bounded in bytes; the file used longest ago goes first. An entry is only given out for the content that
//! the caller expects, so a replaced file is never served from here.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use actix_web::web::Bytes;

use super::file_store::{Area, FileName};

/// The largest file that is kept, in bytes.
pub(super) const MAX_FILE_BYTES: u64 = 512 * 1024;

/// All kept files together, in bytes.
const MAX_TOTAL_BYTES: usize = 32 * 1024 * 1024;

/// Files kept in memory.
#[derive(Debug, Default)]
pub(super) struct Cache {
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    files: HashMap<(Area, String), Entry>,
    total_bytes: usize,
    /// Grows with each use: tells which file was used longest ago.
    uses: u64,
}

#[derive(Debug)]
struct Entry {
    bytes: Bytes,
    /// Names the content.
    tag: String,
    used: u64,
}

impl Cache {
    /// The content of a file, when it is kept and has this tag; any content without a tag.
    pub(super) fn find(&self, area: Area, name: &FileName, tag: Option<&str>) -> Option<(Bytes, String)> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.uses += 1;
        let used = held.uses;
        let entry = held.files.get_mut(&(area, name.as_str().to_owned()))?;
        if tag.is_some_and(|tag| tag != entry.tag) {
            return None;
        }
        entry.used = used;
        Some((entry.bytes.clone(), entry.tag.clone()))
    }

    /// Keeps a file, unless it is too large, and lets others go for it.
    pub(super) fn keep(&self, area: Area, name: &FileName, tag: &str, bytes: Bytes) {
        if bytes.len() as u64 > MAX_FILE_BYTES {
            return;
        }
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.uses += 1;
        held.total_bytes += bytes.len();
        let entry = Entry {
            bytes,
            tag: tag.to_owned(),
            used: held.uses,
        };
        if let Some(before) = held.files.insert((area, name.as_str().to_owned()), entry) {
            held.total_bytes -= before.bytes.len();
        }
        held.shrink();
    }

    /// Lets a file go.
    pub(super) fn forget(&self, area: Area, name: &FileName) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(entry) = held.files.remove(&(area, name.as_str().to_owned())) {
            held.total_bytes -= entry.bytes.len();
        }
    }
}

impl Held {
    /// Lets the older half go when the limit is passed, so that finding the oldest is paid once for many.
    fn shrink(&mut self) {
        if self.total_bytes <= MAX_TOTAL_BYTES {
            return;
        }
        let mut uses: Vec<u64> = self.files.values().map(|entry| entry.used).collect();
        uses.sort_unstable();
        let middle = uses.get(uses.len() / 2).copied().unwrap_or(u64::MAX);
        self.files.retain(|_, entry| entry.used >= middle);
        self.total_bytes = self.files.values().map(|entry| entry.bytes.len()).sum();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> FileName {
        text.parse().unwrap()
    }

    #[test]
    fn only_the_expected_content_is_given_out() {
        let cache = Cache::default();
        cache.keep(Area::Icons, &name("a.png"), "one", Bytes::from_static(b"1"));
        assert!(cache.find(Area::Icons, &name("a.png"), Some("one")).is_some());
        assert!(cache.find(Area::Icons, &name("a.png"), Some("two")).is_none());
        assert_eq!(cache.find(Area::Icons, &name("a.png"), None).unwrap().1, "one");
        assert!(cache.find(Area::Packages, &name("a.png"), None).is_none());
        cache.forget(Area::Icons, &name("a.png"));
        assert!(cache.find(Area::Icons, &name("a.png"), None).is_none());
    }

    #[test]
    fn the_memory_used_is_bounded_and_what_is_used_stays() {
        let cache = Cache::default();
        let file = Bytes::from(vec![0; 500 * 1024]);
        cache.keep(Area::Icons, &name("used.png"), "t", file.clone());
        for number in 0..500 {
            cache.keep(Area::Icons, &name(&format!("{number}.png")), "t", file.clone());
            assert!(
                cache.find(Area::Icons, &name("used.png"), None).is_some(),
                "{number}"
            );
        }
        let held = cache.held.lock().unwrap();
        assert!(held.total_bytes <= MAX_TOTAL_BYTES);
        assert_eq!(
            held.total_bytes,
            held.files.values().map(|entry| entry.bytes.len()).sum::<usize>()
        );
    }

    #[test]
    fn large_files_are_not_kept() {
        let cache = Cache::default();
        cache.keep(
            Area::Packages,
            &name("a.wapt"),
            "t",
            Bytes::from(vec![0; 600 * 1024]),
        );
        assert!(cache.find(Area::Packages, &name("a.wapt"), None).is_none());
    }
}
