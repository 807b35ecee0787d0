//! `muster migrate …`: what is taken over, what is not and why; nothing is written over.

use std::path::{Path, PathBuf};

use crate::support::{Place, settings};

fn golden(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../tests/golden")
        .join(path)
}

fn copy(from: &Path, to: &Path) {
    fs_err::create_dir_all(to).unwrap();
    for entry in fs_err::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            fs_err::copy(&path, to.join(path.file_name().unwrap())).unwrap();
        }
    }
}

/// The golden repository with its host packages and some that cannot be taken.
fn repository() -> Place {
    let place = Place::new();
    copy(&golden("repo"), &place.path().join("wapt"));
    copy(&golden("repo-host"), &place.path().join("wapt-host"));
    copy(&golden("certs"), &place.path().join("trust"));
    let wapt = place.path().join("wapt");
    for (from, to) in [
        ("bad/no-signature.wapt", "bad-unsigned_1.wapt"),
        ("bad/untrusted-signer.wapt", "bad-stranger_1.wapt"),
        ("bad/not-a-zip.wapt", "bad-bytes_1.wapt"),
    ] {
        fs_err::copy(golden(from), wapt.join(to)).unwrap();
    }
    fs_err::copy(
        golden("host-encrypted/4C4C4544-004E-3510-8051-C7C04F325131.wapt"),
        place.path().join("wapt-host/secret.wapt"),
    )
    .unwrap();
    fs_err::remove_file(wapt.join("peer-app_1.0-0.wapt")).unwrap();
    place
}

