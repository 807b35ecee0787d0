//! Where everything lies in the server's data folder.

use std::path::{Path, PathBuf};

/// The data folder (`/var/lib/muster-server` unless told otherwise).
#[derive(Debug, Clone)]
pub struct DataFolder {
    root: PathBuf,
}

impl DataFolder {
    /// The folder at this path; nothing is created.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// The folder itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The database.
    pub fn database(&self) -> PathBuf {
        self.root.join("muster.sqlite")
    }

    /// Public packages and their index.
    pub fn repository(&self) -> PathBuf {
        self.root.join("repository").join("wapt")
    }

    /// Host packages, each only for its host.
    pub fn host_packages(&self) -> PathBuf {
        self.root.join("repository").join("wapt-host")
    }

    /// The catalogue of Windows updates and their files, as whoever runs the server puts them there.
    pub fn updates(&self) -> PathBuf {
        self.root.join("repository").join("waptwua")
    }

    /// Uploads under way: on the same volume as the repository, so that publishing is a rename.
    pub fn incoming(&self) -> PathBuf {
        self.root.join("repository").join("incoming")
    }

    /// Certificates whose signatures uploads and actions must carry, unless configured elsewhere.
    pub fn trust(&self) -> PathBuf {
        self.root.join("trust")
    }

    /// The server's own authorities and keys.
    pub fn authority(&self) -> PathBuf {
        self.root.join("ca")
    }

    /// The address of the running server, for scripts.
    pub fn address_file(&self) -> PathBuf {
        self.root.join("run").join("address")
    }

    /// Creates every folder that is missing; the private ones only for the server's account.
    ///
    /// # Errors
    /// The folder cannot be created; the error names it.
    pub fn create(&self) -> std::io::Result<()> {
        for folder in [
            self.root.clone(),
            self.repository(),
            self.repository().join("icons"),
            self.host_packages(),
            self.updates(),
            self.incoming(),
            self.trust(),
            self.root.join("run"),
        ] {
            fs_err::create_dir_all(folder)?;
        }
        for private in [self.authority(), self.host_packages()] {
            fs_err::create_dir_all(&private)?;
            restrict_to_owner(&private, 0o700)?;
        }
        Ok(())
    }
}

/// Takes every right from group and others.
pub(crate) fn restrict_to_owner(path: &Path, mode: u32) -> std::io::Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        fs_err::set_permissions(path, std::fs::Permissions::from_mode(mode))?;
    }
    #[cfg(not(unix))]
    {
        // On Windows the folder inherits the rights of %ProgramData%\Muster, which the installer sets.
        let (_, _) = (path, mode);
    }
    Ok(())
}

/// Writes a whole file: a reader sees the old one or the new one, and after a power cut one of the two.
///
/// # Errors
/// The folder of the file cannot be written.
pub fn write_atomically(path: &Path, bytes: &[u8], private: bool) -> std::io::Result<()> {
    use std::io::Write as _;
    let folder = path.parent().unwrap_or_else(|| Path::new("."));
    // tempfile makes it readable by its owner only.
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(bytes)?;
    if !private {
        restrict_to_owner(file.path(), 0o644)?;
    }
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    #[cfg(unix)]
    fs_err::File::open(folder)?.sync_all()?;
    Ok(())
}
