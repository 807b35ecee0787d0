//! A repository folder: indexed again and again, by several at once, and judged as its readers would.
#![expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use muster_shared::crypto::issue::revocation_list;
use muster_shared::crypto::{Certificate, PrivateKey, TrustStore};
use muster_shared::index::check::{Checked, Problem, ProblemKind, check};
use muster_shared::index::folder::{FolderError, Indexed, Options, update};
use muster_shared::index::{Index, IndexLimits, read, write};
use muster_shared::package::{Package, Unverified};

const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/golden");

fn golden(name: &str) -> PathBuf {
    Path::new(GOLDEN).join(name)
}

fn now() -> Timestamp {
    "2026-12-01T00:00:00Z".parse().unwrap()
}

fn trust() -> TrustStore {
    TrustStore::from_folder(&golden("certs")).unwrap()
}

/// A folder with some golden packages, an hour old.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new(packages: &[&str]) -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        for package in packages {
            folder.put(package, &format!("repo/{package}"));
        }
        folder
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Copies a golden file, an hour old.
    fn put(&self, name: &str, from: &str) {
        fs_err::copy(golden(from), self.path(name)).unwrap();
        self.age(name);
    }

    fn age(&self, name: &str) {
        let file = fs_err::OpenOptions::new()
            .write(true)
            .open(self.path(name))
            .unwrap();
        file.file().set_modified(hour_ago()).unwrap();
    }

    fn update(&self, options: &Options<'_>) -> Result<Indexed, FolderError> {
        update(self.0.path(), options, now(), |_done, _all| {})
    }

    fn again(&self) -> Indexed {
        self.update(&Options::default()).unwrap()
    }

    fn full(&self) -> Indexed {
        let options = Options {
            full: true,
            ..Options::default()
        };
        self.update(&options).unwrap()
    }

    fn index(&self) -> Index {
        read(
            &fs_err::read(self.path("Packages")).unwrap(),
            &IndexLimits::default(),
        )
        .unwrap()
    }

    fn names(&self) -> Vec<String> {
        self.index().entries.into_iter().map(|row| row.filename).collect()
    }

    fn rewrite(&self, change: impl FnOnce(&mut Index)) {
        let mut index = self.index();
        change(&mut index);
        let bytes = write(&index.entries, &index.certificates, &index.crls, now()).unwrap();
        fs_err::write(self.path("Packages"), bytes).unwrap();
    }

    fn check(&self) -> Checked {
        check(self.0.path(), &trust(), now(), |_done, _all| {}).unwrap()
    }

    fn kinds(&self) -> Vec<ProblemKind> {
        self.check()
            .problems
            .into_iter()
            .map(|problem| problem.kind)
            .collect()
    }
}

fn hour_ago() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000)
}

const BASE: &str = "peer-base_1.2.3-4_PROD.wapt";
const APP: &str = "peer-app_1.0-0.wapt";
const GROUP: &str = "peer-group_3.wapt";

#[test]
fn what_did_not_change_is_neither_read_nor_written_again() {
    let folder = Folder::new(&[BASE, APP]);
    let first = folder.again();
    assert_eq!((first.packages, first.kept, first.unchanged), (2, 0, false));
    let written = fs_err::metadata(folder.path("Packages"))
        .unwrap()
        .modified()
        .unwrap();
    // Other bytes of the same size and age: only who reads the file can tell.
    let mut bytes = fs_err::read(folder.path(APP)).unwrap();
    bytes.reverse();
    fs_err::write(folder.path(APP), bytes).unwrap();
    folder.age(APP);
    let second = folder.again();
    assert_eq!((second.packages, second.kept, second.unchanged), (2, 2, true));
    assert_eq!(
        fs_err::metadata(folder.path("Packages"))
            .unwrap()
            .modified()
            .unwrap(),
        written
    );
    let full = folder.full();
    assert_eq!((full.packages, full.kept), (1, 0));
    assert_eq!(full.left_out[0].filename, APP);
}

