//! The parts of a package that lint looks at, from a folder of sources or from a package file.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use muster_shared::package::{Package, PackageError, Unverified, member};

/// The longest file that is looked at, in bytes; scripts of people are far shorter.
const MAX_BYTES: u64 = 1024 * 1024;

/// The parts of one package.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// Put before the name of each file in findings: `demo/` or `demo_1.wapt:`.
    pub prefix: String,
    pub control: Option<Vec<u8>>,
    pub setup: Option<Vec<u8>>,
    pub update: Option<Vec<u8>>,
    pub icon: Option<Vec<u8>>,
    /// Names at the root: the modules that scripts of the package can import are among them.
    pub root_names: Vec<String>,
}

impl Sources {
    /// Reads the parts.
    ///
    /// # Errors
    /// Nothing is there, or it cannot be read.
    pub fn read(path: &Path) -> Result<Self, PackageError> {
        if path.is_dir() {
            Self::of_folder(path)
        } else {
            Self::of_package(path)
        }
    }

    fn of_folder(folder: &Path) -> Result<Self, PackageError> {
        let part = |name: &str| read_part(&folder.join(name));
        let mut root_names = Vec::new();
        let entries = fs_err::read_dir(folder).map_err(|source| PackageError::Read {
            path: folder.to_owned(),
            source,
        })?;
        for entry in entries.flatten() {
            root_names.extend(entry.file_name().into_string());
        }
        let shown = folder.display().to_string();
        Ok(Self {
            prefix: match shown.as_str() {
                "" | "." => String::new(),
                shown if shown.ends_with('/') => shown.to_owned(),
                shown => format!("{shown}/"),
            },
            control: part(member::CONTROL)?,
            setup: part(member::SETUP)?,
            update: part(member::UPDATE)?,
            icon: part(member::ICON)?,
            root_names,
        })
    }

    fn of_package(path: &Path) -> Result<Self, PackageError> {
        let package = Package::<Unverified>::open(path)?;
        let mut root_names: Vec<String> = Vec::new();
        for entry in package.entries() {
            let first = entry.name.split('/').next().unwrap_or_default();
            if root_names.last().is_none_or(|last| last != first) {
                root_names.push(first.to_owned());
            }
        }
        root_names.sort();
        root_names.dedup();
        Ok(Self {
            prefix: format!("{}:", path.display()),
            control: package.read_member(member::CONTROL, MAX_BYTES)?,
            setup: package.read_member(member::SETUP, MAX_BYTES)?,
            update: package.read_member(member::UPDATE, MAX_BYTES)?,
            icon: package.read_member(member::ICON, MAX_BYTES)?,
            root_names,
        })
    }

    /// A file's name as findings show it.
    pub(super) fn shown(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    /// Whether scripts can import this module from the package's own folder.
    pub(super) fn has_module(&self, module: &str) -> bool {
        self.root_names
            .iter()
            .any(|name| name == module || name.strip_suffix(".py") == Some(module))
    }
}

fn read_part(path: &PathBuf) -> Result<Option<Vec<u8>>, PackageError> {
    let failed = |source| PackageError::Read {
        path: path.clone(),
        source,
    };
    let file = match fs_err::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    let mut bytes = Vec::new();
    file.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(PackageError::Limit(format!(
            "{} has more than {MAX_BYTES} bytes",
            path.display()
        )));
    }
    Ok(Some(bytes))
}
