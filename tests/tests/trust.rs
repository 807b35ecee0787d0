//! What a stranger, a tampered file, or a server in the wrong hands cannot do (security.md rows 1, 2, 5, 8).
#![expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]

use std::io::{Read as _, Write as _};
use std::path::Path;

use base64::Engine as _;
use muster_shared::crypto::{FileSigner, tls};
use muster_shared::index::{self, IndexEntry};
use muster_tests::{Takeover, World, eventually};

/// Writes the archive again with another `setup.py`.
fn tamper(package: &Path, target: &Path) {
    let mut archive = zip::ZipArchive::new(fs_err::File::open(package).unwrap()).unwrap();
    let mut writer = zip::ZipWriter::new(fs_err::File::create(target).unwrap());
    for index in 0..archive.len() {
        let mut member = archive.by_index(index).unwrap();
        let name = member.name().unwrap().into_owned();
        let mut content = Vec::new();
        member.read_to_end(&mut content).unwrap();
        if name == "setup.py" {
            content = b"def install():\n    open('/tmp/owned-by-a-stranger', 'w')\n".to_vec();
        }
        writer
            .start_file(name, zip::write::SimpleFileOptions::default())
            .unwrap();
        writer.write_all(&content).unwrap();
    }
    writer.finish().unwrap();
}

#[test]
fn a_tampered_package_is_refused_at_upload_and_at_the_agent() {
    let mut world = World::start();
    let agents = ["download", "verify", "row"].map(|name| world.enrol(&format!("pc-{name}")));
    let good = world.build(&world.sources("demo-app", "1").marker());
    let bad = world.people().join("tampered.wapt");
    tamper(&good, &bad);
    let refused = world
        .muster(&["package", "upload", bad.to_str().unwrap()], "")
        .refused();
    assert!(refused.contains("setup.py"), "{refused}");

    // The server falls into the wrong hands, TLS key and all: its files and its index are rewritten.
    world
        .muster(&["package", "upload", good.to_str().unwrap()], "")
        .ok();
    let repository = world.server_data().join("repository/wapt");
    let index_bytes = fs_err::read(repository.join("Packages")).unwrap();
    let index = index::read(&index_bytes, &index::IndexLimits::default()).unwrap();
    let forge = |change: &dyn Fn(&mut IndexEntry)| {
        let mut entries = index.entries.clone();
        entries.iter_mut().for_each(change);
        index::write(
            &entries,
            &index.certificates,
            &index.crls,
            muster_shared::clock::now(),
        )
        .unwrap()
    };
    let filename = index.entries.first().unwrap().filename.clone();
    let (tampered, sum) = (fs_err::read(&bad).unwrap(), md5_of(&bad));
    let honest_sums = forge(&|_entry| {});
    let forged_sums = forge(&|entry| {
        entry.size = tampered.len() as u64;
        entry.sha256sum = None;
        entry.md5sum.clone_from(&sum);
    });
    let forged_row = forge(&|entry| entry.control.set("depends", "demo-other"));
    world.kill_server();
    let rounds = [
        (honest_sums, Some("download")),
        (forged_sums, Some("verify")),
        (forged_row, None),
    ];
    for ((packages, expected), agent) in rounds.into_iter().zip(&agents) {
        let files = [
            ("/wapt/Packages".to_owned(), packages),
            (format!("/wapt/{filename}"), tampered.clone()),
        ];
        let _taken = Takeover::serve(
            world.port(),
            &world.server_data().join("ca/tls.pem"),
            files.into(),
        );
        let updated = agent.run(&["update"]);
        let done = agent.run(&["install", "demo-app"]);
        assert_ne!(done.code, 0, "{done:?}");
        assert_eq!(agent.marker("demo-app"), None);
        assert!(!Path::new("/tmp/owned-by-a-stranger").exists());
        // A forged row is not even offered; a forged file is shown with the step that refused it.
        let row = agent.package("demo-app");
        assert_eq!(
            row.as_ref().and_then(|row| row["failed_step"].as_str()),
            expected,
            "{row:?} {updated:?} {done:?}"
        );
    }
    // The same flow works without the attack.
    world.start_server();
    let agent = agents.first().unwrap();
    agent.run(&["update"]).ok();
    agent.run(&["install", "demo-app"]).ok();
    assert_eq!(agent.marker("demo-app").as_deref(), Some("1"));
}

/// The sum by the system's own tool: it names files, and the attacker of this test writes it.
fn md5_of(file: &Path) -> String {
    let done = muster_tests::run(Path::new("md5sum"), &[file], "", &[]);
    done.ok().split_whitespace().next().unwrap().to_owned()
}

