//! What becomes of each update: rules, time and what is known of the machine give a state. Pure.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use muster_shared::protocol::inventory::{UpdateEvent, UpdateRow, UpdateState, UpdatesStatus};
use muster_shared::rules::windows_update::{Decision, UpdateRules};
use sha2::{Digest as _, Sha256};

use super::FoundUpdate;
use crate::config::WindowsUpdate;

/// What this agent remembers of an update between two scans.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Remembered {
    pub found: FoundUpdate,
    /// The last search still had it.
    pub present: bool,
    /// When this agent installed it.
    pub installed_at: Option<Timestamp>,
    /// Why its last installation failed, empty when it did not.
    pub error: String,
    /// Its files could not be had from where they may be fetched.
    pub unobtainable: bool,
}

/// The rules of packages and those of the configuration as one: the more careful of two settings holds.
pub fn rules(packages: Option<UpdateRules>, config: &WindowsUpdate) -> UpdateRules {
    let own = UpdateRules {
        enabled: config.enabled,
        default_allow: config.default_allow,
        allowed_severities: config.allowed_severities.clone(),
        install_delay: config.install_delay.clone(),
        ..UpdateRules::default()
    };
    let merged = UpdateRules::merged(packages.into_iter().chain([own]));
    UpdateRules {
        // A machine whose owner said no stays alone, whatever a package says.
        enabled: if config.enabled == Some(false) {
            Some(false)
        } else {
            merged.enabled
        },
        ..merged
    }
}

/// The row of one update at a time.
pub fn row(update: &Remembered, rules: &UpdateRules, now: Timestamp) -> UpdateRow {
    let found = &update.found;
    let decision = rules.decide(&found.as_ruled(), now);
    let (allowed, delayed_until, rule) = match decision {
        Decision::Allowed { rule } => (true, None, rule),
        Decision::Delayed { until, rule } => (true, Some(until), rule),
        Decision::Forbidden { rule } => (false, None, rule),
    };
    let status = if found.installed {
        UpdateState::Ok
    } else if found.hidden || !allowed {
        UpdateState::Discarded
    } else if delayed_until.is_some() {
        UpdateState::Delayed
    } else if !update.error.is_empty() {
        UpdateState::Error
    } else if update.unobtainable && !found.downloaded {
        UpdateState::Missing
    } else {
        UpdateState::Pending
    };
    UpdateRow {
        update_id: found.id.clone(),
        title: found.title.clone(),
        kbs: found.kbs.clone(),
        products: found.products.clone(),
        classifications: found.classifications.clone(),
        severity: found.severity.clone(),
        published: found.published,
        status,
        rule: if found.hidden && !found.installed {
            "it is hidden on this machine".to_owned()
        } else {
            rule
        },
        allowed,
        present: update.present,
        installed: found.installed,
        hidden: found.hidden,
        downloaded: found.downloaded,
        delayed_until,
        installed_at: update.installed_at,
        uninstallable: found.uninstallable,
        size_bytes: found.size_bytes,
        files: found.hashed_files(),
        support_url: found.support_url.clone(),
        error: update.error.clone(),
    }
}

/// The rows of all updates, by their identifiers.
pub fn rows(updates: &[Remembered], rules: &UpdateRules, now: Timestamp) -> Vec<UpdateRow> {
    let mut rows: Vec<UpdateRow> = updates.iter().map(|update| row(update, rules, now)).collect();
    rows.sort_by(|one, other| one.update_id.cmp(&other.update_id));
    rows
}

/// How the machine stands.
pub fn status(rows: &[UpdateRow], has_scanned: bool, error: &str) -> UpdatesStatus {
    let is_open = |row: &UpdateRow| {
        matches!(
            row.status,
            UpdateState::Pending | UpdateState::Missing | UpdateState::Error
        )
    };
    if !error.is_empty() {
        UpdatesStatus::Error
    } else if !has_scanned {
        UpdatesStatus::Unknown
    } else if rows.iter().any(is_open) {
        UpdatesStatus::PendingUpdates
    } else {
        UpdatesStatus::Ok
    }
}

