//! How a host's state looks.

use muster_shared::protocol::host::HostStatus;

use crate::ui::status::Look;
use crate::ui::{Icon, Tokens};

/// Shape, colour and word of a status.
pub fn status_look(status: HostStatus, tokens: &Tokens) -> Look {
    let (icon, color) = match status {
        HostStatus::Ok => (Icon::Ok, tokens.ok),
        HostStatus::NeedUpgrade => (Icon::NeedUpgrade, tokens.warn),
        HostStatus::Error => (Icon::Error, tokens.error),
        HostStatus::Running => (Icon::Running, tokens.accent),
    };
    Look {
        icon,
        color,
        word: status.as_str(),
    }
}
