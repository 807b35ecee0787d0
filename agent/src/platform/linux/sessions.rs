//! People's accounts, and programs that run as them: their rights, groups, home and the variables of their session.
//!
//! `setpriv` of util-linux takes the rights on, so that nothing here needs `unsafe`: it sets user, groups and
//! capabilities and then becomes the program, under the same number.

use std::collections::BTreeMap;
use std::io::{self, Read as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::process::Command;

use super::facts::text::read_limited;
use super::process::{GroupChild, spawn_in_group};
use crate::platform::ask;

/// Questions about accounts may go to a directory over the network.
const PATIENCE: Duration = Duration::from_secs(30);

/// The longest answer about an account, in bytes.
const MAX_ANSWER: u64 = 1024 * 1024;

/// The number of `nobody`, who is no person.
const NOBODY: u32 = 65_534;

/// Variables of a session that its programs need; they come from the user's own processes.
const SESSION_VARIABLES: [&str; 9] = [
    "DISPLAY",
    "WAYLAND_DISPLAY",
    "XAUTHORITY",
    "DBUS_SESSION_BUS_ADDRESS",
    "XDG_RUNTIME_DIR",
    "XDG_SESSION_TYPE",
    "XDG_CURRENT_DESKTOP",
    "LANG",
    "LANGUAGE",
];

/// An account of this machine or of its directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    name: String,
    uid: u32,
    gid: u32,
    home: PathBuf,
    shell: String,
    groups: Vec<String>,
}

/// The account of this name; `None` when there is none.
pub async fn find_account(name: &str) -> Option<Account> {
    if name.is_empty() || name.starts_with('-') || name.contains([':', '\0', '\n']) {
        return None;
    }
    // Also accounts of a directory (sssd, winbind), which are in no file.
    let line = match ask("getent", &["passwd", name], PATIENCE, MAX_ANSWER).await {
        Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(error) if error.is_absent() => {
            let passwd = read_limited("/etc/passwd").ok()?;
            let start = format!("{name}:");
            passwd.lines().find(|line| line.starts_with(&start))?.to_owned()
        }
        Err(_unknown) => return None,
    };
    let mut account = parse(line.lines().next()?)?;
    // A number is looked up as such: that is not what was asked.
    if !account.name.eq_ignore_ascii_case(name) {
        return None;
    }
    if let Ok(bytes) = ask("id", &["-Gnz", &account.name], PATIENCE, MAX_ANSWER).await {
        account.groups = bytes
            .split(|byte| *byte == 0)
            .filter(|group| !group.is_empty())
            .map(|group| String::from_utf8_lossy(group).into_owned())
            .collect();
    }
    Some(account)
}

/// The account that this process runs as.
pub async fn own_account() -> Option<Account> {
    find_account(&super::users::name_of(rustix::process::geteuid().as_raw())).await
}

/// `ann:x:1000:1000:Ann,,,:/home/ann:/bin/bash`
fn parse(line: &str) -> Option<Account> {
    let fields: Vec<&str> = line.split(':').collect();
    let [name, _password, uid, gid, _about, home, shell] = fields.as_slice() else {
        return None;
    };
    Some(Account {
        name: (*name).to_owned(),
        uid: uid.parse().ok()?,
        gid: gid.parse().ok()?,
        home: PathBuf::from(home),
        shell: (*shell).to_owned(),
        groups: Vec::new(),
    })
}

impl Account {
    /// The name as the system writes it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The groups that it is a member of.
    pub fn groups(&self) -> &[String] {
        &self.groups
    }

    /// It is the account that this process runs as.
    pub fn is_own(&self) -> bool {
        self.uid == rustix::process::geteuid().as_raw()
    }

    /// Why nobody sits in front of its sessions; `None` for accounts of people.
    pub fn refusal(&self) -> Option<String> {
        let first = login_definition("UID_MIN")
            .and_then(|text| text.parse().ok())
            .unwrap_or(1000);
        (self.uid < first || self.uid == NOBODY)
            .then(|| format!("{} is a system account (number {})", self.name, self.uid))
    }

