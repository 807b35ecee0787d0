//! The control file: every rule of building and signing, with its line, and what is likely not meant.

use muster_shared::control::{
    Control, ControlError, OddityKind, Outline, Problem, SIGNED_ATTRIBUTES, Section, outline,
};
use muster_shared::package::{build, member};
use muster_shared::request::split_list;

use super::sources::Sources;
use super::{Finding, Severity, suggest};

/// Attributes that packages of newer versions carry; they are no slips of the hand.
const NEWER: [&str; 1] = ["icon_sha256sum"];

/// Attributes of an index row or of an agent's own book-keeping, which some tools leave in.
const FOREIGN: [&str; 8] = [
    "filename",
    "size",
    "md5sum",
    "sha256sum",
    "repo",
    "repo_url",
    "localpath",
    "sourcespath",
];

/// Lints the control file; gives the section, when it can be read.
pub(super) fn lint(sources: &Sources, findings: &mut Vec<Finding>) -> Option<Section> {
    let file = sources.shown(member::CONTROL);
    let Some(bytes) = &sources.control else {
        findings.push(Finding {
            file,
            line: 1,
            column: 1,
            code: "control-missing",
            severity: Severity::Error,
            message: "there is no WAPT/control".to_owned(),
            suggestion: Some("`muster package new NAME` makes sources with one".to_owned()),
        });
        return None;
    };
    let outline = outline(bytes);
    let mut report = Reporter {
        file,
        outline: &outline,
        findings,
    };
    report.oddities();
    let control = match Control::parse_rest(bytes) {
        Ok((control, broken)) => {
            for error in &broken {
                report.unreadable(error, bytes);
            }
            control
        }
        Err(error) => {
            report.unreadable(&error, bytes);
            return None;
        }
    };
    report.problems(&control);
    report.advice(&control);
    report.unknown(&control);
    report.tokens(&control);
    report.missing(&control);
    report.schedule(&control);
    control.section_kind().ok()
}

struct Reporter<'a> {
    file: String,
    outline: &'a Outline,
    findings: &'a mut Vec<Finding>,
}

