//! `muster host edit`: what machines must have and must not have; signed host packages, never overwritten
//! blindly.

use std::collections::BTreeSet;

use clap::Args;
use futures_util::StreamExt as _;
use muster_shared::crypto::{Signer, TrustStore};
use muster_shared::hint::{Hint as _, chain};
use muster_shared::protocol::host::HostRow;
use muster_shared::protocol::package::PackageRow;
use muster_shared::request::Request;
use serde::Serialize;

use super::{Targets, called, machines};
use crate::admin::host_package::{self, Edit, EditableHostPackage, HostPackageError};
use crate::admin::{lint, signer, verify};
use crate::cli::failure::{Outcome, Refusal};
use crate::cli::signer::SignerArguments;
use crate::cli::{Shell, block_on, connection};
use crate::client::Client;

/// How many host packages are asked for at once.
const AT_ONCE: usize = 8;
/// How many machines of a bulk edit are shown one by one before the question.
const PREVIEW: usize = 20;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  muster host edit pc-12 --require demo-hello --require 'demo-tools(>=2.1)'
  muster host edit pc-12 pc-13 --forbid demo-game          removed where it is installed
  muster host edit --filter 'ou:\"OU=room1\"' --unrequire demo-hello --yes
  muster host edit pc-12 --require demo-hello --dry-run    only show what would change
  muster host edit pc-12                                   show the two lists

Required and forbidden exclude each other: adding a package to one list takes it from the other.
Machines whose package cannot be read, or was signed by someone your certificate does not cover,
are left alone and named. When somebody else changed a package meanwhile, yours is not written
over it. To apply at once, follow with `muster host act upgrade`.")]
pub(crate) struct EditHosts {
    #[command(flatten)]
    targets: Targets,
    /// The machines must have this package: NAME, NAME(=1.2-3), NAME(>=1.2)
    #[arg(long, value_name = "PACKAGE")]
    require: Vec<String>,
    /// The machines must not have this package
    #[arg(long, value_name = "PACKAGE")]
    forbid: Vec<String>,
    /// No longer required (what is installed stays until it is removed)
    #[arg(long, value_name = "NAME")]
    unrequire: Vec<String>,
    /// No longer forbidden
    #[arg(long, value_name = "NAME")]
    unforbid: Vec<String>,
    /// Also replace host packages signed by these people (.crt, .pem)
    #[arg(long, value_name = "DIR")]
    trust: Option<std::path::PathBuf>,
    /// Only show what would change
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    signer: SignerArguments,
}

/// What became of one machine.
#[derive(Debug, Serialize)]
struct EditResult {
    identifier: String,
    name: String,
    /// `saved`, `unchanged`, `would-change`, `conflict`, `discarded`, `failed`.
    outcome: &'static str,
    version: String,
    depends: Vec<String>,
    conflicts: Vec<String>,
    reason: String,
}

impl EditResult {
    fn of(package: &EditableHostPackage, outcome: &'static str, version: String) -> Self {
        Self {
            identifier: package.identifier.clone(),
            name: package.name.clone(),
            outcome,
            version,
            depends: package.depends.clone(),
            conflicts: package.conflicts.clone(),
            reason: String::new(),
        }
    }

    fn failed(identifier: &str, name: &str, error: &HostPackageError) -> Self {
        let outcome = match error {
            HostPackageError::Changed { .. } => "conflict",
            HostPackageError::Foreign { .. }
            | HostPackageError::Unverifiable { .. }
            | HostPackageError::OtherHost { .. } => "discarded",
            _ => "failed",
        };
        Self {
            identifier: identifier.to_owned(),
            name: name.to_owned(),
            outcome,
            version: String::new(),
            depends: Vec::new(),
            conflicts: Vec::new(),
            reason: chain(error),
        }
    }
}

