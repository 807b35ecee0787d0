//! The repository in memory: rows, search, order, the one that is looked at, uploads.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::path::PathBuf;

use muster_shared::protocol::package::{PackageRow, Uploaded};
use muster_shared::version::Version;

use super::scope::{Move, compare_text};
use crate::remote::{Problem, Remote};

/// The columns of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PackageColumn {
    Section,
    Package,
    Version,
    Description,
    Target,
    Size,
    Hosts,
    Uploaded,
}

impl PackageColumn {
    /// All columns from left to right.
    pub const ALL: [PackageColumn; 8] = [
        Self::Section,
        Self::Package,
        Self::Version,
        Self::Description,
        Self::Target,
        Self::Size,
        Self::Hosts,
        Self::Uploaded,
    ];
}

/// An upload and what became of it.
#[derive(Debug, Clone)]
pub struct Upload {
    pub path: PathBuf,
    pub state: Remote<Uploaded>,
    /// Bytes sent and bytes in all.
    pub sent: (u64, u64),
}

/// The repository.
#[derive(Debug)]
pub struct Packages {
    pub list: Remote<()>,
    rows: Vec<PackageRow>,
    visible: Vec<u32>,
    /// The newest version of each package, by name.
    newest: Vec<u32>,
    filter: String,
    sort: (PackageColumn, bool),
    cursor: Option<String>,
    pub uploads: Vec<Upload>,
    pub scroll_to_cursor: bool,
}

impl Default for Packages {
    fn default() -> Self {
        Self {
            list: Remote::default(),
            rows: Vec::new(),
            visible: Vec::new(),
            newest: Vec::new(),
            filter: String::new(),
            sort: (PackageColumn::Package, true),
            cursor: None,
            uploads: Vec::new(),
            scroll_to_cursor: false,
        }
    }
}

impl Packages {
    /// Takes a whole list.
    pub fn replace(&mut self, rows: Result<Vec<PackageRow>, Problem>) {
        match rows {
            Ok(rows) => {
                self.list.answer(Ok(()));
                self.rows = rows;
                self.find_newest();
                self.reorder();
            }
            Err(problem) => self.list.answer(Err(problem)),
        }
    }

    /// Takes one row that is new or changed.
    pub fn update(&mut self, row: PackageRow) {
        match self.rows.iter_mut().find(|known| known.filename == row.filename) {
            Some(known) => *known = row,
            None => self.rows.push(row),
        }
        self.find_newest();
        self.reorder();
    }

    /// Takes a row away.
    pub fn remove(&mut self, filename: &str) {
        self.rows.retain(|row| row.filename != filename);
        self.find_newest();
        self.reorder();
    }

    /// All rows, in no order.
    pub fn all(&self) -> &[PackageRow] {
        &self.rows
    }

    /// How many rows are shown.
    pub fn visible_len(&self) -> usize {
        self.visible.len()
    }

    /// The row at a position of the table.
    pub fn row_at(&self, position: usize) -> Option<&PackageRow> {
        self.visible
            .get(position)
            .and_then(|place| self.rows.get(*place as usize))
    }

    /// The row that is looked at.
    pub fn current(&self) -> Option<&PackageRow> {
        let filename = self.cursor.as_deref()?;
        self.rows.iter().find(|row| row.filename == filename)
    }

    /// The position has the keyboard.
    pub fn is_cursor(&self, position: usize) -> bool {
        self.cursor.is_some() && self.row_at(position).map(|row| &row.filename) == self.cursor.as_ref()
    }

    /// Where the keyboard is.
    pub fn cursor_position(&self) -> Option<usize> {
        let filename = self.cursor.as_deref()?;
        (0..self.visible.len())
            .find(|position| self.row_at(*position).is_some_and(|row| row.filename == filename))
    }

    /// Looks at the row at a position.
    pub fn pick(&mut self, position: usize) {
        self.cursor = self.row_at(position).map(|row| row.filename.clone());
    }

    /// Moves with the keyboard.
    pub fn step(&mut self, step: Move) {
        if !self.visible.is_empty() {
            self.pick(step.from(self.cursor_position(), self.visible.len()));
            self.scroll_to_cursor = true;
        }
    }

