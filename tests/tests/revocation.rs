//! Whoever was taken back is refused at upload, index, download, install and order after one update, and nobody can
//! block or bring back anybody with lists that the issuer did not sign (security.md rows 6 and 13).
#![expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use jiff::SignedDuration;
use muster_shared::crypto::issue::{self, SignerKey};
use muster_shared::crypto::revocation::Revoked;
use muster_shared::crypto::{FileSigner, RevocationList, Signer as _};
use muster_shared::index;
use muster_tests::{Agent, Takeover, World};

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

#[test]
fn what_a_revoked_signer_signed_is_refused_everywhere_after_one_update() {
    let world = organisation();
    let agent = enrol(&world, "pc-1");
    publish(&world, "bob", "demo-before");
    publish(&world, "bob", "demo-after");
    publish(&world, "carol", "demo-carol");
    agent.run(&["update"]).ok();
    installs(&agent, "demo-before");

    revoke(&world, "bob");
    trust_list(&world, "ca.crl");
    // Upload.
    let late = build(&world, "bob", "demo-late");
    let said = world
        .muster(&["package", "upload", late.to_str().unwrap()], "")
        .refused();
    assert!(said.contains("bob was revoked on"), "{said}");
    // Index, after one update.
    agent.run(&["update"]).ok();
    refuses(&agent, "demo-after", "bob was revoked on");
    // Download and install: a file that a person hands over is judged the same.
    let file = world.people().join("demo-after_1.wapt");
    let done = agent.run(&["install", file.to_str().unwrap()]);
    assert_ne!(done.code, 0, "{done:?}");
    assert_eq!(agent.marker("demo-after"), None);
    // An order through the server.
    let signer = by(&world, "bob");
    let words: Vec<&str> = ["host", "act", "update", "pc-1"]
        .into_iter()
        .chain(signer.iter().map(String::as_str))
        .collect();
    let said = world.muster(&words, "").refused();
    assert!(said.contains("bob was revoked on"), "{said}");
    // Everybody else goes on.
    installs(&agent, "demo-carol");
    // The server says whom it took back.
    let listed = world.server_command(&["trust", "list"]).ok();
    assert!(listed.contains("list     of ca: 1 taken back"), "{listed}");
}

#[test]
fn an_order_of_a_revoked_signer_is_refused_by_the_agent_itself() {
    let world = organisation();
    let mut agent = enrol(&world, "pc-1");
    agent.start();
    world.wait_for_status("pc-1", "OK");
    let order = |name: &str| {
        let signer = by(&world, name);
        let words: Vec<&str> = ["host", "act", "update", "pc-1", "--wait"]
            .into_iter()
            .chain(signer.iter().map(String::as_str))
            .collect();
        world.muster(&words, "")
    };
    order("bob").ok();
    // The server does not know the list, or does not want to: the machine does.
    revoke(&world, "bob");
    fs_err::copy(
        world.people().join("ca.crl"),
        agent.root().join("etc/muster/trust/ca.crl"),
    )
    .unwrap();
    let done = order("bob");
    assert_ne!(done.code, 0, "{done:?}");
    let said = format!("{}{}", done.stdout, done.stderr);
    assert!(said.contains("bob was revoked on"), "{said}");
    order("carol").ok();
}

#[test]
fn a_self_signed_signer_is_revoked_by_a_list_of_its_own_key() {
    let world = World::start();
    let agent = world.enrol("pc-1");
    world.publish(&world.sources("demo-one", "1").marker());
    world.publish(&world.sources("demo-two", "1").marker());
    agent.run(&["update"]).ok();
    installs(&agent, "demo-one");
    world
        .muster(&["cert", "revoke", "alice.crt", "--reason", "key-compromise"], "")
        .ok();
    trust_list(&world, "alice.crl");
    agent.run(&["update"]).ok();
    refuses(&agent, "demo-two", "alice was revoked on");
    let listed = agent.run(&["trust", "list"]).ok();
    assert!(listed.contains("alice was revoked on"), "{listed}");
}

