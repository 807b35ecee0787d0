//! The colours and sizes of the window: the only place where a colour is written down.
//!
//! Two themes with the same roles. Colour is kept for status and for the one thing to press.

use egui::{Color32, Theme, Ui};

/// The colours of one theme, by role.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tokens {
    /// Behind tables and trees.
    pub background: Color32,
    /// Rail, bars, detail.
    pub panel: Color32,
    /// Buttons, hovered rows.
    pub raised: Color32,
    /// A raised thing under the pointer.
    pub raised_hover: Color32,
    /// Hairlines and borders.
    pub line: Color32,
    /// What is read.
    pub text: Color32,
    /// What is read second.
    pub secondary: Color32,
    /// Decoration and disabled things; never the only carrier of a meaning.
    pub faint: Color32,
    /// The one thing to press, focus, running.
    pub accent: Color32,
    /// Text on the accent.
    pub on_accent: Color32,
    /// Selected rows.
    pub selection: Color32,
    pub ok: Color32,
    pub warn: Color32,
    pub error: Color32,
    /// Behind the title of a failure.
    pub error_surface: Color32,
    /// Behind logs.
    pub code_surface: Color32,
    /// Over the window, under a dialog.
    pub backdrop: Color32,
}

#[expect(clippy::disallowed_methods, reason = "the one place that makes colours")]
const fn rgb(red: u8, green: u8, blue: u8) -> Color32 {
    Color32::from_rgb(red, green, blue)
}

impl Tokens {
    /// The dark theme.
    pub const DARK: Tokens = Tokens {
        background: rgb(0x13, 0x16, 0x1b),
        panel: rgb(0x18, 0x1c, 0x22),
        raised: rgb(0x20, 0x25, 0x2d),
        raised_hover: rgb(0x2a, 0x30, 0x3a),
        line: rgb(0x2a, 0x30, 0x3a),
        text: rgb(0xdd, 0xe2, 0xea),
        secondary: rgb(0x8f, 0x98, 0xa8),
        faint: rgb(0x66, 0x70, 0x85),
        accent: rgb(0x5b, 0x9c, 0xff),
        on_accent: rgb(0x0d, 0x11, 0x17),
        selection: rgb(0x1f, 0x33, 0x55),
        ok: rgb(0x45, 0xc0, 0x7c),
        warn: rgb(0xe3, 0xab, 0x3f),
        error: rgb(0xf2, 0x6d, 0x6d),
        error_surface: rgb(0x3a, 0x1a, 0x1c),
        code_surface: rgb(0x0f, 0x12, 0x16),
        backdrop: Color32::from_black_alpha(150),
    };

    /// The light theme.
    pub const LIGHT: Tokens = Tokens {
        background: rgb(0xf4, 0xf5, 0xf7),
        panel: rgb(0xff, 0xff, 0xff),
        raised: rgb(0xf0, 0xf2, 0xf5),
        raised_hover: rgb(0xe4, 0xe8, 0xed),
        line: rgb(0xdf, 0xe3, 0xe8),
        text: rgb(0x1d, 0x24, 0x30),
        secondary: rgb(0x5b, 0x65, 0x74),
        faint: rgb(0x7d, 0x87, 0x97),
        accent: rgb(0x1f, 0x62, 0xd0),
        on_accent: rgb(0xff, 0xff, 0xff),
        selection: rgb(0xe1, 0xeb, 0xfb),
        // Two steps darker than drawn: also a hovered row has the contrast of WCAG AA.
        ok: rgb(0x1a, 0x7d, 0x46),
        warn: rgb(0x8a, 0x5a, 0x00),
        error: rgb(0xb3, 0x26, 0x1e),
        error_surface: rgb(0xfb, 0xe3, 0xe1),
        code_surface: rgb(0xf6, 0xf7, 0xf9),
        backdrop: Color32::from_black_alpha(90),
    };

    /// The tokens of a theme.
    pub fn of_theme(theme: Theme) -> &'static Tokens {
        match theme {
            Theme::Dark => &Self::DARK,
            Theme::Light => &Self::LIGHT,
        }
    }

    /// The tokens of the theme that is drawn.
    pub fn of(ui: &Ui) -> &'static Tokens {
        if ui.visuals().dark_mode {
            &Self::DARK
        } else {
            &Self::LIGHT
        }
    }
}

/// Sizes in points; spacing goes in steps of four.
pub mod size {
    /// Height of a row in a table.
    pub const ROW: f32 = 31.0;
    /// Height of a table's header.
    pub const HEADER: f32 = 29.0;
    /// Height of buttons and fields.
    pub const CONTROL: f32 = 30.0;
    /// Height of a row in the tree.
    pub const TREE_ROW: f32 = 25.0;
    /// Height of the top bar and of a page's toolbar.
    pub const BAR: f32 = 47.0;
    /// Height of the bottom bar.
    pub const STATUS_BAR: f32 = 28.0;
    /// Width of the rail.
    pub const RAIL: f32 = 188.0;
    /// One step of spacing.
    pub const STEP: f32 = 4.0;
    /// Inner margin of panels and cards.
    pub const MARGIN: f32 = 12.0;
    /// Corners of controls.
    pub const CORNER: u8 = 6;
    /// Corners of boxes.
    pub const BOX_CORNER: u8 = 8;
    /// Corners of dialogs.
    pub const DIALOG_CORNER: u8 = 12;
    /// Text that is read.
    pub const TEXT: f32 = 13.0;
    /// Text that is read second.
    pub const SMALL: f32 = 11.5;
    /// The selected thing's name.
    pub const LARGE: f32 = 17.0;
    /// Versions, addresses, logs.
    pub const MONO: f32 = 12.0;
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Relative luminance of WCAG 2.2.
    fn luminance(color: Color32) -> f64 {
        let part = |value: u8| {
            let value = f64::from(value) / 255.0;
            if value <= 0.040_45 {
                value / 12.92
            } else {
                ((value + 0.055) / 1.055).powf(2.4)
            }
        };
        0.2126 * part(color.r()) + 0.7152 * part(color.g()) + 0.0722 * part(color.b())
    }

    fn contrast(one: Color32, other: Color32) -> f64 {
        let (one, other) = (luminance(one), luminance(other));
        (one.max(other) + 0.05) / (one.min(other) + 0.05)
    }

    #[test]
    fn everything_that_is_read_has_the_contrast_of_wcag_aa() {
        for tokens in [Tokens::DARK, Tokens::LIGHT] {
            for surface in [tokens.background, tokens.panel, tokens.raised, tokens.selection] {
                assert!(contrast(tokens.text, surface) >= 7.0);
            }
            for surface in [tokens.background, tokens.panel, tokens.raised] {
                for ink in [
                    tokens.secondary,
                    tokens.ok,
                    tokens.warn,
                    tokens.error,
                    tokens.accent,
                ] {
                    let found = contrast(ink, surface);
                    assert!(found >= 4.5, "{ink:?} on {surface:?}: {found:.2}");
                }
            }
            assert!(contrast(tokens.on_accent, tokens.accent) >= 4.5);
            assert!(contrast(tokens.text, tokens.error_surface) >= 4.5);
            assert!(contrast(tokens.error, tokens.code_surface) >= 4.5);
        }
    }
}
