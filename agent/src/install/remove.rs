//! One removal: the stored script's `uninstall()`, then the row and the kept files.

use std::collections::BTreeSet;

use muster_shared::control::Section;
use muster_shared::hint::chain;

use super::journal::{Journal, REMOVE};
use super::{InstallError, Step, stage};
use crate::agent::Agent;
use crate::script::{Hook, Subject, Verdict};
use crate::state::packages::Installed;
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
        if depends && !row.control.is_section(Section::Host) {
            visit(installed, row.package(), depth + 1, seen, order);
        }
    }
    if installed.iter().any(|row| row.package() == package) {
        order.push(package.to_owned());
    }
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
    let persistent = stage::persistent_folder(&agent.paths, &row.control);
    if let Some(script) = agent.state.stored_script(package).await? {
        journal.begin(Step::Remove, "").await?;
        context.progress(None, &format!("removing {package}"));
        if !persistent.is_dir()
            && let Err(source) = crate::platform::lock_down_dir(&persistent)
        {
            return failed(
                agent,
                InstallError::Folder {
                    package: package.to_owned(),
                    source,
                },
                None,
            )
            .await;
        }
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
        let label = format!("{package}: ");
        let run = agent
            .scripts
            .run(Hook::Uninstall, &subject, &context.cancel, |percent, text| {
                context.progress(percent, &format!("{label}{text}"));
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
        let cancelled = context.cancel.is_cancelled();
        if let Some(reason) = problem
            && (!force || cancelled)
        {
            let error = InstallError::Hook {
                package: package.to_owned(),
                hook: Hook::Uninstall.as_str(),
                step: Step::Remove,
                reason,
            };
            return failed(agent, error, run.ok().map(|run| run.log)).await;
        }
    }
    journal.begin(Step::Forget, "").await?;
    agent.state.delete_package(package).await?;
    if let Err(error) = stage::remove_tree(&persistent) {
        tracing::warn!(%error, "files kept by a removed package cannot be removed");
    }
    journal.close().await
}

async fn failed(agent: &Agent, error: InstallError, log: Option<String>) -> Result<(), InstallError> {
    if let InstallError::Hook { package, .. } | InstallError::Folder { package, .. } = &error {
        let log = log.unwrap_or_else(|| format!("{}\n", chain(&error)));
        agent
            .state
            .fail_package(package, Step::Remove.as_str(), &log, agent.now())
            .await?;
        agent.state.close_journal(package).await?;
    }
    Err(error)
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
    fn a_circle_of_dependencies_ends() {
        let installed = [with_depends("a", "b"), with_depends("b", "a")];
        assert_eq!(removal_order(&installed, &["a".to_owned()]), ["b", "a"]);
    }
}
