//! Names, and what each could come to: the question, read lazily from the catalogue.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::rc::Rc;

use super::{Installed, Wanted, Why};
use crate::catalogue::{Catalogue, compare_versions, key_of_name};
use crate::control::{Control, Section};
use crate::index::IndexEntry;
use crate::request::Request;

/// A package name by its place in [`Graph::names`].
pub(super) type Name = usize;

/// Dependencies or conflicts: whose package, and the request.
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

/// The question: what there is, what is installed, what is wanted.
pub(super) struct Graph<'a> {
    pub(super) catalogue: &'a Catalogue,
    names: Vec<NameFacts<'a>>,
    ids: HashMap<String, Name>,
    wanted: Vec<(Name, Rc<Request>, Why)>,
    installed_names: Vec<Name>,
    entry_edges: HashMap<usize, Edges>,
}

/// What is known of one name.
#[derive(Debug, Default)]
struct NameFacts<'a> {
    text: String,
    installed: Option<&'a Installed>,
    installed_edges: Edges,
    /// Why the caller wants it, in the order given.
    whys: Vec<Why>,
    /// Worked out when the name is first chosen for.
    options: Option<Rc<Vec<Choice>>>,
}

impl<'a> Graph<'a> {
    pub(super) fn new(catalogue: &'a Catalogue, installed: &'a [Installed], wanted: &[Wanted]) -> Self {
        let mut graph = Self {
            catalogue,
            names: Vec::new(),
            ids: HashMap::new(),
            wanted: Vec::new(),
            installed_names: Vec::new(),
            entry_edges: HashMap::new(),
        };
        for package in installed {
            let name = graph.name(&package.package);
            let edges = graph.edges(package.depends.iter().cloned());
            if graph.installed(name).is_none() {
                graph.installed_names.push(name);
            }
            if let Some(facts) = graph.names.get_mut(name) {
                facts.installed = Some(package);
                facts.installed_edges = edges;
            }
        }
        for want in wanted {
            let name = graph.name(&want.request.name);
            graph.wanted.push((name, Rc::new(want.request.clone()), want.why));
            if let Some(facts) = graph.names.get_mut(name) {
                facts.whys.push(want.why);
            }
        }
        graph
    }

    /// What the caller wants, in the order given.
    pub(super) fn wanted(&self) -> &[(Name, Rc<Request>, Why)] {
        &self.wanted
    }

    /// How many names are known so far.
    pub(super) fn len(&self) -> usize {
        self.names.len()
    }

    /// The text of a name.
    pub(super) fn text(&self, name: Name) -> &str {
        self.names.get(name).map_or("", |facts| facts.text.as_str())
    }

    /// Whether the caller wants a name for itself.
    pub(super) fn is_wanted(&self, name: Name) -> bool {
        self.names.get(name).is_some_and(|facts| !facts.whys.is_empty())
    }

    /// The installed package of a name.
    pub(super) fn installed(&self, name: Name) -> Option<&'a Installed> {
        self.names.get(name).and_then(|facts| facts.installed)
    }

    /// The names of all installed packages, in the order given.
    pub(super) fn installed_names(&self) -> Vec<Name> {
        self.installed_names.clone()
    }

    /// An entry of the catalogue.
    pub(super) fn entry(&self, place: usize) -> Option<&'a IndexEntry> {
        self.catalogue.entries().get(place)
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
                .names
                .get(name)
                .map(|facts| Rc::clone(&facts.installed_edges))
                .unwrap_or_default(),
            Choice::Take(place) => {
                if let Some(edges) = self.entry_edges.get(&place) {
                    return Rc::clone(edges);
                }
                let requests = self
                    .entry(place)
                    .map(|entry| entry.control.depends_list())
                    .unwrap_or_default();
                let edges = self.edges(requests);
                self.entry_edges.insert(place, Rc::clone(&edges));
                edges
            }
            Choice::Fail => Edges::default(),
        }
    }

    /// Whether a name leads back to itself through what was looked at so far.
    pub(super) fn leads_to_itself(&mut self, name: Name) -> bool {
        let mut seen = vec![false; self.len()];
        let mut waiting = vec![name];
        while let Some(next) = waiting.pop() {
            for choice in self.options(next).iter() {
                let is_read = match choice {
                    Choice::Take(place) => self.entry_edges.contains_key(place),
                    Choice::Keep | Choice::Fail => true,
                };
                if !is_read {
                    continue;
                }
                for (dependency, _) in self.depends_of(next, *choice).iter() {
                    if *dependency == name {
                        return true;
                    }
                    if let Some(is_seen @ false) = seen.get_mut(*dependency) {
                        *is_seen = true;
                        waiting.push(*dependency);
                    }
                }
            }
        }
        false
    }

    /// What the package behind a choice conflicts with.
    pub(super) fn conflicts_of(&mut self, place: usize) -> Edges {
        let requests = self
            .entry(place)
            .map(|entry| entry.control.conflicts_list())
            .unwrap_or_default();
        self.edges(requests)
    }

    /// Everything that a name could come to, most wanted first, ending with [`Choice::Fail`].
    pub(super) fn options(&mut self, name: Name) -> Rc<Vec<Choice>> {
        let known = self.names.get(name).and_then(|facts| facts.options.as_ref());
        if let Some(options) = known {
            return Rc::clone(options);
        }
        let options = Rc::new(self.options_for(name));
        if let Some(facts) = self.names.get_mut(name) {
            facts.options = Some(Rc::clone(&options));
        }
        options
    }

    /// Whether an entry is of a section that a host looks for by name.
    pub(super) fn is_implicit(&self, place: usize) -> bool {
        self.entry(place)
            .is_some_and(|entry| entry.control.section_kind().is_ok_and(Section::is_implicit))
    }

    fn options_for(&self, name: Name) -> Vec<Choice> {
        let Some(facts) = self.names.get(name) else {
            return vec![Choice::Fail];
        };
        let offered = self.catalogue.places(&facts.text).iter().copied();
        let mut options: Vec<Choice> = offered.map(Choice::Take).collect();
        if let Some(installed) = facts.installed {
            let is_retry = facts.whys.contains(&Why::Retry);
            let takes_newest = is_retry
                || facts
                    .whys
                    .iter()
                    .any(|why| matches!(why, Why::Upgrade | Why::Implicit));
            let stays_before = |place: usize| {
                let order = self.entry(place).map_or(Ordering::Less, |entry| {
                    compare_versions(entry.control.version(), &installed.version)
                });
                match order {
                    Ordering::Greater => takes_newest,
                    Ordering::Equal => is_retry,
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
        if let Some(name) = self.ids.get(key.as_ref()) {
            return *name;
        }
        let name = self.names.len();
        let key = key.into_owned();
        self.ids.insert(key.clone(), name);
        self.names.push(NameFacts {
            text: key,
            ..NameFacts::default()
        });
        name
    }
}

/// The name of a package as it is to be shown.
pub(super) fn shown(control: &Control) -> String {
    format!("{} {}", control.package(), control.version())
}
