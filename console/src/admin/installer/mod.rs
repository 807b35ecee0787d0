//! What an installer says about itself: one reader a kind, each bounded and without trust in the file.
//!
//! Nothing here runs the installer. What it says is text of strangers: it is cut, put on one line, and only
//! ever written into sources as values.

mod compound;
mod deb;
mod exe;
mod folder;
mod icon;
mod msi;
mod msix;
mod msu;
pub mod naming;
mod pe;
mod rpm;
pub mod silent;
mod version_resource;

use std::io::{Read, Seek};
use std::path::{Path, PathBuf};

use fs_err::File;
use muster_shared::hint::Hint;

pub use self::silent::Maker;

/// What kind of installer it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Windows Installer database.
    Msi,
    /// Windows program that installs.
    Exe(Maker),
    /// Windows update.
    Msu,
    /// Windows app package.
    Msix,
    /// Debian package.
    Deb,
    /// RPM package.
    Rpm,
    /// Folder of a program that needs no installation.
    Folder,
}

impl Kind {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Msi => "MSI",
            Self::Exe(_) => "EXE",
            Self::Msu => "MSU",
            Self::Msix => "MSIX",
            Self::Deb => "DEB",
            Self::Rpm => "RPM",
            Self::Folder => "folder",
        }
    }
}

/// What was read. Texts are single lines, empty when the file does not say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installer {
    pub path: PathBuf,
    pub kind: Kind,
    /// Name of the file or folder, as the sources will hold it.
    pub file_name: String,
    /// Name of the product, for people.
    pub product: String,
    /// Name from which the package's is made: the distribution's own for DEB and RPM.
    pub short_name: String,
    /// Version as the file writes it.
    pub version: String,
    pub publisher: String,
    pub description: String,
    pub homepage: String,
    pub licence: String,
    /// `all`, `x86` or `x64`.
    pub architecture: &'static str,
    /// `windows`, `linux`, or empty for both.
    pub target_os: &'static str,
    /// Where the system lists the software; `None` when the file does not tell.
    pub uninstall_key: Option<String>,
    /// Silent switches, for installers that take some.
    pub silent_flags: Option<String>,
    /// Names of its programs, without `.exe`.
    pub programs: Vec<String>,
    /// Path of the program to start inside a folder, with slashes.
    pub main_program: Option<String>,
    /// Bytes it needs when installed, as far as the file tells.
    pub installed_size: Option<u64>,
    /// PNG of 48×48 pixels.
    pub icon: Option<Vec<u8>>,
    /// What else is worth knowing: label and text.
    pub facts: Vec<(&'static str, String)>,
    /// What a person still has to decide or check.
    pub open_questions: Vec<String>,
}

impl Installer {
    pub(in crate::admin) fn new(path: &Path, kind: Kind) -> Self {
        let file_name = path
            .file_name()
            .map(|name| name.to_string_lossy().into_owned())
            .unwrap_or_default();
        Self {
            path: path.to_owned(),
            kind,
            short_name: String::new(),
            product: String::new(),
            version: String::new(),
            publisher: String::new(),
            description: String::new(),
            homepage: String::new(),
            licence: String::new(),
            architecture: "all",
            target_os: match kind {
                Kind::Deb | Kind::Rpm => "linux",
                Kind::Folder => "",
                Kind::Msi | Kind::Exe(_) | Kind::Msu | Kind::Msix => "windows",
            },
            uninstall_key: None,
            silent_flags: None,
            programs: Vec::new(),
            main_program: None,
            installed_size: None,
            icon: None,
            facts: Vec::new(),
            open_questions: Vec::new(),
            file_name,
        }
    }

    fn fact(&mut self, label: &'static str, text: impl Into<String>) {
        let text = text.into();
        if !text.is_empty() {
            self.facts.push((label, text));
        }
    }

    fn ask(&mut self, question: impl Into<String>) {
        self.open_questions.push(question.into());
    }
}

/// Why an installer was not read.
#[derive(Debug, thiserror::Error)]
pub enum InstallerError {
    #[error("cannot read {path}")]
    Read {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("{path} is damaged or not a whole {kind} file: {reason}")]
    Damaged {
        path: PathBuf,
        kind: &'static str,
        reason: String,
    },
    #[error("{path} is no installer that is known here")]
    Unknown { path: PathBuf },
}

impl Hint for InstallerError {
    fn hints(&self) -> Vec<String> {
        match self {
            Self::Read { .. } => Vec::new(),
            Self::Damaged { .. } => vec!["download the file again and compare its checksum".to_owned()],
            Self::Unknown { .. } => vec![
                "give an .msi, .exe, .msu, .msix, .deb or .rpm file, or a folder; unpack a .zip first"
                    .to_owned(),
            ],
        }
    }
}

