//! Every example of `assets/examples`: built, uploaded, installed, audited and removed as its readers would.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;

use muster_tests::{Agent, WindowsMachine, World};
use sha2::{Digest as _, Sha256};

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../assets/examples")
}

/// A copy of an example, with the installer that it carries.
fn example(world: &World, name: &str) -> PathBuf {
    let copies = world.people().join("examples");
    fs_err::create_dir_all(&copies).unwrap();
    let copied = Command::new("cp")
        .arg("-a")
        .arg(examples().join(name))
        .arg(&copies)
        .status();
    assert!(copied.unwrap().success(), "copying {name}");
    let kind = match name {
        "example-msi" => "msi",
        "example-exe" => "exe",
        "example-deb" => "deb",
        _ => return copies.join(name),
    };
    let made = Command::new("sh")
        .arg(examples().join("installers/make.sh"))
        .args([kind, "--into"])
        .arg(&copies)
        .status();
    assert!(made.unwrap().success(), "making the installer of {name}");
    copies.join(name)
}

/// A registered machine to which the examples are published.
fn machine(world: &World, names: &[&str]) -> Agent {
    for name in names {
        world.publish_folder(&example(world, name));
    }
    let agent = world.enrol("pc-1");
    agent.run(&["update"]).ok();
    agent
}

fn install(agent: &Agent, name: &str) {
    agent.run(&["--standalone", "install", name]).ok();
    let package = agent
        .package(name)
        .unwrap_or_else(|| panic!("{name} is not in the list"));
    assert_eq!(package["status"], "OK", "{package}");
}

fn audit(agent: &Agent, name: &str) -> String {
    agent.run(&["--standalone", "audit", name]);
    let package = agent
        .package(name)
        .unwrap_or_else(|| panic!("{name} is not in the list"));
    package["audit_status"].as_str().unwrap_or_default().to_owned()
}

fn remove(agent: &Agent, name: &str) {
    agent.run(&["--standalone", "remove", name]).ok();
    assert_eq!(agent.package(name), None);
}

#[test]
fn there_are_twelve_examples_and_each_says_what_it_shows() {
    let mut names = Vec::new();
    for entry in fs_err::read_dir(examples()).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        if name.starts_with("example-") {
            let script = entry.path().join("setup.py");
            if script.is_file() {
                let text = fs_err::read_to_string(script).unwrap();
                assert!(text.starts_with("# "), "{name} begins without a word");
            }
            names.push(name);
        }
    }
    assert_eq!(names.len(), 12, "{names:?}");
}

#[test]
fn a_folder_is_copied_watched_and_taken_away() {
    let world = World::start();
    let agent = machine(&world, &["example-portable"]);
    install(&agent, "example-portable");
    let folder = agent.root().join("opt/example-portable");
    let said = Command::new(folder.join("start.sh")).output().unwrap();
    assert_eq!(said.stdout, b"Example Portable\n");
    assert!(folder.join("data/readme.txt").is_file());
    assert_eq!(audit(&agent, "example-portable"), "OK");
    fs_err::write(folder.join("version.txt"), "3.0").unwrap();
    assert_eq!(audit(&agent, "example-portable"), "ERROR");
    remove(&agent, "example-portable");
    assert!(!folder.exists());
}

#[test]
fn settings_need_their_parameter_and_are_repaired() {
    let world = World::start();
    let agent = machine(&world, &["example-config"]);
    let refused = agent.run(&["--standalone", "install", "example-config"]);
    assert_ne!(refused.code, 0, "{refused:?}");
    let log = agent.run(&["log", "example-config"]).stdout;
    assert!(log.contains("company"), "{log}");

    let params = r#"{"company": "Example & Co"}"#;
    agent
        .run(&["--standalone", "install", "example-config", "--params", params])
        .ok();
    let settings = agent.root().join("etc/example/settings.conf");
    let text = fs_err::read_to_string(&settings).unwrap();
    assert!(
        text.contains("company = Example & Co") && text.contains("1.0-1"),
        "{text}"
    );
    assert_eq!(audit(&agent, "example-config"), "OK");
    fs_err::write(&settings, "telemetry = on\n").unwrap();
    assert_eq!(audit(&agent, "example-config"), "WARNING");
    assert_eq!(fs_err::read_to_string(&settings).unwrap(), text);
    assert_eq!(audit(&agent, "example-config"), "OK");

    // Installed again without a word, it keeps the parameter.
    agent
        .run(&["--standalone", "install", "--force", "example-config"])
        .ok();
    assert_eq!(fs_err::read_to_string(&settings).unwrap(), text);
    remove(&agent, "example-config");
    assert!(!settings.exists());
}

