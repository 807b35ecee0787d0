//! Archives that lie: each is refused for its numbers or names, before anything is decompressed or written.
#![expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]

#[path = "hostile/zip.rs"]
mod zip;

use std::io::Write as _;
use std::path::PathBuf;

use muster_shared::package::{Limits, Package, PackageError, Unverified};
use muster_shared::protocol::error::ErrorCode;
use proptest::prelude::*;
use zip::{Member, control, end, member, zip};

fn open(bytes: &[u8]) -> Result<Package<Unverified>, PackageError> {
    let folder = tempfile::tempdir().unwrap();
    let path: PathBuf = folder.path().join("x.wapt");
    fs_err::File::create(&path).unwrap().write_all(bytes).unwrap();
    Package::<Unverified>::open(&path)
}

fn refused(members: &[Member], word: &str) {
    let error = open(&zip(members)).expect_err(word);
    assert_eq!(error.code(), ErrorCode::PackageUnreadable);
    assert!(error.to_string().contains(word), "{error} should say {word:?}");
}

#[test]
fn an_honest_archive_made_the_same_way_is_read() {
    let package = open(&zip(&[
        control(),
        member("dir/file.txt", b"x"),
        member("é.txt", b"y"),
    ]))
    .unwrap();
    assert_eq!(package.entries().len(), 3);
    assert_eq!(package.control().package(), "x");
}

#[test]
fn names_that_lead_out_or_clash_are_refused() {
    for (name, word) in [
        ("../out", ".."),
        ("/abs", "absolute"),
        ("C:/x", "colon"),
        ("a\\b", "backslash"),
        ("nul", "device"),
        ("x\0y", "control"),
        ("SETUP.PY", "lower case"),
    ] {
        refused(&[control(), member(name, b"")], word);
    }
    refused(
        &[control(), member("A.txt", b""), member("a.TXT", b"")],
        "same name",
    );
    refused(
        &[control(), member("same", b"1"), member("same", b"2")],
        "same name",
    );
    refused(&[control(), member("a", b""), member("A/b", b"")], "folder");
    refused(
        &[
            control(),
            Member {
                mode: 0o120_777,
                ..member("link", b"/etc/passwd")
            },
        ],
        "link",
    );
    refused(
        &[
            control(),
            Member {
                mode: 0o020_666,
                ..member("device", b"")
            },
        ],
        "neither",
    );
    refused(
        &[
            control(),
            Member {
                flags: 0,
                ..member("é", b"")
            },
        ],
        "UTF-8",
    );
    refused(
        &[
            control(),
            Member {
                name: vec![0xff, 0xfe],
                local_name: vec![0xff, 0xfe],
                flags: 0x800,
                ..member("", b"")
            },
        ],
        "UTF-8",
    );
}

#[test]
fn entries_that_lie_about_themselves_are_refused() {
    refused(
        &[
            control(),
            Member {
                local_name: b"other".to_vec(),
                ..member("named", b"")
            },
        ],
        "two names",
    );
    refused(
        &[
            control(),
            Member {
                offset_shift: 4,
                ..member("a", b"abcd")
            },
        ],
        "overlaps",
    );
    refused(
        &[
            control(),
            Member {
                claimed_size: 9,
                ..member("a", b"abcd")
            },
        ],
        "two sizes",
    );
    refused(
        &[
            control(),
            Member {
                flags: 1,
                ..member("a", b"abcd")
            },
        ],
        "encrypted",
    );
    refused(
        &[
            control(),
            Member {
                method: 12,
                ..member("a", b"abcd")
            },
        ],
        "method 12",
    );
    let twice = {
        let one = control();
        let mut file = zip(std::slice::from_ref(&one));
        let directory_at = file.windows(4).position(|w| w == b"PK\x01\x02").unwrap();
        let row = file[directory_at..file.len() - 22].to_vec();
        file.truncate(directory_at);
        end(file, &[row.clone(), row].concat(), 2)
    };
    assert!(open(&twice).unwrap_err().to_string().contains("overlaps"));
}

#[test]
fn bombs_are_refused_by_what_they_claim() {
    let bomb = Member {
        method: 8,
        claimed_size: u32::MAX - 1,
        ..member("bomb", &[0; 100])
    };
    refused(&[control(), bomb.clone()], "times");
    let many: Vec<Member> = std::iter::once(control())
        .chain((0..40).map(|n| Member {
            ..member(&format!("bomb{n}"), &[0; 10])
        }))
        .map(|one| Member {
            method: if one.name == b"WAPT/control" { 0 } else { 8 },
            ..one
        })
        .map(|one| {
            if one.method == 8 {
                Member {
                    claimed_size: u32::MAX - 1,
                    ..one
                }
            } else {
                one
            }
        })
        .collect();
    refused(&many, "limit");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.wapt");
    let entries: Vec<Member> = (0..300)
        .map(|n| member(&format!("f{n}"), b""))
        .chain([control()])
        .collect();
    fs_err::write(&path, zip(&entries)).unwrap();
    let few = Limits {
        entries: 300,
        ..Limits::default()
    };
    let error = Package::<Unverified>::open_within(&path, &few).unwrap_err();
    assert!(error.to_string().contains("301 entries"), "{error}");
    let small = Limits {
        directory_bytes: 1000,
        ..Limits::default()
    };
    let error = Package::<Unverified>::open_within(&path, &small).unwrap_err();
    assert!(error.to_string().contains("directory of"), "{error}");
}

#[test]
fn many_long_names_cost_no_more_than_the_names() {
    // Each name alone has 500 parents; kept one by one they would be 250 times the directory.
    let deep = "/a".repeat(500);
    let members: Vec<Member> = (0..4000)
        .map(|n| member(&format!("{n}{deep}"), b""))
        .chain([control()])
        .collect();
    let package = open(&zip(&members)).unwrap();
    assert_eq!(package.entries().len(), 4001);
    refused(&[control(), member("a/b", b""), member("A", b"")], "folder");
    refused(&[control(), member("a/", b""), member("A", b"")], "folder");
    open(&zip(&[control(), member("a.b", b""), member("a/b", b"")])).unwrap();
}

#[test]
fn a_directory_that_lies_elsewhere_is_refused() {
    let good = zip(&[control()]);
    let tail = good.len() - 22;
    for (at, value) in [
        (tail + 12, 0xffff_u32),
        (tail + 16, 0xffff_fff0),
        (tail + 16, 0),
        (tail + 10, 7),
    ] {
        let mut bad = good.clone();
        bad[at..at + 4].copy_from_slice(&value.to_le_bytes());
        assert!(open(&bad).is_err(), "{at} {value}");
    }
    let mut trailing = good.clone();
    trailing.extend(b"junk after the end");
    assert!(open(&trailing).is_err());
    for cut in 0..good.len() {
        assert!(open(&good[..cut]).is_err(), "cut at {cut}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn no_bytes_make_the_reader_panic(noise in proptest::collection::vec(any::<u8>(), 0..400), at in 0_usize..400) {
        let mut bytes = zip(&[control(), member("a", b"abcd")]);
        let at = at % bytes.len();
        for (slot, byte) in bytes.iter_mut().skip(at).zip(&noise) {
            *slot = *byte;
        }
        open(&bytes).ok();
        open(&noise).ok();
    }
}
