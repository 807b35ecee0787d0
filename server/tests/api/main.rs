//! The server's API over real TLS, a real database and real signatures.
#![expect(clippy::unwrap_used, reason = "test code may unwrap")]

mod actions;
mod client;
mod command_line;
mod errors;
mod events;
mod harness;
mod host;
mod host_requests;
mod inventory;
mod live;
mod registration;
mod rights;
mod scale;
mod session;

use std::time::Duration;

/// Asks again until something holds, for at most ten seconds.
async fn eventually<T, F: Future<Output = Option<T>>>(what: &str, mut ask: impl FnMut() -> F) -> T {
    for _ in 0..400 {
        if let Some(found) = ask().await {
            return found;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("did not come to hold within ten seconds: {what}");
}
