//! `muster-agent list-registry`: the software that the system itself knows to be installed.

use muster_shared::protocol::error::ErrorCode;

use super::{Common, Done};
use crate::failure::Failure;
use crate::output::table;
use crate::platform::facts;

/// List the software that the system knows to be installed.
///
/// On Windows the uninstall keys of both views of the registry, on Linux the packages of dpkg or rpm. The keys are
/// what a package script puts into `uninstallkey`.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Only software whose key, name or publisher contains all of these words.
    #[arg(value_name = "WORD")]
    words: Vec<String>,
}

pub(super) fn run(common: &Common, arguments: &Arguments) -> Done {
    let mut software = facts::software::read().map_err(|error| {
        Failure::new(
            ErrorCode::Internal,
            format!(
                "the list of software cannot be read: {}",
                muster_shared::hint::chain(&error)
            ),
        )
    })?;
    let words: Vec<String> = arguments.words.iter().map(|word| word.to_lowercase()).collect();
    software.retain(|row| {
        let text = format!("{} {} {}", row.key, row.name, row.publisher).to_lowercase();
        words.iter().all(|word| text.contains(word))
    });
    common.output().answer(&software, |software| {
        if software.is_empty() {
            return "no software".to_owned();
        }
        let rows: Vec<[String; 4]> = software
            .iter()
            .map(|row| {
                [
                    row.key.clone(),
                    row.name.clone(),
                    row.version.clone(),
                    row.publisher.clone(),
                ]
            })
            .collect();
        table(["Key", "Name", "Version", "Publisher"], &rows)
    });
    Ok(None)
}
