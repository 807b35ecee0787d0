//! `muster-agent explain`: why a package is offered to this machine or not, and what becomes of it here.

use muster_shared::catalogue::explain::similar_sentence;
use muster_shared::request::name_alone;
use serde_json::json;

use super::{Common, Done};
use crate::config::Config;
use crate::directory::Standing;
use crate::failure::Exit;
use crate::plan::implicit::{self, Names, in_force};
use crate::plan::{self, Inputs, Wish};
use crate::state::State;
use crate::state::packages::Installed;
use crate::update::offers::{self, Offers};
use crate::update::pool::{Collected, Pool};

/// Say why a package is offered to this machine or not, and what an upgrade does with it.
///
/// Each sentence names the attribute, its value, what this machine has, and the rule.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  muster-agent explain tis-firefox
  muster-agent explain tis-firefox --json

Exit code 0, or 1 when neither this machine nor the repository has a package of that name,
or 4 when no index was fetched yet.
`muster host explain` says the same of any host of the server.")]
pub(super) struct Arguments {
    /// The name of a package, without a condition.
    #[arg(value_name = "PACKAGE", value_parser = name_alone)]
    package: String,
}

pub(super) async fn run(common: &Common, arguments: &Arguments) -> Done {
    let paths = common.paths();
    let state = State::open_read_only(&paths.database()).await?;
    let config = Config::load(&paths)?;
    let installed = state.installed().await?;
    let names = Names::of(&config, &Standing::of(&config, &state.directory().await?));
    let attempts = state.attempts().await?;
    let now = muster_shared::clock::now();
    let capabilities = offers::capabilities(&config, now);
    let wish = Wish::Upgrade;
    let pool = Pool::of(&paths, &config)?;
    let has_index = pool.has_index();
    let offered = if has_index {
        let mut roots = offers::names_of(&installed, None, &wish);
        roots.extend(names.in_index());
        roots.insert(arguments.package.clone());
        pool.offered(roots, now, Collected::default(), false)?
    } else {
        Offers::default()
    };
    let inputs = Inputs {
        installed: &installed,
        implicit: in_force(&installed, config.use_hostpackages),
        entries: offered.entries,
        refused: offered.refused.iter().map(Into::into).collect(),
        capabilities: &capabilities,
        wish: &wish,
        attempts: &attempts,
    };
    let explained = plan::explain::explained(inputs, &arguments.package);
    let mut sentences = implicit::explained(&names, &installed, &arguments.package);
    sentences.extend(explained.sentences);
    if explained.is_nowhere && has_index {
        let known = pool.all_names();
        let here = installed.iter().map(Installed::package);
        let names = known.iter().map(String::as_str).chain(here);
        sentences.extend(similar_sentence(&arguments.package, names));
    }
    if !has_index {
        // Whether the repository has it is not known.
        sentences.retain(|sentence| !sentence.ends_with("the repository has no package of that name"));
        sentences.push("no index was fetched yet: run `muster-agent update`".to_owned());
    }
    let value = json!({ "package": arguments.package, "sentences": sentences });
    common.output().answer(&value, |_value| sentences.join("\n"));
    let nowhere = if has_index {
        Exit::Failed
    } else {
        Exit::Unreachable
    };
    Ok(explained.is_nowhere.then_some(nowhere))
}
