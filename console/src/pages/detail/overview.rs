//! The first tab: what failed with its own words, what waits, what is assigned, facts.

use egui::{Align, Color32, CornerRadius, Frame, Layout, Margin, Ui, vec2};
use muster_shared::protocol::action::ActionKind;
use muster_shared::protocol::host::{HostDetail, HostRow, RegistrationDecision, RegistrationVerdict};
use muster_shared::protocol::inventory::{AgentBlock, Block, HardwareBlock, PackagesBlock};
use muster_shared::protocol::package::{Change, InstallStatus, InstalledPackage, PendingPackage};
use muster_shared::protocol::session::Right;
use muster_shared::request::Request;

use super::{block, host_block, log};
use crate::action::UserAction;
use crate::command::Command;
use crate::state::time;
use crate::ui::card::{self, Line};
use crate::ui::{Button, Icon, Tokens, fonts, progress, size, text};
use crate::view::View;

/// Shows the tab.
pub(super) fn ui(ui: &mut Ui, view: View<'_>, row: &HostRow, detail: Option<&HostDetail>) {
    let packages = detail.map(HostDetail::packages).unwrap_or_default();
    if row.pending_registration {
        decision(ui, view, row);
    }
    for failed in detail.map(HostDetail::failed).unwrap_or_default() {
        failure(ui, view, &failed);
    }
    for impossible in packages.pending.iter().filter(|pending| pending.error.is_some()) {
        cannot(ui, view, impossible);
    }
    if !packages.update_error.is_empty() {
        card::framed(ui, Tokens::of(ui).error.gamma_multiply(0.5), |ui| {
            card::title(ui, "The last update could not be completed");
            card::padded(ui, |ui| text::error(ui, &packages.update_error));
        });
    }
    running(ui, view, row);
    waiting(ui, &packages);
    assigned(ui, &packages);
    facts(ui, row, detail);
}

fn decision(ui: &mut Ui, view: View<'_>, row: &HostRow) {
    let allowed = view.state.may(Right::Enrol);
    card::framed(ui, Tokens::of(ui).warn, |ui| {
        card::title(ui, "This host waits for a decision");
        card::padded(ui, |ui| {
            text::secondary(
                ui,
                "A machine registered under this identifier with a new key. It gets nothing private until someone decides.",
            );
            ui.add_space(8.0);
            ui.horizontal(|ui| {
                let shown = row.pending_keyid.get(..16).unwrap_or(&row.pending_keyid);
                text::mono(ui, shown).on_hover_text(format!("The new key, SHA-256\n{}", row.pending_keyid));
                let replace = ui
                    .add(Button::new("It was reinstalled: replace the key").enabled(allowed))
                    .on_hover_text("The new key counts from here on; the old one is refused");
                let refuse = ui
                    .add(Button::new("Refuse").enabled(allowed))
                    .on_hover_text("The newcomer is turned away; the old key stays");
                let decision = match (replace.clicked(), refuse.clicked()) {
                    (true, _) => RegistrationVerdict::Replace,
                    (false, true) => RegistrationVerdict::Refuse,
                    (false, false) => return,
                };
                if allowed {
                    view.send(Command::Decide {
                        identifier: row.identifier.clone(),
                        decision: RegistrationDecision {
                            decision,
                            keyid: row.pending_keyid.clone(),
                        },
                    });
                }
            });
        });
    });
}

fn failure(ui: &mut Ui, view: View<'_>, failed: &InstalledPackage) {
    let step = match failed.failed_step.as_str() {
        "" | "install" => "failed to install".to_owned(),
        "remove" => "failed to be removed".to_owned(),
        step => format!("failed at {step}"),
    };
    let title = format!("{} {} {step}", failed.package, failed.version);
    let mut end = time::when(failed.changed_at, view.now);
    if failed.tries > 1 {
        end = format!("{end} · {} try", ordinal(failed.tries));
    }
    let log = log::without_folders(&failed.log);
    let lines = log::tail(&log, 8);
    failure_box(ui, &title, &end, |ui| {
        if !lines.is_empty() {
            log::ui(ui, &lines);
        }
        card::padded(ui, |ui| {
            ui.horizontal(|ui| {
                let retry = ui.add(
                    Button::new(UserAction::RetryFailed.text())
                        .enabled(view.state.can(UserAction::RetryFailed)),
                );
                if retry.on_hover_text(UserAction::RetryFailed.tooltip()).clicked() {
                    view.send(Command::Order {
                        kind: ActionKind::Install,
                        packages: vec![failed.package.clone()],
                    });
                }
                if ui
                    .add(Button::new("Open full log").enabled(!failed.log.is_empty()))
                    .clicked()
                {
                    view.send(Command::OpenLog(failed.package.clone()));
                }
                view.button(ui, UserAction::EditHost, false);
            });
        });
    });
}

