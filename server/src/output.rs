//! What the command line prints: results to standard output, everything else to standard error.

use std::io::Write as _;

use muster_shared::hint::chain;

/// Prints one line of a result.
///
/// # Errors
/// Standard output is closed.
pub fn line(text: impl std::fmt::Display) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{text}")?;
    out.flush()
}

/// Prints a remark that is no result.
pub fn note(text: impl std::fmt::Display) {
    writeln!(std::io::stderr().lock(), "{text}").ok();
}

/// Prints why a command failed, and what to do.
pub fn failure(error: &(dyn std::error::Error + 'static), hints: &[String]) {
    let mut err = std::io::stderr().lock();
    writeln!(err, "error: {}", chain(error)).ok();
    for hint in hints {
        writeln!(err, "hint: {hint}").ok();
    }
}
