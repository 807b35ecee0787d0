//! Who ordered what on this host, and what became of it.

use egui::Ui;
use muster_shared::protocol::host::HostRow;

use crate::command::Command;
use crate::remote::Remote;
use crate::state::time;
use crate::ui::card::{self, Line};
use crate::ui::{Tokens, text};
use crate::view::View;

/// The history looks into this many of the last actions.
const LOOKED_AT: usize = 30;

/// Shows the tab.
pub(super) fn ui(ui: &mut Ui, view: View<'_>, row: &HostRow) {
    let activity = &view.state.activity;
    let Some(actions) = activity.list.value() else {
        text::small(ui, "Loading …");
        return;
    };
    let mut shown = 0;
    card::show(ui, |ui| {
        for action in actions.iter().take(LOOKED_AT) {
            let targets = activity.targets(action.batch).and_then(Remote::value);
            let Some(targets) = targets else {
                // One look per frame keeps the queue short; the rest follow as answers come.
                if activity.targets(action.batch).is_none() {
                    view.send(Command::LookAtAction(action.batch));
                }
                continue;
            };
            let target = targets
                .iter()
                .find(|target| target.identifier.eq_ignore_ascii_case(&row.identifier));
            let Some(target) = target else { continue };
            let (icon, color) = super::super::activity::state_icon(target.state, Tokens::of(ui));
            let name = format!("{} {}", action.action, action.packages.join(" "));
            let note = format!("{} · {}", target.state.as_str(), action.signer);
            let end = time::when(action.issued_at, view.now);
            let line = Line {
                icon: Some((icon, color)),
                name: name.trim(),
                note: &note,
                end: &end,
                strong: false,
                end_mono: false,
            };
            let response = line.show(ui);
            if !target.text.is_empty() {
                response.on_hover_text(&target.text);
            }
            shown += 1;
        }
        if shown == 0 {
            card::padded(ui, |ui| {
                text::secondary(ui, "Nothing was ordered on this host lately")
            });
        }
    });
}
