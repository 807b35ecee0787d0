//! Hostile files, each judged in a process of its own: refused by name, within 50 MB of memory.
//!
//! The file is made here; the process that judges it is this same test program, run for the one test
//! `judge_the_file_that_is_named`. It says how it judged, its peak memory and its time. Memory is asserted, time
//! is printed: it depends on the build.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]

#[path = "hostile/zip.rs"]
mod zip;

use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use muster_shared::control::Control;
use muster_shared::crypto::TrustStore;
use muster_shared::hint::chain;
use muster_shared::index::{IndexFile, IndexLimits};
use muster_shared::package::manifest;
use muster_shared::package::{Package, Unverified};
use muster_shared::rules::selfservice::SelfServiceRules;
use muster_shared::rules::windows_update::UpdateRules;
use zip::{Member, control, end, member, zip};

const FILE: &str = "MUSTER_HOSTILE_FILE";
const KIND: &str = "MUSTER_HOSTILE_KIND";
const LIMIT_KB: u64 = 50_000_000 / 1024;

/// What the file is given to.
#[derive(Clone, Copy)]
enum Kind {
    Package,
    Index,
    Manifest,
    Control,
    Rules,
}

const KINDS: [(&str, Kind); 5] = [
    ("package", Kind::Package),
    ("index", Kind::Index),
    ("manifest", Kind::Manifest),
    ("control", Kind::Control),
    ("rules", Kind::Rules),
];

#[test]
fn judge_the_file_that_is_named() {
    let (Ok(file), Ok(kind)) = (std::env::var(FILE), std::env::var(KIND)) else {
        return;
    };
    let kind = KINDS.into_iter().find(|(name, _kind)| *name == kind).unwrap().1;
    let started = Instant::now();
    let verdict = judge(Path::new(&file), kind);
    let elapsed = started.elapsed().as_millis();
    let status = fs_err::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    let peak: u64 = peak.split_whitespace().nth(1).unwrap().parse().unwrap();
    println!("\n@@{peak} {elapsed} {}", verdict.replace('\n', " "));
}

fn judge(file: &Path, kind: Kind) -> String {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden/certs");
    let verdict = match kind {
        Kind::Package => {
            let trust = TrustStore::from_folder(&golden).unwrap();
            let at = "2026-11-24T12:00:00Z".parse().unwrap();
            Package::<Unverified>::open(file)
                .and_then(|package| package.verify(&trust, at))
                .map(|_package| ())
                .map_err(|error| chain(&error))
        }
        Kind::Index => index(file),
        Kind::Manifest => manifest::parse(&fs_err::read(file).unwrap())
            .map(|_manifest| ())
            .map_err(|error| chain(&error)),
        Kind::Control => Control::parse(&fs_err::read(file).unwrap())
            .map(|_control| ())
            .map_err(|error| chain(&error)),
        Kind::Rules => {
            let bytes = fs_err::read(file).unwrap();
            let one = SelfServiceRules::parse(&bytes).map(|_rules| ());
            let other = UpdateRules::parse(&bytes).map(|_rules| ());
            one.and(other).map_err(|error| chain(&error))
        }
    };
    verdict.map_or_else(|reason| format!("refused: {reason}"), |()| "accepted".to_owned())
}

/// As the agent reads an index: never more of the file than the limit, and row by row.
fn index(file: &Path) -> Result<(), String> {
    use std::io::Read as _;
    let limits = IndexLimits::default();
    let mut bytes = Vec::new();
    let size = fs_err::metadata(file).unwrap().len();
    if size > limits.max_file_bytes as u64 {
        return Err(format!("the index has {size} bytes"));
    }
    fs_err::File::open(file).unwrap().read_to_end(&mut bytes).unwrap();
    IndexFile::open(&bytes, &limits)
        .and_then(|mut index| index.each_row(|row| drop(row.read())))
        .map_err(|error| chain(&error))
}

struct Case {
    folder: tempfile::TempDir,
}

