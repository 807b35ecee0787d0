//! Which packages a host sees, newest and best fitting first under each name.
//!
//! [`filter`] says what a host does not take, [`resolve`] what follows from what is wanted, [`explain`]
//! puts both into sentences.

mod capabilities;
pub mod explain;
pub mod filter;
pub mod resolve;

use std::cmp::{Ordering, Reverse};
use std::collections::BTreeMap;

pub use self::capabilities::{Capabilities, WAPT_LEVEL};
pub use self::filter::{Refusal, Rule, refusal};
pub use self::resolve::{Change, Installed, Kept, Removal, Resolution, Step, Unresolved, Wanted, Why, plan};
use crate::control::{Control, Section};
use crate::index::IndexEntry;
use crate::name::unit_name_from_dn;
use crate::request::Request;
use crate::version::Parts;

/// The packages of a host's repositories as this host sees them.
#[derive(Debug, Clone, Default)]
pub struct Catalogue {
    entries: Vec<IndexEntry>,
    by_name: BTreeMap<String, Offers>,
}

/// The packages of one name, as places in the list of all.
#[derive(Debug, Clone, Default)]
struct Offers {
    visible: Vec<usize>,
    refused: Vec<(usize, Refusal)>,
}

impl Catalogue {
    /// Sorts the packages into those that the host takes, best first, and those that it does not.
    ///
    /// Among those of one name the order is: version, then the host's preference of architecture, language
    /// and maturity, then the later signature, then the file name.
    pub fn new(entries: Vec<IndexEntry>, host: &Capabilities) -> Self {
        let rules = filter::Rules::new(host);
        let mut by_name: BTreeMap<String, Offers> = BTreeMap::new();
        let mut ranks = vec![[0; 3]; entries.len()];
        for (place, (entry, rank)) in entries.iter().zip(&mut ranks).enumerate() {
            let offers = by_name.entry(key_of_package(&entry.control)).or_default();
            if let Some(refusal) = rules.refusal(&entry.control) {
                offers.refused.push((place, refusal));
            } else {
                *rank = rules.rank(&entry.control);
                offers.visible.push(place);
            }
        }
        for offers in by_name.values_mut() {
            offers
                .visible
                .sort_by(|a, b| compare_offers(&entries, &ranks, *a, *b));
            offers
                .refused
                .sort_by(|(a, _), (b, _)| compare_offers(&entries, &ranks, *a, *b));
        }
        Self { entries, by_name }
    }

    /// Every package, taken or not, in the order in which they were given.
    pub fn entries(&self) -> &[IndexEntry] {
        &self.entries
    }

    /// The names of the packages, sorted, also those of which none is taken.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.by_name.keys().map(String::as_str)
    }

    /// The packages of a name that the host takes, best first.
    pub fn candidates(&self, name: &str) -> impl Iterator<Item = &IndexEntry> {
        self.places(name)
            .iter()
            .filter_map(|place| self.entries.get(*place))
    }

    /// The best package of a name that the host takes.
    pub fn newest(&self, name: &str) -> Option<&IndexEntry> {
        self.candidates(name).next()
    }

    /// The best package that a request asks for and the host takes.
    pub fn best(&self, request: &Request) -> Option<&IndexEntry> {
        self.candidates(&request.name)
            .find(|entry| request.accepts_version(entry.control.version()))
    }

    /// The packages of a name that the host does not take, newest first, each with the rule.
    pub fn refused(&self, name: &str) -> impl Iterator<Item = (&IndexEntry, &Refusal)> {
        let refused = self
            .by_name
            .get(&key_of_name(name))
            .map_or(&[][..], |offers| &offers.refused);
        refused
            .iter()
            .filter_map(|(place, refusal)| Some((self.entries.get(*place)?, refusal)))
    }

    /// The package behind a step of a plan.
    pub fn entry_of(&self, step: &Step) -> Option<&IndexEntry> {
        self.candidates(&step.package)
            .find(|entry| entry.filename == step.filename)
    }

    /// The places of the packages of a name that the host takes, best first.
    fn places(&self, name: &str) -> &[usize] {
        self.by_name
            .get(&key_of_name(name))
            .map_or(&[], |offers| &offers.visible)
    }
}

/// The name under which a package is found: units and profiles under the name that agents look for.
fn key_of_package(control: &Control) -> String {
    if control.is_section(Section::Unit) || control.is_section(Section::Profile) {
        unit_name_from_dn(control.package())
    } else {
        control.package().to_owned()
    }
}

