//! The fields that filters know: one table for parsing, completion and help.

/// What a field holds and so how it compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FieldKind {
    /// Text: `:` finds a part, `=` the whole, `*` stands for anything.
    Text,
    /// A whole number, with `k`, `M`, `G`, `T` for powers of 1024.
    Number,
    /// Yes or no; the bare name means yes.
    Flag,
    /// A point in time, compared by age (`7d`) or by date (`2026-01-31`).
    Time,
    /// A version; a partial one covers all that begin with it.
    Version,
    /// Named things with versions: `software:"7-zip"<24`.
    Named,
}

/// What kind of row has a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    /// A managed computer.
    Host,
    /// A package of the repository.
    Package,
    /// Something that an agent does or did.
    Task,
}

/// One field of the language.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field {
    /// The word before the operator.
    pub name: &'static str,
    /// What it holds.
    pub kind: FieldKind,
    /// What it means, as a short phrase.
    pub meaning: &'static str,
    /// A filter that uses it.
    pub example: &'static str,
    /// The kinds of rows that have it.
    pub subjects: &'static [Subject],
}

impl Field {
    /// The field of this name, without regard to case.
    pub fn find(name: &str) -> Option<&'static Self> {
        FIELDS.iter().find(|field| field.name.eq_ignore_ascii_case(name))
    }
}

const HOST: &[Subject] = &[Subject::Host];
const PACKAGE: &[Subject] = &[Subject::Package];
const TASK: &[Subject] = &[Subject::Task];
const ALL: &[Subject] = &[Subject::Host, Subject::Package, Subject::Task];
const HOST_AND_TASK: &[Subject] = &[Subject::Host, Subject::Task];
const HOST_AND_PACKAGE: &[Subject] = &[Subject::Host, Subject::Package];

/// Every field, grouped by what it describes.
pub const FIELDS: &[Field] = &[
    text("name", "name of the computer or package", "name:pc-*", ALL),
    text(
        "id",
        "identifier of the host, package or task",
        "id=4C4C4544-004E",
        ALL,
    ),
    text(
        "status",
        "state: ok, need-upgrade, error, running, pending",
        "status:error",
        HOST_AND_TASK,
    ),
    text(
        "description",
        "free text about it",
        "description:kiosk",
        HOST_AND_PACKAGE,
    ),
    flag("reachable", "connected at this moment", "not reachable", HOST),
    flag(
        "pending",
        "waits for an administrator's decision",
        "pending",
        HOST,
    ),
    time("last_seen", "last sign of life", "last_seen>7d", HOST),
    time("registered", "first registration", "registered<3d", HOST),
    text("os", "operating system", "os:windows", HOST),
    version(
        "os_version",
        "version of the operating system",
        "os_version<10.0.19045",
        HOST,
    ),
    text(
        "architecture",
        "processor architecture",
        "architecture=x64",
        HOST_AND_PACKAGE,
    ),
    version("agent_version", "version of the agent", "agent_version<0.2", HOST),
    named(
        "software",
        "installed software and its version",
        "software:\"7-zip\"<24",
        HOST,
    ),
    named(
        "package",
        "installed or depended-on package and its version",
        "package:tis-firefox>=128",
        ALL,
    ),
    text(
        "group",
        "group package that the host has",
        "group:accounting",
        HOST,
    ),
    text("profile", "profile that the host has", "profile:kiosk", HOST),
    text(
        "ou",
        "organisational unit in the directory",
        "ou:\"OU=room1\"",
        HOST,
    ),
    text("site", "site in the directory", "site:paris", HOST),
    text("domain", "domain or workgroup", "domain:example.lan", HOST),
    text("user", "user logged in or asking", "user:alice", HOST_AND_TASK),
    text("ip", "network address", "ip:192.168.1.*", HOST),
    text("mac", "hardware network address", "mac:00:1a:2b", HOST),
    text("manufacturer", "maker of the machine", "manufacturer:dell", HOST),
    text("model", "model of the machine", "model:latitude", HOST),
    text("serial", "serial number of the machine", "serial=ABC1234", HOST),
    number("memory", "memory in bytes", "memory<8G", HOST),
    number(
        "disk_free",
        "free space on the system disk in bytes",
        "disk_free<10G",
        HOST,
    ),
    text("section", "kind of package", "section:base", PACKAGE),
    version("version", "version of the package", "version>=1.2", PACKAGE),
    text("maturity", "maturity of the package", "maturity:PROD", PACKAGE),
    text("locale", "language of the package", "locale:fr", PACKAGE),
    text(
        "target_os",
        "system that the package is for",
        "target_os:linux",
        PACKAGE,
    ),
    text(
        "category",
        "category in the self-service",
        "category:internet",
        PACKAGE,
    ),
    text(
        "keyword",
        "search word of the package",
        "keyword:archive",
        PACKAGE,
    ),
    text("editor", "publisher of the software", "editor:mozilla", PACKAGE),
    text(
        "signer",
        "who signed",
        "signer:alice",
        &[Subject::Package, Subject::Task],
    ),
    time("signed", "date of the signature", "signed>1w", PACKAGE),
    number("size", "size of the file in bytes", "size>100M", PACKAGE),
    text("action", "what the task does", "action:install", TASK),
    text("host", "host that the task runs on", "host:pc-12", TASK),
    time("started", "begin of the task", "started<1h", TASK),
    time("finished", "end of the task", "finished<1d", TASK),
];

