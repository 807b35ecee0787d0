//! The packages that one has already, and how those of another repository stand to them.

use std::collections::{BTreeMap, BTreeSet};

use muster_shared::control::Control;
use muster_shared::request::Request;
use muster_shared::version::{Version, compare_text};
use serde::Serialize;

/// How a package of the other repository stands to the own ones of that name, architecture and language.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Relation {
    /// There is none of that name.
    New,
    /// It is newer than all of one's own.
    Newer,
    /// The own one has the same software version and is not older.
    Imported,
    /// The own one is newer.
    Older,
}

impl Relation {
    /// The word in tables.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Newer => "newer",
            Self::Imported => "imported",
            Self::Older => "older",
        }
    }
}

/// The packages that one has already.
#[derive(Debug, Clone, Default)]
pub struct Own {
    versions: BTreeMap<Key, Vec<String>>,
    names: BTreeMap<String, Vec<String>>,
    /// What the packages of a name say of the software in them.
    about: BTreeMap<String, BTreeSet<(&'static str, String)>>,
}

/// Attributes that say what software it is; an import leaves them as they are.
const ABOUT: [&str; 5] = ["name", "description", "sources", "editor", "homepage"];

fn about(control: &Control) -> impl Iterator<Item = (&'static str, String)> {
    let values = ABOUT.map(|name| (name, control.get(name).trim().to_lowercase()));
    values.into_iter().filter(|(_name, value)| !value.is_empty())
}

/// Name, architecture and languages: builds for different machines are not older or newer than each other.
type Key = (String, String, String);

fn key(name: &str, control: &Control) -> Key {
    let locale = match control.get("locale") {
        "all" => "",
        locale => locale,
    };
    (
        name.to_owned(),
        control.architecture().to_owned(),
        locale.to_owned(),
    )
}

impl Own {
    /// One's own packages.
    pub fn new<'a>(controls: impl IntoIterator<Item = &'a Control>) -> Self {
        let mut own = Self::default();
        for control in controls {
            own.add(control.package(), control);
        }
        own
    }

    pub(super) fn add(&mut self, name: &str, control: &Control) {
        let version = control.version().to_owned();
        let versions = self.versions.entry(key(name, control)).or_default();
        versions.push(version.clone());
        self.names.entry(name.to_owned()).or_default().push(version);
        self.about
            .entry(name.to_owned())
            .or_default()
            .extend(about(control));
    }

    pub(super) fn of(&self, name: &str, control: &Control) -> &[String] {
        self.versions
            .get(&key(name, control))
            .map_or(&[][..], Vec::as_slice)
    }

    pub(super) fn satisfies(&self, name: &str, request: &Request) -> bool {
        let request = Request {
            name: name.to_owned(),
            condition: request.condition.clone(),
        };
        self.names
            .get(name)
            .is_some_and(|versions| versions.iter().any(|version| request.accepts_version(version)))
    }

    /// Whether a package of another repository may be other software than the own one of that name: the name
    /// was another one there, and nothing that the two say of themselves is the same.
    pub(super) fn is_doubtful(&self, name: &str, control: &Control) -> bool {
        let Some(known) = self.about.get(name) else {
            return false;
        };
        name != control.package() && !about(control).any(|said| known.contains(&said))
    }

    /// How a package of another repository, under its name here, stands to the own ones.
    pub fn relation(&self, name: &str, control: &Control) -> Relation {
        let versions = self.of(name, control);
        let Some(newest) = versions.iter().max_by(|a, b| compare_text(a, b)) else {
            return Relation::New;
        };
        if compare_text(control.version(), newest).is_gt() {
            Relation::Newer
        } else if software(control.version()) == software(newest) {
            Relation::Imported
        } else {
            Relation::Older
        }
    }

    /// The version under which it would be published here: its own, or above every own packaging of the same
    /// software version.
    pub fn free_version(&self, name: &str, control: &Control) -> String {
        raised_above(control.version(), self.of(name, control))
    }
}

fn software(version: &str) -> &str {
    version
        .split_once('-')
        .map_or(version, |(software, _packaging)| software)
}

/// A version that is above all those of the same software version that are taken, as it is if it is already.
pub fn raised_above(version: &str, taken: &[String]) -> String {
    let same = taken.iter().filter(|other| software(other) == software(version));
    let Some(newest) = same.max_by(|a, b| compare_text(a, b)) else {
        return version.to_owned();
    };
    if compare_text(version, newest).is_gt() {
        return version.to_owned();
    }
    newest.parse::<Version>().map_or_else(
        |_invalid| version.to_owned(),
        |newest| newest.incremented().as_str().to_owned(),
    )
}
