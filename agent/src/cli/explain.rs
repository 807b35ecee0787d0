//! `muster-agent explain`: why a package is offered to this machine or not, and what becomes of it here.

use serde_json::json;

use super::{Common, Done};
use crate::config::Config;
use crate::plan::{self, Inputs, Wish};
use crate::revocation;
use crate::state::State;
use crate::update::offers::{self, Files, Gathered, Offers};

/// Say why a package is offered to this machine or not, and what an upgrade does with it.
///
/// Each sentence names the attribute, its value, what this machine has, and the rule.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[arg(value_name = "PACKAGE")]
    package: String,
}

pub(super) async fn run(common: &Common, arguments: &Arguments) -> Done {
    let paths = common.paths();
    let state = State::open_read_only(&paths.database()).await?;
    let config = Config::load(&paths)?;
    let installed = state.installed().await?;
    let host = if config.use_hostpackages {
        state.host_package().await?
    } else {
        None
    };
    let host = host.as_ref().map(|row| &row.control);
    let now = muster_shared::clock::now();
    let capabilities = offers::capabilities(&config, now);
    let wish = Wish::Upgrade;
    let has_index = paths.index_file().exists();
    let offered = if has_index {
        let trust = revocation::trust_store(&paths).map_err(|error| revocation::unusable(&error))?;
        let mut names = offers::names_of(&installed, host, &wish);
        names.insert(arguments.package.clone());
        offers::offered(&Files::of(&paths), names, &trust, now, Gathered::default(), false)?
    } else {
        Offers::default()
    };
    let inputs = Inputs {
        installed: &installed,
        host,
        entries: offered.entries,
        capabilities: &capabilities,
        wish: &wish,
    };
    let mut sentences = plan::explain::sentences(inputs, &arguments.package);
    if !has_index {
        sentences.push("no index was fetched yet: run `muster-agent update`".to_owned());
    }
    let refused = offered
        .refused
        .iter()
        .filter(|row| row.package == arguments.package);
    sentences
        .extend(refused.map(|row| format!("{} {} is not offered: {}", row.package, row.version, row.reason)));
    let value = json!({ "package": arguments.package, "sentences": sentences });
    common.output().answer(&value, |_value| sentences.join("\n"));
    Ok(None)
}
