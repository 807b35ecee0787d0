//! `muster-agent clean`: packages out of the cache.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::json;

use super::when::{bytes, counted};
use super::{Common, Done, reach};
use crate::failure::Failure;
use crate::repo::cache;
use crate::state::State;

/// Delete downloaded packages that nothing pending needs.
///
/// The agent does so by itself with files that are old or too much; this does it now. --force deletes all.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Also what the next upgrade needs.
    #[arg(short, long)]
    force: bool,
}

pub(super) async fn run(common: &Common, arguments: &Arguments) -> Done {
    if !reach::may_read(common) {
        return Err(reach::only_administrators("clean the cache"));
    }
    let paths = common.paths();
    let needed: BTreeSet<String> = if arguments.force {
        BTreeSet::new()
    } else {
        let state = State::open_read_only(&paths.database()).await?;
        state
            .pending()
            .await?
            .into_iter()
            .map(|change| format!("{}_{}", change.package, change.version))
            .collect()
    };
    let nothing = cache::Limits {
        max_bytes: 0,
        max_age: Duration::ZERO,
    };
    let keep = |name: &str| needed.iter().any(|start| name.starts_with(start.as_str()));
    let cleaned = cache::clean(&paths.cache_dir(), nothing, keep, muster_shared::clock::now())
        .map_err(|error| Failure::from(anyhow::Error::new(error).context("cleaning the cache")))?;
    let value = json!({ "files": cleaned.files, "bytes": cleaned.bytes });
    common.output().answer(&value, |_value| match cleaned.files {
        0 => "nothing to delete".to_owned(),
        files => format!("deleted {}, {}", counted(files, "file"), bytes(cleaned.bytes)),
    });
    Ok(None)
}
