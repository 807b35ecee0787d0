//! Waiting for something that other processes bring about, with a limit.

use std::time::{Duration, Instant};

/// How long anything may take before a test says that it never came. `MUSTER_TEST_PATIENCE_SECS` changes it
/// on slow machines.
pub static PATIENCE: std::sync::LazyLock<Duration> = std::sync::LazyLock::new(|| {
    let secs = std::env::var("MUSTER_TEST_PATIENCE_SECS")
        .ok()
        .and_then(|text| text.parse().ok());
    Duration::from_secs(secs.unwrap_or(120))
});

/// Asks until the answer is there.
///
/// # Panics
/// When it is not there after [`PATIENCE`]; the message says what was waited for and what was seen last.
pub fn eventually<T>(what: &str, mut ask: impl FnMut() -> Result<T, String>) -> T {
    let start = Instant::now();
    let mut pause = Duration::from_millis(20);
    loop {
        match ask() {
            Ok(answer) => return answer,
            Err(seen) => {
                assert!(
                    start.elapsed() < *PATIENCE,
                    "{what} did not come about; last seen: {seen}"
                );
            }
        }
        std::thread::park_timeout(pause);
        pause = (pause * 2).min(Duration::from_millis(300));
    }
}
