//! A work-list over names: every name is chosen for again whenever the requests that reach it change, until
//! none does.
//!
//! The work grows with the requests that are reached. Names are taken up in the order in which they were
//! reached, so in a circle with several answers the one nearest to what is wanted first comes out.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::rc::Rc;

use super::graph::{Choice, Demand, Edges, Graph, Name, Source};
use super::{MAX_DEPTH, Why};
use crate::request::Request;

/// How often a choice in a circle may change before it can only go down: circles in which each newest version
/// excludes another one in turn end so.
const MAX_CHANGES: u32 = 64;

/// What may not be chosen, learned from failures.
#[derive(Debug, Clone, Default)]
pub(super) struct Limits {
    /// Names of which nothing new is installed.
    pub(super) blocked: BTreeSet<Name>,
    /// Names whose installed version goes away.
    pub(super) removed: BTreeSet<Name>,
    /// Names whose installed version may not go: without it, what it stands in the way of would not come.
    pub(super) protected: BTreeSet<Name>,
}

/// The choices that hold together, and the requests that led to them.
#[derive(Debug, Clone, Default)]
pub(super) struct Pass {
    /// The names reached, nearest first.
    pub(super) order: Vec<Name>,
    found: BTreeMap<Name, Found>,
}

#[derive(Debug, Clone)]
struct Found {
    choice: Choice,
    /// How far below what is wanted.
    depth: usize,
    demands: Vec<Demand>,
}

/// A name while choices still move.
#[derive(Debug, Default)]
struct Node {
    choice: Option<Choice>,
    wanted: Vec<(Rc<Request>, Why)>,
    /// The requests of each package.
    demands: BTreeMap<Name, Vec<Rc<Request>>>,
    /// How many requests come from packages of the plan: the others do not reach a name, they only bind it.
    reached_by: usize,
    changes: u32,
    /// The place of the last option in the list that it ever had.
    lowest: usize,
    /// It is never again what comes before `lowest`.
    is_frozen: bool,
    is_waiting: bool,
}

impl Node {
    fn is_reached(&self) -> bool {
        !self.wanted.is_empty() || self.reached_by > 0
    }

    /// Whether only the host's own names lead here: then only host, unit and profile packages count.
    fn is_implicit_only(&self) -> bool {
        self.reached_by == 0 && self.wanted.iter().all(|(_, why)| *why == Why::Implicit)
    }
}

/// What a name asks of others.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Asks {
    Nothing,
    /// As a package of the plan.
    Reaching(Choice),
    /// As an installed package that the plan does not touch.
    Binding,
}

/// Chooses for every name that is reached.
pub(super) fn fixpoint(graph: &mut Graph<'_>, limits: &Limits) -> Pass {
    let mut work = Work {
        graph,
        limits,
        nodes: BTreeMap::new(),
        queue: VecDeque::new(),
    };
    for parent in work.graph.installed_names() {
        let asks = work.asks(parent, None);
        work.asks_change(parent, &Asks::Nothing, &asks);
    }
    for (name, request, why) in work.graph.wanted().to_vec() {
        work.node(name).wanted.push((request, why));
        work.enqueue(name);
    }
    loop {
        while let Some(name) = work.queue.pop_front() {
            work.node(name).is_waiting = false;
            work.choose_again(name);
        }
        if !work.drop_unreachable() {
            break;
        }
    }
    work.finish()
}

struct Work<'g, 'a> {
    graph: &'g mut Graph<'a>,
    limits: &'g Limits,
    nodes: BTreeMap<Name, Node>,
    queue: VecDeque<Name>,
}

impl Work<'_, '_> {
    fn node(&mut self, name: Name) -> &mut Node {
        self.nodes.entry(name).or_default()
    }

    fn enqueue(&mut self, name: Name) {
        let node = self.node(name);
        if !node.is_waiting {
            node.is_waiting = true;
            self.queue.push_back(name);
        }
    }

    fn choose_again(&mut self, name: Name) {
        let chosen = self.choose(name);
        let node = self.node(name);
        let before = node.choice;
        if let Some(place) = chosen.map(|(place, _)| place) {
            node.lowest = node.lowest.max(place);
        }
        let after = chosen.map(|(_, choice)| choice);
        if before != after {
            node.changes = node.changes.saturating_add(1);
            let is_restless = node.changes > MAX_CHANGES && !node.is_frozen;
            self.set(name, before, after);
            if is_restless {
                self.calm(name);
            }
        }
    }

