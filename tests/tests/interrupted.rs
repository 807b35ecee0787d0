//! The agent killed in the middle of what a repository, dependencies and conflicts make of one order: its successor
//! brings the machine to the same end. Single packages are in the agent's own `crash` tests.

// Signals are the system's own here.
#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::Path;
use std::process::Command;

use muster_tests::{Agent, World, eventually};
use serde_json::Value;

/// What is compared: the packages without their times, and the files outside and inside the agent's folders.
#[derive(Debug, PartialEq)]
struct End {
    packages: Vec<Value>,
    files: BTreeMap<String, String>,
}

fn end(agent: &Agent) -> End {
    let list = agent.json(&["list"]);
    let mut packages = list.as_array().unwrap().clone();
    for row in &mut packages {
        for time in ["changed_at", "audited_at"] {
            row.as_object_mut().unwrap().remove(time);
        }
    }
    let mut files = BTreeMap::new();
    for folder in ["opt", "var/lib/muster/cache", "var/lib/muster/private/persistent"] {
        walk(agent.root(), &agent.root().join(folder), &mut files);
    }
    // Validators of the index are of the moment.
    files.retain(|name, _content| !name.contains("Packages"));
    let staging = agent.root().join("var/lib/muster/private/staging");
    let left = fs_err::read_dir(staging).map(Iterator::count).unwrap_or_default();
    assert_eq!(left, 0, "unpacked packages are left");
    End { packages, files }
}

fn walk(root: &Path, folder: &Path, files: &mut BTreeMap<String, String>) {
    let Ok(entries) = fs_err::read_dir(folder) else {
        return;
    };
    for entry in entries.flatten() {
        let path = entry.path();
        let name = path.strip_prefix(root).unwrap().display().to_string();
        if path.is_dir() {
            files.insert(format!("{name}/"), String::new());
            walk(root, &path, files);
        } else {
            let bytes = fs_err::read(&path).unwrap();
            files.insert(name, String::from_utf8_lossy(&bytes).into_owned());
        }
    }
}

/// Waits until nothing waits or runs.
fn settle(agent: &Agent) {
    eventually("nothing more to do", || {
        let status = agent.json(&["status"]);
        let tasks = status["tasks"].as_array().cloned().unwrap_or_default();
        let is_open = |task: &Value| matches!(task["state"].as_str(), Some("pending" | "running"));
        if tasks.iter().any(is_open) || !status["running"].is_null() {
            Err(status.to_string())
        } else {
            Ok(())
        }
    });
}

fn copy(from: &Path, to: &Path) {
    let copied = Command::new("cp").arg("-a").arg(from).arg(to).status().unwrap();
    assert!(copied.success());
}

/// Puts the machine back to how a backup has it.
fn restore(backup: &Path, root: &Path) {
    fs_err::remove_dir_all(root).unwrap();
    copy(backup, root);
    // What services of before wrote must not be taken for words of the next one.
    fs_err::remove_file(root.join("service.log")).ok();
}

fn check(agent: &mut Agent, backup: &Path, order: &[&str], points: &[&str]) {
    let root = agent.root().to_owned();
    let mut expected = None;
    for point in [None].into_iter().chain(points.iter().map(Some)) {
        restore(backup, &root);
        if let Some(point) = point {
            agent.start_with(&[], &[("MUSTER_CRASH_AT", OsStr::new(point))]);
        } else {
            agent.start();
        }
        agent.service().wait_for_log("agent running");
        settle(agent);
        let done = agent.run(order);
        if point.is_some() {
            assert_ne!(done.code, 0, "the service never came to {point:?}: {done:?}");
            agent.kill();
            agent.start();
            agent.service().wait_for_log("interrupted task is begun again");
        } else {
            done.ok();
        }
        settle(agent);
        let end = end(agent);
        agent.kill();
        match &expected {
            None => expected = Some(end),
            Some(expected) => assert_eq!(&end, expected, "{point:?}"),
        }
    }
}

#[test]
fn a_crash_in_the_middle_of_dependencies_and_conflicts_ends_as_if_there_had_been_none() {
    let world = World::start();
    let mut agent = world.enrol("pc-1");
    world.publish(&world.sources("demo-old", "1").marker());
    world.publish(&world.sources("demo-lib", "1").marker());
    let app = world
        .sources("demo-app", "1")
        .with("depends", "demo-lib")
        .with("conflicts", "demo-old");
    world.publish(&app.marker());
    agent.run(&["--standalone", "update"]).ok();
    agent.run(&["--standalone", "install", "demo-old"]).ok();
    let backup = world.folder().join("backup");
    copy(agent.root(), &backup);

    let points = [
        "remove.remove.begin",
        "remove.remove.end",
        "remove.forget.begin",
        "remove.forget.end",
        "install.checks.begin",
        "install.unpack.end",
        "install.install.begin",
        "install.install.end",
        "install.finish.begin",
        "install.finish.end",
    ];
    check(&mut agent, &backup, &["install", "demo-app"], &points);
    // The undisturbed run was not nothing.
    assert_eq!(agent.marker("demo-app").as_deref(), Some("1"));
    assert_eq!(agent.marker("demo-lib").as_deref(), Some("1"));
    assert_eq!(agent.marker("demo-old"), None);

    // Dependants first: the machine as it is now loses the library and what needs it.
    let second = world.folder().join("second");
    copy(agent.root(), &second);
    let points = ["remove.remove.end", "remove.forget.begin", "remove.forget.end"];
    check(&mut agent, &second, &["remove", "demo-lib"], &points);
    assert_eq!(agent.marker("demo-app"), None);
    assert_eq!(agent.marker("demo-lib"), None);
}
