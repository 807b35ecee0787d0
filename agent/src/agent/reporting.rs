//! The report of this host: the machine's facts, read seldom, and the database's blocks, read each time.

use std::collections::BTreeMap;

use muster_shared::hint::chain;
use muster_shared::protocol::inventory::Block;
use serde_json::Value;
use tokio::sync::Mutex;

use super::Agent;
use crate::directory::{self, Standing};
use crate::failure::Failure;
use crate::install::reboot;
use crate::inventory::{Context, Inventory};
use crate::repo::choice;
use crate::report::Reporter;
use crate::script::Python;
use crate::windows_update;

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
    /// Read them now, also those whose sources seem unchanged.
    Anew,
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
        if facts == Facts::Anew {
            inner.inventory.forget();
        }
        if facts != Facts::Known || inner.facts.is_empty() {
            self.read_facts(&mut inner).await?;
        }
        let mut blocks = inner.facts.clone();
        blocks.extend(self.state.blocks().await?);
        blocks.extend(windows_update::report::reported(&self.state, &self.config, self.now()).await?);
        if let Some(wanted) = reboot::wanted(&self.state).await? {
            let host = blocks.get_mut(&Block::Host);
            let reasons = host.and_then(|host| host.get_mut("reboot_reasons")?.as_array_mut());
            if let Some(reasons) = reasons {
                let of_packages = wanted.packages.iter();
                reasons.extend(of_packages.map(|package| Value::from(format!("asked for by {package}"))));
            }
        }
        inner
            .reporter
            .send(server, &blocks, running)
            .await
            .map_err(|error| Failure::from_hinted(error.code(), error))?;
        // The answer says from where the server sees this host: rules may go by that.
        if let Err(failure) = choice::public_address(self).await {
            tracing::warn!(error = %chain(&failure), "this host's address as the server sees it is not kept");
        }
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
        let description = crate::tasks::description(&self.state, &self.config, self.paths.root()).await?;
        let context = Context {
            config: &self.config,
            trust: &trust,
            python: inner.python_version.as_deref().unwrap_or_default(),
            decryption_certificate: inner.decryption_certificate.as_deref().unwrap_or_default(),
            description: Some(description.as_str()),
        };
        inner.facts = inner.inventory.collect(context).await;
        let known = self.state.directory().await?;
        directory::report(&mut inner.facts, &Standing::of(&self.config, &known), &known);
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

    /// The Python for scripts in words: its version and where it comes from.
    async fn python_version(&self) -> String {
        let Some(python) = Python::find(&self.paths, &self.config) else {
            return String::new();
        };
        let version = python.version(&self.state).await;
        if version.is_empty() {
            version
        } else {
            format!("{version} ({})", python.origin)
        }
    }
}
