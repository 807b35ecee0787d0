//! What an unprivileged user of a managed machine cannot do, with a real second account (security.md row 9), and what
//! the same account may do by the rules.
#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]

use std::ffi::OsStr;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;

use muster_tests::{Agent, LocalUser, World, eventually};
use serde_json::{Value, json};

/// A registered agent that runs, and an account that may pass to its socket.
fn machine(world: &World, user: &LocalUser, name: &str) -> Agent {
    let mut agent = world.enrol(name);
    user.let_pass(agent.root());
    agent.start();
    eventually("the agent answers", || {
        let done = agent.run(&["status"]);
        if done.stdout.contains("running") {
            Ok(())
        } else {
            Err(done.stderr)
        }
    });
    agent
}

/// Publishes a package of the section `selfservice`.
fn publish_rules(world: &World, rules: &Value) {
    let sources = world.sources("demo-rules", "1").with("section", "selfservice");
    fs_err::write(sources.folder().join("WAPT/selfservice.json"), rules.to_string()).unwrap();
    world.publish(&sources);
}

fn as_json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// Everything below a folder, itself included.
fn tree(folder: &Path) -> Vec<std::path::PathBuf> {
    let mut found = vec![folder.to_path_buf()];
    let mut position = 0;
    while let Some(path) = found.get(position).cloned() {
        if path.is_dir() && !path.is_symlink() {
            found.extend(
                fs_err::read_dir(&path)
                    .unwrap()
                    .map(|entry| entry.unwrap().path()),
            );
        }
        position += 1;
    }
    found
}

#[test]
fn row_9_a_local_user_reads_no_secret_and_changes_no_file_of_the_agent() {
    let Some(user) = LocalUser::create() else { return };
    let world = World::start();
    let agent = machine(&world, &user, "pc-files");
    world.publish(&world.sources("demo-app", "1").marker());
    agent.run(&["install", "demo-app"]).ok();

    let root = agent.root();
    let state = root.join("var/lib/muster");
    // The same files are there for their owner.
    for file in [
        "private/host-key.pem",
        "private/identity.json",
        "agent.sqlite",
        "cache/Packages",
    ] {
        let path = state.join(file);
        assert!(!fs_err::read(&path).unwrap().is_empty(), "{file}");
        let read = user.shell(&format!("cat '{}'", path.display()));
        assert!(read.code != 0 && read.stdout.is_empty(), "{file} was read");
    }
    // Whatever there is, below state and configuration: not written, not removed, nothing put beside it.
    let before = fs_err::read(state.join("agent.sqlite")).unwrap().len();
    let configuration = root.join("etc/muster");
    for path in tree(&state).into_iter().chain(tree(&configuration)) {
        let shown = path.display();
        for attempt in [
            format!("echo x >> '{shown}'"),
            format!("rm -rf '{shown}'"),
            format!("mv '{shown}' '{shown}.gone'"),
            format!("chmod 777 '{shown}'"),
            format!("ln -sf /etc/passwd '{shown}/link'"),
            format!("cp /etc/passwd '{shown}/new.crt'"),
        ] {
            let done = user.shell(&attempt);
            // `rm -rf` of what cannot even be seen says nothing and does nothing.
            if !attempt.starts_with("rm") {
                assert_ne!(done.code, 0, "{attempt}");
            }
        }
        assert!(fs_err::symlink_metadata(&path).is_ok(), "{shown} is gone");
        assert_eq!(fs_err::symlink_metadata(&path).unwrap().uid(), 0, "{shown}");
    }
    assert!(fs_err::read(state.join("agent.sqlite")).unwrap().len() >= before);
    assert!(!configuration.join("trust/new.crt").exists());
    assert_eq!(
        fs_err::metadata(&state).unwrap().permissions().mode() & 0o777,
        0o700
    );
    // Commands that change who is trusted, who the machine is, or where it belongs.
    for arguments in [
        &["generate-uuid"][..],
        &["reset-uuid"],
        &["unregister"],
        &["register", "--server", "https://evil.example"],
        &["add-upgrade-shutdown"],
        &["clean", "--force"],
        &["download", "demo-app"],
        &["uninstall", "demo-app"],
        &["update", "--standalone"],
        &["install", "--standalone", "demo-app"],
        &["forget", "--standalone", "demo-app"],
        &["run"],
    ] {
        let said = user.agent(root, arguments).refused();
        assert!(said.contains("hint: "), "{arguments:?}: {said}");
    }
    // The agent works on, and its owner may do all that.
    assert_eq!(agent.package("demo-app").unwrap()["status"], "OK");
    agent.run(&["describe", "still here"]).ok();
    agent.run(&["clean", "--force"]).ok();
}

