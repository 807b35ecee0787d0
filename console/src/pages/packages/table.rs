//! The repository's table.

use egui::{Align, Rect, Ui};
use muster_shared::protocol::action::ActionKind;

use crate::command::Command;
use crate::pages::states;
use crate::state::packages::PackageColumn;
use crate::state::time;
use crate::ui::table::{self, Column, Rows, TableEvent};
use crate::ui::{Button, Icon, Tokens, fonts, text};
use crate::view::View;

/// Shows the table, or why there is none.
pub(super) fn ui(ui: &mut Ui, view: View<'_>) {
    let packages = &view.state.packages;
    if packages.all().is_empty() {
        if packages.list.problem().is_some() {
            return;
        }
        if packages.list.value().is_none() {
            states::list_state(ui, &packages.list, "the repository");
        } else {
            let note = "Upload a built .wapt file, or drop one on this window";
            states::empty(ui, Icon::Box, "The repository is empty", note);
        }
        return;
    }
    if packages.visible_len() == 0 {
        states::empty(ui, Icon::Search, "No package fits", "Take words from the filter");
        return;
    }
    let (sorted, down) = packages.sort();
    let columns = PackageColumn::ALL.map(|column| Column {
        sorted: (column == sorted).then_some(down),
        ..column_of(column)
    });
    let scroll_to = if packages.scroll_to_cursor {
        packages.cursor_position()
    } else {
        None
    };
    for event in table::show(ui, "packages", &columns, &PackageRows { view }, scroll_to) {
        match event {
            TableEvent::Clicked { row, .. } | TableEvent::Opened { row } | TableEvent::MenuAsked { row } => {
                view.send(Command::PickPackageRow(row));
            }
            TableEvent::Head { column } => {
                if let Some(column) = PackageColumn::ALL.get(column) {
                    view.send(Command::SortPackages(*column));
                }
            }
        }
    }
}

fn column_of(column: PackageColumn) -> Column {
    match column {
        PackageColumn::Section => Column::new("Section", 84.0),
        PackageColumn::Package => Column::new("Package", 200.0),
        PackageColumn::Version => Column::new("Version", 110.0),
        PackageColumn::Description => Column::flexible("Description", 160.0),
        PackageColumn::Target => Column::new("For", 96.0),
        PackageColumn::Size => Column::new("Size", 76.0),
        PackageColumn::Hosts => Column::new("Hosts", 64.0),
        PackageColumn::Uploaded => Column::new("Uploaded", 116.0),
    }
}

struct PackageRows<'a> {
    view: View<'a>,
}

impl Rows for PackageRows<'_> {
    fn count(&self) -> usize {
        self.view.state.packages.visible_len()
    }

    fn is_selected(&self, row: usize) -> bool {
        self.is_cursor(row)
    }

    fn is_cursor(&self, row: usize) -> bool {
        self.view.state.packages.is_cursor(row)
    }

    fn name(&self, row: usize) -> String {
        self.view
            .state
            .packages
            .row_at(row)
            .map_or_else(String::new, |row| format!("{} {}", row.package, row.version))
    }

    fn cell(&self, ui: &Ui, rect: Rect, row: usize, column: usize) {
        let packages = &self.view.state.packages;
        let (Some(row), Some(column)) = (packages.row_at(row), PackageColumn::ALL.get(column)) else {
            return;
        };
        let tokens = Tokens::of(ui);
        let (said, font, ink, align) = match column {
            PackageColumn::Section => (row.section.clone(), fonts::body(), tokens.secondary, Align::Min),
            PackageColumn::Package => (row.package.clone(), fonts::strong(), tokens.text, Align::Min),
            PackageColumn::Version => (row.version.clone(), fonts::mono(), tokens.secondary, Align::Min),
            PackageColumn::Description => (
                row.description.clone(),
                fonts::body(),
                tokens.secondary,
                Align::Min,
            ),
            PackageColumn::Target => (target(row), fonts::body(), tokens.secondary, Align::Min),
            PackageColumn::Size => (time::bytes(row.size), fonts::body(), tokens.secondary, Align::Max),
            PackageColumn::Hosts => (
                text::number(u64::from(row.host_count)),
                fonts::body(),
                tokens.secondary,
                Align::Max,
            ),
            PackageColumn::Uploaded => (
                time::when(row.uploaded_at, self.view.now),
                fonts::body(),
                tokens.secondary,
                Align::Min,
            ),
        };
        let mut inner = rect;
        if align == Align::Max {
            inner.max.x -= 8.0;
        }
        text::line(ui.painter(), inner, &said, font, ink, align);
    }

    fn menu(&self, ui: &mut Ui, row: usize) -> bool {
        let Some(row) = self.view.state.packages.row_at(row) else {
            return false;
        };
        super::order_buttons(ui, self.view, |ui, view, kind, name, hosts| {
            if ui
                .add(Button::quiet(name).min_width(240.0).enabled(hosts > 0))
                .clicked()
                && hosts > 0
            {
                send_order(view, kind, &row.package);
                ui.close();
            }
        });
        true
    }
}

/// Orders an action with this package on the hosts selected on the hosts page.
pub(super) fn send_order(view: View<'_>, kind: ActionKind, package: &str) {
    view.send(Command::Order {
        kind,
        packages: vec![package.to_owned()],
    });
}

fn target(row: &muster_shared::protocol::package::PackageRow) -> String {
    let system = if row.target_os.is_empty() {
        "all"
    } else {
        &row.target_os
    };
    match row.architecture.as_str() {
        "" | "all" => system.to_owned(),
        architecture => format!("{system} {architecture}"),
    }
}
