//! Windows programs: machine, sections and the resources that show who they are.

use std::io::{Read, Seek, SeekFrom};

use super::icon::{self, Candidate};
use super::version_resource::VersionTexts;
use super::{Bad, Numbers as _, bad, read_at};

/// Headers end before this in any program.
const HEADER_BYTES: u64 = 64 << 10;
/// The most bytes of sections that are read; what an installer appends lies behind them.
const MAX_IMAGE: u64 = 256 << 20;
const MAX_SECTIONS: usize = 96;
const MAX_RESOURCES: usize = 4096;
const SECTION_BYTES: usize = 40;
const RT_ICON: u32 = 3;
const RT_GROUP_ICON: u32 = 14;
const RT_VERSION: u32 = 16;
const RT_MANIFEST: u32 = 24;
const IS_FOLDER: u32 = 0x8000_0000;

/// A section of the program.
#[derive(Debug, Clone)]
pub(super) struct Section {
    pub(super) name: String,
    address: u32,
    virtual_size: u32,
    raw: u32,
    raw_size: u32,
}

/// A program whose headers were read.
#[derive(Debug)]
pub(super) struct Image<'a> {
    bytes: &'a [u8],
    pub(super) machine: u16,
    pub(super) sections: Vec<Section>,
    /// Place of the resources in memory and in the file.
    resources: Option<usize>,
}

/// The headers and sections of a program file, without what is appended to them.
pub(super) fn load<R: Read + Seek>(reader: &mut R) -> Result<Vec<u8>, Bad> {
    let length = reader.seek(SeekFrom::End(0))?;
    let header = read_at(reader, 0, usize::try_from(length.min(HEADER_BYTES)).unwrap_or(0))?;
    let end = Image::parse(&header)?
        .sections
        .iter()
        .map(|section| u64::from(section.raw) + u64::from(section.raw_size))
        .max()
        .unwrap_or(0);
    if end > length {
        return bad("its sections end behind its end");
    }
    read_at(
        reader,
        0,
        usize::try_from(end.min(length).min(MAX_IMAGE).max(header.len() as u64)).unwrap_or(0),
    )
}

impl<'a> Image<'a> {
    pub(super) fn parse(bytes: &'a [u8]) -> Result<Self, Bad> {
        Self::try_parse(bytes).map_or_else(|| bad("its headers are not those of a Windows program"), Ok)
    }

    fn try_parse(bytes: &'a [u8]) -> Option<Self> {
        let header = bytes.u32_at(0x3c)? as usize;
        if !bytes.starts_with(b"MZ") || bytes.part(header, 4)? != b"PE\0\0" {
            return None;
        }
        let machine = bytes.u16_at(header + 4)?;
        let count = usize::from(bytes.u16_at(header + 6)?).min(MAX_SECTIONS);
        let optional = header + 24;
        let table = optional + usize::from(bytes.u16_at(header + 20)?);
        let directories = match bytes.u16_at(optional)? {
            0x10b => optional + 96,
            0x20b => optional + 112,
            _ => return None,
        };
        let resources_address = bytes
            .u32_at(directories + 16)
            .filter(|_| directories + 24 <= table);
        let sections: Vec<Section> = (0..count)
            .map_while(|number| {
                let entry = bytes.part(table + number * SECTION_BYTES, SECTION_BYTES)?;
                let name = entry.get(..8)?;
                Some(Section {
                    name: String::from_utf8_lossy(name).trim_end_matches('\0').to_owned(),
                    virtual_size: entry.u32_at(8)?,
                    address: entry.u32_at(12)?,
                    raw_size: entry.u32_at(16)?,
                    raw: entry.u32_at(20)?,
                })
            })
            .collect();
        let mut image = Self {
            bytes,
            machine,
            sections,
            resources: None,
        };
        image.resources = resources_address
            .filter(|address| *address != 0)
            .and_then(|address| image.offset(address));
        Some(image)
    }

