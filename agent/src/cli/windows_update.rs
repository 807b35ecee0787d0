//! `muster-agent waptwua-scan`, `waptwua-download`, `waptwua-install`, `waptwua-status`: the updates of Windows.

use muster_shared::clock;
use muster_shared::protocol::action::ActionKind;
use muster_shared::protocol::inventory::{UpdateState, UpdatesBlock};

use super::order::Order;
use super::{Common, Done};
use crate::config::Config;
use crate::state::State;
use crate::windows_update::report;

/// Look for missing updates of Windows.
///
/// Does nothing when neither the catalogue nor the machine changed since the last time, unless --force is given.
#[derive(Debug, clap::Args)]
pub(super) struct Scan {
    /// Look even if nothing changed.
    #[arg(short, long)]
    force: bool,
}

/// Look for missing updates of Windows and fetch the files of those that the rules allow.
#[derive(Debug, clap::Args)]
pub(super) struct Download {
    /// Look even if nothing changed.
    #[arg(short, long)]
    force: bool,
}

/// Install the updates of Windows that the rules allow and that are downloaded.
///
/// Never restarts the machine; says when a restart is needed.
#[derive(Debug, clap::Args)]
pub(super) struct Install {
    /// Only these: update ids or articles (KB5030211).
    updates: Vec<String>,
}

/// Show how this machine stands with the updates of Windows.
#[derive(Debug, clap::Args)]
pub(super) struct Status {
    /// Show all updates, also those that are installed or not wanted.
    #[arg(long)]
    all: bool,
}

pub(super) async fn scan(common: &Common, arguments: &Scan) -> Done {
    Order::of(ActionKind::WuaScan)
        .forced(arguments.force)
        .carry_out(common)
        .await
}

pub(super) async fn download(common: &Common, arguments: &Download) -> Done {
    Order::of(ActionKind::WuaDownload)
        .forced(arguments.force)
        .carry_out(common)
        .await
}

pub(super) async fn install(common: &Common, arguments: &Install) -> Done {
    let mut order = Order::of(ActionKind::WuaInstall);
    order.packages.clone_from(&arguments.updates);
    order.carry_out(common).await
}

pub(super) async fn status(common: &Common, arguments: &Status) -> Done {
    let paths = common.paths();
    let config = Config::load(&paths)?;
    let state = State::open_read_only(&paths.database()).await?;
    let block = report::block(&state, &config, clock::now()).await?;
    common.output().answer(&block, |block| text(block, arguments.all));
    Ok(None)
}

fn text(block: &UpdatesBlock, all: bool) -> String {
    let mut lines = vec![format!("status         {}", block.status.as_str())];
    let mut line = |name: &str, value: String| {
        if !value.is_empty() {
            lines.push(format!("{name:<14} {value}"));
        }
    };
    line("error", block.error.clone());
    let driven = match block.enabled {
        Some(true) => "yes",
        Some(false) => "no, left to Windows",
        None => "no; nobody set `enabled` in [waptwua]",
    };
    line("driven", driven.to_owned());
    let time = |at: Option<jiff::Timestamp>| at.map(|at| at.to_string()).unwrap_or_default();
    line("last scan", time(block.last_scan_at));
    line("catalogue", time(block.cab_date));
    line("last install", time(block.last_install_at));
    line("rules of", block.rules_packages.join(", "));
    if block.reboot_required {
        line("restart", "needed to finish the last installation".to_owned());
    }
    let is_open = |state| !matches!(state, UpdateState::Ok | UpdateState::Discarded);
    for update in block
        .updates
        .iter()
        .filter(|update| all || is_open(update.status))
    {
        let articles: Vec<String> = update.kbs.iter().map(|kb| format!("KB{kb}")).collect();
        lines.push(format!(
            "{:<9} {} {} ({})",
            update.status.as_str(),
            articles.join(" "),
            update.title,
            if update.error.is_empty() {
                &update.rule
            } else {
                &update.error
            }
        ));
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use muster_shared::protocol::inventory::{UpdateRow, UpdatesStatus};

    use super::*;

    #[test]
    fn the_status_lists_what_is_open_and_all_when_asked() {
        let row = |status, title: &str| UpdateRow {
            status,
            title: title.to_owned(),
            kbs: vec!["1".to_owned()],
            rule: "default_allow is true".to_owned(),
            ..UpdateRow::default()
        };
        let block = UpdatesBlock {
            status: UpdatesStatus::PendingUpdates,
            updates: vec![row(UpdateState::Pending, "wanted"), row(UpdateState::Ok, "there")],
            ..UpdatesBlock::default()
        };
        let short = text(&block, false);
        assert!(
            short.contains("PENDING   KB1 wanted (default_allow is true)"),
            "{short}"
        );
        assert!(!short.contains("there"));
        assert!(text(&block, true).contains("OK        KB1 there"));
    }
}