#[test]
fn a_package_of_a_stranger_is_refused_at_upload_and_invisible_to_the_agent() {
    let world = World::start();
    let agent = world.enrol("pc-1");
    world
        .muster(&["key", "create", "mallory", "--no-password"], "")
        .ok();
    let people = world.people();
    let sources = world.sources("demo-evil", "9").marker();
    let (certificate, key) = (people.join("mallory.crt"), people.join("mallory.pem"));
    let folder = sources.folder().to_str().unwrap().to_owned();
    let (certificate, key) = (certificate.to_str().unwrap(), key.to_str().unwrap());
    world
        .muster(
            &[
                "package",
                "build",
                &folder,
                "--out",
                people.to_str().unwrap(),
                "--certificate",
                certificate,
                "--key",
                key,
            ],
            "",
        )
        .ok();
    let file = people.join("demo-evil_9.wapt");
    let refused = world
        .muster(&["package", "upload", file.to_str().unwrap()], "")
        .refused();
    assert!(refused.contains("not trusted"), "{refused}");

    // Even a server that accepts the stranger cannot make the agent install it.
    world.trust_certificate("mallory.crt");
    eventually("the server reads its trust folder again", || {
        let done = world.muster(&["package", "upload", file.to_str().unwrap()], "");
        if done.code == 0 { Ok(()) } else { Err(done.stderr) }
    });
    agent.run(&["update"]);
    let done = agent.run(&["install", "demo-evil"]);
    assert_ne!(done.code, 0, "{done:?}");
    assert_eq!(agent.marker("demo-evil"), None);
}

#[test]
fn code_needs_a_certificate_for_code_at_upload() {
    let world = World::start();
    world
        .muster(
            &["key", "create", "dora", "--no-password", "--no-code-signing"],
            "",
        )
        .ok();
    world.trust_certificate("dora.crt");
    let people = world.people();
    let sources = world.sources("demo-code", "1").marker();
    let (certificate, key) = (people.join("dora.crt"), people.join("dora.pem"));
    let args = [
        "package",
        "build",
        sources.folder().to_str().unwrap(),
        "--out",
        people.to_str().unwrap(),
        "--certificate",
        certificate.to_str().unwrap(),
        "--key",
        key.to_str().unwrap(),
    ];
    let refused = world.muster(&args, "").refused();
    assert!(refused.contains("may not sign code"), "{refused}");
    // Without code the same certificate is fine.
    fs_err::remove_file(sources.folder().join("setup.py")).unwrap();
    world.muster(&args, "").ok();
}

#[test]
fn a_host_package_is_read_by_its_own_host_only() {
    let world = World::start();
    let one = world.enrol("pc-1");
    let two = world.enrol("pc-2");
    world.publish(&world.sources("demo-app", "1").marker());
    world
        .muster(&["host", "edit", "pc-1", "--require", "demo-app"], "")
        .ok();

    let status = |signer: Option<(&muster_tests::Agent, &str)>, path: &str| get(&world, signer, path);
    assert_eq!(status(Some((&one, "GET")), "/wapt-host/pc-1.wapt"), 200);
    assert_eq!(status(Some((&two, "GET")), "/wapt-host/pc-1.wapt"), 403);
    assert_eq!(status(Some((&two, "GET")), "/wapt-host/pc-2.wapt"), 404);
    assert_eq!(status(None, "/wapt-host/pc-1.wapt"), 401);
    for listing in ["/wapt-host/", "/wapt-host/Packages"] {
        assert!([401, 403, 404].contains(&status(None, listing)), "{listing}");
    }
}

/// A request to the server, signed by an agent's identity key when one is given.
fn get(world: &World, signer: Option<(&muster_tests::Agent, &str)>, path: &str) -> u16 {
    use muster_shared::crypto::IdentityKey;
    use muster_shared::protocol::http_signature as signature;
    rustls::crypto::ring::default_provider().install_default().ok();
    let address = tls::ServerAddress::parse(world.address()).unwrap();
    let config = tls::client_config(&tls::ServerTrust::Pin(address.pin.clone().unwrap())).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured((*config).clone())
            .build()
            .unwrap();
        let mut request = client.get(format!("{}{path}", world.url()));
        if let Some((agent, method)) = signer {
            let private = agent.root().join("var/lib/muster/private");
            let pem = fs_err::read_dir(&private)
                .unwrap()
                .map(|entry| entry.unwrap().path())
                .filter(|path| path.is_file())
                .filter_map(|path| fs_err::read_to_string(path).ok())
                .find(|text| text.contains("PRIVATE KEY"))
                .unwrap();
            let key = IdentityKey::from_pem(&pem).unwrap();
            let authority = address.authority();
            let parts = signature::RequestParts {
                method,
                authority: &authority,
                path,
                query: "",
            };
            let digest = signature::content_digest(b"");
            let nonce = uuid::Uuid::new_v4().simple().to_string();
            let created = muster_shared::clock::now().as_second();
            let headers = signature::sign(&parts, &digest, created, &nonce, &key).unwrap();
            request = request
                .header("content-digest", headers.content_digest)
                .header("signature-input", headers.signature_input)
                .header("signature", headers.signature);
        }
        request.send().await.unwrap().status().as_u16()
    })
}

