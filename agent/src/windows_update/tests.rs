//! The whole flow over a second update agent, which finds, takes and installs what it is told.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use muster_shared::clock::{Clock, FixedClock};
use muster_shared::package::content::Rules;
use muster_shared::protocol::inventory::{UpdateState, UpdatesStatus};
use muster_shared::rules::windows_update::UpdateRules;
use tokio_util::sync::CancellationToken;

use super::flow::Flow;
use super::report::block;
use super::*;
use crate::config::Config;
use crate::state::State;
use crate::state::tests::{now, open};

/// What the machine of a test has.
#[derive(Debug, Default)]
struct Machine {
    updates: Vec<FoundUpdate>,
    /// Updates whose installation fails, with the code.
    broken: BTreeMap<String, u32>,
    needs_restart: bool,
    /// Everything that was asked, in order.
    asked: Vec<String>,
    stamp: u32,
}

#[derive(Debug, Clone, Default)]
struct TestAgent(Arc<Mutex<Machine>>);

impl TestAgent {
    fn with(updates: Vec<FoundUpdate>) -> Self {
        let agent = Self::default();
        agent.0.lock().unwrap().updates = updates;
        agent
    }

    fn note(&self, what: &str) -> std::sync::MutexGuard<'_, Machine> {
        let mut machine = self.0.lock().unwrap();
        machine.asked.push(what.to_owned());
        machine
    }

    fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap().asked)
    }
}

impl UpdateAgent for TestAgent {
    fn version(&self) -> Result<String, UpdateError> {
        Ok("10.0".to_owned())
    }

    fn stamp(&self) -> String {
        self.0.lock().unwrap().stamp.to_string()
    }

    fn search(&self, _search: &Search) -> Result<Vec<FoundUpdate>, UpdateError> {
        Ok(self.note("search").updates.clone())
    }

    fn provide(
        &self,
        _search: &Search,
        files: &BTreeMap<String, Vec<PathBuf>>,
    ) -> Result<Vec<Done>, UpdateError> {
        drop(self.note("provide"));
        Ok(files.keys().map(|id| done(id, 0)).collect())
    }

    fn download(&self, _search: &Search, ids: &[String], steps: Steps<'_>) -> Result<Vec<Done>, UpdateError> {
        steps(0, ids.len());
        let machine = self.note("download");
        Ok(ids
            .iter()
            .filter(|id| machine.updates.iter().any(|update| update.id == **id))
            .map(|id| done(id, 0))
            .collect())
    }

    fn install(
        &self,
        _search: &Search,
        ids: &[String],
        steps: Steps<'_>,
        goes_on: &(dyn Fn() -> bool + Send + Sync),
    ) -> Result<Installation, UpdateError> {
        let mut machine = self.note("install");
        let mut installation = Installation {
            reboot_required: machine.needs_restart,
            ..Installation::default()
        };
        for (index, id) in ids.iter().enumerate() {
            if !goes_on() {
                break;
            }
            steps(index, ids.len());
            let code = machine.broken.get(id).copied().unwrap_or(0);
            if code == 0 {
                machine.stamp += 1;
                for update in machine.updates.iter_mut().filter(|update| update.id == *id) {
                    update.installed = true;
                }
            }
            installation.done.push(done(id, code));
        }
        Ok(installation)
    }

    fn history(&self, _most: usize) -> Result<Vec<UpdateEvent>, UpdateError> {
        Ok(Vec::new())
    }

    fn start_service(&self) -> Result<(), UpdateError> {
        drop(self.note("start"));
        Ok(())
    }

    fn rest_service(&self) -> Result<(), UpdateError> {
        drop(self.note("rest"));
        Ok(())
    }

    fn release_service(&self) -> Result<(), UpdateError> {
        drop(self.note("release"));
        Ok(())
    }
}

fn done(id: &str, code: u32) -> Done {
    Done {
        id: id.to_owned(),
        succeeded: code == 0,
        code,
        reason: code_text(code),
    }
}

fn update(id: &str, severity: &str) -> FoundUpdate {
    FoundUpdate {
        id: format!("{id}_1"),
        title: format!("Update {id}"),
        kbs: vec![id.to_owned()],
        severity: severity.to_owned(),
        published: Some("2026-11-01T00:00:00Z".parse().unwrap()),
        ..FoundUpdate::default()
    }
}