impl Reporter<'_> {
    fn at(
        &mut self,
        (line, column): (usize, usize),
        code: &'static str,
        severity: Severity,
        message: impl Into<String>,
        suggestion: Option<String>,
    ) {
        self.findings.push(Finding {
            file: self.file.clone(),
            line,
            column,
            code,
            severity,
            message: message.into(),
            suggestion,
        });
    }

    /// Where an attribute's value stands, or the end of the attributes for one that is not there.
    fn place(&self, attribute: &str) -> (usize, usize) {
        match self.outline.find(attribute) {
            Some(row) => (row.line, row.value_column),
            None => (self.outline.rows.last().map_or(1, |row| row.line), 1),
        }
    }

    fn oddities(&mut self) {
        for odd in &self.outline.oddities {
            let place = (odd.line, odd.column);
            let (code, severity, message, suggestion) = match &odd.kind {
                OddityKind::ByteOrderMark => (
                    "byte-order-mark",
                    Severity::Warning,
                    "the file begins with a byte order mark; WAPT's own tools stop at it".to_owned(),
                    "save it as UTF-8 without BOM; building writes it without",
                ),
                OddityKind::HiddenLineEnd(character) => (
                    "hidden-line-end",
                    Severity::Warning,
                    format!(
                        "U+{:04X} ends the line for the reader of control files",
                        u32::from(*character)
                    ),
                    "remove the character; what follows it is read as another line",
                ),
                OddityKind::Tab => (
                    "tab-continuation",
                    Severity::Warning,
                    "the line begins with a tab, which does not continue the attribute above but starts one"
                        .to_owned(),
                    "begin the line with a space to continue, with nothing to start an attribute",
                ),
                OddityKind::Duplicate { name, first_line } => (
                    "duplicate-attribute",
                    Severity::Warning,
                    format!("{name} is set in line {first_line} already; the last one counts"),
                    "keep one of the lines",
                ),
                OddityKind::AfterBlankLine => (
                    "after-blank-line",
                    Severity::Warning,
                    "an empty line ends the control file; nothing from here on is read".to_owned(),
                    "remove the empty line above, or begin continued lines with a space and a dot",
                ),
                OddityKind::Capitals(written) => (
                    "capital-letters",
                    Severity::Note,
                    format!("{written} is read as {}", written.to_lowercase()),
                    "write attribute names in small letters",
                ),
            };
            self.at(place, code, severity, message, Some(suggestion.to_owned()));
        }
    }

    fn unreadable(&mut self, error: &ControlError, bytes: &[u8]) {
        let line = match error {
            ControlError::TooLarge { .. } => 1,
            ControlError::TooManyAttributes { line }
            | ControlError::NotText { line }
            | ControlError::NoColon { line, .. }
            | ControlError::ContinuesNothing { line } => *line,
        };
        let advice = match error {
            ControlError::NoColon { .. } => {
                "write `name : value`; a line that continues the value above begins with a space"
            }
            ControlError::NotText { .. }
                if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") =>
            {
                "the file is UTF-16: save it as UTF-8 without BOM"
            }
            ControlError::NotText { .. } => "save the file as UTF-8 without BOM",
            ControlError::ContinuesNothing { .. } => "remove the space at the beginning of the line",
            ControlError::TooLarge { .. } | ControlError::TooManyAttributes { .. } => {
                "is this a control file? It has `name : value` lines, about forty of them"
            }
        };
        // The reader counts lines that editors do not show; the text of the error begins with its own number.
        let message = error.to_string();
        let message = message
            .strip_prefix(&format!("line {line}: "))
            .unwrap_or(&message)
            .to_owned();
        self.at(
            (line, 1),
            "control-unreadable",
            Severity::Error,
            message,
            Some(advice.to_owned()),
        );
    }

    fn problems(&mut self, control: &Control) {
        // Building writes the names of units and profiles as agents look for them.
        for problem in build::with_written_name(control.clone()).problems_for_signing() {
            // A missing attribute is judged by its default, and its own finding says so.
            let code = problem_code(&problem.attribute);
            let advice = with_comment_advice(&problem, code);
            let place = self.place(&problem.attribute);
            self.at(place, code, Severity::Error, described(&problem), Some(advice));
        }
    }

    fn advice(&mut self, control: &Control) {
        for problem in control.advice_for_signing() {
            // Unknown attributes have a finding of their own.
            if control
                .unknown_attributes()
                .any(|(name, _)| name == problem.attribute)
            {
                continue;
            }
            let code = problem_code(&problem.attribute);
            let place = self.place(&problem.attribute);
            let (message, advice) = (described(&problem), problem.advice.clone());
            self.at(place, code, Severity::Warning, message, Some(advice));
        }
    }

    fn unknown(&mut self, control: &Control) {
        for (name, _value) in control.unknown_attributes() {
            if NEWER.contains(&name) || FOREIGN.contains(&name) {
                continue;
            }
            let meant = suggest::nearest(name, SIGNED_ATTRIBUTES);
            let suggestion = match meant {
                Some(meant) => format!("did you mean {meant}?"),
                None => "remove it, or build with --keep-unknown to keep and sign it".to_owned(),
            };
            let line = self.outline.find(name).map_or(1, |row| row.line);
            self.at(
                (line, 1),
                "unknown-attribute",
                Severity::Warning,
                format!("{name} is not an attribute of the format; it is dropped at signing"),
                Some(suggestion),
            );
        }
    }

    fn tokens(&mut self, control: &Control) {
        for (name, value) in control.attributes() {
            let Some(token) = unrendered_token(value) else {
                continue;
            };
            let place = self.place(name);
            self.at(
                place,
                "unrendered-token",
                Severity::Warning,
                format!("{name} still holds {token}, which a template should have replaced"),
                Some("write the value, or run the step that fills the template before building".to_owned()),
            );
        }
    }

    fn missing(&mut self, control: &Control) {
        for (name, default) in [
            ("version", "0"),
            ("architecture", "all"),
            ("section", "base"),
            ("priority", "optional"),
        ] {
            if !control.has(name) {
                let severity = if name == "version" {
                    Severity::Warning
                } else {
                    Severity::Note
                };
                let place = self.place(name);
                self.at(
                    place,
                    "missing-attribute",
                    severity,
                    format!("{name} is not set; {default:?} is written"),
                    Some(format!("add `{name:<18}: {default}`")),
                );
            }
        }
        if control.get("description").is_empty() {
            let place = self.place("description");
            self.at(
                place,
                "empty-description",
                Severity::Warning,
                "description is empty: consoles and the self-service show nothing about the package",
                Some("say in one line what the package brings".to_owned()),
            );
        }
    }

    fn schedule(&mut self, control: &Control) {
        let value = control.get("audit_schedule");
        if !value.is_empty() && !is_period(value) {
            let place = self.place("audit_schedule");
            self.at(
                place,
                "audit-schedule",
                Severity::Warning,
                format!(
                    "audit_schedule is {value:?}, which is no period; the package is not audited by itself"
                ),
                Some("write minutes or a unit: 90, 30m, 6h, 1d, 1w".to_owned()),
            );
        }
        for name in split_list(control.get("impacted_process")) {
            if name.contains(['/', '\\', '*', '"']) {
                let place = self.place("impacted_process");
                self.at(
                    place,
                    "impacted-process",
                    Severity::Warning,
                    format!("impacted_process names {name:?}; processes are compared by their bare name"),
                    Some("write names as firefox or firefox.exe, separated by commas".to_owned()),
                );
            }
        }
    }
}

