//! Two repositories with the golden packages: pooled, judged each by its own trust, one that is damaged left out.

use std::path::Path;

use muster_shared::catalogue::Catalogue;
use muster_shared::index::{IndexEntry, IndexLimits};

use super::*;
use crate::update::offers::capabilities;

const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/golden");

fn now() -> Timestamp {
    "2026-12-01T00:00:00Z".parse().unwrap()
}

struct Place {
    folder: tempfile::TempDir,
    paths: Paths,
}

/// Which of the golden rows a repository lists.
type Choice<'a> = &'a dyn Fn(&IndexEntry) -> bool;

impl Place {
    /// Repositories with the golden rows that `choose` takes.
    fn new(repositories: &[(&str, Choice<'_>)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let paths = Paths::new(Some(folder.path()));
        platform::lock_down_dir(&paths.private_dir()).unwrap();
        fs_err::create_dir_all(paths.trust_dir()).unwrap();
        let place = Self { folder, paths };
        Place::trusts(&place.paths.trust_dir(), "signer.crt");
        let bytes = fs_err::read(Path::new(GOLDEN).join("repo/Packages")).unwrap();
        let golden = muster_shared::index::read(&bytes, &IndexLimits::default()).unwrap();
        for (name, choose) in repositories {
            let file = place.paths.index_of(name);
            fs_err::create_dir_all(file.parent().unwrap()).unwrap();
            let rows: Vec<IndexEntry> = golden
                .entries
                .iter()
                .filter(|entry| choose(entry))
                .cloned()
                .collect();
            let bytes = muster_shared::index::write(&rows, &golden.certificates, &[], now()).unwrap();
            fs_err::write(file, bytes).unwrap();
        }
        place
    }

    fn trusts(folder: &Path, certificate: &str) {
        fs_err::create_dir_all(folder).unwrap();
        fs_err::copy(
            Path::new(GOLDEN).join("keys").join(certificate),
            folder.join(certificate),
        )
        .unwrap();
    }

    fn config(of_extra: &str) -> Config {
        let text = format!(
            "repo_url = \"https://main.example/wapt\"\nrepositories = [\"extra\"]\n[repository.extra]\nrepo_url = \
             \"https://extra.example/wapt\"\n{of_extra}\n"
        );
        Config::parse(&text, Path::new("agent.toml")).unwrap()
    }

    fn offered(&self, config: &Config, asked: &str) -> Offers {
        let asked = BTreeSet::from([asked.to_owned()]);
        let pool = Pool::of(&self.paths, config).unwrap();
        pool.offered(asked, now(), Collected::new(), true).unwrap()
    }
}

fn rows(offers: &Offers) -> Vec<(&str, &str)> {
    let mut rows: Vec<(&str, &str)> = offers
        .entries
        .iter()
        .map(|entry| (entry.control.package(), entry.repository.as_str()))
        .collect();
    rows.sort_unstable();
    rows
}

fn named(name: &'static str) -> impl Fn(&IndexEntry) -> bool {
    move |entry| entry.control.package() == name
}

#[test]
fn a_package_and_what_it_needs_are_found_in_different_repositories() {
    for (main, extra) in [("peer-base", "peer-app"), ("peer-app", "peer-base")] {
        let place = Place::new(&[("wapt", &named(main)), ("extra", &named(extra))]);
        let config = Place::config("");
        for _again in 0..2 {
            let offers = place.offered(&config, "peer-app");
            let mut expected = vec![(main, "wapt"), (extra, "extra")];
            expected.sort_unstable();
            assert_eq!(rows(&offers), expected);
        }
    }
}

#[test]
fn of_the_same_package_in_both_the_main_repository_is_taken() {
    let place = Place::new(&[("wapt", &named("peer-base")), ("extra", &named("peer-base"))]);
    let config = Place::config("");
    let offers = place.offered(&config, "peer-base");
    assert_eq!(offers.entries.len(), 2);
    let catalogue = Catalogue::new(offers.entries, &capabilities(&config, now()));
    assert_eq!(catalogue.newest("peer-base").unwrap().repository, "wapt");
}

#[test]
fn each_repository_is_judged_by_its_own_trust_folder() {
    let place = Place::new(&[("wapt", &named("peer-base")), ("extra", &named("peer-app"))]);
    let own = place.folder.path().join("own");
    Place::trusts(&own, "untrusted.crt");
    let config = Place::config(&format!("public_certs_dir = {:?}", own.display().to_string()));
    let offers = place.offered(&config, "peer-app");
    assert!(rows(&offers).is_empty(), "{offers:?}");
    assert!(
        offers.refused[0].reason.contains("in the repository extra"),
        "{offers:?}"
    );
    // With the signer in the folder of its own it is as without one; the main one needs its own all the same.
    Place::trusts(&own, "signer.crt");
    fs_err::remove_file(place.paths.trust_dir().join("signer.crt")).unwrap();
    Place::trusts(&place.paths.trust_dir(), "untrusted.crt");
    let offers = place.offered(&config, "peer-app");
    assert_eq!(rows(&offers), [("peer-app", "extra")]);
}

#[test]
fn a_repository_that_is_damaged_or_missing_stops_no_other_and_nothing_counts_as_gone() {
    let place = Place::new(&[("wapt", &named("peer-base")), ("extra", &named("peer-app"))]);
    let config = Place::config("");
    assert!(!place.offered(&config, "peer-base").entries.is_empty());
    assert!(!place.offered(&config, "peer-app").entries.is_empty());
    assert!(place.offered(&config, "peer-base").is_whole);
    // The second time the kept answer says so: what is known of all rows is not read.
    for rows in ["index-rows.json", "index-rows-extra.json"] {
        fs_err::remove_file(place.paths.private_dir().join(rows)).unwrap();
    }
    assert!(place.offered(&config, "peer-base").is_whole);
    fs_err::write(place.paths.index_of("extra"), "nonsense").unwrap();
    let offers = place.offered(&config, "peer-base");
    assert!(!offers.is_whole);
    assert_eq!(rows(&offers), [("peer-base", "wapt")]);
    fs_err::remove_file(place.paths.index_of("extra")).unwrap();
    let pool = Pool::of(&place.paths, &config).unwrap();
    assert!(pool.has_index());
    let offers = place.offered(&config, "peer-base");
    assert!(!offers.is_whole);
    assert_eq!(rows(&offers), [("peer-base", "wapt")]);
}

#[test]
fn an_index_without_rows_says_of_no_package_that_it_is_gone() {
    let place = Place::new(&[("wapt", &named("peer-base")), ("extra", &|_entry| false)]);
    let config = Place::config("");
    for _again in 0..2 {
        assert!(!place.offered(&config, "peer-base").is_whole);
    }
}
