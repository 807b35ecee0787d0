//! `muster host act`: one signature, any number of machines, followed live.

use std::collections::BTreeMap;
use std::time::Duration;

use clap::{Args, ValueEnum};
use jiff::SignedDuration;
use muster_shared::hint::Hint;
use muster_shared::protocol::action::{
    ActionDetail, ActionKind, ActionOptions, DEFAULT_ACTION_LIFETIME_MINUTES, TargetState,
};
use uuid::Uuid;

use super::{Targets, called, machines};
use crate::admin::act;
use crate::admin::follow::Follow;
use crate::admin::targets::TargetError;
use crate::cli::action::{is_failure, progress_text, state_word, states};
use crate::cli::failure::{Outcome, Refusal};
use crate::cli::signer::SignerArguments;
use crate::cli::{Shell, block_on, connection, lifetime};
use crate::client::Client;

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Order {
    /// Look for new packages now
    Update,
    /// Install, upgrade and remove what is due
    Upgrade,
    /// Install packages
    Install,
    /// Remove packages
    Remove,
    /// Drop packages from the machine's list without removing the software
    Forget,
    /// Run the audits of packages
    Audit,
    /// Collect and send the whole inventory again
    Inventory,
    /// Register again with the machine's own key, and send everything
    Register,
    /// Show a message to the people of the machine: --text
    Message,
    /// Ask the people of the machine to have the pending changes made now
    ProposeUpgrade,
    /// Prepare the sessions of the people who are logged in for the installed packages
    SessionSetup,
    /// Give the machine another description: --text
    Describe,
    /// Start the agent's service again
    ServiceRestart,
    /// Restart the machine; its configuration must allow it (allow_remote_reboot)
    Reboot,
    /// Switch the machine off; its configuration must allow it (allow_remote_shutdown)
    Shutdown,
    /// Cancel an earlier action or a task
    Cancel,
}

