//! `muster-agent search-path`: whether shells find this program; what the installer and the uninstaller call.

use serde_json::json;

use super::{Common, Done};
use crate::failure::Failure;
use crate::platform;

/// Have shells find this program, or not any more.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Add the folder of this program to the machine's search path.
    #[arg(long, required_unless_present = "remove", conflicts_with = "remove")]
    add: bool,
    /// Take it out again.
    #[arg(long)]
    remove: bool,
}

pub(super) fn run(common: &Common, arguments: &Arguments) -> Done {
    let failed = |error: std::io::Error| {
        Failure::from(anyhow::Error::new(error).context("changing the search path of the machine"))
            .with_hint("run the command as administrator")
    };
    let program = platform::upgrade::own_program().map_err(failed)?;
    let folder = program.parent().unwrap_or(&program);
    let changed = platform::search_path::set(folder, arguments.add).map_err(failed)?;
    common.output().answer(&json!({ "changed": changed }), |_value| {
        if changed {
            format!("changed for {}", folder.display())
        } else {
            "nothing was to be changed".to_owned()
        }
    });
    Ok(None)
}
