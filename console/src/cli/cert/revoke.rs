//! `muster cert revoke` and `muster cert crl`: the revocation list of a CA, or of a self-signed signer.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::{ArgGroup, Args, ValueEnum};
use jiff::SignedDuration;
use muster_shared::crypto::issue::SignerKey;
use muster_shared::crypto::revocation::Reason;
use muster_shared::crypto::{Certificate, Signer};
use serde_json::json;

use crate::admin::revoke::{self, Issued, NextList, TakenBack};
use crate::cli::Shell;
use crate::cli::failure::{Outcome, Refusal};
use crate::cli::secret::SecretSource;
use crate::cli::signer::{Authority, ModuleArgument, uri_of};

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Why {
    /// Somebody else has the key
    KeyCompromise,
    /// Somebody else has the CA's key
    CaCompromise,
    /// Its holder works elsewhere now
    AffiliationChanged,
    /// Another certificate took its place
    Superseded,
    /// It is not needed any more
    CessationOfOperation,
    /// For the time being
    CertificateHold,
    /// Its holder may no longer do what it allows
    PrivilegeWithdrawn,
}

impl From<Why> for Reason {
    fn from(why: Why) -> Self {
        match why {
            Why::KeyCompromise => Self::KeyCompromise,
            Why::CaCompromise => Self::CaCompromise,
            Why::AffiliationChanged => Self::AffiliationChanged,
            Why::Superseded => Self::Superseded,
            Why::CessationOfOperation => Self::CessationOfOperation,
            Why::CertificateHold => Self::CertificateHold,
            Why::PrivilegeWithdrawn => Self::PrivilegeWithdrawn,
        }
    }
}

#[derive(Debug, Args)]
struct ListArguments {
    /// Key of the CA (PEM, or a PKCS#11 URI) [default: the CA's name with .pem]
    #[arg(long, value_name = "FILE|URI", visible_alias = "key")]
    ca_key: Option<PathBuf>,
    #[command(flatten)]
    module: ModuleArgument,
    /// The file that keeps the list from one time to the next [default: the CA's name with .crl]
    #[arg(long, value_name = "FILE")]
    crl: Option<PathBuf>,
    /// The list ends after so many days; then everything that the CA vouches for is refused until there is a new one
    #[arg(long, value_name = "DAYS", default_value_t = 365, value_parser = clap::value_parser!(u16).range(1..=3660))]
    days: u16,
    /// Read the password or PIN of the CA's key from standard input
    #[arg(long, visible_alias = "pin-stdin")]
    password_stdin: bool,
}

#[derive(Debug, Args)]
#[command(group(ArgGroup::new("taken back").required(true).multiple(true).args(["certificates", "serials"])))]
#[command(after_help = "\
Examples:
  muster cert revoke bob.crt --ca ca.crt --reason key-compromise
      bob's certificate goes into ca.crl; then, on the server:
      muster-server trust add ca.crl      every machine takes it at its next update
  muster cert revoke alice.crt
      a self-signed signer takes itself back with its own key, into alice.crl
  muster cert revoke --serial 5f3a… --ca ca.crt
      the certificate itself is lost
  muster cert revoke bob.crt --ca ca.crt --also-same-key
      also the renewed ones of the same key that lie beside it
  muster cert revoke bob.crt --ca ca.crt --ca-key 'pkcs11:token=CA' --pin-stdin < pin.txt

