//! `muster key create` and `muster cert show`, run as people run them.

use crate::support::{Place, settings};

#[test]
fn a_key_is_made_encrypted_and_says_what_it_may_do() {
    let place = Place::new();
    let made = place.muster_with(
        &[
            "key",
            "create",
            "alice",
            "--cn",
            "Alice Martin",
            "--country",
            "fr",
            "--type",
            "ec",
            "--password-stdin",
        ],
        "four good words here\n",
    );
    settings().bind(|| {
        insta::assert_snapshot!(made, @r#"
    exit code 0
    --- stdout
    key          alice.pem
    certificate  alice.crt
    name         Alice Martin
    kind         EC P-256
    valid until  [time]
    sha256       [sha256]
    may sign any package, also those that carry code (setup.py)
    may order actions on the machines that trust it
    --- stderr
    kept in your settings: you sign with this key unless you name another
    "#);
    });
    assert!(
        place
            .read("alice.pem")
            .starts_with("-----BEGIN ENCRYPTED PRIVATE KEY-----")
    );
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = fs_err::metadata(place.path().join("alice.pem"))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    let shown = place.muster(&["cert", "show", "alice.crt"]);
    settings().bind(|| {
        insta::assert_snapshot!(shown, @r#"
    exit code 0
    --- stdout
    name         Alice Martin
    subject      C=FR,CN=Alice Martin
    issued by    itself
    serial       [serial]
    key          EC P-256
    valid from   [time]
    valid until  [time]
    sha256       [sha256]
    may sign any package, also those that carry code (setup.py)
    may order actions on the machines that trust it
    "#);
    });
}

#[test]
fn an_unencrypted_key_is_warned_about() {
    let place = Place::new();
    let made = place.muster(&[
        "key",
        "create",
        "ci",
        "--type",
        "ec",
        "--no-password",
        "--no-code-signing",
    ]);
    settings().bind(|| insta::assert_snapshot!(made, @r#"
    exit code 0
    --- stdout
    key          ci.pem
    certificate  ci.crt
    name         ci
    kind         EC P-256
    valid until  [time]
    sha256       [sha256]
    may sign packages without code (host, group, unit, profile), but none with setup.py
    may order actions on the machines that trust it
    --- stderr
    warning: the key is not encrypted; whoever can read its file can install anything on machines that trust you
    kept in your settings: you sign with this key unless you name another
    "#));
}

#[test]
fn a_key_is_never_overwritten() {
    let place = Place::new().with_key();
    let before = place.read("alice.pem");
    let refused = place.muster(&["key", "create", "alice", "--no-password"]);
    settings().bind(|| {
        insta::assert_snapshot!(refused, @r#"
    exit code 1
    --- stderr
    error: alice.pem exists already

    hint: choose another name; a key is never overwritten
    "#);
    });
    assert_eq!(place.read("alice.pem"), before);
}

#[test]
fn without_a_terminal_the_password_must_come_from_somewhere() {
    let place = Place::new();
    let refused = place.muster(&["key", "create", "alice", "--type", "ec"]);
    settings().bind(|| {
        insta::assert_snapshot!(refused, @r#"
    exit code 1
    --- stderr
    error: cannot ask for the password for the new key: there is no terminal

    hint: give it with --password-stdin, or leave it out with --no-password
    "#);
    });
    let refused = place.muster_with(
        &["key", "create", "alice", "--type", "ec", "--password-stdin"],
        "\n",
    );
    settings().bind(|| {
        insta::assert_snapshot!(refused, @r#"
    exit code 1
    --- stderr
    error: the password for the new key is empty

    hint: give one of several words
    "#);
    });
    assert!(place.names().is_empty());
}

#[test]
fn a_bad_country_and_a_missing_folder_are_named() {
    let place = Place::new();
    let refused = place.muster(&[
        "key",
        "create",
        "alice",
        "--type",
        "ec",
        "--no-password",
        "--country",
        "France",
    ]);
    settings().bind(|| insta::assert_snapshot!(refused, @r#"
    exit code 1
    --- stderr
    warning: the key is not encrypted; whoever can read its file can install anything on machines that trust you
    error: the certificate cannot be made: a country is two letters, not "France"

    hint: for example --country FR
    "#));
    let refused = place.muster(&["key", "create", "nowhere/alice", "--type", "ec", "--no-password"]);
    settings().bind(|| insta::assert_snapshot!(refused, @r#"
    exit code 1
    --- stderr
    warning: the key is not encrypted; whoever can read its file can install anything on machines that trust you
    error: cannot write nowhere/alice.pem: the folder does not exist

    hint: make the folder first
    "#));
    assert!(place.names().is_empty());
}

#[test]
fn a_ca_issues_and_its_trust_folder_vouches() {
    let place = Place::new();
    place.muster(&["key", "create", "ca", "--type", "ec", "--no-password", "--ca"]);
    place.ok(&[
        "key",
        "create",
        "bob",
        "--type",
        "ec",
        "--no-password",
        "--issuer",
        "ca.crt",
        "--issuer-key",
        "ca.pem",
    ]);
    place.write("trust/ca.crt", place.read("ca.crt"));
    let trusted = place.muster(&["cert", "show", "bob.crt", "--trust", "trust", "--json"]);
    assert!(trusted.contains("\"trusted\": true"), "{trusted}");
    place.muster(&["key", "create", "eve", "--type", "ec", "--no-password"]);
    let refused = place.muster(&["cert", "show", "eve.crt", "--trust", "trust"]);
    assert!(
        refused.starts_with("exit code 1") && refused.contains("not trusted: "),
        "{refused}"
    );
}

#[test]
fn what_is_no_certificate_is_refused() {
    let place = Place::new();
    let refused = place.muster(&["cert", "show", "missing.crt"]);
    settings().bind(|| {
        insta::assert_snapshot!(refused, @r#"
    exit code 1
    --- stderr
    error: cannot show missing.crt: No such file or directory (os error 2)

    hint: check the path: there is nothing of that name
    "#);
    });
    place.write("notes.txt", "hello");
    let refused = place.muster(&["cert", "show", "notes.txt"]);
    settings().bind(|| insta::assert_snapshot!(refused, @r#"
    exit code 1
    --- stderr
    error: cannot show notes.txt: not a certificate that can be read: unexpected ASN.1 DER tag: expected SEQUENCE, got APPLICATION [8] (constructed)
    "#));
}
