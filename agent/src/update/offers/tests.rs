//! Which rows of an index count, and that nothing is computed twice.

use super::*;

const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/golden");

fn now() -> Timestamp {
    "2026-12-01T00:00:00Z".parse().unwrap()
}

fn trust(names: &[&str]) -> TrustStore {
    let certificate = |name: &&str| {
        Certificate::chain_from_file(&Path::new(GOLDEN).join("keys").join(name))
            .unwrap()
            .remove(0)
    };
    TrustStore::new(names.iter().map(certificate).collect())
}

/// A folder with the golden index, or another one, in it.
struct Place {
    _folder: tempfile::TempDir,
    files: Files,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str| folder.path().join(name);
        let files = Files {
            index: file("Packages"),
            rows: file("rows"),
            offers: file("offers"),
        };
        Self {
            _folder: folder,
            files,
        }
    }

    fn golden() -> Self {
        let place = Self::new();
        fs_err::copy(Path::new(GOLDEN).join("repo/Packages"), &place.files.index).unwrap();
        place
    }

    fn forged(change: impl Fn(&mut IndexEntry)) -> Self {
        let place = Self::golden();
        let bytes = fs_err::read(&place.files.index).unwrap();
        let mut index = muster_shared::index::read(&bytes, &IndexLimits::default()).unwrap();
        index.entries.iter_mut().for_each(change);
        let bytes = muster_shared::index::write(&index.entries, &index.certificates, &[], now()).unwrap();
        fs_err::write(&place.files.index, bytes).unwrap();
        place
    }

    fn ask(&self, wish: &[&str], trusted: &[&str]) -> Offers {
        self.ask_at(wish, trusted, now())
    }

    fn ask_at(&self, wish: &[&str], trusted: &[&str], at: Timestamp) -> Offers {
        let roots = wish.iter().map(|name| (*name).to_owned()).collect();
        offered(&self.files, roots, &trust(trusted), at, Gathered::default(), true).unwrap()
    }
}

fn names(offers: &Offers) -> Vec<&str> {
    let mut names: Vec<&str> = offers
        .entries
        .iter()
        .map(|entry| entry.control.package())
        .collect();
    names.sort_unstable();
    names
}

#[test]
fn what_is_asked_for_is_offered_with_all_that_it_leads_to_and_nothing_else() {
    let place = Place::golden();
    for _again in 0..2 {
        let offers = place.ask(&["peer-app"], &["signer.crt"]);
        assert_eq!(names(&offers), ["peer-app", "peer-base"]);
        assert!(offers.refused.is_empty());
    }
}

#[test]
fn rows_of_signers_that_this_machine_does_not_trust_are_refused_with_the_reason() {
    let offers = Place::golden().ask(&["peer-app"], &["ca.crt"]);
    assert!(offers.entries.is_empty());
    assert_eq!(offers.refused[0].package, "peer-app");
    assert!(
        offers.refused[0].reason.contains("no trusted certificate"),
        "{}",
        offers.refused[0].reason
    );
}

#[test]
fn a_row_that_was_changed_is_refused_and_the_others_stay() {
    let place = Place::forged(|entry| {
        if entry.control.package() == "peer-app" {
            entry.control.set("depends", "something-else");
        }
    });
    let offers = place.ask(&["peer-app", "peer-base"], &["signer.crt"]);
    assert_eq!(names(&offers), ["peer-base"]);
    assert_eq!(offers.refused.len(), 1);
}

#[test]
fn signatures_are_judged_at_the_given_time_whatever_was_kept() {
    let place = Place::golden();
    assert_eq!(names(&place.ask(&["peer-base"], &["signer.crt"])), ["peer-base"]);
    let early = "2020-01-01T00:00:00Z".parse().unwrap();
    let offers = place.ask_at(&["peer-base"], &["signer.crt"], early);
    assert!(offers.entries.is_empty());
    assert!(
        offers.refused[0].reason.contains("not valid before"),
        "{}",
        offers.refused[0].reason
    );
    let late = "2126-01-01T00:00:00Z".parse().unwrap();
    assert!(
        place
            .ask_at(&["peer-base"], &["signer.crt"], late)
            .entries
            .is_empty()
    );
    assert_eq!(names(&place.ask(&["peer-base"], &["signer.crt"])), ["peer-base"]);
}

