//! Two agents of Debian as their own services would run them, with folders of their own.

use std::path::Path;

use muster_tests::Daemon;

/// The Puppet agent; nothing where it is not installed.
pub(crate) fn puppet(folder: &Path) -> Option<(String, Daemon)> {
    let program = Path::new("/usr/bin/puppet");
    let version = version(program, &["--version"])?;
    let home = folder.join("puppet");
    fs_err::create_dir_all(&home).ok()?;
    let in_home = |name: &str| home.join(name).display().to_string();
    let arguments = [
        "agent".to_owned(),
        "--no-daemonize".to_owned(),
        "--server=localhost".to_owned(),
        "--serverport=1".to_owned(),
        "--waitforcert=300".to_owned(),
        format!("--confdir={}", in_home("etc")),
        format!("--vardir={}", in_home("var")),
        format!("--rundir={}", in_home("run")),
        format!("--logdir={}", in_home("log")),
    ];
    let daemon = Daemon::start(program, &arguments, &home.join("log.txt"), &[]);
    Some((format!("puppet agent {version}"), daemon))
}

/// The Mender client; nothing where it is not installed.
pub(crate) fn mender(folder: &Path) -> Option<(String, Daemon)> {
    let program = Path::new("/usr/bin/mender");
    let version = version(program, &["--version"])?;
    let home = folder.join("mender");
    let data = home.join("data");
    fs_err::create_dir_all(&data).ok()?;
    let configuration = home.join("mender.conf");
    let text = serde_json::json!({
        "ServerURL": "https://localhost:1",
        "UpdatePollIntervalSeconds": 1800,
        "InventoryPollIntervalSeconds": 28800,
        "RetryPollIntervalSeconds": 300,
    });
    fs_err::write(&configuration, text.to_string()).ok()?;
    fs_err::write(data.join("device_type"), "device_type=bench\n").ok()?;
    let arguments = [
        "--no-syslog".to_owned(),
        format!("--config={}", configuration.display()),
        format!("--data={}", data.display()),
        "daemon".to_owned(),
    ];
    let daemon = Daemon::start(program, &arguments, &home.join("log.txt"), &[]);
    Some((format!("mender-client {version}"), daemon))
}

fn version(program: &Path, arguments: &[&str]) -> Option<String> {
    if !program.exists() {
        return None;
    }
    let done = muster_tests::run(program, arguments, "", &[]);
    let first = done.stdout.split_whitespace().next()?;
    Some(first.to_owned())
}
