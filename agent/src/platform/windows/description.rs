//! The computer's description as Windows keeps it: what the system's settings and its neighbours in the network show.

use std::io;
use std::path::Path;

use windows_registry::LOCAL_MACHINE;

use super::registry;

const KEY: &str = r"SYSTEM\CurrentControlSet\Services\LanmanServer\Parameters";
const VALUE: &str = "srvcomment";

/// The longest description that the system's own settings take, in characters.
const MOST: usize = 256;

/// The description; `None` when the system has none, and below a root, where an agent shares the machine.
pub fn description(root: Option<&Path>) -> Option<String> {
    if root.is_some() {
        return None;
    }
    let key = LOCAL_MACHINE.open(KEY).ok()?;
    Some(registry::text(&key, VALUE)).filter(|text| !text.is_empty())
}

/// Has the system show a description; an empty one is taken out. Below a root nothing is done.
///
/// # Errors
/// When the registry does not take it.
pub fn set_description(root: Option<&Path>, text: &str) -> io::Result<()> {
    if root.is_some() || description(root).unwrap_or_default() == text.trim() {
        return Ok(());
    }
    let shown: String = text
        .chars()
        .map(|letter| if letter.is_control() { ' ' } else { letter })
        .take(MOST)
        .collect();
    LOCAL_MACHINE
        .create(KEY)
        .and_then(|key| key.set_string(VALUE, shown.trim()))
        .map_err(io::Error::other)
}
