//! What a plan shows to be over: waiting of packages that have nothing to wait for, tries of what is not tried any more.

use muster_shared::protocol::package::InstallStatus;

use crate::agent::Agent;
use crate::failure::Failure;
use crate::plan::Plan;
use crate::state::packages::Installed;

/// Ends what is over.
///
/// # Errors
/// When the database does not take it.
pub(super) async fn forget(agent: &Agent, plan: &Plan, installed: &[Installed]) -> Result<(), Failure> {
    let is_planned = |package: &str| {
        plan.installs.iter().any(|install| install.package() == package)
            || plan.forbidden.iter().any(|removal| removal.package == package)
            || plan
                .impossible
                .iter()
                .any(|impossible| impossible.package == package)
    };
    for row in installed.iter().filter(|row| !is_planned(row.package())) {
        if row.status == InstallStatus::Postponed && row.in_place && row.failed_step.is_empty() {
            agent
                .state
                .no_longer_postponed(row.package(), agent.now())
                .await?;
        }
    }
    for package in agent.state.attempts().await?.keys() {
        let row = installed.iter().find(|row| row.package() == package);
        let is_failed =
            row.is_some_and(|row| matches!(row.status, InstallStatus::Error | InstallStatus::Retry));
        if !is_planned(package) && !is_failed {
            agent.state.forget_tries(package).await?;
        }
    }
    Ok(())
}
