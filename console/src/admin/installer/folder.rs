//! Folders of programs that need no installation: which program, which system, how large.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use fs_err::File;

use super::msi::program_name;
use super::naming::one_line;
use super::{Installer, InstallerError, Kind, pe};

const MAX_FILES: usize = 100_000;
const MAX_DEPTH: usize = 64;

/// A program inside the folder.
struct Program {
    /// Relative, with slashes.
    path: String,
    size: u64,
    is_windows: bool,
}

impl Program {
    /// Programs at the top come first, then large ones.
    fn rank(&self) -> (usize, std::cmp::Reverse<u64>) {
        (self.path.matches('/').count(), std::cmp::Reverse(self.size))
    }
}

pub(super) fn read(path: &Path) -> Result<Installer, InstallerError> {
    let mut found = Installer::new(path, Kind::Folder);
    let (mut programs, total, files) = programs(path)?;
    programs.sort_by_key(Program::rank);
    found.installed_size = Some(total);
    found.fact("files", files.to_string());
    if let Some(program) = programs.iter().find(|program| program.is_windows) {
        found.target_os = "windows";
        found.main_program = Some(program.path.clone());
        found.programs = process(&program.path).into_iter().collect();
        describe(&mut found, &path.join(&program.path));
    } else if let Some(program) = programs.first() {
        found.target_os = "linux";
        found.main_program = Some(program.path.clone());
    }
    match &found.main_program {
        Some(main) if programs.len() > 1 => {
            let question = format!(
                "{main:?} is taken as the program to start, out of {}",
                programs.len()
            );
            found.ask(question);
        }
        Some(_) => {}
        None => found.ask("no program was found in it: the files are copied on Windows and on Linux"),
    }
    if let Some(main) = found.main_program.clone() {
        found.fact("program", main);
    }
    if found.product.is_empty() {
        found.product.clone_from(&found.file_name);
    }
    found.short_name.clone_from(&found.product);
    Ok(found)
}

fn process(path: &str) -> Option<String> {
    program_name(path.rsplit('/').next()?)
}

/// Takes over what a Windows program says about itself.
fn describe(found: &mut Installer, program: &Path) {
    let Some(bytes) = File::open(program)
        .ok()
        .and_then(|mut file| pe::load(&mut file).ok())
    else {
        return;
    };
    let Ok(image) = pe::Image::parse(&bytes) else {
        return;
    };
    let texts = image.version();
    let text = |name: &str| one_line(texts.get(name), 300);
    found.product = text("ProductName");
    found.version = [text("ProductVersion"), text("FileVersion")]
        .into_iter()
        .find(|text| !text.is_empty())
        .or_else(|| texts.fixed_file_version())
        .unwrap_or_default();
    found.publisher = text("CompanyName");
    found.description = text("FileDescription");
    found.icon = image.icon();
    if image.architecture() == Some("x64") {
        found.architecture = "x64";
    }
}

fn programs(root: &Path) -> Result<(Vec<Program>, u64, usize), InstallerError> {
    let mut pending: Vec<(PathBuf, String, usize)> = vec![(root.to_owned(), String::new(), 0)];
    let (mut programs, mut total, mut files) = (Vec::new(), 0, 0);
    while let Some((folder, prefix, depth)) = pending.pop() {
        let unreadable = |source| InstallerError::Read {
            path: folder.clone(),
            source,
        };
        for entry in fs_err::read_dir(&folder).map_err(unreadable)? {
            let entry = entry.map_err(unreadable)?;
            let metadata = entry.metadata().map_err(unreadable)?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let path = format!("{prefix}{name}");
            files += 1;
            if files > MAX_FILES || depth > MAX_DEPTH {
                return Err(InstallerError::Damaged {
                    path: root.to_owned(),
                    kind: "folder",
                    reason: format!("it holds more than {MAX_FILES} files or is too deep"),
                });
            }
            if metadata.is_dir() {
                files -= 1;
                pending.push((entry.path(), format!("{path}/"), depth + 1));
            } else if metadata.is_file() {
                total += metadata.len();
                let is_windows = process(&path).is_some();
                if is_windows || is_linux_program(&entry.path(), &metadata) {
                    programs.push(Program {
                        path,
                        size: metadata.len(),
                        is_windows,
                    });
                }
            }
        }
    }
    Ok((programs, total, files))
}

#[cfg(unix)]
fn is_linux_program(path: &Path, metadata: &std::fs::Metadata) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    let mut start = Vec::new();
    let is_executable = metadata.permissions().mode() & 0o111 != 0;
    let is_library = path
        .file_name()
        .is_some_and(|name| name.to_string_lossy().contains(".so"));
    is_executable
        && !is_library
        && File::open(path).is_ok_and(|file| file.take(4).read_to_end(&mut start).is_ok())
        && (start.starts_with(b"\x7fELF") || start.starts_with(b"#!"))
}

/// Windows keeps no mark on programs of Linux but their content.
#[cfg(not(unix))]
fn is_linux_program(path: &Path, _metadata: &std::fs::Metadata) -> bool {
    let mut start = Vec::new();
    let is_plain = path.extension().is_none();
    is_plain
        && File::open(path).is_ok_and(|file| file.take(4).read_to_end(&mut start).is_ok())
        && start.starts_with(b"\x7fELF")
}
