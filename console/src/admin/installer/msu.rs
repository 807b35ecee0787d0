//! Windows updates: their files carry no readable name, so the number is taken from the file name.

use std::path::Path;

use super::{Installer, Kind};

pub(super) fn read(path: &Path) -> Installer {
    let mut found = Installer::new(path, Kind::Msu);
    let name = found.file_name.to_ascii_lowercase();
    found.silent_flags = Some("/quiet /norestart".to_owned());
    "Microsoft Corporation".clone_into(&mut found.publisher);
    if name.contains("x64") || name.contains("amd64") {
        found.architecture = "x64";
    } else if name.contains("x86") {
        found.architecture = "x86";
    } else if name.contains("arm64") {
        found.ask("it is for ARM64, for which packages have no architecture: make sure that only such machines get it");
    }
    if let Some(number) = update_number(&name) {
        found.product = format!("Windows update KB{number}");
        found.short_name = format!("kb{number}");
        found.version.clone_from(&number);
        found.fact("update", format!("KB{number}"));
    } else {
        "Windows update".clone_into(&mut found.product);
        found.ask("no KB number stands in its file name: write it into setup.py");
    }
    found.description.clone_from(&found.product);
    found.ask("choose min_os_version and max_os_version: an update fits one release of Windows");
    found
}

/// The digits after `kb`.
pub(super) fn update_number(name: &str) -> Option<String> {
    name.match_indices("kb").find_map(|(at, _)| {
        let digits: String = name
            .get(at + 2..)?
            .chars()
            .take_while(char::is_ascii_digit)
            .take(9)
            .collect();
        (digits.len() >= 5).then_some(digits)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_the_update_stands_in_the_name() {
        let found = read(Path::new("a/Windows10.0-KB5034441-x64_abc.msu"));
        assert_eq!(found.short_name, "kb5034441");
        assert_eq!(found.architecture, "x64");
        assert_eq!(update_number("kbase.msu"), None);
    }
}
