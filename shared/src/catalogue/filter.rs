//! Whether a host takes a package at all, and if not, by which rule.
//!
//! The rules in their order: what the host's package forbids, validity window, deny list, allow list, agent version, system, architecture,
//! language, maturity, version of the system.

use std::cmp::Ordering;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::Capabilities;
use crate::control::{Control, parse_date};
use crate::filter::glob::{Glob, Syntax};
use crate::request::{Request, split_list};
use crate::version::{Version, compare_numbers};

/// Why a host does not take a package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// The attribute of the package that decides.
    pub attribute: String,
    /// Its value.
    pub package_value: String,
    /// What the host has to hold against it.
    pub host_value: String,
    /// The rule.
    pub rule: Rule,
}

/// The rules that keep a package from a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rule {
    /// The version of the package is not valid.
    InvalidVersion,
    /// The validity of the package has not begun.
    NotYetValid,
    /// The validity of the package has ended.
    NoLongerValid,
    /// The host's deny list names the package.
    Denied,
    /// The host has an allow list that does not name the package.
    NotAllowed,
    /// A package of the host forbids this one: [`Refusal::attribute`] of it ([`Refusal::host_value`]) names the
    /// request in [`Refusal::package_value`].
    Forbidden,
    /// The package needs a newer agent.
    AgentTooOld,
    /// The package is for other systems.
    OtherSystem,
    /// The package is for another architecture.
    OtherArchitecture,
    /// The package is for other languages.
    OtherLocale,
    /// The host does not take this maturity.
    OtherMaturity,
    /// The package needs a newer system.
    SystemTooOld,
    /// The package is for older systems.
    SystemTooNew,
    /// The attribute cannot be understood, so the package is not taken.
    Unreadable,
}

impl Rule {
    /// The rule as the end of a sentence about the package.
    pub fn text(self) -> &'static str {
        match self {
            Self::InvalidVersion => "packages without a valid version are left out",
            Self::NotYetValid => "it is offered only from that date on",
            Self::NoLongerValid => "it is offered only until that date",
            Self::Denied => "the host's deny list (packages_blacklist) names it",
            Self::NotAllowed => "the host's allow list (packages_whitelist) does not name it",
            Self::Forbidden => "it is forbidden on this host",
            Self::AgentTooOld => "it needs a newer agent",
            Self::OtherSystem => "it is for other operating systems",
            Self::OtherArchitecture => "it is for another architecture",
            Self::OtherLocale => "it is for other languages than the host takes",
            Self::OtherMaturity => "the host does not take this maturity",
            Self::SystemTooOld => "it needs a newer operating system",
            Self::SystemTooNew => "it is for older operating systems",
            Self::Unreadable => "the value cannot be understood, so the package is not offered",
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.rule == Rule::Forbidden {
            return write!(
                formatter,
                "{}: the {} of {} name {}",
                self.rule.text(),
                self.attribute,
                self.host_value,
                self.package_value
            );
        }
        write!(
            formatter,
            "its {} is {:?} and the host has {:?}: {}",
            self.attribute,
            self.package_value,
            self.host_value,
            self.rule.text()
        )
    }
}

/// The first rule that keeps this package from the host; `None` when the host takes it.
pub fn refusal(control: &Control, host: &Capabilities) -> Option<Refusal> {
    Rules::new(host).refusal(control)
}

/// The rules of one host, prepared for many packages.
#[derive(Debug, Clone)]
pub(super) struct Rules {
    host: Capabilities,
    denied: Vec<Glob>,
    allowed: Vec<Glob>,
    architectures: Vec<String>,
    maturities: Vec<String>,
    /// What packages of the host forbid, each with the words for whose conflicts name it.
    forbidden: Vec<(Request, String)>,
}

