//! Signing with a token: SoftHSM with a configuration of its own.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::support::Place;

const MODULES: [&str; 3] = [
    "/usr/lib/softhsm/libsofthsm2.so",
    "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so",
    "/usr/lib64/softhsm/libsofthsm2.so",
];

/// A token that holds Alice's RSA key and certificate; `None` when this machine has no SoftHSM.
fn token(place: &Place) -> Option<(PathBuf, PathBuf)> {
    let module = MODULES.iter().map(PathBuf::from).find(|path| path.exists())?;
    let made = place.muster(&["key", "create", "alice", "--no-password"]);
    assert!(made.starts_with("exit code 0"), "{made}");
    let tokens = place.path().join("tokens");
    fs_err::create_dir(&tokens).unwrap();
    let conf = place.write(
        "softhsm.conf",
        format!("directories.tokendir = {}\n", tokens.display()),
    );
    let tool = |program: &str, words: &[&str]| run(program, words, &conf, place.path());
    let module_text = module.display().to_string();
    tool(
        "softhsm2-util",
        &[
            "--init-token",
            "--free",
            "--label",
            "alice-token",
            "--so-pin",
            "12345678",
            "--pin",
            "4321",
        ],
    )?;
    tool(
        "softhsm2-util",
        &[
            "--import",
            "alice.pem",
            "--token",
            "alice-token",
            "--label",
            "alice",
            "--id",
            "a1",
            "--pin",
            "4321",
        ],
    )?;
    tool(
        "openssl",
        &["x509", "-in", "alice.crt", "-outform", "DER", "-out", "alice.der"],
    )?;
    tool(
        "pkcs11-tool",
        &[
            "--module",
            &module_text,
            "--token-label",
            "alice-token",
            "--login",
            "--pin",
            "4321",
            "--write-object",
            "alice.der",
            "--type",
            "cert",
            "--id",
            "a1",
            "--label",
            "alice",
        ],
    )?;
    fs_err::remove_file(place.path().join("alice.pem")).unwrap();
    Some((module, conf))
}

fn run(program: &str, words: &[&str], conf: &Path, dir: &Path) -> Option<()> {
    let mut command = Command::new(program);
    command.args(words).env("SOFTHSM2_CONF", conf).current_dir(dir);
    let output = command.stdin(Stdio::null()).output().ok()?;
    assert!(
        output.status.success(),
        "{program}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    Some(())
}

#[test]
fn a_package_is_signed_with_a_key_that_never_leaves_its_token() {
    let place = Place::new();
    let Some((module, conf)) = token(&place) else {
        eprintln!("skipped: softhsm2-util, pkcs11-tool or openssl is not installed");
        return;
    };
    let module = module.display().to_string();
    let muster = |words: &[&str], input: &str| {
        let mut command = place.command(words);
        command
            .env("SOFTHSM2_CONF", &conf)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        std::io::Write::write_all(&mut child.stdin.take().unwrap(), input.as_bytes()).ok();
        let output = child.wait_with_output().unwrap();
        let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        (output.status.code().unwrap(), text)
    };
    let (code, listed) = muster(&["token", "list", "--module", &module], "");
    assert_eq!(code, 0, "{listed}");
    assert!(
        listed.contains("alice-token") && listed.contains("may sign code"),
        "{listed}"
    );

    place.muster(&["package", "new", "demo-hello"]);
    let build = [
        "package",
        "build",
        "demo-hello",
        "--module",
        &module,
        "--token",
        "alice-token",
        "--pin-stdin",
    ];
    let (code, refused) = muster(&build, "9999\n");
    assert_eq!(code, 1, "{refused}");
    assert!(
        refused.contains("the PIN of the token alice-token is wrong"),
        "{refused}"
    );
    assert!(!place.path().join("demo-hello_1.0-0.wapt").exists());

    let (code, built) = muster(&build, "4321\n");
    assert_eq!(code, 0, "{built}");
    place.write("trust/alice.crt", place.read("alice.crt"));
    let verified = place.muster(&["package", "verify", "demo-hello_1.0-0.wapt", "--trust", "trust"]);
    assert!(verified.starts_with("exit code 0"), "{verified}");

    let other = [
        "package",
        "build",
        "demo-hello",
        "--module",
        &module,
        "--token",
        "bob-token",
        "--pin-stdin",
    ];
    let (code, refused) = muster(&other, "4321\n");
    assert_eq!(code, 1, "{refused}");
    assert!(
        refused.contains("no token matches") && refused.contains("hint: insert the token"),
        "{refused}"
    );
}
