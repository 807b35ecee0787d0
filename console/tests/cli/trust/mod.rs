//! Renewing, revoking, changing passwords, PKCS#12: run as people run them, with openssl as the independent judge.

mod key_files;
mod renew;
mod revoke;

use std::process::{Command, Stdio};

use crate::support::Place;

/// Runs openssl in the place; its code and everything that it said.
fn openssl(place: &Place, words: &[&str]) -> (i32, String) {
    let output = Command::new("openssl")
        .args(words)
        .current_dir(place.path())
        .stdin(Stdio::null())
        .output()
        .expect("openssl is installed: make setup");
    let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    (output.status.code().unwrap(), text)
}

/// A CA, and bob and eve issued by it.
fn organisation(kind: &str) -> Place {
    organisation_in(Place::new(), kind)
}

fn organisation_in(place: Place, kind: &str) -> Place {
    place.ok(&["key", "create", "ca", "--type", kind, "--no-password", "--ca"]);
    for name in ["bob", "eve"] {
        place.ok(&[
            "key",
            "create",
            name,
            "--type",
            kind,
            "--no-password",
            "--issuer",
            "ca.crt",
        ]);
    }
    place
}

fn verify(place: &Place, certificate: &str) -> (i32, String) {
    let words = [
        "verify",
        "-crl_check",
        "-CAfile",
        "ca.crt",
        "-CRLfile",
        "ca.crl",
        certificate,
    ];
    openssl(place, &words)
}
