//! A second, unprivileged account of the machine that runs the tests; it goes with this value.

use std::ffi::OsStr;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::process::{Done, binary, run};

/// The account, its group of the same name, and a folder of its own.
pub struct LocalUser {
    name: String,
    home: tempfile::TempDir,
    program: PathBuf,
}

impl LocalUser {
    /// Makes an account with a group of its own; `None`, and says so, where that needs rights that this process does
    /// not have.
    ///
    /// # Panics
    /// When the system's tools refuse although they should not.
    pub fn create() -> Option<Self> {
        let id = Command::new("id").arg("-u").output().expect("id");
        if String::from_utf8_lossy(&id.stdout).trim() != "0" {
            let said = "skipped: making a second account needs root";
            std::io::Write::write_all(&mut std::io::stderr(), format!("{said}\n").as_bytes()).ok();
            return None;
        }
        let unique: String = uuid::Uuid::new_v4()
            .simple()
            .to_string()
            .chars()
            .take(10)
            .collect();
        let name = format!("mt{unique}");
        let made = Command::new("useradd")
            .args(["--no-create-home", "--user-group", "--shell", "/bin/sh", &name])
            .status()
            .expect("useradd");
        assert!(made.success(), "useradd {name}");
        let home = tempfile::Builder::new()
            .prefix("muster-user-")
            .tempdir()
            .expect("a folder for the user");
        let owned = Command::new("chown")
            .arg(format!("{name}:{name}"))
            .arg(home.path())
            .status()
            .expect("chown");
        assert!(owned.success(), "chown");
        let mut user = Self {
            program: binary("muster-agent"),
            name,
            home,
        };
        // The programs under test may lie where only their builder looks.
        if user.shell(&format!("test -x '{}'", user.program.display())).code != 0 {
            let copy = user.home.path().join("muster-agent");
            fs_err::copy(&user.program, &copy).expect("a copy of the program");
            user.program = copy;
        }
        Some(user)
    }

    /// The account's name, which is also the name of its group.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A folder that belongs to the account.
    pub fn home(&self) -> &Path {
        self.home.path()
    }

    /// Lets the account pass through the folders of a test that lead to a place, as on a real machine.
    ///
    /// # Panics
    /// When their rights cannot be set.
    pub fn let_pass(&self, place: &Path) {
        let is_closed = || self.shell(&format!("cd '{}'", place.display())).code != 0;
        for folder in place.ancestors() {
            if !is_closed() {
                return;
            }
            let mut rights = fs_err::metadata(folder).expect("a folder").permissions();
            if rights.mode() & 0o001 == 0 {
                rights.set_mode(rights.mode() | 0o055);
                fs_err::set_permissions(folder, rights).expect("opening a folder");
            }
        }
    }

    /// Runs `muster-agent` as the account, for the agent below `root`.
    pub fn agent(&self, root: &Path, args: &[&str]) -> Done {
        self.agent_with(root, args, &[])
    }

    /// The same with environment variables.
    pub fn agent_with(&self, root: &Path, args: &[&str], environment: &[(&str, &OsStr)]) -> Done {
        let program = self.program.as_os_str();
        let mut all = vec![
            OsStr::new("-u"),
            OsStr::new(&self.name),
            OsStr::new("--"),
            program,
            OsStr::new("--root"),
            root.as_os_str(),
        ];
        all.extend(args.iter().map(OsStr::new));
        run(Path::new("runuser"), &all, "", environment)
    }

    /// Runs a line of shell as the account.
    pub fn shell(&self, line: &str) -> Done {
        run(
            Path::new("runuser"),
            &["-u", &self.name, "--", "sh", "-c", line],
            "",
            &[],
        )
    }

    /// Runs a Python program as the account.
    pub fn python(&self, program: &str, args: &[&str]) -> Done {
        let mut all = vec!["-u", &self.name, "--", "python3", "-c", program];
        all.extend(args);
        run(Path::new("runuser"), &all, "", &[])
    }

    /// Starts a Python program as the account that runs until this value is dropped.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn holding(&self, program: &str, args: &[&str]) -> Holding {
        let child = Command::new("runuser")
            .args(["-u", &self.name, "--", "python3", "-c", program])
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("runuser");
        Holding { child }
    }
}

/// A program of the account that holds something.
pub struct Holding {
    child: std::process::Child,
}

impl Holding {
    /// What it says first.
    ///
    /// # Panics
    /// When it says nothing.
    pub fn first_line(&mut self) -> String {
        let mut line = String::new();
        let output = self.child.stdout.as_mut().expect("its output");
        BufReader::new(output).read_line(&mut line).expect("a line");
        line.trim().to_owned()
    }
}

impl Drop for Holding {
    fn drop(&mut self) {
        // The end of its input ends it.
        drop(self.child.stdin.take());
        self.child.wait().ok();
    }
}

impl Drop for LocalUser {
    fn drop(&mut self) {
        // What it still runs would keep the account.
        Command::new("pkill")
            .args(["-KILL", "-u", &self.name])
            .stderr(Stdio::null())
            .status()
            .ok();
        Command::new("userdel")
            .arg(&self.name)
            .stderr(Stdio::null())
            .status()
            .ok();
    }
}
