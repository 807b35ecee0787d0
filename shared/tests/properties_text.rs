//! What holds for every text: orders, round trips, plans, and no panic on anything.
#![expect(clippy::unwrap_used, reason = "test code may unwrap, also in helpers")]

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use muster_shared::catalogue::{Capabilities, Catalogue, Installed, Resolution, Wanted, Why, plan};
use muster_shared::control::{Control, Section, canonical_json};
use muster_shared::filter::{Filter, Row, Value};
use muster_shared::index::{self, IndexEntry, IndexLimits};
use muster_shared::name::{HostId, PackageName, implicit_unit_names, unit_name_from_dn};
use muster_shared::package::filename::canonical_filename;
use muster_shared::request::{Request, parse_list, parse_list_as_wapt};
use muster_shared::version::{Version, compare_text};
use proptest::prelude::*;

const VERSION: &str = "[0-9]{1,3}(\\.[0-9]{1,3}){0,3}(-[0-9a-zA-Z]{1,4}(\\.[0-9a-zA-Z]{1,3}){0,2})?";
const NAME: &str = "[a-z0-9][a-z0-9_=~.-]{0,12}";

proptest! {
    #[test]
    fn the_order_of_valid_versions_is_total(a in VERSION, b in VERSION, c in VERSION) {
        let [a, b, c] = [a, b, c].map(|text| text.parse::<Version>().unwrap());
        prop_assert_eq!(a.cmp(&b), b.cmp(&a).reverse());
        prop_assert_eq!(a.cmp(&a), Ordering::Equal);
        if a <= b && b <= c {
            prop_assert!(a <= c);
        }
        prop_assert!(a.incremented() > a);
    }

    #[test]
    fn versions_read_back_as_written(text in VERSION) {
        let version: Version = text.parse().unwrap();
        prop_assert_eq!(version.as_str(), &text);
        prop_assert_eq!(version.to_string().parse::<Version>().unwrap(), version);
    }

    #[test]
    fn requests_read_back_as_written(name in NAME, operator in "(=|<|<=|>|>=)", version in VERSION, has_condition: bool) {
        let text = if has_condition { format!("{name}({operator}{version})") } else { name };
        let request = Request::parse(&text).unwrap();
        prop_assert_eq!(request.to_string(), &text[..]);
        prop_assert_eq!(Request::parse_as_wapt(&text), request.clone());
        prop_assert_eq!(parse_list(&format!("x, {text} ,")).unwrap().pop(), Some(request));
    }

    #[test]
    fn a_version_fulfils_equality_with_itself_and_its_beginning(version in VERSION) {
        let parsed: Version = version.parse().unwrap();
        prop_assert!(Request::exactly("p", &parsed).matches("p", &version));
        let request = format!("p(={})", parsed.without_packaging());
        prop_assert!(Request::parse(&request).unwrap().matches("p", &version));
        let first = version.split(['.', '-']).next().unwrap();
        let request = format!("p(={first})");
        prop_assert!(Request::parse(&request).unwrap().matches("p", &version));
    }

    #[test]
    fn controls_read_back_as_written(values in proptest::collection::vec(("[a-z_]{1,20}", "\\PC{0,20}(\n\\PC{0,10}){0,3}"), 0..12)) {
        let mut control = Control::new("p", "1", Section::Base);
        for (name, value) in &values {
            control.set(name, value);
        }
        for name in ["signer", "signer_fingerprint", "signature_date"] {
            control.set(name, "x");
        }
        control.prepare_for_signing(true);
        let written = control.to_text_with_unknown();
        let read = Control::parse(written.as_bytes()).unwrap();
        prop_assert_eq!(read.to_text_with_unknown(), written);
        prop_assert_eq!(read.signed_bytes(), control.signed_bytes());
        for (name, value) in control.attributes() {
            prop_assert_eq!(read.get(name), value);
        }
        let json = serde_json::to_string(&control).unwrap();
        prop_assert_eq!(serde_json::from_str::<Control>(&json).unwrap(), control);
    }

    #[test]
    fn rows_of_an_index_read_back_as_written(value in "\\PC{0,20}(\n\\PC{0,10}){0,3}", size: u64, has_hash: bool) {
        let control = Control::new("p", "1", Section::Group).with("changelog", &value).with("foreign", &value);
        let entry = IndexEntry {
            control: Control::parse(control.to_text_with_unknown().as_bytes()).unwrap(),
            filename: "p_1.wapt".into(),
            size,
            md5sum: "0".repeat(32),
            sha256sum: has_hash.then(|| "f".repeat(64)),
            repository: String::new(),
        };
        let entries = vec![entry.clone(), entry];
        let bytes = index::write(&entries, &[], &[], Timestamp::UNIX_EPOCH).unwrap();
        prop_assert_eq!(index::read(&bytes, &IndexLimits::default()).unwrap().entries, entries);
    }

    #[test]
    fn any_control_that_can_be_read_is_written_stably(text in "(([a-zA-Z_ ]{0,12}(:| :)?[ -~é\u{a0}\u{2028}]{0,12})(\n|\r\n)){0,8}") {
        if let Ok(control) = Control::parse(text.as_bytes()) {
            let written = control.to_text_with_unknown();
            let again = Control::parse(written.as_bytes()).unwrap();
            prop_assert_eq!(again.to_text_with_unknown(), written);
            for (name, value) in control.attributes() {
                prop_assert_eq!(again.get(name), if name == "signature" { again.get(name) } else { value });
            }
            prop_assert_eq!(control.signed_bytes(), again.signed_bytes());
        }
    }

    #[test]
    fn canonical_json_reads_back(text in "\\PC{0,40}", number: i64) {
        let value = serde_json::json!({"text": text, "list": [number, null, true], "a": {"z": 1, "b": text}});
        let bytes = canonical_json::to_bytes(&value);
        prop_assert!(bytes.is_ascii());
        prop_assert_eq!(serde_json::from_slice::<serde_json::Value>(&bytes).unwrap(), value);
    }

    #[test]
    fn filters_read_back_as_written(text in "((not |-|\\()?(os|status|package|last_seen|memory|reachable|version|[a-z]{1,4})(:|=|<|<=|>|>=|)(\"[ -~]{0,6}\"|[a-z0-9.*]{0,6}|7d|8G|yes|2026-01-31)?(\\)| or | )){0,6}") {
        if let Ok(filter) = Filter::parse(&text) {
            let written = filter.to_string();
            let again = Filter::parse(&written);
            prop_assert_eq!(again.as_ref(), Ok(&filter), "{} became {}", text, written);
            prop_assert_eq!(again.unwrap().to_string(), written);
        }
    }

    #[test]
    fn nothing_panics_on_any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let limits = IndexLimits::default();
        drop(Control::parse(&bytes));
        drop(index::read(&bytes, &limits));
        let text = String::from_utf8_lossy(&bytes);
        nothing_panics(&text);
    }

    #[test]
    fn nothing_panics_on_any_text(text in "[\\PC\n\t(),:;=<>\"*.-]{0,200}") {
        nothing_panics(&text);
        drop(Control::parse(text.as_bytes()));
    }

    #[test]
    fn nothing_panics_on_any_row_of_an_index(text in "((package|version|filename|size|md5sum)?[ :]{0,2}[ -~]{0,10}\n){0,20}") {
        let bytes = zipped(text.as_bytes());
        let index = index::read(&bytes, &IndexLimits::default()).unwrap();
        prop_assert!(index.entries.len() + index.rejected.len() <= 20);
    }

    #[test]
    fn names_made_from_directories_stay_when_made_again(text in "\\PC{0,40}") {
        let name = unit_name_from_dn(&text);
        prop_assert_eq!(unit_name_from_dn(&name), name);
    }

    #[test]
    fn host_identifiers_sort_as_their_keys(a in "[0-9A-Za-z._-]{1,8}", b in "[0-9A-Za-z._-]{1,8}") {
        let [a, b]: [HostId; 2] = [a.parse().unwrap(), b.parse().unwrap()];
        prop_assert_eq!(a.cmp(&b), a.key().cmp(&b.key()));
        prop_assert_eq!(a == b, a.key() == b.key());
    }

    #[test]
    fn a_plan_satisfies_every_request(question in question()) {
        let catalogue = Catalogue::new(question.entries.clone(), &Capabilities::default());
        let resolution = plan(&catalogue, &question.installed, &question.wanted);
        check(&catalogue, &question, &resolution)?;
        let mut shuffled = question.entries.clone();
        shuffled.reverse();
        let other = Catalogue::new(shuffled, &Capabilities::default());
        prop_assert_eq!(plan(&other, &question.installed, &question.wanted), resolution);
    }
}

