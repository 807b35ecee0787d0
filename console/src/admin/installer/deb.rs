//! Debian packages: the control file, and the icon out of the files.

use std::io::{BufReader, Read, Seek as _, SeekFrom};
use std::path::Path;

use flate2::read::MultiGzDecoder;
use fs_err::File;
use lzma_rust2::XzReader;

use super::naming::one_line;
use super::{Bad, Installer, Kind, bad, icon};

const MAX_MEMBERS: usize = 16;
const MAX_CONTROL: u64 = 4 << 20;
/// What is unpacked in search of an icon, at most.
const MAX_UNPACKED: u64 = 64 << 20;
/// The longest name of a file that is read, with what a tar keeps beside it, in bytes.
const MAX_NAME: u64 = 4 << 10;
const MAX_FILES: usize = 200_000;
const MAX_ICON: u64 = 2 << 20;
/// Memory that a compressed member may ask for.
const MAX_WINDOW_KIB: u32 = 128 << 10;
const MAX_WINDOW_LOG: u32 = 27;

/// A file inside the `ar` container.
struct Member {
    name: String,
    offset: u64,
    size: u64,
}

pub(super) fn read(path: &Path, mut file: File) -> Result<Installer, Bad> {
    let members = members(&mut file)?;
    let Some(control) = members
        .iter()
        .find(|member| member.name.starts_with("control.tar"))
    else {
        return bad("it has no control archive");
    };
    let text = control_text(&mut file, control)?;
    let field = |name: &str| one_line(field(&text, name), 300);
    if field("Package").is_empty() || field("Version").is_empty() {
        return bad("its control file names no package or no version");
    }
    let mut found = Installer::new(path, Kind::Deb);
    found.short_name = field("Package");
    found.product.clone_from(&found.short_name);
    found.version = field("Version");
    found.publisher = publisher(&field("Maintainer"));
    found.description = one_line(
        self::field(&text, "Description")
            .lines()
            .next()
            .unwrap_or_default(),
        300,
    );
    found.homepage = field("Homepage");
    found.uninstall_key = Some(found.short_name.clone());
    found.installed_size = field("Installed-Size")
        .parse::<u64>()
        .ok()
        .and_then(|kib| kib.checked_mul(1024));
    match field("Architecture").as_str() {
        "amd64" => found.architecture = "x64",
        "i386" => found.architecture = "x86",
        "all" => {}
        other => {
            let question = format!(
                "it is for {other}, for which packages have no architecture: make sure that only such machines get it"
            );
            found.ask(question);
        }
    }
    found.fact("architecture", field("Architecture"));
    found.fact("maintainer", field("Maintainer"));
    for (label, name) in [
        ("needs", "Depends"),
        ("needs first", "Pre-Depends"),
        ("conflicts", "Conflicts"),
    ] {
        found.fact(label, one_line(self::field(&text, name), 1000));
    }
    if let Some(data) = members.iter().find(|member| member.name.starts_with("data.tar")) {
        found.icon = icon_of(&mut file, data, &found.short_name)?;
    } else {
        return bad("it has no archive of files");
    }
    Ok(found)
}

fn members(file: &mut File) -> Result<Vec<Member>, Bad> {
    let length = file.seek(SeekFrom::End(0))?;
    let mut members = Vec::new();
    let mut offset = 8;
    while offset + 60 <= length && members.len() < MAX_MEMBERS {
        let header = super::read_at(file, offset, 60)?;
        let part = |range: std::ops::Range<usize>| {
            String::from_utf8_lossy(header.get(range).unwrap_or_default())
                .trim()
                .to_owned()
        };
        let size = part(48..58)
            .parse::<u64>()
            .ok()
            .filter(|size| *size <= length - offset - 60);
        let (Some(size), Some(b"`\n")) = (size, header.get(58..60)) else {
            return bad("one of its parts is cut or has no size");
        };
        members.push(Member {
            name: part(0..16).trim_end_matches('/').to_owned(),
            offset: offset + 60,
            size,
        });
        // Parts begin at even places.
        offset += 60 + size + size % 2;
    }
    Ok(members)
}