fn cannot(ui: &mut Ui, view: View<'_>, pending: &PendingPackage) {
    let title = format!("{} cannot be had", pending.package);
    failure_box(ui, &title, "", |ui| {
        let error = pending.error.as_deref().unwrap_or_default();
        log::ui(
            ui,
            &[pending.reason.as_str(), error]
                .into_iter()
                .filter(|line| !line.is_empty())
                .collect::<Vec<_>>(),
        );
        card::padded(ui, |ui| {
            ui.horizontal(|ui| {
                view.button(ui, UserAction::CheckUpdates, false);
                view.button(ui, UserAction::EditHost, false);
            });
        });
    });
}

fn failure_box(ui: &mut Ui, title: &str, end: &str, add: impl FnOnce(&mut Ui)) {
    let tokens = Tokens::of(ui);
    card::framed(ui, tokens.error.gamma_multiply(0.6), |ui| {
        let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), 34.0), egui::Sense::hover());
        let corner = CornerRadius {
            nw: size::BOX_CORNER,
            ne: size::BOX_CORNER,
            sw: 0,
            se: 0,
        };
        ui.painter()
            .rect_filled(rect.shrink(1.0), corner, tokens.error_surface);
        let mut inner = rect.shrink2(vec2(size::MARGIN, 0.0));
        Icon::Error.paint_left(ui.painter(), inner, 15.0, tokens.error);
        inner.min.x += 24.0;
        let end_width = text::width(ui.painter(), end, fonts::small());
        text::line(
            ui.painter(),
            inner,
            end,
            fonts::small(),
            tokens.secondary,
            Align::Max,
        );
        inner.max.x -= end_width + 8.0;
        text::line(
            ui.painter(),
            inner,
            title,
            fonts::strong(),
            tokens.text,
            Align::Min,
        );
        response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Heading, true, title));
        add(ui);
    });
}

fn running(ui: &mut Ui, view: View<'_>, row: &HostRow) {
    let live = view
        .state
        .details
        .tasks_of(&row.identifier)
        .find(|task| !task.over);
    if row.running.is_empty() && live.is_none() {
        return;
    }
    card::show(ui, |ui| {
        card::title(ui, "Running now");
        card::padded(ui, |ui| {
            let said = live.map_or(row.running.as_str(), |task| task.text.as_str());
            text::body(ui, said);
            if let Some(percent) = live.and_then(|task| task.percent) {
                progress::bar(ui, ui.available_width(), f32::from(percent) / 100.0, said);
            }
        });
    });
}

fn waiting(ui: &mut Ui, packages: &PackagesBlock) {
    let pending: Vec<_> = packages
        .pending
        .iter()
        .filter(|pending| pending.error.is_none())
        .collect();
    if pending.is_empty() {
        return;
    }
    let tokens = Tokens::of(ui);
    card::show(ui, |ui| {
        card::title(ui, "Waiting for this host");
        for pending in pending {
            let end = match (pending.from.is_empty(), pending.version.is_empty()) {
                (false, false) => format!("{} → {}", pending.from, pending.version),
                (true, _) => pending.version.clone(),
                (false, true) => pending.from.clone(),
            };
            let note = if pending.reason.is_empty() {
                pending.change.as_str().to_owned()
            } else {
                format!("{}, {}", pending.change.as_str(), pending.reason)
            };
            let icon = match pending.change {
                Change::Install | Change::Upgrade => (Icon::NeedUpgrade, tokens.warn),
                Change::Remove => (Icon::Trash, tokens.warn),
                Change::Impossible => (Icon::Error, tokens.error),
            };
            Line {
                icon: Some(icon),
                name: &pending.package,
                note: &note,
                end: &end,
                strong: false,
                end_mono: true,
            }
            .show(ui);
        }
    });
}

fn assigned(ui: &mut Ui, packages: &PackagesBlock) {
    if packages.assigned.is_empty() && packages.forbidden.is_empty() {
        return;
    }
    let tokens = Tokens::of(ui);
    card::show(ui, |ui| {
        card::title(ui, "Assigned");
        for request in &packages.assigned {
            let wanted = Request::parse_as_wapt(request);
            let installed = packages
                .installed
                .iter()
                .find(|installed| wanted.matches(&installed.package, &installed.version))
                .or_else(|| {
                    packages
                        .installed
                        .iter()
                        .find(|installed| installed.package == wanted.name)
                });
            let (icon, end) = match installed {
                Some(installed) => (status_icon(installed.status, tokens), describe(installed)),
                None => ((Icon::NeedUpgrade, tokens.warn), "not installed".to_owned()),
            };
            Line {
                icon: Some(icon),
                name: request,
                note: "",
                end: &end,
                strong: false,
                end_mono: true,
            }
            .show(ui);
        }
        for request in &packages.forbidden {
            let icon = Some((Icon::Ban, tokens.secondary));
            Line {
                icon,
                name: request,
                note: "forbidden",
                end: "",
                strong: false,
                end_mono: false,
            }
            .show(ui);
        }
    });
}

