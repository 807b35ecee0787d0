//! Encrypted host packages against Python's `cryptography`, both ways; passed over where Python lacks it.

use std::path::Path;
use std::process::Command;

use muster_shared::crypto::{Certificate, PrivateKey};
use muster_shared::package::encrypted;

const SCRIPT: &str = r#"
import sys
from cryptography.fernet import Fernet
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.serialization import load_pem_private_key
pad = padding.OAEP(padding.MGF1(hashes.SHA1()), hashes.SHA1(), None)
key = load_pem_private_key(open(sys.argv[1], "rb").read(), None)
data = open(sys.argv[2], "rb").read()
size = int(data[9:12])
inner = key.decrypt(data[12:12 + size], pad)
plain = Fernet(inner).decrypt(data[12 + size:])
open(sys.argv[3], "wb").write(plain)
fresh = Fernet.generate_key()
block = key.public_key().encrypt(fresh, pad)
open(sys.argv[4], "wb").write(b"RSAFERNET" + b"%03d" % len(block) + block + Fernet(fresh).encrypt(plain))
"#;

#[test]
fn files_are_read_by_python_and_files_of_python_are_read() {
    let python = |arguments: &[&str]| Command::new("python3").args(arguments).output();
    let has = python(&["-c", "import cryptography.fernet"]).is_ok_and(|output| output.status.success());
    if !has {
        eprintln!("Python has no cryptography: nothing to compare with");
        return;
    }
    let keys = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden/keys");
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let certificate = Certificate::from_pem(&fs_err::read_to_string(keys.join("leaf.crt")).unwrap()).unwrap();
    let key = keys.join("leaf.pem");
    let at = "2026-11-24T12:00:00Z".parse().unwrap();
    for length in [0, 1, 15, 16, 17, 70_000] {
        let plain: Vec<u8> = (0..length).map(|n: u32| (n % 251) as u8).collect();
        fs_err::write(
            path("ours"),
            encrypted::encrypt(&plain, &certificate, at).unwrap(),
        )
        .unwrap();
        let output = python(&[
            "-c",
            SCRIPT,
            key.to_str().unwrap(),
            &path("ours"),
            &path("plain"),
            &path("theirs"),
        ]);
        let output = output.unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        assert_eq!(fs_err::read(path("plain")).unwrap(), plain);
        let own = PrivateKey::from_pem(&fs_err::read_to_string(&key).unwrap(), None).unwrap();
        let theirs = fs_err::read(path("theirs")).unwrap();
        assert_eq!(encrypted::decrypt(&theirs, &own).unwrap(), plain);
    }
}
