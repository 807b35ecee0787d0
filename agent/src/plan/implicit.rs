//! Packages that this host looks for by a name of their own: its unit and profile packages. Pure.
//!
//! Which names those are follows from where the computer stands in the directory and from the configuration; a name
//! counts when the repository has a verified unit or profile package of it. What is found is in force at once, as the
//! host's own package is. It goes only when that is certain: the name is no longer looked for, the host's rules leave
//! the package out, or a repository that answered has no package of that name any more. A directory that was never
//! asked, an index that is empty, a row whose signature does not hold: none of these takes anything away.

use std::collections::BTreeMap;

use muster_shared::catalogue::{Catalogue, explain::implicit_package};
use muster_shared::control::{Control, Section};
use muster_shared::index::IndexEntry;
use muster_shared::name::unit_name_from_dn;
use muster_shared::version::compare_text;

use crate::config::Config;
use crate::directory::Standing;
use crate::state::packages::Installed;

/// A name that this host looks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expected {
    /// As packages are named.
    pub name: String,
    /// As the directory or the configuration writes it.
    pub raw: String,
    /// Why, as the end of a sentence.
    pub because: String,
}

/// The names that this host looks for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Names {
    pub expected: Vec<Expected>,
    /// A directory that was never asked may add more: nothing goes for lack of a name.
    pub is_unfinished: bool,
}

/// What becomes of the implicit packages.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settled {
    /// In force from now on.
    pub taken: Vec<IndexEntry>,
    /// No longer in force.
    pub dropped: Vec<Dropped>,
    /// Offered and not taken: older than what was in force on this host.
    pub too_old: Vec<TooOld>,
}

/// An offered package that is older than what was in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TooOld {
    pub package: String,
    pub version: String,
    pub highest: Highest,
}

/// Version and time of signature of a package that was in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Highest {
    pub version: String,
    /// As the signed control gives it.
    pub signature_date: String,
}

impl Highest {
    /// What is kept of a package.
    pub fn of(control: &Control) -> Self {
        Self {
            version: control.version().to_owned(),
            signature_date: control.get("signature_date").to_owned(),
        }
    }

    /// A higher version than the other, or the same one signed later.
    fn is_above(&self, other: &Self) -> bool {
        compare_text(&self.version, &other.version)
            .then_with(|| self.signature_date.cmp(&other.signature_date))
            .is_gt()
    }
}

/// A package that is no longer in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dropped {
    pub package: String,
    /// As the end of a sentence.
    pub because: String,
}

impl Names {
    /// The names that follow from the configuration and the computer's standing.
    pub fn of(config: &Config, standing: &Standing) -> Self {
        if !config.use_hostpackages {
            return Self::default();
        }
        let mut names = Self {
            expected: Vec::new(),
            is_unfinished: standing.is_unknown,
        };
        for (name, raw) in standing.units() {
            let because = format!("the computer is in {raw} ({})", standing.dn_from);
            names.add(name, raw, because);
        }
        for profile in &config.directory.host_profiles {
            let because = "host_profiles in agent.toml names it".to_owned();
            names.add(unit_name_from_dn(profile), profile.clone(), because);
        }
        for group in &standing.groups {
            let because = format!("the computer is in the group {group} ({})", standing.groups_from);
            names.add(unit_name_from_dn(group), group.clone(), because);
        }
        names
    }

    fn add(&mut self, name: String, raw: String, because: String) {
        if !name.is_empty() && !self.expected.iter().any(|known| known.name == name) {
            self.expected.push(Expected { name, raw, because });
        }
    }

    /// The names under which the index may have them: as they are converted, and as they are written.
    pub fn in_index(&self) -> impl Iterator<Item = String> {
        self.expected
            .iter()
            .flat_map(|expected| [expected.name.clone(), expected.raw.clone()])
    }

    /// Why this host looks for a package of that name; nothing when it does not.
    pub fn because(&self, package: &str) -> Option<&Expected> {
        let name = unit_name_from_dn(package);
        self.expected.iter().find(|expected| expected.name == name)
    }
}

/// The implicit packages in force among the rows: the host's own first, then units, the nearest first, then profiles.
pub fn in_force(installed: &[Installed], use_hostpackages: bool) -> Vec<&Control> {
    let mut found: Vec<&Control> = installed
        .iter()
        .filter(|row| use_hostpackages && row.in_place && is_implicit(&row.control))
        .map(|row| &row.control)
        .collect();
    let rank = |control: &Control| {
        let kind = [Section::Host, Section::Unit, Section::Profile]
            .into_iter()
            .position(|section| control.is_section(section));
        // The nearest unit has the longest name.
        (kind, usize::MAX - control.package().len())
    };
    found.sort_by(|one, other| {
        rank(one)
            .cmp(&rank(other))
            .then_with(|| one.package().cmp(other.package()))
    });
    found
}

