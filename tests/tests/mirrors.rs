//! Signed rules lead machines to mirrors, which are trusted for nothing but bytes: every attack beside the same flow
//! without it.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::path::PathBuf;

use muster_tests::{Agent, Nginx, World, copy_files};
use serde_json::Value;

/// Where the server's packages lie.
fn repository(world: &World) -> PathBuf {
    world.server_data().join("repository/wapt")
}

/// A mirror with what the server has now.
fn mirror(world: &World, name: &str) -> (Nginx, PathBuf) {
    let files = world.folder().join(format!("{name}-files"));
    copy_files(&repository(world), &files);
    (Nginx::serve(world.folder(), name, &files), files)
}

/// A rule for every machine.
fn rule(nginx: &Nginx, more: &str) -> String {
    format!(
        "[[rule]]\nsequence = 1\nname = \"near\"\ncondition = \"AGENT IP\"\nvalue = \"127.0.0.0/8, ::1\"\nrepo_url = \
         \"{}\"\nserver_pin = \"{}\"\n{more}\n",
        nginx.url(),
        nginx.pin()
    )
}

/// Signs rules as somebody and puts them beside the server's packages.
fn sign(world: &World, rules: &str, by: &[&str]) {
    let file = world.people().join("rules.toml");
    fs_err::write(&file, rules).unwrap();
    let out = repository(world).join("rules.json");
    let args = [
        "repo",
        "rules",
        "sign",
        file.to_str().unwrap(),
        "--out",
        out.to_str().unwrap(),
    ];
    world.muster(&[&args[..], by].concat(), "").ok();
}

fn agent(world: &World, identifier: &str) -> Agent {
    let agent = world.enrol(identifier);
    agent.configure("use_repo_rules = true");
    agent
}

/// The address that serves the main repository, and what the status says of rules.
fn served(agent: &Agent) -> (Option<String>, Option<String>) {
    let status = agent.json(&["status"]);
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let rows = status["repositories"].as_array().cloned().unwrap_or_default();
    let main = rows.iter().find(|row| row["name"] == "wapt");
    (
        main.and_then(|row| text(&row["rule"]["repo_url"])),
        text(&status["rules_problem"]),
    )
}

#[test]
fn a_signed_rule_leads_to_a_mirror_and_its_end_leads_back() {
    let world = World::start();
    let agent = agent(&world, "pc-1");
    world.publish(&world.sources("demo-app", "1").marker());
    let (mut nginx, files) = mirror(&world, "mirror");
    sign(&world, &rule(&nginx, ""), &[]);
    agent.run(&["update"]).ok();
    assert_eq!(served(&agent), (Some(nginx.url()), None));
    agent.run(&["install", "demo-app"]).ok();
    assert_eq!(agent.marker("demo-app").as_deref(), Some("1"));
    let requests = nginx.requests();
    assert!(
        requests.iter().any(|line| line.starts_with("GET /wapt/demo-app")),
        "{requests:?}"
    );

    // A mirror that is away: the configured address serves.
    nginx.stop();
    world.publish(&world.sources("demo-app", "2").marker());
    agent.run(&["update"]).ok();
    assert_eq!(served(&agent), (None, None));
    agent.run(&["upgrade"]).ok();
    assert_eq!(agent.marker("demo-app").as_deref(), Some("2"));

    // A rule for others does not count here; none at all does not either.
    nginx.start();
    copy_files(&repository(&world), &files);
    let others = rule(&nginx, "").replace("127.0.0.0/8, ::1", "10.99.0.0/16");
    sign(&world, &others, &[]);
    agent.run(&["update"]).ok();
    assert_eq!(served(&agent).0, None);
    sign(&world, &format!("{others}negation = true"), &[]);
    agent.run(&["update"]).ok();
    assert_eq!(served(&agent).0, Some(nginx.url()));
    sign(&world, "", &[]);
    agent.run(&["update"]).ok();
    assert_eq!(served(&agent).0, None);
}

#[test]
fn with_no_fallback_a_machine_asks_the_mirror_or_nobody() {
    let world = World::start();
    let agent = agent(&world, "pc-1");
    world.publish(&world.sources("demo-app", "1").marker());
    let (mut nginx, _files) = mirror(&world, "mirror");
    sign(&world, &rule(&nginx, "no_fallback = true"), &[]);
    agent.run(&["update"]).ok();
    assert_eq!(served(&agent).0, Some(nginx.url()));
    nginx.stop();
    let failed = agent.run(&["update"]);
    assert_ne!(failed.code, 0, "{failed:?}");
    assert_eq!(served(&agent).0, Some(nginx.url()));
    let failed = agent.run(&["install", "demo-app"]);
    assert_ne!(failed.code, 0, "{failed:?}");
    nginx.start();
    agent.run(&["install", "demo-app"]).ok();
    assert_eq!(agent.marker("demo-app").as_deref(), Some("1"));
}

