//! Processor and memory.
#![expect(unsafe_code, reason = "GlobalMemoryStatusEx")]

use windows_registry::LOCAL_MACHINE;
use windows_sys::Win32::System::SystemInformation::{GlobalMemoryStatusEx, MEMORYSTATUSEX};

use crate::inventory::facts::{FactError, Processor};

const KEY: &str = r"HARDWARE\DESCRIPTION\System\CentralProcessor";

/// Model and number of logical processors, usable memory and page files in bytes.
///
/// # Errors
/// When the registry does not list the processors.
pub fn read() -> Result<Processor, FactError> {
    let refused = |reason: String| FactError::Refused { what: KEY, reason };
    let key = LOCAL_MACHINE
        .open(KEY)
        .map_err(|error| refused(error.to_string()))?;
    let count = key.keys().map_err(|error| refused(error.to_string()))?.count();
    let name = key
        .open("0")
        .and_then(|first| first.get_string("ProcessorNameString"))
        .unwrap_or_default();
    let (memory_bytes, swap_bytes) = memory().unwrap_or_default();
    Ok(Processor {
        name: name.split_whitespace().collect::<Vec<_>>().join(" "),
        count: u32::try_from(count).unwrap_or(u32::MAX),
        memory_bytes,
        swap_bytes,
    })
}

/// Usable memory, and what page files add to it.
fn memory() -> Option<(u64, u64)> {
    let mut status = MEMORYSTATUSEX {
        dwLength: u32::try_from(size_of::<MEMORYSTATUSEX>()).ok()?,
        ..MEMORYSTATUSEX::default()
    };
    // SAFETY: the structure says its own size and outlives the call.
    let done = unsafe { GlobalMemoryStatusEx(&raw mut status) };
    // A page file that grows must not change the block each time: whole GiB.
    let swap = status.ullTotalPageFile.saturating_sub(status.ullTotalPhys) >> 30 << 30;
    (done != 0).then_some((status.ullTotalPhys, swap))
}
