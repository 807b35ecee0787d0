//! What commands do to the model.

use std::path::PathBuf;

use egui::{Theme, ThemePreference};
use muster_shared::protocol::action::ActionKind;

use super::hosts::ScopeChange;
use super::packages::Upload;
use super::palette::{Item, Palette};
use super::{Dialog, Effect, Moment, Page, State, edit};
use crate::action::UserAction;
use crate::command::Command;
use crate::remote::{Problem, Remote};
use crate::worker::Request;

impl State {
    /// Carries out one command. `theme` is the one that is drawn now.
    pub fn handle(&mut self, command: Command, theme: Theme, moment: Moment) -> Vec<Effect> {
        match command {
            Command::Run(action) => return self.run(action, theme, moment),
            Command::SubmitSignIn => return self.sign_in.submit().map(Effect::Ask).into_iter().collect(),
            Command::ForgetCertificate => self.sign_in.back(),
            Command::FilterHosts(text) => self.hosts.set_filter(text, moment.now, moment.at),
            Command::ScopeHosts(change) => self.hosts.change_scope(change, moment.now),
            Command::SortHosts(column) => self.hosts.sort_by(column, moment.now),
            Command::PickHost { position, pick } => self.hosts.pick(position, pick),
            Command::MoveHost { step, extend } => self.hosts.step(step, extend),
            Command::GoToHost(identifier) => {
                self.page = Page::Hosts;
                self.hosts.go_to(&identifier, moment.now, moment.at);
            }
            Command::FoldUnit(dn) => {
                if !self.folded.remove(&dn) {
                    self.folded.insert(dn);
                }
            }
            Command::ShowTab(tab) => self.details.tab = tab,
            Command::OpenLog(package) => self.open_log(&package),
            Command::OpenPackage(package) => {
                let open = &mut self.details.open_package;
                *open = if open.as_ref() == Some(&package) {
                    None
                } else {
                    Some(package)
                };
            }
            Command::CopyText(text) => return vec![Effect::Copy(text)],
            Command::Order { kind, packages } => {
                let targets = self
                    .hosts
                    .selection()
                    .into_iter()
                    .map(|row| self.target(row))
                    .collect();
                return self.open_order(kind, packages, targets);
            }
            Command::OrderOn {
                kind,
                packages,
                hosts,
            } => {
                let targets = hosts
                    .iter()
                    .filter_map(|id| self.hosts.row(id))
                    .map(|row| self.target(row))
                    .collect();
                return self.open_order(kind, packages, targets);
            }
            Command::Decide { identifier, decision } => {
                return vec![Effect::Ask(Request::Decide { identifier, decision })];
            }
            Command::CloseDialog => self.close_dialog(),
            Command::Confirm => return self.confirm(moment),
            Command::ChooseSigner(key) => {
                self.signers.chosen = Some(key.clone());
                self.clear_secret();
                let mut effects = vec![Effect::Ask(Request::RememberSigner(key))];
                effects.extend(self.reload_edit());
                return effects;
            }
            Command::ChooseLifetime(place) => {
                if let Dialog::Order(order) = &mut self.dialog {
                    order.lifetime = place;
                }
            }
            Command::AddKeyFile { certificate, key } => {
                return vec![Effect::Ask(Request::AddKeyFile { certificate, key })];
            }
            Command::PickPackage(package) => {
                if let Dialog::Order(order) = &mut self.dialog {
                    order.toggle_package(&package);
                }
            }
            Command::Require(package) => self.with_edit(|edit| edit.require(&package)),
            Command::Forbid(package) => self.with_edit(|edit| edit.forbid(&package)),
            Command::Unlist(package) => self.with_edit(|edit| edit.unlist(&package)),
            Command::SaveEdit { apply } => return self.save_edit(apply, moment),
            Command::FilterPackages(text) => self.packages.set_filter(text),
            Command::SortPackages(column) => self.packages.sort_by(column),
            Command::PickPackageRow(position) => self.packages.pick(position),
            Command::MovePackage(step) => self.packages.step(step),
            Command::GoToPackage(filename) => {
                self.page = Page::Packages;
                self.packages.go_to(&filename);
            }
            Command::UploadFile(path) => return self.upload(path),
            Command::ForgetUpload(place) => {
                if place < self.packages.uploads.len() {
                    self.packages.uploads.remove(place);
                }
            }
            Command::PickAction(batch) => {
                self.activity.cursor = Some(batch);
                return self.ask_targets();
            }
            Command::LookAtAction(batch) => {
                if self.activity.ask_targets(batch) {
                    return vec![Effect::Ask(Request::Action { batch })];
                }
            }
            Command::MoveAction(step) => {
                self.activity.step(step);
                return self.ask_targets();
            }
            Command::SearchPalette(query) => self.search_palette(query),
            Command::MovePalette { down } => {
                if let Dialog::Palette(palette) = &mut self.dialog {
                    palette.step(down);
                }
            }
            Command::RunPalette(place) => return self.run_palette(place, theme, moment),
            Command::DismissNotice => self.notice = None,
        }
        Vec::new()
    }

