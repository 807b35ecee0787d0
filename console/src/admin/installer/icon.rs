//! Icons of every kind become one PNG of 48×48 pixels with transparency.

use std::io::Cursor;

use image::imageops::FilterType;
use image::{DynamicImage, ImageFormat, ImageReader, Limits, RgbaImage};

use super::Numbers as _;

/// The side of a package's icon, in pixels.
pub(super) const SIDE: u32 = 48;
/// The largest side of an icon that is decoded.
const MAX_SIDE: u32 = 1024;
const MAX_DECODED_BYTES: u64 = 64 << 20;
const MAX_IMAGES: usize = 64;
const ENTRY_BYTES: usize = 16;

/// One picture of a group of the same icon in several sizes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Candidate<'a> {
    /// Side in pixels as the group says.
    pub(super) side: u32,
    pub(super) bits: u16,
    /// A device-independent bitmap, or a PNG.
    pub(super) bytes: &'a [u8],
}

/// From a PNG file.
pub(super) fn from_png(bytes: &[u8]) -> Option<Vec<u8>> {
    fitted(&decode(bytes, ImageFormat::Png)?)
}

/// From an `.ico` file.
pub(super) fn from_ico(bytes: &[u8]) -> Option<Vec<u8>> {
    let count = usize::from(bytes.u16_at(4)?).min(MAX_IMAGES);
    let candidates = (0..count)
        .filter_map(|number| {
            let entry = bytes.part(6 + number * ENTRY_BYTES, ENTRY_BYTES)?;
            let (length, offset) = (entry.u32_at(8)? as usize, entry.u32_at(12)? as usize);
            Some(Candidate {
                side: side(entry.first().copied()?),
                bits: entry.u16_at(6)?,
                bytes: bytes.part(offset, length)?,
            })
        })
        .collect();
    from_candidates(candidates)
}

/// Draws the picture that needs least scaling and has most colours; the next one when it is damaged.
pub(super) fn from_candidates(mut candidates: Vec<Candidate<'_>>) -> Option<Vec<u8>> {
    candidates.sort_by_key(|candidate| {
        // Larger ones shrink well, smaller ones only grow blurred.
        let distance = if candidate.side >= SIDE {
            candidate.side - SIDE
        } else {
            MAX_SIDE + SIDE - candidate.side
        };
        (candidate.bits < 24, distance, std::cmp::Reverse(candidate.bits))
    });
    candidates
        .iter()
        .take(MAX_IMAGES)
        .find_map(|candidate| fitted(&decode_candidate(candidate)?))
}

/// In groups a side of 256 pixels is written as 0.
pub(super) fn side(byte: u8) -> u32 {
    if byte == 0 { 256 } else { u32::from(byte) }
}

fn decode_candidate(candidate: &Candidate<'_>) -> Option<DynamicImage> {
    if candidate.bytes.starts_with(b"\x89PNG") {
        return decode(candidate.bytes, ImageFormat::Png);
    }
    // The decoder knows icons only as whole files.
    let side = u8::try_from(candidate.side).unwrap_or(0);
    let mut file = vec![0, 0, 1, 0, 1, 0, side, side, 0, 0, 1, 0];
    file.extend(candidate.bits.to_le_bytes());
    file.extend(u32::try_from(candidate.bytes.len()).ok()?.to_le_bytes());
    file.extend(22_u32.to_le_bytes());
    file.extend(candidate.bytes);
    decode(&file, ImageFormat::Ico)
}

fn decode(bytes: &[u8], format: ImageFormat) -> Option<DynamicImage> {
    let mut limits = Limits::default();
    limits.max_image_width = Some(MAX_SIDE);
    limits.max_image_height = Some(MAX_SIDE);
    limits.max_alloc = Some(MAX_DECODED_BYTES);
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    reader.limits(limits);
    reader.decode().ok()
}

/// The picture in the middle of a transparent square; `None` for one that shows nothing.
fn fitted(image: &DynamicImage) -> Option<Vec<u8>> {
    let scaled = if image.width() == SIDE && image.height() == SIDE {
        image.to_rgba8()
    } else {
        image.resize(SIDE, SIDE, FilterType::Lanczos3).to_rgba8()
    };
    if scaled.pixels().all(|pixel| pixel.0[3] == 0) {
        return None;
    }
    let mut square = RgbaImage::new(SIDE, SIDE);
    let middle = |length: u32| i64::from(SIDE.saturating_sub(length) / 2);
    let (x, y) = (middle(scaled.width()), middle(scaled.height()));
    image::imageops::replace(&mut square, &scaled, x, y);
    let mut bytes = Cursor::new(Vec::new());
    square.write_to(&mut bytes, ImageFormat::Png).ok()?;
    Some(bytes.into_inner())
}

#[cfg(test)]
pub(super) mod tests {
    use image::Rgba;
    use proptest::prelude::*;

    use super::*;

    pub(in crate::admin::installer) fn png(width: u32, height: u32) -> Vec<u8> {
        let image = RgbaImage::from_fn(width, height, |x, y| {
            Rgba([200, (x * 3) as u8, (y * 3) as u8, 255])
        });
        let mut bytes = Cursor::new(Vec::new());
        image.write_to(&mut bytes, ImageFormat::Png).unwrap();
        bytes.into_inner()
    }

    fn ico(sides: &[u32]) -> Vec<u8> {
        let pictures: Vec<Vec<u8>> = sides.iter().map(|side| png(*side, *side)).collect();
        let mut file = vec![0, 0, 1, 0];
        file.extend((sides.len() as u16).to_le_bytes());
        let mut offset = 6 + 16 * sides.len();
        for (side, picture) in sides.iter().zip(&pictures) {
            file.extend([(*side % 256) as u8, (*side % 256) as u8, 0, 0, 1, 0, 32, 0]);
            file.extend((picture.len() as u32).to_le_bytes());
            file.extend((offset as u32).to_le_bytes());
            offset += picture.len();
        }
        file.extend(pictures.concat());
        file
    }

    fn size(png: &[u8]) -> (u32, u32) {
        let image = decode(png, ImageFormat::Png).unwrap();
        (image.width(), image.height())
    }

    #[test]
    fn every_shape_becomes_a_transparent_square() {
        for (width, height) in [(48, 48), (256, 128), (16, 16), (100, 300)] {
            let icon = from_png(&png(width, height)).unwrap();
            assert_eq!(size(&icon), (SIDE, SIDE));
        }
        let wide = decode(&from_png(&png(96, 48)).unwrap(), ImageFormat::Png)
            .unwrap()
            .to_rgba8();
        assert_eq!(wide.get_pixel(24, 0).0[3], 0);
        assert_eq!(wide.get_pixel(24, 24).0[3], 255);
    }

    #[test]
    fn the_picture_of_the_right_size_is_taken_from_a_group() {
        let exact = from_ico(&ico(&[16, 48, 256])).unwrap();
        assert_eq!(exact, from_png(&png(48, 48)).unwrap());
        assert!(from_ico(&ico(&[16])).is_some());
        assert_eq!(from_png(&png(1025, 10)), None);
    }

    proptest! {
        #[test]
        fn damaged_icons_are_no_icons(cut in any::<prop::sample::Index>(), place in any::<prop::sample::Index>(), byte in any::<u8>()) {
            let mut file = ico(&[16, 48]);
            let at = place.index(file.len());
            file[at] ^= byte;
            from_ico(&file);
            file.truncate(cut.index(file.len()));
            from_ico(&file);
            from_png(&file);
        }
    }
}
