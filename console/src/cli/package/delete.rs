//! `muster package delete`: packages leave the server's repository.

use anyhow::Context as _;
use clap::Args;

use crate::cli::failure::{self, Outcome};
use crate::cli::{Shell, block_on, connection};

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  muster package delete demo-hello_1.0-0_0123456789abcdef0123456789abcdef.wapt

The file name is the one that `upload` printed and that the list at /wapt/ shows. Machines that
have the package keep it; they can no longer install it anew.")]
pub(crate) struct DeleteFiles {
    /// File names in the repository
    #[arg(required = true, value_name = "FILENAME")]
    filenames: Vec<String>,
}

pub(super) fn run(arguments: &DeleteFiles, shell: &mut Shell) -> anyhow::Result<Outcome> {
    let client = connection::client(shell)?;
    block_on(async {
        let mut deleted = Vec::new();
        for filename in &arguments.filenames {
            let done = client
                .delete_package(filename)
                .await
                .with_context(|| format!("{filename} was not deleted"));
            match done {
                Ok(()) => {
                    shell.output.line(format!("{filename}: deleted"))?;
                    deleted.push(filename);
                }
                Err(error) if arguments.filenames.len() == 1 => return Err(error),
                Err(error) => failure::report(&error, shell.output.is_json()),
            }
        }
        shell.output.json(&deleted)?;
        Ok(if deleted.len() == arguments.filenames.len() {
            Outcome::Done
        } else {
            Outcome::Partly
        })
    })?
}
