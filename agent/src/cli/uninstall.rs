//! `muster-agent uninstall`: only the hook of an installed package, for its developer.

use muster_shared::protocol::error::ErrorCode;
use serde_json::{Map, json};
use tokio_util::sync::CancellationToken;

use super::{Common, Done, reach};
use crate::config::Config;
use crate::failure::{Exit, Failure};
use crate::identity::Identity;
use crate::install::stage;
use crate::platform;
use crate::script::{Hook, ScriptHost, Subject, Verdict};
use crate::state::State;

/// Run only the uninstall() of an installed package; the package stays in the list. For its developer.
///
/// `muster-agent remove` uninstalls a package and takes it from the list.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The name of an installed package.
    #[arg(value_name = "PACKAGE")]
    package: String,
}

pub(super) async fn run(common: &Common, arguments: &Arguments) -> Done {
    if !reach::may_read(common) {
        return Err(reach::only_administrators("run the scripts of packages"));
    }
    let output = common.output();
    let paths = common.paths();
    let config = Config::load(&paths)?;
    let state = State::open_read_only(&paths.database()).await?;
    let row = state
        .package(&arguments.package)
        .await?
        .ok_or_else(|| super::order::not_installed(&arguments.package))?;
    let script = state.stored_script(&arguments.package).await?.ok_or_else(|| {
        Failure::new(
            ErrorCode::NotFound,
            format!("{} has no script", arguments.package),
        )
    })?;
    let identity = Identity::load_or_create(&paths, &config)
        .map_err(|error| Failure::from_hinted(ErrorCode::Internal, error))?;
    let persistent = stage::persistent_folder(&paths, &row.control);
    platform::lock_down_dir(&persistent)
        .map_err(|error| Failure::from(anyhow::Error::new(error).context("preparing the hook")))?;
    let user = super::order::current_user();
    let subject = Subject {
        control: &row.control,
        setup_py: &script.setup_py,
        params: &script.params,
        package_dir: None,
        persistent_dir: &persistent,
        uninstall_keys: Some(&script.uninstall_keys),
        force: false,
        user: &user,
    };
    let run = ScriptHost::new(&paths, &config, identity.identifier())
        .run(
            Hook::Uninstall,
            &subject,
            &CancellationToken::new(),
            |percent, text| {
                output.progress(percent, text);
            },
        )
        .await
        .map_err(|error| Failure::from_hinted(ErrorCode::Internal, error))?;
    let (status, error) = match &run.verdict {
        Verdict::Done { status } => (status.clone(), None),
        Verdict::Absent => ("ABSENT".to_owned(), None),
        Verdict::Raised(failure) => ("ERROR".to_owned(), Some(failure.to_string())),
        Verdict::Ended { reason } => ("ERROR".to_owned(), Some(reason.clone())),
    };
    let value = json!({
        "package": row.package(),
        "status": status,
        "error": error,
        "log": run.log,
        "params": Map::clone(&run.params),
    });
    output.answer(&value, |_value| match &error {
        Some(error) => format!("uninstall() of {} failed: {error}", row.package()),
        None if status == "ABSENT" => format!("{} has no uninstall()", row.package()),
        None => format!(
            "uninstall() of {} ran: {status}; the package stays in the list",
            row.package()
        ),
    });
    Ok(error.is_some().then_some(Exit::Packages))
}
