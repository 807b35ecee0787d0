//! Graphics adapters (the display class of the registry) and screens (the EDID that Windows keeps of each).

use muster_shared::protocol::inventory::{Monitor, VideoAdapter};
use muster_shared::registry::Value;
use windows_registry::LOCAL_MACHINE;

use super::super::registry::{text, value};
use crate::inventory::edid;
use crate::inventory::facts::FactError;

/// The setup class of display adapters.
const ADAPTERS: &str = r"SYSTEM\CurrentControlSet\Control\Class\{4d36e968-e325-11ce-bfc1-08002be10318}";
const SCREENS: &str = r"SYSTEM\CurrentControlSet\Enum\DISPLAY";
/// At most this many of each.
const MOST: usize = 64;

/// The keys are cheap to read each time.
pub fn stamp() -> Option<String> {
    None
}

/// Adapters and screens that are plugged in or were; a machine without any has none.
///
/// # Errors
/// Never on Windows: what is not there counts as nothing.
#[expect(clippy::unnecessary_wraps, reason = "the same signature as on Linux")]
pub fn read() -> Result<(Vec<VideoAdapter>, Vec<Monitor>), FactError> {
    Ok((adapters(), monitors()))
}

fn adapters() -> Vec<VideoAdapter> {
    let Ok(class) = LOCAL_MACHINE.open(ADAPTERS) else {
        return Vec::new();
    };
    let Ok(names) = class.keys() else {
        return Vec::new();
    };
    let mut list: Vec<VideoAdapter> = names
        .filter(|name| name.bytes().all(|byte| byte.is_ascii_digit()))
        .take(MOST)
        .filter_map(|name| {
            let key = class.open(&name).ok()?;
            let name = text(&key, "DriverDesc");
            (!name.is_empty()).then(|| VideoAdapter {
                name,
                driver: text(&key, "DriverVersion"),
            })
        })
        .collect();
    list.sort_by(|one, other| one.name.cmp(&other.name));
    list.dedup();
    list
}

fn monitors() -> Vec<Monitor> {
    let Ok(screens) = LOCAL_MACHINE.open(SCREENS) else {
        return Vec::new();
    };
    let mut list = Vec::new();
    for model in screens.keys().into_iter().flatten().take(MOST) {
        let Ok(instances) = screens.open(&model) else {
            continue;
        };
        for instance in instances.keys().into_iter().flatten().take(MOST) {
            let edid = instances
                .open(format!(r"{instance}\Device Parameters"))
                .ok()
                .and_then(|key| value(&key, "EDID"));
            if let Some(Value::Binary(bytes)) = edid {
                list.extend(edid::parse(&bytes));
            }
        }
    }
    list.sort_by(|one, other| (&one.name, &one.serial).cmp(&(&other.name, &other.serial)));
    list.dedup();
    list.truncate(MOST);
    list
}
