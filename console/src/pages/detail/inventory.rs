//! Hardware and software as the host reported them.

use egui::{Frame, Margin, Ui};
use muster_shared::protocol::host::{HostDetail, HostRow};
use muster_shared::protocol::inventory::{Block, HardwareBlock, Software};

use super::{block, host_block};
use crate::state::time;
use crate::ui::card::{self, Line};
use crate::ui::text;

/// More software than this is shown in part; the filter finds the rest.
const SHOWN_SOFTWARE: usize = 400;

/// Shows the hardware tab.
pub(super) fn hardware(ui: &mut Ui, row: &HostRow, detail: Option<&HostDetail>) {
    let Some(detail) = detail else { return };
    let Some(hardware) = block::<HardwareBlock>(detail, Block::Hardware) else {
        text::secondary(ui, "The host has not reported its hardware yet");
        return;
    };
    let host = host_block(detail).unwrap_or_default();
    group(ui, "Machine", |ui| {
        card::fact(ui, "Manufacturer", &hardware.manufacturer, false);
        card::fact(ui, "Model", &hardware.model, false);
        card::fact(ui, "Serial", &hardware.serial, true);
        card::fact(ui, "Chassis", &hardware.chassis, false);
        card::fact(ui, "Board", &hardware.board, false);
        let bios = [&hardware.bios_vendor, &hardware.bios_version, &hardware.bios_date];
        card::fact(ui, "Firmware", &said(&bios), false);
        card::fact(ui, "UUID", &hardware.uuid, true);
    });
    group(ui, "Processor and memory", |ui| {
        card::fact(ui, "Processor", &hardware.processor, false);
        let count = if hardware.processor_count == 0 {
            String::new()
        } else {
            hardware.processor_count.to_string()
        };
        card::fact(ui, "Cores", &count, false);
        let memory = if hardware.memory_bytes == 0 {
            String::new()
        } else {
            time::bytes(hardware.memory_bytes)
        };
        card::fact(ui, "Memory", &memory, false);
        card::fact(ui, "Architecture", &row.architecture, false);
        card::fact(ui, "Kernel", &host.kernel, true);
    });
    if !hardware.disks.is_empty() {
        card::show(ui, |ui| {
            card::title(ui, "Disks");
            for disk in &hardware.disks {
                let end = format!("{} GB free of {}", disk.free_gib, time::bytes(disk.size_bytes));
                let note = format!("{} {}", disk.device, disk.file_system);
                Line {
                    icon: None,
                    name: &disk.name,
                    note: note.trim(),
                    end: &end,
                    strong: false,
                    end_mono: false,
                }
                .show(ui);
            }
        });
    }
    if !host.interfaces.is_empty() {
        card::show(ui, |ui| {
            card::title(ui, "Network");
            for interface in &host.interfaces {
                let end = interface.addresses.join("  ");
                Line {
                    icon: None,
                    name: &interface.name,
                    note: &interface.mac,
                    end: &end,
                    strong: false,
                    end_mono: true,
                }
                .show(ui);
            }
        });
        group(ui, "Names", |ui| {
            card::fact(ui, "Gateways", &host.gateways.join(", "), true);
            card::fact(ui, "DNS", &host.dns_servers.join(", "), true);
            card::fact(ui, "Domain", &host.domain, false);
        });
    }
}

fn said(parts: &[&String]) -> String {
    parts
        .iter()
        .filter(|part| !part.is_empty())
        .map(|part| part.as_str())
        .collect::<Vec<_>>()
        .join(" ")
}

fn group(ui: &mut Ui, title: &str, add: impl FnOnce(&mut Ui)) {
    card::show(ui, |ui| {
        card::title(ui, title);
        Frame::NONE
            .inner_margin(Margin {
                left: 0,
                right: 0,
                top: 0,
                bottom: 8,
            })
            .show(ui, |ui| {
                ui.set_width(ui.available_width());
                add(ui);
            });
    });
}

/// Shows the software tab.
pub(super) fn software(ui: &mut Ui, detail: Option<&HostDetail>) {
    let Some(detail) = detail else { return };
    let mut software: Vec<Software> = block(detail, Block::Software).unwrap_or_default();
    if software.is_empty() {
        text::secondary(ui, "The host has not reported its software yet");
        return;
    }
    software.sort_by(|one, other| crate::state::scope::compare_text(&one.name, &other.name));
    card::show(ui, |ui| {
        card::title(ui, &text::counted(software.len() as u64, "program"));
        for entry in software.iter().take(SHOWN_SOFTWARE) {
            let name = if entry.name.is_empty() {
                &entry.key
            } else {
                &entry.name
            };
            Line {
                icon: None,
                name,
                note: &entry.publisher,
                end: &entry.version,
                strong: false,
                end_mono: true,
            }
            .show(ui);
        }
    });
    if software.len() > SHOWN_SOFTWARE {
        text::small(
            ui,
            &format!("The first {SHOWN_SOFTWARE} are shown; search the fleet with software:NAME"),
        );
    }
}
