//! Plans against an oracle that shares no code with them: it tries every assignment of names to what they
//! could come to and keeps those of which each sentence of the rule (docs/resolution.md) holds.
#![expect(clippy::unwrap_used, reason = "test code may unwrap, also in helpers")]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use muster_shared::catalogue::{Capabilities, Catalogue, Installed, Resolution, Wanted, Why, plan};
use muster_shared::control::{Control, Section};
use muster_shared::index::IndexEntry;
use muster_shared::request::Request;
use proptest::prelude::*;

/// Package names are `p0`, `p1`, …
type Name = usize;

const NAMES: usize = 6;

/// A request as the oracle understands it: versions are whole numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Asks {
    name: Name,
    operator: &'static str,
    version: u8,
}

impl Asks {
    fn accepts(self, version: u8) -> bool {
        match self.operator {
            "" => true,
            "=" => version == self.version,
            "<" => version < self.version,
            "<=" => version <= self.version,
            ">" => version > self.version,
            ">=" => version >= self.version,
            other => panic!("{other} is no operator"),
        }
    }

    fn text(self) -> String {
        match self.operator {
            "" => format!("p{}", self.name),
            operator => format!("p{}({operator}{})", self.name, self.version),
        }
    }
}

fn list(requests: &[Asks]) -> String {
    let texts: Vec<String> = requests.iter().map(|request| request.text()).collect();
    texts.join(",")
}

#[derive(Clone)]
struct Row {
    name: Name,
    version: u8,
    depends: Vec<Asks>,
    conflicts: Vec<Asks>,
    is_visible: bool,
}

#[derive(Debug, Clone)]
struct Have {
    version: u8,
    depends: Vec<Asks>,
}

#[derive(Clone)]
struct Question {
    rows: Vec<Row>,
    installed: BTreeMap<Name, Have>,
    wanted: Vec<(Asks, Why)>,
}

impl fmt::Debug for Question {
    /// One line for each package, so that a counterexample can be read.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for row in &self.rows {
            let shade = if row.is_visible { "" } else { " (not visible)" };
            let (depends, conflicts) = (list(&row.depends), list(&row.conflicts));
            writeln!(
                formatter,
                "\np{} {}: depends {depends}; conflicts {conflicts}{shade}",
                row.name, row.version
            )?;
        }
        for (name, have) in &self.installed {
            writeln!(
                formatter,
                "installed p{name} {}: depends {}",
                have.version,
                list(&have.depends)
            )?;
        }
        for (asks, why) in &self.wanted {
            writeln!(formatter, "wanted {} {why:?}", asks.text())?;
        }
        Ok(())
    }
}

impl Question {
    fn answer(&self) -> Resolution {
        let catalogue = Catalogue::new(self.entries(), &Capabilities::default());
        plan(&catalogue, &self.installed(), &self.wanted())
    }

    fn entries(&self) -> Vec<IndexEntry> {
        self.rows.iter().map(entry).collect()
    }

    fn installed(&self) -> Vec<Installed> {
        let installed = self.installed.iter().map(|(name, have)| {
            let depends = have
                .depends
                .iter()
                .map(|asks| Request::parse(&asks.text()).unwrap())
                .collect();
            Installed::new(format!("p{name}"), have.version.to_string()).with_depends(depends)
        });
        installed.collect()
    }

    fn wanted(&self) -> Vec<Wanted> {
        let wanted = self.wanted.iter().map(|(asks, why)| Wanted {
            request: Request::parse(&asks.text()).unwrap(),
            why: *why,
        });
        wanted.collect()
    }

    fn row(&self, name: Name, version: u8) -> &Row {
        self.rows
            .iter()
            .find(|row| row.name == name && row.version == version)
            .unwrap()
    }
}

fn entry(row: &Row) -> IndexEntry {
    let maturity = if row.is_visible { "PROD" } else { "DEV" };
    IndexEntry {
        control: Control::new(format!("p{}", row.name), row.version.to_string(), Section::Base)
            .with("depends", &list(&row.depends))
            .with("conflicts", &list(&row.conflicts))
            .with("maturity", maturity),
        filename: format!("p{}_{}.wapt", row.name, row.version),
        size: 1,
        md5sum: "0".repeat(32),
        sha256sum: None,
        repository: String::new(),
    }
}

/// What a name comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Is {
    /// Nothing that is wanted leads to it.
    Untouched,
    Kept,
    Taken(u8),
    Missing,
}

/// What was given up and what goes, so far.
#[derive(Debug, Clone, Default)]
struct Limits {
    given_up: BTreeSet<Name>,
    gone: BTreeSet<Name>,
    /// What may not go: without it, what it stands in the way of would not come.
    protected: BTreeSet<Name>,
}