/// Asked online, downloaded by the system itself.
fn online() -> Config {
    let mut config = Config::default();
    config.windows_update.offline = false;
    config
}

fn flow<'a>(state: &'a State, config: &'a Config, system: &TestAgent) -> Flow<'a> {
    let clock: Arc<dyn Clock> = Arc::new(FixedClock(now()));
    Flow {
        state,
        config,
        system: Arc::new(system.clone()),
        line: line::Line::default(),
        repositories: Box::leak(Box::default()),
        folder: PathBuf::from("no-such-folder"),
        clock,
        progress: Arc::new(|_percent, _text| {}),
        cancel: CancellationToken::new(),
    }
}

async fn with_rules(state: &State, text: &str) {
    let mut row = crate::state::packages::tests::row("wsus-policy", "1");
    row.control.set("section", "wsus");
    state.store_package(&row, None).await.unwrap();
    let rules = UpdateRules::parse(text.as_bytes()).unwrap();
    state
        .keep_rules("wsus-policy", Some(&Rules::WindowsUpdate(Box::new(rules))))
        .await
        .unwrap();
}

#[tokio::test]
async fn what_the_rules_allow_is_found_downloaded_installed_and_reported() {
    let (_place, state) = open().await;
    let config = online();
    let system = TestAgent::with(vec![
        update("1", "Critical"),
        update("2", "Low"),
        update("3", "Critical"),
        FoundUpdate {
            installed: true,
            ..update("4", "")
        },
    ]);
    with_rules(
        &state,
        r#"{"enabled": true, "allowed_severities": ["Critical"], "forbidden_kbs": ["3"]}"#,
    )
    .await;
    let flow = flow(&state, &config, &system);

    let scanned = flow.scan(false).await.unwrap();
    assert_eq!((scanned.skipped, scanned.rows, scanned.pending), (false, 4, 1));
    assert_eq!(system.asked(), ["start", "search", "rest"]);
    let seen = block(&state, &config, now()).await.unwrap();
    assert_eq!(seen.status, UpdatesStatus::PendingUpdates);
    assert_eq!(seen.rules_packages, ["wsus-policy"]);
    let states: Vec<_> = seen.updates.iter().map(|row| row.status).collect();
    let expected = [
        UpdateState::Pending,
        UpdateState::Discarded,
        UpdateState::Discarded,
        UpdateState::Ok,
    ];
    assert_eq!(states, expected);

    // Nothing is downloaded yet, so that nothing is installed.
    assert!(flow.install(&[]).await.unwrap().done.is_empty());
    let downloaded = flow.download().await.unwrap();
    assert_eq!(downloaded.done, ["1_1"]);
    system.0.lock().unwrap().needs_restart = true;
    let installed = flow.install(&[]).await.unwrap();
    assert_eq!(installed.done, ["1_1"]);
    assert!(installed.reboot_required);

    let seen = block(&state, &config, now()).await.unwrap();
    assert_eq!(seen.status, UpdatesStatus::Ok);
    assert!(seen.reboot_required);
    assert_eq!(seen.updates[0].installed_at, Some(now()));
    assert_eq!(
        (
            seen.history[0].operation.as_str(),
            seen.history[0].result.as_str()
        ),
        ("install", "succeeded")
    );
    // The forbidden one cannot be had by naming it either.
    let refused = flow.install(&["KB3".to_owned()]).await.unwrap_err();
    assert!(refused.to_string().contains("forbidden_kbs"), "{refused}");
    assert!(flow.install(&["KB9".to_owned()]).await.is_err());
}

