//! What goes away and comes back: server, database, agent. Nothing is lost.

use muster_tests::{World, eventually};

#[test]
fn a_server_killed_in_the_middle_loses_nothing() {
    let mut world = World::start();
    let mut agent = world.enrol("pc-1");
    agent.start();
    world.wait_for_status("pc-1", "OK");
    // The script waits for a file, so that the server dies while it runs.
    let sources = world.sources("demo-slow", "1").script(
        "from setuphelpers import *\nimport time\n\ndef install():\n    mkdirs(programfiles())\n\
         \x20   open(makepath(programfiles(), 'started'), 'w').close()\n\
         \x20   while not isfile(makepath(programfiles(), 'go')):\n        time.sleep(0.05)\n\
         \x20   open(makepath(programfiles(), 'demo-slow.txt'), 'w').write('1')\n",
    );
    world.publish(&sources);
    let sent = world.muster_json(&["host", "act", "install", "pc-1", "--package", "demo-slow"]);
    let batch = sent
        .pointer("/row/batch")
        .or_else(|| sent.get("batch"))
        .unwrap()
        .as_str()
        .unwrap()
        .to_owned();
    let opt = agent.root().join("opt");
    eventually("the script runs", || {
        opt.join("started")
            .exists()
            .then_some(())
            .ok_or_else(|| "no".into())
    });

    world.kill_server();
    fs_err::write(opt.join("go"), "").unwrap();
    eventually("the agent goes on alone", || {
        agent.marker("demo-slow").ok_or_else(|| "no".into())
    });

    world.start_server();
    eventually("the result arrives", || {
        let action = world.muster_json(&["action", "show", &batch]);
        let state = action
            .pointer("/targets/0/state")
            .and_then(|state| state.as_str())
            .unwrap_or("")
            .to_owned();
        if state == "done" {
            Ok(())
        } else {
            Err(action.to_string())
        }
    });
    let row = world.wait_for_status("pc-1", "OK");
    assert_eq!(row["packages_total"], 1);
    eventually("the agent is connected again", || {
        world
            .host_row("pc-1")
            .filter(|row| row["reachable"] == true)
            .map(|_row| ())
            .ok_or_else(|| "away".into())
    });
}

#[test]
fn an_agent_without_its_server_installs_from_its_cache_and_reports_later() {
    let mut world = World::start();
    let mut agent = world.enrol("pc-1");
    agent.start();
    world.wait_for_status("pc-1", "OK");
    world.publish(&world.sources("demo-cached", "1").marker());
    world
        .muster(&["host", "edit", "pc-1", "--require", "demo-cached"], "")
        .ok();
    // The hint leads to an update, and an update downloads ahead.
    let cache = agent.root().join("var/lib/muster/cache");
    eventually("the package in the cache", || {
        let names: Vec<String> = fs_err::read_dir(&cache)
            .map(|entries| {
                entries
                    .flatten()
                    .map(|entry| entry.file_name().to_string_lossy().into_owned())
                    .collect()
            })
            .unwrap_or_default();
        if names
            .iter()
            .any(|name| name.starts_with("demo-cached") && !name.contains(".part"))
        {
            Ok(())
        } else {
            Err(format!("{names:?}"))
        }
    });
    world.kill_server();

    agent.run(&["upgrade"]);
    assert_eq!(agent.marker("demo-cached").as_deref(), Some("1"));

    world.start_server();
    eventually("the report", || {
        world
            .host_row("pc-1")
            .filter(|row| row["packages_total"].as_u64() >= Some(1) && row["status"] == "OK")
            .map(|_row| ())
            .ok_or_else(|| format!("{:?}", world.host_row("pc-1")))
    });
}

