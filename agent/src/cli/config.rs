//! `muster-agent config show`.

use super::{Common, Done};
use crate::config::Config;
use crate::output::table;

/// Show the configuration in force.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Print each value with where it comes from.
    Show,
}

pub(super) fn run(common: &Common, arguments: &Arguments) -> Done {
    let Command::Show = arguments.command;
    let paths = common.paths();
    let shown = Config::load(&paths)?.shown(&paths);
    common.output().answer(&shown, |shown| {
        let rows: Vec<[String; 3]> = shown
            .iter()
            .map(|value| {
                [
                    value.key.to_owned(),
                    value.value.to_string(),
                    value.origin.clone(),
                ]
            })
            .collect();
        table(["Key", "Value", "From"], &rows)
    });
    Ok(None)
}
