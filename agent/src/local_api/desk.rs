//! Where requests are answered: from the database and the index, or by the actor when it takes one.
//!
//! The desk holds what it needs of the agent, never the agent itself: whoever still talks when the agent begins anew
//! must not keep its lock.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use muster_shared::clock::Clock;
use muster_shared::control::Section;
use muster_shared::protocol::action::{ActionKind, ActionOptions};
use muster_shared::protocol::error::{ErrorBody, ErrorCode};
use muster_shared::protocol::local::{About, LocalEvent, LocalRequest, Pending};
use muster_shared::protocol::package::PendingPackage;
use muster_shared::rules::selfservice::{SelfServiceRules, is_offered};
use serde_json::{Value, json};
use tokio::sync::{Mutex, mpsc};
use tokio::time::Instant;

use super::catalogue::{self, Shelf};
use super::icons::Icons;
use super::person::Person;
use super::places::Places;
use super::rights::{self, Machine};
use super::{follow, visible};
use crate::agent::Agent;
use crate::config::Config;
use crate::daemon::{Command, FOLLOWED_LINES};
use crate::failure::Failure;
use crate::paths::Paths;
use crate::platform::Peer;
use crate::revocation;
use crate::state::packages::Installed;
use crate::state::rules::RuleKind;
use crate::state::{State, facts};
use crate::tasks::SCHEDULER;

/// Who somebody is, is asked again after this long.
const KNOWN_FOR: Duration = Duration::from_secs(30);

/// Tasks of one ordinary user that may wait or run at the same time.
const MAX_OPEN_TASKS: usize = 10;

/// So many people are remembered.
const MAX_KNOWN: usize = 256;

/// Everything that answers are made of.
pub(super) struct Desk {
    pub(super) state: State,
    paths: Paths,
    config: Config,
    identifier: String,
    clock: Arc<dyn Clock>,
    commands: mpsc::Sender<Command>,
    shelf: Shelf,
    icons: Icons,
    people: Mutex<HashMap<String, (Instant, Person)>>,
    onlookers: Places,
}

/// What is known of the machine, read once for a request.
struct Looked {
    rules: SelfServiceRules,
    rule_signers: Vec<String>,
    installed: Vec<Installed>,
    pending: Vec<PendingPackage>,
}

impl Looked {
    fn machine<'a>(&'a self, config: &'a Config) -> Machine<'a> {
        Machine {
            policy: &config.people,
            rules: &self.rules,
            rule_signers: &self.rule_signers,
            installed: &self.installed,
            pending: &self.pending,
        }
    }
}

impl Desk {
    pub(super) fn new(agent: &Agent, commands: mpsc::Sender<Command>) -> Self {
        Self {
            state: agent.state.clone(),
            paths: agent.paths.clone(),
            config: agent.config.clone(),
            identifier: agent.identity.identifier().to_owned(),
            clock: agent.clock.clone(),
            commands,
            shelf: Shelf::new(&agent.paths, &agent.config),
            icons: Icons::new(&agent.paths, &agent.repositories),
            people: Mutex::default(),
            onlookers: Places::of_onlookers(),
        }
    }

    /// Answers a request; the lines come through what is returned.
    pub(super) async fn serve(
        self: &Arc<Self>,
        peer: &Peer,
        request: LocalRequest,
    ) -> mpsc::Receiver<LocalEvent> {
        let person = self.person(peer).await;
        let (reply, events) = mpsc::channel(FOLLOWED_LINES);
        let answered = self.answer(peer, &person, request, reply.clone()).await;
        match answered {
            Ok(Some(value)) => {
                reply.try_send(LocalEvent::Answer { value }).ok();
            }
            // The actor, or a task of its own, answers.
            Ok(None) => {}
            Err(error) => {
                tracing::debug!(user = %person.name, error = %error.message, "a local request was refused");
                reply.try_send(LocalEvent::Error { error }).ok();
            }
        }
        events
    }

