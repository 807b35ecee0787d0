//! Linux has no Windows Update: its distributions have their own, which packages drive.

use std::sync::Arc;

use crate::windows_update::UpdateAgent;

/// None on this system; tests rehearse with another one.
pub fn windows_update_agent() -> Option<Arc<dyn UpdateAgent>> {
    crate::windows_update::rehearsal()
}
