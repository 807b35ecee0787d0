//! What every handler and job shares.

use std::sync::{Arc, OnceLock};

use jiff::Timestamp;
use muster_shared::clock::Clock;
use muster_shared::crypto::tls::ServerAddress;
use muster_shared::protocol::event::Event;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::auth::password::PasswordHasher;
use crate::authority::HostAuthority;
use crate::config::Config;
use crate::events::Events;
use crate::relay::hub::Hub;
use crate::repository::Repository;
use crate::store::{Store, StoreError, host_rows};
use crate::trust::Signers;

/// The server's parts, behind one `web::Data<AppState>`.
pub struct AppState {
    pub config: Config,
    pub clock: Arc<dyn Clock>,
    /// When this process started; older signed requests are answered "retry".
    pub started_at: Timestamp,
    pub store: Store,
    pub signers: Arc<Signers>,
    pub repository: Arc<Repository>,
    pub host_authority: HostAuthority,
    pub events: Events,
    /// Taken while a host's row is read and published.
    pub host_events: tokio::sync::Mutex<()>,
    /// Who is connected over the live channel.
    pub relay: Hub,
    /// The tasks of live channels; they end before the server does.
    pub channels: TaskTracker,
    pub passwords: PasswordHasher,
    /// Cancelled when the server stops: streams and live channels end then.
    pub stop: CancellationToken,
    /// The port that the server listens on, known once it is bound.
    pub bound_port: OnceLock<u16>,
}

impl AppState {
    /// The current time.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// The port of the public address.
    pub fn public_port(&self) -> u16 {
        self.config
            .public_port
            .or_else(|| self.bound_port.get().copied())
            .unwrap_or_else(|| self.config.listen.port())
    }

    /// Publishes a host's row as it is now. The row is read in turn, so that the last event about a host is
    /// always its last state, whatever changed it.
    ///
    /// # Errors
    /// The database failed.
    pub async fn publish_host(&self, host_key: &str) -> Result<(), StoreError> {
        let _turn = self.host_events.lock().await;
        if let Some(row) = host_rows::get(self.store.readers(), host_key).await? {
            self.events.publish(&Event::Host { row: Box::new(row) });
        }
        Ok(())
    }

    /// Writes whether a host is connected, as it is in the moment of writing, and publishes its row.
    ///
    /// # Errors
    /// The database failed.
    pub async fn refresh_presence(&self, host_key: &str) -> Result<(), StoreError> {
        let is_connected = || self.relay.is_connected(host_key);
        host_rows::set_presence(&self.store, host_key, is_connected, self.now()).await?;
        self.publish_host(host_key).await
    }

    /// The authority that hosts sign requests for: the public name, and the port unless it is 443.
    pub fn authority(&self) -> String {
        authority(&self.config.name, self.public_port())
    }
}

/// `name`, or `name:port` when the port is not the one of https.
pub fn authority(name: &str, port: u16) -> String {
    ServerAddress {
        host: name.to_ascii_lowercase(),
        port,
        pin: None,
    }
    .authority()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_port_is_left_out_of_the_authority() {
        assert_eq!(authority("Srv.example.org", 443), "srv.example.org");
        assert_eq!(authority("srv.example.org", 8443), "srv.example.org:8443");
        assert_eq!(authority("::1", 8443), "[::1]:8443");
    }
}
