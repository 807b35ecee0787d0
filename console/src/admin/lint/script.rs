//! The scripts of a package: read as their bytes say, parsed as Python 3, given to each rule.

use muster_shared::control::Section;
use muster_shared::package::member;
use muster_shared::package::script_text::{self, Encoding};
use ruff_python_ast::{ModModule, PythonVersion};
use ruff_python_parser::{Mode, ParseOptions, Parsed, parse_unchecked};

use super::python2::{Leftover, Modern, modernise};
use super::scope::Facts;
use super::sources::Sources;
use super::tokens::{Kind, tokens};
use super::{
    Finding, Severity, deprecated, hooks, names, paths, python2_names, syntax, transport, uninstall_key,
};

/// The oldest Python that runs scripts.
const OLDEST_PYTHON: PythonVersion = PythonVersion::PY39;

/// How deep brackets may nest; Python itself stops at 200.
const MAX_BRACKETS: usize = 200;

/// The most operators in one statement: each may nest one deeper.
const MAX_OPERATORS: usize = 20_000;

/// Room for trees as deep as the limits allow.
const STACK_BYTES: usize = 256 * 1024 * 1024;

/// One script with what is known of it; reports with places in the file as it is.
pub(super) struct Script<'a> {
    file: String,
    /// With `\n` line ends.
    original: &'a str,
    modern: &'a Modern,
    findings: &'a mut Vec<Finding>,
}

impl Script<'_> {
    /// Reports at an offset of the parsed text.
    pub(super) fn report(
        &mut self,
        at: usize,
        code: &'static str,
        severity: Severity,
        message: impl Into<String>,
        suggestion: impl Into<String>,
    ) {
        let at = self.modern.original(at);
        self.report_original(at, code, severity, message.into(), suggestion.into());
    }

    fn report_original(
        &mut self,
        at: usize,
        code: &'static str,
        severity: Severity,
        message: String,
        suggestion: String,
    ) {
        let before = self.original.get(..at).unwrap_or(self.original);
        let line_start = before.rfind('\n').map_or(0, |end| end + 1);
        let line = before.matches('\n').count() + 1;
        self.findings.push(Finding {
            file: self.file.clone(),
            line,
            column: before.get(line_start..).unwrap_or_default().chars().count() + 1,
            code,
            severity,
            message,
            suggestion: (!suggestion.is_empty()).then_some(suggestion),
        });
    }
}

/// Lints `setup.py` and `update_package.py`.
pub(super) fn lint(sources: &Sources, section: Option<Section>, findings: &mut Vec<Finding>) {
    let carries_code = section.is_some_and(Section::carries_code);
    match &sources.setup {
        None if carries_code => findings.push(Finding {
            file: sources.shown(member::SETUP),
            line: 1,
            column: 1,
            code: "setup-missing",
            severity: Severity::Warning,
            message: "there is no setup.py: the package installs nothing, it only brings its dependencies"
                .to_owned(),
            suggestion: Some("add a setup.py with `def install():`, or make the section group".to_owned()),
        }),
        Some(_) if section.is_some() && !carries_code => findings.push(Finding {
            file: sources.shown(member::SETUP),
            line: 1,
            column: 1,
            code: "setup-not-expected",
            severity: Severity::Error,
            message: "packages of this section hold no code; agents refuse one with a setup.py".to_owned(),
            suggestion: Some("remove setup.py, or make the section base".to_owned()),
        }),
        None | Some(_) => {}
    }
    let scripts = [(member::SETUP, &sources.setup), (member::UPDATE, &sources.update)];
    let texts: Vec<(&str, String)> = scripts
        .into_iter()
        .filter_map(|(name, bytes)| Some((name, read(sources, name, bytes.as_deref()?, findings)?)))
        .collect();
    let work = || {
        let mut found = Vec::new();
        let mut shared = Vec::new();
        for (name, text) in &texts {
            one(sources, name, text, section, &mut shared, &mut found);
        }
        found
    };
    let found = std::thread::scope(|scope| {
        let thread = std::thread::Builder::new()
            .name("lint".to_owned())
            .stack_size(STACK_BYTES)
            .spawn_scoped(scope, work);
        thread.ok().and_then(|thread| thread.join().ok())
    });
    findings.extend(found.unwrap_or_default());
}

