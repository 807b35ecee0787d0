//! Installing and removing really signed packages with the real Python, and power cuts at every step.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use muster_shared::clock::{self, SystemClock};
use muster_shared::control::{Control, Section};
use muster_shared::crypto::FileSigner;
use muster_shared::index::IndexEntry;
use muster_shared::package::build::{BuildOptions, build_control_only, build_folder};
use muster_shared::protocol::action::ActionOptions;
use muster_shared::protocol::package::InstallStatus;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::journal::recover;
use super::remove::remove;
use super::run::{ToInstall, install};
use super::stage::{Expected, persistent_folder};
use super::*;
use crate::agent::Agent;
use crate::config::Config;
use crate::paths::Paths;
use crate::tasks::TaskContext;

const KEYS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/golden/keys");

struct Place {
    root: tempfile::TempDir,
    agent: Agent,
}

fn signer(name: &str) -> FileSigner {
    let path = |extension: &str| PathBuf::from(KEYS).join(format!("{name}.{extension}"));
    FileSigner::open(&path("crt"), &path("pem"), None).unwrap()
}

async fn place() -> Place {
    let root = tempfile::tempdir().unwrap();
    let paths = Paths::new(Some(root.path()));
    fs_err::create_dir_all(paths.trust_dir()).unwrap();
    fs_err::copy(
        PathBuf::from(KEYS).join("signer.crt"),
        paths.trust_dir().join("signer.crt"),
    )
    .unwrap();
    let agent = Agent::open(paths, Config::default(), Arc::new(SystemClock))
        .await
        .unwrap();
    Place { root, agent }
}

impl Place {
    /// A package with this script, signed by the trusted signer.
    fn package(&self, version: &str, setup_py: &str) -> PathBuf {
        let sources = self.root.path().join(format!("sources-{version}"));
        fs_err::create_dir_all(sources.join("WAPT/persistent")).unwrap();
        fs_err::write(sources.join("setup.py"), setup_py).unwrap();
        fs_err::write(sources.join("WAPT/persistent/kept.txt"), "kept").unwrap();
        let control = Control::new("demo-a", version, Section::Base).with("audit_schedule", "1d");
        fs_err::write(sources.join("WAPT/control"), control.to_text()).unwrap();
        let out = self.root.path().join("built");
        fs_err::create_dir_all(&out).unwrap();
        build_folder(
            &sources,
            &out,
            &signer("signer"),
            &BuildOptions::default(),
            clock::now(),
        )
        .unwrap()
        .path
    }

    async fn install(&self, file: &Path) -> Result<InstallStatus, InstallError> {
        let item = ToInstall {
            file,
            expected: Expected::Trusted,
            explicit_by: "Ada",
            force: false,
            is_cached: false,
        };
        install(&self.agent, &context(CancellationToken::new()), &item).await
    }

    fn cut_power_at(&self, step: Option<Step>) {
        *self.agent.power_cut.lock().unwrap() = step;
    }

    fn marker(&self) -> PathBuf {
        self.root.path().join("marker")
    }

    /// A script that adds a word to the marker for each hook that runs.
    fn marking(&self) -> String {
        format!(
            "from setuphelpers import *\ndef note(word):\n    with open({path:?}, 'a') as file:\n        file.write(word + ' ')\n\
             def install():\n    print('installing', control.version)\n    note('install')\n\
             def uninstall():\n    assert open(makepath(persistent_dir, 'kept.txt')).read() == 'kept'\n    note('uninstall')\n\
             def audit():\n    return 'OK'\n",
            path = self.marker().display().to_string()
        )
    }

    async fn is_clean(&self) -> bool {
        let staging = self.agent.paths.staging_dir();
        let empty = !staging.exists() || fs_err::read_dir(&staging).unwrap().count() == 0;
        empty && self.agent.state.open_journal().await.unwrap().is_empty()
    }
}

fn context(cancel: CancellationToken) -> TaskContext {
    TaskContext::new(
        Uuid::now_v7(),
        "Ada",
        ActionOptions::default(),
        cancel,
        Arc::new(|_, _| {}),
    )
}

#[tokio::test]
async fn a_package_is_installed_kept_for_later_and_removed_by_its_stored_script() {
    let place = place().await;
    let file = place.package("1.0-1", &place.marking());
    assert_eq!(place.install(&file).await.unwrap(), InstallStatus::Ok);
    let row = place.agent.state.package("demo-a").await.unwrap().unwrap();
    assert_eq!(
        (row.status, row.in_place, row.explicit_by.as_str()),
        (InstallStatus::Ok, true, "Ada")
    );
    assert_eq!(row.log, "installing 1.0-1\n");
    assert!(row.next_audit_at.is_some());
    let kept = persistent_folder(&place.agent.paths, &row.control);
    assert_eq!(fs_err::read_to_string(kept.join("kept.txt")).unwrap(), "kept");
    assert!(place.is_clean().await);

    fs_err::remove_file(&file).unwrap();
    remove(&place.agent, &context(CancellationToken::new()), "demo-a", false)
        .await
        .unwrap();
    assert_eq!(
        fs_err::read_to_string(place.marker()).unwrap(),
        "install uninstall "
    );
    assert!(place.agent.state.package("demo-a").await.unwrap().is_none());
    assert!(!kept.exists());
    assert!(place.is_clean().await);
}

