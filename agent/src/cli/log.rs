//! `muster-agent log`: what a package's last step wrote.

use muster_shared::protocol::error::ErrorCode;
use serde_json::json;

use super::{Common, Done};
use crate::failure::Failure;
use crate::state::State;

/// Show what a package's last step wrote.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  muster-agent log tis-firefox
  muster-agent log tis-firefox --audit

The log of the service itself is the system's: journalctl -u muster-agent, on Windows the event log.")]
pub(super) struct Arguments {
    /// The name of a package as `muster-agent list` shows it.
    #[arg(value_name = "PACKAGE")]
    package: String,
    /// What the last audit wrote instead.
    #[arg(long)]
    audit: bool,
    /// What the last set-up of this user's session wrote instead.
    #[arg(long, value_name = "NAME", conflicts_with = "audit")]
    session: Option<String>,
}

pub(super) async fn run(common: &Common, arguments: &Arguments) -> Done {
    if !super::reach::may_read(common) && !arguments.audit && arguments.session.is_none() {
        return super::people::log(common, &arguments.package).await;
    }
    let state = State::open_read_only(&common.paths().database()).await?;
    let row = state
        .package(&arguments.package)
        .await?
        .ok_or_else(|| super::order::not_installed(&arguments.package))?;
    let (status, log) = if let Some(user) = &arguments.session {
        state.session_output(user, row.package()).await?.ok_or_else(|| {
            Failure::new(
                ErrorCode::NotFound,
                format!("no session of {user} was prepared for {}", row.package()),
            )
        })?
    } else if arguments.audit {
        (row.status.as_str().to_owned(), row.audit_output.clone())
    } else {
        (row.status.as_str().to_owned(), row.log.clone())
    };
    let value = json!({
        "package": row.package(),
        "status": status,
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
