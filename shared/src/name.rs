//! Names that cannot hold a bad value: packages, hosts, and units derived from directory names.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::control::Section;

/// The longest package name, in bytes.
pub const MAX_PACKAGE_NAME_BYTES: usize = 255;

/// The longest host identifier, in characters.
pub const MAX_HOST_ID_CHARS: usize = 64;

/// The most parts of a distinguished name that are looked at.
const MAX_DN_PARTS: usize = 64;

/// Why a text is not a name.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum NameError {
    /// Nothing was given.
    #[error("a {kind} cannot be empty")]
    Empty {
        /// What kind of name was meant.
        kind: &'static str,
    },
    /// The name is longer than allowed.
    #[error("a {kind} has at most {limit} characters, this one has {length}")]
    TooLong {
        /// What kind of name was meant.
        kind: &'static str,
        /// How long it is.
        length: usize,
        /// How long it may be.
        limit: usize,
    },
    /// The name holds a character that such names do not have.
    #[error("a {kind} has only {allowed}, and {character:?} is not one: {name:?}")]
    Character {
        /// What kind of name was meant.
        kind: &'static str,
        /// What is allowed, in words.
        allowed: &'static str,
        /// The first character refused.
        character: char,
        /// The name refused.
        name: String,
    },
}

/// The name of a package of any section.
///
/// Letters and digits of any script and `-`, `_`, `=`, `~`, `.`. A name with `=` may also be a raw
/// distinguished name, as older consoles wrote units, and then holds anything but control characters.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PackageName(String);

impl PackageName {
    /// The name as written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Checks the stricter rule that names of one section follow when a package is signed.
    ///
    /// # Errors
    /// Says what such a name may hold.
    pub fn check_for(name: &str, section: Section) -> Result<(), NameError> {
        match section {
            Section::Host => name.parse::<HostId>().map(|_| ()),
            Section::Unit | Section::Profile => name.parse::<Self>().map(|_| ()),
            Section::Base
            | Section::Restricted
            | Section::Group
            | Section::Wsus
            | Section::WaptWua
            | Section::SelfService => check(
                name,
                "package name",
                MAX_PACKAGE_NAME_BYTES,
                "ASCII letters, digits, \"-\", \"_\" and \".\"",
                |character| character.is_ascii_alphanumeric() || matches!(character, '-' | '_' | '.'),
            ),
        }
    }
}

impl FromStr for PackageName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_raw_dn = text.contains('=') && text.trim() == text;
        check(
            text,
            "package name",
            MAX_PACKAGE_NAME_BYTES,
            "letters, digits, \"-\", \"_\", \"=\", \"~\" and \".\"",
            |character| is_unit_name_char(character) || (is_raw_dn && !character.is_control()),
        )?;
        Ok(Self(text.to_owned()))
    }
}

/// The identifier of a host, kept as reported, compared and sorted in ASCII lower case.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct HostId(String);

impl HostId {
    /// The identifier as reported.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The identifier in ASCII lower case: what tells hosts apart and what is hashed.
    pub fn key(&self) -> String {
        self.0.to_ascii_lowercase()
    }
}

impl FromStr for HostId {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        check(
            text,
            "host identifier",
            MAX_HOST_ID_CHARS,
            "ASCII letters, digits, \".\", \"_\" and \"-\"",
            |character| character.is_ascii_alphanumeric() || matches!(character, '.' | '_' | '-'),
        )?;
        Ok(Self(text.to_owned()))
    }
}

impl Ord for HostId {
    fn cmp(&self, other: &Self) -> Ordering {
        lower_bytes(&self.0).cmp(lower_bytes(&other.0))
    }
}

impl PartialOrd for HostId {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for HostId {
    fn eq(&self, other: &Self) -> bool {
        self.0.eq_ignore_ascii_case(&other.0)
    }
}

impl Eq for HostId {}

impl Hash for HostId {
    fn hash<H: Hasher>(&self, state: &mut H) {
        for byte in lower_bytes(&self.0) {
            state.write_u8(byte);
        }
        state.write_u8(0xff);
    }
}

macro_rules! text_newtype {
    ($name:ident) => {
        impl TryFrom<String> for $name {
            type Error = NameError;

            fn try_from(text: String) -> Result<Self, Self::Error> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(&self.0)
            }
        }
    };
}

text_newtype!(PackageName);
text_newtype!(HostId);

/// The package name of a unit or profile: `,` becomes `_`, a blank `~`, and only letters, digits and
/// `-`, `_`, `=`, `~`, `.` stay. Applying it twice changes nothing more.
pub fn unit_name_from_dn(dn: &str) -> String {
    dn.chars()
        .filter_map(|character| match character {
            ',' => Some('_'),
            ' ' => Some('~'),
            other => is_unit_name_char(other).then_some(other),
        })
        .collect()
}

/// The unit packages that a computer looks for, nearest first.
///
/// The computer's own part is skipped, then comes each parent down to and including the domain
/// (`DC=ad_DC=example_DC=lan`), nothing shorter.
pub fn implicit_unit_names(dn: &str) -> Vec<String> {
    let parts = split_dn(dn);
    let mut names = Vec::new();
    for start in 1..parts.len() {
        let Some(parents) = parts.get(start..) else { break };
        names.push(unit_name_from_dn(&parents.join(",")));
        if parents.iter().all(|part| is_domain_component(part)) {
            break;
        }
    }
    names
}

