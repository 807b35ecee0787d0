//! The program itself: set up, checked, started, stopped, and what it says when it cannot.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use muster_shared::crypto::Signer as _;
use muster_shared::crypto::tls::{ServerAddress, ServerTrust, client_config};
use muster_shared::protocol::session::{Role, Session, SignIn};
use serde_json::Value;

use crate::client::good;
use crate::harness::signer;

fn program(root: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_muster-server"));
    command.arg("--root").arg(root).env_remove("MUSTER_LOG");
    command
}

fn run(root: &Path, arguments: &[&str]) -> Output {
    program(root)
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

fn text(output: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (text(&output.stdout), text(&output.stderr))
}

fn init(root: &Path) -> Value {
    let output = run(root, &["init", "--name", "localhost", "--port", "0", "--json"]);
    assert!(output.status.success(), "{:?}", text(&output));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[tokio::test]
async fn a_server_that_was_set_up_runs_lets_its_administrator_in_and_stops_on_sigterm() {
    let root = tempfile::tempdir().unwrap();
    let made = init(root.path());
    let mut child = program(root.path())
        .arg("run")
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().unwrap())
        .read_line(&mut line)
        .unwrap();
    let url = line.trim().strip_prefix("listening on ").unwrap().to_owned();
    let data = root.path().join("var/lib/muster-server");
    assert_eq!(
        fs_err::read_to_string(data.join("run/address")).unwrap().trim(),
        url
    );
    let (address, _) = text(&run(root.path(), &["address"]));
    let address = ServerAddress::parse(address.trim()).unwrap();
    assert_eq!(address.base_url(), url);
    let promised =
        ServerAddress::parse(made["address"].as_str().unwrap().replace(":0#", "#").as_str()).unwrap();
    assert_eq!(promised.pin, address.pin);
    let tls = client_config(&ServerTrust::Pin(address.pin.unwrap())).unwrap();
    let client = reqwest::Client::builder()
        .tls_backend_preconfigured(rustls::ClientConfig::clone(&tls))
        .build()
        .unwrap();
    let body = SignIn {
        user: "admin".into(),
        password: made["password"].as_str().unwrap().into(),
    };
    let answer = client
        .post(format!("{url}/api/v1/session"))
        .json(&body)
        .send()
        .await
        .unwrap();
    assert_eq!(good::<Session>(answer).await.role, Role::Administrator);
    // Users are added beside the running server.
    let mut adding = program(root.path())
        .args(["user", "add", "bob", "--role", "deployer", "--password-stdin"])
        .stdin(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    adding
        .stdin
        .take()
        .unwrap()
        .write_all(b"a password of bob\n")
        .unwrap();
    assert!(adding.wait().unwrap().success());
    let body = SignIn {
        user: "Bob".into(),
        password: "a password of bob".into(),
    };
    let answer = client
        .post(format!("{url}/api/v1/session"))
        .json(&body)
        .send()
        .await
        .unwrap();
    assert_eq!(good::<Session>(answer).await.role, Role::Deployer);
    // An open stream does not keep the server from stopping.
    let session: Session = {
        let body = SignIn {
            user: "bob".into(),
            password: "a password of bob".into(),
        };
        good(
            client
                .post(format!("{url}/api/v1/session"))
                .json(&body)
                .send()
                .await
                .unwrap(),
        )
        .await
    };
    let _stream = client
        .get(format!("{url}/api/v1/events"))
        .bearer_auth(session.token)
        .send()
        .await
        .unwrap();
    let killed = Command::new("kill")
        .args(["-TERM", &child.id().to_string()])
        .status()
        .unwrap();
    assert!(killed.success());
    assert!(child.wait().unwrap().success());
    assert!(!data.join("run/address").exists());
}

#[test]
fn nothing_is_overwritten_by_a_second_init() {
    let root = tempfile::tempdir().unwrap();
    init(root.path());
    let before = fs_err::read(root.path().join("var/lib/muster-server/ca/server-ca.crt")).unwrap();
    let output = run(root.path(), &["init", "--name", "localhost"]);
    assert_eq!(output.status.code(), Some(1));
    let (stdout, stderr) = text(&output);
    assert!(
        stdout.is_empty() && stderr.contains("set up already") && stderr.contains("hint:"),
        "{stderr}"
    );
    assert_eq!(
        fs_err::read(root.path().join("var/lib/muster-server/ca/server-ca.crt")).unwrap(),
        before
    );
}

#[test]
fn every_failure_is_one_clear_message_with_what_to_do() {
    let root = tempfile::tempdir().unwrap();
    let fails = |arguments: &[&str], says: &str| {
        let output = run(root.path(), arguments);
        let (_, stderr) = text(&output);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {stderr}");
        assert!(
            stderr.starts_with("error: ") && stderr.contains(says) && stderr.contains("hint: "),
            "{stderr}"
        );
    };
    fails(&["run"], "server.toml");
    fails(&["user", "list"], "server.toml");
    fails(&["init", "--name", "https://x"], "neither a host name");
    fails(&["init", "--name", "localhost", "--admin", "A b"], "no user name");
    init(root.path());
    fails(&["trust", "add", "/no/such/file"], "is no certificate");
    fails(&["trust", "remove", "0123456789"], "no trusted certificate");
    fails(&["user", "passwd", "nobody"], "there is no user nobody");
    fails(&["user", "add", "admin"], "there is a user admin already");
    let config = root.path().join("etc/muster/server.toml");
    let good = fs_err::read_to_string(&config).unwrap();
    fs_err::write(&config, format!("{good}colour = 1\n")).unwrap();
    fails(&["run"], "colour");
    fs_err::write(&config, good).unwrap();
    fs_err::remove_file(root.path().join("var/lib/muster-server/ca/host-ca.key")).unwrap();
    fails(&["run"], "host-ca.key");
}

#[test]
fn check_names_what_is_wrong_and_only_that() {
    let root = tempfile::tempdir().unwrap();
    init(root.path());
    let check = || {
        let output = run(root.path(), &["check", "--json"]);
        let rows: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
        let failed: Vec<String> = rows
            .iter()
            .filter(|row| row["verdict"] == "FAILED")
            .map(|row| row["layer"].as_str().unwrap().to_owned())
            .collect();
        (output.status.code(), failed)
    };
    assert_eq!(check(), (Some(0), vec![]));
    let data = root.path().join("var/lib/muster-server");
    fs_err::remove_file(data.join("muster.sqlite")).unwrap();
    fs_err::remove_file(data.join("ca/tls.pem")).unwrap();
    assert_eq!(
        check(),
        (Some(1), vec!["certificates".to_owned(), "database".to_owned()])
    );
}

#[test]
fn trust_is_a_folder_of_certificates() {
    let root = tempfile::tempdir().unwrap();
    init(root.path());
    let signer = signer("Alice");
    let file = root.path().join("alice.crt");
    fs_err::write(&file, signer.certificate().to_pem()).unwrap();
    let fingerprint = signer.certificate().fingerprint();
    let added = run(root.path(), &["trust", "add", file.to_str().unwrap()]);
    assert_eq!(text(&added).0.trim(), fingerprint);
    let (listed, _) = text(&run(root.path(), &["trust", "list"]));
    assert!(
        listed.contains("Alice") && listed.starts_with(&fingerprint[..16]),
        "{listed}"
    );
    assert!(
        run(root.path(), &["trust", "remove", &fingerprint[..12]])
            .status
            .success()
    );
    assert_eq!(text(&run(root.path(), &["trust", "list"])).0, "");
}
