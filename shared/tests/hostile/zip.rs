//! Archives made by hand, which may lie about everything.

/// One entry of a hand-made zip; sizes may be lies.
#[derive(Clone)]
pub(crate) struct Member {
    pub(crate) name: Vec<u8>,
    pub(crate) local_name: Vec<u8>,
    pub(crate) data: Vec<u8>,
    pub(crate) claimed_size: u32,
    pub(crate) flags: u16,
    pub(crate) method: u16,
    pub(crate) mode: u32,
    pub(crate) offset_shift: u32,
}

pub(crate) fn member(name: &str, data: &[u8]) -> Member {
    Member {
        name: name.into(),
        local_name: name.into(),
        data: data.to_vec(),
        claimed_size: data.len() as u32,
        flags: if name.is_ascii() { 0 } else { 0x800 },
        method: 0,
        mode: 0o100_644,
        offset_shift: 0,
    }
}

pub(crate) fn control() -> Member {
    member(
        "WAPT/control",
        b"package : x\nversion : 1\narchitecture : all\nsection : base\npriority : optional",
    )
}

pub(crate) fn zip(members: &[Member]) -> Vec<u8> {
    let mut file = Vec::new();
    let mut directory = Vec::new();
    for one in members {
        let offset = file.len() as u32;
        let mut common = Vec::new();
        common.extend(20_u16.to_le_bytes());
        common.extend(one.flags.to_le_bytes());
        common.extend(one.method.to_le_bytes());
        common.extend([0; 4]);
        common.extend(crc(&one.data).to_le_bytes());
        common.extend((one.data.len() as u32).to_le_bytes());
        common.extend(one.claimed_size.to_le_bytes());
        file.extend(b"PK\x03\x04");
        file.extend(&common);
        file.extend((one.local_name.len() as u16).to_le_bytes());
        file.extend([0; 2]);
        file.extend(&one.local_name);
        file.extend(&one.data);
        directory.extend(b"PK\x01\x02");
        directory.extend([20, 3]);
        directory.extend(&common);
        directory.extend((one.name.len() as u16).to_le_bytes());
        directory.extend([0; 8]);
        directory.extend((one.mode << 16).to_le_bytes());
        directory.extend((offset - one.offset_shift).to_le_bytes());
        directory.extend(&one.name);
    }
    end(file, &directory, members.len() as u16)
}

pub(crate) fn end(mut file: Vec<u8>, directory: &[u8], count: u16) -> Vec<u8> {
    let start = file.len() as u32;
    file.extend(directory);
    file.extend(b"PK\x05\x06\0\0\0\0");
    file.extend(count.to_le_bytes());
    file.extend(count.to_le_bytes());
    file.extend((directory.len() as u32).to_le_bytes());
    file.extend(start.to_le_bytes());
    file.extend([0; 2]);
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
