//! `muster host list --watch`: a line for each change, as it happens.

use std::collections::BTreeMap;
use std::time::Duration;

use muster_shared::protocol::event::Event;
use muster_shared::protocol::host::HostRow;
use tokio::time::{Instant, sleep_until};

use super::columns::{self, Column};
use crate::cli::Shell;
use crate::cli::failure::Outcome;
use crate::cli::output::Tone;
use crate::client::{Client, Incoming};

/// The fleet's table comes in one answer.
const FLEET: usize = 100_000;
/// With a filter, only the server knows what matches (software, for example): changes are gathered this long
/// before it is asked again.
const GATHER: Duration = Duration::from_secs(1);

/// Prints the table, then each row that changed, until the person ends it.
pub(super) async fn watch(
    client: &Client,
    filter: &str,
    sort: &str,
    columns: &[Column],
    shell: &mut Shell,
) -> anyhow::Result<Outcome> {
    let mut watch = Watch {
        client,
        filter,
        sort,
        columns,
        known: BTreeMap::new(),
        ask_at: None,
        first: true,
        shown: BTreeMap::new(),
        widths: Vec::new(),
    };
    let mut events = client.events();
    loop {
        let ask_at = watch.ask_at;
        let due = async {
            match ask_at {
                Some(at) => sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            incoming = events.next() => watch.take(incoming?, shell).await?,
            () = due => watch.ask(shell).await?,
            _interrupt = tokio::signal::ctrl_c() => return Ok(Outcome::Done),
        }
    }
}

struct Watch<'a> {
    client: &'a Client,
    filter: &'a str,
    sort: &'a str,
    columns: &'a [Column],
    known: BTreeMap<String, HostRow>,
    ask_at: Option<Instant>,
    first: bool,
    /// What each machine's line said last.
    shown: BTreeMap<String, Vec<String>>,
    widths: Vec<usize>,
}

impl Watch<'_> {
    async fn take(&mut self, incoming: Incoming, shell: &mut Shell) -> anyhow::Result<()> {
        match incoming {
            Incoming::Connected => self.ask(shell).await,
            Incoming::Lost { error, retry_in } => {
                let seconds = retry_in.as_secs().max(1);
                shell
                    .output
                    .note(format!("connection lost ({error}); trying again in {seconds} s"));
                Ok(())
            }
            Incoming::Event(event) => match *event {
                Event::Reset => self.ask(shell).await,
                Event::Host { row } if self.filter.is_empty() => {
                    if self.known.get(&row.identifier) == Some(&row) {
                        return Ok(());
                    }
                    self.known.insert(row.identifier.clone(), (*row).clone());
                    self.print(&[*row], shell)
                }
                Event::Host { .. } => {
                    self.ask_at.get_or_insert_with(|| Instant::now() + GATHER);
                    Ok(())
                }
                Event::HostDeleted { identifier } => self.gone(&identifier, "deleted", shell),
                _ => Ok(()),
            },
        }
    }

    /// Asks for the list and prints what differs from what is known.
    async fn ask(&mut self, shell: &mut Shell) -> anyhow::Result<()> {
        self.ask_at = None;
        let page = self.client.all_hosts(self.filter, self.sort, FLEET).await?;
        let mut before = std::mem::take(&mut self.known);
        let mut changed = Vec::new();
        for row in page.items {
            if before.remove(&row.identifier).as_ref() != Some(&row) {
                changed.push(row.clone());
            }
            self.known.insert(row.identifier.clone(), row);
        }
        self.print(&changed, shell)?;
        for row in before.into_values() {
            self.known.insert(row.identifier.clone(), row.clone());
            self.gone(&row.identifier, "no longer listed", shell)?;
        }
        Ok(())
    }

    fn gone(&mut self, identifier: &str, word: &'static str, shell: &mut Shell) -> anyhow::Result<()> {
        self.shown.remove(identifier);
        if let Some(row) = self.known.remove(identifier) {
            let word = shell.output.tone(Tone::Faint, word);
            shell.output.line(format!("{} {word}", row.name))?;
            shell
                .output
                .json_line(&serde_json::json!({ "gone": identifier }))?;
            shell.output.flush()?;
        }
        Ok(())
    }

    fn print(&mut self, rows: &[HostRow], shell: &mut Shell) -> anyhow::Result<()> {
        if shell.output.is_json() {
            for row in rows {
                shell.output.json_line(row)?;
            }
            return Ok(());
        }
        let now = muster_shared::clock::now();
        // A line is worth printing when it says something new; a sign of life alone is not.
        let mut news = Vec::new();
        for row in rows {
            let says = columns::lasting(row, self.columns, now, &shell.output);
            if self.shown.get(&row.identifier) != Some(&says) {
                self.shown.insert(row.identifier.clone(), says);
                news.push(row.clone());
            }
        }
        let table = columns::table(&news, self.columns, now, &shell.output);
        if self.first {
            self.first = false;
            self.widths = table.widths();
            table.write(&mut shell.output)?;
            shell.output.flush()?;
            shell
                .output
                .note(format!("{}; watching, Ctrl+C ends", super::machines(rows.len())));
            return Ok(());
        }
        table.follow(&mut self.widths, &mut shell.output)?;
        shell.output.flush()?;
        Ok(())
    }
}
