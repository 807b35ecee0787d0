//! Where this computer stands in the directory: its name there, its site, its groups.
//!
//! Three sources, in this order for each value: the configuration, the system (group policy's registry on Windows),
//! an LDAP server. A source that does not answer changes nothing: the last answer stays in force, with its time, and
//! the status says why. Only an answer takes something away.

mod connect;
mod error;
mod groups;
mod guard;
mod ldap;

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use muster_shared::name::implicit_unit_names;
use muster_shared::protocol::inventory::Block;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::agent::Agent;
use crate::config::{Config, Directory};
use crate::failure::Failure;
use crate::platform;
use crate::tasks::SCHEDULER;

/// An LDAP server that answered is asked again by the schedule after this long; somebody's order asks at once.
const FRESH_FOR: SignedDuration = SignedDuration::from_hours(2);

/// What a directory said of this computer. Empty where it says nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Answer {
    /// The computer's distinguished name.
    pub dn: String,
    pub site: String,
    /// Names of the groups that the computer is in, also through other groups; sorted.
    pub groups: Vec<String>,
    /// `registry`, or the address of an LDAP server.
    pub source: String,
}

/// What the system itself knows of this computer in the directory.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Computer {
    /// The computer's distinguished name.
    pub dn: String,
    pub site: String,
    /// Names of its groups; nothing when the system does not know them.
    pub groups: Option<Vec<String>>,
}

/// The last answer, and whether the directory answers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Known {
    pub answer: Answer,
    /// When it was given; nothing when the directory never answered.
    pub answered_at: Option<Timestamp>,
    pub asked_at: Option<Timestamp>,
    /// Why the directory did not answer the last time, empty when it did.
    pub error: String,
}

/// Where this computer stands, as it counts: the configuration over the last answer.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Standing {
    /// The computer's distinguished name, empty when it has none.
    pub dn: String,
    pub dn_from: String,
    pub site: String,
    pub site_from: String,
    /// Empty unless groups are used.
    pub groups: Vec<String>,
    pub groups_from: String,
    /// A directory is in use and has never answered: what follows from it is not known yet.
    pub is_unknown: bool,
}

/// What the configuration calls itself as a source.
const CONFIGURED: &str = "agent.toml";

impl Standing {
    /// The configuration over what is known from the directory.
    pub fn of(config: &Config, known: &Known) -> Self {
        let directory = &config.directory;
        // An answer of an LDAP server that is configured no longer says nothing.
        let is_ldap = known.answer.source.contains("://");
        let answer = if is_ldap && directory.ldap.is_none() {
            Answer::default()
        } else {
            known.answer.clone()
        };
        let from = |value: &str| {
            if value.is_empty() {
                ""
            } else {
                answer.source.as_str()
            }
            .to_owned()
        };
        let mut standing = Self {
            dn_from: from(&answer.dn),
            site_from: from(&answer.site),
            dn: answer.dn,
            site: answer.site,
            is_unknown: known.answered_at.is_none() && asks_ldap(directory),
            ..Self::default()
        };
        if directory.use_ad_groups {
            if !answer.groups.is_empty() {
                standing.groups_from.clone_from(&answer.source);
            }
            standing.groups = answer.groups;
        }
        if let Some(unit) = &directory.organizational_unit_dn {
            standing.dn = format!("CN={},{unit}", config.hostname());
            CONFIGURED.clone_into(&mut standing.dn_from);
        }
        if let Some(site) = &directory.site {
            standing.site.clone_from(site);
            CONFIGURED.clone_into(&mut standing.site_from);
        }
        standing
    }

    /// The organisational unit: the name without the computer's own part; empty when there is none.
    pub fn unit_dn(&self) -> String {
        let units = split_first(&self.dn).map(|(_own, parents)| parents.to_owned());
        units.unwrap_or_default()
    }

    /// The unit packages that follow, nearest first, each with the name as the directory writes it.
    pub fn units(&self) -> Vec<(String, String)> {
        let mut raw = self.unit_dn();
        let mut units = Vec::new();
        for name in implicit_unit_names(&self.dn) {
            units.push((name, raw.clone()));
            raw = split_first(&raw)
                .map(|(_own, parents)| parents.to_owned())
                .unwrap_or_default();
        }
        units
    }
}

