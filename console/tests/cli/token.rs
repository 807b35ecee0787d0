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
    place.ok(&["key", "create", "alice", "--no-password"]);
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
    place.ok(&["package", "verify", "demo-hello_1.0-0.wapt", "--trust", "trust"]);

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

/// An empty token with the PIN 4321, and a way to run muster with it; `None` when this machine has no SoftHSM.
struct Card {
    place: Place,
    module: String,
    conf: PathBuf,
}

impl Card {
    fn new() -> Option<Self> {
        let module = MODULES.iter().map(PathBuf::from).find(|path| path.exists())?;
        let place = Place::new();
        let tokens = place.path().join("tokens");
        fs_err::create_dir(&tokens).unwrap();
        let conf = place.write(
            "softhsm.conf",
            format!("directories.tokendir = {}\n", tokens.display()),
        );
        let words = [
            "--init-token",
            "--free",
            "--label",
            "a card;50%",
            "--so-pin",
            "12345678",
            "--pin",
            "4321",
        ];
        run("softhsm2-util", &words, &conf, place.path())?;
        Some(Self {
            place,
            module: module.display().to_string(),
            conf,
        })
    }

    fn run(&self, words: &[&str], input: &str) -> (i32, String) {
        let mut command = self.place.command(words);
        command
            .env("SOFTHSM2_CONF", &self.conf)
            .env("MUSTER_PKCS11_MODULE", &self.module)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        std::io::Write::write_all(&mut child.stdin.take().unwrap(), input.as_bytes()).ok();
        let output = child.wait_with_output().unwrap();
        let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        // Whatever happens, no PIN is ever printed.
        assert!(!text.contains("4321") && !text.contains("87654"), "{text}");
        (output.status.code().unwrap(), text)
    }

    fn ok(&self, words: &[&str], input: &str) -> String {
        let (code, text) = self.run(words, input);
        assert_eq!(code, 0, "{words:?}: {text}");
        text
    }

    fn refused(&self, words: &[&str], input: &str, why: &str) {
        let (code, text) = self.run(words, input);
        assert!(code == 1 && text.contains(why), "{words:?}: {code} {text}");
    }
}

