//! What this host is assigned by its place in the directory, and what takes that away: a real slapd, a real server.
#![expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]

use muster_shared::index;
use muster_tests::{Agent, BASE, Directory, PASSWORD, READER, World};
use serde_json::Value;

/// A computer below an organisational unit, in a group that is in a group.
fn entries(unit: &str) -> String {
    format!(
        "dn: OU=Sales West,{BASE}\nobjectClass: organizationalUnit\nou: Sales West\n\n\
         dn: OU=Lab,{BASE}\nobjectClass: organizationalUnit\nou: Lab\n\n\
         dn: CN=pc-1,OU={unit},{BASE}\nobjectClass: computer\ncn: pc-1\nsAMAccountName: PC-1$\n\
         dNSHostName: pc-1.ad.example.org\n\n\
         dn: CN=other,OU=Lab,{BASE}\nobjectClass: computer\ncn: other\nsAMAccountName: other$\n\n\
         dn: CN=kiosks,{BASE}\nobjectClass: groupOfNames\ncn: kiosks\nmember: CN=pc-1,OU={unit},{BASE}\n\n\
         dn: CN=public places,{BASE}\nobjectClass: groupOfNames\ncn: public places\nmember: CN=kiosks,{BASE}\n\
         member: CN=everybody,{BASE}\n\n\
         dn: CN=everybody,{BASE}\nobjectClass: groupOfNames\ncn: everybody\nmember: CN=public places,{BASE}\n\n\
         dn: CN=laboratory,{BASE}\nobjectClass: groupOfNames\ncn: laboratory\nmember: CN=other,OU=Lab,{BASE}\n"
    )
}

fn directory_of(agent: &Agent) -> Value {
    agent.json(&["status"])["directory"].clone()
}

fn section(agent: &Agent, name: &str) -> Option<String> {
    let row = agent.package(name)?;
    row["section"].as_str().map(str::to_owned)
}

const SALES: &str = "OU=Sales~West_DC=ad_DC=example_DC=org";

#[test]
fn what_the_unit_assigns_comes_and_stays_while_the_directory_does_not_answer() {
    let mut directory = Directory::start(&entries("Sales West"));
    let world = World::start();
    let agent = world.enrol("pc-1");
    agent.configure(&format!(
        "ldap_url = \"{}\"\nuse_ad_groups = true\nhost_profiles = [\"bench\"]",
        directory.plain_url()
    ));
    world.publish(&world.sources("demo-app", "1").marker());
    world.publish(&world.sources("demo-tool", "1").marker());
    world.publish(&world.sources("demo-game", "1").marker());
    let control_only = |name: &str, section: &str, depends: &str, conflicts: &str| {
        let sources = world.sources(name, "1").with("section", section);
        world.publish(&sources.with("depends", depends).with("conflicts", conflicts));
    };
    agent.run(&["install", "demo-game"]).ok();
    control_only(SALES, "unit", "demo-app", "demo-game");
    control_only("everybody", "profile", "demo-tool", "");
    control_only("laboratory", "profile", "demo-game", "");
    control_only("bench", "profile", "", "");
    // A package of that name that is none for units and profiles does not count.
    control_only("kiosks", "group", "demo-game", "");

    agent.run(&["update"]).ok();
    assert_eq!(section(&agent, SALES).as_deref(), Some("unit"));
    assert_eq!(section(&agent, "everybody").as_deref(), Some("profile"));
    assert_eq!(section(&agent, "bench").as_deref(), Some("profile"));
    assert_eq!(
        (section(&agent, "laboratory"), section(&agent, "kiosks")),
        (None, None)
    );
    let pending = agent.json(&["list-upgrade"]);
    let change = |package: &str| {
        let all = pending.as_array().unwrap();
        let row = all.iter().find(|row| row["package"] == package);
        row.map(|row| {
            format!(
                "{} {}",
                row["change"].as_str().unwrap(),
                row["reason"].as_str().unwrap()
            )
        })
        .unwrap_or_default()
    };
    let by = format!("on this host by the unit package {SALES} 1");
    assert_eq!(change("demo-game"), format!("remove forbidden {by}"));
    assert_eq!(change("demo-app"), format!("install assigned to{}", &by[2..]));
    agent.run(&["upgrade"]).ok();
    assert_eq!(agent.marker("demo-app").as_deref(), Some("1"));
    assert_eq!(agent.marker("demo-tool").as_deref(), Some("1"));
    assert_eq!(agent.marker("demo-game"), None);
    let explained = agent.run(&["explain", "demo-game"]).ok();
    assert!(
        explained.contains(&format!("the unit package {SALES} 1")),
        "{explained}"
    );
    let explained = agent.run(&["explain", SALES]).ok();
    assert!(
        explained.contains("the computer is in OU=Sales West"),
        "{explained}"
    );
    let shown = agent.run(&["show", "demo-game"]).ok();
    assert!(shown.contains("forbidden on this host"), "{shown}");

    // The directory is away: what it said stays in force, and the status says so.
    directory.close();
    let updated = agent.run(&["update"]).ok();
    assert!(updated.contains("the directory does not answer"), "{updated}");
    assert_eq!(section(&agent, SALES).as_deref(), Some("unit"));
    assert_eq!(section(&agent, "everybody").as_deref(), Some("profile"));
    let status = agent.run(&["status"]).ok();
    assert!(status.contains("directory      does not answer"), "{status}");
    assert!(directory_of(&agent)["answered_at"].is_string());

    // The computer was moved and left the groups: its packages go, the software that they brought stays.
    directory.hold(&entries("Lab").replace("member: CN=pc-1,", "member: CN=pc-9,"));
    directory.open();
    let updated = agent.run(&["update"]).ok();
    assert!(
        updated.contains(&format!("{SALES} is no longer in force")),
        "{updated}"
    );
    assert_eq!(
        (section(&agent, SALES), section(&agent, "everybody")),
        (None, None)
    );
    assert_eq!(section(&agent, "bench").as_deref(), Some("profile"));
    agent.run(&["upgrade"]).ok();
    assert_eq!(agent.marker("demo-app").as_deref(), Some("1"));
    // What was forbidden there is allowed here.
    agent.run(&["install", "demo-game"]).ok();
    assert_eq!(agent.marker("demo-game").as_deref(), Some("1"));
}