    fn run(&mut self, action: UserAction, theme: Theme, moment: Moment) -> Vec<Effect> {
        if !self.can(action) {
            return Vec::new();
        }
        let order = |kind| Command::Order {
            kind,
            packages: Vec::new(),
        };
        match action {
            UserAction::ShowHosts => self.page = Page::Hosts,
            UserAction::ShowPackages => {
                self.page = Page::Packages;
                // How many hosts have a package changes without an event of its own.
                return self
                    .packages
                    .list
                    .ask()
                    .then_some(Effect::Ask(Request::Packages))
                    .into_iter()
                    .collect();
            }
            UserAction::ShowActivity => {
                self.page = Page::Activity;
                return self
                    .activity
                    .list
                    .ask()
                    .then_some(Effect::Ask(Request::Actions))
                    .into_iter()
                    .collect();
            }
            UserAction::Palette => {
                self.dialog = Dialog::Palette(Palette::default());
                self.search_palette(String::new());
            }
            UserAction::Find => return vec![Effect::FocusSearch],
            UserAction::Refresh => return self.refresh(),
            UserAction::SelectAll => self.hosts.select_all(),
            UserAction::CheckUpdates => return self.handle(order(ActionKind::Update), theme, moment),
            UserAction::Upgrade => return self.handle(order(ActionKind::Upgrade), theme, moment),
            UserAction::Install => return self.handle(order(ActionKind::Install), theme, moment),
            UserAction::Remove => return self.handle(order(ActionKind::Remove), theme, moment),
            UserAction::Forget => return self.handle(order(ActionKind::Forget), theme, moment),
            UserAction::EditHost => return self.open_edit(),
            UserAction::RetryFailed => {
                let targets = self
                    .hosts
                    .current()
                    .map(|row| self.target(row))
                    .into_iter()
                    .collect();
                return self.open_order(ActionKind::Upgrade, Vec::new(), targets);
            }
            UserAction::Upload => {
                self.page = Page::Packages;
                self.dialog = Dialog::Upload(super::Input::default());
            }
            UserAction::ToggleTheme => {
                let other = match theme {
                    Theme::Dark => ThemePreference::Light,
                    Theme::Light => ThemePreference::Dark,
                };
                return self.set_theme(other);
            }
            UserAction::FollowSystemTheme => return self.set_theme(ThemePreference::System),
            UserAction::LockSigner => {
                self.signers.set_unlocked(None);
                return vec![Effect::Ask(Request::LockSigner)];
            }
            UserAction::SignOut => return vec![Effect::Ask(Request::SignOut)],
            UserAction::Quit => return vec![Effect::Quit],
        }
        Vec::new()
    }

    fn set_theme(&mut self, theme: ThemePreference) -> Vec<Effect> {
        self.theme = theme;
        let word = match theme {
            ThemePreference::Dark => "dark",
            ThemePreference::Light => "light",
            ThemePreference::System => "system",
        };
        vec![
            Effect::SetTheme(theme),
            Effect::Ask(Request::RememberTheme(word.to_owned())),
        ]
    }

    /// Loads everything that the page shows again; what is there stays meanwhile.
    pub(super) fn refresh(&mut self) -> Vec<Effect> {
        let mut effects = Vec::new();
        if self.hosts.list.ask() {
            effects.push(Effect::Ask(Request::Hosts));
        }
        if self.packages.list.ask() {
            effects.push(Effect::Ask(Request::Packages));
        }
        if self.activity.list.ask() {
            effects.push(Effect::Ask(Request::Actions));
        }
        self.details.mark_all_stale();
        effects
    }

    fn ask_targets(&mut self) -> Vec<Effect> {
        let Some(batch) = self.activity.cursor else {
            return Vec::new();
        };
        if self.activity.ask_targets(batch) {
            vec![Effect::Ask(Request::Action { batch })]
        } else {
            Vec::new()
        }
    }

