//! What must be right in a control before it is built, signed or uploaded.

use std::fmt;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::Offset;

use super::{Control, Section};
use crate::name::{PackageName, unit_name_from_dn};
use crate::request::{self, Request, split_list};
use crate::version::Version;

/// The architectures of the format.
const ARCHITECTURES: [&str; 3] = ["all", "x86", "x64"];

/// The systems of the format; `macos` is another word for `darwin`, `unix` means `linux` and `darwin`.
const SYSTEMS: [&str; 6] = ["all", "windows", "linux", "darwin", "macos", "unix"];

/// The attributes that hold a point in time.
const DATE_ATTRIBUTES: [&str; 3] = ["valid_from", "valid_until", "forced_install_on"];

/// One thing that keeps a package from being signed, with what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The attribute concerned.
    pub attribute: String,
    /// Its value as it stands.
    pub value: String,
    /// The rule that the value breaks.
    pub rule: String,
    /// What to write.
    pub advice: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{} is {:?}: {}; {}",
            self.attribute, self.value, self.rule, self.advice
        )
    }
}

impl Control {
    /// Everything that building, signing and uploading refuse, in the order of the attributes.
    pub fn problems_for_signing(&self) -> Vec<Problem> {
        let mut found = Findings {
            control: self,
            problems: Vec::new(),
        };
        let section = self.section_kind().ok();
        found.name(section);
        found.version();
        found.words();
        found.section(section);
        found.requests("depends");
        found.requests("conflicts");
        found.lists();
        found.numeric_versions();
        found.dates();
        found.problems
    }

    /// What is signed as it stands but is likely not meant, in the order of the attributes.
    pub fn advice_for_signing(&self) -> Vec<Problem> {
        let mut found = Findings {
            control: self,
            problems: Vec::new(),
        };
        found.spelling(self.section_kind().ok());
        found.size();
        found.unknown();
        found.problems
    }
}

/// Reads a date of the format: with a zone it is exact, without one it is local time at `utc_offset_secs`.
pub fn parse_date(text: &str, utc_offset_secs: i32) -> Option<Timestamp> {
    if let Ok(exact) = text.parse::<Timestamp>() {
        return Some(exact);
    }
    let local: DateTime = text.parse().ok()?;
    Offset::from_seconds(utc_offset_secs)
        .ok()?
        .to_timestamp(local)
        .ok()
}

/// Whether a text can be the maturity of a package that is signed; it is part of the file's name. An empty one
/// counts as PROD.
pub fn is_maturity(text: &str) -> bool {
    let is_word = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_');
    text.len() <= 64 && text.chars().all(is_word)
}

struct Findings<'a> {
    control: &'a Control,
    problems: Vec<Problem>,
}

impl Findings<'_> {
    fn push(&mut self, attribute: &str, rule: impl Into<String>, advice: impl Into<String>) {
        self.problems.push(Problem {
            attribute: attribute.to_owned(),
            value: self.control.effective(attribute).to_owned(),
            rule: rule.into(),
            advice: advice.into(),
        });
    }

    fn name(&mut self, section: Option<Section>) {
        let name = self.control.package();
        if let Err(error) = PackageName::check_for(name, section.unwrap_or(Section::Base)) {
            let advice = match section {
                Some(Section::Unit | Section::Profile) if !name.is_empty() => {
                    format!(
                        "write {:?}, the name that agents look for",
                        unit_name_from_dn(name)
                    )
                }
                _ => "rename the package".to_owned(),
            };
            self.push("package", error.to_string(), advice);
        }
    }

    fn version(&mut self) {
        if let Err(error) = self.control.version().parse::<Version>() {
            self.push("version", error.to_string(), "write for example 1.2.3-4");
        }
    }

    fn words(&mut self) {
        if !ARCHITECTURES.contains(&self.control.architecture()) {
            self.push("architecture", "not an architecture", "use all, x86 or x64");
        }
        if self.control.maturity().contains(',') {
            self.push(
                "maturity",
                "a package has one maturity",
                "write one word, for example PROD",
            );
        } else if !is_maturity(self.control.maturity()) {
            self.push(
                "maturity",
                "not a word of letters, digits, - and _",
                "write for example DEV, PREPROD or PROD",
            );
        }
    }

    fn section(&mut self, section: Option<Section>) {
        if section.is_none() {
            let words: Vec<_> = Section::ALL.into_iter().map(Section::as_str).collect();
            self.push(
                "section",
                "not a section",
                format!("use one of {}", words.join(", ")),
            );
        }
    }

    fn requests(&mut self, attribute: &str) {
        let list = self.control.get(attribute);
        for item in split_list(list).take(request::MAX_REQUESTS) {
            match Request::parse(item) {
                Err(error) => self.push(
                    attribute,
                    describe(&error),
                    "correct the list, for example a,b(>=1.2)",
                ),
                Ok(request) if request.name == self.control.package() => {
                    self.push(
                        attribute,
                        "a package cannot name itself",
                        format!("remove {item:?}"),
                    );
                }
                Ok(_) => {}
            }
        }
        if split_list(list).count() > request::MAX_REQUESTS {
            self.push(
                attribute,
                format!("at most {} requests", request::MAX_REQUESTS),
                "split the package",
            );
        }
    }

    fn lists(&mut self) {
        for system in split_list(self.control.get("target_os")) {
            if !SYSTEMS.contains(&system) {
                self.push(
                    "target_os",
                    format!("{system:?} is not a system"),
                    format!("use {}", SYSTEMS.join(", ")),
                );
            }
        }
        for locale in split_list(self.control.get("locale")) {
            let is_word =
                |character: char| character.is_ascii_alphanumeric() || matches!(character, '-' | '_');
            if locale.len() > 16 || !locale.chars().all(is_word) {
                self.push(
                    "locale",
                    format!("{locale:?} is not a language"),
                    "use codes as fr or en, separated by commas",
                );
            }
        }
    }

    fn numeric_versions(&mut self) {
        for attribute in ["min_os_version", "max_os_version", "min_wapt_version"] {
            let value = self.control.get(attribute);
            let is_number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
            if !value.is_empty() && !value.split('.').all(is_number) {
                self.push(
                    attribute,
                    "not numbers separated by dots",
                    "write for example 10.0.17763, or leave it empty",
                );
            }
        }
    }

    fn dates(&mut self) {
        for attribute in DATE_ATTRIBUTES {
            let value = self.control.get(attribute);
            if !value.is_empty() && parse_date(value, 0).is_none() {
                self.push(
                    attribute,
                    "not a date",
                    "write for example 2026-03-31T18:00:00, or leave it empty",
                );
            }
        }
        let bound = |attribute| parse_date(self.control.get(attribute), 0);
        if let (Some(from), Some(until)) = (bound("valid_from"), bound("valid_until"))
            && from > until
        {
            self.push(
                "valid_until",
                "before valid_from, so that no host would ever take the package",
                "swap the dates",
            );
        }
    }

    fn spelling(&mut self, section: Option<Section>) {
        let name = self.control.package();
        match section {
            Some(Section::Unit | Section::Profile) if unit_name_from_dn(name) != name => {
                let written = unit_name_from_dn(name);
                self.push(
                    "package",
                    "older agents look for another spelling",
                    format!("write {written:?}"),
                );
            }
            Some(Section::Host | Section::Unit | Section::Profile) | None => {}
            Some(_) if name.chars().any(|character| character.is_ascii_uppercase()) => {
                self.push(
                    "package",
                    "names are usually lower case and differ by case",
                    format!("write {:?}", name.to_lowercase()),
                );
            }
            Some(_) => {}
        }
    }

    fn size(&mut self) {
        let size = self.control.get("installed_size");
        if !size.is_empty() && size.parse::<u64>().is_err() {
            self.push(
                "installed_size",
                "not a number of bytes, so that it is not checked",
                "write a whole number or nothing",
            );
        }
    }

    fn unknown(&mut self) {
        for (name, _) in self.control.unknown_attributes() {
            self.problems.push(Problem {
                attribute: name.to_owned(),
                value: self.control.get(name).to_owned(),
                rule: "not an attribute of the format, dropped at signing".to_owned(),
                advice: "remove it, or keep unknown attributes on purpose".to_owned(),
            });
        }
    }
}

