//! The rows of WAPT's packages become ours: installed is what was installed there.

use std::collections::BTreeSet;

use jiff::civil::DateTime;
use jiff::{SignedDuration, Timestamp};
use muster_shared::control::{Control, Section};
use muster_shared::migrate::{Fate, Item, MigrationReport};
use muster_shared::name::PackageName;
use muster_shared::protocol::package::InstallStatus;
use muster_shared::version::Version;
use serde_json::{Map, Value};

use super::MigrationError;
use super::database::{Contents, WaptRow};
use crate::install::run::fresh_row;
use crate::platform::local_zone;
use crate::state::State;
use crate::state::packages::{Installed, StoredScript, tail};

/// A package that was taken over and where WAPT kept its files.
#[derive(Debug, Clone)]
pub(super) struct TakenPackage {
    pub control: Control,
    pub persistent_dir: String,
}

/// Takes each package over that our database does not know yet.
pub(super) async fn take(
    state: Option<&State>,
    contents: &Contents,
    is_dry: bool,
    now: Timestamp,
    report: &mut MigrationReport,
) -> Result<Vec<TakenPackage>, MigrationError> {
    if !contents.was_there {
        report.push(Item::not_taken(
            "status database",
            "the WAPT agent has none: it never installed a package",
        ));
        return Ok(Vec::new());
    }
    let mut taken = Vec::new();
    for row in latest(&contents.rows) {
        let object = format!("package {} {}", row.package, row.version);
        let translated = match translate(row, now) {
            Ok(translated) => translated,
            Err(reason) => {
                report.push(Item::not_taken(object, reason));
                continue;
            }
        };
        let known = match state {
            Some(state) => state.package(&row.package).await?,
            None => None,
        };
        if let Some(known) = known {
            let there = format!("it is here already in version {}", known.control.version());
            report.push(Item::new(object, Fate::NotNeeded).because(there));
            continue;
        }
        let Translated { row: ours, script } = &translated;
        if let (Some(state), false) = (state, is_dry) {
            state.store_package(ours, script.as_ref()).await?;
            if let Some(at) = ours.audited_at {
                let next = ours.next_audit_at;
                state
                    .record_audit(&row.package, &ours.audit_status, &ours.audit_output, at, next)
                    .await?;
            }
        }
        let mut item = Item::new(object, Fate::Taken).became(format!("installed, {}", ours.status.as_str()));
        if !ours.in_place {
            item.warnings.push(format!(
                "WAPT says {}: the next upgrade tries it again",
                row.install_status
            ));
        }
        if script.is_none() && matches!(ours.control.section_kind(), Ok(Section::Base)) {
            item.warnings.push(
                "WAPT kept no script of it: it can be upgraded, but not removed by its script".to_owned(),
            );
        }
        report.push(item);
        taken.push(TakenPackage {
            control: translated.row.control.clone(),
            persistent_dir: row.persistent_dir.clone(),
        });
    }
    Ok(taken)
}

/// Of each package the row that counts: the last that is installed, else the last.
fn latest(rows: &[WaptRow]) -> Vec<&WaptRow> {
    let names: BTreeSet<&str> = rows.iter().map(|row| row.package.as_str()).collect();
    let of = |name: &str| {
        let mut of_name = rows.iter().filter(|row| row.package == name).rev();
        let last = of_name.clone().next();
        of_name
            .find(|row| InstallStatus::from_script(&row.install_status).is_installed())
            .or(last)
    };
    names.into_iter().filter_map(of).collect()
}

#[derive(Debug)]
struct Translated {
    row: Installed,
    script: Option<StoredScript>,
}

/// A row of theirs as one of ours, or why it is none.
fn translate(row: &WaptRow, now: Timestamp) -> Result<Translated, String> {
    let section: Section = match row.section.as_str() {
        "" => Section::Base,
        word => word
            .parse()
            .map_err(|_error| format!("{word:?} is no section of packages"))?,
    };
    if section.is_implicit() {
        return Err("the packages of hosts, units and profiles come from the server".to_owned());
    }
    PackageName::check_for(&row.package, section).map_err(|error| error.to_string())?;
    row.version
        .parse::<Version>()
        .map_err(|_error| format!("{:?} is no version", row.version))?;
    let mut control = Control::new(&row.package, &row.version, section);
    for (name, value) in [
        ("architecture", &row.architecture),
        ("priority", &row.priority),
        ("maturity", &row.maturity),
        ("locale", &row.locale),
        ("depends", &row.depends),
        ("conflicts", &row.conflicts),
        ("impacted_process", &row.impacted_process),
        ("audit_schedule", &row.audit_schedule),
        ("package_uuid", &row.package_uuid),
    ] {
        if !value.is_empty() {
            control.set(name, value);
        }
    }
    let status = match InstallStatus::from_script(&row.install_status) {
        // It was in the middle of it, and nobody will say how it ended.
        InstallStatus::Init | InstallStatus::Running => InstallStatus::Error,
        status => status,
    };
    let uninstall_keys = keys(&row.uninstall_key);
    let setup_py = Some(row.setuppy.clone()).filter(|text| !text.trim().is_empty());
    let ours = Installed {
        status,
        in_place: status.is_installed(),
        failed_step: String::new(),
        log: tail(&row.install_output).to_owned(),
        changed_at: time(&row.install_date).unwrap_or(now),
        explicit_by: row.explicit_by.clone(),
        tries: u32::from(!status.is_installed()),
        audit_status: row.last_audit_status.clone(),
        audit_output: tail(&row.last_audit_output).to_owned(),
        audited_at: time(&row.last_audit_on),
        // One that is long due comes with the next round, as one of ours would.
        next_audit_at: time(&row.next_audit_on)
            .map(|at| at.max(now.saturating_sub(SignedDuration::from_hours(24)).unwrap_or(now))),
        has_setup: setup_py.is_some(),
        uninstall_keys: uninstall_keys.clone(),
        ..fresh_row(&control, now)
    };
    let script = setup_py.map(|setup_py| StoredScript {
        setup_py,
        params: params(&row.install_params),
        uninstall_keys,
    });
    Ok(Translated { row: ours, script })
}