fn described(problem: &Problem) -> String {
    format!("{} is {:?}: {}", problem.attribute, problem.value, problem.rule)
}

/// The advice of a rule; people write comments where none can be.
fn with_comment_advice(problem: &Problem, code: &str) -> String {
    if problem.value.contains('#') && code != "package" {
        format!(
            "a control file has no comments: remove what follows \"#\"; {}",
            problem.advice
        )
    } else {
        problem.advice.clone()
    }
}

/// The stable name of the rules of an attribute.
fn problem_code(attribute: &str) -> &'static str {
    match attribute {
        "package" => "package",
        "version" => "version",
        "architecture" => "architecture",
        "section" => "section",
        "maturity" => "maturity",
        "depends" | "conflicts" => "request",
        "target_os" => "target-os",
        "locale" => "locale",
        "min_os_version" | "max_os_version" | "min_wapt_version" => "version-bound",
        "valid_from" | "valid_until" | "forced_install_on" => "date",
        "installed_size" => "installed-size",
        _ => "control",
    }
}

/// `__VERSION__`, `{{ version }}`, `@VERSION@` or `${VERSION}`: what templates replace.
fn unrendered_token(value: &str) -> Option<&str> {
    let between = |open: &str, close: &str, is_inner: fn(char) -> bool| {
        let start = value.find(open)?;
        let inner = value.get(start + open.len()..)?;
        let length = inner.find(close)?;
        let word = inner.get(..length)?;
        let is_token = !word.is_empty() && word.chars().all(is_inner);
        is_token.then(|| value.get(start..start + open.len() + length + close.len()))?
    };
    let is_upper = |letter: char| letter.is_ascii_uppercase() || letter.is_ascii_digit() || letter == '_';
    let is_word = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '_' | '.' | ' ');
    between("__", "__", is_upper)
        .or_else(|| between("{{", "}}", is_word))
        .or_else(|| between("${", "}", is_word))
        .or_else(|| between("@", "@", is_upper))
}