/// The text of a script with `\n` line ends, or nothing when its bytes cannot be run.
fn read(sources: &Sources, name: &'static str, bytes: &[u8], findings: &mut Vec<Finding>) -> Option<String> {
    let script = script_text::decode(bytes);
    let mut push = |line, code, severity, message: String, suggestion: &str| {
        findings.push(Finding {
            file: sources.shown(name),
            line,
            column: 1,
            code,
            severity,
            message,
            suggestion: Some(suggestion.to_owned()),
        });
    };
    match script.encoding {
        Encoding::Utf8 => {}
        Encoding::Utf8WithMark => push(
            1,
            "byte-order-mark",
            Severity::Note,
            "the file begins with a byte order mark".to_owned(),
            "save it as UTF-8 without BOM",
        ),
        Encoding::Latin1 | Encoding::Windows1252 => push(
            1,
            "encoding",
            Severity::Note,
            "the file is not UTF-8 but as its coding line says".to_owned(),
            "save it as UTF-8 and remove the coding line",
        ),
        Encoding::Utf16Le | Encoding::Utf16Be => push(
            1,
            "encoding",
            Severity::Error,
            "the file is UTF-16, which Python does not read".to_owned(),
            "save it as UTF-8",
        ),
    }
    if let Some(cookie) = &script.unknown_cookie {
        push(
            1,
            "encoding",
            Severity::Warning,
            format!("the coding {cookie:?} is not known; the file is read as UTF-8"),
            "save it as UTF-8 and remove the coding line",
        );
    }
    if let Some(line) = script.first_bad_line {
        push(
            line,
            "encoding",
            Severity::Error,
            "not UTF-8 text, and no coding line says what else".to_owned(),
            "save the file as UTF-8, or name its coding in the first line: # -*- coding: cp1252 -*-",
        );
    }
    if script.text.contains('\0') {
        push(
            1,
            "encoding",
            Severity::Error,
            "the file has NUL characters".to_owned(),
            "save it as plain text",
        );
        return None;
    }
    Some(script.text.replace("\r\n", "\n").replace('\r', "\n"))
}

fn one(
    sources: &Sources,
    name: &'static str,
    text: &str,
    section: Option<Section>,
    shared: &mut Vec<String>,
    findings: &mut Vec<Finding>,
) {
    let file = sources.shown(name);
    if let Some(at) = too_deep(text) {
        let modern = Modern::plain(text);
        let mut script = Script {
            file,
            original: text,
            modern: &modern,
            findings,
        };
        script.report(
            at,
            "too-deep",
            Severity::Error,
            "the statement nests too deep; Python refuses it",
            "split the statement",
        );
        return;
    }
    let as_it_is = parse(text);
    // A text that Python 3 reads has no syntax of Python 2 in it.
    let modern = if as_it_is.errors().is_empty()
        && as_it_is.unsupported_syntax_errors().is_empty()
        && !has_bare_print(text)
    {
        Modern::plain(text)
    } else {
        modernise(text)
    };
    let parsed = if modern.leftovers.is_empty() {
        as_it_is
    } else {
        parse(&modern.text)
    };
    let mut script = Script {
        file,
        original: text,
        modern: &modern,
        findings,
    };
    for leftover in &modern.leftovers {
        let Leftover {
            at,
            code,
            severity,
            message,
            rewrite,
        } = leftover.clone();
        script.report_original(at, code, severity, message.to_owned(), rewrite);
    }
    syntax::lint(&mut script, &modern.text, &parsed);
    let module: &ModModule = match parsed.syntax() {
        ruff_python_ast::Mod::Module(module) => module,
        ruff_python_ast::Mod::Expression(_) => return,
    };
    let facts = Facts::of(&module.body);
    // Behind a syntax error the tree has holes, and a name may seem to be missing that is not.
    if parsed.errors().is_empty() {
        names::lint(&mut script, sources, &facts, shared);
    }
    python2_names::lint(&mut script, &facts, &module.body);
    hooks::lint(&mut script, name, section, &facts, parsed.errors().is_empty());
    deprecated::lint(&mut script, &facts);
    transport::lint(&mut script, &facts);
    paths::lint(&mut script, &facts);
    if name == member::SETUP && section.is_some_and(Section::carries_code) {
        uninstall_key::lint(&mut script, &facts);
        uninstall_key::lint_form(&mut script, &module.body);
    }
    shared.extend(facts.module.iter().map(|name| (*name).to_owned()));
}

fn parse(text: &str) -> Parsed<ruff_python_ast::Mod> {
    parse_unchecked(
        text,
        ParseOptions::from(Mode::Module).with_target_version(OLDEST_PYTHON),
    )
}

/// `print` alone, or with `>>`: Python 3 reads it, and does something else.
fn has_bare_print(text: &str) -> bool {
    let tokens = tokens(text);
    tokens.iter().enumerate().any(|(index, token)| {
        let before = index.checked_sub(1).and_then(|before| tokens.get(before));
        let starts =
            before.is_none_or(|before| before.kind == Kind::Newline || before.is(";") || before.is(":"));
        let next = tokens.get(index + 1);
        let is_bare = next.is_none_or(|next| next.kind == Kind::Newline || next.is(";") || next.is(">>"));
        token.depth == 0 && token.kind == Kind::Name && token.text == "print" && starts && is_bare
    })
}

/// Where a statement nests deeper than Python allows, or than a tree of it could be walked.
fn too_deep(text: &str) -> Option<usize> {
    let mut operators = 0;
    for token in tokens(text) {
        if token.depth > MAX_BRACKETS {
            return Some(token.start);
        }
        match token.kind {
            Kind::Newline => operators = 0,
            Kind::Operator if !matches!(token.text, "," | "(" | ")" | "[" | "]" | "{" | "}" | ":" | "=") => {
                operators += 1;
            }
            Kind::Name if matches!(token.text, "not" | "lambda" | "if" | "await" | "and" | "or") => {
                operators += 1;
            }
            _ => {}
        }
        if operators > MAX_OPERATORS {
            return Some(token.start);
        }
    }
    None
}
