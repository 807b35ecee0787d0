//! Host packages travel encrypted to the key of their host when the server is told so, and work all the same.
#![expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]

use muster_tests::{World, eventually};

/// A server with `encrypt_host_packages = true`.
fn world() -> World {
    let mut world = World::initialised();
    world
        .muster(&["key", "create", "alice", "--no-password"], "")
        .ok();
    world.trust_certificate("alice.crt");
    let config = world.server_root().join("etc/muster/server.toml");
    let text = fs_err::read_to_string(&config).unwrap();
    let text = text.replace("encrypt_host_packages = false", "encrypt_host_packages = true");
    assert!(text.contains("encrypt_host_packages = true"), "{text}");
    fs_err::write(&config, text).unwrap();
    world.start_server();
    world.sign_in();
    world
}

#[test]
fn a_host_package_goes_encrypted_to_its_host_and_is_carried_out() {
    let world = world();
    let mut agent = world.enrol("pc-1");
    agent.start();
    world.wait_for_status("pc-1", "OK");
    let certificate = eventually("the decryption certificate in the inventory", || {
        let host = world.host("pc-1");
        let pem = host.pointer("/blocks/agent/decryption_certificate");
        let pem = pem.and_then(serde_json::Value::as_str).unwrap_or_default();
        if pem.contains("BEGIN CERTIFICATE") {
            Ok(pem.to_owned())
        } else {
            Err(format!("{host}"))
        }
    });

    world.publish(&world.sources("demo-app", "1.0-0").marker());
    world
        .muster(&["host", "edit", "pc-1", "--require", "demo-app"], "")
        .ok();
    world.wait_for_status("pc-1", "NEED-UPGRADE");
    let private = agent.root().join("var/lib/muster/private");
    let came = private.join("host-package.wapt");
    assert!(fs_err::read(&came).unwrap().starts_with(b"RSAFERNET256"));
    world
        .muster(&["host", "act", "upgrade", "pc-1", "--wait"], "")
        .ok();
    world.wait_for_status("pc-1", "OK");
    assert_eq!(agent.marker("demo-app").as_deref(), Some("1.0-0"));

    // A second look costs no second package.
    let before = fs_err::metadata(&came).unwrap().modified().unwrap();
    agent.run(&["update"]).ok();
    assert_eq!(fs_err::metadata(&came).unwrap().modified().unwrap(), before);

    // The commands open the same file, and another host's key does not.
    let trust = world.people().join("trust");
    fs_err::create_dir_all(&trust).unwrap();
    fs_err::copy(world.people().join("alice.crt"), trust.join("alice.crt")).unwrap();
    let text = |path: &std::path::Path| path.to_str().unwrap().to_owned();
    let verify = |key: &str| {
        let words = [
            "package",
            "verify",
            &text(&came),
            "--trust",
            &text(&trust),
            "--decrypt-key",
            key,
        ];
        world.muster(&words, "")
    };
    verify(&text(&private.join("host-decrypt.pem"))).ok();
    world
        .muster(&["key", "create", "other", "--type", "rsa", "--no-password"], "")
        .ok();
    let refused = verify(&text(&world.people().join("other.pem")));
    assert_eq!(refused.code, 1);
    assert!(
        refused.stdout.contains("cannot be decrypted"),
        "{}",
        refused.stdout
    );

    // What an administrator reads is the package itself; encrypted again by hand it opens again.
    let host = world.people().join("host.crt");
    fs_err::write(&host, certificate).unwrap();
    let (plain, again) = (
        world.people().join("plain.wapt"),
        world.people().join("again.wapt"),
    );
    let key = text(&private.join("host-decrypt.pem"));
    world
        .muster(
            &[
                "package",
                "decrypt",
                &text(&came),
                "--decrypt-key",
                &key,
                "-o",
                &text(&plain),
            ],
            "",
        )
        .ok();
    world
        .muster(
            &[
                "package",
                "encrypt",
                &text(&plain),
                "--for",
                &text(&host),
                "-o",
                &text(&again),
            ],
            "",
        )
        .ok();
    assert!(fs_err::read(&plain).unwrap().starts_with(b"PK"));
    assert_ne!(fs_err::read(&again).unwrap(), fs_err::read(&came).unwrap());
}

#[test]
fn a_host_package_that_cannot_be_decrypted_is_refused_and_not_taken_for_none() {
    let world = world();
    let mut agent = world.enrol("pc-1");
    world.publish(&world.sources("demo-app", "1.0-0").marker());
    agent.start();
    world.wait_for_status("pc-1", "OK");
    eventually("the decryption certificate in the inventory", || {
        let host = world.host("pc-1");
        let pem = host.pointer("/blocks/agent/decryption_certificate").cloned();
        pem.filter(|pem| pem.as_str().is_some_and(|pem| !pem.is_empty()))
            .ok_or_else(|| format!("{host}"))
    });
    world
        .muster(&["host", "edit", "pc-1", "--require", "demo-app"], "")
        .ok();
    world.wait_for_status("pc-1", "NEED-UPGRADE");
    world
        .muster(&["host", "act", "upgrade", "pc-1", "--wait"], "")
        .ok();
    world.wait_for_status("pc-1", "OK");
    agent.end("TERM");

    // The key was lost: the server encrypts the next package to a key that this host no longer has.
    let key = agent.root().join("var/lib/muster/private/host-decrypt.pem");
    fs_err::write(
        &key,
        fs_err::read(concat!(env!("CARGO_MANIFEST_DIR"), "/golden/keys/leaf.pem")).unwrap(),
    )
    .unwrap();
    world
        .muster(
            &[
                "host",
                "edit",
                "pc-1",
                "--unrequire",
                "demo-app",
                "--forbid",
                "demo-app",
            ],
            "",
        )
        .ok();
    let done = agent.run(&["update", "--standalone"]);
    assert!(done.code > 0, "{done:?}");
    let said = done.stdout + &done.stderr;
    assert!(said.contains("host's package is refused"), "{said}");
    assert!(said.contains("cannot be decrypted"), "{said}");
    assert_eq!(agent.marker("demo-app").as_deref(), Some("1.0-0"));
    assert!(agent.package("demo-app").is_some());
}

#[test]
fn a_host_without_a_decryption_certificate_gets_its_package_plain_until_it_reports_one() {
    let mut world = world();
    // Registered, and nothing reported yet: what an older agent looks like.
    let agent = world.enrol("pc-1");
    world.publish(&world.sources("demo-app", "1.0-0").marker());
    world
        .muster(&["host", "edit", "pc-1", "--require", "demo-app"], "")
        .ok();
    let came = agent.root().join("var/lib/muster/private/host-package.wapt");
    let begins = |with: &[u8]| fs_err::read(&came).unwrap().starts_with(with);
    agent.run(&["update", "--standalone"]).ok();
    assert!(begins(b"PK"));
    agent.run(&["upgrade", "--standalone"]).ok();
    assert_eq!(agent.marker("demo-app").as_deref(), Some("1.0-0"));

    // Its report brought the certificate, so the same package comes again, encrypted.
    agent.run(&["update", "--standalone"]).ok();
    assert!(begins(b"RSAFERNET256"));

    // From then on it is known to be the same, also by a server that starts anew and has it encrypted for nobody.
    let modified = || fs_err::metadata(&came).unwrap().modified().unwrap();
    let before = modified();
    agent.run(&["update", "--standalone"]).ok();
    world.end_server("TERM");
    world.start_server();
    agent.run(&["update", "--standalone"]).ok();
    assert_eq!(modified(), before);
}
