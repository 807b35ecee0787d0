//! Several repositories on one machine: pooled, each reached and judged in its own way, each failing alone. The further
//! ones are folders behind a real nginx, between them and the agent a real proxy.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::path::PathBuf;
use std::time::{Duration, Instant};

use muster_tests::{Agent, Nginx, Proxy, Sources, World};
use serde_json::Value;

/// A folder of packages with its index.
struct Folder {
    path: PathBuf,
}

impl Folder {
    fn new(world: &World, name: &str) -> Self {
        let path = world.folder().join(format!("{name}-files"));
        fs_err::create_dir_all(&path).unwrap();
        Self { path }
    }

    /// Adds packages that alice signs.
    fn add(&self, world: &World, sources: &[Sources]) {
        self.add_by(world, "alice", sources);
    }

    fn add_by(&self, world: &World, signer: &str, sources: &[Sources]) {
        let people = world.people();
        let (certificate, key) = (
            people.join(format!("{signer}.crt")),
            people.join(format!("{signer}.pem")),
        );
        for one in sources {
            let args = [
                "package",
                "build",
                one.folder().to_str().unwrap(),
                "--out",
                self.path.to_str().unwrap(),
                "--certificate",
                certificate.to_str().unwrap(),
                "--key",
                key.to_str().unwrap(),
            ];
            world.muster(&args, "").ok();
        }
        world
            .muster(&["repo", "index", self.path.to_str().unwrap()], "")
            .ok();
    }
}

/// Sources that leave another text for each repository.
fn sources(world: &World, of: &str, package: &str, version: &str) -> Sources {
    Sources::new(&world.people().join(format!("sources-{of}")), package, version).script(&format!(
        "from setuphelpers import *\n\ndef install():\n    mkdirs(programfiles())\n\
         \x20   with open(makepath(programfiles(), control.package + '.txt'), 'w') as file:\n\
         \x20       file.write(control.version + ' of {of}')\n\ndef uninstall():\n    pass\n"
    ))
}

/// Appends tables to `agent.toml`.
fn configure(agent: &Agent, names: &[&str], tables: &str) {
    let file = agent.root().join("etc/muster/agent.toml");
    let text = fs_err::read_to_string(&file).unwrap();
    let names: Vec<String> = names.iter().map(|name| format!("\"{name}\"")).collect();
    let line = format!("repositories = [{}]\n", names.join(", "));
    fs_err::write(&file, format!("{line}{text}\n{tables}\n")).unwrap();
}

fn table(nginx: &Nginx, name: &str, more: &str) -> String {
    format!(
        "[repository.{name}]\nrepo_url = \"{}\"\nverify_cert = {:?}\n{more}\n",
        nginx.url(),
        nginx.ca_file().display().to_string()
    )
}

/// What `list-upgrade` and the catalogue know of a package, as offered.
fn offered(agent: &Agent, package: &str) -> Vec<String> {
    let shown = agent.json(&["show", package]);
    let rows = shown["offered"].as_array().cloned().unwrap_or_default();
    rows.iter()
        .map(|row| row["version"].as_str().unwrap().to_owned())
        .collect()
}

fn installed_from(agent: &Agent, package: &str) -> String {
    agent.json(&["show", package])["installed"]["repository"]
        .as_str()
        .unwrap_or_default()
        .to_owned()
}