/// Minutes, or a number with one of the units that the format has.
fn is_period(text: &str) -> bool {
    let digits = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let unit = text.get(digits.len()..).unwrap_or_default();
    digits.parse::<u32>().is_ok_and(|number| number > 0)
        && matches!(unit, "" | "s" | "m" | "min" | "h" | "d" | "w")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(control: &str) -> Vec<(usize, &'static str, Severity)> {
        let sources = Sources {
            control: Some(control.as_bytes().to_vec()),
            ..Sources::default()
        };
        let mut findings = Vec::new();
        lint(&sources, &mut findings);
        findings
            .into_iter()
            .map(|finding| (finding.line, finding.code, finding.severity))
            .collect()
    }

    const PLAIN: &str = "package : demo-a\nversion : 1.0-1\narchitecture : all\nsection : base\npriority : optional\n\
                         description : A package\n";

    #[test]
    fn a_plain_control_has_no_finding() {
        assert_eq!(found(PLAIN), []);
        assert_eq!(found(&PLAIN.replace('\n', "\r\n")), []);
    }

    #[test]
    fn each_rule_names_its_line() {
        for (line, code) in [
            ("depends : demo-b (>=1)", "request"),
            ("depends : demo-b(>=1", "request"),
            ("depends : #on met java 17??", "request"),
            ("conflicts : demo-a", "request"),
            ("maturity : DEV,PROD", "maturity"),
            ("target_os : window", "target-os"),
            ("locale : fr;en", "locale"),
            ("min_os_version : Windows 10", "version-bound"),
            ("valid_from : tomorrow", "date"),
        ] {
            assert_eq!(
                found(&format!("{PLAIN}{line}\n")),
                [(7, code, Severity::Error)],
                "{line}"
            );
        }
        for (line, code) in [
            ("audit_schedule : daily", "audit-schedule"),
            ("installed_size : 12.5", "installed-size"),
            ("impacted_process : C:\\x.exe", "impacted-process"),
            ("maintainer : __MAINTAINER__", "unrendered-token"),
            ("sources : {{ url }}", "unrendered-token"),
            ("mainainer : me", "unknown-attribute"),
            ("\tmaintainer : me", "tab-continuation"),
        ] {
            let findings = found(&format!("{PLAIN}{line}\n"));
            assert!(
                findings.contains(&(7, code, Severity::Warning)),
                "{line}: {findings:?}"
            );
        }
    }

    #[test]
    fn a_misspelt_attribute_is_recognised() {
        let sources = Sources {
            control: Some(format!("{PLAIN}depend : x\n").into_bytes()),
            ..Sources::default()
        };
        let mut findings = Vec::new();
        lint(&sources, &mut findings);
        assert_eq!(findings[0].suggestion.as_deref(), Some("did you mean depends?"));
        assert_eq!((findings[0].line, findings[0].column), (7, 1));
    }

    #[test]
    fn comments_are_explained() {
        let text = PLAIN.replace("section : base", "section : base # see with Jane");
        let sources = Sources {
            control: Some(text.into_bytes()),
            ..Sources::default()
        };
        let mut findings = Vec::new();
        assert_eq!(lint(&sources, &mut findings), None);
        assert!(findings[0].suggestion.as_ref().unwrap().contains("no comments"));
        assert_eq!((findings[0].line, findings[0].column), (4, 11));
    }

    #[test]
    fn tokens_of_templates_are_told_from_other_text() {
        for text in [
            "__VERSION__-__REVISION__",
            "x {{ version }}",
            "${NAME}",
            "@VERSION@",
        ] {
            assert!(unrendered_token(text).is_some(), "{text}");
        }
        for text in ["a__b", "me@example.org, you@example.org", "{}", "__init__", "${}"] {
            assert_eq!(unrendered_token(text), None, "{text}");
        }
    }

    #[test]
    fn a_line_that_cannot_be_read_is_named_and_the_rest_is_looked_at() {
        let found = found("package : a\nnonsense\n");
        assert_eq!(found.first(), Some(&(2, "control-unreadable", Severity::Error)));
        assert!(
            found.iter().any(|(_, code, _)| *code == "empty-description"),
            "{found:?}"
        );
    }
}
