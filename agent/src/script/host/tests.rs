//! Hooks that run in a real CPython process.

use std::time::Duration;

use muster_shared::control::Section;

use super::*;

struct Place {
    _root: tempfile::TempDir,
    host: ScriptHost,
    package: PathBuf,
    persistent: PathBuf,
}

fn place() -> Place {
    let root = tempfile::tempdir().unwrap();
    let paths = Paths::new(Some(root.path()));
    let package = root.path().join("package");
    let persistent = root.path().join("persistent");
    fs_err::create_dir_all(&package).unwrap();
    fs_err::create_dir_all(&persistent).unwrap();
    Place {
        host: ScriptHost::new(&paths, &Config::default(), "host-1"),
        _root: root,
        package,
        persistent,
    }
}

async fn run(place: &Place, hook: Hook, setup_py: &str) -> HookRun {
    let control = Control::new("demo-a", "1.2-3", Section::Base);
    let params = Map::new();
    let subject = Subject {
        control: &control,
        setup_py,
        params: &params,
        package_dir: Some(&place.package),
        persistent_dir: &place.persistent,
        uninstall_keys: None,
        force: false,
        user: "root",
    };
    place
        .host
        .run(hook, &subject, &CancellationToken::new(), |_, _| {})
        .await
        .unwrap()
}

#[tokio::test]
async fn a_hook_that_returns_nothing_is_ok_and_its_output_is_the_log() {
    let place = place();
    let script =
        "from setuphelpers import *\ndef install():\n    print('for', control.package, WAPT.host_uuid)\n";
    let done = run(&place, Hook::Install, script).await;
    assert_eq!(
        done.verdict,
        Verdict::Done {
            status: "OK".to_owned()
        },
        "{}",
        done.log
    );
    assert_eq!(done.log, "for demo-a host-1\n");
    let left = fs_err::read_dir(place.host.paths.private_dir()).unwrap();
    assert!(
        left.flatten()
            .all(|entry| !entry.file_name().to_string_lossy().starts_with("job-"))
    );
}

#[tokio::test]
async fn an_exception_names_its_line_and_leaves_its_traceback_in_the_log() {
    let place = place();
    let done = run(
        &place,
        Hook::Install,
        "def install():\n    raise ValueError('no such disk')\n",
    )
    .await;
    let Verdict::Raised(failure) = &done.verdict else {
        panic!("{done:?}")
    };
    assert_eq!((failure.kind.as_str(), failure.line), ("ValueError", Some(2)));
    assert!(
        done.log.contains("Traceback") && done.log.contains("no such disk"),
        "{}",
        done.log
    );
}

#[tokio::test]
async fn a_word_that_a_hook_returns_is_its_status() {
    let place = place();
    let done = run(&place, Hook::Audit, "def audit():\n    return 'WARNING'\n").await;
    assert_eq!(
        done.verdict,
        Verdict::Done {
            status: "WARNING".to_owned()
        }
    );
    let none = run(&place, Hook::Audit, "x = 1\n").await;
    assert_eq!(none.verdict, Verdict::Absent);
}

#[tokio::test]
async fn a_process_that_dies_is_an_end_without_a_result() {
    let place = place();
    let done = run(
        &place,
        Hook::Install,
        "import os\ndef install():\n    os.kill(os.getpid(), 9)\n",
    )
    .await;
    assert!(
        matches!(&done.verdict, Verdict::Ended { reason } if reason.contains("without a result")),
        "{done:?}"
    );
}

#[tokio::test]
async fn cancelling_ends_what_escaped_its_parents_its_session_and_its_environment() {
    // Elsewhere a job holds everything together, and there is no fork.
    if platform::PLATFORM != "linux" {
        return;
    }
    let place = place();
    let marker = place.package.join("pid");
    let script = format!(
        "import os, time\ndef install():\n    if os.fork() == 0:\n        os.setsid()\n        if os.fork() == 0:\n            os.execve('/bin/sh', ['sh', '-c', 'echo $$ > {0}.new; mv {0}.new {0}; sleep 600 >/dev/null 2>&1'], {{}})\n        os._exit(0)\n    os.wait()\n    while True:\n        time.sleep(0.05)\n        if os.path.exists('{0}'):\n            print('escaped', flush=True)\n",
        marker.display()
    );
    let control = Control::new("demo-a", "1", Section::Base);
    let params = Map::new();
    let subject = Subject {
        control: &control,
        setup_py: &script,
        params: &params,
        package_dir: Some(&place.package),
        persistent_dir: &place.persistent,
        uninstall_keys: None,
        force: false,
        user: "root",
    };
    let cancel = CancellationToken::new();
    let trigger = cancel.clone();
    let progress = move |_percent: Option<u8>, text: &str| {
        if text == "escaped" {
            trigger.cancel();
        }
    };
    let done = place
        .host
        .run(Hook::Install, &subject, &cancel, progress)
        .await
        .unwrap();
    assert!(matches!(done.verdict, Verdict::Ended { .. }), "{done:?}");
    let pid: u32 = fs_err::read_to_string(&marker).unwrap().trim().parse().unwrap();
    assert_eq!(platform::birth_of(pid), None, "it still runs");
}

