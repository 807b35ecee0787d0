//! What an import would do, worked out from the two catalogues alone.

use std::collections::{BTreeMap, BTreeSet};

use muster_shared::control::{Control, Section};
use muster_shared::hint::Hint;
use muster_shared::index::IndexEntry;
use muster_shared::request::Request;
use muster_shared::version::compare_text;
use serde::Serialize;

use super::own::{Own, Relation};
use super::prefix;
use crate::admin::lint::near;

/// Packages that one import may bring.
const MAX_PACKAGES: usize = 10_000;

/// What is to be imported, and how.
#[derive(Debug, Clone, Default)]
pub struct ImportWishes {
    /// Names or requests; everything when empty.
    pub wanted: Vec<Request>,
    /// The own prefix; names stay when there is none.
    pub prefix: Option<String>,
    /// Architectures that are taken; all when empty.
    pub architectures: Vec<String>,
    /// Languages that are taken; all when empty.
    pub locales: Vec<String>,
    /// Maturities of the other repository that are taken; PROD when empty.
    pub from_maturities: Vec<String>,
    /// Maturity that the copies get; as it is when absent.
    pub maturity: Option<String>,
    pub with_dependencies: bool,
    /// Only what is new or newer here.
    pub only_newer: bool,
    /// Also packages that act without being asked for or that grant rights, when they are named.
    pub any_section: bool,
    /// Keep and sign control attributes that the format does not know.
    pub keep_unknown: bool,
}

/// One package that is to be imported.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PlannedImport {
    #[serde(skip)]
    pub entry: IndexEntry,
    /// Name in the other repository.
    pub from_package: String,
    pub from_version: String,
    pub section: String,
    pub package: String,
    pub version: String,
    pub architecture: String,
    pub locale: String,
    pub maturity: String,
    pub relation: Relation,
    /// The package that needs it, when nobody asked for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub needed_by: Option<String>,
    /// Size of the file, in bytes.
    pub size: u64,
}

/// One package that is left alone, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Skipped {
    pub package: String,
    pub version: String,
    pub reason: String,
}

/// What an import would do, in an order in which dependencies come first.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct ImportPlan {
    pub imports: Vec<PlannedImport>,
    pub skipped: Vec<Skipped>,
}

/// Why nothing can be planned.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum PlanError {
    #[error("the repository has no package {request}")]
    Unknown { request: String, near: Vec<String> },
    #[error("the repository has {request}, but not as asked: {only}")]
    FilteredOut { request: String, only: String },
    #[error("{package} needs {request}, which the repository does not have")]
    NoDependency { package: String, request: String },
    #[error(
        "{package} is of the section {section}: such packages act or grant rights without being asked for"
    )]
    Section { package: String, section: String },
    #[error("{first} and {second} would both become {package}")]
    TwoSources {
        package: String,
        first: String,
        second: String,
    },
    #[error("an import brings at most {MAX_PACKAGES} packages")]
    TooMany,
}

impl Hint for PlanError {
    fn hints(&self) -> Vec<String> {
        match self {
            Self::Unknown { near, .. } if near.is_empty() => {
                vec!["`muster package import --list --from REPOSITORY` shows what there is".to_owned()]
            }
            Self::Unknown { near, .. } => vec![format!("there is: {}", near.join(", "))],
            Self::FilteredOut { .. } => vec![
                "take it with --from-maturity, --architecture or --locale, or ask for another version"
                    .to_owned(),
            ],
            Self::NoDependency { .. } => {
                vec!["leave out --with-dependencies, and get that package elsewhere".to_owned()]
            }
            Self::Section { .. } => vec![
                "read what it holds (`muster package show FILE`), then take it with --any-section".to_owned(),
            ],
            Self::TwoSources { .. } => {
                vec!["name the one that you want, or keep their names with --keep-prefix".to_owned()]
            }
            Self::TooMany => vec!["name the packages, or take only --newer ones".to_owned()],
        }
    }
}

