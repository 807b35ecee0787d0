//! What a child process costs, as the system counted it.

use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context as _, ensure};
use nix::sys::resource::{UsageWho, getrusage};
use serde::{Deserialize, Serialize};

/// The cost of one run.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub(crate) struct Cost {
    /// User and system time, in seconds.
    pub cpu: f64,
    /// In seconds.
    pub wall: f64,
    /// The largest resident size, in bytes.
    pub memory: u64,
}

/// Runs a command in a process of its own that reports the cost: the largest size of a child counts from its
/// parent's at the start, so the parent must be small.
pub(crate) fn once(command: &[&str]) -> anyhow::Result<Cost> {
    let own = std::env::current_exe()?;
    let output = Command::new(own).arg("measure").args(command).output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    ensure!(output.status.success(), "{command:?}: {text}");
    serde_json::from_str(&text).with_context(|| format!("{command:?}: {text}"))
}

/// The median of some runs, each of time and memory.
pub(crate) fn median(runs: &[Cost]) -> Cost {
    let middle = |of: fn(&Cost) -> f64| {
        let mut values: Vec<f64> = runs.iter().map(of).collect();
        values.sort_by(f64::total_cmp);
        values.get(values.len() / 2).copied().unwrap_or_default()
    };
    Cost {
        cpu: middle(|cost| cost.cpu),
        wall: middle(|cost| cost.wall),
        memory: middle(|cost| cost.memory as f64) as u64,
    }
}

/// The child's side: runs the command and prints its cost.
pub(crate) fn report(command: &[&str]) -> anyhow::Result<()> {
    let (program, arguments) = command.split_first().context("no command")?;
    let began = Instant::now();
    let status = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .status()
        .with_context(|| format!("running {program}"))?;
    let wall = began.elapsed().as_secs_f64();
    ensure!(status.success(), "{program} {arguments:?} ended with {status}");
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let seconds = |time: nix::sys::time::TimeVal| time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6;
    let cost = Cost {
        cpu: seconds(usage.user_time()) + seconds(usage.system_time()),
        wall,
        memory: u64::try_from(usage.max_rss()).unwrap_or_default() * 1024,
    };
    println!("{}", serde_json::to_string(&cost)?);
    Ok(())
}
