//! Server data on screen: never blank while it is fetched again, an error stands beside what was there.

use muster_shared::hint::Hint;

/// Why something did not work, as it is shown: the cause, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Problem {
    pub message: String,
    pub hints: Vec<String>,
}

impl Problem {
    /// A problem without advice.
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            hints: Vec::new(),
        }
    }

    /// A problem with one thing to do about it.
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// An error with its causes and its advice.
    pub fn of<E: std::error::Error + Hint + 'static>(error: &E) -> Self {
        Self {
            message: muster_shared::hint::chain(error),
            hints: error.hints(),
        }
    }
}

/// A value that lives on the server.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Remote<T> {
    /// Nobody asked for it yet.
    #[default]
    NotAsked,
    /// On its way; what was there before stays.
    Pending(Option<T>),
    /// Here.
    Ready(T),
    /// Could not be had; what was there before stays.
    Failed(Option<T>, Problem),
}

impl<T> Remote<T> {
    /// What can be shown now.
    pub fn value(&self) -> Option<&T> {
        match self {
            Self::NotAsked => None,
            Self::Pending(value) | Self::Failed(value, _) => value.as_ref(),
            Self::Ready(value) => Some(value),
        }
    }

    /// What can be changed in place by a live event.
    pub fn value_mut(&mut self) -> Option<&mut T> {
        match self {
            Self::NotAsked => None,
            Self::Pending(value) | Self::Failed(value, _) => value.as_mut(),
            Self::Ready(value) => Some(value),
        }
    }

    /// An answer is awaited.
    pub fn is_pending(&self) -> bool {
        matches!(self, Self::Pending(_))
    }

    /// Why the last try failed.
    pub fn problem(&self) -> Option<&Problem> {
        match self {
            Self::Failed(_, problem) => Some(problem),
            Self::NotAsked | Self::Pending(_) | Self::Ready(_) => None,
        }
    }

    /// Notes that it was asked for. Says whether a request must really be sent.
    pub fn ask(&mut self) -> bool {
        if self.is_pending() {
            return false;
        }
        let previous = self.take();
        *self = Self::Pending(previous);
        true
    }

    /// Notes what came.
    pub fn answer(&mut self, result: Result<T, Problem>) {
        let previous = self.take();
        *self = match result {
            Ok(value) => Self::Ready(value),
            Err(problem) => Self::Failed(previous, problem),
        };
    }

    fn take(&mut self) -> Option<T> {
        match std::mem::take(self) {
            Self::NotAsked => None,
            Self::Pending(value) | Self::Failed(value, _) => value,
            Self::Ready(value) => Some(value),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_there_stays_while_it_is_fetched_again_and_when_that_fails() {
        let mut remote = Remote::default();
        assert!(remote.ask());
        assert!(!remote.ask(), "asked twice at once");
        remote.answer(Ok(7));
        assert_eq!(remote.value(), Some(&7));
        assert!(remote.ask());
        assert_eq!(remote.value(), Some(&7));
        remote.answer(Err(Problem::new("the server is away")));
        assert_eq!(remote.value(), Some(&7));
        assert_eq!(
            remote.problem().map(|problem| problem.message.as_str()),
            Some("the server is away")
        );
    }
}
