//! Every verdict that WAPT 1.8.2 gave on the golden packages holds here, and what we write holds there.
#![expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use muster_shared::crypto::{Certificate, FileSigner, PrivateKey, Signer as _, TrustStore};
use muster_shared::package::{Package, PackageError, Unverified, build, sign};
use muster_shared::protocol::error::ErrorCode;
use secrecy::SecretString;

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden")
}

/// A time at which every golden certificate is valid.
fn at() -> Timestamp {
    "2026-11-24T12:00:00Z".parse().unwrap()
}

fn trust() -> TrustStore {
    TrustStore::from_folder(&golden().join("certs")).unwrap()
}

fn signer(name: &str) -> FileSigner {
    let keys = golden().join("keys");
    FileSigner::open(
        &keys.join(format!("{name}.crt")),
        &keys.join(format!("{name}.pem")),
        None,
    )
    .unwrap()
}

fn verdict(path: &Path) -> Result<(), PackageError> {
    Package::<Unverified>::open(path)?
        .verify(&trust(), at())
        .map(|_verified| ())
}

#[test]
fn every_golden_package_gets_the_verdict_of_the_predecessor() {
    let table = fs_err::read_to_string(golden().join("expected.tsv")).unwrap();
    let mut checked = 0;
    for line in table.lines().filter(|line| !line.is_empty()) {
        let mut columns = line.split('\t');
        let (file, expected) = (columns.next().unwrap(), columns.next().unwrap());
        let result = verdict(&golden().join(file));
        assert_eq!(result.is_ok(), expected == "0", "{file}: {result:?}");
        checked += 1;
    }
    assert_eq!(checked, 32);
}

#[test]
fn refusals_say_which_rule_was_broken() {
    for (file, code) in [
        ("cert-replaced", ErrorCode::PackageSignatureInvalid),
        ("control-depends-changed", ErrorCode::PackageSignatureInvalid),
        ("control-signature-removed", ErrorCode::PackageUnsigned),
        (
            "control-signed-attributes-shrunk",
            ErrorCode::PackageSignatureInvalid,
        ),
        ("extra-file", ErrorCode::PackageContentChanged),
        ("missing-file", ErrorCode::PackageContentChanged),
        ("no-certificate", ErrorCode::PackageUnsigned),
        ("no-manifest", ErrorCode::PackageUnsigned),
        ("no-signature", ErrorCode::PackageUnsigned),
        ("not-a-zip", ErrorCode::PackageUnreadable),
        ("tampered-file", ErrorCode::PackageContentChanged),
        ("tampered-setup", ErrorCode::PackageContentChanged),
        ("truncated", ErrorCode::PackageUnreadable),
        ("untrusted-signer", ErrorCode::PackageSignatureUntrusted),
    ] {
        let error = verdict(&golden().join(format!("bad/{file}.wapt"))).unwrap_err();
        assert_eq!(error.code(), code, "{file}: {error:?}");
    }
}

#[test]
fn the_edge_packages_verify_with_the_bytes_that_were_signed() {
    let mut checked = 0;
    for entry in fs_err::read_dir(golden().join("edge")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "wapt") {
            continue;
        }
        let package = Package::<Unverified>::open(&path).unwrap();
        let bytes = fs_err::read(path.with_extension("signed_bytes.json")).unwrap();
        assert_eq!(
            String::from_utf8_lossy(&package.control().signed_bytes()),
            String::from_utf8_lossy(&bytes),
            "{}",
            path.display()
        );
        // results.tsv of the predecessor accepts all of them.
        package.verify(&trust(), at()).unwrap();
        checked += 1;
    }
    assert_eq!(checked, 14);
}

#[test]
fn a_leaf_is_trusted_by_its_ca_and_by_itself_but_not_by_a_stranger() {
    let file = golden().join("chain/peer-base-leafchain.wapt");
    let keys = golden().join("keys");
    let open = || Package::<Unverified>::open(&file).unwrap();
    let load = |name: &str| Certificate::chain_from_file(&keys.join(name)).unwrap();
    for pinned in [load("ca.crt"), load("leaf.crt")] {
        let verified = open().verify(&TrustStore::new(pinned), at()).unwrap();
        assert_eq!(verified.signer().common_name(), "peer-leaf");
        assert!(verified.signer().may_sign_code() && !verified.signer().is_ca());
    }
    let error = open()
        .verify(&TrustStore::new(load("signer.crt")), at())
        .unwrap_err();
    assert_eq!(error.code(), ErrorCode::PackageSignatureUntrusted);
    let error = open().verify(&TrustStore::default(), at()).unwrap_err();
    assert_eq!(error.code(), ErrorCode::PackageSignatureUntrusted);
}

