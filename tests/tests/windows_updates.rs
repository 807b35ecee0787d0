//! Updates of Windows from the server's `/waptwua/`: catalogue and files over real HTTP, rules of a signed package,
//! and what the server knows afterwards.
//!
//! The system's own update agent is played by a second one that works in a folder (`MUSTER_REHEARSE_UPDATES`) and is
//! part of debug builds only; everything before and after it is what runs on a Windows machine.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

use muster_tests::{Agent, SystemBus, World, eventually};
use serde_json::{Value, json};

/// A machine whose updates are played in a folder.
struct Machine {
    folder: PathBuf,
    agent: Agent,
}

impl Machine {
    fn new(world: &World, configuration: &str) -> Self {
        let folder = world.folder().join("machine");
        fs_err::create_dir_all(&folder).unwrap();
        let agent = world.enrol("pc-1");
        agent.configure(configuration);
        Self { folder, agent }
    }

    fn start(&mut self) {
        self.start_with(&[]);
    }

    fn start_with(&mut self, more: &[(&str, &std::ffi::OsStr)]) {
        let own = ("MUSTER_REHEARSE_UPDATES", self.folder.as_os_str());
        let mut environment = vec![own];
        environment.extend(more);
        self.agent.start_with(&[], &environment);
        // A command that finds no service works by itself, on a machine without updates.
        let socket = self.agent.root().join("run/muster/agent.sock");
        eventually("the service listens", || {
            std::os::unix::net::UnixStream::connect(&socket)
                .map(drop)
                .map_err(|error| error.to_string())
        });
    }

    /// What the system's update agent was asked, and forgets it.
    fn asked(&self) -> Vec<String> {
        let log = self.folder.join("asked.log");
        let lines = fs_err::read_to_string(&log).unwrap_or_default();
        fs_err::remove_file(&log).ok();
        lines.lines().map(str::to_owned).collect()
    }

    fn status(&self) -> Value {
        self.agent.json(&["waptwua-status", "--all"])
    }

    fn state_of(&self, id: &str) -> String {
        row(&self.status(), id)["status"].as_str().unwrap().to_owned()
    }

    /// Nothing was ever downloaded or installed on it.
    fn forget_all(&self) {
        fs_err::write(self.folder.join("machine.json"), "{}").unwrap();
        self.agent.run(&["waptwua-scan", "--force"]).ok();
        self.asked();
    }

    /// Files that were fetched and not taken yet.
    fn fetched(&self) -> PathBuf {
        let cache = self.agent.root().join("var/lib/muster/cache/waptwua");
        assert!(cache.is_dir(), "{}", cache.display());
        cache
    }
}

fn row<'a>(block: &'a Value, id: &str) -> &'a Value {
    block["updates"]
        .as_array()
        .and_then(|rows| rows.iter().find(|row| row["update_id"] == id))
        .unwrap_or_else(|| panic!("no {id} in {block}"))
}

/// The SHA-1 of bytes, as Microsoft's names carry it.
fn sha1(bytes: &[u8]) -> String {
    let mut child = Command::new("sha1sum")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(bytes).unwrap();
    let output = child.wait_with_output().unwrap();
    String::from_utf8(output.stdout).unwrap()[..40].to_owned()
}

/// A file of an update: bytes that are not all the same, and the path that Microsoft would give it.
fn file(kb: &str, size: usize) -> (String, Vec<u8>) {
    let bytes: Vec<u8> = (0..size).map(|at| u8::try_from(at * 31 % 251).unwrap()).collect();
    let path = format!("c/msdownload/update/windows10.0-kb{kb}-x64_{}.cab", sha1(&bytes));
    (path, bytes)
}

fn update(kb: &str, severity: &str, origin: &str, path: &str) -> Value {
    json!({
        "id": format!("update-{kb}_200"),
        "title": format!("Update KB{kb}"),
        "kbs": [kb],
        "products": ["Windows 11"],
        "classifications": ["Security Updates"],
        "severity": severity,
        "published": "2026-01-02T00:00:00Z",
        "size_bytes": 1000,
        "files": [format!("{origin}/{path}")],
    })
}

/// The server's folder of updates.
fn updates_of(world: &World) -> PathBuf {
    world.server_data().join("repository/waptwua")
}

fn put(folder: &Path, path: &str, bytes: &[u8]) {
    let target = folder.join(path);
    fs_err::create_dir_all(target.parent().unwrap()).unwrap();
    fs_err::write(target.with_extension("new"), bytes).unwrap();
    fs_err::rename(target.with_extension("new"), target).unwrap();
}

