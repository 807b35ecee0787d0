//! What an update says of itself, read from its interface.
#![expect(unsafe_code, reason = "the COM interfaces of the Windows Update Agent")]

use jiff::{SignedDuration, Timestamp};
use windows::Win32::System::UpdateAgent::{IStringCollection, IUpdate};
use windows::core::BSTR;

use crate::windows_update::FoundUpdate;

/// At most this many files of one update.
const MOST_FILES: usize = 500;

/// `UpdateID_RevisionNumber`.
pub(super) fn id_of(update: &IUpdate) -> Option<String> {
    // SAFETY: the interface is alive while it is borrowed.
    unsafe {
        let identity = update.Identity().ok()?;
        Some(format!(
            "{}_{}",
            identity.UpdateID().ok()?,
            identity.RevisionNumber().ok()?
        ))
    }
}

/// Everything that an update says; what it does not say stays empty.
pub(super) fn described(update: &IUpdate) -> Option<FoundUpdate> {
    let id = id_of(update)?;
    let mut files = Vec::new();
    add_files(update, &mut files, 0);
    files.sort();
    files.dedup();
    // SAFETY: the interface is alive while it is borrowed.
    unsafe {
        let flag = |value: windows::core::Result<windows::Win32::Foundation::VARIANT_BOOL>| {
            value.is_ok_and(windows::Win32::Foundation::VARIANT_BOOL::as_bool)
        };
        let text =
            |value: windows::core::Result<BSTR>| value.map(|text| text.to_string()).unwrap_or_default();
        let (mut products, mut classifications) = (Vec::new(), Vec::new());
        if let Ok(categories) = update.Categories() {
            for index in 0..categories.Count().unwrap_or(0) {
                let Ok(category) = categories.get_Item(index) else {
                    continue;
                };
                let name = text(category.Name());
                match text(category.Type()).as_str() {
                    "Product" | "ProductFamily" => products.push(name),
                    "UpdateClassification" => classifications.push(name),
                    _ => {}
                }
            }
        }
        Some(FoundUpdate {
            id,
            title: text(update.Title()),
            kbs: update
                .KBArticleIDs()
                .map(|list| strings(&list))
                .unwrap_or_default(),
            products,
            classifications,
            severity: text(update.MsrcSeverity()),
            published: update.LastDeploymentChangeTime().ok().and_then(time_of),
            installed: flag(update.IsInstalled()),
            hidden: flag(update.IsHidden()),
            downloaded: flag(update.IsDownloaded()),
            uninstallable: flag(update.IsUninstallable()),
            size_bytes: update.MaxDownloadSize().map_or(0, |size| decimal(&size)),
            files,
            support_url: text(update.SupportUrl()),
        })
    }
}

/// Files of an update and of the updates that it bundles.
fn add_files(update: &IUpdate, files: &mut Vec<String>, depth: usize) {
    // SAFETY: the interface is alive while it is borrowed.
    unsafe {
        if let Ok(contents) = update.DownloadContents() {
            for index in 0..contents.Count().unwrap_or(0) {
                if files.len() >= MOST_FILES {
                    return;
                }
                if let Ok(url) = contents.get_Item(index).and_then(|content| content.DownloadUrl()) {
                    files.push(url.to_string());
                }
            }
        }
        if depth < 4
            && let Ok(bundled) = update.BundledUpdates()
        {
            for index in 0..bundled.Count().unwrap_or(0) {
                if let Ok(part) = bundled.get_Item(index) {
                    add_files(&part, files, depth + 1);
                }
            }
        }
    }
}

fn strings(list: &IStringCollection) -> Vec<String> {
    // SAFETY: the interface is alive while it is borrowed.
    unsafe {
        (0..list.Count().unwrap_or(0))
            .filter_map(|index| list.get_Item(index).ok())
            .map(|text| text.to_string())
            .collect()
    }
}

/// The whole part of a decimal number, when it fits.
fn decimal(value: &windows::Win32::Foundation::DECIMAL) -> u64 {
    // SAFETY: both readings of the two unions are plain numbers.
    let (low, scale) = unsafe { (value.Anonymous2.Lo64, value.Anonymous1.Anonymous.scale) };
    if value.Hi32 != 0 {
        return u64::MAX;
    }
    low / 10_u64.saturating_pow(u32::from(scale))
}

/// A date of Automation: days since the end of 1899.
pub(super) fn time_of(days: f64) -> Option<Timestamp> {
    /// From 1899-12-30 to 1970.
    const EPOCH: f64 = 25_569.0;
    if !days.is_finite() || days <= EPOCH {
        return None;
    }
    Timestamp::UNIX_EPOCH
        .checked_add(SignedDuration::try_from_secs_f64((days - EPOCH) * 86_400.0).ok()?)
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_of_automation_are_times() {
        assert_eq!(time_of(25_570.5).unwrap().to_string(), "1970-01-02T12:00:00Z");
        assert_eq!(time_of(0.0), None);
        assert_eq!(time_of(f64::NAN), None);
    }
}
