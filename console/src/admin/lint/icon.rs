//! The icon: a PNG of 48×48 pixels.

use muster_shared::package::member;

use super::sources::Sources;
use super::{Finding, Severity};

const SIDE: u32 = 48;

/// Checks what the header of the file says.
pub(super) fn lint(sources: &Sources, findings: &mut Vec<Finding>) {
    let Some(bytes) = &sources.icon else { return };
    let message = match png_size(bytes) {
        Some((SIDE, SIDE)) => return,
        Some((width, height)) => format!("the icon has {width}×{height} pixels; consoles show 48×48"),
        None => "the icon is not a PNG picture, so that no console shows it".to_owned(),
    };
    findings.push(Finding {
        file: sources.shown(member::ICON),
        line: 1,
        column: 1,
        code: "icon",
        severity: Severity::Warning,
        message,
        suggestion: Some("save it as a PNG of 48×48 pixels".to_owned()),
    });
}

/// Width and height of a PNG, by its first chunk.
fn png_size(bytes: &[u8]) -> Option<(u32, u32)> {
    let rest = bytes.strip_prefix(b"\x89PNG\r\n\x1a\n")?;
    let number = |at: usize| {
        let bytes = rest.get(at..at + 4)?;
        Some(u32::from_be_bytes(bytes.try_into().ok()?))
    };
    if rest.get(4..8) != Some(b"IHDR") {
        return None;
    }
    Some((number(8)?, number(12)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_size_of_a_picture_is_read_from_its_header() {
        let mut bytes = Vec::new();
        image::DynamicImage::new_rgba8(48, 32)
            .write_to(&mut std::io::Cursor::new(&mut bytes), image::ImageFormat::Png)
            .unwrap();
        assert_eq!(png_size(&bytes), Some((48, 32)));
        assert_eq!(png_size(b"\xff\xd8\xff"), None);
        assert_eq!(png_size(b"\x89PNG\r\n\x1a\n"), None);
    }
}