type Assignment = Vec<Is>;

impl Question {
    /// What the package that a name comes to depends on; untouched ones that are installed still ask.
    fn depends(&self, name: Name, is: Is) -> &[Asks] {
        match is {
            Is::Taken(version) => &self.row(name, version).depends,
            Is::Kept => &self.installed.get(&name).unwrap().depends,
            Is::Untouched | Is::Missing => &[],
        }
    }

    /// The names reached from what is wanted, nearest first, in the order of the lists.
    fn reached(&self, assignment: &[Is]) -> Vec<Name> {
        let mut order: Vec<Name> = Vec::new();
        let roots = self.wanted.iter().map(|(asks, _)| asks.name).collect::<Vec<_>>();
        let mut next = roots;
        while !next.is_empty() {
            let mut below = Vec::new();
            for name in next {
                if !order.contains(&name) {
                    order.push(name);
                    below.extend(self.depends(name, assignment[name]).iter().map(|asks| asks.name));
                }
            }
            next = below;
        }
        order
    }

    /// The requests on a name: of what is wanted, of packages of the plan, of bystanders if they count.
    fn requests(&self, assignment: &[Is], limits: &Limits, name: Name, with_bystanders: bool) -> Vec<Asks> {
        let mut requests: Vec<Asks> = self.wanted.iter().map(|(asks, _)| *asks).collect();
        for (parent, is) in assignment.iter().enumerate() {
            requests.extend(self.depends(parent, *is));
            let is_bystander = matches!(is, Is::Untouched | Is::Missing) && !limits.gone.contains(&parent);
            if let (true, true, Some(have)) = (with_bystanders, is_bystander, self.installed.get(&parent)) {
                requests.extend(&have.depends);
            }
        }
        requests.retain(|asks| asks.name == name);
        requests
    }

    /// "The newest visible candidate that satisfies every request; an installed version that satisfies
    /// stays", unless an upgrade or a retry is wanted.
    fn best(&self, limits: &Limits, name: Name, requests: &[Asks]) -> Is {
        let fits = |version: u8| requests.iter().all(|asks| asks.accepts(version));
        let whys: Vec<Why> = self
            .wanted
            .iter()
            .filter(|(asks, _)| asks.name == name)
            .map(|(_, why)| *why)
            .collect();
        let newest = self
            .rows
            .iter()
            .filter(|row| row.name == name && row.is_visible && fits(row.version))
            .map(|row| row.version)
            .max()
            .filter(|_| !limits.given_up.contains(&name));
        let installed = self
            .installed
            .get(&name)
            .map(|have| have.version)
            .filter(|version| fits(*version) && !limits.gone.contains(&name));
        match (installed, newest) {
            (None, None) => Is::Missing,
            (None, Some(newest)) => Is::Taken(newest),
            (Some(_), None) => Is::Kept,
            (Some(installed), Some(newest)) => {
                let is_wanted_newer = newest > installed && whys.iter().any(|why| *why != Why::Asked);
                let is_wanted_again = newest == installed && whys.contains(&Why::Retry);
                if is_wanted_newer || is_wanted_again {
                    Is::Taken(newest)
                } else {
                    Is::Kept
                }
            }
        }
    }

    /// Every assignment of which the sentences hold.
    fn stable(&self, limits: &Limits) -> Vec<Assignment> {
        let mentioned: BTreeSet<Name> = self
            .wanted
            .iter()
            .map(|(asks, _)| *asks)
            .chain(self.rows.iter().flat_map(|row| row.depends.iter().copied()))
            .chain(
                self.installed
                    .values()
                    .flat_map(|have| have.depends.iter().copied()),
            )
            .map(|asks| asks.name)
            .collect();
        let mut assignments: Vec<Assignment> = vec![Vec::new()];
        for name in 0..NAMES {
            let mut options = vec![Is::Untouched];
            if mentioned.contains(&name) {
                options.push(Is::Missing);
                let rows = self.rows.iter().filter(|row| row.name == name && row.is_visible);
                options.extend(rows.map(|row| Is::Taken(row.version)));
                if self.installed.contains_key(&name) {
                    options.push(Is::Kept);
                }
            }
            if self.wanted.iter().any(|(asks, _)| asks.name == name) {
                options.remove(0);
            }
            assignments = assignments
                .into_iter()
                .flat_map(|before| {
                    options.iter().map(move |is| {
                        let mut longer = before.clone();
                        longer.push(*is);
                        longer
                    })
                })
                .collect();
        }
        assignments.retain(|assignment| {
            let reached = self.reached(assignment);
            (0..NAMES).all(|name| {
                let requests = self.requests(assignment, limits, name, true);
                if reached.contains(&name) {
                    assignment[name] == self.best(limits, name, &requests)
                } else {
                    assignment[name] == Is::Untouched
                }
            })
        });
        assignments
    }

