//! `muster key`: making keys, changing their password, exchanging them with other tools, telling them apart.

mod check;
mod create;
mod password;
mod pkcs12;
mod profile;

use clap::Subcommand;

use super::Shell;
use super::failure::Outcome;
pub(super) use profile::{Kind, KindArguments, ProfileArguments};

#[derive(Debug, Subcommand)]
pub(crate) enum KeyCommand {
    /// Make your key and its certificate
    Create(create::KeyCreate),
    /// Change a key's password, or encrypt a key of WAPT anew
    Password(password::KeyPassword),
    /// Write a key with its certificate as one PKCS#12 file (.p12, .pfx)
    ExportP12(pkcs12::KeyExport),
    /// Take a key and its certificate out of a PKCS#12 file
    ImportP12(pkcs12::KeyImport),
    /// Say which key belongs to which certificate
    Check(check::KeyCheck),
}

pub(crate) fn run(command: KeyCommand, shell: &mut Shell) -> anyhow::Result<Outcome> {
    match command {
        KeyCommand::Create(arguments) => create::create(arguments, shell),
        KeyCommand::Password(arguments) => password::password(&arguments, shell),
        KeyCommand::ExportP12(arguments) => pkcs12::export(&arguments, shell),
        KeyCommand::ImportP12(arguments) => pkcs12::import(&arguments, shell),
        KeyCommand::Check(arguments) => check::check(&arguments, shell),
    }
}
