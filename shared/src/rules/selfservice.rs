//! Who may install what by themselves: groups or users, each with the packages that it is offered.
//!
//! The file `WAPT/selfservice.json` is `{"GROUP or USER": ["package", …], …}`. Several packages of the section
//! `selfservice` on one host are merged by union: each adds rights, none takes any away. Groups and users are
//! compared without regard to case, as directories do. What a person is offered never includes packages of the
//! sections `restricted`, `host`, `unit`, `profile`, `wsus`, `waptwua` and `selfservice`, whatever a rule says.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{RulesError, members, texts};
use crate::control::Section;
use crate::name::PackageName;

/// The most groups and users of one file.
pub const MAX_GROUPS: usize = 10_000;
/// The most packages of one group or user.
pub const MAX_PACKAGES: usize = 10_000;
/// The longest name of a group or user, in characters.
const MAX_GROUP_CHARS: usize = 256;

/// Rules of one package, or of several merged.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SelfServiceRules {
    /// Group or user as first written → names of packages.
    groups: BTreeMap<String, BTreeSet<String>>,
}

impl SelfServiceRules {
    /// Reads the file of a package.
    ///
    /// # Errors
    /// It is no JSON object, or a key or value of it breaks a rule, which is named.
    pub fn parse(bytes: &[u8]) -> Result<Self, RulesError> {
        let members = members(bytes)?;
        if members.len() > MAX_GROUPS {
            return Err(RulesError::value(
                "the file",
                format!("has more than {MAX_GROUPS} groups"),
            ));
        }
        let mut rules = Self::default();
        for (group, packages) in members {
            let key = format!("{group:?}");
            let trimmed = group.trim();
            if trimmed.is_empty() {
                return Err(RulesError::value(key, "names no group or user"));
            }
            if trimmed.chars().count() > MAX_GROUP_CHARS || trimmed.chars().any(char::is_control) {
                return Err(RulesError::value(
                    key,
                    format!(
                        "is no name of a group or user (at most {MAX_GROUP_CHARS} characters, none of control)"
                    ),
                ));
            }
            let packages = texts(&key, packages)?;
            if packages.len() > MAX_PACKAGES {
                return Err(RulesError::value(
                    key,
                    format!("has more than {MAX_PACKAGES} packages"),
                ));
            }
            for package in &packages {
                if let Err(error) = package.parse::<PackageName>() {
                    return Err(RulesError::value(
                        key,
                        format!("lists {package:?}, which is no package name: {error}"),
                    ));
                }
            }
            rules.allow(trimmed, packages);
        }
        Ok(rules)
    }

    /// The file of a package, with groups and packages in order.
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).unwrap_or_default()
    }

    /// Offers packages to a group or user.
    pub fn allow(&mut self, group: &str, packages: impl IntoIterator<Item = String>) {
        let known = self.groups.keys().find(|known| is_same(known, group)).cloned();
        self.groups
            .entry(known.unwrap_or_else(|| group.to_owned()))
            .or_default()
            .extend(packages);
    }

    /// The union of the rules of several packages; their order makes no difference to what is allowed.
    pub fn merged(all: impl IntoIterator<Item = Self>) -> Self {
        // Folded names as keys: many large files stay linear in their size.
        let mut by_folded: BTreeMap<String, (String, BTreeSet<String>)> = BTreeMap::new();
        for (group, packages) in all.into_iter().flat_map(|rules| rules.groups) {
            let (name, offered) = by_folded
                .entry(group.to_lowercase())
                .or_insert_with(|| (group.clone(), BTreeSet::new()));
            // Which spelling stays may not depend on the order of the packages.
            if group < *name {
                *name = group;
            }
            offered.extend(packages);
        }
        Self {
            groups: by_folded.into_values().collect(),
        }
    }

    /// Groups and users with the packages that each is offered.
    pub fn groups(&self) -> impl Iterator<Item = (&str, &BTreeSet<String>)> {
        self.groups
            .iter()
            .map(|(group, packages)| (group.as_str(), packages))
    }

    /// No rule at all.
    pub fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }

    /// Whether a person may install and remove a package: `identities` are their login name and their groups.
    pub fn allows(&self, identities: &[String], package: &str, section: Section) -> bool {
        is_offered(section)
            && self.groups.iter().any(|(group, packages)| {
                packages.contains(package) && identities.iter().any(|own| is_same(own, group))
            })
    }
}

