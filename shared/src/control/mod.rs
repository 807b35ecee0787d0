//! The control of a package: its attributes in order, read tolerantly and written strictly.

mod attributes;
pub mod canonical_json;
mod outline;
mod problems;
mod read;
mod section;
mod signed;
pub(crate) mod text;
pub(crate) mod write;

use std::borrow::Cow;
use std::fmt;

use serde::de::{Error as _, MapAccess, Visitor};
use serde::ser::SerializeMap as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

pub use self::attributes::SIGNED_ATTRIBUTES;
pub use self::outline::{Oddity, OddityKind, Outline, OutlineRow, outline};
pub use self::problems::{Problem, is_maturity, parse_date};
pub use self::read::{ControlError, MAX_ATTRIBUTES, MAX_CONTROL_BYTES};
pub use self::section::{Section, SectionError};
use crate::request::{Request, parse_list_as_wapt};

/// The attributes of one package.
///
/// Values always have the form that they have after writing and reading: stripped lines, no empty line
/// inside, whole numbers in plain decimal form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Control {
    attributes: Vec<(Cow<'static, str>, Box<str>)>,
}

impl Control {
    /// A fresh control for any architecture, of optional priority, the rest empty.
    pub fn new(package: impl AsRef<str>, version: impl AsRef<str>, section: Section) -> Self {
        Self::empty()
            .with("package", package.as_ref())
            .with("version", version.as_ref())
            .with("architecture", attributes::default_value("architecture"))
            .with("section", section.as_str())
            .with("priority", attributes::default_value("priority"))
    }

    /// Sets an attribute and gives the control back.
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.set(name, value);
        self
    }

    pub(crate) fn empty() -> Self {
        Self {
            attributes: Vec::new(),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.attributes.len()
    }

    /// The value of an attribute, empty when absent.
    pub fn get(&self, name: &str) -> &str {
        self.find(name).unwrap_or_default()
    }

    /// Whether the attribute is there, even empty.
    pub fn has(&self, name: &str) -> bool {
        self.find(name).is_some()
    }

    /// Sets an attribute in place, or after all others when it is new.
    ///
    /// The value gets the form described at [`Control`]. A name that no control file can hold (empty,
    /// with `:` or a line end) and attributes past [`MAX_ATTRIBUTES`] change nothing.
    pub fn set(&mut self, name: &str, value: &str) {
        let name = text::strip(name).to_lowercase();
        if name.contains(':') || name.chars().any(text::is_line_end) {
            return;
        }
        self.store(name, text::normalised(value));
    }

    /// Removes an attribute.
    pub fn remove(&mut self, name: &str) {
        self.attributes.retain(|(existing, _)| existing != name);
    }

    /// The name of the package.
    pub fn package(&self) -> &str {
        self.get("package")
    }

    /// The version as written, `0` when absent.
    pub fn version(&self) -> &str {
        self.effective("version")
    }

    /// The section as written, `base` when absent.
    pub fn section(&self) -> &str {
        self.effective("section")
    }

    /// The section.
    ///
    /// # Errors
    /// The word is not a section.
    pub fn section_kind(&self) -> Result<Section, SectionError> {
        self.section().parse()
    }

    /// Whether the section is this one.
    pub fn is_section(&self, section: Section) -> bool {
        self.section() == section.as_str()
    }

    /// The architecture as written, `all` when absent.
    pub fn architecture(&self) -> &str {
        self.effective("architecture")
    }

    /// The comma list of packages needed.
    pub fn depends(&self) -> &str {
        self.get("depends")
    }

    /// The comma list of packages that must not be there.
    pub fn conflicts(&self) -> &str {
        self.get("conflicts")
    }

    /// The maturity as written; empty means `PROD`.
    pub fn maturity(&self) -> &str {
        self.get("maturity")
    }

    /// The maturity that hosts compare: `PROD` when empty.
    pub fn effective_maturity(&self) -> &str {
        match self.maturity() {
            "" => "PROD",
            maturity => maturity,
        }
    }

    /// The description in a language (`fr`, `fr_FR`, `fr-FR`), or the general one.
    pub fn description(&self, language: &str) -> &str {
        let code: String = language
            .chars()
            .take_while(char::is_ascii_alphanumeric)
            .collect::<String>()
            .to_ascii_lowercase();
        match self.get(&format!("description_{code}")) {
            "" => self.get("description"),
            description => description,
        }
    }

    /// The name to show: `name`, or the package name when that is empty.
    pub fn display_name(&self) -> &str {
        match self.get("name") {
            "" => self.package(),
            name => name,
        }
    }

    /// The packages needed, as agents act on them.
    pub fn depends_list(&self) -> Vec<Request> {
        parse_list_as_wapt(self.depends())
    }

    /// The packages that must not be there, as agents act on them.
    pub fn conflicts_list(&self) -> Vec<Request> {
        parse_list_as_wapt(self.conflicts())
    }

    /// Every attribute in order.
    pub fn attributes(&self) -> impl Iterator<Item = (&str, &str)> {
        self.attributes
            .iter()
            .map(|(name, value)| (name.as_ref(), value.as_ref()))
    }

    /// The attributes that are not of the format, without the lines that an index adds.
    pub fn unknown_attributes(&self) -> impl Iterator<Item = (&str, &str)> {
        self.attributes()
            .filter(|(name, _)| !attributes::is_known(name) && !attributes::INDEX_ATTRIBUTES.contains(name))
    }

    /// The value of an attribute, or its default when absent.
    pub(crate) fn effective(&self, name: &str) -> &str {
        self.find(name).unwrap_or_else(|| attributes::default_value(name))
    }

    /// Stores a name already lower-cased and a value already normalised.
    fn store(&mut self, name: String, value: String) {
        if name.is_empty() {
            return;
        }
        let value = match text::whole_number(&value) {
            Some(number) if attributes::NUMBER_ATTRIBUTES.contains(&name.as_str()) => number,
            _ => value,
        };
        let value = value.into_boxed_str();
        if let Some((_, existing)) = self.attributes.iter_mut().find(|(existing, _)| *existing == name) {
            *existing = value;
        } else if self.attributes.len() < MAX_ATTRIBUTES {
            self.attributes.push((attributes::interned(name), value));
        }
    }

    fn find(&self, name: &str) -> Option<&str> {
        self.attributes
            .iter()
            .find(|(existing, _)| existing == name)
            .map(|(_, value)| value.as_ref())
    }
}

