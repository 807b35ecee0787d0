//! Which address serves a repository to a host: rules that an administrator signs once for the whole fleet.
//!
//! Parties: a *person* signs the document (an [`Envelope`](crate::envelope::Envelope) of [`RULES_TYPE`]); the
//! repository only carries it; the *agent* judges signature, chain, purpose and time before it reads one rule. A
//! rule leads to bytes and to nothing else: what comes from its address is judged like anything from anywhere.
//!
//! The document is its own version: `issued_at`. An agent never goes back to one that was issued earlier, and one
//! from more than [`MAX_AHEAD`] ahead of its clock is refused, so that nobody can lock agents out of all later ones.
//!
//! Evaluation is pure: rules in ascending sequence; those whose condition holds are tried in turn; the first that
//! is available serves, one with `no_fallback` serves whether it is available or not; when none serves, the
//! configured address does. What a host does not know about itself (its site, its public address) fulfils no
//! condition, negated or not.

mod network;

use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

pub use self::network::{Network, NetworkError};
use crate::filter::glob::{Glob, Syntax};
use crate::request::split_list;

/// The payload type of the envelope.
pub const RULES_TYPE: &str = "application/vnd.muster.rules+json";
/// The version of the payload that is read and written.
pub const RULES_VERSION: u32 = 1;
/// The file beside the index.
pub const RULES_FILE: &str = "rules.json";
/// The largest file, in bytes: what an envelope may hold with its certificates.
pub const MAX_RULES_FILE_BYTES: usize = 512 * 1024;
/// The most rules of one document.
pub const MAX_REPOSITORY_RULES: usize = 500;
/// The longest life of a document, in days.
pub const MAX_RULES_LIFETIME_DAYS: i64 = 400;
/// How far a document may be issued ahead of the clock of whoever reads it.
pub const MAX_AHEAD: SignedDuration = SignedDuration::from_hours(24);
/// The name of the main repository in rules and in configurations.
pub const MAIN_REPOSITORY: &str = "wapt";

/// The longest text of a rule, in characters.
const MAX_CHARS: usize = 1000;

/// The signed payload.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RepositoryRules {
    /// Always [`RULES_VERSION`].
    pub version: u32,
    /// Which of two documents is the later one.
    pub issued_at: Timestamp,
    pub expires_at: Timestamp,
    pub rules: Vec<Rule>,
}

/// One rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Rules are tried in ascending order; each has a number of its own.
    pub sequence: u32,
    /// What people call it.
    pub name: String,
    pub condition: Condition,
    /// What the condition compares with; several separated by commas, of which one has to fit.
    pub value: String,
    /// The rule is for the hosts that do not fit.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub negation: bool,
    /// This address serves even when it does not answer; no later rule and no configured address is tried.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub no_fallback: bool,
    /// The address that serves, `https://…`.
    pub repo_url: String,
    /// SHA-256 of the certificate of that address or of its authority, when it is not one that hosts trust anyway.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server_pin: Option<String>,
    /// The repositories that it serves, by their names in the configuration; empty means [`MAIN_REPOSITORY`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub repositories: Vec<String>,
}

/// What a rule looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Condition {
    /// The host's own address toward the repository lies in a network.
    #[serde(rename = "AGENT IP")]
    AgentIp,
    /// The host's domain.
    #[serde(rename = "DOMAIN")]
    Domain,
    /// The host's name.
    #[serde(rename = "HOSTNAME")]
    Hostname,
    /// The address under which the server sees the host lies in a network.
    #[serde(rename = "PUBLIC IP")]
    PublicIp,
    /// The host's site in the directory.
    #[serde(rename = "SITE")]
    Site,
}

impl Condition {
    /// All, as people write them.
    pub const ALL: [Self; 5] = [
        Self::AgentIp,
        Self::Domain,
        Self::Hostname,
        Self::PublicIp,
        Self::Site,
    ];

    /// The words shown everywhere.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AgentIp => "AGENT IP",
            Self::Domain => "DOMAIN",
            Self::Hostname => "HOSTNAME",
            Self::PublicIp => "PUBLIC IP",
            Self::Site => "SITE",
        }
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// Why a document is not used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RepositoryRulesError {
    #[error("the rules are of version {0}, and {RULES_VERSION} is read")]
    Version(u32),
    #[error("{0} rules are too many, at most {MAX_REPOSITORY_RULES} are read")]
    TooMany(usize),
    #[error("the sequence {0} is there twice")]
    Sequence(u32),
    #[error("rule {sequence}: {key} {rule}")]
    Value {
        sequence: u32,
        key: &'static str,
        rule: String,
    },
    #[error("the rules end before they begin, or live longer than {MAX_RULES_LIFETIME_DAYS} days")]
    Unbounded,
    #[error("the rules were issued on {issued_at}, it is {now} here")]
    Ahead { issued_at: Timestamp, now: Timestamp },
    #[error("the rules expired on {expires_at}, it is {now} here")]
    Expired { expires_at: Timestamp, now: Timestamp },
    #[error("the rules were issued on {issued_at}, and some of {seen} were in force here")]
    Older { issued_at: Timestamp, seen: Timestamp },
}

/// What a host knows about itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HostFacts {
    /// The host's name, with its domain when it has one.
    pub hostname: String,
    /// The domain of the directory, else of the name.
    pub domain: Option<String>,
    pub site: Option<String>,
    /// Its own address toward the repository.
    pub agent_ip: Option<IpAddr>,
    /// Its address as the server sees it.
    pub public_ip: Option<IpAddr>,
}

