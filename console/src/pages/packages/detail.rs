//! One package: what it is, what it needs, who signed it, who has it.

use egui::{Frame, Margin, ScrollArea, Ui};
use muster_shared::protocol::package::PackageRow;
use muster_shared::request::{Request, split_list};

use super::table::send_order;
use crate::command::Command;
use crate::state::time;
use crate::ui::card::{self, Line};
use crate::ui::{Button, Icon, Tokens, text};
use crate::view::View;

/// Shows the package that has the keyboard.
pub(super) fn ui(ui: &mut Ui, view: View<'_>) {
    let Some(row) = view.state.packages.current() else {
        crate::pages::states::empty(ui, Icon::Box, "No package is chosen", "Press one in the table");
        return;
    };
    Frame::NONE
        .inner_margin(Margin::symmetric(16, 12))
        .show(ui, |ui| {
            ui.set_width(ui.available_width());
            text::large(ui, &row.package);
            let name = if row.name.is_empty() {
                String::new()
            } else {
                format!("{} · ", row.name)
            };
            text::small(ui, &format!("{name}{} · {}", row.version, row.section));
            ui.add_space(8.0);
            ScrollArea::vertical()
                .id_salt(&row.filename)
                .auto_shrink([false, false])
                .show(ui, |ui| {
                    ui.spacing_mut().item_spacing.y = 12.0;
                    if !row.description.is_empty() {
                        text::body(ui, &row.description);
                    }
                    ui.horizontal_wrapped(|ui| {
                        super::order_buttons(ui, view, |ui, view, kind, name, hosts| {
                            if ui.add(Button::new(name).enabled(hosts > 0)).clicked() && hosts > 0 {
                                send_order(view, kind, &row.package);
                            }
                        });
                    });
                    facts(ui, row);
                    requests(ui, view, "Needs", &row.depends, Icon::Box);
                    requests(ui, view, "Conflicts with", &row.conflicts, Icon::Ban);
                    needed_by(ui, view, row);
                    versions(ui, view, row);
                });
        });
}

fn facts(ui: &mut Ui, row: &PackageRow) {
    card::show(ui, |ui| {
        Frame::NONE.inner_margin(Margin::symmetric(0, 8)).show(ui, |ui| {
            ui.set_width(ui.available_width());
            card::fact(ui, "Version", &row.version, true);
            let system = if row.target_os.is_empty() {
                "all"
            } else {
                &row.target_os
            };
            card::fact(ui, "For", &format!("{system} · {}", row.architecture), false);
            card::fact(ui, "Maturity", &row.maturity, false);
            card::fact(ui, "Language", &row.locale, false);
            card::fact(ui, "Maintainer", &row.maintainer, false);
            card::fact(ui, "Priority", &row.priority, false);
            let hosts = text::counted(u64::from(row.host_count), "host");
            card::fact(ui, "Installed on", &hosts, false);
            card::fact(ui, "Signed by", &row.signer, false);
            card::fact(ui, "Signed on", &row.signature_date, false);
            card::fact(ui, "Certificate", &row.signer_fingerprint, true);
            let by = if row.uploaded_by.is_empty() {
                String::new()
            } else {
                format!(" by {}", row.uploaded_by)
            };
            card::fact(
                ui,
                "Uploaded",
                &format!("{}{by}", time::exact(row.uploaded_at)),
                false,
            );
            card::fact(ui, "Size", &time::bytes(row.size), false);
            card::fact(ui, "File", &row.filename, true);
            card::fact(ui, "SHA-256", &row.sha256, true);
        });
    });
}

fn requests(ui: &mut Ui, view: View<'_>, title: &str, list: &str, icon: Icon) {
    let requests: Vec<&str> = split_list(list).collect();
    if requests.is_empty() {
        return;
    }
    let tokens = Tokens::of(ui);
    card::show(ui, |ui| {
        card::title(ui, title);
        for text in requests {
            let request = Request::parse_as_wapt(text);
            let newest = view.state.packages.newest_of(&request.name);
            let (color, note) = match newest {
                Some(row) => (tokens.secondary, row.version.clone()),
                None => (tokens.warn, "not in the repository".to_owned()),
            };
            Line {
                icon: Some((icon, color)),
                name: text,
                note: "",
                end: &note,
                strong: false,
                end_mono: true,
            }
            .show(ui);
        }
    });
}

fn needed_by(ui: &mut Ui, view: View<'_>, row: &PackageRow) {
    let needs = |other: &&PackageRow| {
        other.package != row.package
            && split_list(&other.depends)
                .any(|text| Request::parse_as_wapt(text).matches(&row.package, &row.version))
    };
    let rows: Vec<&PackageRow> = view.state.packages.all().iter().filter(needs).collect();
    if rows.is_empty() {
        return;
    }
    let tokens = Tokens::of(ui);
    card::show(ui, |ui| {
        card::title(ui, "Needed by");
        for other in rows {
            let icon = Some((Icon::Box, tokens.secondary));
            Line {
                icon,
                name: &other.package,
                note: "",
                end: &other.version,
                strong: false,
                end_mono: true,
            }
            .show(ui);
        }
    });
}

fn versions(ui: &mut Ui, view: View<'_>, row: &PackageRow) {
    let mut others: Vec<&PackageRow> = view
        .state
        .packages
        .all()
        .iter()
        .filter(|other| other.package == row.package && other.filename != row.filename)
        .collect();
    if others.is_empty() {
        return;
    }
    others.sort_by(|one, other| crate::state::packages::compare_versions(&other.version, &one.version));
    card::show(ui, |ui| {
        card::title(ui, "Other versions");
        for other in others {
            let end = text::counted(u64::from(other.host_count), "host");
            let line = Line {
                icon: None,
                name: &other.version,
                note: &other.filename,
                end: &end,
                strong: false,
                end_mono: false,
            };
            let response = line.show(ui).interact(egui::Sense::click());
            if response.clicked() {
                view.send(Command::GoToPackage(other.filename.clone()));
            }
        }
    });
}