impl Serialize for Control {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.attributes.len()))?;
        for (name, value) in self.attributes() {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for Control {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ControlVisitor)
    }
}

struct ControlVisitor;

impl<'de> Visitor<'de> for ControlVisitor {
    type Value = Control;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object of control attributes with text values")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Control, A::Error> {
        let mut control = Control::empty();
        while let Some((name, value)) = map.next_entry::<String, String>()? {
            if control.len() >= MAX_ATTRIBUTES {
                return Err(A::Error::custom("too many control attributes"));
            }
            control.set(&name, &value);
        }
        Ok(control)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fresh_control_has_the_defaults() {
        let control = Control::new("tis-a", "1.0-0", Section::Group);
        assert_eq!(control.architecture(), "all");
        assert_eq!(control.get("priority"), "optional");
        assert_eq!(control.section_kind(), Ok(Section::Group));
    }

    #[test]
    fn setting_keeps_the_place_and_normalises_the_value() {
        let mut control = Control::new("a", "1", Section::Base);
        control.set("Changelog", " one \n\n two ");
        control.set("version", "2");
        assert_eq!(control.get("changelog"), "one\ntwo");
        assert_eq!(control.attributes().nth(1), Some(("version", "2")));
        control.set("bad:name", "x");
        control.set("", "x");
        assert_eq!(control.len(), 6);
    }

    #[test]
    fn the_description_follows_the_language() {
        let control = Control::new("a", "1", Section::Base)
            .with("description", "x")
            .with("description_fr", "y");
        assert_eq!(control.description("fr_FR"), "y");
        assert_eq!(control.description("de"), "x");
    }

    #[test]
    fn json_keeps_order_and_values() {
        let control = Control::parse(b"zeta: 1\npackage: a\nchangelog: a\n b").unwrap();
        let json = serde_json::to_string(&control).unwrap();
        assert_eq!(json, r#"{"zeta":"1","package":"a","changelog":"a\nb"}"#);
        assert_eq!(serde_json::from_str::<Control>(&json).unwrap(), control);
    }
}
