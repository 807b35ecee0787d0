//! Requests that end in a signature: orders and host packages.

use std::sync::Arc;

use jiff::SignedDuration;
use muster_shared::clock;
use muster_shared::crypto::{Signer, TrustStore};
use muster_shared::protocol::action::{
    ActionDetail, ActionKind, ActionOptions, DEFAULT_ACTION_LIFETIME_MINUTES,
};

use super::requests::{HostEdit, Order, Saved, Signing, SigningProblem};
use super::serve::{Server, lock};
use crate::admin::{act, host_package, signer};
use crate::remote::Problem;

impl Server {
    /// Signs an order once and hands it to the server.
    pub(super) async fn order(
        self: &Arc<Self>,
        order: Order,
        signing: Signing,
    ) -> Result<ActionDetail, SigningProblem> {
        let client = self.client().map_err(plain)?;
        let prepared = act::prepare(
            order.kind,
            &order.packages,
            order.options,
            &order.hosts,
            order.lifetime,
            clock::now(),
        )
        .map_err(|error| plain(Problem::of(&error)))?;
        let action = self
            .sign_with(signing, move |signer| {
                act::sign(&prepared, signer).map_err(|error| Problem::of(&error))
            })
            .await?;
        act::submit(&client, &action)
            .await
            .map_err(|error| plain(Problem::of(&error)))
    }

    /// Reads and verifies a host's package.
    pub(super) async fn load_host_package(
        &self,
        identifier: &str,
        signer: &str,
    ) -> Result<HostEdit, Problem> {
        let client = self.client()?;
        let choice = self.choice(signer).map_err(|_unknown| {
            Problem::new("no signer is chosen, so nobody can say whose host packages may be replaced")
                .with_hint("choose one in any signing dialog, or run `muster key create` first")
        })?;
        let chain = tokio::task::spawn_blocking(move || signer::certificates(&choice))
            .await
            .map_err(|error| Problem::new(error.to_string()))?
            .map_err(|error| Problem::of(&error))?;
        let perimeter = host_package::perimeter(&chain, &TrustStore::new(Vec::new()));
        let loaded = host_package::load(&client, identifier, &perimeter, clock::now())
            .await
            .map_err(|error| Problem::of(&error))?;
        let edit = HostEdit {
            identifier: identifier.to_owned(),
            required: loaded.depends.clone(),
            forbidden: loaded.conflicts.clone(),
            version: loaded.version.clone().unwrap_or_default(),
            signer: loaded.signer.clone(),
        };
        lock(&self.loaded).insert(identifier.to_owned(), loaded);
        Ok(edit)
    }

    /// Signs and replaces a host's package; with `apply` orders the upgrade with the same signer.
    pub(super) async fn save_host_package(
        self: &Arc<Self>,
        edit: HostEdit,
        apply: bool,
        signing: Signing,
    ) -> Result<Saved, SigningProblem> {
        let client = self.client().map_err(plain)?;
        let loaded = lock(&self.loaded).get(&edit.identifier).cloned();
        let mut package = loaded.ok_or_else(|| plain(Problem::new("the host's package was not read yet")))?;
        package.depends = edit.required;
        package.conflicts = edit.forbidden;
        let key = signing.signer.clone();
        let version = if package.is_changed() || package.version.is_none() {
            let built = package.clone();
            let bytes = self
                .sign_with(signing, move |signer| {
                    host_package::build(&built, signer, clock::now()).map_err(|error| Problem::of(&error))
                })
                .await?;
            host_package::put(&client, &package, bytes)
                .await
                .map_err(|error| plain(Problem::of(&error)))?
                .version
        } else {
            // Applying what is already saved needs the order's signature only.
            self.sign_with(signing, |_open| Ok(())).await?;
            package.version.clone().unwrap_or_default()
        };
        lock(&self.loaded).remove(&edit.identifier);
        let mut saved = Saved {
            identifier: edit.identifier.clone(),
            version,
            action: None,
            apply_problem: None,
        };
        if apply {
            let order = Order {
                kind: ActionKind::Upgrade,
                packages: Vec::new(),
                options: ActionOptions::default(),
                hosts: vec![edit.identifier],
                lifetime: SignedDuration::from_mins(DEFAULT_ACTION_LIFETIME_MINUTES),
            };
            match self
                .order(
                    order,
                    Signing {
                        signer: key,
                        secret: None,
                    },
                )
                .await
            {
                Ok(detail) => saved.action = Some(detail),
                Err(failed) => saved.apply_problem = Some(failed.problem),
            }
        }
        Ok(saved)
    }

    /// Does something with the opened signer, off the threads that wait for the network.
    async fn sign_with<R: Send + 'static>(
        self: &Arc<Self>,
        signing: Signing,
        sign: impl FnOnce(&dyn Signer) -> Result<R, Problem> + Send + 'static,
    ) -> Result<R, SigningProblem> {
        let choice = self.choice(&signing.signer)?;
        let vault = Arc::clone(&self.vault);
        let signed = tokio::task::spawn_blocking(move || {
            lock(&vault).with(&signing.signer, &choice, signing.secret.as_ref(), sign)
        })
        .await
        .unwrap_or_else(|error| Err(plain(Problem::new(error.to_string()))));
        self.tell_unlocked().await;
        signed
    }
}

fn plain(problem: Problem) -> SigningProblem {
    SigningProblem {
        problem,
        wrong_secret: false,
    }
}
