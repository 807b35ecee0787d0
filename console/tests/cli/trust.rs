//! Renewing, revoking, changing passwords, PKCS#12: run as people run them, with openssl as the independent judge.

use std::path::Path;
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

fn ok(place: &Place, words: &[&str]) -> String {
    let done = place.muster(words);
    assert!(done.starts_with("exit code 0"), "{words:?}: {done}");
    done
}

fn ok_with(place: &Place, words: &[&str], input: &str) -> String {
    let done = place.muster_with(words, input);
    assert!(done.starts_with("exit code 0"), "{words:?}: {done}");
    done
}

fn refused(place: &Place, words: &[&str], input: &str, why: &str) {
    let done = place.muster_with(words, input);
    assert!(
        done.starts_with("exit code 1") && done.contains(why),
        "{words:?}: {done}"
    );
}

/// A CA, and bob and eve issued by it.
fn organisation(kind: &str) -> Place {
    organisation_in(Place::new(), kind)
}

fn organisation_in(place: Place, kind: &str) -> Place {
    ok(
        &place,
        &["key", "create", "ca", "--type", kind, "--no-password", "--ca"],
    );
    for name in ["bob", "eve"] {
        ok(
            &place,
            &[
                "key",
                "create",
                name,
                "--type",
                kind,
                "--no-password",
                "--issuer",
                "ca.crt",
            ],
        );
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

#[test]
fn a_revoked_certificate_is_refused_by_openssl_and_by_muster_and_the_list_goes_on() {
    for kind in ["rsa", "ec"] {
        let place = organisation(kind);
        place.write("trust/ca.crt", place.read("ca.crt"));
        ok(&place, &["cert", "crl", "--ca", "ca.crt"]);
        assert_eq!(verify(&place, "bob.crt").0, 0);
        let done = ok(
            &place,
            &[
                "cert",
                "revoke",
                "bob.crt",
                "--ca",
                "ca.crt",
                "--reason",
                "key-compromise",
            ],
        );
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
            serde_json::from_str(json(&ok(&place, &["cert", "show", "eve.crt", "--json"]))).unwrap();
        let serial = shown["certificates"][0]["serial"].as_str().unwrap().to_owned();
        ok(
            &place,
            &[
                "cert", "revoke", "--serial", &serial, "--ca", "ca.crt", "--ca-key", "ca.pem",
            ],
        );
        for name in ["bob.crt", "eve.crt"] {
            assert!(verify(&place, name).1.contains("certificate revoked"));
        }
        let again = ok(&place, &["cert", "revoke", "bob.crt", "--ca", "ca.crt"]);
        assert!(
            again.contains("bob was taken back before") && !again.contains("taken back now"),
            "{again}"
        );
        let shown = ok(&place, &["cert", "show", "ca.crl"]);
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

/// What stands on standard output.
fn json(text: &str) -> &str {
    let after = text.split_once("--- stdout\n").unwrap().1;
    after.split_once("--- stderr\n").map_or(after, |(out, _)| out)
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
    ok(&place, &["cert", "revoke", "eve.crt", "--ca", "ca.crt"]);
    for name in ["bob.crt", "eve.crt"] {
        assert!(verify(&place, name).1.contains("certificate revoked"));
    }
}

#[test]
fn a_self_signed_signer_takes_itself_back_with_its_own_key() {
    let place = Place::new().with_key();
    ok(&place, &["cert", "revoke", "alice.crt"]);
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
    refused(
        &place,
        &["cert", "revoke", "alice.crt", "--ca", "ca.crt"],
        "",
        "ca did not issue the certificate of alice",
    );
    refused(
        &place,
        &["cert", "revoke", "bob.crt"],
        "",
        "the CA that issued the certificate is not named",
    );
    refused(
        &place,
        &["cert", "revoke", "--serial", "xyz", "--ca", "ca.crt"],
        "",
        "is not a serial number",
    );
    refused(
        &place,
        &[
            "cert", "revoke", "bob.crt", "--ca", "ca.crt", "--ca-key", "bob.pem",
        ],
        "",
        "does not belong",
    );
    // Another issuer's list is never overwritten.
    ok(&place, &["cert", "revoke", "alice.crt"]);
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
    refused(&place, &words, "", "is not a revocation list that ca signed");
    assert_eq!(place.read("alice.crl"), before);
    assert!(!place.path().join("ca.crl").exists());
}

#[test]
fn a_certificate_is_renewed_with_the_same_key_and_its_file_is_never_overwritten() {
    let place = organisation_in(Place::new().with_key(), "rsa");
    let fact = |file: &str, name: &str| {
        let shown = ok(&place, &["cert", "show", file, "--json"]);
        let shown: serde_json::Value = serde_json::from_str(json(&shown)).unwrap();
        shown["certificates"][0][name].clone()
    };
    ok(
        &place,
        &[
            "cert", "renew", "bob.crt", "--ca", "ca.crt", "--out", "bob2.crt", "--days", "20",
        ],
    );
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
    let revoked = ok(&place, &["cert", "revoke", "bob.crt", "--ca", "ca.crt"]);
    assert!(
        revoked.contains("warning: bob2.crt is another certificate of the same key"),
        "{revoked}"
    );
    let both = ["cert", "revoke", "bob.crt", "--ca", "ca.crt", "--also-same-key"];
    let revoked = ok(&place, &both);
    assert!(
        revoked.contains("in all          2") && !revoked.contains("warning:"),
        "{revoked}"
    );
    // Self-signed, and the name taken: the time goes behind it, and the settings follow only when that is wanted.
    let done = ok(&place, &["cert", "renew", "alice.crt", "--out", "later.crt"]);
    assert!(
        done.contains("you still sign with alice.crt") && done.contains("--certificate later.crt"),
        "{done}"
    );
    place.write("trust/old.crt", place.read("alice.crt"));
    ok(&place, &["package", "new", "demo-hello"]);
    ok(&place, &["package", "build", "demo-hello"]);
    let verify = ["package", "verify", "demo-hello_1.0-0.wapt", "--trust", "trust"];
    ok(&place, &verify);
    fs_err::remove_file(place.path().join("trust/old.crt")).unwrap();
    fs_err::remove_file(place.path().join("demo-hello_1.0-0.wapt")).unwrap();
    let done = ok(&place, &["cert", "renew", "alice.crt", "--use"]);
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
    ok(&place, &["package", "build", "demo-hello"]);
    place.write("trust/new.crt", place.read(&dated));
    ok(&place, &verify);
    refused(
        &place,
        &["cert", "renew", "bob.crt"],
        "",
        "whose key is needed to renew it",
    );
    refused(
        &place,
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

    ok(
        &place,
        &["cert", "renew", "leaf.crt", "--ca", "mid.crt", "--out", "new.crt"],
    );
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
    ok(&place, &["package", "new", "demo-hello"]);
    ok(
        &place,
        &[
            "package",
            "build",
            "demo-hello",
            "--certificate",
            "bob.crt",
            "--key",
            "leaf.pem",
        ],
    );
    ok(
        &place,
        &["package", "verify", "demo-hello_1.0-0.wapt", "--trust", "trust"],
    );
    ok(&place, &["cert", "revoke", "new.crt", "--ca", "mid.crt"]);
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
    ok(
        &place,
        &["key", "create", "root", "--type", "ec", "--no-password", "--ca"],
    );
    ok(
        &place,
        &[
            "key",
            "create",
            "mid",
            "--type",
            "ec",
            "--no-password",
            "--ca",
            "--issuer",
            "root.crt",
        ],
    );
    ok(
        &place,
        &["key", "create", "stray", "--type", "ec", "--no-password"],
    );
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
    ok(&place, &words);
    let shown = ok(&place, &["cert", "show", "bob.crt", "--json"]);
    let shown: serde_json::Value = serde_json::from_str(json(&shown)).unwrap();
    let names: Vec<&str> = shown["certificates"]
        .as_array()
        .unwrap()
        .iter()
        .map(|facts| facts["common_name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["bob", "mid", "root"]);
}

#[test]
fn passwords_are_changed_and_a_short_one_is_refused_with_the_rule() {
    let place = Place::new();
    let create = ["key", "create", "alice", "--type", "ec", "--password-stdin"];
    refused(
        &place,
        &create,
        "x\n",
        "has at least 10 characters, this one has 1",
    );
    assert!(place.names().is_empty());
    ok_with(&place, &create, "first password\n");
    let change = ["key", "password", "alice.pem", "--password-stdin"];
    refused(
        &place,
        &change,
        "wrong password\nsecond password\n",
        "the password does not open the private key",
    );
    refused(
        &place,
        &change,
        "first password\nshort\n",
        "has at least 10 characters",
    );
    ok_with(&place, &change, "first password\nsecond password\n");
    let (code, said) = openssl(
        &place,
        &[
            "pkey",
            "-in",
            "alice.pem",
            "-passin",
            "pass:second password",
            "-noout",
        ],
    );
    assert_eq!(code, 0, "{said}");
    ok_with(
        &place,
        &["key", "password", "alice.pem", "--remove", "--password-stdin"],
        "second password\n",
    );
    assert_eq!(openssl(&place, &["pkey", "-in", "alice.pem", "-noout"]).0, 0);
    refused(
        &place,
        &["key", "password", "alice.pem", "--remove"],
        "",
        "has no password",
    );
    ok_with(&place, &change, "third password\n");
    assert_eq!(place.names(), ["alice.crt", "alice.pem"]);

    // A key of the predecessor, in the weak traditional form, becomes PKCS#8.
    let (code, said) = openssl(
        &place,
        &[
            "genrsa",
            "-traditional",
            "-aes256",
            "-passout",
            "pass:old",
            "-out",
            "wapt.pem",
            "2048",
        ],
    );
    assert_eq!(code, 0, "{said}");
    assert!(place.read("wapt.pem").contains("Proc-Type: 4,ENCRYPTED"));
    ok_with(
        &place,
        &["key", "password", "wapt.pem", "--password-stdin"],
        "old\nnew and longer\n",
    );
    assert!(
        place
            .read("wapt.pem")
            .starts_with("-----BEGIN ENCRYPTED PRIVATE KEY-----")
    );
    assert_eq!(
        openssl(
            &place,
            &[
                "pkey",
                "-in",
                "wapt.pem",
                "-passin",
                "pass:new and longer",
                "-noout"
            ]
        )
        .0,
        0
    );
}

#[test]
fn pkcs12_goes_to_openssl_and_comes_from_it_in_new_and_old_forms() {
    for kind in ["rsa", "ec"] {
        let place = organisation(kind);
        ok_with(
            &place,
            &["key", "export-p12", "bob.crt", "--password-stdin"],
            "twelve words\n",
        );
        refused(
            &place,
            &["key", "export-p12", "bob.crt"],
            "",
            "bob.p12 exists already",
        );
        let words = [
            "pkcs12",
            "-in",
            "bob.p12",
            "-passin",
            "pass:twelve words",
            "-nodes",
            "-out",
            "all.pem",
        ];
        let (code, said) = openssl(&place, &words);
        assert_eq!(code, 0, "{said}");
        let all = place.read("all.pem");
        assert!(
            all.contains("PRIVATE KEY") && all.matches("BEGIN CERTIFICATE").count() == 2,
            "{all}"
        );

        let base = [
            "pkcs12", "-export", "-in", "bob.crt", "-inkey", "bob.pem", "-passout", "pass:p12",
        ];
        let forms: [(&str, &[&str]); 3] = [
            ("modern", &[]),
            (
                "triple",
                &[
                    "-keypbe",
                    "PBE-SHA1-3DES",
                    "-certpbe",
                    "PBE-SHA1-3DES",
                    "-macalg",
                    "sha1",
                ],
            ),
            ("legacy", &["-legacy"]),
        ];
        for (name, options) in forms {
            let file = format!("{name}.p12");
            let (code, said) = openssl(&place, &[&base[..], options, &["-out", &file]].concat());
            if code != 0 && name == "legacy" {
                eprintln!("skipped: this openssl has no legacy provider: {said}");
                continue;
            }
            assert_eq!(code, 0, "{said}");
            let import = ["key", "import-p12", &file, "--password-stdin"];
            refused(&place, &import, "wrong\n", "the password does not open");
            ok_with(&place, &import, "p12\nnew and longer\n");
            let text = place.read(&format!("{name}.crt"));
            assert!(
                place.read("bob.crt").starts_with(text.get(..200).unwrap()),
                "{text}"
            );
            let checked = place.muster_with(
                &[
                    "key",
                    "check",
                    &format!("{name}.pem"),
                    "bob.crt",
                    "--password-stdin",
                ],
                "new and longer\n",
            );
            assert!(
                checked.starts_with("exit code 0") && checked.contains("bob.crt"),
                "{checked}"
            );
        }
    }
    let place = Place::new();
    let made = [
        "key",
        "create",
        "alice",
        "--type",
        "ec",
        "--p12",
        "--password-stdin",
    ];
    ok_with(&place, &made, "twelve words\n");
    let words = [
        "pkcs12",
        "-in",
        "alice.p12",
        "-passin",
        "pass:twelve words",
        "-noout",
    ];
    let (code, said) = openssl(&place, &words);
    assert_eq!(code, 0, "{said}");
    place.write("no.p12", "nothing");
    refused(
        &place,
        &["key", "import-p12", "no.p12", "x", "--password-stdin"],
        "a\n",
        "is no PKCS#12 file",
    );
}

#[test]
fn a_folder_says_which_key_belongs_to_which_certificate() {
    let place = Place::new();
    for name in ["one", "two"] {
        ok_with(
            &place,
            &[
                "key",
                "create",
                &format!("{name}.x"),
                "--type",
                "ec",
                "--cn",
                name,
                "--password-stdin",
            ],
            "first password\n",
        );
    }
    fs_err::create_dir(place.path().join("keys")).unwrap();
    for (from, to) in [
        ("one.x.pem", "a.pem"),
        ("two.x.pem", "b.pem"),
        ("two.x.crt", "c.crt"),
    ] {
        fs_err::rename(place.path().join(from), place.path().join("keys").join(to)).unwrap();
    }
    place.write("keys/noise.bin", [0xff, 0xfe, 0x00]);
    let told = place.muster(&["key", "check", "keys"]);
    assert!(
        told.starts_with("exit code 3") && told.contains("not known without its password"),
        "{told}"
    );
    assert!(
        told.contains("keys/a.pem or keys/b.pem could be the key of keys/c.crt (two)"),
        "{told}"
    );
    let told = place.muster_with(
        &["key", "check", "keys", "--password-stdin", "--json"],
        "first password\n",
    );
    let told: serde_json::Value = serde_json::from_str(json(&told)).unwrap();
    assert_eq!(told["keys"][0]["state"], "alone");
    assert_eq!(told["keys"][1]["state"], "matched");
    assert_eq!(told["keys"][1]["certificates"][0]["common_name"], "two");
    assert!(Path::new(told["keys"][1]["certificates"][0]["file"].as_str().unwrap()).ends_with("c.crt"));
    assert!(told["possible_keys"].is_null(), "{told}");
}

#[test]
fn the_cas_behind_a_certificate_need_no_key_and_one_that_is_no_ca_issues_nothing() {
    let place = organisation("ec");
    fs_err::remove_file(place.path().join("ca.pem")).unwrap();
    fs_err::remove_file(place.path().join("ca.crt")).unwrap();
    let told = ok(&place, &["key", "check", "."]);
    assert!(!told.contains("no key here belongs"), "{told}");
    fs_err::remove_file(place.path().join("bob.pem")).unwrap();
    // Said though its key is not there.
    refused(
        &place,
        &["key", "create", "x", "--issuer", "bob.crt"],
        "",
        "it is no CA",
    );
    let said = place.muster(&["cert", "revoke"]);
    assert!(
        said.starts_with("exit code 2") && said.contains("--serial"),
        "{said}"
    );
    // What the environment fills in is no part of the usage.
    let said = place.muster(&["version", "compare"]);
    assert!(said.contains("Usage: muster version compare <A> <B>"), "{said}");
}
