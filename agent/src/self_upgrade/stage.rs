//! Staging: what was handed over is copied, hashed, unpacked and tried out, beside the present program.

use std::ffi::OsStr;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::order::{Order, Payload, Phase, Place};
use super::{UpgradeError, try_out};
use crate::paths::Paths;
use crate::platform;

/// The largest program or installer, in MiB.
const MAX_MIB: u64 = 512;

/// What somebody hands over.
#[derive(Debug, Clone)]
pub struct Request<'a> {
    pub file: &'a Path,
    /// What the file must hash to; without it the caller vouches for the file.
    pub sha256: Option<&'a str>,
    /// The package that brought it.
    pub package: Option<&'a str>,
    /// How long the new agent may take to prove itself alive.
    pub within: Duration,
}

/// Stages and tries out; `None` when the file is the very program that runs.
///
/// # Errors
/// When another order is under way, the file is not what it should be, or the new agent fails its test.
pub async fn stage(
    paths: &Paths,
    request: &Request<'_>,
    now: Timestamp,
) -> Result<Option<Order>, UpgradeError> {
    let place = Place::of(paths);
    make_dir(place.folder())?;
    let _lock = place.locked().await?;
    if let Some(order) = place.order()?
        && !order.is_over()
    {
        return Err(UpgradeError::UnderWay(Box::new(order)));
    }
    let program = platform::upgrade::own_program().map_err(UpgradeError::file(
        "find the program of this agent, not",
        request.file,
    ))?;
    make_dir(place.folder())?;
    place.clean();
    make_dir(&place.new_dir())?;
    let staged = staged(paths, &place, request, &program, now).await;
    match &staged {
        Ok(Some(order)) => place.write_order(order)?,
        Ok(None) | Err(_) => place.clean(),
    }
    staged
}

async fn staged(
    paths: &Paths,
    place: &Place,
    request: &Request<'_>,
    program: &Path,
    now: Timestamp,
) -> Result<Option<Order>, UpgradeError> {
    let file = place.new_dir().join(payload_name(request.file));
    let found = copy(request.file, &file)?;
    if let Some(expected) = request.sha256
        && !expected.trim().eq_ignore_ascii_case(&found)
    {
        return Err(UpgradeError::Hash {
            path: request.file.to_owned(),
            expected: expected.trim().to_owned(),
            found,
        });
    }
    let payload = kind(&file)?;
    let new = place.new_program();
    match payload {
        Payload::Program => fs_err::rename(&file, &new).map_err(UpgradeError::file("name", &new))?,
        Payload::Deb | Payload::WindowsInstaller => {
            platform::upgrade::unpack_installer(&file, &new)
                .await
                .map_err(|reason| UpgradeError::Installer {
                    path: request.file.to_owned(),
                    reason,
                })?;
        }
    }
    platform::upgrade::make_executable(&new).map_err(UpgradeError::file("make executable", &new))?;
    let new_sha256 = hash(&new)?;
    if new_sha256 == hash(program)? {
        return Ok(None);
    }
    let new_version = test(paths, &new).await?;
    let old = place.old_program();
    make_dir(old.parent().unwrap_or(place.folder()))?;
    copy(program, &old)?;
    platform::upgrade::make_executable(&old).map_err(UpgradeError::file("make executable", &old))?;
    Ok(Some(Order {
        id: Uuid::now_v7(),
        phase: Phase::Staged,
        payload,
        program: program.to_owned(),
        old_version: env!("CARGO_PKG_VERSION").to_owned(),
        new_version,
        new_sha256,
        package: request.package.map(str::to_owned),
        within_secs: request.within.as_secs().max(1),
        staged_at: now,
        ended_at: None,
        reason: String::new(),
        noted: false,
    }))
}

/// Has the new program say its version and test itself on this machine; gives the version.
async fn test(paths: &Paths, new: &Path) -> Result<String, UpgradeError> {
    let said = try_out::answer_of(new, &[OsStr::new("--version")])
        .await
        .map_err(UpgradeError::Unfit)?;
    let mut words = said.split_whitespace();
    let (Some("muster-agent"), Some(version)) = (words.next(), words.next()) else {
        return Err(UpgradeError::NotAnAgent(new.to_owned()));
    };
    let mut arguments = vec![OsStr::new("self-test")];
    if let Some(root) = paths.root() {
        arguments.extend([OsStr::new("--root"), root.as_os_str()]);
    }
    try_out::answer_of(new, &arguments)
        .await
        .map_err(UpgradeError::Unfit)?;
    Ok(version.to_owned())
}

/// The file keeps its ending: dpkg and Windows look at it.
fn payload_name(file: &Path) -> PathBuf {
    let mut name = PathBuf::from("payload");
    if let Some(extension) = file.extension() {
        name.set_extension(extension);
    }
    name
}

/// What a file is, by its content.
fn kind(file: &Path) -> Result<Payload, UpgradeError> {
    let mut beginning = Vec::new();
    fs_err::File::open(file)
        .and_then(|file| file.take(1024 * 1024).read_to_end(&mut beginning))
        .map_err(UpgradeError::file("read", file))?;
    payload_of(&beginning, platform::PLATFORM).ok_or_else(|| UpgradeError::NotAnAgent(file.to_owned()))
}

