//! From a dialog to a signature: what is asked of the worker when a person confirms, and what comes back.

use std::path::PathBuf;

use muster_shared::protocol::action::{ActionDetail, ActionKind};
use muster_shared::protocol::host::HostRow;
use uuid::Uuid;

use super::edit::{EditDialog, Stage as EditStage};
use super::order::{OrderDialog, Stage as OrderStage, Target};
use super::{Dialog, Effect, Moment, State};
use crate::remote::Problem;
use crate::worker::{Request, Saved, Signing, SigningProblem};

impl State {
    /// A host as the target of an order.
    pub(super) fn target(&self, row: &HostRow) -> Target {
        Target::of(row, self.hosts.shown_name(row))
    }

    /// Opens the dialog of an action on hosts.
    pub(super) fn open_order(
        &mut self,
        kind: ActionKind,
        packages: Vec<String>,
        targets: Vec<Target>,
    ) -> Vec<Effect> {
        if targets.is_empty() {
            return Vec::new();
        }
        let dialog = OrderDialog::new(Uuid::now_v7(), kind, packages, targets);
        let mut effects = self.ask_signers();
        if dialog.stage == OrderStage::Picking && self.packages.list.ask() {
            effects.push(Effect::Ask(Request::Packages));
        }
        self.dialog = Dialog::Order(Box::new(dialog));
        effects.extend(self.ask_preview());
        effects
    }

    /// Opens the editor of a host's package.
    pub(super) fn open_edit(&mut self) -> Vec<Effect> {
        let Some(row) = self.hosts.current() else {
            return Vec::new();
        };
        let (identifier, name) = (row.identifier.clone(), self.hosts.shown_name(row));
        self.dialog = Dialog::Edit(Box::new(EditDialog::new(&identifier, &name)));
        let mut effects = self.ask_signers();
        if self.packages.list.ask() {
            effects.push(Effect::Ask(Request::Packages));
        }
        let signer = self.signers.chosen.clone().unwrap_or_default();
        effects.push(Effect::Ask(Request::HostPackage { identifier, signer }));
        effects
    }

    /// Tokens come and go: the list is fresh each time a dialog opens.
    fn ask_signers(&mut self) -> Vec<Effect> {
        self.signers.asked = true;
        vec![Effect::Ask(Request::Signers)]
    }

    fn ask_preview(&mut self) -> Option<Effect> {
        let Dialog::Order(order) = &mut self.dialog else {
            return None;
        };
        if order.stage != OrderStage::Signing || order.kind == ActionKind::Update {
            return None;
        }
        order.preview.ask().then(|| {
            Effect::Ask(Request::Preview {
                order: order.id,
                identifiers: order.preview_hosts(),
            })
        })
    }

    /// The person pressed the dialog's main button, or Enter.
    pub(super) fn confirm(&mut self, moment: Moment) -> Vec<Effect> {
        let asks_secret = self.signers.asks_secret(moment.now);
        let chosen = self.signers.current().map(|entry| entry.key.clone());
        if let Some((certificate, key)) = self.typed_key_file() {
            return vec![Effect::Ask(Request::AddKeyFile { certificate, key })];
        }
        match &mut self.dialog {
            Dialog::Order(order) => {
                order.problem = None;
                match order.stage {
                    OrderStage::Picking => {
                        if order.packages.is_empty() {
                            order.problem = Some(Problem::new("no package is chosen"));
                            return Vec::new();
                        }
                        order.stage = OrderStage::Signing;
                        order.attempt += 1;
                        self.ask_preview().into_iter().collect()
                    }
                    OrderStage::Signing => match signing(chosen, asks_secret, &order.secret) {
                        Ok(signing) => {
                            order.stage = OrderStage::Sending;
                            vec![Effect::Ask(Request::Order {
                                order: Box::new(order.order()),
                                signing,
                            })]
                        }
                        Err(problem) => {
                            order.problem = Some(problem);
                            order.attempt += 1;
                            Vec::new()
                        }
                    },
                    OrderStage::Sending => Vec::new(),
                    OrderStage::Sent(_) => {
                        self.dialog = Dialog::None;
                        Vec::new()
                    }
                }
            }
            Dialog::Edit(edit) => match edit.stage {
                EditStage::Signing { apply } => {
                    edit.problem = None;
                    match signing(chosen, asks_secret, &edit.secret) {
                        Ok(signing) => {
                            edit.stage = EditStage::Saving { apply };
                            vec![Effect::Ask(Request::SaveHostPackage {
                                edit: edit.edit(),
                                apply,
                                signing,
                            })]
                        }
                        Err(problem) => {
                            edit.problem = Some(problem);
                            edit.attempt += 1;
                            Vec::new()
                        }
                    }
                }
                EditStage::Editing | EditStage::Saving { .. } => Vec::new(),
            },
            Dialog::Upload(path) => {
                let path = std::path::PathBuf::from(path.text().trim());
                self.upload(path)
            }
            Dialog::None | Dialog::Palette(_) | Dialog::Log { .. } => Vec::new(),
        }
    }