#[test]
fn row_9_a_local_user_is_no_administrator_whatever_they_say_of_themselves() {
    let Some(user) = LocalUser::create() else { return };
    let world = World::start();
    let agent = machine(&world, &user, "pc-api");
    let root = agent.root();
    world.publish(&world.sources("demo-app", "1").marker());
    agent.run(&["install", "demo-app"]).ok();

    let lies: [(&str, &OsStr); 4] = [
        ("USER", OsStr::new("root")),
        ("SUDO_USER", OsStr::new("root")),
        ("LOGNAME", OsStr::new("root")),
        ("HOME", OsStr::new("/root")),
    ];
    for arguments in [
        &["update"][..],
        &["forget", "demo-app"],
        &["remove", "demo-app"],
        &["audit"],
        &["update-status"],
        &["describe", "mine now"],
        &["propose-upgrade"],
        &["install", "demo-app", "--force"],
        &["install", "demo-app", "--params", "{\"a\": 1}"],
        &["install", "demo-app(=1)"],
    ] {
        let said = user.agent_with(root, arguments, &lies).refused();
        assert!(
            said.contains(user.name()) && said.contains("may not") && said.contains("hint: "),
            "{arguments:?}: {said}"
        );
    }
    // Straight into the socket, with every action and every lie that JSON can carry.
    let socket = root.join("run/muster/agent.sock");
    let speak = "import json, socket, sys\n\
                 s = socket.socket(socket.AF_UNIX)\n\
                 s.settimeout(30)\n\
                 s.connect(sys.argv[1])\n\
                 s.sendall(sys.argv[2].encode() + b'\\n')\n\
                 data = b''\n\
                 while not data.endswith(b'\\n'):\n\
                 \x20   part = s.recv(65536)\n\
                 \x20   if not part: break\n\
                 \x20   data += part\n\
                 sys.stdout.write(data.decode())\n";
    let frame = |line: &str| {
        let done = user.python(speak, &[socket.to_str().unwrap(), line]);
        as_json(&done.ok())
    };
    for action in [
        "update",
        "forget",
        "audit",
        "inventory",
        "register",
        "cancel",
        "message",
        "propose-upgrade",
        "describe",
        "service-restart",
        "reboot",
        "shutdown",
        "wua-scan",
        "wua-download",
        "wua-install",
    ] {
        let line = json!({
            "type": "run", "action": action, "packages": ["demo-app"],
            "options": { "text": "x", "force": true, "users": ["root"] },
            "user": "root", "is_administrator": true, "peer": { "uid": 0 },
        });
        let answer = frame(&line.to_string());
        assert_eq!(answer["error"]["code"], "right_missing", "{action}: {answer}");
    }
    for line in [
        "",
        "{}",
        "[1,2",
        "{\"type\":\"status\",\"type\":\"run\"}",
        "\u{1}\u{2}",
        "null",
    ] {
        assert_eq!(frame(line)["error"]["code"], "request_invalid", "{line:?}");
    }
    let status = frame(r#"{"type":"status"}"#);
    for secret in ["server", "keyid", "notice", "update_error", "running"] {
        assert!(status["value"].get(secret).is_none(), "{secret} in {status}");
    }
    let page = frame(r#"{"type":"catalogue","query":{"everything":true}}"#);
    assert_eq!(page["error"]["code"], "right_missing");

    // One who holds every connection that he gets keeps nobody else out.
    let hog = "import socket, sys\n\
               held = []\n\
               for _ in range(300):\n\
               \x20   s = socket.socket(socket.AF_UNIX)\n\
               \x20   s.settimeout(60)\n\
               \x20   s.connect(sys.argv[1])\n\
               \x20   held.append(s)\n\
               said = b''.join(s.recv(4096) for s in held[100:])\n\
               print(said.count(b'too_many_requests'))\n\
               sys.stdout.flush()\n\
               sys.stdin.read()\n";
    let mut held = user.holding(hog, &[socket.to_str().unwrap()]);
    assert_eq!(held.first_line(), "200");
    assert_eq!(agent.json(&["status"])["service"], "running");
    drop(held);

    // Nothing of all that was done, and the right identity may.
    assert_eq!(agent.package("demo-app").unwrap()["status"], "OK");
    for arguments in [
        &["update"][..],
        &["describe", "hers"],
        &["audit"],
        &["forget", "demo-app"],
    ] {
        agent.run(arguments).ok();
    }
}

#[test]
fn row_9_a_local_user_installs_what_the_self_service_rules_allow_and_nothing_else() {
    let Some(user) = LocalUser::create() else { return };
    let world = World::start();
    for package in [
        "demo-mine",
        "demo-theirs",
        "demo-here",
        "demo-hidden",
        "demo-base",
    ] {
        let mut sources = world.sources(package, "1");
        if package == "demo-hidden" {
            sources = sources.with("section", "restricted");
        }
        if package == "demo-mine" {
            sources = sources.with("depends", "demo-base");
        }
        world.publish(&sources.marker());
    }
    publish_rules(
        &world,
        &json!({ user.name(): ["demo-mine", "demo-hidden"], "other-group": ["demo-theirs"] }),
    );
    let agent = machine(&world, &user, "pc-self");
    let root = agent.root();

    // Without rules there is nothing to install by oneself, and the refusal says so.
    agent.run(&["update"]).ok();
    let said = user.agent(root, &["install", "demo-mine"]).refused();
    assert!(said.contains("no self-service rules"), "{said}");
    agent.run(&["install", "demo-rules", "demo-here"]).ok();

    let said = user.agent(root, &["install", "demo-theirs"]).refused();
    assert!(
        said.contains("no self-service rule") && said.contains(user.name()) && said.contains("alice"),
        "{said}"
    );
    for (package, reason) in [("demo-hidden", "restricted"), ("demo-rules(=1)", "versions")] {
        let said = user.agent(root, &["install", package]).refused();
        assert!(said.contains(reason), "{package}: {said}");
    }
    let file = world.build(&world.sources("demo-file", "1").marker());
    let copy = user.home().join("demo-file.wapt");
    fs_err::copy(file, &copy).unwrap();
    let said = user.agent(root, &["install", copy.to_str().unwrap()]).refused();
    assert!(said.contains("files"), "{said}");
    // All or nothing.
    user.agent(root, &["install", "demo-mine", "demo-theirs"])
        .refused();
    assert!(agent.package("demo-mine").is_none() && agent.package("demo-theirs").is_none());

    // What is theirs: seen, installed with what it needs, recorded under their name, removed.
    let found = as_json(&user.agent(root, &["search", "--json"]).ok());
    let names: Vec<&str> = found
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|row| row["package"].as_str())
        .collect();
    assert_eq!(names, ["demo-base", "demo-here", "demo-mine", "demo-theirs"]);
    let may = |package: &str| {
        let row = found
            .as_array()
            .unwrap()
            .iter()
            .find(|row| row["package"] == package);
        row.unwrap()["allowed"]["install"].as_bool().unwrap()
    };
    assert!(may("demo-mine") && may("demo-here") && !may("demo-theirs"));
    user.agent(root, &["install", "demo-mine"]).ok();
    assert_eq!(agent.marker("demo-mine").as_deref(), Some("1"));
    let row = agent.package("demo-mine").unwrap();
    assert_eq!(
        (row["status"].as_str(), row["explicit_by"].as_str()),
        (Some("OK"), Some(user.name()))
    );
    assert_eq!(agent.package("demo-base").unwrap()["explicit_by"], "");
    let listed = as_json(&user.agent(root, &["list", "--json"]).ok());
    assert!(
        listed
            .as_array()
            .unwrap()
            .iter()
            .all(|row| row["package"] != "demo-rules"),
        "{listed}"
    );
    // What is installed may be brought up to date by anybody, and what is not theirs stays.
    world.publish(&world.sources("demo-here", "2").marker());
    agent.run(&["update"]).ok();
    let said = user.agent(root, &["remove", "demo-here"]).refused();
    assert!(said.contains("may not remove demo-here"), "{said}");
    // Others depend on it, and are not theirs to remove either way round.
    user.agent(root, &["remove", "demo-base"]).refused();
    user.agent(root, &["install", "demo-here"]).ok();
    assert_eq!(agent.marker("demo-here").as_deref(), Some("2"));
    world.publish(&world.sources("demo-here", "3").marker());
    user.agent(root, &["upgrade"]).ok();
    assert_eq!(agent.marker("demo-here").as_deref(), Some("3"));
    user.agent(root, &["remove", "demo-mine"]).ok();
    assert_eq!(agent.marker("demo-mine"), None);

    // The rules go with their package.
    agent.run(&["remove", "demo-rules"]).ok();
    let said = user.agent(root, &["install", "demo-mine"]).refused();
    assert!(said.contains("no self-service rules"), "{said}");
}

#[test]
fn row_9_a_local_user_cancels_and_sees_own_tasks_only() {
    let Some(user) = LocalUser::create() else { return };
    let world = World::start();
    let gate = world.folder().join("gate");
    let script = format!(
        "import os, time\n\
         def install():\n    print('the password is hunter2')\n    open({gate:?} + '-' + control.package, 'w').close()\n\
         \x20   while not os.path.exists({gate:?}):\n        time.sleep(0.05)\n"
    );
    for package in ["demo-slow", "demo-mine"] {
        world.publish(&world.sources(package, "1").script(&script));
    }
    publish_rules(&world, &json!({ user.name(): ["demo-mine"] }));
    let agent = machine(&world, &user, "pc-tasks");
    let root = agent.root();
    agent.run(&["install", "demo-rules"]).ok();

    let waiting = std::thread::scope(|scope| {
        let admins = scope.spawn(|| agent.run(&["install", "demo-slow"]));
        eventually("the script runs", || {
            let is_there = world.folder().join("gate-demo-slow").exists();
            if is_there {
                Ok(())
            } else {
                Err("no marker".to_owned())
            }
        });
        let seen = as_json(&user.agent(root, &["tasks", "--json"]).ok());
        let running = seen
            .as_array()
            .unwrap()
            .iter()
            .find(|task| task["state"] == "running")
            .unwrap();
        assert_eq!(
            (running["kind"].as_str(), running["text"].as_str()),
            (Some("install"), Some(""))
        );
        assert!(!seen.to_string().contains("demo-slow") && !seen.to_string().contains("hunter2"));
        let task = running["id"].as_str().unwrap().to_owned();
        let said = user.agent(root, &["cancel", &task]).refused();
        assert!(said.contains("somebody else ordered it"), "{said}");

        let own = scope.spawn(|| user.agent(root, &["install", "demo-mine"]));
        eventually("the user's task waits", || {
            let seen = as_json(&user.agent(root, &["tasks", "--json"]).ok());
            let tasks = seen.as_array().unwrap().clone();
            let is_there = tasks.iter().any(|task| task["packages"] == json!(["demo-mine"]));
            if is_there { Ok(()) } else { Err(format!("{seen}")) }
        });
        user.agent(root, &["cancel-all"]).ok();
        assert!(own.join().unwrap().refused().contains("cancelled"));
        fs_err::write(&gate, "").unwrap();
        admins.join().unwrap()
    });
    // The administrator's task was not touched.
    waiting.ok();
    assert_eq!(agent.package("demo-slow").unwrap()["status"], "OK");
    assert!(agent.package("demo-mine").is_none());
}

#[test]
fn row_9_a_local_user_wins_no_race_for_the_unpacked_folder_and_brings_no_code_into_scripts() {
    let Some(user) = LocalUser::create() else { return };
    let world = World::start();
    let gate = world.folder().join("gate");
    let report = world.folder().join("report.json");
    let script = format!(
        "import json, os, sys, time\n\
         import setuphelpers\n\
         def install():\n\
         \x20   open({gate:?} + '-open', 'w').close()\n\
         \x20   while not os.path.exists({gate:?}):\n        time.sleep(0.05)\n\
         \x20   facts = dict(cwd=os.getcwd(), path=sys.path, data=open('data.txt').read(), json=json.__file__,\n\
         \x20       helpers=setuphelpers.__file__, environ=dict(os.environ), names=sorted(os.listdir('.')))\n\
         \x20   json.dump(facts, open({report:?}, 'w'))\n"
    );
    let sources = world.sources("demo-mine", "1").script(&script);
    fs_err::write(sources.folder().join("data.txt"), "signed").unwrap();
    world.publish(&sources);
    publish_rules(&world, &json!({ user.name(): ["demo-mine"] }));
    let agent = machine(&world, &user, "pc-race");
    let root = agent.root();
    agent.run(&["install", "demo-rules"]).ok();

    // Modules of the names that scripts and their host import, where Python looks first when it is asked to.
    let evil = user.home().join("evil");
    let made = user.shell(&format!(
        "mkdir -p '{0}' && for name in json os setuphelpers sitecustomize usercustomize encodings; do \
         echo \"open('{0}/owned', 'w').close()\" > '{0}/'$name.py; done",
        evil.display()
    ));
    made.ok();
    let environment: Vec<(&str, &OsStr)> = [
        "PYTHONPATH",
        "PYTHONHOME",
        "PYTHONSTARTUP",
        "LD_LIBRARY_PATH",
        "PYTHONUSERBASE",
    ]
    .into_iter()
    .map(|name| (name, evil.as_os_str()))
    .collect();
    let staging = root.join("var/lib/muster/private/staging");
    std::thread::scope(|scope| {
        let install = scope.spawn(|| user.agent_with(root, &["install", "demo-mine"], &environment));
        eventually("the script runs", || {
            let is_there = world.folder().join("gate-open").exists();
            if is_there {
                Ok(())
            } else {
                Err("no marker".to_owned())
            }
        });
        // The folder is there now, and closed: not listed, not entered by name, not replaced.
        let unpacked = tree(&staging);
        assert!(
            unpacked.iter().any(|path| path.ends_with("data.txt")),
            "{unpacked:?}"
        );
        for path in &unpacked {
            let shown = path.display();
            for attempt in [
                format!("ls '{shown}'"),
                format!("cat '{shown}'"),
                format!("echo evil > '{shown}'"),
                format!("mv '{shown}' '{shown}.old'"),
                format!("ln -sfn '{}' '{shown}'", evil.display()),
            ] {
                assert_ne!(user.shell(&attempt).code, 0, "{attempt}");
            }
        }
        // Not through the process either: its working folder and its environment.
        let peeked =
            user.shell("cat /proc/[0-9]*/environ /proc/[0-9]*/cwd/data.txt 2>/dev/null | grep -a signed");
        assert_ne!(peeked.code, 0, "{peeked:?}");
        fs_err::write(&gate, "").unwrap();
        install.join().unwrap().ok();
    });
    let facts = as_json(&fs_err::read_to_string(&report).unwrap());
    assert_eq!(facts["data"], "signed");
    let evil = evil.to_str().unwrap();
    assert!(!facts.to_string().contains(evil), "{facts}");
    assert!(!Path::new(evil).join("owned").exists());
    assert!(
        facts["cwd"]
            .as_str()
            .unwrap()
            .starts_with(staging.to_str().unwrap())
    );
    let helpers = facts["helpers"].as_str().unwrap();
    assert!(helpers.starts_with(root.to_str().unwrap()), "{helpers}");
    assert_eq!(fs_err::metadata(helpers).unwrap().permissions().mode() & 0o022, 0);
    // Nothing is left of the unpacked package.
    assert!(!staging.exists() || fs_err::read_dir(&staging).unwrap().next().is_none());
}