pub(super) fn run(arguments: &EditHosts, shell: &mut Shell) -> anyhow::Result<Outcome> {
    let edit = Edit {
        require: arguments.require.clone(),
        forbid: arguments.forbid.clone(),
        unrequire: arguments.unrequire.clone(),
        unforbid: arguments.unforbid.clone(),
    };
    if let Some(both) = edit.require.iter().find(|package| edit.forbid.contains(package)) {
        return Err(
            Refusal::new(format!("{both} cannot be required and forbidden at once"))
                .hint("leave one of the two out")
                .into(),
        );
    }
    let choice = arguments.signer.choice(shell)?;
    let others = match &arguments.trust {
        Some(folder) => verify::trust(folder)?,
        None => TrustStore::default(),
    };
    let client = connection::client(shell)?;

    // A token may show its certificate only after the PIN; then the signer is needed before anything is read.
    let mut held = signer::certificates(&choice)?;
    let mut open: Option<Box<dyn Signer>> = None;
    if held.is_empty() {
        let signer = arguments.signer.open(&choice)?;
        held = signer.chain().to_vec();
        open = Some(signer);
    }
    let perimeter = host_package::perimeter(&held, &others);

    let now = shell.now;
    let (loaded, mut results) = block_on(async {
        let rows = arguments.targets.resolve(&client).await?;
        for warning in unknown_packages(&client, &edit.require).await {
            shell.output.note(warning);
        }
        anyhow::Ok(load(&client, rows, &perimeter, &edit, now).await)
    })??;
    if loaded.is_empty() && results.len() == 1 && arguments.targets.hosts.len() == 1 {
        // One machine, one answer: as every other failure.
        if let Some((_, error)) = results.pop() {
            return Err(error.into());
        }
    }
    let mut results: Vec<EditResult> = results
        .iter()
        .map(|(row, error)| EditResult::failed(&row.identifier, &row.name, error))
        .collect();
    let (changed, same): (Vec<_>, Vec<_>) = loaded.into_iter().partition(EditableHostPackage::is_changed);
    results
        .extend(same.iter().map(|package| {
            EditResult::of(package, "unchanged", package.version.clone().unwrap_or_default())
        }));

    if edit.is_empty() {
        return report_lists(&same, &results, shell);
    }
    preview(&changed, shell);
    if arguments.dry_run {
        results.extend(
            changed
                .iter()
                .map(|package| EditResult::of(package, "would-change", package.next_version())),
        );
        return report(results, shell);
    }
    if !changed.is_empty() {
        arguments
            .targets
            .confirm(&format!("Change {}?", machines(changed.len())))?;
        let signer = match open {
            Some(signer) => signer,
            None => arguments.signer.open(&choice)?,
        };
        save(&client, &changed, signer.as_ref(), &mut results, shell)?;
    }
    report(results, shell)
}

/// Warnings about packages that are required and that the server does not have: they may come later.
async fn unknown_packages(client: &Client, required: &[String]) -> Vec<String> {
    if required.is_empty() {
        return Vec::new();
    }
    // A server that does not say what it has is no reason to stop.
    let Ok(rows) = client.all_packages("").await else {
        return Vec::new();
    };
    let known: BTreeSet<&str> = rows.iter().map(|row| row.package.as_str()).collect();
    let mut warnings = Vec::new();
    for text in required {
        let Ok(request) = Request::parse(text) else {
            continue;
        };
        let is_there = |row: &PackageRow| request.matches(&row.package, &row.version);
        if rows.iter().any(is_there) {
            continue;
        }
        let mut warning = format!("warning: the server has no package {text} yet");
        let mut near: Vec<&str> = rows
            .iter()
            .filter(|row| row.package == request.name)
            .map(|row| row.version.as_str())
            .collect();
        near.truncate(5);
        if near.is_empty() {
            near = lint::near(&request.name, known.iter().copied());
        }
        if !near.is_empty() {
            warning.push_str("; there is: ");
            warning.push_str(&near.join(", "));
        }
        warnings.push(warning);
    }
    warnings
}

type Refused = (HostRow, HostPackageError);

async fn load(
    client: &Client,
    rows: Vec<HostRow>,
    perimeter: &TrustStore,
    edit: &Edit,
    now: jiff::Timestamp,
) -> (Vec<EditableHostPackage>, Vec<Refused>) {
    let loading = rows.into_iter().map(|row| async move {
        let edited = match host_package::load(client, &row.identifier, perimeter, now).await {
            Ok(mut package) => package.apply(edit).map(|()| package),
            Err(error) => Err(error),
        };
        edited.map_err(|error| (row, error))
    });
    let mut loaded = Vec::new();
    let mut refused = Vec::new();
    let mut loading = futures_util::stream::iter(loading).buffered(AT_ONCE);
    while let Some(result) = loading.next().await {
        match result {
            Ok(package) => loaded.push(package),
            Err(error) => refused.push(error),
        }
    }
    (loaded, refused)
}

