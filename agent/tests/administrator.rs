//! What an administrator types who knows another tool, makes mistakes, or comes before the agent did anything.
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::path::Path;
use std::process::{Command, Output};

use serde_json::{Value, json};

const AGENT: &str = env!("CARGO_BIN_EXE_muster-agent");
const KEYS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/golden/keys");

struct Place {
    root: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        Self {
            root: tempfile::tempdir().unwrap(),
        }
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(AGENT);
        command.arg("--root").arg(self.root.path()).args(arguments);
        command.output().unwrap()
    }

    /// The exit code, standard output, standard error.
    fn said(&self, arguments: &[&str]) -> (i32, String, String) {
        let output = self.run(arguments);
        (
            output.status.code().unwrap(),
            String::from_utf8(output.stdout).unwrap(),
            String::from_utf8(output.stderr).unwrap(),
        )
    }

    fn json(&self, arguments: &[&str]) -> Value {
        let output = self.run(&[arguments, &["--json"]].concat());
        serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|error| panic!("{arguments:?}: {error}: {output:?}"))
    }

    fn paths(&self) -> muster_agent::paths::Paths {
        muster_agent::paths::Paths::new(Some(self.root.path()))
    }

    fn trust_the_signer(&self) {
        let trust = self.paths().trust_dir();
        fs_err::create_dir_all(&trust).unwrap();
        fs_err::copy(Path::new(KEYS).join("signer.crt"), trust.join("signer.crt")).unwrap();
    }
}

#[test]
fn an_agent_that_did_nothing_yet_says_so_and_fails_at_nothing() {
    let place = Place::new();
    for (command, word) in [
        (&["status"][..], "stopped"),
        (&["list"], "no package is installed"),
        (&["tasks"], "no tasks"),
    ] {
        let (code, out, err) = place.said(command);
        assert!(code == 0 && out.contains(word), "{command:?}: {code} {out} {err}");
    }
    let (code, out, _err) = place.said(&["status"]);
    assert!(
        code == 0 && out.contains("none yet") && out.contains("muster-agent register"),
        "{out}"
    );
    assert_eq!(place.json(&["status"])["packages"], 0);
    let (code, _out, err) = place.said(&["list-upgrade"]);
    assert!(code == 4 && err.contains("muster-agent update"), "{code} {err}");
    // Looking made nothing.
    assert!(!place.paths().state_dir().exists());
}

#[test]
fn a_check_names_each_layer_and_the_remedy_of_what_is_not_right() {
    let place = Place::new();
    let verdict = |findings: &Value, layer: &str| {
        let mut all = findings.as_array().unwrap().iter();
        all.find(|one| one["layer"] == layer).unwrap()["verdict"].clone()
    };
    let findings = place.json(&["check"]);
    assert_eq!(verdict(&findings, "trust"), "FAILED");
    assert_eq!(verdict(&findings, "server"), "to do");
    assert_eq!(verdict(&findings, "service"), "to do");
    assert!(!place.paths().state_dir().exists(), "a check changes nothing");
    assert_eq!(place.said(&["check"]).0, 1);
    place.trust_the_signer();
    let (code, out, _err) = place.said(&["check"]);
    assert!(code == 0 && out.contains("1 certificate in "), "{out}");
    // Nobody listens there.
    let pin = "ab".repeat(32);
    let text = format!("wapt_server = \"https://localhost:9\"\nserver_pin = \"{pin}\"\n");
    fs_err::write(place.paths().config_file(), text).unwrap();
    let (code, out, _err) = place.said(&["check"]);
    assert!(code == 1 && out.contains("FAILED  server"), "{out}");
    let found = place.json(&["dnsdebug"]);
    assert_eq!(
        (&found[0]["name"], &found[0]["port"]),
        (&json!("localhost"), &json!(9))
    );
    // A file with a mistake is all that is said.
    fs_err::write(place.paths().config_file(), "maturitis = []\n").unwrap();
    let findings = place.json(&["check"]);
    assert_eq!(verdict(&findings, "configuration"), "FAILED");
}

#[test]
fn one_key_of_the_configuration_is_set_shown_and_unset() {
    let place = Place::new();
    let file = place.paths().config_file();
    fs_err::create_dir_all(file.parent().unwrap()).unwrap();
    fs_err::write(
        &file,
        "# ours\nmaturities = [\n  \"DEV\",\n]\n\n[waptwua]\nenabled = true\n",
    )
    .unwrap();
    let (code, out, _err) = place.said(&["config", "set", "maturities", "PREPROD,PROD"]);
    assert!(code == 0 && out.contains("before [\"DEV\"]"), "{out}");
    assert_eq!(
        fs_err::read_to_string(&file).unwrap(),
        "# ours\nmaturities = [\"PREPROD\", \"PROD\"]\n\n[waptwua]\nenabled = true\n"
    );
    assert_eq!(
        place.json(&["config", "show", "maturities"])[0]["value"],
        json!(["PREPROD", "PROD"])
    );
    assert_eq!(place.said(&["config", "unset", "maturities"]).0, 0);
    assert_eq!(
        place.json(&["config", "show", "maturities"])[0]["value"],
        json!(["PROD"])
    );
    let (_code, out, _err) = place.said(&["config", "show"]);
    assert!(
        out.contains("[waptwua] enabled") && out.lines().all(|line| line.chars().count() < 140),
        "{out}"
    );
    for (arguments, word) in [
        (["config", "set", "maturitys", "PROD"], "there is: maturities"),
        (["config", "set", "waptwua", "{}"], "is a table"),
        (["config", "set", "wapt_server", "http://plain"], "https://"),
    ] {
        let (code, _out, err) = place.said(&arguments);
        assert!(code == 2 && err.contains(word), "{arguments:?}: {err}");
    }
}

