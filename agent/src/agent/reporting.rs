//! The report of this host: the machine's facts, read seldom, and the database's blocks, read each time.

use std::collections::BTreeMap;

use muster_shared::protocol::inventory::Block;
use serde_json::Value;
use tokio::sync::Mutex;

use super::Agent;
use crate::failure::Failure;
use crate::inventory::{Context, Inventory};
use crate::platform::ask;
use crate::report::Reporter;
use crate::state::facts;

/// What reporting remembers between two reports.
#[derive(Debug, Default)]
pub struct Reporting {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    reporter: Reporter,
    inventory: Inventory,
    /// The machine's facts as last read.
    facts: BTreeMap<Block, Value>,
    python_version: Option<String>,
    decryption_certificate: Option<String>,
}

/// Whether the machine is looked at again before the report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Facts {
    /// Read them now.
    Fresh,
    /// Those read last will do.
    Known,
}

impl Agent {
    /// The machine's facts, read now.
    ///
    /// # Errors
    /// When the trust folder cannot be read.
    pub async fn machine_facts(&self) -> Result<BTreeMap<Block, Value>, Failure> {
        let mut inner = self.reporting.inner.lock().await;
        self.read_facts(&mut inner).await?;
        Ok(inner.facts.clone())
    }

    /// Reports to the server; does nothing without one. `running` is what the host does now.
    ///
    /// # Errors
    /// When the server refuses or cannot be reached; the next report brings everything.
    pub async fn report(&self, facts: Facts, running: Option<&str>) -> Result<(), Failure> {
        let Some(server) = &self.server else { return Ok(()) };
        let mut inner = self.reporting.inner.lock().await;
        if facts == Facts::Fresh || inner.facts.is_empty() {
            self.read_facts(&mut inner).await?;
        }
        let mut blocks = inner.facts.clone();
        blocks.extend(self.state.blocks().await?);
        inner
            .reporter
            .send(server, &blocks, running)
            .await
            .map_err(|error| Failure::from_hinted(error.code(), error))?;
        Ok(())
    }

    async fn read_facts(&self, inner: &mut Inner) -> Result<(), Failure> {
        let trust = self.trust()?;
        if inner.python_version.is_none() {
            inner.python_version = Some(self.python_version().await);
        }
        if inner.decryption_certificate.is_none() {
            inner.decryption_certificate = self.decryption_certificate().await;
        }
        let context = Context {
            config: &self.config,
            trust: &trust,
            python: inner.python_version.as_deref().unwrap_or_default(),
            decryption_certificate: inner.decryption_certificate.as_deref().unwrap_or_default(),
            description: None,
        };
        inner.facts = inner.inventory.collect(context).await;
        Ok(())
    }

    /// The certificate of the decryption key, which is made when there is none. Without one the server sends
    /// this host's package as it is.
    async fn decryption_certificate(&self) -> Option<String> {
        let (identity, now) = (self.identity.clone(), self.now());
        let made = tokio::task::spawn_blocking(move || identity.decryption_key(now)).await;
        match made {
            Ok(Ok(key)) => Some(key.certificate().to_pem()),
            Ok(Err(error)) => {
                tracing::warn!(error = %muster_shared::hint::chain(&error), "this host has no decryption key");
                None
            }
            Err(error) => {
                tracing::warn!(%error, "the decryption key of this host could not be made");
                None
            }
        }
    }

    /// The version of the Python for scripts. Starting it costs more than the rest of a quiet update, so that it
    /// is asked once for each interpreter.
    async fn python_version(&self) -> String {
        let Some(python) = self.scripts.python() else {
            return String::new();
        };
        let identity = fs_err::metadata(python)
            .and_then(|metadata| Ok((metadata.len(), metadata.modified()?)))
            .map(|(size, modified)| format!("{} {size} {modified:?}", python.display()))
            .unwrap_or_default();
        let known = self
            .state
            .json_fact::<(String, String)>(facts::PYTHON_VERSION)
            .await;
        if let Ok(Some((of, version))) = known
            && of == identity
        {
            return version;
        }
        let code = "import sys; print('%d.%d.%d' % sys.version_info[:3])";
        let answer = ask(
            &python.to_string_lossy(),
            &["-I", "-S", "-B", "-c", code],
            std::time::Duration::from_secs(20),
            256,
        )
        .await;
        match answer {
            Ok(bytes) => {
                let version = String::from_utf8_lossy(&bytes).trim().to_owned();
                let fact = (identity, version.clone());
                if let Err(error) = self.state.set_json_fact(facts::PYTHON_VERSION, &fact).await {
                    tracing::warn!(%error, "the version of Python will be asked for again");
                }
                version
            }
            Err(error) => {
                tracing::warn!(%error, "the Python for package scripts does not run");
                String::new()
            }
        }
    }
}
