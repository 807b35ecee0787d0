//! A fleet to draw and to test with; all names, addresses and serial numbers are samples.

use std::collections::BTreeMap;
use std::time::Instant;

use jiff::{SignedDuration, Timestamp};
use muster_console::state::{Moment, State};
use muster_console::worker::{Answer, SignedIn, SignerEntry, SignerKind};
use muster_shared::clock;
use muster_shared::protocol::host::{HostDetail, HostRow, HostStatus};
use muster_shared::protocol::inventory::{
    AgentBlock, Block, Disk, HardwareBlock, PackagesBlock, Software, TrustAnchor,
};
use muster_shared::protocol::package::{Change, InstallStatus, InstalledPackage, PackageRow, PendingPackage};
use muster_shared::protocol::session::Role;

/// The moment of a test.
pub(crate) fn moment() -> Moment {
    Moment {
        now: clock::now(),
        at: Instant::now(),
    }
}

fn before(minutes: i64) -> Timestamp {
    clock::now()
        .checked_sub(SignedDuration::from_mins(minutes))
        .unwrap()
}

/// A host in good order.
pub(crate) fn row(name: &str, description: &str, status: HostStatus) -> HostRow {
    HostRow {
        identifier: format!("id-{name}"),
        name: name.to_owned(),
        description: description.to_owned(),
        status,
        reachable: true,
        pending_registration: false,
        pending_keyid: String::new(),
        os: "Windows 11 23H2".to_owned(),
        os_version: "10.0.22631".to_owned(),
        architecture: "x64".to_owned(),
        address: "10.12.2.6".to_owned(),
        mac: "9c:2d:cd:1a:44:0e".to_owned(),
        ou: format!("OU={description},OU=Paris,DC=corp,DC=example"),
        groups: vec![format!("corp-{}", description.to_lowercase().replace(' ', "-"))],
        manufacturer: "Dell".to_owned(),
        model: "Latitude 5440".to_owned(),
        serial: "7XK2P33".to_owned(),
        users: vec!["c.moreau".to_owned()],
        agent_version: "0.1.0".to_owned(),
        packages_total: 23,
        packages_failed: u32::from(status == HostStatus::Error),
        packages_pending: if status == HostStatus::NeedUpgrade { 3 } else { 0 },
        running: if status == HostStatus::Running {
            "installing 2 of 3".to_owned()
        } else {
            String::new()
        },
        first_seen: before(100_000),
        last_seen: before(1),
        registered_by: "token".to_owned(),
    }
}

/// The rows of the drawing, then as many as asked for.
pub(crate) fn fleet(count: usize) -> Vec<HostRow> {
    use HostStatus::{Error, NeedUpgrade, Ok, Running};
    let mut rows: Vec<HostRow> = [
        ("fin-ws-014", "Finance", Error, "10.12.4.14"),
        ("lab-07", "Laboratories", Error, "10.31.7.7"),
        ("acc-ws-002", "Accounting", NeedUpgrade, "10.12.2.2"),
        ("acc-ws-003", "Accounting", NeedUpgrade, "10.12.2.3"),
        ("acc-ws-004", "Accounting", Running, "10.12.2.4"),
        ("acc-ws-005", "Accounting", Running, "10.12.2.5"),
        ("lib-kiosk-01", "Library hall", NeedUpgrade, "10.40.0.11"),
        ("lt-0831", "Travelling", NeedUpgrade, ""),
        ("acc-ws-006", "Accounting", Ok, "10.12.2.6"),
        ("acc-ws-007", "Accounting", Ok, "10.12.2.7"),
        ("dc-backup-01", "Server room", Ok, "10.1.0.21"),
        ("dir-ws-001", "Management", Ok, "10.12.1.1"),
        ("dir-ws-002", "Management", Ok, "10.12.1.2"),
        ("fin-ws-011", "Finance", Ok, "10.12.4.11"),
        ("fin-ws-012", "Finance", Ok, "10.12.4.12"),
        ("fin-ws-015", "Finance", Ok, "10.12.4.15"),
        ("hr-ws-001", "Human resources", Ok, "10.12.5.1"),
        ("lab-04", "Laboratories", Error, "10.31.7.4"),
    ]
    .into_iter()
    .map(|(name, description, status, address)| HostRow {
        address: address.to_owned(),
        ..row(name, description, status)
    })
    .collect();
    for (place, days) in [(7, 6), (15, 1), (17, 2)] {
        rows[place].reachable = false;
        rows[place].last_seen = before(60 * 24 * days);
    }
    "Ubuntu 24.04".clone_into(&mut rows[6].os);
    "Debian 12".clone_into(&mut rows[10].os);
    for number in rows.len()..count {
        let status = if number % 29 == 0 { NeedUpgrade } else { Ok };
        let mut extra = row(&format!("ws-{number:05}"), "Laboratories", status);
        extra.address = format!(
            "10.{}.{}.{}",
            40 + number / 65_536,
            (number / 256) % 256,
            number % 256
        );
        extra.reachable = number % 11 != 0;
        rows.push(extra);
    }
    rows
}

