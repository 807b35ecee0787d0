//! `muster-server trust`: whose signatures this server accepts. Works beside a running server.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Subcommand;
use muster_shared::clock;
use muster_shared::crypto::{Certificate, CrlError, RevocationList, TrustError, TrustStore};

use super::{Advised, Place};
use crate::layout::write_atomically;
use crate::output;

#[derive(Debug, Subcommand)]
pub(super) enum Trust {
    /// Accept uploads and actions signed with this certificate, or with one that it issued; or take a revocation list
    ///
    /// A revocation list (made by `muster cert revoke`) goes into the index, from where every machine takes it at its
    /// next update.
    ///
    /// This decides what the server passes on, not what machines run: each agent checks every signature
    /// against its own trusted certificates again.
    Add {
        /// A certificate in PEM, or a revocation list in PEM or DER
        file: PathBuf,
    },
    /// List the trusted certificates and the revocation lists
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
            Self::Add { file } => match lists_in(&file)? {
                Some(lists) => add_lists(&folder, lists),
                None => add(&folder, &file),
            },
            Self::List { json } => list(&folder, json),
            Self::Remove { fingerprint } => remove(&folder, &fingerprint),
        }
    }
}

/// The revocation lists of a file; `None` when it is something else, which is then read as a certificate.
fn lists_in(file: &Path) -> anyhow::Result<Option<Vec<RevocationList>>> {
    match RevocationList::all_from_file(file) {
        Ok(lists) => Ok(Some(lists)),
        // Reading it as a certificate says the same, with advice.
        Err(CrlError::Read { .. }) => Ok(None),
        Err(error) => {
            let named_so = file.extension().is_some_and(|extension| extension == "crl");
            let bytes = fs_err::read(file).unwrap_or_default();
            let says_so = String::from_utf8_lossy(&bytes).contains("-----BEGIN X509 CRL-----");
            if named_so || says_so {
                return Err(anyhow::Error::from(error).context(Advised::new(
                    format!("{} is no revocation list that can be used", file.display()),
                    "make one with `muster cert crl` or `openssl ca -gencrl`",
                )));
            }
            Ok(None)
        }
    }
}

/// Takes lists whose issuer is trusted here; the newest of each issuer stays.
fn add_lists(folder: &Path, lists: Vec<RevocationList>) -> anyhow::Result<()> {
    let mut store = TrustStore::from_folder(folder)?;
    for list in lists {
        let issuer = list.issuer();
        let Some(signer) = store.anchors().iter().find(|anchor| list.is_signed_by(anchor)) else {
            return Err(Advised::new(
                format!("no certificate trusted here signed the revocation list of {issuer}"),
                "add the certificate of its issuer first: `muster-server trust add CERTIFICATE`",
            )
            .into());
        };
        if let Some(next) = list.next_update().filter(|_next| list.is_expired(clock::now())) {
            return Err(Advised::new(
                format!("the revocation list of {issuer} ended on {next}; with it everybody it is about would be refused"),
                "make a new one with `muster cert crl`",
            )
            .into());
        }
        let both = store.clone().with_crls([list.clone()]);
        let in_force = both.crls_in_force(&[], clock::now());
        let counting = in_force
            .iter()
            .find(|(_issuer, known)| known.fingerprint() == list.fingerprint());
        let Some((signer, _list)) = counting else {
            if let Err(error @ TrustError::Revoked { .. }) = both.check(signer, &[], clock::now()) {
                return Err(Advised::new(
                    format!("{error}: its revocation lists do not count any more"),
                    "whoever holds its key could have made this one; the list that is here stays",
                )
                .into());
            }
            return Err(Advised::new(
                format!("a newer revocation list of {issuer} is here already"),
                "make the next one from the newest: `muster cert revoke` and `muster cert crl` go on from their file",
            )
            .into());
        };
        let path = folder.join(format!("{}.crl", list.series(signer)));
        write_atomically(&path, list.to_pem().as_bytes(), false)
            .with_context(|| format!("writing {}", path.display()))?;
        output::note(format_args!(
            "the revocation list of {} is in force: {} taken back, made {}",
            signer.common_name(),
            list.len(),
            list.this_update()
        ));
        output::line(list.fingerprint())?;
        store = both;
    }
    Ok(())
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
    output::note(format_args!(
        "{name} is trusted now: {}",
        what_follows(certificate)
    ));
    output::line(certificate.fingerprint())?;
    Ok(())
}

