//! Which Windows updates a host installs: the rules of `wsus` packages, their merge, and the decision.
//!
//! The file `WAPT/waptwua_rules.json` is an object, or an object `{"waptwua": {…}}` around it. Merge of several
//! packages: lists are united; of two contradicting settings the more careful one holds (`default_allow` false
//! before true, the longer `install_delay`), and `enabled` is true when any package says so.
//!
//! Order of the decision for one update: forbidden by any list → allowed by any list (updates, KBs, products,
//! classifications, a product with a severity) → its severity is in `allowed_severities` → `default_allow`. One
//! that is allowed waits until `install_delay` has passed since its publication.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use serde_json::{Map, Value};

use super::{RulesError, kind, members, texts};

/// The severities that updates have.
pub const SEVERITIES: [&str; 4] = ["Critical", "Important", "Moderate", "Low"];

/// The most entries of one list.
const MAX_ENTRIES: usize = 100_000;

/// Rules of one package, or of several merged. Keys that are not known are kept in `other` and do nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct UpdateRules {
    /// The agent drives Windows Update; `None` leaves it alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// What happens to updates that no rule names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_allow: Option<bool>,
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub allowed_severities: BTreeSet<String>,
    #[serde(flatten)]
    pub allowed: Allowed,
    #[serde(flatten)]
    pub forbidden: Forbidden,
    /// How old an update must be, as written (`7d`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub install_delay: Option<Delay>,
    /// Everything else, of the last package that has it.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// What names an update; each list by its own level.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lists {
    /// Update ids, `UpdateID_RevisionNumber` or the first part alone.
    pub updates: BTreeSet<String>,
    /// Numbers of knowledge base articles, without `KB`.
    pub kbs: BTreeSet<String>,
    pub products: BTreeSet<String>,
    pub classifications: BTreeSet<String>,
    pub severities: BTreeSet<String>,
    /// `product:severity`.
    pub products_severities: BTreeSet<String>,
}

/// Lists whose keys begin with `allowed_`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Allowed(pub Lists);

/// Lists whose keys begin with `forbidden_`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Forbidden(pub Lists);

/// A delay as it is written, and its length.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delay {
    text: String,
    length: SignedDuration,
}

impl Delay {
    /// Minutes as a number, or a number with `m`, `h`, `d` or `w`.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let split = text.find(|character: char| !character.is_ascii_digit());
        let (number, unit) = text.split_at_checked(split.unwrap_or(text.len()))?;
        let minutes = match unit.trim() {
            "" | "m" => 1,
            "h" => 60,
            "d" => 24 * 60,
            "w" => 7 * 24 * 60,
            _ => return None,
        };
        let minutes = number.parse::<u32>().ok()?.checked_mul(minutes)?;
        Some(Self {
            text: text.to_owned(),
            length: SignedDuration::from_mins(minutes.into()),
        })
    }

    /// How long it is.
    pub fn length(&self) -> SignedDuration {
        self.length
    }
}

impl Serialize for Delay {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

/// The names of the levels, after `allowed_` or `forbidden_`.
const LEVELS: [&str; 6] = [
    "updates",
    "kbs",
    "products",
    "classifications",
    "severities",
    "products_severities",
];

impl Lists {
    fn level(&self, level: &str) -> Option<&BTreeSet<String>> {
        Some(match level {
            "updates" => &self.updates,
            "kbs" => &self.kbs,
            "products" => &self.products,
            "classifications" => &self.classifications,
            "severities" => &self.severities,
            "products_severities" => &self.products_severities,
            _ => return None,
        })
    }

    fn level_mut(&mut self, level: &str) -> Option<&mut BTreeSet<String>> {
        Some(match level {
            "updates" => &mut self.updates,
            "kbs" => &mut self.kbs,
            "products" => &mut self.products,
            "classifications" => &mut self.classifications,
            "severities" => &mut self.severities,
            "products_severities" => &mut self.products_severities,
            _ => return None,
        })
    }

    fn serialize<S: serde::Serializer>(&self, prefix: &str, serializer: S) -> Result<S::Ok, S::Error> {
        let filled = LEVELS
            .iter()
            .filter_map(|level| Some((level, self.level(level)?)))
            .filter(|(_level, list)| !list.is_empty());
        serializer.collect_map(filled.map(|(level, list)| (format!("{prefix}_{level}"), list)))
    }

