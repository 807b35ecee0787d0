//! A self-signed signer whose key was stolen is distrusted by another anchor, for everything and for ever (row 13).

use std::path::PathBuf;

use muster_tests::{Agent, World, eventually};

use crate::{build, by, publish, refuses};

/// The server's folder of packages.
fn repository(world: &World) -> PathBuf {
    world.server_data().join("repository/wapt")
}

/// Two self-signed people whose certificates the machines and the server trust by themselves, beside alice's.
fn people(world: &World, agent: &Agent, names: &[&str]) {
    for name in names {
        world
            .muster(&["key", "create", name, "--type", "ec", "--no-password"], "")
            .ok();
        let certificate = format!("{name}.crt");
        world.trust_certificate(&certificate);
        agent.trust(&world.people().join(&certificate));
    }
}

/// `who` says that the keys of these are trusted no more, in the server's folder.
fn distrust(world: &World, who: &str, whom: &[&str]) {
    let out = repository(world).join("distrust.json");
    let signer = by(world, who);
    let certificates: Vec<String> = whom.iter().map(|name| format!("{name}.crt")).collect();
    let mut words = vec!["cert", "distrust"];
    words.extend(certificates.iter().map(String::as_str));
    words.extend([
        "--reason",
        "the laptop was stolen",
        "--out",
        out.to_str().unwrap(),
    ]);
    words.extend(signer.iter().map(String::as_str));
    world.muster(&words, "").ok();
}

#[test]
fn row_13_a_stolen_self_signed_key_ends_within_one_update_by_the_word_of_another_anchor() {
    let world = World::start();
    let agent = world.enrol("pc-1");
    people(&world, &agent, &["mallory", "bob"]);
    publish(&world, "mallory", "demo-before");
    publish(&world, "mallory", "demo-after");
    publish(&world, "bob", "demo-bob");
    agent.run(&["update"]).ok();
    agent.run(&["install", "demo-before"]).ok();
    assert_eq!(agent.marker("demo-before").as_deref(), Some("1"));
    let file = build(&world, "mallory", "demo-file");

    distrust(&world, "bob", &["mallory"]);
    agent.run(&["update"]).ok();
    refuses(&agent, "demo-after", "trusted no more");
    let said = agent.run(&["install", file.to_str().unwrap()]);
    assert!(said.code != 0, "{said:?}");
    let said = format!("{}{}", said.stdout, said.stderr);
    assert!(said.contains("bob took the trust"), "{said}");
    let listed = agent.run(&["trust", "list"]).ok();
    assert!(listed.contains("nothing: the key of mallory"), "{listed}");
    // Everybody else goes on, and what is installed stays.
    agent.run(&["install", "demo-bob"]).ok();
    assert_eq!(agent.marker("demo-bob").as_deref(), Some("1"));
    assert_eq!(agent.marker("demo-before").as_deref(), Some("1"));

    // The thief: takes trust from bob, renews the certificate of the same key, has the server forget. Nothing helps.
    distrust(&world, "mallory", &["bob"]);
    agent.run(&["update"]).ok();
    fs_err::remove_file(repository(&world).join("distrust.json")).unwrap();
    agent.run(&["update"]).ok();
    world
        .muster(&["cert", "renew", "mallory.crt", "--out", "again.crt"], "")
        .ok();
    agent.trust(&world.people().join("again.crt"));
    refuses(&agent, "demo-after", "trusted no more");
    agent.run(&["remove", "demo-bob"]).ok();
    agent.run(&["install", "demo-bob"]).ok();
    // Only this machine's administrator undoes it.
    let kept = agent.root().join("var/lib/muster/private/distrust.json");
    fs_err::write(&kept, b"{").unwrap();
    let said = agent.run(&["install", "demo-after"]);
    let said = format!("{}{}", said.stdout, said.stderr);
    assert!(
        said.contains("distrust.json") && said.contains("hint: remove"),
        "{said}"
    );
    fs_err::remove_file(&kept).unwrap();
    agent.run(&["update"]).ok();
    agent.run(&["install", "demo-after"]).ok();
    assert_eq!(agent.marker("demo-after").as_deref(), Some("1"));
}

#[test]
fn orders_and_rules_of_a_distrusted_signer_lead_nowhere() {
    let world = World::start();
    let mut agent = world.enrol("pc-1");
    people(&world, &agent, &["mallory", "bob"]);
    agent.configure("use_repo_rules = true");
    agent.start();
    world.wait_for_status("pc-1", "OK");
    let order = |who: &str| {
        let signer = by(&world, who);
        let mut words = vec!["host", "act", "update", "pc-1", "--wait"];
        words.extend(signer.iter().map(String::as_str));
        world.muster(&words, "")
    };
    order("mallory").ok();
    let rules = world.people().join("rules.toml");
    fs_err::write(
        &rules,
        "[[rule]]\nsequence = 1\nname = \"evil\"\ncondition = \"HOSTNAME\"\nvalue = \"*\"\nno_fallback = true\n\
         repo_url = \"https://127.0.0.1:9/wapt\"\n",
    )
    .unwrap();
    distrust(&world, "bob", &["mallory"]);
    agent.run(&["update"]).ok();
    let refused = order("mallory");
    let said = format!("{}{}", refused.stdout, refused.stderr);
    assert!(refused.code != 0 && said.contains("trusted no more"), "{said}");
    let signer = by(&world, "mallory");
    let out = repository(&world).join("rules.json");
    let mut words = vec![
        "repo",
        "rules",
        "sign",
        rules.to_str().unwrap(),
        "--out",
        out.to_str().unwrap(),
    ];
    words.extend(signer.iter().map(String::as_str));
    world.muster(&words, "").ok();
    agent.run(&["update"]).ok();
    let status = agent.run(&["status"]).ok();
    assert!(status.contains("trusted no more"), "{status}");
    order("bob").ok();
}

#[test]
fn nobody_but_an_anchor_takes_trust_from_anybody() {
    let world = crate::organisation();
    let agent = crate::enrol(&world, "pc-1");
    people(&world, &agent, &["mallory"]);
    publish(&world, "mallory", "demo-app");
    // bob has his certificate from the CA that machines trust; eve has made hers herself.
    world
        .muster(&["key", "create", "eve", "--type", "ec", "--no-password"], "")
        .ok();
    for who in ["bob", "eve"] {
        distrust(&world, who, &["mallory"]);
        agent.run(&["update"]).ok();
    }
    eventually("the package is on offer", || {
        let found = agent.run(&["search", "demo-app"]);
        found
            .stdout
            .contains("demo-app")
            .then_some(())
            .ok_or(found.stdout)
    });
    // A changed document, and one of another kind.
    let out = repository(&world).join("distrust.json");
    let good = fs_err::read_to_string(&out).unwrap();
    for bad in [
        good.replace("distrust+json", "action+json"),
        good.replacen("\"sig\": \"", "\"sig\": \"AA", 1),
        "{}".to_owned(),
        "[".repeat(100_000),
    ] {
        fs_err::write(&out, bad).unwrap();
        agent.run(&["update"]).ok();
    }
    crate::installs(&agent, "demo-app");
    // With no key against itself.
    let signer = by(&world, "mallory");
    let mut words = vec!["cert", "distrust", "mallory.crt", "--out", "own.json"];
    words.extend(signer.iter().map(String::as_str));
    let said = world.muster(&words, "").refused();
    assert!(said.contains("muster cert revoke"), "{said}");
}