/// Why the content of a file is not what it should be; the caller knows the file.
#[derive(Debug)]
enum Bad {
    Io(std::io::Error),
    Content(String),
}

impl From<std::io::Error> for Bad {
    fn from(error: std::io::Error) -> Self {
        match error.kind() {
            std::io::ErrorKind::UnexpectedEof
            | std::io::ErrorKind::InvalidData
            | std::io::ErrorKind::InvalidInput
            | std::io::ErrorKind::Other => Self::Content(error.to_string()),
            _ => Self::Io(error),
        }
    }
}

/// Content that breaks a rule of its format.
fn bad<T>(reason: impl Into<String>) -> Result<T, Bad> {
    Err(Bad::Content(reason.into()))
}

/// Reads an installer or the folder of a program.
///
/// # Errors
/// The file cannot be read, is damaged, or is of a kind that is not known.
pub fn read(path: &Path) -> Result<Installer, InstallerError> {
    let unreadable = |source| InstallerError::Read {
        path: path.to_owned(),
        source,
    };
    let path = &if path.file_name().is_none() {
        fs_err::canonicalize(path).map_err(unreadable)?
    } else {
        path.to_owned()
    };
    if fs_err::metadata(path).map_err(unreadable)?.is_dir() {
        return folder::read(path);
    }
    let mut file = File::open(path).map_err(unreadable)?;
    let mut start = Vec::new();
    (&mut file).take(8).read_to_end(&mut start).map_err(unreadable)?;
    let extension = path
        .extension()
        .map(|extension| extension.to_string_lossy().to_ascii_lowercase())
        .unwrap_or_default();
    let (kind, result) = match (start.as_slice(), extension.as_str()) {
        ([0xd0, 0xcf, 0x11, 0xe0, ..], _) => ("MSI", msi::read(path, file)),
        ([b'M', b'Z', ..], _) => ("EXE", exe::read(path, file)),
        ([b'M', b'S', b'C', b'F', ..], "msu") => ("MSU", Ok(msu::read(path))),
        ([b'P', b'K', 3, 4, ..], "msix" | "appx" | "msixbundle" | "appxbundle") => {
            ("MSIX", msix::read(path, file))
        }
        ([b'!', b'<', b'a', b'r', b'c', b'h', b'>', b'\n'], _) => ("DEB", deb::read(path, file)),
        ([0xed, 0xab, 0xee, 0xdb, ..], _) => ("RPM", rpm::read(path, file)),
        // The name promises what the content does not keep.
        (_, "msi") => ("MSI", bad("it does not begin as one")),
        (_, "exe") => ("EXE", bad("it does not begin as one")),
        (_, "msu") => ("MSU", bad("it does not begin as one")),
        (_, "msix" | "appx") => ("MSIX", bad("it does not begin as one")),
        (_, "deb") => ("DEB", bad("it does not begin as one")),
        (_, "rpm") => ("RPM", bad("it does not begin as one")),
        _ => {
            return Err(InstallerError::Unknown {
                path: path.to_owned(),
            });
        }
    };
    result.map_err(|error| match error {
        Bad::Io(source) => unreadable(source),
        Bad::Content(reason) => InstallerError::Damaged {
            path: path.to_owned(),
            kind,
            reason,
        },
    })
}

/// Reads exactly so many bytes from a place.
fn read_at<R: Read + Seek>(reader: &mut R, offset: u64, length: usize) -> Result<Vec<u8>, Bad> {
    reader.seek(std::io::SeekFrom::Start(offset))?;
    let mut bytes = Vec::new();
    reader.by_ref().take(length as u64).read_to_end(&mut bytes)?;
    if bytes.len() == length {
        Ok(bytes)
    } else {
        bad("it ends too early")
    }
}

/// Little-endian numbers out of a slice, `None` past its end.
trait Numbers {
    fn u16_at(&self, offset: usize) -> Option<u16>;
    fn u32_at(&self, offset: usize) -> Option<u32>;
    /// `length` bytes from `offset`.
    fn part(&self, offset: usize, length: usize) -> Option<&[u8]>;
}

impl Numbers for [u8] {
    fn u16_at(&self, offset: usize) -> Option<u16> {
        self.part(offset, 2)?.try_into().ok().map(u16::from_le_bytes)
    }

    fn u32_at(&self, offset: usize) -> Option<u32> {
        self.part(offset, 4)?.try_into().ok().map(u32::from_le_bytes)
    }

    fn part(&self, offset: usize, length: usize) -> Option<&[u8]> {
        self.get(offset..offset.checked_add(length)?)
    }
}