    fn unite(&mut self, other: Self) {
        self.updates.extend(other.updates);
        self.kbs.extend(other.kbs);
        self.products.extend(other.products);
        self.classifications.extend(other.classifications);
        self.severities.extend(other.severities);
        self.products_severities.extend(other.products_severities);
    }

    /// The first level that names an update, with the entry that does.
    fn naming(&self, update: &Update) -> Option<(&'static str, String)> {
        let has = |list: &BTreeSet<String>, text: &str| list.iter().any(|entry| is_same(entry, text));
        let bare = update.id.split('_').next().unwrap_or(&update.id);
        for id in [update.id.as_str(), bare] {
            if has(&self.updates, id) {
                return Some(("updates", id.to_owned()));
            }
        }
        let kbs = update.kbs.iter().map(|kb| bare_kb(kb));
        if let Some(kb) = kbs.into_iter().find(|kb| has(&self.kbs, kb)) {
            return Some(("kbs", kb));
        }
        for (level, list, texts) in [
            ("products", &self.products, &update.products),
            ("classifications", &self.classifications, &update.classifications),
        ] {
            if let Some(text) = texts.iter().find(|text| has(list, text)) {
                return Some((level, text.clone()));
            }
        }
        if !update.severity.is_empty() {
            if has(&self.severities, &update.severity) {
                return Some(("severities", update.severity.clone()));
            }
            let pairs = update
                .products
                .iter()
                .map(|product| format!("{product}:{}", update.severity));
            if let Some(pair) = pairs
                .into_iter()
                .find(|pair| has(&self.products_severities, pair))
            {
                return Some(("products_severities", pair));
            }
        }
        None
    }
}

impl Serialize for Allowed {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize("allowed", serializer)
    }
}

impl Serialize for Forbidden {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize("forbidden", serializer)
    }
}

/// One update, as a scan finds it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Update {
    /// `UpdateID_RevisionNumber`.
    pub id: String,
    /// Knowledge base articles, with or without `KB`.
    pub kbs: Vec<String>,
    pub products: Vec<String>,
    pub classifications: Vec<String>,
    /// One of [`SEVERITIES`], or empty.
    pub severity: String,
    pub published: Option<Timestamp>,
}

/// What becomes of an update, and by which rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    Allowed {
        rule: String,
    },
    Forbidden {
        rule: String,
    },
    /// Allowed, from this time on.
    Delayed {
        until: Timestamp,
        rule: String,
    },
}

impl UpdateRules {
    /// Reads the file of a package.
    ///
    /// # Errors
    /// It is no JSON object, or the value of a key that is known breaks a rule, which is named.
    pub fn parse(bytes: &[u8]) -> Result<Self, RulesError> {
        let mut members = members(bytes)?;
        let mut prefix = "";
        if let [(key, Value::Object(_))] = members.as_slice()
            && key == "waptwua"
            && let Some((_key, Value::Object(inner))) = members.pop()
        {
            prefix = "waptwua.";
            members = inner.into_iter().collect();
        }
        let mut rules = Self::default();
        for (name, value) in members {
            let key = format!("{prefix}{name}");
            match name.as_str() {
                "enabled" => rules.enabled = flag(&key, &value)?,
                "default_allow" => rules.default_allow = flag(&key, &value)?,
                "allowed_severities" => rules.allowed_severities = severities(&key, value)?,
                "install_delay" => rules.install_delay = delay(&key, &value)?,
                _ => rules.put(&key, name, value)?,
            }
        }
        Ok(rules)
    }

    fn put(&mut self, key: &str, name: String, value: Value) -> Result<(), RulesError> {
        let list = match name.split_once('_') {
            Some(("allowed", level)) => self.allowed.0.level_mut(level).map(|list| (level, list)),
            Some(("forbidden", level)) => self.forbidden.0.level_mut(level).map(|list| (level, list)),
            _ => None,
        };
        let Some((level, list)) = list else {
            self.other.insert(name, value);
            return Ok(());
        };
        *list = match level {
            "severities" => severities(key, value)?,
            "kbs" => entries(key, value)?.iter().map(|kb| bare_kb(kb)).collect(),
            _ => entries(key, value)?,
        };
        Ok(())
    }

