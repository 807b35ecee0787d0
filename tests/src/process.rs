//! Programs under test: where they are, running one to its end, keeping one in the background.

use std::ffi::OsStr;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::eventually::eventually;

/// The path of one of our programs: beside the test's own, where `cargo build --workspace --bins` puts it.
///
/// # Panics
/// When it was not built.
pub fn binary(name: &str) -> PathBuf {
    let own = std::env::current_exe().expect("a test knows its own path");
    let folder = own.ancestors().find(|folder| folder.join(name).is_file());
    folder
        .unwrap_or_else(|| panic!("{name} is not built: cargo build --workspace --bins"))
        .join(name)
}

/// What a program that ended left behind.
#[derive(Debug)]
pub struct Done {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Done {
    /// The standard output of a program that succeeded.
    ///
    /// # Panics
    /// When it failed.
    pub fn ok(self) -> String {
        assert_eq!(
            self.code, 0,
            "it should succeed:\n{}\n{}",
            self.stdout, self.stderr
        );
        self.stdout
    }

    /// The standard error of a program that refused with an ordinary message.
    ///
    /// # Panics
    /// When it succeeded, crashed, or said nothing.
    pub fn refused(self) -> String {
        assert!(self.code > 0, "it should fail: {self:?}");
        assert!(!self.stderr.contains("panicked"), "{}", self.stderr);
        assert!(!self.stderr.trim().is_empty(), "a failure says why");
        self.stderr
    }
}

/// Runs a program to its end with this standard input.
///
/// # Panics
/// When it cannot be started.
pub fn run<S: AsRef<OsStr>>(program: &Path, args: &[S], input: &str, environment: &[(&str, &OsStr)]) -> Done {
    run_in(Path::new("."), program, args, input, environment)
}

/// Runs a program to its end in a folder.
///
/// # Panics
/// When it cannot be started.
pub(crate) fn run_in<S: AsRef<OsStr>>(
    folder: &Path,
    program: &Path,
    args: &[S],
    input: &str,
    environment: &[(&str, &OsStr)],
) -> Done {
    let mut child = Command::new(program)
        .current_dir(folder)
        .args(args)
        .envs(environment.iter().copied())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{}: {error}", program.display()));
    if let Some(mut stdin) = child.stdin.take() {
        // A program that does not read its input is fine.
        stdin.write_all(input.as_bytes()).ok();
    }
    let output = child.wait_with_output().expect("waiting for a child");
    Done {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// Process ids of the programs in the background, for [`kill_all`].
static RUNNING: Mutex<Vec<u32>> = Mutex::new(Vec::new());

fn running() -> MutexGuard<'static, Vec<u32>> {
    RUNNING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Kills every program that was started in the background: for a process that ends without dropping.
pub fn kill_all() {
    let ids: Vec<String> = running().drain(..).map(|id| id.to_string()).collect();
    if !ids.is_empty() {
        Command::new("kill")
            .arg("-KILL")
            .args(ids)
            .stderr(Stdio::null())
            .status()
            .ok();
    }
}

/// A program in the background; it is killed when this is dropped.
pub struct Daemon {
    child: Child,
    log: PathBuf,
}

impl Daemon {
    /// Starts a program whose output goes to a file.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn start<S: AsRef<OsStr>>(
        program: &Path,
        args: &[S],
        log: &Path,
        environment: &[(&str, &OsStr)],
    ) -> Self {
        let file = fs_err::OpenOptions::new()
            .create(true)
            .append(true)
            .open(log)
            .expect("the log file");
        let file = file.into_parts().0;
        let child = Command::new(program)
            .args(args)
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .stdout(file.try_clone().expect("a second handle"))
            .stderr(file)
            .spawn()
            .unwrap_or_else(|error| panic!("{}: {error}", program.display()));
        running().push(child.id());
        Self {
            child,
            log: log.to_owned(),
        }
    }

    /// Waits for its own end.
    ///
    /// # Panics
    /// When the system does not tell.
    pub fn wait(mut self) -> ExitStatus {
        self.child.wait().expect("waiting for a child")
    }

    /// Process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Everything that it wrote so far.
    pub fn log(&self) -> String {
        fs_err::read_to_string(&self.log).unwrap_or_default()
    }

    /// Waits until a text stands in the log.
    ///
    /// # Panics
    /// When it does not come, or the program ends before.
    pub fn wait_for_log(&mut self, text: &str) {
        eventually(&format!("{text:?} in the log"), || {
            if self.log().contains(text) {
                return Ok(());
            }
            match self.child.try_wait() {
                Ok(Some(status)) => panic!("the program ended with {status}:\n{}", self.log()),
                _ => Err(self.log()),
            }
        });
    }

    /// Kills it without a word, as a power cut would.
    pub fn kill(mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }

    /// Sends a signal (`TERM`, `INT`) and waits for the end.
    ///
    /// # Panics
    /// When the program does not end.
    pub fn end(mut self, signal: &str) -> ExitStatus {
        let pid = self.child.id().to_string();
        Command::new("kill")
            .args([&format!("-{signal}"), &pid])
            .status()
            .expect("kill");
        eventually("the end of the program", || match self.child.try_wait() {
            Ok(Some(status)) => Ok(status),
            other => Err(format!("{other:?}\n{}", self.log())),
        })
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        running().retain(|id| *id != self.child.id());
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
