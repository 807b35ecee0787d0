//! `muster-agent add-upgrade-shutdown` and `remove-upgrade-shutdown`: whether the machine is upgraded when it goes down.

use serde_json::json;

use super::{Common, Done, reach, reload};
use crate::config::write_key;

/// Upgrade what is pending whenever the machine goes down.
///
/// Sets upgrade_at_shutdown = true in agent.toml. The service holds the machine back until it is done, at most as
/// long as pre_shutdown_timeout says.
#[derive(Debug, clap::Args)]
pub(super) struct AddArguments {}

/// Leave the machine alone when it goes down.
///
/// Sets upgrade_at_shutdown = false in agent.toml.
#[derive(Debug, clap::Args)]
pub(super) struct RemoveArguments {}

pub(super) async fn add(common: &Common, _arguments: &AddArguments) -> Done {
    set(common, true).await
}

pub(super) async fn remove(common: &Common, _arguments: &RemoveArguments) -> Done {
    set(common, false).await
}

async fn set(common: &Common, wanted: bool) -> Done {
    if !reach::may_read(common) {
        return Err(reach::only_administrators("change its configuration"));
    }
    let value = toml::Value::Boolean(wanted);
    write_key(&common.paths(), "upgrade_at_shutdown", Some(&value))?;
    reload(common).await;
    common
        .output()
        .answer(&json!({ "upgrade_at_shutdown": wanted }), |_value| {
            if wanted {
                "pending upgrades are made when the machine goes down".to_owned()
            } else {
                "nothing is upgraded when the machine goes down".to_owned()
            }
        });
    Ok(None)
}
