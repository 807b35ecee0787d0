//! The edges between our crates, and what `shared` may never depend on (docs/architecture.md).
#![expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;

/// Who may depend on whom; `muster-tests` may depend on all.
const ALLOWED: [(&str, &[&str]); 4] = [
    ("muster-shared", &[]),
    ("muster-agent", &["muster-shared"]),
    ("muster-server", &["muster-shared"]),
    ("muster-console", &["muster-shared"]),
];

/// No async runtime, no HTTP, no SQL, no window below the protocol.
const FORBIDDEN_IN_SHARED: [&str; 10] = [
    "tokio",
    "actix-web",
    "reqwest",
    "hyper",
    "sqlx",
    "sqlx-core",
    "libsqlite3-sys",
    "egui",
    "eframe",
    "async-std",
];

/// One TLS stack, one SQLite; the crates that the decisions rule out.
const FORBIDDEN_ANYWHERE: [&str; 7] = [
    "openssl-sys",
    "native-tls",
    "aws-lc-sys",
    "pkcs11",
    "rusqlite",
    "rustls-pemfile",
    "bincode",
];

fn metadata() -> Value {
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml");
    let output = Command::new(env!("CARGO"))
        .args([
            "metadata",
            "--format-version=1",
            "--locked",
            "--all-features",
            "--manifest-path",
            manifest,
        ])
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Package id → name, and package id → ids of normal and build dependencies.
fn graph(metadata: &Value) -> (BTreeMap<String, String>, BTreeMap<String, Vec<String>>) {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let names = metadata["packages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|package| (text(&package["id"]), text(&package["name"])))
        .collect();
    let edges = metadata["resolve"]["nodes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|node| {
            let targets = node["deps"]
                .as_array()
                .unwrap()
                .iter()
                .filter(|dep| {
                    dep["dep_kinds"]
                        .as_array()
                        .unwrap()
                        .iter()
                        .any(|kind| kind["kind"] != "dev")
                })
                .map(|dep| text(&dep["pkg"]))
                .collect();
            (text(&node["id"]), targets)
        })
        .collect();
    (names, edges)
}

#[test]
fn crates_depend_only_on_the_crates_below_them() {
    let metadata = metadata();
    let (names, edges) = graph(&metadata);
    for (from, allowed) in ALLOWED {
        let id = names.iter().find(|(_id, name)| *name == from).unwrap().0;
        for target in &edges[id] {
            let target = names[target].as_str();
            assert!(
                !target.starts_with("muster-") || allowed.contains(&target),
                "{from} depends on {target}: only {allowed:?} are allowed"
            );
        }
    }
}

#[test]
fn shared_knows_no_runtime_no_network_no_database_and_no_window() {
    // `cargo tree -p` resolves the features of this crate alone, not those that other members turn on.
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml");
    let output = Command::new(env!("CARGO"))
        .args([
            "tree",
            "--locked",
            "-p",
            "muster-shared",
            "--all-features",
            "--edges",
            "normal,build",
        ])
        .args(["--prefix", "none", "--format", "{p}", "--manifest-path", manifest])
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let reached: BTreeSet<&str> = text.lines().filter_map(|line| line.split(' ').next()).collect();
    assert!(reached.contains("x509-cert"), "the tree was read: {reached:?}");
    for forbidden in FORBIDDEN_IN_SHARED {
        assert!(!reached.contains(forbidden), "muster-shared reaches {forbidden}");
    }
}

#[test]
fn crates_that_the_decisions_rule_out_are_not_in_the_tree() {
    let metadata = metadata();
    let (names, _edges) = graph(&metadata);
    for forbidden in FORBIDDEN_ANYWHERE {
        assert!(
            !names.values().any(|name| name == forbidden),
            "{forbidden} is in the tree"
        );
    }
}
