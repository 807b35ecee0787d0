//! One removal: the stored script's `uninstall()`, then the row and the kept files.

use std::collections::BTreeSet;

use muster_shared::hint::chain;

use super::journal::{Journal, REMOVE};
use super::{InstallError, Step, reboot, stage};
use crate::agent::Agent;
use crate::plan::implicit::is_implicit;
use crate::script::{Hook, Subject, Verdict};
use crate::state::packages::{Installed, StoredScript};
use crate::tasks::TaskContext;

/// Dependencies of dependencies are followed this far.
const MAX_DEPTH: usize = 30;

/// The packages to remove so that `packages` can go: whoever depends on them first, each once.
///
/// The host's own package never goes with what it lists; neither do packages that merely are listed.
pub fn removal_order(installed: &[Installed], packages: &[String]) -> Vec<String> {
    let mut order = Vec::new();
    let mut seen = BTreeSet::new();
    for package in packages {
        visit(installed, package, 0, &mut seen, &mut order);
    }
    order
}

fn visit(
    installed: &[Installed],
    package: &str,
    depth: usize,
    seen: &mut BTreeSet<String>,
    order: &mut Vec<String>,
) {
    if depth > MAX_DEPTH || !seen.insert(package.to_owned()) {
        return;
    }
    for row in installed {
        let depends = row
            .control
            .depends_list()
            .iter()
            .any(|request| request.name == package);
        if depends && !is_implicit(&row.control) {
            visit(installed, row.package(), depth + 1, seen, order);
        }
    }
    if installed.iter().any(|row| row.package() == package) {
        order.push(package.to_owned());
    }
}

/// The installed package that cannot do without `package`, if one of `failed` is such: it stays where it is.
pub fn still_needed_by<'a>(
    installed: &'a [Installed],
    package: &str,
    failed: &BTreeSet<String>,
) -> Option<&'a str> {
    installed
        .iter()
        .filter(|row| failed.contains(row.package()))
        .find(|row| {
            let depends = row.control.depends_list();
            depends.iter().any(|request| request.name == package)
        })
        .map(Installed::package)
}

/// Removes one package. A failure is recorded at the package before it is returned.
///
/// # Errors
/// When it is not installed, or `uninstall()` failed and `force` is not set.
pub async fn remove(
    agent: &Agent,
    context: &TaskContext,
    package: &str,
    force: bool,
) -> Result<(), InstallError> {
    let row = agent
        .state
        .package(package)
        .await?
        .ok_or_else(|| InstallError::NotInstalled(package.to_owned()))?;
    context.check()?;
    let mut journal = Journal::new(agent, REMOVE, package, row.control.version(), context.id);
    if let Some(script) = agent.state.stored_script(package).await? {
        journal.begin(Step::Remove).await?;
        context.progress(None, &format!("removing {package}"));
        if let Err(Failed { error, log }) = uninstall(agent, context, &row, &script, force).await {
            let log = log.unwrap_or_else(|| format!("{}\n", chain(&error)));
            agent
                .state
                .fail_package(package, Step::Remove.as_str(), &log, agent.now())
                .await?;
            journal.close().await?;
            return Err(error);
        }
    }
    journal.begin(Step::Forget).await?;
    agent.state.delete_package(package).await?;
    stage::forget_all_builds(&agent.paths, package);
    journal.close().await
}

/// Why a package was not uninstalled, and what its script wrote.
struct Failed {
    error: InstallError,
    log: Option<String>,
}

/// Ends the package's programs, runs the commands of its uninstall keys and `uninstall()`.
async fn uninstall(
    agent: &Agent,
    context: &TaskContext,
    row: &Installed,
    script: &StoredScript,
    force: bool,
) -> Result<(), Failed> {
    let package = row.package();
    let persistent = stage::persistent_folder(&agent.paths, &row.control);
    stage::open_persistent(&persistent).map_err(|source| Failed {
        error: InstallError::Folder {
            package: package.to_owned(),
            source,
        },
        log: None,
    })?;
    let subject = Subject {
        control: &row.control,
        setup_py: &script.setup_py,
        params: &script.params,
        package_dir: None,
        persistent_dir: &persistent,
        uninstall_keys: Some(&script.uninstall_keys),
        force,
        user: &context.ordered_by,
    };
    let run = agent
        .scripts
        .run(Hook::Uninstall, &subject, &context.cancel, |percent, text| {
            context.progress(percent, &format!("{package}: {text}"));
        })
        .await;
    let problem = match &run {
        Ok(run) => match &run.verdict {
            Verdict::Done { .. } | Verdict::Absent => None,
            Verdict::Raised(failure) => Some(failure.to_string()),
            Verdict::Ended { reason } => Some(reason.clone()),
        },
        Err(error) => Some(chain(error)),
    };
    let failed = |error| Failed { error, log: None };
    if let Ok(run) = &run
        && run.wants_restart
    {
        reboot::note(agent, package)
            .await
            .map_err(|error| failed(error.into()))?;
    }
    match problem {
        Some(reason) if !force || context.cancel.is_cancelled() => Err(Failed {
            error: InstallError::Hook {
                package: package.to_owned(),
                hook: Hook::Uninstall.as_str(),
                step: Step::Remove,
                reason,
            },
            log: run.ok().map(|run| run.log),
        }),
        Some(reason) => {
            tracing::warn!(package, %reason, "removed by force although uninstalling failed");
            Ok(())
        }
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::packages::tests::row;

    fn with_depends(package: &str, depends: &str) -> Installed {
        let mut row = row(package, "1");
        row.control.set("depends", depends);
        row
    }

    #[test]
    fn dependants_go_first_and_each_once() {
        let installed = [
            with_depends("lib", ""),
            with_depends("app-a", "lib"),
            with_depends("app-b", "lib(>=1),app-a"),
            with_depends("other", ""),
        ];
        assert_eq!(
            removal_order(&installed, &["lib".to_owned()]),
            ["app-b", "app-a", "lib"]
        );
    }

    #[test]
    fn the_hosts_package_and_unknown_names_stay_out() {
        let mut host = with_depends("host-1", "lib");
        host.control.set("section", "host");
        let installed = [host, with_depends("lib", "")];
        assert_eq!(
            removal_order(&installed, &["lib".to_owned(), "nothing".to_owned()]),
            ["lib"]
        );
    }

    #[test]
    fn what_a_package_that_could_not_go_needs_stays() {
        let installed = [with_depends("lib", ""), with_depends("app", "lib(>=1)")];
        let failed = BTreeSet::from(["app".to_owned()]);
        assert_eq!(still_needed_by(&installed, "lib", &failed), Some("app"));
        assert_eq!(still_needed_by(&installed, "lib", &BTreeSet::new()), None);
        assert_eq!(still_needed_by(&installed, "app", &failed), None);
    }

    #[test]
    fn a_circle_of_dependencies_ends() {
        let installed = [with_depends("a", "b"), with_depends("b", "a")];
        assert_eq!(removal_order(&installed, &["a".to_owned()]), ["b", "a"]);
    }
}
