//! What a new certificate is to say: options that a key in a file and a key on a token share.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use jiff::SignedDuration;
use muster_shared::crypto::issue::{Purpose, Subject};

use crate::admin::key::{self, Issuer};
use crate::cli::Shell;
use crate::cli::secret::SecretSource;
use crate::cli::signer::{Authority, uri_of};

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    /// Accepted everywhere, also by agents of WAPT 1.8
    Rsa,
    /// EC P-256: smaller and faster; agents of WAPT 1.8 refuse it
    Ec,
}

#[derive(Debug, Args)]
pub(crate) struct KindArguments {
    /// Kind of key
    #[arg(long = "type", value_name = "KIND", value_enum, default_value_t = Kind::Rsa)]
    pub(crate) kind: Kind,
    /// Length of an RSA key, 2048 to 4096
    #[arg(long, default_value_t = 2048, value_parser = clap::value_parser!(u16).range(2048..=4096))]
    pub(crate) bits: u16,
}

#[derive(Debug, Args)]
pub(crate) struct ProfileArguments {
    /// Your name, shown as the signer of your packages [default: the base name]
    #[arg(long, value_name = "TEXT")]
    cn: Option<String>,
    #[arg(
        long,
        value_name = "TEXT",
        default_value = "",
        hide_default_value = true,
        help = "Organisation"
    )]
    organisation: String,
    #[arg(
        long,
        value_name = "TEXT",
        default_value = "",
        hide_default_value = true,
        help = "Service or department"
    )]
    unit: String,
    #[arg(
        long,
        value_name = "TEXT",
        default_value = "",
        hide_default_value = true,
        help = "City"
    )]
    locality: String,
    /// Two letters
    #[arg(long, value_name = "XX", default_value = "", hide_default_value = true)]
    country: String,
    #[arg(
        long,
        value_name = "ADDRESS",
        default_value = "",
        hide_default_value = true,
        help = "E-mail address"
    )]
    email: String,
    /// How long the certificate is valid, in days
    #[arg(long, value_name = "DAYS", default_value_t = 3650, value_parser = clap::value_parser!(u16).range(1..=10980))]
    days: u16,
    /// The certificate may not sign packages that carry code (setup.py)
    #[arg(long)]
    no_code_signing: bool,
    /// The certificate may issue certificates for others
    #[arg(long)]
    ca: bool,
    /// Have the certificate issued by this CA instead of signing it by itself (PEM, or a PKCS#11 URI)
    #[arg(long, value_name = "FILE|URI")]
    issuer: Option<PathBuf>,
    /// Key of that CA (PEM, or a PKCS#11 URI); its secret is asked for first [default: the CA's name with .pem]
    #[arg(long, value_name = "FILE|URI", requires = "issuer")]
    issuer_key: Option<PathBuf>,
}

impl ProfileArguments {
    pub(crate) fn subject(&self, base: &str) -> Subject {
        Subject {
            common_name: self.cn.clone().unwrap_or_else(|| base.to_owned()),
            organisation: self.organisation.clone(),
            unit: self.unit.clone(),
            locality: self.locality.clone(),
            country: self.country.clone(),
            email: self.email.clone(),
        }
    }

    pub(crate) fn purpose(&self) -> Purpose {
        Purpose {
            code_signing: !self.no_code_signing,
            client_auth: true,
            authority: self.ca,
        }
    }

    pub(crate) fn valid_for(&self) -> SignedDuration {
        SignedDuration::from_hours(24 * i64::from(self.days))
    }

    /// The open CA, when there is one; its secret comes from `source`.
    pub(crate) fn issuer(&self, source: &SecretSource, shell: &Shell) -> anyhow::Result<Issuer> {
        let Some(issuer) = &self.issuer else {
            return Ok(Issuer::SelfSigned);
        };
        if uri_of(Some(issuer)).is_none() {
            // Said before anybody looks for a key or types a password.
            key::check_issuer(issuer)?;
        }
        let authority = Authority {
            certificate: issuer,
            key: self.issuer_key.as_deref(),
            module: None,
        };
        Ok(key::issuer(authority.open(source, shell)?)?)
    }
}
