//! The task `session-setup`: the stored `session_setup()` of packages, once per user and build, as that user.

use muster_shared::hint::{Hint as _, chain};
use muster_shared::protocol::action::{ActionKind, ActionOptions};
use muster_shared::protocol::error::ErrorCode;
use muster_shared::protocol::task::TaskState;
use muster_shared::request::Request;
use serde_json::{Value, json};

use super::{Outcome, SCHEDULER, TaskContext, counted};
use crate::agent::Agent;
use crate::failure::Failure;
use crate::install::stage;
use crate::platform::{self, Account};
use crate::script::{Hook, HookRun, ScriptError, SessionPlace, Subject, Verdict};
use crate::state::StateError;
use crate::state::packages::{Installed, StoredScript};
use crate::state::sessions::SessionSetup;
use crate::state::tasks::NewTask;

/// The word for all packages.
const ALL: &str = "ALL";

/// Prepares sessions for the named packages or for all: those of the users that the order names, else of everybody
/// who is logged in.
pub(super) async fn run(
    agent: &Agent,
    packages: &[String],
    context: &TaskContext,
) -> Result<Outcome, Failure> {
    let chosen = chosen(agent, packages).await?;
    let accounts = accounts(agent, &context.options.users).await?;
    let mut place = None;
    let (mut users, mut bad) = (Vec::new(), Vec::new());
    for (position, account) in accounts.iter().enumerate() {
        let share = |position: usize| (100 * position / accounts.len()) as u8;
        let part = context.part(share(position), share(position + 1));
        let of_user = prepare(agent, account, &chosen, &mut place, &part).await?;
        if context.cancel.is_cancelled() {
            return Ok(Outcome {
                state: TaskState::Cancelled,
                ..Outcome::failed("cancelled", json!({ "users": users }))
            });
        }
        if !of_user.failed.is_empty() {
            bad.push(format!(
                "failed for {}: {}",
                account.name(),
                of_user.failed.join(", ")
            ));
        }
        users.push(of_user.shown(account.name()));
    }
    let names: Vec<&str> = accounts.iter().map(Account::name).collect();
    let count = users
        .iter()
        .filter_map(|user| user["done"].as_array().map(Vec::len))
        .sum();
    let mut summary = if names.is_empty() {
        "nobody is logged in".to_owned()
    } else {
        format!(
            "session of {} prepared for {}",
            names.join(", "),
            counted(count, "package")
        )
    };
    for text in &bad {
        summary = format!("{summary}; {text}");
    }
    let value = json!({ "users": users });
    Ok(if bad.is_empty() {
        Outcome::done(summary, value)
    } else {
        Outcome::failed(summary, value)
    })
}

/// Orders the set-up of open sessions for packages that were just installed, if they have one.
///
/// # Errors
/// When the database does not answer.
pub(super) async fn order_after_install(agent: &Agent, installed: &[String]) -> Result<(), StateError> {
    // An agent beside the machine's own has nobody's sessions to prepare.
    if agent.paths.root().is_some() || platform::logged_in_users().is_empty() {
        return Ok(());
    }
    let mut packages = Vec::new();
    for package in installed {
        let script = agent.state.stored_script(package).await?;
        if script.is_some_and(|script| mentions_it(&script)) {
            packages.push(package.clone());
        }
    }
    if !packages.is_empty() {
        let options = ActionOptions::default();
        let task = NewTask::new(
            ActionKind::SessionSetup,
            packages,
            options,
            SCHEDULER,
            agent.now(),
        );
        agent.state.queue_task(&task).await?;
    }
    Ok(())
}

/// A script without the word has no such hook; starting Python to find that out would cost every logon.
fn mentions_it(script: &StoredScript) -> bool {
    script.setup_py.contains(Hook::SessionSetup.as_str())
}

/// The installed packages that are meant and may have the hook, with their scripts.
async fn chosen(agent: &Agent, packages: &[String]) -> Result<Vec<(Installed, StoredScript)>, Failure> {
    let mut names = Vec::new();
    for package in packages.iter().filter(|package| *package != ALL) {
        let request = Request::parse(package)
            .map_err(|error| Failure::new(ErrorCode::RequestInvalid, error.to_string()))?;
        names.push(request.name);
    }
    let mut chosen = Vec::new();
    for row in agent.state.installed().await? {
        let is_meant = names.is_empty() || names.iter().any(|name| name == row.package());
        if !(is_meant && row.in_place && row.has_setup) {
            continue;
        }
        if let Some(script) = agent.state.stored_script(row.package()).await?
            && mentions_it(&script)
        {
            chosen.push((row, script));
        }
    }
    Ok(chosen)
}