#[test]
fn changed_and_new_files_are_read_and_deleted_ones_go_with_their_icons() {
    let folder = Folder::new(&[BASE, APP]);
    folder.again();
    let icons = || match fs_err::read_dir(folder.path("icons")) {
        Ok(entries) => entries.count(),
        Err(_none) => 0,
    };
    assert_eq!(icons(), 1, "one of the two has an icon");
    folder.put(GROUP, &format!("repo/{GROUP}"));
    // The same name with other content, newer than the index.
    fs_err::copy(golden(&format!("repo/{APP}")), folder.path("other.wapt")).unwrap();
    let changed = folder.again();
    assert_eq!((changed.packages, changed.kept), (4, 2));
    for name in [BASE, "other.wapt", APP] {
        fs_err::remove_file(folder.path(name)).unwrap();
    }
    fs_err::write(folder.path("icons/unknown.png"), "not ours").unwrap();
    let fewer = folder.again();
    assert_eq!((fewer.packages, fewer.kept, fewer.icons_removed), (1, 1, 1));
    assert_eq!(folder.names(), [GROUP]);
    assert!(folder.path("icons/unknown.png").exists());
}

#[test]
fn files_get_their_canonical_names_unless_another_file_has_them() {
    let folder = Folder::new(&[]);
    folder.put("some base.wapt", &format!("repo/{BASE}"));
    folder.put("twin.wapt", &format!("repo/{APP}"));
    folder.put(APP, &format!("repo/{APP}"));
    let options = Options {
        rename: true,
        ..Options::default()
    };
    let indexed = folder.update(&options).unwrap();
    assert_eq!(indexed.renamed, [("some base.wapt".to_owned(), BASE.to_owned())]);
    assert_eq!(indexed.left_out.len(), 1);
    assert_eq!(folder.names(), [APP, "twin.wapt", BASE]);
    assert!(folder.path(BASE).exists() && !folder.path("some base.wapt").exists());
}

#[test]
fn each_file_that_is_left_out_has_its_own_reason() {
    let folder = Folder::new(&[BASE]);
    for bad in ["tampered-file", "no-signature", "not-a-zip", "extra-file"] {
        folder.put(&format!("{bad}.wapt"), &format!("bad/{bad}.wapt"));
    }
    folder.put("untrusted.wapt", "bad/untrusted-signer.wapt");
    let trust = trust();
    let options = Options {
        trust: Some(&trust),
        ..Options::default()
    };
    let indexed = folder.update(&options).unwrap();
    assert_eq!(indexed.packages, 1);
    let mut reasons: Vec<&str> = indexed.left_out.iter().map(|one| one.reason.as_str()).collect();
    assert_eq!(reasons.len(), 5);
    reasons.sort_unstable();
    reasons.dedup();
    assert_eq!(reasons.len(), 5, "{reasons:?}");
}

#[test]
fn with_trust_kept_rows_are_judged_again() {
    let folder = Folder::new(&[BASE]);
    let good = trust();
    let with = |trust| Options {
        trust: Some(trust),
        ..Options::default()
    };
    assert_eq!(folder.update(&with(&good)).unwrap().kept, 0);
    assert_eq!(folder.update(&with(&good)).unwrap().kept, 1);
    let others = TrustStore::new(Certificate::chain_from_file(&golden("keys/ca.crt")).unwrap());
    let refused = folder.update(&with(&others)).unwrap();
    assert_eq!((refused.packages, refused.left_out.len()), (0, 1));
}

