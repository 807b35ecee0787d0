//! Windows Installer databases: properties, architecture, programs, size and icon.

use std::collections::BTreeMap;
use std::path::Path;

use fs_err::File;

use super::compound::{Compound, Stream};
use super::naming::one_line;
use super::{Bad, Installer, Kind, Numbers as _, bad, icon, pe};

/// The most bytes of one table that is read.
const MAX_TABLE: usize = 64 << 20;
const MAX_STRINGS: usize = 1 << 20;
const MAX_ICON: usize = 16 << 20;
const MAX_VALUE: usize = 4096;
const TABLE_MARK: u16 = 0x4840;
/// Letters that stream names are packed of.
const LETTERS: &[u8; 64] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz._";
/// More programs than this say nothing about which one people use.
const MAX_PROGRAMS: usize = 5;

/// The texts that tables refer to.
struct Strings {
    texts: Vec<String>,
    reference_bytes: usize,
}

impl Strings {
    fn get(&self, number: u32) -> &str {
        (number as usize)
            .checked_sub(1)
            .and_then(|index| self.texts.get(index))
            .map_or("", String::as_str)
    }
}

/// A column's cells, by their width in bytes.
struct Column {
    width: usize,
    bytes: Vec<u8>,
}

impl Column {
    fn number(&self, row: usize) -> u32 {
        let cell = self.bytes.part(row * self.width, self.width).unwrap_or_default();
        cell.iter()
            .rev()
            .fold(0, |number, byte| (number << 8) | u32::from(*byte))
    }
}

type Database = Compound<File>;

pub(super) fn read(path: &Path, file: File) -> Result<Installer, Bad> {
    let mut database = Compound::open(file)?;
    let named: BTreeMap<String, Stream> = database
        .streams
        .iter()
        .map(|stream| (stream_name(&stream.name), stream.clone()))
        .collect();
    let strings = strings(&mut database, &named)?;
    let properties = properties(&mut database, &named, &strings)?;
    let property = |name: &str| one_line(properties.get(name).map_or("", String::as_str), 300);
    if property("ProductCode").is_empty() {
        return bad("it names no product code; a patch or transform installs nothing by itself");
    }
    let summary = summary(&mut database, &named)?;
    let template = summary.get(&7).cloned().unwrap_or_default();
    let platform = template
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase();

    let mut found = Installer::new(path, Kind::Msi);
    found.product = property("ProductName");
    found.short_name.clone_from(&found.product);
    found.version = property("ProductVersion");
    found.publisher = property("Manufacturer");
    found.description = description(&summary, &property("ARPCOMMENTS"), &found.product);
    found.homepage = [property("ARPURLINFOABOUT"), property("ARPHELPLINK")]
        .into_iter()
        .find(|address| address.starts_with("http"))
        .unwrap_or_default();
    found.uninstall_key = Some(property("ProductCode"));
    found.silent_flags = Some("/q /norestart".to_owned());
    match platform.as_str() {
        "x64" | "amd64" | "intel64" => found.architecture = "x64",
        "arm64" => {
            found.ask("it is for ARM64, for which packages have no architecture: make sure that only such machines get it");
        }
        _ => {}
    }
    found.fact("platform", one_line(&template, 60));
    found.fact("language", language(&property("ProductLanguage")));
    found.fact("product code", property("ProductCode"));
    found.fact("upgrade code", property("UpgradeCode"));
    if property("ALLUSERS").is_empty() {
        found.ask("it does not say that it installs for all users; try it, and give ALLUSERS=1 among the properties if not");
    }
    let (programs, size) = files(&mut database, &named, &strings)?;
    found.programs = programs;
    found.installed_size = size;
    found.icon = icon_of(&mut database, &named, &strings, &property("ARPPRODUCTICON"))?;
    Ok(found)
}

/// Unpacks a stream name; tables are marked by a leading `!`.
fn stream_name(units: &[u16]) -> String {
    let mut name = String::new();
    let letter = |index: u16| {
        LETTERS
            .get(usize::from(index & 0x3f))
            .map_or('?', |letter| char::from(*letter))
    };
    for unit in units {
        match *unit {
            TABLE_MARK => name.push('!'),
            packed @ 0x3800..0x4800 => name.extend([letter(packed - 0x3800), letter((packed - 0x3800) >> 6)]),
            single @ 0x4800..0x4840 => name.push(letter(single - 0x4800)),
            plain => name.push(char::from_u32(u32::from(plain)).unwrap_or('?')),
        }
    }
    name
}

fn stream(database: &mut Database, named: &BTreeMap<String, Stream>, name: &str) -> Result<Vec<u8>, Bad> {
    match named.get(name) {
        Some(stream) => database.read(stream, MAX_TABLE),
        None => Ok(Vec::new()),
    }
}

