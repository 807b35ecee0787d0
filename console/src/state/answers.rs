//! What answers and events do to the model.

use muster_shared::protocol::event::Event;
use muster_shared::protocol::host::HostRow;

use super::detail::LiveTask;
use super::order::Stage;
use super::{Dialog, Effect, Live, Moment, State, time};
use crate::remote::Problem;
use crate::worker::{Answer, Request, SignedIn};

impl State {
    /// What is asked when the window opens.
    pub fn start() -> Vec<Effect> {
        vec![Effect::Ask(Request::Known)]
    }

    /// Takes one answer.
    pub fn answer(&mut self, answer: Answer, moment: Moment) -> Vec<Effect> {
        match answer {
            Answer::Known(known) => self.sign_in.take_known(known),
            Answer::Inspected(result) => self.sign_in.inspected(result),
            Answer::SignedIn(Ok(session)) => return self.signed_in(session),
            Answer::SignedIn(Err(problem)) => self.sign_in.failed(problem),
            Answer::SignedOut => self.signed_out(None),
            Answer::SessionLost(problem) => self.signed_out(Some(problem)),
            Answer::Hosts(rows) => self.hosts.replace(rows, moment.now),
            Answer::Matching { filter, found } => self.hosts.found(&filter, found, moment.now),
            Answer::Host { identifier, result } => {
                self.details.answer(&identifier, result.map(|detail| *detail));
            }
            Answer::Preview { order, details } => {
                if let Dialog::Order(dialog) = &mut self.dialog
                    && dialog.id == order
                {
                    dialog.preview.answer(details);
                }
            }
            Answer::Packages(rows) => self.packages.replace(rows),
            Answer::Actions(rows) => self.activity.list.answer(rows),
            Answer::Action { batch, result } => self.activity.answer(batch, result.map(|detail| *detail)),
            Answer::Signers {
                entries,
                chosen,
                problems,
            } => return self.take_signers(entries, chosen, problems),
            Answer::Undecided(problem) => self.notice = Some(problem),
            Answer::SignerRefused(problem) => self.signer_refused(problem),
            Answer::Unlocked(unlocked) => self.signers.set_unlocked(unlocked),
            Answer::HostPackage { identifier, result } => {
                if let Dialog::Edit(dialog) = &mut self.dialog
                    && dialog.identifier == identifier
                {
                    dialog.answer(result);
                }
            }
            Answer::Saved(result) => return self.saved(result.map(|saved| *saved)),
            Answer::Ordered(result) => self.ordered(result.map(|detail| *detail)),
            Answer::UploadProgress { path, sent, all } => {
                if let Some(upload) = self
                    .packages
                    .uploads
                    .iter_mut()
                    .find(|upload| upload.path == path)
                {
                    upload.sent = (sent, all);
                }
            }
            Answer::Uploaded { path, result } => {
                if let Some(upload) = self
                    .packages
                    .uploads
                    .iter_mut()
                    .find(|upload| upload.path == path)
                {
                    upload.state.answer(result);
                }
            }
            Answer::Event(event) => return self.event(*event, moment),
            Answer::Live(Ok(())) => {
                // What was asked while the connection was away may have failed.
                let again = matches!(self.live, Live::Lost(_));
                self.live = Live::Connected;
                return if again { self.refresh() } else { Vec::new() };
            }
            Answer::Live(Err(problem)) => self.live = Live::Lost(problem),
        }
        Vec::new()
    }

    fn signed_in(&mut self, session: SignedIn) -> Vec<Effect> {
        self.sign_in = super::SignIn::default();
        self.sign_in.address.set(session.address.clone());
        self.sign_in.user.set(session.user.clone());
        self.session = Some(session);
        self.live = Live::Connecting;
        let mut effects = self.refresh();
        effects.push(Effect::Ask(Request::Signers));
        effects
    }

    fn signed_out(&mut self, problem: Option<Problem>) {
        let theme = self.theme;
        let sign_in = std::mem::take(&mut self.sign_in);
        *self = Self {
            sign_in,
            theme,
            ..Self::default()
        };
        self.sign_in.stage = super::sign_in::Stage::Form;
        self.sign_in.problem = problem;
    }

    fn take_signers(
        &mut self,
        entries: Vec<crate::worker::SignerEntry>,
        chosen: Option<String>,
        problems: Vec<Problem>,
    ) -> Vec<Effect> {
        let before = self.signers.chosen.clone();
        self.signers.replace(entries, chosen, problems);
        if before != self.signers.chosen {
            self.clear_key_paths();
        }
        if before == self.signers.chosen {
            Vec::new()
        } else {
            self.reload_edit().into_iter().collect()
        }
    }

    fn clear_key_paths(&mut self) {
        let (paths, problem) = match &mut self.dialog {
            Dialog::Order(order) => ([&order.certificate_path, &order.key_path], &mut order.problem),
            Dialog::Edit(edit) => ([&edit.certificate_path, &edit.key_path], &mut edit.problem),
            Dialog::None | Dialog::Palette(_) | Dialog::Upload(_) | Dialog::Log { .. } => return,
        };
        for path in paths {
            path.set("");
        }
        *problem = None;
    }