    async fn person(&self, peer: &Peer) -> Person {
        if peer.is_administrator {
            return Person::of(peer, &self.config.people).await;
        }
        let now = Instant::now();
        let mut people = self.people.lock().await;
        people.retain(|_account, (since, _person)| now.duration_since(*since) < KNOWN_FOR);
        if let Some((_since, person)) = people.get(&peer.account) {
            return person.clone();
        }
        // Not held while a directory is asked: others must not wait for it.
        drop(people);
        let person = Person::of(peer, &self.config.people).await;
        let mut people = self.people.lock().await;
        if people.len() < MAX_KNOWN {
            people.insert(peer.account.clone(), (now, person.clone()));
        }
        person
    }

    async fn answer(
        self: &Arc<Self>,
        peer: &Peer,
        person: &Person,
        request: LocalRequest,
        reply: mpsc::Sender<LocalEvent>,
    ) -> Result<Option<Value>, ErrorBody> {
        match request {
            LocalRequest::Run {
                action,
                packages,
                options,
            } => {
                self.run(person, action, packages, options, reply).await?;
                Ok(None)
            }
            LocalRequest::Status => {
                let value = self.ask_actor(|reply| Command::Status { reply }).await?;
                let value = if person.is_administrator() {
                    value
                } else {
                    visible::status(value, self.pending(person).await?.changes.len())
                };
                Ok(Some(value))
            }
            LocalRequest::Tasks => {
                let value = self.ask_actor(|reply| Command::Tasks { reply }).await?;
                let value = if person.is_administrator() {
                    value
                } else {
                    visible::tasks(value, person)
                };
                Ok(Some(value))
            }
            LocalRequest::Cancel { task } => {
                if !person.is_administrator() {
                    let stored = self.state.task(task).await.map_err(broken)?;
                    let is_own = stored.as_ref().is_some_and(|stored| {
                        is_own(person, &stored.task.ordered_by, stored.task.batch.is_some())
                    });
                    if stored.is_some() && !is_own {
                        return Err(ErrorBody::new(
                            ErrorCode::RightMissing,
                            format!("{} may not cancel the task {task}: somebody else ordered it", person.name),
                        )
                        .with_hint("ask whoever ordered it (`muster-agent tasks`), or an administrator of this machine"));
                    }
                }
                self.cancel(person, Some(task), reply).await?;
                Ok(None)
            }
            LocalRequest::CancelAll => {
                self.cancel(person, None, reply).await?;
                Ok(None)
            }
            LocalRequest::Catalogue { query } => {
                if query.everything && !person.is_administrator() {
                    return Err(ErrorBody::new(
                        ErrorCode::RightMissing,
                        format!(
                            "{} may not see every package: only administrators of this machine may",
                            person.name
                        ),
                    ));
                }
                let looked = self.look().await?;
                let shelf = self.shelf.offers(self.now().await?).await.map_err(failed)?;
                let updated_at = self.state.time_fact(facts::UPDATED_AT).await.map_err(broken)?;
                let machine = looked.machine(&self.config);
                let page = catalogue::page(&shelf, machine, person, &query, updated_at);
                Ok(Some(json!(page)))
            }
            LocalRequest::Package { package } => {
                let looked = self.look().await?;
                let shelf = self.shelf.offers(self.now().await?).await.map_err(failed)?;
                let control = self
                    .shelf
                    .control(&package, self.now().await?)
                    .await
                    .map_err(failed)?;
                let machine = looked.machine(&self.config);
                let detail = catalogue::detail(&shelf, machine, person, &package, control.as_ref())?;
                Ok(Some(json!(detail)))
            }
            LocalRequest::Icon { package_uuid } => {
                let shelf = self.shelf.offers(self.now().await?).await.map_err(failed)?;
                let installed = self.state.installed().await.map_err(broken)?;
                let repository = catalogue::repository_of(&shelf, &installed, person, &package_uuid)
                    .ok_or_else(|| {
                        ErrorBody::new(
                            ErrorCode::NotFound,
                            "there is no package with this identifier for you",
                        )
                    })?;
                Ok(Some(json!(self.icons.get(&package_uuid, repository).await)))
            }
            LocalRequest::Pending => Ok(Some(json!(self.pending(person).await?))),
            LocalRequest::Follow { from, task } => {
                let place = self
                    .onlookers
                    .take(&peer.account, peer.is_administrator)
                    .map_err(|taken| {
                        ErrorBody::new(ErrorCode::TooManyRequests, format!("too many look on: {taken}"))
                            .with_hint("try again when others have ended")
                    })?;
                follow::follow(self.clone(), person.clone(), from, task, place, reply).await?;
                Ok(None)
            }
            LocalRequest::About => Ok(Some(json!(self.about(person).await?))),
        }
    }

