//! Which packages a host sees, newest and best fitting first under each name.
//!
//! [`filter`] says what a host does not take, [`resolve`] what follows from what is wanted, [`explain`]
//! puts both into sentences.

mod capabilities;
pub mod explain;
pub mod filter;
pub mod resolve;

use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::HashMap;
use std::sync::OnceLock;

pub use self::capabilities::{Capabilities, RepositoryLists, WAPT_LEVEL};
pub use self::filter::{Refusal, Rule, refusal};
pub use self::resolve::{Change, Installed, Kept, Removal, Resolution, Step, Unresolved, Wanted, Why, plan};
use crate::control::{Control, Section};
use crate::index::IndexEntry;
use crate::name::unit_name_from_dn;
use crate::request::Request;
use crate::version::Parts;

/// The packages of a host's repositories as this host sees them.
///
/// What the host takes of a name is worked out when that name is first asked for: a plan reaches few of the
/// packages of a large repository.
#[derive(Debug, Clone)]
pub struct Catalogue {
    entries: Vec<IndexEntry>,
    rules: filter::Rules,
    /// Of the repositories that have lists of their own, by their place among the host's.
    own_rules: Vec<Option<filter::Rules>>,
    by_name: HashMap<String, Row>,
    unverified: HashMap<String, Vec<Unverified>>,
}

/// A package that the repository lists and that does not count, because its signature or its row is not good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unverified {
    /// Its name, as far as a row that nobody vouches for can be believed.
    pub package: String,
    /// Its version; may be empty.
    pub version: String,
    /// The end of a sentence, without a full stop.
    pub reason: String,
}

/// The packages of one name, as places in the list of all.
#[derive(Debug, Clone, Default)]
struct Row {
    places: Vec<usize>,
    offers: OnceLock<Offers>,
}

/// What the host takes of a name, and what it does not.
#[derive(Debug, Clone, Default)]
struct Offers {
    visible: Vec<usize>,
    refused: Vec<(usize, Refusal)>,
}

impl Default for Catalogue {
    /// No packages.
    fn default() -> Self {
        Self::new(Vec::new(), &Capabilities::default())
    }
}

impl Catalogue {
    /// Sorts the packages into those that the host takes, best first, and those that it does not.
    ///
    /// Among those of one name the order is: version, then the order of repositories, then the host's preference of
    /// architecture, language and maturity, then the later signature, then the file name.
    pub fn new(entries: Vec<IndexEntry>, host: &Capabilities) -> Self {
        let mut by_name: HashMap<String, Row> = HashMap::with_capacity(entries.len());
        for (place, entry) in entries.iter().enumerate() {
            let key = key_of_package(&entry.control);
            if let Some(row) = by_name.get_mut(key.as_ref()) {
                row.places.push(place);
            } else {
                let row = Row {
                    places: vec![place],
                    offers: OnceLock::new(),
                };
                by_name.insert(key.into_owned(), row);
            }
        }
        Self {
            entries,
            rules: filter::Rules::new(host),
            own_rules: host
                .repositories
                .iter()
                .map(|repository| repository.view_of(host).map(|view| filter::Rules::new(&view)))
                .collect(),
            by_name,
            unverified: HashMap::new(),
        }
    }

    /// Forbids what `requests` match, besides what is forbidden already: the conflicts of the package that `by`
    /// names in words, for example `the host's package pc-12 3`.
    #[must_use]
    pub fn with_forbidden(mut self, requests: Vec<Request>, by: &str) -> Self {
        for own in self.own_rules.iter_mut().flatten() {
            own.forbid(requests.clone(), by);
        }
        self.rules.forbid(requests, by);
        self.by_name.values_mut().for_each(|row| {
            row.offers.take();
        });
        self
    }

    /// Adds what the repository lists and what does not count. It is never taken, only named.
    #[must_use]
    pub fn with_unverified(mut self, rows: impl IntoIterator<Item = Unverified>) -> Self {
        for row in rows {
            let key = key_of_name(&row.package).into_owned();
            self.unverified.entry(key).or_default().push(row);
        }
        self
    }