fn strings(database: &mut Database, named: &BTreeMap<String, Stream>) -> Result<Strings, Bad> {
    let pool = stream(database, named, "!_StringPool")?;
    let data = stream(database, named, "!_StringData")?;
    let Some(head) = pool.u32_at(0) else {
        return bad("it has no table of texts");
    };
    let decode = decoder(head & 0x7fff_ffff);
    let mut texts = Vec::new();
    let (mut at, mut offset) = (4, 0);
    while let (Some(length), Some(references)) = (pool.u16_at(at), pool.u16_at(at + 2)) {
        at += 4;
        let length = if length == 0 && references > 0 {
            at += 4;
            pool.u32_at(at - 4).unwrap_or(0) as usize
        } else {
            usize::from(length)
        };
        let Some(bytes) = data.part(offset, length) else {
            return bad("its table of texts is cut");
        };
        offset += length;
        texts.push(decode(bytes));
        if texts.len() > MAX_STRINGS {
            return bad("it has too many texts");
        }
    }
    Ok(Strings {
        texts,
        reference_bytes: if head & 0x8000_0000 == 0 { 2 } else { 3 },
    })
}

/// Reads bytes of a Windows code page; unknown ones as Western European.
fn decoder(code_page: u32) -> impl Fn(&[u8]) -> String {
    let known = i32::try_from(code_page)
        .ok()
        .filter(|number| *number != 0)
        .and_then(msi::CodePage::from_id)
        .unwrap_or(msi::CodePage::Windows1252);
    move |bytes| {
        if bytes.is_ascii() {
            String::from_utf8_lossy(bytes).into_owned()
        } else {
            known.decode(bytes)
        }
    }
}

/// Cuts a table, stored column after column, by the widths of its columns.
fn columns(bytes: &[u8], widths: &[usize]) -> (usize, Vec<Column>) {
    let rows = bytes.len() / widths.iter().sum::<usize>().max(1);
    let mut offset = 0;
    let columns = widths
        .iter()
        .map(|width| {
            let part = bytes.part(offset, rows * width).unwrap_or_default().to_vec();
            offset += rows * width;
            Column {
                width: *width,
                bytes: part,
            }
        })
        .collect();
    (rows, columns)
}

fn properties(
    database: &mut Database,
    named: &BTreeMap<String, Stream>,
    strings: &Strings,
) -> Result<BTreeMap<String, String>, Bad> {
    let bytes = stream(database, named, "!Property")?;
    let width = strings.reference_bytes;
    let (rows, columns) = columns(&bytes, &[width, width]);
    let [names, values] = columns.as_slice() else {
        return Ok(BTreeMap::new());
    };
    Ok((0..rows)
        .map(|row| {
            let value: String = strings.get(values.number(row)).chars().take(MAX_VALUE).collect();
            (strings.get(names.number(row)).to_owned(), value)
        })
        .collect())
}

/// Names of the programs it installs, and how much it installs.
fn files(
    database: &mut Database,
    named: &BTreeMap<String, Stream>,
    strings: &Strings,
) -> Result<(Vec<String>, Option<u64>), Bad> {
    let bytes = stream(database, named, "!File")?;
    let text = strings.reference_bytes;
    let sequence = column_width(database, named, strings, "File", "Sequence")?.unwrap_or(4);
    let widths = [text, text, text, 4, text, text, 2, sequence];
    let (rows, columns) = columns(&bytes, &widths);
    let [_key, _component, names, sizes, ..] = columns.as_slice() else {
        return Ok((Vec::new(), None));
    };
    let mut programs = Vec::new();
    let mut total = 0;
    for row in 0..rows {
        // Numbers are stored with their sign turned, so that 0 means absent.
        total += u64::from(sizes.number(row) ^ 0x8000_0000);
        let name = strings.get(names.number(row));
        let long = name.rsplit('|').next().unwrap_or(name);
        if let Some(program) = program_name(long) {
            programs.push(program);
        }
    }
    programs.sort();
    programs.dedup();
    if programs.len() > MAX_PROGRAMS {
        programs.clear();
    }
    // A sum beyond any disk comes out of a damaged table.
    Ok((programs, Some(total).filter(|total| (1..1 << 40).contains(total))))
}

/// The process to look for when this file is a program that people use.
pub(super) fn program_name(file: &str) -> Option<String> {
    let stem = file.get(..file.len().checked_sub(4)?)?;
    let extension = file.get(file.len() - 4..)?;
    let lower = stem.to_ascii_lowercase();
    let is_helper = [
        "unins", "setup", "install", "update", "crash", "helper", "redist", "report",
    ]
    .iter()
    .any(|word| lower.contains(word));
    let is_plain = !stem.is_empty()
        && stem.len() <= 60
        && stem
            .chars()
            .all(|letter| letter.is_alphanumeric() || matches!(letter, '-' | '_' | '.' | '+' | ' '));
    (extension.eq_ignore_ascii_case(".exe") && is_plain && !is_helper).then(|| stem.to_owned())
}

