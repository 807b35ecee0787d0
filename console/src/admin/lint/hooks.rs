//! The hooks that an agent calls: spelt rightly, callable without parameters, without waiting for a person.

use muster_shared::control::Section;
use muster_shared::package::member;
use ruff_python_ast::StmtFunctionDef;
use ruff_text_size::Ranged as _;

use super::scope::Facts;
use super::script::Script;
use super::{Severity, suggest};

/// What the agent or `muster package update-sources` calls.
pub(super) const HOOKS: [&str; 5] = ["install", "uninstall", "audit", "session_setup", "update_package"];

/// Hooks that run as the system, where nobody sees or answers anything.
const UNATTENDED: [&str; 3] = ["install", "uninstall", "audit"];

/// Calls that wait for a person.
const INTERACTIVE: [&str; 9] = [
    "input",
    "raw_input",
    "getpass.getpass",
    "messagebox",
    "showmessage",
    "messagebox.showinfo",
    "tkinter.messagebox.showinfo",
    "msvcrt.getch",
    "ctypes.windll.user32.MessageBoxW",
];

/// Calls that end the process.
const EXITS: [&str; 4] = ["sys.exit", "exit", "quit", "os._exit"];

/// Checks the functions at the top of a script.
pub(super) fn lint(
    script: &mut Script<'_>,
    file: &str,
    section: Option<Section>,
    facts: &Facts<'_>,
    is_whole: bool,
) {
    for function in &facts.functions {
        let name = function.name.as_str();
        if HOOKS.contains(&name) {
            parameters(script, function);
        } else if let Some(meant) = misspelt(name, facts) {
            script.report(
                function.name.range().start().to_usize(),
                "misspelt-hook",
                Severity::Warning,
                format!(
                    "{name}() is called by nobody: the agent calls {}",
                    HOOKS.join(", ")
                ),
                format!("did you mean {meant}?"),
            );
        }
    }
    calls(script, facts);
    let has = |name: &str| facts.module.contains(name);
    if is_whole && file == member::SETUP && section.is_some_and(Section::carries_code) && !has("install") {
        // Only the first hook is looked for: packages that only audit or set up sessions are real.
        if !HOOKS.iter().any(|hook| has(hook)) {
            script.report(
                0,
                "no-hook",
                Severity::Warning,
                "the script has no install(), so that installing does nothing",
                "add `def install():`",
            );
        }
    }
    if is_whole && file == member::UPDATE && !has("update_package") {
        script.report(
            0,
            "no-hook",
            Severity::Warning,
            "update_package.py has no update_package()",
            "add `def update_package():`, which answers True when it changed something",
        );
    }
}

fn parameters(script: &mut Script<'_>, function: &StmtFunctionDef) {
    let name = function.name.as_str();
    let at = function.name.range().start().to_usize();
    let required = function
        .parameters
        .iter_non_variadic_params()
        .filter(|parameter| parameter.default.is_none())
        .count();
    if required > 0 {
        let asked = match required {
            1 => "a parameter".to_owned(),
            many => format!("{many} parameters"),
        };
        script.report(
            at,
            "hook-parameters",
            Severity::Error,
            format!("{name}() asks for {asked}, but the agent calls it without any"),
            format!(
                "write `def {name}():`; params, control, force and basedir are there without being passed"
            ),
        );
    }
    if function.is_async {
        script.report(
            at,
            "hook-parameters",
            Severity::Error,
            format!("{name}() is async: calling it does nothing"),
            format!("write `def {name}():`"),
        );
    }
}

/// The hook that a function is likely meant to be, when nothing else calls the function.
fn misspelt(name: &str, facts: &Facts<'_>) -> Option<&'static str> {
    if facts.read.contains(name) {
        return None;
    }
    let plain = name.to_lowercase().replace('_', "");
    HOOKS
        .into_iter()
        .find(|hook| hook.replace('_', "") == plain)
        .or_else(|| {
            let near = HOOKS
                .into_iter()
                .filter(|hook| suggest::distance(name, hook) <= 2 && hook.len() > 4);
            near.min_by_key(|hook| suggest::distance(name, hook))
        })
        // `reinstall`, `installer`: words of their own.
        .filter(|hook| !name.contains(hook) || name.to_lowercase().replace('_', "").len() <= hook.len() + 1)
}

fn calls(script: &mut Script<'_>, facts: &Facts<'_>) {
    let unattended = facts.reached_from(&UNATTENDED);
    let any_hook = facts.reached_from(&HOOKS);
    for call in &facts.calls {
        let at = call.node.range_start.to_usize();
        let at_top = call.function.is_none();
        let is_unattended = at_top
            || call
                .function
                .is_some_and(|function| unattended.contains(function));
        let is_own = facts.module.contains(call.path.as_str())
            && !facts
                .imports
                .iter()
                .any(|import| import.name == call.path || import.module == call.path);
        if is_own {
            continue;
        }
        if is_unattended && INTERACTIVE.contains(&call.path.as_str()) {
            script.report(
                at,
                "interactive",
                Severity::Warning,
                format!(
                    "{}() waits for a person, but the hook runs where nobody sees it, until its time is over",
                    call.path
                ),
                "print() what is to be known; take values from params, or ask in session_setup()",
            );
        }
        let in_hook = at_top || call.function.is_some_and(|function| any_hook.contains(function));
        if in_hook && EXITS.contains(&call.path.as_str()) {
            script.report(
                at,
                "exit",
                Severity::Warning,
                format!(
                    "{}() ends the whole script process instead of the hook",
                    call.path
                ),
                "return to end well, error('reason') to fail",
            );
        }
    }
}
