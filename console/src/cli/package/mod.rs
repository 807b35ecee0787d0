//! `muster package …`: the life of a package, from nothing to the repository.

mod build;
mod delete;
mod new;
mod show;
mod sign;
mod upload;
mod verify;

use clap::Subcommand;

use super::Shell;
use super::failure::Outcome;

#[derive(Debug, Subcommand)]
pub(crate) enum PackageCommand {
    /// Make the sources of a new package
    New(new::New),
    /// Build a package from its sources and sign it
    Build(build::Build),
    /// Sign package files again
    Sign(sign::Sign),
    /// Check package files against the signers you trust
    Verify(verify::Verify),
    /// Show what is in a package file
    Show(show::Show),
    /// Send package files to the server's repository
    Upload(upload::UploadFiles),
    /// Delete packages from the server's repository
    Delete(delete::DeleteFiles),
}

pub(crate) fn run(command: PackageCommand, shell: &mut Shell) -> anyhow::Result<Outcome> {
    match command {
        PackageCommand::New(arguments) => new::run(arguments, shell),
        PackageCommand::Build(arguments) => build::run(&arguments, shell),
        PackageCommand::Sign(arguments) => sign::run(&arguments, shell),
        PackageCommand::Verify(arguments) => verify::run(&arguments, shell),
        PackageCommand::Show(arguments) => show::run(&arguments, shell),
        PackageCommand::Upload(arguments) => upload::run(&arguments, shell),
        PackageCommand::Delete(arguments) => delete::run(&arguments, shell),
    }
}