    /// The host whose view this is.
    pub fn host(&self) -> &Capabilities {
        self.rules.host()
    }

    /// Every package, taken or not, in the order in which they were given.
    pub fn entries(&self) -> &[IndexEntry] {
        &self.entries
    }

    /// The names of the packages, sorted, also those of which none is taken.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let mut names: Vec<&str> = self.by_name.keys().map(String::as_str).collect();
        names.sort_unstable();
        names.into_iter()
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
        let refused = self.offers(name).map_or(&[][..], |offers| &offers.refused);
        refused
            .iter()
            .filter_map(|(place, refusal)| Some((self.entries.get(*place)?, refusal)))
    }

    /// The packages of a name that do not count because of their signature or their row, in the order given.
    pub fn unverified(&self, name: &str) -> &[Unverified] {
        let rows = self.unverified.get(key_of_name(name).as_ref());
        rows.map_or(&[], Vec::as_slice)
    }

    /// Whether the repository lists any package of a name, taken or not.
    pub fn lists(&self, name: &str) -> bool {
        let key = key_of_name(name);
        self.by_name.contains_key(key.as_ref()) || self.unverified.contains_key(key.as_ref())
    }

    /// The package behind a step of a plan.
    pub fn entry_of(&self, step: &Step) -> Option<&IndexEntry> {
        // Files of different repositories may have one name.
        self.candidates(&step.package)
            .find(|entry| entry.filename == step.filename && entry.control.version() == step.version)
    }

    /// The places of the packages of a name that the host takes, best first.
    fn places(&self, name: &str) -> &[usize] {
        self.offers(name).map_or(&[], |offers| &offers.visible)
    }

    fn offers(&self, name: &str) -> Option<&Offers> {
        let row = self.by_name.get(key_of_name(name).as_ref())?;
        Some(row.offers.get_or_init(|| self.judge(&row.places)))
    }

    /// The place of a package's repository among the host's, and the rules that hold for it.
    fn rules_of(&self, entry: &IndexEntry) -> (usize, &filter::Rules) {
        let mut repositories = self.host().repositories.iter();
        let turn = repositories.position(|repository| repository.name == entry.repository);
        let own = turn
            .and_then(|turn| self.own_rules.get(turn))
            .and_then(Option::as_ref);
        (turn.unwrap_or(0), own.unwrap_or(&self.rules))
    }

    /// Judges the packages of one name.
    fn judge(&self, places: &[usize]) -> Offers {
        let mut visible = Vec::new();
        let mut refused = Vec::new();
        for &place in places {
            let Some(entry) = self.entries.get(place) else {
                continue;
            };
            let (turn, rules) = self.rules_of(entry);
            match rules.refusal(&entry.control) {
                Some(refusal) => refused.push((Offer::new(place, entry, turn, [0; 3]), refusal)),
                None => visible.push(Offer::new(place, entry, turn, rules.rank(&entry.control))),
            }
        }
        visible.sort_by(Offer::compare);
        refused.sort_by(|(a, _), (b, _)| a.compare(b));
        Offers {
            visible: visible.into_iter().map(|offer| offer.place).collect(),
            refused: refused
                .into_iter()
                .map(|(offer, refusal)| (offer.place, refusal))
                .collect(),
        }
    }
}

/// A package among those of its name, with what decides their order.
struct Offer<'a> {
    place: usize,
    entry: &'a IndexEntry,
    version: Result<Parts<'a>, &'a str>,
    /// The place of its repository.
    turn: usize,
    rank: [usize; 3],
}

impl<'a> Offer<'a> {
    fn new(place: usize, entry: &'a IndexEntry, turn: usize, rank: [usize; 3]) -> Self {
        let text = entry.control.version();
        Self {
            place,
            entry,
            version: Parts::parse(text).map_err(|_invalid| text),
            turn,
            rank,
        }
    }

