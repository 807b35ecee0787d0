//! The result in order and in words.

use std::collections::BTreeSet;

use super::conflicts::removals;
use super::fixpoint::Pass;
use super::graph::{Choice, Demand, Graph, Name, Source, shown};
use super::settle::Solution;
use super::{Change, Kept, MAX_DEPTH, Resolution, Step, Why};
use crate::catalogue::{Catalogue, compare_versions};

/// How many versions, parents or refusals a sentence names.
const SHOWN: usize = 5;

/// How many different requests a sentence names.
const MAX_SHOWN_REQUESTS: usize = 50;

/// Puts a solution in order: dependencies before what depends on them, else as wanted.
pub(super) fn resolution(graph: &mut Graph<'_>, solution: &Solution) -> Resolution {
    let mut result = Resolution {
        removals: removals(graph, &solution.removed),
        errors: solution.errors.clone(),
        ..Resolution::default()
    };
    let order = dependencies_first(graph, solution);
    let mut done = Vec::new();
    for name in order {
        match solution.pass.choice(name) {
            Some(Choice::Take(place)) => {
                let needs = needs(graph, solution, name, place);
                if let Some(step) = step(graph, &solution.pass, name, place, needs) {
                    result.steps.push(step);
                }
            }
            Some(Choice::Keep) => done.push(name),
            Some(Choice::Fail) | None => {}
        }
    }
    for name in done {
        if let Some(installed) = graph.installed(name) {
            result.kept.push(Kept {
                package: installed.package.clone(),
                version: installed.version.clone(),
                because: kept_sentence(graph, solution.pass.demands_on(name)),
            });
        }
    }
    result
}

/// The names reached from what is wanted, dependencies first.
///
/// What only a package that stays misses comes first, together with what it needs itself.
fn dependencies_first(graph: &mut Graph<'_>, solution: &Solution) -> Vec<Name> {
    let wanted: Vec<Name> = graph.wanted().iter().map(|(name, ..)| *name).collect();
    let is_new = |choice| choice != Choice::Keep;
    let direct: BTreeSet<Name> = post_order(graph, solution, &wanted, is_new).into_iter().collect();
    let mut roots = post_order(graph, solution, &wanted, |_| true);
    roots.retain(|name| !direct.contains(name));
    roots.extend(wanted);
    post_order(graph, solution, &roots, is_new)
}

/// The names that hold below some roots, each after the ones it depends on, without recursion.
fn post_order(
    graph: &mut Graph<'_>,
    solution: &Solution,
    roots: &[Name],
    follows: impl Fn(Choice) -> bool,
) -> Vec<Name> {
    let mut order = Vec::new();
    let mut seen: BTreeSet<Name> = BTreeSet::new();
    for root in roots {
        let mut waiting = vec![(*root, false)];
        while let Some((name, is_done)) = waiting.pop() {
            if is_done {
                order.push(name);
                continue;
            }
            let choice = solution.pass.choice(name).unwrap_or(Choice::Fail);
            if choice == Choice::Fail || !seen.insert(name) {
                continue;
            }
            waiting.push((name, true));
            if follows(choice) {
                let edges = graph.depends_of(name, choice);
                waiting.extend(edges.iter().rev().map(|(dependency, _)| (*dependency, false)));
            }
        }
    }
    order
}

/// The packages of other steps that a step depends on directly.
fn needs(graph: &mut Graph<'_>, solution: &Solution, name: Name, place: usize) -> Vec<String> {
    let mut needs = Vec::new();
    for (dependency, _) in graph.depends_of(name, Choice::Take(place)).iter() {
        if let Some(Choice::Take(other)) = solution.pass.choice(*dependency)
            && *dependency != name
            && let Some(entry) = graph.entry(other)
        {
            let package = entry.control.package().to_owned();
            if !needs.contains(&package) {
                needs.push(package);
            }
        }
    }
    needs
}

