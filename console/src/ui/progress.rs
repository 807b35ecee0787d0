//! A thin bar that says how far something is.

use egui::{CornerRadius, Rect, Response, Role, Sense, Ui, WidgetInfo, vec2};

use super::tokens::Tokens;

/// Shows a bar filled to `fraction` (0 to 1).
pub fn bar(ui: &mut Ui, width: f32, fraction: f32, name: &str) -> Response {
    let tokens = Tokens::of(ui);
    let (rect, response) = ui.allocate_exact_size(vec2(width, 16.0), Sense::hover());
    let fraction = fraction.clamp(0.0, 1.0);
    let track = Rect::from_center_size(rect.center(), vec2(rect.width(), 4.0));
    ui.painter()
        .rect_filled(track, CornerRadius::same(2), tokens.raised_hover);
    let mut filled = track;
    filled.set_width(track.width() * fraction);
    ui.painter()
        .rect_filled(filled, CornerRadius::same(2), tokens.accent);
    let label = format!("{name} {:.0} %", fraction * 100.0);
    response.widget_info(|| WidgetInfo::labeled(Role::ProgressIndicator, true, &label));
    response
}