    /// The answer by the sentences alone. Without circles there is exactly one.
    fn by_the_sentences(&self) -> (Assignment, Limits, BTreeSet<Name>) {
        let mut limits = Limits::default();
        let mut failed = BTreeSet::new();
        loop {
            let stable = self.stable(&limits);
            let [assignment] = stable.as_slice() else {
                panic!("{} answers: {stable:?}", stable.len());
            };
            let missing = |with_bystanders: bool| -> Vec<Name> {
                (0..NAMES)
                    .filter(|name| assignment[*name] == Is::Missing)
                    .filter(|name| {
                        let requests = self.requests(assignment, &limits, *name, with_bystanders);
                        self.best(&limits, *name, &requests) == Is::Missing
                    })
                    .collect()
            };
            let parents = |missing: &[Name]| -> BTreeSet<Name> {
                let taken = (0..NAMES).filter(|parent| matches!(assignment[*parent], Is::Taken(_)));
                let needs = |parent: &Name| {
                    let mut depends = self.depends(*parent, assignment[*parent]).iter();
                    depends.any(|asks| missing.contains(&asks.name))
                };
                taken.filter(needs).collect()
            };
            let given_up = parents(&missing(false));
            if !given_up.is_empty() {
                failed.extend(missing(false));
                limits.given_up.extend(given_up);
                limits.gone.clear();
                continue;
            }
            let (gone, given_up) = self.conflicts(assignment, &limits.protected);
            if !given_up.is_empty() {
                limits.given_up.extend(given_up);
                limits.gone.clear();
                continue;
            }
            if !gone.is_subset(&limits.gone) {
                limits.gone.extend(gone);
                continue;
            }
            let without_cause: Vec<Name> = limits.gone.difference(&gone).copied().collect();
            if !without_cause.is_empty() {
                limits.protected.extend(without_cause);
                limits.gone.clear();
                continue;
            }
            let given_up = parents(&missing(true));
            failed.extend(missing(true));
            if !given_up.is_empty() {
                limits.given_up.extend(given_up);
                limits.gone.clear();
                continue;
            }
            limits.gone = gone;
            failed.extend(&limits.given_up);
            return (assignment.clone(), limits, failed);
        }
    }

    /// What goes for what is to be installed, and what cannot be installed beside the rest of the plan.
    fn conflicts(&self, assignment: &[Is], protected: &BTreeSet<Name>) -> (BTreeSet<Name>, BTreeSet<Name>) {
        let mut gone = BTreeSet::new();
        let mut given_up = BTreeSet::new();
        let mut order = self.reached(assignment);
        order.reverse();
        'packages: for name in order {
            let Is::Taken(version) = assignment[name] else {
                continue;
            };
            for asks in &self.row(name, version).conflicts {
                let other = asks.name;
                let there = match assignment[other] {
                    Is::Taken(version) => Some(version),
                    _ => self.installed.get(&other).map(|have| have.version),
                };
                let is_there = there.is_some_and(|version| asks.accepts(version));
                if other == name || given_up.contains(&other) || !is_there {
                    continue;
                }
                let mut falls = BTreeSet::from([other]);
                loop {
                    let before = falls.len();
                    for (parent, have) in &self.installed {
                        let is_replaced = matches!(assignment[*parent], Is::Taken(_));
                        if !is_replaced && have.depends.iter().any(|asks| falls.contains(&asks.name)) {
                            falls.insert(*parent);
                        }
                    }
                    if falls.len() == before {
                        break;
                    }
                }
                let is_needed = |name: &Name| {
                    protected.contains(name) || matches!(assignment[*name], Is::Kept | Is::Taken(_))
                };
                if falls.iter().any(is_needed) {
                    given_up.insert(name);
                    continue 'packages;
                }
                gone.extend(falls);
            }
        }
        if !given_up.is_empty() {
            gone.clear();
        }
        (gone, given_up)
    }

    /// Every request that some version of a name makes.
    fn all_depends(&self, from: Name) -> Vec<Asks> {
        let rows = self.rows.iter().filter(|row| row.name == from);
        let listed = rows.flat_map(|row| &row.depends);
        let installed = self.installed.get(&from).into_iter();
        listed
            .chain(installed.flat_map(|have| &have.depends))
            .copied()
            .collect()
    }

    /// Every name that some version of a name can lead to.
    fn below(&self, name: Name) -> BTreeSet<Name> {
        let mut seen = BTreeSet::new();
        let mut waiting = vec![name];
        while let Some(next) = waiting.pop() {
            for asks in self.all_depends(next) {
                if seen.insert(asks.name) {
                    waiting.push(asks.name);
                }
            }
        }
        seen
    }

    /// Whether a name can lead back to itself.
    fn is_in_circle(&self, name: Name) -> bool {
        self.below(name).contains(&name)
    }

    /// Whether in a circle around a name there are conditions: only there newest versions can exclude each
    /// other in turn.
    fn is_in_circle_of_conditions(&self, name: Name) -> bool {
        let below = self.below(name);
        let around = below.iter().filter(|other| self.below(**other).contains(&name));
        around.clone().any(|one| {
            let mut depends = self.all_depends(*one).into_iter();
            depends.any(|asks| !asks.operator.is_empty() && around.clone().any(|other| *other == asks.name))
        })
    }

    /// What is installed after the plan was carried out.
    fn carried_out(&self, resolution: &Resolution) -> Self {
        let mut after = self.clone();
        for removal in &resolution.removals {
            after.installed.remove(&number(&removal.package));
        }
        for step in &resolution.steps {
            let name = number(&step.package);
            let row = self.row(name, step.version.parse().unwrap());
            after.installed.insert(
                name,
                Have {
                    version: row.version,
                    depends: row.depends.clone(),
                },
            );
        }
        for (asks, why) in &mut after.wanted {
            if *why == Why::Retry && resolution.step(&format!("p{}", asks.name)).is_some() {
                *why = Why::Upgrade;
            }
        }
        after
    }
}

