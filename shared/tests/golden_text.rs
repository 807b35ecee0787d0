//! The text formats against the files that WAPT 1.8.2 wrote and judged.
#![expect(clippy::unwrap_used, reason = "test code may unwrap, also in helpers")]

use std::cmp::Ordering;
use std::io::{Cursor, Read as _};
use std::path::Path;

use jiff::Timestamp;
use muster_shared::control::{Control, ControlError, SIGNED_ATTRIBUTES};
use muster_shared::index::{self, IndexLimits};
use muster_shared::package::filename::canonical_filename;
use muster_shared::request::Request;
use muster_shared::version::compare_text;

const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/golden");

#[test]
fn versions_compare_as_entries_did() {
    let mut rows = 0;
    for row in table("versions.tsv") {
        let [a, b, expected, ..] = row.as_slice() else {
            panic!("short row {row:?}")
        };
        let order = match compare_text(a, b) {
            Ordering::Less => "-1",
            Ordering::Equal => "0",
            Ordering::Greater => "1",
        };
        assert_eq!(order, expected, "{a:?} against {b:?}");
        rows += 1;
    }
    assert!(rows > 500);
}

#[test]
fn conditions_match_as_entries_did() {
    let mut rows = 0;
    for row in table("conditions.tsv") {
        let [version, condition, expected, ..] = row.as_slice() else {
            panic!("short row {row:?}")
        };
        let matches = Request::parse_as_wapt(condition).matches("p", version);
        assert_eq!(matches, expected == "True", "{version:?} against {condition:?}");
        if let Ok(strict) = Request::parse(condition) {
            assert_eq!(
                strict,
                Request::parse_as_wapt(condition),
                "{condition:?} reads the same both ways"
            );
        } else {
            let is_misread = condition.contains(" (") || !condition.contains(')');
            assert!(is_misread, "{condition:?} is refused for another reason");
        }
        rows += 1;
    }
    assert!(rows > 200);
}

#[test]
fn file_names_are_the_same() {
    let rows: Vec<serde_json::Value> = serde_json::from_slice(&bytes("filenames.json")).unwrap();
    assert!(rows.len() > 100);
    for row in rows {
        let text = |name: &str| row.get(name).and_then(|value| value.as_str());
        let mut control = Control::parse(b"").unwrap();
        for name in [
            "package",
            "version",
            "section",
            "architecture",
            "maturity",
            "locale",
        ] {
            if let Some(value) = text(name) {
                control.set(name, value);
            }
        }
        let md5 = text("md5sum").filter(|_| row["with_md5sum"] == true);
        assert_eq!(
            canonical_filename(&control, md5),
            text("filename").unwrap(),
            "{row}"
        );
    }
}

#[test]
fn odd_control_files_are_signed_to_the_same_bytes() {
    let mut compared = 0;
    for folder in fs_err::read_dir(format!("{GOLDEN}/edge")).unwrap() {
        let path = folder.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let Some(case) = name.strip_prefix("src-") else {
            continue;
        };
        let source = fs_err::read(path.join("WAPT/control")).unwrap();
        let signed_path = format!("edge/edge-{case}.signed_bytes.json");
        if !Path::new(GOLDEN).join(&signed_path).exists() {
            continue;
        }
        let packaged = member(&bytes(&format!("edge/edge-{case}.wapt")), "WAPT/control");
        let signed = Control::parse(&packaged).unwrap();
        let mut ours = Control::parse(&source).unwrap();
        ours.prepare_for_signing(false);
        for name in [
            "package_uuid",
            "signer",
            "signer_fingerprint",
            "signature_date",
            "signature",
        ] {
            ours.set(name, signed.get(name));
        }
        let expected = bytes(&signed_path);
        assert_text(&ours.signed_bytes(), &expected, case);
        assert_text(&signed.signed_bytes(), &expected, case);
        assert_text(ours.to_text().as_bytes(), &packaged, case);
        assert_text(signed.to_text().as_bytes(), &packaged, case);
        compared += 1;
    }
    assert!(compared >= 14, "only {compared} cases were compared");
}

#[test]
fn what_the_predecessor_refused_to_build_is_refused_or_read_better() {
    let source = |case: &str| bytes(&format!("edge/src-{case}/WAPT/control"));
    assert!(matches!(
        Control::parse(&source("colonless")),
        Err(ControlError::NoColon { line: 7, .. })
    ));
    for (case, attribute) in [("badarch", "architecture"), ("badversion", "version")] {
        let problems = Control::parse(&source(case)).unwrap().problems_for_signing();
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert_eq!(problems[0].attribute, attribute);
    }
    let with_bom = Control::parse(&source("bom")).unwrap();
    assert_eq!(with_bom.package(), "edge-bom");
    assert!(!with_bom.to_text().starts_with('\u{feff}'));
}

