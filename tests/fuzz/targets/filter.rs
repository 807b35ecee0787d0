//! The language of filters: no panic, and what a filter prints is the filter.
#![no_main]

use libfuzzer_sys::fuzz_target;
use muster_shared::filter::Filter;

fuzz_target!(|text: &str| {
    if let Ok(filter) = Filter::parse(text) {
        let again = Filter::parse(filter.as_str()).expect("a filter reads back");
        assert_eq!(again.as_str(), filter.as_str());
        filter.terms();
    }
});
