//! `muster-agent trust list`: whose signatures this machine accepts.

use muster_shared::crypto::TrustStore;
use muster_shared::hint::chain;
use muster_shared::protocol::error::ErrorCode;
use serde_json::json;

use super::{Common, Done};
use crate::failure::Failure;
use crate::output::table;

/// Show whose signatures this machine accepts.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// List the certificates of the trust folder.
    ///
    /// Packages, this host's assignments and remote orders count only when one of these certificates, or
    /// one that it issued, signed them. Put a certificate into the folder to trust it, take it out to stop.
    List,
}

pub(super) fn run(common: &Common, arguments: &Arguments) -> Done {
    let Command::List = arguments.command;
    let folder = common.paths().trust_dir();
    let store = TrustStore::from_folder(&folder).map_err(|error| {
        Failure::new(ErrorCode::Internal, chain(&error))
            .with_hint(format!("look at the files in {}", folder.display()))
    })?;
    let now = muster_shared::clock::now();
    let value: Vec<_> = store
        .anchors()
        .iter()
        .map(|anchor| {
            json!({
                "name": anchor.common_name(),
                "fingerprint": anchor.fingerprint(),
                "not_before": anchor.not_before(),
                "not_after": anchor.not_after(),
                "valid": anchor.not_before() <= now && now <= anchor.not_after(),
                "authority": anchor.is_ca(),
                "code_signing": anchor.may_sign_code(),
            })
        })
        .collect();
    common.output().answer(&value, |_value| {
        if store.is_empty() {
            return format!(
                "nobody is trusted: there is no certificate in {}",
                folder.display()
            );
        }
        let rows: Vec<[String; 4]> = store
            .anchors()
            .iter()
            .map(|anchor| {
                let use_for = if anchor.may_sign_code() {
                    "packages with code"
                } else {
                    "packages without code"
                };
                [
                    anchor.common_name(),
                    use_for.to_owned(),
                    super::list::local_time(anchor.not_after()),
                    anchor.fingerprint(),
                ]
            })
            .collect();
        table(["Name", "Signs", "Until", "Fingerprint (SHA-256)"], &rows)
    });
    Ok(None)
}