impl Case {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
        }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("hostile")
    }

    /// Judges the file in a process of its own; the reason must hold the word.
    fn refused(&self, kind: &str, word: &str) {
        let output = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "judge_the_file_that_is_named", "--nocapture"])
            .env(FILE, self.path())
            .env(KIND, kind)
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let line = text.lines().find_map(|line| line.strip_prefix("@@"));
        let line = line.unwrap_or_else(|| panic!("{text}{}", String::from_utf8_lossy(&output.stderr)));
        let mut parts = line.splitn(3, ' ');
        let peak: u64 = parts.next().unwrap().parse().unwrap();
        let milliseconds: u64 = parts.next().unwrap().parse().unwrap();
        let verdict = parts.next().unwrap();
        writeln!(std::io::stdout(), "{milliseconds} ms, {peak} kB: {verdict}").ok();
        assert!(verdict.starts_with("refused: "), "{verdict}");
        assert!(verdict.contains(word), "{verdict} should say {word:?}");
        assert!(peak < LIMIT_KB, "{peak} kB for {verdict}");
    }

    fn package(&self, bytes: &[u8], word: &str) {
        fs_err::write(self.path(), bytes).unwrap();
        self.refused("package", word);
    }

    fn members(&self, members: &[Member], word: &str) {
        self.package(&zip(members), word);
    }

    fn text(&self, kind: &str, text: &str, word: &str) {
        fs_err::write(self.path(), text).unwrap();
        self.refused(kind, word);
    }
}

/// Raw DEFLATE of this many equal bytes: blocks that repeat the last byte, 1030 to 1.
fn deflated(byte: u8, length: usize) -> Vec<u8> {
    use std::io::Read as _;
    let mut bytes = Vec::new();
    let source = std::io::repeat(byte).take(length as u64);
    let mut encoder = flate2::read::DeflateEncoder::new(source, flate2::Compression::best());
    encoder.read_to_end(&mut bytes).unwrap();
    bytes
}

fn deflated_member(name: &str, data: Vec<u8>, claimed: u32) -> Member {
    Member {
        method: 8,
        claimed_size: claimed,
        ..member(name, &data)
    }
}

#[test]
fn a_zip_bomb_is_refused() {
    // A gigabyte of zeros in a megabyte.
    let bomb = deflated(0, 1 << 30);
    Case::new().members(&[control(), deflated_member("bomb", bomb, 1 << 30)], "times");
}

#[test]
fn a_zip_bomb_that_claims_to_be_small_is_refused() {
    let bomb = deflated(b'x', 1 << 28);
    let members = [deflated_member("WAPT/control", bomb, 300)];
    Case::new().members(&members, "its size is not the one it claims");
}

#[test]
fn a_control_that_is_a_bomb_is_refused() {
    let bomb = deflated(b'\n', 60 << 20);
    Case::new().members(&[deflated_member("WAPT/control", bomb, 60 << 20)], "at most");
}

#[test]
fn a_ratio_bomb_of_many_members_is_refused() {
    let one = deflated(0, 32 << 20);
    let members: Vec<Member> = std::iter::once(control())
        .chain((0..64).map(|n| deflated_member(&format!("part{n}"), one.clone(), 32 << 20)))
        .collect();
    Case::new().members(&members, "times");
}

