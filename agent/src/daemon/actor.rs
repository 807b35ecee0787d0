//! The actor: takes one thing at a time, decides, starts work beside itself.

use std::sync::Arc;

use muster_shared::protocol::action::ActionKind;
use muster_shared::protocol::error::ErrorCode;
use muster_shared::protocol::live::ToAgent;
use muster_shared::protocol::local::LocalEvent;
use muster_shared::protocol::task::TaskState;
use serde_json::json;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::announce::Throttle;
use super::command::Command;
use super::event::{self, Event};
use super::reports::Reports;
use super::stop::Ended;
use super::timers::Timers;
use crate::agent::{Agent, Facts};
use crate::failure::Failure;
use crate::link::{self, Link};
use crate::state::tasks::StoredTask;
use crate::tasks::{self, Outcome, ProgressSink, TaskContext};

/// The task that runs now.
pub(super) struct Running {
    pub task: StoredTask,
    pub cancel: CancellationToken,
    pub percent: Option<u8>,
    pub text: String,
}

/// The owner of the agent's state.
pub(super) struct Actor {
    pub(super) agent: Arc<Agent>,
    pub(super) commands: mpsc::Receiver<Command>,
    pub(super) events: mpsc::Receiver<Event>,
    pub(super) events_sender: mpsc::Sender<Event>,
    pub(super) link: Option<Link>,
    pub(super) connected: Option<watch::Receiver<bool>>,
    pub(super) running: Option<Running>,
    pub(super) followers: Vec<(Uuid, mpsc::Sender<LocalEvent>)>,
    pub(super) timers: Timers,
    pub(super) audit_is_waiting: bool,
    pub(super) reports: Reports,
    pub(super) throttle: Throttle,
    pub(super) reload_wanted: bool,
}

/// What the actor woke up for.
enum Woken {
    Stop,
    Command(Option<Command>),
    Event(Option<Event>),
    Frame(Option<ToAgent>),
    Connection(bool),
    Clock,
    Report,
    Progress,
}

impl Actor {
    pub(super) fn new(agent: Arc<Agent>, commands: mpsc::Receiver<Command>) -> Self {
        let (events_sender, events) = event::channel();
        let link = agent.server.clone().map(link::spawn);
        Self {
            connected: link.as_ref().map(Link::connected),
            link,
            commands,
            events,
            events_sender,
            running: None,
            followers: Vec::new(),
            timers: Timers::default(),
            audit_is_waiting: false,
            reports: Reports::default(),
            throttle: Throttle::default(),
            reload_wanted: false,
            agent,
        }
    }

    /// Works until it is told to stop.
    ///
    /// # Errors
    /// When the database fails the actor: nothing could be promised any more.
    pub(super) async fn run(mut self, stop: &CancellationToken) -> Result<Ended, Failure> {
        self.timers.next_audit = self.agent.state.next_audit().await?;
        // A host that starts tells so, whatever it finds next.
        self.report_soon(Facts::Fresh);
        loop {
            self.queue_due().await?;
            self.start_next().await?;
            if self.reload_wanted && self.running.is_none() {
                self.stop().await?;
                return Ok(Ended::Reload);
            }
            match self.wait(stop).await {
                Woken::Stop => {
                    self.stop().await?;
                    return Ok(Ended::Stopped);
                }
                Woken::Command(Some(command)) => self.obey(command).await?,
                Woken::Event(Some(Event::Progressed { task, percent, text })) => {
                    self.progressed(task, percent, text);
                }
                Woken::Event(Some(Event::Finished { task, result })) => self.finished(task, result).await?,
                Woken::Event(Some(Event::Reported { result })) => self.reported(result).await?,
                Woken::Frame(Some(frame)) => self.take_frame(frame).await?,
                Woken::Connection(true) => {
                    self.reconnected();
                    self.announce_late().await?;
                    self.report_soon(Facts::Known);
                }
                Woken::Report => self.send_report(),
                Woken::Progress => self.flush_progress(),
                Woken::Frame(None) => {
                    // The channel's task ended by itself; the two-hourly updates go on without it.
                    tracing::error!("the live channel ended");
                    self.link = None;
                    self.connected = None;
                }
                Woken::Connection(false) | Woken::Clock | Woken::Command(None) | Woken::Event(None) => {}
            }
        }
    }