/// Works out what an import brings. Pure: the two catalogues are all that counts.
///
/// # Errors
/// A package that is asked for or needed is not there.
pub fn plan(entries: &[IndexEntry], own: &Own, wishes: &ImportWishes) -> Result<ImportPlan, PlanError> {
    let mut by_name: BTreeMap<&str, Vec<&IndexEntry>> = BTreeMap::new();
    for entry in entries {
        by_name.entry(entry.control.package()).or_default().push(entry);
    }
    let mut planning = Planning {
        by_name,
        wishes,
        own: own.clone(),
        named: wishes.wanted.iter().map(|one| one.name.as_str()).collect(),
        sources: BTreeMap::new(),
        seen: BTreeSet::new(),
        plan: ImportPlan::default(),
    };
    let wanted: Vec<Request> = if wishes.wanted.is_empty() {
        planning.by_name.keys().map(|name| Request::any(*name)).collect()
    } else {
        wishes.wanted.clone()
    };
    for request in wanted {
        let chosen = planning.chosen(&request);
        if chosen.is_empty() {
            if wishes.wanted.is_empty() {
                continue;
            }
            return Err(planning.why_nothing(&request));
        }
        for entry in chosen {
            planning.take(entry, None)?;
        }
    }
    Ok(planning.plan)
}

struct Planning<'a> {
    by_name: BTreeMap<&'a str, Vec<&'a IndexEntry>>,
    wishes: &'a ImportWishes,
    own: Own,
    /// Names that somebody wrote down.
    named: BTreeSet<&'a str>,
    /// From which name each name here comes.
    sources: BTreeMap<String, String>,
    /// File names already looked at: cycles end here.
    seen: BTreeSet<&'a str>,
    plan: ImportPlan,
}