/// Splits a distinguished name at its unescaped commas; empty when it is not one or is too long.
fn split_dn(dn: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut is_escaped = false;
    for character in dn.chars() {
        if character == ',' && !is_escaped {
            parts.push(String::new());
        } else if let Some(part) = parts.last_mut() {
            part.push(character);
        }
        is_escaped = character == '\\' && !is_escaped;
    }
    let parts: Vec<String> = parts.into_iter().map(|part| part.trim().to_owned()).collect();
    let is_dn = parts.len() <= MAX_DN_PARTS && parts.iter().all(|part| part.contains('='));
    if is_dn { parts } else { Vec::new() }
}

fn is_domain_component(part: &str) -> bool {
    part.split_once('=')
        .is_some_and(|(kind, _)| kind.trim().eq_ignore_ascii_case("dc"))
}

fn is_unit_name_char(character: char) -> bool {
    character.is_alphanumeric() || matches!(character, '-' | '_' | '=' | '~' | '.')
}

fn lower_bytes(text: &str) -> impl Iterator<Item = u8> {
    text.bytes().map(|byte| byte.to_ascii_lowercase())
}

fn check(
    name: &str,
    kind: &'static str,
    limit: usize,
    allowed: &'static str,
    is_allowed: impl Fn(char) -> bool,
) -> Result<(), NameError> {
    if name.is_empty() {
        return Err(NameError::Empty { kind });
    }
    if name.len() > limit {
        return Err(NameError::TooLong {
            kind,
            length: name.len(),
            limit,
        });
    }
    match name.chars().find(|character| !is_allowed(*character)) {
        Some(character) => Err(NameError::Character {
            kind,
            allowed,
            character,
            name: name.to_owned(),
        }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn package_names_take_units_and_refuse_paths() {
        for name in [
            "tis-7zip",
            "4C4C4544-004E",
            "pc01.ad.lan",
            "OU=Dept~A_DC=ad",
            "éclair",
            "OU=a,DC=b",
        ] {
            assert!(name.parse::<PackageName>().is_ok(), "{name}");
        }
        for name in [
            "",
            "a/b",
            "with space",
            "a,b",
            "a(b",
            "a\nb",
            " OU=a",
            &"x".repeat(300),
        ] {
            assert!(name.parse::<PackageName>().is_err(), "{name}");
        }
    }

    #[test]
    fn each_section_has_its_own_rule_for_signing() {
        assert!(PackageName::check_for("tis-7zip", Section::Base).is_ok());
        assert!(PackageName::check_for("éclair", Section::Base).is_err());
        assert!(PackageName::check_for("OU=a_DC=b", Section::Unit).is_ok());
        assert!(PackageName::check_for("OU=a_DC=b", Section::Group).is_err());
        assert!(PackageName::check_for("4C4C4544-004E", Section::Host).is_ok());
        assert!(PackageName::check_for("a=b", Section::Host).is_err());
    }

    #[test]
    fn host_identifiers_compare_without_case_and_keep_their_spelling() {
        let upper: HostId = "4C4C-AB".parse().unwrap();
        let lower: HostId = "4c4c-ab".parse().unwrap();
        assert_eq!(upper, lower);
        assert_eq!(upper.as_str(), "4C4C-AB");
        assert_eq!(upper.key(), "4c4c-ab");
        assert_eq!(HashSet::from([upper, lower]).len(), 1);
        assert!("a b".parse::<HostId>().is_err());
        assert!("x".repeat(65).parse::<HostId>().is_err());
        assert!("".parse::<HostId>().is_err());
    }

    #[test]
    fn a_distinguished_name_becomes_a_unit_name() {
        assert_eq!(
            unit_name_from_dn("OU=Dept A,DC=ad,DC=lan"),
            "OU=Dept~A_DC=ad_DC=lan"
        );
        assert_eq!(unit_name_from_dn("OU=Été (nord)/2"), "OU=Été~nord2");
    }

    #[test]
    fn a_computer_looks_for_each_parent_down_to_its_domain() {
        assert_eq!(
            implicit_unit_names("CN=pc1,OU=room1,OU=prod,DC=ad,DC=lan"),
            [
                "OU=room1_OU=prod_DC=ad_DC=lan",
                "OU=prod_DC=ad_DC=lan",
                "DC=ad_DC=lan"
            ]
        );
        assert_eq!(
            implicit_unit_names("CN=pc1,CN=Computers,DC=lan"),
            ["CN=Computers_DC=lan", "DC=lan"]
        );
    }

    #[test]
    fn an_escaped_comma_does_not_cut_a_name() {
        assert_eq!(
            implicit_unit_names("CN=pc1,OU=R\\, D,DC=lan"),
            ["OU=R_~D_DC=lan", "DC=lan"]
        );
    }

    #[test]
    fn a_text_that_is_no_distinguished_name_gives_no_units() {
        assert!(implicit_unit_names("").is_empty());
        assert!(implicit_unit_names("pc1").is_empty());
        assert!(implicit_unit_names("CN=pc1").is_empty());
        assert!(implicit_unit_names(&"OU=a,".repeat(100)).is_empty());
    }
}
