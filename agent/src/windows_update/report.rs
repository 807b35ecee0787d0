//! The block `updates`: what is remembered of each update, seen with the rules and at the time of now.

use jiff::Timestamp;
use muster_shared::protocol::inventory::{Block, UpdateState, UpdatesBlock};
use muster_shared::rules::windows_update::UpdateRules;

use super::plan;
use crate::config::Config;
use crate::failure::Failure;
use crate::platform;
use crate::state::State;
use crate::state::rules::RuleKind;

/// How many events of the history are reported.
pub(super) const REPORTED_EVENTS: usize = 100;

/// The rules in force, and the packages that they come from.
///
/// # Errors
/// When the database does not answer or holds rules that cannot be read.
pub async fn rules_in_force(state: &State, config: &Config) -> Result<(UpdateRules, Vec<String>), Failure> {
    let packages = state.windows_update_rules().await?;
    let names = state
        .rules(RuleKind::WindowsUpdate)
        .await?
        .into_iter()
        .map(|rules| rules.package)
        .collect();
    Ok((plan::rules(packages, &config.windows_update), names))
}

/// The block `updates` as the rules are now.
///
/// # Errors
/// As [`rules_in_force`].
pub async fn block(state: &State, config: &Config, now: Timestamp) -> Result<UpdatesBlock, Failure> {
    let (rules, rules_packages) = rules_in_force(state, config).await?;
    let standing = state.update_standing().await?;
    let updates = plan::rows(&state.windows_updates().await?, &rules, now);
    Ok(UpdatesBlock {
        status: plan::status(&updates, standing.last_scan_at.is_some(), &standing.error),
        error: standing.error,
        enabled: rules.enabled,
        last_scan_at: standing.last_scan_at,
        last_scan_secs: standing.last_scan_secs,
        cab_date: standing.cab_date,
        last_install_at: standing.last_install_at,
        reboot_required: standing.reboot_required,
        rules_packages,
        updates,
        history: plan::history(
            state
                .update_history(i64::try_from(REPORTED_EVENTS).unwrap_or(i64::MAX))
                .await?,
            state.system_update_history().await?,
            REPORTED_EVENTS,
        ),
    })
}

/// The block `updates` for the report, on a system that has such updates.
///
/// # Errors
/// As [`rules_in_force`].
pub async fn reported(
    state: &State,
    config: &Config,
    now: Timestamp,
) -> Result<Option<(Block, serde_json::Value)>, Failure> {
    /// At most this many updates travel: those that are wanted before those that are not.
    const MOST: usize = 2000;
    if platform::windows_update_agent().is_none() {
        return Ok(None);
    }
    let mut block = block(state, config, now).await?;
    if block.updates.len() > MOST {
        block
            .updates
            .sort_by_key(|row| (row.status == UpdateState::Discarded, row.installed));
        block.updates.truncate(MOST);
    }
    let value = serde_json::to_value(block).unwrap_or_default();
    Ok(Some((Block::Updates, value)))
}