/// The width of a column of numbers in the tables of this file.
fn column_width(
    database: &mut Database,
    named: &BTreeMap<String, Stream>,
    strings: &Strings,
    table: &str,
    column: &str,
) -> Result<Option<usize>, Bad> {
    let bytes = stream(database, named, "!_Columns")?;
    let text = strings.reference_bytes;
    let (rows, columns) = columns(&bytes, &[text, 2, text, 2]);
    let [tables, _numbers, names, types] = columns.as_slice() else {
        return Ok(None);
    };
    Ok((0..rows)
        .find(|row| strings.get(tables.number(*row)) == table && strings.get(names.number(*row)) == column)
        .map(|row| if types.number(row) & 0xff == 2 { 2 } else { 4 }))
}

/// The summary's texts by their number.
fn summary(database: &mut Database, named: &BTreeMap<String, Stream>) -> Result<BTreeMap<u32, String>, Bad> {
    let bytes = stream(database, named, "\u{5}SummaryInformation")?;
    let mut texts = BTreeMap::new();
    let section = bytes.u32_at(44).unwrap_or(0) as usize;
    let Some(set) = bytes.get(section..) else {
        return Ok(texts);
    };
    let count = set.u32_at(4).unwrap_or(0).min(64) as usize;
    let place = |wanted: usize| set.u32_at(12 + wanted * 8).unwrap_or(u32::MAX) as usize;
    let numbers: Vec<u32> = (0..count)
        .map(|item| set.u32_at(8 + item * 8).unwrap_or(0))
        .collect();
    let code_page = numbers
        .iter()
        .position(|number| *number == 1)
        .and_then(|item| set.u16_at(place(item).checked_add(4)?))
        .unwrap_or(0);
    let decode = decoder(u32::from(code_page));
    for (item, number) in numbers.into_iter().enumerate() {
        let at = place(item);
        let value = (set.u32_at(at) == Some(30))
            .then(|| {
                set.part(
                    at.checked_add(8)?,
                    set.u32_at(at.checked_add(4)?)?.min(4096) as usize,
                )
            })
            .flatten();
        if let Some(value) = value {
            texts.insert(number, decode(value).trim_end_matches('\0').to_owned());
        }
    }
    Ok(texts)
}

/// What the summary tells beyond what every one of them says.
fn description(summary: &BTreeMap<u32, String>, comments: &str, product: &str) -> String {
    let says_nothing = |text: &str| {
        text.is_empty()
            || text.eq_ignore_ascii_case("Installation Database")
            || text.starts_with("This installer database contains the logic and data")
    };
    let subject = summary
        .get(&3)
        .map(|text| one_line(text, 300))
        .unwrap_or_default();
    let summary_comments = summary
        .get(&6)
        .map(|text| one_line(text, 300))
        .unwrap_or_default();
    [comments.to_owned(), summary_comments, subject]
        .into_iter()
        .find(|text| !says_nothing(text))
        .unwrap_or_else(|| product.to_owned())
}

fn language(number: &str) -> String {
    match number.parse::<u16>() {
        Ok(0) | Err(_) => number.to_owned(),
        Ok(code) => match msi::LanguageId::from_id(code).tag() {
            "und" => number.to_owned(),
            tag => format!("{number} ({tag})"),
        },
    }
}

/// The icon that the list of installed software would show, else the first that can be drawn.
fn icon_of(
    database: &mut Database,
    named: &BTreeMap<String, Stream>,
    strings: &Strings,
    wanted: &str,
) -> Result<Option<Vec<u8>>, Bad> {
    let bytes = stream(database, named, "!Icon")?;
    let (rows, columns) = columns(&bytes, &[strings.reference_bytes, 2]);
    let mut names: Vec<String> = columns
        .first()
        .map(|names| {
            (0..rows)
                .map(|row| strings.get(names.number(row)).to_owned())
                .collect()
        })
        .unwrap_or_default();
    names.sort_by_key(|name| name != wanted);
    for name in names.iter().take(16) {
        let Some(stream) = named.get(&format!("Icon.{name}")) else {
            continue;
        };
        let bytes = database.read(stream, MAX_ICON)?;
        // Icons are kept as .ico files or as programs that hold one.
        let drawn = if bytes.starts_with(b"MZ") {
            pe::Image::parse(&bytes).ok().and_then(|image| image.icon())
        } else {
            icon::from_ico(&bytes)
        };
        if drawn.is_some() {
            return Ok(drawn);
        }
    }
    Ok(None)
}
