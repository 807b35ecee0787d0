//! The actor with a real database and real scripts, without a server.

use std::path::PathBuf;
use std::sync::Arc;

use muster_shared::clock::{self, SystemClock};
use muster_shared::control::{Control, Section};
use muster_shared::crypto::FileSigner;
use muster_shared::package::build::{BuildOptions, build_folder};
use muster_shared::protocol::action::{ActionKind, ActionOptions};
use muster_shared::protocol::local::LocalEvent;
use muster_shared::protocol::task::TaskState;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use uuid::Uuid;

use super::*;
use crate::agent::Agent;
use crate::tasks::SCHEDULER;

const KEYS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/golden/keys");

/// Waits until there is a file `go` beside it, and says by a file `began` that it waits.
const WAITING: &str = "import os, time\nfrom setuphelpers import *\n\ndef install():\n    open(makepath(programfiles(), 'began'), 'w').close()\n    \
     while not isfile(makepath(programfiles(), 'go')):\n        time.sleep(0.05)\n";

/// Where scripts find `programfiles()`, below the root.
fn programs() -> &'static str {
    if crate::platform::PLATFORM == "windows" {
        "C/Program Files"
    } else {
        "opt"
    }
}

struct Service {
    root: tempfile::TempDir,
    agent: Arc<Agent>,
    commands: mpsc::Sender<Command>,
    stop: CancellationToken,
    actor: JoinHandle<Result<Ended, Failure>>,
}

impl Service {
    async fn start() -> Self {
        let root = tempfile::tempdir().unwrap();
        let paths = Paths::new(Some(root.path()));
        fs_err::create_dir_all(paths.trust_dir()).unwrap();
        fs_err::create_dir_all(root.path().join(programs())).unwrap();
        let trusted = PathBuf::from(KEYS).join("signer.crt");
        fs_err::copy(trusted, paths.trust_dir().join("signer.crt")).unwrap();
        let agent = Agent::open(paths, Config::default(), Arc::new(SystemClock)).await;
        let agent = Arc::new(agent.unwrap());
        let (commands, receiver) = command::channel();
        let signals = Signals::default();
        let stop = signals.stop.clone();
        let actor = Actor::new(agent.clone(), receiver, Pace::default(), None, &signals);
        let actor = tokio::spawn(async move { actor.run(&signals.stop).await });
        Self {
            root,
            agent,
            commands,
            stop,
            actor,
        }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.root.path().join(programs()).join(name)
    }

    /// A package whose installation waits.
    fn waiting(&self) -> String {
        let sources = self.root.path().join("sources");
        fs_err::create_dir_all(sources.join("WAPT")).unwrap();
        fs_err::write(sources.join("setup.py"), WAITING).unwrap();
        let control = Control::new("demo-waits", "1", Section::Base);
        fs_err::write(sources.join("WAPT/control"), control.to_text()).unwrap();
        let key = |extension: &str| PathBuf::from(KEYS).join(format!("signer.{extension}"));
        let signer = FileSigner::open(&key("crt"), &key("pem"), None).unwrap();
        let built = build_folder(
            &sources,
            self.root.path(),
            &signer,
            &BuildOptions::default(),
            clock::now(),
        );
        built.unwrap().path.display().to_string()
    }

    async fn order(
        &self,
        action: ActionKind,
        packages: &[&str],
        options: ActionOptions,
    ) -> mpsc::Receiver<LocalEvent> {
        let (reply, answers) = mpsc::channel(FOLLOWED_LINES);
        let run = Command::Run {
            action,
            packages: packages.iter().map(|package| (*package).to_owned()).collect(),
            options,
            user: "Ada".to_owned(),
            reply,
        };
        self.commands.send(run).await.unwrap();
        answers
    }

    async fn began(&self) {
        while !self.file("began").exists() {
            tokio::task::yield_now().await;
        }
    }

    /// Ends the service.
    async fn end(&mut self) -> Ended {
        self.stop.cancel();
        (&mut self.actor).await.unwrap().unwrap()
    }

    async fn task(&self, kind: ActionKind) -> muster_shared::protocol::task::Task {
        let tasks = self.agent.state.recent_tasks(50).await.unwrap();
        tasks.into_iter().find(|task| task.kind == kind.as_str()).unwrap()
    }
}

async fn last(mut answers: mpsc::Receiver<LocalEvent>) -> LocalEvent {
    loop {
        let event = answers.recv().await.expect("a last word");
        if event.is_last() {
            return event;
        }
    }
}

