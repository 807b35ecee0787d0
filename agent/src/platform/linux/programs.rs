//! Which programs run on Linux now.

use std::collections::BTreeSet;

/// Names of the running programs in lower case; those of processes that end meanwhile may be missing.
pub async fn running_programs() -> BTreeSet<String> {
    tokio::task::spawn_blocking(read).await.unwrap_or_default()
}

fn read() -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let Ok(entries) = fs_err::read_dir("/proc") else {
        return names;
    };
    for entry in entries.flatten() {
        let is_process = entry
            .file_name()
            .to_string_lossy()
            .bytes()
            .all(|byte| byte.is_ascii_digit());
        if !is_process {
            continue;
        }
        // The kernel cuts this name to 15 bytes; the link below has the whole one.
        if let Ok(name) = fs_err::read_to_string(entry.path().join("comm")) {
            names.insert(name.trim().to_lowercase());
        }
        if let Ok(program) = fs_err::read_link(entry.path().join("exe"))
            && let Some(name) = program.file_name()
        {
            names.insert(name.to_string_lossy().to_lowercase());
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn this_very_program_runs() {
        let own = std::env::current_exe().unwrap();
        let name = own.file_name().unwrap().to_string_lossy().to_lowercase();
        assert!(running_programs().await.contains(&name), "{name}");
    }
}
