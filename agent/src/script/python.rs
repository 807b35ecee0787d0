//! The interpreter that runs scripts: which one, why that one, and its version.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};

use crate::config::Config;
use crate::paths::Paths;
use crate::platform::{self, ask};
use crate::state::{State, facts};

/// The oldest version that runs what the agent carries.
const OLDEST: (u32, u32) = (3, 9);

/// Starting an interpreter may take a while on a cold disk.
const PATIENCE: Duration = Duration::from_secs(20);

/// An interpreter of this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Python {
    pub path: PathBuf,
    /// `configured`, `bundled` or `system`.
    pub origin: &'static str,
}

impl Python {
    /// The configured interpreter, else the one that came with the agent, else the system's.
    pub fn find(paths: &Paths, config: &Config) -> Option<Self> {
        // An agent below a root, such as a developer's trial, has the interpreter of the machine's own.
        let mut bundled = paths.bundled_python_dir();
        if paths.root().is_some() && !bundled.is_dir() {
            bundled = Paths::new(None).bundled_python_dir();
        }
        let path = platform::find_python(config.python.as_deref(), &bundled)?;
        let origin = origin(&path, config.python.as_deref(), &bundled);
        Some(Self { path, origin })
    }

    /// Its version. Starting it costs more than the rest of a quiet update, so that it is asked once for each
    /// interpreter; empty when it does not run.
    pub async fn version(&self, state: &State) -> String {
        let identity = fs_err::metadata(&self.path)
            .and_then(|metadata| Ok((metadata.len(), metadata.modified()?)))
            .map(|(size, modified)| format!("{} {size} {modified:?}", self.path.display()))
            .unwrap_or_default();
        let known = state.json_fact::<(String, String)>(facts::PYTHON_VERSION).await;
        if let Ok(Some((of, version))) = known
            && of == identity
        {
            return version;
        }
        let code = "import sys; print('%d.%d.%d' % sys.version_info[:3])";
        let program = self.path.to_string_lossy();
        match ask(&program, &["-I", "-S", "-B", "-c", code], PATIENCE, 256).await {
            Ok(bytes) => {
                let version = String::from_utf8_lossy(&bytes).trim().to_owned();
                if is_too_old(&version) {
                    tracing::warn!(python = %program, %version, "package scripts need Python 3.9 or newer");
                }
                let fact = (identity, version.clone());
                if let Err(error) = state.set_json_fact(facts::PYTHON_VERSION, &fact).await {
                    // Readers of the database may not write to it.
                    tracing::debug!(%error, "the version of Python will be asked for again");
                }
                version
            }
            Err(error) => {
                tracing::warn!(%error, "the Python for package scripts does not run");
                String::new()
            }
        }
    }
}

/// The interpreter for `status`; with `problem` when scripts cannot run.
pub async fn status(paths: &Paths, config: &Config, state: &State) -> Value {
    let Some(python) = Python::find(paths, config) else {
        return json!({ "problem": "no Python was found to run package scripts" });
    };
    let version = python.version(state).await;
    let mut value = json!({ "path": python.path, "origin": python.origin, "version": version });
    if version.is_empty() {
        value["problem"] = json!("it does not run");
    } else if is_too_old(&version) {
        value["problem"] = json!("package scripts need Python 3.9 or newer");
    }
    value
}

fn origin(path: &Path, configured: Option<&Path>, bundled: &Path) -> &'static str {
    if configured.is_some() {
        "configured"
    } else if path.starts_with(bundled) {
        "bundled"
    } else {
        "system"
    }
}

fn is_too_old(version: &str) -> bool {
    let mut numbers = version.split('.').map(str::parse::<u32>);
    match (numbers.next(), numbers.next()) {
        (Some(Ok(major)), Some(Ok(minor))) => (major, minor) < OLDEST,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::tests::open;

    #[test]
    fn where_an_interpreter_comes_from_is_told() {
        let bundled = Path::new("/usr/lib/muster/python");
        let system = Path::new("/usr/bin/python3");
        assert_eq!(origin(system, None, bundled), "system");
        assert_eq!(origin(system, Some(system), bundled), "configured");
        assert_eq!(origin(&bundled.join("bin/python3"), None, bundled), "bundled");
    }

    #[test]
    fn old_versions_are_told() {
        assert!(is_too_old("3.8.10") && is_too_old("2.7"));
        assert!(!is_too_old("3.9.0") && !is_too_old("3.12") && !is_too_old(""));
    }

    #[tokio::test]
    async fn the_interpreter_of_this_machine_says_its_version_and_is_asked_once() {
        let (_place, state) = open().await;
        let paths = Paths::new(None);
        let status = status(&paths, &Config::default(), &state).await;
        assert!(status["version"].as_str().unwrap().starts_with("3."), "{status}");
        assert_eq!(status["problem"], Value::Null);
        let python = Python::find(&paths, &Config::default()).unwrap();
        let (of, _version) = state
            .json_fact::<(String, String)>(facts::PYTHON_VERSION)
            .await
            .unwrap()
            .unwrap();
        state
            .set_json_fact(facts::PYTHON_VERSION, &(of, "3.99.0"))
            .await
            .unwrap();
        assert_eq!(python.version(&state).await, "3.99.0");
    }
}
