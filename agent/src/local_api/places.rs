//! How many connections there may be: in all, for one user, and some that are kept for administrators.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Connections at the same time, everybody's.
const ALL: usize = 128;

/// Of those, only for administrators: a machine whose users hold all others can still be managed.
const KEPT_FOR_ADMINISTRATORS: usize = 32;

/// Connections of one ordinary user: a tray, a window or two, a few commands.
const OF_ONE_USER: usize = 12;

/// A client that connects and says nothing is let go after this long.
const PATIENCE: Duration = Duration::from_secs(10);

/// The same, when places are scarce.
const PATIENCE_WHEN_SCARCE: Duration = Duration::from_secs(1);

/// The places, and who holds them.
#[derive(Debug, Clone, Default)]
pub(super) struct Places {
    held: Arc<Mutex<Held>>,
}

#[derive(Debug, Default)]
struct Held {
    administrators: usize,
    users: HashMap<String, usize>,
}

impl Held {
    fn all(&self) -> usize {
        self.administrators + self.users.values().sum::<usize>()
    }
}

/// One place; free again when this is dropped.
#[derive(Debug)]
pub(super) struct Place {
    held: Arc<Mutex<Held>>,
    /// The account; `None` for administrators.
    user: Option<String>,
}

/// Why there is no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Taken {
    #[error("you have {OF_ONE_USER} connections to the agent already")]
    Yours,
    #[error("all connections to the agent are taken")]
    All,
}

impl Places {
    /// Takes a place for an administrator, or for a user by the account's number.
    pub(super) fn take(&self, account: &str, is_administrator: bool) -> Result<Place, Taken> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let all = held.all();
        if is_administrator {
            if all >= ALL {
                return Err(Taken::All);
            }
            held.administrators += 1;
        } else {
            if held.users.get(account).is_some_and(|count| *count >= OF_ONE_USER) {
                return Err(Taken::Yours);
            }
            if all >= ALL - KEPT_FOR_ADMINISTRATORS {
                return Err(Taken::All);
            }
            *held.users.entry(account.to_owned()).or_default() += 1;
        }
        Ok(Place {
            held: self.held.clone(),
            user: (!is_administrator).then(|| account.to_owned()),
        })
    }

    /// How long a client may say nothing now.
    pub(super) fn patience(&self) -> Duration {
        let all = self.held.lock().unwrap_or_else(PoisonError::into_inner).all();
        if all > (ALL - KEPT_FOR_ADMINISTRATORS) / 2 {
            PATIENCE_WHEN_SCARCE
        } else {
            PATIENCE
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        match &self.user {
            None => held.administrators = held.administrators.saturating_sub(1),
            Some(account) => {
                let left = held.users.get(account).map_or(0, |count| count.saturating_sub(1));
                if left == 0 {
                    held.users.remove(account);
                } else {
                    held.users.insert(account.clone(), left);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_user_cannot_hold_all_places_and_gets_them_back() {
        let places = Places::default();
        let mut mine: Vec<_> = (0..OF_ONE_USER)
            .map(|_| places.take("1000", false).unwrap())
            .collect();
        assert_eq!(places.take("1000", false).unwrap_err(), Taken::Yours);
        let other = places.take("1001", false).unwrap();
        mine.pop();
        drop(places.take("1000", false).unwrap());
        drop((mine, other));
        assert!(places.held.lock().unwrap().users.is_empty());
    }

    #[test]
    fn many_users_together_leave_places_for_administrators_and_patience_shrinks() {
        let places = Places::default();
        assert_eq!(places.patience(), PATIENCE);
        let users: Vec<_> = (0..ALL)
            .filter_map(|number| places.take(&number.to_string(), false).ok())
            .collect();
        assert_eq!(users.len(), ALL - KEPT_FOR_ADMINISTRATORS);
        assert_eq!(places.patience(), PATIENCE_WHEN_SCARCE);
        assert_eq!(places.take("x", false).unwrap_err(), Taken::All);
        let root: Vec<_> = (0..KEPT_FOR_ADMINISTRATORS)
            .map(|_| places.take("0", true).unwrap())
            .collect();
        assert_eq!(places.take("0", true).unwrap_err(), Taken::All);
        drop((users, root));
        assert_eq!(places.patience(), PATIENCE);
    }
}