/// The unpacked bytes of a member.
fn unpacked<'a>(file: &'a mut File, member: &Member) -> Result<Box<dyn Read + 'a>, Bad> {
    file.seek(SeekFrom::Start(member.offset))?;
    let packed = BufReader::new(file.take(member.size));
    let kind = member.name.rsplit_once(".tar").map_or("", |(_, kind)| kind);
    Ok(match kind {
        "" => Box::new(packed),
        ".gz" => Box::new(MultiGzDecoder::new(packed)),
        ".xz" => Box::new(XzReader::new_mem_limit(packed, true, MAX_WINDOW_KIB)),
        ".zst" => {
            let mut decoder = zstd::Decoder::with_buffer(packed)?;
            decoder.window_log_max(MAX_WINDOW_LOG)?;
            Box::new(decoder)
        }
        other => {
            return bad(format!(
                "its parts are packed with {other}, which is not read here"
            ));
        }
    })
}

fn control_text(file: &mut File, member: &Member) -> Result<String, Bad> {
    let mut archive = tar::Archive::new(unpacked(file, member)?.take(MAX_CONTROL));
    for entry in archive.entries()?.take(MAX_FILES) {
        let entry = entry?;
        if plain_path(&entry.path_bytes()) == "control" {
            let mut bytes = Vec::new();
            entry.take(MAX_CONTROL).read_to_end(&mut bytes)?;
            return Ok(String::from_utf8_lossy(&bytes).into_owned());
        }
    }
    bad("its control archive holds no control file")
}

fn plain_path(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    text.trim_start_matches("./").trim_start_matches('/').to_owned()
}

/// The value of a field of the first paragraph, with its further lines.
fn field<'a>(control: &'a str, name: &str) -> &'a str {
    let mut start = 0;
    for line in control.split_inclusive('\n') {
        let here = start;
        start += line.len();
        if line.trim().is_empty() {
            break;
        }
        let Some((key, first)) = line.split_once(':') else {
            continue;
        };
        if key.starts_with([' ', '\t']) || !key.trim().eq_ignore_ascii_case(name) {
            continue;
        }
        let value_start = here + key.len() + 1;
        let further: usize = control
            .get(start..)
            .unwrap_or_default()
            .split_inclusive('\n')
            .take_while(|line| line.starts_with([' ', '\t']))
            .map(str::len)
            .sum();
        return control
            .get(value_start..value_start + first.len() + further)
            .unwrap_or_default()
            .trim();
    }
    ""
}

/// `Name <address>` without the address.
fn publisher(maintainer: &str) -> String {
    maintainer
        .split('<')
        .next()
        .unwrap_or(maintainer)
        .trim()
        .to_owned()
}

/// The largest picture of the program itself, in what is unpacked.
fn icon_of(file: &mut File, member: &Member, package: &str) -> Result<Option<Vec<u8>>, Bad> {
    icon_in(unpacked(file, member)?, package)
}

fn icon_in(files: impl Read, package: &str) -> Result<Option<Vec<u8>>, Bad> {
    // Headers behind the last file that is looked at are still read.
    let mut archive = tar::Archive::new(files.take(MAX_UNPACKED + (64 << 10)));
    let mut best: Option<((bool, u32), Vec<u8>)> = None;
    let mut long_name = None;
    // Raw: the library would read long names into memory, whatever their size.
    for entry in archive.entries()?.raw(true).take(MAX_FILES) {
        // An icon is not worth refusing a package that is cut behind its control archive… but files that
        // cannot be unpacked here cannot be installed either.
        let mut entry = entry?;
        if entry.raw_file_position().saturating_add(entry.size()) > MAX_UNPACKED {
            break;
        }
        let kind = entry.header().entry_type();
        if kind.is_gnu_longname() || kind.is_pax_local_extensions() {
            if entry.size() > MAX_NAME {
                return bad("a name in its archive of files is longer than any system allows");
            }
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes)?;
            if kind.is_gnu_longname() {
                bytes.retain(|byte| *byte != 0);
                long_name = Some(bytes);
            } else if let Some(name) = pax_path(&bytes) {
                long_name = Some(name);
            }
            continue;
        }
        if kind.is_gnu_longlink() {
            continue;
        }
        let path = match long_name.take() {
            Some(name) => plain_path(&name),
            None => plain_path(&entry.header().path_bytes()),
        };
        let Some(rank) = icon_rank(&path, package).filter(|_| entry.size() <= MAX_ICON) else {
            continue;
        };
        if best.as_ref().is_some_and(|(known, _)| *known >= rank) {
            continue;
        }
        let mut bytes = Vec::new();
        entry.take(MAX_ICON).read_to_end(&mut bytes)?;
        if let Some(icon) = icon::from_png(&bytes) {
            best = Some((rank, icon));
        }
    }
    Ok(best.map(|(_, icon)| icon))
}