#[test]
fn a_unit_stays_in_force_when_its_row_or_the_repository_is_in_trouble() {
    let mut world = World::start();
    let agent = world.enrol("pc-1");
    agent.configure("host_organizational_unit_dn = \"OU=Sales West,DC=ad,DC=example,DC=org\"");
    world.publish(&world.sources("demo-app", "1").marker());
    let unit = world.sources(SALES, "1").with("section", "unit");
    world.publish(&unit.with("depends", "demo-app"));
    agent.run(&["update"]).ok();
    assert_eq!(section(&agent, SALES).as_deref(), Some("unit"));

    world.kill_server();
    assert_eq!(agent.run(&["update"]).code, 4);
    assert_eq!(section(&agent, SALES).as_deref(), Some("unit"));

    // Nobody is trusted any more: no row of the index verifies.
    world.start_server();
    let certificate = agent.root().join("etc/muster/trust/alice.crt");
    let aside = agent.root().join("alice.crt");
    fs_err::rename(&certificate, &aside).unwrap();
    agent.run(&["update"]);
    assert_eq!(section(&agent, SALES).as_deref(), Some("unit"));
    fs_err::rename(&aside, &certificate).unwrap();

    // Somebody takes it out of the repository: that is no accident.
    let index = fs_err::read(world.server_data().join("repository/wapt/Packages")).unwrap();
    let index = index::read(&index, &index::IndexLimits::default()).unwrap();
    let row = index.entries.iter().find(|row| row.control.package() == SALES);
    let file = row.unwrap().filename.as_str();
    world.muster(&["package", "delete", file], "").ok();
    agent.run(&["update"]).ok();
    assert_eq!(section(&agent, SALES), None);
}

