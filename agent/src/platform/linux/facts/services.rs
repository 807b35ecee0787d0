//! Services of systemd, from its folders: which unit files there are, which start by themselves, which run.
//!
//! Asking systemd itself costs a process for each question; its folders say the same.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use muster_shared::protocol::inventory::Service;

use super::text::read_limited;
use crate::inventory::facts::FactError;

/// Where unit files are, the most important folder first.
const FOLDERS: [&str; 4] = [
    "/etc/systemd/system",
    "/run/systemd/system",
    "/usr/lib/systemd/system",
    "/lib/systemd/system",
];
/// Every service that runs has a folder here.
const GROUPS: [&str; 2] = [
    "/sys/fs/cgroup/system.slice",
    "/sys/fs/cgroup/systemd/system.slice",
];

/// At most this many.
const MOST: usize = 2000;

/// Services by name; a machine without systemd has none to list.
///
/// # Errors
/// Never on Linux: a folder that cannot be listed counts as empty.
#[expect(clippy::unnecessary_wraps, reason = "the same signature as on Windows")]
pub fn read() -> Result<Vec<Service>, FactError> {
    let folders: Vec<PathBuf> = FOLDERS.iter().map(PathBuf::from).collect();
    let groups: Vec<PathBuf> = GROUPS.iter().map(PathBuf::from).collect();
    Ok(list(&folders, &groups))
}

fn list(folders: &[PathBuf], groups: &[PathBuf]) -> Vec<Service> {
    let mut units: BTreeMap<String, PathBuf> = BTreeMap::new();
    let mut enabled = BTreeSet::new();
    for folder in folders {
        for (name, path) in entries(folder) {
            if is_service(&name) {
                // The first folder that has it wins.
                units.entry(name).or_insert(path);
            } else if [".wants", ".requires"].iter().any(|end| name.ends_with(end)) {
                enabled.extend(entries(&path).into_iter().map(|(name, _path)| name));
            }
        }
    }
    units
        .into_iter()
        .take(MOST)
        .map(|(unit, path)| {
            let is_masked = fs_err::read_link(&path).is_ok_and(|target| target == Path::new("/dev/null"));
            let text = if is_masked {
                String::new()
            } else {
                read_limited(&path).unwrap_or_default()
            };
            let start = if is_masked {
                "disabled"
            } else if enabled.contains(&unit) {
                "automatic"
            } else {
                "manual"
            };
            let parts = unit_file(&text);
            Service {
                is_running: (start == "automatic")
                    .then(|| groups.iter().any(|group| group.join(&unit).is_dir())),
                name: unit.trim_end_matches(".service").to_owned(),
                title: parts.title,
                start: start.to_owned(),
                account: parts.account,
                command: parts.command,
            }
        })
        .collect()
}

/// Templates (`getty@.service`) are no services until they are given a name.
fn is_service(name: &str) -> bool {
    name.strip_suffix(".service")
        .is_some_and(|bare| !bare.ends_with('@'))
}

fn entries(folder: &Path) -> Vec<(String, PathBuf)> {
    let Ok(entries) = fs_err::read_dir(folder) else {
        return Vec::new();
    };
    entries
        .flatten()
        .take(8192)
        .filter_map(|entry| Some((entry.file_name().into_string().ok()?, entry.path())))
        .collect()
}

#[derive(Debug, Default, PartialEq)]
struct UnitFile {
    title: String,
    account: String,
    command: String,
}

fn unit_file(text: &str) -> UnitFile {
    let mut parts = UnitFile::default();
    let mut section = "";
    for line in text.lines().map(str::trim) {
        if line.starts_with('[') {
            section = line;
        }
        let Some((key, value)) = line.split_once('=') else {
            continue;
        };
        match (section, key.trim()) {
            ("[Unit]", "Description") => value.trim().clone_into(&mut parts.title),
            ("[Service]", "User") => value.trim().clone_into(&mut parts.account),
            ("[Service]", "ExecStart") if parts.command.is_empty() => {
                value.trim().clone_into(&mut parts.command);
            }
            _ => {}
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn services_are_what_the_folders_say() {
        let place = tempfile::tempdir().unwrap();
        let (local, packaged, groups) = (
            place.path().join("etc"),
            place.path().join("usr"),
            place.path().join("cgroup"),
        );
        for folder in [
            &local.join("multi-user.target.wants"),
            &packaged,
            &groups.join("ssh.service"),
        ] {
            fs_err::create_dir_all(folder).unwrap();
        }
        let ssh = "[Unit]\nDescription=OpenBSD Secure Shell server\n[Service]\nExecStart=/usr/sbin/sshd -D\nUser=root\n";
        fs_err::write(packaged.join("ssh.service"), ssh).unwrap();
        fs_err::write(packaged.join("getty@.service"), ssh).unwrap();
        fs_err::write(packaged.join("idle.service"), "[Service]\nExecStart=/bin/idle\n").unwrap();
        fs_err::write(packaged.join("net.socket"), "").unwrap();
        std::os::unix::fs::symlink(
            packaged.join("ssh.service"),
            local.join("multi-user.target.wants/ssh.service"),
        )
        .unwrap();
        std::os::unix::fs::symlink("/dev/null", local.join("masked.service")).unwrap();
        let found = list(&[local, packaged], &[groups]);
        let rows: Vec<_> = found
            .iter()
            .map(|service| (service.name.as_str(), service.start.as_str(), service.is_running))
            .collect();
        assert_eq!(
            rows,
            [
                ("idle", "manual", None),
                ("masked", "disabled", None),
                ("ssh", "automatic", Some(true))
            ]
        );
        assert_eq!(found[2].title, "OpenBSD Secure Shell server");
        assert_eq!(found[2].account, "root");
    }

    #[test]
    fn this_machine_answers() {
        read().unwrap();
    }
}