    /// Freezes a name that changes again and again because it leads back to itself; the others that this moved
    /// start afresh. One that is only moved by others goes on.
    fn calm(&mut self, name: Name) {
        if !self.graph.leads_to_itself(name) {
            self.node(name).changes = 0;
            return;
        }
        for node in self.nodes.values_mut() {
            node.changes = 0;
        }
        self.node(name).is_frozen = true;
        self.enqueue(name);
    }

    /// The best option that every request on a name accepts, with its place; none when nothing leads to it.
    fn choose(&mut self, name: Name) -> Option<(usize, Choice)> {
        let options = self.graph.options(name);
        let node = self.nodes.get(&name)?;
        // What was reached stays so until everything stands still: in a circle, counting who leads where
        // would chase itself.
        if node.choice.is_none() && !node.is_reached() {
            return None;
        }
        let first = if node.is_frozen { node.lowest } else { 0 };
        let requests = || {
            let wanted = node.wanted.iter().map(|(request, _)| request);
            wanted.chain(node.demands.values().flatten())
        };
        let fits = |choice: Choice| {
            is_open(self.graph, self.limits, name, choice, node.is_implicit_only())
                && self
                    .graph
                    .version_of(name, choice)
                    .is_some_and(|version| requests().all(|request| request.accepts_version(version)))
        };
        let options = options.iter().copied().enumerate().skip(first);
        options
            .into_iter()
            .find(|(_, choice)| *choice == Choice::Fail || fits(*choice))
    }

    fn set(&mut self, name: Name, before: Option<Choice>, after: Option<Choice>) {
        let (old, new) = (self.asks(name, before), self.asks(name, after));
        self.node(name).choice = after;
        self.asks_change(name, &old, &new);
    }

    /// What a name asks of others with a choice. Where nothing new comes, the installed version stays and
    /// binds.
    fn asks(&self, name: Name, choice: Option<Choice>) -> Asks {
        match choice {
            Some(choice @ (Choice::Keep | Choice::Take(_))) => Asks::Reaching(choice),
            Some(Choice::Fail) | None => {
                if self.graph.installed(name).is_some() && !self.limits.removed.contains(&name) {
                    Asks::Binding
                } else {
                    Asks::Nothing
                }
            }
        }
    }

    fn asks_change(&mut self, parent: Name, old: &Asks, new: &Asks) {
        if old == new {
            return;
        }
        for (name, _) in self.edges(parent, old).iter() {
            let node = self.node(*name);
            node.demands.remove(&parent);
            if matches!(old, Asks::Reaching(_)) {
                node.reached_by = node.reached_by.saturating_sub(1);
            }
            self.enqueue(*name);
        }
        for (name, request) in self.edges(parent, new).iter() {
            let node = self.node(*name);
            node.demands.entry(parent).or_default().push(Rc::clone(request));
            if matches!(new, Asks::Reaching(_)) {
                node.reached_by += 1;
            }
            self.enqueue(*name);
        }
    }

    fn edges(&mut self, parent: Name, asks: &Asks) -> Edges {
        match asks {
            Asks::Nothing => Edges::default(),
            Asks::Binding => self.graph.depends_of(parent, Choice::Keep),
            Asks::Reaching(choice) => self.graph.depends_of(parent, *choice),
        }
    }

    /// Takes back the choices to which nothing that is wanted leads any more; whether there were any.
    fn drop_unreachable(&mut self) -> bool {
        let reached: BTreeSet<Name> = self.reach().into_iter().map(|(name, _)| name).collect();
        let dropped: Vec<(Name, Option<Choice>)> = self
            .nodes
            .iter()
            .filter(|(name, node)| node.choice.is_some() && !reached.contains(name))
            .map(|(name, node)| (*name, node.choice))
            .collect();
        for (name, choice) in &dropped {
            self.set(*name, *choice, None);
        }
        !dropped.is_empty()
    }

    /// The names that are reached from what is wanted, nearest first, each with its depth.
    fn reach(&mut self) -> Vec<(Name, usize)> {
        let mut order: Vec<(Name, usize)> = Vec::new();
        let mut seen = vec![false; self.graph.len()];
        let mut see = |name: Name, depth: usize, order: &mut Vec<(Name, usize)>| {
            if let Some(is_seen @ false) = seen.get_mut(name) {
                *is_seen = true;
                order.push((name, depth));
            }
        };
        for (name, ..) in self.graph.wanted() {
            see(*name, 0, &mut order);
        }
        let mut position = 0;
        while let Some(&(name, depth)) = order.get(position) {
            position += 1;
            let choice = self.nodes.get(&name).and_then(|node| node.choice);
            let Some(choice) = choice else { continue };
            for (dependency, _) in self.graph.depends_of(name, choice).iter() {
                see(*dependency, depth + 1, &mut order);
            }
        }
        order
    }

