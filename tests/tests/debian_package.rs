//! The Debian package of the agent in a disposable Debian: installed, registered, at work, and gone without a trace.
//!
//! The machine is a chroot of its own with its own apt and dpkg; no service manager runs in it, so the test starts
//! what the unit's `ExecStart` says, as root, and starts it again.
#![expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use muster_tests::{Daemon, Done, WAPT_UUID, World, binary, eventually, run, wapt_agent};
use serde_json::Value;

/// Mounts the machine's own /proc where only this process and its children see it, and enters the machine.
const ENTER: &str = "mount -t proc proc \"$0/proc\" && exec chroot \"$0\" \"$@\"";

/// What dpkg, apt and the linker write whenever anything is installed; their names are compared nevertheless.
const WRITTEN_BY_THE_SYSTEM: [&str; 6] = [
    "var/lib/dpkg/",
    "var/lib/apt/",
    "var/cache/",
    "var/log/",
    "etc/ld.so.cache",
    "var/lib/systemd/deb-systemd-helper",
];

struct Debian {
    folder: PathBuf,
}

impl Debian {
    fn new(parent: &Path) -> Self {
        let own = std::env::current_exe().unwrap();
        let template = own
            .ancestors()
            .map(|folder| folder.join("debian-machine"))
            .find(|machine| machine.join("ready").is_file())
            .expect("the Debian machine is not there: make debian-machine, as root");
        let folder = parent.join("debian");
        let copied = std::process::Command::new("cp")
            .args(["-a", "--reflink=auto"])
            .arg(template.join("base"))
            .arg(&folder)
            .status()
            .unwrap();
        assert!(copied.success(), "copying the machine");
        Self { folder }
    }

    fn path(&self, path: &str) -> PathBuf {
        self.folder.join(path.trim_start_matches('/'))
    }

    fn entering<'a>(&'a self, command: &'a [&'a str]) -> Vec<&'a OsStr> {
        let unshare = ["--mount", "--propagation", "private", "sh", "-c", ENTER];
        let mut all: Vec<&OsStr> = unshare.map(OsStr::new).to_vec();
        all.push(self.folder.as_os_str());
        all.extend(command.iter().map(OsStr::new));
        all
    }

    fn run_with(&self, command: &[&str], environment: &[(&str, &OsStr)]) -> Done {
        let mut all = vec![
            ("LC_ALL", OsStr::new("C.UTF-8")),
            ("DEBIAN_FRONTEND", OsStr::new("noninteractive")),
        ];
        all.extend_from_slice(environment);
        run(Path::new("unshare"), &self.entering(command), "", &all)
    }

    fn run(&self, command: &[&str]) -> Done {
        self.run_with(command, &[])
    }

    fn json(&self, args: &[&str]) -> Value {
        let done = self.run(&[&["muster-agent"], args, &["--json"]].concat());
        serde_json::from_str(&done.stdout).unwrap_or_else(|error| panic!("{args:?}: {error}: {done:?}"))
    }

    /// Starts what the installed unit starts.
    fn start_service(&self) -> Daemon {
        let unit = fs_err::read_to_string(self.path("/usr/lib/systemd/system/muster-agent.service")).unwrap();
        let line = unit
            .lines()
            .find_map(|line| line.strip_prefix("ExecStart="))
            .unwrap();
        let command: Vec<&str> = line.split(' ').collect();
        let log = self.folder.with_extension("log");
        let mut service = Daemon::start(Path::new("unshare"), &self.entering(&command), &log, &[]);
        service.wait_for_log("agent running");
        service
    }

    /// Every path with its kind, rights and owner, and what is in it where only we would write.
    fn snapshot(&self) -> BTreeMap<String, String> {
        let mut found = BTreeMap::new();
        let mut folders = vec![self.folder.clone()];
        while let Some(folder) = folders.pop() {
            for entry in fs_err::read_dir(&folder).unwrap() {
                let path = entry.unwrap().path();
                let name = path
                    .strip_prefix(&self.folder)
                    .unwrap()
                    .to_string_lossy()
                    .into_owned();
                if name == "proc" || name == "dev" || name == "sys" {
                    continue;
                }
                let metadata = fs_err::symlink_metadata(&path).unwrap();
                let is_ours = !WRITTEN_BY_THE_SYSTEM.iter().any(|start| name.starts_with(start));
                let size = if is_ours && metadata.is_file() {
                    metadata.len()
                } else {
                    0
                };
                found.insert(
                    name,
                    format!(
                        "{:o} {}:{} {size}",
                        metadata.mode(),
                        metadata.uid(),
                        metadata.gid()
                    ),
                );
                if metadata.is_dir() {
                    folders.push(path);
                }
            }
        }
        found
    }
}