#[test]
fn a_directory_is_asked_over_tls_of_a_private_authority_and_by_name() {
    let directory = Directory::start(&entries("Lab"));
    let place = tempfile::tempdir().unwrap();
    let authority = directory.authority().display().to_string();
    let configured = |name: &str, lines: &str| {
        let agent = Agent::new(place.path(), name);
        let file = agent.root().join("etc/muster/agent.toml");
        let text = format!("uuid = \"{name}\"\nfake_hostname = \"pc-1\"\nuse_ad_groups = true\n{lines}\n");
        fs_err::write(file, text).unwrap();
        // There is no repository; the directory is asked all the same.
        agent.run(&["update"]);
        directory_of(&agent)
    };
    let found = format!("CN=pc-1,OU=Lab,{BASE}");
    let groups = ["everybody", "kiosks", "public places"];
    let bind = |password: &str| {
        let file = directory.password_file(password).display().to_string();
        format!("ldap_bind_dn = \"{READER}\"\nldap_password_file = \"{file}\"")
    };
    let private = format!("verify_cert_ldap = \"{authority}\"");
    let tls = format!("ldap_url = \"{}\"\n{private}", directory.tls_url());
    let start_tls = format!(
        "ldap_url = \"{}\"\nldap_start_tls = true\n{private}\n{}",
        directory.plain_url(),
        bind(PASSWORD)
    );
    for (name, lines) in [("tls", &tls), ("start-tls", &start_tls)] {
        let known = configured(name, lines);
        assert_eq!(known["dn"], *found, "{name}: {known}");
        assert_eq!(known["groups"], serde_json::json!(groups), "{name}: {known}");
    }
    let strangers = format!("ldap_url = \"{}\"", directory.tls_url());
    let known = configured("strangers", &strangers);
    assert_eq!(known["dn"], "");
    assert!(
        known["error"].as_str().unwrap().contains("cannot be reached"),
        "{known}"
    );
    let wrong = format!("{tls}\n{}", bind("guessed"));
    let known = configured("wrong", &wrong);
    assert!(
        known["error"].as_str().unwrap().contains("does not accept"),
        "{known}"
    );
}

/// A program that runs until this value goes.
struct Program(std::process::Child);