    async fn wait(&mut self, stop: &CancellationToken) -> Woken {
        let idle_for = self.idle_for();
        let report_at = self.reports.next();
        let progress_at = self.throttle.due();
        let far = Instant::now() + std::time::Duration::from_hours(24);
        let (link, connected) = (&mut self.link, &mut self.connected);
        let frame = async {
            match link {
                Some(link) => link.incoming.recv().await,
                None => std::future::pending().await,
            }
        };
        let connection = async {
            match connected {
                Some(connected) => match connected.changed().await {
                    Ok(()) => *connected.borrow_and_update(),
                    Err(_ended) => std::future::pending().await,
                },
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = stop.cancelled() => Woken::Stop,
            event = self.events.recv() => Woken::Event(event),
            frame = frame => Woken::Frame(frame),
            Some(command) = self.commands.recv() => Woken::Command(Some(command)),
            is_connected = connection => Woken::Connection(is_connected),
            () = tokio::time::sleep_until(progress_at.unwrap_or(far)), if progress_at.is_some() => Woken::Progress,
            () = tokio::time::sleep_until(report_at.unwrap_or(far)), if report_at.is_some() => Woken::Report,
            () = tokio::time::sleep(idle_for) => Woken::Clock,
        }
    }

    /// Starts the next task when none runs.
    async fn start_next(&mut self) -> Result<(), Failure> {
        if self.running.is_some() || self.reload_wanted {
            return Ok(());
        }
        let Some(stored) = self.agent.state.next_task().await? else {
            return Ok(());
        };
        let id = stored.task.id;
        self.agent.state.begin_task(id, self.agent.now()).await?;
        tracing::info!(task = %id, kind = %stored.task.kind, packages = ?stored.task.packages, by = %stored.task.ordered_by, "task begins");
        let cancel = CancellationToken::new();
        let events = self.events_sender.clone();
        let sink: ProgressSink = Arc::new(move |percent, text| {
            let progressed = Event::Progressed {
                task: id,
                percent,
                text: text.to_owned(),
            };
            // A full queue means that newer progress is on its way.
            events.try_send(progressed).ok();
        });
        let context = TaskContext::new(
            id,
            &stored.task.ordered_by,
            stored.options.clone(),
            cancel.clone(),
            sink,
        );
        let agent = self.agent.clone();
        let (action, packages) = (stored.action, stored.task.packages.clone());
        let events = self.events_sender.clone();
        tokio::spawn(async move {
            // In a task of its own, so that a panic ends this task and not the agent.
            let work = tokio::spawn(async move { tasks::run(&agent, action, &packages, &context).await });
            let result = work.await.unwrap_or_else(|error| {
                Err(Failure::new(
                    ErrorCode::Internal,
                    format!("the task broke down: {error}"),
                ))
            });
            events.send(Event::Finished { task: id, result }).await.ok();
        });
        let text = said(&stored);
        self.running = Some(Running {
            task: stored,
            cancel,
            percent: Some(0),
            text: text.clone(),
        });
        self.progressed(id, Some(0), text);
        self.report_soon(Facts::Known);
        Ok(())
    }

    /// What runs, as the report says it.
    pub(super) fn running_text(&self) -> Option<String> {
        self.running.as_ref().map(|running| running.text.clone())
    }

    /// The running task is over.
    pub(super) async fn finished(
        &mut self,
        task: Uuid,
        result: Result<Outcome, Failure>,
    ) -> Result<(), Failure> {
        let Some(running) = self.running.take_if(|running| running.task.task.id == task) else {
            return Ok(());
        };
        let was_cancelled = running.cancel.is_cancelled();
        let (state, summary) = match &result {
            Ok(outcome) => (outcome.state, outcome.summary.clone()),
            Err(_failure) if was_cancelled => (TaskState::Cancelled, "cancelled".to_owned()),
            Err(failure) => (TaskState::Failed, failure.in_one_line()),
        };
        let action = running.task.action;
        if state == TaskState::Failed {
            tracing::error!(%task, kind = %action, %summary, "task failed");
        } else {
            tracing::info!(%task, kind = %action, state = state.as_str(), %summary, "task over");
        }
        self.agent
            .state
            .finish_task(task, state, &summary, self.agent.now())
            .await?;
        // Later progress of the same task would revive it on the server's screen.
        self.throttle.drop_waiting();
        let last = match result {
            Ok(outcome) => LocalEvent::Answer {
                value: answer(&outcome),
            },
            Err(failure) => LocalEvent::Error {
                error: failure.body(),
            },
        };
        self.tell_the_end(task, &last);
        if action == ActionKind::Update {
            self.timers.update_failed = state == TaskState::Failed;
        }
        if action == ActionKind::Audit {
            self.audit_is_waiting = false;
        }
        self.timers.next_audit = self.agent.state.next_audit().await?;
        if action == ActionKind::Audit {
            self.postpone_failed_audits();
        }
        let changes_software = !matches!(
            action,
            ActionKind::Audit | ActionKind::Inventory | ActionKind::Forget
        );
        self.report_now(if changes_software {
            Facts::Fresh
        } else {
            Facts::Known
        });
        Ok(())
    }
}

/// What a task does, in words.
fn said(stored: &StoredTask) -> String {
    let verb = match stored.action {
        ActionKind::Update => "updating",
        ActionKind::Upgrade => "upgrading",
        ActionKind::Install => "installing",
        ActionKind::Remove => "removing",
        ActionKind::Forget => "forgetting",
        ActionKind::Audit => "auditing",
        ActionKind::Inventory => "reading the inventory",
        other => other.as_str(),
    };
    format!("{verb} {}", stored.task.packages.join(", "))
        .trim_end()
        .to_owned()
}

/// An outcome as local clients get it.
pub(crate) fn answer(outcome: &Outcome) -> serde_json::Value {
    json!({
        "state": outcome.state,
        "summary": outcome.summary,
        "exit": outcome.exit.map(|exit| exit as i32).unwrap_or_default(),
        "value": outcome.value,
    })
}
