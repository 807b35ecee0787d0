//! The files of packages that carry rules instead of code.

use muster_shared::control::Section;
use muster_shared::package::member;

/// What a package of a section carries besides its control: name and text.
pub(super) fn file(section: Section) -> Option<(&'static str, String)> {
    match section {
        Section::Wsus | Section::WaptWua => Some((member::UPDATE_RULES, update_rules())),
        Section::SelfService => Some((member::SELF_SERVICE, self_service())),
        Section::Base
        | Section::Restricted
        | Section::Group
        | Section::Host
        | Section::Unit
        | Section::Profile => None,
    }
}

/// Careful rules to begin with: what is critical or important, a week after it came out.
fn update_rules() -> String {
    pretty(&serde_json::json!({
        "waptwua": {
            "enabled": true,
            "default_allow": false,
            "allowed_severities": ["Critical", "Important"],
            "allowed_kbs": [],
            "forbidden_kbs": [],
            "install_delay": "7d",
        }
    }))
}

/// Nobody may install anything until a group and its packages are written here.
fn self_service() -> String {
    pretty(&serde_json::json!({}))
}

fn pretty(value: &serde_json::Value) -> String {
    serde_json::to_string_pretty(value).unwrap_or_default() + "\n"
}

#[cfg(test)]
mod tests {
    use muster_shared::rules::selfservice::SelfServiceRules;
    use muster_shared::rules::windows_update::UpdateRules;

    use super::*;

    #[test]
    fn the_rules_are_rules() {
        let rules = UpdateRules::parse(update_rules().as_bytes()).unwrap();
        assert_eq!(rules.allowed_severities.len(), 2);
        assert!(rules.other.is_empty(), "{rules:?}");
        assert!(
            SelfServiceRules::parse(self_service().as_bytes())
                .unwrap()
                .is_empty()
        );
    }
}
