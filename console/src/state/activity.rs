//! What was ordered and what became of it, kept live by events.

use jiff::Timestamp;
use muster_shared::protocol::action::{ActionDetail, ActionRow, TargetRow, TargetState};
use uuid::Uuid;

use super::scope::Move;
use crate::remote::{Problem, Remote};

const KEPT_DETAILS: usize = 64;

/// Actions, newest first, and the targets of those that were looked at.
#[derive(Debug, Default)]
pub struct Activity {
    pub list: Remote<Vec<ActionRow>>,
    details: Vec<(Uuid, Remote<Vec<TargetRow>>)>,
    pub cursor: Option<Uuid>,
}

impl Activity {
    /// The row of an action.
    pub fn row(&self, batch: Uuid) -> Option<&ActionRow> {
        self.list.value()?.iter().find(|row| row.batch == batch)
    }

    /// The action that is looked at.
    pub fn current(&self) -> Option<&ActionRow> {
        self.cursor.and_then(|batch| self.row(batch))
    }

    /// Moves with the keyboard.
    pub fn step(&mut self, step: Move) -> Option<Uuid> {
        let rows = self.list.value()?;
        let place = self
            .cursor
            .and_then(|batch| rows.iter().position(|row| row.batch == batch));
        let batch = rows.get(step.from(place, rows.len()))?.batch;
        self.cursor = Some(batch);
        Some(batch)
    }

    /// What is known of an action's targets.
    pub fn targets(&self, batch: Uuid) -> Option<&Remote<Vec<TargetRow>>> {
        self.details
            .iter()
            .find(|(kept, _)| *kept == batch)
            .map(|(_, targets)| targets)
    }

    /// Whether the targets must be asked for; notes that they were.
    pub fn ask_targets(&mut self, batch: Uuid) -> bool {
        self.entry(batch).ask()
    }

    /// Notes what came for an action.
    pub fn answer(&mut self, batch: Uuid, result: Result<ActionDetail, Problem>) {
        match result {
            Ok(detail) => {
                self.entry(batch).answer(Ok(detail.targets));
                self.update(detail.row);
            }
            Err(problem) => self.entry(batch).answer(Err(problem)),
        }
    }

    /// Takes one row that is new or changed.
    pub fn update(&mut self, row: ActionRow) {
        let Some(rows) = self.list.value_mut() else { return };
        match rows.iter_mut().find(|known| known.batch == row.batch) {
            Some(known) => *known = row,
            None => rows.insert(0, row),
        }
    }

    /// An action moved on one host.
    pub fn target_moved(&mut self, batch: Uuid, target: &TargetRow) {
        let mut was = None;
        if let Some(targets) = self
            .details
            .iter_mut()
            .find(|(kept, _)| *kept == batch)
            .and_then(|(_, targets)| targets.value_mut())
        {
            match targets
                .iter_mut()
                .find(|known| known.identifier.eq_ignore_ascii_case(&target.identifier))
            {
                Some(known) => was = Some(std::mem::replace(known, target.clone()).state),
                None => targets.push(target.clone()),
            }
        }
        let row = self
            .list
            .value_mut()
            .and_then(|rows| rows.iter_mut().find(|row| row.batch == batch));
        // Without the state before, the counts cannot be moved; the next list has them.
        if let (Some(row), Some(was)) = (row, was)
            && was != target.state
        {
            if let Some(count) = row.states.get_mut(was.as_str()) {
                *count = count.saturating_sub(1);
            }
            *row.states.entry(target.state.as_str().to_owned()).or_default() += 1;
        }
    }

    fn entry(&mut self, batch: Uuid) -> &mut Remote<Vec<TargetRow>> {
        let place = self.details.iter().position(|(kept, _)| *kept == batch);
        let entry = place.map_or_else(|| (batch, Remote::default()), |place| self.details.remove(place));
        self.details.truncate(KEPT_DETAILS - 1);
        self.details.insert(0, entry);
        &mut self.details.first_mut().expect("one was just put there").1
    }
}

/// Some host works on it, or a connected one is about to: what only waits for absent hosts is not shown as work.
pub fn is_under_way(row: &ActionRow, now: Timestamp) -> bool {
    let moving = [TargetState::Sent, TargetState::Accepted, TargetState::Running];
    moving
        .iter()
        .any(|state| row.states.get(state.as_str()).is_some_and(|count| *count > 0))
        && now <= row.expires_at
}

/// How many targets are through with it, well or not.
pub fn over_count(row: &ActionRow) -> u64 {
    row.states
        .iter()
        .filter(|(state, _)| state.parse::<TargetState>().is_ok_and(TargetState::is_over))
        .map(|(_, count)| count)
        .sum()
}

/// How many targets failed, refused or let it expire.
pub fn failed_count(row: &ActionRow) -> u64 {
    let bad = [TargetState::Failed, TargetState::Refused, TargetState::Expired];
    bad.iter()
        .filter_map(|state| row.states.get(state.as_str()))
        .sum()
}
