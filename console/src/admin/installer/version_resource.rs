//! Version resources of Windows programs: the texts of all translations, the best one first.

use std::collections::BTreeMap;

use super::Numbers as _;

/// A resource has few blocks; more come out of damage.
const MAX_BLOCKS: usize = 1024;
const FIXED_MARK: u32 = 0xfeef_04bd;
const ENGLISH: &str = "0409";

/// What a version resource says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct VersionTexts {
    /// Texts by translation (language and code page as eight hex digits).
    tables: BTreeMap<String, BTreeMap<String, String>>,
    /// File and product version as numbers.
    fixed: Option<([u16; 4], [u16; 4])>,
}

impl VersionTexts {
    /// Reads a resource; what is damaged is left out.
    pub(super) fn parse(bytes: &[u8]) -> Self {
        let mut texts = Self::default();
        let mut budget = MAX_BLOCKS;
        let Some(root) = block(bytes, 0).filter(|root| root.key == "VS_VERSION_INFO") else {
            return texts;
        };
        texts.fixed = fixed(root.value);
        for part in blocks(root.children, &mut budget) {
            if part.key != "StringFileInfo" {
                continue;
            }
            for table in blocks(part.children, &mut budget) {
                let values = texts.tables.entry(table.key.to_ascii_lowercase()).or_default();
                for item in blocks(table.children, &mut budget) {
                    let value = utf16(item.value);
                    if !value.is_empty() {
                        values.insert(item.key, value);
                    }
                }
            }
        }
        texts
    }

    /// A text, in English when the file has it in several languages.
    pub(super) fn get(&self, name: &str) -> &str {
        let english = self.tables.iter().filter(|(key, _)| key.starts_with(ENGLISH));
        let others = self.tables.iter().filter(|(key, _)| !key.starts_with(ENGLISH));
        english
            .chain(others)
            .find_map(|(_, values)| values.get(name))
            .map_or("", String::as_str)
    }

    /// How many languages it has.
    pub(super) fn translations(&self) -> usize {
        self.tables.len()
    }

    /// The file version as numbers with dots.
    pub(super) fn fixed_file_version(&self) -> Option<String> {
        self.fixed.map(|(file, _product)| dotted(file))
    }

    /// The product version as numbers with dots.
    pub(super) fn fixed_product_version(&self) -> Option<String> {
        self.fixed.map(|(_file, product)| dotted(product))
    }
}

struct Block<'a> {
    /// Where the next one begins.
    end: usize,
    key: String,
    value: &'a [u8],
    children: &'a [u8],
}

fn aligned(offset: usize) -> usize {
    offset.saturating_add(3) & !3
}

fn block(bytes: &[u8], at: usize) -> Option<Block<'_>> {
    let length = usize::from(bytes.u16_at(at)?);
    let value_length = usize::from(bytes.u16_at(at + 2)?);
    let is_text = bytes.u16_at(at + 4)? == 1;
    if length < 6 {
        return None;
    }
    let end = at.checked_add(length)?.min(bytes.len());
    let body = bytes.get(..end)?;
    let mut key = Vec::new();
    let mut next = at + 6;
    loop {
        let unit = body.u16_at(next)?;
        next += 2;
        if unit == 0 {
            break;
        }
        key.push(unit);
    }
    let value_at = aligned(next).min(end);
    // The length of texts counts letters; some compilers count bytes, so texts end at their zero.
    let value_end = if is_text {
        end
    } else {
        value_at.checked_add(value_length)?.min(end)
    };
    let value = body.get(value_at..value_end)?;
    let children_at = if is_text && value_length > 0 {
        end
    } else {
        aligned(value_end).min(end)
    };
    let children_at = if value_length == 0 { value_at } else { children_at };
    Some(Block {
        end,
        key: String::from_utf16_lossy(&key),
        value,
        children: body.get(children_at..)?,
    })
}