fn installed(package: &str, version: &str, section: &str, status: InstallStatus) -> InstalledPackage {
    InstalledPackage {
        package: package.to_owned(),
        version: version.to_owned(),
        section: section.to_owned(),
        architecture: "all".to_owned(),
        maturity: "PROD".to_owned(),
        locale: String::new(),
        package_uuid: String::new(),
        status,
        log: "Installing\nOK\n".to_owned(),
        failed_step: String::new(),
        changed_at: before(40),
        explicit_by: String::new(),
        signer: "C. Moreau".to_owned(),
        signer_fingerprint: "ab".repeat(32),
        repository: String::new(),
        depends: if section == "group" {
            "corp-7zip,corp-firefox-esr".to_owned()
        } else {
            String::new()
        },
        conflicts: String::new(),
        description: String::new(),
        tries: 0,
        script_status: String::new(),
        audit_status: String::new(),
        audit_output: String::new(),
        audited_at: None,
    }
}

/// What the first host of the fleet reported.
pub(crate) fn detail(row: HostRow) -> HostDetail {
    let mut failed = installed("corp-libreoffice", "24.8.3-2", "base", InstallStatus::Error);
    "Installing LibreOffice_24.8.3_Win_x86-64.msi\nMSI returned 1618: another installation is running\n\
                  Traceback (most recent call last):\n  File \"setup.py\", line 14, in install\n\
                  EInstallError: installer busy for 300 s\n"
        .clone_into(&mut failed.log);
    "install".clone_into(&mut failed.failed_step);
    failed.tries = 3;
    let pending = |package: &str, change, version: &str, from: &str, reason: &str| PendingPackage {
        package: package.to_owned(),
        change,
        version: version.to_owned(),
        from: from.to_owned(),
        repository: String::new(),
        reason: reason.to_owned(),
        error: None,
    };
    let packages = PackagesBlock {
        installed: vec![
            failed,
            installed("corp-accounting", "5", "group", InstallStatus::Ok),
            installed("corp-printers-2nd-floor", "3.1-0", "base", InstallStatus::Ok),
            installed("corp-firefox-esr", "115.9-1", "base", InstallStatus::Ok),
        ],
        pending: vec![
            pending("corp-firefox-esr", Change::Upgrade, "128.4-1", "115.9-1", ""),
            pending(
                "corp-7zip",
                Change::Install,
                "24.08-3",
                "",
                "needed by corp-accounting",
            ),
        ],
        assigned: vec![
            "corp-accounting".to_owned(),
            "corp-printers-2nd-floor".to_owned(),
            "corp-libreoffice".to_owned(),
        ],
        forbidden: vec!["corp-openoffice".to_owned()],
        host_package_version: "7".to_owned(),
        update_error: String::new(),
        updated_at: Some(before(5)),
    };
    let hardware = HardwareBlock {
        manufacturer: "Dell".to_owned(),
        model: "Latitude 5440".to_owned(),
        serial: "7XK2P33".to_owned(),
        processor: "Intel Core i5-1335U".to_owned(),
        processor_count: 12,
        memory_bytes: 16 << 30,
        disks: vec![Disk {
            name: "C:".to_owned(),
            device: "NVMe".to_owned(),
            file_system: "NTFS".to_owned(),
            size_bytes: 476 << 30,
            free_gib: 212,
        }],
        ..HardwareBlock::default()
    };
    let software: Vec<Software> = (0..30)
        .map(|number| Software {
            key: format!("prog-{number}"),
            name: format!("Program {number}"),
            version: format!("1.{number}"),
            publisher: "Example".to_owned(),
            ..Software::default()
        })
        .collect();
    let agent = AgentBlock {
        version: "0.1.0".to_owned(),
        trust: vec![TrustAnchor {
            fingerprint: "ab".repeat(32),
            name: "Corp IT root".to_owned(),
            not_after: None,
        }],
        ..AgentBlock::default()
    };
    let blocks = BTreeMap::from([
        (Block::Packages, serde_json::to_value(packages).unwrap()),
        (Block::Hardware, serde_json::to_value(hardware).unwrap()),
        (Block::Software, serde_json::to_value(software).unwrap()),
        (Block::Agent, serde_json::to_value(agent).unwrap()),
    ]);
    HostDetail { row, blocks }
}

