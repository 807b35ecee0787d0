//! The fleet in memory: rows, filter, order, selection and counts. 50,000 rows, no paging.
//!
//! A row that changes is replaced in place; order and counts are worked out again only when the change
//! touches them, and then at most once per [`SETTLE_EVERY`].

use std::cmp::Ordering;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use muster_shared::protocol::host::HostRow;

use super::filter::{HostFilter, haystack};
pub use super::scope::{HostColumn, Move, Scope, ScopeChange};
use super::scope::{compare_rows, compare_text};
use super::tree::Counts;
use crate::command::Pick;
use crate::remote::{Problem, Remote};

/// How often live changes may reorder the table.
pub const SETTLE_EVERY: Duration = Duration::from_millis(300);
/// The server is asked about a filter when nobody typed for this long.
const FILTER_REST: Duration = Duration::from_millis(180);

/// The fleet.
#[derive(Debug, Default)]
pub struct Hosts {
    /// How loading the list stands; the rows are beside it.
    pub list: Remote<()>,
    rows: Vec<HostRow>,
    /// Every text of each row in lower case.
    haystacks: Vec<Box<str>>,
    /// Row by lower-case identifier.
    places: HashMap<String, u32>,
    /// Rows that the filter shows, in order.
    visible: Vec<u32>,
    filter_text: String,
    filter: HostFilter,
    /// A filter on the inventory, since when, and whether the server was asked.
    awaited: Option<(HostFilter, Instant, bool)>,
    /// Why the text in the field is not a filter; the last one that was stays in force.
    pub filter_problem: Option<String>,
    scope: Scope,
    sort: HostOrder,
    selected: BTreeSet<u32>,
    cursor: Option<u32>,
    anchor: Option<u32>,
    counts: Counts,
    /// Names that several hosts have.
    shared_names: HashSet<String>,
    /// The table must bring the cursor into view.
    pub scroll_to_cursor: bool,
    stale_since: Option<Instant>,
}

#[derive(Debug, Clone, Copy)]
struct HostOrder {
    column: HostColumn,
    down: bool,
}

impl Default for HostOrder {
    fn default() -> Self {
        Self {
            column: HostColumn::Status,
            down: true,
        }
    }
}

impl Hosts {
    /// Takes a whole list, keeping filter, order and selection.
    pub fn replace(&mut self, rows: Result<Vec<HostRow>, Problem>, now: Timestamp) {
        let rows = match rows {
            Ok(rows) => rows,
            Err(problem) => return self.list.answer(Err(problem)),
        };
        self.list.answer(Ok(()));
        let name = |slot: &u32| self.rows.get(*slot as usize).map(|row| key(&row.identifier));
        let selected: Vec<_> = self.selected.iter().filter_map(name).collect();
        let cursor = self.cursor.as_ref().and_then(name);
        self.places = rows
            .iter()
            .enumerate()
            .map(|(place, row)| (key(&row.identifier), place as u32))
            .collect();
        self.haystacks = rows.iter().map(haystack).collect();
        self.rows = rows;
        self.selected = selected
            .iter()
            .filter_map(|name| self.places.get(name).copied())
            .collect();
        self.cursor = cursor.and_then(|name| self.places.get(&name).copied());
        self.anchor = self.cursor;
        self.reorder(now);
    }

    /// Takes one row that is new or changed.
    pub fn update(&mut self, row: HostRow, now: Timestamp, at: Instant) {
        let Some(place) = self.places.get(&key(&row.identifier)).copied() else {
            let place = self.rows.len() as u32;
            self.places.insert(key(&row.identifier), place);
            self.haystacks.push(haystack(&row));
            self.rows.push(row);
            self.stale_since.get_or_insert(at);
            return;
        };
        let shown_before = self.shows(place, now);
        let hay = haystack(&row);
        let Some(old) = self.rows.get_mut(place as usize) else {
            return;
        };
        let was = std::mem::replace(old, row);
        if let Some(old) = self.haystacks.get_mut(place as usize) {
            *old = hay;
        }
        let Some(row) = self.rows.get(place as usize) else {
            return;
        };
        let touched = was.status != row.status
            || was.reachable != row.reachable
            || was.ou != row.ou
            || was.groups != row.groups
            || shown_before != self.shows(place, now)
            || compare_rows(self.sort.column, &was, row) != Ordering::Equal;
        if touched {
            self.stale_since.get_or_insert(at);
        }
    }

    /// Takes a row away.
    pub fn remove(&mut self, identifier: &str, now: Timestamp) {
        let Some(place) = self.places.remove(&key(identifier)) else {
            return;
        };
        let last = self.rows.len().saturating_sub(1) as u32;
        self.rows.swap_remove(place as usize);
        self.haystacks.swap_remove(place as usize);
        if let Some(moved) = self.rows.get(place as usize) {
            self.places.insert(key(&moved.identifier), place);
        }
        let follow = |slot: u32| match slot {
            slot if slot == place => None,
            slot if slot == last => Some(place),
            slot => Some(slot),
        };
        self.selected = self.selected.iter().copied().filter_map(follow).collect();
        self.cursor = self.cursor.and_then(follow);
        self.anchor = self.anchor.and_then(follow);
        self.reorder(now);
    }