fn describe(installed: &InstalledPackage) -> String {
    let parts = muster_shared::request::split_list(&installed.depends).count();
    match installed.section.as_str() {
        section @ ("group" | "unit" | "profile") => {
            format!("{section} · {}", text::counted(parts as u64, "package"))
        }
        _ => installed.version.clone(),
    }
}

/// Shape and colour of an installed package's status.
pub(super) fn status_icon(status: InstallStatus, tokens: &Tokens) -> (Icon, Color32) {
    match status {
        InstallStatus::Ok => (Icon::Ok, tokens.ok),
        InstallStatus::Error => (Icon::Error, tokens.error),
        InstallStatus::Running | InstallStatus::Init => (Icon::Running, tokens.accent),
        InstallStatus::Warning | InstallStatus::Retry => (Icon::NeedUpgrade, tokens.warn),
        InstallStatus::Postponed | InstallStatus::Unknown => (Icon::Waiting, tokens.secondary),
    }
}

fn facts(ui: &mut Ui, row: &HostRow, detail: Option<&HostDetail>) {
    let hardware: HardwareBlock = detail
        .and_then(|detail| block(detail, Block::Hardware))
        .unwrap_or_default();
    let agent: AgentBlock = detail
        .and_then(|detail| block(detail, Block::Agent))
        .unwrap_or_default();
    let host = detail.and_then(host_block).unwrap_or_default();
    card::show(ui, |ui| {
        Frame::NONE.inner_margin(Margin::symmetric(0, 8)).show(ui, |ui| {
            ui.set_width(ui.available_width());
            ui.with_layout(Layout::top_down(Align::Min), |ui| {
                let model = join(" ", &[&row.manufacturer, &row.model]);
                let serial = if row.serial.is_empty() {
                    String::new()
                } else {
                    format!("serial {}", row.serial)
                };
                card::fact(ui, "Model", &join(" · ", &[&model, &serial]), false);
                card::fact(ui, "Memory, disk", &memory_and_disk(&hardware), false);
                card::fact(ui, "Network", &join(" · ", &[&row.address, &row.mac]), true);
                card::fact(
                    ui,
                    "System",
                    &join(" · ", &[&row.os, &row.os_version, &row.architecture]),
                    false,
                );
                card::fact(ui, "Unit", &row.ou, false);
                card::fact(ui, "Domain", &host.domain, false);
                let trust = agent
                    .trust
                    .iter()
                    .map(|anchor| anchor.name.as_str())
                    .collect::<Vec<_>>()
                    .join(", ");
                let trust = if trust.is_empty() {
                    String::new()
                } else {
                    format!("trusts “{trust}”")
                };
                card::fact(ui, "Agent", &join(" · ", &[&row.agent_version, &trust]), false);
                card::fact(
                    ui,
                    "Registered",
                    &join(" · ", &[&time::exact(row.first_seen), &row.registered_by]),
                    false,
                );
                card::fact(ui, "Identifier", &row.identifier, true);
            });
        });
    });
}

fn memory_and_disk(hardware: &HardwareBlock) -> String {
    let memory = if hardware.memory_bytes == 0 {
        String::new()
    } else {
        time::bytes(hardware.memory_bytes)
    };
    let disk = hardware.disks.iter().max_by_key(|disk| disk.size_bytes);
    let disk = disk.map_or_else(String::new, |disk| {
        format!("{} GB free of {}", disk.free_gib, time::bytes(disk.size_bytes))
    });
    join(" · ", &[&memory, &disk])
}

fn join(between: &str, parts: &[&str]) -> String {
    parts
        .iter()
        .copied()
        .filter(|part| !part.is_empty())
        .collect::<Vec<_>>()
        .join(between)
}

fn ordinal(number: u32) -> String {
    let ending = match (number % 10, number % 100) {
        (1, rest) if rest != 11 => "st",
        (2, rest) if rest != 12 => "nd",
        (3, rest) if rest != 13 => "rd",
        _ => "th",
    };
    format!("{number}{ending}")
}