fn put_catalogue(world: &World, updates: &[Value]) {
    let text = serde_json::to_vec(updates).unwrap();
    put(&updates_of(world), "wsusscn2.cab", &text);
}

const MICROSOFT: &str = "http://download.windowsupdate.com";

#[test]
fn updates_come_from_the_repository_by_the_rules_of_a_package_and_the_server_knows_of_them() {
    let world = World::start();
    let (wanted, bytes) = file("5030211", 300_000);
    put(&updates_of(&world), &wanted, &bytes);
    put_catalogue(
        &world,
        &[
            update("5030211", "Critical", MICROSOFT, &wanted),
            update("5030299", "Low", MICROSOFT, "c/other.cab"),
        ],
    );
    let rules = world.sources("demo-wsus", "1").with("section", "wsus");
    let text = r#"{"enabled": true, "allowed_severities": ["Critical"]}"#;
    fs_err::write(rules.folder().join("WAPT/waptwua_rules.json"), text).unwrap();
    world.publish(&rules);
    let mut machine = Machine::new(&world, "");
    let by_others = json!({ "history": [{
        "update_id": "foreign_1", "title": "By somebody else", "operation": "install",
        "result": "succeeded", "code": "", "at": "2026-01-03T00:00:00Z",
    }] });
    fs_err::write(machine.folder.join("machine.json"), by_others.to_string()).unwrap();
    machine.start();
    world.wait_for_status("pc-1", "OK");
    world
        .muster(&["host", "edit", "pc-1", "--require", "demo-wsus"], "")
        .ok();
    machine.agent.run(&["upgrade"]).ok();
    assert_eq!(machine.agent.package("demo-wsus").unwrap()["status"], "OK");

    // Looking and fetching.
    machine.agent.run(&["waptwua-download"]).ok();
    let name = wanted.rsplit('/').next().unwrap();
    assert_eq!(
        machine.asked(),
        [
            "service running".to_owned(),
            "search catalogue".to_owned(),
            "service disabled".to_owned(),
            "service running".to_owned(),
            format!("provide update-5030211_200 {name}"),
            "service disabled".to_owned(),
        ]
    );
    let seen = machine.status();
    assert_eq!(seen["status"], "PENDING_UPDATES");
    assert_eq!(row(&seen, "update-5030211_200")["downloaded"], true);
    assert_eq!(row(&seen, "update-5030299_200")["status"], "DISCARDED");
    assert_eq!(seen["rules_packages"], json!(["demo-wsus"]));
    assert!(
        !machine.fetched().join(name).exists(),
        "what was taken is not kept"
    );

    // Installing; the server hears of all of it.
    machine.agent.run(&["waptwua-install"]).ok();
    assert_eq!(
        machine.asked(),
        [
            "service running",
            "install update-5030211_200",
            "service disabled"
        ]
    );
    let known = eventually("the server knows that the update is installed", || {
        let block = world.host("pc-1")["blocks"]["updates"].clone();
        (block["status"] == "OK")
            .then_some(block.clone())
            .ok_or_else(|| block.to_string())
    });
    assert_eq!(row(&known, "update-5030211_200")["installed"], true);
    assert_eq!(known["history"][0]["operation"], "install");
    assert_eq!(known["history"][0]["result"], "succeeded");
    assert_eq!(known["history"][1]["update_id"], "foreign_1", "{known}");
    assert!(known["cab_date"].is_string(), "{known}");

    // The installation changed the machine: one more look; after that nothing is new.
    let first = machine.agent.json(&["waptwua-scan"]);
    assert_eq!(first["value"]["skipped"], false, "{first}");
    let second = machine.agent.json(&["waptwua-scan"]);
    assert_eq!(second["value"]["skipped"], true, "{second}");
    // Until there is another catalogue.
    put_catalogue(&world, &[update("5030211", "Critical", MICROSOFT, &wanted)]);
    let third = machine.agent.json(&["waptwua-scan"]);
    assert_eq!(third["value"]["skipped"], false, "{third}");
    assert_eq!(third["value"]["updates"], 1, "{third}");

    // Without the package nothing drives Windows Update any more, and Windows gets its service back.
    machine.asked();
    machine.agent.run(&["remove", "demo-wsus"]).ok();
    let mut asked = Vec::new();
    eventually("the service is given back", || {
        asked.extend(machine.asked());
        let is_back = asked.contains(&"service given back".to_owned());
        is_back.then_some(()).ok_or_else(|| format!("{asked:?}"))
    });
}