/// A JSON list of keys; older agents wrote one key as it is.
fn keys(text: &str) -> Vec<String> {
    match serde_json::from_str::<Value>(text) {
        Ok(Value::Array(items)) => items
            .iter()
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect(),
        Ok(Value::String(key)) => vec![key],
        Ok(_) => Vec::new(),
        Err(_not_json) if text.trim().is_empty() => Vec::new(),
        Err(_not_json) => text.split(',').map(|key| key.trim().to_owned()).collect(),
    }
}

fn params(text: &str) -> Map<String, Value> {
    match serde_json::from_str(text) {
        Ok(Value::Object(map)) => map,
        _ => Map::new(),
    }
}

/// A time as Python writes it: with `T` or a blank, fractions or none; local where no zone is named.
fn time(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    if text.is_empty() {
        return None;
    }
    if let Ok(at) = text.parse::<Timestamp>() {
        return Some(at);
    }
    let civil: DateTime = text.parse().ok()?;
    local_zone().to_timestamp(civil).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(package: &str, version: &str, status: &str) -> WaptRow {
        WaptRow {
            package: package.to_owned(),
            version: version.to_owned(),
            section: "base".to_owned(),
            install_status: status.to_owned(),
            ..WaptRow::default()
        }
    }

    #[test]
    fn of_a_package_the_installed_version_counts() {
        let rows = [
            row("a", "1.0", "OK"),
            row("a", "1.1", "ERROR"),
            row("b", "1.0", "ERROR"),
            row("b", "2.0", "RUNNING"),
        ];
        let versions: Vec<&str> = latest(&rows).iter().map(|row| row.version.as_str()).collect();
        assert_eq!(versions, ["1.0", "2.0"]);
    }

    #[test]
    fn a_row_keeps_what_later_hooks_need() {
        let now = Timestamp::UNIX_EPOCH;
        let theirs = WaptRow {
            uninstall_key: r#"["{A}", "{B}"]"#.to_owned(),
            setuppy: "def install():\n    pass\n".to_owned(),
            install_params: r#"{"company": "Example"}"#.to_owned(),
            package_uuid: "u-1".to_owned(),
            install_date: "2020-05-01T10:00:00.123456".to_owned(),
            explicit_by: "admin".to_owned(),
            ..row("tis-firefox", "78.0-3", "OK")
        };
        let Translated { row, script } = translate(&theirs, now).unwrap();
        let script = script.unwrap();
        assert_eq!(script.uninstall_keys, ["{A}", "{B}"]);
        assert_eq!(script.params["company"], "Example");
        assert!(row.in_place && row.has_setup && row.changed_at > now);
        assert_eq!(
            (row.explicit_by.as_str(), row.control.get("package_uuid")),
            ("admin", "u-1")
        );
    }

    #[test]
    fn what_was_interrupted_is_tried_again_and_hosts_packages_stay() {
        let now = Timestamp::UNIX_EPOCH;
        let interrupted = translate(&row("a", "1", "RUNNING"), now).unwrap().row;
        assert_eq!(interrupted.status, InstallStatus::Error);
        assert!(!interrupted.in_place);
        let mut host = row("4C4C4544-0042", "1", "OK");
        host.section = "host".to_owned();
        assert!(translate(&host, now).unwrap_err().contains("server"));
        assert!(translate(&row("a b", "1", "OK"), now).is_err());
    }

    #[test]
    fn keys_and_times_are_read_in_every_form_they_had() {
        assert_eq!(keys("[]"), Vec::<String>::new());
        assert_eq!(keys(""), Vec::<String>::new());
        assert_eq!(keys("Mozilla Firefox 78"), ["Mozilla Firefox 78"]);
        assert!(time("2020-05-01 10:00:00").is_some());
        assert!(time("2020-05-01T10:00:00Z").is_some());
        assert_eq!(time("yesterday"), None);
    }
}
