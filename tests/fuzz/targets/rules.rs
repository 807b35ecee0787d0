//! Rules of packages and manifests: no panic, and rules that are read are written and read alike.
#![no_main]

use libfuzzer_sys::fuzz_target;
use muster_shared::package::manifest;
use muster_shared::rules::selfservice::SelfServiceRules;
use muster_shared::rules::windows_update::UpdateRules;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(rules) = SelfServiceRules::parse(bytes) {
        let again = SelfServiceRules::parse(rules.to_json().as_bytes()).expect("rules read back");
        assert_eq!(again, rules);
        assert_eq!(SelfServiceRules::merged([rules.clone(), rules.clone()]), rules);
    }
    if let Ok(mut rules) = UpdateRules::parse(bytes) {
        let mut again = UpdateRules::parse(rules.to_json().as_bytes()).expect("rules read back");
        // The reader of JSON rounds long fractions, which only keys that are not known can have.
        assert!(again.other.keys().eq(rules.other.keys()));
        rules.other.clear();
        again.other.clear();
        assert_eq!(again, rules, "{}", rules.to_json());
    }
    if let Ok(manifest) = manifest::parse(bytes) {
        let rows: Vec<(String, String)> = manifest.clone().into_iter().collect();
        assert_eq!(
            manifest::parse(&manifest::write(&rows)).expect("a manifest reads back"),
            manifest
        );
    }
});