/// The error and its cause in one line.
fn describe(error: &request::RequestError) -> String {
    match std::error::Error::source(error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_control_has_no_problem() {
        let control = Control::new("tis-7zip", "24.1-3", Section::Base)
            .with("depends", "tis-a, tis-b(>=1.2)")
            .with("target_os", "windows,linux")
            .with("valid_until", "2026-12-31T00:00:00");
        assert_eq!(control.problems_for_signing(), []);
        assert_eq!(control.advice_for_signing(), []);
    }

    #[test]
    fn each_broken_rule_names_its_attribute() {
        for (attribute, value) in [
            ("package", ""),
            ("package", "a b"),
            ("version", "1.0_beta"),
            ("version", ""),
            ("architecture", "sparc"),
            ("section", "bases"),
            ("maturity", "DEV,PROD"),
            ("maturity", "my prod"),
            ("maturity", "../x"),
            ("depends", "b (>=1)"),
            ("depends", "b(>=1"),
            ("depends", "a"),
            ("conflicts", "b(>=1_0)"),
            ("target_os", "window"),
            ("locale", "fr;en"),
            ("min_os_version", "Windows 10"),
            ("valid_from", "tomorrow"),
        ] {
            let control = Control::new("a", "1", Section::Base).with(attribute, value);
            let problems = control.problems_for_signing();
            assert_eq!(problems.len(), 1, "{attribute}={value}: {problems:?}");
            assert_eq!(problems[0].attribute, attribute);
            assert!(!problems[0].to_string().is_empty());
        }
    }

    #[test]
    fn a_window_that_never_opens_is_a_problem() {
        let control = Control::new("a", "1", Section::Base)
            .with("valid_from", "2026-02-01")
            .with("valid_until", "2026-01-01");
        assert_eq!(control.problems_for_signing()[0].attribute, "valid_until");
    }

    #[test]
    fn likely_mistakes_are_advice_only() {
        let control = Control::new("OU=a,DC=b", "1", Section::Unit);
        assert_eq!(control.problems_for_signing(), []);
        assert!(control.advice_for_signing()[0].advice.contains("OU=a_DC=b"));
        let control = Control::new("Tis-A", "1", Section::Base)
            .with("installed_size", "12.5")
            .with("foo", "bar");
        let attributes: Vec<_> = control
            .advice_for_signing()
            .into_iter()
            .map(|problem| problem.attribute)
            .collect();
        assert_eq!(attributes, ["package", "installed_size", "foo"]);
    }

    #[test]
    fn dates_without_a_zone_are_local() {
        let utc = parse_date("2026-01-01T12:00:00Z", 3600).unwrap();
        assert_eq!(parse_date("2026-01-01T13:00:00", 3600), Some(utc));
        assert_eq!(
            parse_date("2026-01-01", 0).unwrap().to_string(),
            "2026-01-01T00:00:00Z"
        );
        assert_eq!(
            parse_date("2026-01-01T12:00:00.261397", 0).unwrap().as_second(),
            utc.as_second()
        );
        assert_eq!(parse_date("", 0), None);
    }
}
