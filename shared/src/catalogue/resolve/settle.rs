//! Repeats passes until the choices stand still, gives up what cannot be had, and checks the result.

use std::collections::{BTreeMap, BTreeSet};

use super::graph::{Choice, Graph, Limits, Name, Pass, Source};
use super::outcome::{blocked_sentence, conflict_reason, missing_sentence};
use super::{Removal, Unresolved};

/// Passes in which every choice may change both ways; each level of dependencies takes one.
const FREE_PASSES: usize = 64;

/// Passes after which choices that still move are given up. In those past [`FREE_PASSES`] a choice only
/// moves on to the next option, so that circles of dependencies end.
const MAX_PASSES: usize = 512;

/// How often what cannot be had is taken out and the rest worked out again.
const MAX_ROUNDS: usize = 64;

/// What every name comes to.
#[derive(Debug, Default)]
pub(super) struct Solution {
    /// The last pass, for its requests.
    pub(super) pass: Pass,
    /// The choices that hold together, by name.
    pub(super) choices: BTreeMap<Name, Choice>,
    /// Installed packages that go, dependents first.
    pub(super) removals: Vec<Removal>,
    /// What cannot be had, in the order in which it was found.
    pub(super) errors: Vec<Unresolved>,
}

/// Which names without a candidate are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Missing {
    /// Those that have none even if no installed package made requests.
    InAnyCase,
    /// All of them.
    WithInstalled,
}

/// The packages that have to go for the steps, and the steps that cannot be because of a conflict.
#[derive(Debug, Default)]
struct Conflicts {
    /// Each name with the sentence why it goes, dependents first.
    removed: Vec<(Name, String)>,
    /// Each name with the reason why it cannot be installed.
    blocked: Vec<(Name, String)>,
}

/// Works out what holds together.
///
/// Each round gives up what cannot be had in any case, then what is in conflict, then lets go what has to be
/// removed, and only then gives up what installed packages stand in the way of.
pub(super) fn settle(graph: &mut Graph<'_>) -> Solution {
    let mut limits = Limits::default();
    let mut errors = Errors::default();
    let mut pass = Pass::default();
    for _ in 0..MAX_ROUNDS {
        limits.blocked.resize(graph.names.len(), false);
        limits.floor.clear();
        pass = fixpoint(graph, &mut limits);
        if give_up_missing(graph, &pass, &mut limits, &mut errors, Missing::InAnyCase) {
            limits.removed.clear();
            continue;
        }
        let choices = choices_of(graph, &pass);
        let conflicts = conflicts(graph, &choices, &pass);
        if !conflicts.blocked.is_empty() {
            for (name, reason) in conflicts.blocked {
                block(graph, &pass, &mut limits, &mut errors, name, &reason);
            }
            limits.removed.clear();
            continue;
        }
        let mut has_more = false;
        for (name, _) in conflicts.removed {
            has_more |= !limits.removed.get(name).copied().unwrap_or_default();
            set(&mut limits.removed, name);
        }
        if has_more {
            continue;
        }
        if !give_up_missing(graph, &pass, &mut limits, &mut errors, Missing::WithInstalled) {
            break;
        }
        limits.removed.clear();
    }
    verified(graph, pass, &mut limits, errors)
}

/// Passes until two give the same choices.
fn fixpoint(graph: &mut Graph<'_>, limits: &mut Limits) -> Pass {
    let mut pass = Pass::default();
    for round in 0..MAX_PASSES {
        let next = graph.pass(&pass, limits);
        if next.chosen == pass.chosen {
            return next;
        }
        if round >= FREE_PASSES {
            limits.floor.resize(graph.names.len(), 0);
            for (floor, chosen) in limits.floor.iter_mut().zip(&next.chosen) {
                *floor = (*floor).max(chosen.unwrap_or_default());
            }
        }
        pass = next;
    }
    pass
}

