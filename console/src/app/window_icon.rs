//! The window's icon: the diamond, worked out instead of shipped.

use egui::IconData;

use crate::ui::Tokens;

const SIDE: u32 = 64;

/// The icon as pixels.
pub fn window_icon() -> IconData {
    let [red, green, blue, _] = Tokens::DARK.accent.to_array();
    let middle = (SIDE as f32 - 1.0) / 2.0;
    let mut rgba = Vec::with_capacity((SIDE * SIDE * 4) as usize);
    for y in 0..SIDE {
        for x in 0..SIDE {
            let distance = (x as f32 - middle).abs() + (y as f32 - middle).abs();
            let cover = (middle - 1.0 - distance).clamp(0.0, 1.0);
            rgba.extend([red, green, blue, (cover * 255.0) as u8]);
        }
    }
    IconData {
        rgba,
        width: SIDE,
        height: SIDE,
    }
}