fn deb(world: &World) -> PathBuf {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../packaging/agent/debian/build.sh");
    let program = binary("muster-agent");
    let quick = OsStr::new("-Zgzip -z1");
    let built = run(
        Path::new(script),
        &[program.as_os_str(), world.folder().as_os_str()],
        "",
        &[("DEB_COMPRESSION", quick)],
    );
    PathBuf::from(built.ok().trim())
}

fn mode(path: &Path) -> u32 {
    fs_err::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn the_debian_package_installs_registers_works_and_leaves_nothing_behind() {
    let world = World::start();
    let machine = Debian::new(world.folder());
    let before = machine.snapshot();

    // Prepared as for an unattended installation: address and token in a file, certificates in the environment.
    let deb = deb(&world);
    let name = deb.file_name().unwrap().to_str().unwrap();
    fs_err::copy(&deb, machine.path("/root").join(name)).unwrap();
    fs_err::create_dir_all(machine.path("/root/trust")).unwrap();
    fs_err::copy(
        world.people().join("alice.crt"),
        machine.path("/root/trust/alice.crt"),
    )
    .unwrap();
    fs_err::create_dir_all(machine.path("/etc/muster")).unwrap();
    fs_err::write(
        machine.path("/etc/muster/preseed"),
        format!(
            "MUSTER_SERVER={}\nMUSTER_TOKEN={}\n",
            world.address(),
            world.enrolment_token()
        ),
    )
    .unwrap();
    let trust = [("MUSTER_TRUST", OsStr::new("/root/trust"))];
    let installed = machine.run_with(&["apt-get", "install", "-y", &format!("/root/{name}")], &trust);
    let said = format!("{installed:?}");
    installed.ok();
    assert!(!machine.path("/etc/muster/preseed").exists(), "{said}");
    assert_eq!(mode(&machine.path("/etc/muster/agent.toml")) & 0o007, 0);
    assert_eq!(mode(&machine.path("/var/lib/muster")), 0o700);
    assert_eq!(mode(&machine.path("/var/lib/muster/private")), 0o700);
    for file in [
        "/usr/share/man/man8/muster-agent.8.gz",
        "/usr/share/bash-completion/completions/muster-agent",
        "/etc/xdg/autostart/muster-agent-session-setup.desktop",
        "/etc/systemd/system/multi-user.target.wants/muster-agent.service",
    ] {
        assert!(fs_err::symlink_metadata(machine.path(file)).is_ok(), "{file}");
    }
    machine.run(&["dpkg", "--verify", "muster-agent"]).ok();

    // A Muster package that brings a Debian package, ordered over the live channel.
    let host = machine.json(&["status"])["identifier"].as_str().map_or_else(
        || {
            machine.json(&["self-test"])["identifier"]
                .as_str()
                .unwrap()
                .to_owned()
        },
        str::to_owned,
    );
    world.publish(
        &world
            .sources("test-hello", "2.10-1")
            .with("target_os", "linux")
            .script(
                "from setuphelpers import *\n\n\ndef install():\n    install_apt('hello')\n\n\ndef uninstall():\n    \
                 uninstall_apt('hello')\n\n\ndef audit():\n    return 'OK' if isfile('/usr/bin/hello') else 'ERROR'\n",
            ),
    );
    let service = machine.start_service();
    world
        .muster(&["host", "edit", &host, "--require", "test-hello"], "")
        .ok();
    world.wait_for_status(&host, "NEED-UPGRADE");
    world
        .muster(&["host", "act", "upgrade", &host, "--wait"], "")
        .ok();
    world.wait_for_status(&host, "OK");
    assert!(machine.run(&["hello"]).ok().contains("Hello, world!"));

    // The service once more.
    assert_eq!(service.end("TERM").code(), Some(0));
    let service = machine.start_service();
    eventually("the service answers", || {
        let status = machine.json(&["status"]);
        if status["service"] == "running" && status["connected"] == true {
            Ok(())
        } else {
            Err(status.to_string())
        }
    });
    world
        .muster(&["host", "edit", &host, "--unrequire", "test-hello"], "")
        .ok();
    let remove = [
        "host",
        "act",
        "remove",
        &host,
        "--package",
        "test-hello",
        "--wait",
    ];
    world.muster(&remove, "").ok();
    eventually("the package is gone", || {
        if machine.path("/usr/bin/hello").exists() {
            Err(machine.json(&["list"]).to_string())
        } else {
            Ok(())
        }
    });
    service.end("TERM");

    // Removed, the agent's data stays; purged, everything goes.
    machine.run(&["apt-get", "remove", "-y", "muster-agent"]).ok();
    assert!(!machine.path("/usr/bin/muster-agent").exists());
    assert!(machine.path("/var/lib/muster/private/identity.json").exists());
    machine.run(&["apt-get", "purge", "-y", "muster-agent"]).ok();
    machine.run(&["apt-get", "clean"]).ok();
    fs_err::remove_file(machine.path("/root").join(name)).unwrap();
    fs_err::remove_dir_all(machine.path("/root/trust")).unwrap();
    let after = machine.snapshot();
    let left: Vec<_> = after
        .iter()
        .filter(|(path, _)| !before.contains_key(*path))
        .filter(|(path, _)| {
            // What dpkg and apt keep of every installation, of whatever package.
            ![
                "var/log/",
                "var/cache/apt/",
                "var/lib/dpkg/",
                "var/lib/apt/",
                "var/lib/systemd",
            ]
            .iter()
            .any(|start| path.starts_with(start))
                || path.contains("muster")
        })
        .collect();
    assert!(left.is_empty(), "left behind: {left:#?}");
    let changed: Vec<_> = before
        .iter()
        .filter(|(path, state)| after.get(*path) != Some(state))
        .filter(|(path, _)| !path.starts_with("var/log/") && !path.starts_with("var/cache/"))
        .collect();
    assert!(changed.is_empty(), "changed or gone: {changed:#?}");
}

#[test]
fn the_next_debian_package_takes_over_by_itself() {
    let world = World::initialised();
    let machine = Debian::new(world.folder());
    let deb = deb(&world);
    fs_err::copy(&deb, machine.path("/root/first.deb")).unwrap();
    // The same agent as a build of another day.
    let tree = world.folder().join("tree");
    let quick = OsStr::new("-Zgzip");
    let dpkg_deb = |args: &[&OsStr]| run(Path::new("dpkg-deb"), args, "", &[]).ok();
    dpkg_deb(&[OsStr::new("--raw-extract"), deb.as_os_str(), tree.as_os_str()]);
    let program = tree.join("usr/bin/muster-agent");
    let mut bytes = fs_err::read(&program).unwrap();
    bytes.extend_from_slice(b"built on another day");
    fs_err::write(&program, &bytes).unwrap();
    let next = machine.path("/root/next.deb");
    let owner = OsStr::new("--root-owner-group");
    dpkg_deb(&[
        quick,
        owner,
        OsStr::new("--build"),
        tree.as_os_str(),
        next.as_os_str(),
    ]);

    machine.run(&["dpkg", "--install", "/root/first.deb"]).ok();
    let service = machine.start_service();
    let done = machine.json(&["self-upgrade", "/root/next.deb"]);
    assert_eq!(done["phase"], "done", "{done}");
    assert!(fs_err::read(machine.path("/usr/bin/muster-agent")).unwrap() == bytes);
    assert_eq!(machine.json(&["status"])["service"], "running");
    drop(service);
    // Nobody keeps it running here, so the watchdog started it: it is ended by its number.
    let pid = fs_err::read_to_string(machine.path("/var/lib/muster/agent.lock")).unwrap();
    run(Path::new("kill"), &[pid.trim()], "", &[]).ok();
    eventually("the service is gone", || {
        if Path::new("/proc").join(pid.trim()).exists() {
            Err(pid.clone())
        } else {
            Ok(())
        }
    });
}

/// The unit that the package brings, as `systemd-analyze security` reads it: each protection that it misses is one that
/// the unit says why it goes without.
#[test]
fn the_unit_says_why_it_goes_without_each_protection_that_it_lacks() {
    let place = tempfile::tempdir().unwrap();
    let unit = place.path().join("muster-agent.service");
    let printed = run(
        &binary("muster-agent"),
        &[
            OsStr::new("service"),
            OsStr::new("install"),
            OsStr::new("--print"),
        ],
        "",
        &[],
    )
    .ok();
    // It is read as it is installed: systemd looks whether the program is there.
    fs_err::write(&unit, printed.as_bytes()).unwrap();
    let args = ["security", "--offline=true", "--no-pager", "--json=short"].map(OsStr::new);
    let read = run(
        Path::new("systemd-analyze"),
        &[&args[..], &[unit.as_os_str()]].concat(),
        "",
        &[],
    );
    let rows: Value = serde_json::from_str(&read.stdout).unwrap_or_else(|error| panic!("{error}: {read:?}"));
    let mut missing = Vec::new();
    for row in rows.as_array().unwrap() {
        if row["set"] != false {
            continue;
        }
        let name = row["name"].as_str().or(row["json_field"].as_str()).unwrap();
        let names: Vec<&str> = name.split(['=', ':', '/']).map(str::trim).collect();
        if !names
            .iter()
            .any(|name| !name.is_empty() && printed.contains(name))
        {
            missing.push(name.to_owned());
        }
    }
    assert!(missing.is_empty(), "{missing:?} in\n{printed}");
}

/// Changes a Debian package: what is in `change` gets its unpacked tree.
fn changed_deb(deb: &Path, to: &Path, change: impl FnOnce(&Path)) {
    let tree = to.with_extension("tree");
    let dpkg_deb = |args: &[&OsStr]| run(Path::new("dpkg-deb"), args, "", &[]).ok();
    dpkg_deb(&[OsStr::new("--raw-extract"), deb.as_os_str(), tree.as_os_str()]);
    change(&tree);
    let options = ["-Zgzip", "-z1", "--root-owner-group", "--build"].map(OsStr::new);
    dpkg_deb(&[&options[..], &[tree.as_os_str(), to.as_os_str()]].concat());
    fs_err::remove_dir_all(&tree).unwrap();
}

#[test]
fn an_upgrade_asks_nothing_and_keeps_configuration_keys_and_packages() {
    let world = World::start();
    let machine = Debian::new(world.folder());
    let deb = deb(&world);
    // An older one, which had agent.toml as a file of dpkg's.
    let older = machine.path("/root/older.deb");
    changed_deb(&deb, &older, |tree| {
        let control = tree.join("DEBIAN/control");
        let text = fs_err::read_to_string(&control).unwrap();
        let version = text.lines().find(|line| line.starts_with("Version: ")).unwrap();
        fs_err::write(&control, text.replace(version, "Version: 0.0.1")).unwrap();
        let conffiles = tree.join("DEBIAN/conffiles");
        let text = fs_err::read_to_string(&conffiles).unwrap();
        fs_err::write(&conffiles, format!("/etc/muster/agent.toml\n{text}")).unwrap();
        fs_err::write(tree.join("etc/muster/agent.toml"), "# of an older package\n").unwrap();
    });
    let newer = machine.path("/root/newer.deb");
    fs_err::copy(&deb, &newer).unwrap();
    machine.run(&["dpkg", "--install", "/root/older.deb"]).ok();
    fs_err::copy(
        world.people().join("alice.crt"),
        machine.path("/etc/muster/trust/alice.crt"),
    )
    .unwrap();
    let token = world.enrolment_token();
    let register = [
        "muster-agent",
        "register",
        "--server",
        world.address(),
        "--token",
        &token,
    ];
    machine.run(&register).ok();
    machine
        .run(&["muster-agent", "config", "set", "cache_days", "7"])
        .ok();
    world.publish(&world.sources("demo-app", "1.0-0").marker());
    machine.run(&["muster-agent", "install", "demo-app"]).ok();
    let configuration = fs_err::read(machine.path("/etc/muster/agent.toml")).unwrap();
    let identifier = machine.json(&["self-test"])["identifier"].clone();

    // Nobody is there to answer a question.
    machine.run(&["dpkg", "--install", "/root/newer.deb"]).ok();
    assert!(
        machine
            .run(&[
                "dpkg-query",
                "-W",
                "-f",
                "${Version} ${Conffiles}",
                "muster-agent"
            ])
            .ok()
            .starts_with(env!("CARGO_PKG_VERSION"))
    );
    assert!(fs_err::read(machine.path("/etc/muster/agent.toml")).unwrap() == configuration);
    assert_eq!(machine.json(&["self-test"])["identifier"], identifier);
    assert_eq!(machine.json(&["list"])[0]["package"], "demo-app");
    assert_eq!(machine.json(&["config", "show", "cache_days"])[0]["value"], 7);
    assert!(machine.path("/etc/muster/trust/alice.crt").exists());
    let known = machine.run(&["muster-agent", "update"]);
    assert_eq!(known.code, 0, "{known:?}");

    // A server on the same machine has its settings in the same folder.
    fs_err::write(machine.path("/etc/muster/server.toml"), "name = \"srv\"\n").unwrap();
    machine.run(&["apt-get", "purge", "-y", "muster-agent"]).ok();
    for folder in ["/var/lib/muster", "/run/muster", "/usr/share/muster-agent"] {
        assert!(!machine.path(folder).exists(), "{folder}");
    }
    let left = fs_err::read_dir(machine.path("/etc/muster")).unwrap();
    let left: Vec<_> = left.map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["server.toml"]);
}

