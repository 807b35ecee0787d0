//! Block `software`: what is installed. Read again only when its source changed.

use std::time::Duration;

use muster_shared::protocol::inventory::Software;

use super::Problems;
use super::part::Part;
use crate::platform::facts;

/// A package manager that rebuilds its database takes its time.
const LIMIT: Duration = Duration::from_mins(2);

/// The list as last read.
#[derive(Debug)]
pub(super) struct SoftwareTable {
    list: Part<Vec<Software>>,
}

impl Default for SoftwareTable {
    fn default() -> Self {
        Self {
            list: Part::new("software", LIMIT),
        }
    }
}

impl SoftwareTable {
    /// The list with `more`; `None` when it could not be read and never was, which is not the same as an empty
    /// one.
    pub(super) async fn read(
        &mut self,
        more: Vec<Software>,
        problems: &mut Problems,
    ) -> Option<Vec<Software>> {
        let mut list = self
            .list
            .read(problems, facts::software::stamp, facts::software::read)
            .await?;
        list.extend(more);
        list.sort_by(|one, other| (&one.key, &one.version).cmp(&(&other.key, &other.version)));
        list.dedup();
        Some(list)
    }

    /// The next reading believes no stamp.
    pub(super) fn forget(&mut self) {
        self.list.forget();
    }
}
