//! What local clients ask for: tasks, their cancellation, how the agent stands.

use muster_shared::protocol::action::ActionKind;
use muster_shared::protocol::error::{ErrorBody, ErrorCode};
use muster_shared::protocol::local::LocalEvent;
use serde_json::json;
use uuid::Uuid;

use super::actor::Actor;
use super::command::Command;
use crate::failure::Failure;
use crate::state::facts;
use crate::state::tasks::{MAX_PENDING, NewTask};

/// Local clients that follow tasks at the same time.
const MAX_FOLLOWERS: usize = 64;

impl Actor {
    pub(super) async fn obey(&mut self, command: Command) -> Result<(), Failure> {
        match command {
            Command::Run {
                action: ActionKind::Register | ActionKind::ServiceRestart,
                reply,
                ..
            } => {
                self.reload_wanted = true;
                let value =
                    json!({ "state": "done", "summary": "the service reads its configuration again" });
                reply.try_send(LocalEvent::Answer { value }).ok();
            }
            Command::Run {
                action,
                packages,
                options,
                user,
                reply,
            } => {
                let refusal = if self.followers.len() >= MAX_FOLLOWERS
                    || self.agent.state.pending_count().await? >= MAX_PENDING
                {
                    Some("too many tasks wait already")
                } else if !ActionKind::SUPPORTED.contains(&action) && action != ActionKind::SessionSetup {
                    Some("this agent's version does not carry that out")
                } else {
                    None
                };
                if let Some(reason) = refusal {
                    let error = ErrorBody::new(ErrorCode::TooManyRequests, reason);
                    reply.try_send(LocalEvent::Error { error }).ok();
                    return Ok(());
                }
                let task = NewTask::new(action, packages, options, &user, self.agent.now());
                let id = self.agent.state.queue_task(&task).await?;
                self.followers.push((id, reply));
                if self.running.is_some() {
                    let waiting = LocalEvent::Progress {
                        task: id,
                        percent: None,
                        text: format!("waits for: {}", self.running_text().unwrap_or_default()),
                    };
                    self.tell_followers(id, &waiting);
                }
            }
            Command::Status { reply } => {
                let value = self.status().await?;
                reply.try_send(LocalEvent::Answer { value }).ok();
            }
            Command::Tasks { reply } => {
                let mut tasks = self.agent.state.recent_tasks(50).await?;
                if let Some(running) = &self.running
                    && let Some(task) = tasks.iter_mut().find(|task| task.id == running.task.task.id)
                {
                    task.percent = running.percent;
                    task.text.clone_from(&running.text);
                }
                reply.try_send(LocalEvent::Answer { value: json!(tasks) }).ok();
            }
            Command::Cancel { task, user, reply } => {
                let ended = self.cancel(Some(task), None, &user).await?;
                let event = if ended == 0 {
                    LocalEvent::Error {
                        error: ErrorBody::new(ErrorCode::NotFound, format!("no task {task} waits or runs")),
                    }
                } else {
                    LocalEvent::Answer {
                        value: json!({ "state": "done", "summary": "cancelled" }),
                    }
                };
                reply.try_send(event).ok();
            }
        }
        Ok(())
    }

    /// Ends what is meant, running or waiting; gives how many tasks that were.
    pub(super) async fn cancel(
        &mut self,
        task: Option<Uuid>,
        batch: Option<Uuid>,
        by: &str,
    ) -> Result<usize, Failure> {
        let text = format!("cancelled by {by}");
        let ended = self
            .agent
            .state
            .cancel_pending(task, batch, &text, self.agent.now())
            .await?;
        let mut count = ended.len();
        for task in &ended {
            self.announce(task).await?;
            let error = ErrorBody::new(ErrorCode::Conflict, text.clone());
            self.tell_the_end(task.id, &LocalEvent::Error { error });
        }
        if let Some(running) = &self.running {
            let meant =
                task == Some(running.task.task.id) || (batch.is_some() && running.task.task.batch == batch);
            if meant {
                tracing::info!(task = %running.task.task.id, by, "cancelling");
                running.cancel.cancel();
                count += 1;
            }
        }
        Ok(count)
    }

    async fn status(&self) -> Result<serde_json::Value, Failure> {
        let state = &self.agent.state;
        Ok(json!({
            "version": env!("CARGO_PKG_VERSION"),
            "service": "running",
            "identifier": self.agent.identity.identifier(),
            "keyid": self.agent.identity.key().keyid(),
            "registered": self.agent.identity.is_registered(),
            "server": self.agent.config.server,
            "connected": self.is_connected(),
            "running": self.running_text(),
            "waiting": state.pending_count().await?,
            "updated_at": state.time_fact(facts::UPDATED_AT).await?,
            "update_error": state.fact(facts::UPDATE_ERROR).await?.filter(|text| !text.is_empty()),
            "next_update_at": self.update_due(self.agent.now()),
            "pending": state.pending().await?.len(),
            "notice": state.fact(facts::NOTICE).await?,
        }))
    }
}