#[test]
fn the_installation_takes_over_from_a_wapt_agent_when_told_to() {
    let world = World::start();
    let machine = Debian::new(world.folder());
    fs_err::create_dir_all(machine.path("/opt")).unwrap();
    let base = wapt_agent(&world, &machine.path("/opt"));
    let of_wapt = |machine: &Debian| -> BTreeMap<String, String> {
        let all = machine.snapshot().into_iter();
        all.filter(|(path, _state)| path.starts_with("opt/wapt"))
            .collect()
    };
    let before = of_wapt(&machine);
    let database = fs_err::read(base.join("db/waptdb.sqlite")).unwrap();
    let deb = deb(&world);
    fs_err::copy(&deb, machine.path("/root/agent.deb")).unwrap();
    fs_err::create_dir_all(machine.path("/etc/muster")).unwrap();
    fs_err::write(
        machine.path("/etc/muster/preseed"),
        format!(
            "MUSTER_MIGRATE=1\nMUSTER_SERVER={}\nMUSTER_TOKEN={}\n",
            world.address(),
            world.enrolment_token()
        ),
    )
    .unwrap();
    // Whose signatures count, WAPT knew.
    let installed = machine.run(&["apt-get", "install", "-y", "/root/agent.deb"]);
    let said = format!("{}{}", installed.stdout, installed.stderr);
    installed.ok();
    assert!(said.contains("package demo-app 2.0-1"), "{said}");
    assert!(!machine.path("/etc/muster/preseed").exists(), "{said}");
    assert_eq!(machine.json(&["self-test"])["identifier"], WAPT_UUID);
    assert_eq!(machine.json(&["self-test"])["trusted"], 1);
    let row = |package: &str| -> Option<Value> {
        let rows = machine.json(&["list"]);
        let mut rows = rows.as_array().unwrap().iter();
        rows.find(|row| row["package"] == package).cloned()
    };
    assert_eq!(row("demo-app").unwrap()["version"], "2.0-1");
    assert_eq!(row("demo-lib").unwrap()["version"], "1.0-0");
    let maturities = &machine.json(&["config", "show", "maturities"])[0]["value"];
    assert_eq!(*maturities, serde_json::json!(["PROD", "PREPROD"]));

    // The server knows the machine by the name that it had, and what is there is not installed again.
    for (name, version) in [("demo-app", "2.0-1"), ("demo-lib", "1.0-0")] {
        world.publish(&world.sources(name, version).marker());
    }
    let service = machine.start_service();
    let edit = [
        "host",
        "edit",
        WAPT_UUID,
        "--require",
        "demo-app",
        "--require",
        "demo-lib",
    ];
    world.muster(&edit, "").ok();
    machine.run(&["muster-agent", "forget", "demo-old"]).ok();
    machine.run(&["muster-agent", "update"]).ok();
    machine.run(&["muster-agent", "upgrade"]).ok();
    world.wait_for_status(WAPT_UUID, "OK");
    assert!(
        !machine.path("/opt/demo-app.txt").exists(),
        "it was installed again"
    );
    // The script that WAPT kept removes what WAPT installed.
    fs_err::write(machine.path("/opt/demo-app.txt"), "by WAPT").unwrap();
    world
        .muster(&["host", "edit", WAPT_UUID, "--unrequire", "demo-app"], "")
        .ok();
    machine.run(&["muster-agent", "remove", "demo-app"]).ok();
    assert!(!machine.path("/opt/demo-app.txt").exists());
    assert!(row("demo-app").is_none());
    service.end("TERM");

    // Nothing of WAPT changed, and nothing of it goes with us.
    machine.run(&["apt-get", "purge", "-y", "muster-agent"]).ok();
    assert_eq!(of_wapt(&machine), before);
    assert!(fs_err::read(base.join("db/waptdb.sqlite")).unwrap() == database);
}

#[test]
fn the_installation_succeeds_without_the_wapt_agent_that_it_is_told_to_take_over() {
    let world = World::initialised();
    let machine = Debian::new(world.folder());
    let deb = deb(&world);
    fs_err::copy(&deb, machine.path("/root/agent.deb")).unwrap();
    // Nor is there a server.
    let environment = [
        ("MUSTER_MIGRATE", OsStr::new("1")),
        ("MUSTER_SERVER", OsStr::new("https://localhost:9")),
        ("MUSTER_TOKEN", OsStr::new("abc")),
    ];
    let installed = machine.run_with(&["apt-get", "install", "-y", "/root/agent.deb"], &environment);
    let said = format!("{}{}", installed.stdout, installed.stderr);
    installed.ok();
    assert!(said.contains("no WAPT agent was found"), "{said}");
    assert!(said.contains("not registered yet"), "{said}");
    assert_eq!(
        machine.json(&["config", "show", "wapt_server"])[0]["value"],
        "https://localhost:9"
    );
}