/// The blocks that lie one after the other.
fn blocks<'a>(bytes: &'a [u8], budget: &mut usize) -> Vec<Block<'a>> {
    let mut found = Vec::new();
    let mut at = 0;
    while at < bytes.len() && *budget > 0 {
        let Some(block) = block(bytes, at) else { break };
        at = aligned(block.end);
        *budget -= 1;
        found.push(block);
    }
    found
}

fn fixed(value: &[u8]) -> Option<([u16; 4], [u16; 4])> {
    (value.u32_at(0)? == FIXED_MARK).then_some(())?;
    let version = |at: usize| {
        Some([
            value.u16_at(at + 2)?,
            value.u16_at(at)?,
            value.u16_at(at + 6)?,
            value.u16_at(at + 4)?,
        ])
    };
    Some((version(8)?, version(16)?))
}

fn dotted(version: [u16; 4]) -> String {
    version.map(|member| member.to_string()).join(".")
}

fn utf16(bytes: &[u8]) -> String {
    let units: Vec<u16> = bytes
        .chunks_exact(2)
        .map(|unit| unit.u16_at(0).unwrap_or(0))
        .take_while(|unit| *unit != 0)
        .collect();
    String::from_utf16_lossy(&units).trim().to_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn built(key: &str, is_text: bool, value: &[u8], children: &[Vec<u8>]) -> Vec<u8> {
        let mut bytes = vec![0; 6];
        bytes.extend(key.encode_utf16().chain([0]).flat_map(u16::to_le_bytes));
        bytes.resize(aligned(bytes.len()), 0);
        bytes.extend(value);
        for child in children {
            bytes.resize(aligned(bytes.len()), 0);
            bytes.extend(child);
        }
        let length = bytes.len() as u16;
        let value_length = if is_text { value.len() / 2 } else { value.len() } as u16;
        bytes[..2].copy_from_slice(&length.to_le_bytes());
        bytes[2..4].copy_from_slice(&value_length.to_le_bytes());
        bytes[4..6].copy_from_slice(&u16::from(is_text).to_le_bytes());
        bytes
    }

    fn text(key: &str, value: &str) -> Vec<u8> {
        let value: Vec<u8> = value
            .encode_utf16()
            .chain([0])
            .flat_map(u16::to_le_bytes)
            .collect();
        built(key, true, &value, &[])
    }

    fn resource() -> Vec<u8> {
        let mut fixed = vec![0; 52];
        fixed[..4].copy_from_slice(&FIXED_MARK.to_le_bytes());
        fixed[8..16].copy_from_slice(&[2, 0, 1, 0, 4, 0, 3, 0]);
        let french = built(
            "040c04b0",
            true,
            &[],
            &[text("ProductName", "Outil"), text("CompanyName", "Été")],
        );
        let english = built(
            "040904B0",
            true,
            &[],
            &[text("ProductName", "Tool"), text("Empty", "")],
        );
        let strings = built("StringFileInfo", true, &[], &[french, english]);
        built("VS_VERSION_INFO", false, &fixed, &[strings])
    }

    #[test]
    fn all_translations_are_read_and_english_comes_first() {
        let texts = VersionTexts::parse(&resource());
        assert_eq!(texts.translations(), 2);
        assert_eq!(texts.get("ProductName"), "Tool");
        assert_eq!(texts.get("CompanyName"), "Été");
        assert_eq!(texts.get("Empty"), "");
        assert_eq!(texts.fixed_file_version().as_deref(), Some("1.2.3.4"));
    }

    proptest! {
        #[test]
        fn damaged_resources_are_read_as_far_as_they_go(cut in any::<prop::sample::Index>(), place in any::<prop::sample::Index>(), byte in any::<u8>()) {
            let mut bytes = resource();
            let at = place.index(bytes.len());
            bytes[at] ^= byte;
            VersionTexts::parse(&bytes);
            bytes.truncate(cut.index(bytes.len()));
            VersionTexts::parse(&bytes);
        }
    }
}
