//! Sentences that say why a host is offered a package, is not, or keeps what it has.

use std::collections::BTreeSet;

use super::resolve::{Change, Installed, Wanted, plan};
use super::{Capabilities, Catalogue, refusal};
use crate::control::{Control, parse_date};
use crate::request::{Request, RequestError, split_list};

/// How many versions are explained one by one.
const SHOWN: usize = 10;

/// Whether a host is offered one package, in a sentence without a full stop.
pub fn offer(control: &Control, host: &Capabilities) -> String {
    let package = format!("{} {}", control.package(), control.version());
    match refusal(control, host) {
        Some(refusal) => format!("{package} is not offered: {refusal}"),
        None => format!("{package} is offered"),
    }
}

/// Why a package is installed, kept, removed or not to be had on a host: sentences without a full stop.
///
/// First what the repository offers of it, then what follows from `installed` and `wanted`, then what in
/// its lists older agents read in another way than meant.
pub fn why(catalogue: &Catalogue, package: &str, installed: &[Installed], wanted: &[Wanted]) -> Vec<String> {
    let mut sentences = offers(catalogue, package);
    sentences.extend(decisions(catalogue, package, installed, wanted));
    if let Some(newest) = catalogue.newest(package) {
        sentences.extend(dates(&newest.control, catalogue.host()));
        sentences.extend(misread(&newest.control));
    }
    sentences.extend(misread_by_others(catalogue, package, installed, wanted));
    sentences
}

/// The host's own package in a sentence, when it is named as what assigns and forbids.
pub fn host_package(name: &str, version: &str) -> String {
    format!("the host's package {name} {version}")
        .trim_end()
        .to_owned()
}

/// A package that a host looks for by a name of its own (host, unit, profile), named as what assigns and forbids.
pub fn implicit_package(control: &Control) -> String {
    let (name, version) = (control.package(), control.version());
    match control.section() {
        "unit" => format!("the unit package {name} {version}"),
        "profile" => format!("the profile package {name} {version}"),
        _ => host_package(name, version),
    }
}

/// What the depends and conflicts of a package of the host (`by`, see [`implicit_package`]) say of a package.
pub fn assignment(package: &str, depends: &[Request], conflicts: &[Request], by: &str) -> Vec<String> {
    let lists = [
        (conflicts, "forbidden on", "conflicts"),
        (depends, "assigned to", "depends"),
    ];
    let naming = lists.into_iter().flat_map(|(list, what, attribute)| {
        let requests = list.iter().filter(|request| request.name == package);
        requests.map(move |request| {
            format!("{package} is {what} this host: the {attribute} of {by} name {request}")
        })
    });
    naming.collect()
}

/// The names most like one that is nowhere: those that are nearly spelt so first, then those that contain it.
pub fn similar<'a>(name: &str, names: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let wanted = name.to_lowercase();
    let allowed = wanted.chars().count().div_ceil(4);
    let mut near: Vec<(usize, &str)> = Vec::new();
    for candidate in names {
        let lower = candidate.to_lowercase();
        let is_part = !wanted.is_empty() && lower.contains(&wanted);
        let distance = if lower.chars().count().abs_diff(wanted.chars().count()) <= allowed {
            edits(&wanted, &lower)
        } else {
            usize::MAX
        };
        if distance <= allowed {
            near.push((distance, candidate));
        } else if is_part || (wanted.contains(&lower) && lower.len() > 2) {
            near.push((usize::MAX, candidate));
        }
    }
    near.sort_unstable();
    near.dedup();
    near.into_iter().map(|(_, name)| name).take(SHOWN / 2).collect()
}

/// The sentence of [`similar`] names; none when there are none.
pub fn similar_sentence<'a>(name: &str, names: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let near = similar(name, names);
    (!near.is_empty()).then(|| format!("there is: {}", near.join(", ")))
}

