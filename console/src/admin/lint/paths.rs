//! Folders written out that differ from machine to machine.

use super::Severity;
use super::scope::Facts;
use super::script::Script;

/// Reports `C:\Program Files` in text.
pub(super) fn lint(script: &mut Script<'_>, facts: &Facts<'_>) {
    for (text, at) in &facts.strings {
        let plain = text.to_lowercase().replace('/', "\\").replace("\\\\", "\\");
        let Some(start) = plain.find(":\\program files") else {
            continue;
        };
        let is_32 = plain
            .get(start..)
            .is_some_and(|rest| rest.starts_with(":\\program files (x86)"));
        let helper = if is_32 { "programfiles32" } else { "programfiles" };
        script.report(
            *at,
            "hard-coded-path",
            Severity::Warning,
            "the folder of programs is written out; its drive and name differ between machines",
            format!("write makepath({helper}, '…')"),
        );
    }
}
