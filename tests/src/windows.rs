//! One managed Windows machine: a Wine prefix of its own with the Windows build of the agent in it.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::process::{Daemon, Done, run};

/// Beside the folder of the programs under test: what `make windows-machine` made.
const TEMPLATE: &str = "windows-machine";

/// The Windows build of the agent, below the target folder.
const AGENT: &str = "x86_64-pc-windows-gnu/debug/muster-agent.exe";

/// No Windows program of a test runs longer than this, in seconds.
const LIMIT: &str = "300";

/// A Windows machine; its processes end and its files go with this value.
pub struct WindowsMachine {
    prefix: PathBuf,
}

impl WindowsMachine {
    /// A machine with an agent that trusts a certificate and is not registered yet.
    ///
    /// # Panics
    /// When `make windows-machine` was not run, or the files cannot be copied.
    pub fn new(parent: &Path, trusted: &Path) -> Self {
        let machine = Self::blank(parent);
        let target = target_folder();
        let program = machine.program_folder();
        fs_err::create_dir_all(program.join("trust")).expect("a folder for certificates");
        let python = Command::new("cp")
            .arg("-a")
            .arg(target.join(TEMPLATE).join("python"))
            .arg(program.join("python"))
            .status()
            .expect("cp runs");
        assert!(python.success(), "copying Python");
        fs_err::copy(target.join(AGENT), program.join("muster-agent.exe")).expect("the Windows agent");
        let name = trusted.file_name().expect("a file");
        fs_err::copy(trusted, program.join("trust").join(name)).expect("copying a certificate");
        machine
    }

    /// A machine without an agent.
    ///
    /// # Panics
    /// When `make windows-machine` was not run, or the files cannot be copied.
    pub fn blank(parent: &Path) -> Self {
        let target = target_folder();
        let prefix = parent.join("windows");
        let copied = Command::new("cp")
            .args(["-a", "--reflink=auto"])
            .arg(target.join(TEMPLATE).join("prefix"))
            .arg(&prefix)
            .status()
            .expect("cp runs");
        assert!(copied.success(), "copying the machine");
        Self { prefix }
    }

    /// The embeddable CPython and the Windows build of the agent that tests have.
    pub fn parts() -> (PathBuf, PathBuf) {
        let target = target_folder();
        (target.join(TEMPLATE).join("python"), target.join(AGENT))
    }

    /// Runs any Windows program on the machine.
    pub fn start(&self, program: &Path, args: &[&str]) -> Done {
        let mut all = vec![OsStr::new(LIMIT), OsStr::new("wine"), program.as_os_str()];
        all.extend(args.iter().map(OsStr::new));
        self.run("timeout", &all)
    }

    /// Drive C: of the machine.
    pub fn drive(&self) -> PathBuf {
        self.prefix.join("drive_c")
    }

    /// Runs a `muster-agent` command on the machine, in the process itself.
    pub fn agent(&self, args: &[&str]) -> Done {
        let program = self.program_folder().join("muster-agent.exe");
        let mut all = vec![OsStr::new(LIMIT), OsStr::new("wine"), program.as_os_str()];
        all.extend(args.iter().map(OsStr::new));
        self.run("timeout", &all)
    }

    /// Starts the agent's service, without the service manager, and waits until it runs.
    ///
    /// # Panics
    /// When it does not.
    pub fn service(&self, log: &Path) -> Daemon {
        let program = self.program_folder().join("muster-agent.exe");
        let args = [program.as_os_str(), OsStr::new("run")];
        let mut service = Daemon::start(Path::new("wine"), &args, log, &self.environment());
        service.wait_for_log("agent running");
        service
    }

    /// What an installer of [`crate::Msi`] or [`crate::Exe`] left: the version of the program.
    pub fn program(&self, name: &str) -> Option<String> {
        let folder = self.drive().join("Program Files").join(name);
        fs_err::read_to_string(folder.join("program.txt")).ok()
    }

    /// Runs a command with `--json` and reads what it prints.
    ///
    /// # Panics
    /// When it prints something else.
    pub fn json(&self, args: &[&str]) -> Value {
        let done = self.agent(&[args, &["--json"]].concat());
        serde_json::from_str(&done.stdout).unwrap_or_else(|error| panic!("{args:?}: {error}: {done:?}"))
    }

    /// One package as `muster-agent list` shows it.
    pub fn package(&self, name: &str) -> Option<Value> {
        let list = self.json(&["list"]);
        let rows = list.as_array().or_else(|| list["packages"].as_array()).cloned();
        rows.unwrap_or_default()
            .into_iter()
            .find(|row| row["package"] == name)
    }

    /// A value of the registry as `reg query` prints it; `None` when it is not there.
    pub fn registry(&self, key: &str, value: &str) -> Option<String> {
        let done = self.run("timeout", &[LIMIT, "wine", "reg", "query", key, "/v", value]);
        let line = done
            .stdout
            .lines()
            .find(|line| line.trim_start().starts_with(value))?;
        line.split("    ").last().map(|text| text.trim().to_owned())
    }

    /// Sets a text value of the registry.
    ///
    /// # Panics
    /// When Windows refuses.
    pub fn set_registry(&self, key: &str, value: &str, data: &str) {
        let set = ["reg", "add", key, "/v", value, "/d", data, "/f"];
        self.run("timeout", &[&[LIMIT, "wine"], set.as_slice()].concat())
            .ok();
    }

    fn program_folder(&self) -> PathBuf {
        self.drive().join("Program Files/Muster")
    }

    fn run<S: AsRef<OsStr>>(&self, program: &str, args: &[S]) -> Done {
        let environment = self.environment();
        run(Path::new(program), args, "", &environment)
    }

    fn environment(&self) -> [(&'static str, &OsStr); 4] {
        [
            ("WINEPREFIX", self.prefix.as_os_str()),
            ("WINEARCH", OsStr::new("win64")),
            ("WINEDEBUG", OsStr::new("-all")),
            ("WINEDLLOVERRIDES", OsStr::new("winedbg.exe=d")),
        ]
    }
}

impl Drop for WindowsMachine {
    fn drop(&mut self) {
        self.run("timeout", &["60", "wineserver", "-k"]);
    }
}

/// The folder that holds both the programs under test and those for Windows.
fn target_folder() -> PathBuf {
    let own = std::env::current_exe().expect("a test knows its own path");
    own.ancestors()
        .find(|folder| folder.join(TEMPLATE).join("ready").is_file() && folder.join(AGENT).is_file())
        .expect("the Windows machine is not there: make windows-machine")
        .to_owned()
}