#[test]
fn a_damaged_catalogue_is_fetched_anew() {
    let world = World::start();
    put_catalogue(&world, &[]);
    let mut machine = Machine::new(&world, "");
    machine.start();
    machine.agent.run(&["waptwua-scan"]).ok();
    let catalogue = machine.fetched().join("wsusscn2.cab");
    // Of the same length, so that nothing but its content tells.
    fs_err::write(&catalogue, "{}").unwrap();
    let failed = machine.agent.run(&["waptwua-scan", "--force"]).refused();
    assert!(failed.contains("damaged"), "{failed}");
    assert_eq!(machine.status()["status"], "ERROR");
    machine.agent.run(&["waptwua-scan"]).ok();
    assert_eq!(machine.status()["status"], "OK");
}

/// What somebody asked of the server of a maker of updates.
type Asked = Arc<Mutex<Vec<(String, Option<String>)>>>;

/// A plain web server in the place of Microsoft's: it breaks the first answer off in the middle.
struct Origin {
    url: String,
    asked: Asked,
}

impl Origin {
    fn serve(path: &str, bytes: Vec<u8>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked = Asked::default();
        let (log, path) = (asked.clone(), format!("/{path}"));
        std::thread::Builder::new()
            .name("origin".to_owned())
            .spawn(move || {
                for (number, stream) in listener.incoming().enumerate() {
                    answer(&stream.unwrap(), &path, &bytes, &log, number == 0);
                }
            })
            .unwrap();
        Self { url, asked }
    }

    fn asked(&self) -> Vec<(String, Option<String>)> {
        std::mem::take(&mut self.asked.lock().unwrap())
    }
}

fn answer(mut stream: &TcpStream, path: &str, bytes: &[u8], log: &Asked, breaks_off: bool) {
    let mut lines = BufReader::new(stream).lines().map(Result::unwrap);
    let Some(first) = lines.next() else { return };
    let asked = first.split(' ').nth(1).unwrap().to_owned();
    let headers: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
    let header = |name: &str| {
        headers
            .iter()
            .filter_map(|line| line.split_once(": "))
            .find(|(known, _value)| known.eq_ignore_ascii_case(name))
            .map(|(_known, value)| value.to_owned())
    };
    let range = header("range").filter(|_range| header("if-range").as_deref() == Some("\"one\""));
    log.lock().unwrap().push((asked.clone(), range.clone()));
    if asked != path {
        stream
            .write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            .unwrap();
        return;
    }
    let from: usize = range
        .as_deref()
        .and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok())
        .unwrap_or(0);
    let rest = &bytes[from..];
    let status = if range.is_some() {
        format!(
            "206 Partial Content\r\nContent-Range: bytes {from}-{}/{}",
            bytes.len() - 1,
            bytes.len()
        )
    } else {
        "200 OK".to_owned()
    };
    let head = format!(
        "HTTP/1.1 {status}\r\nETag: \"one\"\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        rest.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    let sent = if breaks_off { rest.len() / 2 } else { rest.len() };
    stream.write_all(&rest[..sent]).unwrap();
}

#[test]
fn what_the_repository_does_not_have_right_comes_from_its_maker_only_if_that_is_allowed() {
    let world = World::start();
    let (path, bytes) = file("1", 400_000);
    let origin = Origin::serve(&path, bytes.clone());
    put_catalogue(&world, &[update("1", "", &origin.url, &path)]);
    // Not what its name says.
    put(&updates_of(&world), &path, b"something else");
    let mut machine = Machine::new(&world, "waptwua = { default_allow = true }");
    machine.start();
    let failed = machine.agent.run(&["waptwua-download"]);
    assert_ne!(failed.code, 0);
    assert!(
        (failed.stdout + &failed.stderr).contains("not the one in its name"),
        "the reason is said"
    );
    assert_eq!(machine.state_of("update-1_200"), "MISSING");
    assert_eq!(origin.asked(), []);

    // The repository has nothing at all: the same.
    fs_err::remove_file(updates_of(&world).join(&path)).unwrap();
    assert_ne!(machine.agent.run(&["waptwua-download"]).code, 0);
    assert_eq!(machine.state_of("update-1_200"), "MISSING");
    assert_eq!(origin.asked(), []);

    // Its maker's server breaks the answer off: Windows fetches it by itself, and what came stays.
    machine.agent.end("TERM");
    let file = machine.agent.root().join("etc/muster/agent.toml");
    let text = fs_err::read_to_string(&file).unwrap();
    let allowed = "default_allow = true, allow_direct_download = true";
    fs_err::write(&file, text.replace("default_allow = true", allowed)).unwrap();
    machine.start();
    machine.asked();
    machine.agent.run(&["waptwua-download"]).ok();
    assert_eq!(machine.asked().last().unwrap(), "download update-1_200");
    let name = path.rsplit('/').next().unwrap();
    let there = fs_err::metadata(machine.fetched().join(format!("{name}.part")))
        .unwrap()
        .len();
    assert!(there > 0 && there < 400_000, "{there}");
    assert_eq!(origin.asked(), [(format!("/{path}"), None)]);

    // The next try goes on behind it.
    machine.forget_all();
    machine.agent.run(&["waptwua-download"]).ok();
    let range = Some(format!("bytes={there}-"));
    assert_eq!(origin.asked(), [(format!("/{path}"), range)]);
    assert_eq!(
        machine.asked().last().unwrap(),
        &format!("provide update-1_200 {name}")
    );
}

