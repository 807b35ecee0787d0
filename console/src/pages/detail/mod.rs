//! The host at the right: who it is, then its tabs.

mod history;
mod inventory;
pub mod log;
mod many;
mod overview;
mod packages;
mod tasks;

use egui::{Frame, Margin, ScrollArea, Ui};
use muster_shared::protocol::host::{HostDetail, HostRow};
use muster_shared::protocol::inventory::{Block, HostBlock};

use crate::command::Command;
use crate::remote::Remote;
use crate::state::detail::DetailTab;
use crate::state::time;
use crate::ui::{Icon, tabs, text};
use crate::view::View;

/// Shows the host that has the keyboard, or what several selected ones have in common.
pub fn ui(ui: &mut Ui, view: View<'_>) {
    let hosts = &view.state.hosts;
    if hosts.selected_len() > 1 {
        return many::ui(ui, view);
    }
    let Some(row) = hosts.current() else {
        super::states::empty(
            ui,
            Icon::Monitor,
            "No host is chosen",
            "Press one in the table, or use the arrow keys",
        );
        return;
    };
    let remote = view.state.details.of(&row.identifier);
    let detail = remote.and_then(Remote::value);
    header(ui, view, row, detail);
    let names: Vec<(DetailTab, String)> = DetailTab::ALL
        .iter()
        .map(|tab| (*tab, tab_name(*tab, row)))
        .collect();
    let chosen = view.state.details.tab;
    ui.horizontal(|ui| {
        ui.add_space(16.0);
        ui.vertical(|ui| {
            if let Some(tab) = tabs::show(ui, chosen, &names) {
                view.send(Command::ShowTab(tab));
            }
        });
    });
    ScrollArea::vertical()
        .id_salt((&row.identifier, chosen.text()))
        .auto_shrink([false, false])
        .show(ui, |ui| {
            Frame::NONE
                .inner_margin(Margin::symmetric(16, 12))
                .show(ui, |ui| {
                    ui.set_width(ui.available_width());
                    ui.spacing_mut().item_spacing.y = 12.0;
                    if let Some(problem) = remote.and_then(Remote::problem) {
                        super::states::problem_box(ui, problem);
                    }
                    match chosen {
                        DetailTab::Overview => overview::ui(ui, view, row, detail),
                        DetailTab::Packages => packages::ui(ui, view, row, detail),
                        DetailTab::Hardware => inventory::hardware(ui, row, detail),
                        DetailTab::Software => inventory::software(ui, detail),
                        DetailTab::Tasks => tasks::ui(ui, view, row, detail),
                        DetailTab::History => history::ui(ui, view, row),
                    }
                    if detail.is_none() && remote.is_none_or(|remote| remote.problem().is_none()) {
                        text::small(ui, "Loading …");
                    }
                });
        });
}

fn tab_name(tab: DetailTab, row: &HostRow) -> String {
    if tab == DetailTab::Packages && row.packages_total > 0 {
        format!("{} {}", tab.text(), row.packages_total)
    } else {
        tab.text().to_owned()
    }
}

fn header(ui: &mut Ui, view: View<'_>, row: &HostRow, detail: Option<&HostDetail>) {
    Frame::NONE
        .inner_margin(Margin {
            left: 16,
            right: 16,
            top: 12,
            bottom: 2,
        })
        .show(ui, |ui| {
            ui.set_width(ui.available_width());
            text::large(ui, &view.state.hosts.shown_name(row));
            let mut parts = Vec::new();
            if !row.description.is_empty() {
                parts.push(row.description.clone());
            }
            if !row.os.is_empty() {
                parts.push(row.os.clone());
            }
            let users = detail
                .and_then(host_block)
                .map_or_else(|| row.users.clone(), |block| block.users);
            if let Some(user) = users.first() {
                let more = if users.len() > 1 {
                    format!(" and {} more", users.len() - 1)
                } else {
                    String::new()
                };
                parts.push(format!("{user}{more} signed in"));
            }
            let contact = if row.reachable {
                "connected".to_owned()
            } else {
                format!("last contact {}", time::when(row.last_seen, view.now))
            };
            parts.push(contact);
            let said = parts.join(" · ");
            let color = crate::ui::Tokens::of(ui).secondary;
            let rich = egui::RichText::new(&said)
                .font(crate::ui::fonts::small())
                .color(color);
            ui.add(egui::Label::new(rich).truncate())
                .on_hover_text(time::exact(row.last_seen));
        });
}

/// The block `host`, when it was reported and can be read.
fn host_block(detail: &HostDetail) -> Option<HostBlock> {
    block(detail, Block::Host)
}

/// A block as its type, when it was reported and can be read.
fn block<T: serde::de::DeserializeOwned>(detail: &HostDetail, name: Block) -> Option<T> {
    detail
        .blocks
        .get(&name)
        .and_then(|value| serde_json::from_value(value.clone()).ok())
}
