//! What a host is and takes: everything that decides which packages it sees.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The predecessor's version whose packages this product runs: what `min_wapt_version` is compared with.
pub const WAPT_LEVEL: &str = "1.8.2";

/// The facts of a host that packages are filtered and ranked by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Capabilities {
    /// `windows`, `linux` or `darwin`; empty when unknown: packages for any system are taken.
    pub os: String,
    /// Numbers separated by dots, for example `10.0.19045`; empty when unknown.
    pub os_version: String,
    /// `x64`, `x86` or `arm64`: what the machine is; empty when unknown: packages for any are taken. See
    /// [`Capabilities::accepted_architectures`].
    pub architecture: String,
    /// Languages taken, most wanted first; empty takes all.
    pub locales: Vec<String>,
    /// Maturities taken, most wanted first; empty means `PROD` only.
    pub maturities: Vec<String>,
    /// Patterns of package names never taken (`*`, `?`, `[…]`).
    pub packages_blacklist: Vec<String>,
    /// Patterns of package names that alone are taken; empty takes all.
    pub packages_whitelist: Vec<String>,
    /// Where packages come from, the main repository first: of one version in several, the first one's is taken.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub repositories: Vec<RepositoryLists>,
    /// What `min_wapt_version` is compared with, [`WAPT_LEVEL`] unless told otherwise.
    pub agent_version: String,
    /// The language in which descriptions are shown, for example `fr`.
    pub language: String,
    /// How far the host's local time is ahead of UTC, in seconds: dates of packages without a zone are local.
    pub utc_offset_secs: i32,
    /// The time for which the question is asked.
    pub now: Timestamp,
}

/// A repository, with the lists that it has in place of the host's.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RepositoryLists {
    pub name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub maturities: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub packages_blacklist: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub packages_whitelist: Option<Vec<String>>,
}

impl RepositoryLists {
    /// The host as packages of this repository see it; `None` when it has no lists of its own.
    pub(super) fn view_of(&self, host: &Capabilities) -> Option<Capabilities> {
        if self.maturities.is_none() && self.packages_blacklist.is_none() && self.packages_whitelist.is_none()
        {
            return None;
        }
        let or = |own: &Option<Vec<String>>, of_host: &Vec<String>| own.as_ref().unwrap_or(of_host).clone();
        Some(Capabilities {
            maturities: or(&self.maturities, &host.maturities),
            packages_blacklist: or(&self.packages_blacklist, &host.packages_blacklist),
            packages_whitelist: or(&self.packages_whitelist, &host.packages_whitelist),
            ..host.clone()
        })
    }
}

impl Default for Capabilities {
    /// The system and architecture that this program was built for, `PROD` packages, any language, at the
    /// epoch: set `now`.
    fn default() -> Self {
        Self {
            os: match std::env::consts::OS {
                "macos" => "darwin",
                other => other,
            }
            .to_owned(),
            os_version: String::new(),
            architecture: match std::env::consts::ARCH {
                "x86_64" => "x64",
                "aarch64" => "arm64",
                other => other,
            }
            .to_owned(),
            locales: Vec::new(),
            maturities: vec!["PROD".to_owned()],
            packages_blacklist: Vec::new(),
            packages_whitelist: Vec::new(),
            repositories: Vec::new(),
            agent_version: WAPT_LEVEL.to_owned(),
            language: "en".to_owned(),
            utc_offset_secs: 0,
            now: Timestamp::UNIX_EPOCH,
        }
    }
}

impl Capabilities {
    /// The architectures of packages that the host takes, best first.
    ///
    /// None when the host's is unknown: then any is taken. Windows runs 32-bit software on 64-bit machines, so packages for it are taken there.
    pub fn accepted_architectures(&self) -> Vec<&str> {
        let is_windows = self.os.eq_ignore_ascii_case("windows");
        match (self.architecture.as_str(), is_windows) {
            ("x64", true) => vec!["x64", "x86"],
            ("arm64", true) => vec!["arm64", "x64", "x86"],
            ("", _) => Vec::new(),
            (own, _) => vec![own],
        }
    }

    /// The maturities taken, best first.
    pub(super) fn accepted_maturities(&self) -> Vec<&str> {
        if self.maturities.is_empty() {
            return vec!["PROD"];
        }
        self.maturities
            .iter()
            .map(|maturity| {
                if maturity.is_empty() {
                    "PROD"
                } else {
                    maturity.as_str()
                }
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_takes_narrower_architectures_too() {
        let host = |os: &str, architecture: &str| Capabilities {
            os: os.into(),
            architecture: architecture.into(),
            ..Capabilities::default()
        };
        assert_eq!(host("windows", "x64").accepted_architectures(), ["x64", "x86"]);
        assert_eq!(host("windows", "x86").accepted_architectures(), ["x86"]);
        assert_eq!(host("linux", "x64").accepted_architectures(), ["x64"]);
    }

    #[test]
    fn fields_left_out_in_json_have_defaults() {
        let host: Capabilities = serde_json::from_str(r#"{"os":"windows"}"#).unwrap();
        assert_eq!(host.agent_version, WAPT_LEVEL);
        assert_eq!(host.maturities, ["PROD"]);
        let json = serde_json::to_string(&host).unwrap();
        assert_eq!(serde_json::from_str::<Capabilities>(&json).unwrap(), host);
    }
}
