//! Names, what each could be, and one pass over everything that is reached.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::rc::Rc;

use super::{Installed, MAX_DEPTH, Wanted, Why};
use crate::catalogue::{Catalogue, compare_versions, key_of_name};
use crate::control::Control;
use crate::index::IndexEntry;
use crate::request::Request;

/// A package name by its place in [`Graph::names`].
pub(super) type Name = usize;

/// A dependency: whose package, and the request.
pub(super) type Edges = Rc<Vec<(Name, Rc<Request>)>>;

/// What a name can come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Choice {
    /// The installed version stays.
    Keep,
    /// This entry of the catalogue is installed.
    Take(usize),
    /// Nothing satisfies.
    Fail,
}

/// Who makes a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    /// The caller.
    Wanted(Why),
    /// A package of the plan, installed by it or staying.
    Package(Name),
    /// A package that is installed and that the plan does not touch.
    Installed(Name),
}

/// A request that reaches a name.
#[derive(Debug, Clone)]
pub(super) struct Demand {
    pub(super) request: Rc<Request>,
    pub(super) from: Source,
}

/// What may not be chosen, learned from failures.
#[derive(Debug, Clone, Default)]
pub(super) struct Limits {
    /// Names of which nothing new is installed.
    pub(super) blocked: Vec<bool>,
    /// Names whose installed version goes away.
    pub(super) removed: Vec<bool>,
    /// The first option of each name that may still be chosen.
    pub(super) floor: Vec<usize>,
}

/// What one pass found, by name.
#[derive(Debug, Clone, Default)]
pub(super) struct Pass {
    /// The names reached, nearest first.
    pub(super) order: Vec<Name>,
    /// Whether a name is reached.
    pub(super) is_reached: Vec<bool>,
    /// How far below what is wanted.
    pub(super) depth: Vec<usize>,
    /// The requests that reach each name.
    pub(super) demands: Vec<Vec<Demand>>,
    /// The place of the choice among the options of each name reached.
    pub(super) chosen: Vec<Option<usize>>,
}

/// The question: what there is, what is installed, what is wanted.
pub(super) struct Graph<'a> {
    pub(super) catalogue: &'a Catalogue,
    pub(super) names: Vec<String>,
    pub(super) wanted: Vec<(Name, Rc<Request>, Why)>,
    whys: BTreeMap<Name, Vec<Why>>,
    ids: BTreeMap<String, Name>,
    installed: Vec<Option<&'a Installed>>,
    installed_names: Vec<Name>,
    installed_edges: Vec<Option<Edges>>,
    entry_edges: Vec<Option<Edges>>,
    options: Vec<Option<Rc<Vec<Choice>>>>,
}

impl<'a> Graph<'a> {
    pub(super) fn new(catalogue: &'a Catalogue, installed: &'a [Installed], wanted: &[Wanted]) -> Self {
        let mut graph = Self {
            catalogue,
            names: Vec::new(),
            wanted: Vec::new(),
            whys: BTreeMap::new(),
            ids: BTreeMap::new(),
            installed: Vec::new(),
            installed_names: Vec::new(),
            installed_edges: Vec::new(),
            entry_edges: vec![None; catalogue.entries().len()],
            options: Vec::new(),
        };
        for package in installed {
            let name = graph.name(&package.package);
            let edges = graph.edges(package.depends.iter().cloned());
            if let (Some(slot), Some(slot_edges)) =
                (graph.installed.get_mut(name), graph.installed_edges.get_mut(name))
            {
                if slot.is_none() {
                    graph.installed_names.push(name);
                }
                *slot = Some(package);
                *slot_edges = Some(edges);
            }
        }
        for want in wanted {
            let name = graph.name(&want.request.name);
            graph.wanted.push((name, Rc::new(want.request.clone()), want.why));
            graph.whys.entry(name).or_default().push(want.why);
        }
        graph
    }

    /// One pass: follows the previous choices and chooses anew for every name reached.
    pub(super) fn pass(&mut self, previous: &Pass, limits: &Limits) -> Pass {
        let mut pass = Pass::default();
        for (name, request, why) in self.wanted.clone() {
            pass.demand(name, request, Source::Wanted(why), 0);
        }
        let mut position = 0;
        while let Some(&name) = pass.order.get(position) {
            position += 1;
            let depth = pass.depth.get(name).copied().unwrap_or_default();
            let chosen = previous.chosen.get(name).copied().flatten();
            let chosen = chosen.or_else(|| self.choose(name, &pass, limits));
            for (dependency, request) in self.edges_of(name, chosen).iter() {
                pass.demand(*dependency, Rc::clone(request), Source::Package(name), depth + 1);
            }
        }
        self.add_installed_demands(&mut pass, previous, limits);
        pass.chosen.resize(self.names.len(), None);
        for &name in &pass.order {
            let chosen = self.choose(name, &pass, limits);
            if let Some(slot) = pass.chosen.get_mut(name) {
                *slot = chosen;
            }
        }
        pass
    }

