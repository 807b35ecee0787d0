//! The processes of a script: found by their parents and by a mark in their environment, ended one by one.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;
use std::time::Duration;

use rustix::process::{
    Pid, PidfdFlags, Signal, kill_process, kill_process_group, pidfd_open, pidfd_send_signal,
};

/// Environment variable that marks a script and all that it starts.
pub(super) const MARK: &str = "MUSTER_SCRIPT";

/// Processes that keep starting others are not followed for ever.
const MAX_ROUNDS: usize = 50;

/// Between two looks: a killed process takes a moment to be gone.
const PAUSE: Duration = Duration::from_millis(2);

/// The longest environment that is looked at, in bytes.
const MAX_ENVIRONMENT: u64 = 1024 * 1024;

/// What `/proc` says of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Process {
    pid: i32,
    parent: i32,
    /// In clock ticks since the machine was started.
    started: u64,
    is_dead: bool,
}

/// Ends the tree below `root`, `root` with its group, and whoever carries the mark; gives how many were ended.
pub(super) fn end(root: Option<Pid>, mark: &str) -> usize {
    let own = rustix::process::getpid().as_raw_nonzero().get();
    let root_pid = root
        .map(|pid| pid.as_raw_nonzero().get())
        .filter(|pid| *pid != own);
    if let Some(pid) = root.filter(|_pid| root_pid.is_some()) {
        // Frozen, it starts nothing more while the others are looked for.
        kill_process(pid, Signal::STOP).ok();
    }
    let mut ended = BTreeSet::new();
    for _round in 0..MAX_ROUNDS {
        let processes = all();
        let below = root_pid.map_or_else(BTreeSet::new, |root| descendants(root, &processes));
        let victims: Vec<&Process> = processes
            .values()
            .filter(|process| !process.is_dead && process.pid != own && Some(process.pid) != root_pid)
            .filter(|process| below.contains(&process.pid) || has_mark(process.pid, mark))
            .collect();
        if victims.is_empty() {
            break;
        }
        for process in victims {
            if kill(process) {
                ended.insert((process.pid, process.started));
            }
        }
        std::thread::sleep(PAUSE);
    }
    if let Some(pid) = root.filter(|_pid| root_pid.is_some()) {
        kill_process_group(pid, Signal::KILL).ok();
        if kill_process(pid, Signal::KILL).is_ok() {
            return ended.len() + 1;
        }
    }
    ended.len()
}

/// Kills this very process: a descriptor names it, and what `/proc` says is read again behind it.
fn kill(process: &Process) -> bool {
    let Some(pid) = Pid::from_raw(process.pid) else {
        return false;
    };
    let is_same = || read(process.pid).is_some_and(|now| now.started == process.started);
    match pidfd_open(pid, PidfdFlags::empty()) {
        Ok(descriptor) => is_same() && pidfd_send_signal(descriptor, Signal::KILL).is_ok(),
        // Kernels before 5.3.
        Err(rustix::io::Errno::NOSYS) => is_same() && kill_process(pid, Signal::KILL).is_ok(),
        Err(_gone) => false,
    }
}

/// The boot and the start of a process; both together are of one process only.
pub(super) fn birth_of(pid: i32) -> Option<String> {
    let boot = fs_err::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    let process = read(pid).filter(|process| !process.is_dead)?;
    Some(format!("{}/{}", boot.trim(), process.started))
}

fn all() -> BTreeMap<i32, Process> {
    let Ok(entries) = fs_err::read_dir("/proc") else {
        return BTreeMap::new();
    };
    entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter_map(read)
        .map(|process| (process.pid, process))
        .collect()
}

fn read(pid: i32) -> Option<Process> {
    let stat = std::fs::OpenOptions::new()
        .read(true)
        .open(format!("/proc/{pid}/stat"))
        .and_then(|mut file| {
            let mut text = Vec::new();
            file.read_to_end(&mut text)?;
            Ok(text)
        })
        .ok()?;
    parse(pid, &String::from_utf8_lossy(&stat))
}

/// `7 (a name) S 1 7 7 …`: the name may hold anything, so that the fields count from the last bracket.
fn parse(pid: i32, stat: &str) -> Option<Process> {
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace();
    let state = fields.next()?;
    let parent = fields.next()?.parse().ok()?;
    // Field 22 of proc(5); the third was the first after the bracket.
    let started = fields.nth(17)?.parse().ok()?;
    Some(Process {
        pid,
        parent,
        started,
        is_dead: matches!(state, "Z" | "X" | "x"),
    })
}

fn descendants(root: i32, processes: &BTreeMap<i32, Process>) -> BTreeSet<i32> {
    let mut found = BTreeSet::new();
    let mut looked_at = vec![root];
    while let Some(parent) = looked_at.pop() {
        for process in processes.values() {
            if process.parent == parent && process.pid != root && found.insert(process.pid) {
                looked_at.push(process.pid);
            }
        }
    }
    found
}

fn has_mark(pid: i32, mark: &str) -> bool {
    let wanted = format!("{MARK}={mark}");
    let mut environment = Vec::new();
    let read = std::fs::OpenOptions::new()
        .read(true)
        .open(format!("/proc/{pid}/environ"))
        .and_then(|file| file.take(MAX_ENVIRONMENT).read_to_end(&mut environment));
    read.is_ok()
        && environment
            .split(|byte| *byte == 0)
            .any(|variable| variable == wanted.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_brackets_and_blanks_does_not_shift_the_fields() {
        let stat = "42 (a) b (c)) S 7 42 42 0 -1 4194304 1 2 3 4 5 6 7 8 20 0 1 0 987654 1000 100";
        assert_eq!(
            parse(42, stat),
            Some(Process {
                pid: 42,
                parent: 7,
                started: 987_654,
                is_dead: false
            })
        );
        assert_eq!(parse(1, "1 (init"), None);
    }

    #[test]
    fn descendants_are_found_over_generations_and_nobody_else() {
        let process = |pid, parent| Process {
            pid,
            parent,
            started: 1,
            is_dead: false,
        };
        let all = [(2, 1), (3, 2), (4, 3), (5, 1), (6, 5)]
            .map(|(pid, parent)| (pid, process(pid, parent)))
            .into();
        assert_eq!(descendants(2, &all), BTreeSet::from([3, 4]));
    }

    #[test]
    fn this_process_was_born_once() {
        let own = i32::try_from(std::process::id()).unwrap();
        let birth = birth_of(own).unwrap();
        assert_eq!(birth_of(own), Some(birth));
        assert_eq!(birth_of(0), None);
    }
}