#[test]
fn a_certificate_is_refused_before_and_after_its_time() {
    let file = golden().join("repo/peer-base_1.2.3-4_PROD.wapt");
    for time in ["2001-01-01T00:00:00Z", "2101-01-01T00:00:00Z"] {
        let package = Package::<Unverified>::open(&file).unwrap();
        let error = package.verify(&trust(), time.parse().unwrap()).unwrap_err();
        assert_eq!(error.code(), ErrorCode::PackageSignatureUntrusted, "{error:?}");
    }
}

#[test]
fn encrypted_keys_of_the_predecessor_are_read_and_never_written_again() {
    let keys = golden().join("keys");
    let pem = fs_err::read_to_string(keys.join("encrypted.pem")).unwrap();
    assert!(pem.contains("DEK-Info: AES-256-CBC") && PrivateKey::is_encrypted(&pem));
    assert!(PrivateKey::from_pem(&pem, None).is_err());
    assert!(PrivateKey::from_pem(&pem, Some(&SecretString::from("wrong"))).is_err());
    let password = SecretString::from("secret-test");
    let key = PrivateKey::from_pem(&pem, Some(&password)).unwrap();
    let certificate = Certificate::chain_from_file(&keys.join("encrypted.crt")).unwrap();
    assert_eq!(key.spki_der().unwrap(), certificate.first().unwrap().spki_der());
    let written = key.to_pem(Some(&password)).unwrap();
    assert!(written.starts_with("-----BEGIN ENCRYPTED PRIVATE KEY-----"));
    let again = PrivateKey::from_pem(&written, Some(&password)).unwrap();
    assert_eq!(again.spki_der().unwrap(), key.spki_der().unwrap());
}

#[test]
fn a_built_folder_verifies_unpacks_and_comes_out_as_it_went_in() {
    let folder = tempfile::tempdir().unwrap();
    let sources = folder.path().join("src");
    fs_err::create_dir_all(sources.join("WAPT")).unwrap();
    fs_err::create_dir_all(sources.join("data/déjà")).unwrap();
    fs_err::write(
        sources.join("WAPT/control"),
        "package : demo-built\nversion : 1.0-3\narchitecture : all\nsection : base\npriority : optional\n\
         description : accents éà €\ndepends : demo-lib(>=1.0)\n",
    )
    .unwrap();
    fs_err::write(sources.join("setup.py"), "def install():\n    pass\n").unwrap();
    fs_err::write(sources.join("data/déjà/vu.txt"), vec![7_u8; 200_000]).unwrap();
    fs_err::write(sources.join("left.pyc"), "x").unwrap();
    let options = build::BuildOptions {
        excludes: vec!["*.pyc".into()],
        increment: true,
        ..Default::default()
    };
    let built = build::build_folder(&sources, folder.path(), &signer("signer"), &options, at()).unwrap();
    assert_eq!(built.path.file_name().unwrap(), "demo-built_1.0-4.wapt");
    let verified = Package::<Unverified>::open(&built.path)
        .unwrap()
        .verify(&trust(), at())
        .unwrap();
    assert_eq!(verified.sha256().unwrap(), built.sha256);
    assert_eq!(verified.setup_py().unwrap(), b"def install():\n    pass\n");
    let target = folder.path().join("out");
    fs_err::create_dir(&target).unwrap();
    verified.unpack(&target).unwrap();
    assert_eq!(
        fs_err::read(target.join("data/déjà/vu.txt")).unwrap(),
        vec![7_u8; 200_000]
    );
    assert!(!target.join("left.pyc").exists());

    // Signing again by another key replaces the signature and nothing else.
    sign::sign_file(&built.path, &signer("leaf"), at(), false).unwrap();
    let again = Package::<Unverified>::open(&built.path).unwrap();
    assert_ne!(
        again.control().get("package_uuid"),
        built.control.get("package_uuid")
    );
    let leaf = Certificate::chain_from_file(&golden().join("keys/leaf.crt")).unwrap();
    again.verify(&TrustStore::new(leaf), at()).unwrap();
}

