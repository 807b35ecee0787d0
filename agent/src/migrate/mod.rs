//! Taking over a machine from its WAPT agent: what that one knows becomes ours, and nothing is installed again.
//!
//! Each source has its file: the configuration, the trusted certificates, the host key, the status database, the
//! files that packages keep. Nothing of the WAPT agent is changed, and nothing of ours is written over: what is there
//! already stays, so that a second run only adds what is missing. Everything that was met is reported: taken,
//! changed, not needed, or not taken and why. A dry run reports the same and writes nothing.

mod base;
mod certificates;
mod configuration;
mod database;
mod host_key;
mod parameters;
mod persistent;
mod rows;

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use muster_shared::hint::Hint;
use muster_shared::migrate::{Fate, Item, MigrationReport};

use self::base::Base;
use self::database::Contents;
use crate::agent::{Lock, LockError};
use crate::config::ConfigError;
use crate::identity::Identity;
use crate::paths::Paths;
use crate::platform;
use crate::state::{State, StateError};

/// What is asked for.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// The folder of the WAPT agent; searched where WAPT installs itself when it is not given.
    pub from: Option<PathBuf>,
    /// Report only.
    pub dry_run: bool,
    /// Stop the WAPT service, and keep it from starting with the machine.
    pub disable_wapt: bool,
}

/// What was met, and where.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Migration {
    /// The folder of the WAPT agent.
    pub from: PathBuf,
    pub dry_run: bool,
    #[serde(flatten)]
    pub report: MigrationReport,
}

/// Why nothing, or not everything, could be taken over.
#[derive(Debug, thiserror::Error)]
pub enum MigrationError {
    #[error("no WAPT agent was found on this machine in {0}")]
    NoAgent(String),
    #[error("{path} is not the folder of a WAPT agent: it has neither wapt-get.ini nor a database", path = .0.display())]
    NotAnAgent(PathBuf),
    #[error(transparent)]
    Lock(LockError),
    #[error("cannot {action} {path}", path = path.display())]
    File {
        action: &'static str,
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("the database of the WAPT agent {path} cannot be read", path = path.display())]
    Database {
        path: PathBuf,
        #[source]
        source: sqlx::Error,
    },
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error("this host has no usable identity")]
    Identity(#[source] crate::identity::IdentityError),
    #[error(transparent)]
    State(#[from] StateError),
    #[error("the WAPT service cannot be stopped")]
    Disable(#[source] std::io::Error),
}

impl MigrationError {
    fn file(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { action, path, source }
    }
}

impl Hint for MigrationError {
    fn hints(&self) -> Vec<String> {
        match self {
            Self::NoAgent(_) | Self::NotAnAgent(_) => {
                vec!["name the folder that holds wapt-get.ini: muster-agent migrate --from FOLDER".to_owned()]
            }
            Self::Lock(LockError::Held { .. }) => vec![
                "stop the service first (systemctl stop muster-agent, or sc stop muster-agent), and start it again \
                 afterwards"
                    .to_owned(),
            ],
            Self::Lock(error) => error.hints(),
            Self::File { .. } | Self::Disable(_) => vec!["run the command as root (administrator)".to_owned()],
            Self::Config(error) => error.hints(),
            Self::Identity(error) => error.hints(),
            Self::State(error) => error.hints(),
            Self::Database { .. } => Vec::new(),
        }
    }
}

/// Takes over what the WAPT agent of this machine has.
///
/// # Errors
/// When there is no such agent, our service runs, or something of ours cannot be read or written. What was taken
/// over before the error stays; a second run goes on.
pub async fn run(paths: &Paths, options: &Options, now: Timestamp) -> Result<Migration, MigrationError> {
    let base = Base::find(options.from.as_deref())?;
    let contents = database::read(&base).await?;
    let mut report = MigrationReport::default();
    // A dry run looks on beside a running service.
    let _lock = if options.dry_run { None } else { Some(lock(paths)?) };
    let is_dry = options.dry_run;
    configuration::take(paths, &base, &contents, is_dry, now, &mut report)?;
    certificates::take(paths, &base, is_dry, now, &mut report)?;
    host_key::take(paths, &base, contents.uuid.as_deref(), is_dry, &mut report)?;
    rows_and_files(paths, &base, &contents, is_dry, now, &mut report).await?;
    if options.disable_wapt {
        disable_wapt(is_dry, &mut report).await?;
    }
    Ok(Migration {
        from: base.folder().to_owned(),
        dry_run: options.dry_run,
        report,
    })
}

fn lock(paths: &Paths) -> Result<Lock, MigrationError> {
    let state = paths.state_dir();
    platform::lock_down_dir(&state).map_err(MigrationError::file("make the folder", &state))?;
    let private = paths.private_dir();
    platform::lock_down_dir(&private).map_err(MigrationError::file("make the folder", &private))?;
    Lock::take(&paths.lock_file()).map_err(MigrationError::Lock)
}

async fn rows_and_files(
    paths: &Paths,
    base: &Base,
    contents: &Contents,
    is_dry: bool,
    now: Timestamp,
    report: &mut MigrationReport,
) -> Result<(), MigrationError> {
    let database = paths.database();
    let state = if is_dry {
        match State::open_read_only(&database).await {
            Ok(state) => Some(state),
            Err(StateError::Missing(_)) => None,
            Err(error) => return Err(error.into()),
        }
    } else {
        // The new configuration says who this host is.
        let config = crate::config::Config::load(paths)?;
        let identity = Identity::load_or_create(paths, &config).map_err(MigrationError::Identity)?;
        Some(State::open(&database, now, identity.is_registered()).await?.state)
    };
    let taken = rows::take(state.as_ref(), contents, is_dry, now, report).await?;
    parameters::take(state.as_ref(), contents, is_dry, report).await?;
    persistent::take(paths, base, &taken, is_dry, report)?;
    if let Some(state) = state {
        state.close().await;
    }
    Ok(())
}

async fn disable_wapt(is_dry: bool, report: &mut MigrationReport) -> Result<(), MigrationError> {
    for service in platform::wapt::SERVICES {
        let object = format!("service {service}");
        let was_there = if is_dry {
            platform::wapt::has_service(service).await
        } else {
            platform::wapt::disable_service(service)
                .await
                .map_err(MigrationError::Disable)?
        };
        report.push(if was_there {
            Item::new(object, Fate::Changed).became("stopped, and not started with the machine any more")
        } else {
            Item::new(object, Fate::NotNeeded).because("there is no such service")
        });
    }
    Ok(())
}

/// A file of a size that nobody writes by hand is not read.
fn read_small(path: &Path, limit: u64) -> std::io::Result<Vec<u8>> {
    use std::io::Read as _;
    let mut bytes = Vec::new();
    fs_err::File::open(path)?
        .take(limit + 1)
        .read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        return Err(std::io::Error::new(
            std::io::ErrorKind::FileTooLarge,
            format!("it is larger than {limit} bytes"),
        ));
    }
    Ok(bytes)
}
