//! The kinds of packages and what follows from each.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// What a package is for: the `section` attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Section {
    /// Ordinary software or configuration.
    Base,
    /// As base, but never listed in the self-service.
    Restricted,
    /// A list of dependencies and conflicts.
    Group,
    /// What one host must have; named after its identifier, not in the index.
    Host,
    /// What the hosts of an organisational unit must have.
    Unit,
    /// What the hosts of a directory group or a configured profile must have.
    Profile,
    /// Windows Update rules, as the predecessor's consoles name them in packages.
    Wsus,
    /// Windows Update rules, under their other name.
    WaptWua,
    /// Who may install what by themselves.
    SelfService,
}

/// The text names no section.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "{0:?} is not a section; use one of base, restricted, group, host, unit, profile, wsus, waptwua, selfservice"
)]
pub struct SectionError(pub String);

impl Section {
    /// Every section, in the order of the documentation.
    pub const ALL: [Self; 9] = [
        Self::Base,
        Self::Restricted,
        Self::Group,
        Self::Host,
        Self::Unit,
        Self::Profile,
        Self::Wsus,
        Self::WaptWua,
        Self::SelfService,
    ];

    /// The word in the control file.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Base => "base",
            Self::Restricted => "restricted",
            Self::Group => "group",
            Self::Host => "host",
            Self::Unit => "unit",
            Self::Profile => "profile",
            Self::Wsus => "wsus",
            Self::WaptWua => "waptwua",
            Self::SelfService => "selfservice",
        }
    }

    /// Whether such packages may hold a `setup.py`.
    pub fn carries_code(self) -> bool {
        matches!(self, Self::Base | Self::Restricted)
    }

    /// Whether hosts look for such packages by a name of their own, without anybody asking.
    pub fn is_implicit(self) -> bool {
        matches!(self, Self::Host | Self::Unit | Self::Profile)
    }

    /// Whether the repository publishes an icon for such packages.
    pub fn has_icon(self) -> bool {
        !matches!(
            self,
            Self::Group | Self::Host | Self::Unit | Self::Profile | Self::Wsus
        )
    }

    /// Whether such packages are listed in the index.
    pub fn is_indexed(self) -> bool {
        self != Self::Host
    }

    /// Whether such packages hold Windows Update rules.
    pub fn holds_update_rules(self) -> bool {
        matches!(self, Self::Wsus | Self::WaptWua)
    }
}

impl FromStr for Section {
    type Err = SectionError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|section| section.as_str() == text)
            .ok_or_else(|| SectionError(text.to_owned()))
    }
}

impl fmt::Display for Section {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_section_reads_back_from_its_word() {
        for section in Section::ALL {
            assert_eq!(section.as_str().parse(), Ok(section));
            assert_eq!(serde_json::to_string(&section).unwrap(), format!("\"{section}\""));
        }
        assert!("Base".parse::<Section>().is_err());
    }

    #[test]
    fn only_software_carries_code() {
        let with_code: Vec<_> = Section::ALL
            .into_iter()
            .filter(|section| section.carries_code())
            .collect();
        assert_eq!(with_code, [Section::Base, Section::Restricted]);
    }
}
