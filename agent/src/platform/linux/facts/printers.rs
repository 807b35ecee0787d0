//! Printers of CUPS: its own file.

use muster_shared::protocol::inventory::Printer;

use super::text::{file_stamp, read_limited};
use crate::inventory::facts::FactError;

const FILE: &str = "/etc/cups/printers.conf";
/// At most this many.
const MOST: usize = 500;

/// Changes when a printer is added or changed. CUPS also writes each printer's state there.
pub fn stamp() -> Option<String> {
    file_stamp(FILE)
}

/// Printers by name; a machine without CUPS has none.
///
/// # Errors
/// When CUPS is there and its file cannot be read.
pub fn read() -> Result<Vec<Printer>, FactError> {
    match read_limited(FILE) {
        Ok(text) => Ok(parse(&text)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(source) => Err(FactError::Unreadable { what: FILE, source }),
    }
}

fn parse(text: &str) -> Vec<Printer> {
    let mut list = Vec::new();
    let mut current: Option<Printer> = None;
    for line in text.lines().map(str::trim) {
        if let Some(head) = line.strip_prefix('<') {
            let head = head.trim_end_matches('>');
            if head.starts_with('/') {
                list.extend(current.take());
            } else if let Some((kind, name)) = head.split_once(' ')
                && (kind == "Printer" || kind == "DefaultPrinter")
            {
                current = Some(Printer {
                    name: name.trim().to_owned(),
                    is_default: kind == "DefaultPrinter",
                    ..Printer::default()
                });
            }
            continue;
        }
        let (Some(printer), Some((key, value))) = (&mut current, line.split_once(' ')) else {
            continue;
        };
        match key {
            "MakeModel" => value.trim().clone_into(&mut printer.driver),
            "DeviceURI" => printer.port = without_login(value.trim()),
            "Location" => value.trim().clone_into(&mut printer.location),
            "Shared" => printer.is_shared = value.trim() == "Yes",
            _ => {}
        }
    }
    list.sort_by(|one: &Printer, other| one.name.cmp(&other.name));
    list.truncate(MOST);
    list
}

/// Addresses of printers may hold a login: `smb://user:password@server/queue`.
fn without_login(address: &str) -> String {
    let Some((scheme, rest)) = address.split_once("://") else {
        return address.to_owned();
    };
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let host = authority.rsplit('@').next().unwrap_or(authority);
    format!("{scheme}://{host}{path}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn printers_are_read_without_their_logins() {
        let text = "# c\n<DefaultPrinter office>\nUUID urn:x\nMakeModel HP LaserJet\nDeviceURI smb://ann:pw@server/queue\n\
            Location 2nd floor\nShared Yes\n</DefaultPrinter>\n<Printer label>\nDeviceURI usb://Zebra/ZD\nShared No\n</Printer>\n<Printer cut>\n";
        let found = parse(text);
        assert_eq!(found.len(), 2);
        assert_eq!(
            (found[0].name.as_str(), found[0].port.as_str()),
            ("label", "usb://Zebra/ZD")
        );
        assert_eq!(found[1].port, "smb://server/queue");
        assert!(found[1].is_default && found[1].is_shared && !found[0].is_shared);
        assert_eq!(found[1].location, "2nd floor");
    }
}