#[test]
fn a_nightly_task_is_planned_and_cancelled() {
    let world = World::start();
    let agent = machine(&world, &["example-daily-task"]);
    install(&agent, "example-daily-task");
    let cron = agent.root().join("etc/cron.d/example-cleanup");
    let line = fs_err::read_to_string(&cron).unwrap();
    assert!(
        line.starts_with("30 3 * * * root /") && line.ends_with("cleanup.sh\n"),
        "{line}"
    );
    assert_eq!(audit(&agent, "example-daily-task"), "OK");
    fs_err::remove_file(&cron).unwrap();
    assert_eq!(audit(&agent, "example-daily-task"), "ERROR");
    remove(&agent, "example-daily-task");
    assert!(!agent.root().join("opt/example-daily-task").exists());
}

#[test]
fn the_group_brings_what_it_lists_and_drives_out_what_it_forbids() {
    let world = World::start();
    let download = example(&world, "example-download");
    fs_err::write(download.join("example-1.0.txt"), "1.0").unwrap();
    world.publish_folder(&download);
    let agent = machine(
        &world,
        &[
            "example-portable",
            "example-session",
            "example-daily-task",
            "example-workplace",
        ],
    );
    install(&agent, "example-download");
    world
        .muster(&["host", "edit", "pc-1", "--require", "example-workplace"], "")
        .ok();
    agent.run(&["--standalone", "update"]).ok();
    agent.run(&["--standalone", "upgrade"]).ok();
    for name in [
        "example-portable",
        "example-session",
        "example-daily-task",
        "example-workplace",
    ] {
        assert_eq!(agent.package(name).unwrap()["status"], "OK", "{name}");
    }
    assert_eq!(agent.package("example-download"), None);
    assert!(!agent.root().join("opt/example-download").exists());

    agent.run(&["--standalone", "session-setup"]).ok();
    let found = Command::new("find")
        .arg(agent.root())
        .args(["-name", "profile.ini"])
        .output()
        .unwrap();
    let path = String::from_utf8(found.stdout).unwrap();
    let profile = fs_err::read_to_string(path.trim()).unwrap();
    assert!(
        profile.contains("[user]") && profile.contains("name"),
        "{profile}"
    );
}

#[test]
fn sources_follow_the_releases_of_their_publisher() {
    let world = World::start();
    let sources = example(&world, "example-download");
    let program = b"The program, 1.4.2".as_slice();
    let releases = publisher(program);
    let folder = sources.to_str().unwrap();
    let updated = Command::new(muster_tests::binary("muster"))
        .args(["package", "update-sources", folder])
        .env("EXAMPLE_RELEASES", &releases)
        .env("MUSTER_CONFIG_DIR", world.folder().join("settings"))
        .output()
        .unwrap();
    assert!(updated.status.success(), "{updated:?}");
    let control = fs_err::read_to_string(sources.join("WAPT/control")).unwrap();
    assert!(control.contains("1.4.2-1"), "{control}");

    world.publish_folder(&sources);
    let agent = world.enrol("pc-1");
    agent.run(&["update"]).ok();
    install(&agent, "example-download");
    let installed = agent.root().join("opt/example-download/example.txt");
    assert_eq!(fs_err::read(&installed).unwrap(), program);
    remove(&agent, "example-download");
    assert!(!installed.exists());
}

#[test]
fn rules_of_self_service_arrive_on_the_machine() {
    let world = World::start();
    let agent = machine(&world, &["example-selfservice"]);
    let file = world
        .people()
        .join("built")
        .join("example-selfservice_1.0-1_PROD.wapt");
    let shown = world
        .muster(&["package", "show", file.to_str().unwrap()], "")
        .ok();
    assert!(
        shown.contains("All staff") && shown.contains("example-portable"),
        "{shown}"
    );
    install(&agent, "example-selfservice");
    remove(&agent, "example-selfservice");
}

/// One test for both, because the system has one package manager and that has one lock.
#[test]
fn software_comes_from_a_debian_file_and_from_the_distribution() {
    let world = World::start();
    let agent = machine(&world, &["example-deb", "example-apt"]);
    for (package, file) in [
        ("example-deb", "/usr/share/example-deb/readme.txt"),
        ("example-apt", "/usr/bin/hello"),
    ] {
        let file = Path::new(file);
        install(&agent, package);
        assert!(file.exists(), "{package}");
        assert_eq!(audit(&agent, package), "OK");
        remove(&agent, package);
        assert!(!file.exists(), "{package}");
    }
}

