//! Building: a folder of sources becomes a signed package; a control alone becomes a group or host package.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use fs_err::File;
use jiff::{Timestamp, tz::TimeZone};
use sha2::{Digest as _, Sha256};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, System, ZipWriter};

use super::error::PackageError;
use super::output::write_beside;
use super::sign::{append_signature, zip_io, zip_time};
use super::{content, entry_name, filename, member};
use crate::control::{Control, MAX_CONTROL_BYTES, Section};
use crate::crypto::Signer;
use crate::name::unit_name_from_dn;

/// The most files of a package's sources.
const MAX_FILES: usize = 99_990;

/// How hard files are compressed: nearly all bytes of packages are compressed already, and the rest gets as small
/// as by `zip -1` or smaller in less time.
const LEVEL: i64 = 2;

/// Left out when they lie at the root; `.env` tells where things are on one developer's machine.
pub const EXCLUDED_AT_ROOT: [&str; 6] = [".svn", ".git", ".gitignore", ".env", "setup.pyc", "__pycache__"];

/// How a folder is built.
#[derive(Debug, Clone, Default)]
pub struct BuildOptions {
    /// Shell patterns (`*`, `?`) on the name of each file or folder; matching ones are left out.
    pub excludes: Vec<String>,
    /// Keep and sign control attributes that the format does not know.
    pub keep_unknown: bool,
    /// Raise the packaging part of the version by one.
    pub increment: bool,
}

/// A package that was built.
#[derive(Debug, Clone)]
pub struct Built {
    pub path: PathBuf,
    pub control: Control,
    /// SHA-256 of the file, lower-case hex.
    pub sha256: String,
    pub size: u64,
}

/// Builds and signs a folder with `WAPT/control` into a folder, under its canonical file name. The sources
/// are not changed.
///
/// # Errors
/// When the sources cannot be read, the control breaks a rule, a name is not allowed, or signing fails;
/// nothing is left behind then.
pub fn build_folder(
    sources: &Path,
    out: &Path,
    signer: &dyn Signer,
    options: &BuildOptions,
    at: Timestamp,
) -> Result<Built, PackageError> {
    let mut control = with_written_name(read_control(sources)?);
    if options.increment {
        match control.version().parse::<crate::version::Version>() {
            Ok(version) => control.set("version", version.incremented().as_str()),
            Err(_invalid) => return Err(PackageError::Problems(control.problems_for_signing())),
        }
    }
    let problems = control.problems_for_signing();
    if !problems.is_empty() {
        return Err(PackageError::Problems(problems));
    }
    let files = list_files(sources, &options.excludes)?;
    check_content(&control, &files)?;
    let target = out.join(filename::canonical_filename(&control, None));
    let control = write_beside(&target, at, |file| {
        let write = |source| PackageError::Write {
            path: target.clone(),
            source,
        };
        let mut writer = ZipWriter::new(file);
        let mut rows = Vec::new();
        let mut chunk = vec![0; 128 * 1024];
        for (name, path) in &files {
            let sum = add_file(&mut writer, name, path, &target, &mut chunk)?;
            rows.push((name.clone(), sum));
        }
        let control = append_signature(
            &mut writer,
            rows,
            control,
            signer,
            at,
            options.keep_unknown,
            &target,
        )?;
        writer.finish().map_err(|error| write(zip_io(error)))?;
        Ok(control)
    })?;
    let (sha256, size) = digest(&target)?;
    Ok(Built {
        path: target,
        control,
        sha256,
        size,
    })
}

/// Builds and signs a package without files (group, host, unit, profile): its bytes.
///
/// # Errors
/// When the control breaks a rule or signing fails.
pub fn build_control_only(
    control: Control,
    signer: &dyn Signer,
    at: Timestamp,
) -> Result<Vec<u8>, PackageError> {
    content::check(&control, |_name| false, |_name, _limit| Ok(None))?;
    let name = PathBuf::from(filename::canonical_filename(&control, None));
    let mut writer = ZipWriter::new(std::io::Cursor::new(Vec::new()));
    append_signature(&mut writer, Vec::new(), control, signer, at, false, &name)?;
    writer
        .finish()
        .map(std::io::Cursor::into_inner)
        .map_err(|error| PackageError::Write {
            path: name,
            source: zip_io(error),
        })
}

