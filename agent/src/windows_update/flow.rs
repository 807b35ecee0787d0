//! Scan, download, install: each step asks the system's update agent, and writes what came of it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use muster_shared::clock::Clock;
use muster_shared::hint::chain;
use muster_shared::protocol::error::ErrorCode;
use muster_shared::protocol::inventory::{UpdateEvent, UpdateRow, UpdatesStatus};
use muster_shared::rules::windows_update::UpdateRules;
use tokio_util::sync::CancellationToken;

use super::fetch::FileError;
use super::files::{self, Files};
use super::line::{Line, Patience};
use super::outcome::{Downloaded, Installed, Scanned};
use super::plan::{self, Remembered};
use super::report::REPORTED_EVENTS;
use super::{MAX_UPDATES, Search, Source, UpdateAgent, code_text};
use crate::config::Config;
use crate::failure::{Exit, Failure};
use crate::repo::sources::Sources;
use crate::state::State;
use crate::state::windows_update::Standing;

/// Takes what is done now: percent, when known, and text.
pub type Progress = Arc<dyn Fn(Option<u8>, &str) + Send + Sync>;

/// A search of a slow machine in a large catalogue takes an hour.
const LONGEST_SEARCH: Duration = Duration::from_hours(4);

/// A feature update over a slow line, or onto a slow disk.
const LONGEST_WORK: Duration = Duration::from_hours(12);

/// Everything that the steps need.
#[derive(Clone)]
pub struct Flow<'a> {
    pub state: &'a State,
    pub config: &'a Config,
    pub system: Arc<dyn UpdateAgent>,
    /// How the system is asked.
    pub line: Line,
    /// What serves packages serves updates too.
    pub repositories: &'a Sources,
    /// Takes downloaded files.
    pub folder: PathBuf,
    pub clock: Arc<dyn Clock>,
    pub progress: Progress,
    pub cancel: CancellationToken,
}

impl std::fmt::Debug for Flow<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Flow")
            .field("folder", &self.folder)
            .finish_non_exhaustive()
    }
}