impl<'a> Planning<'a> {
    /// The newest package of each architecture, language and system that a request and the filters allow.
    fn chosen(&self, request: &Request) -> Vec<&'a IndexEntry> {
        let mut best: BTreeMap<(String, String, String), &IndexEntry> = BTreeMap::new();
        for entry in self.by_name.get(request.name.as_str()).into_iter().flatten() {
            let control = &entry.control;
            if !request.accepts_version(control.version()) || !passes(control, self.wishes) {
                continue;
            }
            let kind = (
                control.architecture().to_owned(),
                control.get("locale").to_owned(),
                control.get("target_os").to_owned(),
            );
            let is_better = best
                .get(&kind)
                .is_none_or(|other| compare_text(control.version(), other.control.version()).is_gt());
            if is_better {
                best.insert(kind, entry);
            }
        }
        best.into_values().collect()
    }

    fn why_nothing(&self, request: &Request) -> PlanError {
        let shown = request.to_string();
        if let Some(others) = self.by_name.get(request.name.as_str()) {
            let mut only: Vec<String> = others.iter().map(|entry| described(&entry.control)).collect();
            only.truncate(5);
            return PlanError::FilteredOut {
                request: shown,
                only: only.join("; "),
            };
        }
        let names = near(&request.name, self.by_name.keys().copied());
        PlanError::Unknown {
            request: shown,
            near: names.into_iter().map(str::to_owned).collect(),
        }
    }

    fn take(&mut self, entry: &'a IndexEntry, needed_by: Option<&str>) -> Result<(), PlanError> {
        // A stack of our own: a chain of dependencies may be as long as the catalogue.
        enum Todo<'a> {
            Enter(&'a IndexEntry, Option<String>),
            Leave(&'a IndexEntry, Option<String>),
        }
        let mut todo = vec![Todo::Enter(entry, needed_by.map(str::to_owned))];
        while let Some(next) = todo.pop() {
            match next {
                Todo::Leave(entry, needed_by) => self.add(entry, needed_by)?,
                Todo::Enter(entry, needed_by) => {
                    if !self.seen.insert(&entry.filename) || self.is_skipped(entry)? {
                        continue;
                    }
                    todo.push(Todo::Leave(entry, needed_by));
                    if !self.wishes.with_dependencies {
                        continue;
                    }
                    for request in entry.control.depends_list() {
                        for dependency in self.dependency(entry, &request)? {
                            todo.push(Todo::Enter(dependency, Some(entry.control.package().to_owned())));
                        }
                    }
                }
            }
        }
        Ok(())
    }

    fn dependency(&self, entry: &IndexEntry, request: &Request) -> Result<Vec<&'a IndexEntry>, PlanError> {
        let name = match &self.wishes.prefix {
            Some(prefix) => prefix::with_prefix(&request.name, prefix),
            None => request.name.clone(),
        };
        if self.own.satisfies(&name, request) {
            return Ok(Vec::new());
        }
        let chosen = self.chosen(request);
        if chosen.is_empty() {
            return Err(PlanError::NoDependency {
                package: entry.control.package().to_owned(),
                request: request.to_string(),
            });
        }
        Ok(chosen)
    }

    fn is_skipped(&mut self, entry: &IndexEntry) -> Result<bool, PlanError> {
        let control = &entry.control;
        let name = prefix::package_with_prefix(control, self.wishes.prefix.as_deref());
        let is_named = self.named.contains(control.package());
        let is_plain = matches!(control.section_kind(), Ok(Section::Base | Section::Group));
        let is_known = self
            .sources
            .get(&name)
            .is_some_and(|from| from == control.package());
        let reason = match self.own.relation(&name, control) {
            _any if control.is_section(Section::Host) => {
                "the package of a host belongs to its server".to_owned()
            }
            _any if !is_plain && is_named && !self.wishes.any_section => {
                return Err(PlanError::Section {
                    package: control.package().to_owned(),
                    section: control.section().to_owned(),
                });
            }
            _any if !is_plain && !is_named => {
                let section = control.section();
                format!("those of the section {section} are taken by name with --any-section")
            }
            Relation::Imported if self.wishes.only_newer => format!("{name} is here already"),
            Relation::Older if self.wishes.only_newer => format!("{name} is newer here"),
            _any if !is_named && !is_known && self.own.is_doubtful(&name, control) => {
                format!("{name} is here, and nothing says that it is the same software: import it by name")
            }
            _ => return Ok(false),
        };
        self.plan.skipped.push(Skipped {
            package: control.package().to_owned(),
            version: control.version().to_owned(),
            reason,
        });
        Ok(true)
    }

    fn add(&mut self, entry: &IndexEntry, needed_by: Option<String>) -> Result<(), PlanError> {
        if self.plan.imports.len() >= MAX_PACKAGES {
            return Err(PlanError::TooMany);
        }
        let control = &entry.control;
        let package = prefix::package_with_prefix(control, self.wishes.prefix.as_deref());
        let source = self.sources.entry(package.clone());
        let first = source.or_insert_with(|| control.package().to_owned());
        if first != control.package() {
            return Err(PlanError::TwoSources {
                first: first.clone(),
                second: control.package().to_owned(),
                package,
            });
        }
        let relation = self.own.relation(&package, control);
        let version = self.own.free_version(&package, control);
        let maturity = self.wishes.maturity.as_deref().unwrap_or(control.maturity());
        let planned = control.clone().with("version", &version);
        // Two builds of one import must not get the same version either.
        self.own.add(&package, &planned);
        self.plan.imports.push(PlannedImport {
            from_package: control.package().to_owned(),
            from_version: control.version().to_owned(),
            section: control.section().to_owned(),
            package,
            version,
            architecture: control.architecture().to_owned(),
            locale: control.get("locale").to_owned(),
            maturity: maturity.to_owned(),
            relation,
            needed_by,
            size: entry.size,
            entry: entry.clone(),
        });
        Ok(())
    }
}

/// Whether a package of the other repository passes the filters on maturity, architecture and language.
pub fn passes(control: &Control, wishes: &ImportWishes) -> bool {
    let prod = ["PROD".to_owned()];
    let maturities = if wishes.from_maturities.is_empty() {
        prod.as_slice()
    } else {
        wishes.from_maturities.as_slice()
    };
    let has = |list: &[String], value: &str| list.iter().any(|one| one.eq_ignore_ascii_case(value));
    let fits =
        |list: &[String], value: &str| list.is_empty() || matches!(value, "" | "all") || has(list, value);
    let locale = control.get("locale");
    has(maturities, control.effective_maturity())
        && fits(&wishes.architectures, control.architecture())
        && (locale.is_empty() || locale.split(',').any(|one| fits(&wishes.locales, one.trim())))
}

fn described(control: &Control) -> String {
    let mut text = format!(
        "{} {} {}",
        control.version(),
        control.architecture(),
        control.effective_maturity()
    );
    if !control.get("locale").is_empty() {
        text.push(' ');
        text.push_str(control.get("locale"));
    }
    text
}
