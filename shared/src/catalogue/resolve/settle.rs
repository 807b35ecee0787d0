//! Gives up what cannot be had and works the rest out again, until all of it holds together.

use std::collections::{BTreeMap, BTreeSet};

use super::Unresolved;
use super::conflicts::conflicts;
use super::fixpoint::{Limits, Pass, fixpoint};
use super::graph::{Choice, Graph, Name};
use super::outcome::{blocked_sentence, missing_sentence, requests_on};

/// What every name comes to.
#[derive(Debug, Default)]
pub(super) struct Solution {
    /// The choices, and the requests that led to them.
    pub(super) pass: Pass,
    /// Installed packages that go, each with the sentence why.
    pub(super) removed: BTreeMap<Name, String>,
    /// What cannot be had, in the order in which it was found.
    pub(super) errors: Vec<Unresolved>,
}

/// Which names without a candidate are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Missing {
    /// Those that have none even if no untouched installed package made requests.
    InAnyCase,
    /// All of them.
    WithInstalled,
}

/// Works out what holds together.
///
/// Each round gives up what cannot be had in any case, then what is in conflict, then lets go what has to be
/// removed, and only then gives up what installed packages stand in the way of. It ends: each round gives up
/// a name for good, protects one for good, or lets a further one go while doing neither.
pub(super) fn settle(graph: &mut Graph<'_>) -> Solution {
    let mut limits = Limits::default();
    let mut errors = Errors::default();
    loop {
        let pass = fixpoint(graph, &limits);
        if give_up_missing(graph, &pass, &mut limits, &mut errors, Missing::InAnyCase) {
            limits.removed.clear();
            continue;
        }
        let conflicts = conflicts(graph, &pass, &limits);
        if !conflicts.blocked.is_empty() {
            for blocked in conflicts.blocked {
                let requests = [blocked.request];
                errors.block(
                    graph,
                    &pass,
                    &mut limits,
                    blocked.name,
                    &blocked.reason,
                    &requests,
                );
            }
            limits.removed.clear();
            continue;
        }
        let known = limits.removed.len();
        limits.removed.extend(conflicts.removed.keys());
        if limits.removed.len() > known {
            continue;
        }
        let known = limits.protected.len();
        let is_without_cause = |name: &&Name| !conflicts.removed.contains_key(name);
        let without_cause = limits.removed.iter().filter(is_without_cause);
        limits.protected.extend(without_cause);
        if limits.protected.len() > known {
            limits.removed.clear();
            continue;
        }
        if give_up_missing(graph, &pass, &mut limits, &mut errors, Missing::WithInstalled) {
            limits.removed.clear();
            continue;
        }
        let errors = errors.that_matter(graph, &pass);
        return Solution {
            pass,
            removed: conflicts.removed,
            errors,
        };
    }
}

/// Records what has no candidate and gives up the packages that need it; whether any was given up.
fn give_up_missing(
    graph: &mut Graph<'_>,
    pass: &Pass,
    limits: &mut Limits,
    errors: &mut Errors,
    missing: Missing,
) -> bool {
    let known = limits.blocked.len();
    for &name in &pass.order {
        // Looking for a package of the host's own and finding none is no failure.
        if pass.choice(name) != Some(Choice::Fail) || pass.is_implicit_only(name) {
            continue;
        }
        if missing == Missing::InAnyCase && pass.could_be_without_installed(graph, limits, name) {
            continue;
        }
        let sentence = missing_sentence(graph, pass, name);
        let requests = requests_on(pass, name);
        errors.add(graph, pass, name, sentence.clone(), &requests, true);
        for parent in pass.parents_of(name) {
            let is_installing = matches!(pass.choice(parent), Some(Choice::Take(_)));
            if is_installing && !limits.blocked.contains(&parent) {
                errors.block(graph, pass, limits, parent, &sentence, &requests);
            }
        }
    }
    limits.blocked.len() > known
}

/// One error for each name: the first reason found for which it was given up, else for which it was missing.
#[derive(Debug, Default)]
struct Errors {
    list: Vec<Found>,
    known: BTreeSet<Name>,
}

#[derive(Debug)]
struct Found {
    name: Name,
    parents: Vec<Name>,
    /// It had no candidate, as against being given up for something else.
    is_missing: bool,
    error: Unresolved,
}

impl Errors {
    fn add(
        &mut self,
        graph: &Graph<'_>,
        pass: &Pass,
        name: Name,
        sentence: String,
        requests: &[String],
        is_missing: bool,
    ) {
        if !self.known.insert(name) {
            // What was missing for some parents may be given up itself once they are.
            let is_outdated = |found: &Found| found.name == name && found.is_missing && !is_missing;
            let before = self.list.len();
            self.list.retain(|found| !is_outdated(found));
            if self.list.len() == before {
                return;
            }
        }
        let parents = pass.parents_of(name);
        self.list.push(Found {
            name,
            error: Unresolved {
                package: graph.text(name).to_owned(),
                wanted_by: parents
                    .iter()
                    .map(|parent| graph.text(*parent).to_owned())
                    .collect(),
                requests: requests.to_vec(),
                sentence,
            },
            parents,
            is_missing,
        });
    }

    /// Gives up installing a package.
    fn block(
        &mut self,
        graph: &Graph<'_>,
        pass: &Pass,
        limits: &mut Limits,
        name: Name,
        reason: &str,
        requests: &[String],
    ) {
        limits.blocked.insert(name);
        let sentence = blocked_sentence(graph, pass, name, reason);
        self.add(graph, pass, name, sentence, requests, false);
    }

    /// The errors that still say something: not those of names that came to something in the end, nor of
    /// names that nobody needs any more.
    fn that_matter(self, graph: &Graph<'_>, pass: &Pass) -> Vec<Unresolved> {
        let is_over = |found: &Found| match pass.choice(found.name) {
            Some(Choice::Take(_)) => true,
            Some(Choice::Keep) => found.is_missing,
            Some(Choice::Fail) | None => false,
        };
        let mut needed: BTreeSet<Name> = pass.order.iter().copied().collect();
        loop {
            let before = needed.len();
            for found in &self.list {
                let is_needed =
                    graph.is_wanted(found.name) || found.parents.iter().any(|parent| needed.contains(parent));
                if is_needed {
                    needed.insert(found.name);
                }
            }
            if needed.len() == before {
                break;
            }
        }
        self.list
            .into_iter()
            .filter(|found| needed.contains(&found.name) && !is_over(found))
            .map(|found| found.error)
            .collect()
    }
}
