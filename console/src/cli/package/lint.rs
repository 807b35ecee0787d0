//! `muster package lint`: mistakes in sources and packages, found without running anything.

use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;

use crate::admin::lint::{self, Finding, Severity};
use crate::cli::Shell;
use crate::cli::failure::{self, Outcome};
use crate::cli::output::{Output, Tone};

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  muster package lint demo-hello                 the sources in a folder
  muster package lint *.wapt                     packages of others, before they are imported
  muster package lint demo-hello --strict        warnings fail too
  muster package lint demo-hello --json

Looked at are WAPT/control, setup.py, update_package.py and WAPT/icon.png: the rules of building
and signing, the syntax of Python 3, what is left of Python 2 and how it is written now, names
that neither the script nor setuphelpers has, hooks and uninstallkey, calls that are going away.

Exit code 0 when there are warnings at most, 1 when there is an error (with --strict: or a
warning), 3 when there is none and some of the files could not be read.")]
pub(crate) struct Lint {
    /// Folders of sources, or package files
    #[arg(required = true, value_name = "DIR|FILE")]
    paths: Vec<PathBuf>,
    /// Fail on warnings too
    #[arg(long)]
    strict: bool,
}

#[derive(Serialize)]
struct Done<'a> {
    errors: usize,
    warnings: usize,
    notes: usize,
    findings: &'a [Finding],
    /// Files that are no package, or cannot be read.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    unreadable: &'a [Unreadable<'a>],
}

#[derive(Serialize)]
struct Unreadable<'a> {
    file: &'a Path,
    reason: String,
}

pub(super) fn run(arguments: &Lint, shell: &mut Shell) -> anyhow::Result<Outcome> {
    let mut findings = Vec::new();
    let mut unreadable = Vec::new();
    for path in &arguments.paths {
        match lint::lint(path) {
            Ok(report) => findings.extend(report.findings),
            Err(error) => {
                let error =
                    anyhow::Error::from(error).context(format!("{} was not looked at", path.display()));
                if arguments.paths.len() == 1 {
                    return Err(error);
                }
                failure::report(&error, shell.output.is_json());
                unreadable.push(Unreadable {
                    file: path,
                    reason: format!("{error:#}"),
                });
            }
        }
    }
    for finding in &findings {
        for line in lines(finding, &shell.output) {
            shell.output.line(line)?;
        }
    }
    let count = |severity| {
        findings
            .iter()
            .filter(|finding| finding.severity == severity)
            .count()
    };
    let done = Done {
        errors: count(Severity::Error),
        warnings: count(Severity::Warning),
        notes: count(Severity::Note),
        findings: &findings,
        unreadable: &unreadable,
    };
    shell.output.json(&done)?;
    if !shell.output.is_json() && unreadable.len() < arguments.paths.len() {
        shell.output.note(match (done.errors, done.warnings, done.notes) {
            (0, 0, 0) => "no mistakes found".to_owned(),
            (errors, warnings, notes) => format!(
                "{}, {}, {}",
                counted(errors, "error"),
                counted(warnings, "warning"),
                counted(notes, "note")
            ),
        });
    }
    let fails = done.errors > 0 || (arguments.strict && done.warnings > 0);
    Ok(if fails || unreadable.len() == arguments.paths.len() {
        Outcome::Refused
    } else if unreadable.is_empty() {
        Outcome::Done
    } else {
        Outcome::Partly
    })
}

/// A finding as compilers write it, so that editors jump to its place.
pub(super) fn lines(finding: &Finding, output: &Output) -> Vec<String> {
    let tone = match finding.severity {
        Severity::Error => Tone::Bad,
        Severity::Warning => Tone::Waiting,
        Severity::Note => Tone::Faint,
    };
    let mut lines = vec![format!(
        "{}:{}:{}: {}: {} [{}]",
        finding.file,
        finding.line,
        finding.column,
        output.tone(tone, finding.severity.as_str()),
        finding.message,
        finding.code
    )];
    lines.extend(
        finding
            .suggestion
            .as_ref()
            .map(|suggestion| format!("    {suggestion}")),
    );
    lines
}

fn counted(number: usize, word: &str) -> String {
    format!("{number} {word}{}", if number == 1 { "" } else { "s" })
}