/// The control as it is written: units and profiles that are named after a directory's name get the name that
/// agents look for (wapt-reference.md A.6).
pub fn with_written_name(control: Control) -> Control {
    let written = unit_name_from_dn(control.package());
    match control.section_kind() {
        Ok(Section::Unit | Section::Profile) if written != control.package() => {
            control.with("package", &written)
        }
        _ => control,
    }
}

/// Checks what the section asks of the files to pack.
fn check_content(control: &Control, files: &[(String, PathBuf)]) -> Result<(), PackageError> {
    let find = |name: &str| files.iter().find(|(file, _path)| file == name);
    let read = |name: &str, limit: u64| {
        let Some((_name, path)) = find(name) else {
            return Ok(None);
        };
        let mut bytes = Vec::new();
        let read = File::open(path).and_then(|file| file.take(limit + 1).read_to_end(&mut bytes));
        match read {
            Ok(_size) => Ok(Some(bytes)),
            Err(source) => Err(PackageError::Read {
                path: path.clone(),
                source,
            }),
        }
    };
    content::check(control, |name| find(name).is_some(), read).map(|_rules| ())
}

/// Reads `WAPT/control` of a folder of sources.
///
/// # Errors
/// When it is missing, too large or cannot be read.
pub fn read_control(sources: &Path) -> Result<Control, PackageError> {
    let path = sources.join("WAPT").join("control");
    let read = |source: std::io::Error| PackageError::Read {
        path: path.clone(),
        source,
    };
    let mut bytes = Vec::new();
    File::open(&path)
        .map_err(read)?
        .take(MAX_CONTROL_BYTES as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(read)?;
    Control::parse(&bytes).map_err(PackageError::Control)
}

/// Every file to pack with its name in the archive, in name order.
fn list_files(root: &Path, excludes: &[String]) -> Result<Vec<(String, PathBuf)>, PackageError> {
    let mut files = Vec::new();
    let mut folders = vec![(String::new(), root.to_owned())];
    while let Some((prefix, folder)) = folders.pop() {
        let read = |source| PackageError::Read {
            path: folder.clone(),
            source,
        };
        for entry in fs_err::read_dir(&folder).map_err(read)? {
            let entry = entry.map_err(read)?;
            let path = entry.path();
            let raw = entry.file_name();
            let own_name = raw.to_str().ok_or_else(|| PackageError::Name {
                name: raw.to_string_lossy().into_owned(),
                problem: entry_name::NameProblem::NotUtf8,
            })?;
            let at_root = prefix.is_empty();
            if (at_root && EXCLUDED_AT_ROOT.contains(&own_name))
                || excludes.iter().any(|pattern| glob_matches(pattern, own_name))
            {
                continue;
            }
            let name = format!("{prefix}{own_name}");
            entry_name::check(&name).map_err(|problem| PackageError::Name {
                name: name.clone(),
                problem,
            })?;
            // Links would be packed as what they point to, which may lie outside the sources.
            let kind = entry.file_type().map_err(read)?;
            if kind.is_symlink() {
                return Err(PackageError::Name {
                    name,
                    problem: entry_name::NameProblem::Link,
                });
            }
            if kind.is_dir() {
                folders.push((format!("{name}/"), path));
            } else if !is_metadata(&name) {
                files.push((name, path));
            }
            if files.len() > MAX_FILES {
                return Err(PackageError::Limit(format!("more than {MAX_FILES} files")));
            }
        }
    }
    files.sort();
    let mut seen = std::collections::BTreeSet::new();
    match files
        .iter()
        .find(|(name, _path)| !seen.insert(entry_name::fold(name)))
    {
        Some((name, _path)) => Err(PackageError::Name {
            name: name.clone(),
            problem: entry_name::NameProblem::Duplicate,
        }),
        None => Ok(files),
    }
}

fn is_metadata(name: &str) -> bool {
    name == member::CONTROL || name == member::CERTIFICATE || member::UNLISTED.contains(&name)
}

/// Adds one file and returns its SHA-256.
fn add_file<W: std::io::Write + std::io::Seek>(
    writer: &mut ZipWriter<W>,
    name: &str,
    path: &Path,
    target: &Path,
    chunk: &mut [u8],
) -> Result<String, PackageError> {
    use std::io::Write as _;
    let read = |source| PackageError::Read {
        path: path.to_owned(),
        source,
    };
    let write = |source| PackageError::Write {
        path: target.to_owned(),
        source,
    };
    let mut file = File::open(path).map_err(read)?;
    let metadata = file.metadata().map_err(read)?;
    let modified = metadata
        .modified()
        .ok()
        .and_then(|time| Timestamp::try_from(time).ok())
        .unwrap_or(Timestamp::UNIX_EPOCH)
        .to_zoned_datetime(TimeZone::system());
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Deflated)
        .compression_level(Some(LEVEL))
        .last_modified_time(zip_time(&modified))
        .system(System::Unix)
        .external_attributes(file_mode(&metadata) << 16)
        .large_file(metadata.len() >= u64::from(u32::MAX));
    writer
        .start_file(name, options)
        .map_err(|error| write(zip_io(error)))?;
    let mut hash = Sha256::new();
    loop {
        let count = file.read(chunk).map_err(read)?;
        let bytes = chunk.get(..count).unwrap_or_default();
        if bytes.is_empty() {
            return Ok(hex::encode(hash.finalize()));
        }
        hash.update(bytes);
        writer.write_all(bytes).map_err(write)?;
    }
}

