//! `setup.py` for every kind of installer: texts with places for values.
//!
//! Values come from files of strangers. They enter the code only as Python literals, and comments only as a
//! single line without quotes and backslashes, so that no installer can put code into a package.

use std::fmt::Write as _;

use muster_shared::control::Control;

use super::{NewPackage, TemplateError, control, payload};
use crate::admin::installer::naming::one_line;
use crate::admin::installer::{Installer, Kind, Maker};

const EMPTY: &str = include_str!("empty_setup.py");
const MSI: &str = include_str!("msi_setup.py");
const EXE: &str = include_str!("exe_setup.py");
const MSU: &str = include_str!("msu_setup.py");
const MSIX: &str = include_str!("msix_setup.py");
const LINUX: &str = include_str!("linux_setup.py");
const PORTABLE: &str = include_str!("portable_setup.py");
const UPDATE: &str = include_str!("update_package.py");

/// What deals with packages of Debian and its kin.
const DEB: [(&str, &str); 5] = [
    ("lister", "dpkg"),
    ("fetcher", "apt"),
    ("helper", "install_deb"),
    ("remover", "apt"),
    (
        "advice",
        "    # purge_deb(uninstallkey[0])      removes its settings, too\n    \
         # autoremove_apt()                removes what nothing needs any longer",
    ),
];

/// What deals with packages of Red Hat and its kin.
const RPM: [(&str, &str); 5] = [
    ("lister", "rpm"),
    ("fetcher", "dnf"),
    ("helper", "install_rpm"),
    ("remover", "rpm"),
    (
        "advice",
        "    # autoremove_yum()                removes what nothing needs any longer",
    ),
];

/// The text of `setup.py`.
pub(super) fn setup(request: &NewPackage, control: &Control) -> Result<String, TemplateError> {
    let package = comment(control.package());
    let Some(installer) = &request.installer else {
        refuse_unused(request, "empty package", true, true)?;
        return Ok(fill(EMPTY, &[("package", package)]));
    };
    let key = request
        .uninstall_key
        .as_ref()
        .or(installer.uninstall_key.as_ref());
    let key_text = literal(key.map_or("", String::as_str));
    let file = payload::file_name(installer);
    let title = title(installer, control);
    let common = [
        ("package", package),
        ("title", title),
        ("file", literal(&file)),
        ("file_text", comment(&file)),
        ("key", key_text),
    ];
    let with = |template: &str, more: Vec<(&'static str, String)>| {
        let values: Vec<_> = common.iter().cloned().chain(more).collect();
        fill(template, &values)
    };
    Ok(match installer.kind {
        Kind::Msi => {
            refuse_unused(request, "MSI", true, false)?;
            with(MSI, vec![("update", update(installer))])
        }
        Kind::Exe(maker) => exe(request, installer, maker, key.is_some(), &with),
        Kind::Msu => {
            refuse_unused(request, "MSU", false, true)?;
            let flags = request.silent_flags.as_ref().or(installer.silent_flags.as_ref());
            let number = installer
                .short_name
                .strip_prefix("kb")
                .map(|number| format!("KB{number}"));
            with(
                MSU,
                vec![
                    ("update_number", literal(&number.unwrap_or_default())),
                    // It stands in a text that is formatted with `%`.
                    (
                        "flags_text",
                        inside_literal(flags.map_or("", String::as_str)).replace('%', "%%"),
                    ),
                ],
            )
        }
        Kind::Msix => {
            refuse_unused(request, "MSIX", true, true)?;
            with(MSIX, Vec::new())
        }
        Kind::Deb | Kind::Rpm => {
            refuse_unused(request, installer.kind.word(), true, false)?;
            let mut values = vec![("needs", needs(installer)), ("update", update(installer))];
            let words = if installer.kind == Kind::Deb { DEB } else { RPM };
            values.extend(words.map(|(name, word)| (name, word.to_owned())));
            with(LINUX, values)
        }
        Kind::Folder => {
            refuse_unused(request, "folder", true, false)?;
            let label = control.display_name().to_owned();
            let key = request
                .uninstall_key
                .clone()
                .unwrap_or_else(|| control.package().to_owned());
            let values = [
                ("package", comment(control.package())),
                ("title", comment(&label)),
                ("label", literal(&file_label(&label))),
                ("folder", literal(control.package())),
                (
                    "program",
                    literal(installer.main_program.as_deref().unwrap_or_default()),
                ),
                ("key", literal(&key)),
                ("publisher", literal(control.get("editor"))),
            ];
            fill(PORTABLE, &values)
        }
    })
}

