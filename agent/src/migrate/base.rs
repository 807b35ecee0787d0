//! Where the WAPT agent is and where its parts are: below its folder, unless its configuration says otherwise.

use std::path::{Path, PathBuf};

use muster_shared::migrate::ini::{self, Ini};

use super::{MigrationError, read_small};
use crate::platform;

/// No configuration is longer, in bytes.
const MAX_INI_BYTES: u64 = 1024 * 1024;

/// The WAPT agent of a machine.
#[derive(Debug)]
pub(super) struct Base {
    folder: PathBuf,
    ini: Ini,
}

impl Base {
    /// The agent in this folder, or where WAPT installs itself.
    pub(super) fn find(from: Option<&Path>) -> Result<Self, MigrationError> {
        let folder = match from {
            Some(folder) if is_base(folder) => folder.to_owned(),
            Some(folder) => return Err(MigrationError::NotAnAgent(folder.to_owned())),
            None => {
                let places = platform::wapt::folders();
                let found = places.iter().find(|folder| is_base(folder)).cloned();
                found.ok_or_else(|| {
                    let names: Vec<String> = places.iter().map(|path| path.display().to_string()).collect();
                    MigrationError::NoAgent(names.join(", "))
                })?
            }
        };
        let path = folder.join("wapt-get.ini");
        let ini = match read_small(&path, MAX_INI_BYTES) {
            Ok(bytes) => ini::parse(&bytes),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ini::default(),
            Err(error) => return Err(MigrationError::file("read", path)(error)),
        };
        Ok(Self { folder, ini })
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(super) fn ini(&self) -> &Ini {
        &self.ini
    }

    pub(super) fn database(&self) -> PathBuf {
        self.configured("dbpath")
            .unwrap_or_else(|| self.folder.join("db").join("waptdb.sqlite"))
    }

    pub(super) fn certificates(&self) -> PathBuf {
        self.configured("public_certs_dir")
            .unwrap_or_else(|| self.folder.join("ssl"))
    }

    pub(super) fn private(&self) -> PathBuf {
        self.configured("private_dir")
            .unwrap_or_else(|| self.folder.join("private"))
    }

    pub(super) fn persistent(&self) -> PathBuf {
        self.configured("persistent_root_dir")
            .unwrap_or_else(|| self.private().join("persistent"))
    }

    /// A path of the configuration that is there; one of another machine is no use.
    fn configured(&self, key: &str) -> Option<PathBuf> {
        let path = PathBuf::from(self.ini.get("global", key)?);
        (path.is_absolute() && path.exists()).then_some(path)
    }
}

fn is_base(folder: &Path) -> bool {
    folder.join("wapt-get.ini").is_file() || folder.join("db").join("waptdb.sqlite").is_file()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_agent_is_told_by_its_configuration_or_its_database() {
        let place = tempfile::tempdir().unwrap();
        let none = Base::find(Some(place.path())).unwrap_err();
        assert!(matches!(none, MigrationError::NotAnAgent(_)), "{none}");
        fs_err::write(
            place.path().join("wapt-get.ini"),
            "[global]\nprivate_dir=/nowhere\n",
        )
        .unwrap();
        let base = Base::find(Some(place.path())).unwrap();
        // What the configuration names and is not there is looked for where it always is.
        assert_eq!(base.private(), place.path().join("private"));
        assert_eq!(base.persistent(), place.path().join("private/persistent"));
    }
}
