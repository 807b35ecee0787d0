//! Carries out one request after another against the server, the settings and the signer.

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::stream::{self, StreamExt as _};
use jiff::SignedDuration;
use muster_shared::clock;
use muster_shared::crypto::tls::ServerAddress;
use muster_shared::protocol::host::HostDetail;
use tokio::task::AbortHandle;

use super::requests::{Answer, Known, KnownServerEntry, Request, SeenCertificate, SignedIn, SigningProblem};
use super::signers::{self, Found};
use super::thread::Outbox;
use super::vault::{KEPT_FOR, Vault};
use crate::admin::host_package::EditableHostPackage;
use crate::admin::signer::SignerChoice;
use crate::admin::upload;
use crate::client::{Client, ClientError, Incoming, ListQuery, fetch_server_certificate};
use crate::remote::Problem;
use crate::settings::{KnownServer, Settings, SettingsFolder};

const HOSTS: usize = 100_000;
const ACTIONS: u32 = 200;
const PREVIEW_AT_ONCE: usize = 8;
/// Where the settings keep the theme.
const THEME: &str = "theme";

/// What the worker holds between requests.
pub(super) struct Server {
    folder: SettingsFolder,
    pub(super) outbox: Outbox,
    client: Mutex<Option<Client>>,
    events: Mutex<Option<AbortHandle>>,
    expiry: Mutex<Option<AbortHandle>>,
    pub(super) vault: Arc<Mutex<Vault>>,
    choices: Mutex<HashMap<String, SignerChoice>>,
    /// Host packages as they were read: saving needs what they were.
    pub(super) loaded: Mutex<HashMap<String, EditableHostPackage>>,
    /// One writer of the settings at a time.
    settings: Mutex<()>,
}