/// Fills a template with the values that all have, and more.
type Filling<'a> = dyn Fn(&str, Vec<(&'static str, String)>) -> String + 'a;

fn exe(
    request: &NewPackage,
    installer: &Installer,
    maker: Maker,
    has_key: bool,
    with: &Filling<'_>,
) -> String {
    let flags = request.silent_flags.as_ref().or(installer.silent_flags.as_ref());
    let flags_comment = if request.silent_flags.is_some() {
        "The switches that install without a question.".to_owned()
    } else if maker == Maker::Unknown {
        "A guess: the tool that made this installer is not known. Try /?, /S, /silent, /quiet, -q.".to_owned()
    } else {
        format!(
            "The switches with which installers made by {} install without a question.",
            maker.name()
        )
    };
    let key_comment = if request.uninstall_key.is_some() || maker == Maker::WixBurn {
        "Without it nothing tells whether the software is there."
    } else if has_key {
        "This is the usual one for such installers; `muster package test` lists the keys that really appeared."
    } else {
        "The file does not tell it: `muster package test` lists the keys that appeared, write one of them here."
    };
    let uninstall_flags = maker.uninstall_flags();
    let uninstall_comment = if uninstall_flags.is_empty() {
        "Where Windows keeps no silent command for it, run its uninstaller here:".to_owned()
    } else {
        format!(
            "Uninstallers made by {} are silent with {uninstall_flags}:",
            maker.name()
        )
    };
    let min_version = if control::has_software_version(request) {
        "control.get_software_version()"
    } else {
        "''"
    };
    with(
        EXE,
        vec![
            ("maker", comment(maker.name())),
            ("flags", literal(flags.map_or("", String::as_str))),
            ("flags_comment", comment(&flags_comment)),
            ("key_comment", comment(key_comment)),
            ("min_version", min_version.to_owned()),
            ("uninstall_comment", comment(&uninstall_comment)),
            ("uninstall_flags", comment(uninstall_flags)),
            ("update", update(installer)),
        ],
    )
}

/// An option that would change nothing is a misunderstanding.
fn refuse_unused(
    request: &NewPackage,
    kind: &'static str,
    flags: bool,
    key: bool,
) -> Result<(), TemplateError> {
    if flags && request.silent_flags.is_some() {
        return Err(TemplateError::NotForKind {
            kind,
            what: "silent switches",
        });
    }
    if key && request.uninstall_key.is_some() {
        return Err(TemplateError::NotForKind {
            kind,
            what: "uninstall key",
        });
    }
    Ok(())
}

fn title(installer: &Installer, control: &Control) -> String {
    let name = control.display_name();
    let version = installer.version.as_str();
    comment(&if version.is_empty() || name.contains(version) {
        name.to_owned()
    } else {
        format!("{name} {version}")
    })
}

fn needs(installer: &Installer) -> String {
    let needs: Vec<&str> = installer
        .facts
        .iter()
        .filter(|(label, _)| matches!(*label, "needs" | "needs first"))
        .map(|(_, text)| text.as_str())
        .collect();
    if needs.is_empty() {
        "nothing".to_owned()
    } else {
        comment(&needs.join(", "))
    }
}

