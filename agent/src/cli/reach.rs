//! How a command gets at the agent's state: by itself as an administrator, through the running service otherwise.

use muster_shared::protocol::action::{ActionKind, ActionOptions};
use muster_shared::protocol::error::ErrorCode;
use muster_shared::protocol::local::LocalRequest;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::Common;
use crate::failure::Failure;
use crate::local_api::client::LocalClient;
use crate::state::{State, StateError};

/// Whether this process may read the agent's state; ordinary users may not.
pub(super) fn may_read(common: &Common) -> bool {
    let database = common.paths().database();
    match fs_err::File::open(&database) {
        Err(error) => error.kind() != std::io::ErrorKind::PermissionDenied,
        Ok(_file) => true,
    }
}

/// The agent's state to look at; `None` when this agent has done nothing yet.
///
/// # Errors
/// When it is there and cannot be read.
pub(super) async fn state(common: &Common) -> Result<Option<State>, Failure> {
    match State::open_read_only(&common.paths().database()).await {
        Ok(state) => Ok(Some(state)),
        Err(StateError::Missing(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Asks the running service.
///
/// # Errors
/// When it does not run, refuses or fails.
pub(super) async fn ask(common: &Common, request: &LocalRequest) -> Result<Value, Failure> {
    let client = LocalClient::connect(&common.paths().socket())
        .await?
        .ok_or_else(|| not_running(common))?;
    client.ask(request, |_percent, _text| {}).await
}

/// Asks the running service for something of a type.
///
/// # Errors
/// As [`ask`], or when it answers something else.
pub(super) async fn ask_for<T: DeserializeOwned>(
    common: &Common,
    request: &LocalRequest,
) -> Result<T, Failure> {
    serde_json::from_value(ask(common, request).await?).map_err(|error| {
        Failure::new(
            ErrorCode::Unavailable,
            format!("the service is of another version and answers what cannot be read: {error}"),
        )
        .with_hint("restart the service")
    })
}

/// The service is needed and does not run.
pub(super) fn not_running(common: &Common) -> Failure {
    let failure = Failure::new(ErrorCode::Unavailable, "the service of the agent does not run");
    if may_read(common) {
        failure.with_hint("start it: muster-agent service install, or muster-agent run")
    } else {
        failure.with_hint("without it only root (administrators) can do this; ask them to start it")
    }
}

/// Something that only administrators can do.
pub(super) fn only_administrators(what: &str) -> Failure {
    Failure::new(
        ErrorCode::RightMissing,
        format!("only administrators of this machine may {what}"),
    )
    .with_hint("run the command as root (administrator)")
}

/// A running service reads the configuration and the identity again; one that does not run will anyway.
pub(super) async fn reload(common: &Common) {
    let request = LocalRequest::Run {
        action: ActionKind::ServiceRestart,
        packages: Vec::new(),
        options: ActionOptions::default(),
    };
    let told = match LocalClient::connect(&common.paths().socket()).await {
        Ok(Some(client)) => client.ask(&request, |_, _| {}).await.map(|_value| ()),
        Ok(None) => Ok(()),
        Err(failure) => Err(failure),
    };
    if let Err(failure) = told {
        tracing::warn!(error = %muster_shared::hint::chain(&failure), "the running service was not told; restart it");
    }
}
