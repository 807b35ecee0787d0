//! Control files: reading never panics, writing what was read and reading it again gives the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use muster_shared::control::Control;

fuzz_target!(|bytes: &[u8]| {
    let Ok(control) = Control::parse(bytes) else {
        return;
    };
    let text = control.to_text_with_unknown();
    let again = Control::parse(text.as_bytes()).expect("what is written can be read");
    // Those belong to a row of the index and are written there.
    let of_index = ["filename", "size", "md5sum", "sha256sum"];
    for (name, value) in control
        .attributes()
        .filter(|(name, _value)| !of_index.contains(name))
    {
        assert_eq!(again.get(name), value, "{name} in {text:?}");
    }
    assert_eq!(again.to_text_with_unknown(), text);
    // What is signed and absent is null in the signed bytes, and what is written is there, even when empty.
    let is_there = |name: &&str| control.has(name) && !of_index.contains(name);
    if control.signed_attributes().iter().all(is_there) {
        assert_eq!(again.signed_bytes(), control.signed_bytes());
    }
    control.problems_for_signing();
    control.advice_for_signing();
    assert!(control.signed_bytes().is_ascii());
    let filename = muster_shared::package::filename::canonical_filename(&control, None);
    // The order of its rules (dots first, then characters) may leave dots side by side, never a way out.
    let parts: Vec<_> = std::path::Path::new(&filename).components().collect();
    assert!(
        matches!(parts.as_slice(), [std::path::Component::Normal(_)]),
        "{filename:?}"
    );
    assert!(!filename.contains(['/', '\\', ':', '\n']), "{filename:?}");
});
