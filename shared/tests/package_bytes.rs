//! A package built here has, byte by byte, the form that WAPT 1.8.2 gives its packages.
#![expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]

use std::io::{Cursor, Read as _};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use muster_shared::control::{Control, Section};
use muster_shared::crypto::{Certificate, FileSigner, TrustStore};
use muster_shared::package::build::{self, BuildOptions};
use muster_shared::package::{Package, Unverified, sign};
use sha2::{Digest as _, Sha256};

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden")
}

fn at() -> Timestamp {
    "2026-11-24T12:34:57.123456Z".parse().unwrap()
}

fn signer(certificate: &str, key: &str) -> FileSigner {
    let keys = golden().join("keys");
    FileSigner::open(&keys.join(certificate), &keys.join(key), None).unwrap()
}

/// One member as the archive itself describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Member {
    name: Vec<u8>,
    made_by: u16,
    needed: u16,
    flags: u16,
    method: u16,
    date: (u16, u16),
    extra: usize,
    comment: usize,
    internal: u16,
    external: u32,
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes(bytes[at..at + 2].try_into().unwrap())
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap())
}

/// Reads the central directory by hand and compares each local header with it.
fn members(archive: &[u8]) -> Vec<Member> {
    let end = archive.len() - 22;
    assert_eq!(
        &archive[end..end + 4],
        b"PK\x05\x06",
        "there is no comment behind the archive"
    );
    let count = u16_at(archive, end + 10);
    let size = u32_at(archive, end + 12) as usize;
    let start = u32_at(archive, end + 16) as usize;
    assert_eq!(start + size, end, "the directory lies before its end record");
    let mut at = start;
    let mut expected_local = 0;
    let mut members = Vec::new();
    for _ in 0..count {
        let header = &archive[at..];
        assert_eq!(&header[..4], b"PK\x01\x02");
        let (name, extra, comment) = (
            u16_at(header, 28) as usize,
            u16_at(header, 30) as usize,
            u16_at(header, 32) as usize,
        );
        let member = Member {
            name: header[46..46 + name].to_vec(),
            made_by: u16_at(header, 4),
            needed: u16_at(header, 6),
            flags: u16_at(header, 8),
            method: u16_at(header, 10),
            date: (u16_at(header, 12), u16_at(header, 14)),
            extra,
            comment,
            internal: u16_at(header, 36),
            external: u32_at(header, 38),
        };
        let local_at = u32_at(header, 42) as usize;
        assert_eq!(
            local_at,
            expected_local,
            "no gap before {}",
            String::from_utf8_lossy(&member.name)
        );
        let local = &archive[local_at..];
        assert_eq!(&local[..4], b"PK\x03\x04");
        assert_eq!(u16_at(local, 4), member.needed);
        assert_eq!(u16_at(local, 6), member.flags);
        assert_eq!(
            local[8..26],
            header[10..28],
            "method, date, sum, sizes of {member:?}"
        );
        let local_extra = u16_at(local, 28) as usize;
        assert_eq!(&local[30..30 + name], member.name.as_slice());
        assert_eq!(local_extra, 0, "no extra field in the local header");
        expected_local = local_at + 30 + name + u32_at(header, 20) as usize;
        members.push(member);
        at += 46 + name + extra + comment;
    }
    assert_eq!(at, end);
    assert_eq!(
        expected_local, start,
        "no data descriptor, nothing between the members"
    );
    members
}

fn content(archive: &[u8], name: &str) -> Vec<u8> {
    let mut zip = zip::ZipArchive::new(Cursor::new(archive)).unwrap();
    let mut bytes = Vec::new();
    zip.by_name(name).unwrap().read_to_end(&mut bytes).unwrap();
    bytes
}

/// A date of the format: two-second steps from 1980.
fn dos_date(at: Timestamp) -> (u16, u16) {
    let local = at.to_zoned_datetime(TimeZone::system());
    let date = (u16::try_from(local.year() - 1980).unwrap() << 9)
        | (u16::try_from(local.month()).unwrap() << 5)
        | u16::try_from(local.day()).unwrap();
    let time = (u16::try_from(local.hour()).unwrap() << 11)
        | (u16::try_from(local.minute()).unwrap() << 5)
        | (u16::try_from(local.second()).unwrap() / 2);
    (time, date)
}

