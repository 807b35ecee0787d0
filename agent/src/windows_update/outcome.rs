//! What the steps of an update of Windows came to.

/// What a scan came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scanned {
    /// It was not made, because it would have looked at the same things.
    pub skipped: bool,
    pub rows: usize,
    pub pending: usize,
}

/// What a download came to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Downloaded {
    pub done: Vec<String>,
    /// Updates whose files cannot be had, with the reason.
    pub missing: Vec<(String, String)>,
}

/// What an installation came to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Installed {
    pub done: Vec<String>,
    pub failed: Vec<(String, String)>,
    pub reboot_required: bool,
}