What a revoked certificate signed is refused from then on: sign the packages that are still needed
again, with `muster package sign`. The list is for everybody to read; keep its file, the next one
goes on from it.")]
pub(crate) struct CertRevoke {
    /// The certificates to take back (PEM; the first one of each file)
    #[arg(value_name = "CERTIFICATE")]
    certificates: Vec<PathBuf>,
    /// A certificate that is not at hand, by its serial number in hex
    #[arg(long = "serial", value_name = "HEX", requires = "ca")]
    serials: Vec<String>,
    /// The CA that issued them (PEM, or a PKCS#11 URI) [default: the certificate itself, when it is self-signed]
    #[arg(long, value_name = "FILE|URI")]
    ca: Option<PathBuf>,
    /// Also the other certificates of the same key in the folder of each certificate: the renewed ones
    #[arg(long)]
    also_same_key: bool,
    /// Why
    #[arg(long, value_enum)]
    reason: Option<Why>,
    #[command(flatten)]
    list: ListArguments,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  muster cert crl --ca ca.crt                           everything of ca.crl, for another 365 days
  muster cert crl --ca ca.crt --ca-key ca.pem --days 90 --crl published/ca.crl
  muster-server trust add ca.crl                        on the server: publishes it

The server warns seven days before a list ends (muster-server check).")]
pub(crate) struct CertCrl {
    /// The CA (PEM, or a PKCS#11 URI)
    #[arg(long, value_name = "FILE|URI")]
    ca: PathBuf,
    #[command(flatten)]
    list: ListArguments,
}

pub(super) fn revoke(arguments: &CertRevoke, shell: &mut Shell) -> anyhow::Result<Outcome> {
    let mut certificates = Vec::new();
    for path in &arguments.certificates {
        let read =
            Certificate::chain_from_file(path).with_context(|| format!("cannot read {}", path.display()))?;
        certificates.push(read.into_iter().next().context("the file holds no certificate")?);
    }
    let ca = match (
        &arguments.ca,
        arguments.certificates.as_slice(),
        certificates.as_slice(),
    ) {
        (Some(ca), _, _) => ca.clone(),
        (None, [path], [own]) if own.is_self_issued() => path.clone(),
        _ => {
            return Err(Refusal::new("the CA that issued the certificate is not named")
                .hint("name it with --ca ca.crt (and --ca-key when its key is elsewhere)")
                .hint("only a self-signed certificate, one at a time, is taken back without")
                .into());
        }
    };
    let path = list_path(&ca, &arguments.list)?;
    let signer = open(&ca, &arguments.list, shell)?;
    let issuer = signer.certificate();
    let mut add = Vec::new();
    for certificate in &certificates {
        add.push(TakenBack::certificate(issuer, certificate)?);
    }
    for serial in &arguments.serials {
        add.push(TakenBack::serial(serial)?);
    }
    let same = revoke::same_key(&arguments.certificates, &certificates, shell.now);
    if arguments.also_same_key {
        for (_, certificate) in same.iter().filter(|(_, one)| one.is_issued_by(issuer)) {
            add.push(TakenBack::certificate(issuer, certificate)?);
        }
    }
    let reason = arguments.reason.map(Reason::from);
    let issued = next(&path, signer.as_ref(), &add, reason, arguments.list.days, shell)?;
    for one in &issued.already {
        let name = one.name.as_deref().unwrap_or(&one.serial);
        shell
            .output
            .note(format!("{name} was taken back before; that entry stays"));
    }
    add.retain(|one| !issued.already.contains(one));
    write_list(&path, &issued, &add, shell)?;
    for (file, certificate) in &same {
        let is_revoked = certificate.is_issued_by(issuer)
            && issued
                .list
                .entries()
                .any(|(serial, _)| serial == certificate.serial());
        if !is_revoked {
            shell.output.note(format!(
                "warning: {} is another certificate of the same key and stays valid until {}: take it back too, \
                 with --also-same-key or by name",
                file.display(),
                certificate.not_after()
            ));
        }
    }
    Ok(Outcome::Done)
}

pub(super) fn crl(arguments: &CertCrl, shell: &mut Shell) -> anyhow::Result<Outcome> {
    let path = list_path(&arguments.ca, &arguments.list)?;
    let signer = open(&arguments.ca, &arguments.list, shell)?;
    let issued = next(&path, signer.as_ref(), &[], None, arguments.list.days, shell)?;
    write_list(&path, &issued, &[], shell)?;
    Ok(Outcome::Done)
}

fn list_path(ca: &Path, list: &ListArguments) -> anyhow::Result<PathBuf> {
    if let Some(path) = &list.crl {
        return Ok(path.clone());
    }
    if uri_of(Some(ca)).is_some() {
        return Err(
            Refusal::new("a PKCS#11 URI does not say which file keeps the list")
                .hint("name it with --crl ca.crl")
                .into(),
        );
    }
    Ok(ca.with_extension("crl"))
}

fn open(ca: &Path, list: &ListArguments, shell: &Shell) -> anyhow::Result<Box<dyn Signer>> {
    let source = SecretSource::stdin_or_terminal(list.password_stdin, "--password-stdin (or --pin-stdin)");
    let authority = Authority {
        certificate: ca,
        key: list.ca_key.as_deref(),
        module: list.module.module.as_deref(),
    };
    authority.open(&source, shell)
}

fn next(
    path: &Path,
    signer: &dyn Signer,
    add: &[TakenBack],
    reason: Option<Reason>,
    days: u16,
    shell: &mut Shell,
) -> anyhow::Result<Issued> {
    let issuer = signer.certificate();
    let last = revoke::last(path, issuer)?;
    if last.is_none() {
        shell.output.note(format!(
            "{} does not exist: a new list is begun, which takes back nothing else",
            path.display()
        ));
    }
    let next = NextList {
        issuer,
        path,
        last: last.as_ref(),
        add,
        reason,
        valid_for: SignedDuration::from_hours(24 * i64::from(days)),
    };
    Ok(revoke::issue(&next, &SignerKey(signer), shell.now)?)
}

fn write_list(path: &Path, issued: &Issued, add: &[TakenBack], shell: &mut Shell) -> anyhow::Result<()> {
    let list = &issued.list;
    let names: Vec<&str> = add
        .iter()
        .map(|one| one.name.as_deref().unwrap_or(&one.serial))
        .collect();
    shell.output.json(&json!({
        "crl": path,
        "issuer": list.issuer(),
        "revoked": add.iter().map(|one| json!({ "serial": one.serial, "name": one.name })).collect::<Vec<_>>(),
        "revoked_before": issued.already.iter().map(|one| json!({ "serial": one.serial, "name": one.name })).collect::<Vec<_>>(),
        "revoked_count": list.len(),
        "this_update": list.this_update(),
        "next_update": list.next_update(),
        "fingerprint": list.fingerprint(),
    }))?;
    shell.output.facts(&[
        ("list", path.display().to_string()),
        ("issuer", list.issuer()),
        ("taken back now", names.join(", ")),
        ("in all", list.len().to_string()),
        (
            "ends",
            list.next_update()
                .map(|next| next.to_string())
                .unwrap_or_default(),
        ),
    ])?;
    shell.output.note(format!(
        "publish it: muster-server trust add {} (on the server); machines take it at their next update",
        path.display()
    ));
    Ok(())
}
