//! `muster package import --list`: what another repository has, and what of it is here.

use std::collections::{BTreeMap, BTreeSet};

use muster_shared::index::IndexEntry;
use muster_shared::version::compare_text;
use serde::Serialize;

use super::Import;
use crate::admin::import::{self, ImportWishes, Relation, prefix};
use crate::cli::failure::Outcome;
use crate::cli::output::{Table, Tone};
use crate::cli::{Shell, block_on};

#[derive(Serialize)]
struct Row<'a> {
    section: &'a str,
    package: &'a str,
    version: &'a str,
    target_os: &'a str,
    architecture: &'a str,
    locale: &'a str,
    name: &'a str,
    description: &'a str,
    licence: &'a str,
    depends: &'a str,
    conflicts: &'a str,
    size: u64,
    maturity: &'a str,
    signer: &'a str,
    signature_date: &'a str,
    editor: &'a str,
    min_os_version: &'a str,
    max_os_version: &'a str,
    filename: &'a str,
    /// The name it would have here.
    package_here: String,
    relation: Relation,
}

pub(super) fn run(arguments: &Import, wishes: &ImportWishes, shell: &mut Shell) -> anyhow::Result<Outcome> {
    let mut repository = arguments.trust.look(shell, &arguments.from)?;
    let listing = block_on(repository.list(shell.now))??;
    let own = super::own(arguments, shell)?;
    let mut any = wishes.clone();
    if any.from_maturities.is_empty() {
        let all = listing
            .entries
            .iter()
            .map(|entry| entry.control.effective_maturity().to_owned());
        any.from_maturities = all.collect::<BTreeSet<_>>().into_iter().collect();
    }
    let words: Vec<String> = arguments.names.iter().map(|word| word.to_lowercase()).collect();
    let shown_entries = listing
        .entries
        .iter()
        .filter(|entry| import::passes(&entry.control, &any) && has_words(entry, &words));
    let mut entries: Vec<&IndexEntry> = if arguments.all_versions {
        shown_entries.collect()
    } else {
        newest(shown_entries)
    };
    entries.sort_by(|a, b| {
        let by_name = a.control.package().cmp(b.control.package());
        by_name.then_with(|| compare_text(b.control.version(), a.control.version()))
    });
    let mut rows = Vec::new();
    for entry in entries {
        let package_here = prefix::package_with_prefix(&entry.control, wishes.prefix.as_deref());
        let relation = own.relation(&package_here, &entry.control);
        if !arguments.newer || matches!(relation, Relation::New | Relation::Newer) {
            rows.push(row(entry, package_here, relation));
        }
    }
    shell.output.json(&rows)?;
    let mut table = Table::new(vec![
        "HERE",
        "SECTION",
        "PACKAGE",
        "VERSION",
        "OS",
        "ARCH",
        "LOCALE",
        "MATURITY",
        "KIB",
        "SIGNER",
        "DESCRIPTION",
    ]);
    for row in &rows {
        let tone = match row.relation {
            Relation::New => Tone::Strong,
            Relation::Newer => Tone::Waiting,
            Relation::Imported => Tone::Good,
            Relation::Older => Tone::Faint,
        };
        let about = if row.name.is_empty() {
            row.description
        } else {
            row.name
        };
        table.row(vec![
            shell.output.tone(tone, row.relation.as_str()),
            row.section.to_owned(),
            row.package.to_owned(),
            row.version.to_owned(),
            row.target_os.to_owned(),
            row.architecture.to_owned(),
            row.locale.to_owned(),
            row.maturity.to_owned(),
            row.size.div_ceil(1024).to_string(),
            row.signer.to_owned(),
            about.chars().take(60).collect(),
        ]);
    }
    if rows.is_empty() {
        shell.output.note("no package fits");
    } else {
        table.write(&mut shell.output)?;
    }
    for left_out in &listing.left_out {
        shell.output.note(format!("left out: {left_out}"));
    }
    Ok(Outcome::Done)
}

fn has_words(entry: &IndexEntry, words: &[String]) -> bool {
    if words.is_empty() {
        return true;
    }
    let fields = [
        "package",
        "name",
        "description",
        "keywords",
        "categories",
        "editor",
    ];
    let text = fields
        .map(|field| entry.control.get(field))
        .join(" ")
        .to_lowercase();
    words.iter().all(|word| text.contains(word))
}

/// The newest of each name, architecture, language, system and maturity.
fn newest<'a>(entries: impl Iterator<Item = &'a IndexEntry>) -> Vec<&'a IndexEntry> {
    let mut best: BTreeMap<[&str; 5], &IndexEntry> = BTreeMap::new();
    for entry in entries {
        let control = &entry.control;
        let kind = [
            control.package(),
            control.architecture(),
            control.get("locale"),
            control.get("target_os"),
            control.effective_maturity(),
        ];
        let is_better = best
            .get(&kind)
            .is_none_or(|other| compare_text(control.version(), other.control.version()).is_gt());
        if is_better {
            best.insert(kind, entry);
        }
    }
    best.into_values().collect()
}

fn row(entry: &IndexEntry, package_here: String, relation: Relation) -> Row<'_> {
    let control = &entry.control;
    Row {
        section: control.section(),
        package: control.package(),
        version: control.version(),
        target_os: control.get("target_os"),
        architecture: control.architecture(),
        locale: control.get("locale"),
        name: control.get("name"),
        description: control.get("description"),
        licence: control.get("licence"),
        depends: control.depends(),
        conflicts: control.conflicts(),
        size: entry.size,
        maturity: control.maturity(),
        signer: control.get("signer"),
        signature_date: control.get("signature_date"),
        editor: control.get("editor"),
        min_os_version: control.get("min_os_version"),
        max_os_version: control.get("max_os_version"),
        filename: &entry.filename,
        package_here,
        relation,
    }
}