#[tokio::test]
async fn a_new_version_replaces_the_script_and_the_kept_files() {
    let place = place().await;
    place
        .install(&place.package("1.0-1", &place.marking()))
        .await
        .unwrap();
    let old = place.agent.state.package("demo-a").await.unwrap().unwrap();
    place
        .install(&place.package("1.0-2", &place.marking()))
        .await
        .unwrap();
    let new = place.agent.state.package("demo-a").await.unwrap().unwrap();
    assert_eq!(new.control.version(), "1.0-2");
    assert!(!persistent_folder(&place.agent.paths, &old.control).exists());
    assert!(persistent_folder(&place.agent.paths, &new.control).exists());
}

#[tokio::test]
async fn a_script_that_raises_leaves_error_with_its_traceback() {
    let place = place().await;
    let file = place.package(
        "1.0-1",
        "def install():\n    raise RuntimeError('no licence here')\n",
    );
    let error = place.install(&file).await.unwrap_err();
    assert_eq!(error.step(), Step::Install);
    let row = place.agent.state.package("demo-a").await.unwrap().unwrap();
    assert_eq!(
        (row.status, row.in_place, row.tries),
        (InstallStatus::Error, false, 1)
    );
    assert_eq!(row.failed_step, "install");
    assert!(
        row.log.contains("Traceback") && row.log.contains("no licence here"),
        "{}",
        row.log
    );
    assert!(file.exists(), "the file is kept after a failure");
    assert!(place.is_clean().await);
    place.install(&file).await.unwrap_err();
    assert_eq!(
        place.agent.state.package("demo-a").await.unwrap().unwrap().tries,
        2
    );
}

#[tokio::test]
async fn a_word_that_install_returns_becomes_the_status() {
    let place = place().await;
    let file = place.package("1.0-1", "def install():\n    return 'WARNING'\n");
    assert_eq!(place.install(&file).await.unwrap(), InstallStatus::Warning);
    let file = place.package("1.0-2", "def install():\n    return 'ERROR'\n");
    assert!(place.install(&file).await.is_err());
    let row = place.agent.state.package("demo-a").await.unwrap().unwrap();
    assert_eq!(row.status, InstallStatus::Error);
}

#[tokio::test]
async fn a_file_that_nobody_trusted_signed_changes_nothing() {
    let place = place().await;
    let file = place.package("1.0-1", &place.marking());
    fs_err::remove_dir_all(place.agent.paths.trust_dir()).unwrap();
    let error = place.install(&file).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::PackageSignatureUntrusted);
    assert!(place.agent.state.installed().await.unwrap().is_empty());
    assert!(!place.marker().exists());
}

