//! The pictures of packages: from the package over the server to an ordinary user's window, and pictures that are none.
#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use muster_tests::{Agent, LocalUser, Nginx, World};
use serde_json::{Value, json};

/// The smallest picture: one grey pixel.
const PNG: &str =
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGOwAgAAQQBAYyXZMgAAAABJRU5ErkJggg==";

/// Says a line to the agent's socket as a user and reads the answer.
const SPEAK: &str = "import socket, sys\n\
    s = socket.socket(socket.AF_UNIX)\ns.connect(sys.argv[1])\ns.sendall(sys.argv[2].encode() + b'\\n')\n\
    print(s.makefile().readline())\n";

fn ask(user: &LocalUser, agent: &Agent, request: &Value) -> Value {
    let socket = agent.root().join("run/muster/agent.sock");
    let done = user.python(SPEAK, &[socket.to_str().unwrap(), &request.to_string()]);
    let text = done.ok();
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// The identifier of a package as the catalogue shows it to a user.
fn uuid_of(user: &LocalUser, agent: &Agent, package: &str) -> String {
    let page = ask(user, agent, &json!({ "type": "catalogue", "query": {} }));
    let rows = page["value"]["rows"].as_array().cloned().unwrap_or_default();
    let row = rows.iter().find(|row| row["package"] == package);
    let row = row.unwrap_or_else(|| panic!("{package} in {page}"));
    row["package_uuid"].as_str().unwrap().to_owned()
}

/// The bytes of the picture that a user gets; none when they get none.
fn bytes_for(user: &LocalUser, agent: &Agent, package: &str) -> Vec<u8> {
    let uuid = uuid_of(user, agent, package);
    let answer = ask(user, agent, &json!({ "type": "icon", "package_uuid": uuid }));
    let png = answer["value"]["png"].as_str();
    BASE64.decode(png.unwrap_or_else(|| panic!("{answer}"))).unwrap()
}

fn png() -> Vec<u8> {
    BASE64.decode(PNG).unwrap()
}

/// Begins like a picture and has a megabyte.
fn huge() -> Vec<u8> {
    let mut bytes = png();
    bytes.resize(1024 * 1024, 7);
    bytes
}

fn start(agent: &mut Agent, user: &LocalUser) {
    user.let_pass(agent.root());
    agent.run(&["update"]).ok();
    agent.start();
    agent.wait_until_running();
}

#[test]
fn a_picture_comes_from_its_package_to_an_ordinary_user_and_stays_without_the_server() {
    let Some(user) = LocalUser::create() else { return };
    let mut world = World::start();
    for (package, picture) in [
        ("demo-pretty", Some(png())),
        ("demo-plain", None),
        ("demo-huge", Some(huge())),
        ("demo-text", Some(b"<html>not found</html>".to_vec())),
    ] {
        let sources = world.sources(package, "1").marker();
        if let Some(picture) = picture {
            fs_err::write(sources.folder().join("WAPT/icon.png"), picture).unwrap();
        }
        world.publish(&sources);
    }
    let mut agent = world.enrol("pc-1");
    start(&mut agent, &user);
    assert_eq!(bytes_for(&user, &agent, "demo-pretty"), png());
    for package in ["demo-plain", "demo-huge", "demo-text"] {
        assert_eq!(bytes_for(&user, &agent, package), b"", "{package}");
    }
    for uuid in [
        "00000000-0000-4000-8000-000000000000",
        "../../private/host-key",
        "",
    ] {
        let answer = ask(&user, &agent, &json!({ "type": "icon", "package_uuid": uuid }));
        assert_eq!(answer["error"]["code"], "not_found", "{uuid:?}: {answer}");
    }
    world.kill_server();
    assert_eq!(bytes_for(&user, &agent, "demo-pretty"), png());
    // A package whose picture is none is a package like any.
    world.start_server();
    for package in ["demo-huge", "demo-text"] {
        agent.run(&["install", package]).ok();
        assert_eq!(agent.marker(package).as_deref(), Some("1"));
    }
}

#[test]
fn a_repository_that_serves_bad_pictures_does_no_harm_and_is_asked_again_a_day_later() {
    let Some(user) = LocalUser::create() else { return };
    let world = World::start();
    let files = world.folder().join("lab-files");
    fs_err::create_dir_all(&files).unwrap();
    for package in ["demo-page", "demo-flood"] {
        let sources = world.sources(package, "1").marker();
        fs_err::write(sources.folder().join("WAPT/icon.png"), png()).unwrap();
        let built = world.build(&sources);
        fs_err::copy(&built, files.join(built.file_name().unwrap())).unwrap();
    }
    world.muster(&["repo", "index", files.to_str().unwrap()], "").ok();
    let nginx = Nginx::serve(world.folder(), "lab", &files);
    let mut agent = world.enrol("pc-1");
    let toml = agent.root().join("etc/muster/agent.toml");
    let text = fs_err::read_to_string(&toml).unwrap();
    let (url, authority) = (nginx.url(), nginx.ca_file());
    let table = format!("[repository.lab]\nrepo_url = \"{url}\"\nverify_cert = {authority:?}\n");
    fs_err::write(&toml, format!("repositories = [\"lab\"]\n{text}\n{table}")).unwrap();
    start(&mut agent, &user);

    let served = |package: &str| {
        files
            .join("icons")
            .join(format!("{}.png", uuid_of(&user, &agent, package)))
    };
    fs_err::write(served("demo-page"), "<html>please sign in</html>").unwrap();
    fs_err::write(served("demo-flood"), huge()).unwrap();
    let asked = |package: &str| {
        let uuid = uuid_of(&user, &agent, package);
        nginx
            .requests()
            .iter()
            .filter(|line| line.contains(&uuid))
            .count()
    };
    for package in ["demo-page", "demo-flood"] {
        for _time in 0..3 {
            assert_eq!(bytes_for(&user, &agent, package), b"", "{package}");
        }
        assert_eq!(asked(package), 1, "{package}: {:?}", nginx.requests());
    }
    let kept = agent.root().join("var/lib/muster/cache/icons");
    let sizes = |folder: &std::path::Path| -> u64 {
        let entries = fs_err::read_dir(folder).unwrap();
        entries
            .map(|entry| entry.unwrap().metadata().unwrap().len())
            .sum()
    };
    assert_eq!(sizes(&kept), 0);

    // The administrator of the repository mends it; what was kept of the bad ones is a day old by then.
    for package in ["demo-page", "demo-flood"] {
        fs_err::write(served(package), png()).unwrap();
        let file = kept.join(format!("{}.png", uuid_of(&user, &agent, package)));
        let aged = std::process::Command::new("touch")
            .args(["-d", "2 days ago"])
            .arg(file)
            .status();
        assert!(aged.unwrap().success());
        assert_eq!(bytes_for(&user, &agent, package), png(), "{package}");
    }
    agent.run(&["install", "demo-page", "demo-flood"]).ok();
}
