//! Trouble is no news: whatever a server, a repository and a directory answer while they are broken, a machine keeps
//! what it was assigned, and follows them again as soon as they are well.
#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]

use std::collections::BTreeMap;

use muster_tests::{Agent, BASE, Directory, Nginx, Takeover, World, copy_files};
use serde_json::Value;

const UNIT: &str = "OU=Sales_DC=ad_DC=example_DC=org";

fn entries() -> String {
    format!(
        "dn: OU=Sales,{BASE}\nobjectClass: organizationalUnit\nou: Sales\n\n\
         dn: CN=pc-1,OU=Sales,{BASE}\nobjectClass: computer\ncn: pc-1\nsAMAccountName: PC-1$\n\n\
         dn: CN=kiosks,{BASE}\nobjectClass: groupOfNames\ncn: kiosks\nmember: CN=pc-1,OU=Sales,{BASE}\n"
    )
}

/// What must not change: packages, what is in force and why, where the computer stands, who serves the repository.
fn standing(agent: &Agent) -> BTreeMap<&'static str, Value> {
    let mut packages = agent.json(&["list"]);
    for row in packages.as_array_mut().unwrap() {
        for key in ["changed_at", "audited_at", "log"] {
            row.as_object_mut().unwrap().remove(key);
        }
    }
    let status = agent.json(&["status"]);
    let mut standing: BTreeMap<&str, Value> = ["assigned", "forbidden", "implicit", "pending", "failed"]
        .into_iter()
        .map(|key| (key, status[key].clone()))
        .collect();
    standing.insert("packages", packages);
    for key in ["dn", "groups"] {
        standing.insert(key, status["directory"][key].clone());
    }
    let rows = status["repositories"].as_array().cloned().unwrap_or_default();
    let rules: Vec<Value> = rows.iter().map(|row| row["rule"]["name"].clone()).collect();
    standing.insert("rules", rules.into());
    standing
}

/// Everything that an agent may ask for, answered with other bytes.
fn instead(index: Vec<u8>, other: &[u8]) -> BTreeMap<String, Vec<u8>> {
    BTreeMap::from([
        ("/wapt/Packages".to_owned(), index),
        ("/wapt/rules.json".to_owned(), other.to_vec()),
        ("/wapt-host/pc-1.wapt".to_owned(), other.to_vec()),
        ("/wapt-host/pc-2.wapt".to_owned(), other.to_vec()),
        ("/api/v1/host/report".to_owned(), other.to_vec()),
    ])
}

/// An index that is whole and lists nothing.
fn empty_index(world: &World) -> Vec<u8> {
    let folder = world.folder().join("empty");
    fs_err::create_dir_all(&folder).unwrap();
    world
        .muster(&["repo", "index", folder.to_str().unwrap()], "")
        .ok();
    fs_err::read(folder.join("Packages")).unwrap()
}

#[test]
fn nothing_that_is_assigned_is_taken_for_gone_while_something_is_broken() {
    let mut directory = Directory::start(&entries());
    let mut world = World::start();
    for package in ["demo-app", "demo-tool", "demo-kiosk"] {
        world.publish(&world.sources(package, "1").marker());
    }
    let control_only = |name: &str, section: &str, depends: &str, conflicts: &str| {
        let sources = world.sources(name, "1").with("section", section);
        world.publish(&sources.with("depends", depends).with("conflicts", conflicts));
    };
    control_only(UNIT, "unit", "demo-tool", "demo-game");
    control_only("kiosks", "profile", "demo-kiosk", "");
    // The second machine is led to a mirror by rules.
    let repository = world.server_data().join("repository/wapt");
    let files = world.folder().join("mirror-files");
    copy_files(&repository, &files);
    let nginx = Nginx::serve(world.folder(), "mirror", &files);
    let file = world.people().join("rules.toml");
    let rule = format!(
        "[[rule]]\nsequence = 1\nname = \"near\"\ncondition = \"AGENT IP\"\nvalue = \"127.0.0.0/8, ::1\"\nrepo_url = \
         \"{}\"\nserver_pin = \"{}\"\n",
        nginx.url(),
        nginx.pin()
    );
    fs_err::write(&file, rule).unwrap();
    let out = repository.join("rules.json");
    let (file, out) = (file.to_str().unwrap(), out.to_str().unwrap());
    world
        .muster(&["repo", "rules", "sign", file, "--out", out], "")
        .ok();

    let agents = [world.enrol("pc-1"), world.enrol("pc-2")];
    agents[0].configure(&format!(
        "ldap_url = \"{}\"\nuse_ad_groups = true",
        directory.plain_url()
    ));
    agents[1].configure("use_repo_rules = true");
    for agent in &agents {
        world
            .muster(&["host", "edit", &agent.identifier, "--require", "demo-app"], "")
            .ok();
        agent.run(&["upgrade"]).ok();
    }
    let before: Vec<_> = agents.iter().map(standing).collect();
    assert_eq!(
        before[0]["assigned"],
        serde_json::json!(["demo-app", "demo-kiosk", "demo-tool"])
    );
    assert_eq!(before[0]["forbidden"], serde_json::json!(["demo-game"]));
    assert_eq!(before[1]["rules"], serde_json::json!(["near"]));
    let index = fs_err::read(repository.join("Packages")).unwrap();

    world.kill_server();
    directory.close();
    let tls = world.server_data().join("ca/tls.pem");
    let check = |what: &str| {
        for (agent, before) in agents.iter().zip(&before) {
            // It updates first.
            let done = agent.run(&["upgrade"]);
            assert!(
                done.code >= 0 && !done.stderr.contains("panicked"),
                "{what}: {done:?}"
            );
            assert_eq!(&standing(agent), before, "{what}");
            for package in ["demo-app", "demo-tool", "demo-kiosk"] {
                let is_here = agent.identifier == "pc-1" || package == "demo-app";
                assert_eq!(agent.marker(package).is_some(), is_here, "{what}: {package}");
            }
        }
    };
    check("nobody listens");
    let error = br#"{"code":"internal","message":"the database is away","hints":[],"request_id":"x"}"#;
    let page = b"<html>It works!</html>";
    for (what, status, body) in [
        ("an error of the server", "500 Internal Server Error", &error[..]),
        ("a proxy without a server", "502 Bad Gateway", page),
        ("another web server", "404 Not Found", page),
        ("a page for everything", "200 OK", page),
        ("nothing for everything", "200 OK", b""),
        ("an answer without a change", "304 Not Modified", b""),
    ] {
        let broken = Takeover::always(world.port(), &tls, status, body);
        check(what);
        drop(broken);
    }
    for (what, index) in [
        ("an empty repository", empty_index(&world)),
        ("half an index", index[..index.len() / 2].to_vec()),
        (
            "an index with its middle gone",
            [&index[..100], &index[index.len() / 2..]].concat(),
        ),
    ] {
        let broken = Takeover::serve(world.port(), &tls, instead(index, b"{}"));
        check(what);
        drop(broken);
    }

    // Well again: the same as before, and what people change from here on is followed.
    world.start_server();
    directory.open();
    for (agent, before) in agents.iter().zip(&before) {
        agent.run(&["update"]).ok();
        assert_eq!(&standing(agent), before);
        let edit = [
            "host",
            "edit",
            &agent.identifier,
            "--unrequire",
            "demo-app",
            "--forbid",
            "demo-app",
        ];
        world.muster(&edit, "").ok();
        agent.run(&["upgrade"]).ok();
        assert_eq!(agent.marker("demo-app"), None);
        world.wait_for_status(&agent.identifier, "OK");
    }
}
