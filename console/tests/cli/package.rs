//! `muster package …` and `muster repo index`, run as people run them.

use crate::support::{Place, settings};

fn built() -> Place {
    let place = Place::new().with_key();
    place.ok(&[
        "package",
        "new",
        "hello",
        "--prefix",
        "demo",
        "--maintainer",
        "Alice",
    ]);
    place.ok(&["package", "build", "demo-hello"]);
    place.write("trust/alice.crt", place.read("alice.crt"));
    place
}

#[test]
fn from_nothing_to_a_verified_package() {
    let place = Place::new().with_key();
    let made = place.muster(&["package", "new", "hello", "--prefix", "demo"]);
    settings().bind(|| {
        insta::assert_snapshot!(made, @r#"
    exit code 0
    --- stdout
    demo-hello/WAPT/control
    demo-hello/setup.py
    demo-hello/WAPT/wapt.psproj
    demo-hello/.vscode/tasks.json
    demo-hello/.vscode/launch.json
    demo-hello/.vscode/settings.json
    demo-hello/.env
    --- stderr
    next: muster package build demo-hello
    "#);
    });
    let built = place.muster(&["package", "build", "demo-hello"]);
    settings().bind(|| {
        insta::assert_snapshot!(built, @r#"
    exit code 0
    --- stdout
    built      demo-hello_1.0-0.wapt
    package    demo-hello 1.0-0
    signed by  alice
    size       [n] bytes
    sha256     [sha256]
    --- stderr
    note: signed with an EC key; agents of WAPT 1.8 accept RSA only
    "#);
    });
    place.write("trust/alice.crt", place.read("alice.crt"));
    let verified = place.muster(&["package", "verify", "demo-hello_1.0-0.wapt", "--trust", "trust"]);
    settings().bind(|| {
        insta::assert_snapshot!(verified, @r#"
    exit code 0
    --- stdout
    accepted  demo-hello_1.0-0.wapt: demo-hello 1.0-0 signed by alice
    "#);
    });
    let shown = place.muster(&["package", "show", "demo-hello_1.0-0.wapt", "--files"]);
    settings().bind(|| {
        insta::assert_snapshot!(shown, @r#"
    exit code 0
    --- stdout
    package             demo-hello
    version             1.0-0
    architecture        all
    section             base
    priority            optional
    description         Package demo-hello
    package_uuid        [uuid]
    signer              alice
    signer_fingerprint  [sha256]
    signature_date      [time]

    signed by  alice (as it claims; check with --trust)
    code       setup.py
    files      9
    size       [n] bytes

    FILE                   BYTES
    .vscode/launch.json    [n]
    .vscode/settings.json  [n]
    .vscode/tasks.json     [n]
    WAPT/wapt.psproj       [n]
    setup.py               1925
    WAPT/control           [n]
    WAPT/certificate.crt   [n]
    WAPT/manifest.sha256   [n]
    WAPT/signature.sha256  [n]
    "#);
    });
}

#[test]
fn increments_are_kept_in_the_sources() {
    let place = built();
    place.ok(&["package", "build", "demo-hello", "-i", "--json"]);
    assert!(place.path().join("demo-hello_1.0-1.wapt").is_file());
    assert!(
        place
            .read("demo-hello/WAPT/control")
            .contains("version           : 1.0-1")
    );
}

#[test]
fn a_folder_becomes_a_package_with_its_files() {
    let place = Place::new().with_key();
    place.write("tools/a.txt", "a");
    place.write("tools/deep/b.bak", "b");
    let made = place.muster(&["package", "new", "demo-tools", "--from-folder", "tools"]);
    assert!(made.contains("demo-tools/files/deep/b.bak"), "{made}");
    place.muster(&["package", "build", "demo-tools", "-x", "*.bak"]);
    let shown = place.muster(&["package", "show", "demo-tools_1.0-0.wapt", "--files"]);
    assert!(
        shown.contains("files/a.txt") && !shown.contains("b.bak"),
        "{shown}"
    );
}

#[test]
fn a_wrong_password_builds_nothing() {
    let place = Place::new();
    let words = ["key", "create", "alice", "--type", "ec", "--password-stdin"];
    place.muster_with(&words, "right password\n");
    place.muster(&["package", "new", "demo-hello"]);
    let refused = place.muster_with(
        &["package", "build", "demo-hello", "--password-stdin"],
        "wrong password\n",
    );
    settings().bind(|| {
        insta::assert_snapshot!(refused, @r#"
    exit code 1
    --- stderr
    error: the key file [dir]/alice.pem cannot be used: the password does not open the private key

    hint: type the password again; nothing was changed
    "#);
    });
    assert_eq!(place.names(), ["alice.crt", "alice.pem", "demo-hello"]);
    let built = place.muster_with(
        &["package", "build", "demo-hello", "--password-stdin"],
        "right password\n",
    );
    assert!(built.starts_with("exit code 0"), "{built}");
    place.write("password.txt", "right password\n");
    let mut command = place.command(&["package", "build", "demo-hello", "-i"]);
    let status = command
        .env("MUSTER_KEY_PASSWORD_FILE", "password.txt")
        .output()
        .unwrap()
        .status;
    assert!(status.success());
}

#[test]
fn invalid_sources_are_explained_and_build_nothing() {
    let place = Place::new().with_key();
    let refused = place.muster(&["package", "build", "missing"]);
    settings().bind(|| {
        insta::assert_snapshot!(refused, @r#"
    exit code 1
    --- stderr
    error: missing is not a folder of package sources

    hint: give the folder that holds WAPT/control; `muster package new NAME` makes one
    "#);
    });
    place.muster(&["package", "new", "demo-hello"]);
    let control = place.read("demo-hello/WAPT/control");
    place.write(
        "demo-hello/WAPT/control",
        control
            .replace(": 1.0-0", ": one")
            .replace("architecture      : all", "architecture      : sparc"),
    );
    let refused = place.muster(&["package", "build", "demo-hello"]);
    settings().bind(|| insta::assert_snapshot!(refused, @r#"
    exit code 1
    --- stderr
    error: cannot build demo-hello: the control file breaks a rule: version is "one": before the first dash a version has only whole numbers separated by dots, and "one" is not one: "one"; write for example 1.2.3-4; architecture is "sparc": not an architecture; use all, x86 or x64

    hint: version: write for example 1.2.3-4
    hint: architecture: use all, x86 or x64
    "#));
    place.write("demo-hello/WAPT/control", "no colon here\n");
    let refused = place.muster(&["package", "build", "demo-hello"]);
    settings().bind(|| {
        insta::assert_snapshot!(refused, @r#"
    exit code 1
    --- stderr
    error: cannot build demo-hello: WAPT/control cannot be read: line 1: no ":" in "no colon here"

    hint: write `name : value`; a line that continues the value above begins with a space
    "#);
    });
    assert_eq!(place.names(), ["alice.crt", "alice.pem", "demo-hello"]);
}

#[test]
fn code_needs_a_certificate_for_code() {
    let place = Place::new();
    place.muster(&[
        "key",
        "create",
        "dan",
        "--type",
        "ec",
        "--no-password",
        "--no-code-signing",
    ]);
    place.muster(&["package", "new", "demo-hello"]);
    let refused = place.muster(&["package", "build", "demo-hello"]);
    settings().bind(|| {
        insta::assert_snapshot!(refused, @r#"
    exit code 1
    --- stderr
    error: cannot build demo-hello: the package carries setup.py and the certificate of dan may not sign code

    hint: sign with a certificate for code signing, or leave the script out
    "#);
    });
    place.muster(&[
        "package",
        "new",
        "demo-group",
        "--section",
        "group",
        "--depends",
        "demo-hello",
    ]);
    place.ok(&["package", "build", "demo-group"]);
}

#[test]
fn changed_and_foreign_packages_are_refused() {
    let place = built();
    place.write("empty/readme.txt", "");
    let refused = place.muster(&["package", "verify", "demo-hello_1.0-0.wapt", "--trust", "empty"]);
    settings().bind(|| {
        insta::assert_snapshot!(refused, @r#"
    exit code 1
    --- stdout
    refused   demo-hello_1.0-0.wapt: the signer is not trusted: no trusted certificate issued the signer alice (issuer: CN=alice)
              hint: add the signer's certificate, or the CA that issued it, to the trust folder
    --- stderr
    warning: the trust folder empty holds no certificate (.crt, .pem)
    "#);
    });
    place.muster(&["key", "create", "eve", "--type", "ec", "--no-password"]);
    place.write("hers/eve.crt", place.read("eve.crt"));
    let refused = place.muster(&["package", "verify", "demo-hello_1.0-0.wapt", "--trust", "hers"]);
    settings().bind(|| insta::assert_snapshot!(refused, @r#"
    exit code 1
    --- stdout
    refused   demo-hello_1.0-0.wapt: the signer is not trusted: no trusted certificate issued the signer alice (issuer: CN=alice)
              hint: add the signer's certificate, or the CA that issued it, to the trust folder
    "#));
    let again = place.muster(&[
        "package",
        "sign",
        "demo-hello_1.0-0.wapt",
        "--certificate",
        "eve.crt",
    ]);
    settings().bind(|| {
        insta::assert_snapshot!(again, @r#"
    exit code 0
    --- stdout
    demo-hello_1.0-0.wapt: demo-hello 1.0-0 signed by eve
    "#);
    });
    let both = place.muster(&[
        "package",
        "verify",
        "demo-hello_1.0-0.wapt",
        "notes",
        "--trust",
        "hers",
    ]);
    assert!(both.starts_with("exit code 1"), "{both}");
    place.write("broken.wapt", "not a zip");
    let refused = place.muster(&["package", "verify", "broken.wapt", "--trust", "trust"]);
    settings().bind(|| {
        insta::assert_snapshot!(refused, @r#"
    exit code 1
    --- stdout
    refused   broken.wapt: not a zip archive that can be read: no end record
              hint: check that the file was copied whole
    "#);
    });
}

#[test]
fn a_repository_is_indexed_and_bad_files_are_named() {
    let place = built();
    fs_err::create_dir(place.path().join("repo")).unwrap();
    fs_err::rename(
        place.path().join("demo-hello_1.0-0.wapt"),
        place.path().join("repo/demo-hello_1.0-0.wapt"),
    )
    .unwrap();
    let indexed = place.muster(&["repo", "index", "repo"]);
    settings().bind(|| {
        insta::assert_snapshot!(indexed, @r#"
    exit code 0
    --- stdout
    repo/Packages: 1 packages (0 unchanged), 0 new icons, [n] bytes
    "#);
    });
    place.write("repo/broken_1.wapt", "not a zip");
    let partly = place.muster(&["repo", "index", "repo"]);
    assert!(
        partly.starts_with("exit code 3") && partly.contains("left out: broken_1.wapt"),
        "{partly}"
    );
    let refused = place.muster(&["repo", "index", "missing"]);
    settings().bind(|| {
        insta::assert_snapshot!(refused, @r#"
    exit code 1
    --- stderr
    error: cannot read the repository missing: No such file or directory (os error 2)

    hint: check the path: there is nothing of that name
    "#);
    });
}

#[test]
fn a_full_disk_is_said_and_leaves_nothing() {
    let place = built();
    if !std::path::Path::new("/dev/full").exists() {
        return;
    }
    let full = fs_err::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let mut command = place.command(&["package", "show", "demo-hello_1.0-0.wapt"]);
    let output = command.stdout(full.into_parts().0).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    insta::assert_snapshot!(String::from_utf8(output.stderr).unwrap(), @r#"
    error: cannot write to standard output: No space left on device (os error 28)

    hint: free some space and try again
    "#);
}

#[test]
fn no_signer_is_explained() {
    let place = Place::new();
    place.muster(&["package", "new", "demo-hello"]);
    let refused = place.muster(&["package", "build", "demo-hello"]);
    settings().bind(|| {
        insta::assert_snapshot!(refused, @r#"
    exit code 1
    --- stderr
    error: no signer is named

    hint: sign with your key: --certificate alice.crt --key alice.pem (or MUSTER_CERTIFICATE, MUSTER_KEY)
    hint: or with a token: --module LIB --token LABEL, or --key 'pkcs11:token=LABEL'
    hint: no key yet? muster key create alice
    "#);
    });
    let refused = place.muster(&[
        "package",
        "build",
        "demo-hello",
        "--certificate",
        "missing.crt",
        "--json",
    ]);
    settings().bind(|| insta::assert_snapshot!(refused, @r#"
    exit code 1
    --- stderr
    {"error":{"code":"failed","message":"cannot read the certificate missing.crt: cannot read missing.crt: No such file or directory (os error 2)","hints":["give the .crt file (PEM) that belongs to the key"]}}
    "#));
}