/// Updates whose files are to be fetched: allowed now, neither installed nor downloaded.
pub fn to_download(rows: &[UpdateRow]) -> Vec<&UpdateRow> {
    rows.iter()
        .filter(|row| is_wanted(row) && !row.downloaded)
        .collect()
}

/// Updates to install now: allowed and downloaded, of those that are named when any are.
pub fn to_install<'a>(rows: &'a [UpdateRow], named: &[String]) -> Vec<&'a UpdateRow> {
    rows.iter()
        .filter(|row| is_wanted(row) && row.downloaded)
        .filter(|row| named.is_empty() || named.iter().any(|name| names(name, row)))
        .collect()
}

fn is_wanted(row: &UpdateRow) -> bool {
    matches!(
        row.status,
        UpdateState::Pending | UpdateState::Missing | UpdateState::Error
    )
}

/// An update is named by its identifier, with or without revision, or by one of its articles.
pub fn names(name: &str, row: &UpdateRow) -> bool {
    let bare = |text: &str| {
        let text = text.trim().to_ascii_lowercase();
        text.strip_prefix("kb").map_or(text.clone(), str::to_owned)
    };
    let id = row.update_id.to_ascii_lowercase();
    let wanted = name.trim().to_ascii_lowercase();
    id == wanted
        || id.split('_').next() == Some(wanted.as_str())
        || row.kbs.iter().any(|kb| bare(kb) == bare(name))
}

/// What a search found, joined with what was remembered: failures stay until the update is installed, and an
/// update that is no longer found is remembered as such as long as it was this agent that installed it.
pub fn joined(known: &[Remembered], found: Vec<FoundUpdate>) -> Vec<Remembered> {
    let mut before: BTreeMap<&str, &Remembered> = known
        .iter()
        .map(|update| (update.found.id.as_str(), update))
        .collect();
    let mut joined: Vec<Remembered> = found
        .into_iter()
        .map(|found| {
            let old = before.remove(found.id.as_str());
            Remembered {
                present: true,
                installed_at: old.and_then(|old| old.installed_at),
                error: old
                    .filter(|_old| !found.installed)
                    .map(|old| old.error.clone())
                    .unwrap_or_default(),
                unobtainable: old.is_some_and(|old| old.unobtainable),
                found,
            }
        })
        .collect();
    joined.extend(
        before
            .into_values()
            .filter(|old| old.installed_at.is_some())
            .map(|old| Remembered {
                present: false,
                ..old.clone()
            }),
    );
    joined.sort_by(|one, other| one.found.id.cmp(&other.found.id));
    joined
}

/// What was done to updates lately, newest first: by this agent, and by anybody as the system remembers it. Of what
/// both tell, this agent's own word counts.
pub fn history(own: Vec<UpdateEvent>, system: Vec<UpdateEvent>, most: usize) -> Vec<UpdateEvent> {
    /// An installation that waits for a restart is remembered by the system when that was made.
    const SAME_WITHIN: SignedDuration = SignedDuration::from_hours(24);
    let is_same = |one: &UpdateEvent, other: &UpdateEvent| {
        let is_near = match (one.at, other.at) {
            (Some(one), Some(other)) => one.duration_since(other).abs() <= SAME_WITHIN,
            _ => false,
        };
        one.update_id == other.update_id
            && one.operation == other.operation
            && one.result == other.result
            && is_near
    };
    let foreign: Vec<UpdateEvent> = system
        .into_iter()
        .filter(|event| !own.iter().any(|known| is_same(known, event)))
        .collect();
    let mut all = own;
    all.extend(foreign);
    all.sort_by_key(|event| std::cmp::Reverse(event.at));
    all.truncate(most);
    all
}

