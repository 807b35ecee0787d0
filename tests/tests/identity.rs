//! Who a host is, over real processes: two machines with one identifier, a host that claims to be another, a clock that
//! is wrong, a certificate that ends soon, the proofs of a registration.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::ffi::OsStr;
use std::path::Path;

use muster_shared::clock::now;
use muster_shared::crypto::issue::Authority;
use muster_shared::crypto::{Certificate, IdentityKey, tls};
use muster_shared::protocol::http_signature as signature;
use muster_tests::{Agent, Daemon, World, binary, eventually, run};
use serde_json::{Value, json};

fn private(agent: &Agent, name: &str) -> std::path::PathBuf {
    agent.root().join("var/lib/muster/private").join(name)
}

fn key(agent: &Agent) -> IdentityKey {
    IdentityKey::from_pem(&fs_err::read_to_string(private(agent, "host-key.pem")).unwrap()).unwrap()
}

fn certificate(agent: &Agent) -> Certificate {
    Certificate::from_pem(&fs_err::read_to_string(private(agent, "host.crt")).unwrap()).unwrap()
}

/// A request signed by a host's key: status and code of the answer.
fn send(world: &World, by: &Agent, method: &str, path: &str, body: &Value) -> (u16, String) {
    rustls::crypto::ring::default_provider().install_default().ok();
    let address = tls::ServerAddress::parse(world.address()).unwrap();
    let config = tls::client_config(&tls::ServerTrust::Pin(address.pin.clone().unwrap())).unwrap();
    let body = if body.is_null() {
        Vec::new()
    } else {
        serde_json::to_vec(body).unwrap()
    };
    let authority = address.authority();
    let parts = signature::RequestParts {
        method,
        authority: &authority,
        path,
        query: "",
    };
    let digest = signature::content_digest(&body);
    let nonce = uuid::Uuid::new_v4().simple().to_string();
    let headers = signature::sign(&parts, &digest, now().as_second(), &nonce, &key(by)).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured((*config).clone())
            .build()
            .unwrap();
        let answer = client
            .request(method.parse().unwrap(), format!("{}{path}", world.url()))
            .header("content-type", "application/json")
            .header("content-digest", headers.content_digest)
            .header("signature-input", headers.signature_input)
            .header("signature", headers.signature)
            .body(body)
            .send()
            .await
            .unwrap();
        let status = answer.status().as_u16();
        let answer: Value = answer.json().await.unwrap_or_default();
        (status, answer["code"].as_str().unwrap_or_default().to_owned())
    })
}

fn register(world: &World, agent: &Agent) -> muster_tests::Done {
    let token = world.enrolment_token();
    agent.run(&["register", "--server", world.address(), "--token", &token])
}

#[test]
fn two_machines_with_one_identifier_do_not_become_one() {
    let world = World::start();
    let first = world.enrol("pc-1");
    world.publish(&world.sources("demo-app", "1").marker());
    world
        .muster(&["host", "edit", "pc-1", "--require", "demo-app"], "")
        .ok();

    // The same firmware, another machine, another key.
    let twin = Agent::new(&world.folder().join("elsewhere"), "pc-1");
    twin.trust(&world.people().join("alice.crt"));
    let done = register(&world, &twin);
    assert_eq!(done.code, 0, "{done:?}");
    assert!(done.stdout.contains("an administrator decides"), "{done:?}");
    assert_eq!(world.host_row("pc-1").unwrap()["pending_registration"], true);
    let refused = twin.run(&["update"]);
    assert_ne!(refused.code, 0, "{refused:?}");
    let upgraded = twin.run(&["upgrade"]);
    assert_eq!(twin.marker("demo-app"), None, "{upgraded:?}");
    // The machine that was there first goes on as before.
    first.run(&["update"]).ok();
    first.run(&["upgrade"]).ok();
    assert_eq!(first.marker("demo-app").as_deref(), Some("1"));

    // With an identifier of its own the second one is a host like any, and nobody waits for the first one's.
    let token = world.enrolment_token();
    let registered = twin.json(&["register", "--random-identifier", "--token", &token]);
    let own = registered["identifier"].as_str().unwrap();
    assert!(own.starts_with("rnd-"), "{registered}");
    twin.run(&["update"]).ok();
    assert_eq!(world.host_row(own).unwrap()["pending_registration"], false);
    assert_eq!(world.host_row("pc-1").unwrap()["pending_registration"], false);
    let refused = twin.run(&["register", "--random-identifier", "--token", &token]);
    assert!(refused.refused().contains("keeps its identifier"));
}

