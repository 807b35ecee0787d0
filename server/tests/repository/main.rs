//! The repository over real folders, databases, signatures and TLS.

#![expect(
    clippy::unwrap_used,
    reason = "a test ends where something is not as it must be"
)]

mod fixture;
mod host;
mod http;
#[cfg(unix)]
mod kill;
mod publish;
mod server;

use std::time::Duration;

/// Waits until something holds, for at most ten seconds.
async fn eventually(mut holds: impl FnMut() -> bool) {
    for _ in 0..1000 {
        if holds() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("it did not come to hold within ten seconds");
}
