//! The description of a host in a file: JSON with the names under which agents report what they are.
//!
//! Lists may be JSON lists or comma lists. What is not known is collected, not refused, so that the
//! capabilities of any agent can be given as they are.

use jiff::Timestamp;
use muster_shared::catalogue::Capabilities;
use muster_shared::control::parse_date;
use muster_shared::name::implicit_unit_names;
use muster_shared::request::{Request, parse_list_as_wapt, split_list};
use serde_json::Value;

/// Attributes that agents report and that decide nothing here.
const IGNORED: [&str; 8] = [
    "fqdn",
    "hostname",
    "site",
    "wapt_edition",
    "packages_trusted_ca_fingerprints",
    "host_certificate_fingerprint",
    "host_certificate_authority_key_identifier",
    "computer_name",
];

/// Why a file does not describe a host.
#[derive(Debug, thiserror::Error)]
pub enum HostFileError {
    #[error("it is not JSON")]
    Json(#[source] serde_json::Error),
    #[error("it is not a JSON object")]
    NotAnObject,
    #[error("{attribute} is not {expected}: {value}")]
    Value {
        attribute: String,
        expected: &'static str,
        value: String,
    },
}

/// A package that the host has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HaveFacts {
    pub package: String,
    pub version: String,
    /// As reported, upper case; empty when not given.
    pub status: String,
    /// What it depends on; `None` when not given.
    pub depends: Option<Vec<Request>>,
}

impl HaveFacts {
    /// Its last installation failed, so that an upgrade tries it again.
    pub fn is_failed(&self) -> bool {
        matches!(self.status.as_str(), "ERROR" | "RETRY" | "POSTPONED")
    }
}

/// A host as a file describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostFile {
    pub capabilities: Capabilities,
    pub installed: Vec<HaveFacts>,
    /// The names of packages that the host looks for by itself: its own, its profiles, its units.
    pub implicit_names: Vec<String>,
    /// Attributes that mean nothing here.
    pub unknown: Vec<String>,
}

impl HostFile {
    /// Reads a description. `now` is the time asked about unless the file gives `on_date`; dates without a
    /// zone are UTC. What the file does not give has a fixed default, whatever this machine is: without `os` or
    /// `architecture` packages for any are taken.
    ///
    /// # Errors
    /// It is no JSON object, or an attribute has a value of another kind.
    pub fn parse(bytes: &[u8], now: Timestamp) -> Result<Self, HostFileError> {
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        let value: Value = serde_json::from_slice(bytes).map_err(HostFileError::Json)?;
        let Value::Object(attributes) = value else {
            return Err(HostFileError::NotAnObject);
        };
        let mut host = Self {
            capabilities: Capabilities {
                now,
                os: String::new(),
                architecture: String::new(),
                ..Capabilities::default()
            },
            installed: Vec::new(),
            implicit_names: Vec::new(),
            unknown: Vec::new(),
        };
        let mut own = Own::default();
        for (name, value) in &attributes {
            host.take(name, value, &mut own)?;
        }
        host.implicit_names = own.names();
        Ok(host)
    }

    fn take(&mut self, name: &str, value: &Value, own: &mut Own) -> Result<(), HostFileError> {
        let host = &mut self.capabilities;
        match name {
            "os" => {
                let os = text(name, value)?.to_lowercase();
                host.os = if os == "macos" { "darwin".to_owned() } else { os };
            }
            "os_version" => host.os_version = text(name, value)?,
            "architecture" => {
                let architecture = text(name, value)?.to_lowercase();
                host.architecture = match architecture.as_str() {
                    "amd64" | "x86_64" => "x64".to_owned(),
                    "i386" | "i686" => "x86".to_owned(),
                    "aarch64" => "arm64".to_owned(),
                    _ => architecture,
                };
            }
            "wapt_version" | "agent_version" => {
                let version = text(name, value)?;
                if !version.is_empty() {
                    host.agent_version = version;
                }
            }
            "language" => host.language = text(name, value)?,
            "packages_blacklist" => host.packages_blacklist = list(name, value)?,
            "packages_whitelist" => host.packages_whitelist = list(name, value)?,
            "packages_locales" | "locales" => host.locales = list(name, value)?,
            "packages_maturities" | "maturities" => host.maturities = list(name, value)?,
            "on_date" => {
                let date = text(name, value)?;
                if !date.is_empty() {
                    host.now = parse_date(&date, host.utc_offset_secs)
                        .ok_or_else(|| wrong(name, "a date such as 2026-01-31T12:00:00", value))?;
                }
            }
            "uuid" => own.uuid = text(name, value)?,
            "dn" | "computer_ad_dn" => own.dn = text(name, value)?,
            "host_profiles" => own.profiles = list(name, value)?,
            "host_packages_names" => own.given = list(name, value)?,
            "use_host_packages" => {
                own.is_off = match value {
                    Value::Bool(is_on) => !is_on,
                    Value::Null => false,
                    _ => return Err(wrong(name, "true or false", value)),
                };
            }
            "installed" => {
                let Value::Array(rows) = value else {
                    return Err(wrong(name, "a list", value));
                };
                self.installed = rows.iter().map(have).collect::<Result<_, _>>()?;
            }
            _ if IGNORED.contains(&name) => {}
            _ => self.unknown.push(name.to_owned()),
        }
        Ok(())
    }
}