    /// What files of its programs are made without, as the system is configured.
    #[expect(clippy::unused_self, reason = "elsewhere it may be of the account")]
    pub fn umask(&self) -> Option<u32> {
        login_definition("UMASK").and_then(|text| u32::from_str_radix(&text, 8).ok())
    }

    /// Where its programs begin.
    pub fn home(&self) -> &Path {
        &self.home
    }

    /// The variables of its session.
    fn environment(&self) -> BTreeMap<String, String> {
        let mut variables = BTreeMap::from([
            ("HOME".to_owned(), self.home.display().to_string()),
            ("USER".to_owned(), self.name.clone()),
            ("LOGNAME".to_owned(), self.name.clone()),
            ("SHELL".to_owned(), self.shell.clone()),
            ("PATH".to_owned(), "/usr/local/bin:/usr/bin:/bin".to_owned()),
        ]);
        if let Some(language) = system_language() {
            variables.insert("LANG".to_owned(), language);
        }
        let runtime = PathBuf::from(format!("/run/user/{}", self.uid));
        if runtime.is_dir() {
            variables.insert("XDG_RUNTIME_DIR".to_owned(), runtime.display().to_string());
            let bus = runtime.join("bus");
            if bus.exists() {
                variables.insert(
                    "DBUS_SESSION_BUS_ADDRESS".to_owned(),
                    format!("unix:path={}", bus.display()),
                );
            }
        }
        variables.extend(session_variables(self.uid));
        variables
    }
}

/// Starts a program as this account, in a process group of its own, with the variables of its session; it and all
/// that it starts carry the mark.
///
/// # Errors
/// When it cannot be started: only root may run programs as somebody else, and `setpriv` must be there.
pub fn spawn_as(account: &Account, command: &Command, mark: &str) -> io::Result<GroupChild> {
    let inner = command.as_std();
    let setpriv = ["/usr/bin/setpriv", "/bin/setpriv"]
        .into_iter()
        .find(|path| Path::new(path).is_file())
        .ok_or_else(|| {
            io::Error::new(
                io::ErrorKind::NotFound,
                "setpriv is not there: install the package util-linux",
            )
        })?;
    let mut outer = Command::new(setpriv);
    outer
        .arg(format!("--reuid={}", account.uid))
        .arg(format!("--regid={}", account.gid))
        .args(["--init-groups", "--inh-caps=-all", "--"])
        .arg(inner.get_program())
        .args(inner.get_args())
        .current_dir("/")
        .env_clear()
        .envs(account.environment())
        .stdin(std::process::Stdio::null())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped());
    spawn_in_group(&mut outer, mark)
}

/// Makes a folder that everybody may pass through and only administrators may list or change.
///
/// # Errors
/// When it cannot be made, or something else has its name.
pub fn make_passage(folder: &Path) -> io::Result<()> {
    if let Some(parent) = folder.parent() {
        fs_err::create_dir_all(parent)?;
    }
    super::private::lock_down_dir(folder)?;
    fs_err::set_permissions(folder, std::fs::Permissions::from_mode(0o711))
}

/// Lets everybody read what is in a folder.
///
/// # Errors
/// When the rights cannot be set.
pub fn open_to_all(folder: &Path) -> io::Result<()> {
    set_modes(folder, 0o755, 0o644)
}

/// Gives a folder and what is in it to an account alone.
///
/// # Errors
/// When it cannot be given.
pub fn give_to(folder: &Path, account: &Account) -> io::Result<()> {
    for entry in fs_err::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            give_to(&entry.path(), account)?;
        } else {
            std::os::unix::fs::lchown(entry.path(), Some(account.uid), Some(account.gid))?;
        }
    }
    // The folder last: from then on its owner may change what is in it.
    std::os::unix::fs::lchown(folder, Some(account.uid), Some(account.gid))
}

fn set_modes(folder: &Path, folders: u32, files: u32) -> io::Result<()> {
    for entry in fs_err::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            set_modes(&entry.path(), folders, files)?;
        } else {
            fs_err::set_permissions(entry.path(), std::fs::Permissions::from_mode(files))?;
        }
    }
    fs_err::set_permissions(folder, std::fs::Permissions::from_mode(folders))
}