    /// The architecture word of its machine; `None` for ARM and what is rarer.
    pub(super) fn architecture(&self) -> Option<&'static str> {
        match self.machine {
            0x014c => Some("x86"),
            0x8664 => Some("x64"),
            _ => None,
        }
    }

    /// The bytes of a section.
    pub(super) fn section(&self, name: &str) -> Option<&'a [u8]> {
        let section = self.sections.iter().find(|section| section.name == name)?;
        self.bytes.part(section.raw as usize, section.raw_size as usize)
    }

    /// What its version resource says; empty without one.
    pub(super) fn version(&self) -> VersionTexts {
        self.of_type(RT_VERSION)
            .first()
            .map(|(_, bytes)| VersionTexts::parse(bytes))
            .unwrap_or_default()
    }

    /// The text of its manifest; empty without one.
    pub(super) fn manifest(&self) -> String {
        self.of_type(RT_MANIFEST)
            .first()
            .map(|(_, bytes)| {
                String::from_utf8_lossy(bytes.get(..bytes.len().min(64 << 10)).unwrap_or_default())
                    .into_owned()
            })
            .unwrap_or_default()
    }

    /// The icon that a file manager shows.
    pub(super) fn icon(&self) -> Option<Vec<u8>> {
        let pictures = self.of_type(RT_ICON);
        self.of_type(RT_GROUP_ICON).iter().find_map(|(_, group)| {
            let count = usize::from(group.u16_at(4)?);
            let candidates: Vec<Candidate<'_>> = (0..count.min(64))
                .filter_map(|number| {
                    let entry = group.part(6 + number * 14, 14)?;
                    let wanted = u32::from(entry.u16_at(12)?);
                    let (_, bytes) = pictures.iter().find(|(id, _)| *id == wanted)?;
                    Some(Candidate {
                        side: icon::side(entry.first().copied()?),
                        bits: entry.u16_at(6)?,
                        bytes,
                    })
                })
                .collect();
            icon::from_candidates(candidates)
        })
    }

    fn offset(&self, address: u32) -> Option<usize> {
        self.sections.iter().find_map(|section| {
            let within = address.checked_sub(section.address)?;
            (within < section.virtual_size.max(section.raw_size))
                .then(|| (section.raw as usize).checked_add(within as usize))
                .flatten()
        })
    }

    /// Numbers and bytes of the resources of a type, each in its first language.
    fn of_type(&self, wanted: u32) -> Vec<(u32, &'a [u8])> {
        let Some(base) = self.resources else {
            return Vec::new();
        };
        let kinds = self.folder(base, 0);
        let Some((_, kind)) = kinds.iter().find(|(id, _)| *id == wanted) else {
            return Vec::new();
        };
        if kind & IS_FOLDER == 0 {
            return Vec::new();
        }
        self.folder(base, kind & !IS_FOLDER)
            .into_iter()
            .filter_map(|(id, mut entry)| {
                if entry & IS_FOLDER != 0 {
                    entry = self.folder(base, entry & !IS_FOLDER).first()?.1;
                }
                if entry & IS_FOLDER != 0 {
                    return None;
                }
                let data = base.checked_add(entry as usize)?;
                let start = self.offset(self.bytes.u32_at(data)?)?;
                let length = self.bytes.u32_at(data.checked_add(4)?)? as usize;
                Some((id, self.bytes.part(start, length)?))
            })
            .collect()
    }

    /// The entries of a resource folder: number (or mark of a name) and where it leads.
    fn folder(&self, base: usize, at: u32) -> Vec<(u32, u32)> {
        let Some(start) = base.checked_add(at as usize) else {
            return Vec::new();
        };
        let counts = (
            self.bytes.u16_at(start.saturating_add(12)),
            self.bytes.u16_at(start.saturating_add(14)),
        );
        let (Some(named), Some(numbered)) = counts else {
            return Vec::new();
        };
        let count = (usize::from(named) + usize::from(numbered)).min(MAX_RESOURCES);
        (0..count)
            .map_while(|number| {
                let entry = start.checked_add(16 + number * 8)?;
                Some((self.bytes.u32_at(entry)?, self.bytes.u32_at(entry + 4)?))
            })
            .collect()
    }
}
