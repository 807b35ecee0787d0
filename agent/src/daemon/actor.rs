//! The actor: takes one thing at a time, decides, starts work beside itself.

use std::sync::Arc;
use std::time::Duration;

use muster_shared::protocol::action::ActionKind;
use muster_shared::protocol::error::ErrorCode;
use muster_shared::protocol::local::LocalEvent;
use muster_shared::protocol::task::{Task, TaskState};
use serde_json::json;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::Signals;
use super::announce::Throttle;
use super::command::Command;
use super::event::{self, Event};
use super::frames::Hints;
use super::outside::{self, ConfigFile};
use super::pre_shutdown::{self, PreShutdown};
use super::reports::Reports;
use super::ring::Ring;
use super::stop::Ended;
use super::storage::{self, Storage};
use super::timers::Timers;
use super::wake::Woken;
use crate::agent::{Agent, Facts};
use crate::failure::Failure;
use crate::link::{self, Link};
use crate::orders::Allowance;
use crate::platform::{Severity, write_event};
use crate::schedule::Pace;
use crate::self_upgrade;
use crate::state::tasks::StoredTask;
use crate::tasks::{self, Outcome, ProgressSink, TaskContext};

/// A task that runs now.
pub(super) struct Running {
    pub task: StoredTask,
    pub cancel: CancellationToken,
    /// Who cancelled it, if somebody did; a service that stops ends it as well, and that is none.
    pub cancelled_by: Option<String>,
    pub percent: Option<u8>,
    pub text: String,
    /// When clients that look on were last told what it does.
    pub noticed_at: Option<Instant>,
}

/// Tasks that take a moment and are carried out beside the others, at the same time.
const MAX_INSTANT: usize = 8;

/// Frames that a server may send at once, and how often one more after that.
const FRAMES: (u32, Duration) = (200, Duration::from_millis(200));

/// The owner of the agent's state.
pub(super) struct Actor {
    pub(super) agent: Arc<Agent>,
    pub(super) commands: mpsc::Receiver<Command>,
    pub(super) events: mpsc::Receiver<Event>,
    pub(super) events_sender: mpsc::Sender<Event>,
    pub(super) link: Option<Link>,
    pub(super) connected: Option<watch::Receiver<bool>>,
    pub(super) running: Option<Running>,
    /// What waits for no other task.
    pub(super) instant: Vec<Running>,
    /// Some may wait to be begun.
    pub(super) has_instant: bool,
    pub(super) storage: Storage,
    pub(super) followers: Vec<(Uuid, mpsc::Sender<LocalEvent>)>,
    pub(super) ring: Ring,
    pub(super) timers: Timers,
    pub(super) reports: Reports,
    pub(super) throttle: Throttle,
    /// What the server may still send.
    pub(super) frames: Allowance,
    pub(super) hints: Hints,
    pub(super) pace: Pace,
    pub(super) config_file: ConfigFile,
    /// Why the configuration file is not in force as it stands now.
    pub(super) config_error: Option<String>,
    /// The machine waits for this before it goes down.
    pub(super) pre_shutdown: Option<PreShutdown>,
    /// Reports under way: they hold the agent, and with it its lock.
    pub(super) beside: JoinSet<()>,
    /// Who listens to what happens outside; ends with the actor.
    _outside: JoinSet<()>,
    pub(super) reload_wanted: bool,
}

impl Actor {
    pub(super) fn new(
        agent: Arc<Agent>,
        commands: mpsc::Receiver<Command>,
        pace: Pace,
        config_error: Option<String>,
        signals: &Signals,
    ) -> Self {
        let (events_sender, events) = event::channel();
        let link = agent.server.clone().map(|server| link::spawn(server, pace));
        let config_path = agent.paths.config_file();
        let config_file = ConfigFile::new(config_path.clone());
        let holds_shutdown = pre_shutdown::holds_for(&agent.config);
        Self {
            connected: link.as_ref().map(Link::connected),
            link,
            commands,
            events,
            _outside: outside::listen(&config_path, holds_shutdown, signals, &events_sender),
            events_sender,
            running: None,
            instant: Vec::new(),
            has_instant: true,
            storage: Storage::default(),
            followers: Vec::new(),
            ring: Ring::default(),
            timers: Timers::new(agent.now()),
            reports: Reports::new(pace),
            throttle: Throttle::default(),
            frames: Allowance::new(FRAMES.0, FRAMES.1),
            hints: Hints::default(),
            pace,
            config_file,
            config_error,
            pre_shutdown: None,
            beside: JoinSet::new(),
            reload_wanted: false,
            agent,
        }
    }

