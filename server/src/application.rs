//! The server as a whole: built from its settings, listening on a port, stopped in order.

use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use actix_web::dev::Server;
use actix_web::middleware::from_fn;
use actix_web::{App, HttpServer, web};
use anyhow::Context as _;
use muster_shared::clock::{Clock, SystemClock};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::auth::password::PasswordHasher;
use crate::authority::{AuthorityFiles, RenewableCertificate, server_config};
use crate::config::Config;
use crate::events::Events;
use crate::http::{answers, limits};
use crate::layout::write_atomically;
use crate::relay::hub::Hub;
use crate::repository::Repository;
use crate::repository::file_store::FolderStore;
use crate::state::AppState;
use crate::store::{Store, host_rows, users};
use crate::trust::Signers;
use crate::{jobs, router};

/// Seconds that requests under way are given when the server stops.
const STOP_WITHIN_SECS: u64 = 10;

/// Every host of a large fleet keeps one connection open.
const CONNECTIONS_PER_WORKER: usize = 100_000;

/// How long live channels are given to end.
const CHANNELS_WITHIN: Duration = Duration::from_secs(10);

/// How long the database is given to close.
const CLOSE_WITHIN: Duration = Duration::from_secs(5);

/// Connections that wait to be taken.
const BACKLOG: u32 = 2048;

/// A server that is bound and ready to run.
pub struct Application {
    state: web::Data<AppState>,
    server: Server,
    port: u16,
    _jobs: JoinSet<()>,
}

impl Application {
    /// Opens the database and the repository, binds the port and starts the jobs.
    ///
    /// # Errors
    /// The first part that cannot be set up, with its cause and a hint where there is one.
    pub async fn build(config: Config) -> anyhow::Result<Self> {
        Self::build_with_clock(config, Arc::new(SystemClock)).await
    }

    /// As [`Self::build`], with a clock of the caller's.
    ///
    /// # Errors
    /// As [`Self::build`].
    pub async fn build_with_clock(config: Config, clock: Arc<dyn Clock>) -> anyhow::Result<Self> {
        let data = config.data_folder();
        let started_at = clock.now();
        let files = AuthorityFiles::new(data.authority());
        files.renew_tls_if_due(started_at)?;
        let certificate = RenewableCertificate::load(&files)?;
        let host_authority = files.host_authority()?;
        data.create().context("creating the data folder")?;
        let store = Store::open(&data.database()).await?;
        host_rows::forget_connections(&store).await?;
        if users::count(&store).await? == 0 {
            tracing::warn!(
                "there are no users; add one with `muster-server user add NAME --role administrator`"
            );
        }
        let signers = Arc::new(Signers::new(config.signers_folder()));
        if signers.current()?.is_empty() {
            tracing::warn!("no signer is trusted; add one with `muster-server trust add CERTIFICATE`");
        }
        let repository = Repository::new(
            Arc::new(FolderStore::open(&data).context("opening the repository")?),
            store.clone(),
            Arc::clone(&signers),
            Arc::clone(&clock),
            config.upload_limit_bytes(),
        );
        repository
            .recover()
            .await
            .context("bringing the repository in line with its folder")?;

        let listener =
            TcpListener::bind(config.listen).with_context(|| format!("listening on {}", config.listen))?;
        let port = listener.local_addr().context("reading the port")?.port();
        let state = web::Data::new(AppState {
            clock,
            started_at,
            store,
            signers,
            repository: Arc::new(repository),
            host_authority,
            events: Events::new(started_at),
            host_events: tokio::sync::Mutex::new(()),
            relay: Hub::default(),
            channels: TaskTracker::new(),
            passwords: PasswordHasher::new()?,
            stop: CancellationToken::new(),
            bound_port: OnceLock::from(port),
            config,
        });
        let server = http_server(&state, listener, Arc::clone(&certificate))?;
        let jobs = jobs::start(&state, files, certificate);
        Ok(Self {
            state,
            server,
            port,
            _jobs: jobs,
        })
    }

    /// The port that the server listens on.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The address that the server listens on.
    pub fn listen(&self) -> SocketAddr {
        SocketAddr::new(self.state.config.listen.ip(), self.port)
    }

    /// What handlers and jobs share.
    pub fn state(&self) -> &web::Data<AppState> {
        &self.state
    }

    /// The public address: `https://name[:port]`.
    pub fn public_url(&self) -> String {
        format!("https://{}", self.state.authority())
    }

    /// Cancelling it stops the server in order.
    pub fn stop_token(&self) -> CancellationToken {
        self.state.stop.clone()
    }

    /// Writes the public address into `run/address`, whole.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn write_address(&self) -> std::io::Result<()> {
        let path = self.state.config.data_folder().address_file();
        write_atomically(&path, format!("{}\n", self.public_url()).as_bytes(), false)
    }

    /// Serves until it is stopped, then ends in order: streams and live channels, requests under way, jobs, the
    /// database.
    ///
    /// # Errors
    /// The server ended by itself.
    pub async fn run_until_stopped(self) -> anyhow::Result<()> {
        let Self {
            state,
            server,
            _jobs: mut jobs,
            ..
        } = self;
        let handle = server.handle();
        let (stop, channels) = (state.stop.clone(), state.channels.clone());
        let stopper = tokio::spawn(async move {
            stop.cancelled().await;
            // Channels mark their hosts as offline; the threads that they run on end with the server.
            channels.close();
            if timeout(CHANNELS_WITHIN, channels.wait()).await.is_err() {
                tracing::warn!(left = channels.len(), "live channels did not end in time");
            }
            handle.stop(true).await;
        });
        let served = server.await;
        state.stop.cancel();
        stopper.await.ok();
        while jobs.join_next().await.is_some() {}
        fs_err::remove_file(state.config.data_folder().address_file()).ok();
        // A connection that a thread of the server took along is not waited for: all commits are in the file.
        if timeout(CLOSE_WITHIN, state.store.close()).await.is_err() {
            tracing::warn!("the database was left open");
        }
        served.context("serving")
    }
}

fn http_server(
    state: &web::Data<AppState>,
    listener: TcpListener,
    certificate: Arc<RenewableCertificate>,
) -> anyhow::Result<Server> {
    let tls = server_config(certificate).context("setting TLS up")?;
    let state = state.clone();
    let server = HttpServer::new(move || {
        App::new()
            .app_data(state.clone())
            .app_data(limits::json(limits::MAX_JSON_BODY))
            .app_data(limits::query())
            .app_data(limits::path())
            .wrap(from_fn(answers::answer))
            .configure(router::routes)
            .default_service(web::to(answers::no_route))
    })
    .backlog(BACKLOG)
    .max_connections(CONNECTIONS_PER_WORKER)
    .shutdown_timeout(STOP_WITHIN_SECS)
    .disable_signals()
    .listen_rustls_0_23(listener, tls)
    .context("setting the listener up")?
    .run();
    Ok(server)
}