    /// What a name comes to in a pass.
    pub(super) fn choice(&mut self, pass: &Pass, name: Name) -> Option<Choice> {
        let place = pass.chosen.get(name).copied().flatten()?;
        self.options(name).get(place).copied()
    }

    /// The version that a choice means.
    pub(super) fn version_of(&self, name: Name, choice: Choice) -> Option<&'a str> {
        match choice {
            Choice::Keep => self.installed(name).map(|installed| installed.version.as_str()),
            Choice::Take(place) => self.entry(place).map(|entry| entry.control.version()),
            Choice::Fail => None,
        }
    }

    /// What a choice depends on.
    pub(super) fn depends_of(&mut self, name: Name, choice: Choice) -> Edges {
        match choice {
            Choice::Keep => self
                .installed_edges
                .get(name)
                .cloned()
                .flatten()
                .unwrap_or_default(),
            Choice::Take(place) => {
                if let Some(Some(edges)) = self.entry_edges.get(place) {
                    return Rc::clone(edges);
                }
                let requests = self
                    .entry(place)
                    .map(|entry| entry.control.depends_list())
                    .unwrap_or_default();
                let edges = self.edges(requests);
                if let Some(slot) = self.entry_edges.get_mut(place) {
                    *slot = Some(Rc::clone(&edges));
                }
                edges
            }
            Choice::Fail => Edges::default(),
        }
    }

    /// What the package behind a choice conflicts with.
    pub(super) fn conflicts_of(&mut self, place: usize) -> Edges {
        let requests = self
            .entry(place)
            .map(|entry| entry.control.conflicts_list())
            .unwrap_or_default();
        self.edges(requests)
    }

    /// The installed package of a name.
    pub(super) fn installed(&self, name: Name) -> Option<&'a Installed> {
        self.installed.get(name).copied().flatten()
    }

    /// The names of all installed packages, in the order given.
    pub(super) fn installed_names(&self) -> Vec<Name> {
        self.installed_names.clone()
    }

    /// An entry of the catalogue.
    pub(super) fn entry(&self, place: usize) -> Option<&'a IndexEntry> {
        self.catalogue.entries().get(place)
    }

    /// Whether the caller wants a name for itself.
    pub(super) fn is_wanted(&self, name: Name) -> bool {
        self.whys.contains_key(&name)
    }

    /// The text of a name.
    pub(super) fn text(&self, name: Name) -> &str {
        self.names.get(name).map_or("", String::as_str)
    }

    /// Whether a name would have a candidate if the installed packages made no requests.
    pub(super) fn could_be_without_installed(&mut self, name: Name, pass: &Pass, limits: &Limits) -> bool {
        let place = self.choose_among(name, pass, limits, |demand| {
            !matches!(demand.from, Source::Installed(_))
        });
        let options = self.options(name);
        place
            .and_then(|place| options.get(place))
            .is_some_and(|choice| *choice != Choice::Fail)
    }

    fn choose(&mut self, name: Name, pass: &Pass, limits: &Limits) -> Option<usize> {
        self.choose_among(name, pass, limits, |_| true)
    }

    fn choose_among(
        &mut self,
        name: Name,
        pass: &Pass,
        limits: &Limits,
        counts: impl Fn(&Demand) -> bool,
    ) -> Option<usize> {
        let options = self.options(name);
        let floor = limits.floor.get(name).copied().unwrap_or_default();
        let is_blocked = limits.blocked.get(name).copied().unwrap_or_default();
        let is_removed = limits.removed.get(name).copied().unwrap_or_default();
        let is_too_deep = pass.depth.get(name).is_some_and(|depth| *depth > MAX_DEPTH);
        let demands = pass.demands_on(name);
        (floor..options.len()).find(|place| match options.get(*place) {
            Some(Choice::Keep) if is_removed => false,
            Some(Choice::Take(_)) if is_blocked || is_too_deep => false,
            Some(Choice::Fail) | None => true,
            Some(choice) => self.version_of(name, *choice).is_some_and(|version| {
                demands
                    .iter()
                    .filter(|demand| counts(demand))
                    .all(|demand| demand.request.accepts_version(version))
            }),
        })
    }

    /// Requests of installed packages that the plan does not replace constrain what is reached.
    fn add_installed_demands(&mut self, pass: &mut Pass, previous: &Pass, limits: &Limits) {
        for parent in self.installed_names() {
            let is_removed = limits.removed.get(parent).copied().unwrap_or_default();
            let is_counted = match self.choice(previous, parent) {
                Some(Choice::Keep | Choice::Take(_)) => pass.reaches(parent),
                Some(Choice::Fail) | None => false,
            };
            if is_removed || is_counted {
                continue;
            }
            for (name, request) in self.depends_of(parent, Choice::Keep).iter() {
                if pass.reaches(*name) {
                    pass.demand(*name, Rc::clone(request), Source::Installed(parent), 0);
                }
            }
        }
    }

    fn edges_of(&mut self, name: Name, chosen: Option<usize>) -> Edges {
        let choice = chosen.and_then(|place| self.options(name).get(place).copied());
        choice
            .map(|choice| self.depends_of(name, choice))
            .unwrap_or_default()
    }

    /// Everything that a name could come to, most wanted first, ending with [`Choice::Fail`].
    fn options(&mut self, name: Name) -> Rc<Vec<Choice>> {
        if let Some(options) = self.options.get(name).and_then(Option::as_ref) {
            return Rc::clone(options);
        }
        let options = Rc::new(self.options_for(name, self.whys.get(&name).map_or(&[], Vec::as_slice)));
        if let Some(slot) = self.options.get_mut(name) {
            *slot = Some(Rc::clone(&options));
        }
        options
    }

    fn options_for(&self, name: Name, whys: &[Why]) -> Vec<Choice> {
        let is_implicit_only = whys.contains(&Why::Implicit);
        let is_offered = |place: &&usize| {
            let is_implicit = |entry: &IndexEntry| {
                entry
                    .control
                    .section_kind()
                    .is_ok_and(crate::control::Section::is_implicit)
            };
            !is_implicit_only || self.entry(**place).is_some_and(is_implicit)
        };
        let offered = self
            .catalogue
            .places(self.text(name))
            .iter()
            .filter(is_offered)
            .copied();
        let mut options: Vec<Choice> = offered.map(Choice::Take).collect();
        if let Some(installed) = self.installed(name) {
            let takes_newest = whys.contains(&Why::Upgrade) || is_implicit_only;
            let stays_before = |place: usize| {
                let order = self.entry(place).map_or(Ordering::Less, |entry| {
                    compare_versions(entry.control.version(), &installed.version)
                });
                match order {
                    Ordering::Greater => takes_newest || whys.contains(&Why::Retry),
                    Ordering::Equal => whys.contains(&Why::Retry),
                    Ordering::Less => false,
                }
            };
            let at = options
                .iter()
                .position(|choice| !matches!(choice, Choice::Take(place) if stays_before(*place)))
                .unwrap_or(options.len());
            options.insert(at, Choice::Keep);
        }
        options.push(Choice::Fail);
        options
    }

    fn edges(&mut self, requests: impl IntoIterator<Item = Request>) -> Edges {
        Rc::new(
            requests
                .into_iter()
                .map(|request| (self.name(&request.name), Rc::new(request)))
                .collect(),
        )
    }

    fn name(&mut self, text: &str) -> Name {
        let key = key_of_name(text);
        if let Some(name) = self.ids.get(&key) {
            return *name;
        }
        let name = self.names.len();
        self.ids.insert(key.clone(), name);
        self.names.push(key);
        self.installed.push(None);
        self.installed_edges.push(None);
        self.options.push(None);
        name
    }
}

impl Pass {
    /// Whether a name is reached.
    pub(super) fn reaches(&self, name: Name) -> bool {
        self.is_reached.get(name).copied().unwrap_or_default()
    }

    /// The requests that reach a name.
    pub(super) fn demands_on(&self, name: Name) -> &[Demand] {
        self.demands.get(name).map_or(&[], Vec::as_slice)
    }

    fn demand(&mut self, name: Name, request: Rc<Request>, from: Source, depth: usize) {
        if self.is_reached.len() <= name {
            self.is_reached.resize(name + 1, false);
            self.depth.resize(name + 1, 0);
            self.demands.resize(name + 1, Vec::new());
        }
        if let Some(demands) = self.demands.get_mut(name) {
            demands.push(Demand { request, from });
        }
        if !self.reaches(name) {
            if let (Some(is_reached), Some(slot)) = (self.is_reached.get_mut(name), self.depth.get_mut(name))
            {
                *is_reached = true;
                *slot = depth;
            }
            self.order.push(name);
        }
    }
}

/// The name of a package as it is to be shown.
pub(super) fn shown(control: &Control) -> String {
    format!("{} {}", control.package(), control.version())
}
