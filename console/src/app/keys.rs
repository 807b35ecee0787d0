//! Keys that work anywhere on a page: those of the actions, and those that walk the table.

use egui::{Context, Key, Modifiers};

use crate::action::UserAction;
use crate::command::Command;
use crate::state::detail::DetailTab;
use crate::state::hosts::Move;
use crate::state::{Dialog, Page};
use crate::view::View;

/// Sends what the pressed keys ask for. Called before anything is drawn, so that fields do not see these keys.
pub(super) fn handle(ctx: &Context, view: View<'_>) {
    let dialog_open = !matches!(view.state.dialog, Dialog::None);
    for action in UserAction::ALL {
        let Some(shortcut) = action.shortcut() else {
            continue;
        };
        let everywhere = matches!(action, UserAction::ToggleTheme | UserAction::Quit);
        // In a field this key selects the field's own text.
        let fields_own = action == UserAction::SelectAll && ctx.text_edit_focused();
        if (dialog_open && !everywhere) || fields_own {
            continue;
        }
        if ctx.input_mut(|input| input.consume_shortcut(&shortcut)) {
            view.send(Command::Run(action));
        }
    }
    // A widget that has the keyboard keeps the arrows; nothing has it while the table is walked.
    let free = ctx.memory(egui::Memory::focused).is_none();
    if !dialog_open && free && view.state.session.is_some() {
        walk(ctx, view);
    }
}

fn walk(ctx: &Context, view: View<'_>) {
    let steps = [
        (Key::ArrowUp, Move::Up),
        (Key::ArrowDown, Move::Down),
        (Key::PageUp, Move::PageUp),
        (Key::PageDown, Move::PageDown),
        (Key::Home, Move::First),
        (Key::End, Move::Last),
    ];
    for (key, step) in steps {
        // One frame can hold several presses of a key that is held down.
        for _ in 0..ctx.input_mut(|input| input.count_and_consume_key(Modifiers::SHIFT, key)) {
            send_step(view, step, true);
        }
        for _ in 0..ctx.input_mut(|input| input.count_and_consume_key(Modifiers::NONE, key)) {
            send_step(view, step, false);
        }
    }
    if view.state.page != Page::Hosts {
        return;
    }
    if ctx.input_mut(|input| input.consume_key(Modifiers::NONE, Key::Enter)) {
        view.send(Command::Run(UserAction::EditHost));
    }
    let (left, right) = ctx.input_mut(|input| {
        (
            input.count_and_consume_key(Modifiers::NONE, Key::ArrowLeft),
            input.count_and_consume_key(Modifiers::NONE, Key::ArrowRight),
        )
    });
    if left != right {
        view.send(Command::ShowTab(neighbour(view.state.details.tab, left, right)));
    }
}

fn send_step(view: View<'_>, step: Move, extend: bool) {
    match view.state.page {
        Page::Hosts => view.send(Command::MoveHost { step, extend }),
        Page::Packages => view.send(Command::MovePackage(step)),
        Page::Activity => view.send(Command::MoveAction(step)),
    }
}

fn neighbour(tab: DetailTab, left: usize, right: usize) -> DetailTab {
    let tabs = DetailTab::ALL;
    let place = tabs.iter().position(|one| *one == tab).unwrap_or_default();
    let next = (place + right).saturating_sub(left).min(tabs.len() - 1);
    tabs.get(next).copied().unwrap_or(tab)
}
