//! Why a restart is due.

use std::path::Path;

use super::text::read_limited;
use crate::inventory::facts::FactError;

/// What Debian's packages write when they need a restart.
const REQUIRED: [&str; 2] = ["/run/reboot-required", "/var/run/reboot-required"];
/// The modules of the running kernel; an upgrade that took them away needs a restart.
const MODULES: [&str; 2] = ["/lib/modules", "/usr/lib/modules"];

/// Reasons for a restart, empty when none is due.
///
/// # Errors
/// Never on Linux.
#[expect(clippy::unnecessary_wraps, reason = "the same signature as on Windows")]
pub fn reasons() -> Result<Vec<String>, FactError> {
    let mut reasons = Vec::new();
    if let Some(file) = REQUIRED.iter().find(|file| Path::new(file).exists()) {
        reasons.push(packages_text(
            &read_limited(format!("{file}.pkgs")).unwrap_or_default(),
        ));
    }
    let kernel = rustix::system::uname().release().to_string_lossy().into_owned();
    let folders: Vec<&Path> = MODULES.iter().map(Path::new).collect();
    if modules_are_gone(&kernel, &folders) {
        reasons.push(format!("the running kernel {kernel} was removed or replaced"));
    }
    Ok(reasons)
}

fn packages_text(packages: &str) -> String {
    let mut names: Vec<&str> = packages
        .lines()
        .map(str::trim)
        .filter(|name| !name.is_empty())
        .take(100)
        .collect();
    names.sort_unstable();
    names.dedup();
    if names.is_empty() {
        "an installed package asks for a restart".to_owned()
    } else {
        format!("installed packages ask for a restart: {}", names.join(", "))
    }
}

/// Other kernels have modules here and the running one has none. A container sees no modules at all.
fn modules_are_gone(kernel: &str, folders: &[&Path]) -> bool {
    let has_others = folders
        .iter()
        .filter_map(|folder| fs_err::read_dir(folder).ok())
        .flat_map(|entries| entries.flatten().take(64))
        .any(|entry| entry.path().join("kernel").is_dir());
    has_others && !folders.iter().any(|folder| folder.join(kernel).is_dir())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kernel_whose_modules_went_away_needs_a_restart() {
        let place = tempfile::tempdir().unwrap();
        let folder = place.path();
        assert!(!modules_are_gone("6.1.0-1", &[folder]), "no modules at all");
        fs_err::create_dir_all(folder.join("6.1.0-2/kernel")).unwrap();
        assert!(modules_are_gone("6.1.0-1", &[folder]));
        assert!(!modules_are_gone("6.1.0-2", &[folder]));
    }

    #[test]
    fn the_packages_that_ask_are_named_once() {
        assert_eq!(
            packages_text("linux-image\nlibc6\nlinux-image\n"),
            "installed packages ask for a restart: libc6, linux-image"
        );
        assert!(packages_text("").contains("asks for a restart"));
    }
}