#[test]
fn a_server_that_lost_its_database_has_its_fleet_back_after_one_update() {
    let mut world = World::start();
    let mut agents = vec![world.enrol("pc-1"), world.enrol("pc-2")];
    world.publish(&world.sources("demo-kept", "3").marker());
    world
        .muster(&["host", "edit", "pc-1", "--require", "demo-kept"], "")
        .ok();
    for agent in &mut agents {
        agent.start();
    }
    world.wait_for_status("pc-1", "NEED-UPGRADE");
    world
        .muster(&["host", "act", "upgrade", "pc-1", "--wait"], "")
        .ok();
    world.wait_for_status("pc-1", "OK");

    assert!(world.end_server("TERM").success());
    for entry in fs_err::read_dir(world.server_data()).unwrap() {
        let path = entry.unwrap().path();
        if path
            .file_name()
            .is_some_and(|name| name.to_string_lossy().starts_with("muster.sqlite"))
        {
            fs_err::remove_file(path).unwrap();
        }
    }
    world.start_server();
    // People are rows: the administrator adds one again. Machines come back by their certificates.
    let added = muster_tests::run(
        &muster_tests::binary("muster-server"),
        &[
            "--root",
            world.server_root().to_str().unwrap(),
            "user",
            "add",
            "admin",
            "--role",
            "administrator",
            "--password-stdin",
        ],
        &format!("{}\n", world.password()),
        &[],
    );
    added.ok();
    world.sign_in();
    for agent in &agents {
        agent.run(&["update"]).ok();
    }
    for agent in &agents {
        let packages = u64::from(agent.identifier == "pc-1");
        eventually("the machine is back with its packages", || {
            world
                .host_row(&agent.identifier)
                .filter(|row| row["packages_total"].as_u64() >= Some(packages) && row["status"] == "OK")
                .filter(|row| row["pending_registration"] == false && row["reachable"] == true)
                .map(|_row| ())
                .ok_or_else(|| format!("{:?}", world.host_row(&agent.identifier)))
        });
    }
    let host = world.host("pc-1");
    assert!(host.to_string().contains("demo-kept"), "{host}");
    // The repository is a folder; its list is back too.
    let list = world.muster(&["host", "show", "pc-1"], "").ok();
    assert!(list.contains("demo-kept"), "{list}");
}

#[test]
fn a_killed_agent_goes_on_where_it_was() {
    let world = World::start();
    let mut agent = world.enrol("pc-1");
    agent.start();
    world.wait_for_status("pc-1", "OK");
    let sources = world.sources("demo-cut", "1").script(
        "from setuphelpers import *\nimport time\n\ndef install():\n    mkdirs(programfiles())\n\
         \x20   first = not isfile(makepath(programfiles(), 'started'))\n\
         \x20   open(makepath(programfiles(), 'started'), 'w').close()\n\
         \x20   while first:\n        time.sleep(0.05)\n",
    );
    world.publish(&sources);
    world
        .muster(&["host", "edit", "pc-1", "--require", "demo-cut"], "")
        .ok();
    world.wait_for_status("pc-1", "NEED-UPGRADE");
    world.muster(&["host", "act", "upgrade", "pc-1"], "").ok();
    let started = agent.root().join("opt/started");
    eventually("the script runs", || {
        started.exists().then_some(()).ok_or_else(|| "no".into())
    });
    agent.kill();
    agent.start();
    // Either the interrupted script is tried again, or it is shown as an error; never silence.
    eventually("the end of the interrupted install", || {
        let row = agent.package("demo-cut");
        match row.as_ref().and_then(|row| row["status"].as_str()) {
            Some("OK" | "ERROR") => Ok(()),
            _ => Err(format!("{row:?}")),
        }
    });
    world
        .muster(&["host", "act", "upgrade", "pc-1", "--wait"], "")
        .ok();
    world.wait_for_status("pc-1", "OK");
}

#[test]
fn signals_end_every_program_cleanly() {
    for signal in ["TERM", "INT"] {
        let mut world = World::start();
        let mut agent = world.enrol("pc-1");
        agent.start();
        world.wait_for_status("pc-1", "OK");
        let ended = agent.end(signal);
        assert!(ended.success(), "agent and SIG{signal}: {ended}");
        let ended = world.end_server(signal);
        assert!(ended.success(), "server and SIG{signal}: {ended}");
    }
}
