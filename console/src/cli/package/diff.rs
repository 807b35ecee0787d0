//! `muster package diff`: what differs between two builds.

use std::path::Path;

use clap::Args;
use serde::Serialize;

use super::choice::{ChoiceArguments, Wish, is_file};
use crate::admin::diff::{self, Difference, Side};
use crate::cli::Shell;
use crate::cli::failure::{Outcome, Refusal};
use crate::cli::output::{Output, Tone};
use crate::cli::signer::SignerArguments;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  muster package diff demo-hello_1.0-0.wapt demo-hello_1.0-1.wapt
  muster package diff demo-hello_1.0-1.wapt demo-hello
      a build and a folder of sources
  muster package diff demo-hello 1.0-0 1.0-1
      two versions of your repository
  muster package diff demo-hello 1.0-0 1.0-1 --all --json

Shows control attributes, added, removed and changed files, and the changed lines of scripts and
other small texts. Files of anybody can be compared: nothing of them is run. What a signature
writes anew each time is left out unless --all is given.")]
pub(crate) struct Diff {
    /// Two files or folders of sources; or a package name and two versions
    #[arg(value_name = "BEFORE AFTER|NAME VERSION VERSION", num_args = 2..=3, required = true)]
    sides: Vec<String>,
    /// Also what a signature writes: signer, date, identifier
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    choice: ChoiceArguments,
    #[command(flatten)]
    signer: SignerArguments,
}

#[derive(Serialize)]
struct Compared<'a> {
    before: SideFacts<'a>,
    after: SideFacts<'a>,
    #[serde(flatten)]
    difference: &'a Difference,
}

#[derive(Serialize)]
struct SideFacts<'a> {
    path: &'a Path,
    package: &'a str,
    version: &'a str,
}

impl<'a> SideFacts<'a> {
    fn of(side: &'a Side) -> Self {
        Self {
            path: side.path(),
            package: side.control().package(),
            version: side.control().version(),
        }
    }
}

pub(super) fn run(arguments: &Diff, shell: &mut Shell) -> anyhow::Result<Outcome> {
    let difference = match arguments.sides.as_slice() {
        [name, before, after] => {
            if is_file(name) {
                return Err(Refusal::new("three files cannot be compared")
                    .hint("give two files, or a package name and two versions")
                    .into());
            }
            let mut version = |version: &str| {
                let request = format!("{name}(={version})");
                arguments
                    .choice
                    .choose(&request, &Wish::default(), &arguments.signer, shell)
            };
            let (before, after) = (version(before)?, version(after)?);
            let before = Side::open(before.package().path(), shell.now)?;
            let after = Side::open(after.package().path(), shell.now)?;
            show(&before, &after, arguments.all, shell)?
        }
        [before, after] => {
            for side in [before, after] {
                if !Path::new(side).exists() {
                    return Err(Refusal::new(format!("there is no file or folder {side}"))
                        .hint("two versions of your repository: muster package diff NAME 1.0-0 1.0-1")
                        .into());
                }
            }
            let before = Side::open(Path::new(before), shell.now)?;
            let after = Side::open(Path::new(after), shell.now)?;
            show(&before, &after, arguments.all, shell)?
        }
        _ => return Err(Refusal::new("two sides are compared").into()),
    };
    if difference.is_empty() {
        shell.output.note("they do not differ");
    }
    Ok(Outcome::Done)
}

fn show(before: &Side, after: &Side, all: bool, shell: &mut Shell) -> anyhow::Result<Difference> {
    let difference = diff::compare(before, after, all)?;
    let output = &mut shell.output;
    output.json(&Compared {
        before: SideFacts::of(before),
        after: SideFacts::of(after),
        difference: &difference,
    })?;
    for one in &difference.control {
        output.line(format!(
            "{}: {} → {}",
            one.attribute,
            value(&one.before),
            value(&one.after)
        ))?;
    }
    for file in &difference.removed {
        let word = output.tone(Tone::Bad, "removed");
        output.line(format!("{word}  {} ({} bytes)", file.name, file.size))?;
    }
    for file in &difference.added {
        let word = output.tone(Tone::Good, "added");
        output.line(format!("{word}    {} ({} bytes)", file.name, file.size))?;
    }
    for file in &difference.changed {
        let kind = if file.diff.is_none() {
            ", binary or large"
        } else {
            ""
        };
        let word = output.tone(Tone::Waiting, "changed");
        output.line(format!(
            "{word}  {} ({} → {} bytes{kind})",
            file.name, file.size_before, file.size_after
        ))?;
    }
    for file in &difference.changed {
        if let Some(diff) = &file.diff {
            output.line("")?;
            write_lines(diff, output)?;
        }
    }
    Ok(difference)
}

fn value(text: &str) -> String {
    if text.is_empty() {
        "(empty)".to_owned()
    } else {
        text.replace('\n', " ")
    }
}

fn write_lines(diff: &str, output: &mut Output) -> std::io::Result<()> {
    for line in diff.lines() {
        let tone = match line.bytes().next() {
            Some(b'+') => Some(Tone::Good),
            Some(b'-') => Some(Tone::Bad),
            Some(b'@') => Some(Tone::Faint),
            _ => None,
        };
        let line = tone.map_or_else(|| line.to_owned(), |tone| output.tone(tone, line));
        output.line(line)?;
    }
    Ok(())
}