const fn text(
    name: &'static str,
    meaning: &'static str,
    example: &'static str,
    subjects: &'static [Subject],
) -> Field {
    Field {
        name,
        kind: FieldKind::Text,
        meaning,
        example,
        subjects,
    }
}

const fn number(
    name: &'static str,
    meaning: &'static str,
    example: &'static str,
    subjects: &'static [Subject],
) -> Field {
    Field {
        name,
        kind: FieldKind::Number,
        meaning,
        example,
        subjects,
    }
}

const fn flag(
    name: &'static str,
    meaning: &'static str,
    example: &'static str,
    subjects: &'static [Subject],
) -> Field {
    Field {
        name,
        kind: FieldKind::Flag,
        meaning,
        example,
        subjects,
    }
}

const fn time(
    name: &'static str,
    meaning: &'static str,
    example: &'static str,
    subjects: &'static [Subject],
) -> Field {
    Field {
        name,
        kind: FieldKind::Time,
        meaning,
        example,
        subjects,
    }
}

const fn version(
    name: &'static str,
    meaning: &'static str,
    example: &'static str,
    subjects: &'static [Subject],
) -> Field {
    Field {
        name,
        kind: FieldKind::Version,
        meaning,
        example,
        subjects,
    }
}

const fn named(
    name: &'static str,
    meaning: &'static str,
    example: &'static str,
    subjects: &'static [Subject],
) -> Field {
    Field {
        name,
        kind: FieldKind::Named,
        meaning,
        example,
        subjects,
    }
}

/// The field whose name is closest to a misspelt one, if one is close.
pub(super) fn closest(name: &str) -> Option<&'static Field> {
    let name = name.to_lowercase();
    let allowed = if name.chars().count() < 4 { 1 } else { 2 };
    FIELDS
        .iter()
        .map(|field| (distance(&name, field.name), field))
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, field)| field)
}

/// How many characters must be added, removed or replaced to get from one word to the other.
fn distance(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (line, ours) in from.chars().enumerate() {
        let mut next = vec![line + 1];
        for ((theirs, above_left), above) in to.iter().zip(&row).zip(row.iter().skip(1)) {
            let left = next.last().copied().unwrap_or_default();
            next.push(
                (above_left + usize::from(ours != *theirs))
                    .min(above + 1)
                    .min(left + 1),
            );
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filter::Filter;

    #[test]
    fn names_are_unique_and_every_example_is_a_filter_of_its_field() {
        for (position, field) in FIELDS.iter().enumerate() {
            assert!(
                FIELDS
                    .iter()
                    .skip(position + 1)
                    .all(|other| other.name != field.name),
                "{}",
                field.name
            );
            assert!(!field.meaning.is_empty() && !field.subjects.is_empty());
            let filter =
                Filter::parse(field.example).unwrap_or_else(|error| panic!("{}: {error}", field.example));
            assert!(
                filter.to_string().contains(field.name),
                "{} does not use {}",
                field.example,
                field.name
            );
        }
    }

    #[test]
    fn a_misspelt_name_finds_its_neighbour() {
        assert_eq!(closest("sofware").map(|field| field.name), Some("software"));
        assert_eq!(closest("STATUSS").map(|field| field.name), Some("status"));
        assert_eq!(closest("nonsense"), None);
    }
}