#[test]
fn a_machine_that_has_a_server_keeps_it_when_another_does_not_take_it() {
    let place = Place::new();
    place.said(&["config", "set", "wapt_server", "https://first.example"]);
    let pin = "ab".repeat(32);
    place.said(&["config", "set", "server_pin", &pin]);
    let other = format!("muster://localhost:9#sha256={}", "cd".repeat(32));
    let (code, _out, _err) = place.said(&["register", "--server", &other, "--token", "x"]);
    assert_eq!(code, 4);
    assert_eq!(
        place.json(&["config", "show", "wapt_server"])[0]["value"],
        "https://first.example"
    );
    assert_eq!(
        place.json(&["config", "show", "server_pin"])[0]["value"],
        json!(pin)
    );
}

#[test]
fn habits_of_wapt_get_do_the_expected_or_are_told_what_does() {
    let place = Place::new();
    place.trust_the_signer();
    for (arguments, code, word) in [
        (&["check-upgrades"][..], 4, "muster-agent update"),
        (&["upgrade", "-f", "-u", "-D"], 4, "no index"),
        (&["list", "-S"], 0, "no package"),
        (&["-S", "upgrade"], 1, "does not run"),
        (&["logs", "x"], 1, "is not installed"),
        (&["showlog", "x"], 1, "is not installed"),
        (&["longtask"], 1, "no task for tests"),
        (&["waptupgrade"], 1, "self-upgrade"),
        (&["dnsdebug"], 0, "neither a server nor a repository"),
        (&["wuascan", "-f", "-S"], 1, "does not run"),
        (&["build-upload", "x"], 2, "muster package build"),
        (&["edit-host", "x"], 2, "muster host edit"),
        (&["create-keycert"], 2, "muster key create"),
        (&["list", "-c", "x.ini"], 2, "--root"),
        (&["reload_config"], 2, "service reload"),
    ] {
        let (found, out, err) = place.said(arguments);
        assert!(
            found == code && format!("{out}{err}").contains(word),
            "{arguments:?}: {found} {out} {err}"
        );
    }
}

#[test]
fn a_slip_of_the_pen_is_answered_with_the_name_that_was_meant() {
    let place = Place::new();
    place.trust_the_signer();
    place.run(&["update"]);
    let index = place.paths().index_file();
    fs_err::create_dir_all(index.parent().unwrap()).unwrap();
    let golden = Path::new(KEYS).parent().unwrap().join("repo/Packages");
    fs_err::copy(golden, &index).unwrap();
    for command in ["install", "show", "explain"] {
        let (code, out, err) = place.said(&[command, "peer-ap"]);
        let said = format!("{out}{err}");
        assert!(
            code != 0 && said.contains("there is: peer-app"),
            "{command}: {said}"
        );
    }
    let (_code, out, _err) = place.said(&["install", "peer-ap"]);
    assert!(
        out.contains("peer-ap was asked for; the repository has no package of that name"),
        "{out}"
    );
}

/// Shells read their scripts, and `man` finds nothing to complain about, where these are there.
#[cfg(unix)]
#[test]
fn completions_and_manual_pages_are_read_without_a_complaint() {
    let place = Place::new();
    let is_there = |program: &str| Command::new(program).arg("--version").output().is_ok();
    for (shell, check) in [("bash", "-n"), ("zsh", "-n"), ("fish", "--no-execute")] {
        let script = place.root.path().join(shell);
        fs_err::write(&script, place.run(&["completions", shell]).stdout).unwrap();
        if !is_there(shell) {
            continue;
        }
        let read = Command::new(shell).arg(check).arg(&script).output().unwrap();
        assert!(
            read.status.success() && read.stderr.is_empty(),
            "{shell}: {read:?}"
        );
    }
    let folder = place.root.path().join("man");
    let pages = place.json(&["man", "--dir", folder.to_str().unwrap()]);
    let pages: Vec<&str> = pages
        .as_array()
        .unwrap()
        .iter()
        .map(|page| page.as_str().unwrap())
        .collect();
    assert!(
        pages
            .iter()
            .any(|page| page.ends_with("muster-agent-service-install.8")),
        "{pages:?}"
    );
    if !is_there("groff") {
        return;
    }
    for page in pages {
        let set = Command::new("groff")
            .args(["-man", "-Tutf8", "-ww", "-K", "utf8", "-z", page])
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&set.stderr).into_owned();
        assert!(set.status.success() && said.is_empty(), "{page}: {said}");
    }
}
