//! Whether this program would work on this machine: what a new agent is asked before it takes over.

use serde::Serialize;

use crate::config::Config;
use crate::failure::Failure;
use crate::identity::Identity;
use crate::paths::Paths;
use crate::state::State;
use crate::{platform, revocation};
use muster_shared::clock;
use muster_shared::protocol::error::ErrorCode;

/// What the test found; whatever does not work is an error instead.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SelfTest {
    pub version: &'static str,
    /// Who this machine is; nothing before its first start.
    pub identifier: Option<String>,
    /// The server that is configured.
    pub server: Option<String>,
    /// Packages in the copy of the database; nothing when there is no database yet.
    pub packages: Option<usize>,
    /// Certificates whose signatures count.
    pub trusted: usize,
    /// The interpreter for scripts.
    pub python: Option<String>,
}

/// Reads the configuration, the trusted certificates and the identity, and opens a copy of the database.
/// Nothing of the agent is changed, and a service may run meanwhile.
///
/// # Errors
/// The first thing that does not work.
pub async fn check(paths: &Paths) -> Result<SelfTest, Failure> {
    let config = Config::load(paths)?;
    let trust = revocation::trust_store(paths).map_err(|error| revocation::unusable(&error))?;
    let identifier = if paths.private_dir().join("identity.json").exists() {
        let identity = Identity::load_or_create(paths, &config)
            .map_err(|error| Failure::from_hinted(ErrorCode::Internal, error))?;
        Some(identity.identifier().to_owned())
    } else {
        None
    };
    let python = platform::find_python(config.python.as_deref(), &paths.bundled_python_dir());
    Ok(SelfTest {
        version: env!("CARGO_PKG_VERSION"),
        identifier,
        server: config.server,
        packages: database(paths).await?,
        trusted: trust.anchors().len(),
        python: python.map(|path| path.display().to_string()),
    })
}

async fn database(paths: &Paths) -> Result<Option<usize>, Failure> {
    let path = paths.database();
    if !path.exists() {
        return Ok(None);
    }
    let folder = paths.self_upgrade_dir();
    let failed = |error: std::io::Error| {
        Failure::new(
            ErrorCode::Internal,
            format!("the database cannot be copied to {}: {error}", folder.display()),
        )
        .with_hint("run the command as root (administrator)")
    };
    platform::lock_down_dir(&folder).map_err(failed)?;
    let place = tempfile::Builder::new()
        .prefix("test-")
        .tempdir_in(&folder)
        .map_err(failed)?;
    let copy = place.path().join("database");
    State::copy(&path, &copy).await?;
    let opened = State::open(&copy, clock::now(), true).await?;
    let packages = opened.state.installed().await?.len();
    opened.state.close().await;
    if opened.set_aside.is_some() {
        return Err(Failure::new(
            ErrorCode::Internal,
            "the copy of the database is damaged",
        ));
    }
    Ok(Some(packages))
}