impl Order {
    fn kind(self) -> ActionKind {
        match self {
            Self::Update => ActionKind::Update,
            Self::Upgrade => ActionKind::Upgrade,
            Self::Install => ActionKind::Install,
            Self::Remove => ActionKind::Remove,
            Self::Forget => ActionKind::Forget,
            Self::Audit => ActionKind::Audit,
            Self::Inventory => ActionKind::Inventory,
            Self::Register => ActionKind::Register,
            Self::Message => ActionKind::Message,
            Self::ProposeUpgrade => ActionKind::ProposeUpgrade,
            Self::SessionSetup => ActionKind::SessionSetup,
            Self::Describe => ActionKind::Describe,
            Self::ServiceRestart => ActionKind::ServiceRestart,
            Self::Reboot => ActionKind::Reboot,
            Self::Shutdown => ActionKind::Shutdown,
            Self::Cancel => ActionKind::Cancel,
        }
    }
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  muster host act upgrade pc-12 --wait
      follow it to its end; exit code 3 if it fails
  muster host act install pc-12 pc-13 --package demo-hello --package 'demo-tools(=2.1-0)'
  muster host act upgrade --filter status:need-upgrade --only-if-not-running --yes
  muster host act update --all --yes --expires 7d
      also machines that are off: when they connect
  muster host act install pc-12 --package demo-config --params '{\"company\": \"Example\"}'
  muster host act message --filter group:accounting --text 'The printer is back.' --yes
  muster host act reboot pc-12 --delay 5m --text 'Restarting for updates.'
  muster host act cancel pc-12 --batch 0190c2f0-7d5c-7000-8000-3f6a5b1c2d3e

The action is signed once with your key, for exactly the machines named; each machine checks that
itself. With --json, --wait prints a line of JSON for each machine whenever its state changes.")]
pub(crate) struct Act {
    /// What to do
    #[arg(value_enum)]
    action: Order,
    #[command(flatten)]
    targets: Targets,
    /// Package to install, remove, forget, audit or prepare sessions for: NAME, NAME(=1.2-3)
    #[arg(long = "package", short = 'p', value_name = "PACKAGE")]
    packages: Vec<String>,
    /// Install again what is installed; take from the list even when removing fails
    #[arg(long)]
    force: bool,
    /// Leave packages alone whose programs are running
    #[arg(long)]
    only_if_not_running: bool,
    /// With upgrade: only packages of these priorities, with what they depend on, such as critical
    #[arg(long, value_name = "PRIORITY", value_delimiter = ',')]
    only_priorities: Vec<String>,
    /// Tell the users of the machines
    #[arg(long)]
    notify_user: bool,
    /// With install: parameters for the scripts of the packages, such as '{"company": "Example"}'
    #[arg(long, value_name = "JSON", value_parser = params)]
    params: Option<Params>,
    /// With message, propose-upgrade, reboot and shutdown: what the people of the machines read; with describe: the
    /// new description
    #[arg(long, value_name = "TEXT")]
    text: Option<String>,
    /// With message and propose-upgrade: its heading
    #[arg(long, value_name = "TEXT")]
    title: Option<String>,
    /// With reboot and shutdown: how long the people of the machines have: 5m, 1h, at most 1d; a minute without it
    #[arg(long, value_name = "TIME", value_parser = lifetime::parse)]
    delay: Option<Duration>,
    /// With cancel: the action to cancel
    #[arg(long, value_name = "ACTION")]
    batch: Option<Uuid>,
    /// With cancel: the task to cancel
    #[arg(long, value_name = "TASK")]
    task: Option<Uuid>,
    /// Machines that do not connect within this time do not do it: 15m, 2h, 7d, at most 30d
    #[arg(long, value_name = "TIME", value_parser = lifetime::parse)]
    expires: Option<Duration>,
    /// Follow it until it is over on every machine
    #[arg(long)]
    wait: bool,
    /// With --wait: stop following after this time (the action goes on)
    #[arg(long, value_name = "TIME", value_parser = lifetime::parse, requires = "wait")]
    timeout: Option<Duration>,
    #[command(flatten)]
    signer: SignerArguments,
}

/// What a script finds in `params`.
type Params = serde_json::Map<String, serde_json::Value>;

fn params(text: &str) -> Result<Params, String> {
    serde_json::from_str(text).map_err(|error| {
        format!("an object of names and values is needed, such as '{{\"name\": 1}}': {error}")
    })
}

pub(super) fn run(arguments: &Act, shell: &mut Shell) -> anyhow::Result<Outcome> {
    let kind = arguments.action.kind();
    let choice = arguments.signer.choice(shell)?;
    let client = connection::client(shell)?;
    let found = block_on(arguments.targets.resolve(&client))?;
    let rows = found.map_err(|error| match error.downcast_ref() {
        Some(TargetError::Unknown { name }) if kind.needs_packages() => {
            let hint = format!("is it a package? name it so: --package {name}");
            let refusal = Refusal::new(error.to_string()).hint(hint);
            let hints = error.downcast_ref::<TargetError>().map(Hint::hints);
            let all = hints.unwrap_or_default();
            all.into_iter().fold(refusal, Refusal::hint).into()
        }
        _ => error,
    })?;
    let identifiers: Vec<String> = rows.iter().map(|row| row.identifier.clone()).collect();
    let options = ActionOptions {
        force: arguments.force,
        only_if_not_running: arguments.only_if_not_running,
        only_priorities: arguments.only_priorities.clone(),
        notify_user: arguments.notify_user,
        params: arguments.params.clone().unwrap_or_default(),
        title: arguments.title.clone().unwrap_or_default(),
        text: arguments.text.clone().unwrap_or_default(),
        delay_secs: arguments
            .delay
            .map(|delay| u32::try_from(delay.as_secs()).unwrap_or(u32::MAX)),
        cancel_batch: arguments.batch,
        cancel_task: arguments.task,
        ..ActionOptions::default()
    };
    let lifetime = match arguments.expires {
        Some(time) => SignedDuration::try_from(time)?,
        None => SignedDuration::from_mins(DEFAULT_ACTION_LIFETIME_MINUTES),
    };
    // Checked once before anything is asked; the time of issue is the time of signing.
    act::prepare(
        kind,
        &arguments.packages,
        options.clone(),
        &identifiers,
        lifetime,
        shell.now,
    )?;
    let off = rows.iter().filter(|row| !row.reachable).count();
    let away = if off > 0 {
        format!(", {off} of them not connected now")
    } else {
        String::new()
    };
    shell
        .output
        .note(format!("{kind} on {}{away}", machines(rows.len())));
    arguments
        .targets
        .confirm(&format!("Order {kind} on {}?", machines(rows.len())))?;
    let signer = arguments.signer.open(&choice)?;
    let now = muster_shared::clock::now();
    let prepared = act::prepare(kind, &arguments.packages, options, &identifiers, lifetime, now)?;
    let signed = act::sign(&prepared, signer.as_ref())?;
    drop(signer);

    block_on(async {
        let detail = act::submit(&client, &signed).await?;
        if arguments.wait {
            shell.output.note(format!("action {}", detail.row.batch));
            return follow(&client, detail, arguments.timeout, shell).await;
        }
        shell.output.json(&detail)?;
        shell.output.line(format!("action {}", detail.row.batch))?;
        shell.output.line(states(&detail.row.states))?;
        shell
            .output
            .note(format!("follow it: muster action show {}", detail.row.batch));
        Ok(Outcome::Done)
    })?
}

async fn follow(
    client: &Client,
    detail: ActionDetail,
    timeout: Option<Duration>,
    shell: &mut Shell,
) -> anyhow::Result<Outcome> {
    let batch = detail.row.batch;
    let mut follow = Follow::new(client, detail);
    let end = tokio::time::Instant::now() + timeout.unwrap_or(Duration::from_hours(31 * 24));
    // The state last printed for each machine: progress within a state only moves the progress line.
    let mut printed: BTreeMap<String, TargetState> = BTreeMap::new();
    let interrupted = loop {
        let moved = tokio::select! {
            moved = follow.next() => moved?,
            () = tokio::time::sleep_until(end) => break Some("the time to wait is over"),
            _interrupt = tokio::signal::ctrl_c() => break Some("interrupted"),
        };
        for target in &moved {
            if printed.insert(target.identifier.clone(), target.state) == Some(target.state) {
                continue;
            }
            shell.output.json_line(target)?;
            let word = state_word(target.state, &shell.output);
            let name = called(&target.name, &target.identifier);
            let text = progress_text(target);
            let separator = if text.is_empty() { "" } else { ": " };
            shell.output.line(format!("{word}  {name}{separator}{text}"))?;
        }
        shell.output.flush()?;
        progress(
            follow.detail(),
            &moved.last().map(progress_text).unwrap_or_default(),
            shell,
        );
        if follow.is_over() {
            break None;
        }
    };
    shell.output.clear_progress();
    if let Some(reason) = interrupted {
        shell.output.note(format!(
            "{reason}; the action goes on: muster action show {batch}"
        ));
        return Ok(Outcome::Partly);
    }
    let targets = &follow.detail().targets;
    let failed = targets.iter().filter(|target| is_failure(target.state)).count();
    shell.output.note(format!(
        "{} of {} done",
        targets.len() - failed,
        machines(targets.len())
    ));
    Ok(if failed == 0 {
        Outcome::Done
    } else {
        Outcome::Partly
    })
}

fn progress(detail: &ActionDetail, last: &str, shell: &mut Shell) {
    let over = detail
        .targets
        .iter()
        .filter(|target| target.state.is_over())
        .count();
    shell
        .output
        .progress(&format!("{over} of {} over  {last}", detail.targets.len()));
}
