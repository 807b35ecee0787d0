//! Signed rules of repositories, told over the live channel: which machine they lead where, by what it knows of itself
//! and by what the server sees of it.
#![expect(clippy::unwrap_used, reason = "tests")]

use muster_tests::{Agent, Nginx, World, copy_files, eventually};

/// One rule of the file that is signed.
fn rule(nginx: &Nginx, sequence: u32, name: &str, condition: &str, value: &str, more: &str) -> String {
    format!(
        "[[rule]]\nsequence = {sequence}\nname = \"{name}\"\ncondition = \"{condition}\"\nvalue = \"{value}\"\n\
         repo_url = \"{}\"\nserver_pin = \"{}\"\n{more}\n",
        nginx.url(),
        nginx.pin()
    )
}

/// Signs rules and puts them beside the server's packages.
fn sign(world: &World, rules: &str) {
    let file = world.people().join("rules.toml");
    fs_err::write(&file, rules).unwrap();
    let out = world.server_data().join("repository/wapt/rules.json");
    let (file, out) = (file.to_str().unwrap(), out.to_str().unwrap());
    world
        .muster(&["repo", "rules", "sign", file, "--out", out], "")
        .ok();
}

fn mirror(world: &World) -> Nginx {
    let files = world.folder().join("mirror-files");
    copy_files(&world.server_data().join("repository/wapt"), &files);
    Nginx::serve(world.folder(), "mirror", &files)
}

/// The rule by which the main repository is served.
fn led_by(agent: &Agent) -> Option<String> {
    let status = agent.json(&["status"]);
    let rows = status["repositories"].as_array().cloned().unwrap_or_default();
    let main = rows.iter().find(|row| row["name"] == "wapt")?;
    main["rule"]["name"].as_str().map(str::to_owned)
}

fn until_led_by(agent: &Agent, rule: Option<&str>) {
    eventually(&format!("{} is led by {rule:?}", agent.identifier), || {
        let found = led_by(agent);
        if found.as_deref() == rule {
            Ok(())
        } else {
            Err(format!("{found:?}: {}", agent.json(&["status"])))
        }
    });
}

#[test]
fn rules_that_the_server_hints_at_lead_each_machine_by_what_it_is() {
    let world = World::start();
    world.publish(&world.sources("demo-app", "1").marker());
    let mut nginx = mirror(&world);
    // What each machine knows of itself, and the rule that finds it by that.
    let machines = [
        ("till-7", "", Some("by name")),
        ("desk-1", "host_ad_site = \"Berlin\"", Some("by site")),
        (
            "desk-2",
            "host_organizational_unit_dn = \"OU=Lab,DC=corp,DC=example\"",
            Some("by domain"),
        ),
        ("desk-3", "host_ad_site = \"Paris\"", Some("elsewhere")),
        ("desk-4", "use_repo_rules = false", None),
        ("desk-5", "", Some("by address")),
    ];
    let mut agents: Vec<Agent> = Vec::new();
    for (name, lines, _rule) in machines {
        let mut agent = world.enrol(name);
        if !lines.contains("use_repo_rules") {
            agent.configure("use_repo_rules = true");
        }
        if !lines.is_empty() {
            agent.configure(lines);
        }
        agent.start();
        agents.push(agent);
    }
    for agent in &agents {
        world.wait_until_reachable(&agent.identifier);
        until_led_by(agent, None);
    }
    // Nobody asks a machine to do anything from here on.
    let rules = [
        rule(&nginx, 10, "by name", "HOSTNAME", "till-*", ""),
        rule(&nginx, 20, "by site", "SITE", "berlin, potsdam", ""),
        // A machine without a site is in none, and not outside of one either.
        rule(&nginx, 30, "elsewhere", "SITE", "Berlin", "negation = true"),
        rule(&nginx, 40, "by domain", "DOMAIN", "*.example", ""),
        rule(
            &nginx,
            50,
            "by address",
            "PUBLIC IP",
            "127.0.0.0/8, ::1",
            "no_fallback = true",
        ),
        rule(&nginx, 60, "never", "PUBLIC IP", "127.0.0.0/8, ::1", ""),
    ];
    sign(&world, &rules.concat());
    for (agent, (_name, _lines, rule)) in agents.iter().zip(machines) {
        until_led_by(agent, rule);
    }
    for agent in &agents {
        agent.run(&["install", "demo-app"]).ok();
        assert_eq!(
            agent.marker("demo-app").as_deref(),
            Some("1"),
            "{}",
            agent.identifier
        );
    }
    let fetched = nginx.requests();
    let count = fetched
        .iter()
        .filter(|line| line.starts_with("GET /wapt/demo-app"))
        .count();
    assert_eq!(count, machines.len() - 1, "{fetched:?}");

    // The mirror is away. The last rule that fits has no fallback, so nobody else is asked.
    nginx.stop();
    assert_ne!(agents[0].run(&["update"]).code, 0);
    until_led_by(&agents[0], Some("by address"));
    // A machine whom no rule of those leads asks the repository itself.
    agents[4].run(&["update"]).ok();
    nginx.start();
    agents[0].run(&["update"]).ok();
    until_led_by(&agents[0], Some("by name"));
}