/// The package is looked for by name, and neither wanted nor removed as software is.
pub fn is_implicit(control: &Control) -> bool {
    control
        .section()
        .parse::<Section>()
        .is_ok_and(Section::is_implicit)
}

fn is_unit_or_profile(control: &Control) -> bool {
    control.is_section(Section::Unit) || control.is_section(Section::Profile)
}

/// What the repositories offer of the names that this host looks for.
#[derive(Debug, Clone, Copy)]
pub struct Found<'a> {
    pub catalogue: &'a Catalogue,
    /// The index of every repository is known, and lists something: what is not in it is not there.
    pub is_whole: bool,
}

/// Works out which unit and profile packages are in force; nothing is found as long as no index is known. `highest`
/// is what ever was in force, by name: nothing below it is taken.
pub fn settle(
    names: &Names,
    found: Option<Found<'_>>,
    installed: &[Installed],
    highest: &BTreeMap<String, Highest>,
) -> Settled {
    let mut settled = Settled::default();
    let rows: Vec<&Installed> = installed
        .iter()
        .filter(|row| is_unit_or_profile(&row.control))
        .collect();
    for row in &rows {
        if names.because(row.package()).is_none() && !names.is_unfinished {
            settled.dropped.push(Dropped {
                package: row.package().to_owned(),
                because:
                    "this host no longer looks for it: its place in the directory or its profiles changed"
                        .to_owned(),
            });
        }
    }
    let Some(Found { catalogue, is_whole }) = found else {
        return settled;
    };
    for expected in &names.expected {
        let row = rows
            .iter()
            .find(|row| unit_name_from_dn(row.package()) == expected.name);
        let best = catalogue
            .candidates(&expected.name)
            .find(|entry| is_unit_or_profile(&entry.control));
        match (best, row) {
            (Some(best), Some(row)) => {
                if Highest::of(&best.control).is_above(&Highest::of(&row.control)) {
                    settled.taken.push(best.clone());
                }
            }
            (Some(best), None) => match highest.get(&expected.name) {
                Some(highest) if highest.is_above(&Highest::of(&best.control)) => {
                    settled.too_old.push(TooOld {
                        package: best.control.package().to_owned(),
                        version: best.control.version().to_owned(),
                        highest: highest.clone(),
                    });
                }
                _ => settled.taken.push(best.clone()),
            },
            (None, Some(row)) => {
                if let Some(because) = certainly_gone(catalogue, is_whole, expected) {
                    settled.dropped.push(Dropped {
                        package: row.package().to_owned(),
                        because,
                    });
                }
            }
            (None, None) => {}
        }
    }
    settled
}

/// Why a package that is looked for is not there any more; nothing while that may be an accident.
fn certainly_gone(catalogue: &Catalogue, is_whole: bool, expected: &Expected) -> Option<String> {
    if !catalogue.unverified(&expected.name).is_empty() {
        return None;
    }
    let refused = catalogue
        .refused(&expected.name)
        .find(|(entry, _refusal)| is_unit_or_profile(&entry.control));
    match refused {
        Some((_entry, refusal)) => Some(refusal.to_string()),
        None => is_whole.then(|| "the repository has no package of that name any more".to_owned()),
    }
}