impl RepositoryRules {
    /// Checks everything that needs no clock, and puts the rules in their order.
    ///
    /// # Errors
    /// The first rule of this format that the document breaks.
    pub fn checked(mut self) -> Result<Self, RepositoryRulesError> {
        if self.version != RULES_VERSION {
            return Err(RepositoryRulesError::Version(self.version));
        }
        if self.rules.len() > MAX_REPOSITORY_RULES {
            return Err(RepositoryRulesError::TooMany(self.rules.len()));
        }
        let longest = SignedDuration::from_hours(24 * MAX_RULES_LIFETIME_DAYS);
        if self.expires_at <= self.issued_at || self.expires_at.duration_since(self.issued_at) > longest {
            return Err(RepositoryRulesError::Unbounded);
        }
        let mut seen = BTreeSet::new();
        for rule in &mut self.rules {
            if !seen.insert(rule.sequence) {
                return Err(RepositoryRulesError::Sequence(rule.sequence));
            }
            rule.check()?;
        }
        self.rules.sort_by_key(|rule| rule.sequence);
        Ok(self)
    }

    /// Checks the times; `seen` is when the latest document that was ever in force had been issued.
    ///
    /// # Errors
    /// It is from the future, expired, or older than one that was in force.
    pub fn check_times(&self, now: Timestamp, seen: Option<Timestamp>) -> Result<(), RepositoryRulesError> {
        if self.issued_at.duration_since(now) > MAX_AHEAD {
            return Err(RepositoryRulesError::Ahead {
                issued_at: self.issued_at,
                now,
            });
        }
        if now > self.expires_at {
            return Err(RepositoryRulesError::Expired {
                expires_at: self.expires_at,
                now,
            });
        }
        match seen {
            Some(seen) if self.issued_at < seen => Err(RepositoryRulesError::Older {
                issued_at: self.issued_at,
                seen,
            }),
            _ => Ok(()),
        }
    }

    /// The rules to try for a repository, in turn: the first that is available serves, and so does the last one when
    /// it has `no_fallback`. None: the configured address serves.
    pub fn candidates(&self, repository: &str, facts: &HostFacts) -> Vec<&Rule> {
        let mut candidates = Vec::new();
        for rule in &self.rules {
            if rule.is_for(repository) && rule.holds(facts) {
                candidates.push(rule);
                if rule.no_fallback {
                    break;
                }
            }
        }
        candidates
    }
}

impl Rule {
    /// Whether it says anything about a repository.
    pub fn is_for(&self, repository: &str) -> bool {
        if self.repositories.is_empty() {
            return repository == MAIN_REPOSITORY;
        }
        self.repositories.iter().any(|name| name == repository)
    }

    /// Whether its condition holds, negation counted. What is not known holds neither way.
    pub fn holds(&self, facts: &HostFacts) -> bool {
        let fits = match self.condition {
            Condition::AgentIp => facts.agent_ip.map(|own| self.contains(own)),
            Condition::PublicIp => facts.public_ip.map(|own| self.contains(own)),
            Condition::Domain => facts.domain.as_deref().map(|own| self.matches(own)),
            Condition::Site => facts.site.as_deref().map(|own| self.matches(own)),
            Condition::Hostname => {
                let short = facts.hostname.split('.').next().unwrap_or_default();
                let known = !facts.hostname.is_empty();
                known.then(|| self.matches(&facts.hostname) || self.matches(short))
            }
        };
        fits.is_some_and(|fits| fits != self.negation)
    }

    fn contains(&self, address: IpAddr) -> bool {
        split_list(&self.value)
            .filter_map(|part| part.parse::<Network>().ok())
            .any(|network| network.contains(address))
    }

    fn matches(&self, text: &str) -> bool {
        split_list(&self.value).any(|pattern| Glob::new(pattern, Syntax::Shell).matches(text))
    }

    fn check(&mut self) -> Result<(), RepositoryRulesError> {
        let sequence = self.sequence;
        let bad = |key, rule: &str| RepositoryRulesError::Value {
            sequence,
            key,
            rule: rule.to_owned(),
        };
        let texts = [
            ("name", &self.name),
            ("value", &self.value),
            ("repo_url", &self.repo_url),
        ];
        for (key, text) in texts {
            if text.trim().is_empty() {
                return Err(bad(key, "is empty"));
            }
            if text.chars().count() > MAX_CHARS || text.chars().any(char::is_control) {
                return Err(bad(key, "is too long or holds control characters"));
            }
        }
        if split_list(&self.value).next().is_none() {
            return Err(bad("value", "names nothing to compare with"));
        }
        if matches!(self.condition, Condition::AgentIp | Condition::PublicIp) {
            for part in split_list(&self.value) {
                part.parse::<Network>()
                    .map_err(|error| bad("value", &error.to_string()))?;
            }
        }
        let host = self.repo_url.strip_prefix("https://").unwrap_or_default();
        if host.is_empty() || host.starts_with(['/', ':']) || self.repo_url.contains(['?', '#', '@', ' ']) {
            return Err(bad("repo_url", "must be an address https://NAME[:PORT]/PATH"));
        }
        if let Some(pin) = &self.server_pin {
            let digits = crate::crypto::tls::parse_pin(pin)
                .map_err(|_error| bad("server_pin", "must be the 64 hexadecimal digits of a SHA-256"))?;
            self.server_pin = Some(digits);
        }
        let is_name = |name: &String| {
            (1..=64).contains(&name.len())
                && name
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'))
        };
        if self.repositories.len() > 100 || !self.repositories.iter().all(is_name) {
            return Err(bad(
                "repositories",
                "must be names of 1 to 64 characters of 0-9 A-Z a-z . _ -",
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