    /// Looks at a package by file name, showing it.
    pub fn go_to(&mut self, filename: &str) {
        self.set_filter(String::new());
        self.cursor = Some(filename.to_owned());
        self.scroll_to_cursor = true;
    }

    /// What the search field holds.
    pub fn filter(&self) -> &str {
        &self.filter
    }

    /// Searches: every word must be in the package's name, description, section, target or signer.
    pub fn set_filter(&mut self, text: String) {
        self.filter = text;
        self.reorder();
    }

    /// The column in force and whether it goes down.
    pub fn sort(&self) -> (PackageColumn, bool) {
        self.sort
    }

    /// Orders by a column; the same one again turns the order round.
    pub fn sort_by(&mut self, column: PackageColumn) {
        let down = if self.sort.0 == column { !self.sort.1 } else { true };
        self.sort = (column, down);
        self.reorder();
    }

    /// Each package once, as its newest version, by name: what can be assigned.
    pub fn newest(&self) -> impl Iterator<Item = &PackageRow> {
        self.newest
            .iter()
            .filter_map(|place| self.rows.get(*place as usize))
    }

    /// The newest version of a package.
    pub fn newest_of(&self, package: &str) -> Option<&PackageRow> {
        let name = |place: &u32| self.rows.get(*place as usize).map(|row| row.package.as_str());
        let found = self
            .newest
            .binary_search_by(|place| name(place).cmp(&Some(package)))
            .ok()?;
        self.newest
            .get(found)
            .and_then(|place| self.rows.get(*place as usize))
    }

    /// Worked out when the list changes, not at each frame: 60,000 packages have many versions.
    fn find_newest(&mut self) {
        let mut newest: BTreeMap<&str, (u32, &PackageRow)> = BTreeMap::new();
        for (place, row) in self.rows.iter().enumerate() {
            let best = newest.entry(&row.package).or_insert((place as u32, row));
            if compare_versions(&row.version, &best.1.version) == Ordering::Greater {
                *best = (place as u32, row);
            }
        }
        self.newest = newest.into_values().map(|(place, _)| place).collect();
    }

    fn reorder(&mut self) {
        let words: Vec<String> = self.filter.split_whitespace().map(str::to_lowercase).collect();
        let shows = |row: &PackageRow| {
            let text = [
                &row.package,
                &row.version,
                &row.name,
                &row.description,
                &row.section,
                &row.target_os,
                &row.signer,
            ]
            .map(|part| part.to_lowercase())
            .join("\n");
            words.iter().all(|word| text.contains(word))
        };
        let mut visible: Vec<u32> = (0..self.rows.len() as u32)
            .filter(|place| self.rows.get(*place as usize).is_some_and(shows))
            .collect();
        let (column, down) = self.sort;
        visible.sort_by(|one, other| {
            let (Some(one), Some(other)) = (self.rows.get(*one as usize), self.rows.get(*other as usize))
            else {
                return Ordering::Equal;
            };
            let order = compare(column, one, other);
            let order = if down { order } else { order.reverse() };
            order
                .then_with(|| compare_text(&one.package, &other.package))
                .then_with(|| compare_versions(&other.version, &one.version))
                .then_with(|| one.filename.cmp(&other.filename))
        });
        self.visible = visible;
    }
}

fn compare(column: PackageColumn, one: &PackageRow, other: &PackageRow) -> Ordering {
    match column {
        PackageColumn::Section => one.section.cmp(&other.section),
        PackageColumn::Package => compare_text(&one.package, &other.package),
        PackageColumn::Version => compare_versions(&one.version, &other.version),
        PackageColumn::Description => compare_text(&one.description, &other.description),
        PackageColumn::Target => one.target_os.cmp(&other.target_os),
        PackageColumn::Size => other.size.cmp(&one.size),
        PackageColumn::Hosts => other.host_count.cmp(&one.host_count),
        PackageColumn::Uploaded => other.uploaded_at.cmp(&one.uploaded_at),
    }
}

/// Order of versions; what is not one sorts by its letters.
pub fn compare_versions(one: &str, other: &str) -> Ordering {
    match (one.parse::<Version>(), other.parse::<Version>()) {
        (Ok(one), Ok(other)) => one.cmp(&other),
        _ => compare_text(one, other),
    }
}