fn nothing_panics(text: &str) {
    let now = Timestamp::UNIX_EPOCH;
    drop(text.parse::<Version>());
    drop(text.parse::<PackageName>());
    drop(text.parse::<HostId>());
    drop(Request::parse(text));
    drop(parse_list(text));
    for request in parse_list_as_wapt(text) {
        let _matches: bool = request.matches(text, text);
    }
    drop(implicit_unit_names(text));
    let _order: Ordering = compare_text(text, "1.0");
    if let Ok(filter) = Filter::parse(text) {
        let _holds: bool = filter.matches(&Everything(text), now);
    }
    let control = Control::new(text, text, Section::Base)
        .with("depends", text)
        .with("valid_from", text)
        .with("locale", text);
    drop(control.problems_for_signing());
    drop(control.signed_bytes());
    drop(canonical_filename(&control, Some(text)));
    let host = Capabilities {
        packages_blacklist: vec![text.to_owned()],
        ..Capabilities::default()
    };
    drop(muster_shared::catalogue::explain::offer(&control, &host));
}

/// A row that has the same text everywhere.
struct Everything<'a>(&'a str);

impl Row for Everything<'_> {
    fn field(&self, _name: &str) -> Option<Value<'_>> {
        Some(Value::Named(vec![(self.0.into(), self.0.into())]))
    }

    fn any_text(&self, needle_lower: &str) -> bool {
        self.0.contains(needle_lower)
    }
}

