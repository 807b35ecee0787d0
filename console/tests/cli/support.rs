//! Runs the real `muster` in a folder of its own and writes down what it did.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A folder with its own settings, in which commands run.
pub(crate) struct Place {
    dir: tempfile::TempDir,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self {
            dir: tempfile::tempdir().unwrap(),
        }
    }

    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path().join(name);
        fs_err::create_dir_all(path.parent().unwrap()).unwrap();
        fs_err::write(&path, bytes).unwrap();
        path
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs_err::read_to_string(self.path().join(name)).unwrap()
    }

    /// Names in the folder, sorted, without the settings.
    pub(crate) fn names(&self) -> Vec<String> {
        let entries = fs_err::read_dir(self.path()).unwrap();
        let mut names: Vec<String> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name != "settings")
            .collect();
        names.sort();
        names
    }

    /// Runs `muster` with these words, with `input` on standard input.
    pub(crate) fn muster_with(&self, words: &[&str], input: &str) -> String {
        let mut child = self
            .command(words)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).ok();
        let output = child.wait_with_output().unwrap();
        let mut text = format!("exit code {}\n", output.status.code().unwrap());
        for (name, bytes) in [("stdout", output.stdout), ("stderr", output.stderr)] {
            let bytes = String::from_utf8(bytes).unwrap();
            if !bytes.is_empty() {
                text.extend(["--- ", name, "\n", &bytes]);
            }
        }
        text
    }

    /// Runs `muster` with these words and nothing on standard input.
    pub(crate) fn muster(&self, words: &[&str]) -> String {
        self.muster_with(words, "")
    }

    /// The same for a command that succeeds.
    pub(crate) fn ok(&self, words: &[&str]) -> String {
        self.ok_with(words, "")
    }

    /// The same with `input` on standard input.
    pub(crate) fn ok_with(&self, words: &[&str], input: &str) -> String {
        let done = self.muster_with(words, input);
        assert!(done.starts_with("exit code 0"), "{words:?}: {done}");
        done
    }

    /// A command that refuses with this among its words.
    pub(crate) fn refused(&self, words: &[&str], input: &str, why: &str) {
        let done = self.muster_with(words, input);
        assert!(
            done.starts_with("exit code 1") && done.contains(why),
            "{words:?}: {done}"
        );
    }

    /// The command itself: no terminal, no variables of the person who runs the tests.
    pub(crate) fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_muster"));
        command
            .args(words)
            .current_dir(self.path())
            .env_clear()
            .env("MUSTER_CONFIG_DIR", self.path().join("settings"))
            .env("TZ", "UTC");
        command
    }

    /// Makes a key without a password, `alice.pem` and `alice.crt`, and keeps it as the signer.
    pub(crate) fn with_key(self) -> Self {
        self.ok(&["key", "create", "alice", "--type", "ec", "--no-password"]);
        self
    }
}

/// What stands on standard output.
pub(crate) fn stdout(text: &str) -> &str {
    let after = text.split_once("--- stdout\n").unwrap().1;
    after.split_once("--- stderr\n").map_or(after, |(out, _)| out)
}

/// Replaces what differs from run to run.
pub(crate) fn settings() -> insta::Settings {
    let mut settings = insta::Settings::clone_current();
    settings.add_filter(r"[0-9a-f]{64}", "[sha256]");
    settings.add_filter(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z?", "[time]");
    settings.add_filter(r"/[^ \n:']*/\.tmp[A-Za-z0-9]{6}", "[dir]");
    settings.add_filter(r"(WAPT/\S+ +)\d+", "$1[n]");
    settings.add_filter(r"(\.(?:env|vscode/\S+) +)\d+", "$1[n]");
    settings.add_filter(
        r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}",
        "[uuid]",
    );
    settings.add_filter(r"\b\d{3,5} bytes", "[n] bytes");
    settings.add_filter(r"(serial +)[0-9a-f:]{16,}", "$1[serial]");
    settings
}
