//! `muster package …`: the life of a package, from nothing to the repository.

mod agent_argument;
mod build;
mod choice;
mod decrypt;
mod delete;
mod diff;
mod duplicate;
mod edit;
mod encrypt;
mod filename;
mod import;
mod lint;
mod new;
mod promote;
mod run;
mod show;
mod sign;
mod test;
mod update_sources;
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
    /// Look for mistakes in sources or packages, without running anything
    Lint(lint::Lint),
    /// Make sources out of a package, for its next version
    Edit(edit::Edit),
    /// Copy sources or a package under another name
    Duplicate(duplicate::Duplicate),
    /// Have sources fetch the next version of what they package: runs update_package()
    UpdateSources(update_sources::UpdateSources),
    /// Run one hook of sources on this machine, now
    Run(run::RunHook),
    /// Try a package: install, audit and remove it, and show what it changed
    Test(test::Test),
    /// Show what differs between two builds
    Diff(diff::Diff),
    /// Take packages over from another repository, or from a folder of packages
    Import(import::Import),
    /// Give a build to more people: the same files under another maturity
    Promote(promote::Promote),
    /// Print the file name that a package must have
    Filename(filename::Filename),
    /// Sign package files again
    Sign(sign::Sign),
    /// Check package files against the signers you trust
    Verify(verify::Verify),
    /// Encrypt a host's package so that only this host can read it
    Encrypt(encrypt::Encrypt),
    /// Decrypt the package of a host
    Decrypt(decrypt::Decrypt),
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
        PackageCommand::Lint(arguments) => lint::run(&arguments, shell),
        PackageCommand::Edit(arguments) => edit::run(&arguments, shell),
        PackageCommand::Duplicate(arguments) => duplicate::run(&arguments, shell),
        PackageCommand::UpdateSources(arguments) => update_sources::run(&arguments, shell),
        PackageCommand::Run(arguments) => run::run(&arguments, shell),
        PackageCommand::Test(arguments) => test::run(&arguments, shell),
        PackageCommand::Diff(arguments) => diff::run(&arguments, shell),
        PackageCommand::Import(arguments) => import::run(&arguments, shell),
        PackageCommand::Promote(arguments) => promote::run(&arguments, shell),
        PackageCommand::Filename(arguments) => filename::run(&arguments, shell),
        PackageCommand::Sign(arguments) => sign::run(&arguments, shell),
        PackageCommand::Verify(arguments) => verify::run(&arguments, shell),
        PackageCommand::Encrypt(arguments) => encrypt::run(&arguments, shell),
        PackageCommand::Decrypt(arguments) => decrypt::run(&arguments, shell),
        PackageCommand::Show(arguments) => show::run(&arguments, shell),
        PackageCommand::Upload(arguments) => upload::run(&arguments, shell),
        PackageCommand::Delete(arguments) => delete::run(&arguments, shell),
    }
}
