//! Lists the files of `python/`, and of the modules that it carries, so that the binary brings all of them.
//!
//! The carried modules are the wheels in `python/wheels` (`make wheels`). Each must be the file that
//! `requirements.txt` pins by hash; without the folder the agent is built without them, with a warning.

#![expect(
    clippy::disallowed_methods,
    reason = "the crate that the lint asks for would be one more build dependency"
)]

use std::fmt::Write as _;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

/// Where carried modules are unpacked, beside `setuphelpers`.
const CARRIED: &str = "site-packages";

/// What no script imports: tests, examples, C headers, the Pythonwin editor.
const LEFT_OUT: &[&str] = &[
    "adodbapi",
    "demos",
    "doc",
    "examples",
    "html",
    "include",
    "isapi",
    "libs",
    "pythonwin",
    "samples",
    "test",
    "tests",
];

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=python");
    println!("cargo::rerun-if-changed=migrations");
    let root = PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it")).join("python");
    let out = PathBuf::from(std::env::var_os("OUT_DIR").expect("cargo sets it"));
    let mut files = Vec::new();
    collect(&root, &root, &mut files);
    let unpacked = out.join(CARRIED);
    if unpacked.exists() {
        std::fs::remove_dir_all(&unpacked).expect("removing modules of an earlier build");
    }
    let mut pins = vec!["requirements.txt"];
    if std::env::var("CARGO_CFG_TARGET_OS").as_deref() == Ok("windows") {
        pins.push("requirements-windows.txt");
    }
    for pins in pins {
        carry(&root.join(pins), &root.join("wheels"), &unpacked, &mut files);
    }
    files.sort();
    let mut source = String::from("[\n");
    for (name, path) in &files {
        writeln!(source, "    ({name:?}, include_bytes!({path:?}) as &[u8]),").expect("writing to text");
    }
    source.push_str("]\n");
    std::fs::write(out.join("python_files.rs"), source).expect("writing the list of Python files");
}

/// Python files below `folder` as (name with slashes, path); tests, tools and caches stay outside.
fn collect(root: &Path, folder: &Path, files: &mut Vec<(String, String)>) {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return;
    };
    for entry in entries.flatten() {
        let path = entry.path();
        let name = entry.file_name();
        if path.is_dir() {
            if !["tests", "tools", "wheels", "__pycache__"]
                .iter()
                .any(|outside| name == *outside)
            {
                println!("cargo::rerun-if-changed={}", path.display());
                collect(root, &path, files);
            }
        } else if path.extension().is_some_and(|extension| extension == "py")
            && let Ok(relative) = path.strip_prefix(root)
        {
            let name = relative.to_string_lossy().replace('\\', "/");
            files.push((name, path.to_string_lossy().into_owned()));
        }
    }
}

/// Unpacks the wheels that a requirements file pins.
///
/// # Panics
/// When a wheel is not the pinned one: such a build must not come about.
fn carry(requirements: &Path, wheels: &Path, unpacked: &Path, files: &mut Vec<(String, String)>) {
    let text = std::fs::read_to_string(requirements).expect("reading the pins of the carried modules");
    for (module, version, hashes) in pinned(&text) {
        let prefix = format!("{}-{version}-", module.replace('-', "_"));
        let Some(wheel) = wheel(wheels, &prefix) else {
            println!("cargo::warning=the agent is built without {module} {version}: run `make wheels` first");
            continue;
        };
        let content = std::fs::read(&wheel).expect("reading a wheel");
        let hash = Sha256::digest(&content)
            .iter()
            .fold(String::new(), |mut text, byte| {
                write!(text, "{byte:02x}").expect("writing to text");
                text
            });
        assert!(
            hashes.contains(&hash),
            "{} has the hash {hash}, which {} does not pin: delete the file and run `make wheels`",
            wheel.display(),
            requirements.display()
        );
        unpack(&content, unpacked, files);
    }
}

/// (module, version, accepted hashes) of each pin.
fn pinned(text: &str) -> Vec<(String, String, Vec<String>)> {
    let mut pins = Vec::new();
    for line in text.replace("\\\n", " ").lines() {
        let mut words = line.split_whitespace();
        let Some((module, version)) = words.next().and_then(|word| word.split_once("==")) else {
            continue;
        };
        let hashes = words
            .filter_map(|word| word.strip_prefix("--hash=sha256:"))
            .map(str::to_owned)
            .collect();
        pins.push((module.to_owned(), version.to_owned(), hashes));
    }
    pins
}

fn wheel(folder: &Path, prefix: &str) -> Option<PathBuf> {
    let entries = std::fs::read_dir(folder).ok()?;
    entries.flatten().map(|entry| entry.path()).find(|path| {
        let name = path.file_name().map(|name| name.to_string_lossy().to_lowercase());
        path.extension().is_some_and(|extension| extension == "whl")
            && name.is_some_and(|name| name.starts_with(prefix))
    })
}

/// Writes what scripts need of a wheel below `unpacked`.
fn unpack(wheel: &[u8], unpacked: &Path, files: &mut Vec<(String, String)>) {
    let mut archive = zip::ZipArchive::new(std::io::Cursor::new(wheel)).expect("opening a wheel");
    for index in 0..archive.len() {
        let mut entry = archive.by_index(index).expect("reading a wheel");
        let Some(relative) = entry.enclosed_name().filter(|_| entry.is_file()) else {
            continue;
        };
        if !is_wanted(&relative) {
            continue;
        }
        let mut content = Vec::new();
        entry.read_to_end(&mut content).expect("unpacking a wheel");
        let path = unpacked.join(&relative);
        std::fs::create_dir_all(path.parent().expect("it is below a folder")).expect("making a folder");
        std::fs::write(&path, content).expect("writing a file of a wheel");
        let name = format!("{CARRIED}/{}", relative.to_string_lossy().replace('\\', "/"));
        files.push((name, path.to_string_lossy().into_owned()));
    }
}

fn is_wanted(path: &Path) -> bool {
    let mut parts = path.iter().map(|part| part.to_string_lossy().to_lowercase());
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name != "RECORD"
        && !["chm", "exe", "pth", "pyi"].iter().any(|extension| {
            path.extension()
                .is_some_and(|found| found.eq_ignore_ascii_case(extension))
        })
        && !parts.any(|part| LEFT_OUT.contains(&part.as_str()) || part.strip_suffix(".data").is_some())
}
