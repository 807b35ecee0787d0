//! Values of the Windows registry: something comes out of whatever is there, within bounds.
#![no_main]

use libfuzzer_sys::fuzz_target;
use muster_shared::registry::{MAX_BINARY_BYTES, MAX_TEXT_UNITS, MAX_TEXTS, Value};

fuzz_target!(|value: (u32, &[u8])| {
    let (kind, bytes) = value;
    let value = Value::decode(kind % 16, bytes);
    value.display();
    value.as_text();
    value.as_number();
    match value {
        Value::Text(text) | Value::Expandable(text) => assert!(text.encode_utf16().count() <= MAX_TEXT_UNITS),
        Value::Texts(texts) => assert!(texts.len() <= MAX_TEXTS),
        Value::Binary(bytes) => assert!(bytes.len() <= MAX_BINARY_BYTES),
        Value::None | Value::Number(_) => {}
    }
});
