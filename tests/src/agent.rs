//! One managed machine: an agent below a root of its own.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::process::{Daemon, Done, binary, run};

/// An agent; its service ends with this value.
pub struct Agent {
    pub identifier: String,
    root: PathBuf,
    service: Option<Daemon>,
}

impl Agent {
    /// A machine with an empty trust folder and its identifier in its configuration.
    ///
    /// # Panics
    /// When its folder cannot be made.
    pub fn new(parent: &Path, identifier: &str) -> Self {
        let root = parent.join("agents").join(identifier);
        fs_err::create_dir_all(root.join("etc/muster/trust")).expect("a folder for the agent");
        fs_err::write(
            root.join("etc/muster/agent.toml"),
            format!("uuid = \"{identifier}\"\nfake_hostname = \"{identifier}\"\n"),
        )
        .expect("writing agent.toml");
        Self {
            identifier: identifier.to_owned(),
            root,
            service: None,
        }
    }

    /// The folder that prefixes every path.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Adds a line to `agent.toml`.
    ///
    /// # Panics
    /// When it cannot be written.
    pub fn configure(&self, line: &str) {
        let path = self.root.join("etc/muster/agent.toml");
        let text = fs_err::read_to_string(&path).expect("reading agent.toml");
        fs_err::write(&path, format!("{line}\n{text}")).expect("writing agent.toml");
    }

    /// Trusts a certificate, as the installer does.
    ///
    /// # Panics
    /// When it cannot be copied.
    pub fn trust(&self, certificate: &Path) {
        let name = certificate.file_name().expect("a file");
        fs_err::copy(certificate, self.root.join("etc/muster/trust").join(name))
            .expect("copying a certificate");
    }

    /// Runs a `muster-agent` command on this machine.
    pub fn run(&self, args: &[&str]) -> Done {
        run(&binary("muster-agent"), &self.args(args), "", &[])
    }

    /// Runs a command with `--json` and reads what it prints.
    ///
    /// # Panics
    /// When it prints something else.
    pub fn json(&self, args: &[&str]) -> Value {
        let done = self.run(&[args, &["--json"]].concat());
        serde_json::from_str(&done.stdout).unwrap_or_else(|error| panic!("{args:?}: {error}: {done:?}"))
    }

    /// Starts the service.
    pub fn start(&mut self) {
        self.start_with(&[], &[]);
    }

    /// Starts the service with more arguments and another environment.
    pub fn start_with(&mut self, more: &[&str], environment: &[(&str, &OsStr)]) {
        let log = self.root.join("service.log");
        let all = [&["run"], more].concat();
        self.service = Some(Daemon::start(
            &binary("muster-agent"),
            &self.args(&all),
            &log,
            environment,
        ));
    }

    /// The running service.
    ///
    /// # Panics
    /// When it does not run.
    pub fn service(&mut self) -> &mut Daemon {
        self.service.as_mut().expect("the service runs")
    }

    /// Kills the service without a word.
    pub fn kill(&mut self) {
        if let Some(service) = self.service.take() {
            service.kill();
        }
    }

    /// Ends the service with a signal and returns how it ended.
    ///
    /// # Panics
    /// When it does not run or does not end.
    pub fn end(&mut self, signal: &str) -> std::process::ExitStatus {
        self.service.take().expect("the service runs").end(signal)
    }

    /// The file that a package of [`crate::Sources::marker`] leaves, and what is in it.
    pub fn marker(&self, package: &str) -> Option<String> {
        fs_err::read_to_string(self.root.join(format!("opt/{package}.txt"))).ok()
    }

    /// One package as `muster-agent list` shows it.
    pub fn package(&self, name: &str) -> Option<Value> {
        let list = self.json(&["list"]);
        let rows = list
            .as_array()
            .or_else(|| list["packages"].as_array())
            .cloned()
            .unwrap_or_default();
        rows.into_iter().find(|row| row["package"] == name)
    }

    fn args<'a>(&'a self, args: &'a [&'a str]) -> Vec<&'a OsStr> {
        let mut all = vec![OsStr::new("--root"), self.root.as_os_str()];
        all.extend(args.iter().map(OsStr::new));
        all
    }
}
