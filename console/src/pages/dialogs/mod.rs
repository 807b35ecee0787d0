//! What stands over the page: orders, the editor of a host's package, the palette, logs, uploads.

mod edit;
mod log;
mod order;
mod palette;
mod pick;
mod signer;
mod upload;

use std::hash::{DefaultHasher, Hash, Hasher as _};

use egui::{Context, Id};

use crate::state::Dialog;
use crate::view::View;

/// Shows the dialog that is open, if one is.
pub fn ui(ctx: &Context, view: View<'_>) {
    match &view.state.dialog {
        Dialog::None => {
            ctx.data_mut(|data| data.remove_temp::<FocusSlot>(focus_slot()));
        }
        Dialog::Order(order) => order::ui(ctx, view, order),
        Dialog::Edit(edit) => edit::ui(ctx, view, edit),
        Dialog::Palette(palette) => palette::ui(ctx, view, palette),
        Dialog::Upload(path) => upload::ui(ctx, view, path),
        Dialog::Log { title, text } => log::ui(ctx, view, title, text),
    }
}

fn focus_slot() -> Id {
    Id::unique("dialog focus")
}

/// Puts the keyboard into a field once for each `key`: when a dialog opens, and when it asks again.
pub fn focus_once(ctx: &Context, key: impl Hash, field: Id) {
    let mut hasher = DefaultHasher::new();
    key.hash(&mut hasher);
    let key = hasher.finish();
    let slot = ctx.data(|data| data.get_temp::<FocusSlot>(focus_slot()));
    let tries = match slot {
        Some(slot) if slot.key == key => slot.tries_left,
        Some(_) | None => TRIES,
    };
    if tries == 0 {
        return;
    }
    // A field that is measured before it is shown does not keep the keyboard, so it is asked for again.
    let held = ctx.memory(|memory| memory.has_focus(field) && memory.had_focus_last_frame(field));
    let tries_left = if held { 0 } else { tries - 1 };
    ctx.data_mut(|data| data.insert_temp(focus_slot(), FocusSlot { key, tries_left }));
    if !held {
        ctx.memory_mut(|memory| memory.request_focus(field));
        ctx.request_repaint();
    }
}

/// In how many frames a field may ask for the keyboard.
const TRIES: u8 = 4;

#[derive(Clone, Copy, Default)]
struct FocusSlot {
    key: u64,
    tries_left: u8,
}