fn built(folder: &Path, signer: &FileSigner) -> PathBuf {
    let sources = folder.join("src");
    fs_err::create_dir_all(sources.join("WAPT")).unwrap();
    fs_err::create_dir_all(sources.join("data/deep")).unwrap();
    fs_err::create_dir_all(sources.join("empty")).unwrap();
    fs_err::write(
        sources.join("WAPT/control"),
        "\u{feff}package : demo-bytes\r\nversion : 1.0-3\r\nchangelog : one\r\n two\r\nforeign : dropped\r\n\
         description : é 😀 / \u{7f}\r\ninstalled_size : 0012\r\n",
    )
    .unwrap();
    fs_err::write(sources.join("WAPT/certificate.crt"), "old").unwrap();
    fs_err::write(sources.join("WAPT/manifest.sha256"), "old").unwrap();
    fs_err::write(sources.join("WAPT/signature.sha256"), "old").unwrap();
    fs_err::write(sources.join("setup.py"), "def install():\n    pass\n").unwrap();
    fs_err::write(sources.join("data/deep/é.txt"), vec![b'x'; 5000]).unwrap();
    fs_err::write(sources.join("nothing"), "").unwrap();
    let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_600_000_000);
    for name in ["setup.py", "data/deep/é.txt", "nothing"] {
        let file = std::fs::File::options()
            .write(true)
            .open(sources.join(name))
            .unwrap();
        file.set_modified(time).unwrap();
    }
    #[cfg(unix)]
    for name in ["setup.py", "data/deep/é.txt", "nothing"] {
        use std::os::unix::fs::PermissionsExt as _;
        fs_err::set_permissions(sources.join(name), std::fs::Permissions::from_mode(0o644)).unwrap();
    }
    build::build_folder(&sources, folder, signer, &BuildOptions::default(), at())
        .unwrap()
        .path
}

#[test]
fn the_headers_of_a_built_package_are_those_of_the_format() {
    let folder = tempfile::tempdir().unwrap();
    let path = built(folder.path(), &signer("signer.crt", "signer.pem"));
    let archive = fs_err::read(&path).unwrap();
    let members = members(&archive);
    let names: Vec<String> = members
        .iter()
        .map(|member| String::from_utf8(member.name.clone()).unwrap())
        .collect();
    // Payload first, in any order, files only; then what the signer writes, in this one.
    assert_eq!(names.len(), 7);
    assert_eq!(
        names[3..],
        [
            "WAPT/control",
            "WAPT/certificate.crt",
            "WAPT/manifest.sha256",
            "WAPT/signature.sha256"
        ]
    );
    for (member, name) in members.iter().zip(&names) {
        assert_eq!(member.needed, 20, "{name}");
        assert_eq!(member.made_by, 0x0314, "{name}: made by Unix");
        assert_eq!(member.method, 8, "{name}: DEFLATE, also for nothing");
        assert_eq!(member.flags, if name.is_ascii() { 0 } else { 0x800 }, "{name}");
        assert_eq!(
            (member.extra, member.comment, member.internal),
            (0, 0, 0),
            "{name}"
        );
        let is_signed_part = name.starts_with("WAPT/");
        let mode = if is_signed_part { 0o600 } else { 0o100_644 };
        assert_eq!(member.external, mode << 16, "{name}: {:o}", member.external >> 16);
        let time = if is_signed_part {
            at()
        } else {
            Timestamp::from_second(1_600_000_000).unwrap()
        };
        assert_eq!(member.date, dos_date(time), "{name}");
    }
    let modified = fs_err::metadata(&path).unwrap().modified().unwrap();
    let seconds = modified.duration_since(std::time::UNIX_EPOCH).unwrap();
    assert_eq!(i64::try_from(seconds.as_secs()).unwrap(), at().as_second());
    assert_eq!(
        seconds.subsec_nanos(),
        0,
        "the file's time is the signature's, to the second"
    );
}

#[test]
fn the_headers_are_those_that_the_predecessor_writes() {
    let folder = tempfile::tempdir().unwrap();
    let ours = members(&fs_err::read(built(folder.path(), &signer("signer.crt", "signer.pem"))).unwrap());
    let theirs = members(&fs_err::read(golden().join("repo/peer-base_1.2.3-4_PROD.wapt")).unwrap());
    let form = |member: &Member| Member {
        name: Vec::new(),
        date: (0, 0),
        flags: 0,
        ..member.clone()
    };
    let of = |members: &[Member], name: &str| {
        let found = members.iter().find(|member| member.name == name.as_bytes());
        form(found.unwrap_or_else(|| panic!("{name}")))
    };
    for name in [
        "setup.py",
        "WAPT/control",
        "WAPT/certificate.crt",
        "WAPT/manifest.sha256",
        "WAPT/signature.sha256",
    ] {
        assert_eq!(of(&ours, name), of(&theirs, name), "{name}");
    }
}