#[tokio::test]
async fn a_hook_over_its_time_says_so() {
    let mut place = place();
    place.host = place.host.with_limits(Limits {
        total: Duration::from_mins(1),
        idle: Duration::from_secs(1),
    });
    let done = run(
        &place,
        Hook::Install,
        "import time\ndef install():\n    time.sleep(600)\n",
    )
    .await;
    assert!(
        matches!(&done.verdict, Verdict::Ended { reason } if reason.contains("silent for 1 s")),
        "{done:?}"
    );
}

#[tokio::test]
async fn a_script_imports_the_modules_that_the_agent_carries() {
    let place = place();
    let script = "import requests, bs4\nfrom setuphelpers import *\ndef install():\n    page = bs4.BeautifulSoup('<a href=\"x\">y</a>', 'html.parser')\n    print(page.a['href'], requests.Session.__name__, requests.__file__.startswith(os.path.dirname(setuphelpers.__path__[0])))\n    print(os.path.isfile(requests.certs.where()))\n";
    let done = run(&place, Hook::Install, script).await;
    assert_eq!(done.log, "x Session True\nTrue\n");
}

#[tokio::test]
async fn modules_of_the_machine_are_out_of_reach() {
    let place = place();
    // `-I` and `-S`: neither the environment nor the machine's own folders add to the search path.
    let script = "import sys\ndef install():\n    print([path for path in sys.path if 'dist-packages' in path or path.endswith('lib/site-packages')])\n    print(sys.flags.isolated, sys.flags.no_site, sys.flags.ignore_environment)\n";
    let done = run(&place, Hook::Install, script).await;
    assert_eq!(done.log, "[]\n1 1 1\n");
}

#[tokio::test]
async fn what_a_script_keeps_is_there_for_the_next_one() {
    let mut place = place();
    let paths = place.host.paths.clone();
    crate::platform::lock_down_dir(&paths.state_dir()).unwrap();
    let state = crate::state::State::open(&paths.database(), jiff::Timestamp::UNIX_EPOCH, false)
        .await
        .unwrap()
        .state;
    place.host = place.host.with_state(&state);
    let write = "def install():\n    WAPT.write_param('site', {'room': 7})\n    WAPT.write_audit_data('disk', 'serial', 'S1')\n";
    run(&place, Hook::Install, write).await;
    let read = "def audit():\n    print(WAPT.read_param('site'), WAPT.read_audit_data('disk', 'serial'))\n    print(WAPT.write_audit_data_if_changed('disk', 'serial', 'S1'), WAPT.is_installed('demo-b'))\n    WAPT.delete_param('site')\n    return 'OK'\n";
    let done = run(&place, Hook::Audit, read).await;
    assert_eq!(done.log, "{'room': 7} S1\nFalse None\n");
    let again = run(
        &place,
        Hook::Audit,
        "def audit():\n    print(WAPT.read_param('site'))\n",
    )
    .await;
    assert_eq!(again.log, "None\n");
}

#[tokio::test]
async fn a_script_orders_tasks_that_follow_its_own() {
    let mut place = place();
    let paths = place.host.paths.clone();
    crate::platform::lock_down_dir(&paths.state_dir()).unwrap();
    let state = crate::state::State::open(&paths.database(), jiff::Timestamp::UNIX_EPOCH, false)
        .await
        .unwrap()
        .state;
    place.host = place.host.with_state(&state);
    let done = run(
        &place,
        Hook::Install,
        "def install():\n    print(WAPT.install('demo-b'))\n",
    )
    .await;
    assert!(
        done.log.contains("queued after this task: install demo-b"),
        "{}",
        done.log
    );
    let task = state.next_task().await.unwrap().unwrap();
    assert_eq!(task.task.packages, ["demo-b"]);
    assert_eq!(task.task.ordered_by, "package demo-a");
    // Neither for a hook that failed, nor for the package itself.
    state
        .begin_task(task.task.id, jiff::Timestamp::UNIX_EPOCH)
        .await
        .unwrap();
    let failing = "def install():\n    WAPT.remove('demo-b')\n    raise ValueError('no')\n";
    run(&place, Hook::Install, failing).await;
    let own = run(
        &place,
        Hook::Install,
        "def install():\n    WAPT.install('demo-a')\n",
    )
    .await;
    assert!(own.log.contains("cannot act on demo-a"), "{}", own.log);
    assert_eq!(state.pending_count().await.unwrap(), 0);
}
