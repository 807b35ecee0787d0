//! What has to go for what is to be installed, and what cannot be installed beside what stays.

use std::collections::{BTreeMap, BTreeSet};

use super::Removal;
use super::fixpoint::{Limits, Pass};
use super::graph::{Choice, Graph, Name, shown};
use super::outcome::conflict_reason;

/// What the conflicts of the packages being installed lead to.
#[derive(Debug, Default)]
pub(super) struct Conflicts {
    /// The names that go, each with the sentence why.
    pub(super) removed: BTreeMap<Name, String>,
    /// The names that cannot be installed. When there are any, `removed` is empty: it is worked out again
    /// without them.
    pub(super) blocked: Vec<Blocked>,
}

/// A package that cannot be installed beside the rest of the plan.
#[derive(Debug)]
pub(super) struct Blocked {
    pub(super) name: Name,
    /// The request among its conflicts, as written.
    pub(super) request: String,
    pub(super) reason: String,
}

/// Judges the conflicts of everything that is to be installed, the last ones reached first: those yield.
pub(super) fn conflicts(graph: &mut Graph<'_>, pass: &Pass, limits: &Limits) -> Conflicts {
    let mut found = Conflicts::default();
    let mut given_up = BTreeSet::new();
    for &name in pass.order.iter().rev() {
        let Some(Choice::Take(place)) = pass.choice(name) else {
            continue;
        };
        for (other, request) in graph.conflicts_of(place).iter() {
            let choice = pass.choice(*other);
            let version = match choice {
                Some(Choice::Fail) | None => graph.version_of(*other, Choice::Keep),
                Some(choice) => graph.version_of(*other, choice),
            };
            let is_there = version.is_some_and(|version| request.accepts_version(version));
            if *other == name || given_up.contains(other) || !is_there {
                continue;
            }
            let in_the_way = match choice {
                Some(Choice::Keep | Choice::Take(_)) => Err((*other, version)),
                Some(Choice::Fail) | None => with_dependents(graph, pass, limits, *other)
                    .map_err(|needed| (needed, graph.version_of(needed, Choice::Keep))),
            };
            match in_the_way {
                Err((needed, version)) => {
                    let request = request.to_string();
                    found.blocked.push(Blocked {
                        name,
                        reason: conflict_reason(graph, needed, version, &request),
                        request,
                    });
                    given_up.insert(name);
                    break;
                }
                Ok(names) => {
                    for gone in names {
                        let because = removal_sentence(graph, place, gone, *other);
                        found.removed.entry(gone).or_insert(because);
                    }
                }
            }
        }
    }
    if !found.blocked.is_empty() {
        found.removed.clear();
    }
    found
}

/// The removals in order: what depends on another one before it, else as installed.
pub(super) fn removals(graph: &mut Graph<'_>, removed: &BTreeMap<Name, String>) -> Vec<Removal> {
    let mut order = Vec::new();
    let mut seen = BTreeSet::new();
    for root in graph.installed_names().into_iter().rev() {
        let mut waiting = vec![(root, false)];
        while let Some((name, is_done)) = waiting.pop() {
            if is_done {
                order.push(name);
            } else if removed.contains_key(&name) && seen.insert(name) {
                waiting.push((name, true));
                let depends = graph.depends_of(name, Choice::Keep);
                waiting.extend(depends.iter().map(|(dependency, _)| (*dependency, false)));
            }
        }
    }
    order.reverse();
    let removal = |name: Name| {
        let installed = graph.installed(name)?;
        Some(Removal {
            package: installed.package.clone(),
            version: installed.version.clone(),
            because: removed.get(&name)?.clone(),
        })
    };
    order.into_iter().filter_map(removal).collect()
}

/// A package and all installed ones that depend on it; or one of them that has to stay.
fn with_dependents(
    graph: &mut Graph<'_>,
    pass: &Pass,
    limits: &Limits,
    gone: Name,
) -> Result<Vec<Name>, Name> {
    let mut names = vec![gone];
    let mut position = 0;
    while let Some(&name) = names.get(position) {
        position += 1;
        if limits.protected.contains(&name) {
            return Err(name);
        }
        for parent in graph.installed_names() {
            let depends = graph.depends_of(parent, Choice::Keep);
            if names.contains(&parent) || !depends.iter().any(|(dependency, _)| *dependency == name) {
                continue;
            }
            match pass.choice(parent) {
                Some(Choice::Keep) => return Err(parent),
                // Its new version does not depend on what goes, else that would be reached.
                Some(Choice::Take(_)) => {}
                Some(Choice::Fail) | None => names.push(parent),
            }
        }
    }
    Ok(names)
}

fn removal_sentence(graph: &Graph<'_>, place: usize, gone: Name, conflicting: Name) -> String {
    let cause = graph
        .entry(place)
        .map(|entry| shown(&entry.control))
        .unwrap_or_default();
    if gone == conflicting {
        format!("{cause} conflicts with it")
    } else {
        format!(
            "it depends on {}, with which {cause} conflicts",
            graph.text(conflicting)
        )
    }
}