fn preview(changed: &[EditableHostPackage], shell: &mut Shell) {
    for package in changed.iter().take(PREVIEW) {
        let mut parts = Vec::new();
        let (added, taken) = package.required_changes();
        parts.extend(added.iter().map(|text| format!("+ required {text}")));
        parts.extend(taken.iter().map(|text| format!("- required {text}")));
        let (added, taken) = package.forbidden_changes();
        parts.extend(added.iter().map(|text| format!("+ forbidden {text}")));
        parts.extend(taken.iter().map(|text| format!("- forbidden {text}")));
        let version = package.version.as_deref().unwrap_or("none");
        shell.output.note(format!(
            "{}, version {} → {}: {}",
            called(&package.name, &package.identifier),
            version,
            package.next_version(),
            parts.join(", ")
        ));
    }
    if changed.len() > PREVIEW {
        shell
            .output
            .note(format!("… and {} more", machines(changed.len() - PREVIEW)));
    }
}

fn save(
    client: &Client,
    changed: &[EditableHostPackage],
    signer: &dyn Signer,
    results: &mut Vec<EditResult>,
    shell: &mut Shell,
) -> anyhow::Result<()> {
    let now = shell.now;
    for (done, package) in changed.iter().enumerate() {
        shell.output.progress(&format!(
            "saving {} of {}: {}",
            done + 1,
            changed.len(),
            package.identifier
        ));
        let bytes = match package.build(signer, now) {
            Ok(bytes) => bytes,
            // A key that stopped working will not work for the others either.
            Err(error) => {
                let message = format!("stopped after {} of {}", machines(done), changed.len());
                return Err(anyhow::Error::from(error).context(message));
            }
        };
        results.push(match block_on(host_package::put(client, package, bytes))? {
            Ok(uploaded) => EditResult::of(package, "saved", uploaded.version),
            Err(error) => {
                if changed.len() == 1 && results.is_empty() {
                    return Err(error.into());
                }
                for hint in error.hints() {
                    shell.output.note(format!("{}: {hint}", package.identifier));
                }
                EditResult::failed(&package.identifier, &package.name, &error)
            }
        });
    }
    shell.output.clear_progress();
    Ok(())
}

fn report_lists(
    packages: &[EditableHostPackage],
    results: &[EditResult],
    shell: &mut Shell,
) -> anyhow::Result<Outcome> {
    for (place, package) in packages.iter().enumerate() {
        if place > 0 {
            shell.output.line("")?;
        }
        shell.output.facts(&[
            ("machine", called(&package.name, &package.identifier)),
            ("required", package.depends.join(", ")),
            ("forbidden", package.conflicts.join(", ")),
            (
                "version",
                package
                    .version
                    .clone()
                    .unwrap_or_else(|| "there is no package yet".to_owned()),
            ),
            ("signed by", package.signer.clone()),
        ])?;
    }
    let refused = results.iter().filter(|result| result.outcome != "unchanged");
    let mut outcome = Outcome::Done;
    for result in refused {
        outcome = Outcome::Partly;
        let name = called(&result.name, &result.identifier);
        shell
            .output
            .line(format!("{:<9} {name}: {}", result.outcome, result.reason))?;
    }
    shell.output.json(results)?;
    Ok(outcome)
}

fn report(results: Vec<EditResult>, shell: &mut Shell) -> anyhow::Result<Outcome> {
    shell.output.json(&results)?;
    let count = |outcome: &str| results.iter().filter(|result| result.outcome == outcome).count();
    for result in &results {
        let name = called(&result.name, &result.identifier);
        match result.outcome {
            "saved" => shell
                .output
                .line(format!("saved     {name}, version {}", result.version))?,
            "conflict" | "discarded" | "failed" => {
                shell
                    .output
                    .line(format!("{:<9} {name}: {}", result.outcome, result.reason))?;
            }
            _ => {}
        }
    }
    if count("unchanged") > 0 {
        shell
            .output
            .line(format!("unchanged {}", machines(count("unchanged"))))?;
    }
    if results.is_empty() {
        return Err(Refusal::new("no machine was found").into());
    }
    let bad = count("conflict") + count("discarded") + count("failed");
    Ok(if bad == 0 { Outcome::Done } else { Outcome::Partly })
}
