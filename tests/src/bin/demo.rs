//! `make demo`: a server, three agents with roots of their own, real packages, and a fleet that turns OK.
#![forbid(unsafe_code)]
#![expect(clippy::print_stdout, reason = "it shows what it does")]

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::OnceLock;

use anyhow::{Context as _, bail, ensure};
use muster_tests::{Agent, World, eventually};

/// What each machine must have, and the status that it ends with.
const FLEET: [(&str, &[&str], &str); 3] = [
    ("desk-01", &["demo-workstation"], "OK"),
    ("desk-02", &["demo-workstation"], "OK"),
    ("lab-07", &["demo-config", "demo-broken"], "ERROR"),
];

/// In the order of their dependencies.
const PACKAGES: [&str; 7] = [
    "demo-lib",
    "demo-tool-a",
    "demo-tool-b",
    "demo-config",
    "demo-hello",
    "demo-broken",
    "demo-workstation",
];

/// Removed on Ctrl-C too.
static FOLDER: OnceLock<PathBuf> = OnceLock::new();

fn main() -> ExitCode {
    let once = std::env::args().any(|arg| arg == "--once");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let Ok(runtime) = runtime else {
        return ExitCode::FAILURE;
    };
    let (send, receive) = tokio::sync::oneshot::channel();
    let worker = std::thread::Builder::new().name("demo".into()).spawn(move || {
        let result = std::panic::catch_unwind(|| demo(once));
        send.send(result).ok();
    });
    if worker.is_err() {
        return ExitCode::FAILURE;
    }
    let ended = runtime.block_on(async {
        tokio::select! {
            result = receive => Some(result),
            _ = tokio::signal::ctrl_c() => None,
            () = terminated() => None,
        }
    });
    match ended {
        Some(Ok(Ok(Ok(())))) => ExitCode::SUCCESS,
        Some(Ok(Ok(Err(error)))) => {
            println!("\nThe demo did not end as expected: {error:#}");
            ExitCode::FAILURE
        }
        // A panic of the harness has printed its reason.
        Some(_) => ExitCode::FAILURE,
        None => {
            muster_tests::kill_all();
            if let Some(folder) = FOLDER.get() {
                fs_err::remove_dir_all(folder).ok();
            }
            println!("\nStopped; everything was removed.");
            ExitCode::from(130)
        }
    }
}

/// SIGTERM, where there is such a thing.
#[cfg(unix)]
async fn terminated() {
    use tokio::signal::unix::{SignalKind, signal};
    match signal(SignalKind::terminate()) {
        Ok(mut terminate) => {
            terminate.recv().await;
        }
        Err(_unavailable) => std::future::pending().await,
    }
}

#[cfg(not(unix))]
async fn terminated() {
    std::future::pending().await
}

fn demo(once: bool) -> anyhow::Result<()> {
    step("A server with its database, certificates and first administrator; a key for the organisation");
    let world = World::start();
    FOLDER.set(world.folder().to_owned()).ok();
    println!("  {}", world.address());

    step("Three machines enrol with a token and connect");
    let mut agents: Vec<Agent> = FLEET.iter().map(|(name, ..)| world.enrol(name)).collect();
    for agent in &mut agents {
        agent.start();
        world.wait_for_status(&agent.identifier, "OK");
    }

    step("Seven packages are built, signed and uploaded");
    let sources = world.people().join("sources");
    copy_folder(&assets()?, &sources)?;
    fetch_hello(&sources.join("demo-hello").join("hello.deb"))?;
    for package in PACKAGES {
        let folder = sources.join(package);
        let folder = folder.to_str().context("a folder with a plain name")?;
        let out = world.people();
        let out = out.to_str().context("a folder with a plain name")?;
        let built = world.muster_json(&["package", "build", folder, "--out", out]);
        let built = built.as_array().and_then(|list| list.first()).unwrap_or(&built);
        let path = built["path"].as_str().context("the path of the package")?;
        world.muster(&["package", "upload", path], "").ok();
        println!(
            "  {}",
            Path::new(path).file_name().unwrap_or_default().to_string_lossy()
        );
    }

    step("They are assigned; the agents learn of it at once");
    for (name, packages, _status) in FLEET {
        let mut edit = vec!["host", "edit", name];
        edit.extend(packages.iter().flat_map(|package| ["--require", *package]));
        world.muster(&edit, "").ok();
    }
    for (name, ..) in FLEET {
        world.wait_for_status(name, "NEED-UPGRADE");
    }
    println!("{}", table(&world));

    step("One signature orders the upgrade of all three");
    let mut act = vec!["host", "act", "upgrade"];
    act.extend(FLEET.iter().map(|(name, ..)| *name));
    world.muster(&act, "").ok();
    let mut shown = String::new();
    eventually("the fleet is as expected", || {
        let now = table(&world);
        if now != shown {
            println!("{now}");
            shown.clone_from(&now);
        }
        let as_expected = FLEET.iter().all(|(name, _packages, status)| {
            world.host_row(name).is_some_and(|row| row["status"] == *status)
        });
        if as_expected { Ok(()) } else { Err(now) }
    });

    step("The one that failed says why");
    let log = world.muster(&["host", "show", "lab-07", "--log"], "").ok();
    println!("{log}");
    ensure!(log.contains("demo-broken"), "the log of demo-broken is not shown");
    let first = agents.first().context("the first machine")?;
    let hello = first.root().join("opt/demo-hello");
    ensure!(hello.is_dir(), "{} is missing", hello.display());

    if once {
        println!("As expected. Everything is removed again.");
        return Ok(());
    }
    stay(&world)
}

