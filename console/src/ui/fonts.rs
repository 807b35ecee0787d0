//! The fonts: Inter for text, JetBrains Mono for versions, addresses and logs, both embedded.

use std::collections::BTreeMap;
use std::sync::Arc;

use egui::{Context, FontData, FontDefinitions, FontFamily, FontId};

use super::tokens::size;

const REGULAR: &[u8] = include_bytes!("../../../assets/fonts/Inter-Regular.otf");
const MEDIUM: &[u8] = include_bytes!("../../../assets/fonts/Inter-Medium.otf");
const SEMIBOLD: &[u8] = include_bytes!("../../../assets/fonts/Inter-SemiBold.otf");
const MONO: &[u8] = include_bytes!("../../../assets/fonts/JetBrainsMono-Regular.ttf");

/// Text that is read.
pub fn body() -> FontId {
    FontId::new(size::TEXT, FontFamily::Proportional)
}

/// Text with a little more weight: buttons, tabs.
pub fn medium() -> FontId {
    FontId::new(size::TEXT, FontFamily::Name("medium".into()))
}

/// Names of things.
pub fn strong() -> FontId {
    FontId::new(size::TEXT, FontFamily::Name("semibold".into()))
}

/// Text that is read second.
pub fn small() -> FontId {
    FontId::new(size::SMALL, FontFamily::Proportional)
}

/// Column heads and status words.
pub fn small_strong() -> FontId {
    FontId::new(size::SMALL, FontFamily::Name("semibold".into()))
}

/// The name of the selected thing.
pub fn large() -> FontId {
    FontId::new(size::LARGE, FontFamily::Name("semibold".into()))
}

/// Versions, addresses, logs.
pub fn mono() -> FontId {
    FontId::new(size::MONO, FontFamily::Monospace)
}

/// Puts the fonts into a context, with nothing of egui's own beside them.
pub fn install(ctx: &Context) {
    let faces = [
        ("regular", REGULAR),
        ("medium", MEDIUM),
        ("semibold", SEMIBOLD),
        ("mono", MONO),
    ];
    let font_data: BTreeMap<_, _> = faces
        .into_iter()
        .map(|(name, bytes)| (name.to_owned(), Arc::new(FontData::from_static(bytes))))
        .collect();
    let chain = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let families = BTreeMap::from([
        (FontFamily::Proportional, chain(&["regular", "mono"])),
        (FontFamily::Name("medium".into()), chain(&["medium", "mono"])),
        (FontFamily::Name("semibold".into()), chain(&["semibold", "mono"])),
        (FontFamily::Monospace, chain(&["mono", "regular"])),
    ]);
    ctx.set_fonts(FontDefinitions { font_data, families });
}
