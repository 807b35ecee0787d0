//! `muster-agent list`: straight from the local database, without the service.

use super::{Common, Done};
use crate::output::table;
use crate::state::State;

/// List the packages of this machine.
///
/// Reads the local database directly: it answers at once, whether or not the service runs.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Only packages whose name or description contains all of these words.
    #[arg(value_name = "WORD")]
    words: Vec<String>,
}

pub(super) async fn run(common: &Common, arguments: &Arguments) -> Done {
    let state = State::open_read_only(&common.paths().database()).await?;
    let words: Vec<String> = arguments.words.iter().map(|word| word.to_lowercase()).collect();
    let shown: Vec<_> = state
        .installed()
        .await?
        .iter()
        .map(crate::state::packages::Installed::shown)
        .filter(|package| {
            let text = format!("{} {}", package.package, package.description).to_lowercase();
            words.iter().all(|word| text.contains(word))
        })
        .collect();
    common.output().answer(&shown, |shown| {
        if shown.is_empty() {
            return "no packages".to_owned();
        }
        let rows: Vec<[String; 6]> = shown
            .iter()
            .map(|package| {
                [
                    package.package.clone(),
                    package.version.clone(),
                    package.status.as_str().to_owned(),
                    package.audit_status.clone(),
                    local_time(package.changed_at),
                    first_line(&package.description),
                ]
            })
            .collect();
        table(
            ["Package", "Version", "Status", "Audit", "Since", "Description"],
            &rows,
        )
    });
    Ok(None)
}

/// A time as people here read it.
pub(super) fn local_time(at: jiff::Timestamp) -> String {
    at.to_zoned_datetime(jiff::tz::TimeZone::system())
        .strftime("%Y-%m-%d %H:%M")
        .to_string()
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().chars().take(60).collect()
}