/// Whether packages of a section may ever be in a self-service.
pub fn is_offered(section: Section) -> bool {
    matches!(section, Section::Base | Section::Group)
}

fn is_same(one: &str, other: &str) -> bool {
    one.to_lowercase() == other.to_lowercase()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rules(text: &str) -> SelfServiceRules {
        SelfServiceRules::parse(text.as_bytes()).unwrap()
    }

    fn identities(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn several_packages_add_up() {
        let merged = SelfServiceRules::merged([
            rules(r#"{"Accounting": ["tis-a"], "bob": ["tis-c"]}"#),
            rules(r#"{"accounting": ["tis-b"]}"#),
        ]);
        let accounting = identities(&["alice", "ACCOUNTING"]);
        for package in ["tis-a", "tis-b"] {
            assert!(merged.allows(&accounting, package, Section::Base), "{package}");
        }
        assert!(!merged.allows(&accounting, "tis-c", Section::Base));
        assert!(merged.allows(&identities(&["Bob"]), "tis-c", Section::Base));
    }

    #[test]
    fn restricted_packages_are_never_offered() {
        let rules = rules(r#"{"all": ["tis-a"]}"#);
        for section in Section::ALL {
            let expected = matches!(section, Section::Base | Section::Group);
            assert_eq!(
                rules.allows(&identities(&["all"]), "tis-a", section),
                expected,
                "{section}"
            );
        }
    }

    #[test]
    fn a_group_that_is_named_twice_has_both_lists() {
        let rules = rules(r#"{"g": ["a"], "g": ["b"], "h": "c", "empty": []}"#);
        let names: Vec<_> = rules
            .groups()
            .map(|(group, packages)| (group, packages.len()))
            .collect();
        assert_eq!(names, [("empty", 0), ("g", 2), ("h", 1)]);
    }

    #[test]
    fn an_error_names_the_key_and_its_rule() {
        for (text, word) in [
            ("[]", "not a JSON object"),
            ("{\"a\": ", "not a JSON object"),
            (r#"{"": ["a"]}"#, "no group or user"),
            (r#"{"g": {"a": 1}}"#, "\"g\" is an object"),
            (r#"{"g": [["a"]]}"#, "\"g\" holds a list"),
            (r#"{"g": ["a b"]}"#, "no package name"),
            (r#"{"g": ["../a"]}"#, "no package name"),
        ] {
            let error = SelfServiceRules::parse(text.as_bytes()).unwrap_err();
            assert!(error.to_string().contains(word), "{text}: {error}");
        }
        let deep = format!("{{\"g\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000));
        assert!(SelfServiceRules::parse(deep.as_bytes()).is_err());
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back_and_merging_ignores_order(
            one in proptest::collection::btree_map("[a-zA-Z]{1,3}", proptest::collection::btree_set("[a-z]{1,3}", 0..4), 0..5),
            other in proptest::collection::btree_map("[a-zA-Z]{1,3}", proptest::collection::btree_set("[a-z]{1,3}", 0..4), 0..5),
        ) {
            let (one, other) = (SelfServiceRules { groups: one }, SelfServiceRules { groups: other });
            let merged = SelfServiceRules::merged([one.clone(), other.clone()]);
            prop_assert_eq!(&merged, &SelfServiceRules::merged([other, one]));
            prop_assert_eq!(SelfServiceRules::parse(merged.to_json().as_bytes()).unwrap(), merged);
        }
    }
}
