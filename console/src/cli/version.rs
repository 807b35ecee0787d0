//! `muster version compare`: the order of versions.

use clap::{Args, Subcommand};
use muster_shared::version::{Version, compare_text};
use serde::Serialize;

use super::Shell;
use super::failure::Outcome;

#[derive(Debug, Subcommand)]
pub(crate) enum VersionCommand {
    /// Compare two versions of packages
    Compare(Compare),
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  muster version compare 1.9 1.10            prints -1: the first is lower
  muster version compare 1.0-2 1.0-2         prints 0: they are equal
  muster version compare 1.0.0 1.0
      prints 1: an absent number is lower than one that is there

A version is N[.N[.N[.N]]], then possibly a dash and letters and digits. When one of the two is
none, the texts are compared as they are, and a note says so.")]
pub(crate) struct Compare {
    /// A version
    #[arg(value_name = "A", allow_hyphen_values = true)]
    a: String,
    /// Another version
    #[arg(value_name = "B", allow_hyphen_values = true)]
    b: String,
}

#[derive(Serialize)]
struct Compared<'a> {
    a: &'a str,
    b: &'a str,
    order: i8,
}

pub(crate) fn run(command: VersionCommand, shell: &mut Shell) -> anyhow::Result<Outcome> {
    match command {
        VersionCommand::Compare(arguments) => compare(&arguments, shell),
    }
}

fn compare(arguments: &Compare, shell: &mut Shell) -> anyhow::Result<Outcome> {
    for text in [&arguments.a, &arguments.b] {
        if let Err(error) = text.parse::<Version>() {
            shell.output.note(format!("{error}; the texts are compared"));
        }
    }
    let order = compare_text(&arguments.a, &arguments.b) as i8;
    shell.output.json(&Compared {
        a: &arguments.a,
        b: &arguments.b,
        order,
    })?;
    shell.output.line(order.to_string())?;
    Ok(Outcome::Done)
}
