//! One installation from the downloaded file to its status (wapt-reference.md B.9, steps 5 to 13).

use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use muster_shared::control::Control;
use muster_shared::hint::chain;
use muster_shared::package::{Package, Verified};
use muster_shared::protocol::package::InstallStatus;

use super::journal::{INSTALL, Journal, clear_away};
use super::live_log::LiveLog;
use super::stage::{self, Expected, Staged};
use super::{InstallError, Step, outcome, reboot};
use crate::agent::Agent;
use crate::schedule;
use crate::script::{Hook, HookRun, ScriptError, Subject};
use crate::self_upgrade::after_install;
use crate::state::packages::{Installed, StoredScript};
use crate::tasks::TaskContext;
use crate::update::offers::capabilities;

/// Uninstall keys that are kept of one package, those of versions before it included.
const MAX_KEYS: usize = 1000;

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
        Ok(package) => {
            let package = Arc::new(package);
            match install_verified(agent, context, item, &package).await {
                Ok(status) => Ok(status),
                Err(error) => Err(recorded(agent, package.control(), item.explicit_by, error).await),
            }
        }
        Err(error) => match announced {
            Some(control) => Err(recorded(agent, control, item.explicit_by, error).await),
            // Nothing in a file that is not signed is believed, not even its name.
            None => Err(error),
        },
    }
}

