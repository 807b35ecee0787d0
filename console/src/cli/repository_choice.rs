//! Which repository a command reads, and whose packages it believes there: the options that import, edit,
//! test and others share.

use std::path::{Path, PathBuf};

use clap::Args;
use muster_shared::crypto::tls::{ServerTrust, parse_pin};
use muster_shared::crypto::{Certificate, TrustStore};

use super::Shell;
use super::connection;
use super::failure::Refusal;
use super::signer::SignerArguments;
use crate::admin::external_repository::{ExternalRepository, Place, SignerTrust};
use crate::admin::host_package::perimeter;
use crate::admin::{signer, verify};
use crate::settings::ImportSource;

#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Whose packages are believed, and how the connection is checked")]
pub(crate) struct TrustArguments {
    /// Folder of the certificates of that repository's signers (.crt, .pem)
    #[arg(long, value_name = "DIR", conflicts_with = "unverified")]
    pub(crate) trust: Option<PathBuf>,
    /// Take whole packages of anybody: nobody vouches for what they do
    #[arg(long)]
    pub(crate) unverified: bool,
    /// The CA of the repository's TLS certificate (PEM) [default: the system's]
    #[arg(long, value_name = "FILE", conflicts_with = "pin")]
    pub(crate) ca: Option<PathBuf>,
    /// SHA-256 fingerprint of the repository's TLS certificate or of its CA
    #[arg(long, value_name = "HEX")]
    pub(crate) pin: Option<String>,
    /// Reach the repository through this proxy
    #[arg(long, value_name = "URL")]
    pub(crate) proxy: Option<String>,
}

impl TrustArguments {
    /// Nothing but a trust folder.
    pub(crate) fn trusting(trust: Option<PathBuf>) -> Self {
        Self {
            trust,
            ..Self::default()
        }
    }

    /// What is kept of a repository under a name.
    pub(crate) fn kept(&self, address: &str) -> anyhow::Result<ImportSource> {
        let absolute = |path: &PathBuf| std::path::absolute(path);
        let is_address = address.contains("://");
        Ok(ImportSource {
            address: if is_address {
                address.to_owned()
            } else {
                std::path::absolute(address)?.display().to_string()
            },
            trust: self.trust.as_ref().map(absolute).transpose()?,
            ca: self.ca.as_ref().map(absolute).transpose()?,
            pin: self.pin.as_deref().map(parse_pin).transpose()?,
            proxy: self.proxy.clone(),
        })
    }

    /// The repository of a configured name, an address, a folder or a file, with whom it may come from.
    pub(crate) fn open(&self, shell: &Shell, from: &str) -> anyhow::Result<ExternalRepository> {
        let (place, trust) = self.place(shell, from)?;
        let trust = match trust {
            Some(folder) => SignerTrust::Signers(verify::trust(&folder)?),
            None if self.unverified => SignerTrust::Unverified,
            None => {
                return Err(Refusal::new(format!("whose packages of {from} are to be believed?"))
                    .hint("give the folder of its signers' certificates: --trust DIR")
                    .hint(format!(
                        "`muster import-source signers {from}` shows them; compare their fingerprints with \
                         the owner of the repository"
                    ))
                    .hint("or take packages of anybody: --unverified")
                    .into());
            }
        };
        if let (Place::Web(web), SignerTrust::Unverified) = (&place, &trust)
            && web.is_plain()
        {
            return Err(Refusal::new(format!(
                "{from} is reached without TLS and its packages would not be verified: anyone on the way \
                 could change them"
            ))
            .hint("use an https:// address, or --trust DIR")
            .into());
        }
        Ok(ExternalRepository {
            name: from.to_owned(),
            place,
            trust,
        })
    }

    /// The same for looking only: nothing has to be believed.
    pub(crate) fn look(&self, shell: &Shell, from: &str) -> anyhow::Result<ExternalRepository> {
        let (place, trust) = self.place(shell, from)?;
        let trust = trust.map_or(Ok(SignerTrust::Unverified), |folder| {
            verify::trust(&folder).map(SignerTrust::Signers)
        })?;
        Ok(ExternalRepository {
            name: from.to_owned(),
            place,
            trust,
        })
    }

    /// Where it is, and the trust folder meant.
    fn place(&self, shell: &Shell, from: &str) -> anyhow::Result<(Place, Option<PathBuf>)> {
        let kept = shell.settings()?.import_sources.remove(from).unwrap_or_default();
        let address = if kept.address.is_empty() {
            from
        } else {
            &kept.address
        };
        let ca = self.ca.as_ref().or(kept.ca.as_ref());
        let pin = self.pin.as_deref().or(kept.pin.as_deref());
        let tls = match (ca, pin) {
            (Some(ca), _) if self.pin.is_none() => {
                Some(ServerTrust::Bundle(Certificate::chain_from_file(ca)?))
            }
            (_, Some(pin)) => Some(ServerTrust::Pin(parse_pin(pin)?)),
            _ => None,
        };
        let proxy = self.proxy.as_deref().or(kept.proxy.as_deref());
        let place = Place::parse(address, tls, proxy)?;
        let trust = if self.unverified {
            None
        } else {
            self.trust.clone().or(kept.trust)
        };
        Ok((place, trust))
    }
}

/// Whose packages are one's own: the signer's certificate, its CAs, and those of a folder.
pub(crate) fn own_trust(
    shell: &Shell,
    signer: &SignerArguments,
    others: Option<&Path>,
) -> anyhow::Result<TrustStore> {
    let others = others.map(verify::trust).transpose()?;
    let chain = match signer.choice(shell) {
        Ok(choice) => signer::certificates(&choice)?,
        Err(_nobody) if others.is_some() => Vec::new(),
        Err(nobody) => return Err(nobody),
    };
    Ok(perimeter(&chain, &others.unwrap_or_default()))
}

/// One's own repository: the one named, else that of the server in use, if any is known.
pub(crate) fn own_repository(
    shell: &Shell,
    named: Option<&str>,
    trust: SignerTrust,
) -> anyhow::Result<Option<ExternalRepository>> {
    if let Some(named) = named {
        return Ok(Some(ExternalRepository {
            name: named.to_owned(),
            place: Place::parse(named, None, None)?,
            trust,
        }));
    }
    let settings = shell.settings()?;
    if settings.server.is_none() && shell.server.is_none() {
        return Ok(None);
    }
    let (root, address) = connection::server(&settings, shell.server.as_deref())?;
    let tls = address.pin.map(ServerTrust::Pin);
    Ok(Some(ExternalRepository {
        place: Place::parse(&format!("{root}/wapt"), tls, None)?,
        name: root,
        trust,
    }))
}