#[test]
fn the_signed_members_have_the_text_of_the_format() {
    let folder = tempfile::tempdir().unwrap();
    let path = built(folder.path(), &signer("leaf-chain.crt", "leaf.pem"));
    let archive = fs_err::read(&path).unwrap();

    let control = String::from_utf8(content(&archive, "WAPT/control")).unwrap();
    let lines: Vec<&str> = control.split('\n').collect();
    assert_eq!(lines[0], "package           : demo-bytes");
    assert_eq!(lines[1], "version           : 1.0-3");
    assert_eq!(lines[5], "name              : ", "empty values keep their blank");
    assert!(control.contains("\nchangelog         : one\n two\nsigner            : peer-leaf\n"));
    assert!(control.contains("\ninstalled_size    : 12\n"));
    assert!(!control.contains("foreign") && !control.contains('\r') && !control.ends_with('\n'));
    let zoned = at().to_zoned_datetime(TimeZone::system());
    let date = format!(
        "\nsignature_date    : {}.123456\n",
        zoned.strftime("%Y-%m-%dT%H:%M:%S")
    );
    assert!(control.contains(&date), "{control}");

    let chain = fs_err::read_to_string(golden().join("keys/leaf-chain.crt")).unwrap();
    let certificates = Certificate::chain_from_pem(&chain).unwrap();
    let joined = format!("{}\n{}", certificates[0].to_pem(), certificates[1].to_pem());
    assert!(joined.contains("-----END CERTIFICATE-----\n\n-----BEGIN") && joined.ends_with("-----\n"));
    assert_eq!(
        String::from_utf8(content(&archive, "WAPT/certificate.crt")).unwrap(),
        joined
    );

    let manifest = content(&archive, "WAPT/manifest.sha256");
    assert!(manifest.is_ascii() && manifest.starts_with(b"[[\"") && manifest.ends_with(b"\"]]"));
    assert!(!manifest.contains(&b' ') && !manifest.contains(&b'\n'));
    assert!(String::from_utf8_lossy(&manifest).contains("\"data/deep/\\u00e9.txt\""));
    let rows: Vec<(String, String)> = serde_json::from_slice(&manifest).unwrap();
    let mut listed: Vec<&str> = rows.iter().map(|(name, _)| name.as_str()).collect();
    listed.sort_unstable();
    assert_eq!(
        listed,
        [
            "WAPT/certificate.crt",
            "WAPT/control",
            "data/deep/é.txt",
            "nothing",
            "setup.py"
        ]
    );
    for (name, sum) in &rows {
        assert_eq!(
            *sum,
            hex::encode(Sha256::digest(content(&archive, name))),
            "{name}"
        );
    }

    let signature = String::from_utf8(content(&archive, "WAPT/signature.sha256")).unwrap();
    let lines: Vec<&str> = signature.split('\n').collect();
    assert_eq!(lines.last(), Some(&""), "the last line is ended");
    assert!(lines[..lines.len() - 2].iter().all(|line| line.len() == 76));
    assert!((1..=76).contains(&lines[lines.len() - 2].len()));
    let raw = base64::engine::general_purpose::STANDARD
        .decode(lines.concat())
        .unwrap();
    certificates[0].verify(&manifest, &raw).unwrap();

    let parsed = Control::parse(control.as_bytes()).unwrap();
    assert!(!parsed.get("signature").contains('\n'));
    let raw = base64::engine::general_purpose::STANDARD
        .decode(parsed.get("signature"))
        .unwrap();
    certificates[0].verify(&parsed.signed_bytes(), &raw).unwrap();
    let bytes = String::from_utf8(parsed.signed_bytes()).unwrap();
    assert!(
        bytes.contains(r#""description":"\u00e9 \ud83d\ude00 / \u007f""#),
        "{bytes}"
    );
    assert!(bytes.contains(r#""installed_size":12,"#));
}

#[test]
fn a_control_alone_has_the_four_members_in_order() {
    let control = Control::new("demo-group", "1", Section::Group).with("depends", "demo-a");
    let bytes = build::build_control_only(control, &signer("nocode.crt", "nocode.pem"), at()).unwrap();
    let names: Vec<String> = members(&bytes)
        .into_iter()
        .map(|member| String::from_utf8(member.name).unwrap())
        .collect();
    assert_eq!(
        names,
        [
            "WAPT/control",
            "WAPT/certificate.crt",
            "WAPT/manifest.sha256",
            "WAPT/signature.sha256"
        ]
    );
}

#[test]
fn signing_again_keeps_the_form_and_every_other_byte() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.wapt");
    fs_err::copy(golden().join("repo/peer-base_1.2.3-4_PROD.wapt"), &path).unwrap();
    let before = fs_err::read(&path).unwrap();
    sign::sign_file(&path, &signer("leaf-chain.crt", "leaf.pem"), at(), false).unwrap();
    let after = fs_err::read(&path).unwrap();
    let payload = |archive: &[u8]| -> Vec<Member> {
        let mut members = members(archive);
        members.retain(|member| {
            !matches!(
                member.name.as_slice(),
                b"WAPT/control"
                    | b"WAPT/certificate.crt"
                    | b"WAPT/manifest.sha256"
                    | b"WAPT/signature.sha256"
            )
        });
        members
    };
    assert_eq!(payload(&after), payload(&before));
    let names: Vec<Vec<u8>> = members(&after).into_iter().map(|member| member.name).collect();
    assert_eq!(names[names.len() - 4], b"WAPT/control");
    let ca = Certificate::chain_from_file(&golden().join("keys/ca.crt")).unwrap();
    Package::<Unverified>::open(&path)
        .unwrap()
        .verify(&TrustStore::new(ca), at())
        .unwrap();
}

/// An unsigned package whose archive somebody else wrote.
fn crafted(folder: &Path, fill: impl FnOnce(&mut zip::ZipWriter<fs_err::File>)) -> PathBuf {
    use std::io::Write as _;
    let path = folder.join("crafted.wapt");
    let mut writer = zip::ZipWriter::new(fs_err::File::create(&path).unwrap());
    let control = Control::new("tis-crafted", "1.0-0", Section::Base).to_text();
    writer
        .start_file("WAPT/control", zip::write::SimpleFileOptions::default())
        .unwrap();
    writer.write_all(control.as_bytes()).unwrap();
    fill(&mut writer);
    writer.finish().unwrap();
    path
}

#[test]
fn an_extra_field_gives_a_signed_member_no_other_name() {
    use std::io::Write as _;
    let folder = tempfile::tempdir().unwrap();
    let (name, other) = ("plain.txt", "evil.txt");
    let path = crafted(folder.path(), |writer| {
        let mut sum = flate2::Crc::new();
        sum.update(name.as_bytes());
        let mut field = vec![1];
        field.extend(sum.sum().to_le_bytes());
        field.extend(other.as_bytes());
        let mut options = zip::write::FullFileOptions::default();
        options.add_extra_field(0x7075, field, true).unwrap();
        writer.start_file(name, options).unwrap();
        writer.write_all(b"content").unwrap();
    });
    let signer = signer("signer.crt", "signer.pem");
    sign::sign_file(&path, &signer, at(), false).unwrap();
    let bytes = fs_err::read(&path).unwrap();
    // Also checks that no member has an extra field.
    let names: Vec<Vec<u8>> = members(&bytes).into_iter().map(|member| member.name).collect();
    assert!(names.contains(&name.as_bytes().to_vec()));
    assert!(!String::from_utf8_lossy(&bytes).contains(other));
}

#[test]
fn a_folder_that_is_there_twice_is_not_signed_and_the_file_stays() {
    let folder = tempfile::tempdir().unwrap();
    let path = crafted(folder.path(), |writer| {
        for name in ["data/", "dat_/"] {
            writer
                .add_directory(name, zip::write::SimpleFileOptions::default())
                .unwrap();
        }
    });
    let mut bytes = fs_err::read(&path).unwrap();
    while let Some(at) = bytes.windows(5).position(|window| window == b"dat_/") {
        bytes[at + 3] = b'a';
    }
    fs_err::write(&path, &bytes).unwrap();
    let signer = signer("signer.crt", "signer.pem");
    let refused = sign::sign_file(&path, &signer, at(), false).unwrap_err();
    assert!(refused.to_string().contains("data/"), "{refused}");
    assert_eq!(fs_err::read(&path).unwrap(), bytes);
    assert_eq!(fs_err::read_dir(folder.path()).unwrap().count(), 1);
}