#[test]
fn a_certificate_that_leaves_or_joins_the_trust_folder_counts_at_once() {
    let place = Place::golden();
    assert_eq!(names(&place.ask(&["peer-base"], &["signer.crt"])), ["peer-base"]);
    assert!(place.ask(&["peer-base"], &["ca.crt"]).entries.is_empty());
    // Never computed before, as nobody trusted it.
    let place = Place::golden();
    assert!(place.ask(&["peer-base"], &["ca.crt"]).entries.is_empty());
    assert_eq!(
        names(&place.ask(&["peer-base"], &["signer.crt", "ca.crt"])),
        ["peer-base"]
    );
}

#[test]
fn a_forged_row_is_refused_although_the_true_one_was_known() {
    let place = Place::golden();
    assert_eq!(names(&place.ask(&["peer-app"], &["signer.crt"])).len(), 2);
    let forged = Place::forged(|entry| {
        if entry.control.package() == "peer-app" {
            entry.control.set("depends", "");
        }
    });
    let bytes = fs_err::read(&forged.files.index).unwrap();
    let gathered = take_index(&place.files, &bytes, &trust(&["signer.crt"]), now()).unwrap();
    let roots = BTreeSet::from(["peer-app".to_owned(), "peer-base".to_owned()]);
    let offers = offered(
        &place.files,
        roots,
        &trust(&["signer.crt"]),
        now(),
        gathered,
        true,
    )
    .unwrap();
    assert_eq!(names(&offers), ["peer-base"]);
    assert_eq!(offers.refused[0].package, "peer-app");
}

#[test]
fn what_was_kept_and_cannot_be_read_is_worked_out_again() {
    let place = Place::golden();
    let before = names(&place.ask(&["peer-app"], &["signer.crt"])).len();
    for file in [&place.files.rows, &place.files.offers] {
        fs_err::write(file, b"{\"format\":1").unwrap();
    }
    assert_eq!(names(&place.ask(&["peer-app"], &["signer.crt"])).len(), before);
}

#[test]
fn a_kept_answer_counts_and_one_of_another_format_is_worked_out_again() {
    let place = Place::golden();
    let asked = |place: &Place| names(&place.ask(&["peer-app"], &["signer.crt"])).len();
    assert_eq!(asked(&place), 2);
    let kept = || -> serde_json::Value {
        serde_json::from_slice(&fs_err::read(&place.files.offers).unwrap()).unwrap()
    };
    let change = |name: &str, value: serde_json::Value| {
        let mut answer = kept();
        *answer.pointer_mut(name).unwrap() = value;
        fs_err::write(&place.files.offers, answer.to_string()).unwrap();
    };
    change("/offers/entries", serde_json::json!([]));
    assert_eq!(asked(&place), 0, "the answer was kept");
    change("/format", (FORMAT + 1).into());
    assert_eq!(asked(&place), 2);
    assert_eq!(kept()["format"], FORMAT);
}

#[test]
fn a_new_index_gives_what_a_fresh_agent_would_see() {
    let place = Place::golden();
    let asked = ["peer-app"];
    place.ask(&asked, &["signer.crt"]);
    let known = KnownRows::read(&place.files.rows).unwrap();
    let bytes = fs_err::read(&place.files.index).unwrap();
    let gathered = take_index(&place.files, &bytes, &trust(&["signer.crt"]), now()).unwrap();
    assert_eq!(gathered.picked.len(), 2);
    assert_eq!(KnownRows::read(&place.files.rows).unwrap().1, known.1);
}

#[test]
fn what_is_no_index_replaces_nothing() {
    let place = Place::golden();
    let before = fs_err::read(&place.files.index).unwrap();
    assert!(take_index(&place.files, b"nonsense", &trust(&["signer.crt"]), now()).is_err());
    assert_eq!(fs_err::read(&place.files.index).unwrap(), before);
}
