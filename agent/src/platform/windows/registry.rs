//! Reading the registry: values decoded by `muster_shared::registry`, and when a key was last written.
#![expect(unsafe_code, reason = "RegQueryInfoKeyW")]

use muster_shared::registry::Value;
use windows_registry::Key;
use windows_sys::Win32::Foundation::FILETIME;
use windows_sys::Win32::System::Registry::RegQueryInfoKeyW;

/// A value whatever its type; `None` when it is not there.
pub(super) fn value(key: &Key, name: &str) -> Option<Value> {
    let raw = key.get_value(name).ok()?;
    Some(Value::decode(raw.ty().into(), &raw))
}

/// A value that is text, without the spaces around it; empty for anything else.
pub(super) fn text(key: &Key, name: &str) -> String {
    value(key, name)
        .and_then(|value| value.as_text().map(|text| text.trim().to_owned()))
        .unwrap_or_default()
}

/// A value that is a number, or a text that reads as one.
pub(super) fn number(key: &Key, name: &str) -> Option<u64> {
    value(key, name)?.as_number()
}

/// When the key itself was last written, in the system's ticks; 0 when it does not say. Keys below it do not count.
pub(super) fn written(key: &Key) -> u64 {
    let mut time = FILETIME::default();
    // SAFETY: the key is open while it is borrowed; every result that is not wanted may be null.
    let code = unsafe {
        RegQueryInfoKeyW(
            key.as_raw(),
            std::ptr::null_mut(),
            std::ptr::null_mut(),
            std::ptr::null(),
            std::ptr::null_mut(),
            std::ptr::null_mut(),
            std::ptr::null_mut(),
            std::ptr::null_mut(),
            std::ptr::null_mut(),
            std::ptr::null_mut(),
            std::ptr::null_mut(),
            &raw mut time,
        )
    };
    if code == 0 {
        u64::from(time.dwHighDateTime) << 32 | u64::from(time.dwLowDateTime)
    } else {
        0
    }
}

#[cfg(test)]
mod tests {
    use windows_registry::CURRENT_USER;

    use super::*;

    #[test]
    fn values_are_read_by_their_type() {
        let path = format!(r"Software\MusterTest\{}", std::process::id());
        let key = CURRENT_USER.create(&path).unwrap();
        key.set_string("Name", " 7-Zip ").unwrap();
        key.set_u32("Flag", 1).unwrap();
        key.set_bytes("Short", windows_registry::Type::U32, &[1, 2, 3])
            .unwrap();
        assert_eq!(text(&key, "Name"), "7-Zip");
        assert_eq!(number(&key, "Flag"), Some(1));
        assert_eq!(text(&key, "Flag"), "");
        assert_eq!(value(&key, "Short"), Some(Value::Binary(vec![1, 2, 3])));
        assert_eq!(value(&key, "Gone"), None);
        assert!(written(&key) > 0);
        CURRENT_USER.remove_tree(&path).unwrap();
    }
}