/// What a search depends on. A search that would look at the same things need not be made again.
///
/// `None` for a search whose source may change unseen.
pub fn fingerprint(catalogue: Option<&str>, criteria: &str, version: &str, stamp: &str) -> Option<String> {
    let catalogue = catalogue?;
    if stamp.is_empty() {
        return None;
    }
    let mut hash = Sha256::new();
    for part in [catalogue, criteria, version, stamp] {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part.as_bytes());
    }
    Some(hex::encode(hash.finalize()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn now() -> Timestamp {
        "2026-12-01T12:00:00Z".parse().unwrap()
    }

    fn rules_of(text: &str) -> UpdateRules {
        UpdateRules::parse(text.as_bytes()).unwrap()
    }

    fn update(change: impl FnOnce(&mut Remembered)) -> Remembered {
        let mut update = Remembered {
            found: FoundUpdate {
                id: "aaaa_200".to_owned(),
                kbs: vec!["5030211".to_owned()],
                products: vec!["Windows 11".to_owned()],
                severity: "Critical".to_owned(),
                published: Some("2026-11-28T00:00:00Z".parse().unwrap()),
                ..FoundUpdate::default()
            },
            present: true,
            ..Remembered::default()
        };
        change(&mut update);
        update
    }

    fn state(rules: &str, change: impl FnOnce(&mut Remembered)) -> UpdateState {
        row(&update(change), &rules_of(rules), now()).status
    }

    #[test]
    fn each_update_has_the_state_that_rules_and_machine_give_it() {
        let allow = r#"{"default_allow": true}"#;
        assert_eq!(state(allow, |_| {}), UpdateState::Pending);
        assert_eq!(state("{}", |_| {}), UpdateState::Discarded);
        assert_eq!(
            state(allow, |one| one.found.hidden = true),
            UpdateState::Discarded
        );
        assert_eq!(state(allow, |one| one.unobtainable = true), UpdateState::Missing);
        let downloaded = |one: &mut Remembered| {
            one.unobtainable = true;
            one.found.downloaded = true;
        };
        assert_eq!(state(allow, downloaded), UpdateState::Pending);
        assert_eq!(state(allow, |one| one.error = "0x1".into()), UpdateState::Error);
        assert_eq!(state("{}", |one| one.found.installed = true), UpdateState::Ok);
        assert_eq!(
            state(r#"{"default_allow": true, "install_delay": "7d"}"#, |_| {}),
            UpdateState::Delayed
        );
        assert_eq!(
            state(
                r#"{"default_allow": true, "forbidden_kbs": ["KB5030211"]}"#,
                |_| {}
            ),
            UpdateState::Discarded
        );
        assert_eq!(
            state(
                r#"{"allowed_kbs": ["5030211"], "forbidden_products": ["Windows 11"]}"#,
                |_| {}
            ),
            UpdateState::Discarded
        );
        assert_eq!(
            state(r#"{"allowed_severities": ["critical"]}"#, |_| {}),
            UpdateState::Pending
        );
    }

    #[test]
    fn the_configuration_counts_as_one_more_package_and_may_switch_everything_off() {
        let config = WindowsUpdate {
            enabled: Some(false),
            default_allow: Some(true),
            ..WindowsUpdate::default()
        };
        let merged = rules(
            Some(rules_of(
                r#"{"enabled": true, "default_allow": false, "allowed_kbs": ["1"]}"#,
            )),
            &config,
        );
        assert_eq!(merged.enabled, Some(false));
        assert_eq!(
            merged.default_allow,
            Some(false),
            "the more careful setting holds"
        );
        assert!(merged.allowed.0.kbs.contains("1"));
        assert_eq!(rules(None, &WindowsUpdate::default()).enabled, None);
    }

    #[test]
    fn the_history_has_what_others_did_and_what_this_agent_did_once() {
        let event = |id: &str, at: &str, code: &str| UpdateEvent {
            update_id: id.to_owned(),
            operation: "install".to_owned(),
            result: "succeeded".to_owned(),
            code: code.to_owned(),
            at: Some(at.parse().unwrap()),
            ..UpdateEvent::default()
        };
        let own = vec![event("a_1", "2026-11-20T10:00:00Z", "own")];
        let system = vec![
            event("b_1", "2026-11-21T10:00:00Z", ""),
            event("a_1", "2026-11-20T10:04:00Z", ""),
            event("a_1", "2026-10-01T10:00:00Z", ""),
        ];
        let all = history(own, system, 3);
        let seen: Vec<(&str, &str)> = all
            .iter()
            .map(|event| (event.update_id.as_str(), event.code.as_str()))
            .collect();
        assert_eq!(seen, [("b_1", ""), ("a_1", "own"), ("a_1", "")]);
        assert_eq!(history(all.clone(), all, 2).len(), 2);
    }

    #[test]
    fn a_machine_is_ok_when_nothing_allowed_is_missing() {
        let row_of = |status| UpdateRow {
            status,
            ..UpdateRow::default()
        };
        assert_eq!(status(&[], false, ""), UpdatesStatus::Unknown);
        assert_eq!(status(&[], true, "no service"), UpdatesStatus::Error);
        let calm = [UpdateState::Ok, UpdateState::Discarded, UpdateState::Delayed].map(row_of);
        assert_eq!(status(&calm, true, ""), UpdatesStatus::Ok);
        for open in [UpdateState::Pending, UpdateState::Missing, UpdateState::Error] {
            assert_eq!(status(&[row_of(open)], true, ""), UpdatesStatus::PendingUpdates);
        }
    }

    #[test]
    fn updates_are_named_by_identifier_or_article() {
        let row = row(
            &update(|one| one.found.downloaded = true),
            &rules_of(r#"{"default_allow": true}"#),
            now(),
        );
        for name in ["aaaa_200", "AAAA", "KB5030211", "5030211"] {
            assert!(names(name, &row), "{name}");
        }
        assert!(!names("bbbb", &row) && !names("", &row));
        let rows = [row];
        assert_eq!(to_install(&rows, &["kb5030211".to_owned()]).len(), 1);
        assert!(to_install(&rows, &["other".to_owned()]).is_empty());
        assert_eq!(to_install(&rows, &[]).len(), 1);
        assert!(to_download(&rows).is_empty());
    }

    #[test]
    fn what_was_installed_here_is_remembered_and_the_rest_follows_the_search() {
        let at = Some(now());
        let known = [
            update(|one| {
                one.error = "0x80240022".into();
                one.unobtainable = true;
            }),
            update(|one| {
                one.found.id = "bbbb_1".into();
                one.installed_at = at;
            }),
            update(|one| one.found.id = "cccc_1".into()),
        ];
        let after = joined(&known, vec![update(|_| {}).found]);
        let ids: Vec<_> = after
            .iter()
            .map(|one| (one.found.id.as_str(), one.present))
            .collect();
        assert_eq!(ids, [("aaaa_200", true), ("bbbb_1", false)]);
        assert_eq!(after[0].error, "0x80240022");
        let installed = joined(&known, vec![update(|one| one.found.installed = true).found]);
        assert_eq!(installed[0].error, "");
    }

    #[test]
    fn a_search_is_repeated_when_anything_that_it_looks_at_changed() {
        let same = || fingerprint(Some("cab 1"), "criteria", "10.0", "3 installed");
        assert_eq!(same(), same());
        assert_ne!(
            same(),
            fingerprint(Some("cab 2"), "criteria", "10.0", "3 installed")
        );
        assert_ne!(
            same(),
            fingerprint(Some("cab 1"), "criteria", "10.0", "4 installed")
        );
        assert_eq!(
            fingerprint(None, "criteria", "10.0", "3 installed"),
            None,
            "online"
        );
        assert_eq!(fingerprint(Some("cab 1"), "criteria", "10.0", ""), None);
    }

    proptest! {
        #[test]
        fn forbidden_beats_allowed_whatever_else_the_rules_say(
            default_allow in any::<bool>(),
            severities in proptest::collection::btree_set("(Critical|Important|Moderate|Low)", 0..4),
            level in "(updates|kbs|products)",
            installed in any::<bool>(),
            downloaded in any::<bool>(),
        ) {
            let entry = match level.as_str() { "updates" => "aaaa", "kbs" => "5030211", _ => "Windows 11" };
            let text = serde_json::json!({
                "default_allow": default_allow,
                "allowed_severities": severities,
                format!("allowed_{level}"): [entry],
                format!("forbidden_{level}"): [entry],
            });
            let status = state(&text.to_string(), |one| {
                one.found.installed = installed;
                one.found.downloaded = downloaded;
            });
            prop_assert_eq!(status, if installed { UpdateState::Ok } else { UpdateState::Discarded });
        }
    }
}
