//! Certificates are renewed with the same key, also those that openssl made, and chains are written in order.

use super::{openssl, organisation_in};
use crate::support::{Place, stdout};

#[test]
fn a_certificate_is_renewed_with_the_same_key_and_its_file_is_never_overwritten() {
    let place = organisation_in(Place::new().with_key(), "rsa");
    let fact = |file: &str, name: &str| {
        let shown = place.ok(&["cert", "show", file, "--json"]);
        let shown: serde_json::Value = serde_json::from_str(stdout(&shown)).unwrap();
        shown["certificates"][0][name].clone()
    };
    place.ok(&[
        "cert", "renew", "bob.crt", "--ca", "ca.crt", "--out", "bob2.crt", "--days", "20",
    ]);
    for same in ["subject", "issuer", "key_fingerprint", "may", "is_ca"] {
        assert_eq!(fact("bob2.crt", same), fact("bob.crt", same), "{same}");
    }
    for other in ["serial", "fingerprint", "not_after"] {
        assert_ne!(fact("bob2.crt", other), fact("bob.crt", other), "{other}");
    }
    let (code, said) = openssl(
        &place,
        &["verify", "-x509_strict", "-CAfile", "ca.crt", "bob2.crt"],
    );
    assert_eq!(code, 0, "{said}");
    // What is taken back names the other certificates of the same key.
    let revoked = place.ok(&["cert", "revoke", "bob.crt", "--ca", "ca.crt"]);
    assert!(
        revoked.contains("warning: bob2.crt is another certificate of the same key"),
        "{revoked}"
    );
    let both = ["cert", "revoke", "bob.crt", "--ca", "ca.crt", "--also-same-key"];
    let revoked = place.ok(&both);
    assert!(
        revoked.contains("in all          2") && !revoked.contains("warning:"),
        "{revoked}"
    );
    // Self-signed, and the name taken: the time goes behind it, and the settings follow only when that is wanted.
    let done = place.ok(&["cert", "renew", "alice.crt", "--out", "later.crt"]);
    assert!(
        done.contains("you still sign with alice.crt") && done.contains("--certificate later.crt"),
        "{done}"
    );
    place.write("trust/old.crt", place.read("alice.crt"));
    place.ok(&["package", "new", "demo-hello"]);
    place.ok(&["package", "build", "demo-hello"]);
    let verify = ["package", "verify", "demo-hello_1.0-0.wapt", "--trust", "trust"];
    place.ok(&verify);
    fs_err::remove_file(place.path().join("trust/old.crt")).unwrap();
    fs_err::remove_file(place.path().join("demo-hello_1.0-0.wapt")).unwrap();
    let done = place.ok(&["cert", "renew", "alice.crt", "--use"]);
    assert!(done.contains("you sign with the new certificate"), "{done}");
    let dated = place
        .names()
        .into_iter()
        .find(|name| name.starts_with("alice-20"))
        .unwrap();
    assert_eq!(
        fact(&dated, "key_fingerprint"),
        fact("alice.crt", "key_fingerprint")
    );
    let (code, said) = openssl(&place, &["verify", "-CAfile", &dated, &dated]);
    assert_eq!(code, 0, "{said}");
    place.ok(&["package", "build", "demo-hello"]);
    place.write("trust/new.crt", place.read(&dated));
    place.ok(&verify);
    place.refused(
        &["cert", "renew", "bob.crt"],
        "",
        "whose key is needed to renew it",
    );
    place.refused(
        &["cert", "renew", "alice.crt", "--ca", "ca.crt"],
        "",
        "it is renewed with its own key",
    );
}