#[tokio::test]
async fn a_failed_installation_says_why_and_is_tried_again() {
    let (_place, state) = open().await;
    let config = online();
    let system = TestAgent::with(vec![update("1", "Critical"), update("2", "Critical")]);
    with_rules(&state, r#"{"enabled": true, "default_allow": true}"#).await;
    let flow = flow(&state, &config, &system);
    flow.scan(false).await.unwrap();
    flow.download().await.unwrap();
    system
        .0
        .lock()
        .unwrap()
        .broken
        .insert("1_1".to_owned(), 0x8024_0022);
    let installed = flow.install(&[]).await.unwrap();
    assert_eq!(installed.done, ["2_1"]);
    assert_eq!(installed.failed, [("1_1".to_owned(), "0x80240022".to_owned())]);
    let seen = block(&state, &config, now()).await.unwrap();
    assert_eq!(seen.updates[0].status, UpdateState::Error);
    assert_eq!(seen.updates[0].error, "0x80240022");
    assert_eq!(
        seen.history
            .iter()
            .find(|event| event.update_id == "1_1")
            .unwrap()
            .code,
        "0x80240022"
    );

    system.0.lock().unwrap().broken.clear();
    assert_eq!(flow.install(&[]).await.unwrap().done, ["1_1"]);
    assert_eq!(
        block(&state, &config, now()).await.unwrap().status,
        UpdatesStatus::Ok
    );
}

#[tokio::test]
async fn a_machine_that_is_left_to_windows_is_left_alone_and_gets_its_service_back() {
    let (_place, state) = open().await;
    let config = online();
    let system = TestAgent::with(vec![update("1", "Critical")]);
    // Nobody said anything: looking is allowed, the service stays as it is.
    flow(&state, &config, &system).scan(false).await.unwrap();
    assert_eq!(system.asked(), ["search"]);
    with_rules(&state, r#"{"enabled": true}"#).await;
    flow(&state, &config, &system).scan(true).await.unwrap();
    assert_eq!(system.asked(), ["start", "search", "rest"]);
    assert!(state.update_standing().await.unwrap().service_rests);

    let mut config = config;
    config.windows_update.enabled = Some(false);
    let refused = flow(&state, &config, &system).scan(true).await.unwrap_err();
    assert!(refused.to_string().contains("left to Windows"), "{refused}");
    assert_eq!(system.asked(), ["release"]);
    assert!(!state.update_standing().await.unwrap().service_rests);
    assert_eq!(block(&state, &config, now()).await.unwrap().enabled, Some(false));
}

#[tokio::test]
async fn a_young_update_waits_until_its_delay_is_over() {
    let (_place, state) = open().await;
    let config = online();
    let young = FoundUpdate {
        published: Some(now() - jiff::SignedDuration::from_hours(24)),
        ..update("1", "Critical")
    };
    with_rules(&state, r#"{"default_allow": true, "install_delay": "7d"}"#).await;
    let system = TestAgent::with(vec![young]);
    let flow = flow(&state, &config, &system);
    flow.scan(false).await.unwrap();
    assert!(flow.download().await.unwrap().done.is_empty());
    let seen = block(&state, &config, now()).await.unwrap();
    assert_eq!(
        (seen.status, seen.updates[0].status),
        (UpdatesStatus::Ok, UpdateState::Delayed)
    );
    // No scan in between: time alone makes it due.
    let later = now() + jiff::SignedDuration::from_hours(24 * 8);
    assert_eq!(
        block(&state, &config, later).await.unwrap().updates[0].status,
        UpdateState::Pending
    );
}

#[tokio::test]
async fn without_a_catalogue_the_scan_fails_and_says_what_to_do() {
    let (_place, state) = open().await;
    let config = Config::default();
    let system = TestAgent::with(Vec::new());
    let failed = flow(&state, &config, &system).scan(false).await.unwrap_err();
    assert!(
        failed.body().hints[0].contains("allow_direct_download"),
        "{failed:?}"
    );
    let seen = block(&state, &config, now()).await.unwrap();
    assert_eq!(seen.status, UpdatesStatus::Error);
    assert!(system.asked().is_empty());
}

#[tokio::test]
async fn a_cancelled_installation_ends_between_two_updates() {
    let (_place, state) = open().await;
    let config = online();
    let system = TestAgent::with(vec![update("1", ""), update("2", "")]);
    with_rules(&state, r#"{"default_allow": true}"#).await;
    let flow = flow(&state, &config, &system);
    flow.scan(false).await.unwrap();
    flow.download().await.unwrap();
    flow.cancel.cancel();
    assert_eq!(
        flow.install(&[]).await.unwrap(),
        super::outcome::Installed::default()
    );
    assert_eq!(block(&state, &config, now()).await.unwrap().error, "");
}