    /// The choices with the requests in the order in which they are met, those of bystanders last.
    fn finish(mut self) -> Pass {
        let mut pass = Pass::default();
        for (name, depth) in self.reach() {
            let Some(node) = self.nodes.get(&name) else {
                continue;
            };
            let choice = match node.choice {
                None => continue,
                // Nothing below is followed any more; its parents give up.
                Some(Choice::Take(_)) if depth > MAX_DEPTH => Choice::Fail,
                Some(choice) => choice,
            };
            let wanted = node.wanted.iter().map(|(request, why)| Demand {
                request: Rc::clone(request),
                from: Source::Wanted(*why),
            });
            let demands = wanted.collect();
            pass.order.push(name);
            pass.found.insert(
                name,
                Found {
                    choice,
                    depth,
                    demands,
                },
            );
        }
        for parent in pass.order.clone() {
            let choice = self.nodes.get(&parent).and_then(|node| node.choice);
            if let Some(choice @ (Choice::Keep | Choice::Take(_))) = choice {
                pass.add_demands(self.graph, parent, choice, Source::Package(parent));
            }
        }
        for parent in self.graph.installed_names() {
            let choice = self.nodes.get(&parent).and_then(|node| node.choice);
            if self.asks(parent, choice) == Asks::Binding {
                pass.add_demands(self.graph, parent, Choice::Keep, Source::Installed(parent));
            }
        }
        pass
    }
}

impl Pass {
    /// What a name comes to; `None` when it is not reached.
    pub(super) fn choice(&self, name: Name) -> Option<Choice> {
        self.found.get(&name).map(|found| found.choice)
    }

    /// The requests on a name.
    pub(super) fn demands_on(&self, name: Name) -> &[Demand] {
        self.found.get(&name).map_or(&[], |found| &found.demands)
    }

    /// Whether a name is further below what is wanted than is followed.
    pub(super) fn is_too_deep(&self, name: Name) -> bool {
        self.found.get(&name).is_some_and(|found| found.depth > MAX_DEPTH)
    }

    /// The packages of the plan that request a name, each once.
    pub(super) fn parents_of(&self, name: Name) -> Vec<Name> {
        let mut parents = Vec::new();
        for demand in self.demands_on(name) {
            if let Source::Package(parent) = demand.from
                && parents.last() != Some(&parent)
            {
                parents.push(parent);
            }
        }
        parents
    }

    /// Whether a name is only looked for because the host has it as one of its own names.
    pub(super) fn is_implicit_only(&self, name: Name) -> bool {
        let mut demands = self.demands_on(name).iter();
        demands.all(|demand| matches!(demand.from, Source::Wanted(Why::Implicit) | Source::Installed(_)))
    }

    /// Whether a name would come to something if installed packages that the plan does not touch asked for
    /// nothing.
    pub(super) fn could_be_without_installed(
        &self,
        graph: &mut Graph<'_>,
        limits: &Limits,
        name: Name,
    ) -> bool {
        if self.is_too_deep(name) {
            return false;
        }
        let demands: Vec<&Demand> = self
            .demands_on(name)
            .iter()
            .filter(|demand| !matches!(demand.from, Source::Installed(_)))
            .collect();
        graph.options(name).iter().any(|choice| {
            is_open(graph, limits, name, *choice, self.is_implicit_only(name))
                && graph.version_of(name, *choice).is_some_and(|version| {
                    demands
                        .iter()
                        .all(|demand| demand.request.accepts_version(version))
                })
        })
    }

    fn add_demands(&mut self, graph: &mut Graph<'_>, parent: Name, choice: Choice, from: Source) {
        for (name, request) in graph.depends_of(parent, choice).iter() {
            if let Some(found) = self.found.get_mut(name) {
                found.demands.push(Demand {
                    request: Rc::clone(request),
                    from,
                });
            }
        }
    }
}

/// Whether an option may be chosen at all.
fn is_open(graph: &Graph<'_>, limits: &Limits, name: Name, choice: Choice, is_implicit_only: bool) -> bool {
    match choice {
        Choice::Keep => !limits.removed.contains(&name),
        Choice::Take(place) => {
            !limits.blocked.contains(&name) && (!is_implicit_only || graph.is_implicit(place))
        }
        Choice::Fail => false,
    }
}
