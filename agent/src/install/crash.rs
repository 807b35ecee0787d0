//! Where tests let the agent die: `MUSTER_CRASH_AT` names a point, and the process is gone there without a word.
//!
//! Points are `install.checks.begin`, `remove.forget.end` and so on: after a step stands in the journal, and
//! before the next one does. Release builds have none of this.

/// The process dies here when the environment names this point.
#[cfg(debug_assertions)]
pub(super) fn point(operation: &str, step: &str, edge: &str) {
    let Ok(wanted) = std::env::var("MUSTER_CRASH_AT") else {
        return;
    };
    if wanted == format!("{operation}.{step}.{edge}") {
        crate::platform::die();
    }
}

/// Nothing, in release builds.
#[cfg(not(debug_assertions))]
pub(super) fn point(_operation: &str, _step: &str, _edge: &str) {}
