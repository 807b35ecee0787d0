//! How many connections there may be, and how many of them may look on: in all, for one user, and some that are kept
//! for administrators.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// How many places there are.
#[derive(Debug, Clone, Copy)]
struct Limits {
    /// At the same time, everybody's.
    all: usize,
    /// Of those, only for administrators: a machine whose users hold all others can still be managed.
    kept_for_administrators: usize,
    of_one_user: usize,
}

/// Connections: of one ordinary user a tray, a window or two, a few commands.
const CONNECTIONS: Limits = Limits {
    all: 128,
    kept_for_administrators: 32,
    of_one_user: 12,
};

/// Those that look on: trays and windows. No more than the actor takes.
const ONLOOKERS: Limits = Limits {
    all: 64,
    kept_for_administrators: 16,
    of_one_user: 6,
};

/// A client that connects and says nothing is let go after this long.
const PATIENCE: Duration = Duration::from_secs(10);

/// The same, when places are scarce.
const PATIENCE_WHEN_SCARCE: Duration = Duration::from_secs(1);

/// The places, and who holds them.
#[derive(Debug, Clone)]
pub(super) struct Places {
    limits: Limits,
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
    #[error("you have {0} connections to the agent already")]
    Yours(usize),
    #[error("all connections to the agent are taken")]
    All,
}

impl Places {
    /// Of connections.
    pub(super) fn of_connections() -> Self {
        Self::new(CONNECTIONS)
    }

    /// Of connections that look on.
    pub(super) fn of_onlookers() -> Self {
        Self::new(ONLOOKERS)
    }

    fn new(limits: Limits) -> Self {
        Self {
            limits,
            held: Arc::default(),
        }
    }

    /// Takes a place for an administrator, or for a user by the account's number.
    pub(super) fn take(&self, account: &str, is_administrator: bool) -> Result<Place, Taken> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let all = held.all();
        let limits = self.limits;
        if is_administrator {
            if all >= limits.all {
                return Err(Taken::All);
            }
            held.administrators += 1;
        } else {
            let is_full = |count: &usize| *count >= limits.of_one_user;
            if held.users.get(account).is_some_and(is_full) {
                return Err(Taken::Yours(limits.of_one_user));
            }
            if all >= limits.all - limits.kept_for_administrators {
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
        if all > (self.limits.all - self.limits.kept_for_administrators) / 2 {
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
        let places = Places::of_connections();
        let mut mine: Vec<_> = (0..CONNECTIONS.of_one_user)
            .map(|_| places.take("1000", false).unwrap())
            .collect();
        assert_eq!(
            places.take("1000", false).unwrap_err(),
            Taken::Yours(CONNECTIONS.of_one_user)
        );
        let other = places.take("1001", false).unwrap();
        mine.pop();
        drop(places.take("1000", false).unwrap());
        drop((mine, other));
        assert!(places.held.lock().unwrap().users.is_empty());
    }

    #[test]
    fn many_users_together_leave_places_for_administrators_and_patience_shrinks() {
        for (places, limits) in [
            (Places::of_connections(), CONNECTIONS),
            (Places::of_onlookers(), ONLOOKERS),
        ] {
            assert_eq!(places.patience(), PATIENCE);
            let users: Vec<_> = (0..limits.all)
                .filter_map(|number| places.take(&number.to_string(), false).ok())
                .collect();
            assert_eq!(users.len(), limits.all - limits.kept_for_administrators);
            assert_eq!(places.patience(), PATIENCE_WHEN_SCARCE);
            assert_eq!(places.take("x", false).unwrap_err(), Taken::All);
            let root: Vec<_> = (0..limits.kept_for_administrators)
                .map(|_| places.take("0", true).unwrap())
                .collect();
            assert_eq!(places.take("0", true).unwrap_err(), Taken::All);
            drop((users, root));
            assert_eq!(places.patience(), PATIENCE);
        }
    }
}