fn zipped(text: &[u8]) -> Vec<u8> {
    use std::io::Write as _;
    let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    writer
        .start_file("Packages", zip::write::SimpleFileOptions::default())
        .unwrap();
    writer.write_all(text).unwrap();
    writer.finish().unwrap().into_inner()
}

#[derive(Debug, Clone)]
struct Question {
    entries: Vec<IndexEntry>,
    installed: Vec<Installed>,
    wanted: Vec<Wanted>,
}

fn request() -> impl Strategy<Value = Request> {
    (
        0..8u8,
        prop::option::of((prop::sample::select(vec!["=", "<", "<=", ">", ">="]), 1..4u8)),
    )
        .prop_map(|(name, condition)| {
            let text = match condition {
                Some((operator, version)) => format!("p{name}({operator}{version})"),
                None => format!("p{name}"),
            };
            Request::parse(&text).unwrap()
        })
}

fn question() -> impl Strategy<Value = Question> {
    let requests = || proptest::collection::vec(request(), 0..3);
    let entries = proptest::collection::vec(
        (
            0..7u8,
            1..4u8,
            requests(),
            proptest::collection::vec(request(), 0..2),
        ),
        0..14,
    );
    let installed = proptest::collection::vec((0..7u8, 1..4u8, requests()), 0..5);
    let why = prop::sample::select(vec![Why::Asked, Why::Upgrade, Why::Retry]);
    let wanted = proptest::collection::vec((request(), why), 1..5);
    (entries, installed, wanted).prop_map(|(entries, installed, wanted)| {
        let entries: BTreeMap<(u8, u8), IndexEntry> = entries
            .into_iter()
            .map(|(name, version, depends, conflicts)| {
                ((name, version), entry(name, version, &depends, &conflicts))
            })
            .collect();
        let installed: BTreeMap<u8, Installed> = installed
            .into_iter()
            .map(|(name, version, depends)| {
                (
                    name,
                    Installed::new(format!("p{name}"), version.to_string()).with_depends(depends),
                )
            })
            .collect();
        Question {
            entries: entries.into_values().collect(),
            installed: installed.into_values().collect(),
            wanted: wanted
                .into_iter()
                .map(|(request, why)| Wanted { request, why })
                .collect(),
        }
    })
}

