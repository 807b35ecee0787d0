//! Details of hosts: the one that is looked at, and the last ones looked at, so that going back is instant.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use muster_shared::protocol::host::HostDetail;
use uuid::Uuid;

use crate::remote::{Problem, Remote};

/// The keyboard may run over rows; a detail is asked for when it rests this long.
pub const REST: Duration = Duration::from_millis(90);
const KEPT: usize = 64;
const KEPT_TASKS: usize = 256;

/// The tabs of a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DetailTab {
    #[default]
    Overview,
    Packages,
    Hardware,
    Software,
    Tasks,
    History,
}

impl DetailTab {
    /// All tabs in order.
    pub const ALL: [DetailTab; 6] = [
        Self::Overview,
        Self::Packages,
        Self::Hardware,
        Self::Software,
        Self::Tasks,
        Self::History,
    ];

    /// The word on the tab.
    pub fn text(self) -> &'static str {
        match self {
            Self::Overview => "Overview",
            Self::Packages => "Packages",
            Self::Hardware => "Hardware",
            Self::Software => "Software",
            Self::Tasks => "Tasks",
            Self::History => "History",
        }
    }
}

/// A task as the live channel tells it, before the host has reported it.
#[derive(Debug, Clone, PartialEq)]
pub struct LiveTask {
    pub host: String,
    pub task: Uuid,
    pub percent: Option<u8>,
    pub text: String,
    pub over: bool,
}

/// Details by host.
#[derive(Debug, Default)]
pub struct Details {
    pub tab: DetailTab,
    kept: VecDeque<(String, Remote<HostDetail>, bool)>,
    wanted: Option<(String, Instant)>,
    tasks: VecDeque<LiveTask>,
    /// Package of which more is shown in the packages tab.
    pub open_package: Option<String>,
}

impl Details {
    /// Notes which host is looked at. `at` is the time of the frame.
    pub fn look_at(&mut self, identifier: Option<&str>, at: Instant) {
        match identifier {
            None => self.wanted = None,
            Some(identifier)
                if self
                    .wanted
                    .as_ref()
                    .is_some_and(|(wanted, _)| wanted == identifier) => {}
            Some(identifier) => {
                self.wanted = Some((identifier.to_owned(), at));
                self.open_package = None;
            }
        }
    }

    /// The host to ask the server for, once; or how long to wait until it is time.
    pub fn due(&mut self, at: Instant) -> Result<Option<String>, Duration> {
        let Some((identifier, since)) = self.wanted.clone() else {
            return Ok(None);
        };
        let fresh = self
            .kept
            .iter()
            .any(|(kept, remote, stale)| *kept == identifier && (remote.is_pending() || !stale));
        if fresh {
            return Ok(None);
        }
        let left = REST.saturating_sub(at.saturating_duration_since(since));
        if !left.is_zero() {
            return Err(left);
        }
        let entry = self.entry(&identifier);
        entry.2 = false;
        Ok(entry.1.ask().then_some(identifier))
    }

    /// Notes what came for a host.
    pub fn answer(&mut self, identifier: &str, result: Result<HostDetail, Problem>) {
        self.entry(identifier).1.answer(result);
    }

    /// The host changed: what is kept is shown, and fetched again when it is looked at.
    pub fn mark_stale(&mut self, identifier: &str) {
        if let Some(entry) = self
            .kept
            .iter_mut()
            .find(|(kept, _, _)| kept.eq_ignore_ascii_case(identifier))
        {
            entry.2 = true;
        }
    }

    /// Everything that is kept must be fetched again when it is looked at.
    pub fn mark_all_stale(&mut self) {
        for entry in &mut self.kept {
            entry.2 = true;
        }
    }

    /// What is known of a host.
    pub fn of(&self, identifier: &str) -> Option<&Remote<HostDetail>> {
        self.kept
            .iter()
            .find(|(kept, _, _)| kept == identifier)
            .map(|(_, remote, _)| remote)
    }

    /// Notes what a host is doing now.
    pub fn task(&mut self, told: LiveTask) {
        self.tasks.retain(|task| task.task != told.task);
        self.tasks.push_front(told);
        self.tasks.truncate(KEPT_TASKS);
    }

    /// What a host does now or did since this window opened, newest first.
    pub fn tasks_of<'a>(&'a self, identifier: &'a str) -> impl Iterator<Item = &'a LiveTask> {
        self.tasks
            .iter()
            .filter(move |task| task.host.eq_ignore_ascii_case(identifier))
    }

    fn entry(&mut self, identifier: &str) -> &mut (String, Remote<HostDetail>, bool) {
        let place = self.kept.iter().position(|(kept, _, _)| kept == identifier);
        let entry = place
            .and_then(|place| self.kept.remove(place))
            .unwrap_or_else(|| (identifier.to_owned(), Remote::default(), true));
        self.kept.truncate(KEPT - 1);
        self.kept.push_front(entry);
        self.kept.front_mut().expect("one was just pushed")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_detail_is_asked_for_once_and_only_when_the_keyboard_rests() {
        let start = Instant::now();
        let mut details = Details::default();
        details.look_at(Some("a"), start);
        assert!(details.due(start).is_err());
        details.look_at(Some("b"), start);
        assert_eq!(details.due(start + REST), Ok(Some("b".to_owned())));
        assert_eq!(details.due(start + REST * 2), Ok(None));
        details.answer("b", Err(Problem::new("away")));
        assert_eq!(
            details.due(start + REST * 3),
            Ok(None),
            "a failure is not hammered"
        );
        details.mark_stale("B");
        assert_eq!(details.due(start + REST * 4), Ok(Some("b".to_owned())));
    }
}
