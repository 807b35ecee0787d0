//! `muster-agent generate-uuid` and `reset-uuid`: another identifier for this machine.

use muster_shared::protocol::error::ErrorCode;
use serde_json::json;
use uuid::Uuid;

use super::{Common, Done, reach, reload};
use crate::config::{Config, is_identifier, write_key};
use crate::failure::{Exit, Failure};
use crate::identity::Identity;

/// Give this machine another identifier: a random one, or the one named.
///
/// For machines whose firmware carries the identifier of others. It is written to agent.toml, and the machine makes a
/// new key; for its server it is a new machine, which is registered again: muster-agent register.
#[derive(Debug, clap::Args)]
pub(super) struct GenerateArguments {
    #[arg(value_name = "IDENTIFIER", value_parser = identifier)]
    identifier: Option<String>,
}

/// Go back to the identifier of the firmware.
///
/// `uuid` is taken out of agent.toml, and the machine makes a new key; for its server it is a new machine, which is
/// registered again: muster-agent register.
#[derive(Debug, clap::Args)]
pub(super) struct ResetArguments {}

fn identifier(text: &str) -> Result<String, String> {
    if is_identifier(text) {
        Ok(text.to_owned())
    } else {
        Err("an identifier is 1 to 64 characters of 0-9 A-Z a-z . _ -".to_owned())
    }
}

pub(super) async fn generate(common: &Common, arguments: &GenerateArguments) -> Done {
    let identifier = arguments
        .identifier
        .clone()
        .unwrap_or_else(|| format!("rnd-{}", Uuid::new_v4()));
    change(common, Some(&identifier)).await
}

pub(super) async fn reset(common: &Common, _arguments: &ResetArguments) -> Done {
    change(common, None).await
}

async fn change(common: &Common, identifier: Option<&str>) -> Done {
    if !reach::may_read(common) {
        return Err(reach::only_administrators("change who this machine is"));
    }
    let paths = common.paths();
    let before = Config::load(&paths)?;
    if identifier.is_some() && before.uuid.as_deref() == identifier {
        return Err(
            Failure::new(ErrorCode::Conflict, "this machine has that identifier already")
                .with_exit(Exit::Failed),
        );
    }
    let value = identifier.map(|identifier| toml::Value::String(identifier.to_owned()));
    let config = write_key(&paths, "uuid", value.as_ref())?;
    let failed = |error| Failure::from_hinted(ErrorCode::Internal, error);
    Identity::forget(&paths).map_err(failed)?;
    let identity = Identity::load_or_create(&paths, &config).map_err(failed)?;
    reload(common).await;
    let value = json!({ "identifier": identity.identifier(), "origin": identity.origin() });
    common.output().answer(&value, |_value| {
        format!(
            "this machine is {}; register it: muster-agent register",
            identity.identifier()
        )
    });
    Ok(None)
}
