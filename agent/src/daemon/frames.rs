//! What the server sends over the live channel: signed orders and hints.

use std::time::Duration;

use muster_shared::envelope::Envelope;
use muster_shared::envelope::merkle::Proof;
use muster_shared::hint::chain;
use muster_shared::protocol::action::{ActionKind, ActionOptions};
use muster_shared::protocol::error::ErrorCode;
use muster_shared::protocol::live::{FromAgent, Refresh, ToAgent};
use muster_shared::protocol::task::{Task, TaskState};
use tokio::time::Instant;
use uuid::Uuid;

use super::actor::Actor;
use crate::failure::Failure;
use crate::orders::{Allowance, Judge};

/// Hints of a kind that are followed at once, and how often one more after that (protocol.md §3).
const HINTS: (u32, Duration) = (10, Duration::from_secs(10));

/// How often the server may hint.
#[derive(Debug)]
pub(super) struct Hints {
    refresh: Allowance,
    tasks: Allowance,
}

impl Default for Hints {
    fn default() -> Self {
        Self {
            refresh: Allowance::new(HINTS.0, HINTS.1),
            tasks: Allowance::new(HINTS.0, HINTS.1),
        }
    }
}

impl Actor {
    pub(super) async fn take_frame(&mut self, frame: ToAgent) -> Result<(), Failure> {
        let now = Instant::now();
        // Waited for before the frame was taken.
        self.frames.take(now).ok();
        match frame {
            ToAgent::Refresh { what: Refresh::Rules } if !self.agent.config.repositories.use_repo_rules => {
                Ok(())
            }
            ToAgent::Refresh {
                what: Refresh::Repository | Refresh::HostPackage | Refresh::Rules,
            } => match self.hints.refresh.take(now) {
                Ok(()) => {
                    self.queue_scheduled(ActionKind::Update).await?;
                    self.timers.last_update = Some(self.agent.now());
                    Ok(())
                }
                Err(wait) => {
                    self.update_after(wait);
                    Ok(())
                }
            },
            ToAgent::Tasks => {
                let wait = self.hints.tasks.take(now).err().unwrap_or_default();
                self.report_after(wait);
                Ok(())
            }
            ToAgent::Action { envelope, proof } => self.take_order(&envelope, &proof).await,
        }
    }

    /// Judges an order, and acknowledges it only when it is on disk.
    async fn take_order(&mut self, envelope: &Envelope, proof: &Proof) -> Result<(), Failure> {
        let trust = match self.agent.trust() {
            Ok(trust) => trust,
            // Nobody can be trusted as long as the folder cannot be read; the service goes on.
            Err(failure) => return self.refuse(envelope, failure.code(), &failure).await,
        };
        let authority = self.agent.authority();
        let judge = Judge {
            trust: &trust,
            authority: &authority,
            identifier: self.agent.identity.identifier(),
            state: &self.agent.state,
            now: self.agent.now(),
        };
        let accepted = match judge.accept(envelope, proof).await {
            Ok(accepted) => accepted,
            Err(refusal) => return self.refuse(envelope, refusal.code(), &refusal).await,
        };
        let batch = accepted.payload.batch;
        tracing::info!(%batch, action = %accepted.payload.action, signer = %accepted.signer, "order accepted");
        let ack = FromAgent::Ack {
            batch,
            accepted: true,
            reason: String::new(),
        };
        self.send(ack).await;
        self.has_instant = true;
        self.notice_stored(accepted.task.id).await?;
        if accepted.payload.action == ActionKind::Cancel {
            self.obey_cancel(accepted.task.id, &accepted.payload.options, &accepted.signer)
                .await?;
        }
        Ok(())
    }

    async fn refuse(
        &mut self,
        envelope: &Envelope,
        code: ErrorCode,
        refusal: &(dyn std::error::Error + Send + Sync + 'static),
    ) -> Result<(), Failure> {
        let reason = format!("{}: {}", code.as_str(), chain(refusal));
        tracing::warn!(%reason, "order refused");
        if let Some(batch) = claimed_batch(envelope) {
            let ack = FromAgent::Ack {
                batch,
                accepted: false,
                reason,
            };
            self.send(ack).await;
        }
        Ok(())
    }

    /// A signed cancel is carried out at once, past everything that waits.
    pub(super) async fn obey_cancel(
        &mut self,
        task: Uuid,
        options: &ActionOptions,
        signer: &str,
    ) -> Result<(), Failure> {
        let now = self.agent.now();
        self.agent.state.begin_task(task, now).await?;
        let (named, batch) = (options.cancel_task, options.cancel_batch);
        let meant = |open: &Task| Some(open.id) == named || (batch.is_some() && open.batch == batch);
        let count = self.cancel(meant, signer).await?;
        let summary = if count == 0 {
            "nothing to cancel".to_owned()
        } else {
            format!("cancelled {count} tasks")
        };
        self.agent
            .state
            .finish_task(task, TaskState::Done, &summary, now)
            .await?;
        if let Some(stored) = self.agent.state.task(task).await? {
            self.notice_task(&stored.task);
            self.announce(&stored.task).await?;
        }
        Ok(())
    }
}

/// The batch that a refused envelope claims; only good for naming it in the refusal.
fn claimed_batch(envelope: &Envelope) -> Option<Uuid> {
    let bytes = envelope.payload_unverified().ok()?;
    let value: serde_json::Value = serde_json::from_slice(&bytes).ok()?;
    value.get("batch")?.as_str()?.parse().ok()
}
