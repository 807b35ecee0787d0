//! Lists the files of `python/` so that the binary carries all of them.

#![expect(clippy::disallowed_methods, reason = "a build script has no dependencies")]

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

fn main() {
    println!("cargo::rerun-if-changed=python");
    println!("cargo::rerun-if-changed=migrations");
    let root = PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it")).join("python");
    let mut files = Vec::new();
    collect(&root, &root, &mut files);
    files.sort();
    let mut source = String::from("[\n");
    for (name, path) in &files {
        writeln!(source, "    ({name:?}, include_bytes!({path:?}) as &[u8]),").expect("writing to text");
    }
    source.push_str("]\n");
    let out = PathBuf::from(std::env::var_os("OUT_DIR").expect("cargo sets it")).join("python_files.rs");
    std::fs::write(out, source).expect("writing the list of Python files");
}

/// Python files below `folder` as (name with slashes, path); tests and caches stay outside.
fn collect(root: &Path, folder: &Path, files: &mut Vec<(String, String)>) {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return;
    };
    for entry in entries.flatten() {
        let path = entry.path();
        let name = entry.file_name();
        if path.is_dir() {
            if name != "tests" && name != "__pycache__" {
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
