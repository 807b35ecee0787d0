//! The configuration file while the service runs: a new one is taken up, a broken one is said and left alone.

use muster_shared::hint::{Hint as _, chain};

use super::actor::Actor;
use crate::config::{Config, ConfigError};
use crate::paths::Paths;
use crate::platform::{Severity, write_event};

/// Reads the configuration; where it is broken, the one that was in force stays so, and why is said.
///
/// # Errors
/// When it is broken and none was in force yet.
pub(super) fn load(
    paths: &Paths,
    in_force: Option<&Config>,
) -> Result<(Config, Option<String>), ConfigError> {
    match (Config::load(paths), in_force) {
        (Ok(config), _) => Ok((config, None)),
        (Err(error), Some(in_force)) => {
            let reason = said(&error);
            tracing::error!(%reason, "the configuration is not taken up; the one before stays in force");
            Ok((in_force.clone(), Some(reason)))
        }
        (Err(error), None) => Err(error),
    }
}

fn said(error: &ConfigError) -> String {
    let mut text = chain(error);
    for hint in error.hints() {
        text.push_str("; ");
        text.push_str(&hint);
    }
    text
}

impl Actor {
    /// Looks whether somebody wrote the configuration. A new one is taken up as soon as nothing runs.
    pub(super) fn look_at_config(&mut self) {
        if !self.config_file.has_changed() {
            return;
        }
        match Config::load(&self.agent.paths) {
            Ok(config) => {
                self.config_error = None;
                if config != self.agent.config {
                    tracing::info!("the configuration was changed");
                    self.reload_wanted = true;
                }
            }
            Err(error) => {
                let reason = said(&error);
                tracing::error!(%reason, "the configuration is not taken up; the one before stays in force");
                write_event(
                    Severity::Error,
                    &format!("the configuration is not taken up: {reason}"),
                );
                self.config_error = Some(reason);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broken_configuration_keeps_the_one_before_and_says_why() {
        let place = tempfile::tempdir().unwrap();
        let paths = Paths::new(Some(place.path()));
        let file = paths.config_file();
        fs_err::create_dir_all(file.parent().unwrap()).unwrap();
        fs_err::write(&file, "description = \"first\"").unwrap();
        let (first, error) = load(&paths, None).unwrap();
        assert_eq!(error, None);
        fs_err::write(&file, "descripton = \"second\"").unwrap();
        let (kept, error) = load(&paths, Some(&first)).unwrap();
        assert_eq!(kept, first);
        assert!(error.unwrap().contains("descripton"));
        assert!(load(&paths, None).is_err());
    }
}
