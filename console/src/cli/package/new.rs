//! `muster package new`: sources that work as they are.

use std::path::PathBuf;

use clap::Args;
use muster_shared::control::Section;
use serde::Serialize;

use crate::admin::template::{self, NewPackage};
use crate::cli::Shell;
use crate::cli::failure::Outcome;
use crate::cli::output::shown;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  muster package new demo-hello                          WAPT/control and an explained setup.py
  muster package new hello --prefix demo                 the same name
  muster package new demo-tools --from-folder ./tools    installs these files, ready to build
  muster package new demo-office --section group --depends 'demo-tools,demo-hello(>=1.0)'
                                                         a group: only a list of other packages

Then: edit setup.py, and `muster package build demo-hello`.")]
pub(crate) struct New {
    /// Name of the package, by custom PREFIX-NAME
    name: String,
    /// Put before the name [default: the prefix in your settings]
    #[arg(long)]
    prefix: Option<String>,
    /// Version of the software, a dash, your packaging number
    #[arg(long = "version", value_name = "VERSION", default_value = "1.0-0")]
    version: String,
    /// base, restricted (never offered in self-service), or group (only depends and conflicts)
    #[arg(long, value_name = "SECTION", default_value = "base", value_parser = section)]
    section: Section,
    /// One sentence for those who choose it
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    description: String,
    /// Who looks after the package [default: the maintainer in your settings]
    #[arg(long, value_name = "TEXT")]
    maintainer: Option<String>,
    /// Packages that are installed before it, with commas between them
    #[arg(long, value_name = "LIST", default_value = "", hide_default_value = true)]
    depends: String,
    /// Install the files of this folder
    #[arg(long, value_name = "DIR")]
    from_folder: Option<PathBuf>,
    /// Make the folder of the sources in here
    #[arg(long, value_name = "DIR", default_value = ".")]
    into: PathBuf,
}

#[derive(Serialize)]
struct Made<'a> {
    folder: &'a std::path::Path,
    package: &'a str,
    files: &'a [String],
}

fn section(text: &str) -> Result<Section, String> {
    let section: Section = text.parse().map_err(|error| format!("{error}"))?;
    match section {
        Section::Base | Section::Restricted | Section::Group => Ok(section),
        Section::Host
        | Section::Unit
        | Section::Profile
        | Section::Wsus
        | Section::WaptWua
        | Section::SelfService => Err(format!(
            "{section} packages are not made from sources; base, restricted or group"
        )),
    }
}

pub(super) fn run(arguments: New, shell: &mut Shell) -> anyhow::Result<Outcome> {
    let settings = shell.settings()?;
    let made = template::create(&NewPackage {
        name: arguments.name,
        prefix: arguments.prefix.or(settings.prefix),
        version: arguments.version,
        section: arguments.section,
        description: arguments.description,
        maintainer: arguments.maintainer.or(settings.maintainer).unwrap_or_default(),
        depends: arguments.depends,
        from_folder: arguments.from_folder,
        parent: arguments.into,
    })?;
    shell.output.json(&Made {
        folder: &made.folder,
        package: &made.package,
        files: &made.files,
    })?;
    for file in &made.files {
        shell.output.line(shown(&made.folder.join(file)))?;
    }
    shell
        .output
        .note(format!("next: muster package build {}", shown(&made.folder)));
    Ok(Outcome::Done)
}