#[test]
fn code_is_not_signed_without_a_certificate_for_code() {
    let folder = tempfile::tempdir().unwrap();
    let sources = folder.path().join("src");
    fs_err::create_dir_all(sources.join("WAPT")).unwrap();
    fs_err::write(
        sources.join("WAPT/control"),
        "package : demo-code\nversion : 1\narchitecture : all\nsection : base\npriority : optional\n",
    )
    .unwrap();
    fs_err::write(sources.join("setup.py"), "").unwrap();
    let nocode = signer("nocode");
    assert!(!nocode.certificate().may_sign_code());
    let error = build::build_folder(
        &sources,
        folder.path(),
        &nocode,
        &build::BuildOptions::default(),
        at(),
    )
    .unwrap_err();
    assert_eq!(error.code(), ErrorCode::PackageCodeSigningRequired);
    let left: Vec<_> = fs_err::read_dir(folder.path())
        .unwrap()
        .map(|e| e.unwrap().file_name())
        .collect();
    assert_eq!(left, ["src"], "nothing is left behind");
}

#[test]
fn every_region_of_a_package_is_protected() {
    let original = fs_err::read(golden().join("repo/peer-app_1.0-0.wapt")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.wapt");
    let intact = Package::<Unverified>::open(&golden().join("repo/peer-app_1.0-0.wapt"))
        .unwrap()
        .verify(&trust(), at())
        .unwrap();
    let mut accepted = Vec::new();
    for position in (0..original.len()).step_by(7) {
        let mut bytes = original.clone();
        bytes[position] ^= 0x41;
        fs_err::write(&path, &bytes).unwrap();
        let Ok(package) = Package::<Unverified>::open(&path) else {
            continue;
        };
        if let Ok(verified) = package.verify(&trust(), at()) {
            // Dates and version bytes of the zip itself may differ; what is signed may not.
            assert_eq!(verified.setup_py(), intact.setup_py(), "byte {position}");
            assert_eq!(verified.control().signed_bytes(), intact.control().signed_bytes());
            accepted.push(position);
        }
    }
    assert!(accepted.len() < original.len() / 7 / 4, "{accepted:?}");
}

#[test]
fn a_control_alone_becomes_a_package_that_needs_no_code_signing() {
    use muster_shared::control::{Control, Section};
    let mut control = Control::new("demo-group", "3", Section::Group);
    control.set("depends", "demo-a,demo-b(=1.2)");
    let bytes = build::build_control_only(control, &signer("nocode"), at()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("demo-group_3.wapt");
    fs_err::write(&path, bytes).unwrap();
    let verified = Package::<Unverified>::open(&path)
        .unwrap()
        .verify(&trust(), at())
        .unwrap();
    assert_eq!(verified.control().depends(), "demo-a,demo-b(=1.2)");
    assert_eq!(verified.signer().common_name(), "peer-nocode");
}

#[test]
fn a_certificate_for_another_purpose_does_not_sign_packages() {
    use muster_shared::control::{Control, Section};
    use muster_shared::crypto::issue;
    let (from, to) = (
        "2026-01-01T00:00:00Z".parse().unwrap(),
        "2036-01-01T00:00:00Z".parse().unwrap(),
    );
    let authority = issue::Authority::create("Organisation", from, to).unwrap();
    let (certificate, key) = authority
        .issue_server(&["www.example.org".to_owned()], from, to)
        .unwrap();
    let key = PrivateKey::from_pem(&key, None).unwrap();
    let server = FileSigner::new(key, vec![certificate.clone()]).unwrap();
    let control = Control::new("demo-group", "1", Section::Group);
    let bytes = build::build_control_only(control, &server, at()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("demo-group_1.wapt");
    fs_err::write(&path, bytes).unwrap();
    let verify = |anchor: Certificate| {
        Package::<Unverified>::open(&path)
            .unwrap()
            .verify(&TrustStore::new(vec![anchor]), at())
    };
    let error = verify(authority.certificate().clone()).unwrap_err();
    assert_eq!(error.code(), ErrorCode::PackageSignatureUntrusted);
    assert!(format!("{error:?}").contains("serverAuth"), "{error:?}");
    // Pinned by a person who wants exactly this certificate, it is what they say.
    verify(certificate).unwrap();
}
