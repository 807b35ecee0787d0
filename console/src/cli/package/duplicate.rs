//! `muster package duplicate`: sources under another name.

use std::path::{Path, PathBuf};

use clap::Args;
use muster_shared::package::build::read_control;
use serde::Serialize;

use super::choice::{ChoiceArguments, Wish};
use super::edit::{build_sources, new_folder};
use crate::admin::{duplicate, template};
use crate::cli::Shell;
use crate::cli::failure::Outcome;
use crate::cli::output::shown;
use crate::cli::signer::SignerArguments;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  muster package duplicate demo-firefox demo-firefox-beta              a folder of sources
  muster package duplicate demo-firefox_128.0-1.wapt firefox-esr
      a package file; your prefix is added
  muster package duplicate 'demo-firefox(=128.0-1)' demo-firefox-old --version 128.0-0 --target
      old
  muster package duplicate demo-firefox demo-firefox-beta --build

A folder here comes before a package of that name in your repository.")]
pub(crate) struct Duplicate {
    /// A folder of sources, a package file, or a package of your repository
    #[arg(value_name = "SOURCE")]
    source: String,
    /// Name of the copy
    name: String,
    /// Put before the name [default: the prefix in your settings]
    #[arg(long)]
    prefix: Option<String>,
    /// Version of the copy [default: the original's]
    #[arg(long, value_name = "VERSION")]
    version: Option<String>,
    /// Folder that is made [default: the new name, in your sources folder]
    #[arg(long, value_name = "DIR")]
    target: Option<PathBuf>,
    /// Replace the folder, with everything in it
    #[arg(long)]
    force: bool,
    /// Build the copy at once
    #[arg(long)]
    build: bool,
    #[command(flatten)]
    choice: ChoiceArguments,
    #[command(flatten)]
    signer: SignerArguments,
}

#[derive(Serialize)]
struct Copied<'a> {
    folder: &'a Path,
    package: &'a str,
    version: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    built: Option<PathBuf>,
}

pub(super) fn run(arguments: &Duplicate, shell: &mut Shell) -> anyhow::Result<Outcome> {
    let prefix = arguments.prefix.clone().or(shell.settings()?.prefix);
    let name = template::prefixed(&arguments.name, prefix.as_deref());
    let target = new_folder(arguments.target.as_deref(), &name, shell)?;
    let version = arguments.version.as_deref();
    let folder = Path::new(&arguments.source);
    let former;
    let control = if folder.is_dir() {
        former = read_control(folder)
            .map(|control| control.package().to_owned())
            .unwrap_or_default();
        duplicate::duplicate_folder(folder, &name, version, &target, arguments.force)?
    } else {
        let chosen =
            arguments
                .choice
                .choose(&arguments.source, &Wish::default(), &arguments.signer, shell)?;
        former = chosen.package().control().package().to_owned();
        duplicate::duplicate_package(chosen.package(), &name, version, &target, arguments.force)?
    };
    let left = if former.is_empty() {
        Vec::new()
    } else {
        duplicate::former_name_left(&target, &former, control.package())
    };
    let mut built = None;
    if arguments.build {
        built = Some(build_sources(&target, &arguments.signer, shell)?);
    }
    shell.output.json(&Copied {
        folder: &target,
        package: control.package(),
        version: control.version(),
        built: built.clone(),
    })?;
    shell.output.line(shown(&target))?;
    if !left.is_empty() {
        shell.output.note(format!("note: {former} still stands in"));
        for line in &left {
            shell.output.note(format!("  {line}"));
        }
    }
    match &built {
        Some(path) => shell.output.note(format!("built {}", shown(path))),
        None => shell
            .output
            .note(format!("next: muster package build {}", shown(&target))),
    }
    Ok(Outcome::Done)
}
