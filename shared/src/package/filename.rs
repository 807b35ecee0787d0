//! The one file name that a package has, computed from its control.

use md5::{Digest as _, Md5};

use crate::control::{Control, Section};
use crate::request::split_list;

/// The characters taken out of a file name.
const REMOVED: &str = "@|():%/,\\[]<>*?;`\n";

/// The file name of a package: `name_version[_arch][_maturity][_locales][_md5].wapt`.
///
/// Host packages are `name.wapt`, with or without `md5`. Parts that are empty or `all` are left out,
/// except that names ending in `-waptupgrade` keep `all`. A name that is not safe in a file name is
/// replaced by the md5 of its UTF-8 bytes.
pub fn canonical_filename(control: &Control, md5: Option<&str>) -> String {
    let package = control.package();
    let name = if is_safe(package) {
        package.to_owned()
    } else {
        hex::encode(Md5::digest(package.as_bytes()))
    };
    if control.is_section(Section::Host) {
        return sanitised(&format!("{name}.wapt"));
    }
    let keeps_all = package.to_lowercase().ends_with("-waptupgrade");
    let locale = control.get("locale");
    let locale = if keeps_all {
        locale.to_owned()
    } else {
        split_list(locale).collect::<Vec<_>>().join("-")
    };
    let mut parts = vec![name, control.version().to_owned()];
    for part in [control.architecture(), control.maturity(), &locale] {
        if !part.is_empty() && (keeps_all || part != "all") {
            parts.push(part.to_owned());
        }
    }
    parts.extend(md5.filter(|md5| !md5.is_empty()).map(ToOwned::to_owned));
    sanitised(&format!("{}.wapt", parts.join("_")))
}

fn is_safe(name: &str) -> bool {
    name.chars()
        .all(|character| character.is_alphanumeric() || matches!(character, '-' | '_' | '~' | '.'))
}

fn sanitised(filename: &str) -> String {
    filename
        .replace("..", "_")
        .chars()
        .filter(|character| !REMOVED.contains(*character))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_that_are_empty_or_all_are_left_out() {
        let control = Control::new("tis-a", "1.2-3", Section::Base)
            .with("maturity", "all")
            .with("locale", "fr,en");
        assert_eq!(canonical_filename(&control, None), "tis-a_1.2-3_fr-en.wapt");
        assert_eq!(
            canonical_filename(&control, Some("00ff")),
            "tis-a_1.2-3_fr-en_00ff.wapt"
        );
    }

    #[test]
    fn host_packages_carry_only_their_name() {
        let control = Control::new("4C4C-AB", "7", Section::Host);
        assert_eq!(canonical_filename(&control, Some("00ff")), "4C4C-AB.wapt");
    }

    #[test]
    fn a_directory_name_becomes_its_hash() {
        let control = Control::new("OU=computers,OU=site,DC=ad,DC=example,DC=lan", "2", Section::Unit);
        assert_eq!(
            canonical_filename(&control, None),
            "cda82e33aeb60d0f8d6fceeb85d3b8e1_2.wapt"
        );
    }

    #[test]
    fn letters_of_any_script_stay() {
        assert_eq!(
            canonical_filename(&Control::new("éclair", "1", Section::Group), None),
            "éclair_1.wapt"
        );
    }

    #[test]
    fn nothing_in_a_control_leaves_the_folder() {
        let control = Control::new("a", "../../1", Section::Base).with("maturity", "../x/y");
        let name = canonical_filename(&control, None);
        assert!(!name.contains('/') && !name.contains(".."), "{name}");
    }
}