    /// The editor verifies a host's package against who signs: another signer may be able to read it.
    pub(super) fn reload_edit(&mut self) -> Option<Effect> {
        let signer = self.signers.chosen.clone()?;
        let Dialog::Edit(dialog) = &mut self.dialog else {
            return None;
        };
        if dialog.loaded.value().is_some() {
            return None;
        }
        dialog.loaded = crate::remote::Remote::Pending(None);
        Some(Effect::Ask(Request::HostPackage {
            identifier: dialog.identifier.clone(),
            signer,
        }))
    }

    fn signer_refused(&mut self, problem: Problem) {
        match &mut self.dialog {
            Dialog::Order(order) => order.problem = Some(problem),
            Dialog::Edit(edit) => edit.problem = Some(problem),
            Dialog::None | Dialog::Palette(_) | Dialog::Upload(_) | Dialog::Log { .. } => {
                self.notice = Some(problem);
            }
        }
    }

    fn event(&mut self, event: Event, moment: Moment) -> Vec<Effect> {
        let mut told = None;
        match event {
            Event::Reset => return self.refresh(),
            Event::Host { row } => {
                told = told_of(self.hosts.row(&row.identifier), &row);
                self.details.mark_stale(&row.identifier);
                self.hosts.update(*row, moment.now, moment.at);
            }
            Event::HostDeleted { identifier } => {
                told = Some(format!("{identifier} was removed"));
                self.hosts.remove(&identifier, moment.now);
            }
            Event::Task {
                identifier,
                task,
                percent,
                text,
                over,
                ..
            } => {
                if over {
                    self.details.mark_stale(&identifier);
                }
                let name = self
                    .hosts
                    .row(&identifier)
                    .map_or(identifier.as_str(), |row| row.name.as_str());
                told = Some(format!("{name}  {text}"));
                self.details.task(LiveTask {
                    host: identifier,
                    task,
                    percent,
                    text,
                    over,
                });
            }
            Event::Action { row } => {
                told = Some(format!("{} ordered {}", row.submitted_by, row.action));
                self.activity.update(*row);
            }
            Event::ActionTarget { batch, target } => self.activity.target_moved(batch, &target),
            Event::Package { row } => {
                told = Some(format!("{} {} was published", row.package, row.version));
                self.packages.update(*row);
            }
            Event::PackageDeleted { filename } => {
                told = Some(format!("{filename} was deleted"));
                self.packages.remove(&filename);
            }
        }
        if let Some(told) = told {
            self.last_event = Some((moment.now, told));
        }
        Vec::new()
    }

    /// Requests that wait for their time; and how long until the next one is due.
    pub fn due(&mut self, moment: Moment) -> (Vec<Effect>, Option<std::time::Duration>) {
        let mut effects = Vec::new();
        let mut wait = self.hosts.settle(moment.now, moment.at);
        let mut sooner = |duration: std::time::Duration| {
            wait = Some(wait.map_or(duration, |wait| wait.min(duration)));
        };
        if self.session.is_some() {
            let current = self.hosts.current().map(|row| row.identifier.clone());
            self.details.look_at(current.as_deref(), moment.at);
            match self.details.due(moment.at) {
                Ok(Some(identifier)) => effects.push(Effect::Ask(Request::Host { identifier })),
                Ok(None) => {}
                Err(left) => sooner(left),
            }
            match self.hosts.due_filter(moment.at) {
                Ok(Some(filter)) => effects.push(Effect::Ask(Request::Matching { filter })),
                Ok(None) => {}
                Err(left) => sooner(left),
            }
        }
        (effects, wait)
    }

    /// Work that is under way, for the bottom bar: what, and how much of it is over.
    pub fn running_work(&self, now: jiff::Timestamp) -> Option<(String, f32, String)> {
        if let Dialog::Order(order) = &self.dialog
            && order.stage == Stage::Sending
        {
            return Some((order.title(), 0.0, "signing".to_owned()));
        }
        let row = self
            .activity
            .list
            .value()?
            .iter()
            .find(|row| super::activity::is_under_way(row, now))?;
        let over = super::activity::over_count(row);
        let failed = super::activity::failed_count(row);
        let name = format!(
            "{} {}",
            super::order::verb(row.action),
            crate::ui::text::counted(row.target_count, "host")
        );
        let mut note = format!("{over} done");
        if failed > 0 {
            note = format!("{} done, {failed} failed", over - failed.min(over));
        }
        Some((name, over as f32 / row.target_count.max(1) as f32, note))
    }

    /// The last event with its time, for the bottom bar.
    pub fn last_event_text(&self) -> Option<String> {
        self.last_event
            .as_ref()
            .map(|(at, text)| format!("{}  {text}", time::clock(*at)))
    }
}

fn told_of(before: Option<&HostRow>, row: &HostRow) -> Option<String> {
    let Some(before) = before else {
        return Some(format!("{} is new", row.name));
    };
    if before.status != row.status {
        return Some(format!("{} is {}", row.name, row.status));
    }
    if before.reachable != row.reachable {
        return Some(format!(
            "{} {}",
            row.name,
            if row.reachable { "connected" } else { "went away" }
        ));
    }
    if before.packages_pending != row.packages_pending {
        return Some(format!(
            "{} reports {} pending",
            row.name,
            crate::ui::text::counted(u64::from(row.packages_pending), "package")
        ));
    }
    None
}