#[test]
fn a_repository_in_the_wrong_hands_blocks_nobody_and_brings_nobody_back() {
    let mut world = organisation();
    let agent = enrol(&world, "pc-1");
    for (name, package) in [("bob", "demo-bob"), ("carol", "demo-carol")] {
        publish(&world, name, package);
    }
    world
        .muster(&["cert", "crl", "--ca", "ca.crt", "--ca-key", "ca.pem"], "")
        .ok();
    let read = |file: &str| {
        let mut lists = RevocationList::all_from_file(&world.people().join(file)).unwrap();
        lists.remove(0).der().to_vec()
    };
    let older = read("ca.crl");
    revoke(&world, "bob");
    let newer = read("ca.crl");
    // A list that takes carol back, signed by another CA of the same name.
    let forged = {
        let people = world.people();
        let create = [
            "key",
            "create",
            "forger",
            "--cn",
            "ca",
            "--ca",
            "--type",
            "ec",
            "--no-password",
        ];
        world.muster(&create, "").ok();
        let signer = FileSigner::open(&people.join("forger.crt"), &people.join("forger.pem"), None).unwrap();
        let carol = muster_shared::crypto::Certificate::chain_from_file(&people.join("carol.crt")).unwrap();
        let now = muster_shared::clock::now();
        let entry = Revoked {
            at: now,
            reason: None,
        };
        let entries = [(carol[0].serial(), entry)];
        let next = now + SignedDuration::from_hours(1);
        let key = SignerKey(&signer);
        let list = issue::revocation_list(signer.certificate(), &key, &entries, u64::MAX, now, next);
        list.unwrap().der().to_vec()
    };
    trust_list(&world, "ca.crl");
    agent.run(&["update"]).ok();
    refuses(&agent, "demo-bob", "bob was revoked on");

    let repository = world.server_data().join("repository/wapt");
    let honest = index::read(
        &fs_err::read(repository.join("Packages")).unwrap(),
        &index::IndexLimits::default(),
    );
    let honest = honest.unwrap();
    assert_eq!(honest.crls, [newer]);
    let carols = fs_err::read(repository.join("demo-carol_1_all.wapt"))
        .or_else(|_| fs_err::read(world.people().join("demo-carol_1.wapt")))
        .unwrap();
    let carols_name = honest
        .entries
        .iter()
        .find(|entry| entry.control.package() == "demo-carol")
        .unwrap()
        .filename
        .clone();
    let (port, tls) = (world.port(), world.server_data().join("ca/tls.pem"));
    world.kill_server();
    for lists in [vec![], vec![older], vec![forged]] {
        let packages = index::write(
            &honest.entries,
            &honest.certificates,
            &lists,
            muster_shared::clock::now(),
        )
        .unwrap();
        let files = [
            ("/wapt/Packages".to_owned(), packages),
            (format!("/wapt/{carols_name}"), carols.clone()),
        ];
        let _taken = Takeover::serve(port, &tls, files.into());
        agent.run(&["update"]);
        refuses(&agent, "demo-bob", "bob was revoked on");
    }
    let files = [(format!("/wapt/{carols_name}"), carols)];
    let _taken = Takeover::serve(port, &tls, files.into());
    installs(&agent, "demo-carol");
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

#[test]
fn a_list_is_taken_from_the_web_and_an_address_that_is_down_stops_no_update() {
    let world = organisation();
    let agent = enrol(&world, "pc-1");
    publish(&world, "bob", "demo-bob");
    let (broken, asked) = web(Vec::new());
    agent.configure(&format!("crl_urls = [\"{broken}\"]"));
    agent.run(&["update"]).ok();
    agent.run(&["update"]).ok();
    assert_eq!(
        asked.load(Ordering::SeqCst),
        1,
        "a failure is remembered for an hour"
    );

    let other = enrol(&world, "pc-2");
    revoke(&world, "bob");
    let (url, asked) = web(fs_err::read(world.people().join("ca.crl")).unwrap());
    other.configure(&format!("crl_urls = [\"{url}\"]"));
    other.run(&["update"]).ok();
    assert_eq!(asked.load(Ordering::SeqCst), 1);
    refuses(&other, "demo-bob", "bob was revoked on");
    // The same flow without the list.
    installs(&agent, "demo-bob");
}

#[test]
fn a_known_list_that_ended_refuses_until_there_is_a_new_one() {
    let world = organisation();
    let agent = enrol(&world, "pc-1");
    publish(&world, "bob", "demo-bob");
    agent.run(&["update"]).ok();
    let people = world.people();
    let signer = FileSigner::open(&people.join("ca.crt"), &people.join("ca.pem"), None).unwrap();
    let now = muster_shared::clock::now();
    let list = |number, next| {
        let key = SignerKey(&signer);
        let made = now - SignedDuration::from_hours(48);
        issue::revocation_list(signer.certificate(), &key, &[], number, made, next).unwrap()
    };
    let file = agent.root().join("etc/muster/trust/ca.crl");
    fs_err::write(&file, list(1, now - SignedDuration::from_hours(1)).der()).unwrap();
    refuses(&agent, "demo-bob", "the revocation list of ca ended on");
    let refused = people.join("ended.crl");
    fs_err::write(&refused, list(1, now - SignedDuration::from_hours(1)).to_pem()).unwrap();
    let said = world
        .server_command(&["trust", "add", refused.to_str().unwrap()])
        .refused();
    assert!(said.contains("ended on"), "{said}");
    fs_err::write(&file, list(2, now + SignedDuration::from_hours(100)).der()).unwrap();
    installs(&agent, "demo-bob");
    // The server warns a week before.
    let soon = people.join("soon.crl");
    fs_err::write(&soon, list(3, now + SignedDuration::from_hours(100)).to_pem()).unwrap();
    trust_list(&world, "soon.crl");
    let checked = world.server_command(&["check"]);
    assert!(
        checked.stdout.contains("the revocation list of ca ends on"),
        "{checked:?}"
    );
}

#[test]
fn a_signer_of_another_perimeter_assigns_nothing_to_a_host_that_does_not_trust_their_ca() {
    let world = organisation();
    publish(&world, "alice", "demo-app");
    let outside = world.enrol("pc-outside");
    let inside = enrol(&world, "pc-inside");
    let signer = by(&world, "bob");
    for host in ["pc-outside", "pc-inside"] {
        let words: Vec<&str> = ["host", "edit", host, "--require", "demo-app"]
            .into_iter()
            .chain(signer.iter().map(String::as_str))
            .collect();
        world.muster(&words, "").ok();
    }
    let done = outside.run(&["update"]);
    assert!(
        format!("{done:?}").contains("no trusted certificate issued the signer bob"),
        "{done:?}"
    );
    outside.run(&["upgrade"]);
    assert_eq!(outside.marker("demo-app"), None);
    inside.run(&["update"]).ok();
    inside.run(&["upgrade"]).ok();
    assert_eq!(inside.marker("demo-app").as_deref(), Some("1"));
    // One update after bob was taken back, a new assignment of his counts no more.
    publish(&world, "alice", "demo-next");
    let words: Vec<&str> = ["host", "edit", "pc-inside", "--require", "demo-next"]
        .into_iter()
        .chain(signer.iter().map(String::as_str))
        .collect();
    world.muster(&words, "").ok();
    revoke(&world, "bob");
    trust_list(&world, "ca.crl");
    let done = inside.run(&["update"]);
    assert!(format!("{done:?}").contains("bob was revoked on"), "{done:?}");
    inside.run(&["upgrade"]);
    assert_eq!(inside.marker("demo-next"), None);
}

/// Signs a list as somebody whose files lie among the people's.
fn sign_list(world: &World, name: &str, number: u64) -> RevocationList {
    let people = world.people();
    let (certificate, key) = (format!("{name}.crt"), format!("{name}.pem"));
    let signer = FileSigner::open(&people.join(certificate), &people.join(key), None).unwrap();
    let now = muster_shared::clock::now();
    let next = now + SignedDuration::from_hours(24);
    let key = SignerKey(&signer);
    issue::revocation_list(signer.certificate(), &key, &[], number, now, next).unwrap()
}

#[test]
fn a_stolen_key_does_not_take_its_own_revocation_back() {
    let world = World::start();
    let create = ["key", "create", "thief", "--type", "ec", "--no-password"];
    world.muster(&create, "").ok();
    world.trust_certificate("thief.crt");
    let agent = world.enrol("pc-1");
    agent.trust(&world.people().join("thief.crt"));
    publish(&world, "thief", "demo-stolen");
    agent.run(&["update"]).ok();
    world
        .muster(&["cert", "revoke", "thief.crt", "--reason", "key-compromise"], "")
        .ok();
    trust_list(&world, "thief.crl");
    agent.run(&["update"]).ok();
    refuses(&agent, "demo-stolen", "thief was revoked on");

    let empty = sign_list(&world, "thief", u64::MAX);
    let file = world.people().join("empty.crl");
    fs_err::write(&file, empty.to_pem()).unwrap();
    let said = world
        .server_command(&["trust", "add", file.to_str().unwrap()])
        .refused();
    assert!(
        said.contains("its revocation lists do not count any more"),
        "{said}"
    );
    // Neither by hand nor from the web.
    let (url, asked) = web(empty.der().to_vec());
    agent.configure(&format!("crl_urls = [\"{url}\"]"));
    fs_err::write(agent.root().join("etc/muster/trust/thief.crl"), empty.der()).unwrap();
    agent.run(&["update"]).ok();
    assert_eq!(asked.load(Ordering::SeqCst), 1);
    refuses(&agent, "demo-stolen", "thief was revoked on");
}

#[test]
fn a_list_that_counts_only_later_and_one_that_went_away_are_taken_from_the_index_that_is_here() {
    let world = organisation();
    publish(&world, "bob", "demo-bob");
    revoke(&world, "bob");
    trust_list(&world, "ca.crl");
    let agent = world.enrol("pc-1");
    agent.run(&["update"]).ok();
    // The index does not change any more; the trust folder does.
    agent.trust(&world.people().join("ca.crt"));
    agent.run(&["update"]).ok();
    refuses(&agent, "demo-bob", "bob was revoked on");
    for list in kept(&agent) {
        fs_err::remove_file(list).unwrap();
    }
    agent.run(&["update"]).ok();
    refuses(&agent, "demo-bob", "bob was revoked on");
}

/// The files of the lists that an agent keeps.
fn kept(agent: &Agent) -> Vec<PathBuf> {
    fn below(folder: &std::path::Path, found: &mut Vec<PathBuf>) {
        for entry in fs_err::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                below(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "crl") {
                found.push(path);
            }
        }
    }
    let mut found = Vec::new();
    below(agent.root(), &mut found);
    found
}

