//! Damaged installers are refused or read as far as they go: nothing panics, hangs or takes all memory.

use std::path::Path;

use muster_console::admin::installer;
use proptest::prelude::*;

use crate::installers::{deb, has, msi, nsis, rpm};
use crate::support::Place;

fn damaged(path: &Path, changes: &[(f64, u8)], cut: Option<f64>) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let mut bytes = fs_err::read(path).unwrap();
    let place = |share: f64, length: usize| ((length as f64 * share) as usize).min(length - 1);
    for (share, change) in changes {
        let at = place(*share, bytes.len());
        bytes[at] ^= change;
    }
    if let Some(share) = cut {
        bytes.truncate(place(share, bytes.len()));
    }
    fs_err::write(dir.path().join(path.file_name().unwrap()), bytes).unwrap();
    dir
}

/// Damaged files are read as far as they go, or refused; nothing panics, hangs or takes all memory.
#[test]
fn damaged_installers_are_refused_or_read_without_a_panic() {
    let place = Place::new();
    let mut files = Vec::new();
    if has("wixl") {
        files.push(msi(&place));
    }
    if has("makensis") {
        files.push(nsis(&place));
    }
    if has("dpkg-deb") {
        files.push(deb(&place, "gzip"));
        files.push(deb(&place, "xz"));
        files.push(deb(&place, "zstd"));
    }
    if has("rpmbuild") {
        files.push(rpm(&place));
    }
    if files.is_empty() {
        return;
    }
    let share = || prop_oneof![0.0..1.0_f64, 0.0..0.05_f64];
    let changes = prop::collection::vec((share(), 1..=255_u8), 0..8);
    let cut = prop::option::of(share());
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig {
        cases: 400,
        failure_persistence: None,
        ..ProptestConfig::default()
    });
    runner
        .run(&(0..files.len(), changes, cut), |(number, changes, cut)| {
            let dir = damaged(&files[number], &changes, cut);
            installer::read(&dir.path().join(files[number].file_name().unwrap())).ok();
            Ok(())
        })
        .unwrap();
    for file in &files {
        let dir = damaged(file, &[], Some(0.01));
        assert!(installer::read(&dir.path().join(file.file_name().unwrap())).is_err());
    }
}
