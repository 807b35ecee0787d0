//! Asking a program that may not work: bounded in time and output, whatever it does.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::AsyncReadExt as _;
use tokio::process::Command;

/// How long a program that is tried out may take for one answer.
const PATIENCE: Duration = Duration::from_mins(2);

/// What is read of its output, in bytes.
const LIMIT: u64 = 64 * 1024;

/// Runs a program to its end: what it wrote, or why it counts as failed, with what it wrote of it.
pub(super) async fn answer_of(program: &Path, arguments: &[&std::ffi::OsStr]) -> Result<String, String> {
    let mut command = Command::new(program);
    command
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    let mut child = command
        .spawn()
        .map_err(|error| format!("it cannot be started: {error}"))?;
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let conversation = async {
        let (out, err) = tokio::join!(beginning(stdout), beginning(stderr));
        (child.wait().await, out, err)
    };
    let (status, out, err) = tokio::time::timeout(PATIENCE, conversation)
        .await
        .map_err(|_elapsed| format!("it did not answer within {} s", PATIENCE.as_secs()))?;
    match status {
        Ok(status) if status.success() => Ok(out),
        Ok(status) => {
            let said = if err.trim().is_empty() { out } else { err };
            Err(format!("it ended with {status}: {}", said.trim()))
        }
        Err(error) => Err(format!("it cannot be followed: {error}")),
    }
}

/// The beginning of a stream; the rest is read and dropped, so that the writer is not held up.
async fn beginning(stream: Option<impl tokio::io::AsyncRead + Unpin>) -> String {
    let Some(stream) = stream else {
        return String::new();
    };
    let mut bytes = Vec::new();
    let mut capped = stream.take(LIMIT);
    capped.read_to_end(&mut bytes).await.ok();
    tokio::io::copy(&mut capped.into_inner(), &mut tokio::io::sink())
        .await
        .ok();
    String::from_utf8_lossy(&bytes).into_owned()
}