/// Splits a distinguished name after its first part; a comma after a backslash belongs to the part.
fn split_first(dn: &str) -> Option<(&str, &str)> {
    let mut is_escaped = false;
    for (place, letter) in dn.char_indices() {
        if letter == ',' && !is_escaped {
            let (first, rest) = dn.split_at(place);
            return Some((first, rest.get(1..).unwrap_or_default().trim_start()));
        }
        is_escaped = letter == '\\' && !is_escaped;
    }
    None
}

/// An LDAP server is configured, and something that counts could come from it.
fn asks_ldap(directory: &Directory) -> bool {
    directory.ldap.is_some() && (directory.use_ad_groups || directory.organizational_unit_dn.is_none())
}

/// The standing of this computer as it is known now, without asking.
///
/// # Errors
/// When the database does not answer.
pub async fn standing(agent: &Agent) -> Result<Standing, Failure> {
    Ok(Standing::of(&agent.config, &agent.state.directory().await?))
}

/// Puts into the report where the computer stands, and that the directory does not answer.
pub fn report(blocks: &mut BTreeMap<Block, Value>, standing: &Standing, known: &Known) {
    if let Some(Value::Object(host)) = blocks.get_mut(&Block::Host) {
        for (field, value) in [("ou", standing.unit_dn()), ("site", standing.site.clone())] {
            if !value.is_empty() {
                host.insert(field.to_owned(), json!(value));
            }
        }
        if !standing.groups.is_empty() {
            host.insert("groups".to_owned(), json!(standing.groups));
        }
    }
    if !known.error.is_empty()
        && let Some(Value::Object(agent)) = blocks.get_mut(&Block::Agent)
        && let Value::Array(problems) = agent.entry("problems").or_insert_with(|| json!([]))
    {
        problems.push(json!(format!("directory: {}", known.error)));
    }
}

/// Asks the sources and keeps what they say; gives why one that should have answered did not.
///
/// # Errors
/// When the database does not take it.
pub async fn ask(agent: &Agent, ordered_by: &str) -> Result<Option<String>, Failure> {
    let directory = &agent.config.directory;
    let now = agent.now();
    let known = agent.state.directory().await?;
    let wants_groups = directory.use_ad_groups;
    let (mut answer, needs_ldap) =
        match tokio::task::spawn_blocking(move || platform::directory::computer(wants_groups))
            .await
            .unwrap_or_else(|error| {
                Err(format!(
                    "reading the system's view of the directory broke off: {error}"
                ))
            }) {
            Ok(Some(computer)) => {
                let lacks = computer.dn.is_empty() || (wants_groups && computer.groups.is_none());
                let answer = Answer {
                    dn: computer.dn,
                    site: computer.site,
                    groups: sorted(computer.groups.unwrap_or_default()),
                    source: "registry".to_owned(),
                };
                (Some(answer), lacks)
            }
            Ok(None) => (None, true),
            Err(reason) => return failed(agent, &known, reason).await,
        };
    if needs_ldap
        && asks_ldap(directory)
        && let Some(server) = &directory.ldap
    {
        let is_fresh = ordered_by == SCHEDULER
            && known.error.is_empty()
            && known.answer.source == server.url
            && known
                .answered_at
                .is_some_and(|at| at <= now && now.duration_since(at) < FRESH_FOR);
        if is_fresh {
            return Ok(None);
        }
        let question = ldap::Question {
            server,
            hostname: &agent.config.hostname(),
            fqdn: &agent.config.fqdn(),
            wants_groups,
        };
        match ldap::ask(&question).await {
            Ok(found) => {
                let mut whole = answer.take().unwrap_or_default();
                whole.source.clone_from(&server.url);
                if whole.dn.is_empty() {
                    whole.dn = found.dn;
                }
                whole.groups = sorted(found.groups);
                answer = Some(whole);
            }
            Err(error) => {
                return failed(agent, &known, muster_shared::hint::chain(&error)).await;
            }
        }
    }
    match answer {
        Some(answer) => {
            // The time of an unchanged answer is written when it is worth it: nothing else would change on the disk.
            let is_old = known
                .answered_at
                .is_none_or(|at| at > now || now.duration_since(at) >= SignedDuration::from_mins(30));
            if known.answer != answer || !known.error.is_empty() || is_old {
                if known.answered_at.is_some() && known.answer != answer {
                    tracing::info!(dn = answer.dn, groups = ?answer.groups, source = answer.source, "the directory says something new of this computer");
                }
                agent.state.directory_answered(&answer, now).await?;
            }
        }
        None if known != Known::default() => agent.state.forget_directory().await?,
        None => {}
    }
    Ok(None)
}

