//! Small text files of the system, read with a limit.

use std::io::{self, Read as _};
use std::path::Path;

/// No file of `/proc`, `/sys` and `/etc` that we read is larger.
const LIMIT: u64 = 4 * 1024 * 1024;

/// The file as text; bytes that are no UTF-8 become replacement characters.
pub(crate) fn read_limited(path: impl AsRef<Path>) -> io::Result<String> {
    let mut bytes = Vec::new();
    fs_err::File::open(path.as_ref())?
        .take(LIMIT)
        .read_to_end(&mut bytes)?;
    Ok(String::from_utf8(bytes)
        .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()))
}

/// The file's only line without the spaces around it, empty when there is none.
pub(crate) fn read_word(path: impl AsRef<Path>) -> String {
    read_limited(path)
        .unwrap_or_default()
        .trim()
        .trim_matches('\0')
        .trim()
        .to_owned()
}

/// Changes when the file does: its length and time. `None` when there is none.
pub(crate) fn file_stamp(path: impl AsRef<Path>) -> Option<String> {
    let path = path.as_ref();
    let metadata = fs_err::metadata(path).ok()?;
    let modified = metadata
        .modified()
        .ok()?
        .duration_since(std::time::UNIX_EPOCH)
        .ok()?;
    Some(format!(
        "{} {} {}",
        path.display(),
        metadata.len(),
        modified.as_nanos()
    ))
}
