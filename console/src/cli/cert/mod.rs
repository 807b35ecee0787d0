//! `muster cert`: what certificates say, renewing them, taking them back.

mod distrust;
mod renew;
mod revoke;
mod show;

use clap::Subcommand;

use super::Shell;
use super::failure::Outcome;

#[derive(Debug, Subcommand)]
pub(crate) enum CertCommand {
    /// Show the certificates or revocation lists in a file and what their holders may do
    Show(show::CertShow),
    /// Make a new certificate for the same key, subject and purposes
    Renew(renew::CertRenew),
    /// Take certificates back: nothing that they signed is accepted any more
    Revoke(revoke::CertRevoke),
    /// Make a new revocation list before the last one ends
    Crl(revoke::CertCrl),
    /// Take trust from somebody else's key, for machines that trust both of you
    Distrust(distrust::CertDistrust),
}

pub(crate) fn run(command: CertCommand, shell: &mut Shell) -> anyhow::Result<Outcome> {
    match command {
        CertCommand::Show(arguments) => show::show(arguments, shell),
        CertCommand::Renew(arguments) => renew::renew(&arguments, shell),
        CertCommand::Revoke(arguments) => revoke::revoke(&arguments, shell),
        CertCommand::Crl(arguments) => revoke::crl(&arguments, shell),
        CertCommand::Distrust(arguments) => distrust::distrust(&arguments, shell),
    }
}