#[test]
fn certificates_made_by_openssl_are_judged_and_renewed_and_keep_what_they_say() {
    let place = Place::new();
    let make = |words: &[&str]| {
        let (code, said) = openssl(&place, words);
        assert_eq!(code, 0, "{words:?}: {said}");
    };
    let root =
        "req -x509 -newkey rsa:2048 -nodes -keyout root.pem -out root.crt -subj /O=Org/CN=Root -days 90";
    make(&root.split(' ').collect::<Vec<_>>());
    place.write(
        "mid.ext",
        "basicConstraints=critical,CA:TRUE,pathlen:0\nkeyUsage=critical,keyCertSign,cRLSign\n",
    );
    place.write(
        "leaf.ext",
        "extendedKeyUsage=codeSigning\nkeyUsage=digitalSignature\nauthorityKeyIdentifier=keyid,issuer:always\n\
         subjectAltName=email:bob@example.org\n",
    );
    for (name, parent, curve) in [("mid", "root", true), ("leaf", "mid", false)] {
        let (key, request) = (format!("{name}.pem"), format!("{name}.csr"));
        let kind = if curve { "ec:p256.param" } else { "rsa:2048" };
        if curve {
            make(&["ecparam", "-name", "prime256v1", "-out", "p256.param"]);
        }
        let subject = format!("/O=Org/CN={name}");
        make(&[
            "req", "-new", "-newkey", kind, "-nodes", "-keyout", &key, "-out", &request, "-subj", &subject,
        ]);
        let (ca, ca_key) = (format!("{parent}.crt"), format!("{parent}.pem"));
        let (certificate, extensions) = (format!("{name}.crt"), format!("{name}.ext"));
        make(&[
            "x509",
            "-req",
            "-in",
            &request,
            "-CA",
            &ca,
            "-CAkey",
            &ca_key,
            "-CAcreateserial",
            "-out",
            &certificate,
            "-days",
            "60",
            "-extfile",
            &extensions,
        ]);
    }
    // The root alone is trusted; the intermediate comes along.
    place.write(
        "chain.crt",
        format!("{}{}", place.read("leaf.crt"), place.read("mid.crt")),
    );
    place.write("trust/root.crt", place.read("root.crt"));
    let shown = place.muster(&["cert", "show", "chain.crt", "--trust", "trust"]);
    assert!(shown.contains("trusted: "), "{shown}");
    let alone = place.muster(&["cert", "show", "leaf.crt", "--trust", "trust"]);
    assert!(alone.contains("not trusted: "), "{alone}");
    // Every certificate in a PEM counts: two in one file of the folder.
    place.write(
        "both/all.pem",
        format!(
            "{}text between\n{}",
            place.read("root.crt"),
            place.read("mid.crt")
        ),
    );
    let shown = place.muster(&["cert", "show", "leaf.crt", "--trust", "both"]);
    assert!(shown.contains("trusted: "), "{shown}");

    place.ok(&["cert", "renew", "leaf.crt", "--ca", "mid.crt", "--out", "new.crt"]);
    let (code, said) = openssl(
        &place,
        &[
            "verify",
            "-CAfile",
            "root.crt",
            "-untrusted",
            "mid.crt",
            "new.crt",
        ],
    );
    assert_eq!(code, 0, "{said}");
    let (_, text) = openssl(&place, &["x509", "-in", "new.crt", "-noout", "-text"]);
    assert!(
        text.contains("bob@example.org") && text.contains("Code Signing"),
        "{text}"
    );
    // Bob's package carries the intermediate, so the root's folder is enough; until the CA between takes him back.
    let chain = format!("{}{}", place.read("new.crt"), place.read("mid.crt"));
    place.write("bob.crt", chain);
    place.ok(&["package", "new", "demo-hello"]);
    place.ok(&[
        "package",
        "build",
        "demo-hello",
        "--certificate",
        "bob.crt",
        "--key",
        "leaf.pem",
    ]);
    place.ok(&["package", "verify", "demo-hello_1.0-0.wapt", "--trust", "trust"]);
    place.ok(&["cert", "revoke", "new.crt", "--ca", "mid.crt"]);
    place.write("trust/mid.crl", place.read("mid.crl"));
    let judged = place.muster(&["package", "verify", "demo-hello_1.0-0.wapt", "--trust", "trust"]);
    assert!(
        judged.starts_with("exit code 1") && judged.contains("revoked"),
        "{judged}"
    );
}

#[test]
fn a_chain_is_written_leaf_first_whatever_the_order_of_the_cas_file() {
    let place = Place::new();
    place.ok(&["key", "create", "root", "--type", "ec", "--no-password", "--ca"]);
    place.ok(&[
        "key",
        "create",
        "mid",
        "--type",
        "ec",
        "--no-password",
        "--ca",
        "--issuer",
        "root.crt",
    ]);
    place.ok(&["key", "create", "stray", "--type", "ec", "--no-password"]);
    let mid = place.read("mid.crt");
    place.write("ca.crt", format!("{mid}{}", place.read("stray.crt")));
    let words = [
        "key",
        "create",
        "bob",
        "--type",
        "ec",
        "--no-password",
        "--issuer",
        "ca.crt",
        "--issuer-key",
        "mid.pem",
    ];
    place.ok(&words);
    let shown = place.ok(&["cert", "show", "bob.crt", "--json"]);
    let shown: serde_json::Value = serde_json::from_str(stdout(&shown)).unwrap();
    let names: Vec<&str> = shown["certificates"]
        .as_array()
        .unwrap()
        .iter()
        .map(|facts| facts["common_name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["bob", "mid", "root"]);
}