#[test]
fn a_repository_is_taken_unchanged_and_the_rest_is_explained() {
    let place = repository();
    let report = place.muster(&[
        "migrate",
        "repository",
        "wapt",
        "--trust",
        "trust",
        "--out",
        "new",
    ]);
    settings().bind(|| {
        insta::assert_snapshot!(report, @r#"
exit code 3
--- stdout
not taken   bad-bytes_1.wapt: not a zip archive that can be read: no end record
not taken   bad-stranger_1.wapt: the signer is not trusted: no trusted certificate issued the signer peer-untrusted (issuer: CN=peer-untrusted)
not taken   bad-unsigned_1.wapt: the package is not signed: WAPT/signature.sha256 is missing
taken       cda82e33aeb60d0f8d6fceeb85d3b8e1_2.wapt → new/cda82e33aeb60d0f8d6fceeb85d3b8e1_2.wapt
taken       peer-base_1.2.3-4_PROD.wapt → new/peer-base_1.2.3-4_PROD.wapt
taken       peer-group_3.wapt → new/peer-group_3.wapt
taken       peer-lib_2.0-0_x64_DEV_fr-en.wapt → new/peer-lib_2.0-0_x64_DEV_fr-en.wapt
taken       peer-profile_1.wapt → new/peer-profile_1.wapt
taken       peer-restricted_1.0-1_x86_PREPROD_fr.wapt → new/peer-restricted_1.0-1_x86_PREPROD_fr.wapt
taken       peer-selfservice_1.wapt → new/peer-selfservice_1.wapt
taken       peer-waptupgrade_1.8.2.7393-0_all_PROD_all.wapt → new/peer-waptupgrade_1.8.2.7393-0_all_PROD_all.wapt
taken       peer-waptwua_1.wapt → new/peer-waptwua_1.wapt
taken       4C4C4544-004E-3510-8051-C7C04F325131.wapt → new-host/4C4C4544-004E-3510-8051-C7C04F325131.wapt
not taken   secret.wapt: encrypted for one host, so that nobody else can check it: assign the packages to the host again
not taken   peer-app_1.0-0.wapt: listed in Packages, but the file is not there
taken       certificate Testeur-éà ([sha256]) → signs 10 packages
not taken   certificate peer-untrusted ([sha256]): signs a package and is not trusted: compare the fingerprint with its owner, then put the certificate into the trust folder
11 taken, 0 changed, 0 not needed, 6 not taken
--- stderr
next: muster repo index new
"#);
    });
    for (old, new) in [
        (
            "wapt/peer-base_1.2.3-4_PROD.wapt",
            "new/peer-base_1.2.3-4_PROD.wapt",
        ),
        (
            "wapt-host/4C4C4544-004E-3510-8051-C7C04F325131.wapt",
            "new-host/4C4C4544-004E-3510-8051-C7C04F325131.wapt",
        ),
    ] {
        let read = |name: &str| fs_err::read(place.path().join(name)).unwrap();
        assert_eq!(read(old), read(new));
    }
    assert_eq!(fs_err::read_dir(place.path().join("new")).unwrap().count(), 9);

    // A second time nothing changes, and another file of the same name stays as it is.
    place.write("new/peer-group_3.wapt", "something else");
    let again = place.muster(&[
        "migrate",
        "repository",
        "wapt",
        "--trust",
        "trust",
        "--out",
        "new",
    ]);
    assert!(
        again.contains("peer-base_1.2.3-4_PROD.wapt → new/peer-base_1.2.3-4_PROD.wapt: was there already"),
        "{again}"
    );
    assert!(again.contains("nothing is written over"), "{again}");
    assert_eq!(place.read("new/peer-group_3.wapt"), "something else");
}

#[test]
fn without_a_trust_folder_wholeness_is_checked_and_signers_are_named() {
    let place = Place::new();
    copy(&golden("repo"), &place.path().join("wapt"));
    let output = place
        .command(&["migrate", "repository", "wapt", "--json"])
        .output()
        .unwrap();
    assert_eq!(
        output.status.code(),
        Some(0),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let items = report["items"].as_array().unwrap();
    assert_eq!(
        items.iter().filter(|item| item["fate"] == "taken").count(),
        items.len()
    );
    let signer = items.last().unwrap();
    assert!(
        signer["object"].as_str().unwrap().starts_with("certificate "),
        "{signer}"
    );
    assert!(
        signer["reason"].as_str().unwrap().contains("nobody said"),
        "{signer}"
    );
    assert_eq!(place.names(), ["wapt"], "looking writes nothing");
}

#[test]
fn scripts_of_python_2_are_warned_of() {
    let place = Place::new().with_key();
    place.write(
        "old/WAPT/control",
        "package : demo-old\nversion : 1\narchitecture : all\nsection : base\npriority : optional\ndescription : x\n",
    );
    place.write(
        "old/setup.py",
        "from setuphelpers import *\nuninstallkey = []\ndef install():\n    print 'x'\n",
    );
    place.ok(&["package", "build", "old", "--no-lint", "--out", "wapt"]);
    place.write("trust/alice.crt", place.read("alice.crt"));
    let report = place.ok(&["migrate", "repository", "wapt", "--trust", "trust"]);
    assert!(
        report.contains("warning: setup.py line 4: the print statement is Python 2"),
        "{report}"
    );
}

#[test]
fn keys_are_matched_judged_and_written_in_todays_form() {
    let place = Place::new();
    copy(&golden("keys"), &place.path().join("keys"));
    place.write("passwords", "wrong\nsecret-test\n");
    let report = place.muster(&[
        "migrate",
        "keys",
        "keys",
        "--out",
        "new",
        "--password-file",
        "passwords",
        "--no-password",
    ]);
    settings().bind(|| {
        insta::assert_snapshot!(report, @r#"
exit code 0
--- stdout
taken       ca.crt → new/ca.crt: peer-ca, RSA 2048; may sign packages without code (host, group, unit, profile), but none with setup.py; may order actions on the machines that trust it; may issue certificates for others, who are then trusted where it is; what they may sign, code or not, their own certificates say
changed     ca.pem → new/ca.pem: PKCS#8, without a password as before; belongs to ca.crt
            warning: the key has no password: who has the file signs as you
taken       encrypted.crt → new/encrypted.crt: peer-encrypted, RSA 2048; may sign any package, also those that carry code (setup.py); may order actions on the machines that trust it; may issue certificates for others, who are then trusted where it is; what they may sign, code or not, their own certificates say
changed     encrypted.pem → new/encrypted.pem: PKCS#8, encrypted with the same password; belongs to encrypted.crt
taken       leaf-chain.crt → new/leaf-chain.crt: peer-leaf, RSA 2048; may sign any package, also those that carry code (setup.py); may order actions on the machines that trust it
taken       leaf.crt → new/leaf.crt: peer-leaf, RSA 2048; may sign any package, also those that carry code (setup.py); may order actions on the machines that trust it
changed     leaf.pem → new/leaf.pem: PKCS#8, without a password as before; belongs to leaf-chain.crt
            warning: the key has no password: who has the file signs as you
taken       nocode.crt → new/nocode.crt: peer-nocode, RSA 2048; may sign packages without code (host, group, unit, profile), but none with setup.py; may order actions on the machines that trust it; may issue certificates for others, who are then trusted where it is; what they may sign, code or not, their own certificates say
changed     nocode.pem → new/nocode.pem: PKCS#8, without a password as before; belongs to nocode.crt
            warning: the key has no password: who has the file signs as you
taken       signer.crt → new/signer.crt: Testeur-éà, RSA 2048; may sign any package, also those that carry code (setup.py); may order actions on the machines that trust it; may issue certificates for others, who are then trusted where it is; what they may sign, code or not, their own certificates say
changed     signer.pem → new/signer.pem: PKCS#8, without a password as before; belongs to signer.crt
            warning: the key has no password: who has the file signs as you
taken       untrusted.crt → new/untrusted.crt: peer-untrusted, RSA 2048; may sign any package, also those that carry code (setup.py); may order actions on the machines that trust it; may issue certificates for others, who are then trusted where it is; what they may sign, code or not, their own certificates say
changed     untrusted.pem → new/untrusted.pem: PKCS#8, without a password as before; belongs to untrusted.crt
            warning: the key has no password: who has the file signs as you
7 taken, 6 changed, 0 not needed, 0 not taken
"#);
    });
    assert!(
        place
            .read("new/encrypted.pem")
            .starts_with("-----BEGIN ENCRYPTED PRIVATE KEY-----")
    );
    assert!(
        place
            .read("new/signer.pem")
            .starts_with("-----BEGIN PRIVATE KEY-----")
    );
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = fs_err::metadata(place.path().join("new/encrypted.pem"))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    // The new pair signs.
    place.write("password", "secret-test\n");
    place.ok(&["package", "new", "demo-x"]);
    place.ok(&[
        "package",
        "build",
        "demo-x",
        "--out",
        "out",
        "--cert",
        "new/encrypted.crt",
        "--key",
        "new/encrypted.pem",
        "--password-file",
        "password",
    ]);
    let again = place.muster(&[
        "migrate",
        "keys",
        "keys",
        "--out",
        "new",
        "--password-file",
        "passwords",
        "--no-password",
    ]);
    assert!(
        again.starts_with("exit code 3") && again.contains("nothing is written over"),
        "{again}"
    );
}

#[test]
fn a_key_without_its_password_is_not_taken() {
    let place = Place::new();
    copy(&golden("keys"), &place.path().join("keys"));
    place.write("passwords", "wrong\n");
    let report = place.muster(&[
        "migrate",
        "keys",
        "keys",
        "--out",
        "new",
        "--password-file",
        "passwords",
    ]);
    assert!(report.starts_with("exit code 3"), "{report}");
    assert!(
        report.contains("encrypted.pem: it is encrypted, and no password that was given opens it"),
        "{report}"
    );
    assert!(report.contains("signer.pem: it has no password"), "{report}");
    assert!(report.contains("encrypted.pem could be its key"), "{report}");
    assert!(!place.path().join("new/encrypted.pem").exists());
}

const INI: &str = "\
[global]
repo_url=https://srvwapt.example.lan/wapt
wapt_server=https://srvwapt.example.lan
use_hostpackages=1
use_kerberos=0
uuid=
maturities=PROD,PREPROD
locales=fr,en
packages_blacklist=*-games,tis-skype
waptupdate_task_period=120
verify_cert=0
check_certificates_validity=1
http_proxy=http://proxy.example.lan:3128
use_http_proxy_for_repo=1
allow_remote_reboot=True
waptservice_password=5e884898da28047151d0e56f8dc6292773603d0d6aabbdd62a11ef721d1542d8
loglevel=warning
personal_certificate_path=c:\\private\\me.crt
limit_bandwidth=200
repositories=store
public_certs_dir=c:\\wapt\\ssl
[store]
repo_url=https://store.example.org/wapt
[waptwua]
enabled=True
";

#[test]
fn the_settings_of_an_agent_are_translated_key_by_key() {
    let place = Place::new();
    place.write("wapt-get.ini", INI.replace('\n', "\r\n"));
    let report = place.muster(&["migrate", "agent-config", "wapt-get.ini", "-o", "agent.toml"]);
    settings().bind(|| {
        insta::assert_snapshot!(report, @r#"
exit code 3
--- stdout
not needed  [global] repo_url: the repository of the server is taken by itself
taken       [global] wapt_server → wapt_server = "https://srvwapt.example.lan"
changed     [global] use_hostpackages → use_hostpackages = true
not taken   [global] use_kerberos: hosts enrol with a token: muster-agent register --token
not needed  [global] uuid: an empty one is the firmware's
taken       [global] maturities → maturities = ["PROD", "PREPROD"]
taken       [global] locales → locales = ["fr", "en"]
taken       [global] packages_blacklist → packages_blacklist = ["*-games", "tis-skype"]
changed     [global] waptupdate_task_period → waptupdate_task_period = "120m"
not taken   [global] verify_cert: a server that is not checked could hold this machine back unseen; set server_pin to the fingerprint of its certificate
not needed  [global] check_certificates_validity: certificates are always checked
taken       [global] http_proxy → http_proxy = "http://proxy.example.lan:3128"
changed     [global] use_http_proxy_for_repo → use_http_proxy_for_repo = true
changed     [global] allow_remote_reboot → allow_remote_reboot = true
not taken   [global] waptservice_password: the system says who asks: administrators may, nobody needs a password
not taken   [global] loglevel: the agent logs to the system's journal; MUSTER_LOG sets what
not taken   [global] personal_certificate_path: a setting of who builds packages: it belongs to console.toml
changed     [global] limit_bandwidth → limit_bandwidth = 200.0
taken       [global] repositories → repositories = ["store"]
not taken   [global] public_certs_dir: trusted certificates lie in the trust folder of the agent: copy them there
taken       [store] repo_url → repo_url = "https://store.example.org/wapt"
changed     [waptwua] enabled → enabled = true
7 taken, 6 changed, 3 not needed, 6 not taken
"#);
        let text = place.read("agent.toml");
        let (_, settings) = text.split_once('\n').unwrap();
        insta::assert_snapshot!(settings, @r#"
wapt_server = "https://srvwapt.example.lan"
use_hostpackages = true
maturities = ["PROD", "PREPROD"]
locales = ["fr", "en"]
packages_blacklist = ["*-games", "tis-skype"]
waptupdate_task_period = "120m"
use_http_proxy_for_server = false
http_proxy = "http://proxy.example.lan:3128"
use_http_proxy_for_repo = true
allow_remote_reboot = true
limit_bandwidth = 200.0
repositories = ["store"]

[repository.store]
repo_url = "https://store.example.org/wapt"

[waptwua]
enabled = true
"#);
    });
    let again = place.muster(&["migrate", "agent-config", "wapt-get.ini", "-o", "agent.toml"]);
    assert!(again.starts_with("exit code 1"), "{again}");
    let printed = place.muster(&["migrate", "agent-config", "wapt-get.ini"]);
    assert!(
        printed.contains("--- stdout\n# From wapt-get.ini on "),
        "{printed}"
    );
    let nothing = place.write("empty.ini", "");
    assert!(
        place
            .muster(&["migrate", "agent-config", nothing.to_str().unwrap()])
            .starts_with("exit code 1")
    );
}

#[test]
fn what_cannot_be_migrated_is_said_at_once() {
    let place = Place::new();
    place.write("wapt-get.ini", INI);
    place.write("agent.toml", "");
    let there = place.muster(&["migrate", "agent-config", "wapt-get.ini", "-o", "agent.toml"]);
    settings().bind(|| {
        insta::assert_snapshot!(there, @r"
        exit code 1
        --- stderr
        error: agent.toml is there already

        hint: choose another file with -o, or move this one away
        ");
    });
    fs_err::create_dir(place.path().join("empty")).unwrap();
    let empty = place.muster(&["migrate", "repository", "empty", "--unverified"]);
    assert!(
        empty.starts_with("exit code 1") && empty.contains("empty holds no packages"),
        "{empty}"
    );
    let missing = place.muster(&["migrate", "agent-config", "nowhere.ini"]);
    assert!(
        missing.contains("nowhere.ini") && missing.contains("check the path"),
        "{missing}"
    );
}