impl Rules {
    pub(super) fn new(host: &Capabilities) -> Self {
        let owned = |list: Vec<&str>| list.into_iter().map(ToOwned::to_owned).collect();
        let globs = |patterns: &[String]| {
            let named = patterns
                .iter()
                .map(|pattern| pattern.trim())
                .filter(|pattern| !pattern.is_empty());
            named.map(|pattern| Glob::new(pattern, Syntax::Shell)).collect()
        };
        Self {
            denied: globs(&host.packages_blacklist),
            allowed: globs(&host.packages_whitelist),
            architectures: owned(host.accepted_architectures()),
            maturities: owned(host.accepted_maturities()),
            host: host.clone(),
            forbidden: Vec::new(),
        }
    }

    /// Adds what the package that `by` names has in its conflicts.
    pub(super) fn forbid(&mut self, requests: Vec<Request>, by: &str) {
        let named = requests.into_iter().map(|request| (request, by.to_owned()));
        self.forbidden.extend(named);
    }

    /// The host that the rules are of.
    pub(super) fn host(&self) -> &Capabilities {
        &self.host
    }

    pub(super) fn refusal(&self, control: &Control) -> Option<Refusal> {
        if let Err(_error) = control.version().parse::<Version>() {
            return Some(refused("version", control.version(), "", Rule::InvalidVersion));
        }
        self.conflicts(control)
            .or_else(|| self.window(control))
            .or_else(|| self.lists(control))
            .or_else(|| self.agent(control))
            .or_else(|| self.system(control))
            .or_else(|| self.architecture(control))
            .or_else(|| self.locale(control))
            .or_else(|| self.maturity(control))
            .or_else(|| self.system_version(control))
    }

    /// How much the host prefers a package among those of one version; lower is better.
    ///
    /// A value that the host names ranks by its place, one that is empty or `all` below all of them.
    pub(super) fn rank(&self, control: &Control) -> [usize; 3] {
        let place =
            |list: &[String], value: &str| list.iter().position(|item| item == value).unwrap_or(list.len());
        let locales = &self.host.locales;
        let locale = split_list(control.get("locale"))
            .map(|locale| place(locales, locale))
            .min();
        [
            place(&self.architectures, control.architecture()),
            locale.unwrap_or(locales.len()),
            place(&self.maturities, control.maturity()),
        ]
    }

    fn conflicts(&self, control: &Control) -> Option<Refusal> {
        let mut forbidden = self.forbidden.iter();
        let (request, by) =
            forbidden.find(|(request, _by)| request.matches(control.package(), control.version()))?;
        Some(refused("conflicts", &request.to_string(), by, Rule::Forbidden))
    }

    fn window(&self, control: &Control) -> Option<Refusal> {
        let now = self.host.now;
        for (attribute, rule, is_outside) in [
            ("valid_from", Rule::NotYetValid, Ordering::Less),
            ("valid_until", Rule::NoLongerValid, Ordering::Greater),
        ] {
            let value = control.get(attribute);
            if value.is_empty() {
                continue;
            }
            let now_text = now.to_string();
            match parse_date(value, self.host.utc_offset_secs) {
                None => return Some(refused(attribute, value, &now_text, Rule::Unreadable)),
                Some(bound) if now.cmp(&bound) == is_outside => {
                    return Some(refused(attribute, value, &now_text, rule));
                }
                Some(_) => {}
            }
        }
        None
    }

    fn lists(&self, control: &Control) -> Option<Refusal> {
        let name = control.package();
        if self.denied.iter().any(|pattern| pattern.matches(name)) {
            return Some(refused(
                "package",
                name,
                &self.host.packages_blacklist.join(","),
                Rule::Denied,
            ));
        }
        if !self.allowed.is_empty() && !self.allowed.iter().any(|pattern| pattern.matches(name)) {
            return Some(refused(
                "package",
                name,
                &self.host.packages_whitelist.join(","),
                Rule::NotAllowed,
            ));
        }
        None
    }

