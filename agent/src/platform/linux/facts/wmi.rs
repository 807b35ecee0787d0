//! WMI is a part of Windows: here it has nothing to say, and the fields of the block stand for it.

use crate::inventory::facts::FactError;
use crate::inventory::wmi::WmiClasses;

/// Nothing ever changes.
#[expect(clippy::unnecessary_wraps, reason = "the same signature as on Windows")]
pub fn stamp() -> Option<String> {
    Some(String::new())
}

/// No classes.
///
/// # Errors
/// Never on Linux.
#[expect(clippy::unnecessary_wraps, reason = "the same signature as on Windows")]
pub fn read() -> Result<WmiClasses, FactError> {
    Ok(WmiClasses::new())
}