#[test]
fn packages_of_several_repositories_are_pooled_and_of_one_version_the_main_one_wins() {
    let world = World::start();
    let agent = world.enrol("pc-1");
    let extra = Folder::new(&world, "extra");
    world.publish(&sources(&world, "main", "demo-app", "1"));
    extra.add(
        &world,
        &[
            sources(&world, "extra", "demo-app", "1"),
            sources(&world, "extra", "demo-tool", "3").with("depends", "demo-app"),
            sources(&world, "extra", "demo-other", "7"),
        ],
    );
    let nginx = Nginx::serve(world.folder(), "nginx", &extra.path);
    configure(&agent, &["extra"], &table(&nginx, "extra", ""));
    agent.run(&["update"]).ok();
    agent.run(&["install", "demo-tool"]).ok();
    assert_eq!(agent.marker("demo-app").as_deref(), Some("1 of main"));
    assert_eq!(agent.marker("demo-tool").as_deref(), Some("3 of extra"));
    assert_eq!(installed_from(&agent, "demo-app"), "wapt");
    assert_eq!(installed_from(&agent, "demo-tool"), "extra");

    // A newer version in the other repository is an upgrade like any, and known as its own.
    extra.add(&world, &[sources(&world, "extra", "demo-app", "2")]);
    agent.run(&["update"]).ok();
    let pending = agent.json(&["list-upgrade"]);
    assert_eq!(pending[0]["package"], "demo-app", "{pending}");
    assert_eq!(pending[0]["repository"], "extra", "{pending}");
    let pending = agent.run(&["list-upgrade"]).ok();
    assert!(
        pending.contains("Repository") && pending.contains("extra"),
        "{pending}"
    );
    let shown = agent.run(&["show", "demo-app"]).ok();
    assert!(shown.contains("came from:    wapt"), "{shown}");
    assert!(shown.contains("offered versions: 2 (extra), 1 (wapt)"), "{shown}");
    agent.run(&["upgrade"]).ok();
    assert_eq!(agent.marker("demo-app").as_deref(), Some("2 of extra"));
    // The server knows it too.
    let host = world.host("pc-1");
    let packages: Vec<Value> = host
        .pointer("/packages/installed")
        .or_else(|| host.pointer("/blocks/packages/installed"))
        .and_then(Value::as_array)
        .cloned()
        .unwrap_or_else(|| panic!("no packages in {host}"));
    let tool = packages.iter().find(|row| row["package"] == "demo-tool").unwrap();
    assert_eq!(tool["repository"], "extra", "{tool}");

    // An unchanged index costs one answer without a body.
    let before = nginx.requests().len();
    agent.run(&["update"]).ok();
    assert_eq!(nginx.requests()[before..], ["GET /wapt/Packages 304"]);
}

#[test]
fn a_repository_that_fails_stops_no_other_and_what_it_listed_stays() {
    let world = World::start();
    let agent = world.enrol("pc-1");
    let extra = Folder::new(&world, "extra");
    extra.add(&world, &[sources(&world, "extra", "demo-tool", "1")]);
    let mut nginx = Nginx::serve(world.folder(), "nginx", &extra.path);
    let nowhere =
        "[repository.nowhere]\nrepo_url = \"https://localhost:1/wapt\"\nverify_cert = \"/nowhere.pem\"\n";
    configure(
        &agent,
        &["nowhere", "extra"],
        &(nowhere.to_owned() + &table(&nginx, "extra", "")),
    );
    // One whose settings cannot be used from the start: the others work.
    let updated = agent.run(&["update"]);
    assert_ne!(updated.code, 0, "{updated:?}");
    let said = format!("{}{}", updated.stdout, updated.stderr);
    assert!(
        said.contains("repository nowhere") && said.contains("/nowhere.pem"),
        "{said}"
    );
    assert_eq!(offered(&agent, "demo-tool"), ["1"]);
    nginx.stop();
    world.publish(&sources(&world, "main", "demo-app", "1"));
    let updated = agent.run(&["update"]);
    let said = format!("{}{}", updated.stdout, updated.stderr);
    assert!(said.contains("repository extra"), "{said}");
    assert_eq!(offered(&agent, "demo-tool"), ["1"]);
    agent.run(&["install", "demo-app"]).ok();
    assert_eq!(agent.marker("demo-app").as_deref(), Some("1 of main"));
    // Back, and the same as if nothing had been.
    nginx.start();
    agent.run(&["install", "demo-tool"]).ok();
    assert_eq!(agent.marker("demo-tool").as_deref(), Some("1 of extra"));
    // One that is not configured any more leaves nothing behind.
    let file = agent.root().join("etc/muster/agent.toml");
    let text = fs_err::read_to_string(&file).unwrap();
    let (top, _tables) = text.split_once("[repository.").unwrap();
    fs_err::write(&file, top.replace("repositories = [\"nowhere\", \"extra\"]", "")).unwrap();
    agent.run(&["update"]).ok();
    assert!(offered(&agent, "demo-tool").is_empty());
}