/// `update_package()` for a kind of file.
fn update(installer: &Installer) -> String {
    let (extension, read_version, replace_key) = match installer.kind {
        Kind::Msi => (
            ".msi",
            "    about = get_msi_properties(download)\n    version = about['ProductVersion']",
            "    # Another version has another product code. It comes from the download: only what looks like one is taken.
    if uninstallkey and uninstallkey[0]:
        product_code = str(about['ProductCode'])
        if not re.match(r'\\{[0-9A-Fa-f-]{36}\\}\\Z', product_code):
            remove_file(download)
            error('%s has no product code but %r' % (download, product_code))
        if repr(uninstallkey[0]) not in code:
            print('Write the product code %s into uninstallkey' % product_code)
        code = code.replace(repr(uninstallkey[0]), repr(product_code))\n",
        ),
        Kind::Deb => (
            ".deb",
            "    version = run('dpkg-deb --field %s Version' % download).strip()\n    version = version.split(':')[-1].split('-')[0].split('+')[0].split('~')[0]",
            "",
        ),
        Kind::Rpm => (
            ".rpm",
            "    version = run('rpm -qp --qf %%{VERSION} %s' % download).strip()",
            "",
        ),
        Kind::Exe(_) | Kind::Msu | Kind::Msix | Kind::Folder => (
            ".exe",
            "    version = get_version_from_binary(download, 'ProductVersion')",
            "",
        ),
    };
    fill(
        UPDATE,
        &[
            ("extension", extension.to_owned()),
            ("read_version", read_version.to_owned()),
            ("replace_key", replace_key.to_owned()),
        ],
    )
    .trim_end()
    .to_owned()
}

/// Puts values in the places `@name@`, in one pass: a value may look like a place.
fn fill(template: &str, values: &[(&str, String)]) -> String {
    let mut text = String::with_capacity(template.len() * 2);
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('@') {
        text.push_str(before);
        let found = after.split_once('@').and_then(|(name, behind)| {
            let (_, value) = values.iter().find(|(known, _)| *known == name)?;
            Some((value, behind))
        });
        if let Some((value, behind)) = found {
            text.push_str(value);
            rest = behind;
        } else {
            text.push('@');
            rest = after;
        }
    }
    text.push_str(rest);
    text
}

/// A Python literal of a text.
fn literal(text: &str) -> String {
    format!("'{}'", inside_literal(text))
}

/// The inside of a literal between single quotes.
fn inside_literal(text: &str) -> String {
    let mut inside = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '\\' => inside.push_str("\\\\"),
            '\'' => inside.push_str("\\'"),
            '"' => inside.push_str("\\\""),
            other if other.is_control() || matches!(other, '\u{2028}' | '\u{2029}') => {
                write!(inside, "\\u{:04x}", u32::from(other)).ok();
            }
            other => inside.push(other),
        }
    }
    inside
}

/// Text for a comment or a docstring: one line that cannot end either.
fn comment(text: &str) -> String {
    one_line(text, 600).replace('\\', "/").replace('"', "'")
}

/// A label that is also the name of a shortcut's file.
fn file_label(label: &str) -> String {
    let name: String = label
        .chars()
        .filter(|letter| !matches!(letter, '\\' | '/' | ':' | '*' | '?' | '"' | '<' | '>' | '|'))
        .collect();
    one_line(&name, 80)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_product_code_of_a_download_is_checked_before_it_is_written() {
        let installer = Installer::new(std::path::Path::new("a.msi"), Kind::Msi);
        let update = update(&installer);
        for wanted in [
            r"re.match(r'\{[0-9A-Fa-f-]{36}\}\Z', product_code)",
            "if uninstallkey and uninstallkey[0]:",
            "code.replace(repr(uninstallkey[0]), repr(product_code))",
        ] {
            assert!(update.contains(wanted), "{update}");
        }
    }

    #[test]
    fn values_cannot_become_code() {
        let nasty = "a'\n\"\"\"\nimport os\\ @file@";
        assert_eq!(literal(nasty), r#"'a\'\u000a\"\"\"\u000aimport os\\ @file@'"#);
        assert_eq!(comment(nasty), "a' ''' import os/ @file@");
        let filled = fill(
            "x = @key@ # @file@ a@b @unknown@",
            &[("key", literal("@file@")), ("file", "f".into())],
        );
        assert_eq!(filled, "x = '@file@' # f a@b @unknown@");
    }
}
