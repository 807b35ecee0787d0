//! `muster-agent show`: one package, as it is here and as the repository offers it.

use muster_shared::catalogue::explain::similar_sentence;
use muster_shared::control::Control;
use muster_shared::index::IndexEntry;
use muster_shared::protocol::error::ErrorCode;
use muster_shared::request::Request;
use serde::Serialize;
use serde_json::json;

use super::{Common, Done};
use crate::config::Config;
use crate::failure::Failure;
use crate::plan::implicit::in_force;
use crate::plan::{Inputs, Wish};
use crate::state::State;
use crate::state::packages::Installed;
use crate::update::offers;
use crate::update::pool::{Collected, Pool};

/// Show a package: here, and in the repository.
///
/// Says which versions the repository has, and why this host does not take some of them.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The name of a package, with a condition if wanted.
    #[arg(value_name = "PACKAGE")]
    package: String,
    /// The parameters of the last installation instead.
    #[arg(long)]
    params: bool,
}

/// Show the parameters that a package was last installed with.
#[derive(Debug, clap::Args)]
pub(super) struct ParamsArguments {
    /// The name of an installed package.
    #[arg(value_name = "PACKAGE")]
    package: String,
}

/// A version that is to be had, and where.
#[derive(Debug, Serialize)]
struct Offered {
    #[serde(flatten)]
    control: Control,
    repository: String,
}

pub(super) async fn params(common: &Common, arguments: &ParamsArguments) -> Done {
    let show = Arguments {
        package: arguments.package.clone(),
        params: true,
    };
    run(common, &show).await
}

pub(super) async fn run(common: &Common, arguments: &Arguments) -> Done {
    let paths = common.paths();
    let request = Request::parse(&arguments.package)
        .map_err(|error| Failure::new(ErrorCode::RequestInvalid, error.to_string()))?;
    if !super::reach::may_read(common) && !arguments.params {
        return super::people::show(common, &request.name).await;
    }
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
    let mut offered: Vec<Offered> = Vec::new();
    let mut not_taken = Vec::new();
    let pool = Pool::of(&paths, &config)?;
    if pool.has_index() {
        let now = muster_shared::clock::now();
        let capabilities = offers::capabilities(&config, now);
        let wish = Wish::Install {
            requests: vec![request.clone()],
            force: false,
        };
        let names = offers::names_of(&[], None, &wish);
        let installed = state.installed().await?;
        let verified = pool.offered(names, now, Collected::default(), false)?;
        not_taken.extend(
            verified
                .refused
                .iter()
                .filter(|row| row.package == request.name)
                .map(|row| json!({ "version": row.version, "reason": row.reason })),
        );
        // What is forbidden here is not offered either.
        let catalogue = Inputs {
            installed: &installed,
            implicit: in_force(&installed, config.use_hostpackages),
            entries: verified.entries,
            refused: Vec::new(),
            capabilities: &capabilities,
            wish: &wish,
            attempts: &std::collections::BTreeMap::new(),
        }
        .catalogue();
        offered = catalogue
            .candidates(&request.name)
            .filter(|entry| request.accepts_version(entry.control.version()))
            .map(|entry: &IndexEntry| Offered {
                repository: entry.repository.clone(),
                control: entry.control.clone(),
            })
            .collect();
        not_taken.extend(catalogue.refused(&request.name).map(|(entry, refusal)| {
            json!({
                "version": entry.control.version(),
                "repository": entry.repository,
                "reason": refusal.to_string(),
            })
        }));
    }
    if here.is_none() && offered.is_empty() && not_taken.is_empty() {
        let failure = Failure::new(
            ErrorCode::NotFound,
            format!("{request} is neither on this machine nor in the index"),
        );
        return Err(
            match similar_sentence(&request.name, pool.all_names().iter().map(String::as_str)) {
                Some(sentence) => failure.with_hint(sentence),
                None => failure.with_hint("run `muster-agent update` and try again"),
            },
        );
    }
    let value = json!({
        "installed": here.as_ref().map(Installed::shown),
        "offered": offered,
        "not_taken": not_taken,
    });
    let has_several = !config.repositories.others.is_empty();
    let version_of = |version: &str, repository: &str| match repository {
        name if has_several && !name.is_empty() => format!("{version} ({name})"),
        _ => version.to_owned(),
    };
    common.output().answer(&value, |_value| {
        let mut lines = Vec::new();
        if let Some(row) = &here {
            let shown = row.shown();
            let step = if shown.failed_step.is_empty() {
                String::new()
            } else {
                format!(" in step {}", shown.failed_step)
            };
            let since = super::when::local_time(shown.changed_at);
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
            if has_several {
                let from = match shown.repository.as_str() {
                    "" => "a file",
                    name => name,
                };
                lines.push(format!("came from:    {from}"));
            }
        } else {
            lines.push(format!("{} is not installed", request.name));
        }
        let newest = offered.first().map(|one| &one.control);
        let newest = newest.or(here.as_ref().map(|row| &row.control));
        if let Some(control) = newest {
            lines.push(String::new());
            for (name, value) in control.attributes() {
                if !value.is_empty() && !matches!(name, "signature" | "signed_attributes") {
                    lines.push(format!("{name:<18}: {}", value.replace('\n', "\n ")));
                }
            }
        }
        if !offered.is_empty() {
            let versions: Vec<String> = offered
                .iter()
                .map(|one| version_of(one.control.version(), &one.repository))
                .collect();
            lines.push(format!("\noffered versions: {}", versions.join(", ")));
        }
        for row in &not_taken {
            lines.push(format!(
                "not taken: {} because {}",
                version_of(
                    row["version"].as_str().unwrap_or_default(),
                    row["repository"].as_str().unwrap_or_default(),
                ),
                row["reason"].as_str().unwrap_or_default()
            ));
        }
        lines.join("\n")
    });
    Ok(None)
}
