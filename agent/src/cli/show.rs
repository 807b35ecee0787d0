//! `muster-agent show`: one package, as it is here and as the repository offers it.

use muster_shared::catalogue::Catalogue;
use muster_shared::control::Control;
use muster_shared::index::IndexEntry;
use muster_shared::protocol::error::ErrorCode;
use muster_shared::request::Request;
use serde_json::json;

use super::{Common, Done};
use crate::config::Config;
use crate::failure::Failure;
use crate::plan::Wish;
use crate::revocation;
use crate::state::State;
use crate::state::packages::Installed;
use crate::update::offers::{self, Files, Gathered};

/// Show a package: here, and in the repository.
///
/// Says which versions the repository has, and why this host does not take some of them.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[arg(value_name = "PACKAGE")]
    package: String,
    /// The parameters of the last installation instead.
    #[arg(long)]
    params: bool,
}

pub(super) async fn run(common: &Common, arguments: &Arguments) -> Done {
    let paths = common.paths();
    let request = Request::parse(&arguments.package)
        .map_err(|error| Failure::new(ErrorCode::RequestInvalid, error.to_string()))?;
    let state = State::open_read_only(&paths.database()).await?;
    if arguments.params {
        let script = state
            .stored_script(&request.name)
            .await?
            .ok_or_else(|| super::order::not_installed(&request.name))?;
        common.output().answer(&script.params, |params| {
            serde_json::to_string_pretty(params).unwrap_or_default()
        });
        return Ok(None);
    }
    let here = state.package(&request.name).await?;
    let config = Config::load(&paths)?;
    let mut offered = Vec::new();
    let mut not_taken = Vec::new();
    if paths.index_file().exists() {
        let now = muster_shared::clock::now();
        let capabilities = offers::capabilities(&config, now);
        let trust = revocation::trust_store(&paths).map_err(|error| revocation::unusable(&error))?;
        let wish = Wish::Install {
            requests: vec![request.clone()],
            force: false,
        };
        let names = offers::names_of(&[], None, &wish);
        let gathered = Gathered::default();
        let verified = offers::offered(&Files::of(&paths), names, &trust, now, gathered, false)?;
        not_taken.extend(
            verified
                .refused
                .iter()
                .filter(|row| row.package == request.name)
                .map(|row| json!({ "version": row.version, "reason": row.reason })),
        );
        let catalogue = Catalogue::new(verified.entries, &capabilities);
        offered = catalogue
            .candidates(&request.name)
            .filter(|entry| request.accepts_version(entry.control.version()))
            .map(|entry: &IndexEntry| entry.control.clone())
            .collect();
        not_taken.extend(catalogue.refused(&request.name).map(
            |(entry, refusal)| json!({ "version": entry.control.version(), "reason": refusal.to_string() }),
        ));
    }
    if here.is_none() && offered.is_empty() && not_taken.is_empty() {
        return Err(Failure::new(
            ErrorCode::NotFound,
            format!("{request} is neither on this machine nor in the index"),
        )
        .with_hint("run `muster-agent update` and try again"));
    }
    let value = json!({
        "installed": here.as_ref().map(Installed::shown),
        "offered": offered,
        "not_taken": not_taken,
    });
    common.output().answer(&value, |_value| {
        let mut lines = Vec::new();
        if let Some(row) = &here {
            let shown = row.shown();
            let step = if shown.failed_step.is_empty() {
                String::new()
            } else {
                format!(" in step {}", shown.failed_step)
            };
            let since = super::list::local_time(shown.changed_at);
            lines.push(format!(
                "{} {}: {}{step}, since {since}",
                shown.package,
                shown.version,
                shown.status.as_str()
            ));
            let by = if shown.explicit_by.is_empty() {
                "assigned, or a dependency"
            } else {
                &shown.explicit_by
            };
            lines.push(format!("asked for by: {by}"));
            lines.push(format!("signed by:    {}", shown.signer));
        } else {
            lines.push(format!("{} is not installed", request.name));
        }
        let newest = offered.first().or(here.as_ref().map(|row| &row.control));
        if let Some(control) = newest {
            lines.push(String::new());
            for (name, value) in control.attributes() {
                if !value.is_empty() && !matches!(name, "signature" | "signed_attributes") {
                    lines.push(format!("{name:<18}: {}", value.replace('\n', "\n ")));
                }
            }
        }
        if !offered.is_empty() {
            let versions: Vec<&str> = offered.iter().map(Control::version).collect();
            lines.push(format!("\noffered versions: {}", versions.join(", ")));
        }
        for row in &not_taken {
            lines.push(format!(
                "not taken: {} because {}",
                row["version"].as_str().unwrap_or_default(),
                row["reason"].as_str().unwrap_or_default()
            ));
        }
        lines.join("\n")
    });
    Ok(None)
}