    /// Works until it is told to stop.
    ///
    /// # Errors
    /// When the database fails the actor: nothing could be promised any more.
    pub(super) async fn run(mut self, stop: &CancellationToken) -> Result<Ended, Failure> {
        self.recall_timers().await?;
        // A host that starts tells so, whatever it finds next.
        self.report_soon(Facts::Fresh);
        loop {
            match self.step(stop).await {
                Ok(Next::GoOn) => {}
                Ok(Next::End(ended)) => {
                    self.stop().await;
                    return Ok(ended);
                }
                // What runs goes on, and what waits is begun when there is room again.
                Err(failure) if failure.code() == ErrorCode::StorageFull => self.storage.is_full(&failure),
                Err(failure) => return Err(failure),
            }
        }
    }

    /// Begins what is due, and takes the next thing that happens.
    async fn step(&mut self, stop: &CancellationToken) -> Result<Next, Failure> {
        if !self.storage.is_paused() {
            self.queue_due().await?;
            self.start_next().await?;
        }
        if self.reload_wanted && self.running.is_none() && self.instant.is_empty() {
            return Ok(Next::End(Ended::Reload));
        }
        match self.wait(stop).await {
            Woken::Stop => return Ok(Next::End(Ended::Stopped)),
            Woken::Command(command) => self.obey(command).await?,
            Woken::Event(Some(event)) => self.take_event(event).await?,
            Woken::Frame(Some(frame)) => self.take_frame(frame).await?,
            Woken::Connection(true) => {
                self.reconnected();
                self.announce_late().await?;
                self.report_soon(Facts::Known);
            }
            Woken::Clock => self.look_at_config(),
            Woken::ShutdownLimit => self.shutdown_limit_reached().await?,
            Woken::Report => self.send_report(),
            Woken::Progress => self.flush_progress(),
            Woken::Frame(None) => {
                // The channel's task ended by itself; the two-hourly updates go on without it.
                tracing::error!("the live channel ended");
                self.link = None;
                self.connected = None;
            }
            Woken::Connection(false) | Woken::Event(None) => {}
        }
        Ok(Next::GoOn)
    }

    async fn take_event(&mut self, event: Event) -> Result<(), Failure> {
        match event {
            Event::Progressed { task, percent, text } => self.progressed(task, percent, text),
            Event::Finished { task, result } => self.finished(task, result).await?,
            Event::Reported { result } => self.reported(result).await?,
            Event::NetworkChanged => self.network_changed(),
            Event::ConfigTouched => self.look_at_config(),
            Event::GoingDown { limit, release } => self.going_down(limit, release).await?,
        }
        Ok(())
    }

    /// Starts what waits for nothing, and the next task when none runs.
    async fn start_next(&mut self) -> Result<(), Failure> {
        if self.reload_wanted && self.running.is_none() {
            return Ok(());
        }
        while self.has_instant && self.instant.len() < MAX_INSTANT {
            match self.agent.state.next_instant_task().await? {
                Some(stored) if stored.action == ActionKind::Cancel => {
                    let (id, by) = (stored.task.id, stored.task.ordered_by);
                    self.obey_cancel(id, &stored.options, &by).await?;
                }
                Some(stored) => {
                    let begun = self.begin(stored).await?;
                    self.instant.push(begun);
                }
                None => self.has_instant = false,
            }
        }
        if self.running.is_some() || self.reload_wanted {
            return Ok(());
        }
        while let Some(stored) = self.agent.state.next_task().await? {
            if let Some(reason) = self.missed_its_time(&stored).await {
                self.put_off(stored, &reason).await?;
                continue;
            }
            let begun = self.begin(stored).await?;
            let (id, text) = (begun.task.task.id, begun.text.clone());
            self.running = Some(begun);
            self.progressed(id, Some(0), text);
            self.report_soon(Facts::Known);
            break;
        }
        Ok(())
    }

