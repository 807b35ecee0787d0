//! Key files: passwords, PKCS#12, and which key belongs to which certificate.

use std::path::Path;

use super::{openssl, organisation};
use crate::support::{Place, stdout};

#[test]
fn passwords_are_changed_and_a_short_one_is_refused_with_the_rule() {
    let place = Place::new();
    let create = ["key", "create", "alice", "--type", "ec", "--password-stdin"];
    place.refused(&create, "x\n", "has at least 10 characters, this one has 1");
    assert!(place.names().is_empty());
    place.ok_with(&create, "first password\n");
    let change = ["key", "password", "alice.pem", "--password-stdin"];
    place.refused(
        &change,
        "wrong password\nsecond password\n",
        "the password does not open the private key",
    );
    place.refused(&change, "first password\nshort\n", "has at least 10 characters");
    place.ok_with(&change, "first password\nsecond password\n");
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
    place.ok_with(
        &["key", "password", "alice.pem", "--remove", "--password-stdin"],
        "second password\n",
    );
    assert_eq!(openssl(&place, &["pkey", "-in", "alice.pem", "-noout"]).0, 0);
    place.refused(
        &["key", "password", "alice.pem", "--remove"],
        "",
        "has no password",
    );
    place.ok_with(&change, "third password\n");
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
    place.ok_with(
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
        place.ok_with(
            &["key", "export-p12", "bob.crt", "--password-stdin"],
            "twelve words\n",
        );
        place.refused(&["key", "export-p12", "bob.crt"], "", "bob.p12 exists already");
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
            place.refused(&import, "wrong\n", "the password does not open");
            place.ok_with(&import, "p12\nnew and longer\n");
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
    place.ok_with(&made, "twelve words\n");
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
    place.refused(
        &["key", "import-p12", "no.p12", "x", "--password-stdin"],
        "a\n",
        "is no PKCS#12 file",
    );
}

#[test]
fn a_folder_says_which_key_belongs_to_which_certificate() {
    let place = Place::new();
    for name in ["one", "two"] {
        place.ok_with(
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
    let told: serde_json::Value = serde_json::from_str(stdout(&told)).unwrap();
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
    let told = place.ok(&["key", "check", "."]);
    assert!(!told.contains("no key here belongs"), "{told}");
    fs_err::remove_file(place.path().join("bob.pem")).unwrap();
    // Said though its key is not there.
    place.refused(&["key", "create", "x", "--issuer", "bob.crt"], "", "it is no CA");
    let said = place.muster(&["cert", "revoke"]);
    assert!(
        said.starts_with("exit code 2") && said.contains("--serial"),
        "{said}"
    );
    // What the environment fills in is no part of the usage.
    let said = place.muster(&["version", "compare"]);
    assert!(said.contains("Usage: muster version compare <A> <B>"), "{said}");
}
