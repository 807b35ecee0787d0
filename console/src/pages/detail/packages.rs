//! The packages on the host: status, version, and the log of the chosen one.

use egui::{Align, CornerRadius, Sense, Ui, vec2};
use muster_shared::protocol::host::{HostDetail, HostRow};
use muster_shared::protocol::package::InstalledPackage;

use super::{log, overview};
use crate::command::Command;
use crate::state::time;
use crate::ui::{Button, Tokens, card, fonts, size, text};
use crate::view::View;

/// Shows the tab.
pub(super) fn ui(ui: &mut Ui, view: View<'_>, row: &HostRow, detail: Option<&HostDetail>) {
    let Some(detail) = detail else { return };
    let mut packages = detail.packages();
    if packages.installed.is_empty() {
        text::secondary(ui, "Nothing is installed by Muster on this host");
        return;
    }
    packages.installed.sort_by(|one, other| {
        let urgency = |package: &InstalledPackage| u8::from(package.status.is_installed());
        urgency(one)
            .cmp(&urgency(other))
            .then_with(|| one.package.cmp(&other.package))
    });
    let open = view.state.details.open_package.as_deref();
    card::show(ui, |ui| {
        let mut first = true;
        for installed in &packages.installed {
            let chosen = open == Some(installed.package.as_str());
            package_row(ui, view, installed, chosen, first);
            if chosen {
                opened(ui, view, installed);
            }
            first = false;
        }
    });
    if let Some(updated) = packages.updated_at {
        text::small(
            ui,
            &format!(
                "As {} reported at its update of {}",
                row.name,
                time::when(updated, view.now)
            ),
        );
    }
}

fn package_row(ui: &mut Ui, view: View<'_>, installed: &InstalledPackage, chosen: bool, first: bool) {
    let tokens = Tokens::of(ui);
    let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), size::ROW), Sense::click());
    let said = format!(
        "{} {} {}",
        installed.package,
        installed.version,
        installed.status.as_str()
    );
    response.widget_info(|| egui::WidgetInfo::selected(egui::Role::Row, true, chosen, &said));
    if chosen || response.hovered() || response.has_focus() {
        let fill = if chosen { tokens.selection } else { tokens.raised };
        ui.painter()
            .rect_filled(rect.shrink(1.0), CornerRadius::same(4), fill);
    }
    if !first {
        card::hairline(ui, rect);
    }
    let mut inner = rect.shrink2(vec2(size::MARGIN, 0.0));
    let (icon, color) = overview::status_icon(installed.status, tokens);
    icon.paint_left(ui.painter(), inner, 14.0, color);
    let mut word = inner;
    word.min.x += 19.0;
    text::line(
        ui.painter(),
        word,
        installed.status.as_str(),
        fonts::small_strong(),
        color,
        Align::Min,
    );
    inner.min.x += 96.0;
    let version_width = text::width(ui.painter(), &installed.version, fonts::mono());
    text::line(
        ui.painter(),
        inner,
        &installed.version,
        fonts::mono(),
        tokens.secondary,
        Align::Max,
    );
    inner.max.x -= version_width + 10.0;
    let name_width = text::width(ui.painter(), &installed.package, fonts::strong());
    text::line(
        ui.painter(),
        inner,
        &installed.package,
        fonts::strong(),
        tokens.text,
        Align::Min,
    );
    inner.min.x += name_width + 10.0;
    if inner.width() > 30.0 {
        let note = if installed.section == "base" {
            ""
        } else {
            &installed.section
        };
        text::line(
            ui.painter(),
            inner,
            note,
            fonts::small(),
            tokens.secondary,
            Align::Min,
        );
    }
    if response.clicked() {
        view.send(Command::OpenPackage(installed.package.clone()));
    }
}

fn opened(ui: &mut Ui, view: View<'_>, installed: &InstalledPackage) {
    card::padded(ui, |ui| {
        if !installed.description.is_empty() {
            text::secondary(ui, &installed.description);
        }
        let by = if installed.explicit_by.is_empty() {
            "came as a dependency".to_owned()
        } else {
            format!("asked for by {}", installed.explicit_by)
        };
        text::small(
            ui,
            &format!("{} · {by}", time::when(installed.changed_at, view.now)),
        )
        .on_hover_text(time::exact(installed.changed_at));
        if !installed.depends.is_empty() {
            text::small(ui, &format!("needs {}", installed.depends));
        }
        if !installed.signer.is_empty() {
            text::small(ui, &format!("signed by {}", installed.signer));
        }
        if !installed.audit_status.is_empty() {
            text::small(
                ui,
                &format!(
                    "audit {}: {}",
                    installed.audit_status,
                    installed.audit_output.trim()
                ),
            );
        }
    });
    let lines = log::tail(&installed.log, 14);
    if lines.is_empty() {
        return;
    }
    log::ui(ui, &lines);
    card::padded(ui, |ui| {
        if ui.add(Button::new("Open full log")).clicked() {
            view.send(Command::OpenLog(installed.package.clone()));
        }
    });
}
