//! Certificates are taken back, by lists that openssl and muster make.

use super::{openssl, organisation, verify};
use crate::support::{Place, stdout};

#[test]
fn a_revoked_certificate_is_refused_by_openssl_and_by_muster_and_the_list_goes_on() {
    for kind in ["rsa", "ec"] {
        let place = organisation(kind);
        place.write("trust/ca.crt", place.read("ca.crt"));
        place.ok(&["cert", "crl", "--ca", "ca.crt"]);
        assert_eq!(verify(&place, "bob.crt").0, 0);
        let done = place.ok(&[
            "cert",
            "revoke",
            "bob.crt",
            "--ca",
            "ca.crt",
            "--reason",
            "key-compromise",
        ]);
        assert!(
            done.contains("taken back now  bob") && done.contains("muster-server trust add"),
            "{done}"
        );
        let (code, said) = verify(&place, "bob.crt");
        assert!(code != 0 && said.contains("certificate revoked"), "{said}");
        assert_eq!(verify(&place, "eve.crt").0, 0);
        let (_, text) = openssl(&place, &["crl", "-in", "ca.crl", "-noout", "-text"]);
        assert!(
            text.contains("Key Compromise") && text.contains("X509v3 CRL Number"),
            "{text}"
        );

        // The next one carries the first along; the lost certificate goes by its serial number.
        let shown: serde_json::Value =
            serde_json::from_str(stdout(&place.ok(&["cert", "show", "eve.crt", "--json"]))).unwrap();
        let serial = shown["certificates"][0]["serial"].as_str().unwrap().to_owned();
        place.ok(&[
            "cert", "revoke", "--serial", &serial, "--ca", "ca.crt", "--ca-key", "ca.pem",
        ]);
        for name in ["bob.crt", "eve.crt"] {
            assert!(verify(&place, name).1.contains("certificate revoked"));
        }
        let again = place.ok(&["cert", "revoke", "bob.crt", "--ca", "ca.crt"]);
        assert!(
            again.contains("bob was taken back before") && !again.contains("taken back now"),
            "{again}"
        );
        let shown = place.ok(&["cert", "show", "ca.crl"]);
        assert!(
            shown.contains("keyCompromise") && shown.contains(&serial),
            "{shown}"
        );

        // Muster judges with the list of the trust folder.
        let trusted = place.muster(&["cert", "show", "bob.crt", "--trust", "trust"]);
        assert!(trusted.contains("trusted: "), "{trusted}");
        place.write("trust/ca.crl", place.read("ca.crl"));
        let trusted = place.muster(&["cert", "show", "bob.crt", "--trust", "trust"]);
        assert!(
            trusted.starts_with("exit code 1") && trusted.contains("was revoked on"),
            "{trusted}"
        );
    }
}

#[test]
fn lists_made_by_openssl_count_and_go_on_here() {
    let place = organisation("rsa");
    place.write("index.txt", "");
    place.write("crlnumber", "1000\n");
    place.write(
        "ca.cnf",
        "[ca]\ndefault_ca=d\n[d]\ndatabase=index.txt\ncrlnumber=crlnumber\ndefault_md=sha256\ndefault_crl_days=30\n",
    );
    let ca = ["ca", "-config", "ca.cnf", "-cert", "ca.crt", "-keyfile", "ca.pem"];
    let (code, said) = openssl(
        &place,
        &[&ca[..], &["-revoke", "bob.crt", "-crl_reason", "superseded"]].concat(),
    );
    assert_eq!(code, 0, "{said}");
    let (code, said) = openssl(&place, &[&ca[..], &["-gencrl", "-out", "ca.crl"]].concat());
    assert_eq!(code, 0, "{said}");
    place.write("trust/ca.crt", place.read("ca.crt"));
    openssl(
        &place,
        &["crl", "-in", "ca.crl", "-outform", "DER", "-out", "trust/ca.crl"],
    );
    let shown = place.muster(&["cert", "show", "bob.crt", "--trust", "trust"]);
    assert!(
        shown.contains("was revoked on") && shown.contains("(superseded)"),
        "{shown}"
    );
    let shown = place.muster(&["cert", "show", "eve.crt", "--trust", "trust"]);
    assert!(shown.contains("trusted: "), "{shown}");
    place.ok(&["cert", "revoke", "eve.crt", "--ca", "ca.crt"]);
    for name in ["bob.crt", "eve.crt"] {
        assert!(verify(&place, name).1.contains("certificate revoked"));
    }
}

#[test]
fn a_self_signed_signer_takes_itself_back_with_its_own_key() {
    let place = Place::new().with_key();
    place.ok(&["cert", "revoke", "alice.crt"]);
    place.write("trust/alice.crt", place.read("alice.crt"));
    let before = place.muster(&["cert", "show", "alice.crt", "--trust", "trust"]);
    assert!(before.contains("trusted: "), "{before}");
    place.write("trust/alice.crl", place.read("alice.crl"));
    let after = place.muster(&["cert", "show", "alice.crt", "--trust", "trust"]);
    assert!(after.contains("was revoked on"), "{after}");
    let words = [
        "crl",
        "-in",
        "alice.crl",
        "-noout",
        "-verify",
        "-CAfile",
        "alice.crt",
    ];
    let (_, said) = openssl(&place, &words);
    assert!(said.contains("verify OK"), "{said}");
}

#[test]
fn what_cannot_be_taken_back_is_said() {
    let place = organisation("ec").with_key();
    place.refused(
        &["cert", "revoke", "alice.crt", "--ca", "ca.crt"],
        "",
        "ca did not issue the certificate of alice",
    );
    place.refused(
        &["cert", "revoke", "bob.crt"],
        "",
        "the CA that issued the certificate is not named",
    );
    place.refused(
        &["cert", "revoke", "--serial", "xyz", "--ca", "ca.crt"],
        "",
        "is not a serial number",
    );
    place.refused(
        &[
            "cert", "revoke", "bob.crt", "--ca", "ca.crt", "--ca-key", "bob.pem",
        ],
        "",
        "does not belong",
    );
    // Another issuer's list is never overwritten.
    place.ok(&["cert", "revoke", "alice.crt"]);
    let before = place.read("alice.crl");
    let words = [
        "cert",
        "revoke",
        "bob.crt",
        "--ca",
        "ca.crt",
        "--crl",
        "alice.crl",
    ];
    place.refused(&words, "", "is not a revocation list that ca signed");
    assert_eq!(place.read("alice.crl"), before);
    assert!(!place.path().join("ca.crl").exists());
}
