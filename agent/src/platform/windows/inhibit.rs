//! Holding the machine's shutdown back: here the service manager does it, see `service`.

use std::io;
use std::time::Duration;

/// Never made on this system.
#[derive(Debug)]
pub struct ShutdownDelay(std::convert::Infallible);

impl ShutdownDelay {
    /// Nothing: the service manager announces the shutdown and waits.
    ///
    /// # Errors
    /// Never.
    #[expect(clippy::unused_async, reason = "the same signature as on Linux")]
    pub async fn take(_why: &str) -> io::Result<Option<Self>> {
        Ok(None)
    }

    /// How long the machine waits.
    pub fn limit(&self) -> Duration {
        match self.0 {}
    }

    /// Waits for the announcement.
    ///
    /// # Errors
    /// Never.
    #[expect(clippy::unused_async, reason = "the same signature as on Linux")]
    pub async fn announced(&mut self) -> io::Result<bool> {
        match self.0 {}
    }

    /// Lets the machine go down.
    #[expect(clippy::unused_async, reason = "the same signature as on Linux")]
    pub async fn release(&mut self) {
        match self.0 {}
    }
}