fn number(package: &str) -> Name {
    package.trim_start_matches('p').parse().unwrap()
}

/// What the plan says each name comes to.
fn assignment_of(question: &Question, resolution: &Resolution) -> Assignment {
    let mut assignment = vec![Is::Untouched; NAMES];
    for step in &resolution.steps {
        let slot = &mut assignment[number(&step.package)];
        assert_eq!(*slot, Is::Untouched, "{} has two steps", step.package);
        *slot = Is::Taken(step.version.parse().unwrap());
    }
    for kept in &resolution.kept {
        let name = number(&kept.package);
        assert_eq!(assignment[name], Is::Untouched, "{} is kept twice", kept.package);
        assert_eq!(kept.version, question.installed[&name].version.to_string());
        assignment[name] = Is::Kept;
    }
    assignment
}

/// Each sentence of the rule as a predicate on the answer.
fn check_sentences(question: &Question, resolution: &Resolution) {
    let mut assignment = assignment_of(question, resolution);
    let limits = Limits {
        gone: resolution
            .removals
            .iter()
            .map(|removal| number(&removal.package))
            .collect(),
        ..Limits::default()
    };
    let is_error = |name: Name| resolution.error(&format!("p{name}")).is_some();
    let reached = question.reached(&assignment);
    for &name in &reached {
        if assignment[name] == Is::Untouched {
            assert!(is_error(name), "p{name} is wanted, not there and not an error");
            assignment[name] = Is::Missing;
        }
    }
    for name in 0..NAMES {
        let is = assignment[name];
        if !reached.contains(&name) {
            assert_eq!(is, Is::Untouched, "nothing leads to p{name}");
            continue;
        }
        let requests = question.requests(&assignment, &limits, name, true);
        if let Is::Taken(version) = is {
            assert!(question.row(name, version).is_visible, "p{name} is not visible");
            assert!(
                requests.iter().all(|asks| asks.accepts(version)),
                "p{name} {version}"
            );
        }
        if !question.is_in_circle_of_conditions(name) && !is_error(name) {
            assert_eq!(is, question.best(&limits, name, &requests), "p{name}");
        }
        for asks in question.depends(name, is) {
            let is_there = match assignment[asks.name] {
                Is::Taken(version) => asks.accepts(version),
                Is::Kept => asks.accepts(question.installed[&asks.name].version),
                Is::Missing | Is::Untouched => false,
            };
            assert!(
                is_there || is == Is::Kept,
                "p{name} lacks {} and is to be installed",
                asks.text()
            );
        }
    }
    for error in &resolution.errors {
        for request in &error.requests {
            assert!(error.sentence.contains(request), "{error:?}");
        }
        assert!(
            !matches!(assignment[number(&error.package)], Is::Taken(_)),
            "{error:?}, and it is installed"
        );
    }
    check_order(question, resolution);
}

