//! Which programs run on Windows now.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::platform::ask;

/// Names of the running programs in lower case; empty when the system does not list them.
pub async fn running_programs() -> BTreeSet<String> {
    let arguments = ["/fo", "csv", "/nh"];
    match ask("tasklist", &arguments, Duration::from_secs(30), 4 * 1024 * 1024).await {
        Ok(bytes) => names_of(&String::from_utf8_lossy(&bytes)),
        Err(error) => {
            tracing::warn!(%error, "the running programs cannot be listed");
            BTreeSet::new()
        }
    }
}

/// `"vlc.exe","4711","Console","1","52,000 K"` a line.
fn names_of(text: &str) -> BTreeSet<String> {
    text.lines()
        .filter_map(|line| line.strip_prefix('"')?.split('"').next())
        .map(str::to_lowercase)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_column_is_the_name() {
        let names = names_of("\"VLC.exe\",\"4711\",\"Console\",\"1\",\"52,000 K\"\r\n\"System\",\"4\"\r\n");
        assert!(names.contains("vlc.exe") && names.contains("system"), "{names:?}");
    }
}