#[tokio::test]
async fn a_description_and_a_message_do_not_wait_for_a_long_installation() {
    let mut service = Service::start().await;
    let package = service.waiting();
    let install = service
        .order(ActionKind::Install, &[&package], ActionOptions::default())
        .await;
    service.began().await;
    let options = ActionOptions {
        text: "the one at the window".to_owned(),
        ..ActionOptions::default()
    };
    for action in [ActionKind::Describe, ActionKind::Message] {
        let answer = last(service.order(action, &[], options.clone()).await).await;
        assert!(
            matches!(answer, LocalEvent::Answer { .. }),
            "{action}: {answer:?}"
        );
        assert_eq!(service.task(action).await.state, TaskState::Done);
    }
    assert_eq!(service.task(ActionKind::Install).await.state, TaskState::Running);
    fs_err::write(service.file("go"), "").unwrap();
    let answer = last(install).await;
    assert!(matches!(answer, LocalEvent::Answer { .. }), "{answer:?}");
    assert_eq!(service.end().await, Ended::Stopped);
}

#[tokio::test]
async fn a_task_that_was_cancelled_right_before_the_end_of_the_service_stays_cancelled() {
    let mut service = Service::start().await;
    let package = service.waiting();
    let install = service
        .order(ActionKind::Install, &[&package], ActionOptions::default())
        .await;
    service.began().await;
    let (reply, cancelled) = mpsc::channel(1);
    let cancel = Command::Cancel {
        task: None,
        only_of: None,
        user: "Bob".to_owned(),
        reply,
    };
    service.commands.send(cancel).await.unwrap();
    last(cancelled).await;
    service.end().await;
    last(install).await;
    let task = service.agent.state.recent_tasks(1).await.unwrap().remove(0);
    assert_eq!(task.state, TaskState::Cancelled, "{task:?}");
}

#[tokio::test]
async fn a_task_that_the_end_of_the_service_cut_off_waits_for_the_next_start() {
    let mut service = Service::start().await;
    let package = service.waiting();
    service
        .order(ActionKind::Install, &[&package], ActionOptions::default())
        .await;
    service.began().await;
    service.end().await;
    assert_eq!(service.task(ActionKind::Install).await.state, TaskState::Pending);
}

#[tokio::test]
async fn a_full_disk_refuses_what_is_new_and_ends_nothing_that_runs() {
    let mut service = Service::start().await;
    let package = service.waiting();
    let install = service
        .order(ActionKind::Install, &[&package], ActionOptions::default())
        .await;
    service.began().await;
    service.agent.state.limit_pages(1).await;
    let mut refused = None;
    for number in 0..100 {
        let long = format!("{number}-{}", "x".repeat(8000));
        let mut answers = service
            .order(ActionKind::Remove, &[&long], ActionOptions::default())
            .await;
        let first = answers.recv().await.unwrap();
        if let LocalEvent::Error { error } = first {
            refused = Some(error);
            break;
        }
    }
    assert_eq!(refused.expect("no room").code, ErrorCode::StorageFull);
    assert_eq!(service.task(ActionKind::Install).await.state, TaskState::Running);
    fs_err::write(service.file("go"), "").unwrap();
    service.agent.state.limit_pages(1_000_000).await;
    last(install).await;
    assert_eq!(service.task(ActionKind::Install).await.state, TaskState::Done);
    service.end().await;
}

#[tokio::test]
async fn an_order_to_cancel_that_a_reset_left_is_carried_out_at_the_start() {
    let mut service = Service::start().await;
    service.end().await;
    let state = &service.agent.state;
    let now = service.agent.now();
    let batch = Uuid::now_v7();
    let task =
        |action, options| crate::state::tasks::NewTask::new(action, Vec::new(), options, SCHEDULER, now);
    let meant = task(ActionKind::Audit, ActionOptions::default()).with_batch(batch);
    state.queue_task(&meant).await.unwrap();
    let options = ActionOptions {
        cancel_batch: Some(batch),
        ..ActionOptions::default()
    };
    let cancel = task(ActionKind::Cancel, options).with_batch(Uuid::now_v7());
    state.queue_task(&cancel).await.unwrap();
    let (_commands, receiver) = command::channel();
    let signals = Signals::default();
    let actor = Actor::new(service.agent.clone(), receiver, Pace::default(), None, &signals);
    let stop = signals.stop.clone();
    let actor = tokio::spawn(async move { actor.run(&signals.stop).await });
    while state.task(cancel.id).await.unwrap().unwrap().task.state != TaskState::Done {
        tokio::task::yield_now().await;
    }
    assert_eq!(
        state.task(meant.id).await.unwrap().unwrap().task.state,
        TaskState::Cancelled
    );
    stop.cancel();
    actor.await.unwrap().unwrap();
}