#[test]
fn another_managed_host_cannot_register_as_report_for_or_read_the_package_of_a_host() {
    let world = World::start();
    let (one, two) = (world.enrol("pc-1"), world.enrol("pc-2"));
    world.publish(&world.sources("demo-app", "1").marker());
    for host in ["pc-1", "pc-2"] {
        world
            .muster(&["host", "edit", host, "--require", "demo-app"], "")
            .ok();
    }
    let report = |identifier: &str| json!({ "identifier": identifier, "hashes": {}, "blocks": {} });
    let registration = |identifier: &str, agent: &Agent| {
        use base64::Engine as _;
        json!({
            "identifier": identifier,
            "public_key": base64::engine::general_purpose::STANDARD.encode(key(agent).spki_der()),
            "hostname": identifier,
            "description": "",
            "token": world.enrolment_token(),
        })
    };
    let (api_report, api_register) = ("/api/v1/host/report", "/api/v1/register");
    // For itself, each works.
    assert_eq!(
        send(&world, &two, "GET", "/wapt-host/pc-2.wapt", &Value::Null).0,
        200
    );
    assert_eq!(send(&world, &two, "POST", api_report, &report("pc-2")).0, 200);
    assert_eq!(
        send(&world, &two, "POST", api_register, &registration("pc-2", &two)).0,
        200
    );
    // For the other one, nothing does.
    let refused = (403, "host_forbidden".to_owned());
    assert_eq!(
        send(&world, &two, "GET", "/wapt-host/pc-1.wapt", &Value::Null),
        refused
    );
    assert_eq!(send(&world, &two, "POST", api_report, &report("pc-1")), refused);
    let (status, code) = send(&world, &two, "POST", api_register, &registration("pc-1", &two));
    assert!(status >= 400, "{status} {code}");
    // Not with the other one's key in the request either: it is not the one that signed.
    let (status, code) = send(&world, &two, "POST", api_register, &registration("pc-1", &one));
    assert_eq!((status, code.as_str()), (401, "host_signature_invalid"));
    one.run(&["update"]).ok();
    assert_eq!(world.host_row("pc-1").unwrap()["pending_registration"], false);
}

/// Runs a command of the agent with another time.
fn at(agent: &Agent, offset: &str, args: &[&str]) -> muster_tests::Done {
    let program = binary("muster-agent").to_str().unwrap().to_owned();
    let root = agent.root().to_str().unwrap().to_owned();
    run(
        Path::new("faketime"),
        &[&["-f", offset, &program, "--root", &root], args].concat(),
        "",
        &[],
    )
}

#[test]
fn a_machine_whose_clock_is_wrong_is_managed_and_judges_orders_by_its_own_clock() {
    let world = World::start();
    let agent = world.enrol("pc-1");
    agent.run(&["update"]).ok();
    world.publish(&world.sources("demo-app", "1").marker());
    world
        .muster(&["host", "edit", "pc-1", "--require", "demo-app"], "")
        .ok();
    for offset in ["+2h", "-20m"] {
        let done = at(&agent, offset, &["register"]);
        assert_eq!(done.code, 0, "{done:?}");
    }
    let done = at(&agent, "+2h", &["update"]);
    assert_eq!(done.code, 0, "{done:?}");
    let done = at(&agent, "+2h", &["upgrade"]);
    assert_eq!(done.code, 0, "{done:?}");
    assert_eq!(agent.marker("demo-app").as_deref(), Some("1"));

    // The server's time signs requests and decides nothing: an order of now expired two hours ago here.
    // The library itself and not its command, which would be between this test and the service.
    let library = fs_err::read_dir("/usr/lib")
        .unwrap()
        .map(|entry| entry.unwrap().path().join("faketime/libfaketime.so.1"))
        .find(|path| path.exists())
        .expect("libfaketime is installed");
    let args = [OsStr::new("--root"), agent.root().as_os_str(), OsStr::new("run")];
    let environment = [
        ("LD_PRELOAD", library.as_os_str()),
        ("FAKETIME", OsStr::new("+2h")),
    ];
    let log = agent.root().join("fast.log");
    let service = Daemon::start(&binary("muster-agent"), &args, &log, &environment);
    reachable(&world);
    let target = order(&world);
    assert_eq!(target["state"], "refused", "{target}");
    assert!(
        target["text"].as_str().unwrap_or_default().contains("expired"),
        "{target}"
    );
    service.end("TERM");
    // With the right time the same order is carried out.
    let mut agent = agent;
    agent.start();
    reachable(&world);
    let target = order(&world);
    assert_eq!(target["state"], "done", "{target}");
}

