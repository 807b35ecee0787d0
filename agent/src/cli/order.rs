//! A task for the agent: handed to the running service, or done here under the lock.

use std::sync::Arc;
use std::time::Duration;

use muster_shared::clock::SystemClock;
use muster_shared::protocol::action::{ActionKind, ActionOptions};
use muster_shared::protocol::error::ErrorCode;
use muster_shared::protocol::local::{LocalEvent, LocalRequest};
use muster_shared::protocol::task::TaskState;
use serde_json::Value;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{Common, Done, reach};
use crate::agent::{Agent, Facts};
use crate::config::Config;
use crate::failure::{Exit, Failure};
use crate::local_api::client::LocalClient;
use crate::output::Output;
use crate::state::tasks::NewTask;
use crate::tasks::{self, TaskContext};
use crate::update::report_quietly;
use crate::{daemon, platform};

/// Who holds the agent's state and does not listen is given this long: a service that starts.
const STARTING: Duration = Duration::from_secs(5);
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// What is ordered.
#[derive(Debug, Clone)]
pub(super) struct Order {
    pub action: ActionKind,
    pub packages: Vec<String>,
    pub options: ActionOptions,
}

impl Order {
    /// An action without packages.
    pub(super) fn of(action: ActionKind) -> Self {
        Self {
            action,
            packages: Vec::new(),
            options: ActionOptions::default(),
        }
    }

    /// The same with packages.
    pub(super) fn on(mut self, packages: &[String]) -> Self {
        // The service has another working directory than the person who names a file.
        self.packages = packages
            .iter()
            .map(|package| {
                let path = std::path::Path::new(package);
                match std::path::absolute(path) {
                    Ok(absolute) if path.is_file() => absolute.to_string_lossy().into_owned(),
                    _ => package.clone(),
                }
            })
            .collect();
        self
    }

    /// The same, forced or not.
    pub(super) fn forced(mut self, force: bool) -> Self {
        self.options.force = force;
        self
    }

    /// The same, with parameters for the scripts.
    pub(super) fn with_params(mut self, params: serde_json::Map<String, Value>) -> Self {
        self.options.params = params;
        self
    }

    /// Has it done and prints what came of it.
    pub(super) async fn carry_out(self, common: &Common) -> Done {
        let output = common.output();
        let answer = self.outcome(common).await?;
        output.answer(&answer, summary_of);
        Ok(exit_of(&answer))
    }

    /// Has it done; gives the answer.
    pub(super) async fn outcome(self, common: &Common) -> Result<Value, Failure> {
        let output = common.output();
        if common.standalone {
            let agent = Box::pin(open(common)).await?;
            return Box::pin(self.alone(agent, output)).await;
        }
        let begun = tokio::time::Instant::now();
        loop {
            if let Some(client) = LocalClient::connect(&common.paths().socket()).await? {
                let request = LocalRequest::Run {
                    action: self.action,
                    packages: self.packages,
                    options: self.options,
                };
                return by_service(common, client, &request).await;
            }
            if common.only_service || !reach::may_read(common) {
                return Err(reach::not_running(common));
            }
            match Box::pin(open(common)).await {
                Ok(agent) => return Box::pin(self.alone(agent, output)).await,
                // A service that is just starting does not listen yet.
                Err(failure) if failure.exit() == Exit::Busy && begun.elapsed() < STARTING => {
                    tokio::time::sleep(LOOK_AGAIN).await;
                }
                Err(failure) => return Err(failure),
            }
        }
    }