/// Records what has no candidate and gives up the packages that need it; whether any was given up.
fn give_up_missing(
    graph: &mut Graph<'_>,
    pass: &Pass,
    limits: &mut Limits,
    errors: &mut Errors,
    missing: Missing,
) -> bool {
    let mut is_new = false;
    for &name in &pass.order {
        if graph.choice(pass, name) != Some(Choice::Fail) {
            continue;
        }
        if missing == Missing::InAnyCase && graph.could_be_without_installed(name, pass, limits) {
            continue;
        }
        let sentence = missing_sentence(graph, pass, name);
        errors.add(graph, pass, name, sentence.clone());
        let parents: Vec<Name> = parents_of(pass, name).collect();
        for parent in parents {
            let is_installing = matches!(graph.choice(pass, parent), Some(Choice::Take(_)));
            if is_installing && !limits.blocked.get(parent).copied().unwrap_or_default() {
                block(graph, pass, limits, errors, parent, &sentence);
                is_new = true;
            }
        }
    }
    is_new
}

/// Gives up installing a package.
fn block(
    graph: &mut Graph<'_>,
    pass: &Pass,
    limits: &mut Limits,
    errors: &mut Errors,
    name: Name,
    reason: &str,
) {
    set(&mut limits.blocked, name);
    let sentence = blocked_sentence(graph, pass, name, reason);
    errors.add(graph, pass, name, sentence);
}

fn choices_of(graph: &mut Graph<'_>, pass: &Pass) -> BTreeMap<Name, Choice> {
    let reached = pass.order.clone();
    reached
        .into_iter()
        .filter_map(|name| Some((name, graph.choice(pass, name)?)))
        .collect()
}

/// What the conflicts of the packages being installed lead to. The last ones reached yield first.
fn conflicts(graph: &mut Graph<'_>, choices: &BTreeMap<Name, Choice>, pass: &Pass) -> Conflicts {
    let mut found = Conflicts::default();
    for &name in pass.order.iter().rev() {
        let Some(Choice::Take(place)) = choices.get(&name).copied() else {
            continue;
        };
        for (other, request) in graph.conflicts_of(place).iter() {
            let is_given_up = found.blocked.iter().any(|(blocked, _)| blocked == other);
            let choice = choices.get(other).copied();
            let version = match choice {
                Some(Choice::Fail) | None => graph.version_of(*other, Choice::Keep),
                Some(choice) => graph.version_of(*other, choice),
            };
            let is_there = version.is_some_and(|version| request.accepts_version(version));
            if *other == name || is_given_up || !is_there {
                continue;
            }
            if matches!(choice, Some(Choice::Keep | Choice::Take(_))) {
                found.blocked.push((
                    name,
                    conflict_reason(graph, *other, version, &request.to_string()),
                ));
                break;
            }
            match with_dependents(graph, choices, *other) {
                Err(needed) => {
                    let version = graph.version_of(needed, Choice::Keep);
                    found.blocked.push((
                        name,
                        conflict_reason(graph, needed, version, &request.to_string()),
                    ));
                    break;
                }
                Ok(names) => {
                    for gone in names {
                        let because = removal_sentence(graph, place, gone, *other);
                        if !found.removed.iter().any(|(known, _)| *known == gone) {
                            found.removed.push((gone, because));
                        }
                    }
                }
            }
        }
    }
    let blocked: Vec<Name> = found.blocked.iter().map(|(name, _)| *name).collect();
    if !blocked.is_empty() {
        // What the packages given up would have removed is worked out again without them.
        found.removed.clear();
    }
    found
}

/// A package and all installed ones that depend on it, dependents first; or one of them that the plan needs.
fn with_dependents(
    graph: &mut Graph<'_>,
    choices: &BTreeMap<Name, Choice>,
    gone: Name,
) -> Result<Vec<Name>, Name> {
    let mut names = vec![gone];
    let mut position = 0;
    while let Some(&name) = names.get(position) {
        position += 1;
        for parent in graph.installed_names() {
            let depends = graph.depends_of(parent, Choice::Keep);
            if names.contains(&parent) || !depends.iter().any(|(dependency, _)| *dependency == name) {
                continue;
            }
            match choices.get(&parent) {
                Some(Choice::Keep) => return Err(parent),
                // Its new version was checked not to depend on what is not reached.
                Some(Choice::Take(_)) => {}
                Some(Choice::Fail) | None => names.push(parent),
            }
        }
    }
    names.reverse();
    Ok(names)
}

