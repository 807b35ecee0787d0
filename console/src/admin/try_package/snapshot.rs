//! The state of a machine before and after a step: watched folders, and the list of installed software.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::SystemTime;

use serde::Serialize;

/// Files of a snapshot; a machine with more is watched in part, and the report says so.
const MAX_ENTRIES: usize = 1_000_000;

/// Where software leaves files, on this kind of system.
#[cfg(not(windows))]
const USUAL: [&str; 7] = [
    "/opt",
    "/usr/local",
    "/etc",
    "/usr/lib/systemd/system",
    "/usr/share/applications",
    "/usr/share/keyrings",
    "/var/spool/cron",
];

/// What a file looked like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Mark {
    is_dir: bool,
    size: u64,
    modified: Option<SystemTime>,
}

/// The state at one moment.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    files: BTreeMap<PathBuf, Mark>,
    /// Uninstall keys on Windows, package names elsewhere.
    software: BTreeSet<String>,
    services: BTreeSet<String>,
    /// There are more files than are watched.
    is_partial: bool,
}

/// What two moments differ in.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Changes {
    pub created: Vec<PathBuf>,
    pub changed: Vec<PathBuf>,
    pub deleted: Vec<PathBuf>,
    /// Software that appeared: what `uninstallkey` may name.
    pub new_uninstall_keys: Vec<String>,
    pub gone_uninstall_keys: Vec<String>,
    pub new_services: Vec<String>,
    pub gone_services: Vec<String>,
    /// The folders hold more files than are watched.
    pub is_partial: bool,
}

/// The folders that are watched unless others are named.
pub fn usual_folders() -> Vec<PathBuf> {
    #[cfg(not(windows))]
    let folders = USUAL.iter().map(PathBuf::from);
    #[cfg(windows)]
    let folders = ["ProgramFiles", "ProgramFiles(x86)", "ProgramData", "PUBLIC"]
        .iter()
        .filter_map(std::env::var_os)
        .map(PathBuf::from);
    folders.collect()
}

impl Snapshot {
    /// Looks at these folders, except at what lies below `passed_over`, and at the software of the machine.
    pub fn take(folders: &[PathBuf], passed_over: &[PathBuf]) -> Self {
        let mut snapshot = Self {
            software: installed_software(),
            services: services(),
            ..Self::default()
        };
        for folder in folders {
            snapshot.walk(folder, passed_over);
        }
        snapshot
    }

    fn walk(&mut self, root: &Path, passed_over: &[PathBuf]) {
        let mut folders = vec![root.to_owned()];
        while let Some(folder) = folders.pop() {
            // A folder that cannot be read is not compared; both moments see it so.
            let Ok(entries) = fs_err::read_dir(&folder) else {
                continue;
            };
            for entry in entries.flatten() {
                let path = entry.path();
                if passed_over.contains(&path) {
                    continue;
                }
                let Ok(metadata) = entry.metadata() else { continue };
                if self.files.len() >= MAX_ENTRIES {
                    self.is_partial = true;
                    return;
                }
                let is_dir = metadata.is_dir();
                let mark = Mark {
                    is_dir,
                    // A folder's own size and time change with what is in it, which is listed anyway.
                    size: if is_dir { 0 } else { metadata.len() },
                    modified: if is_dir { None } else { metadata.modified().ok() },
                };
                if is_dir {
                    folders.push(path.clone());
                }
                self.files.insert(path, mark);
            }
        }
    }

    /// What is different in a later snapshot of the same folders.
    pub fn until(&self, later: &Self) -> Changes {
        let mut changes = Changes {
            new_uninstall_keys: later.software.difference(&self.software).cloned().collect(),
            gone_uninstall_keys: self.software.difference(&later.software).cloned().collect(),
            new_services: later.services.difference(&self.services).cloned().collect(),
            gone_services: self.services.difference(&later.services).cloned().collect(),
            is_partial: self.is_partial || later.is_partial,
            ..Changes::default()
        };
        for (path, mark) in &later.files {
            match self.files.get(path) {
                None => changes.created.push(path.clone()),
                Some(before) if before != mark => changes.changed.push(path.clone()),
                Some(_same) => {}
            }
        }
        let gone = self.files.keys().filter(|path| !later.files.contains_key(*path));
        changes.deleted = gone.cloned().collect();
        changes
    }
}

/// The lines of a command of the system; none when it is not there.
fn lines_of(program: &str, words: &[&str]) -> Vec<String> {
    let output = Command::new(program)
        .args(words)
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output();
    let Ok(output) = output else { return Vec::new() };
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.lines()
        .map(|line| line.trim().to_owned())
        .filter(|line| !line.is_empty())
        .collect()
}

#[cfg(not(windows))]
fn installed_software() -> BTreeSet<String> {
    let debian = lines_of("dpkg-query", &["-W", "-f", "${db:Status-Abbrev} ${Package}\n"]);
    let installed = debian.iter().filter_map(|line| line.strip_prefix("ii "));
    let red_hat = lines_of("rpm", &["-qa", "--qf", "%{NAME}\n"]);
    installed
        .map(|name| name.trim().to_owned())
        .chain(red_hat)
        .collect()
}

#[cfg(not(windows))]
fn services() -> BTreeSet<String> {
    // Unit files lie in watched folders too; this also sees those that a generator makes.
    lines_of(
        "systemctl",
        &["list-unit-files", "--no-legend", "--no-pager", "--type=service"],
    )
    .iter()
    .filter_map(|line| line.split_whitespace().next())
    .map(str::to_owned)
    .collect()
}

#[cfg(windows)]
fn installed_software() -> BTreeSet<String> {
    const KEY: &str = r"HKLM\SOFTWARE\Microsoft\Windows\CurrentVersion\Uninstall";
    let views = ["/reg:64", "/reg:32"];
    let lines = views
        .iter()
        .flat_map(|view| lines_of("reg", &["query", KEY, view]));
    lines
        .filter_map(|line| line.rsplit_once('\\').map(|(_key, name)| name.to_owned()))
        .collect()
}

#[cfg(windows)]
fn services() -> BTreeSet<String> {
    lines_of("reg", &["query", r"HKLM\SYSTEM\CurrentControlSet\Services"])
        .iter()
        .filter_map(|line| line.rsplit_once('\\').map(|(_key, name)| name.to_owned()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_appears_changes_and_goes_is_told_apart() {
        let dir = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| fs_err::write(dir.path().join(name), text).unwrap();
        file("same", "1");
        file("changed", "1");
        file("gone", "1");
        fs_err::create_dir(dir.path().join("own")).unwrap();
        let folders = [dir.path().to_owned()];
        let own = [dir.path().join("own")];
        let before = Snapshot::take(&folders, &own);
        file("changed", "12");
        file("new", "1");
        file("own/state", "1");
        fs_err::remove_file(dir.path().join("gone")).unwrap();
        let changes = before.until(&Snapshot::take(&folders, &own));
        assert_eq!(changes.created, [dir.path().join("new")]);
        assert_eq!(changes.changed, [dir.path().join("changed")]);
        assert_eq!(changes.deleted, [dir.path().join("gone")]);
    }
}
