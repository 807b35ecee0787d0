//! `muster-agent unregister`: the server forgets this machine.

use muster_shared::protocol::error::ErrorCode;
use muster_shared::protocol::host::{RegisterAnswer, RegisterOutcome};
use serde_json::json;

use super::{Common, Done, reach, reload};
use crate::config::Config;
use crate::failure::{Exit, Failure};
use crate::identity::Identity;
use crate::server_client::ServerClient;

/// Have the server forget this machine.
///
/// Its row, its inventory and its tasks go; installed packages stay, and the agent works on from what it has. It
/// comes back with `muster-agent register` and a token.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Forget the registration here even when the server cannot be told.
    #[arg(short, long)]
    force: bool,
}

pub(super) async fn run(common: &Common, arguments: &Arguments) -> Done {
    if !reach::may_read(common) {
        return Err(reach::only_administrators("unregister it"));
    }
    let paths = common.paths();
    let config = Config::load(&paths)?;
    let identity = Identity::load_or_create(&paths, &config)
        .map_err(|error| Failure::from_hinted(ErrorCode::Internal, error))?;
    let client =
        ServerClient::new(&config, &identity).map_err(|error| Failure::from_hinted(error.code(), error))?;
    // First here: a service that still has its certificate would enrol again at once.
    Identity::forget_registration(&paths)
        .map_err(|error| Failure::from_hinted(ErrorCode::Internal, error))?;
    reload(common).await;
    let told = match client.unregister().await {
        Ok(()) => true,
        // It is forgotten already.
        Err(error) if error.code() == ErrorCode::HostUnknown => true,
        Err(error) if arguments.force => {
            tracing::warn!(error = %muster_shared::hint::chain(&error), "the server was not told");
            false
        }
        Err(error) => {
            restore(&identity)?;
            reload(common).await;
            let exit = if error.is_unreachable() {
                Exit::Unreachable
            } else {
                Exit::Failed
            };
            return Err(Failure::from_hinted(error.code(), error)
                .with_exit(exit)
                .with_hint("--force forgets the registration here all the same"));
        }
    };
    let value = json!({ "identifier": identity.identifier(), "server_told": told });
    common.output().answer(&value, |_value| {
        if told {
            format!("the server has forgotten {}", identity.identifier())
        } else {
            format!(
                "{} is no longer registered here; the server does not know that yet",
                identity.identifier()
            )
        }
    });
    Ok(None)
}

/// Writes back what was forgotten here: the server still knows this host.
fn restore(identity: &Identity) -> Result<(), Failure> {
    if !identity.is_registered() {
        return Ok(());
    }
    let answer = RegisterAnswer {
        outcome: RegisterOutcome::Registered,
        certificate: identity.certificate().map(|certificate| certificate.to_pem()),
        host_ca: None,
        server_time: muster_shared::clock::now(),
    };
    identity
        .store_registration(&answer)
        .map_err(|error| Failure::from_hinted(ErrorCode::Internal, error))
}
