//! Which lists count: whoever brings them, from wherever, late, ended or damaged.

use std::path::PathBuf;
use std::sync::atomic::Ordering;

use jiff::SignedDuration;
use muster_shared::crypto::issue::{self, SignerKey};
use muster_shared::crypto::revocation::Revoked;
use muster_shared::crypto::{FileSigner, RevocationList, Signer as _};
use muster_shared::index;
use muster_tests::{Agent, Takeover};

use super::{enrol, installs, organisation, publish, refuses, revoke, trust_list, web};

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
