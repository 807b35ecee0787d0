//! Puts the unit and profile packages of this host in force, and takes out those that are no longer.
//!
//! Their rows in the index were verified one by one; their relations are all that such packages bring, so the signed
//! control in the index is enough. In the database they stand like the host's own package: as installed.

use muster_shared::name::unit_name_from_dn;

use crate::agent::Agent;
use crate::failure::Failure;
use crate::install::run::fresh_row;
use crate::plan::implicit::{Settled, is_implicit};
use crate::state::packages::Installed;

/// Writes what was worked out.
///
/// # Errors
/// When the database does not take it.
pub(super) async fn put_in_force(
    agent: &Agent,
    settled: &Settled,
    installed: &[Installed],
) -> Result<(), Failure> {
    for dropped in &settled.dropped {
        tracing::info!(
            package = dropped.package,
            because = dropped.because,
            "no longer in force on this host"
        );
        agent.state.delete_package(&dropped.package).await?;
    }
    for entry in &settled.taken {
        let control = &entry.control;
        let name = unit_name_from_dn(control.package());
        // The same unit may have been written another way.
        let others = installed.iter().filter(|row| {
            let is_same = unit_name_from_dn(row.package()) == name && row.package() != control.package();
            is_same && is_implicit(&row.control)
        });
        for other in others {
            agent.state.delete_package(other.package()).await?;
        }
        // Before the row: between the two, a power cut may only make the rule stricter.
        agent.state.remember_implicit(control).await?;
        let row = fresh_row(control, agent.now());
        agent.state.store_package(&row, None).await?;
        tracing::info!(
            package = control.package(),
            version = control.version(),
            depends = control.depends(),
            conflicts = control.conflicts(),
            signer = %row.signer,
            "in force on this host"
        );
    }
    Ok(())
}

/// What was worked out, as sentences.
pub(super) fn said(settled: &Settled) -> Vec<String> {
    let taken = settled.taken.iter().map(|entry| {
        let control = &entry.control;
        format!("{} {} is in force", control.package(), control.version())
    });
    let dropped = settled
        .dropped
        .iter()
        .map(|dropped| format!("{} is no longer in force: {}", dropped.package, dropped.because));
    let too_old = settled.too_old.iter().map(|old| {
        format!(
            "{} {} is refused: it is older than {}, which was in force on this host; give it a version above that",
            old.package, old.version, old.highest.version
        )
    });
    taken.chain(dropped).chain(too_old).collect()
}
