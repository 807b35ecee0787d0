//! Status as a shape, a word and a colour; reachability as a dot in a column of its own.

use egui::{Align, Color32, Painter, Rect, Stroke, pos2};

use super::icons::Icon;
use super::tokens::Tokens;
use super::{fonts, text};

/// How a state looks: its shape, its colour and its word.
#[derive(Debug, Clone, Copy)]
pub struct Look {
    pub icon: Icon,
    pub color: Color32,
    pub word: &'static str,
}

impl Look {
    /// Paints shape and word into a cell; `strength` below one fades it.
    pub fn paint(self, painter: &Painter, rect: Rect, strength: f32) {
        let color = self.color.gamma_multiply(strength);
        self.icon.paint_left(painter, rect, 14.0, color);
        let mut rest = rect;
        rest.min.x += 19.0;
        text::line(painter, rest, self.word, fonts::small_strong(), color, Align::Min);
    }
}

/// Paints the reachability dot: filled when connected, hollow when away.
pub fn reach_dot(painter: &Painter, rect: Rect, reachable: bool, tokens: &Tokens) {
    let center = pos2(rect.center().x, rect.center().y);
    if reachable {
        painter.circle_filled(center, 4.0, tokens.ok);
    } else {
        painter.circle_stroke(center, 3.5, Stroke::new(1.0, tokens.secondary));
    }
}
