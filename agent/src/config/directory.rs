//! Where this machine stands in the directory (organisational unit, site, groups), and which packages follow.

use std::path::PathBuf;

use serde::Deserialize;
use serde_json::{Value, json};

use super::{ConfigError, ConfigFile, Topic};

/// At most this many profiles are named in the file.
const MAX_PROFILES: usize = 100;

/// What the file says about the directory and its packages.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Directory {
    /// Profile packages that this host looks for, whatever the directory says.
    pub host_profiles: Vec<String>,
    /// The computer's groups in the directory are names of profile packages.
    pub use_ad_groups: bool,
    /// The organisational unit, in place of what the directory says.
    pub organizational_unit_dn: Option<String>,
    /// The site, in place of what the directory says.
    pub site: Option<String>,
    /// The directory that is asked, when there is one.
    pub ldap: Option<Ldap>,
}

/// How an LDAP directory is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ldap {
    /// `ldap://name[:port]` or `ldaps://name[:port]`.
    pub url: String,
    /// TLS begins on the plain port.
    pub start_tls: bool,
    /// Below it the computer and its groups are looked for; the server's own naming context when not set.
    pub base_dn: Option<String>,
    /// Who asks; anonymous when not set.
    pub bind: Option<Bind>,
    /// The PEM file with the authorities of the server's certificate; the system's when not set.
    pub authorities: Option<PathBuf>,
}

/// A name in the directory and where its password is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bind {
    pub dn: String,
    pub password_file: PathBuf,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Keys {
    host_profiles: Vec<String>,
    use_ad_groups: bool,
    host_organizational_unit_dn: Option<String>,
    host_ad_site: Option<String>,
    ldap_url: Option<String>,
    ldap_start_tls: bool,
    ldap_base_dn: Option<String>,
    ldap_bind_dn: Option<String>,
    ldap_password_file: Option<PathBuf>,
    verify_cert_ldap: Option<VerifyCert>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum VerifyCert {
    Flag(bool),
    Path(PathBuf),
}

impl Topic for Directory {
    const KEYS: &'static [&'static str] = &[
        "host_profiles",
        "use_ad_groups",
        "host_organizational_unit_dn",
        "host_ad_site",
        "ldap_url",
        "ldap_start_tls",
        "ldap_base_dn",
        "ldap_bind_dn",
        "ldap_password_file",
        "verify_cert_ldap",
    ];

    fn read(keys: toml::Table, file: &ConfigFile<'_>) -> Result<Self, ConfigError> {
        let keys: Keys = file.keys(keys)?;
        let host_profiles = not_empty(keys.host_profiles);
        if host_profiles.len() > MAX_PROFILES {
            let count = host_profiles.len().to_string();
            return Err(file.bad("host_profiles", &count, "names more than 100 profiles"));
        }
        let organizational_unit_dn = set(keys.host_organizational_unit_dn);
        if let Some(dn) = &organizational_unit_dn
            && !is_dn(dn)
        {
            return Err(file.bad(
                "host_organizational_unit_dn",
                dn,
                "must be a distinguished name such as OU=Sales,DC=ad,DC=example,DC=org",
            ));
        }
        let ldap = match file.url(
            "ldap_url",
            keys.ldap_url,
            &["ldap://", "ldaps://"],
            "must begin with ldap:// or ldaps://",
        )? {
            None => None,
            Some(url) => {
                let authorities = match keys.verify_cert_ldap {
                    None | Some(VerifyCert::Flag(true)) => None,
                    Some(VerifyCert::Path(path)) => Some(path),
                    Some(VerifyCert::Flag(false)) => {
                        return Err(file.bad(
                            "verify_cert_ldap",
                            "false",
                            "is not offered: an unchecked directory decides what is assigned; give the PEM file of its \
                             authority instead",
                        ));
                    }
                };
                let is_tls = url.starts_with("ldaps://") || keys.ldap_start_tls;
                let bind = match (set(keys.ldap_bind_dn), keys.ldap_password_file) {
                    (None, None) => None,
                    (Some(dn), Some(_)) if !is_tls => {
                        return Err(file.bad(
                            "ldap_bind_dn",
                            &dn,
                            "would send its password readably: use ldaps://, or set ldap_start_tls = true",
                        ));
                    }
                    (Some(dn), Some(password_file)) => Some(Bind { dn, password_file }),
                    (Some(dn), None) => {
                        return Err(file.bad("ldap_bind_dn", &dn, "needs ldap_password_file"));
                    }
                    (None, Some(path)) => {
                        let path = path.display().to_string();
                        return Err(file.bad("ldap_password_file", &path, "needs ldap_bind_dn"));
                    }
                };
                Some(Ldap {
                    url,
                    start_tls: keys.ldap_start_tls,
                    base_dn: set(keys.ldap_base_dn),
                    bind,
                    authorities,
                })
            }
        };
        Ok(Self {
            host_profiles,
            use_ad_groups: keys.use_ad_groups,
            organizational_unit_dn,
            site: set(keys.host_ad_site),
            ldap,
        })
    }

    fn shown(&self) -> Vec<(&'static str, Value)> {
        let ldap = self.ldap.as_ref();
        let bind = ldap.and_then(|ldap| ldap.bind.as_ref());
        vec![
            ("host_profiles", json!(self.host_profiles)),
            ("use_ad_groups", json!(self.use_ad_groups)),
            ("host_organizational_unit_dn", json!(self.organizational_unit_dn)),
            ("host_ad_site", json!(self.site)),
            ("ldap_url", json!(ldap.map(|ldap| &ldap.url))),
            ("ldap_start_tls", json!(ldap.is_some_and(|ldap| ldap.start_tls))),
            ("ldap_base_dn", json!(ldap.map(|ldap| &ldap.base_dn))),
            ("ldap_bind_dn", json!(bind.map(|bind| &bind.dn))),
            ("ldap_password_file", json!(bind.map(|bind| &bind.password_file))),
            (
                "verify_cert_ldap",
                match ldap.and_then(|ldap| ldap.authorities.as_ref()) {
                    Some(path) => json!(path),
                    None => json!(true),
                },
            ),
        ]
    }
}

