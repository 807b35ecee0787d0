//! What the host does now, did lately and will do: live where the channel tells it, else as reported.

use egui::Ui;
use muster_shared::protocol::host::{HostDetail, HostRow};
use muster_shared::protocol::inventory::{Block, TasksBlock};
use muster_shared::protocol::task::TaskState;

use super::block;
use crate::state::time;
use crate::ui::card::{self, Line};
use crate::ui::{Icon, Tokens, progress, text};
use crate::view::View;

/// Shows the tab.
pub(super) fn ui(ui: &mut Ui, view: View<'_>, row: &HostRow, detail: Option<&HostDetail>) {
    let reported: TasksBlock = detail
        .and_then(|detail| block(detail, Block::Tasks))
        .unwrap_or_default();
    let live: Vec<_> = view
        .state
        .details
        .tasks_of(&row.identifier)
        .filter(|task| !task.over)
        .collect();
    if live.is_empty() && reported.is_empty() {
        if detail.is_some() {
            text::secondary(ui, "This host has no tasks");
        }
        return;
    }
    if !live.is_empty() {
        card::show(ui, |ui| {
            card::title(ui, "Running now");
            for task in &live {
                card::padded(ui, |ui| {
                    text::body(ui, &task.text);
                    if let Some(percent) = task.percent {
                        progress::bar(ui, ui.available_width(), f32::from(percent) / 100.0, &task.text);
                    }
                });
            }
        });
    }
    let rest: Vec<_> = reported
        .iter()
        .filter(|task| !live.iter().any(|live| live.task == task.id))
        .collect();
    if rest.is_empty() {
        return;
    }
    let tokens = Tokens::of(ui);
    card::show(ui, |ui| {
        card::title(ui, "As reported");
        for task in rest {
            let icon = match task.state {
                TaskState::Pending => (Icon::Waiting, tokens.secondary),
                TaskState::Running => (Icon::Running, tokens.accent),
                TaskState::Done => (Icon::Ok, tokens.ok),
                TaskState::Failed => (Icon::Error, tokens.error),
                TaskState::Cancelled => (Icon::Ban, tokens.secondary),
            };
            let name = format!("{} {}", task.kind, task.packages.join(" "));
            let at = task.finished_at.or(task.started_at).unwrap_or(task.created_at);
            let note = if task.ordered_by.is_empty() {
                String::new()
            } else {
                format!("by {}", task.ordered_by)
            };
            let end = time::when(at, view.now);
            let shown = Line {
                icon: Some(icon),
                name: name.trim(),
                note: &note,
                end: &end,
                strong: false,
                end_mono: false,
            }
            .show(ui);
            if !task.text.is_empty() {
                shown.on_hover_text(&task.text);
            }
        }
    });
}
