//! `muster-agent log`: what a package's last step wrote.

use serde_json::json;

use super::{Common, Done};
use crate::state::State;

/// Show what a package's last step wrote.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[arg(value_name = "PACKAGE")]
    package: String,
    /// What the last audit wrote instead.
    #[arg(long)]
    audit: bool,
}

pub(super) async fn run(common: &Common, arguments: &Arguments) -> Done {
    let state = State::open_read_only(&common.paths().database()).await?;
    let row = state
        .package(&arguments.package)
        .await?
        .ok_or_else(|| super::order::not_installed(&arguments.package))?;
    let log = if arguments.audit {
        &row.audit_output
    } else {
        &row.log
    };
    let value = json!({
        "package": row.package(),
        "status": row.status,
        "failed_step": row.failed_step,
        "log": log,
    });
    common.output().answer(&value, |_value| {
        if log.is_empty() {
            "nothing was written".to_owned()
        } else {
            log.clone()
        }
    });
    Ok(None)
}