/// When a file was written, as HTTP says it.
fn http_date(file: &Path) -> String {
    let modified = fs_err::metadata(file).unwrap().modified().unwrap();
    let modified = jiff::Timestamp::try_from(modified).unwrap();
    modified.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

#[test]
fn a_download_that_was_broken_off_goes_on_where_it_ended_and_a_spoilt_part_begins_again() {
    let world = World::start();
    let (path, bytes) = file("2", 400_000);
    put_catalogue(&world, &[update("2", "", MICROSOFT, &path)]);
    let mut machine = Machine::new(&world, "waptwua = { default_allow = true }");
    machine.start();
    machine.agent.run(&["waptwua-scan"]).ok();
    let mut spoilt = bytes.clone();
    spoilt[0] ^= 1;

    // Only together the two halves are right: what is fetched begins behind the part. The other way round the part
    // is what is wrong, and the whole file is fetched.
    let name = path.rsplit('/').next().unwrap();
    for (part, served) in [(&bytes, &spoilt), (&spoilt, &bytes)] {
        put(&updates_of(&world), &path, served);
        let date = http_date(&updates_of(&world).join(&path));
        let at = |ending: &str| machine.fetched().join(format!("{name}.{ending}"));
        fs_err::write(at("part"), &part[..200_000]).unwrap();
        fs_err::write(at("part.json"), json!({ "last_modified": date }).to_string()).unwrap();
        machine.agent.run(&["waptwua-download"]).ok();
        assert_eq!(row(&machine.status(), "update-2_200")["downloaded"], true);
        assert!(!at("part").exists() && !at("part.json").exists());
        machine.forget_all();
    }
}

#[test]
fn updates_are_installed_before_the_machine_goes_down_and_after_packages() {
    let world = World::start();
    let bus = SystemBus::start(world.folder(), 60);
    world.publish(&world.sources("demo-late", "1").marker());
    let (path, bytes) = file("3", 1000);
    put(&updates_of(&world), &path, &bytes);
    put_catalogue(&world, &[update("3", "", MICROSOFT, &path)]);
    let mut machine = Machine::new(
        &world,
        "upgrade_at_shutdown = true\nwaptwua = { default_allow = true, install_at_shutdown = true }",
    );
    machine.start_with(&[("DBUS_SYSTEM_BUS_ADDRESS", bus.address().as_os_str())]);
    let holds = || {
        bus.locks()
            .iter()
            .any(|(what, who)| what == "shutdown" && who == "Muster")
    };
    eventually("the machine is held back", || {
        holds().then_some(()).ok_or_else(String::new)
    });
    machine.agent.run(&["waptwua-download"]).ok();
    world
        .muster(&["host", "edit", "pc-1", "--require", "demo-late"], "")
        .ok();
    eventually("the package is pending", || {
        let status = machine.agent.json(&["status"]);
        (status["pending"].as_u64() >= Some(1))
            .then_some(())
            .ok_or_else(|| status.to_string())
    });
    bus.announce_shutdown();
    eventually("the machine may go down", || {
        (!holds())
            .then_some(())
            .ok_or_else(|| machine.agent.service().log())
    });
    assert_eq!(machine.agent.marker("demo-late").as_deref(), Some("1"));
    assert_eq!(machine.state_of("update-3_200"), "OK");
    let log = machine.agent.service().log();
    assert!(
        log.contains("1 pending changes are made and 1 updates of Windows installed first"),
        "{log}"
    );
}