#[test]
fn windows_installs_an_msi_an_exe_and_settings_and_removes_them() {
    let world = World::start();
    for name in [
        "example-msi",
        "example-exe",
        "example-registry",
        "example-portable",
    ] {
        world.publish_folder(&example(&world, name));
    }
    let pc = WindowsMachine::new(world.folder(), &world.people().join("alice.crt"));
    let token = world.enrolment_token();
    pc.agent(&["register", "--server", world.address(), "--token", &token])
        .ok();
    pc.agent(&["update"]).ok();
    let names = [
        "example-msi",
        "example-exe",
        "example-registry",
        "example-portable",
    ];
    for name in names {
        pc.agent(&["--standalone", "install", name]).ok();
    }
    pc.agent(&["--standalone", "audit"]).ok();
    for name in names {
        let package = pc.package(name).unwrap();
        assert_eq!(
            (&package["status"], &package["audit_status"]),
            (&"OK".into(), &"OK".into()),
            "{package}"
        );
    }
    let programs = pc.drive().join("Program Files");
    assert!(programs.join("Example Viewer/viewer.txt").is_file());
    assert!(programs.join("Example Editor/editor.txt").is_file());
    assert!(programs.join("example-portable/start.cmd").is_file());
    let policies = r"HKLM\SOFTWARE\Policies\Example";
    assert_eq!(pc.registry(policies, "DisableUpdate").as_deref(), Some("0x1"));

    // Somebody changes a setting: the audit says so and repairs it.
    pc.set_registry(policies, "HomePage", "https://elsewhere.example/");
    pc.agent(&["--standalone", "audit", "example-registry"]);
    assert_eq!(pc.package("example-registry").unwrap()["audit_status"], "WARNING");
    assert_eq!(
        pc.registry(policies, "HomePage").as_deref(),
        Some("https://intranet.example/")
    );

    // Nobody is logged in at a machine without a screen, so that the person is named.
    let people = fs_err::read_dir(pc.drive().join("users")).unwrap();
    let person = people
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .find(|name| name != "Public")
        .unwrap();
    pc.agent(&["--standalone", "session-setup", "--user", &person])
        .ok();
    assert!(pc.registry(r"HKCU\Software\Example", "Greeting").is_some());

    pc.agent(&[&["--standalone", "remove"], names.as_slice()].concat())
        .ok();
    for name in names {
        assert_eq!(pc.package(name), None);
    }
    for folder in ["Example Viewer", "Example Editor", "example-portable"] {
        assert!(!programs.join(folder).exists(), "{folder}");
    }
    assert_eq!(pc.registry(policies, "DisableUpdate"), None);
}

#[test]
fn packages_made_from_an_msi_and_an_exe_run_on_windows_as_they_were_written() {
    let world = World::start();
    let pc = WindowsMachine::new(world.folder(), &world.people().join("alice.crt"));
    let token = world.enrolment_token();
    pc.agent(&["register", "--server", world.address(), "--token", &token])
        .ok();
    let made = [
        (
            "example-msi/example-viewer.msi",
            "made-viewer",
            "Example Viewer/viewer.txt",
        ),
        (
            "example-exe/example-editor.exe",
            "made-editor",
            "Example Editor/editor.txt",
        ),
    ];
    for (installer, name, file) in made {
        let folder = example(&world, installer.split('/').next().unwrap());
        let installer = folder.parent().unwrap().join(installer);
        world
            .muster(
                &["package", "new", name, "--from", installer.to_str().unwrap()],
                "",
            )
            .ok();
        world.publish_folder(&world.people().join(name));
        pc.agent(&["update"]).ok();
        pc.agent(&["--standalone", "install", name]).ok();
        pc.agent(&["--standalone", "audit", name]).ok();
        let package = pc.package(name).unwrap();
        assert_eq!(
            (&package["status"], &package["audit_status"]),
            (&"OK".into(), &"OK".into()),
            "{package}"
        );
        let file = pc.drive().join("Program Files").join(file);
        assert!(file.is_file(), "{name}");
        pc.agent(&["--standalone", "remove", name]).ok();
        assert!(!file.exists(), "{name}");
    }
}

/// A publisher's server: a list of releases, and the one program; the address of the list.
fn publisher(program: &'static [u8]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}/example/latest.json", listener.local_addr().unwrap());
    let list = serde_json::json!({
        "version": "1.4.2",
        "file": "example-1.4.2.txt",
        "sha256": hex::encode(Sha256::digest(program)),
    });
    let answer = move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let mut request = Vec::new();
            let mut byte = [0];
            while !request.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|count| count == 1) {
                request.push(byte[0]);
            }
            let body = if request.windows(11).any(|part| part == b"latest.json") {
                list.to_string().into_bytes()
            } else {
                program.to_vec()
            };
            let head = format!(
                "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                body.len()
            );
            if request.starts_with(b"HEAD") {
                stream.write_all(head.as_bytes()).ok();
            } else {
                stream.write_all(&[head.into_bytes(), body].concat()).ok();
            }
        }
    };
    std::thread::Builder::new()
        .name("publisher".into())
        .spawn(answer)
        .unwrap();
    address
}