#[test]
fn each_repository_is_judged_by_its_own_trust_folder_and_filtered_by_its_own_lists() {
    let world = World::start();
    let agent = world.enrol("pc-1");
    world.muster(&["key", "create", "bob", "--no-password"], "").ok();
    let extra = Folder::new(&world, "extra");
    extra.add_by(
        &world,
        "bob",
        &[
            sources(&world, "extra", "demo-bobs", "1"),
            sources(&world, "extra", "test-bobs", "1"),
            sources(&world, "extra", "demo-early", "1").with("maturity", "DEV"),
        ],
    );
    extra.add(&world, &[sources(&world, "extra", "demo-alices", "1")]);
    let nginx = Nginx::serve(world.folder(), "nginx", &extra.path);
    let trust = world.folder().join("trust-of-extra");
    fs_err::create_dir_all(&trust).unwrap();
    fs_err::copy(world.people().join("bob.crt"), trust.join("bob.crt")).unwrap();
    let more = format!(
        "public_certs_dir = {:?}\npackages_blacklist = [\"test-*\"]\nmaturities = [\"DEV\", \"PROD\"]",
        trust.display().to_string()
    );
    configure(&agent, &["extra"], &table(&nginx, "extra", &more));
    agent.run(&["update"]).ok();
    // Bob counts there, and alice, whom the machine trusts otherwise, does not.
    agent.run(&["install", "demo-bobs", "demo-early"]).ok();
    assert_eq!(agent.marker("demo-bobs").as_deref(), Some("1 of extra"));
    assert_eq!(agent.marker("demo-early").as_deref(), Some("1 of extra"));
    for package in ["demo-alices", "test-bobs"] {
        let refused = agent.run(&["install", package]);
        assert_ne!(refused.code, 0, "{refused:?}");
        assert_eq!(agent.marker(package), None);
    }
    let shown = agent.json(&["show", "demo-alices"]);
    assert!(
        shown["not_taken"][0]["reason"]
            .as_str()
            .unwrap()
            .contains("in the repository extra"),
        "{shown}"
    );
    // In the main repository bob counts for nothing.
    world.trust_certificate("bob.crt");
    let file = extra.path.join("demo-bobs_1.wapt");
    muster_tests::eventually("the server trusts bob", || {
        let done = world.muster(&["package", "upload", file.to_str().unwrap()], "");
        if done.code == 0 { Ok(()) } else { Err(done.stderr) }
    });
    let clean = world.enrol("pc-2");
    clean.run(&["update"]).ok();
    let refused = clean.run(&["install", "demo-bobs"]);
    assert_ne!(refused.code, 0, "{refused:?}");
}

#[test]
fn a_repository_that_asks_for_a_certificate_gets_the_one_of_its_table() {
    let world = World::start();
    let extra = Folder::new(&world, "extra");
    extra.add(&world, &[sources(&world, "extra", "demo-tool", "1")]);
    let nginx = Nginx::serve_certified(world.folder(), "nginx", &extra.path);
    let stranger = world.enrol("pc-stranger");
    configure(&stranger, &["extra"], &table(&nginx, "extra", ""));
    let refused = stranger.run(&["update"]);
    assert_ne!(refused.code, 0, "{refused:?}");

    let (certificate, key) = nginx.client_certificate("pc-1");
    let agent = world.enrol("pc-1");
    let more = format!(
        "client_certificate = {:?}\nclient_private_key = {:?}",
        certificate.display().to_string(),
        key.display().to_string()
    );
    configure(&agent, &["extra"], &table(&nginx, "extra", &more));
    agent.run(&["update"]).ok();
    agent.run(&["install", "demo-tool"]).ok();
    assert_eq!(agent.marker("demo-tool").as_deref(), Some("1 of extra"));
}