    fn agent(&self, control: &Control) -> Option<Refusal> {
        bound(
            control,
            "min_wapt_version",
            &self.host.agent_version,
            Ordering::Less,
            Rule::AgentTooOld,
        )
    }

    fn system(&self, control: &Control) -> Option<Refusal> {
        let systems = control.get("target_os");
        let os = canonical_system(&self.host.os);
        let is_own = |system: &str| {
            let system = system.to_ascii_lowercase();
            system == "all" || canonical_system(&system) == os || (system == "unix" && os != "windows")
        };
        if os.is_empty() || split_list(systems).next().is_none() || split_list(systems).any(is_own) {
            return None;
        }
        Some(refused("target_os", systems, &self.host.os, Rule::OtherSystem))
    }

    fn architecture(&self, control: &Control) -> Option<Refusal> {
        let architecture = control.architecture();
        if self.architectures.is_empty()
            || matches!(architecture, "" | "all")
            || self.architectures.iter().any(|own| own == architecture)
        {
            return None;
        }
        Some(refused(
            "architecture",
            architecture,
            &self.architectures.join(","),
            Rule::OtherArchitecture,
        ))
    }

    fn locale(&self, control: &Control) -> Option<Refusal> {
        let locales = control.get("locale");
        let is_own = |locale: &str| locale == "all" || self.host.locales.iter().any(|own| own == locale);
        if self.host.locales.is_empty()
            || split_list(locales).next().is_none()
            || split_list(locales).any(is_own)
        {
            return None;
        }
        Some(refused(
            "locale",
            locales,
            &self.host.locales.join(","),
            Rule::OtherLocale,
        ))
    }

    fn maturity(&self, control: &Control) -> Option<Refusal> {
        let maturity = control.effective_maturity();
        if maturity == "all" || self.maturities.iter().any(|own| own == maturity) {
            return None;
        }
        Some(refused(
            "maturity",
            maturity,
            &self.maturities.join(","),
            Rule::OtherMaturity,
        ))
    }

    fn system_version(&self, control: &Control) -> Option<Refusal> {
        let version = &self.host.os_version;
        bound(
            control,
            "min_os_version",
            version,
            Ordering::Less,
            Rule::SystemTooOld,
        )
        .or_else(|| {
            bound(
                control,
                "max_os_version",
                version,
                Ordering::Greater,
                Rule::SystemTooNew,
            )
        })
    }
}

/// Refuses when the host's version lies beyond the bound of a package, cut to the members of the bound.
fn bound(control: &Control, attribute: &str, host: &str, is_beyond: Ordering, rule: Rule) -> Option<Refusal> {
    let value = control.get(attribute);
    if value.is_empty() {
        return None;
    }
    match compare_cut(host, value) {
        None => Some(refused(attribute, value, host, Rule::Unreadable)),
        Some(order) => (order == is_beyond).then(|| refused(attribute, value, host, rule)),
    }
}

/// Compares the first members of a dotted number; members that are not there count as zero.
fn compare_cut(version: &str, bound: &str) -> Option<Ordering> {
    let is_numbers = |text: &str| {
        text.split('.')
            .all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()))
    };
    if !is_numbers(version) || !is_numbers(bound) {
        return None;
    }
    let mut members = version.split('.');
    let order = bound
        .split('.')
        .map(|bound| compare_numbers(members.next().unwrap_or("0"), bound));
    Some(order.fold(Ordering::Equal, Ordering::then))
}

fn canonical_system(system: &str) -> String {
    match system.to_ascii_lowercase().as_str() {
        "macos" => "darwin".to_owned(),
        other => other.to_owned(),
    }
}

fn refused(attribute: &str, package_value: &str, host_value: &str, rule: Rule) -> Refusal {
    Refusal {
        attribute: attribute.to_owned(),
        package_value: package_value.to_owned(),
        host_value: host_value.to_owned(),
        rule,
    }
}

#[cfg(test)]
mod tests;
