//! What an idle agent costs, beside two agents that Debian carries: memory, processor time, writes to the disk.
//!
//! Usage: `bench-agent MUSTER_AGENT [--quick]`. The Muster agent has a real server and its live channel open; the
//! others wait for servers that are not there, as daemons with their default periods. Ends with 1 when the Muster
//! agent is over its limits.
#![expect(clippy::print_stdout, reason = "a program for people")]

mod measure;
mod others;

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use muster_tests::{Daemon, World};

use crate::measure::{Cost, Sample};

/// The most that the idle agent may have in memory, in KiB.
const MOST_RESIDENT_KIB: u64 = 25 * 1024;
/// The most processor time, in hundred-thousandths of one processor (0.1 %).
const MOST_PROCESSOR: u64 = 100;

struct Measured {
    name: String,
    daemon: Daemon,
    before: Sample,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let Some(agent) = arguments.iter().find(|argument| !argument.starts_with("--")) else {
        println!("usage: bench-agent MUSTER_AGENT [--quick]");
        return ExitCode::from(2);
    };
    let quick = arguments.iter().any(|argument| argument == "--quick");
    let (settle, length) = if quick {
        (Duration::from_secs(20), Duration::from_mins(1))
    } else {
        (Duration::from_mins(2), Duration::from_mins(10))
    };

    let world = World::start();
    let ours = our_agent(&world, Path::new(agent));
    let mut running = vec![(format!("muster-agent {}", env!("CARGO_PKG_VERSION")), ours)];
    running.extend(others::puppet(world.folder()));
    running.extend(others::mender(world.folder()));
    println!(
        "Idle agents: {} s to settle, then {} s measured; memory at the end\n",
        settle.as_secs(),
        length.as_secs()
    );
    std::thread::park_timeout(settle);
    let running: Vec<Measured> = running
        .into_iter()
        .map(|(name, daemon)| Measured {
            before: Sample::of(daemon.pid()),
            name,
            daemon,
        })
        .collect();
    std::thread::park_timeout(length);
    println!(
        "{:<28} {:>10} {:>10} {:>10} {:>11} {:>14}",
        "agent", "RSS MiB", "PSS MiB", "own MiB", "CPU %", "written KiB"
    );
    let mut costs = Vec::new();
    for one in &running {
        let cost = Cost::between(&one.before, &Sample::of(one.daemon.pid()), length);
        println!("{}", cost.row(&one.name));
        costs.push(cost);
    }
    let Some(ours) = costs.first() else {
        return ExitCode::FAILURE;
    };
    let mut is_within = true;
    for (what, found, most) in [
        ("memory (KiB resident)", ours.resident_kib, MOST_RESIDENT_KIB),
        ("processor (1/1000 %)", ours.processor, MOST_PROCESSOR),
        ("written (KiB)", ours.written_kib, 0),
    ] {
        if found > most {
            println!("\nover the limit: {what} {found}, at most {most}");
            is_within = false;
        }
    }
    if is_within {
        println!("\nwithin the limits: 25 MiB resident, 0.1 % of a processor, nothing written");
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// A registered agent with a package installed and nothing to do.
fn our_agent(world: &World, program: &Path) -> Daemon {
    world.publish(&world.sources("demo-app", "1").marker());
    let agent = world.enrol("idle");
    world
        .muster(&["host", "edit", "idle", "--require", "demo-app"], "")
        .ok();
    agent.run(&["upgrade"]).ok();
    let log: PathBuf = agent.root().join("service.log");
    let arguments = [OsStr::new("--root"), agent.root().as_os_str(), OsStr::new("run")];
    let daemon = Daemon::start(program, &arguments, &log, &[]);
    muster_tests::eventually("the agent is connected", || {
        world
            .host_row("idle")
            .filter(|row| row["reachable"] == true && row["status"] == "OK")
            .map(|_row| ())
            .ok_or_else(|| daemon.log())
    });
    daemon
}