#[test]
fn every_packaged_control_is_rewritten_to_the_byte() {
    let mut rewritten = 0;
    for folder in ["repo", "repo-host", "chain"] {
        for file in fs_err::read_dir(format!("{GOLDEN}/{folder}")).unwrap() {
            let path = file.unwrap().path();
            if path.extension().is_none_or(|extension| extension != "wapt") {
                continue;
            }
            let packaged = member(&fs_err::read(&path).unwrap(), "WAPT/control");
            let control = Control::parse(&packaged).unwrap();
            assert_text(
                control.to_text().as_bytes(),
                &packaged,
                &path.display().to_string(),
            );
            assert_eq!(control.signed_attributes(), SIGNED_ATTRIBUTES);
            rewritten += 1;
        }
    }
    assert!(rewritten >= 14);
}

#[test]
fn the_signed_bytes_of_a_full_package_are_the_same() {
    let packaged = member(&bytes("repo/peer-base_1.2.3-4_PROD.wapt"), "WAPT/control");
    let control = Control::parse(&packaged).unwrap();
    assert_text(
        &control.signed_bytes(),
        &bytes("peer-base.control.signed_bytes.json"),
        "peer-base",
    );
}

#[test]
fn canonical_json_of_signed_actions_is_the_same() {
    for name in ["action", "update", "update.leafchain"] {
        let action: serde_json::Value =
            serde_json::from_slice(&bytes(&format!("actions/{name}.signed.json"))).unwrap();
        let mut signed = serde_json::Map::new();
        for attribute in action["signed_attributes"].as_array().unwrap() {
            let attribute = attribute.as_str().unwrap();
            signed.insert(attribute.to_owned(), action[attribute].clone());
        }
        let canonical = muster_shared::control::canonical_json::to_bytes(&signed.into());
        assert_text(
            &canonical,
            &bytes(&format!("actions/{name}.signed.json.signed_bytes")),
            name,
        );
    }
}

#[test]
fn the_index_is_read_whole_and_rewritten_to_the_byte() {
    let packed = bytes("repo/Packages");
    let index = index::read(&packed, &IndexLimits::default()).unwrap();
    assert_eq!(index.rejected, []);
    assert_eq!(index.entries.len(), 10);
    for entry in &index.entries {
        let file = bytes(&format!("repo/{}", entry.filename));
        assert_eq!(entry.size, file.len() as u64);
        assert_eq!(canonical_filename(&entry.control, None), entry.filename);
        assert_eq!(
            entry.control,
            Control::parse(&member(&file, "WAPT/control")).unwrap()
        );
    }
    let now: Timestamp = "2026-11-23T14:59:52Z".parse().unwrap();
    let written = index::write(&index.entries, &index.certificates, &index.crls, now).unwrap();
    assert_text(
        &member(&written, "Packages"),
        &member(&packed, "Packages"),
        "Packages",
    );
    assert_eq!(index::read(&written, &IndexLimits::default()).unwrap(), index);
    assert_eq!(headers(&written), headers(&packed));
}

/// The central directory without compressed sizes and offsets, which depend on the compressor.
fn headers(archive: &[u8]) -> Vec<(Vec<u8>, Vec<u8>)> {
    let start = archive
        .windows(4)
        .position(|window| window == b"PK\x01\x02")
        .unwrap();
    let mut rest = &archive[start..];
    let mut headers = Vec::new();
    while rest.starts_with(b"PK\x01\x02") {
        let length = |at: usize| usize::from(u16::from_le_bytes([rest[at], rest[at + 1]]));
        let end = 46 + length(28) + length(30) + length(32);
        let fixed = [&rest[4..20], &rest[24..42]].concat();
        headers.push((fixed, rest[46..end].to_vec()));
        rest = &rest[end..];
    }
    headers
}

fn table(name: &str) -> Vec<Vec<String>> {
    let text = String::from_utf8(bytes(name)).unwrap();
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| line.split('\t').map(ToOwned::to_owned).collect())
        .collect()
}

fn bytes(name: &str) -> Vec<u8> {
    fs_err::read(format!("{GOLDEN}/{name}")).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn member(archive: &[u8], name: &str) -> Vec<u8> {
    let mut archive = zip::ZipArchive::new(Cursor::new(archive)).unwrap();
    let mut content = Vec::new();
    archive.by_name(name).unwrap().read_to_end(&mut content).unwrap();
    content
}

fn assert_text(ours: &[u8], expected: &[u8], case: &str) {
    assert_eq!(
        String::from_utf8_lossy(ours),
        String::from_utf8_lossy(expected),
        "{case}"
    );
}
