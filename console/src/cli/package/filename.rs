//! `muster package filename`: the canonical file name, computed from the control file.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use clap::Args;
use muster_shared::control::Control;
use muster_shared::package::filename::canonical_filename;
use muster_shared::package::{Package, PackageError, Unverified, build};

use crate::cli::Shell;
use crate::cli::failure::Outcome;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  muster package filename demo-hello                  demo-hello_1.0-0.wapt
  muster package filename downloaded.wapt             the name that it must have
  mv downloaded.wapt \"$(muster package filename downloaded.wapt)\"

Nothing is checked: the name follows from the control file as it stands.")]
pub(crate) struct Filename {
    /// A package file, or a folder of sources
    #[arg(value_name = "FILE|DIR")]
    path: PathBuf,
}

pub(super) fn run(arguments: &Filename, shell: &mut Shell) -> anyhow::Result<Outcome> {
    let name = canonical_filename(&control_of(&arguments.path)?, None);
    shell
        .output
        .json(&serde_json::json!({ "path": arguments.path, "filename": name }))?;
    shell.output.bytes(format!("{name}\n").as_bytes())?;
    Ok(Outcome::Done)
}

fn control_of(path: &Path) -> Result<Control, PackageError> {
    if path.is_dir() {
        return build::read_control(path);
    }
    // A control file by itself is as good as its folder.
    if path.file_name().is_some_and(|name| name == "control") {
        let read = |source| PackageError::Read {
            path: path.to_owned(),
            source,
        };
        let mut bytes = Vec::new();
        fs_err::File::open(path)
            .map_err(read)?
            .take(muster_shared::control::MAX_CONTROL_BYTES as u64 + 1)
            .read_to_end(&mut bytes)
            .map_err(read)?;
        return Control::parse(&bytes).map_err(PackageError::Control);
    }
    Ok(Package::<Unverified>::open(path)?.control().clone())
}
