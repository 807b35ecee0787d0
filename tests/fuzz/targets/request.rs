//! Requests and lists of them: no panic, and what is written reads back as the same request.
#![no_main]

use libfuzzer_sys::fuzz_target;
use muster_shared::request::{Request, parse_list, parse_list_as_wapt};

fuzz_target!(|text: &str| {
    if let Ok(request) = Request::parse(text) {
        let written = request.to_string();
        let again = Request::parse(&written).unwrap_or_else(|error| panic!("{written:?}: {error}"));
        assert_eq!(again, request);
        assert_eq!(again.to_string(), written);
    }
    let (condition, version) = text.split_once('\n').unwrap_or((text, "1.2-3"));
    let request = Request::parse_as_wapt(condition);
    request.matches(&request.name, version);
    parse_list(text).ok();
    parse_list_as_wapt(text);
});