impl Flow<'_> {
    /// Looks for updates, unless nothing changed since the last time.
    ///
    /// # Errors
    /// When Windows Update is not to be driven, or the search fails; that is remembered as the standing.
    pub async fn scan(&self, force: bool) -> Result<Scanned, Failure> {
        let rules = self.allowed().await?;
        self.step(&rules, async {
            let (search, catalogue) = self.search_to_make().await?;
            let system = self.system.clone();
            let looked_at = self
                .line
                .ask(Patience::SHORT, move || {
                    Ok((system.version().unwrap_or_default(), system.stamp()))
                })
                .await?;
            let fingerprint = plan::fingerprint(
                catalogue.as_ref().map(|(stamp, _date)| stamp.as_str()),
                &search.criteria,
                &looked_at.0,
                &looked_at.1,
            );
            let mut standing = self.state.update_standing().await?;
            if !force
                && fingerprint.is_some()
                && fingerprint == standing.fingerprint
                && standing.error.is_empty()
            {
                return self.scanned(&rules, true).await;
            }
            (self.progress)(None, "searching for updates");
            let begun = Instant::now();
            let system = self.system.clone();
            let source = search.source.clone();
            let found = self
                .line
                .ask(self.until_cancelled(LONGEST_SEARCH), move || {
                    system.search(&search)
                })
                .await;
            let mut found = match found {
                Err(failure)
                    if matches!(source, Source::Catalogue(_)) && self.files()?.distrust_catalogue().await =>
                {
                    return Err(failure.with_hint(
                        "the catalogue on this machine was damaged and is fetched anew the next time",
                    ));
                }
                found => found?,
            };
            found.truncate(MAX_UPDATES);
            let known = self.state.windows_updates().await?;
            self.state
                .set_windows_updates(&plan::joined(&known, found))
                .await?;
            standing = Standing {
                last_scan_at: Some(self.clock.now()),
                last_scan_secs: Some(begun.elapsed().as_secs()),
                cab_date: catalogue.and_then(|(_stamp, date)| date),
                fingerprint,
                error: String::new(),
                ..standing
            };
            self.state.set_update_standing(&standing).await?;
            self.note_history().await?;
            self.scanned(&rules, false).await
        })
        .await
    }

    /// Fetches the files of every update that is allowed now.
    ///
    /// # Errors
    /// When Windows Update is not to be driven or the search fails. Single updates that cannot be had are in the
    /// result.
    pub async fn download(&self) -> Result<Downloaded, Failure> {
        let rules = self.allowed().await?;
        self.step(&rules, async {
            let rows = self.rows(&rules).await?;
            let wanted: Vec<UpdateRow> = plan::to_download(&rows).into_iter().cloned().collect();
            if wanted.is_empty() {
                return Ok(Downloaded::default());
            }
            let (search, _catalogue) = self.search_to_make().await?;
            let files = self.files()?;
            let urls: Vec<String> = wanted.iter().flat_map(|row| row.files.keys().cloned()).collect();
            files.tidy(&urls);
            let mut downloaded = Downloaded::default();
            let mut direct = Vec::new();
            let mut provided: BTreeMap<String, Vec<PathBuf>> = BTreeMap::new();
            for (index, row) in wanted.iter().enumerate() {
                let text = format!("downloading {}", row.title);
                let share = |there: u64, all: u64| {
                    let part = (index as u64 * 100 + there * 100 / all.max(1)) / wanted.len() as u64;
                    (self.progress)(Some(u8::try_from(part.min(100)).unwrap_or(100)), &text);
                };
                let urls: Vec<String> = row.files.keys().cloned().collect();
                let fetched = if urls.is_empty() {
                    Err(FileError::Missing(row.update_id.clone()))
                } else {
                    files.of_update(&urls, share, &self.cancel).await
                };
                match fetched {
                    Ok(paths) => {
                        provided.insert(row.update_id.clone(), paths);
                    }
                    Err(FileError::Cancelled) => return Err(cancelled()),
                    // What the search does not name files of, only the system itself can fetch.
                    Err(_error) if self.may_ask_microsoft() => direct.push(row.update_id.clone()),
                    Err(error) => downloaded.missing.push((row.update_id.clone(), chain(&error))),
                }
            }
            self.hand_over(&search, provided, &mut downloaded).await?;
            if !direct.is_empty() {
                let (system, steps) = (self.system.clone(), self.steps("downloading"));
                let patience = self.until_cancelled(LONGEST_WORK);
                let ask = move || system.download(&search, &direct, &steps);
                let done = self.line.ask(patience, ask).await?;
                for one in done {
                    if one.succeeded {
                        downloaded.done.push(one.id);
                    } else {
                        downloaded.missing.push((one.id, one.reason));
                    }
                }
            }
            self.note_downloads(&downloaded).await?;
            Ok(downloaded)
        })
        .await
    }

    /// Installs what is allowed and downloaded, of those that are named when any are. Never restarts the machine.
    ///
    /// # Errors
    /// When Windows Update is not to be driven or the search fails. Single updates that fail are in the result.
    pub async fn install(&self, named: &[String]) -> Result<Installed, Failure> {
        let rules = self.allowed().await?;
        self.step(&rules, async {
            let rows = self.rows(&rules).await?;
            for name in named {
                Self::check_name(name, &rows)?;
            }
            let wanted = plan::to_install(&rows, named);
            if wanted.is_empty() {
                return Ok(Installed::default());
            }
            let titles: BTreeMap<String, String> = wanted
                .iter()
                .map(|row| (row.update_id.clone(), row.title.clone()))
                .collect();
            let ids: Vec<String> = titles.keys().cloned().collect();
            let (search, _catalogue) = self.search_to_make().await?;
            let (system, steps, cancel) =
                (self.system.clone(), self.steps("installing"), self.cancel.clone());
            // What is begun is waited for; a cancelled installation ends between two updates.
            let patience = Patience {
                limit: LONGEST_WORK,
                cancel: None,
            };
            let ask = move || system.install(&search, &ids, &steps, &|| !cancel.is_cancelled());
            let installation = self.line.ask(patience, ask).await?;
            let mut installed = Installed {
                reboot_required: installation.reboot_required,
                ..Installed::default()
            };
            let now = self.clock.now();
            let mut updates = self.state.windows_updates().await?;
            for one in installation.done {
                let known = updates.iter_mut().find(|update| update.found.id == one.id);
                let event = UpdateEvent {
                    title: titles.get(&one.id).cloned().unwrap_or_default(),
                    operation: "install".to_owned(),
                    result: if one.succeeded { "succeeded" } else { "failed" }.to_owned(),
                    code: code_text(one.code),
                    at: Some(now),
                    update_id: one.id.clone(),
                };
                self.state.record_update_event(&event, now).await?;
                if let Some(update) = known {
                    note_installation(update, one.succeeded, &one.reason, now);
                }
                if one.succeeded {
                    installed.done.push(one.id);
                } else {
                    installed.failed.push((one.id, one.reason));
                }
            }
            self.state.set_windows_updates(&updates).await?;
            let standing = self.state.update_standing().await?;
            self.state
                .set_update_standing(&Standing {
                    last_install_at: Some(now),
                    reboot_required: standing.reboot_required || installed.reboot_required,
                    error: String::new(),
                    ..standing
                })
                .await?;
            Ok(installed)
        })
        .await
    }

    /// The search, with the catalogue fetched when it is needed: its stamp and date.
    async fn search_to_make(&self) -> Result<(Search, Option<(String, Option<Timestamp>)>), Failure> {
        let config = &self.config.windows_update;
        let criteria = config.filter.clone();
        if !config.offline {
            let source = Source::Online;
            return Ok((Search { source, criteria }, None));
        }
        let progress = |there: u64, all: u64| {
            let percent = u8::try_from(there * 100 / all.max(1)).unwrap_or(100);
            (self.progress)(Some(percent.min(100)), "downloading the catalogue of updates");
        };
        let (file, catalogue) = self
            .files()?
            .catalogue(progress, &self.cancel)
            .await
            .map_err(|error| self.file_failure(error))?;
        let source = Source::Catalogue(file);
        let seen = (catalogue.stamp(), catalogue.date());
        Ok((Search { source, criteria }, Some(seen)))
    }

    fn files(&self) -> Result<Files, Failure> {
        Files::new(self.config, self.repositories, self.folder.clone())
            .map_err(|error| self.file_failure(error))
    }

    fn until_cancelled(&self, limit: Duration) -> Patience<'_> {
        Patience {
            limit,
            cancel: Some(&self.cancel),
        }
    }

    fn file_failure(&self, error: FileError) -> Failure {
        let hint = match &error {
            FileError::Cancelled => return cancelled(),
            FileError::Missing(_) | FileError::NoSource if !self.may_ask_microsoft() => Some(
                "let the server fetch it, or set allow_direct_download = true or offline = false in [waptwua]",
            ),
            _ => None,
        };
        let is_unreachable = matches!(error, FileError::Unreachable { .. } | FileError::TooSlow { .. });
        let mut failure =
            Failure::from(anyhow::Error::new(error).context("fetching files of Windows updates"));
        if let Some(hint) = hint {
            failure = failure.with_hint(hint);
        }
        if is_unreachable {
            failure = failure.with_exit(Exit::Unreachable);
        }
        failure
    }

    /// The system itself may fetch what the repository does not have.
    fn may_ask_microsoft(&self) -> bool {
        self.config.windows_update.allow_direct_download || !self.config.windows_update.offline
    }

    async fn hand_over(
        &self,
        search: &Search,
        provided: BTreeMap<String, Vec<PathBuf>>,
        downloaded: &mut Downloaded,
    ) -> Result<(), Failure> {
        if provided.is_empty() {
            return Ok(());
        }
        let (system, search, given) = (self.system.clone(), search.clone(), provided.clone());
        let patience = self.until_cancelled(LONGEST_WORK);
        let ask = move || system.provide(&search, &given);
        let done = self.line.ask(patience, ask).await?;
        for one in done {
            if one.succeeded {
                files::forget(provided.get(&one.id).map(Vec::as_slice).unwrap_or_default());
                downloaded.done.push(one.id);
            } else {
                downloaded.missing.push((one.id, one.reason));
            }
        }
        Ok(())
    }

    async fn note_downloads(&self, downloaded: &Downloaded) -> Result<(), Failure> {
        let mut updates = self.state.windows_updates().await?;
        for update in &mut updates {
            let id = &update.found.id;
            if downloaded.done.contains(id) {
                update.found.downloaded = true;
                update.unobtainable = false;
            } else if downloaded.missing.iter().any(|(missing, _reason)| missing == id) {
                update.unobtainable = true;
            }
        }
        self.state.set_windows_updates(&updates).await?;
        Ok(())
    }

    /// What the system remembers; one that does not say is asked again the next time.
    async fn note_history(&self) -> Result<(), Failure> {
        let system = self.system.clone();
        let ask = move || system.history(REPORTED_EVENTS);
        match self.line.ask(Patience::SHORT, ask).await {
            Ok(events) => self.state.set_system_update_history(&events).await?,
            Err(error) => {
                tracing::info!(error = %error.in_one_line(), "Windows Update does not tell its history");
            }
        }
        Ok(())
    }

    fn check_name(name: &str, rows: &[UpdateRow]) -> Result<(), Failure> {
        let mut named = rows.iter().filter(|row| plan::names(name, row));
        let Some(row) = named.next() else {
            return Err(Failure::new(
                ErrorCode::NotFound,
                format!("no update {name} is known on this machine"),
            )
            .with_hint("`muster-agent waptwua-status` lists those that are"));
        };
        if !row.allowed && named.all(|row| !row.allowed) {
            return Err(Failure::new(
                ErrorCode::Conflict,
                format!("{name} is not allowed on this machine: {}", row.rule),
            ));
        }
        Ok(())
    }

    async fn rows(&self, rules: &UpdateRules) -> Result<Vec<UpdateRow>, Failure> {
        Ok(plan::rows(
            &self.state.windows_updates().await?,
            rules,
            self.clock.now(),
        ))
    }

    async fn scanned(&self, rules: &UpdateRules, skipped: bool) -> Result<Scanned, Failure> {
        let rows = self.rows(rules).await?;
        let pending = rows
            .iter()
            .filter(|row| plan::status(std::slice::from_ref(row), true, "") != UpdatesStatus::Ok)
            .count();
        Ok(Scanned {
            skipped,
            rows: rows.len(),
            pending,
        })
    }

    fn steps(&self, verb: &'static str) -> impl Fn(usize, usize) + Send + Sync + 'static {
        let progress = self.progress.clone();
        move |index, count| {
            let percent = u8::try_from(index * 100 / count.max(1)).unwrap_or(100);
            progress(Some(percent), &format!("{verb} update {} of {count}", index + 1));
        }
    }
}

fn note_installation(update: &mut Remembered, succeeded: bool, reason: &str, now: Timestamp) {
    if succeeded {
        update.found.installed = true;
        update.installed_at = Some(now);
        update.error.clear();
    } else {
        reason.clone_into(&mut update.error);
    }
}

fn cancelled() -> Failure {
    Failure::new(ErrorCode::Conflict, "cancelled")
}