/// What there is to say about a package that this host looks for, or may have looked for, by name.
pub fn explained(names: &Names, installed: &[Installed], package: &str) -> Vec<String> {
    let mut sentences = Vec::new();
    let row = installed
        .iter()
        .find(|row| row.package() == package && is_implicit(&row.control));
    match names.because(package) {
        Some(expected) => sentences.push(format!(
            "this host looks for a package of the name {package}: {}",
            expected.because
        )),
        None if row.is_some_and(|row| is_unit_or_profile(&row.control)) => {
            sentences.push(format!("this host does not look for {package}"));
        }
        None => {}
    }
    if let Some(row) = row {
        let control = &row.control;
        let lists = [("depends", control.depends()), ("conflicts", control.conflicts())];
        let named = lists.iter().filter(|(_attribute, list)| !list.is_empty());
        let said: Vec<String> = named
            .map(|(attribute, list)| format!("its {attribute} name {list}"))
            .collect();
        let said = if said.is_empty() {
            "it names nothing".to_owned()
        } else {
            said.join(", ")
        };
        sentences.push(format!("{} is in force: {said}", implicit_package(control)));
    }
    sentences
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use muster_shared::catalogue::{Capabilities, Unverified};

    use super::*;
    use crate::directory::{Answer, Known};
    use crate::state::packages::tests::row;

    const SALES: &str = "OU=Sales~West_DC=ad_DC=lan";

    fn names(config: &str, dn: &str) -> Names {
        let config = Config::parse(config, Path::new("agent.toml")).unwrap();
        let known = Known {
            answer: Answer {
                dn: dn.to_owned(),
                groups: vec!["Kiosk PCs".to_owned()],
                source: "registry".to_owned(),
                ..Answer::default()
            },
            answered_at: Some(jiff::Timestamp::UNIX_EPOCH),
            ..Known::default()
        };
        Names::of(&config, &Standing::of(&config, &known))
    }

    fn in_sales() -> Names {
        names("", "CN=pc,OU=Sales West,DC=ad,DC=lan")
    }

    fn control(name: &str, version: &str, section: Section) -> Control {
        Control::new(name, version, section).with("signature_date", "20260101-000000")
    }

    fn entry(name: &str, version: &str, section: Section) -> IndexEntry {
        IndexEntry {
            control: control(name, version, section),
            filename: format!("{name}_{version}.wapt"),
            size: 1,
            md5sum: "0".repeat(32),
            sha256sum: None,
            repository: String::new(),
        }
    }

    fn there(name: &str, version: &str, section: Section) -> Installed {
        let mut found = row(name, version);
        found.control = control(name, version, section);
        found
    }

    fn catalogue(entries: Vec<IndexEntry>) -> Catalogue {
        Catalogue::new(entries, &Capabilities::default())
    }

    fn settle(names: &Names, found: Option<Found<'_>>, installed: &[Installed]) -> Settled {
        super::settle(names, found, installed, &BTreeMap::new())
    }

    #[expect(clippy::unnecessary_wraps, reason = "it is given as what may be missing")]
    fn whole(catalogue: &Catalogue) -> Option<Found<'_>> {
        let is_whole = !catalogue.entries().is_empty();
        Some(Found { catalogue, is_whole })
    }

    fn dropped(settled: &Settled) -> Vec<&str> {
        settled.dropped.iter().map(|one| one.package.as_str()).collect()
    }

    fn taken(settled: &Settled) -> Vec<String> {
        let named = settled.taken.iter().map(|entry| &entry.control);
        named
            .map(|control| format!("{} {}", control.package(), control.version()))
            .collect()
    }

    #[test]
    fn units_profiles_and_groups_are_looked_for_in_this_order() {
        let all = names(
            "host_profiles = [\"kiosk\", \"Front Desk\"]\nuse_ad_groups = true",
            "CN=pc,OU=Sales West,DC=ad,DC=lan",
        );
        let found: Vec<&str> = all.expected.iter().map(|one| one.name.as_str()).collect();
        assert_eq!(found, [SALES, "DC=ad_DC=lan", "kiosk", "Front~Desk", "Kiosk~PCs"]);
        assert!(
            all.because("Front Desk")
                .unwrap()
                .because
                .contains("host_profiles")
        );
        assert!(all.in_index().any(|name| name == "OU=Sales West,DC=ad,DC=lan"));
        assert_eq!(names("use_hostpackages = false", "CN=pc,DC=ad"), Names::default());
    }

    #[test]
    fn a_name_counts_only_when_a_unit_or_profile_package_has_it() {
        let offered = catalogue(vec![
            entry(SALES, "1", Section::Unit),
            entry(SALES, "2", Section::Unit),
            entry("DC=ad_DC=lan", "1", Section::Base),
        ]);
        assert_eq!(
            taken(&settle(&in_sales(), whole(&offered), &[])),
            [format!("{SALES} 2")]
        );
    }

    #[test]
    fn a_unit_that_an_older_console_wrote_with_commas_is_found() {
        let offered = catalogue(vec![entry("OU=Sales West,DC=ad,DC=lan", "1", Section::Unit)]);
        assert_eq!(settle(&in_sales(), whole(&offered), &[]).taken.len(), 1);
    }

    #[test]
    fn a_newer_version_takes_its_place_and_an_older_one_never_does() {
        let rows = [there(SALES, "2", Section::Unit)];
        let newer = catalogue(vec![entry(SALES, "3", Section::Unit)]);
        assert_eq!(
            taken(&settle(&in_sales(), whole(&newer), &rows)),
            [format!("{SALES} 3")]
        );
        for same_or_older in ["2", "1"] {
            let offered = catalogue(vec![entry(SALES, same_or_older, Section::Unit)]);
            assert_eq!(settle(&in_sales(), whole(&offered), &rows), Settled::default());
        }
    }

    #[test]
    fn a_package_that_was_hidden_for_a_while_does_not_come_back_older() {
        let highest = BTreeMap::from([(SALES.to_owned(), Highest::of(&control(SALES, "3", Section::Unit)))]);
        let ask = |version: &str| {
            let offered = catalogue(vec![entry(SALES, version, Section::Unit)]);
            super::settle(&in_sales(), whole(&offered), &[], &highest)
        };
        let old = ask("2");
        assert!(old.taken.is_empty() && old.too_old[0].highest.version == "3");
        for version in ["3", "4"] {
            assert_eq!(taken(&ask(version)), [format!("{SALES} {version}")]);
        }
    }

    #[test]
    fn what_is_no_longer_looked_for_goes() {
        let rows = [
            there(SALES, "2", Section::Unit),
            there("kiosk", "1", Section::Profile),
        ];
        let moved = names("", "CN=pc,OU=Lab,DC=ad,DC=lan");
        assert_eq!(dropped(&settle(&moved, None, &rows)), [SALES, "kiosk"]);
        // The host's own package has its own way.
        let host = [there("host-1", "2", Section::Host)];
        assert_eq!(settle(&moved, None, &host), Settled::default());
    }

    #[test]
    fn a_directory_that_never_answered_takes_nothing_away() {
        let rows = [there(SALES, "2", Section::Unit)];
        let config = Config::parse("ldap_url = \"ldap://dc\"", Path::new("agent.toml")).unwrap();
        let unknown = Names::of(&config, &Standing::of(&config, &Known::default()));
        assert!(unknown.is_unfinished && unknown.expected.is_empty());
        assert_eq!(
            settle(&unknown, whole(&catalogue(Vec::new())), &rows),
            Settled::default()
        );
    }

    #[test]
    fn a_row_that_does_not_verify_and_an_empty_index_take_nothing_away() {
        let rows = [there(SALES, "2", Section::Unit)];
        assert_eq!(settle(&in_sales(), None, &rows), Settled::default());
        let empty = catalogue(Vec::new());
        assert_eq!(settle(&in_sales(), whole(&empty), &rows), Settled::default());
        let revoked = Unverified {
            package: SALES.to_owned(),
            version: "2".to_owned(),
            reason: "its signer is revoked".to_owned(),
        };
        let without = catalogue(vec![entry("app", "1", Section::Base)]);
        let unverified = without.clone().with_unverified([revoked]);
        assert_eq!(settle(&in_sales(), whole(&unverified), &rows), Settled::default());
        // Somebody took it out of a repository that has others.
        assert_eq!(dropped(&settle(&in_sales(), whole(&without), &rows)), [SALES]);
    }

    #[test]
    fn the_hosts_lists_of_names_hold_for_units_too() {
        let rows = [there(SALES, "2", Section::Unit)];
        let host = Capabilities {
            packages_blacklist: vec!["OU=Sales*".to_owned()],
            ..Capabilities::default()
        };
        let denied = Catalogue::new(vec![entry(SALES, "3", Section::Unit)], &host);
        assert!(settle(&in_sales(), whole(&denied), &[]).taken.is_empty());
        let settled = settle(&in_sales(), whole(&denied), &rows);
        assert_eq!(dropped(&settled), [SALES]);
        assert!(settled.dropped[0].because.contains("packages_blacklist"));
    }

    #[test]
    fn the_host_comes_first_then_the_nearest_unit() {
        let rows = [
            there("DC=ad_DC=lan", "1", Section::Unit),
            there("kiosk", "1", Section::Profile),
            there(SALES, "1", Section::Unit),
            there("host-1", "1", Section::Host),
            row("app", "1"),
        ];
        let found: Vec<&str> = in_force(&rows, true).into_iter().map(Control::package).collect();
        assert_eq!(found, ["host-1", SALES, "DC=ad_DC=lan", "kiosk"]);
        assert!(in_force(&rows, false).is_empty());
    }
}
