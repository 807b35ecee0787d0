//! One installation from the downloaded file to its status (wapt-reference.md B.9, steps 5 to 13).

use std::path::Path;

use jiff::Timestamp;
use muster_shared::control::Control;
use muster_shared::hint::chain;
use muster_shared::package::{Package, Verified};
use muster_shared::protocol::package::InstallStatus;

use super::journal::{INSTALL, Journal};
use super::stage::{self, Expected, Staged};
use super::{InstallError, Step};
use crate::agent::Agent;
use crate::schedule;
use crate::script::{Hook, HookRun, Subject, Verdict};
use crate::state::packages::{Installed, StoredScript};
use crate::tasks::TaskContext;

/// A package to be installed.
#[derive(Debug, Clone, Copy)]
pub struct ToInstall<'a> {
    pub file: &'a Path,
    pub expected: Expected<'a>,
    /// Who asked for it; empty when it comes as a dependency.
    pub explicit_by: &'a str,
    pub force: bool,
    /// The file is the cache's own: it goes when the package is in place.
    pub is_cached: bool,
}

/// Installs one package. A failure is recorded at the package before it is returned.
///
/// # Errors
/// The step that failed and why.
pub async fn install(
    agent: &Agent,
    context: &TaskContext,
    item: &ToInstall<'_>,
) -> Result<InstallStatus, InstallError> {
    let announced = match item.expected {
        Expected::Row(row) => Some(&row.control),
        Expected::Trusted => None,
    };
    match verified(agent, item).await {
        Ok(package) => match install_verified(agent, context, item, &package).await {
            Ok(status) => {
                if item.is_cached {
                    fs_err::remove_file(item.file).ok();
                }
                Ok(status)
            }
            Err(error) => Err(recorded(agent, package.control(), item.explicit_by, error).await),
        },
        Err(error) => match announced {
            Some(control) => Err(recorded(agent, control, item.explicit_by, error).await),
            // Nothing in a file that is not signed is believed, not even its name.
            None => Err(error),
        },
    }
}

/// Records a failure at a package that is not in the middle of its script.
pub async fn record_failure(agent: &Agent, control: &Control, explicit_by: &str, error: &InstallError) {
    let log = format!("{}\n", error_text(error));
    let now = agent.now();
    let step = error.step().as_str();
    let written = match agent.state.package(control.package()).await {
        Ok(Some(_)) => agent.state.fail_package(control.package(), step, &log, now).await,
        Ok(None) => {
            let row = Installed {
                status: InstallStatus::Error,
                in_place: false,
                failed_step: step.to_owned(),
                log,
                tries: 1,
                explicit_by: explicit_by.to_owned(),
                has_setup: false,
                ..fresh_row(control, now)
            };
            agent.state.store_package(&row, None).await
        }
        Err(error) => Err(error),
    };
    if let Err(error) = written {
        tracing::error!(package = control.package(), error = %chain(&error), "a failure could not be recorded");
    }
}

fn error_text(error: &InstallError) -> String {
    chain(error)
}

async fn recorded(agent: &Agent, control: &Control, explicit_by: &str, error: InstallError) -> InstallError {
    match &error {
        // The hook's log is recorded where it ended; a cancelled download is no failure of the package.
        InstallError::Hook { .. } | InstallError::Keys { .. } => {}
        InstallError::Cancelled => {}
        #[cfg(test)]
        InstallError::PowerCut => return error,
        _ => record_failure(agent, control, explicit_by, &error).await,
    }
    if let Err(error) = agent.state.close_journal(control.package()).await {
        tracing::error!(package = control.package(), error = %chain(&error), "the journal could not be closed");
    }
    error
}