#[test]
fn another_server_is_not_believed() {
    let world = World::start();
    let other = World::start();
    let agent = world.enrol("pc-1");
    // The network leads the agent to another server: same name, other authority.
    let port = other.url().rsplit(':').next().unwrap().to_owned();
    let config = agent.root().join("etc/muster/agent.toml");
    let text = fs_err::read_to_string(&config).unwrap();
    let own = world.url().rsplit(':').next().unwrap().to_owned();
    fs_err::write(&config, text.replace(&own, &port)).unwrap();
    let refused = agent.run(&["update"]);
    assert_ne!(refused.code, 0, "{refused:?}");
    assert!(refused.stderr.contains("certificate"), "{refused:?}");
    let pin = "0".repeat(64);
    let refused = world
        .muster(
            &[
                "sign-in",
                &format!("muster://localhost:{own}#sha256={pin}"),
                "--password-stdin",
            ],
            "never-sent\n",
        )
        .refused();
    assert!(refused.contains("certificate"), "{refused}");
}

#[test]
fn an_action_replayed_expired_or_for_another_host_is_refused() {
    use muster_shared::protocol::action::ActionPayload;
    let world = World::start();
    let mut agent = world.enrol("pc-1");
    let _other = world.enrol("pc-2");
    agent.start();
    world.wait_for_status("pc-1", "OK");
    let sent = world.muster_json(&["host", "act", "update", "pc-1"]);
    let batch = sent
        .pointer("/row/batch")
        .or_else(|| sent.get("batch"))
        .unwrap()
        .as_str()
        .unwrap();
    let envelope = world.muster_json(&["action", "show", batch])["envelope"].clone();

    // Replayed at the server, by anybody with a session.
    let body = serde_json::json!({"envelope": envelope, "targets": ["pc-1"]});
    assert_eq!(post_action(&world, &body), (409, "action_replayed".to_owned()));
    // For another host than was signed.
    let body = serde_json::json!({"envelope": envelope, "targets": ["pc-2"]});
    assert_eq!(post_action(&world, &body).1, "action_targets_mismatch");

    // Expired, signed by alice herself.
    let people = world.people();
    let signer = FileSigner::open(&people.join("alice.crt"), &people.join("alice.pem"), None).unwrap();
    let mut payload: ActionPayload = {
        let envelope: muster_shared::envelope::Envelope = serde_json::from_value(envelope.clone()).unwrap();
        serde_json::from_slice(&envelope.payload_unverified().unwrap()).unwrap()
    };
    let hours = jiff::SignedDuration::from_hours(2);
    payload.batch = uuid::Uuid::now_v7();
    payload.issued_at -= hours;
    payload.not_before -= hours;
    payload.expires_at -= hours;
    let bytes = serde_json::to_vec(&payload).unwrap();
    let expired =
        muster_shared::envelope::Envelope::sign("application/vnd.muster.action+json", &bytes, &signer)
            .unwrap();
    let body = serde_json::json!({"envelope": expired, "targets": ["pc-1"]});
    assert_eq!(post_action(&world, &body).1, "action_expired");

    // A changed payload under the old signature.
    let mut forged = envelope;
    payload.batch = uuid::Uuid::now_v7();
    let bytes = serde_json::to_vec(&payload).unwrap();
    forged["payload"] = base64::engine::general_purpose::STANDARD.encode(bytes).into();
    let body = serde_json::json!({"envelope": forged, "targets": ["pc-1"]});
    assert_eq!(post_action(&world, &body).1, "envelope_signature_invalid");
}

/// Posts an action with the administrator's session; status and code of the answer.
fn post_action(world: &World, body: &serde_json::Value) -> (u16, String) {
    rustls::crypto::ring::default_provider().install_default().ok();
    let address = tls::ServerAddress::parse(world.address()).unwrap();
    let config = tls::client_config(&tls::ServerTrust::Pin(address.pin.unwrap())).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured((*config).clone())
            .build()
            .unwrap();
        let sign_in = serde_json::json!({"user": "admin", "password": world.password()});
        let session: serde_json::Value = client
            .post(format!("{}/api/v1/session", world.url()))
            .json(&sign_in)
            .send()
            .await
            .unwrap()
            .json()
            .await
            .unwrap();
        let token = session["token"].as_str().unwrap().to_owned();
        let answer = client
            .post(format!("{}/api/v1/actions", world.url()))
            .bearer_auth(token)
            .json(body)
            .send()
            .await
            .unwrap();
        let status = answer.status().as_u16();
        let body: serde_json::Value = answer.json().await.unwrap();
        (status, body["code"].as_str().unwrap_or_default().to_owned())
    })
}