/// Records a failure at a package that is not in the middle of its script.
pub async fn record_failure(agent: &Agent, control: &Control, explicit_by: &str, error: &InstallError) {
    let log = format!("{}\n", chain(error));
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

async fn recorded(agent: &Agent, control: &Control, explicit_by: &str, error: InstallError) -> InstallError {
    match &error {
        // The hook's log is recorded where it ended; a cancelled task is no failure of the package.
        InstallError::Hook { .. } | InstallError::Keys { .. } | InstallError::Cancelled => {}
        _ => record_failure(agent, control, explicit_by, &error).await,
    }
    if let Err(error) = agent.state.close_journal(control.package()).await {
        tracing::error!(package = control.package(), error = %chain(&error), "the journal could not be closed");
    }
    error
}

async fn verified(agent: &Agent, item: &ToInstall<'_>) -> Result<Package<Verified>, InstallError> {
    let trust = agent
        .trust_of(item.expected.repository())
        .map_err(|failure| InstallError::Folder {
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
    package: &Arc<Package<Verified>>,
) -> Result<InstallStatus, InstallError> {
    let control = package.control();
    let name = control.package();
    let mut journal = Journal::new(agent, INSTALL, name, control.version(), context.id);
    context.check()?;
    journal.begin(Step::Checks).await?;
    let installed = agent.state.installed().await?;
    if matches!(item.expected, Expected::Trusted) {
        stage::check_system(control, &capabilities(&agent.config, agent.now()))?;
    }
    stage::check(control, package.unpacked_size(), &installed, &agent.paths)?;
    let previous = installed.iter().find(|row| row.package() == name);
    let row = Installed {
        signer: package.signer().common_name(),
        signer_fingerprint: package.signer().fingerprint(),
        explicit_by: explicit_by(item.explicit_by, previous),
        repository: item.expected.repository().to_owned(),
        tries: previous.map_or(0, |previous| previous.tries),
        ..fresh_row(control, agent.now())
    };
    let Some(setup_py) = package.setup_py() else {
        // Groups and their kind bring nothing but their relations.
        let rules = package.rules().map_err(|source| InstallError::Verify {
            package: name.to_owned(),
            source,
        })?;
        agent.state.keep_rules(name, rules.as_ref()).await?;
        let row = Installed { tries: 0, ..row };
        return finish(journal, item, &row, None).await;
    };

    journal.begin(Step::Unpack).await?;
    context.progress(None, &format!("unpacking {name}"));
    let staged = unpack(package, agent).await?;
    context.check()?;
    // Until this version is in place, what the one before left is known by its keys: a removal still finds it.
    let keys_before = previous.map_or_else(Vec::new, |previous| previous.uninstall_keys.clone());
    let script = StoredScript {
        setup_py: muster_shared::package::script_text::decode(setup_py).text,
        params: params(agent, name, item, context).await?,
        uninstall_keys: keys_before.clone(),
    };
    let row = Installed {
        uninstall_keys: keys_before,
        ..row
    };
    let running = Installed {
        status: InstallStatus::Running,
        in_place: false,
        has_setup: true,
        ..row.clone()
    };
    journal
        .begin_with(Step::Install, "", &running, Some(&script))
        .await?;
    context.progress(None, &format!("installing {name} {}", control.version()));
    let run = match run_hook(agent, context, item, control, &script, staged.folder()).await {
        Ok(run) => Ok(after_install(&agent.paths, control, staged.folder(), run, agent.now()).await),
        Err(error) => Err(error),
    };
    let ended = Ended { row, script, run };
    let done = record(agent, journal, item, ended).await;
    drop(staged);
    done
}

/// Unpacking a large package would hold up everything else.
async fn unpack(package: &Arc<Package<Verified>>, agent: &Agent) -> Result<Staged, InstallError> {
    let (package, paths) = (package.clone(), agent.paths.clone());
    blocking(move || Staged::unpack(&package, &paths)).await
}

/// Runs `install()`, with its folder of kept files made anew.
async fn run_hook(
    agent: &Agent,
    context: &TaskContext,
    item: &ToInstall<'_>,
    control: &Control,
    script: &StoredScript,
    folder: &Path,
) -> Result<HookRun, InstallError> {
    let name = control.package();
    let persistent = stage::persistent_folder(&agent.paths, control);
    stage::prepare_persistent(&persistent, folder).map_err(|source| InstallError::Folder {
        package: name.to_owned(),
        source,
    })?;
    let subject = Subject {
        control,
        setup_py: &script.setup_py,
        params: &script.params,
        package_dir: Some(folder),
        persistent_dir: &persistent,
        uninstall_keys: None,
        force: item.force,
        user: &context.ordered_by,
    };
    let log = LiveLog::start(&agent.state, name);
    let run = agent
        .scripts
        .run(Hook::Install, &subject, &context.cancel, |percent, text| {
            log.push(text);
            context.progress(percent, &format!("{name}: {text}"));
        })
        .await;
    log.stop().await;
    run.map_err(|source| script_error(name, source))
}

fn script_error(package: &str, source: ScriptError) -> InstallError {
    InstallError::Script {
        package: package.to_owned(),
        step: Step::Install,
        source,
    }
}

/// An `install()` that is over, one way or the other.
struct Ended {
    row: Installed,
    script: StoredScript,
    run: Result<HookRun, InstallError>,
}

/// Writes what came of it.
async fn record(
    agent: &Agent,
    journal: Journal<'_>,
    item: &ToInstall<'_>,
    ended: Ended,
) -> Result<InstallStatus, InstallError> {
    let Ended {
        mut row,
        mut script,
        run,
    } = ended;
    row.has_setup = true;
    row.changed_at = agent.now();
    let run = match run {
        Ok(run) => run,
        Err(error) => {
            let log = format!("{}\n", chain(&error));
            let failed = Installed { log, ..row };
            return Err(failed_at(agent, journal, failed, &script, InstallStatus::Error, error).await?);
        }
    };
    script.params.clone_from(&run.params);
    let mut keys_before = std::mem::replace(&mut row.uninstall_keys, run.uninstall_keys.clone());
    script.uninstall_keys.clone_from(&run.uninstall_keys);
    row.log.clone_from(&run.log);
    if run.wants_restart {
        reboot::note(agent, row.package()).await?;
        row.log
            .push_str("the machine must be restarted to complete this\n");
    }
    let outcome = outcome::of_install(row.package(), &run);
    if let Some(error) = outcome.error {
        keys_before.retain(|key| !run.uninstall_keys.contains(key));
        row.uninstall_keys.extend(keys_before);
        row.uninstall_keys.truncate(MAX_KEYS);
        script.uninstall_keys.clone_from(&row.uninstall_keys);
        return Err(failed_at(agent, journal, row, &script, outcome.status, error).await?);
    }
    row.status = outcome.status;
    row.script_status = outcome.word;
    row.tries = 0;
    // The first audit follows the installation.
    row.next_audit_at = schedule::next_audit(
        row.control.get("audit_schedule"),
        agent.config.schedule.audit_every,
        agent.now(),
    )
    .map(|_next| agent.now());
    finish(journal, item, &row, Some(&script)).await
}

/// Writes the row of a package that is in place, then clears away what is of no more use.
async fn finish(
    mut journal: Journal<'_>,
    item: &ToInstall<'_>,
    row: &Installed,
    script: Option<&StoredScript>,
) -> Result<InstallStatus, InstallError> {
    let cached = match item.file.file_name() {
        Some(name) if item.is_cached => name.to_string_lossy().into_owned(),
        _ => String::new(),
    };
    journal.begin_with(Step::Finish, &cached, row, script).await?;
    clear_away(journal.agent(), row, &cached);
    journal.close().await?;
    Ok(row.status)
}

/// Writes the row of a package that is not in place; gives the error back with what is not said elsewhere.
async fn failed_at(
    agent: &Agent,
    journal: Journal<'_>,
    row: Installed,
    script: &StoredScript,
    status: InstallStatus,
    error: InstallError,
) -> Result<InstallError, InstallError> {
    let failed = Installed {
        status,
        in_place: false,
        failed_step: error.step().as_str().to_owned(),
        tries: row.tries + 1,
        log: match &error {
            // The script's own log ends with its traceback; what was found after it is said here.
            InstallError::Keys { .. } => format!("{}{}\n", row.log, chain(&error)),
            _ => row.log.clone(),
        },
        ..row
    };
    agent.state.store_package(&failed, Some(script)).await?;
    journal.close().await?;
    // Recorded with its log: the caller must not record it again.
    Ok(match error {
        InstallError::Hook { .. } | InstallError::Keys { .. } => error,
        other => InstallError::Hook {
            package: failed.package().to_owned(),
            hook: Hook::Install.as_str(),
            step: other.step(),
            reason: chain(&other),
        },
    })
}

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

/// An asked-for package stays asked for when it comes again as a dependency.
fn explicit_by(asked: &str, previous: Option<&Installed>) -> String {
    if asked.is_empty() {
        previous.map(|row| row.explicit_by.clone()).unwrap_or_default()
    } else {
        asked.to_owned()
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
        repository: String::new(),
        tries: 0,
        script_status: String::new(),
        audit_status: String::new(),
        audit_output: String::new(),
        audited_at: None,
        next_audit_at: None,
        has_setup: false,
        uninstall_keys: Vec::new(),
    }
}
