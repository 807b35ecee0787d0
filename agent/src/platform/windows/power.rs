//! Whether the machine runs on its battery.
#![expect(unsafe_code, reason = "one question to the system")]

use windows_sys::Win32::System::Power::{GetSystemPowerStatus, SYSTEM_POWER_STATUS};

/// `ACLineStatus`: not plugged in.
const OFFLINE: u8 = 0;
/// `BatteryFlag`: there is no battery.
const NO_BATTERY: u8 = 128;

/// The machine has a battery and nothing else feeds it. What cannot be found out counts as mains.
pub fn on_battery() -> bool {
    let mut status = SYSTEM_POWER_STATUS::default();
    // SAFETY: the structure is the one that the function fills and outlives the call.
    let known = unsafe { GetSystemPowerStatus(&raw mut status) };
    known != 0 && status.ACLineStatus == OFFLINE && status.BatteryFlag != NO_BATTERY
}