#[test]
fn a_machine_that_registered_while_its_clock_was_ahead_takes_orders_at_once_when_the_clock_is_right() {
    let world = World::start();
    let mut agent = world.unregistered("pc-1");
    let token = world.enrolment_token();
    let register = ["register", "--server", world.address(), "--token", &token];
    for command in [&register[..], &["update"]] {
        let done = at(&agent, "+2h", command);
        assert_eq!(done.code, 0, "{done:?}");
    }
    agent.start();
    reachable(&world);
    let target = order(&world);
    assert_eq!(target["state"], "done", "{target}");
}

fn reachable(world: &World) {
    eventually("pc-1 is reachable", || {
        let row = world.host_row("pc-1");
        match &row {
            Some(found) if found["reachable"] == true => Ok(()),
            _ => Err(format!("{row:?}")),
        }
    });
}

/// Orders an update and waits for its end: the row of the host.
fn order(world: &World) -> Value {
    let sent = world.muster_json(&["host", "act", "update", "pc-1"]);
    let batch = sent
        .pointer("/row/batch")
        .or_else(|| sent.get("batch"))
        .and_then(Value::as_str)
        .unwrap()
        .to_owned();
    eventually("the order ends", || {
        let target = world.muster_json(&["action", "show", &batch])["targets"][0].clone();
        let is_over =
            ["done", "refused", "failed", "expired"].contains(&target["state"].as_str().unwrap_or_default());
        if is_over {
            Ok(target)
        } else {
            Err(target.to_string())
        }
    })
}

#[test]
fn a_certificate_that_ends_soon_is_renewed_with_the_next_update() {
    let world = World::start();
    let agent = world.enrol("pc-1");
    let issued = certificate(&agent);
    // An update long before the end renews nothing.
    agent.run(&["update"]).ok();
    assert_eq!(certificate(&agent), issued);
    let day = jiff::SignedDuration::from_hours(24);
    let ca = Authority::create("a host CA", now() - day * 400, now() + day * 400).unwrap();
    let soon = ca
        .issue_host(
            &key(&agent).spki_der(),
            "pc-1",
            now() - day * 300,
            now() + day * 10,
        )
        .unwrap();
    fs_err::write(private(&agent, "host.crt"), soon.to_pem()).unwrap();
    // A server that is away is asked again.
    let mut world = world;
    world.kill_server();
    assert_ne!(agent.run(&["update"]).code, 0);
    assert_eq!(certificate(&agent), soon);
    world.start_server();
    agent.run(&["update"]).ok();
    let renewed = certificate(&agent);
    assert_eq!(renewed.spki_der(), issued.spki_der());
    assert_eq!(renewed.issuer(), issued.issuer());
    assert!(renewed.not_after() > now() + day * 1000);
}

#[test]
fn a_registration_proves_itself_by_token_by_credentials_or_not_at_all() {
    let world = World::start();
    let agent = world.unregistered("pc-1");
    let refused = agent.run(&["register", "--server", world.address()]);
    assert!(refused.refused().contains("gives no proof"));
    let refused = agent.run(&["register", "--server", world.address(), "--token", "none.such"]);
    assert!(refused.refused().contains("enrolment token"));
    let by = |agent: &Agent, password: &str| {
        let args = [
            OsStr::new("--root"),
            agent.root().as_os_str(),
            OsStr::new("register"),
            OsStr::new("--server"),
            OsStr::new(world.address()),
            OsStr::new("--user"),
            OsStr::new("admin"),
        ];
        run(
            &binary("muster-agent"),
            &args,
            "",
            &[("MUSTER_PASSWORD", OsStr::new(password))],
        )
    };
    by(&agent, "wrong").refused();
    by(&agent, world.password()).ok();
    assert_eq!(
        world.host("pc-1").pointer("/row/registered_by").or(None),
        Some(&json!("user:admin"))
    );
    // The key on record is proof enough from then on.
    agent.run(&["register"]).ok();
    register(&world, &world.unregistered("pc-2")).ok();
}