#[test]
fn a_mirror_that_lies_is_found_out_and_the_repository_itself_is_asked() {
    let world = World::start();
    world.publish(&world.sources("demo-app", "1").marker());
    let (nginx, files) = mirror(&world, "mirror");
    // Other bytes of the same length under the same name.
    let package = fs_err::read_dir(&files)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.extension().is_some_and(|extension| extension == "wapt"))
        .unwrap();
    let honest = fs_err::read(&package).unwrap();
    let mut lie = honest.clone();
    let middle = lie.len() / 2;
    lie[middle] ^= 1;
    fs_err::write(&package, &lie).unwrap();

    sign(&world, &rule(&nginx, ""), &[]);
    let agent_one = agent(&world, "pc-1");
    agent_one.run(&["update"]).ok();
    assert_eq!(served(&agent_one).0, Some(nginx.url()));
    agent_one.run(&["install", "demo-app"]).ok();
    assert_eq!(agent_one.marker("demo-app").as_deref(), Some("1"));

    // Where nobody else may be asked, nothing is installed.
    sign(&world, &rule(&nginx, "no_fallback = true"), &[]);
    let agent_two = agent(&world, "pc-2");
    agent_two.run(&["update"]).ok();
    let refused = agent_two.run(&["install", "demo-app"]);
    assert_ne!(refused.code, 0, "{refused:?}");
    assert_eq!(agent_two.marker("demo-app"), None);
    fs_err::write(&package, &honest).unwrap();
    agent_two.run(&["install", "demo-app"]).ok();
    assert_eq!(agent_two.marker("demo-app").as_deref(), Some("1"));
}

#[test]
fn rules_that_are_unsigned_or_of_a_stranger_lead_nowhere() {
    let world = World::start();
    world.publish(&world.sources("demo-app", "1").marker());
    let (nginx, _files) = mirror(&world, "mirror");
    let people = world.people();
    world
        .muster(&["key", "create", "mallory", "--no-password"], "")
        .ok();
    let path = |name: &str| people.join(name).to_str().unwrap().to_owned();
    let (certificate, key) = (path("mallory.crt"), path("mallory.pem"));
    let out = repository(&world).join("rules.json");
    let agent = agent(&world, "pc-1");
    let refused = |word: &str| {
        agent.run(&["update"]).ok();
        let (served, problem) = served(&agent);
        assert_eq!(served, None, "{word}");
        let problem = problem.unwrap_or_default();
        assert!(problem.contains(word), "{problem} does not say {word}");
    };
    sign(
        &world,
        &rule(&nginx, ""),
        &["--certificate", &certificate, "--key", &key],
    );
    refused("not trusted");
    fs_err::write(&out, "{\"rules\": []}").unwrap();
    refused("no signed document");
    // The same, signed by somebody whom the machine trusts, and one byte of it changed.
    sign(&world, &rule(&nginx, ""), &[]);
    let good = fs_err::read(&out).unwrap();
    let mut forged: Value = serde_json::from_slice(&good).unwrap();
    let payload = forged["payload"].as_str().unwrap().to_owned();
    let middle = payload.len() / 2;
    let other = if payload.as_bytes()[middle] == b'A' {
        "B"
    } else {
        "A"
    };
    forged["payload"] = format!("{}{other}{}", &payload[..middle], &payload[middle + 1..]).into();
    fs_err::write(&out, forged.to_string()).unwrap();
    refused("does not fit");
    fs_err::write(&out, &good).unwrap();
    agent.run(&["update"]).ok();
    assert_eq!(served(&agent), (Some(nginx.url()), None));
    // Nonsense, or nothing at all, ends nothing that was in force.
    fs_err::write(&out, "nonsense").unwrap();
    agent.run(&["update"]).ok();
    assert_eq!(served(&agent).0, Some(nginx.url()));
    fs_err::remove_file(&out).unwrap();
    agent.run(&["update"]).ok();
    assert_eq!(served(&agent), (Some(nginx.url()), None));
}

