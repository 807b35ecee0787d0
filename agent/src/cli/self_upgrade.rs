//! `muster-agent self-upgrade` and `self-test`: become another build of the agent, or see whether one would work.

use std::path::PathBuf;
use std::time::Duration;

use muster_shared::clock;
use muster_shared::protocol::error::ErrorCode;
use serde_json::json;

use super::{Common, Done};
use crate::failure::{Exit, Failure};
use crate::schedule::parse_period;
use crate::self_upgrade::{self, Order, PATIENCE, Phase, Place, Request, UpgradeError};

/// Become another build of the agent, and go back when it does not live.
///
/// FILE is the program muster-agent itself, its .deb, or its Windows installer. It is copied and tried out first:
/// the new program reads the configuration and opens a copy of the database. Then it takes over. When it does not
/// prove itself alive in time (service, database, and the server unless that is away), the present program is put
/// back, with the reason in `muster-agent status`.
///
/// Packages of section base whose name ends in -muster-agent do the same by themselves with a file at their root:
/// muster-agent-linux-x64, muster-agent_VERSION_amd64.deb, muster-agent-windows-x64.exe or
/// muster-agent-VERSION-x64-setup.exe. Scripts of other packages call this with --later.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The new program or installer.
    #[arg(value_name = "FILE", required_unless_present_any = ["watch", "guard", "status", "cancel"])]
    file: Option<PathBuf>,
    /// What the file must hash to.
    #[arg(long, value_name = "HEX")]
    sha256: Option<String>,
    /// How long the new agent may take to prove itself alive [default: 5m].
    #[arg(long, value_name = "TIME", value_parser = period)]
    within: Option<Duration>,
    /// Only stage and try out; the service switches when its present task is over. For package scripts.
    #[arg(long)]
    later: bool,
    /// Do not wait for the end.
    #[arg(long, conflicts_with = "later")]
    no_wait: bool,
    /// Say how the last one stands.
    #[arg(long, conflicts_with_all = ["file", "cancel"])]
    status: bool,
    /// Call off what is staged.
    #[arg(long, conflicts_with = "file")]
    cancel: bool,
    /// Switch and follow: what the watchdog runs.
    #[arg(long, hide = true, conflicts_with = "file")]
    watch: bool,
    /// Start the watchdog if one is missing: what the service manager runs before the service.
    #[arg(long, hide = true, conflicts_with = "file")]
    guard: bool,
}

/// Say whether this program works on this machine; changes nothing.
///
/// Reads the configuration, the trusted certificates and the identity, and opens a copy of the database. A new agent
/// is asked this before it takes over.
#[derive(Debug, clap::Args)]
pub(super) struct TestArguments {}

fn period(text: &str) -> Result<Duration, String> {
    parse_period(text)
        .filter(|period| !period.is_zero())
        .ok_or_else(|| "a duration such as 90s, 5m or 1h is wanted".to_owned())
}

fn refused(error: UpgradeError) -> Failure {
    let code = match &error {
        UpgradeError::UnderWay(_) => ErrorCode::Conflict,
        UpgradeError::Hash { .. } | UpgradeError::NotAnAgent(_) | UpgradeError::Unfit(_) => {
            ErrorCode::RequestInvalid
        }
        _ => ErrorCode::Internal,
    };
    Failure::from_hinted(code, error)
}

pub(super) async fn run(common: &Common, arguments: Arguments) -> Done {
    let paths = common.paths();
    let output = common.output();
    let place = Place::of(&paths);
    if arguments.guard {
        self_upgrade::guard(&paths).map_err(refused)?;
        return Ok(None);
    }
    if arguments.watch {
        let ended = self_upgrade::watch(&paths).await.map_err(refused)?;
        return Ok(ended.and_then(|order| exit_of(&order)));
    }
    if arguments.cancel {
        let was_there = place.cancel().map_err(refused)?;
        output.answer(&json!({ "cancelled": was_there }), |_value| {
            if was_there {
                "the staged agent is called off"
            } else {
                "no agent is staged"
            }
            .to_owned()
        });
        return Ok((!was_there).then_some(Exit::Failed));
    }
    let Some(file) = arguments.file else {
        return Ok(show(common, place.order().map_err(refused)?.as_ref()));
    };
    let request = Request {
        file: &file,
        sha256: arguments.sha256.as_deref(),
        package: None,
        within: arguments.within.unwrap_or(PATIENCE),
    };
    let staged = self_upgrade::stage(&paths, &request, clock::now())
        .await
        .map_err(refused)?;
    let Some(order) = staged else {
        output.answer(&json!({ "phase": "not-needed" }), |_value| {
            "this is the program that is in place already".to_owned()
        });
        return Ok(None);
    };
    if arguments.later {
        return Ok(show(common, Some(&order)));
    }
    self_upgrade::start_watchdog(&paths).map_err(refused)?;
    if arguments.no_wait {
        return Ok(show(common, Some(&order)));
    }
    output.progress(None, &order.sentence());
    let order = follow(&place, order).await?;
    Ok(show(common, Some(&order)))
}

/// Waits for the watchdog to end the order.
async fn follow(place: &Place, mut order: Order) -> Result<Order, Failure> {
    while !order.is_over() {
        if clock::now() > order.expected_by() {
            return Err(
                Failure::new(ErrorCode::Unavailable, "the watchdog does not say how it ended")
                    .with_hint("watch.log in the folder private/self-upgrade says how far it came"),
            );
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
        if let Some(now) = place.order().map_err(refused)? {
            order = now;
        }
    }
    Ok(order)
}

fn show(common: &Common, order: Option<&Order>) -> Option<Exit> {
    let value = order.map_or_else(|| json!({ "phase": "none" }), |order| json!(order));
    common.output().answer(&value, |_value| {
        order.map_or_else(
            || "this agent was not upgraded by itself yet".to_owned(),
            Order::sentence,
        )
    });
    order.and_then(exit_of)
}

fn exit_of(order: &Order) -> Option<Exit> {
    (order.phase == Phase::WentBack).then_some(Exit::Failed)
}

pub(super) async fn test(common: &Common, _arguments: &TestArguments) -> Done {
    let found = self_upgrade::check(&common.paths()).await?;
    common.output().answer(&found, |found| {
        let or_none = |value: &Option<String>| value.clone().unwrap_or_else(|| "none".to_owned());
        format!(
            "agent {} works here\nidentifier   {}\nserver       {}\npackages     {}\ntrusted      {}\npython       {}",
            found.version,
            or_none(&found.identifier),
            or_none(&found.server),
            found
                .packages
                .map_or_else(|| "no database yet".to_owned(), |count| count.to_string()),
            found.trusted,
            or_none(&found.python),
        )
    });
    Ok(None)
}
