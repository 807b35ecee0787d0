//! The names that a script finds without binding them: those of `setuphelpers`, those that the agent puts in,
//! Python's own, and the modules that can be imported.
//!
//! The list is written by `names.py` beside it from the agent's own Python modules; a test compares them.

use std::collections::BTreeSet;
use std::sync::LazyLock;

const LIST: &str = include_str!("names.txt");

/// The parts of the list.
#[derive(Debug, Default)]
pub struct KnownNames {
    /// What `from setuphelpers import *` gives.
    pub setuphelpers: BTreeSet<&'static str>,
    /// What stands in a script's module before its first line.
    pub injected: BTreeSet<&'static str>,
    pub builtins: BTreeSet<&'static str>,
    /// Top-level modules of the standard library.
    pub stdlib: BTreeSet<&'static str>,
    /// Top-level modules that the agent carries.
    pub carried: BTreeSet<&'static str>,
}

static NAMES: LazyLock<KnownNames> = LazyLock::new(|| parse(LIST));

/// The list.
pub fn known_names() -> &'static KnownNames {
    &NAMES
}

fn parse(text: &'static str) -> KnownNames {
    let mut names = KnownNames::default();
    let mut part: Option<&mut BTreeSet<&'static str>> = None;
    for line in text.lines() {
        match line {
            "" => {}
            "[setuphelpers]" => part = Some(&mut names.setuphelpers),
            "[injected]" => part = Some(&mut names.injected),
            "[builtins]" => part = Some(&mut names.builtins),
            "[stdlib]" => part = Some(&mut names.stdlib),
            "[carried]" => part = Some(&mut names.carried),
            comment if comment.starts_with('#') => {}
            line => {
                if let Some(part) = part.as_deref_mut() {
                    part.extend(line.split_whitespace());
                }
            }
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_of_the_list_is_filled() {
        let names = known_names();
        assert!(names.setuphelpers.contains("makepath") && names.setuphelpers.len() > 300);
        assert!(names.injected.contains("WAPT") && names.injected.contains("persistent_dir"));
        assert!(names.builtins.contains("print") && names.stdlib.contains("subprocess"));
        assert!(names.carried.contains("setuphelpers") && names.carried.contains("waptpackage"));
    }
}