fn removal_sentence(graph: &Graph<'_>, place: usize, gone: Name, conflicting: Name) -> String {
    let cause = graph
        .entry(place)
        .map(|entry| super::graph::shown(&entry.control))
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

/// Keeps of the last pass what really holds together, whatever happened before.
fn verified(graph: &mut Graph<'_>, pass: Pass, limits: &mut Limits, mut errors: Errors) -> Solution {
    let mut choices = choices_of(graph, &pass);
    let mut removed;
    loop {
        let conflicts = conflicts(graph, &choices, &pass);
        removed = conflicts.removed;
        let mut broken: Vec<(Name, String)> = conflicts.blocked;
        if broken.is_empty() {
            broken = broken_steps(graph, &choices, &pass, &removed);
        }
        if broken.is_empty() {
            break;
        }
        for (name, reason) in broken {
            block(graph, &pass, limits, &mut errors, name, &reason);
            choices.insert(name, Choice::Fail);
        }
    }
    let removals = removed
        .into_iter()
        .filter_map(|(name, because)| {
            let installed = graph.installed(name)?;
            Some(Removal {
                package: installed.package.clone(),
                version: installed.version.clone(),
                because,
            })
        })
        .collect();
    Solution {
        pass,
        choices,
        removals,
        errors: errors.list,
    }
}

/// The steps of which a request on them or by them is not fulfilled.
fn broken_steps(
    graph: &mut Graph<'_>,
    choices: &BTreeMap<Name, Choice>,
    pass: &Pass,
    removed: &[(Name, String)],
) -> Vec<(Name, String)> {
    let is_removed = |name: Name| removed.iter().any(|(gone, _)| *gone == name);
    let mut broken = Vec::new();
    for &name in &pass.order {
        let Some(choice @ Choice::Take(_)) = choices.get(&name).copied() else {
            continue;
        };
        for (dependency, request) in graph.depends_of(name, choice).iter() {
            let final_version = match choices.get(dependency).copied() {
                Some(Choice::Fail) | None if is_removed(*dependency) => None,
                Some(Choice::Fail) | None => graph.version_of(*dependency, Choice::Keep),
                Some(choice) => graph.version_of(*dependency, choice),
            };
            if !final_version.is_some_and(|version| request.accepts_version(version)) {
                broken.push((name, format!("its dependency {request} is not fulfilled")));
                break;
            }
        }
    }
    for parent in graph.installed_names() {
        let stays = !matches!(choices.get(&parent), Some(Choice::Take(_))) && !is_removed(parent);
        if !stays {
            continue;
        }
        for (dependency, request) in graph.depends_of(parent, Choice::Keep).iter() {
            let Some(choice @ Choice::Take(_)) = choices.get(dependency).copied() else {
                continue;
            };
            let fits = graph
                .version_of(*dependency, choice)
                .is_some_and(|version| request.accepts_version(version));
            if !fits && !broken.iter().any(|(name, _)| name == dependency) {
                broken.push((
                    *dependency,
                    format!("{}, which is installed, needs {request}", graph.text(parent)),
                ));
            }
        }
    }
    broken
}

/// The packages of the plan that request a name, each once.
pub(super) fn parents_of(pass: &Pass, name: Name) -> impl Iterator<Item = Name> {
    let mut seen = Vec::new();
    pass.demands_on(name)
        .iter()
        .filter_map(move |demand| match demand.from {
            Source::Package(parent) if !seen.contains(&parent) => {
                seen.push(parent);
                Some(parent)
            }
            _ => None,
        })
}

fn set(flags: &mut Vec<bool>, name: Name) {
    if flags.len() <= name {
        flags.resize(name + 1, false);
    }
    if let Some(flag) = flags.get_mut(name) {
        *flag = true;
    }
}

/// One error for each name: the first reason found.
#[derive(Debug, Default)]
struct Errors {
    list: Vec<Unresolved>,
    known: BTreeSet<Name>,
}

impl Errors {
    fn add(&mut self, graph: &Graph<'_>, pass: &Pass, name: Name, sentence: String) {
        if self.known.insert(name) {
            let wanted_by = parents_of(pass, name)
                .map(|parent| graph.text(parent).to_owned())
                .collect();
            self.list.push(Unresolved {
                package: graph.text(name).to_owned(),
                wanted_by,
                sentence,
            });
        }
    }
}