    async fn run(
        &self,
        person: &Person,
        action: ActionKind,
        packages: Vec<String>,
        options: ActionOptions,
        reply: mpsc::Sender<LocalEvent>,
    ) -> Result<(), ErrorBody> {
        if !person.is_administrator() {
            let looked = self.look().await?;
            let shelf = match action {
                ActionKind::Install => self.shelf.offers(self.now().await?).await.map_err(failed)?,
                _ => Arc::default(),
            };
            let section_of = |package: &str| -> Option<Section> { catalogue::section_of(&shelf, package) };
            let machine = looked.machine(&self.config);
            rights::may_run(person, machine, action, &packages, &options, section_of)
                .map_err(|refusal| refusal.body())?;
            self.check_room(person).await?;
            tracing::info!(user = %person.name, %action, ?packages, "a local user orders");
            let mut options = options;
            if action == ActionKind::SessionSetup {
                // Whose session it is says the system, never the client.
                options.users = vec![person.name.clone()];
            }
            let (inner, lines) = mpsc::channel(FOLLOWED_LINES);
            let command = Command::Run {
                action,
                packages: packages.clone(),
                options,
                user: person.name.clone(),
                reply: inner,
            };
            self.send(command).await?;
            tokio::spawn(visible::pass_on(lines, reply, packages));
            return Ok(());
        }
        self.send(Command::Run {
            action,
            packages,
            options,
            user: person.name.clone(),
            reply,
        })
        .await
    }

    /// One user's tasks must leave room in the queue for those of others.
    async fn check_room(&self, person: &Person) -> Result<(), ErrorBody> {
        let open = self.state.open_tasks().await.map_err(broken)?;
        let own = open
            .iter()
            .filter(|stored| is_own(person, &stored.task.ordered_by, stored.task.batch.is_some()))
            .count();
        if own < MAX_OPEN_TASKS {
            return Ok(());
        }
        Err(ErrorBody::new(
            ErrorCode::TooManyRequests,
            format!("{MAX_OPEN_TASKS} tasks of {} wait already", person.name),
        )
        .with_hint("wait for them, or cancel some: muster-agent cancel-all"))
    }

    async fn cancel(
        &self,
        person: &Person,
        task: Option<uuid::Uuid>,
        reply: mpsc::Sender<LocalEvent>,
    ) -> Result<(), ErrorBody> {
        self.send(Command::Cancel {
            task,
            only_of: (!person.is_administrator()).then(|| person.name.clone()),
            user: person.name.clone(),
            reply,
        })
        .await
    }

    async fn pending(&self, person: &Person) -> Result<Pending, ErrorBody> {
        let changes = self.state.pending().await.map_err(broken)?;
        let updated_at = self.state.time_fact(facts::UPDATED_AT).await.map_err(broken)?;
        if person.is_administrator() {
            return Ok(Pending {
                changes,
                hidden: 0,
                updated_at,
            });
        }
        let shelf = self.shelf.offers(self.now().await?).await.map_err(failed)?;
        let installed = self.state.installed().await.map_err(broken)?;
        let (changes, hidden): (Vec<_>, Vec<_>) = changes.into_iter().partition(|change| {
            catalogue::section_of(&shelf, &change.package)
                .or_else(|| section_in_place(&installed, &change.package))
                .is_some_and(is_offered)
        });
        Ok(Pending {
            changes,
            hidden: u32::try_from(hidden.len()).unwrap_or(u32::MAX),
            updated_at,
        })
    }

