//! HTTP clients that forget their open connections when the network changes: these lead nowhere then, and nobody is
//! told.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use muster_shared::hint::chain;

use super::connection::Connection;
use super::error::ServerError;

/// A client over one connection; clones share what is open.
#[derive(Clone)]
pub(crate) struct Http {
    connection: Connection,
    client: Arc<RwLock<reqwest::Client>>,
}

impl fmt::Debug for Http {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Http").finish_non_exhaustive()
    }
}

impl Http {
    /// A client that has not asked anything yet.
    ///
    /// # Errors
    /// When HTTP cannot be set up.
    pub(crate) fn over(connection: &Connection) -> Result<Self, ServerError> {
        Ok(Self {
            connection: connection.clone(),
            client: Arc::new(RwLock::new(connection.http_client()?)),
        })
    }

    /// The client for the next request.
    pub(crate) fn client(&self) -> reqwest::Client {
        self.client.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The next request opens a connection of its own; those under way are left to their limits.
    pub(crate) fn forget_connections(&self) {
        match self.connection.http_client() {
            Ok(fresh) => *self.client.write().unwrap_or_else(PoisonError::into_inner) = fresh,
            Err(error) => tracing::warn!(error = %chain(&error), "open connections are kept"),
        }
    }
}
