//! The widgets of the window: one vocabulary for every page. Nothing here knows hosts or packages.

pub mod button;
pub mod card;
pub mod dialog;
pub mod field;
pub mod fonts;
pub mod icons;
pub mod progress;
pub mod status;
pub mod table;
pub mod tabs;
pub mod text;
pub mod theme;
pub mod tokens;
pub mod tree;

pub use button::Button;
pub use field::Field;
pub use icons::Icon;
pub use tokens::{Tokens, size};