impl Program {
    fn start(folder: &std::path::Path, name: &str) -> Self {
        let path = folder.join(name);
        fs_err::copy("/bin/sleep", &path).unwrap();
        Self(std::process::Command::new(path).arg("600").spawn().unwrap())
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

fn status_of(agent: &Agent, package: &str) -> String {
    let row = agent.package(package).unwrap_or_default();
    format!(
        "{} {}",
        row["version"].as_str().unwrap_or("none"),
        row["status"].as_str().unwrap_or("none")
    )
}

#[test]
fn a_package_whose_program_runs_is_postponed_and_a_forced_one_is_not() {
    let world = World::start();
    let mut agent = world.enrol("pc-1");
    let player = |version: &str| {
        let sources = world.sources("demo-player", version).marker();
        sources.with("impacted_process", "mst-player, other")
    };
    world.publish(&player("1"));
    world.publish(&world.sources("demo-tool", "1").marker());
    world
        .muster(
            &[
                "host",
                "edit",
                "pc-1",
                "--require",
                "demo-player",
                "--require",
                "demo-tool",
            ],
            "",
        )
        .ok();
    let program = Program::start(world.folder(), "mst-player");
    // Not even the first installation happens while the program runs.
    let done = agent.run(&["upgrade", "--only-if-not-running"]).ok();
    assert!(done.contains("demo-player (mst-player runs)"), "{done}");
    assert_eq!(status_of(&agent, "demo-player"), "1 POSTPONED");
    assert_eq!(status_of(&agent, "demo-tool"), "1 OK");
    // Without the option it does.
    agent.run(&["upgrade"]).ok();
    assert_eq!(status_of(&agent, "demo-player"), "1 OK");

    world.publish(&player("2"));
    let done = agent.run(&["upgrade", "--only-if-not-running"]).ok();
    assert!(done.contains("waiting: demo-player"), "{done}");
    assert_eq!(status_of(&agent, "demo-player"), "1 POSTPONED");
    let pending = agent.run(&["list-upgrade"]).ok();
    assert!(pending.contains("postponed: mst-player runs"), "{pending}");
    let explained = agent.run(&["explain", "demo-player"]).ok();
    assert!(
        explained.contains("demo-player 2 was left alone at"),
        "{explained}"
    );
    // The server sees it.
    let host = world.host("pc-1");
    assert!(host.to_string().contains("POSTPONED"), "{host}");

    // A third version is forced by now: the service installs it by itself, whatever runs.
    world.publish(&player("3").with("forced_install_on", "2026-01-01T00:00:00"));
    agent.start();
    muster_tests::eventually("the forced version is there", || {
        let found = agent.marker("demo-player");
        if found.as_deref() == Some("3") {
            Ok(())
        } else {
            Err(format!("{found:?}"))
        }
    });
    drop(program);
}

#[test]
fn what_failed_is_tried_again_by_order_at_once_and_by_the_schedule_later() {
    let world = World::start();
    let mut agent = world.enrol("pc-1");
    let tries = agent.root().join("tries");
    let script = |ends: &str| {
        format!(
            "def install():\n    with open({:?}, 'a') as file:\n        file.write('x')\n{ends}\n",
            tries.display().to_string()
        )
    };
    let count = || fs_err::read_to_string(&tries).unwrap_or_default().len();
    let publish = |version: &str, ends: &str| {
        world.publish(&world.sources("demo-bad", version).script(&script(ends)));
    };
    publish("1", "    raise Exception('not today')");
    world
        .muster(&["host", "edit", "pc-1", "--require", "demo-bad"], "")
        .ok();
    assert_eq!(agent.run(&["upgrade"]).code, 3);
    assert_eq!(agent.run(&["upgrade"]).code, 3);
    assert_eq!(count(), 2);
    let explained = agent.run(&["explain", "demo-bad"]).ok();
    assert!(
        explained.contains("demo-bad 1 failed 2 times in a row: the schedule tries it again from"),
        "{explained}"
    );

    // The schedule does not hammer.
    agent.configure("waptupgrade_task_period = \"2s\"");
    agent.start();
    muster_tests::eventually("the schedule upgraded twice", || {
        let tasks = agent.json(&["status"])["tasks"].clone();
        let all = tasks.as_array().cloned().unwrap_or_default();
        let done = all.iter().filter(|task| {
            task["ordered_by"] == "SCHEDULER" && task["kind"] == "upgrade" && task["state"] == "done"
        });
        if done.count() >= 2 {
            Ok(())
        } else {
            Err(tasks.to_string())
        }
    });
    assert_eq!(count(), 2);

    // A new version has not failed yet.
    publish("2", "    return 'OK'");
    muster_tests::eventually("the new version is there", || {
        let found = status_of(&agent, "demo-bad");
        if found == "2 OK" { Ok(()) } else { Err(found) }
    });
    assert_eq!(count(), 3);
}

#[test]
fn only_the_priorities_that_are_asked_for_are_upgraded() {
    let world = World::start();
    let agent = world.enrol("pc-1");
    world.publish(&world.sources("demo-lib", "1").marker());
    world.publish(&world.sources("demo-game", "1").marker());
    let shield = world
        .sources("demo-shield", "1")
        .marker()
        .with("priority", "critical");
    world.publish(&shield.with("depends", "demo-lib"));
    world
        .muster(
            &[
                "host",
                "edit",
                "pc-1",
                "--require",
                "demo-game",
                "--require",
                "demo-shield",
            ],
            "",
        )
        .ok();
    let done = agent.run(&["upgrade", "--only-priorities", "critical"]).ok();
    assert!(done.contains("demo-game (its priority is optional)"), "{done}");
    assert!(agent.marker("demo-shield").is_some() && agent.marker("demo-lib").is_some());
    assert_eq!(agent.marker("demo-game"), None);
}

#[test]
fn without_an_index_nothing_is_said_to_be_as_it_should_be() {
    let world = World::start();
    let agent = world.unregistered("pc-1");
    for command in ["update", "upgrade", "list-upgrade"] {
        let done = agent.run(&[command]);
        assert_ne!(done.code, 0, "{command}: {done:?}");
        assert!(!done.stdout.contains("as it should be"), "{command}: {done:?}");
    }
}

#[test]
fn a_package_is_installed_by_itself_when_its_moment_comes() {
    let world = World::start();
    let mut agent = world.enrol("pc-1");
    agent.start();
    world.wait_for_status("pc-1", "OK");
    let moment = muster_shared::clock::now() + jiff::SignedDuration::from_secs(20);
    let sources = world.sources("demo-late", "1").marker();
    let sources = sources.with("valid_from", &moment.to_string());
    world.publish(&sources.with("forced_install_on", &moment.to_string()));
    world
        .muster(&["host", "edit", "pc-1", "--require", "demo-late"], "")
        .ok();
    // Before its moment the repository does not offer it.
    muster_tests::eventually("it is wanted and not offered yet", || {
        let pending = agent.run(&["list-upgrade"]).stdout;
        if pending.contains("valid_from") {
            Ok(())
        } else {
            Err(pending)
        }
    });
    assert_eq!(agent.marker("demo-late"), None);
    // Nobody orders anything, and the next update by the clock is hours away.
    muster_tests::eventually("its moment has come", || {
        agent.marker("demo-late").ok_or(String::new())
    });
    assert!(muster_shared::clock::now() >= moment);
}