#[test]
fn several_at_once_lose_nothing() {
    let folder = Folder::new(&[BASE, APP, GROUP]);
    let options = Options {
        wait: Duration::from_mins(1),
        ..Options::default()
    };
    std::thread::scope(|scope| {
        for number in 0..4 {
            let (folder, options) = (&folder, &options);
            scope.spawn(move || {
                folder.put(&format!("copy-{number}.wapt"), &format!("repo/{GROUP}"));
                folder.update(options).unwrap();
                assert!(folder.names().contains(&format!("copy-{number}.wapt")));
            });
        }
    });
    assert_eq!(folder.names().len(), 7);
    // What an index lists is accepted: the same package under another file name is a warning.
    let checked = folder.check();
    assert_eq!(checked.problems, []);
    assert_eq!(checked.warnings.len(), 4);
    let is_twin = |problem: &Problem| problem.kind == ProblemKind::SamePackage;
    assert!(checked.warnings.iter().all(is_twin));
}

#[test]
fn who_cannot_wait_is_told_that_another_run_works() {
    let folder = Folder::new(&[BASE]);
    let lock = std::fs::File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(folder.path(".Packages.lock"))
        .unwrap();
    lock.lock().unwrap();
    assert!(matches!(
        folder.update(&Options::default()),
        Err(FolderError::Busy { .. })
    ));
    drop(lock);
    assert_eq!(folder.again().packages, 1);
}

#[test]
fn what_a_run_that_was_cut_off_left_goes() {
    let folder = Folder::new(&[BASE]);
    fs_err::write(folder.path(".Packages.1.new.part"), "half").unwrap();
    folder.again();
    assert!(!folder.path(".Packages.1.new.part").exists());
}

#[test]
fn an_index_that_is_damaged_hostile_or_of_the_predecessor_only_costs_reading_again() {
    let folder = Folder::new(&[BASE, APP]);
    fs_err::write(folder.path("Packages"), "nonsense").unwrap();
    assert_eq!(folder.again().kept, 0);
    folder.rewrite(|index| {
        for row in &mut index.entries {
            row.sha256sum = None;
        }
    });
    assert_eq!((folder.again().kept, folder.again().kept), (0, 2));
    folder.rewrite(|index| {
        let mut row = index.entries[0].clone();
        row.filename = "gone.wapt".into();
        index.entries.push(row);
    });
    assert_eq!(folder.again().packages, 2);
    assert_eq!(folder.names().len(), 2);
}

#[test]
fn revocation_lists_are_published_and_stay_until_a_full_run() {
    let folder = Folder::new(&[BASE]);
    let ca = Certificate::chain_from_file(&golden("keys/signer.crt"))
        .unwrap()
        .remove(0);
    let key = fs_err::read_to_string(golden("keys/signer.pem")).unwrap();
    let key = PrivateKey::from_pem(&key, None).unwrap();
    let list = revocation_list(&ca, &key, &[], 1, now(), now() + Duration::from_hours(24)).unwrap();
    let file = folder.path("given.crl.pem");
    fs_err::write(&file, list.to_pem()).unwrap();
    let options = Options {
        crls: std::slice::from_ref(&file),
        ..Options::default()
    };
    assert_eq!(folder.update(&options).unwrap().crls, 1);
    assert_eq!(folder.index().crls, [list.der().to_vec()]);
    assert_eq!(folder.again().crls, 1);
    assert_eq!(folder.full().crls, 0);
    fs_err::write(folder.path("ca.crl"), list.der()).unwrap();
    assert_eq!(folder.again().crls, 1);
    fs_err::write(folder.path("bad.crl"), "nonsense").unwrap();
    let bad = folder.again();
    assert_eq!((bad.crls, bad.left_out[0].filename.as_str()), (1, "bad.crl"));
}

