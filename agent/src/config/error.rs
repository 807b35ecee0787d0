//! Why a configuration is not usable, and what to do about it.

use std::path::PathBuf;

use muster_shared::hint::Hint;

use super::{MAX_CONFIG_BYTES, keys};

/// Why the configuration is not usable.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("cannot read the configuration")]
    Read(#[source] std::io::Error),
    #[error("{path} is larger than {MAX_CONFIG_BYTES} bytes", path = .0.display())]
    TooLarge(PathBuf),
    #[error("{path} is not a valid configuration", path = path.display())]
    Syntax {
        path: PathBuf,
        #[source]
        source: Box<toml::de::Error>,
    },
    #[error("{path}: {key} = {value:?} {rule}", path = path.display())]
    Value {
        path: PathBuf,
        key: &'static str,
        value: String,
        rule: &'static str,
    },
    #[error("cannot write {path}", path = path.display())]
    Write {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
}

impl Hint for ConfigError {
    fn hints(&self) -> Vec<String> {
        match self {
            Self::Syntax { .. } => vec![format!("the keys are: {}", keys().join(", "))],
            Self::Value { key, .. } => vec![format!(
                "correct {key} in the file; `muster-agent config show` prints what is in force"
            )],
            Self::Write { .. } => vec!["run the command as root (administrator)".to_owned()],
            Self::Read(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
                vec!["run the command as root (administrator)".to_owned()]
            }
            Self::TooLarge(_) | Self::Read(_) => Vec::new(),
        }
    }
}