/// A panic elsewhere leaves these values whole: each change is one assignment.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Server {
    pub(super) fn new(folder: SettingsFolder, outbox: Outbox) -> Self {
        Self {
            folder,
            outbox,
            client: Mutex::default(),
            events: Mutex::default(),
            expiry: Mutex::default(),
            vault: Arc::default(),
            choices: Mutex::default(),
            loaded: Mutex::default(),
            settings: Mutex::default(),
        }
    }

    pub(super) fn stop(&self) {
        if let Some(events) = lock(&self.events).take() {
            events.abort();
        }
        if let Some(expiry) = lock(&self.expiry).take() {
            expiry.abort();
        }
    }

    pub(super) async fn serve(self: &Arc<Self>, request: Request) {
        let answer = match request {
            Request::Known => Answer::Known(self.known()),
            Request::Inspect { address } => Answer::Inspected(inspect(&address).await),
            Request::SignIn {
                address,
                user,
                password,
            } => Answer::SignedIn(self.sign_in(&address, &user, &password).await),
            Request::SignOut => self.sign_out().await,
            Request::Hosts => {
                let rows = self
                    .with_client(async |client| client.all_hosts("", "name", HOSTS).await)
                    .await;
                Answer::Hosts(rows.map(|page| page.items))
            }
            Request::Matching { filter } => {
                let page = self
                    .with_client(async |client| client.all_hosts(&filter, "name", HOSTS).await)
                    .await;
                let found = page.map(|page| page.items.into_iter().map(|row| row.identifier).collect());
                Answer::Matching { filter, found }
            }
            Request::Host { identifier } => {
                let result = self
                    .with_client(async |client| client.host(&identifier).await)
                    .await;
                Answer::Host {
                    identifier,
                    result: result.map(Box::new),
                }
            }
            Request::Preview { order, identifiers } => Answer::Preview {
                order,
                details: self.preview(identifiers).await,
            },
            Request::Packages => Answer::Packages(
                self.with_client(async |client| client.all_packages("").await)
                    .await,
            ),
            Request::Actions => {
                let query = ListQuery::filtered("", ACTIONS);
                let page = self
                    .with_client(async |client| client.actions(&query).await)
                    .await;
                Answer::Actions(page.map(|page| page.items))
            }
            Request::Action { batch } => {
                let result = self.with_client(async |client| client.action(batch).await).await;
                Answer::Action {
                    batch,
                    result: result.map(Box::new),
                }
            }
            Request::Signers => self.signers().await,
            Request::AddKeyFile { certificate, key } => {
                let added = signers::check_file(certificate, key).and_then(|choice| {
                    self.change_settings(|settings| signers::use_signer(settings, choice))
                });
                match added {
                    Ok(()) => self.signers().await,
                    Err(problem) => Answer::SignerRefused(problem),
                }
            }
            Request::LockSigner => {
                lock(&self.vault).lock();
                Answer::Unlocked(None)
            }
            Request::HostPackage { identifier, signer } => {
                let result = self.load_host_package(&identifier, &signer).await;
                Answer::HostPackage { identifier, result }
            }
            Request::SaveHostPackage { edit, apply, signing } => {
                Answer::Saved(self.save_host_package(edit, apply, signing).await.map(Box::new))
            }
            Request::Order { order, signing } => {
                Answer::Ordered(self.order(*order, signing).await.map(Box::new))
            }
            Request::Decide { identifier, decision } => {
                let decided = self
                    .with_client(async |client| client.decide_registration(&identifier, &decision).await)
                    .await;
                match decided {
                    // The row's event tells what became of it.
                    Ok(()) => return,
                    Err(problem) => Answer::Undecided(problem),
                }
            }
            Request::Upload { path } => {
                let result = self.upload(&path).await;
                Answer::Uploaded { path, result }
            }
            Request::RememberTheme(theme) => {
                let kept = self.change_settings(|settings| {
                    settings
                        .others
                        .insert(THEME.to_owned(), toml::Value::String(theme));
                });
                return log_problem(kept);
            }
            Request::RememberSigner(key) => {
                let Some(choice) = lock(&self.choices).get(&key).cloned() else {
                    return;
                };
                let kept = self.change_settings(|settings| signers::use_signer(settings, choice));
                return log_problem(kept);
            }
        };
        self.outbox.send(answer).await;
    }

    fn known(&self) -> Known {
        let settings = self.folder.load().unwrap_or_else(|error| {
            tracing::warn!(error = %muster_shared::hint::chain(&error), "the settings were not read");
            Settings::default()
        });
        let entry = |server: &KnownServer| {
            let address = server.address();
            KnownServerEntry {
                line: address.to_string(),
                address: address.authority(),
                user: server.user.clone(),
            }
        };
        let last = settings
            .server
            .as_ref()
            .and_then(|last| settings.servers.get(last));
        let others = settings.servers.values().filter(|server| last != Some(server));
        let theme = settings
            .others
            .get(THEME)
            .and_then(toml::Value::as_str)
            .unwrap_or_default();
        Known {
            servers: last.into_iter().chain(others).map(entry).collect(),
            theme: theme.to_owned(),
        }
    }

    async fn sign_in(
        self: &Arc<Self>,
        line: &str,
        user: &str,
        password: &secrecy::SecretString,
    ) -> Result<SignedIn, Problem> {
        let address = ServerAddress::parse(line).map_err(|error| Problem::of(&error))?;
        let client = Client::new(&address).map_err(|error| client_problem(&error))?;
        let session = client
            .sign_in(user, password)
            .await
            .map_err(|error| client_problem(&error))?;
        let kept = self.change_settings(|settings| {
            let url = address.base_url();
            settings
                .servers
                .insert(url.clone(), KnownServer::new(&address, &session.user));
            settings.server = Some(url);
        });
        log_problem(kept);
        *lock(&self.client) = Some(client.clone());
        self.follow_events(client);
        Ok(SignedIn {
            user: session.user,
            role: session.role,
            server: if session.server.is_empty() {
                address.host.clone()
            } else {
                session.server
            },
            version: session.version,
            address: address.authority(),
        })
    }

    async fn sign_out(&self) -> Answer {
        self.stop();
        lock(&self.vault).lock();
        let client = lock(&self.client).take();
        if let Some(client) = client
            && let Err(error) = client.sign_out().await
        {
            // The session ends by itself; here it is forgotten in any case.
            tracing::info!(error = %muster_shared::hint::chain(&error), "the server did not hear the sign-out");
        }
        Answer::SignedOut
    }

    fn follow_events(self: &Arc<Self>, client: Client) {
        let server = Arc::clone(self);
        let following = tokio::spawn(async move {
            let mut events = client.events();
            loop {
                let answer = match events.next().await {
                    Ok(Incoming::Connected) => Answer::Live(Ok(())),
                    Ok(Incoming::Event(event)) => Answer::Event(event),
                    Ok(Incoming::Lost { error, .. }) => Answer::Live(Err(client_problem(&error))),
                    Err(error) if error.is_sign_in_required() => {
                        server
                            .outbox
                            .send(Answer::SessionLost(client_problem(&error)))
                            .await;
                        return;
                    }
                    Err(error) => {
                        server
                            .outbox
                            .send(Answer::Live(Err(client_problem(&error))))
                            .await;
                        return;
                    }
                };
                server.outbox.send(answer).await;
            }
        });
        if let Some(before) = lock(&self.events).replace(following.abort_handle()) {
            before.abort();
        }
    }

    /// Runs something with the client of the session.
    pub(super) async fn with_client<T, F: Future<Output = Result<T, ClientError>>>(
        &self,
        run: impl FnOnce(Client) -> F,
    ) -> Result<T, Problem> {
        let client = self.client()?;
        match run(client).await {
            Ok(value) => Ok(value),
            Err(error) => {
                if error.is_sign_in_required() {
                    self.outbox
                        .send(Answer::SessionLost(client_problem(&error)))
                        .await;
                }
                Err(client_problem(&error))
            }
        }
    }

    pub(super) fn client(&self) -> Result<Client, Problem> {
        lock(&self.client)
            .clone()
            .ok_or_else(|| Problem::new("not signed in"))
    }

    async fn preview(&self, identifiers: Vec<String>) -> Result<Vec<HostDetail>, Problem> {
        let client = self.client()?;
        let mut answers = stream::iter(identifiers.into_iter().map(|identifier| {
            let client = client.clone();
            async move { client.host(&identifier).await }
        }))
        .buffer_unordered(PREVIEW_AT_ONCE);
        let mut details = Vec::new();
        while let Some(answer) = answers.next().await {
            match answer {
                Ok(detail) => details.push(detail),
                // A host that was deleted meanwhile is not part of what will happen.
                Err(error) if error.is_not_found() => {}
                Err(error) => return Err(client_problem(&error)),
            }
        }
        Ok(details)
    }

    async fn upload(
        &self,
        path: &std::path::Path,
    ) -> Result<muster_shared::protocol::package::Uploaded, Problem> {
        let client = self.client()?;
        let named = path.to_owned();
        let checked = tokio::task::spawn_blocking(move || upload::check(&named)).await;
        let checked = checked.map_err(|error| Problem::new(error.to_string()))?;
        let package = checked.map_err(|error| Problem::of(&error))?;
        let outbox = self.outbox.clone();
        let told = path.to_owned();
        let progress = move |sent: u64, all: u64| {
            outbox.offer(Answer::UploadProgress {
                path: told.clone(),
                sent,
                all,
            });
        };
        upload::send(&client, &package, progress)
            .await
            .map_err(|error| Problem::of(&error))
    }

    async fn signers(&self) -> Answer {
        let settings = self.folder.load();
        let found = match settings {
            Ok(settings) => tokio::task::spawn_blocking(move || signers::find(&settings))
                .await
                .unwrap_or_default(),
            Err(error) => Found {
                problems: vec![Problem::of(&error)],
                ..Found::default()
            },
        };
        *lock(&self.choices) = found.choices.into_iter().collect();
        Answer::Signers {
            entries: found.entries,
            chosen: found.chosen,
            problems: found.problems,
        }
    }

    /// The choice behind an entry.
    pub(super) fn choice(&self, key: &str) -> Result<SignerChoice, SigningProblem> {
        lock(&self.choices)
            .get(key)
            .cloned()
            .ok_or_else(|| SigningProblem {
                problem: Problem::new("this signer is not there any more")
                    .with_hint("plug the token in and choose again"),
                wrong_secret: false,
            })
    }

    /// Tells the window that a signer is open, and locks it when its time is over.
    pub(super) async fn tell_unlocked(self: &Arc<Self>) {
        let left = lock(&self.vault).left();
        let Some((key, left)) = left else {
            self.outbox.send(Answer::Unlocked(None)).await;
            return;
        };
        let left = SignedDuration::try_from(left.min(KEPT_FOR)).unwrap_or(SignedDuration::ZERO);
        let until = clock::now().checked_add(left).ok();
        self.outbox
            .send(Answer::Unlocked(until.map(|until| (key, until))))
            .await;
        let server = Arc::clone(self);
        let watching = tokio::spawn(async move {
            loop {
                let left = lock(&server.vault).expire();
                let Some(left) = left else { break };
                tokio::time::sleep(left).await;
            }
            server.outbox.send(Answer::Unlocked(None)).await;
        });
        if let Some(before) = lock(&self.expiry).replace(watching.abort_handle()) {
            before.abort();
        }
    }

    fn change_settings(&self, change: impl FnOnce(&mut Settings)) -> Result<(), Problem> {
        let _one_writer = lock(&self.settings);
        let mut settings = self.folder.load().map_err(|error| Problem::of(&error))?;
        change(&mut settings);
        self.folder.save(&settings).map_err(|error| Problem::of(&error))
    }
}

/// The certificate of a server that is not known yet.
async fn inspect(address: &str) -> Result<SeenCertificate, Problem> {
    let mut address = ServerAddress::parse(address).map_err(|error| Problem::of(&error))?;
    let certificate = fetch_server_certificate(&address.host, address.port)
        .await
        .map_err(|error| client_problem(&error))?;
    address.pin = Some(certificate.fingerprint().clone());
    Ok(SeenCertificate {
        line: address.to_string(),
        subject: certificate.subject().clone(),
        issuer: certificate.issuer().clone(),
        fingerprint: certificate.fingerprint().clone(),
        not_after: certificate.not_after(),
    })
}

/// A client's error without the command line's advice.
pub(super) fn client_problem(error: &ClientError) -> Problem {
    let mut problem = Problem::of(error);
    problem.hints.retain(|hint| !hint.contains("muster sign-in"));
    problem
}

fn log_problem(result: Result<(), Problem>) {
    if let Err(problem) = result {
        tracing::warn!(problem = %problem.message, "the settings were not kept");
    }
}
