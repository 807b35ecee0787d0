//! Who is refused, and where: upload, index, download, install, orders and assignments.

use std::sync::atomic::Ordering;

use jiff::SignedDuration;
use muster_shared::crypto::issue::{self, SignerKey};
use muster_shared::crypto::{FileSigner, RevocationList, Signer as _};
use muster_tests::World;

use super::{build, by, enrol, installs, organisation, publish, refuses, revoke, trust_list, web};

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
