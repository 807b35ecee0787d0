//! What an agent does by itself: periodic upgrades, maintenance windows, audits, a changed configuration, a changed
//! network.

use std::ffi::OsStr;
use std::process::{Child, Command, Stdio};

use muster_tests::{Agent, SystemBus, World, binary, eventually};

/// An hour of the scheduler is six seconds.
const FAST: [&str; 2] = ["--clock-speed", "600"];

/// Waits until a package has left its file.
fn until_installed(agent: &Agent, package: &str) {
    eventually(&format!("{package} is installed"), || {
        agent
            .marker(package)
            .map(|_version| ())
            .ok_or_else(|| agent.json(&["status"]).to_string())
    });
}

fn until_status(agent: &Agent, what: &str, is_so: impl Fn(&serde_json::Value) -> bool) {
    eventually(what, || {
        let status = agent.json(&["status"]);
        is_so(&status).then_some(()).ok_or_else(|| status.to_string())
    });
}

/// A program of a name of its own that does nothing.
struct Busy(Child);

impl Busy {
    fn start(world: &World, name: &str) -> Self {
        let program = world.folder().join(name);
        fs_err::copy("/bin/sleep", &program).expect("copying sleep");
        let child = Command::new(program).arg("600").stdin(Stdio::null()).spawn();
        Self(child.expect("starting it"))
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

#[test]
fn a_periodic_upgrade_comes_by_itself_and_leaves_running_programs_alone() {
    let world = World::start();
    world.publish(&world.sources("demo-free", "1").marker());
    world.publish(
        &world
            .sources("demo-busy", "1")
            .with("impacted_process", "muster-busy")
            .marker(),
    );
    let mut agent = world.enrol("pc-1");
    for package in ["demo-free", "demo-busy"] {
        world
            .muster(&["host", "edit", "pc-1", "--require", package], "")
            .ok();
    }
    let busy = Busy::start(&world, "muster-busy");
    agent.configure("waptupgrade_task_period = \"1h\"");
    agent.start_with(&FAST, &[]);
    until_installed(&agent, "demo-free");
    agent.service().wait_for_log("demo-busy (muster-busy runs)");
    assert_eq!(agent.marker("demo-busy"), None);
    drop(busy);
    until_installed(&agent, "demo-busy");
}

#[test]
fn outside_of_its_window_a_host_installs_only_what_somebody_orders() {
    let world = World::start();
    world.publish(&world.sources("demo-app", "1").marker());
    let mut agent = world.enrol("pc-1");
    world
        .muster(&["host", "edit", "pc-1", "--require", "demo-app"], "")
        .ok();
    // A window that is open a minute a week is not open now, or the test has rare luck: then it is the other one.
    let zone = jiff::tz::TimeZone::system();
    let now = zone.to_datetime(muster_shared::clock::now());
    let other_day = if now.date().weekday() == jiff::civil::Weekday::Monday {
        "thu"
    } else {
        "mon"
    };
    let other_day = if now.date().weekday() == jiff::civil::Weekday::Sunday {
        "wed"
    } else {
        other_day
    };
    agent.configure(&format!(
        "waptupgrade_task_period = \"1h\"\nmaintenance = [{{ days = [\"{other_day}\"], from = \"03:00\", to = \"03:01\" }}]"
    ));
    agent.start();
    until_status(&agent, "the package is pending", |status| status["pending"] == 1);
    let status = agent.json(&["status"]);
    let next: jiff::Timestamp = status["next_upgrade_at"]
        .as_str()
        .expect("a time")
        .parse()
        .expect("a time");
    let wait = next.duration_since(muster_shared::clock::now());
    assert!(wait.as_hours() >= 3, "{status}");
    assert_eq!(agent.marker("demo-app"), None);
    agent.run(&["upgrade"]).ok();
    assert_eq!(agent.marker("demo-app").as_deref(), Some("1"));
}

#[test]
fn packages_without_a_schedule_are_audited_by_the_machines() {
    let world = World::start();
    world.publish(&world.sources("demo-app", "1").marker());
    let mut agent = world.enrol("pc-1");
    agent.configure("waptaudit_task_period = \"1h\"");
    agent.start_with(&FAST, &[]);
    agent.service().wait_for_log("agent running");
    agent.run(&["install", "demo-app"]).ok();
    fs_err::remove_file(agent.root().join("opt/demo-app.txt")).expect("the file of the package");
    eventually("the audit finds it", || {
        let package = agent.package("demo-app").unwrap_or_default();
        (package["audit_status"] == "ERROR")
            .then_some(())
            .ok_or_else(|| package.to_string())
    });
}

#[test]
fn a_presentation_is_not_disturbed_where_that_is_wanted() {
    let world = World::start();
    let bus = SystemBus::start(world.folder(), 5);
    let mut show = bus.hold("idle", "block");
    eventually("the lock", || {
        (!bus.locks().is_empty()).then_some(()).ok_or_else(String::new)
    });
    world.publish(&world.sources("demo-app", "1").marker());
    let mut agent = world.enrol("pc-1");
    world
        .muster(&["host", "edit", "pc-1", "--require", "demo-app"], "")
        .ok();
    agent.configure("waptupgrade_task_period = \"1h\"\nupgrade_during_presentation = false");
    agent.start_with(&FAST, &[("DBUS_SYSTEM_BUS_ADDRESS", bus.address().as_os_str())]);
    until_status(&agent, "the upgrade waits", |status| {
        status["upgrade_waits_for"]
            .as_str()
            .is_some_and(|text| text.contains("slides"))
    });
    assert_eq!(agent.marker("demo-app"), None);
    show.kill().ok();
    show.wait().ok();
    until_installed(&agent, "demo-app");
}

#[test]
fn a_changed_configuration_is_taken_up_and_a_broken_one_is_not() {
    let world = World::start();
    let mut agent = world.enrol("pc-1");
    agent.start();
    world.wait_for_status("pc-1", "OK");
    assert!(agent.json(&["status"])["next_upgrade_at"].is_null());
    agent.configure("waptupgrade_task_period = \"1d\"");
    until_status(&agent, "the new configuration", |status| {
        status["next_upgrade_at"].is_string()
    });
    agent.configure("waptupgrade_task_perod = \"1d\"");
    until_status(&agent, "the mistake is said", |status| {
        status["configuration_error"]
            .as_str()
            .is_some_and(|error| error.contains("waptupgrade_task_perod"))
    });
    assert!(
        agent.json(&["status"])["next_upgrade_at"].is_string(),
        "the one before stays in force"
    );
    // A file that is right but names what is not there.
    let path = agent.root().join("etc/muster/agent.toml");
    let text = fs_err::read_to_string(&path).expect("agent.toml");
    let usable = text.replace("waptupgrade_task_perod = \"1d\"\n", "");
    let pin = usable
        .lines()
        .find(|line| line.starts_with("server_pin"))
        .expect("a pin");
    fs_err::write(&path, usable.replace(pin, "verify_cert = \"/no/such.pem\"")).expect("writing agent.toml");
    until_status(&agent, "what cannot be used is said", |status| {
        status["configuration_error"]
            .as_str()
            .is_some_and(|error| error.contains("/no/such.pem"))
    });
    fs_err::write(&path, usable).expect("writing agent.toml");
    until_status(&agent, "it is right again", |status| {
        status["configuration_error"].is_null()
    });
}

#[test]
fn a_change_of_the_network_is_answered_at_once() {
    if !Command::new("unshare")
        .args(["-n", "true"])
        .status()
        .is_ok_and(|status| status.success())
    {
        panic!("this test needs a network namespace: run it as root");
    }
    let world = World::start();
    let agent = world.enrol("pc-1");
    // A network of its own, in which there is no server.
    let log = agent.root().join("service.log");
    let file = fs_err::File::create(&log).expect("a log").into_parts().0;
    let mut service = Command::new("unshare")
        .args([
            OsStr::new("-n"),
            binary("muster-agent").as_os_str(),
            OsStr::new("--root"),
            agent.root().as_os_str(),
        ])
        .args(["run"])
        .env("MUSTER_LOG", "info,sqlx=warn,muster_agent::link=debug")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(file)
        .spawn()
        .expect("starting the agent");
    let tries = || {
        let text = fs_err::read_to_string(&log).unwrap_or_default();
        text.matches("live channel not opened").count()
    };
    eventually("the first try", || {
        (tries() >= 1).then_some(()).ok_or_else(|| "none".into())
    });
    let id = service.id().to_string();
    let change = |words: &str| {
        let mut all = vec!["-t", &id, "-n", "ip"];
        all.extend(words.split(' '));
        let done = Command::new("nsenter").args(all).status().expect("nsenter");
        assert!(done.success(), "ip {words}");
    };
    change("link add muster0 type veth peer name muster1");
    change("link set muster1 up");
    change("link set muster0 up");
    change("address add 192.0.2.7/24 dev muster0");
    eventually("the change is heard of", || {
        let text = fs_err::read_to_string(&log).unwrap_or_default();
        text.contains("the network changed; connecting at once")
            .then_some(())
            .ok_or(text)
    });
    service.kill().ok();
    service.wait().ok();
}
