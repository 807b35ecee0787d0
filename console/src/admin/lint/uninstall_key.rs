//! `uninstallkey`: how an agent knows that the software is there, and how to remove it.

use ruff_python_ast::{Expr, ExprCall, Stmt};
use ruff_text_size::Ranged as _;

use super::Severity;
use super::scope::Facts;
use super::script::Script;

/// Helpers that fill the list by themselves.
const FILLING: [&str; 2] = ["install_msi_if_needed", "install_exe_if_needed"];

/// Calls that install something, or may.
const RUNNING: [&str; 12] = [
    "run",
    "run_notfatal",
    "install_deb",
    "install_rpm",
    "install_apt",
    "install_yum",
    "install_pkg",
    "install_dmg",
    "subprocess.run",
    "subprocess.check_call",
    "subprocess.check_output",
    "subprocess.call",
];

/// Reports a script that installs something and does not say how it is found again.
pub(super) fn lint(script: &mut Script<'_>, facts: &Facts<'_>) {
    let has_list = facts.module.contains("uninstallkey");
    let Some(install) = facts
        .functions
        .iter()
        .find(|function| function.name.as_str() == "install")
    else {
        return;
    };
    let reached = facts.reached_from(&["install"]);
    let mut runs = false;
    let mut fills = false;
    for call in &facts.calls {
        if !call.function.is_some_and(|function| reached.contains(function)) {
            continue;
        }
        fills |= FILLING.contains(&call.path.as_str());
        runs |= RUNNING.contains(&call.path.as_str());
        if call.path == "install_exe_if_needed" && !has_key(call.node) && !has_list {
            script.report(
                call.node.range().start().to_usize(),
                "no-uninstallkey",
                Severity::Warning,
                "install_exe_if_needed() is not told the key by which the software is found in the registry",
                "add key='…'; the message of a first installation lists the new keys",
            );
        }
    }
    if has_list {
        return;
    }
    let at = install.name.range().start().to_usize();
    let suggestion = "write `uninstallkey = []` above the hooks, with the keys that install() brings";
    if runs && !fills {
        script.report(
            at,
            "no-uninstallkey",
            Severity::Warning,
            "uninstallkey is not set although install() runs something: nothing is checked afterwards, and removal \
             uninstalls nothing by itself",
            suggestion,
        );
    } else {
        script.report(
            at,
            "no-uninstallkey",
            Severity::Note,
            "uninstallkey is not set; the agent takes an empty list",
            suggestion,
        );
    }
}

/// Reports `uninstallkey = 'x'`: a text is no list of keys.
pub(super) fn lint_form(script: &mut Script<'_>, body: &[Stmt]) {
    for statement in body {
        let (targets, value) = match statement {
            Stmt::Assign(assign) => (assign.targets.as_slice(), Some(assign.value.as_ref())),
            Stmt::AnnAssign(assign) => (
                std::slice::from_ref(assign.target.as_ref()),
                assign.value.as_deref(),
            ),
            _ => continue,
        };
        let is_list =
            |target: &Expr| matches!(target, Expr::Name(name) if name.id.as_str() == "uninstallkey");
        let Some(Expr::StringLiteral(text)) = value else {
            continue;
        };
        if targets.iter().any(is_list) {
            let keys = match text.value.to_str() {
                "" => String::new(),
                key => format!("{key:?}"),
            };
            script.report(
                text.range().start().to_usize(),
                "uninstallkey-text",
                Severity::Error,
                "uninstallkey is a text, but it is a list of keys",
                format!("write `uninstallkey = [{keys}]`"),
            );
        }
    }
}

/// A key by keyword, or as the third value behind file and switches.
fn has_key(call: &ExprCall) -> bool {
    call.arguments.args.len() > 2
        || call
            .arguments
            .keywords
            .iter()
            // `**options` may hold it.
            .any(|keyword| keyword.arg.as_ref().is_none_or(|name| name.as_str() == "key"))
}
