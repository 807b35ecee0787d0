//! Signing with keys on a real PKCS#11 token (SoftHSM): PIN rules, RSA and EC, packages and envelopes.
#![cfg(feature = "token")]
#![expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]

use std::path::{Path, PathBuf};
use std::process::Command;

use jiff::Timestamp;
use muster_shared::control::{Control, Section};
use muster_shared::crypto::token::{self, PinState, TokenError, TokenSelector, TokenSigner};
use muster_shared::crypto::{Certificate, Signer as _, TrustStore};
use muster_shared::envelope::Envelope;
use muster_shared::package::{Package, Unverified, build};
use secrecy::SecretString;

const PIN: &str = "648219";

fn module() -> Option<PathBuf> {
    [
        "/usr/lib/softhsm/libsofthsm2.so",
        "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so",
    ]
    .iter()
    .map(PathBuf::from)
    .find(|path| path.exists())
}

fn run(program: &str, args: &[&str], conf: &Path) {
    let output = Command::new(program)
        .args(args)
        .env("SOFTHSM2_CONF", conf)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{program} {args:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// Everything in one test: a process initialises a module once, with one configuration.
#[test]
fn a_token_signs_what_its_certificate_verifies_and_guards_its_pin() {
    let Some(module) = module() else {
        assert!(
            std::env::var_os("CI").is_none(),
            "SoftHSM is missing: make test installs it"
        );
        return;
    };
    // SoftHSM reads its configuration from the environment of the process that loads it, so the test runs
    // itself again with the environment set.
    if std::env::var_os("MUSTER_TOKEN_TEST").is_none() {
        let folder = tempfile::tempdir().unwrap();
        let conf = folder.path().join("softhsm2.conf");
        let tokens = folder.path().join("tokens");
        fs_err::create_dir(&tokens).unwrap();
        fs_err::write(&conf, format!("directories.tokendir = {}\n", tokens.display())).unwrap();
        let status = Command::new(std::env::current_exe().unwrap())
            .args([
                "a_token_signs_what_its_certificate_verifies_and_guards_its_pin",
                "--exact",
                "--nocapture",
            ])
            .env("MUSTER_TOKEN_TEST", folder.path())
            .env("SOFTHSM2_CONF", &conf)
            .status()
            .unwrap();
        assert!(status.success());
        return;
    }
    let folder = PathBuf::from(std::env::var_os("MUSTER_TOKEN_TEST").unwrap());
    let conf = folder.join("softhsm2.conf");
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden/keys");
    run(
        "softhsm2-util",
        &[
            "--init-token",
            "--free",
            "--label",
            "card",
            "--pin",
            PIN,
            "--so-pin",
            "12345678",
        ],
        &conf,
    );
    import(
        &module,
        &conf,
        &folder,
        &golden.join("signer.pem"),
        &golden.join("signer.crt"),
        "01",
    );
    let (ec_key, ec_certificate) = make_ec(&folder);
    import(&module, &conf, &folder, &ec_key, &ec_certificate, "02");

    let tokens = token::list(&module).unwrap();
    assert_eq!(tokens.len(), 1);
    assert_eq!(
        (tokens[0].label.as_str(), tokens[0].pin),
        ("card", PinState::Ready)
    );
    assert_eq!(tokens[0].certificates.len(), 2);

    let selector = |key: &str| TokenSelector {
        module: module.clone(),
        token: "card".into(),
        key: key.into(),
    };
    let wrong = TokenSigner::open(&selector("01"), Some(&SecretString::from("000000"))).unwrap_err();
    assert!(matches!(wrong, TokenError::PinWrong { .. }), "{wrong:?}");
    let none = TokenSigner::open(&selector("01"), None).unwrap_err();
    assert!(matches!(none, TokenError::PinNeeded(_)), "{none:?}");
    let other = TokenSelector {
        token: "elsewhere".into(),
        ..selector("")
    };
    assert!(matches!(
        TokenSigner::open(&other, None).unwrap_err(),
        TokenError::NoToken { .. }
    ));
    let missing = TokenSigner::open(&selector("77"), Some(&SecretString::from(PIN))).unwrap_err();
    assert!(matches!(missing, TokenError::NoKey { .. }), "{missing:?}");

    let at: Timestamp = "2026-11-24T12:00:00Z".parse().unwrap();
    for key in ["01", "02"] {
        let signer = TokenSigner::open(&selector(key), Some(&SecretString::from(PIN))).unwrap();
        let trust = TrustStore::new(vec![signer.certificate().clone()]);
        let envelope = Envelope::sign("application/x-test", b"{}", &signer).unwrap();
        let verified = envelope.verify("application/x-test", &trust, at).unwrap();
        assert_eq!(verified.signer(), signer.certificate());
        let bytes =
            build::build_control_only(Control::new("card-group", "1", Section::Group), &signer, at).unwrap();
        let path = folder.join(format!("{key}.wapt"));
        fs_err::write(&path, bytes).unwrap();
        Package::<Unverified>::open(&path)
            .unwrap()
            .verify(&trust, at)
            .unwrap();
    }
}

fn import(module: &Path, conf: &Path, folder: &Path, key: &Path, certificate: &Path, id: &str) {
    let (key_der, certificate_der) = (folder.join("key.der"), folder.join("cert.der"));
    run(
        "openssl",
        &[
            "pkcs8",
            "-topk8",
            "-nocrypt",
            "-in",
            key.to_str().unwrap(),
            "-outform",
            "DER",
            "-out",
            key_der.to_str().unwrap(),
        ],
        conf,
    );
    run(
        "openssl",
        &[
            "x509",
            "-in",
            certificate.to_str().unwrap(),
            "-outform",
            "DER",
            "-out",
            certificate_der.to_str().unwrap(),
        ],
        conf,
    );
    let module = module.to_str().unwrap();
    for (file, kind) in [(&key_der, "privkey"), (&certificate_der, "cert")] {
        run(
            "pkcs11-tool",
            &[
                "--module",
                module,
                "--login",
                "--pin",
                PIN,
                "--token-label",
                "card",
                "--write-object",
                file.to_str().unwrap(),
                "--type",
                kind,
                "--id",
                id,
                "--label",
                "sign",
            ],
            conf,
        );
    }
}

fn make_ec(folder: &Path) -> (PathBuf, PathBuf) {
    use muster_shared::crypto::{PrivateKey, issue};
    let key = PrivateKey::generate_ec().unwrap();
    let subject = issue::Subject {
        common_name: "EC person".into(),
        ..Default::default()
    };
    let purpose = issue::Purpose {
        code_signing: true,
        client_auth: false,
        authority: false,
    };
    let (from, to) = (
        "2026-01-01T00:00:00Z".parse().unwrap(),
        "2036-01-01T00:00:00Z".parse().unwrap(),
    );
    let certificate: Certificate = issue::self_signed(&key, &subject, purpose, from, to).unwrap();
    let paths = (folder.join("ec.pem"), folder.join("ec.crt"));
    fs_err::write(&paths.0, key.to_pem(None).unwrap().as_str()).unwrap();
    fs_err::write(&paths.1, certificate.to_pem()).unwrap();
    paths
}
