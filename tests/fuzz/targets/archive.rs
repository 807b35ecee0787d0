//! Package archives: no panic and no unbounded work; what the reader accepts has safe, distinct names, and a
//! package that verifies unpacks inside its folder.
#![no_main]

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use muster_shared::crypto::TrustStore;
use muster_shared::package::{Package, Unverified, entry_name, member};

struct Place {
    file: PathBuf,
    trust: TrustStore,
}

static PLACE: LazyLock<Place> = LazyLock::new(|| {
    let memory = PathBuf::from("/dev/shm");
    let folder = if memory.is_dir() {
        memory
    } else {
        std::env::temp_dir()
    };
    let golden = concat!(env!("CARGO_MANIFEST_DIR"), "/../golden/certs");
    Place {
        file: folder.join(format!("muster-fuzz-{}.wapt", std::process::id())),
        trust: TrustStore::from_folder(golden.as_ref()).expect("the golden certificates"),
    }
});

fuzz_target!(|bytes: &[u8]| {
    let place = &*PLACE;
    std::fs::write(&place.file, bytes).expect("a file in memory");
    let Ok(package) = Package::<Unverified>::open(&place.file) else {
        return;
    };
    let mut names = BTreeSet::new();
    for entry in package.entries() {
        assert_eq!(entry_name::check(&entry.name), Ok(()));
        assert!(
            names.insert(entry_name::fold(&entry.name)) || entry.is_dir(),
            "{:?}",
            entry.name
        );
    }
    for name in [
        member::CONTROL,
        member::CERTIFICATE,
        member::MANIFEST,
        member::ICON,
    ] {
        package.read_member(name, 1 << 20).ok();
    }
    package.claimed_rules().ok();
    package.certificates().ok();
    let at = "2026-11-24T12:00:00Z".parse().expect("a time");
    if let Ok(package) = package.verify(&place.trust, at) {
        package.sha1_twins().ok();
        package.rules().ok();
        assert!(package.unpacked_size() < 1 << 30);
    }
});
