//! dpkg's status file, read line by line: it is several MiB on a desktop.

use std::io::{BufRead, BufReader, Read as _};
use std::path::Path;

use muster_shared::protocol::inventory::Software;

use crate::inventory::facts::FactError;

pub(super) const STATUS: &str = "/var/lib/dpkg/status";
const INFO: &str = "/var/lib/dpkg/info";

/// Stanzas beyond this, and bytes beyond that, are not read.
const MOST: usize = 50_000;
const LIMIT: u64 = 256 * 1024 * 1024;
/// What is read of one line, in bytes; the rest of it is passed over.
const MAX_LINE: usize = 4096;

/// Every package that dpkg says is installed.
pub(super) fn read() -> Result<Vec<Software>, FactError> {
    let unreadable = |source| FactError::Unreadable { what: STATUS, source };
    let file = fs_err::File::open(STATUS).map_err(unreadable)?;
    let mut list = parse(BufReader::new(file.take(LIMIT))).map_err(unreadable)?;
    for software in &mut list {
        software.installed_on = installed_on(&software.key);
    }
    Ok(list)
}

/// The day the package's file list was written, which dpkg does at each install and upgrade.
fn installed_on(key: &str) -> String {
    let bare = key.split(':').next().unwrap_or(key);
    [key, bare]
        .into_iter()
        .find_map(|name| {
            let modified = fs_err::metadata(Path::new(INFO).join(format!("{name}.list")))
                .ok()?
                .modified()
                .ok()?;
            let at = jiff::Timestamp::try_from(modified).ok()?;
            Some(jiff::tz::Offset::UTC.to_datetime(at).date().to_string())
        })
        .unwrap_or_default()
}

fn parse(reader: impl BufRead) -> std::io::Result<Vec<Software>> {
    let mut reader = reader;
    let mut list = Vec::new();
    let mut stanza = Stanza::default();
    let mut line = Vec::with_capacity(256);
    while next_line(&mut reader, &mut line)? {
        if line.iter().all(u8::is_ascii_whitespace) {
            stanza.finish(&mut list);
            if list.len() >= MOST {
                return Ok(list);
            }
            continue;
        }
        // Continuation lines (file lists, long descriptions) begin with a space.
        if line
            .first()
            .is_some_and(|first| *first != b' ' && *first != b'\t')
        {
            stanza.take(&String::from_utf8_lossy(&line));
        }
    }
    stanza.finish(&mut list);
    Ok(list)
}

/// The beginning of the next line; `false` at the end. A line without an end takes no more memory than any other.
fn next_line(reader: &mut impl BufRead, line: &mut Vec<u8>) -> std::io::Result<bool> {
    line.clear();
    let mut is_any = false;
    loop {
        let chunk = reader.fill_buf()?;
        if chunk.is_empty() {
            return Ok(is_any);
        }
        is_any = true;
        let end = chunk.iter().position(|byte| *byte == b'\n');
        let part = chunk.get(..end.unwrap_or(chunk.len())).unwrap_or_default();
        let room = MAX_LINE.saturating_sub(line.len());
        line.extend_from_slice(part.get(..room.min(part.len())).unwrap_or_default());
        let taken = end.map_or(chunk.len(), |end| end + 1);
        reader.consume(taken);
        if end.is_some() {
            return Ok(true);
        }
    }
}

#[derive(Default)]
struct Stanza {
    package: String,
    architecture: String,
    version: String,
    publisher: String,
    name: String,
    is_installed: bool,
    is_essential: bool,
    multi_arch_same: bool,
}

impl Stanza {
    fn take(&mut self, line: &str) {
        let Some((field, value)) = line.split_once(':') else {
            return;
        };
        let value = value.trim();
        match field {
            "Package" => value.clone_into(&mut self.package),
            "Architecture" => value.clone_into(&mut self.architecture),
            "Version" => value.clone_into(&mut self.version),
            "Maintainer" => value.clone_into(&mut self.publisher),
            "Description" => value.clone_into(&mut self.name),
            "Essential" => self.is_essential = value == "yes",
            "Multi-Arch" => self.multi_arch_same = value == "same",
            "Status" => self.is_installed = value.ends_with(" installed"),
            _ => {}
        }
    }

    fn finish(&mut self, list: &mut Vec<Software>) {
        let done = std::mem::take(self);
        if !done.is_installed || done.package.is_empty() {
            return;
        }
        // Only these can be installed for two architectures at once.
        let key = if done.multi_arch_same {
            format!("{}:{}", done.package, done.architecture)
        } else {
            done.package
        };
        list.push(Software {
            name: if done.name.is_empty() {
                key.clone()
            } else {
                done.name
            },
            key,
            version: done.version,
            publisher: done.publisher,
            installed_on: String::new(),
            system_component: done.is_essential,
            ..Software::default()
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATUS_TEXT: &str = "Package: bash\nEssential: yes\nStatus: install ok installed\nPriority: required\n\
        Maintainer: Matthias Klose <doko@debian.org>\nArchitecture: amd64\nMulti-Arch: foreign\nVersion: 5.2.15-2+b2\n\
        Description: GNU Bourne Again SHell\n Bash is an sh-compatible command language interpreter\n Package: forged\n\n\
        Package: gone\nStatus: deinstall ok config-files\nArchitecture: amd64\nVersion: 1.0\n\n\
        Package: libc6\nStatus: install ok installed\nArchitecture: amd64\nMulti-Arch: same\nVersion: 2.36-9\n\
        Description: GNU C Library: Shared libraries\n\n\
        Package: half\nStatus: install ok half-installed\nVersion: 3\n";

    #[test]
    fn installed_packages_are_listed_and_the_others_are_not() {
        let list = parse(STATUS_TEXT.as_bytes()).unwrap();
        let keys: Vec<_> = list.iter().map(|software| software.key.as_str()).collect();
        assert_eq!(keys, ["bash", "libc6:amd64"]);
        assert_eq!(list[0].version, "5.2.15-2+b2");
        assert_eq!(list[0].name, "GNU Bourne Again SHell");
        assert!(list[0].system_component && !list[1].system_component);
        assert_eq!(list[1].name, "GNU C Library: Shared libraries");
    }

    #[test]
    fn a_line_without_an_end_is_cut_and_what_follows_it_is_read() {
        use std::io::Read as _;
        let begin = b"Package: first\nStatus: install ok installed\nDescription: ".as_slice();
        let long = std::io::repeat(b'x').take(64 * 1024 * 1024);
        let end = b"\nVersion: 1\n\nPackage: second\nStatus: install ok installed\nVersion: 2\n".as_slice();
        let list = parse(BufReader::new(begin.chain(long).chain(end))).unwrap();
        assert_eq!(list.len(), 2);
        assert!(list[0].name.len() <= MAX_LINE, "{}", list[0].name.len());
        assert_eq!((list[0].version.as_str(), list[1].version.as_str()), ("1", "2"));
    }

    #[test]
    fn bytes_that_are_no_text_do_not_stop_the_reading() {
        let mut bytes = b"Package: odd\nStatus: install ok installed\nMaintainer: ".to_vec();
        bytes.extend([0xff, 0xfe, b'\n']);
        bytes.extend(b"Version: 1\n");
        assert_eq!(parse(bytes.as_slice()).unwrap().len(), 1);
    }
}