#[tokio::test]
async fn a_changed_byte_is_refused_before_anything_runs() {
    let place = place().await;
    let file = place.package("1.0-1", &place.marking());
    let mut bytes = fs_err::read(&file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs_err::write(&file, bytes).unwrap();
    assert!(place.install(&file).await.is_err());
    assert!(!place.marker().exists());
}

#[tokio::test]
async fn another_signed_package_under_an_announced_name_is_refused_and_recorded() {
    let place = place().await;
    let file = place.package("1.0-1", &place.marking());
    let row = IndexEntry {
        control: Control::new("demo-b", "1.0-1", Section::Base),
        filename: "demo-b.wapt".to_owned(),
        size: 1,
        md5sum: "0".repeat(32),
        sha256sum: None,
    };
    let item = ToInstall {
        file: &file,
        expected: Expected::Row(&row),
        explicit_by: "",
        force: false,
        is_cached: false,
    };
    let error = install(&place.agent, &context(CancellationToken::new()), &item)
        .await
        .unwrap_err();
    assert!(matches!(error, InstallError::Other { .. }), "{error}");
    let row = place.agent.state.package("demo-b").await.unwrap().unwrap();
    assert_eq!(
        (row.status, row.failed_step.as_str()),
        (InstallStatus::Error, "verify")
    );
    assert!(!place.marker().exists());
}

#[tokio::test]
async fn a_group_is_recorded_without_running_anything() {
    let place = place().await;
    let control = Control::new("demo-group", "3", Section::Group).with("conflicts", "other");
    let bytes = build_control_only(control, &signer("signer"), clock::now()).unwrap();
    let file = place.root.path().join("demo-group_3.wapt");
    fs_err::write(&file, bytes).unwrap();
    assert_eq!(place.install(&file).await.unwrap(), InstallStatus::Ok);
    let row = place.agent.state.package("demo-group").await.unwrap().unwrap();
    assert!(!row.has_setup && row.in_place);
}

#[tokio::test]
async fn cancelling_ends_the_script_and_says_so() {
    let place = place().await;
    let file = place.package(
        "1.0-1",
        "import time\ndef install():\n    print('waiting', flush=True)\n    time.sleep(600)\n",
    );
    let cancel = CancellationToken::new();
    let trigger = cancel.clone();
    let context = TaskContext::new(
        Uuid::now_v7(),
        "Ada",
        ActionOptions::default(),
        cancel,
        Arc::new(move |_, text: &str| {
            if text.contains("waiting") {
                trigger.cancel();
            }
        }),
    );
    let item = ToInstall {
        file: &file,
        expected: Expected::Trusted,
        explicit_by: "",
        force: false,
        is_cached: false,
    };
    let error = install(&place.agent, &context, &item).await.unwrap_err();
    assert_eq!(error.step(), Step::Install);
    let row = place.agent.state.package("demo-a").await.unwrap().unwrap();
    assert_eq!(row.status, InstallStatus::Error);
    assert!(row.log.contains("cancelled"), "{}", row.log);
    assert!(place.is_clean().await);
}

#[tokio::test]
async fn a_power_cut_at_any_step_of_an_installation_ends_in_the_next_step_or_in_error() {
    for (step, hook_ran, becomes) in [
        (Step::Checks, false, None),
        (Step::Unpack, false, None),
        (Step::Install, false, Some(InstallStatus::Error)),
        (Step::UninstallKeys, true, Some(InstallStatus::Error)),
        (Step::Finish, true, Some(InstallStatus::Ok)),
    ] {
        let place = place().await;
        let file = place.package("1.0-1", &place.marking());
        place.cut_power_at(Some(step));
        let cut = place.install(&file).await.unwrap_err();
        assert!(matches!(cut, InstallError::PowerCut), "{step:?}: {cut}");
        assert_eq!(place.marker().exists(), hook_ran, "{step:?}");
        assert!(
            !place.agent.state.open_journal().await.unwrap().is_empty(),
            "{step:?}"
        );

        place.cut_power_at(None);
        let recovered = recover(&place.agent).await.unwrap();
        assert_eq!(recovered.len(), 1, "{step:?}");
        assert_eq!(
            recovered[0].failed.is_some(),
            becomes == Some(InstallStatus::Error),
            "{step:?}"
        );
        let row = place.agent.state.package("demo-a").await.unwrap();
        assert_eq!(row.as_ref().map(|row| row.status), becomes, "{step:?}");
        if let Some(row) = row.filter(|row| row.status == InstallStatus::Error) {
            assert!(
                row.log.contains("stopped while install()"),
                "{step:?}: {}",
                row.log
            );
        }
        assert!(place.is_clean().await, "{step:?}");
        // And the way is free for the next try.
        assert_eq!(place.install(&file).await.unwrap(), InstallStatus::Ok, "{step:?}");
    }
}

#[tokio::test]
async fn a_power_cut_at_any_step_of_a_removal_ends_in_error_or_removed() {
    for (step, is_there) in [(Step::Remove, true), (Step::Forget, false)] {
        let place = place().await;
        place
            .install(&place.package("1.0-1", &place.marking()))
            .await
            .unwrap();
        place.cut_power_at(Some(step));
        let context = context(CancellationToken::new());
        let cut = remove(&place.agent, &context, "demo-a", false).await.unwrap_err();
        assert!(matches!(cut, InstallError::PowerCut), "{step:?}: {cut}");
        place.cut_power_at(None);
        recover(&place.agent).await.unwrap();
        let row = place.agent.state.package("demo-a").await.unwrap();
        assert_eq!(row.is_some(), is_there, "{step:?}");
        if let Some(row) = row {
            assert_eq!(
                (row.status, row.failed_step.as_str()),
                (InstallStatus::Error, "remove")
            );
        }
        assert!(place.is_clean().await, "{step:?}");
    }
}

#[tokio::test]
async fn an_uninstall_that_raises_keeps_the_package_unless_forced() {
    let place = place().await;
    let script = "def install():\n    pass\ndef uninstall():\n    raise OSError('in use')\n";
    place.install(&place.package("1.0-1", script)).await.unwrap();
    let context = context(CancellationToken::new());
    let error = remove(&place.agent, &context, "demo-a", false).await.unwrap_err();
    assert_eq!(error.step(), Step::Remove);
    let row = place.agent.state.package("demo-a").await.unwrap().unwrap();
    assert_eq!(
        (row.status, row.in_place, row.failed_step.as_str()),
        (InstallStatus::Error, true, "remove")
    );
    assert!(row.log.contains("in use"), "{}", row.log);
    remove(&place.agent, &context, "demo-a", true).await.unwrap();
    assert!(place.agent.state.package("demo-a").await.unwrap().is_none());
}