fn step(graph: &Graph<'_>, pass: &Pass, name: Name, place: usize, needs: Vec<String>) -> Option<Step> {
    let entry = graph.entry(place)?;
    let installed = graph.installed(name).map(|installed| installed.version.as_str());
    let change = match installed.map(|installed| compare_versions(entry.control.version(), installed)) {
        None => Change::Install,
        Some(std::cmp::Ordering::Greater) => Change::Upgrade,
        Some(std::cmp::Ordering::Less) => Change::Downgrade,
        Some(std::cmp::Ordering::Equal) => Change::Reinstall,
    };
    Some(Step {
        package: entry.control.package().to_owned(),
        version: entry.control.version().to_owned(),
        filename: entry.filename.clone(),
        installed_version: installed.map(ToOwned::to_owned),
        change,
        because: because_sentence(graph, pass.demands_on(name), installed),
        needs,
    })
}

/// Why a package is installed.
fn because_sentence(graph: &Graph<'_>, demands: &[Demand], installed: Option<&str>) -> String {
    let from_whys = demands.iter().filter_map(|demand| match demand.from {
        Source::Wanted(why) => Some(why_text(why, installed)),
        _ => None,
    });
    let mut reasons: Vec<String> = from_whys.collect();
    let packages: Vec<String> = demands
        .iter()
        .filter_map(|demand| match demand.from {
            Source::Package(parent) => Some(format!("{} ({})", graph.text(parent), demand.request)),
            _ => None,
        })
        .collect();
    if !packages.is_empty() {
        reasons.push(format!("needed by {}", listed(&packages)));
    }
    reasons.dedup();
    reasons.join("; ")
}

fn why_text(why: Why, installed: Option<&str>) -> String {
    match (why, installed) {
        (Why::Asked, _) => "asked for".to_owned(),
        (Why::Assigned, _) => "assigned to this host".to_owned(),
        (Why::Implicit, _) => "the host, its unit or its profile has a package of that name".to_owned(),
        (Why::Upgrade, Some(installed)) => format!("newer than {installed}, which is installed"),
        (Why::Upgrade, None) => "asked for as an upgrade".to_owned(),
        (Why::Retry, _) => "to be installed again".to_owned(),
    }
}

fn kept_sentence(graph: &Graph<'_>, demands: &[Demand]) -> String {
    format!(
        "the installed version satisfies every request: {}",
        demands_text(graph, demands)
    )
}

/// Why nothing can be had for a name: every request, and what there is.
pub(super) fn missing_sentence(graph: &Graph<'_>, pass: &Pass, name: Name) -> String {
    let package = graph.text(name).to_owned();
    let demands = pass.demands_on(name);
    let needed = match demands {
        [asked] if matches!(asked.from, Source::Wanted(Why::Asked)) => {
            format!("{} was asked for", asked.request)
        }
        _ => format!("{package} is needed: {}", demands_text(graph, demands)),
    };
    if pass.is_too_deep(name) {
        return format!("{needed}; that is more than {MAX_DEPTH} levels of dependencies deep");
    }
    let visible: Vec<String> = graph
        .catalogue
        .candidates(&package)
        .map(|entry| entry.control.version().to_owned())
        .collect();
    let refused = refused_text(graph.catalogue, &package);
    let installed = graph
        .installed(name)
        .map(|installed| format!(" ({} is installed)", installed.version));
    let installed = installed.unwrap_or_default();
    let fits = |version: &str| {
        demands
            .iter()
            .all(|demand| demand.request.accepts_version(version))
    };
    if visible.iter().any(|version| fits(version)) {
        return format!(
            "{needed}; a version that satisfies them is there but cannot be installed{installed}"
        );
    }
    match (visible.is_empty(), refused.is_empty()) {
        (true, true) => format!("{needed}; the repository has no package of that name{installed}"),
        (true, false) => format!(
            "{needed}; the host takes none of its versions{}{refused}{installed}",
            if refused.starts_with('(') { " " } else { ": " }
        ),
        (false, true) => format!(
            "{needed}; no version satisfies that, visible are {}{installed}",
            listed(&visible)
        ),
        (false, false) => format!(
            "{needed}; no version satisfies that, visible are {}, and the host does not take {refused}{installed}",
            listed(&visible)
        ),
    }
}

