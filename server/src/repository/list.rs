//! Which packages a list shows, and in what order: the filter language and the sort fields over rows.

use std::borrow::Cow;
use std::cmp::Ordering;

use jiff::Timestamp;
use muster_shared::control::parse_date;
use muster_shared::filter::{Filter, Row, Value};
use muster_shared::protocol::package::PackageRow;
use muster_shared::request::split_list;
use muster_shared::version::Version;

use crate::store::packages::PackageRecord;

/// What packages can be sorted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SortField {
    Package,
    Name,
    Version,
    Section,
    Architecture,
    Maturity,
    Size,
    Signer,
    UploadedAt,
    HostCount,
}

impl SortField {
    /// All fields with the words that name them.
    pub const ALL: [(&'static str, Self); 10] = [
        ("package", Self::Package),
        ("name", Self::Name),
        ("version", Self::Version),
        ("section", Self::Section),
        ("architecture", Self::Architecture),
        ("maturity", Self::Maturity),
        ("size", Self::Size),
        ("signer", Self::Signer),
        ("uploaded_at", Self::UploadedAt),
        ("host_count", Self::HostCount),
    ];

    /// The field of this name.
    pub fn find(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|(word, _)| *word == name)
            .map(|(_, field)| field)
    }
}

/// Whether a package fulfils a filter.
pub fn matches(record: &PackageRecord, filter: &Filter, now: Timestamp) -> bool {
    filter.is_empty() || filter.matches(&FilterRow(record), now)
}

/// Sorts rows; those that are equal in the field come by package, newest version first.
pub fn sort(rows: &mut [PackageRow], field: SortField, is_descending: bool) {
    // Parsing a version once a row, not once a comparison.
    rows.sort_by_cached_key(|row| SortKey {
        main: MainKey::of(row, field),
        is_descending,
        package: row.package.to_lowercase(),
        version: version_of(row),
        filename: row.filename.clone(),
    });
}

struct FilterRow<'a>(&'a PackageRecord);

impl Row for FilterRow<'_> {
    fn field(&self, name: &str) -> Option<Value<'_>> {
        let control = &self.0.control;
        let list =
            |attribute: &str| Value::Texts(split_list(control.get(attribute)).map(Cow::Borrowed).collect());
        Some(match name {
            "name" => Value::Texts(vec![control.package().into(), control.get("name").into()]),
            "id" => control.get("package_uuid").into(),
            "description" => control.get("description").into(),
            "architecture" => control.architecture().into(),
            "package" => {
                let own = (Cow::Borrowed(control.package()), Cow::Borrowed(control.version()));
                let needed = control
                    .depends_list()
                    .into_iter()
                    .map(|request| (Cow::Owned(request.name), Cow::Borrowed("")));
                Value::Named(std::iter::once(own).chain(needed).collect())
            }
            "section" => control.section().into(),
            "version" => control.version().into(),
            "maturity" => control.effective_maturity().into(),
            "locale" => list("locale"),
            "target_os" => list("target_os"),
            "category" => list("categories"),
            "keyword" => list("keywords"),
            "editor" => control.get("editor").into(),
            "signer" => self.0.signer.as_str().into(),
            "signed" => Value::Time(parse_date(control.get("signature_date"), 0)?),
            "size" => Value::Number(i64::try_from(self.0.size).unwrap_or(i64::MAX)),
            _ => return None,
        })
    }

    fn any_text(&self, needle_lower: &str) -> bool {
        let control = &self.0.control;
        let attributes = [
            "name",
            "description",
            "depends",
            "categories",
            "keywords",
            "editor",
            "maintainer",
            "target_os",
        ]
        .map(|attribute| control.get(attribute));
        let own = [
            control.package(),
            control.version(),
            control.section(),
            control.architecture(),
            control.effective_maturity(),
            &self.0.signer,
            &self.0.filename,
        ];
        attributes
            .iter()
            .chain(&own)
            .any(|text| text.to_lowercase().contains(needle_lower))
    }
}

