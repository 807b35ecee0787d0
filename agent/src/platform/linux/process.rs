//! Child programs as a process group, so that all of them end together.

use std::io;

use rustix::process::{Pid, Signal};
use tokio::process::{Child, Command};

/// A program and everything that it started.
#[derive(Debug)]
pub struct GroupChild {
    /// The program itself.
    pub child: Child,
    group: Option<Pid>,
}

/// Starts `command` as the leader of a process group of its own.
///
/// # Errors
/// When the program cannot be started.
pub fn spawn_in_group(command: &mut Command) -> io::Result<GroupChild> {
    let child = command.process_group(0).kill_on_drop(true).spawn()?;
    let group = child
        .id()
        .and_then(|id| i32::try_from(id).ok())
        .and_then(Pid::from_raw);
    Ok(GroupChild { child, group })
}

impl GroupChild {
    /// Ends the program and everything that is still in its group, at once. Does nothing a second time.
    pub fn kill_tree(&mut self) {
        if let Some(group) = self.group.take() {
            // The group lives as long as one member does, even when the leader is gone; none left is
            // what we want anyway.
            rustix::process::kill_process_group(group, Signal::KILL).ok();
        }
        self.child.start_kill().ok();
    }
}

impl Drop for GroupChild {
    fn drop(&mut self) {
        self.kill_tree();
    }
}

#[cfg(test)]
mod tests {
    use std::process::Stdio;

    use tokio::io::AsyncReadExt as _;

    use super::*;

    #[tokio::test]
    async fn killing_the_tree_ends_grandchildren_too() {
        let mut command = Command::new("sh");
        command
            .args(["-c", "sleep 600 & sleep 600 & wait"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped());
        let mut group = spawn_in_group(&mut command).unwrap();
        let mut output = group.child.stdout.take().unwrap();
        group.kill_tree();
        // The pipe ends only when the last process that holds it is gone.
        let mut rest = Vec::new();
        tokio::time::timeout(std::time::Duration::from_secs(20), output.read_to_end(&mut rest))
            .await
            .expect("a grandchild still runs")
            .unwrap();
        assert!(!group.child.wait().await.unwrap().success());
    }
}
