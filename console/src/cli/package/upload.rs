//! `muster package upload`: files go to the server's repository.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use tokio::sync::watch;
use tokio::time::MissedTickBehavior;

use crate::admin::upload::{self, Upload};
use crate::cli::failure::{self, Outcome};
use crate::cli::{Shell, block_on, connection};
use crate::client::Client;

/// How often the progress line is written anew.
const REDRAW: Duration = Duration::from_millis(100);

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  muster package upload demo-hello_1.0-0.wapt
  muster package upload *.wapt --json

The server checks signature, signer and content before a package becomes visible; the machines
learn of it at once. Sending the identical file again changes nothing.")]
pub(crate) struct UploadFiles {
    /// Package files
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
}

pub(super) fn run(arguments: &UploadFiles, shell: &mut Shell) -> anyhow::Result<Outcome> {
    publish(&arguments.files, shell)
}

/// Sends package files and says what became of each.
pub(super) fn publish(files: &[PathBuf], shell: &mut Shell) -> anyhow::Result<Outcome> {
    // All files are looked at before the first one is sent.
    let mut uploads = Vec::new();
    let mut has_failed = false;
    for file in files {
        match upload::check(file) {
            Ok(upload) => uploads.push(upload),
            // One file is all or nothing; of several, one that is refused does not hold the others back.
            Err(error) if files.len() == 1 => return Err(error.into()),
            Err(error) => {
                failure::report(&error.into(), shell.output.is_json());
                has_failed = true;
            }
        }
    }
    if uploads.is_empty() {
        return Ok(Outcome::Refused);
    }
    let client = connection::client(shell)?;
    block_on(async {
        // A session that has ended is said before megabytes are sent.
        client.who_am_i().await?;
        let mut sent = Vec::new();
        for upload in &uploads {
            let uploaded = match send(&client, upload, shell).await {
                Ok(uploaded) => uploaded,
                Err(error) if files.len() == 1 => return Err(error),
                Err(error) => {
                    let error = error.context(format!("{} was not published", upload.path.display()));
                    failure::report(&error, shell.output.is_json());
                    has_failed = true;
                    continue;
                }
            };
            shell.output.line(format!(
                "{}: {} {} {} as {}",
                upload.path.display(),
                uploaded.package,
                uploaded.version,
                if uploaded.unchanged {
                    "was there already"
                } else {
                    "published"
                },
                uploaded.filename
            ))?;
            shell.output.flush()?;
            sent.push(uploaded);
        }
        shell.output.json(&sent)?;
        Ok(if sent.is_empty() {
            Outcome::Refused
        } else if has_failed {
            Outcome::Partly
        } else {
            Outcome::Done
        })
    })?
}

async fn send(
    client: &Client,
    upload: &Upload,
    shell: &mut Shell,
) -> anyhow::Result<muster_shared::protocol::package::Uploaded> {
    let name = upload
        .path
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let (progress, seen) = watch::channel((0_u64, 0_u64));
    let sending = upload::send(client, upload, move |sent, all| {
        progress.send_replace((sent, all));
    });
    tokio::pin!(sending);
    let mut redraw = tokio::time::interval(REDRAW);
    redraw.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let result = loop {
        tokio::select! {
            result = &mut sending => break result,
            _tick = redraw.tick() => {
                let (sent, all) = *seen.borrow();
                if all > 0 && sent == all {
                    shell.output.progress(&format!("{name}: sent, the server checks it…"));
                } else if all > 0 {
                    let percent = u128::from(sent) * 100 / u128::from(all);
                    shell.output.progress(&format!("{name}: {percent} % of {} KiB", all / 1024));
                }
            }
        }
    };
    shell.output.clear_progress();
    Ok(result?)
}
