//! RPM packages: the tags of the header. Names and numbers of the tags are those of the RPM file format.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;

use fs_err::File;

use super::naming::one_line;
use super::{Bad, Installer, Kind, bad};

const LEAD_BYTES: usize = 96;
const MAX_ENTRIES: u32 = 65_536;
/// Real headers, with the list of all files, reach some tens of megabytes.
const MAX_STORE: u32 = 128 << 20;

const NAME: u32 = 1000;
const VERSION: u32 = 1001;
const RELEASE: u32 = 1002;
const SUMMARY: u32 = 1004;
const SIZE: u32 = 1009;
const VENDOR: u32 = 1011;
const LICENCE: u32 = 1014;
const PACKAGER: u32 = 1015;
const URL: u32 = 1020;
const ARCH: u32 = 1022;
const SOURCE_RPM: u32 = 1044;
const REQUIRE_NAME: u32 = 1049;
const LONG_SIZE: u32 = 5009;

/// The values of a header by their tag: kind, count, bytes from their start on.
struct Header {
    entries: BTreeMap<u32, (u32, u32, usize)>,
    store: Vec<u8>,
}

pub(super) fn read(path: &Path, mut file: File) -> Result<Installer, Bad> {
    // The file was read a little to know its kind.
    std::io::Seek::rewind(&mut file)?;
    let mut file = std::io::BufReader::new(file);
    exactly(&mut file, LEAD_BYTES)?;
    let signatures = header(&mut file)?;
    exactly(&mut file, (8 - signatures.store.len() % 8) % 8)?;
    let header = header(&mut file)?;
    let text = |tag| one_line(&header.text(tag), 300);
    if text(NAME).is_empty() || text(VERSION).is_empty() {
        return bad("its header names no package or no version");
    }
    if text(SOURCE_RPM).is_empty() {
        return bad("it is a source package, which installs nothing");
    }
    let mut found = Installer::new(path, Kind::Rpm);
    found.short_name = text(NAME);
    found.product.clone_from(&found.short_name);
    found.version = match text(RELEASE) {
        release if release.is_empty() => text(VERSION),
        release => format!("{}-{release}", text(VERSION)),
    };
    found.publisher = [text(VENDOR), text(PACKAGER)]
        .into_iter()
        .find(|text| !text.is_empty() && text != "(none)")
        .unwrap_or_default();
    found.description = text(SUMMARY);
    found.homepage = text(URL);
    found.licence = text(LICENCE);
    found.uninstall_key = Some(found.short_name.clone());
    found.installed_size = header.number(LONG_SIZE).or_else(|| header.number(SIZE));
    match text(ARCH).as_str() {
        "x86_64" | "x86_64_v2" => found.architecture = "x64",
        "i386" | "i486" | "i586" | "i686" => found.architecture = "x86",
        "noarch" => {}
        other => {
            let question = format!(
                "it is for {other}, for which packages have no architecture: make sure that only such machines get it"
            );
            found.ask(question);
        }
    }
    found.fact("architecture", text(ARCH));
    let needs: Vec<String> = header
        .texts(REQUIRE_NAME)
        .into_iter()
        .filter(|name| !name.starts_with("rpmlib(") && !name.starts_with('/') && !name.contains(".so"))
        .collect();
    found.fact("needs", one_line(&needs.join(", "), 1000));
    Ok(found)
}

fn exactly(reader: &mut impl Read, length: usize) -> Result<Vec<u8>, Bad> {
    let mut bytes = Vec::new();
    reader.take(length as u64).read_to_end(&mut bytes)?;
    if bytes.len() == length {
        Ok(bytes)
    } else {
        bad("it ends too early")
    }
}

fn header(reader: &mut impl Read) -> Result<Header, Bad> {
    let intro = exactly(reader, 16)?;
    let (count, size) = (big(&intro, 8).unwrap_or(0), big(&intro, 12).unwrap_or(0));
    if !intro.starts_with(&[0x8e, 0xad, 0xe8]) {
        return bad("one of its headers does not begin as one");
    }
    if count > MAX_ENTRIES || size > MAX_STORE {
        return bad("one of its headers is too large");
    }
    let index = exactly(reader, count as usize * 16)?;
    let store = exactly(reader, size as usize)?;
    let entries = index
        .chunks_exact(16)
        .filter_map(|entry| {
            let offset = big(entry, 8)? as usize;
            (offset < store.len()).then_some((big(entry, 0)?, (big(entry, 4)?, big(entry, 12)?, offset)))
        })
        .collect();
    Ok(Header { entries, store })
}

/// A big-endian number.
fn big(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at + 4)?.try_into().ok().map(u32::from_be_bytes)
}

impl Header {
    /// The texts of a tag; the first one of translated texts is the untranslated.
    fn texts(&self, tag: u32) -> Vec<String> {
        let Some((kind @ (6 | 8 | 9), count, offset)) = self.entries.get(&tag).copied() else {
            return Vec::new();
        };
        let count = if kind == 6 { 1 } else { count.min(MAX_ENTRIES) };
        self.store
            .get(offset..)
            .unwrap_or_default()
            .split(|byte| *byte == 0)
            .take(count as usize)
            .map(|text| String::from_utf8_lossy(text).into_owned())
            .collect()
    }

    fn text(&self, tag: u32) -> String {
        self.texts(tag).into_iter().next().unwrap_or_default()
    }

    fn number(&self, tag: u32) -> Option<u64> {
        match self.entries.get(&tag)? {
            (4, _, offset) => big(&self.store, *offset).map(u64::from),
            (5, _, offset) => {
                let (high, low) = (big(&self.store, *offset)?, big(&self.store, *offset + 4)?);
                Some((u64::from(high) << 32) | u64::from(low))
            }
            _ => None,
        }
    }
}
