//! The index, as an archive and as text: no panic, bounded, and rows that are read are written and read alike.
#![no_main]

use libfuzzer_sys::fuzz_target;
use muster_shared::index::{self, Index, IndexLimits};

fuzz_target!(|bytes: &[u8]| {
    let limits = IndexLimits::default();
    let (Some((kind, rest)), false) = (bytes.split_first(), bytes.starts_with(b"PK")) else {
        if let Ok(index) = index::read(bytes, &limits) {
            check(&index);
        }
        return;
    };
    // Text that the fuzzer can reach without getting CRC and DEFLATE right.
    let text: &[u8] = if *kind == b'#' { rest } else { bytes };
    let archive = stored(text);
    if let Ok(index) = index::read(&archive, &limits) {
        check(&index);
    }
});

fn check(index: &Index) {
    let text = index::to_text(&index.entries);
    let archive = stored(text.as_bytes());
    let again = index::read(&archive, &IndexLimits::default()).expect("what is written can be read");
    assert!(again.rejected.is_empty(), "{:?} in {text:?}", again.rejected);
    assert_eq!(again.entries.len(), index.entries.len());
    assert_eq!(index::to_text(&again.entries), text);
}

/// An archive with one stored member `Packages`.
fn stored(text: &[u8]) -> Vec<u8> {
    let mut common = vec![20, 0, 0, 8, 0, 0, 0, 0, 0, 0];
    common.extend(crc(text).to_le_bytes());
    common.extend((text.len() as u32).to_le_bytes());
    common.extend((text.len() as u32).to_le_bytes());
    common.extend([8, 0]);
    let mut file = b"PK\x03\x04".to_vec();
    file.extend(&common);
    file.extend([0, 0]);
    file.extend(b"Packages");
    file.extend(text);
    let start = file.len() as u32;
    file.extend(b"PK\x01\x02\x14\x03");
    file.extend(&common);
    file.extend([0; 16]);
    file.extend(b"Packages");
    let length = file.len() as u32 - start;
    file.extend(b"PK\x05\x06\0\0\0\0\x01\0\x01\0");
    file.extend(length.to_le_bytes());
    file.extend(start.to_le_bytes());
    file.extend([0, 0]);
    file
}

fn crc(data: &[u8]) -> u32 {
    !data.iter().fold(!0_u32, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _bit| {
            if crc & 1 == 1 {
                crc >> 1 ^ 0xedb8_8320
            } else {
                crc >> 1
            }
        })
    })
}