async fn failed(agent: &Agent, known: &Known, reason: String) -> Result<Option<String>, Failure> {
    agent.state.directory_failed(&reason, agent.now()).await?;
    let kept = if known.answered_at.is_some() {
        "what it said last stays in force"
    } else {
        "it has never answered yet"
    };
    tracing::warn!(error = reason, "the directory does not answer: {kept}");
    Ok(Some(format!("the directory does not answer ({reason}); {kept}")))
}

fn sorted(mut names: Vec<String>) -> Vec<String> {
    names.sort();
    names.dedup();
    names
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn config(text: &str) -> Config {
        Config::parse(
            &format!("fake_hostname = \"pc\"\n{text}"),
            Path::new("agent.toml"),
        )
        .unwrap()
    }

    fn known(source: &str) -> Known {
        Known {
            answer: Answer {
                dn: "CN=pc,OU=Dept A,DC=ad,DC=lan".to_owned(),
                site: "Lyon".to_owned(),
                groups: vec!["kiosks".to_owned()],
                source: source.to_owned(),
            },
            answered_at: Some(Timestamp::UNIX_EPOCH),
            ..Known::default()
        }
    }

    #[test]
    fn the_configuration_stands_over_the_directory() {
        let standing = Standing::of(&config(""), &known("registry"));
        assert_eq!(standing.unit_dn(), "OU=Dept A,DC=ad,DC=lan");
        assert!(standing.groups.is_empty(), "groups are used only when told so");
        let told = config(
            "use_ad_groups = true\nhost_organizational_unit_dn = \"OU=B,DC=x\"\nhost_ad_site = \"Nice\"",
        );
        let standing = Standing::of(&told, &known("registry"));
        assert_eq!(
            (standing.dn.as_str(), standing.site.as_str()),
            ("CN=pc,OU=B,DC=x", "Nice")
        );
        assert_eq!(standing.dn_from, "agent.toml");
        assert_eq!(standing.groups, ["kiosks"]);
    }

    #[test]
    fn units_are_the_parents_down_to_the_domain_in_both_spellings() {
        let standing = Standing::of(&config(""), &known("registry"));
        let expected = [
            ("OU=Dept~A_DC=ad_DC=lan", "OU=Dept A,DC=ad,DC=lan"),
            ("DC=ad_DC=lan", "DC=ad,DC=lan"),
        ];
        let expected = expected.map(|(name, raw)| (name.to_owned(), raw.to_owned()));
        assert_eq!(standing.units(), expected);
    }

    #[test]
    fn a_directory_that_is_configured_no_longer_says_nothing() {
        let standing = Standing::of(&config(""), &known("ldaps://dc"));
        assert!(standing.dn.is_empty() && !standing.is_unknown);
        let standing = Standing::of(&config("ldap_url = \"ldaps://other\""), &known("ldaps://dc"));
        assert!(!standing.dn.is_empty(), "until the other one answers");
        let standing = Standing::of(&config("ldap_url = \"ldaps://dc\""), &Known::default());
        assert!(standing.is_unknown);
    }

    #[test]
    fn a_comma_after_a_backslash_belongs_to_the_part() {
        let (own, parents) = split_first(r"CN=a\,b,OU=c, DC=d").unwrap();
        assert_eq!((own, parents), (r"CN=a\,b", "OU=c, DC=d"));
        assert_eq!(split_first("DC=d"), None);
    }
}
