//! `muster-agent trust list`: whose signatures this machine accepts.

use jiff::Timestamp;
use muster_shared::crypto::{Certificate, TrustError, TrustStore};
use muster_shared::protocol::local::{About, LocalRequest};
use serde_json::json;

use super::{Common, Done, reach};
use crate::output::table;
use crate::revocation;

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

/// Why nothing that this anchor signs is accepted now: dates, revocation.
fn problem(store: &TrustStore, anchor: &Certificate, now: Timestamp) -> Option<String> {
    match store.check(anchor, &[], now) {
        // A CA that signs no data itself still vouches for others.
        Ok(_) | Err(TrustError::NotForSigning { .. }) => None,
        Err(error) => Some(error.to_string()),
    }
}

/// For ordinary users, the names: what else there is to say depends on revocation lists, which they may not read.
async fn for_user(common: &Common) -> Done {
    let about: About = reach::ask_for(common, &LocalRequest::About).await?;
    let value: Vec<_> = about.signers.iter().map(|name| json!({ "name": name })).collect();
    common.output().answer(&value, |_value| {
        if about.signers.is_empty() {
            "nobody is trusted".to_owned()
        } else {
            about.signers.join("\n")
        }
    });
    Ok(None)
}

pub(super) async fn run(common: &Common, arguments: &Arguments) -> Done {
    let Command::List = arguments.command;
    if !reach::may_read(common) {
        return for_user(common).await;
    }
    let folder = common.paths().trust_dir();
    let store = revocation::trust_store(&common.paths()).map_err(|error| revocation::unusable(&error))?;
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
                "valid": problem(&store, anchor, now).is_none(),
                "problem": problem(&store, anchor, now),
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
                let use_for = match problem(&store, anchor, now) {
                    Some(problem) => format!("nothing: {problem}"),
                    None => use_for.to_owned(),
                };
                [
                    anchor.common_name(),
                    use_for,
                    super::when::local_time(anchor.not_after()),
                    anchor.fingerprint(),
                ]
            })
            .collect();
        table(["Name", "Signs", "Until", "Fingerprint (SHA-256)"], &rows)
    });
    Ok(None)
}