    /// Works out order and counts after live changes, when it is time. Returns how long to wait for it.
    pub fn settle(&mut self, now: Timestamp, at: Instant) -> Option<Duration> {
        let since = self.stale_since?;
        let left = SETTLE_EVERY.saturating_sub(at.saturating_duration_since(since));
        if left.is_zero() {
            self.reorder(now);
            return None;
        }
        Some(left)
    }

    /// What the field holds.
    pub fn filter_text(&self) -> &str {
        &self.filter_text
    }

    /// Filters as someone types. A text that is not a filter leaves the last one in force; one on the
    /// inventory comes into force when the server has answered ([`Hosts::due_filter`]).
    pub fn set_filter(&mut self, text: String, now: Timestamp, at: Instant) {
        self.awaited = None;
        match HostFilter::parse(&text) {
            Ok(filter) if filter.asks_server() => {
                self.filter_problem = None;
                self.awaited = Some((filter, at, false));
            }
            Ok(filter) => {
                self.filter = filter;
                self.filter_problem = None;
                self.reorder(now);
                self.drop_hidden_selection();
            }
            Err(problem) => self.filter_problem = Some(problem),
        }
        self.filter_text = text;
    }

    /// The filter to ask the server about, once; or how long to wait until it is time.
    pub fn due_filter(&mut self, at: Instant) -> Result<Option<String>, Duration> {
        let Some((_, since, asked)) = &mut self.awaited else {
            return Ok(None);
        };
        if *asked {
            return Ok(None);
        }
        let left = FILTER_REST.saturating_sub(at.saturating_duration_since(*since));
        if !left.is_zero() {
            return Err(left);
        }
        *asked = true;
        Ok(Some(self.filter_text.clone()))
    }

    /// Takes what the server found for a filter on the inventory.
    pub fn found(&mut self, text: &str, found: Result<Vec<String>, Problem>, now: Timestamp) {
        if text != self.filter_text {
            return;
        }
        let Some((mut filter, _, _)) = self.awaited.take() else {
            return;
        };
        match found {
            Ok(identifiers) => {
                filter.set_found(identifiers.iter().map(|identifier| key(identifier)).collect());
                self.filter = filter;
                self.reorder(now);
                self.drop_hidden_selection();
            }
            Err(problem) => self.filter_problem = Some(problem.message),
        }
    }

    /// The server is being asked which hosts the filter holds for.
    pub fn is_filtering(&self) -> bool {
        self.awaited.is_some()
    }

    /// What the tree narrows the table to.
    pub fn scope(&self) -> &Scope {
        &self.scope
    }

    /// Narrows or widens by the tree.
    pub fn change_scope(&mut self, change: ScopeChange, now: Timestamp) {
        self.scope.apply(change);
        self.reorder(now);
        self.drop_hidden_selection();
    }

    /// The column in force and whether it goes down.
    pub fn sort(&self) -> (HostColumn, bool) {
        (self.sort.column, self.sort.down)
    }

    /// Orders by a column; the same one again turns the order round.
    pub fn sort_by(&mut self, column: HostColumn, now: Timestamp) {
        self.sort.down = if self.sort.column == column {
            !self.sort.down
        } else {
            true
        };
        self.sort.column = column;
        self.reorder(now);
        self.scroll_to_cursor = true;
    }

    /// How many rows the filter shows.
    pub fn visible_len(&self) -> usize {
        self.visible.len()
    }

    /// How many hosts there are.
    pub fn total(&self) -> usize {
        self.rows.len()
    }

    /// The row at a position of the table.
    pub fn row_at(&self, position: usize) -> Option<&HostRow> {
        self.visible
            .get(position)
            .and_then(|place| self.rows.get(*place as usize))
    }

    /// A host's row.
    pub fn row(&self, identifier: &str) -> Option<&HostRow> {
        self.places
            .get(&key(identifier))
            .and_then(|place| self.rows.get(*place as usize))
    }

    /// Several hosts have this host's name.
    pub fn shares_its_name(&self, row: &HostRow) -> bool {
        self.shared_names.contains(&row.name)
    }

    /// A host's name, with its identifier when others have the same name.
    pub fn shown_name(&self, row: &HostRow) -> String {
        if self.shares_its_name(row) {
            format!("{} · {}", row.name, row.identifier)
        } else {
            row.name.clone()
        }
    }

    /// All rows, in no order.
    pub fn all(&self) -> &[HostRow] {
        &self.rows
    }

    /// The counts beside the tree.
    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    /// The position is selected.
    pub fn is_selected(&self, position: usize) -> bool {
        self.visible
            .get(position)
            .is_some_and(|place| self.selected.contains(place))
    }