    /// The file of a package.
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(&serde_json::json!({ "waptwua": self })).unwrap_or_default()
    }

    /// The rules of several packages as one; their order makes no difference to any decision.
    pub fn merged(all: impl IntoIterator<Item = Self>) -> Self {
        all.into_iter().fold(Self::default(), |mut merged, rules| {
            merged.enabled = merged.enabled.max(rules.enabled);
            merged.default_allow = match (merged.default_allow, rules.default_allow) {
                (Some(one), Some(other)) => Some(one && other),
                (one, other) => one.or(other),
            };
            let longer = |delay: &Option<Delay>| delay.as_ref().map(Delay::length);
            if longer(&rules.install_delay) > longer(&merged.install_delay) {
                merged.install_delay = rules.install_delay;
            }
            merged.allowed_severities.extend(rules.allowed_severities);
            merged.allowed.0.unite(rules.allowed.0);
            merged.forbidden.0.unite(rules.forbidden.0);
            merged.other.extend(rules.other);
            merged
        })
    }

    /// What becomes of an update at a time.
    pub fn decide(&self, update: &Update, now: Timestamp) -> Decision {
        if let Some((level, entry)) = self.forbidden.0.naming(update) {
            return Decision::Forbidden {
                rule: format!("forbidden_{level} has {entry}"),
            };
        }
        let has_severity = || {
            let severities = &self.allowed_severities;
            severities
                .iter()
                .any(|severity| is_same(severity, &update.severity))
        };
        let rule = if let Some((level, entry)) = self.allowed.0.naming(update) {
            format!("allowed_{level} has {entry}")
        } else if has_severity() {
            format!("allowed_severities has {}", update.severity)
        } else if self.default_allow == Some(true) {
            "default_allow is true".to_owned()
        } else {
            return Decision::Forbidden {
                rule: "no rule names it and default_allow is not true".to_owned(),
            };
        };
        let until = self
            .install_delay
            .as_ref()
            .zip(update.published)
            .and_then(|(delay, published)| published.checked_add(delay.length).ok());
        match until {
            Some(until) if until > now => Decision::Delayed { until, rule },
            _ => Decision::Allowed { rule },
        }
    }
}

fn flag(key: &str, value: &Value) -> Result<Option<bool>, RulesError> {
    match value {
        Value::Null => Ok(None),
        Value::Bool(flag) => Ok(Some(*flag)),
        Value::String(text) if text.eq_ignore_ascii_case("true") => Ok(Some(true)),
        Value::String(text) if text.eq_ignore_ascii_case("false") => Ok(Some(false)),
        other => Err(RulesError::value(
            key,
            format!("is {}, and must be true or false", kind(other)),
        )),
    }
}

fn delay(key: &str, value: &Value) -> Result<Option<Delay>, RulesError> {
    let text = match value {
        Value::Null => return Ok(None),
        Value::Number(number) => number.to_string(),
        Value::String(text) => text.clone(),
        other => {
            return Err(RulesError::value(
                key,
                format!("is {}, and must be a delay as 7d", kind(other)),
            ));
        }
    };
    match Delay::parse(&text) {
        Some(delay) => Ok(Some(delay)),
        None => Err(RulesError::value(
            key,
            format!("is {text:?}, and must be minutes, or a number with m, h, d or w"),
        )),
    }
}

fn entries(key: &str, value: Value) -> Result<BTreeSet<String>, RulesError> {
    let texts = texts(key, value)?;
    if texts.len() > MAX_ENTRIES {
        return Err(RulesError::value(
            key,
            format!("has more than {MAX_ENTRIES} entries"),
        ));
    }
    if texts.iter().any(String::is_empty) {
        return Err(RulesError::value(key, "has an empty entry"));
    }
    Ok(texts.into_iter().collect())
}

fn severities(key: &str, value: Value) -> Result<BTreeSet<String>, RulesError> {
    let found = entries(key, value)?;
    let known = |text: &String| SEVERITIES.into_iter().find(|severity| is_same(severity, text));
    found
        .iter()
        .map(|text| {
            known(text).map(ToOwned::to_owned).ok_or_else(|| {
                RulesError::value(
                    key,
                    format!("has {text:?}, and severities are {}", SEVERITIES.join(", ")),
                )
            })
        })
        .collect()
}

/// The number of a knowledge base article without its letters.
fn bare_kb(text: &str) -> String {
    let text = text.trim();
    match text.split_at_checked(2) {
        Some((letters, number)) if letters.eq_ignore_ascii_case("kb") => number.to_owned(),
        _ => text.to_owned(),
    }
}

fn is_same(one: &str, other: &str) -> bool {
    one.eq_ignore_ascii_case(other)
}

#[cfg(test)]
mod tests;