    /// Begins a task beside the actor, which is told when it ends.
    async fn begin(&mut self, stored: StoredTask) -> Result<Running, Failure> {
        let id = stored.task.id;
        let started_at = self.agent.now();
        self.agent.state.begin_task(id, started_at).await?;
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
        self.notice_task(&Task {
            state: TaskState::Running,
            started_at: Some(started_at),
            ..stored.task.clone()
        });
        Ok(Running {
            text: said(&stored),
            task: stored,
            cancel,
            cancelled_by: None,
            percent: Some(0),
            noticed_at: None,
        })
    }

    /// What runs, as the report says it.
    pub(super) fn running_text(&self) -> Option<String> {
        self.running.as_ref().map(|running| running.text.clone())
    }

    /// What runs by this number, of either kind.
    fn runs(&self, task: Uuid) -> Option<&Running> {
        let mut all = self.running.iter().chain(&self.instant);
        all.find(|running| running.task.task.id == task)
    }

    /// Takes it out: it is over.
    pub(super) fn take_running(&mut self, task: Uuid) -> Option<Running> {
        let is_it = |running: &Running| running.task.task.id == task;
        let place = self.instant.iter().position(is_it);
        match place {
            Some(place) => Some(self.instant.swap_remove(place)),
            None => self.running.take_if(|running| is_it(running)),
        }
    }

    /// A task that ran is over.
    pub(super) async fn finished(
        &mut self,
        task: Uuid,
        result: Result<Outcome, Failure>,
    ) -> Result<(), Failure> {
        let Some(running) = self.runs(task) else {
            return Ok(());
        };
        let (state, summary) = match (&result, &running.cancelled_by) {
            (Ok(outcome), _) => (outcome.state, outcome.summary.clone()),
            (Err(_failure), Some(by)) => (TaskState::Cancelled, format!("cancelled by {by}")),
            (Err(failure), None) => (TaskState::Failed, failure.in_one_line()),
        };
        let now = self.agent.now();
        if let Err(error) = self.agent.state.finish_task(task, state, &summary, now).await {
            if !error.is_full() {
                return Err(error.into());
            }
            // It counts as running until its end is on disk.
            self.storage.is_full(&error.into());
            storage::again_later(Event::Finished { task, result }, &self.events_sender);
            return Ok(());
        }
        let Some(running) = self.take_running(task) else {
            return Ok(());
        };
        let action = running.task.action;
        if state == TaskState::Failed {
            tracing::error!(%task, kind = %action, %summary, "task failed");
            // Updates fail every ten minutes while there is no server: said once.
            if action != ActionKind::Update || !self.timers.update_failed {
                write_event(Severity::Error, &format!("{action} failed: {summary}"));
            }
        } else {
            tracing::info!(%task, kind = %action, state = state.as_str(), %summary, "task over");
        }
        if self.running.is_none() {
            // Later progress of the same task would revive it on the server's screen.
            self.throttle.drop_waiting();
        }
        let last = match result {
            Ok(outcome) => LocalEvent::Answer {
                value: answer(&outcome),
            },
            Err(failure) => LocalEvent::Error {
                error: failure.body(),
            },
        };
        self.tell_the_end(task, &last);
        self.ended_before_shutdown(task, &summary);
        self.reload_wanted |= action == ActionKind::ServiceRestart;
        let changes_facts = !matches!(
            action,
            ActionKind::Audit
                | ActionKind::Inventory
                | ActionKind::Forget
                | ActionKind::Message
                | ActionKind::ProposeUpgrade
        );
        self.report_now(if changes_facts { Facts::Fresh } else { Facts::Known });
        if self.running.is_none() {
            self_upgrade::start_waiting(&self.agent.paths);
        }
        self.notice_end(task).await?;
        self.set_timers_after(action, state).await
    }
}

/// What follows a step of the actor.
enum Next {
    GoOn,
    End(Ended),
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