/// Opens the console where there is a display, and stays until it is closed or Ctrl-C.
fn stay(world: &World) -> anyhow::Result<()> {
    println!("Server    {}", world.address());
    println!("User      admin");
    println!("Password  {}", world.password());
    println!("Key       {}", world.people().join("alice.pem").display());
    let has_display = std::env::var_os("DISPLAY").is_some() || std::env::var_os("WAYLAND_DISPLAY").is_some();
    if !has_display {
        println!("\nNo display: the console is not opened. Ctrl-C ends the demo and removes everything.");
        loop {
            std::thread::park();
        }
    }
    println!("\nThe console opens. Closing it, or Ctrl-C, ends the demo and removes everything.");
    let settings = world.folder().join("settings");
    let console = muster_tests::Daemon::start(
        &muster_tests::binary("muster-console"),
        &["--server", world.address()],
        &world.folder().join("console.log"),
        &[("MUSTER_CONFIG_DIR", settings.as_os_str())],
    );
    let status = console.wait();
    ensure!(status.success(), "the console ended with {status}");
    Ok(())
}

fn step(text: &str) {
    println!("\n── {text}");
}

fn table(world: &World) -> String {
    world.muster(&["host", "list"], "").ok()
}

fn assets() -> anyhow::Result<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../assets/demo");
    ensure!(folder.is_dir(), "{} is missing", folder.display());
    Ok(folder)
}

/// Debian's own package of GNU hello: a real upstream program from the system's package manager.
fn fetch_hello(target: &Path) -> anyhow::Result<()> {
    let folder = target.parent().context("a folder")?;
    let download = || {
        Command::new("apt-get")
            .args(["download", "-qq", "-o", "APT::Sandbox::User=root", "hello"])
            .current_dir(folder)
            .output()
    };
    let mut done = download().context("running apt-get download hello")?;
    if !done.status.success() {
        // A fresh machine has no package lists yet.
        Command::new("apt-get")
            .args(["update", "-qq"])
            .output()
            .context("running apt-get update")?;
        done = download().context("running apt-get download hello")?;
    }
    let found = fs_err::read_dir(folder)?
        .filter_map(Result::ok)
        .map(|entry| entry.path())
        .find(|path| path.extension().is_some_and(|extension| extension == "deb"));
    match found {
        Some(deb) => Ok(fs_err::rename(deb, target)?),
        None => bail!(
            "apt-get download hello: {}",
            String::from_utf8_lossy(&done.stderr).trim()
        ),
    }
}

fn copy_folder(from: &Path, to: &Path) -> anyhow::Result<()> {
    fs_err::create_dir_all(to)?;
    for entry in fs_err::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_folder(&entry.path(), &target)?;
        } else {
            fs_err::copy(entry.path(), target)?;
        }
    }
    Ok(())
}