/// What trusting a certificate lets happen: by its own signatures, and by those of whom it vouches for.
fn what_follows(certificate: &Certificate) -> String {
    let itself = match (certificate.may_sign_data(), certificate.may_sign_code()) {
        (true, true) => "it signs actions and packages with code",
        (true, false) => "it signs actions and packages without code only",
        (false, _) => "it signs nothing itself",
    };
    if certificate.is_ca() {
        format!(
            "{itself}; and whoever it issues a certificate for is trusted too, for code as well when that \
             certificate is for code signing"
        )
    } else {
        itself.to_owned()
    }
}

fn list(folder: &Path, json: bool) -> anyhow::Result<()> {
    let trusted = trusted(folder)?;
    let store = TrustStore::from_folder(folder)?;
    let now = clock::now();
    let revoked = |certificate: &Certificate| match store.check(certificate, &[], now) {
        Err(error @ TrustError::Revoked { .. }) => Some(error.to_string()),
        _ => None,
    };
    if json {
        let mut rows: Vec<_> = trusted
            .iter()
            .map(|(path, certificate)| {
                serde_json::json!({
                    "fingerprint": certificate.fingerprint(),
                    "name": certificate.common_name(),
                    "not_after": certificate.not_after(),
                    "code_signing": certificate.may_sign_code(),
                    "authority": certificate.is_ca(),
                    "revoked": revoked(certificate),
                    "file": path,
                })
            })
            .collect();
        rows.extend(store.crls_in_force(&[], now).into_iter().map(|(issuer, list)| {
            serde_json::json!({
                "revocation_list": list.fingerprint(),
                "issuer": issuer.common_name(),
                "this_update": list.this_update(),
                "next_update": list.next_update(),
                "revoked_count": list.len(),
            })
        }));
        output::line(serde_json::Value::from(rows))?;
        return Ok(());
    }
    if trusted.is_empty() {
        output::note("no certificate is trusted; add one with `muster-server trust add FILE`");
    }
    for (_, certificate) in trusted {
        let fingerprint = certificate.fingerprint();
        let short = fingerprint.get(..16).unwrap_or(&fingerprint);
        let code = match revoked(&certificate) {
            Some(_) => "REVOKED",
            None if !certificate.may_sign_data() => "-",
            None if certificate.may_sign_code() => "code",
            None => "no code",
        };
        let vouches = if certificate.is_ca() {
            "  (CA: vouches for those whom it issues certificates for, for code as their certificates say)"
        } else {
            ""
        };
        let day = certificate.not_after().strftime("%F");
        output::line(format_args!(
            "{short}  until {day}  {code:<7}  {}{vouches}",
            certificate.common_name()
        ))?;
    }
    for (issuer, list) in store.crls_in_force(&[], now) {
        let fingerprint = list.fingerprint();
        let until = list
            .next_update()
            .map_or_else(|| "-".to_owned(), |next| next.strftime("%F").to_string());
        output::line(format_args!(
            "{}  until {until}  list     of {}: {} taken back",
            fingerprint.get(..16).unwrap_or(&fingerprint),
            issuer.common_name(),
            list.len()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ca_is_said_to_vouch_for_others_beside_what_it_signs_itself() {
        let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden/keys");
        let said = |file: &str| {
            let chain = Certificate::chain_from_file(&golden.join(file)).unwrap();
            what_follows(chain.first().unwrap())
        };
        assert_eq!(said("leaf.crt"), "it signs actions and packages with code");
        let ca = said("ca.crt");
        assert!(
            ca.contains("without code only; and whoever it issues a certificate for is trusted too"),
            "{ca}"
        );
    }
}
