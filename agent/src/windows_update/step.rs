//! What surrounds every step: whether it is wanted at all, the service that it needs, and what becomes of a failure.

use std::path::Path;
use std::sync::Arc;

use muster_shared::protocol::error::ErrorCode;
use muster_shared::rules::windows_update::UpdateRules;

use super::UpdateAgent;
use super::flow::Flow;
use super::line::{Line, Patience};
use super::report::rules_in_force;
use crate::failure::Failure;
use crate::state::State;
use crate::state::windows_update::Standing;

/// Gives the system its service back if the agent of this database let it rest: for an agent that leaves the machine.
///
/// # Errors
/// When the system refuses. A database that is not there or cannot be read says that nothing is to be done.
pub(crate) async fn give_back_for_good(database: &Path, system: Arc<dyn UpdateAgent>) -> Result<(), Failure> {
    let Ok(state) = State::open_read_only(database).await else {
        return Ok(());
    };
    if !state.update_standing().await?.service_rests {
        return Ok(());
    }
    Line::default()
        .ask(Patience::SHORT, move || system.release_service())
        .await
}

impl Flow<'_> {
    /// The rules, when they let the agent drive Windows Update. A machine that does not want that any more gets
    /// its service back.
    pub(super) async fn allowed(&self) -> Result<UpdateRules, Failure> {
        let (rules, _packages) = rules_in_force(self.state, self.config).await?;
        if rules.enabled != Some(true) {
            self.give_back().await?;
        }
        if rules.enabled == Some(false) {
            return Err(Failure::new(
                ErrorCode::Conflict,
                "Windows Update is left to Windows on this machine",
            )
            .with_hint("set enabled = true in [waptwua] of agent.toml"));
        }
        Ok(rules)
    }

    /// Gives the service back, if this agent put it to rest.
    ///
    /// # Errors
    /// When the database does not answer; a service that cannot be changed is only logged.
    pub async fn give_back(&self) -> Result<(), Failure> {
        let standing = self.state.update_standing().await?;
        if !standing.service_rests {
            return Ok(());
        }
        let system = self.system.clone();
        if let Err(error) = self
            .line
            .ask(Patience::SHORT, move || system.release_service())
            .await
        {
            tracing::warn!(error = %error.in_one_line(), "the Windows Update service could not be given back");
            return Ok(());
        }
        self.state
            .set_update_standing(&Standing {
                service_rests: false,
                ..standing
            })
            .await?;
        Ok(())
    }

    /// One step with the service running, which rests again afterwards; a failure is remembered as the standing.
    pub(super) async fn step<T>(
        &self,
        rules: &UpdateRules,
        work: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        let drives = rules.enabled == Some(true);
        let result = async {
            if drives {
                let system = self.system.clone();
                self.line
                    .ask(Patience::SHORT, move || system.start_service())
                    .await?;
            }
            work.await
        }
        .await;
        if drives {
            let system = self.system.clone();
            match self
                .line
                .ask(Patience::SHORT, move || system.rest_service())
                .await
            {
                Ok(()) => self.note_rest().await?,
                Err(error) => {
                    tracing::warn!(error = %error.in_one_line(), "the Windows Update service goes on running");
                }
            }
        }
        if let Err(failure) = &result
            && !self.cancel.is_cancelled()
        {
            let standing = self.state.update_standing().await?;
            self.state
                .set_update_standing(&Standing {
                    error: failure.in_one_line(),
                    ..standing
                })
                .await?;
        }
        result
    }

    async fn note_rest(&self) -> Result<(), Failure> {
        let standing = self.state.update_standing().await?;
        if !standing.service_rests {
            self.state
                .set_update_standing(&Standing {
                    service_rests: true,
                    ..standing
                })
                .await?;
        }
        Ok(())
    }
}