    async fn alone(self, agent: Agent, output: Output) -> Result<Value, Failure> {
        daemon::recover(&agent).await?;
        let user = current_user();
        let task = NewTask::new(self.action, self.packages, self.options, &user, agent.now());
        agent.state.queue_task(&task).await?;
        agent.state.begin_task(task.id, agent.now()).await?;
        let cancel = CancellationToken::new();
        let interrupt = tokio::spawn({
            let cancel = cancel.clone();
            async move {
                if platform::shutdown_signal().await.is_ok() {
                    cancel.cancel();
                }
            }
        });
        let sink: tasks::ProgressSink = Arc::new(move |percent, text| output.progress(percent, text));
        let context = TaskContext::new(task.id, &user, task.options.clone(), cancel.clone(), sink);
        let result = tasks::run(&agent, task.action, &task.packages, &context).await;
        interrupt.abort();
        let (state, text) = match &result {
            Ok(outcome) => (outcome.state, outcome.summary.clone()),
            Err(_failure) if cancel.is_cancelled() => (TaskState::Cancelled, "cancelled".to_owned()),
            Err(failure) => (TaskState::Failed, failure.in_one_line()),
        };
        agent
            .state
            .finish_task(task.id, state, &text, agent.now())
            .await?;
        if task.action != ActionKind::Inventory {
            report_quietly(&agent, Facts::Fresh, None).await;
        }
        agent.close().await;
        Ok(daemon::answer(&result?))
    }
}

/// Has the service do it. Ctrl-C has it cancelled, as when the work is done here; a second one leaves without
/// waiting for that. A terminal that goes away takes nothing with it: the service goes on.
async fn by_service(common: &Common, client: LocalClient, request: &LocalRequest) -> Result<Value, Failure> {
    let output = common.output();
    let task = std::cell::Cell::new(None);
    let mut work = std::pin::pin!(client.follow(request, |event| {
        if let LocalEvent::Progress {
            task: id,
            percent,
            text,
        } = event
        {
            task.set(Some(id));
            output.progress(percent, &text);
        }
    }));
    tokio::select! {
        answer = &mut work => return answer,
        interrupted = tokio::signal::ctrl_c() => {
            if interrupted.is_err() {
                return work.await;
            }
        }
    }
    let Some(id) = task.get() else {
        return Err(left(None));
    };
    output.progress(None, "cancelling; Ctrl-C again: do not wait");
    let cancelled = reach::ask(common, &LocalRequest::Cancel { task: id }).await;
    if let Err(failure) = cancelled {
        tracing::debug!(error = %failure.in_one_line(), "the task cannot be cancelled");
    }
    tokio::select! {
        answer = &mut work => answer,
        _again = tokio::signal::ctrl_c() => Err(left(Some(id))),
    }
}

/// Somebody does not wait for the end.
fn left(task: Option<Uuid>) -> Failure {
    let failure = Failure::new(
        ErrorCode::Conflict,
        "interrupted; the service goes on with the task",
    );
    match task {
        Some(task) => failure.with_hint(format!(
            "`muster-agent tasks` shows it, `muster-agent cancel {task}` cancels it"
        )),
        None => failure.with_hint("`muster-agent tasks` shows it, `muster-agent cancel` cancels it"),
    }
}

/// Opens the agent's state for this process alone.
pub(super) async fn open(common: &Common) -> Result<Agent, Failure> {
    let paths = common.paths();
    let config = Config::load(&paths)?;
    Agent::open(paths, config, Arc::new(SystemClock)).await
}

/// Who runs this command.
pub(super) fn current_user() -> String {
    ["SUDO_USER", "USER", "USERNAME", "LOGNAME"]
        .iter()
        .find_map(|name| std::env::var(name).ok().filter(|user| !user.is_empty()))
        .unwrap_or_else(|| "local".to_owned())
}

/// The summary of an answer.
pub(super) fn summary_of(answer: &Value) -> String {
    answer["summary"].as_str().unwrap_or_default().to_owned()
}

/// The exit code of an answer.
pub(super) fn exit_of(answer: &Value) -> Option<Exit> {
    match answer["exit"].as_i64() {
        Some(3) => Some(Exit::Packages),
        Some(4) => Some(Exit::Unreachable),
        Some(0) | None => None,
        Some(_) => Some(Exit::Failed),
    }
}

/// A package that is not on this machine.
pub(super) fn not_installed(package: &str) -> Failure {
    Failure::new(ErrorCode::NotFound, format!("{package} is not installed"))
        .with_hint("`muster-agent list` shows what is")
}
