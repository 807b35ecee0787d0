//! What a verified package must be to enter the repository or to become a host's package.
//!
//! Parties: the *signer* of the package, whose signature, trust and right to sign code were checked before
//! (`Package::verify`); the *user* who uploads, whose right is in the route: host packages take the right to
//! edit hosts and go to their own route only. Order of the checks
//! here: the control breaks no rule → the section belongs to this route → the host's name is the route's →
//! no other content of the same version is there. All of it is pure: what is there already is an argument.

use std::collections::BTreeSet;

use muster_shared::control::{Control, Problem, Section};
use muster_shared::hint::Hint;
use muster_shared::name::HostId;
use muster_shared::protocol::error::ErrorCode;
use muster_shared::request::split_list;
use muster_shared::version::Version;
use thiserror::Error;

/// Where a package is going.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Destination<'a> {
    /// The repository that everyone reads.
    Repository,
    /// The private package of one host.
    Host(&'a HostId),
}

/// Why a package that is well signed is not taken.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum UploadRefusal {
    #[error("the control file of {package} breaks a rule: {}", problems_text(problems))]
    Control { package: String, problems: Vec<Problem> },
    #[error("{package} is a host package, and the repository is read by every host")]
    HostInRepository { package: String },
    #[error("{package} has the section {section}, and a host's package has the section host")]
    NotAHostPackage { package: String, section: String },
    #[error("the package is for the host {package}, not for {identifier}")]
    OtherHost { package: String, identifier: String },
    #[error("{package} {version} is already in the repository with other content, as {filename}")]
    Exists {
        package: String,
        version: String,
        filename: String,
    },
    #[error("the package of {identifier} was changed by someone else in the meantime")]
    Changed { identifier: String },
    #[error("replacing the package of {identifier} needs to say which one was read")]
    PreconditionMissing { identifier: String },
}

impl UploadRefusal {
    /// The code of the public table.
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::Control { .. } | Self::NotAHostPackage { .. } | Self::OtherHost { .. } => {
                ErrorCode::PackageControlInvalid
            }
            Self::HostInRepository { .. } => ErrorCode::PackageIsHost,
            Self::Exists { .. } => ErrorCode::PackageExists,
            Self::Changed { .. } => ErrorCode::Changed,
            Self::PreconditionMissing { .. } => ErrorCode::RequestInvalid,
        }
    }
}

impl Hint for UploadRefusal {
    fn hints(&self) -> Vec<String> {
        match self {
            Self::Control { problems, .. } => {
                problems.iter().map(|problem| format!("{}: {}", problem.attribute, problem.advice)).collect()
            }
            Self::HostInRepository { package } => {
                vec![format!("upload it to its host: PUT /api/v1/host-packages/{package}")]
            }
            Self::NotAHostPackage { .. } => vec![
                "upload it to the repository (`muster package upload FILE`) and name it in the host's depends".into(),
            ],
            Self::OtherHost { package, .. } => vec![format!("upload it to the host {package}")],
            Self::Exists { .. } => vec![
                "raise the packaging number of the version (the part after the dash), build and sign again".into(),
                "or delete the version that is there first (`muster package delete`)".into(),
            ],
            Self::Changed { .. } => {
                vec!["read the host's package again, apply the change to it, and save once more".into()]
            }
            Self::PreconditionMissing { .. } => vec![
                "send If-Match with the ETag of the package that was edited, or If-None-Match: * for a first one".into(),
            ],
        }
    }
}

/// Checks the control against the rules of packages and of the route.
///
/// # Errors
/// The first rule it breaks; broken rules of the control come all together.
pub fn check(control: &Control, destination: Destination<'_>) -> Result<Section, UploadRefusal> {
    let package = control.package().to_owned();
    let problems = control.problems_for_signing();
    if !problems.is_empty() {
        return Err(UploadRefusal::Control { package, problems });
    }
    // A word that is no section is one of the problems above.
    let section = control.section_kind().unwrap_or(Section::Base);
    match (destination, section) {
        (Destination::Repository, Section::Host) => Err(UploadRefusal::HostInRepository { package }),
        (Destination::Host(identifier), Section::Host) => {
            if package.eq_ignore_ascii_case(identifier.as_str()) {
                Ok(section)
            } else {
                Err(UploadRefusal::OtherHost {
                    package,
                    identifier: identifier.as_str().to_owned(),
                })
            }
        }
        (Destination::Host(_), _) => Err(UploadRefusal::NotAHostPackage {
            package,
            section: section.as_str().to_owned(),
        }),
        (Destination::Repository, _) => Ok(section),
    }
}

