//! `muster-agent download` and `download-upgrade`: packages into the cache, nothing installed.

use std::collections::BTreeSet;

use muster_shared::catalogue::Catalogue;
use muster_shared::hint::chain;
use muster_shared::index::IndexEntry;
use muster_shared::protocol::error::ErrorCode;
use muster_shared::protocol::package::Change;
use muster_shared::request::Request;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::{Common, Done, reach};
use crate::config::Config;
use crate::failure::{Exit, Failure};
use crate::paths::Paths;
use crate::repo::choice;
use crate::repo::sources::Sources;
use crate::state::State;
use crate::update::offers;
use crate::update::pool::{Collected, Pool};
use crate::{platform, update};

/// Download packages into the cache; nothing is installed.
///
/// A later installation takes them from there, also without a network. What they depend on is not downloaded.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Names of packages, with conditions if wanted.
    #[arg(required = true, value_name = "PACKAGE")]
    packages: Vec<String>,
}

pub(super) async fn run(common: &Common, arguments: &Arguments) -> Done {
    let mut requests = Vec::new();
    for package in &arguments.packages {
        let request = Request::parse(package).map_err(|error| {
            Failure::new(ErrorCode::RequestInvalid, error.to_string()).with_exit(Exit::Usage)
        })?;
        requests.push(request);
    }
    download(common, requests).await
}

/// Download what the next upgrade installs; nothing is installed.
#[derive(Debug, clap::Args)]
pub(super) struct UpgradeArguments {
    /// Update before.
    #[arg(short, long, alias = "update-packages")]
    update: bool,
}

pub(super) async fn run_upgrade(common: &Common, arguments: &UpgradeArguments) -> Done {
    if !reach::may_read(common) {
        return Err(reach::only_administrators("download packages"));
    }
    if arguments.update {
        super::order::Order::of(muster_shared::protocol::action::ActionKind::Update)
            .outcome(common)
            .await?;
    }
    let state = State::open_read_only(&common.paths().database()).await?;
    let mut requests = Vec::new();
    for change in state.pending().await? {
        if !matches!(change.change, Change::Install | Change::Upgrade) || change.error.is_some() {
            continue;
        }
        let text = format!("{}(={})", change.package, change.version);
        requests.extend(Request::parse(&text));
    }
    download(common, requests).await
}

async fn download(common: &Common, requests: Vec<Request>) -> Done {
    if !reach::may_read(common) {
        return Err(reach::only_administrators("download packages"));
    }
    let output = common.output();
    let paths = common.paths();
    let config = Config::load(&paths)?;
    let entries = offered(&paths, &config, &requests)?;
    let repositories = Sources::new(&config).map_err(|error| Failure::from_hinted(error.code(), error))?;
    let state = State::open_read_only(&paths.database()).await?;
    choice::recall(&state, &config, &repositories).await?;
    platform::lock_down_dir(&paths.cache_dir())
        .map_err(|error| Failure::from(anyhow::Error::new(error).context("opening the cache")))?;
    let (mut files, mut failed) = (Vec::new(), Vec::new());
    let mut is_unreachable = false;
    for (request, entry) in requests.iter().zip(entries) {
        let Some(entry) = entry else {
            failed.push(json!({
                "package": request.to_string(),
                "reason": format!("{request} is not in the repository, or not for this machine"),
            }));
            continue;
        };
        let text = format!("downloading {}", entry.control.package());
        let progress = |there: u64, all: u64| {
            output.progress(
                Some((there.saturating_mul(100) / all.max(1)).min(100) as u8),
                &text,
            );
        };
        match repositories
            .download(&entry, &paths, progress, &CancellationToken::new())
            .await
        {
            Ok(file) => files.push(json!({
                "package": entry.control.package(),
                "version": entry.control.version(),
                "file": file,
                "size": entry.size,
            })),
            Err(error) => {
                is_unreachable |= error.is_unreachable();
                failed.push(json!({ "package": request.to_string(), "reason": chain(&error) }));
            }
        }
    }
    output.answer(&json!({ "downloaded": files, "failed": failed }), |_value| {
        let mut lines: Vec<String> = files
            .iter()
            .map(|file| file["file"].as_str().unwrap_or_default().to_owned())
            .collect();
        lines.extend(failed.iter().map(|row| {
            let text = |name: &str| row[name].as_str().unwrap_or_default().to_owned();
            format!("{}: {}", text("package"), text("reason"))
        }));
        if lines.is_empty() {
            lines.push("nothing to download".to_owned());
        }
        lines.join("\n")
    });
    Ok(match (failed.is_empty(), is_unreachable) {
        (true, _) => None,
        (false, true) => Some(Exit::Unreachable),
        (false, false) => Some(Exit::Packages),
    })
}

/// The best package for each request.
fn offered(paths: &Paths, config: &Config, requests: &[Request]) -> Result<Vec<Option<IndexEntry>>, Failure> {
    let pool = Pool::of(paths, config)?;
    if !pool.has_index() {
        return Err(update::no_index());
    }
    let now = muster_shared::clock::now();
    let names: BTreeSet<String> = requests.iter().map(|request| request.name.clone()).collect();
    let offered = pool.offered(names, now, Collected::default(), false)?;
    let catalogue = Catalogue::new(offered.entries, &offers::capabilities(config, now));
    Ok(requests
        .iter()
        .map(|request| catalogue.best(request).cloned())
        .collect())
}
