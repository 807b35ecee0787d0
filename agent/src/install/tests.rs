//! Installing and removing really signed packages with the real Python. Crashes are in `tests/crash.rs`.

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
        self.package_with(version, setup_py, &[])
    }

    fn package_with(&self, version: &str, setup_py: &str, attributes: &[(&str, &str)]) -> PathBuf {
        let sources = self.root.path().join(format!("sources-{version}"));
        fs_err::create_dir_all(sources.join("WAPT/persistent")).unwrap();
        fs_err::write(sources.join("setup.py"), setup_py).unwrap();
        fs_err::write(sources.join("WAPT/persistent/kept.txt"), "kept").unwrap();
        let mut control = Control::new("demo-a", version, Section::Base).with("audit_schedule", "1d");
        for (name, value) in attributes {
            control.set(name, value);
        }
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
        repository: String::new(),
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

#[tokio::test]
async fn a_word_that_nobody_knows_is_kept_as_the_script_said_it() {
    let place = place().await;
    let file = place.package("1.0-1", "def install():\n    return 'NEEDS-LICENCE'\n");
    assert_eq!(place.install(&file).await.unwrap(), InstallStatus::Unknown);
    let row = place.agent.state.package("demo-a").await.unwrap().unwrap();
    assert_eq!(
        (row.script_status.as_str(), row.in_place),
        ("NEEDS-LICENCE", true)
    );
    assert_eq!(row.shown().script_status, "NEEDS-LICENCE");
    // The next version says OK, and the word is gone.
    place
        .install(&place.package("1.0-2", "def install():\n    pass\n"))
        .await
        .unwrap();
    let row = place.agent.state.package("demo-a").await.unwrap().unwrap();
    assert_eq!((row.status, row.script_status.as_str()), (InstallStatus::Ok, ""));
}

#[tokio::test]
async fn an_installer_that_wants_a_restart_has_it_noted_until_the_machine_was_restarted() {
    let place = place().await;
    let script = "from setuphelpers import *\ndef install():\n    run('exit %d' % int(control.description))\ndef uninstall():\n    run('exit 1641', accept_returncodes=[1641])\n";
    for code in [0, 3010] {
        let file = place.package_with(
            &format!("1.0-{code}"),
            script,
            &[("description", &code.to_string())],
        );
        // Codes above 255 are those of Windows: what a shell makes of them elsewhere is no success.
        let done = place.install(&file).await;
        let wanted = reboot::wanted(&place.agent.state).await.unwrap();
        if crate::platform::PLATFORM == "windows" {
            assert_eq!(done.unwrap(), InstallStatus::Ok);
            assert_eq!(wanted.is_some(), code == 3010);
        } else {
            assert_eq!(done.is_ok(), code == 0);
            assert_eq!(wanted, None);
        }
    }
    let row = place.agent.state.package("demo-a").await.unwrap().unwrap();
    reboot::note(&place.agent, "demo-a").await.unwrap();
    reboot::note(&place.agent, "demo-a").await.unwrap();
    let wanted = reboot::wanted(&place.agent.state).await.unwrap().unwrap();
    assert_eq!(wanted.packages, [row.package()]);
}

#[tokio::test]
async fn a_log_names_files_as_in_the_package_and_not_where_they_were_unpacked() {
    let place = place().await;
    let script = "import os\ndef install():\n    print('here', os.path.abspath('data.bin'))\n    raise ValueError(os.path.abspath('data.bin'))\n";
    place.install(&place.package("1.0-1", script)).await.unwrap_err();
    let row = place.agent.state.package("demo-a").await.unwrap().unwrap();
    assert!(row.log.contains("here data.bin"), "{}", row.log);
    assert!(row.log.contains("File \"setup.py\", line 4"), "{}", row.log);
    let staging = place.agent.paths.staging_dir().display().to_string();
    assert!(!row.log.contains(&staging), "{}", row.log);
}

#[tokio::test]
async fn a_missing_uninstall_key_is_an_error_of_its_own_step_with_what_appeared_instead() {
    let place = place().await;
    let script = "uninstallkey = ['no-such-key-at-all']\ndef install():\n    print('ran')\n";
    let error = place.install(&place.package("1.0-1", script)).await.unwrap_err();
    assert_eq!(error.step(), Step::UninstallKeys);
    let row = place.agent.state.package("demo-a").await.unwrap().unwrap();
    assert_eq!(
        (row.status, row.failed_step.as_str()),
        (InstallStatus::Error, "uninstall-keys")
    );
    assert!(
        row.log.contains("no-such-key-at-all; no key appeared meanwhile"),
        "{}",
        row.log
    );
    assert_eq!(row.uninstall_keys, ["no-such-key-at-all"]);
}

#[tokio::test]
async fn an_upgrade_that_fails_leaves_nothing_behind_once_one_succeeded() {
    let place = place().await;
    place
        .install(&place.package("1.0-1", &place.marking()))
        .await
        .unwrap();
    place
        .install(&place.package("1.0-2", "def install():\n    raise OSError('no')\n"))
        .await
        .unwrap_err();
    let failed = place.agent.state.package("demo-a").await.unwrap().unwrap();
    assert_eq!((failed.explicit_by.as_str(), failed.tries), ("Ada", 1));
    place
        .install(&place.package("1.0-3", &place.marking()))
        .await
        .unwrap();
    let kept = fs_err::read_dir(place.agent.paths.persistent_dir().join("demo-a")).unwrap();
    assert_eq!(kept.count(), 1, "files of other builds are gone");
    assert!(place.is_clean().await);
}

#[tokio::test]
async fn the_log_of_a_running_script_can_be_read_while_it_runs() {
    let place = place().await;
    let go = place.root.path().join("go");
    let script = format!(
        "import os, time\ndef install():\n    print('half way', flush=True)\n    while not os.path.exists({:?}):\n        time.sleep(0.05)\n",
        go.display().to_string()
    );
    let file = place.package("1.0-1", &script);
    let watch = async {
        loop {
            let row = place.agent.state.package("demo-a").await.unwrap();
            if row.is_some_and(|row| row.status == InstallStatus::Running && row.log == "half way\n") {
                break;
            }
            tokio::task::yield_now().await;
        }
        fs_err::write(&go, "").unwrap();
    };
    let (done, ()) = tokio::join!(place.install(&file), watch);
    assert_eq!(done.unwrap(), InstallStatus::Ok);
}

#[tokio::test]
async fn an_upgrade_that_fails_keeps_the_keys_by_which_the_version_before_is_removed() {
    let place = place().await;
    let keys = "uninstallkey = ['key-of-one']\ndef install():\n    pass\n";
    place.install(&place.package("1.0-1", keys)).await.unwrap_err();
    let keys = "uninstallkey = ['key-of-two']\ndef install():\n    raise Exception('no')\n";
    place.install(&place.package("2.0-1", keys)).await.unwrap_err();
    let script = place.agent.state.stored_script("demo-a").await.unwrap().unwrap();
    assert_eq!(script.uninstall_keys, ["key-of-two", "key-of-one"]);
    let row = place.agent.state.package("demo-a").await.unwrap().unwrap();
    assert_eq!(row.uninstall_keys, script.uninstall_keys);
    // Once a version is in place only its own count.
    place
        .install(&place.package("3.0-1", "def install():\n    pass\n"))
        .await
        .unwrap();
    let row = place.agent.state.package("demo-a").await.unwrap().unwrap();
    assert_eq!(row.uninstall_keys, Vec::<String>::new());
}
