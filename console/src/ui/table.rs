//! The one table of the window, over `egui_table`: fixed rows, sorting heads, selection, keyboard place.
//!
//! Only visible rows are drawn; a list of 50,000 costs what a list of 30 costs.

use egui::{Align, CornerRadius, Id, Modifiers, Rect, Role, Sense, Stroke, Ui, WidgetInfo, vec2};
use egui_table::{CellInfo, HeaderCellInfo, HeaderRow, Table, TableDelegate, TableState};

use super::tokens::{Tokens, size};
use super::{fonts, text};

/// One column.
#[derive(Debug, Clone, Copy)]
pub struct Column {
    pub title: &'static str,
    pub width: f32,
    /// Takes what the others leave.
    pub flexible: bool,
    /// `Some(true)` when the rows go down by it, `Some(false)` when up.
    pub sorted: Option<bool>,
    pub sortable: bool,
}

impl Column {
    /// A column of a starting width.
    pub fn new(title: &'static str, width: f32) -> Self {
        Self {
            title,
            width,
            flexible: false,
            sorted: None,
            sortable: true,
        }
    }

    /// The column that takes what the others leave, at least `width`.
    pub fn flexible(title: &'static str, width: f32) -> Self {
        Self {
            flexible: true,
            ..Self::new(title, width)
        }
    }
}

/// What a table shows.
pub trait Rows {
    /// How many rows there are.
    fn count(&self) -> usize;
    /// Drawn as selected.
    fn is_selected(&self, row: usize) -> bool;
    /// Has the keyboard's place.
    fn is_cursor(&self, row: usize) -> bool;
    /// What a screen reader says.
    fn name(&self, row: usize) -> String;
    /// Paints one cell into `rect`.
    fn cell(&self, ui: &Ui, rect: Rect, row: usize, column: usize);
    /// What the pointer is told while it rests on a row.
    fn hover_text(&self, _row: usize) -> Option<String> {
        None
    }
    /// The menu under the other mouse button; nothing unless told.
    fn menu(&self, _ui: &mut Ui, _row: usize) -> bool {
        false
    }
}

/// What a person did to a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TableEvent {
    Clicked {
        row: usize,
        modifiers: Modifiers,
    },
    /// Pressed twice.
    Opened {
        row: usize,
    },
    /// The other mouse button.
    MenuAsked {
        row: usize,
    },
    Head {
        column: usize,
    },
}

/// Shows a table in all the room that there is.
pub fn show(
    ui: &mut Ui,
    salt: &str,
    columns: &[Column],
    rows: &dyn Rows,
    scroll_to: Option<usize>,
) -> Vec<TableEvent> {
    ui.scope(|ui| {
        // The wrapped table paints lines between columns with this stroke; we show none at rest.
        ui.visuals_mut().widgets.noninteractive.bg_stroke = Stroke::NONE;
        let mut delegate = Delegate {
            columns,
            rows,
            events: Vec::new(),
        };
        let widths = settle_widths(ui, salt, columns);
        let wrapped: Vec<_> = widths
            .iter()
            .map(|width| {
                egui_table::Column::new(*width)
                    .range(24.0..=1200.0)
                    .resizable(true)
            })
            .collect();
        let mut table = Table::new()
            .id_salt(salt)
            .num_rows(rows.count() as u64)
            .columns(wrapped)
            .headers([HeaderRow::new(size::HEADER)]);
        if let Some(row) = scroll_to {
            table = table.scroll_to_row(row as u64, None);
        }
        table.show(ui, &mut delegate);
        delegate.events
    })
    .inner
}

/// Keeps what the user made of the widths and gives the flexible column the rest.
fn settle_widths(ui: &Ui, salt: &str, columns: &[Column]) -> Vec<f32> {
    let table_id = TableState::id(ui, egui::IdSalt::new(salt));
    let mut state = TableState::load(ui, table_id).unwrap_or_default();
    let mut widths: Vec<f32> = columns
        .iter()
        .enumerate()
        .map(|(place, column)| {
            let wrapped = egui_table::Column::new(column.width).id_for(place);
            state.col_widths.get(&wrapped).copied().unwrap_or(column.width)
        })
        .collect();
    if let Some(flexible) = columns.iter().position(|column| column.flexible) {
        let others: f32 = widths
            .iter()
            .enumerate()
            .filter(|(place, _)| *place != flexible)
            .map(|(_, width)| width)
            .sum();
        let least = columns.get(flexible).map_or(80.0, |column| column.width);
        if let Some(width) = widths.get_mut(flexible) {
            *width = (ui.available_width() - others).max(least).floor();
        }
    }
    for (place, width) in widths.iter().enumerate() {
        state
            .col_widths
            .insert(egui_table::Column::new(*width).id_for(place), *width);
    }
    state.parent_width = Some(ui.available_width());
    state.store(ui, table_id);
    widths
}

struct Delegate<'a> {
    columns: &'a [Column],
    rows: &'a dyn Rows,
    events: Vec<TableEvent>,
}

