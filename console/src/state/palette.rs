//! The command palette: every action, every host, every package, by a few letters.

use muster_shared::protocol::host::HostRow;
use muster_shared::protocol::package::PackageRow;

use crate::action::UserAction;

const SHOWN: usize = 12;

/// What a line of the palette does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item {
    Action(UserAction),
    Host {
        identifier: String,
        name: String,
        note: String,
    },
    Package {
        filename: String,
        name: String,
        note: String,
    },
}

/// The palette.
#[derive(Debug, Default)]
pub struct Palette {
    pub query: String,
    pub items: Vec<Item>,
    pub chosen: usize,
}

impl Palette {
    /// Finds what the letters name: actions first, then hosts and packages, best first.
    pub fn search(
        &mut self,
        query: String,
        actions: &[UserAction],
        hosts: &[HostRow],
        packages: &[&PackageRow],
    ) {
        let words: Vec<String> = query.split_whitespace().map(str::to_lowercase).collect();
        let mut items: Vec<Item> = actions
            .iter()
            .filter(|action| {
                rank(&words, action.text())
                    .or(rank(&words, action.tooltip()))
                    .is_some()
            })
            .map(|action| Item::Action(*action))
            .collect();
        if !words.is_empty() {
            items.truncate(SHOWN / 2);
            let mut found: Vec<(u32, &HostRow)> = hosts
                .iter()
                .filter_map(|row| {
                    rank(&words, &row.name)
                        .or_else(|| rank(&words, &row.description).map(|rank| rank + 50))
                        .map(|rank| (rank, row))
                })
                .collect();
            found.sort_by(|one, other| one.0.cmp(&other.0).then_with(|| one.1.name.cmp(&other.1.name)));
            items.extend(found.into_iter().take(SHOWN).map(|(_, row)| Item::Host {
                identifier: row.identifier.clone(),
                name: row.name.clone(),
                note: row.description.clone(),
            }));
            let mut found: Vec<(u32, &&PackageRow)> = packages
                .iter()
                .filter_map(|row| rank(&words, &row.package).map(|rank| (rank, row)))
                .collect();
            found.sort_by(|one, other| {
                one.0
                    .cmp(&other.0)
                    .then_with(|| one.1.package.cmp(&other.1.package))
            });
            items.extend(found.into_iter().take(SHOWN / 2).map(|(_, row)| Item::Package {
                filename: row.filename.clone(),
                name: row.package.clone(),
                note: format!("{} {}", row.version, row.description),
            }));
        }
        items.truncate(SHOWN + SHOWN / 2);
        self.items = items;
        self.query = query;
        self.chosen = 0;
    }

    /// Moves up or down.
    pub fn step(&mut self, down: bool) {
        let last = self.items.len().saturating_sub(1);
        self.chosen = if down {
            (self.chosen + 1).min(last)
        } else {
            self.chosen.saturating_sub(1)
        };
    }
}

/// How well words fit a text, smaller is better; `None` when one of them is missing.
fn rank(words: &[String], text: &str) -> Option<u32> {
    let text = text.to_lowercase();
    words.iter().try_fold(0, |total, word| {
        text.find(word.as_str()).map(|place| total + place.min(40) as u32)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_find_actions_and_an_empty_query_lists_them_all() {
        let mut palette = Palette::default();
        palette.search(String::new(), &UserAction::ALL, &[], &[]);
        assert!(palette.items.len() >= 12);
        palette.search("upgr".to_owned(), &UserAction::ALL, &[], &[]);
        assert_eq!(palette.items.first(), Some(&Item::Action(UserAction::Upgrade)));
    }
}