/// A value of `login.defs`.
fn login_definition(name: &str) -> Option<String> {
    definition(&read_limited("/etc/login.defs").ok()?, name)
}

fn definition(text: &str, wanted: &str) -> Option<String> {
    text.lines().find_map(|line| {
        let mut words = line.split_ascii_whitespace();
        (words.next()? == wanted).then(|| words.next().map(str::to_owned))?
    })
}

fn system_language() -> Option<String> {
    ["/etc/default/locale", "/etc/locale.conf"]
        .iter()
        .filter_map(|path| read_limited(path).ok())
        .find_map(|text| {
            text.lines().find_map(|line| {
                let value = line.trim().strip_prefix("LANG=")?;
                Some(value.trim_matches('"').to_owned())
            })
        })
}

/// The variables of the session, from the process of this user that knows most of them.
fn session_variables(uid: u32) -> BTreeMap<String, String> {
    let Ok(entries) = fs_err::read_dir("/proc") else {
        return BTreeMap::new();
    };
    entries
        .flatten()
        .filter(|entry| entry.file_name().to_string_lossy().parse::<u32>().is_ok())
        .filter(|entry| entry.metadata().is_ok_and(|metadata| metadata.uid() == uid))
        .filter_map(|entry| {
            let mut bytes = Vec::new();
            std::fs::OpenOptions::new()
                .read(true)
                .open(entry.path().join("environ"))
                .ok()?
                .take(MAX_ANSWER)
                .read_to_end(&mut bytes)
                .ok()?;
            Some(known_variables(&bytes))
        })
        .max_by_key(BTreeMap::len)
        .unwrap_or_default()
}

fn known_variables(environment: &[u8]) -> BTreeMap<String, String> {
    environment
        .split(|byte| *byte == 0)
        .filter_map(|variable| {
            let text = std::str::from_utf8(variable).ok()?;
            let (name, value) = text.split_once('=')?;
            let is_known = SESSION_VARIABLES.contains(&name) || name.starts_with("LC_");
            is_known.then(|| (name.to_owned(), value.to_owned()))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_the_account_database_is_read() {
        let account = parse("ann:x:1000:1001:Ann,,,:/home/ann:/bin/bash").unwrap();
        assert_eq!((account.uid, account.gid), (1000, 1001));
        assert_eq!(account.home, Path::new("/home/ann"));
        assert_eq!(parse("ann:x:1000"), None);
    }

    #[tokio::test]
    async fn system_accounts_are_refused_and_numbers_are_no_names() {
        let root = find_account("root").await.unwrap();
        assert!(root.refusal().unwrap().contains("system account"));
        assert_eq!(root.is_own(), rustix::process::geteuid().is_root());
        assert_eq!(find_account("0").await, None);
        assert_eq!(find_account("no-such-account").await, None);
        assert_eq!(find_account("--help").await, None);
        let person = parse("ann:x:4242:4242::/home/ann:/bin/sh").unwrap();
        assert_eq!(person.refusal(), None);
    }

    #[test]
    fn definitions_are_read_without_comments() {
        let text = "# UID_MIN 5\nUID_MIN\t\t 2000\nUMASK 027\n";
        assert_eq!(definition(text, "UID_MIN").as_deref(), Some("2000"));
        assert_eq!(definition(text, "UMASK").as_deref(), Some("027"));
        assert_eq!(definition(text, "UID_MAX"), None);
    }

    #[test]
    fn only_variables_of_the_session_are_taken_over() {
        let environment =
            b"DISPLAY=:0\0LD_PRELOAD=/x.so\0LC_TIME=fr_FR\0SECRET=1\0XDG_RUNTIME_DIR=/run/user/1";
        let taken = known_variables(environment);
        let names: Vec<&str> = taken.keys().map(String::as_str).collect();
        assert_eq!(names, ["DISPLAY", "LC_TIME", "XDG_RUNTIME_DIR"]);
    }
}