/// Packages of a repository.
pub(crate) fn packages() -> Vec<PackageRow> {
    [
        (
            "corp-firefox-esr",
            "128.4-1",
            "base",
            "Web browser with long support",
        ),
        (
            "corp-firefox-esr",
            "115.9-1",
            "base",
            "Web browser with long support",
        ),
        ("corp-7zip", "24.08-3", "base", "Archives"),
        ("corp-libreoffice", "24.8.3-2", "base", "Office programs"),
        ("corp-accounting", "5", "group", "What accountants need"),
        (
            "corp-printers-2nd-floor",
            "3.1-0",
            "base",
            "Printers of the second floor",
        ),
    ]
    .into_iter()
    .map(|(package, version, section, description)| PackageRow {
        package: package.to_owned(),
        version: version.to_owned(),
        section: section.to_owned(),
        name: String::new(),
        architecture: "all".to_owned(),
        maturity: "PROD".to_owned(),
        locale: String::new(),
        target_os: "windows".to_owned(),
        description: description.to_owned(),
        depends: if section == "group" {
            "corp-7zip,corp-firefox-esr(>=128)".to_owned()
        } else {
            String::new()
        },
        conflicts: String::new(),
        maintainer: "C. Moreau".to_owned(),
        priority: "optional".to_owned(),
        package_uuid: String::new(),
        filename: format!("{package}_{version}_all.wapt"),
        size: 73 << 20,
        sha256: "cd".repeat(32),
        signer: "C. Moreau".to_owned(),
        signer_fingerprint: "ab".repeat(32),
        signature_date: "2026-11-20T10:00:00".to_owned(),
        uploaded_at: before(60 * 30),
        uploaded_by: "c.moreau".to_owned(),
        host_count: 214,
    })
    .collect()
}

/// A token that asks for its PIN.
pub(crate) fn token() -> SignerEntry {
    SignerEntry {
        key: "token:sample".to_owned(),
        kind: SignerKind::Token,
        name: "C. Moreau · signature".to_owned(),
        place: "slot 0".to_owned(),
        fingerprint: "ab".repeat(32),
        self_signed: true,
        not_after: Some("2028-03-02T00:00:00Z".parse().unwrap()),
        may_sign_code: true,
        needs_secret: true,
        warning: String::new(),
    }
}

/// A signed-in window with a fleet of `count` hosts, its packages, and one signer.
pub(crate) fn state(count: usize) -> State {
    let mut state = State::default();
    let session = SignedIn {
        user: "c.moreau".to_owned(),
        role: Role::Deployer,
        server: "srv-muster.corp.example".to_owned(),
        version: "0.1.0".to_owned(),
        address: "srv-muster.corp.example".to_owned(),
    };
    for answer in [
        Answer::SignedIn(Ok(session)),
        Answer::Live(Ok(())),
        Answer::Hosts(Ok(fleet(count))),
        Answer::Packages(Ok(packages())),
        Answer::Actions(Ok(Vec::new())),
        Answer::Signers {
            entries: vec![token()],
            chosen: None,
            problems: Vec::new(),
        },
    ] {
        state.answer(answer, moment());
    }
    state
}