/// The Unix mode of a regular file; where the system has none, what most files have.
#[cfg_attr(
    not(unix),
    expect(unused_variables, reason = "only Unix files have such a mode")
)]
fn file_mode(metadata: &std::fs::Metadata) -> u32 {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        0o100_000 | (metadata.permissions().mode() & 0o777)
    }
    #[cfg(not(unix))]
    {
        0o100_644
    }
}

fn digest(path: &Path) -> Result<(String, u64), PackageError> {
    let read = |source| PackageError::Read {
        path: path.to_owned(),
        source,
    };
    let mut file = File::open(path).map_err(read)?;
    let mut hash = Sha256::new();
    let mut size = 0;
    let mut chunk = vec![0; 64 * 1024];
    loop {
        let count = file.read(&mut chunk).map_err(read)?;
        let bytes = chunk.get(..count).unwrap_or_default();
        if bytes.is_empty() {
            return Ok((hex::encode(hash.finalize()), size));
        }
        size += count as u64;
        hash.update(bytes);
    }
}

/// Shell matching of one name: `*` any run, `?` any character. O(pattern × name).
pub fn glob_matches(pattern: &str, name: &str) -> bool {
    let pattern: Vec<char> = pattern.chars().collect();
    let name: Vec<char> = name.chars().collect();
    let (mut p, mut n) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while n < name.len() {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, n));
                p += 1;
            }
            Some(c) if *c == '?' || Some(c) == name.get(n) => {
                p += 1;
                n += 1;
            }
            _ => match star {
                Some((star_at, matched)) => {
                    p = star_at + 1;
                    n = matched + 1;
                    star = Some((star_at, n));
                }
                None => return false,
            },
        }
    }
    pattern.get(p..).unwrap_or_default().iter().all(|c| *c == '*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_in_a_shell() {
        assert!(glob_matches("*.pyc", "setup.pyc") && glob_matches("a?c", "abc") && glob_matches("*", ""));
        assert!(glob_matches("a*b*c", "aXbYc") && !glob_matches("a*b", "abc") && !glob_matches("", "a"));
    }
}
