//! What a screen says about itself: EDID (VESA E-EDID 1.4), the same bytes on every system.

use muster_shared::protocol::inventory::Monitor;

const HEADER: [u8; 8] = [0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0];
/// Where the four descriptors of 18 bytes begin.
const DESCRIPTORS: [usize; 4] = [54, 72, 90, 108];

/// Name, maker and serial number; nothing when the bytes are no EDID.
pub fn parse(bytes: &[u8]) -> Option<Monitor> {
    if bytes.get(..8)? != HEADER {
        return None;
    }
    let maker = u16::from_be_bytes([*bytes.get(8)?, *bytes.get(9)?]);
    let number = u32::from_le_bytes(bytes.get(12..16)?.try_into().ok()?);
    let text = |kind: u8| {
        DESCRIPTORS
            .into_iter()
            .filter_map(|at| bytes.get(at..at + 18))
            .find(|descriptor| descriptor.starts_with(&[0, 0, 0, kind]))
            .map(descriptor_text)
    };
    let product = u16::from_le_bytes([*bytes.get(10)?, *bytes.get(11)?]);
    let manufacturer = maker_name(maker);
    Some(Monitor {
        name: text(0xfc).unwrap_or_else(|| format!("{manufacturer}{product:04X}")),
        serial: text(0xff).unwrap_or_else(|| {
            if number == 0 {
                String::new()
            } else {
                number.to_string()
            }
        }),
        manufacturer,
        connector: String::new(),
    })
}

/// Three letters of five bits each, `A` is 1.
fn maker_name(code: u16) -> String {
    [10, 5, 0]
        .into_iter()
        .filter_map(|shift| {
            let letter = u8::try_from((code >> shift) & 0x1f).ok()?;
            (1..=26).contains(&letter).then(|| char::from(b'A' + letter - 1))
        })
        .collect()
}

fn descriptor_text(descriptor: &[u8]) -> String {
    let bytes = descriptor.get(5..).unwrap_or_default();
    let end = bytes
        .iter()
        .position(|byte| *byte == b'\n')
        .unwrap_or(bytes.len());
    let text: String = bytes
        .iter()
        .take(end)
        .filter(|byte| byte.is_ascii_graphic() || **byte == b' ')
        .map(|byte| char::from(*byte))
        .collect();
    text.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_screen_says_its_name_maker_and_serial_number() {
        let mut bytes = vec![0; 128];
        bytes[..8].copy_from_slice(&HEADER);
        // "DEL"
        bytes[8..10].copy_from_slice(&0x10ac_u16.to_be_bytes());
        bytes[10..12].copy_from_slice(&0xa0f2_u16.to_le_bytes());
        bytes[12..16].copy_from_slice(&77_u32.to_le_bytes());
        let plain = parse(&bytes).unwrap();
        assert_eq!(
            (
                plain.manufacturer.as_str(),
                plain.name.as_str(),
                plain.serial.as_str()
            ),
            ("DEL", "DELA0F2", "77")
        );
        bytes[72..77].copy_from_slice(&[0, 0, 0, 0xfc, 0]);
        bytes[77..90].copy_from_slice(b"DELL U2722D\n ");
        bytes[90..95].copy_from_slice(&[0, 0, 0, 0xff, 0]);
        bytes[95..108].copy_from_slice(b"7XK2P33\n     ");
        let named = parse(&bytes).unwrap();
        assert_eq!(
            (named.name.as_str(), named.serial.as_str()),
            ("DELL U2722D", "7XK2P33")
        );
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), with_header in any::<bool>()) {
            let mut bytes = bytes;
            if with_header && bytes.len() >= 8 {
                bytes[..8].copy_from_slice(&HEADER);
            }
            parse(&bytes);
        }
    }
}
