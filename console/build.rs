//! Lists the files of the agent's `python/` that editors need to complete the names of `setuphelpers`.

#![expect(clippy::disallowed_methods, reason = "a build script has no dependencies")]

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

fn main() {
    let root = PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it"))
        .join("..")
        .join("agent")
        .join("python");
    println!("cargo::rerun-if-changed={}", root.display());
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

/// Python files below `folder` as (name with slashes, path), without what only the agent runs.
fn collect(root: &Path, folder: &Path, files: &mut Vec<(String, String)>) {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return;
    };
    for entry in entries.flatten() {
        let path = entry.path();
        let name = entry.file_name().to_string_lossy().into_owned();
        if path.is_dir() {
            if name == "setuphelpers" || folder != root {
                println!("cargo::rerun-if-changed={}", path.display());
                if name != "__pycache__" {
                    collect(root, &path, files);
                }
            }
        } else if path.extension().is_some_and(|extension| extension == "py")
            && name != "muster_run.py"
            && let Ok(relative) = path.strip_prefix(root)
        {
            let name = relative.to_string_lossy().replace('\\', "/");
            files.push((name, path.to_string_lossy().into_owned()));
        }
    }
}
