//! Names that nothing defines: misspelt helpers, forgotten imports, modules that agents do not have.

use std::collections::BTreeSet;

use super::known_names::known_names;
use super::scope::{Facts, Import, Load};
use super::script::Script;
use super::sources::Sources;
use super::{Severity, python2_names, suggest};

/// Names that every module has.
const OF_MODULES: [&str; 9] = [
    "__file__",
    "__name__",
    "__doc__",
    "__package__",
    "__loader__",
    "__spec__",
    "__builtins__",
    "__annotations__",
    "__dict__",
];

/// Modules that exist on the system that they are for, beside what agents carry.
const OF_SYSTEMS: [&str; 14] = [
    "winreg",
    "msvcrt",
    "winsound",
    "_winapi",
    "msilib",
    "win32api",
    "win32con",
    "win32com",
    "pythoncom",
    "pywintypes",
    "win32service",
    "win32security",
    "win32file",
    "win32process",
];

/// Reports names and modules that are not there.
pub(super) fn lint(script: &mut Script<'_>, sources: &Sources, facts: &Facts<'_>, shared: &[String]) {
    let known = known_names();
    let has_helpers = facts.has_star_import("setuphelpers");
    // Other star imports may bring anything.
    let is_open = facts
        .imports
        .iter()
        .any(|import| import.name == "*" && import.module != "setuphelpers");
    for import in &facts.imports {
        imported(script, sources, import);
    }
    attributes(script, facts);
    let mut seen = BTreeSet::new();
    for load in &facts.unbound {
        let is_known = known.builtins.contains(load.name)
            || known.injected.contains(load.name)
            || OF_MODULES.contains(&load.name)
            || shared.iter().any(|name| name == load.name)
            || (has_helpers && known.setuphelpers.contains(load.name));
        if is_known || load.guard.expects_missing || is_open || !seen.insert(load.name) {
            continue;
        }
        undefined(script, load, facts, has_helpers);
    }
}

fn undefined(script: &mut Script<'_>, load: &Load<'_>, facts: &Facts<'_>, has_helpers: bool) {
    let known = known_names();
    let severity = if facts.is_dynamic || load.guard.catches_all {
        Severity::Warning
    } else {
        Severity::Error
    };
    let name = load.name;
    if let Some(rewrite) = python2_names::rewrite_of_name(name) {
        script.report(
            load.at,
            "python2-name",
            severity,
            format!("{name} is Python 2; Python 3 does not have it"),
            rewrite,
        );
        return;
    }
    if known.setuphelpers.contains(name) {
        script.report(
            load.at,
            "undefined-name",
            severity,
            format!("{name} is not defined: the script does not import it"),
            "add `from setuphelpers import *` at the top",
        );
        return;
    }
    if known.stdlib.contains(name) || known.carried.contains(name) {
        script.report(
            load.at,
            "undefined-name",
            severity,
            format!("{name} is not defined: the module is not imported"),
            format!("add `import {name}` at the top"),
        );
        return;
    }
    let own = facts.module.iter().copied();
    let helpers = known.setuphelpers.iter().copied().filter(|_| has_helpers);
    let others = known.builtins.iter().chain(&known.injected).copied();
    let (code, message) = if has_helpers {
        (
            "unknown-helper",
            format!("{name} is not defined: neither the script nor setuphelpers has this name"),
        )
    } else {
        ("undefined-name", format!("{name} is not defined"))
    };
    let suggestion = match suggest::nearest(name, own.chain(helpers).chain(others)) {
        Some(meant) => format!("did you mean {meant}?"),
        None => "define it, or import it".to_owned(),
    };
    script.report(load.at, code, severity, message, suggestion);
}

/// A module that cannot be imported, or a name that a module of ours does not have.
fn imported(script: &mut Script<'_>, sources: &Sources, import: &Import<'_>) {
    let known = known_names();
    if import.module.is_empty() || import.guard.expects_import_error {
        return;
    }
    if import.module == "setuphelpers"
        && !matches!(import.name, "" | "*")
        && !known.setuphelpers.contains(import.name)
    {
        let suggestion = match suggest::nearest(import.name, known.setuphelpers.iter().copied()) {
            Some(meant) => format!("did you mean {meant}?"),
            None => "remove it from the import".to_owned(),
        };
        script.report(
            import.at,
            "unknown-helper",
            Severity::Error,
            format!("setuphelpers has no {}", import.name),
            suggestion,
        );
        return;
    }
    let top = import.module.split('.').next().unwrap_or_default();
    if let Some(rewrite) = python2_names::rewrite_of_module(import.module) {
        if !known.carried.contains(top) && !sources.has_module(top) {
            script.report(
                import.at,
                "python2-import",
                Severity::Error,
                format!("the module {} is Python 2", import.module),
                rewrite,
            );
        }
        return;
    }
    let is_there = known.stdlib.contains(top)
        || known.carried.contains(top)
        || OF_SYSTEMS.contains(&top)
        || sources.has_module(top);
    if !is_there {
        let candidates = known.stdlib.iter().chain(&known.carried).copied();
        let suggestion = match suggest::nearest(top, candidates) {
            Some(meant) => format!("did you mean {meant}?"),
            None => format!("put {top}.py into the package, or use what Python, requests and bs4 offer"),
        };
        script.report(
            import.at,
            "unknown-module",
            Severity::Warning,
            format!("neither Python, the agent nor the package has the module {top}"),
            suggestion,
        );
    }
}

/// `setuphelpers.name` with a name that is not there.
fn attributes(script: &mut Script<'_>, facts: &Facts<'_>) {
    let known = known_names();
    let is_module = facts.has_star_import("setuphelpers")
        || facts
            .imports
            .iter()
            .any(|import| import.module == "setuphelpers" && import.name.is_empty());
    if !is_module {
        return;
    }
    let mut seen = BTreeSet::new();
    for (path, at, guard) in &facts.attributes {
        let Some(name) = path.strip_prefix("setuphelpers.") else {
            continue;
        };
        let is_inner = name.contains('.') || name.starts_with("__");
        if is_inner || known.setuphelpers.contains(name) || guard.catches_all || !seen.insert(name) {
            continue;
        }
        let suggestion = match suggest::nearest(name, known.setuphelpers.iter().copied()) {
            Some(meant) => format!("did you mean {meant}?"),
            None => "`make docs` lists what setuphelpers has".to_owned(),
        };
        script.report(
            *at,
            "unknown-helper",
            Severity::Error,
            format!("setuphelpers has no {name}"),
            suggestion,
        );
    }
}