/// How many letters are to be added, left out or changed between two words.
fn edits(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (line, from) in a.chars().enumerate() {
        let mut next = vec![line + 1];
        for (column, to) in b.iter().enumerate() {
            let [up_left, up] = [column, column + 1].map(|at| row.get(at).copied().unwrap_or_default());
            let left = next.get(column).copied().unwrap_or_default();
            next.push((up_left + usize::from(from != *to)).min(up + 1).min(left + 1));
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

/// What the dates of a package that is offered mean for it.
fn dates(control: &Control, host: &Capabilities) -> Vec<String> {
    let mut sentences = Vec::new();
    let package = format!("{} {}", control.package(), control.version());
    let value = control.get("forced_install_on");
    match parse_date(value, host.utc_offset_secs) {
        Some(forced) if forced <= host.now => sentences.push(format!(
            "the forced_install_on of {package} is {value:?} and has passed: nobody can put it off"
        )),
        Some(_) => sentences.push(format!(
            "the forced_install_on of {package} is {value:?}: from then on nobody can put it off"
        )),
        None => {}
    }
    let value = control.get("valid_until");
    if !value.is_empty() {
        sentences.push(format!(
            "the valid_until of {package} is {value:?}: it is offered until then"
        ));
    }
    sentences
}

/// The requests for a package, among what is wanted and what it needs directly, that name it but are read in
/// another way than meant.
fn misread_by_others(
    catalogue: &Catalogue,
    package: &str,
    installed: &[Installed],
    wanted: &[Wanted],
) -> Vec<String> {
    let wanted = wanted.iter().map(|want| want.request.name.as_str());
    let names: BTreeSet<&str> = wanted
        .chain(installed.iter().map(|have| have.package.as_str()))
        .filter(|name| *name != package)
        .collect();
    let newest = names.into_iter().filter_map(|name| catalogue.newest(name));
    let names_it = |sentence: &String| {
        let mut quoted = sentence.split('"');
        let request = quoted.nth(1).unwrap_or_default();
        request
            .split('(')
            .next()
            .is_some_and(|name| name.trim() == package)
    };
    newest
        .flat_map(|entry| misread(&entry.control))
        .filter(names_it)
        .collect()
}

/// The requests in `depends` and `conflicts` that older agents read in another way than meant, and what
/// they do with them.
pub fn misread(control: &Control) -> Vec<String> {
    let mut sentences = Vec::new();
    for attribute in ["depends", "conflicts"] {
        for item in split_list(control.get(attribute)) {
            let effect = match Request::parse(item) {
                Err(RequestError::BlankBeforeParenthesis { .. }) => {
                    "with a blank before \"(\" no package matches"
                }
                Err(RequestError::MissingParenthesis { .. }) => {
                    "without the closing \")\" the condition is ignored"
                }
                _ => continue,
            };
            sentences.push(format!(
                "{attribute} of {} {} holds {item:?}: {effect}",
                control.package(),
                control.version()
            ));
        }
    }
    sentences
}

/// What the repository has of a name.
fn offers(catalogue: &Catalogue, package: &str) -> Vec<String> {
    let mut sentences = Vec::new();
    for (position, entry) in catalogue.candidates(package).take(SHOWN).enumerate() {
        let version = entry.control.version();
        sentences.push(if position == 0 {
            format!("{package} {version} is offered, the best that this host takes")
        } else {
            format!("{package} {version} is offered")
        });
    }
    for (entry, refusal) in catalogue.refused(package).take(SHOWN) {
        sentences.push(format!(
            "{package} {} is not offered: {refusal}",
            entry.control.version()
        ));
    }
    for row in catalogue.unverified(package).iter().take(SHOWN) {
        let package = format!("{package} {}", row.version);
        sentences.push(format!("{} is not offered: {}", package.trim_end(), row.reason));
    }
    if sentences.is_empty() {
        sentences.push(format!(
            "{package} is not offered: the repository has no package of that name"
        ));
    }
    sentences
}

/// What follows for a name from what is installed and wanted.
fn decisions(
    catalogue: &Catalogue,
    package: &str,
    installed: &[Installed],
    wanted: &[Wanted],
) -> Vec<String> {
    let resolution = plan(catalogue, installed, wanted);
    let mut sentences = Vec::new();
    if let Some(step) = resolution.step(package) {
        let verb = match step.change {
            Change::Install => "is to be installed".to_owned(),
            Change::Reinstall => "is to be installed again".to_owned(),
            Change::Upgrade | Change::Downgrade => {
                format!(
                    "is to replace {}",
                    step.installed_version.as_deref().unwrap_or_default()
                )
            }
        };
        sentences.push(format!("{package} {} {verb}: {}", step.version, step.because));
    }
    for removal in resolution
        .removals
        .iter()
        .filter(|removal| removal.package == package)
    {
        sentences.push(format!(
            "{package} {} is to be removed: {}",
            removal.version, removal.because
        ));
    }
    if let Some(error) = resolution.error(package) {
        sentences.push(error.sentence.clone());
    }
    let is_decided = !sentences.is_empty();
    for kept in resolution.kept.iter().filter(|kept| kept.package == package) {
        sentences.push(format!("{package} {} is kept: {}", kept.version, kept.because));
    }
    let have = installed.iter().rev().find(|have| have.package == package);
    if let (Some(have), true) = (have, sentences.is_empty()) {
        sentences.push(format!(
            "{package} {} is kept: nothing that is wanted concerns it",
            have.version
        ));
    } else if let (Some(have), true, None) = (have, is_decided, resolution.step(package)) {
        let is_removed = resolution
            .removals
            .iter()
            .any(|removal| removal.package == package);
        if !is_removed {
            sentences.push(format!("{package} {} stays installed", have.version));
        }
    }
    sentences
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::tests::entry;
    use crate::catalogue::{Unverified, Why};

    #[test]
    fn every_version_is_explained_and_the_decision_follows() {
        let entries = vec![
            entry("lib", "2.0", &[("target_os", "darwin")]),
            entry("lib", "1.5", &[]),
            entry("app", "1", &[("depends", "lib(>=1.2)")]),
        ];
        let catalogue = Catalogue::new(entries, &host());
        assert_eq!(
            why(&catalogue, "lib", &[], &wanted("app")),
            [
                "lib 1.5 is offered, the best that this host takes",
                r#"lib 2.0 is not offered: its target_os is "darwin" and the host has "linux": it is for other operating systems"#,
                "lib 1.5 is to be installed: needed by app (lib(>=1.2))",
            ]
        );
    }

    #[test]
    fn what_stays_says_which_requests_it_satisfies() {
        let catalogue = Catalogue::new(vec![entry("lib", "2.0", &[])], &host());
        let installed = [Installed::new("lib", "1.5")];
        let sentences = why(&catalogue, "lib", &installed, &wanted("lib"));
        assert_eq!(
            sentences[1],
            "lib 1.5 is kept: the installed version satisfies every request: lib as asked for"
        );
        let sentences = why(&catalogue, "lib", &installed, &[]);
        assert_eq!(
            sentences[1],
            "lib 1.5 is kept: nothing that is wanted concerns it"
        );
    }

    #[test]
    fn a_name_that_is_nowhere_is_said_so() {
        let catalogue = Catalogue::new(Vec::new(), &host());
        assert_eq!(
            why(&catalogue, "lib", &[], &wanted("lib")),
            [
                "lib is not offered: the repository has no package of that name",
                "lib was asked for; the repository has no package of that name",
            ]
        );
    }

    #[test]
    fn what_is_forbidden_or_not_verified_is_never_called_missing() {
        let entries = vec![
            entry("a", "1", &[("depends", "b(>=2)")]),
            entry("b", "1-0", &[]),
            entry("b", "3-0", &[]),
        ];
        let forbidden = vec![Request::any("b")];
        let catalogue =
            Catalogue::new(entries.clone(), &host()).with_forbidden(forbidden, "the host's package pc-12 3");
        assert_eq!(
            why(&catalogue, "b", &[], &wanted("a")),
            [
                "b 3-0 is not offered: it is forbidden on this host: the conflicts of the host's package pc-12 3 name b",
                "b 1-0 is not offered: it is forbidden on this host: the conflicts of the host's package pc-12 3 name b",
                "b is needed: b(>=2) by a; the host takes none of its versions (3-0, 1-0): it is forbidden on this \
                 host: the conflicts of the host's package pc-12 3 name b",
            ]
        );
        let eve = Unverified {
            package: "b".to_owned(),
            version: "9".to_owned(),
            reason: "no trusted certificate issued the signer eve".to_owned(),
        };
        let catalogue = Catalogue::new(entries[..1].to_vec(), &host()).with_unverified([eve]);
        assert_eq!(
            why(&catalogue, "b", &[], &wanted("a")),
            [
                "b 9 is not offered: no trusted certificate issued the signer eve",
                "b is needed: b(>=2) by a; the host takes none of its versions: 9: no trusted certificate issued \
                 the signer eve",
            ]
        );
    }

    #[test]
    fn names_like_one_that_is_nowhere_are_found() {
        let names = ["tis-firefox", "tis-firefox-esr", "tis-7zip", "b"];
        assert_eq!(similar("tis-firfox", names), ["tis-firefox"]);
        assert_eq!(similar("firefox", names), ["tis-firefox", "tis-firefox-esr"]);
        assert_eq!(similar("B", names), ["b"]);
        assert_eq!(similar_sentence("zzzz", names), None);
    }

    #[test]
    fn misread_requests_are_pointed_out() {
        let control = entry("a", "1", &[("depends", "b (>=1), c(>=2")]).control;
        assert_eq!(
            misread(&control),
            [
                r#"depends of a 1 holds "b (>=1)": with a blank before "(" no package matches"#,
                r#"depends of a 1 holds "c(>=2": without the closing ")" the condition is ignored"#,
            ]
        );
    }

    #[test]
    fn a_misread_request_of_a_parent_is_said_and_dates_are() {
        let entries = vec![
            entry("app", "1", &[("depends", "lib (>=1)")]),
            entry(
                "lib",
                "1",
                &[("forced_install_on", "1969-01-01"), ("valid_until", "2030-01-01")],
            ),
        ];
        let catalogue = Catalogue::new(entries, &host());
        let sentences = why(&catalogue, "lib", &[], &wanted("app"));
        assert_eq!(
            sentences[1..],
            [
                r#"the forced_install_on of lib 1 is "1969-01-01" and has passed: nobody can put it off"#,
                r#"the valid_until of lib 1 is "2030-01-01": it is offered until then"#,
                r#"depends of app 1 holds "lib (>=1)": with a blank before "(" no package matches"#,
            ]
        );
    }

    #[test]
    fn one_package_is_explained_by_itself() {
        assert_eq!(offer(&entry("a", "1", &[]).control, &host()), "a 1 is offered");
        assert!(
            offer(&entry("a", "1", &[("maturity", "DEV")]).control, &host())
                .contains("does not take this maturity")
        );
    }

    fn wanted(name: &str) -> Vec<Wanted> {
        vec![Wanted {
            request: Request::any(name),
            why: Why::Asked,
        }]
    }

    fn host() -> Capabilities {
        Capabilities {
            os: "linux".into(),
            architecture: "x64".into(),
            ..Capabilities::default()
        }
    }
}