#[test]
fn a_damaged_kept_list_refuses_until_its_successor_takes_its_place() {
    let mut world = organisation();
    let agent = enrol(&world, "pc-1");
    publish(&world, "bob", "demo-bob");
    revoke(&world, "bob");
    trust_list(&world, "ca.crl");
    agent.run(&["update"]).ok();
    let lists = kept(&agent);
    assert_eq!(lists.len(), 1);
    fs_err::write(&lists[0], "damaged").unwrap();
    // A repository that leaves the list out brings bob not back.
    let repository = world.server_data().join("repository/wapt");
    let honest = fs_err::read(repository.join("Packages")).unwrap();
    let honest = index::read(&honest, &index::IndexLimits::default()).unwrap();
    let without = index::write(
        &honest.entries,
        &honest.certificates,
        &[],
        muster_shared::clock::now(),
    )
    .unwrap();
    let (port, tls) = (world.port(), world.server_data().join("ca/tls.pem"));
    world.kill_server();
    {
        let files = [("/wapt/Packages".to_owned(), without)];
        let _taken = Takeover::serve(port, &tls, files.into());
        assert_ne!(agent.run(&["update"]).code, 0);
        refuses(&agent, "demo-bob", "cannot be used as a revocation list");
    }
    world.start_server();
    agent.run(&["update"]).ok();
    refuses(&agent, "demo-bob", "bob was revoked on");
}