#[test]
fn a_whole_repository_is_accepted_and_every_kind_of_damage_is_named() {
    let folder = Folder::new(&[BASE, APP, GROUP]);
    folder.again();
    let checked = folder.check();
    assert_eq!((checked.rows, checked.accepted), (3, 3));
    assert_eq!(checked.problems, []);

    let icon = fs_err::read_dir(folder.path("icons"))
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    fs_err::write(&icon, "another").unwrap();
    assert_eq!(folder.kinds(), [ProblemKind::Icon]);
    folder.full();
    assert_eq!(folder.kinds(), []);

    folder.rewrite(|index| index.entries[0].control.set("depends", ""));
    assert_eq!(folder.kinds(), [ProblemKind::Signature, ProblemKind::Control]);
    folder.full();

    folder.rewrite(|index| index.entries[0].size += 1);
    assert_eq!(folder.kinds(), [ProblemKind::Size]);
    folder.rewrite(|index| {
        index.entries[0].size -= 1;
        index.entries[0].md5sum = "0".repeat(32);
    });
    assert_eq!(folder.kinds(), [ProblemKind::Hash]);
    folder.full();

    fs_err::remove_file(folder.path(GROUP)).unwrap();
    folder.put("stray.wapt", "bad/tampered-file.wapt");
    assert_eq!(folder.kinds(), [ProblemKind::Missing, ProblemKind::Unlisted]);

    fs_err::write(folder.path("Packages"), "nonsense").unwrap();
    assert!(folder.kinds().contains(&ProblemKind::Index));
}

#[test]
fn rows_of_signers_that_nobody_trusts_are_problems() {
    let folder = Folder::new(&[BASE]);
    folder.again();
    let others = TrustStore::new(Certificate::chain_from_file(&golden("keys/ca.crt")).unwrap());
    let checked = check(folder.0.path(), &others, now(), |_done, _all| {}).unwrap();
    let kinds: Vec<_> = checked.problems.iter().map(|problem| problem.kind).collect();
    assert_eq!(kinds, [ProblemKind::Signer, ProblemKind::Package]);
}

#[cfg(unix)]
#[test]
fn a_pipe_named_as_a_package_is_left_out_and_waited_for_by_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("x.wapt");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status().unwrap();
    assert!(made.success());
    let refused = Package::<Unverified>::open(&pipe).unwrap_err();
    assert!(refused.to_string().contains("not a file"), "{refused}");
}

#[test]
fn a_forged_list_in_the_folder_does_not_drive_out_the_real_one() {
    let folder = Folder::new(&[BASE]);
    let ca = Certificate::chain_from_file(&golden("keys/signer.crt"))
        .unwrap()
        .remove(0);
    let key = fs_err::read_to_string(golden("keys/signer.pem")).unwrap();
    let key = PrivateKey::from_pem(&key, None).unwrap();
    let day = Duration::from_hours(24);
    let list = |number, made| revocation_list(&ca, &key, &[], number, made, now() + day).unwrap();
    let real = list(1, now());
    let mut forged = list(2, now() + Duration::from_hours(1)).der().to_vec();
    // Not signed any more.
    let last = forged.len() - 1;
    forged[last] ^= 1;
    fs_err::write(folder.path("a.crl"), &forged).unwrap();
    fs_err::write(folder.path("b.crl"), real.der()).unwrap();
    let indexed = folder.again();
    assert_eq!(folder.index().crls, [real.der().to_vec()]);
    let left: Vec<&str> = indexed.left_out.iter().map(|one| one.filename.as_str()).collect();
    assert_eq!(left, ["a.crl"]);
    assert!(
        indexed.left_out[0]
            .reason
            .contains("no certificate at hand signed")
    );
    // What is named does not lose to a file that lies around, however new it says to be.
    fs_err::write(
        folder.path("a.crl"),
        list(3, now() + Duration::from_hours(2)).der(),
    )
    .unwrap();
    let named = folder.path("named.pem");
    fs_err::write(&named, list(2, now() + Duration::from_hours(1)).to_pem()).unwrap();
    let options = Options {
        crls: std::slice::from_ref(&named),
        ..Options::default()
    };
    folder.update(&options).unwrap();
    assert_eq!(folder.index().crls.len(), 1);
    assert_eq!(
        folder.index().crls[0],
        list(2, now() + Duration::from_hours(1)).der().to_vec()
    );
}