    pub(super) fn upload(&mut self, path: PathBuf) -> Vec<Effect> {
        if path.as_os_str().is_empty() {
            return Vec::new();
        }
        self.page = Page::Packages;
        if matches!(self.dialog, Dialog::Upload(_)) {
            self.dialog = Dialog::None;
        }
        self.packages.uploads.retain(|upload| upload.path != path);
        let wapt = path
            .extension()
            .is_some_and(|extension| extension.eq_ignore_ascii_case("wapt"));
        let state = if wapt {
            Remote::Pending(None)
        } else {
            Remote::Failed(
                None,
                Problem::new("only built packages (.wapt) can be uploaded")
                    .with_hint("build it first: muster package build FOLDER"),
            )
        };
        self.packages.uploads.push(Upload {
            path: path.clone(),
            state,
            sent: (0, 0),
        });
        if wapt {
            vec![Effect::Ask(Request::Upload { path })]
        } else {
            Vec::new()
        }
    }

    fn with_edit(&mut self, change: impl FnOnce(&mut edit::EditDialog)) {
        if let Dialog::Edit(dialog) = &mut self.dialog
            && dialog.stage == edit::Stage::Editing
        {
            dialog.problem = None;
            change(dialog);
        }
    }

    fn clear_secret(&self) {
        match &self.dialog {
            Dialog::Order(order) => order.secret.clear(),
            Dialog::Edit(edit) => edit.secret.clear(),
            Dialog::None | Dialog::Palette(_) | Dialog::Upload(_) | Dialog::Log { .. } => {}
        }
    }

    /// Escape goes one step back; an order that is on its way is not taken back by it.
    fn close_dialog(&mut self) {
        if let Dialog::Edit(dialog) = &mut self.dialog {
            match dialog.stage {
                edit::Stage::Signing { .. } => {
                    dialog.stage = edit::Stage::Editing;
                    dialog.attempt += 1;
                    dialog.secret.clear();
                    return;
                }
                edit::Stage::Editing if dialog.is_changed() && !dialog.leave_asked => {
                    dialog.leave_asked = true;
                    dialog.problem = Some(
                        Problem::new("the changes are not saved")
                            .with_hint("close again to leave without them"),
                    );
                    return;
                }
                edit::Stage::Saving { .. } => return,
                edit::Stage::Editing => {}
            }
        }
        self.dialog = Dialog::None;
    }

    fn open_log(&mut self, package: &str) {
        let Some(row) = self.hosts.current() else { return };
        let detail = self.details.of(&row.identifier).and_then(Remote::value);
        let installed = detail
            .map(|detail| detail.packages().installed)
            .unwrap_or_default();
        if let Some(found) = installed
            .into_iter()
            .find(|installed| installed.package == package)
        {
            self.dialog = Dialog::Log {
                title: format!("{} {} on {}", found.package, found.version, row.name),
                text: found.log,
            };
        }
    }

    fn search_palette(&mut self, query: String) {
        let actions: Vec<UserAction> = UserAction::ALL
            .into_iter()
            .filter(|action| *action != UserAction::Palette && self.can(*action))
            .collect();
        let packages: Vec<_> = self.packages.newest().collect();
        if let Dialog::Palette(palette) = &mut self.dialog {
            palette.search(query, &actions, self.hosts.all(), &packages);
        }
    }

    fn run_palette(&mut self, place: usize, theme: Theme, moment: Moment) -> Vec<Effect> {
        let Dialog::Palette(palette) = &self.dialog else {
            return Vec::new();
        };
        let Some(item) = palette.items.get(place).cloned() else {
            return Vec::new();
        };
        self.dialog = Dialog::None;
        let command = match item {
            Item::Action(action) => Command::Run(action),
            Item::Host { identifier, .. } => Command::GoToHost(identifier),
            Item::Package { filename, .. } => Command::GoToPackage(filename),
        };
        self.handle(command, theme, moment)
    }

    /// The tree and the field narrow nothing.
    pub fn is_unfiltered(&self) -> bool {
        self.hosts.filter_text().is_empty() && *self.hosts.scope() == super::hosts::Scope::default()
    }

    /// Takes every narrowing away.
    pub fn clear_filters(&mut self, moment: Moment) {
        self.hosts.change_scope(ScopeChange::Clear, moment.now);
        self.hosts.set_filter(String::new(), moment.now, moment.at);
    }
}