async fn verified(agent: &Agent, item: &ToInstall<'_>) -> Result<Package<Verified>, InstallError> {
    let trust = agent.trust().map_err(|failure| InstallError::Folder {
        package: item.file.display().to_string(),
        source: std::io::Error::other(chain(&failure)),
    })?;
    let at = agent.own_time().await.map_err(|failure| InstallError::Folder {
        package: item.file.display().to_string(),
        source: std::io::Error::other(chain(&failure)),
    })?;
    let file = item.file.to_path_buf();
    // Hashing and signatures of a large file would hold up everything else.
    match item.expected {
        Expected::Row(row) => {
            let row = row.clone();
            blocking(move || stage::verify(&file, Expected::Row(&row), &trust, at)).await
        }
        Expected::Trusted => blocking(move || stage::verify(&file, Expected::Trusted, &trust, at)).await,
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, InstallError> + Send + 'static,
) -> Result<T, InstallError> {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or(Err(InstallError::Cancelled))
}

async fn install_verified(
    agent: &Agent,
    context: &TaskContext,
    item: &ToInstall<'_>,
    package: &Package<Verified>,
) -> Result<InstallStatus, InstallError> {
    let control = package.control();
    let name = control.package();
    let mut journal = Journal::new(agent, INSTALL, name, control.version(), context.id);
    context.check()?;
    journal.begin(Step::Checks, "").await?;
    let installed = agent.state.installed().await?;
    stage::check(control, package.unpacked_size(), &installed, &agent.paths)?;
    let previous = installed.iter().find(|row| row.package() == name);
    let mut row = Installed {
        signer: package.signer().common_name(),
        signer_fingerprint: package.signer().fingerprint(),
        explicit_by: explicit_by(item.explicit_by, previous),
        tries: previous.map_or(0, |previous| previous.tries),
        ..fresh_row(control, agent.now())
    };
    let Some(setup_py) = package.setup_py() else {
        // Groups and their kind bring nothing but their relations.
        journal.begin(Step::Finish, InstallStatus::Ok.as_str()).await?;
        agent.state.store_package(&row, None).await?;
        forget_persistent(agent, previous, control);
        journal.close().await?;
        return Ok(InstallStatus::Ok);
    };

    journal.begin(Step::Unpack, "").await?;
    context.progress(None, &format!("unpacking {name}"));
    let staged = Staged::unpack(package, &agent.paths)?;
    let persistent = stage::persistent_folder(&agent.paths, control);
    stage::prepare_persistent(&persistent, staged.folder()).map_err(|source| InstallError::Folder {
        package: name.to_owned(),
        source,
    })?;
    context.check()?;

    let mut script = StoredScript {
        setup_py: muster_shared::package::script_text::decode(setup_py).text,
        params: params(agent, name, item, context).await?,
        uninstall_keys: Vec::new(),
    };
    journal.begin(Step::Install, "").await?;
    row.status = InstallStatus::Running;
    row.in_place = false;
    row.has_setup = true;
    row.log = String::new();
    agent.state.store_package(&row, Some(&script)).await?;
    context.progress(None, &format!("installing {name} {}", control.version()));
    let subject = Subject {
        control,
        setup_py: &script.setup_py,
        params: &script.params,
        package_dir: Some(staged.folder()),
        persistent_dir: &persistent,
        uninstall_keys: None,
        force: item.force,
        user: &context.ordered_by,
    };
    let label = format!("{name}: ");
    let run = agent
        .scripts
        .run(Hook::Install, &subject, &context.cancel, |percent, text| {
            context.progress(percent, &format!("{label}{text}"));
        })
        .await;
    #[cfg(test)]
    if *agent.power_cut.lock().unwrap() == Some(Step::UninstallKeys) {
        staged.abandon();
        return Err(InstallError::PowerCut);
    }
    let run = match run {
        Ok(run) => run,
        Err(source) => {
            let error = InstallError::Script {
                package: name.to_owned(),
                step: Step::Install,
                source,
            };
            record_failure(agent, control, item.explicit_by, &error).await;
            return Err(ended(agent, name, error).await);
        }
    };
    script.params.clone_from(&run.params);
    script.uninstall_keys.clone_from(&run.uninstall_keys);
    row.uninstall_keys.clone_from(&run.uninstall_keys);
    row.log.clone_from(&run.log);
    let outcome = outcome(name, &run);
    row.changed_at = agent.now();
    match outcome {
        Ok(status) => {
            row.status = status;
            row.in_place = true;
            row.tries = 0;
            // The first audit follows the installation.
            row.next_audit_at =
                schedule::parse_period(control.get("audit_schedule")).map(|_period| agent.now());
            journal.begin(Step::Finish, status.as_str()).await?;
            agent.state.store_package(&row, Some(&script)).await?;
            forget_persistent(agent, previous, control);
            drop(staged);
            journal.close().await?;
            Ok(status)
        }
        Err((status, error)) => {
            row.status = status;
            error.step().as_str().clone_into(&mut row.failed_step);
            row.tries += 1;
            agent.state.store_package(&row, Some(&script)).await?;
            Err(ended(agent, name, *error).await)
        }
    }
}

/// The row is written: the journal has nothing more to say. The error passes through.
async fn ended(agent: &Agent, package: &str, error: InstallError) -> InstallError {
    match agent.state.close_journal(package).await {
        // Already recorded with its log.
        Ok(()) => match error {
            InstallError::Script {
                package,
                step,
                source,
            } => InstallError::Hook {
                package,
                hook: Hook::Install.as_str(),
                step,
                reason: chain(&source),
            },
            other => other,
        },
        Err(failure) => failure.into(),
    }
}

/// What the hook's word means for the status.
fn outcome(package: &str, run: &HookRun) -> Result<InstallStatus, (InstallStatus, Box<InstallError>)> {
    let failed = |status, reason: String| {
        let error = if run.missing_keys.is_empty() {
            InstallError::Hook {
                package: package.to_owned(),
                hook: Hook::Install.as_str(),
                step: Step::Install,
                reason,
            }
        } else {
            InstallError::Keys {
                package: package.to_owned(),
                keys: run.missing_keys.join(", "),
            }
        };
        Err((status, Box::new(error)))
    };
    match &run.verdict {
        Verdict::Done { status } => match InstallStatus::from_script(status) {
            status if status.is_installed() && run.missing_keys.is_empty() => Ok(status),
            status if status.is_installed() => failed(InstallStatus::Error, String::new()),
            InstallStatus::Init | InstallStatus::Running => Ok(InstallStatus::Unknown),
            status => failed(status, format!("it returned {}", status.as_str())),
        },
        Verdict::Absent => Ok(InstallStatus::Ok),
        Verdict::Raised(failure) => {
            let asked = failure.install_status.as_deref().map(InstallStatus::from_script);
            let status = match asked {
                Some(status @ (InstallStatus::Retry | InstallStatus::Postponed)) => status,
                _ => InstallStatus::Error,
            };
            failed(status, failure.to_string())
        }
        Verdict::Ended { reason } => failed(InstallStatus::Error, reason.clone()),
    }
}

/// An asked-for package stays asked for when it comes again as a dependency.
/// The parameters of before, and over them those given now to a package that is asked for by name.
async fn params(
    agent: &Agent,
    name: &str,
    item: &ToInstall<'_>,
    context: &TaskContext,
) -> Result<serde_json::Map<String, serde_json::Value>, InstallError> {
    let stored = agent.state.stored_script(name).await?;
    let mut params = stored.map(|script| script.params).unwrap_or_default();
    if !item.explicit_by.is_empty() {
        params.extend(context.options.params.clone());
    }
    Ok(params)
}

fn explicit_by(asked: &str, previous: Option<&Installed>) -> String {
    if asked.is_empty() {
        previous.map(|row| row.explicit_by.clone()).unwrap_or_default()
    } else {
        asked.to_owned()
    }
}

/// The files that the version before kept are of no use to this one.
fn forget_persistent(agent: &Agent, previous: Option<&Installed>, control: &Control) {
    let Some(previous) = previous else { return };
    let old = stage::persistent_folder(&agent.paths, &previous.control);
    if old != stage::persistent_folder(&agent.paths, control)
        && let Err(error) = stage::remove_tree(&old)
    {
        tracing::warn!(%error, "files kept by an earlier version cannot be removed");
    }
}

/// A row for a control that says of itself that all is well.
pub fn fresh_row(control: &Control, now: Timestamp) -> Installed {
    Installed {
        control: control.clone(),
        status: InstallStatus::Ok,
        in_place: true,
        failed_step: String::new(),
        log: String::new(),
        changed_at: now,
        explicit_by: String::new(),
        signer: control.get("signer").to_owned(),
        signer_fingerprint: control.get("signer_fingerprint").to_owned(),
        tries: 0,
        audit_status: String::new(),
        audit_output: String::new(),
        audited_at: None,
        next_audit_at: None,
        has_setup: false,
        uninstall_keys: Vec::new(),
    }
}