#[derive(PartialEq, Eq)]
struct SortKey {
    main: MainKey,
    is_descending: bool,
    package: String,
    version: VersionKey,
    filename: String,
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum MainKey {
    Text(String),
    Number(i128),
    Version(VersionKey),
}

/// Versions that cannot be read come first; they are published by no route, but by hand in older folders.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct VersionKey(Option<Version>);

impl MainKey {
    fn of(row: &PackageRow, field: SortField) -> Self {
        let text = |text: &str| Self::Text(text.to_lowercase());
        match field {
            SortField::Package => text(&row.package),
            SortField::Name => text(if row.name.is_empty() {
                &row.package
            } else {
                &row.name
            }),
            SortField::Version => Self::Version(version_of(row)),
            SortField::Section => text(&row.section),
            SortField::Architecture => text(&row.architecture),
            SortField::Maturity => text(if row.maturity.is_empty() {
                "PROD"
            } else {
                &row.maturity
            }),
            SortField::Size => Self::Number(i128::from(row.size)),
            SortField::Signer => text(&row.signer),
            SortField::UploadedAt => Self::Number(i128::from(row.uploaded_at.as_microsecond())),
            SortField::HostCount => Self::Number(i128::from(row.host_count)),
        }
    }
}

impl Ord for SortKey {
    fn cmp(&self, other: &Self) -> Ordering {
        let main = self.main.cmp(&other.main);
        let main = if self.is_descending { main.reverse() } else { main };
        main.then_with(|| self.package.cmp(&other.package))
            .then_with(|| other.version.cmp(&self.version))
            .then_with(|| self.filename.cmp(&other.filename))
    }
}

impl PartialOrd for SortKey {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

fn version_of(row: &PackageRow) -> VersionKey {
    VersionKey(row.version.parse().ok())
}

#[cfg(test)]
mod tests {
    use muster_shared::control::{Control, Section};

    use super::*;

    fn record(package: &str, version: &str) -> PackageRecord {
        PackageRecord {
            filename: format!("{package}_{version}.wapt"),
            control: Control::new(package, version, Section::Base)
                .with("name", "Seven Zip")
                .with("depends", "tis-base(>=2)")
                .with("categories", "Internet,Utilities")
                .with("signature_date", "2026-11-20T08:00:00"),
            size: 2_000_000,
            sha256: "aa".into(),
            md5: "bb".into(),
            modified_at: Timestamp::UNIX_EPOCH,
            has_icon: false,
            signer: "Alice".into(),
            chain: vec!["cc".into()],
            uploaded_at: Timestamp::UNIX_EPOCH,
            uploaded_by: "admin".into(),
        }
    }

    #[test]
    fn filters_ask_about_the_fields_of_packages() {
        let now = "2026-11-24T08:00:00Z".parse().unwrap();
        let record = record("tis-7zip", "23.1-2");
        let holds = |text: &str| matches(&record, &Filter::parse(text).unwrap(), now);
        for text in [
            "",
            "7zip",
            "seven",
            "name:zip",
            "section:base",
            "version>=23",
            "maturity:prod",
            "category:internet",
            "signer:alice",
            "size>1M",
            "signed<1w",
            "package:tis-base",
            "not section:group",
        ] {
            assert!(holds(text), "{text}");
        }
        for text in [
            "firefox",
            "section:group",
            "version<23",
            "size>100M",
            "signed>1w",
            "os:windows",
        ] {
            assert!(!holds(text), "{text}");
        }
    }

    #[test]
    fn lists_come_by_name_and_newest_version_first() {
        let mut rows: Vec<PackageRow> = [("b", "1"), ("A", "1.9"), ("a", "1.10"), ("c", "odd")]
            .map(|(package, version)| record(package, version).to_row(0))
            .into();
        sort(&mut rows, SortField::Package, false);
        let names: Vec<_> = rows.iter().map(|row| row.filename.as_str()).collect();
        assert_eq!(names, ["a_1.10.wapt", "A_1.9.wapt", "b_1.wapt", "c_odd.wapt"]);
        sort(&mut rows, SortField::Version, true);
        assert_eq!(rows[0].version, "1.10");
        for (word, field) in SortField::ALL {
            assert_eq!(SortField::find(word), Some(field));
            sort(&mut rows, field, false);
        }
        assert_eq!(SortField::find("x"), None);
    }
}
