//! `muster package edit`: a package becomes sources again, for its next version.

use std::path::{Path, PathBuf};

use clap::Args;
use muster_shared::package::build::BuildOptions;
use muster_shared::version::Version;
use serde::Serialize;

use super::choice::{ChoiceArguments, Wish};
use crate::admin::{build, edit};
use crate::cli::failure::{Outcome, Refusal};
use crate::cli::output::shown;
use crate::cli::signer::SignerArguments;
use crate::cli::{Shell, block_on, connection};

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  muster package edit demo-hello
      the newest of your repository, ready to be changed
  muster package edit 'demo-hello(=1.0-2)' --target work/hello
  muster package edit demo-hello_1.0-0.wapt --version 1.1-0
  muster package edit demo-hello --repo /srv/www/wapt
  muster package edit demo-hello --build --upload      sign the same files again and publish them

The package is verified first: only what you, your CA or the people in --trust signed is unpacked.
The folder is made in sources_root of your settings (console.toml), else here.")]
pub(crate) struct Edit {
    /// A package of your repository, or a package file
    #[arg(value_name = "NAME|FILE")]
    package: String,
    /// Version of the sources [default: one packaging above this one and above your repository's]
    #[arg(long, value_name = "VERSION")]
    version: Option<String>,
    /// Folder that is made [default: the package's name, in your sources folder]
    #[arg(long, value_name = "DIR")]
    target: Option<PathBuf>,
    /// Replace the folder, with everything in it
    #[arg(long)]
    force: bool,
    /// Build the sources at once
    #[arg(long)]
    build: bool,
    /// Build the sources and upload the package at once
    #[arg(long)]
    upload: bool,
    #[command(flatten)]
    choice: ChoiceArguments,
    #[command(flatten)]
    signer: SignerArguments,
}

#[derive(Serialize)]
struct Edited<'a> {
    folder: &'a Path,
    package: &'a str,
    former_version: &'a str,
    version: &'a str,
    /// The package that was built at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    built: Option<PathBuf>,
}

pub(super) fn run(arguments: &Edit, shell: &mut Shell) -> anyhow::Result<Outcome> {
    if let Some(version) = &arguments.version {
        version
            .parse::<Version>()
            .map_err(|error| Refusal::new(format!("{version:?} is not a version: {error}")))?;
    }
    let chosen = arguments
        .choice
        .choose(&arguments.package, &Wish::default(), &arguments.signer, shell)?;
    let package = chosen.package();
    let former = package.control().version().to_owned();
    let version = arguments
        .version
        .clone()
        .unwrap_or_else(|| edit::next_version(&former, &chosen.taken));
    let name = package.control().package().to_owned();
    let target = new_folder(arguments.target.as_deref(), &name, shell)?;
    let control = edit::control_for_sources(package, &version);
    edit::unpack(package, &control, &target, arguments.force)?;
    let mut built = None;
    if arguments.build || arguments.upload {
        built = Some(build_sources(&target, &arguments.signer, shell)?);
    }
    shell.output.json(&Edited {
        folder: &target,
        package: &name,
        former_version: &former,
        version: &version,
        built: built.clone(),
    })?;
    shell.output.line(shown(&target))?;
    shell.output.note(format!(
        "{name} {former} is unpacked; the sources have version {version}"
    ));
    match &built {
        Some(path) if arguments.upload => upload(path, shell)?,
        Some(path) => shell.output.note(format!(
            "built {}; next: muster package upload {}",
            shown(path),
            shown(path)
        )),
        None => shell.output.note(format!(
            "next: change setup.py, then muster package build {}",
            shown(&target)
        )),
    }
    Ok(Outcome::Done)
}

/// The folder of new sources: the one that is named, else one of the package's name where sources are worked on.
pub(super) fn new_folder(named: Option<&Path>, package: &str, shell: &Shell) -> anyhow::Result<PathBuf> {
    if let Some(folder) = named {
        return Ok(folder.to_owned());
    }
    let root = shell.settings()?.sources_root;
    Ok(root.unwrap_or_else(|| PathBuf::from(".")).join(package))
}

/// Builds new sources at once; the path of the package.
pub(super) fn build_sources(
    sources: &Path,
    signer: &SignerArguments,
    shell: &Shell,
) -> anyhow::Result<PathBuf> {
    let signer = signer.signer(shell)?;
    let out = build::usual_out(sources);
    let options = BuildOptions::default();
    Ok(build::build(sources, &out, signer.as_ref(), &options, shell.now)?.path)
}

/// Uploads a package that this command made.
pub(super) fn upload(path: &Path, shell: &mut Shell) -> anyhow::Result<()> {
    let client = connection::client(shell)?;
    let uploaded = block_on(crate::admin::upload::upload(&client, path, |_sent, _all| {}))??;
    shell.output.note(format!(
        "{} {}: published as {}",
        uploaded.package, uploaded.version, uploaded.filename
    ));
    Ok(())
}
