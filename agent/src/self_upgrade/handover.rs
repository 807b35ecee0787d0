//! A package that brings a new agent: found by its name and by the files at its root.
//!
//! The convention: section `base`, a name that ends in `-muster-agent`, and at the root of the package one file for
//! each system that it serves. Its `install()` may refuse; when it ended well, the file is staged and tried out
//! while the package is still being installed, so that an agent that does not fit makes the package fail at once.
//! The switch follows when the task is over.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use muster_shared::control::{Control, Section};
use muster_shared::hint::chain;

use super::order::{PATIENCE, Phase, Place};
use super::stage::{Request, stage};
use super::{UpgradeError, start_watchdog};
use crate::paths::Paths;
use crate::platform;
use crate::script::{HookRun, ScriptFailure, Verdict};

/// How the name of such a package ends.
const SUFFIX: &str = "-muster-agent";

/// Whether a package may bring a new agent.
fn is_agent_package(control: &Control) -> bool {
    control.is_section(Section::Base)
        && control
            .package()
            .strip_suffix(SUFFIX)
            .is_some_and(|prefix| !prefix.is_empty())
}

/// Stages the new agent of an unpacked package. Nothing when it is the one that runs, or brings none for this system.
///
/// # Errors
/// When the new agent does not fit this machine, or another order is under way.
async fn offer(
    paths: &Paths,
    control: &Control,
    folder: &Path,
    now: Timestamp,
) -> Result<Option<String>, UpgradeError> {
    let Some(file) = payload_in(folder)? else {
        return Ok(None);
    };
    let request = Request {
        file: &file,
        sha256: None,
        package: Some(control.package()),
        within: PATIENCE,
    };
    Ok(stage(paths, &request, now).await?.map(|order| order.sentence()))
}

/// After `install()` of any package: stages the new agent that an agent's package brings. One that does not fit makes
/// the installation fail, with the reason.
pub async fn after_install(
    paths: &Paths,
    control: &Control,
    folder: &Path,
    mut run: HookRun,
    now: Timestamp,
) -> HookRun {
    if !is_agent_package(control) || !matches!(run.verdict, Verdict::Done { .. } | Verdict::Absent) {
        return run;
    }
    match offer(paths, control, folder, now).await {
        Ok(Some(sentence)) => {
            run.log.push_str(&sentence);
            run.log.push('\n');
        }
        Ok(None) => {}
        Err(error) => {
            run.verdict = Verdict::Raised(ScriptFailure {
                kind: "SelfUpgrade".to_owned(),
                message: chain(&error),
                ..ScriptFailure::default()
            });
        }
    }
    run
}

/// After a task: starts the watchdog when an agent is staged.
pub fn start_waiting(paths: &Paths) {
    let is_staged = match Place::of(paths).order() {
        Ok(order) => order.is_some_and(|order| order.phase == Phase::Staged),
        Err(error) => {
            tracing::error!(error = %chain(&error), "whether a new agent is staged cannot be read");
            false
        }
    };
    if is_staged && let Err(error) = start_watchdog(paths) {
        tracing::error!(error = %chain(&error), "the staged agent cannot take over");
    }
}

/// The file for this system: an installer where this agent was installed by one, else the program.
fn payload_in(folder: &Path) -> Result<Option<PathBuf>, UpgradeError> {
    let mut names = Vec::new();
    for entry in fs_err::read_dir(folder).map_err(UpgradeError::file("list", folder))? {
        let entry = entry.map_err(UpgradeError::file("list", folder))?;
        if let Ok(name) = entry.file_name().into_string() {
            names.push(name);
        }
    }
    let chosen = choose(
        &names,
        platform::PLATFORM,
        platform::architecture(),
        platform::upgrade::was_installed_by_package(),
    );
    Ok(chosen.map(|name| folder.join(name)))
}

/// The name to take of those that lie at the root of a package.
fn choose<'a>(names: &'a [String], system: &str, architecture: &str, by_package: bool) -> Option<&'a str> {
    let program = format!("muster-agent-{system}-{architecture}");
    let debian = match architecture {
        "x64" => "amd64",
        "x86" => "i386",
        other => other,
    };
    let is_installer = |name: &str| match system {
        "windows" => {
            name.starts_with("muster-agent") && name.ends_with(&format!("-{architecture}-setup.exe"))
        }
        _ => name.starts_with("muster-agent_") && name.ends_with(&format!("_{debian}.deb")),
    };
    let is_program = |name: &str| name == program || name.strip_suffix(".exe") == Some(program.as_str());
    let mut installers = names.iter().filter(|name| is_installer(name));
    let mut programs = names.iter().filter(|name| is_program(name));
    let chosen = if by_package {
        installers.next().or_else(|| programs.next())
    } else {
        programs.next()
    };
    chosen.map(String::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_base_package_with_a_prefix_brings_an_agent() {
        let of = |name: &str, section| is_agent_package(&Control::new(name, "1", section));
        assert!(of("tis-muster-agent", Section::Base));
        assert!(!of("tis-muster-agent", Section::Group));
        assert!(!of("-muster-agent", Section::Base));
        assert!(!of("tis-muster-agent-tools", Section::Base));
    }

    #[test]
    fn the_file_for_this_machine_is_taken() {
        let names = [
            "muster-agent-linux-x64",
            "muster-agent-linux-arm64",
            "muster-agent-windows-x64.exe",
            "muster-agent-1.2.0-x64-setup.exe",
            "muster-agent_1.2.0_amd64.deb",
            "setup.py",
        ]
        .map(str::to_owned);
        let of = |system, architecture, by| choose(&names, system, architecture, by);
        assert_eq!(of("linux", "x64", false), Some("muster-agent-linux-x64"));
        assert_eq!(of("linux", "x64", true), Some("muster-agent_1.2.0_amd64.deb"));
        assert_eq!(of("linux", "arm64", true), Some("muster-agent-linux-arm64"));
        assert_eq!(
            of("windows", "x64", true),
            Some("muster-agent-1.2.0-x64-setup.exe")
        );
        assert_eq!(of("windows", "x64", false), Some("muster-agent-windows-x64.exe"));
        assert_eq!(of("windows", "arm64", true), None);
    }
}
