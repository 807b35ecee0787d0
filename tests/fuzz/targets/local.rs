//! Lines of the agent's local API: no panic, and what is understood is said again in the same words.
#![no_main]

use libfuzzer_sys::fuzz_target;
use muster_shared::protocol::local::{LocalEvent, LocalRequest};

fuzz_target!(|line: &str| {
    if let Ok(request) = LocalRequest::parse(line) {
        let text = serde_json::to_string(&request).expect("a request is JSON");
        assert_eq!(LocalRequest::parse(&text).expect("a request reads back"), request);
    }
    serde_json::from_str::<LocalEvent>(line).ok();
});