/// Dependencies before what depends on them, dependents removed before what they depend on.
fn check_order(question: &Question, resolution: &Resolution) {
    let mut done = BTreeSet::new();
    for step in &resolution.steps {
        let name = number(&step.package);
        for asks in &question.row(name, step.version.parse().unwrap()).depends {
            let is_step = resolution.step(&format!("p{}", asks.name)).is_some();
            assert!(
                !is_step || done.contains(&asks.name) || question.is_in_circle(name),
                "p{name} comes before p{}",
                asks.name
            );
        }
        done.insert(name);
    }
    let mut removed = BTreeSet::new();
    for removal in &resolution.removals {
        let name = number(&removal.package);
        for (parent, have) in &question.installed {
            let depends = have.depends.iter().any(|asks| asks.name == name);
            let is_replaced = resolution.step(&format!("p{parent}")).is_some();
            assert!(
                !depends || removed.contains(parent) || is_replaced || question.is_in_circle(name),
                "p{name} is removed before p{parent}, which depends on it"
            );
        }
        removed.insert(name);
    }
}

fn check(question: &Question) -> Result<(), TestCaseError> {
    let resolution = question.answer();
    check_sentences(question, &resolution);

    let mut turned = question.clone();
    turned.rows.reverse();
    prop_assert_eq!(&turned.answer(), &resolution, "the order of the rows decides");

    // What failed is tried again, and may succeed once the rest is in place; it must come to rest.
    let mut world = question.carried_out(&resolution);
    let mut next = world.answer();
    if !resolution.errors.is_empty() {
        for _round in 0..NAMES {
            world = world.carried_out(&next);
            next = world.answer();
        }
    }
    prop_assert!(
        next.steps.is_empty() && next.removals.is_empty(),
        "after {resolution:#?} there is more to do: {next:#?}"
    );

    if !(0..NAMES).any(|name| question.is_in_circle(name)) {
        let (assignment, limits, failed) = question.by_the_sentences();
        let mut expected = assignment;
        for is in &mut expected {
            if *is == Is::Missing {
                *is = Is::Untouched;
            }
        }
        prop_assert_eq!(assignment_of(question, &resolution), expected);
        let removed: BTreeSet<Name> = resolution
            .removals
            .iter()
            .map(|removal| number(&removal.package))
            .collect();
        prop_assert_eq!(removed, limits.gone);
        for error in &resolution.errors {
            prop_assert!(failed.contains(&number(&error.package)), "{error:?}");
        }
    }
    Ok(())
}

fn asks() -> impl Strategy<Value = Asks> {
    let operators = vec!["", "", "=", "<", "<=", ">", ">="];
    (0..NAMES, prop::sample::select(operators), 1..4_u8).prop_map(|(name, operator, version)| Asks {
        name,
        operator,
        version,
    })
}

fn question() -> impl Strategy<Value = Question> {
    let requests = |most: usize| prop::collection::vec(asks(), 0..most);
    let rows = prop::collection::vec(
        (
            0..NAMES,
            1..4_u8,
            requests(4),
            requests(2),
            prop::bool::weighted(0.9),
        ),
        0..11,
    );
    let installed = prop::collection::btree_map(
        0..NAMES,
        (1..4_u8, requests(3)).prop_map(|(version, depends)| Have { version, depends }),
        0..4,
    );
    let why = prop::sample::select(vec![Why::Asked, Why::Asked, Why::Upgrade, Why::Retry]);
    let wanted = prop::collection::vec((asks(), why), 1..4);
    (rows, installed, wanted).prop_map(|(rows, installed, wanted)| {
        let unique: BTreeMap<(Name, u8), Row> = rows
            .into_iter()
            .map(|(name, version, depends, conflicts, is_visible)| {
                let row = Row {
                    name,
                    version,
                    depends,
                    conflicts,
                    is_visible,
                };
                ((name, version), row)
            })
            .collect();
        Question {
            rows: unique.into_values().collect(),
            installed,
            wanted,
        }
    })
}

/// The same without circles: a package only depends on names after its own.
fn question_without_circles() -> impl Strategy<Value = Question> {
    question().prop_map(|mut question| {
        for row in &mut question.rows {
            let name = row.name;
            row.depends.retain(|asks| asks.name > name);
        }
        for (name, have) in &mut question.installed {
            have.depends.retain(|asks| asks.name > *name);
        }
        question
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_plan_is_what_the_sentences_say(question in question_without_circles()) {
        check(&question)?;
    }

    #[test]
    fn circles_end_in_what_the_sentences_allow(question in question()) {
        check(&question)?;
    }
}