#[test]
fn a_proxy_is_used_for_what_it_is_set_for() {
    let world = World::start();
    let proxy = Proxy::start(world.folder(), "proxy");
    let second = Proxy::start(world.folder(), "second");
    let extra = Folder::new(&world, "extra");
    extra.add(&world, &[sources(&world, "extra", "demo-tool", "1")]);
    let nginx = Nginx::serve(world.folder(), "nginx", &extra.path);
    let of_nginx = nginx
        .url()
        .trim_start_matches("https://")
        .trim_end_matches("/wapt")
        .to_owned();
    let of_server = format!("localhost:{}", world.port());

    // For the server and its repository, not for the other one.
    let mut agent = world.enrol("pc-1");
    agent.configure(&format!("http_proxy = \"{}\"", proxy.url()));
    configure(
        &agent,
        &["extra"],
        &table(&nginx, "extra", "use_http_proxy_for_repo = false"),
    );
    agent.run(&["update"]).ok();
    assert!(
        proxy.connects_to(&of_server) >= 2,
        "the repository and the report"
    );
    assert_eq!(proxy.connects_to(&of_nginx), 0);
    // The live channel too.
    let before = proxy.connects_to(&of_server);
    agent.start();
    world.wait_for_status("pc-1", "OK");
    muster_tests::eventually("pc-1 is reachable", || {
        let row = world.host_row("pc-1").unwrap();
        if row["reachable"] == true {
            Ok(())
        } else {
            Err(row.to_string())
        }
    });
    assert!(proxy.connects_to(&of_server) > before);
    assert!(agent.end("TERM").success());

    // For one repository alone, through a proxy of its own.
    let agent = world.enrol("pc-2");
    configure(
        &agent,
        &["extra"],
        &table(&nginx, "extra", &format!("http_proxy = \"{}\"", second.url())),
    );
    agent.run(&["update"]).ok();
    agent.run(&["install", "demo-tool"]).ok();
    assert!(second.connects_to(&of_nginx) >= 2);
    assert_eq!(second.connects_to(&of_server), 0);
    // A proxy that is not there is told as such.
    let agent = world.enrol("pc-3");
    agent.configure("http_proxy = \"http://127.0.0.1:1\"\nuse_http_proxy_for_server = false");
    let failed = agent.run(&["update"]);
    assert_ne!(failed.code, 0, "{failed:?}");
    agent.configure("use_http_proxy_for_repo = false");
    agent.run(&["update"]).ok();
}

#[test]
fn a_limit_of_bandwidth_holds_and_a_package_arrives_whole() {
    let world = World::start();
    let agent = world.enrol("pc-1");
    let package = sources(&world, "extra", "demo-large", "1");
    // Noise, so that it stays as large in the package.
    let mut noise = Vec::with_capacity(3_000_000);
    let mut state = 1_u64;
    while noise.len() < 3_000_000 {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        noise.extend_from_slice(&state.to_be_bytes()[..4]);
    }
    fs_err::write(package.folder().join("noise.bin"), &noise).unwrap();
    let extra = Folder::new(&world, "extra");
    extra.add(&world, &[package]);
    let nginx = Nginx::serve(world.folder(), "nginx", &extra.path);
    configure(
        &agent,
        &["extra"],
        &table(&nginx, "extra", "limit_bandwidth = 8.0"),
    );
    agent.run(&["update"]).ok();
    let begin = Instant::now();
    agent.run(&["download", "demo-large"]).ok();
    let took = begin.elapsed();
    assert!(
        took > Duration::from_millis(2500),
        "3 MB at 1 MB a second took {took:?}"
    );
    agent.run(&["install", "demo-large"]).ok();
    assert_eq!(agent.marker("demo-large").as_deref(), Some("1 of extra"));
}