#[test]
fn old_signed_rules_do_not_come_back_and_expired_ones_lead_nowhere() {
    let world = World::start();
    world.publish(&world.sources("demo-app", "1").marker());
    let (nginx, _files) = mirror(&world, "mirror");
    let agent = agent(&world, "pc-1");
    let out = repository(&world).join("rules.json");
    sign(&world, &rule(&nginx, ""), &[]);
    let old = fs_err::read(&out).unwrap();
    agent.run(&["update"]).ok();
    assert_eq!(served(&agent).0, Some(nginx.url()));
    // The administrator takes the mirror out; whoever has the repository brings the old rules again.
    sign(&world, "", &[]);
    agent.run(&["update"]).ok();
    assert_eq!(served(&agent), (None, None));
    fs_err::write(&out, &old).unwrap();
    agent.run(&["update"]).ok();
    let (address, problem) = served(&agent);
    assert_eq!(address, None);
    assert!(problem.unwrap().contains("were in force here"));
    // The same flow without the attack: newer rules are taken.
    sign(&world, &rule(&nginx, ""), &["--days", "1"]);
    agent.run(&["update"]).ok();
    assert_eq!(served(&agent), (Some(nginx.url()), None));

    // Two days later they have expired, which is seen, also when nobody brings anything else.
    let later = at(&agent, "+50h", &["update"]);
    assert_eq!(later.code, 0, "{later:?}");
    let (address, problem) = served(&agent);
    assert_eq!(address, None);
    assert!(problem.unwrap().contains("expired"));
}

#[test]
fn rules_from_far_ahead_lock_nobody_out_of_later_ones() {
    let world = World::start();
    world.publish(&world.sources("demo-app", "1").marker());
    let (nginx, _files) = mirror(&world, "mirror");
    let agent = agent(&world, "pc-1");
    let out = repository(&world).join("rules.json");
    // Signed with a clock that is a year ahead, by mistake or on purpose.
    let file = world.people().join("rules.toml");
    fs_err::write(&file, rule(&nginx, "")).unwrap();
    let people = world.people();
    let path = |name: &str| people.join(name).to_str().unwrap().to_owned();
    let muster = muster_tests::binary("muster").to_str().unwrap().to_owned();
    let (certificate, key) = (path("alice.crt"), path("alice.pem"));
    let args = [
        "-f",
        "+300d",
        &muster,
        "repo",
        "rules",
        "sign",
        file.to_str().unwrap(),
        "--out",
        out.to_str().unwrap(),
        "--certificate",
        &certificate,
        "--key",
        &key,
    ];
    muster_tests::run(std::path::Path::new("faketime"), &args, "", &[]).ok();
    agent.run(&["update"]).ok();
    let (address, problem) = served(&agent);
    assert_eq!(address, None);
    assert!(problem.unwrap().contains("issued on"));
    // Recovery is to sign with the right time.
    sign(&world, &rule(&nginx, ""), &[]);
    agent.run(&["update"]).ok();
    assert_eq!(served(&agent), (Some(nginx.url()), None));
}

/// Runs a command of the agent with another time.
fn at(agent: &Agent, offset: &str, args: &[&str]) -> muster_tests::Done {
    let program = muster_tests::binary("muster-agent").to_str().unwrap().to_owned();
    let root = agent.root().to_str().unwrap().to_owned();
    let all = [&["-f", offset, &program, "--root", &root], args].concat();
    muster_tests::run(std::path::Path::new("faketime"), &all, "", &[])
}

#[test]
fn rules_of_a_revoked_signer_lead_nowhere_any_more() {
    let world = World::start();
    world.publish(&world.sources("demo-app", "1").marker());
    let (nginx, _files) = mirror(&world, "mirror");
    let people = world.people();
    let path = |name: &str| people.join(name).to_str().unwrap().to_owned();
    world
        .muster(&["key", "create", "carol", "--no-password"], "")
        .ok();
    world.trust_certificate("carol.crt");
    let agent = agent(&world, "pc-1");
    agent.trust(&people.join("carol.crt"));
    let (certificate, key) = (path("carol.crt"), path("carol.pem"));
    sign(
        &world,
        &rule(&nginx, ""),
        &["--certificate", &certificate, "--key", &key],
    );
    agent.run(&["update"]).ok();
    assert_eq!(served(&agent), (Some(nginx.url()), None));
    world.muster(&["cert", "revoke", &certificate], "").ok();
    let list = path("carol.crl");
    world.server_command(&["trust", "add", &list]).ok();
    fs_err::copy(&list, agent.root().join("etc/muster/trust/carol.crl")).unwrap();
    agent.run(&["update"]).ok();
    let (address, problem) = served(&agent);
    assert_eq!(address, None);
    assert!(problem.unwrap().contains("revoked"));
    // Somebody else signs them anew.
    sign(&world, &rule(&nginx, ""), &[]);
    agent.run(&["update"]).ok();
    assert_eq!(served(&agent), (Some(nginx.url()), None));
}
