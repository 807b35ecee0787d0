//! An agent at rest writes nothing: with its server there, and with its server away.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::sync::mpsc;
use std::time::Duration;

use muster_tests::{Agent, World, eventually};

/// The scheduler's clock runs so much faster: the time that is looked at is twelve minutes between two updates.
const SPEED: &str = "24";
const LOOKED_AT: Duration = Duration::from_secs(30);
const SETTLING: Duration = Duration::from_secs(3);

/// Every file of the agent with its size and the times of its content and of itself; and the bytes that the process
/// gave to disks.
type Traces = (BTreeMap<PathBuf, (u64, i64, i64, i64, i64)>, String);

fn traces(agent: &mut Agent) -> Traces {
    let mut files = BTreeMap::new();
    let mut folders = vec![agent.root().to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs_err::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            // Gone meanwhile counts as well.
            let Ok(metadata) = fs_err::symlink_metadata(&path) else {
                continue;
            };
            if metadata.is_dir() {
                folders.push(path.clone());
            }
            let times = (
                metadata.len(),
                metadata.mtime(),
                metadata.mtime_nsec(),
                metadata.ctime(),
                metadata.ctime_nsec(),
            );
            files.insert(path, times);
        }
    }
    let io = fs_err::read_to_string(format!("/proc/{}/io", agent.service().pid())).unwrap();
    let written = io.lines().find(|line| line.starts_with("write_bytes")).unwrap();
    (files, written.to_owned())
}

/// Waits; nothing is to happen meanwhile.
fn look_on(length: Duration) {
    let (_kept, never) = mpsc::sync_channel::<()>(1);
    assert!(never.recv_timeout(length).is_err());
}

/// Nothing of the agent changes for a while, its log included.
fn assert_writes_nothing(agent: &mut Agent, when: &str) {
    let before = traces(agent);
    look_on(LOOKED_AT);
    let after = traces(agent);
    let changed: Vec<_> = after
        .0
        .iter()
        .filter(|(path, times)| before.0.get(*path) != Some(*times))
        .map(|(path, _times)| path)
        .collect();
    let log = agent.service().log();
    assert!(changed.is_empty(), "{when}: {changed:?}\n{log}");
    assert_eq!(before.0.len(), after.0.len(), "{when}");
    assert_eq!(before.1, after.1, "{when}");
}

/// Waits until the work of the start, or of a lost server, is done.
fn settle(agent: &mut Agent) {
    let mut last = traces(agent);
    eventually("the agent is at rest", || {
        look_on(SETTLING);
        let now = traces(agent);
        let is_same = now == last;
        last = now;
        is_same.then_some(()).ok_or_else(|| "it still writes".to_owned())
    });
}

#[test]
fn between_two_updates_nothing_is_written_whether_the_server_is_there_or_not() {
    let mut world = World::start();
    let mut agent = world.enrol("pc-idle");
    world.publish(&world.sources("demo-app", "1").marker());
    agent.run(&["install", "demo-app"]).ok();
    agent.start_with(&["--clock-speed", SPEED], &[]);
    world.wait_for_status("pc-idle", "OK");
    eventually("the start's update is done", || {
        let status = agent.json(&["status"]);
        let is_done =
            status["updated_at"].is_string() && status["running"].is_null() && status["connected"] == true;
        is_done.then_some(()).ok_or_else(|| status.to_string())
    });
    settle(&mut agent);
    assert_writes_nothing(&mut agent, "with its server");
    world.kill_server();
    settle(&mut agent);
    assert_writes_nothing(&mut agent, "without its server");
}
