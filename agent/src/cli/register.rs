//! `muster-agent register`: make this machine known to its server.

use muster_shared::crypto::tls::ServerAddress;
use muster_shared::hint::{Hint as _, chain};
use muster_shared::protocol::error::ErrorCode;
use muster_shared::protocol::host::RegisterOutcome;
use secrecy::SecretString;
use serde_json::json;

use super::{Common, Done};
use crate::agent;
use crate::config::{self, Config};
use crate::failure::{Exit, Failure};
use crate::identity::Identity;
use crate::server_client::{Proof, ServerClient};

/// Make this machine known to its server.
///
/// The address as `muster-server init` prints it carries the fingerprint of the server's certificate, so
/// that no other server is believed. Address and fingerprint are written to agent.toml. The machine proves
/// itself with an enrolment token (from the console, or `muster enrol-token create`), with a user's
/// credentials, or with the key it registered with before.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Address of the server: muster://NAME[:PORT]#sha256=HEX, or https://NAME[:PORT].
    #[arg(long, value_name = "ADDRESS")]
    server: Option<String>,
    /// Enrolment token; better given in the environment, where no process list shows it.
    #[arg(long, env = "MUSTER_ENROL_TOKEN", hide_env_values = true)]
    token: Option<String>,
    /// A user with the right to register machines; the password is read from MUSTER_PASSWORD.
    #[arg(long)]
    user: Option<String>,
    /// Register under a random identifier: the firmware of another machine says the same as this one's. Written to
    /// agent.toml.
    #[arg(long)]
    random_identifier: bool,
    /// Text that consoles show beside the machine's name; written to agent.toml.
    #[arg(value_name = "DESCRIPTION")]
    description: Option<String>,
}

pub(super) async fn run(common: &Common, arguments: Arguments) -> Done {
    let paths = common.paths();
    let output = common.output();
    // A slip of the pen must not take a working machine from its server.
    let before = Config::load(&paths)
        .ok()
        .filter(|_config| arguments.server.is_some());
    let config = match &arguments.server {
        Some(address) => {
            let address = ServerAddress::parse(address).map_err(|error| {
                let mut failure =
                    Failure::new(ErrorCode::RequestInvalid, chain(&error)).with_exit(Exit::Usage);
                for hint in error.hints() {
                    failure = failure.with_hint(hint);
                }
                failure
            })?;
            config::write_server(&paths, &address.base_url(), address.pin.as_deref())?
        }
        None => Config::load(&paths)?,
    };
    let config = match &arguments.description {
        Some(text) => {
            let value = toml::Value::String(text.clone());
            let config = config::write_key(&paths, "description", Some(&value))?;
            if let Err(error) = crate::platform::set_description(paths.root(), text) {
                tracing::warn!(%error, "the system does not take the description; consoles show it all the same");
            }
            config
        }
        None => config,
    };
    let load = |config: &Config| {
        Identity::load_or_create(&paths, config)
            .map_err(|error| Failure::from_hinted(ErrorCode::Internal, error))
    };
    let config = if arguments.random_identifier {
        let known = load(&config)?;
        if known.is_registered() {
            return Err(Failure::new(
                ErrorCode::Conflict,
                format!(
                    "this machine is registered as {} and keeps its identifier",
                    known.identifier()
                ),
            ));
        }
        let value = toml::Value::String(format!("rnd-{}", uuid::Uuid::new_v4()));
        config::write_key(&paths, "uuid", Some(&value))?
    } else {
        config
    };
    agent::begin(&paths, &config, muster_shared::clock::now()).await?;
    let identity = load(&config)?;
    let client =
        ServerClient::new(&config, &identity).map_err(|error| Failure::from_hinted(error.code(), error))?;
    let proof = Proof {
        token: arguments.token.map(SecretString::from),
        password: arguments
            .user
            .as_ref()
            .and_then(|_user| std::env::var("MUSTER_PASSWORD").ok())
            .map(SecretString::from),
        user: arguments.user,
    };
    let registered = client.register(&proof).await;
    if registered.is_err()
        && let Some(server) = before.as_ref().and_then(|before| before.server.as_deref())
    {
        let pin = before.as_ref().and_then(|before| before.server_pin.as_deref());
        config::write_server(&paths, server, pin)?;
    }
    let answer = registered.map_err(|error| {
        let exit = if error.is_unreachable() {
            Exit::Unreachable
        } else {
            Exit::Failed
        };
        Failure::from_hinted(error.code(), error).with_exit(exit)
    })?;
    super::reload(common).await;
    let value = json!({
        "identifier": identity.identifier(),
        "server": config.server,
        "outcome": answer.outcome,
    });
    output.answer(&value, |_value| match answer.outcome {
        RegisterOutcome::Registered => format!(
            "{} is registered with {}",
            identity.identifier(),
            config.server.as_deref().unwrap_or_default()
        ),
        RegisterOutcome::Pending => format!(
            "{} is known to the server with another key; an administrator decides in the console.\nIf another machine has \
             this firmware UUID too, give this one an identifier of its own: muster-agent register --random-identifier \
             --token TOKEN",
            identity.identifier()
        ),
    });
    Ok(None)
}
