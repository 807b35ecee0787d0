//! `muster host list`: the fleet as a table, once or live.

use clap::Args;

use super::columns::{self, Column};
use super::watch;
use crate::cli::failure::Outcome;
use crate::cli::{Shell, block_on, connection};

#[derive(Debug, Args)]
#[command(after_help = after_help())]
pub(crate) struct List {
    /// Only machines that match; words beside each other must all hold
    #[arg(value_name = "FILTER")]
    filter: Vec<String>,
    /// Which columns, with commas between them
    #[arg(long, value_name = "LIST", value_enum, value_delimiter = ',')]
    columns: Vec<Column>,
    /// Sort by a field, `-` before it for descending: name, -last_seen
    #[arg(
        long,
        value_name = "FIELD",
        default_value = "name",
        allow_hyphen_values = true
    )]
    sort: String,
    /// How many at most
    #[arg(long, default_value_t = 50_000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    limit: u32,
    /// Stay, and show each change as it happens; end with Ctrl+C
    #[arg(long)]
    watch: bool,
}

/// Examples, and the fields of the filter language from the one table of them.
fn after_help() -> String {
    use std::fmt::Write as _;

    use muster_shared::filter::{FIELDS, Subject};
    let mut text = "\
Examples:
  muster host list
  muster host list status:error
  muster host list 'os:windows software:\"7-zip\"<24 not reachable'
  muster host list 'last_seen>7d or pending' --columns name,last-seen,description
  muster host list --watch                       changes as they happen
  muster host list --json | jq -r '.items[].identifier'

Filter: FIELD:PART, FIELD=WHOLE, FIELD<VALUE, FIELD>=VALUE; `or`, `not` and parentheses combine; a
bare word is looked for everywhere. Fields of machines:
"
    .to_owned();
    for field in FIELDS
        .iter()
        .filter(|field| field.subjects.contains(&Subject::Host))
    {
        writeln!(
            text,
            "  {:<14} {:<44} {}",
            field.name, field.meaning, field.example
        )
        .ok();
    }
    text.truncate(text.trim_end().len());
    text
}

pub(super) fn run(arguments: &List, shell: &mut Shell) -> anyhow::Result<Outcome> {
    let filter = arguments.filter.join(" ");
    let columns: &[Column] = if arguments.columns.is_empty() {
        &columns::USUAL
    } else {
        &arguments.columns
    };
    let client = connection::client(shell)?;
    if arguments.watch {
        return block_on(watch::watch(&client, &filter, &arguments.sort, columns, shell))?;
    }
    let page = block_on(client.all_hosts(&filter, &arguments.sort, arguments.limit as usize))??;
    shell.output.json(&page)?;
    let table = columns::table(&page.items, columns, shell.now, &shell.output);
    if !shell.output.is_json() {
        table.write(&mut shell.output)?;
        shell.output.flush()?;
        let shown = page.items.len();
        if page.total > shown as u64 {
            shell
                .output
                .note(format!("{shown} of {} machines; --limit shows more", page.total));
        } else {
            shell.output.note(super::machines(shown));
        }
    }
    Ok(Outcome::Done)
}