    async fn about(&self, person: &Person) -> Result<About, ErrorBody> {
        let status = self.ask_actor(|reply| Command::Status { reply }).await?;
        let signers = revocation::trust_store(&self.paths)
            .map(|store| {
                store
                    .anchors()
                    .iter()
                    .map(muster_shared::crypto::Certificate::common_name)
                    .collect()
            })
            .unwrap_or_default();
        Ok(About {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            hostname: self.config.fqdn(),
            identifier: self.identifier.clone(),
            description: crate::tasks::description(&self.state, &self.config, self.paths.root())
                .await
                .map_err(broken)?,
            server: self.config.server.clone(),
            connected: status["connected"].as_bool().unwrap_or(false),
            signers,
            user: person.name.clone(),
            groups: person.groups.clone(),
            standing: person.standing.as_str().to_owned(),
        })
    }

    async fn look(&self) -> Result<Looked, ErrorBody> {
        let stored = self.state.rules(RuleKind::SelfService).await.map_err(broken)?;
        let installed = self.state.installed().await.map_err(broken)?;
        let mut rule_signers: Vec<String> = stored
            .iter()
            .filter_map(|rules| installed.iter().find(|row| row.package() == rules.package))
            .map(|row| row.signer.clone())
            .filter(|signer| !signer.is_empty())
            .collect();
        rule_signers.sort();
        rule_signers.dedup();
        Ok(Looked {
            rules: self.state.self_service_rules().await.map_err(broken)?,
            rule_signers,
            installed,
            pending: self.state.pending().await.map_err(broken)?,
        })
    }

    /// The time by which signatures are judged.
    async fn now(&self) -> Result<jiff::Timestamp, ErrorBody> {
        let high_water = self.state.high_water().await.map_err(broken)?;
        Ok(crate::orders::own_time(self.clock.now(), high_water))
    }

    pub(super) fn clock(&self) -> &dyn Clock {
        self.clock.as_ref()
    }

    /// Hands a command to the actor.
    pub(super) async fn send(&self, command: Command) -> Result<(), ErrorBody> {
        self.commands
            .send(command)
            .await
            .map_err(|_stopping| ErrorBody::new(ErrorCode::Unavailable, "the agent is stopping"))
    }

    /// Asks the actor something that it answers at once.
    async fn ask_actor(
        &self,
        command: impl FnOnce(mpsc::Sender<LocalEvent>) -> Command,
    ) -> Result<Value, ErrorBody> {
        let (reply, mut lines) = mpsc::channel(1);
        self.send(command(reply)).await?;
        match lines.recv().await {
            Some(LocalEvent::Answer { value }) => Ok(value),
            Some(LocalEvent::Error { error }) => Err(error),
            _ => Err(ErrorBody::new(ErrorCode::Unavailable, "the agent is stopping")),
        }
    }
}

/// A person ordered a task: not a signer of the same name, and nobody is the scheduler.
pub(super) fn is_own(person: &Person, ordered_by: &str, is_signed: bool) -> bool {
    !is_signed && ordered_by == person.name && ordered_by != SCHEDULER
}

fn section_in_place(installed: &[Installed], package: &str) -> Option<Section> {
    installed
        .iter()
        .find(|row| row.package() == package)
        .and_then(|row| row.control.section_kind().ok())
}

/// The database does not answer; the reason is for the log.
pub(super) fn broken(error: crate::state::StateError) -> ErrorBody {
    tracing::error!(error = %muster_shared::hint::chain(&error), "a local request cannot be answered");
    ErrorBody::new(ErrorCode::Internal, "the agent's database does not answer")
        .with_hint("an administrator of this machine finds the reason in the service's log")
}

fn failed(failure: Failure) -> ErrorBody {
    failure.body()
}
