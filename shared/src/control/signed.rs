//! The exact bytes that the signature in a control file covers.

use super::{Control, attributes, canonical_json, text};
use crate::request::split_list;

impl Control {
    /// The attributes that the signature covers, by the control's own list.
    ///
    /// Without a list, and only for signatures dated before 2017-06-09, the short list of that time;
    /// else none, and nothing in the control may be trusted.
    pub fn signed_attributes(&self) -> Vec<&str> {
        let own: Vec<&str> = split_list(self.get("signed_attributes")).collect();
        if own.is_empty() && self.is_signed_before_lists() {
            return attributes::LEGACY_SIGNED_ATTRIBUTES.to_vec();
        }
        own
    }

    /// The bytes that were signed: canonical JSON of the signed attributes and their values.
    pub fn signed_bytes(&self) -> Vec<u8> {
        let mut names = self.signed_attributes();
        names.sort_unstable();
        names.dedup();
        let mut out = vec![b'{'];
        for (position, name) in names.into_iter().enumerate() {
            if position > 0 {
                out.push(b',');
            }
            canonical_json::push_string(&mut out, name);
            out.push(b':');
            self.push_signed_value(&mut out, name);
        }
        out.push(b'}');
        out
    }

    /// Whether this attribute and its value are covered by the signature.
    pub fn is_signed(&self, name: &str) -> bool {
        self.signed_attributes().contains(&name)
    }

    /// Lists every attribute of the format in `signed_attributes`, as signing does.
    ///
    /// With `keep_unknown` the unknown ones are listed too, else they are removed. Defaults are filled
    /// in and a former signature is removed.
    pub fn prepare_for_signing(&mut self, keep_unknown: bool) {
        for name in ["version", "architecture", "section", "priority"] {
            if !self.has(name) {
                self.set(name, attributes::default_value(name));
            }
        }
        self.remove("signature");
        let is_listable = |name: &str| !name.contains(',') && !name.is_empty();
        let unknown: Vec<String> = self
            .unknown_attributes()
            .map(|(name, _)| name.to_owned())
            .collect();
        let mut list = attributes::SIGNED_ATTRIBUTES.join(",");
        for name in unknown {
            if keep_unknown && is_listable(&name) {
                list.push(',');
                list.push_str(&name);
            } else {
                self.remove(&name);
            }
        }
        for name in attributes::INDEX_ATTRIBUTES {
            self.remove(name);
        }
        self.set("signed_attributes", &list);
    }

    fn push_signed_value(&self, out: &mut Vec<u8>, name: &str) {
        let value = self.effective(name);
        let is_null_when_absent =
            attributes::SIGNATURE_ATTRIBUTES.contains(&name) || !attributes::is_known(name);
        if !self.has(name) && is_null_when_absent {
            out.extend_from_slice(b"null");
        } else if let Some(number) =
            text::whole_number(value).filter(|_| attributes::NUMBER_ATTRIBUTES.contains(&name))
        {
            out.extend_from_slice(number.as_bytes());
        } else {
            canonical_json::push_string(out, value);
        }
    }

    fn is_signed_before_lists(&self) -> bool {
        let day: String = self
            .get("signature_date")
            .chars()
            .filter(|character| *character != '-')
            .take(8)
            .collect();
        let is_day = day.len() == 8 && day.bytes().all(|byte| byte.is_ascii_digit());
        is_day && day.as_str() < attributes::FIRST_DAY_WITH_LIST
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_listed_attributes_are_covered_and_absent_ones_are_empty_or_null() {
        let control =
            Control::parse(b"package: a\nname: secret\nsigned_attributes: package,depends,foo,signer")
                .unwrap();
        assert_eq!(
            text(&control),
            r#"{"depends":"","foo":null,"package":"a","signer":null}"#
        );
        assert!(control.is_signed("package"));
        assert!(!control.is_signed("name"));
    }

    #[test]
    fn a_numeric_size_is_a_number_and_an_empty_one_a_text() {
        let sized = |size: &str| {
            text(
                &Control::parse(
                    format!("installed_size: {size}\nsigned_attributes: installed_size").as_bytes(),
                )
                .unwrap(),
            )
        };
        assert_eq!(sized("0012"), r#"{"installed_size":12}"#);
        assert_eq!(
            sized("99999999999999999999999"),
            r#"{"installed_size":99999999999999999999999}"#
        );
        assert_eq!(sized("12.5"), r#"{"installed_size":"12.5"}"#);
        assert_eq!(sized(""), r#"{"installed_size":""}"#);
    }

    #[test]
    fn old_signatures_without_a_list_cover_the_short_one() {
        let dated =
            |date: &str| Control::parse(format!("package: a\nsignature_date: {date}").as_bytes()).unwrap();
        assert_eq!(dated("2017-06-08T10:00:00").signed_attributes().len(), 8);
        assert_eq!(dated("20160101-120000").signed_attributes().len(), 8);
        assert!(dated("2017-06-09T00:00:00").signed_attributes().is_empty());
        assert!(dated("2017-12-09T00:00:00").signed_attributes().is_empty());
        assert!(dated("").signed_attributes().is_empty());
    }

    #[test]
    fn preparing_drops_unknown_attributes_unless_told_to_keep_them() {
        let mut control = Control::parse(b"package: a\nfoo: bar\nsignature: x\nsize: 3").unwrap();
        let mut kept = control.clone();
        control.prepare_for_signing(false);
        assert!(!control.has("foo") && !control.has("signature") && !control.has("size"));
        assert_eq!(control.signed_attributes(), attributes::SIGNED_ATTRIBUTES);
        assert_eq!(control.version(), "0");
        kept.prepare_for_signing(true);
        assert_eq!(kept.signed_attributes().last(), Some(&"foo"));
        assert!(text(&kept).contains(r#""foo":"bar""#));
    }

    fn text(control: &Control) -> String {
        String::from_utf8(control.signed_bytes()).unwrap()
    }
}