    fn compare(&self, other: &Self) -> Ordering {
        compare_parsed(&other.version, &self.version)
            .then_with(|| self.turn.cmp(&other.turn))
            .then_with(|| self.rank.cmp(&other.rank))
            .then_with(|| {
                let date = |offer: &Self| offer.entry.control.get("signature_date");
                date(other).cmp(date(self))
            })
            .then_with(|| self.entry.filename.cmp(&other.entry.filename))
            .then_with(|| self.entry.md5sum.cmp(&other.entry.md5sum))
    }
}

/// The name under which a package is found: units and profiles under the name that agents look for.
fn key_of_package(control: &Control) -> Cow<'_, str> {
    if control.is_section(Section::Unit) || control.is_section(Section::Profile) {
        Cow::Owned(unit_name_from_dn(control.package()))
    } else {
        Cow::Borrowed(control.package())
    }
}

/// The name under which a request or an installed package is found: a raw directory name is converted.
fn key_of_name(name: &str) -> Cow<'_, str> {
    if name.contains([',', ' ']) {
        Cow::Owned(unit_name_from_dn(name))
    } else {
        Cow::Borrowed(name)
    }
}

/// A total order: every invalid version is lower than every valid one.
fn compare_versions(a: &str, b: &str) -> Ordering {
    compare_parsed(
        &Parts::parse(a).map_err(|_invalid| a),
        &Parts::parse(b).map_err(|_invalid| b),
    )
}

fn compare_parsed(a: &Result<Parts<'_>, &str>, b: &Result<Parts<'_>, &str>) -> Ordering {
    match (a, b) {
        (Ok(a), Ok(b)) => a.compare(b),
        (Err(a), Err(b)) => a.cmp(b),
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
    fn of_one_version_the_main_repository_wins_and_each_is_filtered_by_its_own_lists() {
        let of = |repository: &str, package: &str, version: &str, attributes: &[(&str, &str)]| IndexEntry {
            repository: repository.to_owned(),
            ..entry(package, version, attributes)
        };
        let host = Capabilities {
            maturities: vec!["PROD".to_owned()],
            repositories: vec![
                RepositoryLists {
                    name: "wapt".to_owned(),
                    ..RepositoryLists::default()
                },
                RepositoryLists {
                    name: "extra".to_owned(),
                    maturities: Some(vec!["DEV".to_owned()]),
                    packages_blacklist: Some(vec!["b".to_owned()]),
                    ..RepositoryLists::default()
                },
            ],
            ..Capabilities::default()
        };
        let later = ("signature_date", "2026-02-01T00:00:00");
        let catalogue = Catalogue::new(
            vec![
                of("extra", "a", "1", &[("maturity", "DEV"), later]),
                of("wapt", "a", "1", &[("maturity", "PROD")]),
                of("extra", "a", "2", &[("maturity", "DEV")]),
                of("extra", "a", "3", &[("maturity", "PROD")]),
                of("wapt", "a", "4", &[("maturity", "DEV")]),
                of("wapt", "b", "1", &[]),
                of("extra", "b", "2", &[("maturity", "DEV")]),
            ],
            &host,
        );
        let seen = |name| {
            let candidates = catalogue.candidates(name);
            candidates
                .map(|entry| (entry.repository.clone(), entry.control.version().to_owned()))
                .collect::<Vec<_>>()
        };
        let row = |repository: &str, version: &str| (repository.to_owned(), version.to_owned());
        assert_eq!(
            seen("a"),
            [row("extra", "2"), row("wapt", "1"), row("extra", "1")]
        );
        assert_eq!(seen("b"), [row("wapt", "1")]);
        let rules: Vec<Rule> = catalogue
            .refused("a")
            .map(|(_entry, refusal)| refusal.rule)
            .collect();
        assert_eq!(rules, [Rule::OtherMaturity, Rule::OtherMaturity]);
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
            repository: String::new(),
        }
    }
}
