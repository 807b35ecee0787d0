//! Several hosts selected: what they have in common, and what can be done with them.

use egui::{Frame, Margin, ScrollArea, Ui};
use muster_shared::protocol::host::HostStatus;

use crate::pages::hosts::status_look;
use crate::ui::card::{self, Line};
use crate::ui::{Tokens, text};
use crate::view::View;

const SHOWN: usize = 100;

/// Shows the aggregate.
pub(super) fn ui(ui: &mut Ui, view: View<'_>) {
    let selection = view.state.hosts.selection();
    Frame::NONE
        .inner_margin(Margin::symmetric(16, 12))
        .show(ui, |ui| {
            ui.set_width(ui.available_width());
            text::large(
                ui,
                &format!("{} selected", text::counted(selection.len() as u64, "host")),
            );
            let away = selection.iter().filter(|row| !row.reachable).count() as u64;
            let failed: u64 = selection.iter().map(|row| u64::from(row.packages_failed)).sum();
            let pending: u64 = selection.iter().map(|row| u64::from(row.packages_pending)).sum();
            text::small(
                ui,
                &format!(
                    "{} away · {} failed · {} pending",
                    text::number(away),
                    text::counted(failed, "package"),
                    text::counted(pending, "package")
                ),
            );
            ui.add_space(8.0);
            let tokens = Tokens::of(ui);
            ScrollArea::vertical().auto_shrink([false, false]).show(ui, |ui| {
                ui.spacing_mut().item_spacing.y = 12.0;
                card::show(ui, |ui| {
                    card::title(ui, "By status");
                    for status in HostStatus::ALL {
                        let count = selection.iter().filter(|row| row.status == status).count() as u64;
                        if count == 0 {
                            continue;
                        }
                        let look = status_look(status, tokens);
                        let end = text::number(count);
                        Line {
                            icon: Some((look.icon, look.color)),
                            name: look.word,
                            note: "",
                            end: &end,
                            strong: false,
                            end_mono: false,
                        }
                        .show(ui);
                    }
                });
                card::show(ui, |ui| {
                    card::title(ui, "Hosts");
                    for row in selection.iter().take(SHOWN) {
                        let look = status_look(row.status, tokens);
                        Line {
                            icon: Some((look.icon, look.color)),
                            name: &view.state.hosts.shown_name(row),
                            note: &row.description,
                            end: &row.address,
                            strong: false,
                            end_mono: true,
                        }
                        .show(ui);
                    }
                    if selection.len() > SHOWN {
                        let rest = (selection.len() - SHOWN) as u64;
                        card::padded(ui, |ui| {
                            text::small(ui, &format!("and {} more", text::number(rest)))
                        });
                    }
                });
            });
        });
}
