//! Text as Windows takes and gives it: UTF-16 with a NUL at its end.
#![expect(unsafe_code, reason = "reads strings that the system allocated")]

use std::ffi::OsStr;
use std::os::windows::ffi::OsStrExt as _;

/// No string that we read is longer, in UTF-16 units.
const MOST: usize = 32 * 1024;

/// The text with its closing NUL.
pub(super) fn wide(text: impl AsRef<OsStr>) -> Vec<u16> {
    text.as_ref().encode_wide().chain([0]).collect()
}

/// A buffer up to its first NUL.
pub(super) fn from_wide(units: &[u16]) -> String {
    let end = units.iter().position(|unit| *unit == 0).unwrap_or(units.len());
    String::from_utf16_lossy(units.get(..end).unwrap_or_default())
}

/// A string of the system up to its NUL, empty for a null pointer.
///
/// # Safety
/// `pointer` is null or points to UTF-16 that ends with a NUL and stays while this runs.
pub(super) unsafe fn from_pointer(pointer: *const u16) -> String {
    if pointer.is_null() {
        return String::new();
    }
    let mut units = Vec::new();
    for index in 0..MOST {
        // SAFETY: the string ends with a NUL (the caller's promise) and we stop there.
        let unit = unsafe { *pointer.add(index) };
        if unit == 0 {
            break;
        }
        units.push(unit);
    }
    String::from_utf16_lossy(&units)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_comes_back_as_it_was() {
        let units = wide("Größe 日本");
        assert_eq!(units.last(), Some(&0));
        assert_eq!(from_wide(&units), "Größe 日本");
        // SAFETY: `units` ends with a NUL and outlives the call.
        assert_eq!(unsafe { from_pointer(units.as_ptr()) }, "Größe 日本");
    }
}