/// Whose sessions are meant.
async fn accounts(agent: &Agent, users: &[String]) -> Result<Vec<Account>, Failure> {
    let mut accounts = Vec::new();
    if !users.is_empty() {
        for user in users {
            let account = platform::find_account(user)
                .await
                .ok_or_else(|| Failure::new(ErrorCode::NotFound, format!("there is no account {user}")))?;
            if let Some(reason) = refusal(agent, &account) {
                return Err(Failure::new(ErrorCode::RequestInvalid, reason)
                    .with_hint("sessions are prepared for people; name one with --user"));
            }
            accounts.push(account);
        }
        return Ok(accounts);
    }
    // An agent of its own, such as a developer's trial, prepares the session of whoever runs it.
    let is_own_only = agent.paths.root().is_some();
    if is_own_only {
        accounts.extend(platform::own_account().await);
        return Ok(accounts);
    }
    for user in platform::logged_in_users() {
        match platform::find_account(&user).await {
            Some(account) if refusal(agent, &account).is_none() => accounts.push(account),
            _ => tracing::debug!(user, "no session of a person"),
        }
    }
    Ok(accounts)
}

/// Why no session of this account is prepared; `None` when one may be.
fn refusal(agent: &Agent, account: &Account) -> Option<String> {
    if agent.paths.root().is_some() && account.is_own() {
        return None;
    }
    account.refusal()
}

/// What was done for one user, by name of package.
#[derive(Default)]
struct OfUser {
    done: Vec<String>,
    again: Vec<String>,
    failed: Vec<String>,
}

impl OfUser {
    fn shown(self, user: &str) -> Value {
        json!({ "user": user, "done": self.done, "again": self.again, "failed": self.failed })
    }
}

async fn prepare(
    agent: &Agent,
    account: &Account,
    chosen: &[(Installed, StoredScript)],
    place: &mut Option<SessionPlace>,
    context: &TaskContext,
) -> Result<OfUser, Failure> {
    let mut of_user = OfUser::default();
    for (row, script) in chosen {
        let (package, uuid) = (row.package(), row.control.get("package_uuid"));
        let is_done = agent
            .state
            .session_is_set_up(account.name(), package, uuid)
            .await?;
        if is_done && !context.options.force {
            continue;
        }
        if context.cancel.is_cancelled() {
            break;
        }
        let text = format!("preparing the session of {} for {package}", account.name());
        context.progress(None, &text);
        let run = set_up(agent, account, row, script, place, context)
            .await
            .map_err(|error| {
                let hints = error.hints();
                let failure = Failure::new(ErrorCode::Internal, chain(&error));
                hints.into_iter().fold(failure, Failure::with_hint)
            })?;
        if context.cancel.is_cancelled() {
            break;
        }
        let status = match &run.verdict {
            Verdict::Absent => continue,
            Verdict::Done { status } => status.as_str(),
            Verdict::Raised(_) | Verdict::Ended { .. } => "ERROR",
        };
        let session = SessionSetup {
            user: account.name(),
            package,
            package_uuid: uuid,
            version: row.control.version(),
            status,
            output: &run.log,
        };
        agent.state.record_session(&session, agent.now()).await?;
        let list = match status {
            "OK" => &mut of_user.done,
            "RETRY" => &mut of_user.again,
            _ => &mut of_user.failed,
        };
        list.push(package.to_owned());
    }
    Ok(of_user)
}

/// Runs one hook as its user.
async fn set_up(
    agent: &Agent,
    account: &Account,
    row: &Installed,
    script: &StoredScript,
    place: &mut Option<SessionPlace>,
    context: &TaskContext,
) -> Result<HookRun, ScriptError> {
    let persistent = stage::persistent_folder(&agent.paths, &row.control);
    let subject = Subject {
        control: &row.control,
        setup_py: &script.setup_py,
        params: &script.params,
        package_dir: None,
        persistent_dir: &persistent,
        uninstall_keys: Some(&script.uninstall_keys),
        force: context.options.force,
        user: account.name(),
    };
    let progress = |percent: Option<u8>, text: &str| {
        context.progress(percent, &format!("{}: {text}", row.package()));
    };
    if account.is_own() {
        stage::open_persistent(&persistent).map_err(|source| ScriptError::Session {
            folder: persistent.clone(),
            source,
        })?;
        return agent
            .scripts
            .run(Hook::SessionSetup, &subject, &context.cancel, progress)
            .await;
    }
    let place = match place {
        Some(place) => place,
        None => place.insert(SessionPlace::open(&agent.paths)?),
    };
    agent
        .scripts
        .run_as(account, place, &subject, &context.cancel, progress)
        .await
}