#[test]
fn nested_overlapping_entries_are_refused() {
    // Each entry's data holds the local header of the next, as the best zip bombs do.
    let kernel = deflated(0, 20 << 20);
    let mut file = zip(&[control()]);
    let at = file.windows(4).position(|bytes| bytes == b"PK\x01\x02").unwrap();
    let mut directory = file.split_off(at);
    directory.truncate(directory.len() - 22);
    let mut locals = Vec::new();
    let count = 200_u16;
    let header = |name: &str, size: usize| {
        let mut bytes = Vec::new();
        bytes.extend([20, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        bytes.extend((size as u32).to_le_bytes());
        bytes.extend((20_u32 << 20).to_le_bytes());
        bytes.extend((name.len() as u16).to_le_bytes());
        bytes.extend([0, 0]);
        bytes
    };
    let local_size = |name: &str| 30 + name.len();
    let names: Vec<String> = (0..count).map(|n| format!("n{n:04}")).collect();
    for (place, name) in names.iter().enumerate() {
        let size = names
            .iter()
            .skip(place + 1)
            .map(|name| local_size(name))
            .sum::<usize>()
            + kernel.len();
        directory.extend(b"PK\x01\x02\x14\x03");
        directory.extend(header(name, size));
        directory.extend([0; 6]);
        directory.extend((0o100_644_u32 << 16).to_le_bytes());
        directory.extend(((file.len() + locals.len()) as u32).to_le_bytes());
        directory.extend(name.as_bytes());
        locals.extend(b"PK\x03\x04");
        locals.extend(header(name, size));
        locals.extend(name.as_bytes());
    }
    file.extend(locals);
    file.extend(kernel);
    Case::new().package(&end(file, &directory, count + 1), "overlaps");
}

#[test]
fn a_million_entries_are_refused() {
    let case = Case::new();
    let mut file = BufWriter::new(fs_err::File::create(case.path()).unwrap());
    let mut start = 0_u64;
    for n in 0..1_000_000_u32 {
        let name = format!("{n:08}");
        file.write_all(b"PK\x03\x04\x14\0\0\0\0\0").unwrap();
        file.write_all(&[0; 16]).unwrap();
        file.write_all(&[8, 0, 0, 0]).unwrap();
        file.write_all(name.as_bytes()).unwrap();
        start += 38;
    }
    for n in 0..1_000_000_u32 {
        let name = format!("{n:08}");
        file.write_all(b"PK\x01\x02\x14\x03\x14\0\0\0\0\0").unwrap();
        file.write_all(&[0; 16]).unwrap();
        file.write_all(&[8, 0, 0, 0, 0, 0, 0, 0, 0, 0]).unwrap();
        file.write_all(&(0o100_644_u32 << 16).to_le_bytes()).unwrap();
        file.write_all(&(n * 38).to_le_bytes()).unwrap();
        file.write_all(name.as_bytes()).unwrap();
    }
    let length = 54_000_000_u64;
    file.write_all(b"PK\x06\x06").unwrap();
    file.write_all(&44_u64.to_le_bytes()).unwrap();
    file.write_all(&[45, 3, 45, 0, 0, 0, 0, 0, 0, 0, 0, 0]).unwrap();
    for value in [1_000_000, 1_000_000, length, start] {
        file.write_all(&value.to_le_bytes()).unwrap();
    }
    file.write_all(b"PK\x06\x07\0\0\0\0").unwrap();
    file.write_all(&(start + length).to_le_bytes()).unwrap();
    file.write_all(&1_u32.to_le_bytes()).unwrap();
    file.write_all(b"PK\x05\x06\0\0\0\0").unwrap();
    file.write_all(&[0xff; 12]).unwrap();
    file.write_all(&[0, 0]).unwrap();
    file.into_inner().unwrap().sync_all().unwrap();
    case.refused("package", "1000000 entries");
}

#[test]
fn as_many_entries_as_allowed_with_a_clash_at_the_end_are_refused() {
    let members: Vec<Member> = (0..65_000)
        .map(|n| {
            member(
                &format!("Folder{:03}/A_Rather_Long_File_Name_{n:05}.TXT", n % 500),
                b"",
            )
        })
        .chain([control(), member("last", b""), member("LAST", b"")])
        .collect();
    Case::new().members(&members, "same name");
}

#[test]
fn names_that_differ_in_directory_and_file_are_refused() {
    let liar = Member {
        local_name: b"setup.py".to_vec(),
        ..member("other.py", b"")
    };
    Case::new().members(&[control(), liar], "two names");
}

#[test]
fn path_traversal_is_refused() {
    let case = Case::new();
    for name in [
        "../out",
        "a/../../out",
        "a/..",
        "./out",
        "a/./b",
        "a//b",
        ".. /x",
        "..\u{2028}/../x",
    ] {
        fs_err::write(case.path(), zip(&[control(), member(name, b"x")])).unwrap();
        case.refused("package", "is refused");
    }
}

#[test]
fn absolute_names_are_refused() {
    Case::new().members(&[control(), member("/etc/cron.d/x", b"x")], "absolute");
}

#[test]
fn drive_letters_are_refused() {
    for name in ["C:/Windows/x", "c:x", "C:"] {
        Case::new().members(&[control(), member(name, b"x")], "colon");
    }
}

#[test]
fn unc_paths_are_refused() {
    Case::new().members(&[control(), member("\\\\server\\share\\x", b"x")], "backslash");
    Case::new().members(&[control(), member("//server/share/x", b"x")], "absolute");
}

#[test]
fn nul_in_a_name_is_refused() {
    Case::new().members(&[control(), member("setup.py\0.txt", b"x")], "control character");
}

#[test]
fn reserved_names_are_refused() {
    for name in ["CON", "a/nul.txt", "COM1", "lpt9.x.y", "aux .txt", "conin$"] {
        Case::new().members(&[control(), member(name, b"x")], "device");
    }
}

#[test]
fn symlinks_are_refused() {
    let link = Member {
        mode: 0o120_777,
        ..member("link", b"/etc/passwd")
    };
    Case::new().members(&[control(), link], "link");
}

#[test]
fn names_that_differ_by_case_only_are_refused() {
    for (one, other) in [
        ("a.txt", "A.TXT"),
        ("é", "É"),
        ("s", "\u{17f}"),
        ("k", "\u{212a}"),
    ] {
        Case::new().members(&[control(), member(one, b"1"), member(other, b"2")], "same name");
    }
}

#[test]
fn an_index_file_of_a_gigabyte_is_refused() {
    let case = Case::new();
    let file = fs_err::File::create(case.path()).unwrap();
    file.set_len(1 << 30).unwrap();
    case.refused("index", "bytes");
}

#[test]
fn an_index_that_grows_to_a_gigabyte_is_refused() {
    for byte in [b'x', b'\n', b' '] {
        let case = Case::new();
        let bomb = deflated_member("Packages", deflated(byte, 1 << 30), 1 << 30);
        fs_err::write(case.path(), zip(&[bomb])).unwrap();
        case.refused("index", "larger than");
        let liar = deflated_member("Packages", deflated(byte, 1 << 28), 1000);
        fs_err::write(case.path(), zip(&[liar])).unwrap();
        case.refused("index", "larger than");
    }
}

#[test]
fn an_index_of_a_million_members_is_refused() {
    let members: Vec<Member> = (0..60_000)
        .map(|n| member(&format!("ssl/{n}.crt"), b""))
        .collect();
    let case = Case::new();
    fs_err::write(case.path(), zip(&members)).unwrap();
    case.refused("index", "at most");
}

#[test]
fn deep_json_in_a_manifest_is_refused() {
    let deep = "[".repeat(1_000_000);
    Case::new().text("manifest", &deep, "cannot be read");
    let closed = format!("[[\"a\",{}1{}]]", "[".repeat(5000), "]".repeat(5000));
    Case::new().text("manifest", &closed, "cannot be read");
}

#[test]
fn deep_json_in_rules_is_refused() {
    let deep = format!("{{\"a\":{}", "{\"a\":".repeat(500_000));
    Case::new().text("rules", &deep, "recursion");
    Case::new().text(
        "rules",
        &format!("{{\"a\":{}", "[".repeat(1_000_000)),
        "recursion",
    );
}

#[test]
fn json_in_a_control_is_only_text_and_a_long_one_is_refused() {
    let deep = format!("package : x\ndescription : {}", "[".repeat(2_000_000));
    Case::new().text("control", &deep, "");
    Case::new().text("control", &"a : b\n".repeat(1_000_000), "");
}