fn set(text: Option<String>) -> Option<String> {
    text.map(|text| text.trim().to_owned())
        .filter(|text| !text.is_empty())
}

fn not_empty(list: Vec<String>) -> Vec<String> {
    let trimmed = list.into_iter().map(|item| item.trim().to_owned());
    trimmed.filter(|item| !item.is_empty()).collect()
}

/// Every part has the form `kind=value`; a comma after a backslash belongs to the value.
fn is_dn(text: &str) -> bool {
    text.replace("\\,", "").split(',').all(|part| {
        part.split_once('=')
            .is_some_and(|(kind, value)| !kind.trim().is_empty() && !value.trim().is_empty())
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::Config;
    use super::*;

    fn parse(text: &str) -> Result<Directory, String> {
        Config::parse(text, Path::new("agent.toml"))
            .map(|config| config.directory)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn a_directory_over_tls_with_a_name_and_a_password_file_is_taken() {
        let directory = parse(
            "use_ad_groups = true\nhost_profiles = [\"kiosk\", \" \"]\nldap_url = \"ldap://dc.example.org/\"\n\
             ldap_start_tls = true\nldap_bind_dn = \"cn=agent,dc=example\"\nldap_password_file = \"/etc/muster/ldap\"\n\
             verify_cert_ldap = \"/etc/muster/ldap.pem\"",
        )
        .unwrap();
        assert_eq!(directory.host_profiles, ["kiosk"]);
        let ldap = directory.ldap.unwrap();
        assert_eq!(ldap.url, "ldap://dc.example.org");
        assert_eq!(ldap.bind.unwrap().dn, "cn=agent,dc=example");
        assert_eq!(ldap.authorities.unwrap(), Path::new("/etc/muster/ldap.pem"));
    }

    #[test]
    fn values_that_would_weaken_or_mean_nothing_are_refused_by_name() {
        for (text, key) in [
            (
                "host_organizational_unit_dn = \"Sales\"",
                "host_organizational_unit_dn",
            ),
            ("ldap_url = \"https://dc\"", "ldap_url"),
            (
                "ldap_url = \"ldaps://dc\"\nverify_cert_ldap = false",
                "verify_cert_ldap",
            ),
            (
                "ldap_url = \"ldaps://dc\"\nldap_bind_dn = \"cn=a\"",
                "ldap_bind_dn",
            ),
            (
                "ldap_url = \"ldap://dc\"\nldap_bind_dn = \"cn=a\"\nldap_password_file = \"/p\"",
                "ldap_bind_dn",
            ),
            (
                "ldap_url = \"ldaps://dc\"\nldap_password_file = \"/p\"",
                "ldap_password_file",
            ),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.contains(key), "{text}: {error}");
        }
    }

    #[test]
    fn a_comma_inside_a_name_is_no_new_part() {
        assert!(is_dn("OU=Sales\\, North,DC=example"));
        assert!(!is_dn("OU=Sales, North"));
    }
}