/// The name that a pax header gives the next file.
fn pax_path(header: &[u8]) -> Option<Vec<u8>> {
    let fields = tar::PaxExtensions::new(header).filter_map(Result::ok);
    let paths = fields.filter(|field| field.key_bytes() == b"path");
    paths.last().map(|field| field.value_bytes().to_vec())
}

/// How good a file is as the icon: named as the package, then its size in pixels.
fn icon_rank(path: &str, package: &str) -> Option<(bool, u32)> {
    let stem = path.strip_suffix(".png")?.rsplit('/').next()?;
    let is_named =
        stem.eq_ignore_ascii_case(package) || package.to_lowercase().starts_with(&stem.to_lowercase());
    if path.starts_with("usr/share/pixmaps/") {
        return Some((is_named, icon::SIDE));
    }
    let theme = path.strip_prefix("usr/share/icons/")?;
    let mut parts = theme.split('/').skip(1);
    let side = parts.next()?.split('x').next()?.parse::<u32>().ok()?;
    (parts.next() == Some("apps")).then_some((is_named, side))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_have_further_lines_and_end_with_the_paragraph() {
        let control = "Package: a\nDepends: b,\n c\nDescription: short\n long\n\nVersion: 2\n";
        assert_eq!(field(control, "package"), "a");
        assert_eq!(field(control, "Depends"), "b,\n c");
        assert_eq!(field(control, "Description"), "short\n long");
        assert_eq!(field(control, "Version"), "");
    }

    /// A tar of one member of zeros, as large as it says.
    fn zeros(kind: tar::EntryType, size: u64) -> impl Read {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_path("usr/share/pixmaps/a.bin").unwrap();
        header.set_size(size);
        header.set_cksum();
        let bytes = header.as_bytes().to_vec();
        std::io::Cursor::new(bytes).chain(std::io::repeat(0).take(size.next_multiple_of(512) + 1024))
    }

    #[test]
    fn huge_names_are_refused_and_behind_huge_files_nothing_is_looked_for() {
        let long = icon_in(zeros(tar::EntryType::GNULongName, 900 << 20), "a");
        assert!(long.is_ok_and(|icon| icon.is_none()), "it ends at the limit");
        assert!(icon_in(zeros(tar::EntryType::GNULongName, 1 << 20), "a").is_err());
        assert!(icon_in(zeros(tar::EntryType::XHeader, 1 << 20), "a").is_err());
        assert!(icon_in(zeros(tar::EntryType::Regular, 1 << 30), "a").is_ok());
        assert!(icon_in(zeros(tar::EntryType::Regular, 1 << 20), "a").is_ok());
    }

    #[test]
    fn the_icon_of_the_program_comes_before_larger_ones_of_others() {
        let rank = |path| icon_rank(path, "gnome-tool");
        assert!(
            rank("usr/share/icons/hicolor/48x48/apps/gnome-tool.png")
                > rank("usr/share/icons/hicolor/512x512/apps/other.png")
        );
        assert!(rank("usr/share/icons/hicolor/256x256/apps/x.png") > rank("usr/share/pixmaps/y.png"));
        assert_eq!(rank("usr/share/icons/hicolor/48x48/mimetypes/x.png"), None);
        assert_eq!(rank("usr/share/doc/x.png"), None);
    }
}
