//! `muster host show`: one machine, the failed thing first with its own words.

use clap::Args;
use muster_shared::protocol::host::HostDetail;
use muster_shared::protocol::inventory::{Block, PackagesBlock, TasksBlock};
use muster_shared::protocol::package::{Change, InstallStatus};

use super::columns;
use crate::admin::targets;
use crate::cli::failure::{Outcome, Refusal};
use crate::cli::output::{Output, Table, Tone};
use crate::cli::{Shell, block_on, connection};

/// How much of a log is shown unless all of it is asked for, in lines.
const LOG_LINES: usize = 20;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  muster host show pc-12
  muster host show pc-12 --log              the whole log of what failed
  muster host show pc-12 --tasks            what the agent does and did lately
  muster host show pc-12 --json             everything that the machine reported")]
pub(crate) struct Show {
    /// Identifier or name of a machine
    host: String,
    /// Show the logs of failed packages in full
    #[arg(long)]
    log: bool,
    /// Also show the agent's tasks
    #[arg(long)]
    tasks: bool,
}

pub(super) fn run(arguments: &Show, shell: &mut Shell) -> anyhow::Result<Outcome> {
    let client = connection::client(shell)?;
    let detail = block_on(async {
        let rows = targets::resolve(&client, std::slice::from_ref(&arguments.host), None).await?;
        let row = rows
            .into_iter()
            .next()
            .ok_or_else(|| Refusal::new("no such machine"))?;
        anyhow::Ok(client.host(&row.identifier).await?)
    })??;
    shell.output.json(&detail)?;
    if shell.output.is_json() {
        return Ok(Outcome::Done);
    }
    write_facts(&detail, shell)?;
    write_failed(&detail, arguments.log, shell)?;
    let packages = detail.packages();
    write_pending(&packages, shell)?;
    write_packages(&packages, shell)?;
    if arguments.tasks {
        write_tasks(&detail, shell)?;
    }
    Ok(Outcome::Done)
}

fn write_facts(detail: &HostDetail, shell: &mut Shell) -> anyhow::Result<()> {
    let row = &detail.row;
    let packages = detail.packages();
    let status = columns::status_word(row, &shell.output);
    let link = if row.reachable {
        "connected"
    } else {
        "not connected"
    };
    let list = |items: &[String]| items.join(", ");
    shell.output.facts(&[
        ("name", shell.output.tone(Tone::Strong, &row.name)),
        ("identifier", row.identifier.clone()),
        ("status", format!("{status}, {link}")),
        ("now", row.running.clone()),
        ("description", row.description.clone()),
        (
            "system",
            format!("{} {} {}", row.os, row.os_version, row.architecture)
                .trim()
                .to_owned(),
        ),
        ("address", row.address.clone()),
        (
            "machine",
            format!("{} {}", row.manufacturer, row.model).trim().to_owned(),
        ),
        ("serial", row.serial.clone()),
        ("users", list(&row.users)),
        ("unit", row.ou.clone()),
        ("agent", row.agent_version.clone()),
        ("seen", columns::ago(row.last_seen, shell.now)),
        ("registered by", row.registered_by.clone()),
        ("required", list(&packages.assigned)),
        ("forbidden", list(&packages.forbidden)),
        (
            if packages.assigned.is_empty() && packages.forbidden.is_empty() {
                "last host package"
            } else {
                "host package"
            },
            packages.host_package_version.clone(),
        ),
        ("update failed", packages.update_error.clone()),
    ])?;
    Ok(())
}

fn write_failed(detail: &HostDetail, whole: bool, shell: &mut Shell) -> anyhow::Result<()> {
    for package in detail.failed() {
        shell.output.line("")?;
        let word = shell.output.tone(Tone::Bad, "ERROR");
        let step = if package.failed_step.is_empty() {
            String::new()
        } else {
            format!(" at {}", package.failed_step)
        };
        shell.output.line(format!(
            "{word} {} {}{step}, {}, {} tr{}",
            package.package,
            package.version,
            columns::ago(package.changed_at, shell.now),
            package.tries,
            if package.tries == 1 { "y" } else { "ies" },
        ))?;
        let lines: Vec<&str> = package.log.lines().collect();
        let hidden = if whole {
            0
        } else {
            lines.len().saturating_sub(LOG_LINES)
        };
        if hidden > 0 {
            shell
                .output
                .line(format!("  … {hidden} lines before; --log shows them"))?;
        }
        for line in lines.iter().skip(hidden) {
            shell.output.line(format!("  {line}"))?;
        }
    }
    Ok(())
}

fn write_pending(packages: &PackagesBlock, shell: &mut Shell) -> anyhow::Result<()> {
    if packages.pending.is_empty() {
        return Ok(());
    }
    shell.output.line("")?;
    let mut table = Table::new(vec!["AT THE NEXT UPGRADE", "PACKAGE", "VERSION", "FROM", "WHY"]);
    for pending in &packages.pending {
        let tone = if pending.change == Change::Impossible {
            Tone::Bad
        } else {
            Tone::Waiting
        };
        table.row(vec![
            shell.output.tone(tone, pending.change.as_str()),
            pending.package.clone(),
            pending.version.clone(),
            pending.from.clone(),
            pending.error.clone().unwrap_or_else(|| pending.reason.clone()),
        ]);
    }
    table.write(&mut shell.output)?;
    Ok(())
}

fn write_packages(packages: &PackagesBlock, shell: &mut Shell) -> anyhow::Result<()> {
    shell.output.line("")?;
    if packages.installed.is_empty() {
        shell.output.line("no package is installed")?;
        return Ok(());
    }
    let mut table = Table::new(vec![
        "STATUS",
        "PACKAGE",
        "VERSION",
        "AUDIT",
        "SINCE",
        "ASKED BY",
        "SIGNED BY",
    ]);
    for package in &packages.installed {
        table.row(vec![
            install_word(package.status, &shell.output),
            package.package.clone(),
            package.version.clone(),
            package.audit_status.clone(),
            columns::ago(package.changed_at, shell.now),
            package.explicit_by.clone(),
            package.signer.clone(),
        ]);
    }
    table.write(&mut shell.output)?;
    Ok(())
}

fn install_word(status: InstallStatus, output: &Output) -> String {
    let tone = match status {
        InstallStatus::Ok => Tone::Good,
        InstallStatus::Error => Tone::Bad,
        InstallStatus::Init | InstallStatus::Running => Tone::Busy,
        InstallStatus::Warning | InstallStatus::Retry | InstallStatus::Postponed | InstallStatus::Unknown => {
            Tone::Waiting
        }
    };
    output.tone(tone, status.as_str())
}

fn write_tasks(detail: &HostDetail, shell: &mut Shell) -> anyhow::Result<()> {
    let reported = detail.blocks.get(&Block::Tasks).cloned();
    let tasks: TasksBlock = reported
        .and_then(|block| serde_json::from_value(block).ok())
        .unwrap_or_default();
    shell.output.line("")?;
    let mut table = Table::new(vec!["TASK", "WHAT", "STATE", "ORDERED BY", "CREATED", "TEXT"]);
    for task in &tasks {
        table.row(vec![
            task.id.to_string(),
            format!("{} {}", task.kind, task.packages.join(", "))
                .trim()
                .to_owned(),
            task.state.as_str().to_owned(),
            task.ordered_by.clone(),
            columns::ago(task.created_at, shell.now),
            task.text.clone(),
        ]);
    }
    table.write(&mut shell.output)?;
    Ok(())
}
