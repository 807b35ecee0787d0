//! Rows of packages, and the row that other tests begin with.

use super::super::tests::{now, open};
use super::*;

pub(crate) fn row(package: &str, version: &str) -> Installed {
    Installed {
        control: Control::new(package, version, Section::Base).with("package_uuid", "u-1"),
        status: InstallStatus::Ok,
        in_place: true,
        failed_step: String::new(),
        log: "done\n".to_owned(),
        changed_at: now(),
        explicit_by: String::new(),
        signer: "Ada".to_owned(),
        signer_fingerprint: "ff".to_owned(),
        repository: String::new(),
        tries: 0,
        script_status: String::new(),
        audit_status: String::new(),
        audit_output: String::new(),
        audited_at: None,
        next_audit_at: None,
        has_setup: false,
        uninstall_keys: Vec::new(),
    }
}

#[tokio::test]
async fn a_package_is_read_back_as_it_was_written() {
    let (_place, state) = open().await;
    let mut stored = row("demo-a", "1.0-1");
    stored.has_setup = true;
    stored.uninstall_keys = vec!["key".to_owned()];
    let script = StoredScript {
        setup_py: "def install(): pass\n".to_owned(),
        params: serde_json::Map::from_iter([("port".to_owned(), 80.into())]),
        uninstall_keys: vec!["key".to_owned()],
    };
    state.store_package(&stored, Some(&script)).await.unwrap();
    assert_eq!(state.package("demo-a").await.unwrap().unwrap(), stored);
    assert_eq!(state.stored_script("demo-a").await.unwrap().unwrap(), script);
    assert_eq!(state.package("other").await.unwrap(), None);
    assert!(state.delete_package("demo-a").await.unwrap());
    assert!(!state.delete_package("demo-a").await.unwrap());
}

#[tokio::test]
async fn a_failed_try_counts_and_leaves_what_is_in_place() {
    let (_place, state) = open().await;
    state.store_package(&row("demo-a", "1"), None).await.unwrap();
    state
        .fail_package("demo-a", "download", "no route", now())
        .await
        .unwrap();
    state
        .fail_package("demo-a", "download", "no route", now())
        .await
        .unwrap();
    let failed = state.package("demo-a").await.unwrap().unwrap();
    assert_eq!(
        (failed.status, failed.tries, failed.in_place),
        (InstallStatus::Error, 2, true)
    );
    assert_eq!(failed.failed_step, "download");
    state
        .set_status("demo-a", InstallStatus::Ok, None, now())
        .await
        .unwrap();
    let mended = state.package("demo-a").await.unwrap().unwrap();
    assert_eq!((mended.tries, mended.failed_step.as_str()), (0, ""));
}

#[tokio::test]
async fn a_row_and_its_step_are_written_together() {
    let (_place, state) = open().await;
    let step = JournalRow {
        package: "demo-a".to_owned(),
        operation: "install".to_owned(),
        version: "1".to_owned(),
        step: "finish".to_owned(),
        task: None,
        started_at: now(),
        detail: String::new(),
    };
    let odd = Installed {
        script_status: "LATER".to_owned(),
        status: InstallStatus::Unknown,
        ..row("demo-a", "1")
    };
    state.store_package_at(&odd, None, &step).await.unwrap();
    assert_eq!(state.open_journal().await.unwrap(), [step]);
    assert_eq!(state.package("demo-a").await.unwrap(), Some(odd));
    state.write_log("demo-a", "so far\n").await.unwrap();
    assert_eq!(state.package("demo-a").await.unwrap().unwrap().log, "so far\n");
}

#[test]
fn a_long_log_keeps_its_end_from_a_line_on() {
    let log = "é line of some length\n".repeat(2000);
    let kept = tail(&log);
    assert!(kept.len() <= MAX_LOG_BYTES);
    assert!(kept.starts_with("é line") && log.ends_with(kept));
}

#[tokio::test]
async fn audits_are_kept_beside_the_status() {
    let (_place, state) = open().await;
    state.store_package(&row("demo-a", "1"), None).await.unwrap();
    state
        .record_audit("demo-a", "WARNING", "old", now(), Some(now()))
        .await
        .unwrap();
    let audited = state.package("demo-a").await.unwrap().unwrap();
    assert_eq!(audited.audit_status, "WARNING");
    assert_eq!(audited.status, InstallStatus::Ok);
}