/// Whether two packages are the same version for the same machines, so that only one may be published.
pub fn is_same_release(one: &Control, other: &Control) -> bool {
    // An empty list and the word `all` mean the same.
    let words = |control: &Control, attribute: &str| {
        let list = split_list(control.get(attribute)).map(str::to_ascii_lowercase);
        list.filter(|word| word != "all").collect::<BTreeSet<String>>()
    };
    let is_same_version = match (
        one.version().parse::<Version>(),
        other.version().parse::<Version>(),
    ) {
        (Ok(one), Ok(other)) => one == other,
        _ => one.version() == other.version(),
    };
    is_same_version
        && one.package() == other.package()
        && one.architecture() == other.architecture()
        && one.effective_maturity() == other.effective_maturity()
        && words(one, "locale") == words(other, "locale")
        && words(one, "target_os") == words(other, "target_os")
}

/// What the writer of a host package says about the one that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Precondition {
    /// `If-Match`: replace the package with this entity tag.
    Replaces(String),
    /// `If-None-Match: *`: there is none yet.
    IsFirst,
}

/// Compare and swap: whether the package that is there is the one that the writer had read.
///
/// # Errors
/// [`UploadRefusal::Changed`] when it is another.
pub fn check_precondition(
    identifier: &HostId,
    precondition: &Precondition,
    current: Option<&str>,
) -> Result<(), UploadRefusal> {
    let is_met = match precondition {
        Precondition::Replaces(read) => current == Some(read.as_str()),
        Precondition::IsFirst => current.is_none(),
    };
    if is_met {
        Ok(())
    } else {
        Err(UploadRefusal::Changed {
            identifier: identifier.as_str().to_owned(),
        })
    }
}

fn problems_text(problems: &[Problem]) -> String {
    let texts: Vec<String> = problems
        .iter()
        .map(|problem| format!("{} is {:?}: {}", problem.attribute, problem.value, problem.rule))
        .collect();
    texts.join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host() -> HostId {
        "4C4C-AB".parse().unwrap()
    }

    fn base() -> Control {
        Control::new("tis-a", "1.0-1", Section::Base)
    }

    #[test]
    fn host_packages_go_to_their_host_and_nothing_else_does() {
        let own = Control::new("4c4c-ab", "1", Section::Host);
        let other = Control::new("4c4c-ac", "1", Section::Host);
        assert_eq!(check(&own, Destination::Host(&host())), Ok(Section::Host));
        assert_eq!(check(&base(), Destination::Repository), Ok(Section::Base));
        assert_eq!(
            check(&own, Destination::Repository).unwrap_err().code(),
            ErrorCode::PackageIsHost
        );
        for control in [other, base()] {
            let refusal = check(&control, Destination::Host(&host())).unwrap_err();
            assert_eq!(refusal.code(), ErrorCode::PackageControlInvalid);
        }
    }

    #[test]
    fn every_broken_rule_of_a_control_is_named_with_its_advice() {
        let control = base()
            .with("version", "1..2")
            .with("depends", "tis-b (>=1)")
            .with("section", "bse");
        let refusal = check(&control, Destination::Repository).unwrap_err();
        assert_eq!(refusal.code(), ErrorCode::PackageControlInvalid);
        for attribute in ["version", "depends", "section"] {
            assert!(refusal.to_string().contains(attribute), "{refusal}");
            assert!(
                refusal.hints().iter().any(|hint| hint.starts_with(attribute)),
                "{attribute}"
            );
        }
    }

    #[test]
    fn one_release_is_one_version_for_the_same_machines() {
        let same = |name: &str, one: &str, other: &str| {
            is_same_release(&base().with(name, one), &base().with(name, other))
        };
        assert!(same("maturity", "", "PROD"));
        assert!(same("locale", "fr,en", "en, fr"));
        assert!(same("locale", "", "all"));
        assert!(same("target_os", "", "all"));
        assert!(same("description", "x", "y"));
        assert!(same("version", "1.0-1", "1.0-01"));
        for (name, one, other) in [
            ("maturity", "PROD", "DEV"),
            ("locale", "fr", "en"),
            ("target_os", "windows", "linux"),
            ("architecture", "x64", "x86"),
            ("version", "1.0-1", "1.0-2"),
            ("package", "tis-a", "tis-b"),
        ] {
            assert!(!same(name, one, other), "{name}");
        }
    }

    #[test]
    fn a_host_package_is_replaced_only_by_who_read_the_one_that_is_there() {
        let check = |precondition, current| check_precondition(&host(), &precondition, current).is_ok();
        assert!(check(Precondition::IsFirst, None));
        assert!(!check(Precondition::IsFirst, Some("aa")));
        assert!(check(Precondition::Replaces("aa".into()), Some("aa")));
        assert!(!check(Precondition::Replaces("aa".into()), Some("bb")));
        assert!(!check(Precondition::Replaces("aa".into()), None));
    }
}