/// The name under which a request or an installed package is found: a raw directory name is converted.
fn key_of_name(name: &str) -> String {
    if name.contains([',', ' ']) {
        unit_name_from_dn(name)
    } else {
        name.to_owned()
    }
}

fn compare_offers(entries: &[IndexEntry], ranks: &[[usize; 3]], a: usize, b: usize) -> Ordering {
    let (Some(ours), Some(theirs)) = (entries.get(a), entries.get(b)) else {
        return a.cmp(&b);
    };
    compare_versions(theirs.control.version(), ours.control.version())
        .then_with(|| ranks.get(a).cmp(&ranks.get(b)))
        .then_with(|| {
            Reverse(ours.control.get("signature_date")).cmp(&Reverse(theirs.control.get("signature_date")))
        })
        .then_with(|| ours.filename.cmp(&theirs.filename))
        .then_with(|| ours.md5sum.cmp(&theirs.md5sum))
}

/// A total order: every invalid version is lower than every valid one.
fn compare_versions(a: &str, b: &str) -> Ordering {
    match (Parts::parse(a), Parts::parse(b)) {
        (Ok(a), Ok(b)) => a.compare(&b),
        (Err(_), Err(_)) => a.cmp(b),
        (a, b) => a.is_ok().cmp(&b.is_ok()),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    #[test]
    fn the_newest_comes_first_and_preferences_break_ties() {
        let host = Capabilities {
            os: "windows".into(),
            architecture: "x64".into(),
            ..Capabilities::default()
        };
        let entries = vec![
            entry("a", "1.0-2", &[]),
            entry("a", "1.0-10", &[("architecture", "x86")]),
            entry("a", "1.0-10", &[("architecture", "all")]),
            entry("a", "1.0-10", &[("architecture", "x64")]),
            entry("a", "2.0", &[("maturity", "DEV")]),
        ];
        let catalogue = Catalogue::new(entries, &host);
        let seen: Vec<_> = catalogue
            .candidates("a")
            .map(|entry| (entry.control.version(), entry.control.architecture()))
            .collect();
        assert_eq!(
            seen,
            [
                ("1.0-10", "x64"),
                ("1.0-10", "x86"),
                ("1.0-10", "all"),
                ("1.0-2", "all")
            ]
        );
        assert_eq!(catalogue.refused("a").count(), 1);
        assert_eq!(catalogue.newest("b"), None);
    }

    #[test]
    fn the_order_does_not_depend_on_the_order_given() {
        let mut entries = vec![
            entry("a", "1", &[("signature_date", "2026-01-01T00:00:00")]),
            entry("a", "1", &[("signature_date", "2026-02-01T00:00:00")]),
            entry("a", "1.0", &[]),
        ];
        let one = Catalogue::new(entries.clone(), &Capabilities::default());
        entries.reverse();
        let other = Catalogue::new(entries, &Capabilities::default());
        assert!(one.candidates("a").eq(other.candidates("a")));
        assert_eq!(
            one.candidates("a").nth(1).unwrap().control.get("signature_date"),
            "2026-02-01T00:00:00"
        );
    }

    #[test]
    fn a_unit_is_found_by_either_spelling() {
        let raw = entry("OU=a,DC=b", "1", &[("section", "unit")]);
        let catalogue = Catalogue::new(vec![raw], &Capabilities::default());
        assert!(catalogue.newest("OU=a_DC=b").is_some());
        assert!(catalogue.newest("OU=a,DC=b").is_some());
    }

    #[test]
    fn a_request_takes_the_best_that_fulfils_it() {
        let entries = vec![entry("a", "1.0", &[]), entry("a", "2.0", &[])];
        let catalogue = Catalogue::new(entries, &Capabilities::default());
        let request = Request::parse("a(<2)").unwrap();
        assert_eq!(catalogue.best(&request).unwrap().control.version(), "1.0");
    }

    /// A package in an index, for tests.
    pub(crate) fn entry(package: &str, version: &str, attributes: &[(&str, &str)]) -> IndexEntry {
        let mut control = Control::new(package, version, Section::Base);
        for (name, value) in attributes {
            control.set(name, value);
        }
        IndexEntry {
            filename: crate::package::filename::canonical_filename(&control, None),
            control,
            size: 1,
            md5sum: "0".repeat(32),
            sha256sum: None,
        }
    }
}
