//! Writing a control file in the one form that every agent reads.

use super::{Control, attributes};

impl Control {
    /// Writes every attribute of the format in its order; unknown ones are left out.
    ///
    /// No newline follows the last line. The `signature` is written only when there is one, all others
    /// even when empty; an absent version, architecture, section or priority gets its default.
    pub fn to_text(&self) -> String {
        let mut text = String::with_capacity(2048);
        for name in attributes::written_attributes() {
            let value = self.effective(name);
            if name != "signature" || !value.is_empty() {
                push_line(&mut text, name, value);
            }
        }
        text
    }

    /// Writes as [`Control::to_text`], then the unknown attributes in their order.
    pub fn to_text_with_unknown(&self) -> String {
        let mut text = self.to_text();
        for (name, value) in self.unknown_attributes() {
            push_line(&mut text, name, value);
        }
        text
    }
}

/// Appends one attribute, after a newline unless it is the first.
pub(crate) fn push_line(text: &mut String, name: &str, value: &str) {
    if !text.is_empty() {
        text.push('\n');
    }
    text.push_str(name);
    for _ in name.chars().count()..18 {
        text.push(' ');
    }
    text.push_str(": ");
    for (position, line) in value.split('\n').enumerate() {
        if position > 0 {
            text.push_str("\n ");
        }
        text.push_str(line);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_padded_and_empty_values_keep_their_blank() {
        let text = Control::new("a", "1", crate::control::Section::Base).to_text();
        assert!(text.starts_with("package           : a\nversion           : 1\n"));
        assert!(text.contains("\nname              : \n"));
        assert!(text.ends_with("\nsigned_attributes : "));
        assert!(!text.contains("\nsignature         :"));
    }

    #[test]
    fn a_value_of_several_lines_is_continued_with_a_blank() {
        let control = Control::parse(b"changelog: a\n b\n c").unwrap();
        assert!(
            control
                .to_text()
                .contains("changelog         : a\n b\n c\nsigner")
        );
    }

    #[test]
    fn unknown_attributes_are_kept_only_when_asked() {
        let control = Control::parse(b"package: a\nfoo: bar\na_very_long_attribute_name: x").unwrap();
        assert!(!control.to_text().contains("foo"));
        assert!(
            control
                .to_text_with_unknown()
                .ends_with("\nfoo               : bar\na_very_long_attribute_name: x")
        );
    }
}