impl TableDelegate for Delegate<'_> {
    fn header_cell_ui(&mut self, ui: &mut Ui, cell: &HeaderCellInfo) {
        let Some(column) = self.columns.get(cell.col_range.start) else {
            return;
        };
        let tokens = Tokens::of(ui);
        let rect = ui.max_rect();
        ui.painter()
            .rect_filled(rect, CornerRadius::ZERO, tokens.background);
        ui.painter()
            .hline(rect.x_range(), rect.bottom() - 0.5, Stroke::new(1.0, tokens.line));
        if column.title.is_empty() {
            return;
        }
        let sense = if column.sortable {
            Sense::click()
        } else {
            Sense::hover()
        };
        let response = ui.interact(rect, ui.scope_id().with("head"), sense);
        let said = match column.sorted {
            Some(true) => format!("{}, sorted", column.title),
            Some(false) => format!("{}, sorted in reverse", column.title),
            None => column.title.to_owned(),
        };
        response.widget_info(|| WidgetInfo::labeled(Role::ColumnHeader, true, &said));
        let ink = if response.hovered() && column.sortable {
            tokens.text
        } else {
            tokens.secondary
        };
        let inner = cell_rect(rect);
        text::line(
            ui.painter(),
            inner,
            column.title,
            fonts::small_strong(),
            ink,
            Align::Min,
        );
        if let Some(down) = column.sorted {
            let width = text::width(ui.painter(), column.title, fonts::small_strong());
            let center = egui::pos2(inner.left() + width + 10.0, inner.center().y);
            sort_arrow(ui, center, down, ink);
        }
        if response.clicked() {
            self.events.push(TableEvent::Head {
                column: cell.col_range.start,
            });
        }
    }

    fn row_ui(&mut self, ui: &mut Ui, row: u64) {
        // The wrapped table also draws the rows of its (empty) sticky region.
        if ui.clip_rect().width() <= 1.0 {
            return;
        }
        let row = row as usize;
        let tokens = Tokens::of(ui);
        let rect = ui.max_rect().intersect(ui.clip_rect());
        let response = ui.interact(rect, ui.scope_id().with("row"), Sense::click());
        let selected = self.rows.is_selected(row);
        let cursor = self.rows.is_cursor(row);
        let said = self.rows.name(row);
        response.widget_info(|| WidgetInfo::selected(Role::Row, true, selected, &said));
        let place = Rect::from_x_y_ranges(ui.clip_rect().x_range(), ui.max_rect().y_range());
        if selected {
            ui.painter()
                .rect_filled(place, CornerRadius::ZERO, tokens.selection);
        } else if response.hovered() {
            ui.painter().rect_filled(place, CornerRadius::ZERO, tokens.raised);
        }
        ui.painter().hline(
            place.x_range(),
            place.bottom() - 0.5,
            Stroke::new(1.0, tokens.line),
        );
        if cursor {
            let mark = Rect::from_min_size(place.min, vec2(2.0, place.height()));
            ui.painter().rect_filled(mark, CornerRadius::ZERO, tokens.accent);
        }
        let modifiers = ui.input(|input| input.modifiers);
        if response.double_clicked() {
            self.events.push(TableEvent::Opened { row });
        } else if response.clicked() {
            self.events.push(TableEvent::Clicked { row, modifiers });
        }
        if response.secondary_clicked() {
            self.events.push(TableEvent::MenuAsked { row });
        }
        let rows = self.rows;
        response.context_menu(|ui| {
            if !rows.menu(ui, row) {
                ui.close();
            }
        });
        if let Some(text) = self.rows.hover_text(row) {
            response.on_hover_text_at_pointer(text);
        }
    }

    fn cell_ui(&mut self, ui: &mut Ui, cell: &CellInfo) {
        if (cell.row_nr as usize) < self.rows.count() {
            let rect = cell_rect(ui.max_rect());
            self.rows.cell(ui, rect, cell.row_nr as usize, cell.col_nr);
        }
    }

    fn default_row_height(&self) -> f32 {
        size::ROW
    }
}

/// A cell without its margin.
fn cell_rect(rect: Rect) -> Rect {
    let mut inner = rect;
    inner.min.x += 8.0;
    inner.max.x -= 4.0;
    inner
}

fn sort_arrow(ui: &Ui, center: egui::Pos2, down: bool, color: egui::Color32) {
    let stroke = Stroke::new(1.2, color);
    let sign = if down { 1.0 } else { -1.0 };
    let tip = center + vec2(0.0, 4.0 * sign);
    ui.painter()
        .line_segment([center - vec2(0.0, 4.0 * sign), tip], stroke);
    ui.painter()
        .line_segment([tip, tip + vec2(-3.0, -3.0 * sign)], stroke);
    ui.painter()
        .line_segment([tip, tip + vec2(3.0, -3.0 * sign)], stroke);
}

/// The id that has the keyboard while a table is used.
pub fn focus_id(salt: &str) -> Id {
    Id::unique(("table focus", salt))
}
