//! Versions: a total order, and the text of a version reads back as itself.
#![no_main]

use std::cmp::Ordering;

use libfuzzer_sys::fuzz_target;
use muster_shared::version::{Version, compare_natural, compare_text};

fuzz_target!(|text: &str| {
    let mut parts = text.splitn(3, '\n');
    let texts = [(); 3].map(|()| parts.next().unwrap_or_default());
    for one in texts {
        for other in texts {
            assert_eq!(compare_text(one, other), compare_text(other, one).reverse());
            assert_eq!(compare_natural(one, other), compare_natural(other, one).reverse());
        }
    }
    let versions: Vec<Version> = texts.iter().filter_map(|text| text.parse().ok()).collect();
    for version in &versions {
        let again: Version = version.as_str().parse().expect("a version reads back");
        assert_eq!(&again, version);
        let incremented = version.incremented();
        assert!(&incremented > version, "{version} to {incremented}");
        assert_eq!(version.cmp(version), Ordering::Equal);
    }
    if let [a, b, c] = versions.as_slice() {
        for (a, b, c) in [(a, b, c), (a, c, b), (b, a, c), (b, c, a), (c, a, b), (c, b, a)] {
            assert_eq!(a.cmp(b), b.cmp(a).reverse());
            if a <= b && b <= c {
                assert!(a <= c, "{a} {b} {c}");
            }
            if a == b {
                assert_eq!(a.cmp(c), b.cmp(c));
            }
        }
    }
});
