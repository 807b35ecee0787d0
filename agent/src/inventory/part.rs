//! One table of the inventory: read when its source changed, within a time limit, failing alone.

use std::time::Duration;

use tokio::task::JoinHandle;

use super::Problems;
use super::facts::FactError;

/// A table as last read, with the stamp of the source that it was read from.
#[derive(Debug)]
pub(super) struct Part<T> {
    name: &'static str,
    limit: Duration,
    last: Option<Read<T>>,
    /// A reading that went over its limit and has not ended yet.
    overdue: Option<JoinHandle<Result<Option<Read<T>>, FactError>>>,
}

#[derive(Debug)]
struct Read<T> {
    /// `None` when the source has no stamp: it is read each time.
    stamp: Option<String>,
    value: T,
}

impl<T: Clone + Send + 'static> Part<T> {
    /// A table that was not read yet; one reading takes at most `limit`.
    pub(super) fn new(name: &'static str, limit: Duration) -> Self {
        Self {
            name,
            limit,
            last: None,
            overdue: None,
        }
    }

    /// The table: what is known when `stamp` gives what it gave at the last reading, else what `read` gives.
    /// When that fails or takes too long, the reason is noted and what was known before remains.
    ///
    /// `None` when it never could be read, which is not the same as an empty table.
    pub(super) async fn read(
        &mut self,
        problems: &mut Problems,
        stamp: impl FnOnce() -> Option<String> + Send + 'static,
        read: impl FnOnce() -> Result<T, FactError> + Send + 'static,
    ) -> Option<T> {
        let known = self.last.as_ref().and_then(|last| last.stamp.clone());
        // A source that hangs must not take one more thread at each update.
        let reading = match self.overdue.take() {
            Some(overdue) => overdue,
            None => tokio::task::spawn_blocking(move || {
                // Taken before the reading: a change in between is then seen the next time.
                let stamp = stamp();
                if stamp.is_some() && stamp == known {
                    return Ok(None);
                }
                read().map(|value| Some(Read { stamp, value }))
            }),
        };
        self.settle(problems, reading).await;
        self.last.as_ref().map(|last| last.value.clone())
    }

    async fn settle(
        &mut self,
        problems: &mut Problems,
        mut reading: JoinHandle<Result<Option<Read<T>>, FactError>>,
    ) {
        match tokio::time::timeout(self.limit, &mut reading).await {
            Ok(Ok(Ok(Some(read)))) => self.last = Some(read),
            Ok(Ok(Ok(None))) => {}
            Ok(Ok(Err(error))) => problems.note(self.name, &error),
            Ok(Err(broken)) => problems.say(self.name, format!("reading it broke down: {broken}")),
            Err(_elapsed) => {
                problems.say(
                    self.name,
                    format!("no answer within {} s", self.limit.as_secs_f32()),
                );
                self.overdue = Some(reading);
            }
        }
    }

    /// The next reading does not believe the stamp.
    pub(super) fn forget(&mut self) {
        if let Some(last) = &mut self.last {
            last.stamp = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    fn part() -> Part<u32> {
        Part::new("sample", Duration::from_mins(1))
    }

    #[expect(clippy::unnecessary_wraps, reason = "stamps may be missing")]
    fn same() -> Option<String> {
        Some("one".to_owned())
    }

    #[tokio::test]
    async fn an_unchanged_source_is_not_read_again() {
        let mut part = part();
        let mut problems = Problems::default();
        assert_eq!(part.read(&mut problems, same, || Ok(1)).await, Some(1));
        assert_eq!(part.read(&mut problems, same, || Ok(2)).await, Some(1));
        let other = || Some("two".to_owned());
        assert_eq!(part.read(&mut problems, other, || Ok(3)).await, Some(3));
        part.forget();
        assert_eq!(part.read(&mut problems, other, || Ok(4)).await, Some(4));
        assert_eq!(part.read(&mut problems, || None, || Ok(5)).await, Some(5));
        assert_eq!(part.read(&mut problems, || None, || Ok(6)).await, Some(6));
        assert!(problems.0.is_empty());
    }

    #[tokio::test]
    async fn a_failed_or_broken_reading_keeps_what_was_known_and_says_why() {
        let mut part = part();
        let mut problems = Problems::default();
        let refused = || {
            Err(FactError::Refused {
                what: "the source",
                reason: "closed".to_owned(),
            })
        };
        assert_eq!(part.read(&mut problems, || None, refused).await, None);
        assert_eq!(part.read(&mut problems, || None, || Ok(1)).await, Some(1));
        assert_eq!(part.read(&mut problems, || None, refused).await, Some(1));
        let broken = || -> Result<u32, FactError> { panic!("on purpose") };
        assert_eq!(part.read(&mut problems, || None, broken).await, Some(1));
        assert_eq!(problems.0.len(), 3);
        assert!(problems.0[0].contains("sample: the source gave no answer: closed"));
    }

    #[tokio::test]
    async fn a_source_that_hangs_is_left_alone_until_it_answers() {
        let mut part = Part::new("sample", Duration::from_millis(20));
        let mut problems = Problems::default();
        let (answer, hang) = mpsc::sync_channel::<u32>(1);
        let hanging = move || Ok(hang.recv().unwrap_or(0));
        assert_eq!(part.read(&mut problems, || None, hanging).await, None);
        // Not asked again: this closure never runs.
        assert_eq!(part.read(&mut problems, || None, || Ok(99)).await, None);
        assert_eq!(problems.0.len(), 2);
        answer.send(7).unwrap();
        part.limit = Duration::from_mins(1);
        assert_eq!(part.read(&mut problems, || None, || Ok(99)).await, Some(7));
        assert_eq!(part.read(&mut problems, || None, || Ok(8)).await, Some(8));
    }
}