fn entry(name: u8, version: u8, depends: &[Request], conflicts: &[Request]) -> IndexEntry {
    let list = |requests: &[Request]| {
        requests
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join(",")
    };
    let control = Control::new(format!("p{name}"), version.to_string(), Section::Base)
        .with("depends", &list(depends))
        .with("conflicts", &list(conflicts));
    IndexEntry {
        filename: canonical_filename(&control, None),
        control,
        size: 1,
        md5sum: "0".repeat(32),
        sha256sum: None,
        repository: String::new(),
    }
}

/// What is there after the plan was carried out, and whether all that must hold does.
fn check(catalogue: &Catalogue, question: &Question, resolution: &Resolution) -> Result<(), TestCaseError> {
    let mut versions: BTreeMap<&str, &str> = BTreeMap::new();
    let mut depends: BTreeMap<&str, Vec<Request>> = BTreeMap::new();
    for installed in &question.installed {
        versions.insert(&installed.package, &installed.version);
        depends.insert(&installed.package, installed.depends.clone());
    }
    for removal in &resolution.removals {
        prop_assert!(
            versions.remove(removal.package.as_str()).is_some(),
            "removed but not installed"
        );
        depends.remove(removal.package.as_str());
    }
    let before = versions.clone();
    for step in &resolution.steps {
        let entry = catalogue
            .entry_of(step)
            .expect("a step names a package that is visible");
        for needed in &step.needs {
            prop_assert!(resolution.steps.iter().any(|other| other.package == *needed));
        }
        versions.insert(&step.package, &step.version);
        depends.insert(&step.package, entry.control.depends_list());
    }
    let holds = |request: &Request| {
        versions
            .get(request.name.as_str())
            .is_some_and(|version| request.matches(&request.name, version))
    };
    for step in &resolution.steps {
        let entry = catalogue.entry_of(step).unwrap();
        for request in entry.control.depends_list() {
            prop_assert!(holds(&request), "{} needs {request}", step.package);
        }
        for request in entry.control.conflicts_list() {
            prop_assert!(
                request.name == step.package || !holds(&request),
                "{} conflicts with {request}",
                step.package
            );
        }
        prop_assert_eq!(
            before.get(step.package.as_str()).copied(),
            step.installed_version.as_deref()
        );
        // What was fulfilled for an installed package stays so.
        for (parent, requests) in &depends {
            for request in requests.iter().filter(|request| request.name == step.package) {
                prop_assert!(holds(request), "{parent} needs {request}");
            }
        }
    }
    for wanted in &question.wanted {
        let is_excused = resolution.error(&wanted.request.name).is_some();
        prop_assert!(
            is_excused || holds(&wanted.request),
            "{} is neither there nor excused",
            wanted.request
        );
    }
    let mut installed_so_far: BTreeSet<&str> = BTreeSet::new();
    for step in &resolution.steps {
        let is_in_circle = step
            .needs
            .iter()
            .any(|needed| needs_back(resolution, needed, &step.package));
        let is_ordered = step
            .needs
            .iter()
            .all(|needed| installed_so_far.contains(needed.as_str()));
        prop_assert!(
            is_ordered || is_in_circle,
            "{} comes before what it needs",
            step.package
        );
        installed_so_far.insert(&step.package);
    }
    Ok(())
}

/// Whether one step needs another, directly or through others.
fn needs_back(resolution: &Resolution, from: &str, to: &str) -> bool {
    let mut seen = vec![from.to_owned()];
    let mut position = 0;
    while let Some(name) = seen.get(position).cloned() {
        position += 1;
        if name == to {
            return true;
        }
        for needed in resolution
            .step(&name)
            .map(|step| step.needs.clone())
            .unwrap_or_default()
        {
            if !seen.contains(&needed) {
                seen.push(needed);
            }
        }
    }
    false
}
