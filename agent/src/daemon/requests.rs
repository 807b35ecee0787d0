//! What local clients ask for: tasks, their cancellation, how the agent stands.

use muster_shared::protocol::action::ActionKind;
use muster_shared::protocol::error::{ErrorBody, ErrorCode};
use muster_shared::protocol::local::LocalEvent;
use muster_shared::protocol::task::Task;
use serde_json::json;

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
                } else {
                    None
                };
                if let Some(reason) = refusal {
                    let error = ErrorBody::new(ErrorCode::TooManyRequests, reason);
                    reply.try_send(LocalEvent::Error { error }).ok();
                    return Ok(());
                }
                let task = NewTask::new(action, packages, options, &user, self.agent.now());
                let id = match self.queue(&task).await {
                    Ok(id) => id,
                    Err(failure) => {
                        let error = failure.body();
                        reply.try_send(LocalEvent::Error { error }).ok();
                        return Err(failure);
                    }
                };
                self.followers.push((id, reply));
                if self.running.is_some() && !action.is_instant() {
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
            Command::Cancel {
                task,
                only_of,
                user,
                reply,
            } => {
                let meant = |open: &Task| {
                    task.is_none_or(|task| task == open.id)
                        && only_of.as_ref().is_none_or(|user| *user == open.ordered_by)
                };
                let ended = self.cancel(meant, &user).await?;
                let event = match (task, ended) {
                    (Some(task), 0) => LocalEvent::Error {
                        error: ErrorBody::new(ErrorCode::NotFound, format!("no task {task} waits or runs")),
                    },
                    (_, ended) => LocalEvent::Answer {
                        value: json!({
                            "state": "done",
                            "summary": match ended {
                                0 => "nothing to cancel".to_owned(),
                                1 => "cancelled".to_owned(),
                                more => format!("cancelled {more} tasks"),
                            },
                            "cancelled": ended,
                        }),
                    },
                };
                reply.try_send(event).ok();
            }
            // The channel that closes says that too many look on already.
            Command::Follow { from, reply } => {
                self.ring.watch(from, reply);
            }
        }
        Ok(())
    }

    /// Ends what is meant, running or waiting; gives how many tasks that were.
    ///
    /// # Errors
    /// When the database does not take it.
    pub(super) async fn cancel(
        &mut self,
        meant: impl Fn(&Task) -> bool + Send + Sync,
        by: &str,
    ) -> Result<usize, Failure> {
        let text = format!("cancelled by {by}");
        let ended = self
            .agent
            .state
            .cancel_pending(&meant, &text, self.agent.now())
            .await?;
        let mut count = ended.len();
        for task in &ended {
            self.ended_unbegun(task).await?;
        }
        for running in self.running.iter_mut().chain(&mut self.instant) {
            let id = running.task.task.id;
            if !meant(&running.task.task) {
                continue;
            }
            tracing::info!(task = %id, by, "cancelling");
            running.cancelled_by.get_or_insert_with(|| by.to_owned());
            running.cancel.cancel();
            count += 1;
            self.agent.state.mark_cancelled(id, by).await?;
        }
        Ok(count)
    }

    /// Tells everybody of a task that was ended before it began.
    pub(super) async fn ended_unbegun(&mut self, task: &Task) -> Result<(), Failure> {
        self.notice_task(task);
        self.never_ran(task);
        self.ended_before_shutdown(task.id, &task.text);
        self.announce(task).await?;
        let error = ErrorBody::new(ErrorCode::Conflict, task.text.clone());
        self.tell_the_end(task.id, &LocalEvent::Error { error });
        Ok(())
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
            "next_upgrade_at": self.upgrade_due(self.agent.now()),
            "upgrade_waits_for": self.timers.upgrade_hindered_by,
            "next_audit_at": self.audit_due(self.agent.now()),
            "configuration_error": self.config_error,
            "pending": state.pending().await?.len(),
            "notice": state.fact(facts::NOTICE).await?,
        }))
    }
}
