//! What the section of a package says about its members: who may carry code, who must carry rules.
//!
//! Checked before a package is built, signed, uploaded or installed. Whether it is whole and signed is another
//! question, answered by [`super::Package::verify`]; packages of the predecessor that break one of these rules
//! still verify.

use super::error::PackageError;
use super::{Package, Verified, member};
use crate::control::{Control, Section};
use crate::rules::selfservice::SelfServiceRules;
use crate::rules::windows_update::UpdateRules;
use crate::rules::{MAX_RULES_BYTES, RulesError};

/// A rule of its section that a package breaks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ContentProblem {
    #[error("packages of the section {section} carry no code, and this one has {file}")]
    Code { section: Section, file: &'static str },
    #[error("packages of the section {section} hold their rules in {file}, and this one has none")]
    NoRules { section: Section, file: &'static str },
    #[error("{file}: {source}")]
    Rules {
        file: &'static str,
        #[source]
        source: RulesError,
    },
}

/// The rules in a package, by its section.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Rules {
    SelfService(SelfServiceRules),
    WindowsUpdate(Box<UpdateRules>),
}

/// The member that packages of a section hold their rules in.
pub fn rules_member(section: Section) -> Option<&'static str> {
    match section {
        Section::Wsus | Section::WaptWua => Some(member::UPDATE_RULES),
        Section::SelfService => Some(member::SELF_SERVICE),
        Section::Base
        | Section::Restricted
        | Section::Group
        | Section::Host
        | Section::Unit
        | Section::Profile => None,
    }
}

/// Checks the members of a package by its section, and returns its rules. `has` tells whether a member is there,
/// `read` reads one of at most so many bytes. A word that is no section is another check's problem.
///
/// # Errors
/// The first rule that is broken, or what `read` fails with.
pub fn check(
    control: &Control,
    has: impl Fn(&str) -> bool,
    read: impl FnOnce(&'static str, u64) -> Result<Option<Vec<u8>>, PackageError>,
) -> Result<Option<Rules>, PackageError> {
    let Ok(section) = control.section_kind() else {
        return Ok(None);
    };
    if !section.carries_code()
        && let Some(file) = [member::SETUP, member::UPDATE].into_iter().find(|file| has(file))
    {
        return Err(PackageError::Content(ContentProblem::Code { section, file }));
    }
    let Some(file) = rules_member(section) else {
        return Ok(None);
    };
    let Some(bytes) = read(file, MAX_RULES_BYTES as u64)? else {
        return Err(PackageError::Content(ContentProblem::NoRules { section, file }));
    };
    parse(section, &bytes).map_err(|source| PackageError::Content(ContentProblem::Rules { file, source }))
}

fn parse(section: Section, bytes: &[u8]) -> Result<Option<Rules>, RulesError> {
    match section {
        Section::Wsus | Section::WaptWua => {
            UpdateRules::parse(bytes).map(|rules| Some(Rules::WindowsUpdate(Box::new(rules))))
        }
        Section::SelfService => SelfServiceRules::parse(bytes).map(|rules| Some(Rules::SelfService(rules))),
        _ => Ok(None),
    }
}

impl<S> Package<S> {
    /// The rules in the package; `None` when its section has none.
    ///
    /// # Errors
    /// The first rule of its section that the package breaks.
    pub(super) fn content(&self) -> Result<Option<Rules>, PackageError> {
        let has = |name: &str| self.entry(name).is_some();
        check(&self.control, has, |name, limit| self.read_member(name, limit))
    }
}

impl Package<super::Unverified> {
    /// What the package claims its rules to be.
    ///
    /// # Errors
    /// The first rule of its section that the package breaks.
    pub fn claimed_rules(&self) -> Result<Option<Rules>, PackageError> {
        self.content()
    }
}

impl Package<Verified> {
    /// Checks the members by the section, and returns the rules that a trusted person signed.
    ///
    /// # Errors
    /// The first rule of its section that the package breaks.
    pub fn rules(&self) -> Result<Option<Rules>, PackageError> {
        let has = |name: &str| self.entry(name).is_some();
        check(&self.control, has, |name, limit| match self.entry(name) {
            None => Ok(None),
            // Hashed again: the bytes that count are the bytes that were verified.
            Some(entry) if entry.size <= limit => match self.read_checked(name, limit) {
                Some(bytes) => Ok(Some(bytes)),
                None => Err(PackageError::ChangedFile(name.to_owned())),
            },
            Some(entry) => Err(PackageError::Limit(format!("{name} has {} bytes", entry.size))),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(section: Section, files: &[(&str, &str)]) -> Result<Option<Rules>, String> {
        let control = Control::new("x", "1", section);
        let find = |name: &str| {
            files
                .iter()
                .find(|(file, _text)| *file == name)
                .map(|(_file, text)| text.as_bytes().to_vec())
        };
        check(
            &control,
            |name| find(name).is_some(),
            |name, _limit| Ok(find(name)),
        )
        .map_err(|error| error.to_string())
    }

    #[test]
    fn only_software_carries_code() {
        for section in Section::ALL {
            for file in ["setup.py", "update_package.py"] {
                let rules = [
                    ("WAPT/waptwua_rules.json", "{}"),
                    ("WAPT/selfservice.json", "{}"),
                    (file, "pass"),
                ];
                let result = checked(section, &rules);
                assert_eq!(
                    result.is_ok(),
                    section.carries_code(),
                    "{section} {file}: {result:?}"
                );
                if let Err(error) = result {
                    assert!(
                        error.contains(file) && error.contains(section.as_str()),
                        "{error}"
                    );
                }
            }
        }
    }

    #[test]
    fn sections_of_rules_hold_them_and_a_broken_one_names_file_and_key() {
        for section in [Section::Wsus, Section::WaptWua, Section::SelfService] {
            let file = rules_member(section).unwrap();
            assert!(checked(section, &[]).unwrap_err().contains(file));
            assert!(checked(section, &[(file, "{}")]).unwrap().is_some());
            let broken = checked(section, &[(file, r#"{"enabled": {"a": 1}}"#)]).unwrap_err();
            assert!(broken.contains(file) && broken.contains("enabled"), "{broken}");
        }
        assert_eq!(
            checked(Section::Base, &[("WAPT/selfservice.json", "no JSON")]),
            Ok(None)
        );
    }
}