/// The versions that the host does not take and why; versions of one reason are put together as `(…): …`.
fn refused_text(catalogue: &Catalogue, package: &str) -> String {
    let by_rule = catalogue
        .refused(package)
        .map(|(entry, refusal)| (entry.control.version(), refusal.to_string()));
    let unverified = catalogue
        .unverified(package)
        .iter()
        .map(|row| (row.version.as_str(), row.reason.clone()));
    let refused: Vec<(&str, String)> = by_rule.chain(unverified).collect();
    if let [(_, first), _, ..] = refused.as_slice()
        && refused.iter().all(|(_, reason)| reason == first)
    {
        let versions: Vec<String> = refused.iter().map(|(version, _)| (*version).to_owned()).collect();
        return format!("({}): {first}", listed(&versions));
    }
    let texts: Vec<String> = refused
        .iter()
        .map(|(version, reason)| format!("{version}: {reason}"))
        .collect();
    listed(&texts)
}

/// Why a package that could be had is not installed.
pub(super) fn blocked_sentence(graph: &Graph<'_>, pass: &Pass, name: Name, reason: &str) -> String {
    let version = match pass.choice(name) {
        Some(Choice::Take(place)) => graph.entry(place).map(|entry| shown(&entry.control)),
        _ => None,
    };
    let package = version.unwrap_or_else(|| graph.text(name).to_owned());
    format!("{package} is not installed because {reason}")
}

/// The requests on a name, each once, as they are written.
pub(super) fn requests_on(pass: &Pass, name: Name) -> Vec<String> {
    let mut requests = Vec::new();
    for demand in pass.demands_on(name) {
        let text = demand.request.to_string();
        if !requests.contains(&text) && requests.len() < MAX_SHOWN_REQUESTS {
            requests.push(text);
        }
    }
    requests
}

/// Why a conflict keeps a package from being installed.
pub(super) fn conflict_reason(
    graph: &Graph<'_>,
    needed: Name,
    version: Option<&str>,
    request: &str,
) -> String {
    let needed = format!("{} {}", graph.text(needed), version.unwrap_or_default());
    format!(
        "its conflicts name {request}, and {} is needed too",
        needed.trim_end()
    )
}

fn demand_text(graph: &Graph<'_>, demand: &Demand) -> String {
    match demand.from {
        Source::Wanted(Why::Asked | Why::Retry) => format!("{} as asked for", demand.request),
        Source::Wanted(Why::Assigned) => format!("{} as assigned to this host", demand.request),
        Source::Wanted(Why::Implicit) => format!("{} for this host", demand.request),
        Source::Wanted(Why::Upgrade) => format!("{} as an upgrade", demand.request),
        Source::Package(parent) => format!("{} by {}", demand.request, graph.text(parent)),
        Source::Installed(parent) => {
            format!("{} by {}, which is installed", demand.request, graph.text(parent))
        }
    }
}

/// Who makes which request: each different request at least once, then others as far as there is room.
fn demands_text(graph: &Graph<'_>, demands: &[Demand]) -> String {
    let mut requests: Vec<&Demand> = Vec::new();
    let mut others: Vec<&Demand> = Vec::new();
    for demand in demands {
        let is_known = |known: &&Demand| known.request == demand.request;
        if !requests.iter().any(is_known) && requests.len() < MAX_SHOWN_REQUESTS {
            requests.push(demand);
        } else {
            others.push(demand);
        }
    }
    let mut texts: Vec<String> = Vec::new();
    let mut more = 0;
    for (position, demand) in requests.iter().chain(&others).enumerate() {
        if position >= requests.len().max(SHOWN) {
            more += 1;
            continue;
        }
        let text = demand_text(graph, demand);
        if !texts.contains(&text) {
            texts.push(text);
        }
    }
    let texts = texts.join(", ");
    if more > 0 {
        format!("{texts} and {more} more")
    } else {
        texts
    }
}

/// The first few of a list, and how many more there are.
fn listed(items: &[String]) -> String {
    let shown: Vec<&str> = items.iter().take(SHOWN).map(String::as_str).collect();
    let more = items.len().saturating_sub(SHOWN);
    let shown = shown.join(", ");
    if more > 0 {
        format!("{shown} and {more} more")
    } else {
        shown
    }
}
