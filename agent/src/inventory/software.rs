//! Block `software`: what is installed. Read again only when its source changed.

use serde_json::Value;

use super::{Problems, clean};
use crate::platform::facts;

/// The list as last read, and the stamp of the source it was read from.
#[derive(Debug, Default)]
pub(super) struct SoftwareTable {
    stamp: Option<String>,
    last: Option<Value>,
}

impl SoftwareTable {
    /// The list; `None` when it could not be read and never was, which is not the same as an empty one.
    pub(super) async fn read(&mut self, problems: &mut Problems) -> Option<Value> {
        // Taken before the reading: a change in between is then seen the next time.
        let stamp = facts::software::stamp();
        if stamp.is_some() && stamp == self.stamp && self.last.is_some() {
            return self.last.clone();
        }
        match facts::software::read().await {
            Ok(list) => {
                self.stamp = stamp;
                self.last = serde_json::to_value(list).ok().map(clean);
            }
            Err(error) => problems.note("software", &error),
        }
        self.last.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_unchanged_source_is_not_read_again() {
        let mut table = SoftwareTable::default();
        let mut problems = Problems::default();
        let Some(first) = table.read(&mut problems).await else {
            return;
        };
        // What is kept is handed out as long as the stamp holds: mark it to see that.
        table.last = Some(Value::String("kept".into()));
        if table.stamp.is_some() {
            assert_eq!(
                table.read(&mut problems).await,
                Some(Value::String("kept".into()))
            );
        }
        table.stamp = None;
        assert_eq!(table.read(&mut problems).await, Some(first));
    }
}
