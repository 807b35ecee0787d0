//! The names of control attributes: their order, which are signed, and their defaults.

use std::borrow::Cow;

/// The attributes that a signature covers, in the order in which it lists them.
pub const SIGNED_ATTRIBUTES: [&str; 42] = [
    "package",
    "version",
    "architecture",
    "section",
    "priority",
    "name",
    "categories",
    "maintainer",
    "description",
    "depends",
    "conflicts",
    "maturity",
    "locale",
    "target_os",
    "min_os_version",
    "max_os_version",
    "min_wapt_version",
    "sources",
    "installed_size",
    "impacted_process",
    "description_fr",
    "description_pl",
    "description_de",
    "description_es",
    "description_pt",
    "description_it",
    "description_nl",
    "description_ru",
    "audit_schedule",
    "editor",
    "keywords",
    "licence",
    "homepage",
    "package_uuid",
    "valid_from",
    "valid_until",
    "forced_install_on",
    "changelog",
    "signer",
    "signer_fingerprint",
    "signature_date",
    "signed_attributes",
];

/// The attributes covered when a package signed before 2017-06-09 does not list any.
pub(crate) const LEGACY_SIGNED_ATTRIBUTES: [&str; 8] = [
    "package",
    "version",
    "architecture",
    "section",
    "priority",
    "depends",
    "conflicts",
    "maturity",
];

/// The first day on which signatures list what they cover, as digits.
pub(crate) const FIRST_DAY_WITH_LIST: &str = "20170609";

/// The attributes that a signature writes; JSON `null` when they are signed but absent.
pub(crate) const SIGNATURE_ATTRIBUTES: [&str; 5] = [
    "signer",
    "signer_fingerprint",
    "signature",
    "signature_date",
    "signed_attributes",
];

/// The lines that an index adds to a control; they belong to the row, not to the package.
pub(crate) const INDEX_ATTRIBUTES: [&str; 4] = ["filename", "size", "md5sum", "sha256sum"];

/// The attributes read as whole numbers when they can be.
pub(crate) const NUMBER_ATTRIBUTES: [&str; 2] = ["size", "installed_size"];

/// Every attribute that is always written, in order; `signature` stands before `signature_date`.
pub(crate) fn written_attributes() -> impl Iterator<Item = &'static str> {
    SIGNED_ATTRIBUTES.into_iter().flat_map(|name| {
        let before = (name == "signature_date").then_some("signature");
        before.into_iter().chain(std::iter::once(name))
    })
}

/// Whether an attribute is one of the format.
pub(crate) fn is_known(name: &str) -> bool {
    name == "signature" || SIGNED_ATTRIBUTES.contains(&name)
}

/// The value of an attribute that a control does not have.
pub(crate) fn default_value(name: &str) -> &'static str {
    match name {
        "version" => "0",
        "architecture" => "all",
        "section" => "base",
        "priority" => "optional",
        _ => "",
    }
}

/// Borrows the name of a known attribute, so that an index of many rows does not repeat it in memory.
pub(crate) fn interned(name: String) -> Cow<'static, str> {
    let known = SIGNED_ATTRIBUTES
        .iter()
        .chain(&SIGNATURE_ATTRIBUTES)
        .chain(&INDEX_ATTRIBUTES)
        .find(|known| **known == name);
    match known {
        Some(known) => Cow::Borrowed(known),
        None => Cow::Owned(name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signature_is_written_between_fingerprint_and_date_and_is_not_signed() {
        let written: Vec<_> = written_attributes().collect();
        assert_eq!(written.len(), 43);
        let position = written.iter().position(|name| *name == "signature").unwrap();
        assert_eq!(written[position - 1], "signer_fingerprint");
        assert_eq!(written[position + 1], "signature_date");
        assert!(!SIGNED_ATTRIBUTES.contains(&"signature"));
    }
}