    /// The key file whose path stands in the fields of a signing dialog; its key is beside it when not named.
    pub fn typed_key_file(&self) -> Option<(PathBuf, PathBuf)> {
        let (certificate, key) = match &self.dialog {
            Dialog::Order(order) if order.stage == OrderStage::Signing => {
                (&order.certificate_path, &order.key_path)
            }
            Dialog::Edit(edit) if !matches!(edit.stage, EditStage::Saving { .. }) => {
                (&edit.certificate_path, &edit.key_path)
            }
            _ => return None,
        };
        let (certificate, key) = (certificate.text(), key.text());
        if certificate.trim().is_empty() {
            return None;
        }
        let certificate = PathBuf::from(certificate.trim());
        let key = if key.trim().is_empty() {
            certificate.with_extension("pem")
        } else {
            PathBuf::from(key.trim())
        };
        Some((certificate, key))
    }

    /// The lists are as the person wants them: now the signature.
    pub(super) fn save_edit(&mut self, apply: bool, moment: Moment) -> Vec<Effect> {
        let needs_nothing = !self.signers.asks_secret(moment.now) && self.signers.current().is_some();
        let Dialog::Edit(edit) = &mut self.dialog else {
            return Vec::new();
        };
        if edit.stage != EditStage::Editing || edit.loaded.value().is_none() {
            return Vec::new();
        }
        if !edit.is_changed() && !apply {
            edit.problem = Some(Problem::new("nothing was changed"));
            return Vec::new();
        }
        edit.stage = EditStage::Signing { apply };
        edit.problem = None;
        edit.attempt += 1;
        if needs_nothing {
            self.confirm(moment)
        } else {
            Vec::new()
        }
    }

    /// The worker signed and sent an order, or could not.
    pub(super) fn ordered(&mut self, result: Result<ActionDetail, SigningProblem>) {
        match result {
            Ok(detail) => self.show_sent(detail),
            Err(failed) => {
                let Dialog::Order(order) = &mut self.dialog else {
                    self.notice = Some(failed.problem);
                    return;
                };
                order.stage = OrderStage::Signing;
                order.problem = Some(failed.problem);
                order.attempt += 1;
                order.secret.clear();
            }
        }
    }

    fn show_sent(&mut self, detail: ActionDetail) {
        let batch = detail.row.batch;
        if let Dialog::Order(order) = &mut self.dialog
            && order.stage == OrderStage::Sending
        {
            order.stage = OrderStage::Sent(batch);
            order.attempt += 1;
        }
        self.activity.update(detail.row.clone());
        self.activity.answer(batch, Ok(detail));
    }

    /// The worker saved a host's package, or could not.
    pub(super) fn saved(&mut self, result: Result<Saved, SigningProblem>) -> Vec<Effect> {
        let saved = match result {
            Ok(saved) => saved,
            Err(failed) => {
                if let Dialog::Edit(edit) = &mut self.dialog {
                    if let EditStage::Saving { apply } = edit.stage {
                        edit.stage = EditStage::Signing { apply };
                    }
                    edit.problem = Some(failed.problem);
                    edit.attempt += 1;
                    edit.secret.clear();
                } else {
                    self.notice = Some(failed.problem);
                }
                return Vec::new();
            }
        };
        self.details.mark_stale(&saved.identifier);
        self.dialog = Dialog::None;
        self.notice = saved.apply_problem;
        if let Some(action) = saved.action {
            let targets = self
                .hosts
                .row(&saved.identifier)
                .map(|row| self.target(row))
                .into_iter()
                .collect();
            let mut order = OrderDialog::new(
                Uuid::now_v7(),
                action.row.action,
                action.row.packages.clone(),
                targets,
            );
            order.stage = OrderStage::Sent(action.row.batch);
            self.dialog = Dialog::Order(Box::new(order));
            self.show_sent(action);
        }
        Vec::new()
    }
}

/// With what to sign, when everything for it is there.
fn signing(
    chosen: Option<String>,
    asks_secret: bool,
    secret: &super::input::Secret,
) -> Result<Signing, Problem> {
    let signer = chosen.ok_or_else(|| {
        Problem::new("no signer is chosen")
            .with_hint("plug your token in, or name a certificate and its key file")
    })?;
    if asks_secret && secret.is_empty() {
        return Err(Problem::new("the password or PIN is empty"));
    }
    Ok(Signing {
        signer,
        secret: asks_secret.then(|| secret.take()),
    })
}