    /// The position has the keyboard.
    pub fn is_cursor(&self, position: usize) -> bool {
        self.cursor.is_some() && self.visible.get(position).copied() == self.cursor
    }

    /// The selected rows in the table's order; at 50,000 this walks the table once.
    pub fn selection(&self) -> Vec<&HostRow> {
        if self.selected.is_empty() {
            return Vec::new();
        }
        self.visible
            .iter()
            .filter(|place| self.selected.contains(place))
            .filter_map(|place| self.rows.get(*place as usize))
            .collect()
    }

    /// How many rows are selected.
    pub fn selected_len(&self) -> usize {
        self.selected.len()
    }

    /// The row whose detail is shown.
    pub fn current(&self) -> Option<&HostRow> {
        self.cursor.and_then(|place| self.rows.get(place as usize))
    }

    /// Where the keyboard is, when the filter shows it.
    pub fn cursor_position(&self) -> Option<usize> {
        let cursor = self.cursor?;
        self.visible.iter().position(|place| *place == cursor)
    }

    /// Selects with the mouse.
    pub fn pick(&mut self, position: usize, pick: Pick) {
        let Some(place) = self.visible.get(position).copied() else {
            return;
        };
        match pick {
            Pick::Only => {
                self.selected = BTreeSet::from([place]);
                self.anchor = Some(place);
            }
            Pick::Toggle => {
                if !self.selected.remove(&place) {
                    self.selected.insert(place);
                }
                self.anchor = Some(place);
            }
            Pick::Range => self.select_range_to(position),
        }
        self.cursor = Some(place);
    }

    /// Selects with the keyboard.
    pub fn step(&mut self, step: Move, extend: bool) {
        if self.visible.is_empty() {
            return;
        }
        let position = step.from(self.cursor_position(), self.visible.len());
        self.pick(position, if extend { Pick::Range } else { Pick::Only });
        self.scroll_to_cursor = true;
    }

    /// Selects every row that the filter shows.
    pub fn select_all(&mut self) {
        self.selected = self.visible.iter().copied().collect();
        if self.cursor.is_none() {
            self.cursor = self.visible.first().copied();
        }
    }

    /// Goes to a host, taking filter and scope away when they hide it.
    pub fn go_to(&mut self, identifier: &str, now: Timestamp, at: Instant) {
        let Some(place) = self.places.get(&key(identifier)).copied() else {
            return;
        };
        if !self.visible.contains(&place) {
            self.scope = Scope::default();
            self.set_filter(String::new(), now, at);
        }
        self.selected = BTreeSet::from([place]);
        self.cursor = Some(place);
        self.anchor = Some(place);
        self.scroll_to_cursor = true;
    }

    fn select_range_to(&mut self, position: usize) {
        let anchor = self.anchor.or(self.cursor);
        let from = anchor
            .and_then(|anchor| self.visible.iter().position(|place| *place == anchor))
            .unwrap_or(position);
        let (low, high) = (from.min(position), from.max(position));
        self.selected = self
            .visible
            .get(low..=high)
            .unwrap_or_default()
            .iter()
            .copied()
            .collect();
    }

    /// Nobody acts on hosts that he does not see.
    fn drop_hidden_selection(&mut self) {
        if !self.selected.is_empty() {
            let shown: BTreeSet<u32> = self.visible.iter().copied().collect();
            self.selected.retain(|place| shown.contains(place));
        }
    }

    fn shows(&self, place: u32, now: Timestamp) -> bool {
        let (Some(row), Some(hay)) = (self.rows.get(place as usize), self.haystacks.get(place as usize))
        else {
            return false;
        };
        self.scope.holds(row) && self.filter.matches(row, hay, now)
    }

    fn reorder(&mut self, now: Timestamp) {
        self.stale_since = None;
        self.counts = Counts::of(&self.rows);
        self.shared_names = shared_names(&self.rows);
        let mut visible: Vec<u32> = (0..self.rows.len() as u32)
            .filter(|place| self.shows(*place, now))
            .collect();
        visible.sort_unstable_by(|one, other| {
            let (Some(one), Some(other)) = (self.rows.get(*one as usize), self.rows.get(*other as usize))
            else {
                return Ordering::Equal;
            };
            let order = compare_rows(self.sort.column, one, other);
            let order = if self.sort.down { order } else { order.reverse() };
            order
                .then_with(|| compare_text(&one.name, &other.name))
                .then_with(|| one.identifier.cmp(&other.identifier))
        });
        self.visible = visible;
    }
}

fn shared_names(rows: &[HostRow]) -> HashSet<String> {
    let mut seen = HashSet::with_capacity(rows.len());
    rows.iter()
        .filter(|row| !seen.insert(row.name.as_str()))
        .map(|row| row.name.clone())
        .collect()
}

/// Identifiers are compared in ASCII lower case.
fn key(identifier: &str) -> String {
    identifier.to_ascii_lowercase()
}