/// What makes the names that a host looks for by itself.
#[derive(Debug, Default)]
struct Own {
    uuid: String,
    dn: String,
    profiles: Vec<String>,
    given: Vec<String>,
    is_off: bool,
}

impl Own {
    fn names(self) -> Vec<String> {
        if self.is_off {
            return Vec::new();
        }
        let mut names = self.given;
        names.push(self.uuid);
        names.extend(self.profiles);
        names.extend(implicit_unit_names(&self.dn));
        let mut seen = Vec::new();
        for name in names {
            if !name.is_empty() && !seen.contains(&name) {
                seen.push(name);
            }
        }
        seen
    }
}

fn have(row: &Value) -> Result<HaveFacts, HostFileError> {
    let Value::Object(row) = row else {
        return Err(wrong("installed", "a list of objects", row));
    };
    let field = |name: &str| {
        let value = row.get(name).unwrap_or(&Value::Null);
        text(&format!("installed.{name}"), value)
    };
    let depends = match row.get("depends") {
        None | Some(Value::Null) => None,
        Some(value) => Some(parse_list_as_wapt(&list("installed.depends", value)?.join(","))),
    };
    let package = field("package")?;
    let version = field("version")?;
    if package.is_empty() || version.is_empty() {
        return Err(wrong(
            "installed",
            "a list of objects with package and version",
            &Value::Object(row.clone()),
        ));
    }
    let status = match field("status")? {
        status if status.is_empty() => field("install_status")?,
        status => status,
    };
    Ok(HaveFacts {
        package,
        version,
        status: status.to_uppercase(),
        depends,
    })
}

fn text(attribute: &str, value: &Value) -> Result<String, HostFileError> {
    match value {
        Value::String(text) => Ok(text.trim().to_owned()),
        Value::Number(number) => Ok(number.to_string()),
        Value::Null => Ok(String::new()),
        _ => Err(wrong(attribute, "a text", value)),
    }
}

fn list(attribute: &str, value: &Value) -> Result<Vec<String>, HostFileError> {
    match value {
        Value::Array(items) => items.iter().map(|item| text(attribute, item)).collect(),
        Value::String(csv) => Ok(split_list(csv).map(ToOwned::to_owned).collect()),
        Value::Null => Ok(Vec::new()),
        _ => Err(wrong(attribute, "a list", value)),
    }
}

fn wrong(attribute: &str, expected: &'static str, value: &Value) -> HostFileError {
    let mut value = value.to_string();
    if value.chars().count() > 80 {
        value = value.chars().take(80).chain(['…']).collect();
    }
    HostFileError::Value {
        attribute: attribute.to_owned(),
        expected,
        value,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_agents_report_is_understood() {
        let host = parse(
            r#"{"uuid":"H1","dn":"CN=pc,OU=room,DC=ad,DC=lan","os":"Windows","os_version":"10.0.19045","architecture":"x64",
                "wapt_version":"1.8.2","packages_locales":"fr,en","packages_maturities":["PREPROD","PROD"],
                "packages_blacklist":null,"host_profiles":["accounting"],"on_date":"2026-01-31T12:00:00Z",
                "installed":[{"package":"a","version":"1.0-2","status":"ok","depends":"b(>=1)"}],"tail":1}"#,
        )
        .unwrap();
        assert_eq!(host.capabilities.os, "windows");
        assert_eq!(host.capabilities.locales, ["fr", "en"]);
        assert_eq!(host.capabilities.maturities, ["PREPROD", "PROD"]);
        assert_eq!(host.capabilities.now.to_string(), "2026-01-31T12:00:00Z");
        assert_eq!(host.unknown, ["tail"]);
        assert_eq!(host.implicit_names[..2], ["H1", "accounting"]);
        assert!(host.implicit_names.contains(&"OU=room_DC=ad_DC=lan".to_owned()));
        let have = &host.installed[0];
        assert_eq!((have.status.as_str(), have.is_failed()), ("OK", false));
        assert_eq!(have.depends.as_ref().unwrap()[0].to_string(), "b(>=1)");
    }

    #[test]
    fn a_value_of_another_kind_is_named() {
        for (json, named) in [
            ("[]", "not a JSON object"),
            ("{", "not JSON"),
            (r#"{"os":["windows"]}"#, "os is not a text"),
            (r#"{"packages_locales":3}"#, "packages_locales is not a list"),
            (r#"{"on_date":"soon"}"#, "on_date is not a date"),
            (
                r#"{"installed":[{"package":"a"}]}"#,
                "installed is not a list of objects with",
            ),
        ] {
            let error = parse(json).unwrap_err().to_string();
            assert!(error.contains(named), "{json}: {error}");
        }
    }

    #[test]
    fn what_is_not_given_does_not_depend_on_this_machine() {
        let host = parse("{}").unwrap().capabilities;
        assert_eq!((host.os.as_str(), host.architecture.as_str()), ("", ""));
        assert_eq!(host.utc_offset_secs, 0);
        assert_eq!(host.maturities, ["PROD"]);
    }

    #[test]
    fn a_host_without_packages_of_its_own_looks_for_none() {
        let host = parse(r#"{"use_host_packages":false,"uuid":"H1","host_profiles":["a"]}"#).unwrap();
        assert!(host.implicit_names.is_empty());
    }

    fn parse(json: &str) -> Result<HostFile, HostFileError> {
        HostFile::parse(json.as_bytes(), Timestamp::UNIX_EPOCH)
    }
}
