//! Short questions to a program: its output within a time and a size, stdin closed, killed at the limit.

use std::process::Stdio;
use std::time::Duration;

use tokio::io::AsyncReadExt as _;

/// Why a program gave no usable answer.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    #[error("{program} cannot be started")]
    Start {
        program: String,
        #[source]
        source: std::io::Error,
    },
    #[error("{program} did not answer within {seconds} s")]
    TooSlow { program: String, seconds: u64 },
    #[error("{program} wrote more than {limit} bytes")]
    TooLong { program: String, limit: u64 },
    #[error("the output of {program} cannot be read")]
    Read {
        program: String,
        #[source]
        source: std::io::Error,
    },
    #[error("{program} ended with {status}")]
    Failed { program: String, status: String },
}

impl AskError {
    /// The program is not there at all, as opposed to there and failing.
    pub fn is_absent(&self) -> bool {
        matches!(self, Self::Start { source, .. } if source.kind() == std::io::ErrorKind::NotFound)
    }
}

/// Runs `program` and gives what it wrote to its standard output, at most `limit` bytes.
///
/// # Errors
/// When it cannot be started, fails, is too slow or writes too much; it is killed then.
pub async fn ask(
    program: &str,
    arguments: &[&str],
    patience: Duration,
    limit: u64,
) -> Result<Vec<u8>, AskError> {
    let named = |source| AskError::Start {
        program: program.to_owned(),
        source,
    };
    let mut child = tokio::process::Command::new(program)
        .args(arguments)
        .env("LC_ALL", "C.UTF-8")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .map_err(named)?;
    let Some(stdout) = child.stdout.take() else {
        return Err(named(std::io::Error::other("no pipe to its output")));
    };
    let conversation = async {
        let mut bytes = Vec::new();
        let mut capped = stdout.take(limit.saturating_add(1));
        capped
            .read_to_end(&mut bytes)
            .await
            .map_err(|source| AskError::Read {
                program: program.to_owned(),
                source,
            })?;
        if bytes.len() as u64 > limit {
            return Err(AskError::TooLong {
                program: program.to_owned(),
                limit,
            });
        }
        let status = child.wait().await.map_err(|source| AskError::Read {
            program: program.to_owned(),
            source,
        })?;
        if !status.success() {
            return Err(AskError::Failed {
                program: program.to_owned(),
                status: status.to_string(),
            });
        }
        Ok(bytes)
    };
    match tokio::time::timeout(patience, conversation).await {
        Ok(answer) => answer,
        Err(_elapsed) => Err(AskError::TooSlow {
            program: program.to_owned(),
            seconds: patience.as_secs(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_program_that_is_not_there_is_told_from_one_that_fails() {
        let error = ask("muster-no-such-program", &[], Duration::from_secs(5), 10)
            .await
            .unwrap_err();
        assert!(error.is_absent(), "{error}");
    }
}