#[test]
fn a_rule_by_public_address_counts_from_the_first_report_on() {
    let world = World::start();
    world.publish(&world.sources("demo-app", "1").marker());
    let nginx = mirror(&world);
    sign(
        &world,
        &rule(&nginx, 1, "seen", "PUBLIC IP", "127.0.0.0/8, ::1", ""),
    );
    let agent = world.enrol("pc-1");
    agent.configure("use_repo_rules = true");
    // Without a service: each command begins with what the one before has learned.
    agent.run(&["update"]).ok();
    agent.run(&["update"]).ok();
    assert_eq!(led_by(&agent).as_deref(), Some("seen"));
    agent.run(&["install", "demo-app"]).ok();
    let fetched = nginx.requests();
    assert!(
        fetched.iter().any(|line| line.starts_with("GET /wapt/demo-app")),
        "{fetched:?}"
    );
    // The address that the server saw is not the one that the rule means any more.
    sign(
        &world,
        &rule(&nginx, 1, "seen", "PUBLIC IP", "203.0.113.0/24", ""),
    );
    agent.run(&["update"]).ok();
    assert_eq!(led_by(&agent), None);
    sign(
        &world,
        &rule(
            &nginx,
            1,
            "unseen",
            "PUBLIC IP",
            "203.0.113.0/24",
            "negation = true",
        ),
    );
    agent.run(&["update"]).ok();
    assert_eq!(led_by(&agent).as_deref(), Some("unseen"));
}

#[test]
fn a_machine_that_may_not_fall_back_still_hears_of_rules_that_lead_it_away_from_a_dead_mirror() {
    let world = World::start();
    world.publish(&world.sources("demo-app", "1").marker());
    let mut nginx = mirror(&world);
    let lonely = rule(
        &nginx,
        1,
        "lonely",
        "AGENT IP",
        "127.0.0.0/8, ::1",
        "no_fallback = true",
    );
    sign(&world, &lonely);
    let agent = world.enrol("pc-1");
    agent.configure("use_repo_rules = true");
    agent.run(&["update"]).ok();
    assert_eq!(led_by(&agent).as_deref(), Some("lonely"));
    // It is gone for good. Packages come from nobody else, as its rule says.
    nginx.stop();
    assert_ne!(agent.run(&["update"]).code, 0);
    assert_ne!(agent.run(&["install", "demo-app"]).code, 0);
    assert_eq!(led_by(&agent).as_deref(), Some("lonely"));
    // The administrator takes it out of the rules.
    sign(&world, "");
    agent.run(&["update"]).ok();
    assert_eq!(led_by(&agent), None);
    agent.run(&["install", "demo-app"]).ok();
    assert_eq!(agent.marker("demo-app").as_deref(), Some("1"));

    // The same with a mirror that is there, and never had the rules.
    nginx.start();
    sign(&world, &lonely);
    agent.run(&["update"]).ok();
    assert_eq!(led_by(&agent).as_deref(), Some("lonely"));
    sign(&world, "");
    agent.run(&["update"]).ok();
    assert_eq!(led_by(&agent), None);
}
