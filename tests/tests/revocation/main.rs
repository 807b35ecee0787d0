//! Whoever was taken back is refused at upload, index, download, install and order after one update, and nobody can
//! block or bring back anybody with lists that the issuer did not sign (security.md rows 6 and 13).
#![expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]

mod distrust;
mod lists;
mod signers;

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use muster_tests::{Agent, World};

/// A world with a CA that the server trusts, and bob and carol whom it vouches for.
fn organisation() -> World {
    let world = World::start();
    let create = |words: &[&str]| {
        let all = [&["key", "create"], words, &["--type", "ec", "--no-password"]].concat();
        world.muster(&all, "").ok();
    };
    create(&["ca", "--ca"]);
    create(&["bob", "--issuer", "ca.crt", "--issuer-key", "ca.pem"]);
    create(&["carol", "--issuer", "ca.crt", "--issuer-key", "ca.pem"]);
    world.trust_certificate("ca.crt");
    world
}

/// An agent that trusts the CA as well as alice.
fn enrol(world: &World, identifier: &str) -> Agent {
    let agent = world.enrol(identifier);
    agent.trust(&world.people().join("ca.crt"));
    agent
}

/// Words that make somebody the signer.
fn by(world: &World, name: &str) -> [String; 4] {
    let file = |extension: &str| {
        let path = world.people().join(format!("{name}.{extension}"));
        path.to_str().unwrap().to_owned()
    };
    [
        "--certificate".to_owned(),
        file("crt"),
        "--key".to_owned(),
        file("pem"),
    ]
}

/// Builds a package of somebody; its path.
fn build(world: &World, name: &str, package: &str) -> PathBuf {
    let sources = world.sources(package, "1").marker();
    let people = world.people();
    let signer = by(world, name);
    let mut words = vec![
        "package",
        "build",
        sources.folder().to_str().unwrap(),
        "--out",
        people.to_str().unwrap(),
    ];
    words.extend(signer.iter().map(String::as_str));
    world.muster(&words, "").ok();
    people.join(format!("{package}_1.wapt"))
}

fn publish(world: &World, name: &str, package: &str) -> PathBuf {
    let path = build(world, name, package);
    world
        .muster(&["package", "upload", path.to_str().unwrap()], "")
        .ok();
    path
}

fn revoke(world: &World, name: &str) {
    let certificate = format!("{name}.crt");
    world
        .muster(
            &[
                "cert",
                "revoke",
                &certificate,
                "--ca",
                "ca.crt",
                "--ca-key",
                "ca.pem",
                "--reason",
                "key-compromise",
            ],
            "",
        )
        .ok();
}

fn trust_list(world: &World, file: &str) {
    let path = world.people().join(file);
    world
        .server_command(&["trust", "add", path.to_str().unwrap()])
        .ok();
}

/// What the agent says when it does not install.
fn refuses(agent: &Agent, package: &str, why: &str) {
    let done = agent.run(&["install", package]);
    assert_ne!(done.code, 0, "{done:?}");
    let said = format!("{}{}", done.stdout, done.stderr);
    assert!(said.contains(why), "{said}");
    assert_eq!(agent.marker(package), None);
}

fn installs(agent: &Agent, package: &str) {
    agent.run(&["install", package]).ok();
    assert_eq!(agent.marker(package).as_deref(), Some("1"));
}

/// A web server that answers everything with one body and counts.
fn web(body: Vec<u8>) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/ca.crl", listener.local_addr().unwrap());
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let answer = move || {
        while let Ok((mut stream, _peer)) = listener.accept() {
            count.fetch_add(1, Ordering::SeqCst);
            let mut request = [0; 4096];
            // Whatever is asked gets the same answer.
            assert!(stream.read(&mut request).is_ok());
            let status = if body.is_empty() { "500 Broken" } else { "200 OK" };
            write!(
                stream,
                "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                body.len()
            )
            .ok();
            stream.write_all(&body).ok();
        }
    };
    std::thread::Builder::new()
        .name("web".into())
        .spawn(answer)
        .unwrap();
    (url, asked)
}