#[test]
fn keys_are_made_on_a_token_named_by_uri_sign_and_revoke_and_are_renewed_there() {
    let Some(card) = Card::new() else {
        eprintln!("skipped: softhsm2-util is not installed");
        return;
    };
    let place = &card.place;
    // A CA in files issues for a key on the token; another CA lives on the token itself.
    card.ok(
        &["key", "create", "ca", "--type", "ec", "--no-password", "--ca"],
        "",
    );
    let create = |name: &str, more: &[&str]| {
        let base = ["token", "create", name, "--pin-stdin"];
        card.ok(&[&base[..], more].concat(), "4321\n")
    };
    create("alice", &[]);
    create(
        "bob",
        &["--type", "ec", "--issuer", "ca.crt", "--cn", "Bob Bright"],
    );
    create("card-ca", &["--type", "ec", "--ca", "--id", "c0ffee"]);
    card.refused(
        &["token", "create", "x", "--id", "c0ffee", "--pin-stdin"],
        "4321\n",
        "holds something with the id",
    );
    card.refused(
        &["token", "create", "alice", "--pin-stdin"],
        "",
        "alice.crt exists already",
    );
    card.refused(&["token", "create", "y", "--pin-stdin"], "9999\n", "is wrong");
    assert!(!place.path().join("y.crt").exists());

    let listed = card.ok(&["token", "list"], "");
    assert!(
        listed.contains("Bob Bright") && listed.contains("token=a%20card%3B50%25"),
        "{listed}"
    );
    let json: serde_json::Value = serde_json::from_str(&card.ok(&["token", "list", "--json"], "")).unwrap();
    let certificates = json[0]["certificates"].as_array().unwrap();
    assert_eq!(certificates.len(), 3);
    let uri = |label: &str| {
        let found = certificates.iter().find(|held| held["label"] == label).unwrap();
        found["uri"].as_str().unwrap().to_owned()
    };
    assert!(uri("card-ca").contains("id=%C0%FF%EE"), "{}", uri("card-ca"));

    // Signing by URI; what openssl says of the signature's certificate chain is what Muster says.
    card.ok(&["package", "new", "demo-hello"], "");
    place.write("trust/ca.crt", place.read("ca.crt"));
    for label in ["alice", "bob"] {
        let key = uri(label);
        place.write("trust/alice.crt", place.read("alice.crt"));
        let words = ["package", "build", "demo-hello", "--key", &key, "--pin-stdin"];
        card.ok(&words, "4321\n");
        place.ok(&["package", "verify", "demo-hello_1.0-0.wapt", "--trust", "trust"]);
        fs_err::remove_file(place.path().join("demo-hello_1.0-0.wapt")).unwrap();
    }
    // No key is guessed among several; a certificate in a file says which is meant, and belongs to a key of the token.
    let token = uri("alice")
        .split_once(";id=")
        .map_or_else(String::new, |(token, _)| token.to_owned());
    let build = |key: &str, certificate: &[&str]| {
        let words = ["package", "build", "demo-hello", "--key", key, "--pin-stdin"];
        card.run(&[&words[..], certificate].concat(), "4321\n")
    };
    let (code, said) = build(&token, &[]);
    assert_eq!(code, 1, "{said}");
    assert!(
        said.contains("holds 3 keys that can sign") && said.contains(&uri("bob")),
        "{said}"
    );
    let (code, said) = build(&uri("alice"), &["--cert", "bob.crt"]);
    assert_eq!(code, 1, "{said}");
    assert!(
        said.contains("does not belong to the certificate bob.crt"),
        "{said}"
    );
    let (code, said) = build(&uri("alice"), &["--cert", "nowhere.crt"]);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("cannot read the certificate nowhere.crt"), "{said}");
    assert!(!place.path().join("demo-hello_1.0-0.wapt").exists());
    let (code, said) = build(&token, &["--cert", "bob.crt"]);
    assert!(code == 0 && said.contains("Bob Bright"), "{said}");
    fs_err::remove_file(place.path().join("demo-hello_1.0-0.wapt")).unwrap();
    // The PIN from a file that the URI names; a short form of the URI; a PIN in the URI is refused and not repeated.
    let pin = place.write("pin.txt", "4321\n");
    let key = format!("pkcs11:object=bob;type=private?pin-source=file:{}", pin.display());
    card.ok(&["package", "build", "demo-hello", "--key", &key], "");
    let bad = [
        "package",
        "build",
        "demo-hello",
        "--key",
        "pkcs11:object=bob?pin-value=4321",
    ];
    card.refused(&bad, "", "carries a PIN");
    let none = [
        "package",
        "build",
        "demo-hello",
        "--key",
        "pkcs11:token=elsewhere",
        "--pin-stdin",
    ];
    card.refused(&none, "4321\n", "no token matches");

    // The CA on the token issues, and takes back again; openssl is the judge.
    let ca = uri("card-ca");
    let issue = [
        "key",
        "create",
        "eve",
        "--type",
        "ec",
        "--no-password",
        "--issuer",
        &ca,
        "--password-stdin",
    ];
    let (code, said) = card.run(&issue[..8], "");
    assert_eq!(code, 1, "{said}");
    let with_pin = format!("{ca}?pin-source=file:{}", pin.display());
    let issue = [
        "key",
        "create",
        "eve",
        "--type",
        "ec",
        "--no-password",
        "--issuer",
        &with_pin,
    ];
    card.ok(&issue, "");
    let revoke = [
        "cert",
        "revoke",
        "eve.crt",
        "--ca",
        &ca,
        "--crl",
        "card.crl",
        "--pin-stdin",
    ];
    card.ok(&revoke, "4321\n");
    let judge = Command::new("openssl")
        .args([
            "verify",
            "-crl_check",
            "-CAfile",
            "card-ca.crt",
            "-CRLfile",
            "card.crl",
            "eve.crt",
        ])
        .current_dir(place.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&judge.stderr).into_owned();
    assert!(
        !judge.status.success() && said.contains("certificate revoked"),
        "{said}"
    );

    // Renewed on the token: by itself, and by the CA in files.
    let before = place.read("alice.crt");
    card.ok(
        &[
            "token",
            "renew",
            "--key-id",
            "01",
            "--pin-stdin",
            "--out",
            "alice.crt",
        ],
        "4321\n",
    );
    let dated = place
        .names()
        .into_iter()
        .find(|name| name.starts_with("alice-20"))
        .unwrap();
    assert_ne!(place.read(&dated), before);
    card.ok(
        &[
            "token",
            "renew",
            "--key-id",
            "bob",
            "--ca",
            "ca.crt",
            "--pin-stdin",
        ],
        "4321\n",
    );
    card.refused(
        &["token", "renew", "--key-id", "bob", "--pin-stdin"],
        "4321\n",
        "whose key is needed",
    );
    card.refused(
        &["token", "renew", "--pin-stdin"],
        "4321\n",
        "holds 3 certificates with a key",
    );
    let json: serde_json::Value = serde_json::from_str(&card.ok(&["token", "list", "--json"], "")).unwrap();
    assert_eq!(json[0]["certificates"].as_array().unwrap().len(), 3);
    let words = [
        "package",
        "build",
        "demo-hello",
        "--key",
        "pkcs11:id=%01",
        "--pin-stdin",
    ];
    card.ok(&words, "4321\n");
    place.write("new/alice.crt", place.read(&dated));
    place.ok(&["package", "verify", "demo-hello_1.0-0.wapt", "--trust", "new"]);
}

#[test]
fn keys_are_brought_onto_a_token_and_its_pin_is_changed() {
    let Some(card) = Card::new() else {
        eprintln!("skipped: softhsm2-util is not installed");
        return;
    };
    let place = &card.place;
    for (name, kind) in [("ann", "rsa"), ("ben", "ec")] {
        card.ok(
            &["key", "create", name, "--type", kind, "--password-stdin"],
            "long enough\n",
        );
        let certificate = format!("{name}.crt");
        let import = ["token", "import", &certificate, "--pin-stdin"];
        card.refused(&import, "wrong password\n", "the password does not open");
        card.ok(&import, "long enough\n4321\n");
        place.write(&format!("trust/{name}.crt"), place.read(&certificate));
        fs_err::remove_file(place.path().join(format!("{name}.pem"))).unwrap();
    }
    card.refused(
        &["token", "import", "ann.crt", "--key", "ben.crt"],
        "",
        "no private key",
    );

    let pin = ["token", "pin", "--token", "a card;50%", "--pin-stdin"];
    card.refused(&pin, "0000\n876543\n", "is wrong");
    card.refused(&pin, "4321\n1\n", "characters");
    card.ok(&pin, "4321\n876543\n");
    card.ok(&["package", "new", "demo-hello"], "");
    for name in ["ann", "ben"] {
        let key = format!("pkcs11:token=a%20card%3B50%25;object={name}");
        let words = ["package", "build", "demo-hello", "--key", &key, "--pin-stdin"];
        card.refused(&words, "4321\n", "is wrong");
        card.ok(&words, "876543\n");
        place.ok(&["package", "verify", "demo-hello_1.0-0.wapt", "--trust", "trust"]);
        fs_err::remove_file(place.path().join("demo-hello_1.0-0.wapt")).unwrap();
    }
}
