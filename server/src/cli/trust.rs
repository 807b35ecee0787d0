//! `muster-server trust`: whose signatures this server accepts. Works beside a running server.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Subcommand;
use muster_shared::clock;
use muster_shared::crypto::Certificate;

use super::{Advised, Place};
use crate::layout::write_atomically;
use crate::output;

#[derive(Debug, Subcommand)]
pub(super) enum Trust {
    /// Accept uploads and actions signed with this certificate, or with one that it issued
    ///
    /// This decides what the server passes on, not what machines run: each agent checks every signature
    /// against its own trusted certificates again.
    Add {
        /// A certificate in PEM
        file: PathBuf,
    },
    /// List the trusted certificates
    List {
        /// Print the list as JSON
        #[arg(long)]
        json: bool,
    },
    /// Stop accepting a certificate
    Remove {
        /// Its fingerprint, or the beginning of it
        fingerprint: String,
    },
}

impl Trust {
    pub(super) fn execute(self, place: &Place) -> anyhow::Result<()> {
        let folder = place.read_config()?.signers_folder();
        match self {
            Self::Add { file } => add(&folder, &file),
            Self::List { json } => list(&folder, json),
            Self::Remove { fingerprint } => remove(&folder, &fingerprint),
        }
    }
}

fn add(folder: &Path, file: &Path) -> anyhow::Result<()> {
    let certificates = Certificate::chain_from_file(file).map_err(|error| {
        anyhow::Error::from(error).context(Advised::new(
            format!("{} is no certificate", file.display()),
            "give the .crt file that belongs to the signing key, in PEM",
        ))
    })?;
    // Of a chain only the signer's own certificate was meant.
    let certificate = certificates.first().context("the file holds no certificate")?;
    let name = certificate.common_name();
    if certificate.not_after() < clock::now() {
        return Err(Advised::new(
            format!("the certificate of {name} ended on {}", certificate.not_after()),
            "make a new certificate for the same key first",
        )
        .into());
    }
    fs_err::create_dir_all(folder)?;
    let path = folder.join(format!("{}.crt", certificate.fingerprint()));
    if path.exists() {
        output::note(format_args!("{name} is trusted already"));
        return Ok(());
    }
    write_atomically(&path, certificate.to_pem().as_bytes(), false)
        .with_context(|| format!("writing {}", path.display()))?;
    let code = if certificate.may_sign_code() {
        "with code"
    } else {
        "without code only"
    };
    output::note(format_args!(
        "{name} is trusted now, for actions and for packages {code}"
    ));
    output::line(certificate.fingerprint())?;
    Ok(())
}

fn list(folder: &Path, json: bool) -> anyhow::Result<()> {
    let trusted = trusted(folder)?;
    if json {
        let rows: Vec<_> = trusted
            .iter()
            .map(|(path, certificate)| {
                serde_json::json!({
                    "fingerprint": certificate.fingerprint(),
                    "name": certificate.common_name(),
                    "not_after": certificate.not_after(),
                    "code_signing": certificate.may_sign_code(),
                    "file": path,
                })
            })
            .collect();
        output::line(serde_json::Value::from(rows))?;
        return Ok(());
    }
    if trusted.is_empty() {
        output::note("no certificate is trusted; add one with `muster-server trust add FILE`");
    }
    for (_, certificate) in trusted {
        let fingerprint = certificate.fingerprint();
        let short = fingerprint.get(..16).unwrap_or(&fingerprint);
        let code = if certificate.may_sign_code() {
            "code"
        } else {
            "no code"
        };
        let day = certificate.not_after().strftime("%F");
        output::line(format_args!(
            "{short}  until {day}  {code:<7}  {}",
            certificate.common_name()
        ))?;
    }
    Ok(())
}

fn remove(folder: &Path, fingerprint: &str) -> anyhow::Result<()> {
    let wanted = fingerprint.replace(':', "").to_ascii_lowercase();
    let trusted = trusted(folder)?;
    let found: Vec<_> = trusted
        .iter()
        .filter(|(_, certificate)| certificate.fingerprint().starts_with(&wanted))
        .collect();
    let hint = "`muster-server trust list` names the certificates";
    match found.as_slice() {
        [(path, certificate)] if wanted.len() >= 8 => {
            fs_err::remove_file(path)?;
            output::note(format_args!(
                "{} is not trusted any more",
                certificate.common_name()
            ));
            Ok(())
        }
        [] => Err(Advised::new(format!("no trusted certificate begins with {fingerprint}"), hint).into()),
        _ => Err(Advised::new(
            format!("{fingerprint} does not name one certificate; give at least eight characters of it"),
            hint,
        )
        .into()),
    }
}

/// The trusted certificates with their files.
fn trusted(folder: &Path) -> anyhow::Result<Vec<(PathBuf, Certificate)>> {
    let mut trusted = Vec::new();
    let entries = match fs_err::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(trusted),
        Err(error) => return Err(error.into()),
    };
    for entry in entries {
        let path = entry?.path();
        if path
            .extension()
            .is_some_and(|extension| extension == "crt" || extension == "pem")
        {
            let chain =
                Certificate::chain_from_file(&path).with_context(|| format!("reading {}", path.display()))?;
            trusted.extend(chain.into_iter().map(|certificate| (path.clone(), certificate)));
        }
    }
    trusted.sort_by_key(|(_, certificate)| certificate.common_name());
    Ok(trusted)
}