/// What a file with this beginning is on a system.
fn payload_of(beginning: &[u8], system: &str) -> Option<Payload> {
    let is_nsis = || beginning.windows(12).any(|part| part == b"NullsoftInst");
    match system {
        "windows" if beginning.starts_with(b"MZ") && is_nsis() => Some(Payload::WindowsInstaller),
        "windows" if beginning.starts_with(b"MZ") => Some(Payload::Program),
        "linux" if beginning.starts_with(b"!<arch>\ndebian-binary") => Some(Payload::Deb),
        "linux" if beginning.starts_with(b"\x7fELF") || beginning.starts_with(b"#!") => {
            Some(Payload::Program)
        }
        _ => None,
    }
}

fn make_dir(folder: &Path) -> Result<(), UpgradeError> {
    platform::lock_down_dir(folder).map_err(UpgradeError::file("make the folder", folder))
}

/// Copies a file for administrators alone and gives its SHA-256.
fn copy(from: &Path, to: &Path) -> Result<String, UpgradeError> {
    let read = UpgradeError::file("read", from);
    let mut source = match fs_err::File::open(from) {
        Ok(file) => file,
        Err(error) => return Err(read(error)),
    };
    let write = || UpgradeError::file("write", to);
    let mut target = fs_err::File::create(to).map_err(write())?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 256 * 1024];
    let mut total = 0_u64;
    loop {
        let length = source
            .read(&mut buffer)
            .map_err(UpgradeError::file("read", from))?;
        if length == 0 {
            break;
        }
        total += length as u64;
        if total > MAX_MIB << 20 {
            return Err(UpgradeError::TooLarge {
                path: from.to_owned(),
                limit: MAX_MIB,
            });
        }
        hasher.update(&buffer[..length]);
        target.write_all(&buffer[..length]).map_err(write())?;
    }
    target.sync_all().map_err(write())?;
    Ok(hex::encode(hasher.finalize()))
}

/// SHA-256 of a file, in hex.
pub(super) fn hash(path: &Path) -> Result<String, UpgradeError> {
    let mut file = fs_err::File::open(path).map_err(UpgradeError::file("read", path))?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 256 * 1024];
    loop {
        let length = file.read(&mut buffer).map_err(UpgradeError::file("read", path))?;
        if length == 0 {
            return Ok(hex::encode(hasher.finalize()));
        }
        hasher.update(&buffer[..length]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(file: &Path) -> Request<'_> {
        Request {
            file,
            sha256: None,
            package: None,
            within: Duration::from_secs(1),
        }
    }

    #[test]
    fn files_are_told_by_their_content() {
        let nsis = [b"MZ".as_slice(), &[0; 5000], b"\xef\xbe\xad\xdeNullsoftInst"].concat();
        assert_eq!(payload_of(&nsis, "windows"), Some(Payload::WindowsInstaller));
        assert_eq!(payload_of(b"MZ and more", "windows"), Some(Payload::Program));
        assert_eq!(
            payload_of(b"!<arch>\ndebian-binary   ", "linux"),
            Some(Payload::Deb)
        );
        assert_eq!(payload_of(b"\x7fELF\x02", "linux"), Some(Payload::Program));
        assert_eq!(payload_of(b"MZ and more", "linux"), None);
        assert_eq!(payload_of(b"\x7fELF\x02", "windows"), None);
    }

    #[tokio::test]
    async fn a_file_with_another_hash_is_refused_before_it_runs() {
        let root = tempfile::tempdir().unwrap();
        let paths = Paths::new(Some(root.path()));
        let file = root.path().join("muster-agent");
        fs_err::write(&file, "#!/bin/sh\ntouch was-run\n").unwrap();
        let mut wrong = request(&file);
        let zeros = "0".repeat(64);
        wrong.sha256 = Some(&zeros);
        let error = stage(&paths, &wrong, Timestamp::UNIX_EPOCH).await.unwrap_err();
        assert!(matches!(error, UpgradeError::Hash { .. }), "{error}");
        assert_eq!(Place::of(&paths).order().unwrap(), None);
    }

    #[tokio::test]
    async fn what_is_no_program_is_refused() {
        let root = tempfile::tempdir().unwrap();
        let paths = Paths::new(Some(root.path()));
        let file = root.path().join("letter.txt");
        fs_err::write(&file, "dear agent").unwrap();
        let error = stage(&paths, &request(&file), Timestamp::UNIX_EPOCH)
            .await
            .unwrap_err();
        assert!(matches!(error, UpgradeError::NotAnAgent(_)), "{error}");
    }

    #[tokio::test]
    async fn the_very_program_that_runs_needs_nothing() {
        let root = tempfile::tempdir().unwrap();
        let paths = Paths::new(Some(root.path()));
        let own = std::env::current_exe().unwrap();
        let staged = stage(&paths, &request(&own), Timestamp::UNIX_EPOCH)
            .await
            .unwrap();
        assert_eq!(staged, None);
    }
}
