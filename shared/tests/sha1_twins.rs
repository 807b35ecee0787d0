//! SHA-1 twins of old packages: looked at, never trusted alone.
#![expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]

use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

use muster_shared::crypto::TrustStore;
use muster_shared::package::{Package, PackageError, Sha1Twins, Unverified, Verified};
use muster_shared::protocol::error::ErrorCode;
use sha1::{Digest as _, Sha1};

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden")
}

fn verify(path: &Path) -> Result<Package<Verified>, PackageError> {
    let trust = TrustStore::from_folder(&golden().join("certs")).unwrap();
    Package::<Unverified>::open(path)?.verify(&trust, "2026-11-24T12:00:00Z".parse().unwrap())
}

/// The golden package with other signature members; `sha256` keeps the real ones.
fn package(folder: &Path, sha256: bool, twins: &[(&str, Vec<u8>)]) -> PathBuf {
    let target = folder.join("x.wapt");
    let source = fs_err::File::open(golden().join("repo/peer-app_1.0-0.wapt")).unwrap();
    let mut archive = zip::ZipArchive::new(source).unwrap();
    let mut writer = zip::ZipWriter::new(fs_err::File::create(&target).unwrap());
    for index in 0..archive.len() {
        let member = archive.by_index_raw(index).unwrap();
        let name = member.name().unwrap().into_owned();
        if sha256 || !name.ends_with(".sha256") {
            writer.raw_copy_file(member).unwrap();
        }
    }
    for (name, bytes) in twins {
        writer
            .start_file(*name, zip::write::SimpleFileOptions::default())
            .unwrap();
        writer.write_all(bytes).unwrap();
    }
    writer.finish().unwrap();
    target
}

/// `WAPT/manifest.sha1` as old tools wrote it, with a change to its sums, and a signature by `openssl`'s rules.
fn twins(change: impl Fn(&str, String) -> String) -> Vec<(&'static str, Vec<u8>)> {
    let source = fs_err::File::open(golden().join("repo/peer-app_1.0-0.wapt")).unwrap();
    let mut archive = zip::ZipArchive::new(source).unwrap();
    let mut rows = Vec::new();
    for index in 0..archive.len() {
        let mut member = archive.by_index(index).unwrap();
        let name = member.name().unwrap().into_owned();
        let mut content = Vec::new();
        member.read_to_end(&mut content).unwrap();
        if !name.ends_with(".sha256") {
            let sum = change(&name, hex::encode(Sha1::digest(&content)));
            rows.push((name, sum));
        }
    }
    let manifest = serde_json::to_vec(&rows).unwrap();
    let signature = sign_sha1(&manifest);
    vec![("WAPT/manifest.sha1", manifest), ("WAPT/signature", signature)]
}

fn sign_sha1(message: &[u8]) -> Vec<u8> {
    use base64::Engine as _;
    use rsa::pkcs1::DecodeRsaPrivateKey as _;
    let pem = fs_err::read_to_string(golden().join("keys/signer.pem")).unwrap();
    let key = rsa::PrivateKey::from_pkcs1_pem(&pem).unwrap();
    let signature = key.pkcs1v15_sign::<Sha1>(message).unwrap();
    base64::engine::general_purpose::STANDARD
        .encode(signature)
        .into_bytes()
}

#[test]
fn only_sha1_is_never_trusted() {
    let folder = tempfile::tempdir().unwrap();
    let file = package(folder.path(), false, &twins(|_name, sum| sum));
    let error = verify(&file).unwrap_err();
    assert_eq!(error.code(), ErrorCode::PackageUnsigned);
    assert!(error.to_string().contains("only SHA-1"), "{error}");
}

#[test]
fn consistent_twins_beside_the_real_signature_are_accepted() {
    let folder = tempfile::tempdir().unwrap();
    let file = package(folder.path(), true, &twins(|_name, sum| sum));
    assert_eq!(
        verify(&file).unwrap().sha1_twins().unwrap(),
        Sha1Twins::Consistent
    );
}

#[test]
fn twins_that_contradict_are_reported_and_change_no_verdict() {
    let folder = tempfile::tempdir().unwrap();
    let other = |name: &str, sum: String| if name == "setup.py" { "0".repeat(40) } else { sum };
    let mut forged = twins(|_name, sum| sum);
    forged.last_mut().unwrap().1 = sign_sha1(b"something else");
    let half = vec![twins(|_name, sum| sum).swap_remove(0)];
    for (twins, word) in [
        (twins(other), "another sum of setup.py"),
        (forged, "does not match"),
        (half, "WAPT/signature is missing"),
        (
            vec![("WAPT/manifest.sha1", b"[".repeat(10_000))],
            "cannot be read",
        ),
        (
            vec![("WAPT/signature", b"x".to_vec())],
            "WAPT/manifest.sha1 is missing",
        ),
    ] {
        let file = package(folder.path(), true, &twins);
        let Sha1Twins::Contradicting(reason) = verify(&file).unwrap().sha1_twins().unwrap() else {
            panic!("{word}")
        };
        assert!(reason.contains(word), "{reason}");
    }
    let golden = verify(&golden().join("bad/extra-sha1-manifest.wapt")).unwrap();
    assert!(matches!(
        golden.sha1_twins().unwrap(),
        Sha1Twins::Contradicting(_)
    ));
}
