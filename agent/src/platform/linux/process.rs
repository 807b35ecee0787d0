//! Script processes: a process group that ends as a tree, also what left the group, and nothing else ever.
//!
//! Whoever belongs to a script is told by its parents (the runner takes in its orphans) and by a mark in its
//! environment. A number alone is never trusted: it may belong to another process by now.

use std::io;

use rustix::process::Pid;
use tokio::io::AsyncRead;
use tokio::process::{Child, Command};

use super::tree;

/// A program and everything that it started.
#[derive(Debug)]
pub struct GroupChild {
    child: Child,
    mark: String,
    is_over: bool,
}

/// Starts `command` as the leader of a process group of its own; it and all that it starts carry the mark.
///
/// # Errors
/// When the program cannot be started.
pub fn spawn_in_group(command: &mut Command, mark: &str) -> io::Result<GroupChild> {
    let child = command
        .env(tree::MARK, mark)
        .process_group(0)
        .kill_on_drop(true)
        .spawn()?;
    Ok(GroupChild {
        child,
        mark: mark.to_owned(),
        is_over: false,
    })
}

impl GroupChild {
    /// Its number, until it was waited for.
    pub fn id(&self) -> Option<u32> {
        self.child.id()
    }

    /// Its standard output and its standard error, those that are pipes; once.
    pub fn take_output(&mut self) -> Vec<Box<dyn AsyncRead + Send + Unpin>> {
        let mut streams: Vec<Box<dyn AsyncRead + Send + Unpin>> = Vec::new();
        if let Some(stdout) = self.child.stdout.take() {
            streams.push(Box::new(stdout));
        }
        if let Some(stderr) = self.child.stderr.take() {
            streams.push(Box::new(stderr));
        }
        streams
    }

    /// Waits for the program itself.
    ///
    /// # Errors
    /// When the system does not tell how it ended.
    pub async fn wait(&mut self) -> io::Result<std::process::ExitStatus> {
        self.child.wait().await
    }

    /// Ends the program and everything that it started, at once. Does nothing a second time.
    pub fn kill_tree(&mut self) {
        if self.is_over {
            return;
        }
        self.is_over = true;
        let own = self
            .child
            .id()
            .and_then(|id| i32::try_from(id).ok())
            .and_then(Pid::from_raw);
        tree::end(own, &self.mark);
        self.child.start_kill().ok();
    }

    /// The program did its work: what it left running may go on.
    pub fn release(&mut self) {
        self.is_over = true;
    }
}

impl Drop for GroupChild {
    fn drop(&mut self) {
        self.kill_tree();
    }
}

/// When a process was born, in a form that no other process of this number ever has; `None` when it is gone.
pub fn birth_of(pid: u32) -> Option<String> {
    tree::birth_of(i32::try_from(pid).ok()?)
}

/// Ends what an agent that was killed left of a script; gives how many processes that were.
///
/// `pid` counts only with this birth: otherwise the number belongs to somebody else by now.
pub fn end_leftover(pid: u32, birth: &str, mark: &str) -> usize {
    let root = i32::try_from(pid)
        .ok()
        .filter(|pid| tree::birth_of(*pid).as_deref() == Some(birth))
        .and_then(Pid::from_raw);
    tree::end(root, mark)
}

/// Ends this very process without a word, as a power cut would; for tests.
#[cfg(debug_assertions)]
pub fn die() -> ! {
    rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL).ok();
    std::process::abort()
}

#[cfg(test)]
mod tests {
    use std::process::Stdio;

    use tokio::io::AsyncReadExt as _;

    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command
            .args(["-c", script])
            .stdin(Stdio::null())
            .stdout(Stdio::piped());
        command
    }

    async fn ended(mut output: Box<dyn AsyncRead + Send + Unpin>) {
        // The pipe ends only when the last process that holds it is gone.
        let mut rest = Vec::new();
        tokio::time::timeout(std::time::Duration::from_secs(20), output.read_to_end(&mut rest))
            .await
            .expect("a grandchild still runs")
            .unwrap();
    }

    #[tokio::test]
    async fn killing_the_tree_ends_grandchildren_too() {
        let mut group = spawn_in_group(&mut shell("sleep 600 & sleep 600 & wait"), "mark-a").unwrap();
        let output = group.take_output().remove(0);
        group.kill_tree();
        ended(output).await;
        assert!(!group.wait().await.unwrap().success());
    }

    #[tokio::test]
    async fn a_grandchild_with_a_session_of_its_own_ends_too() {
        let script = "setsid sh -c 'echo started; sleep 600 & wait' & wait";
        let mut group = spawn_in_group(&mut shell(script), "mark-b").unwrap();
        let mut output = group.take_output().remove(0);
        let mut line = [0; 8];
        output.read_exact(&mut line).await.unwrap();
        group.kill_tree();
        ended(output).await;
    }

    #[tokio::test]
    async fn what_is_left_over_is_ended_only_when_it_is_the_same_process() {
        let mut group = spawn_in_group(&mut shell("sleep 600"), "mark-c").unwrap();
        let output = group.take_output().remove(0);
        let pid = group.id().unwrap();
        let birth = birth_of(pid).unwrap();
        // The number of a process that was born at another time, and a mark that nobody carries.
        assert_eq!(end_leftover(pid, &format!("{birth}0"), "mark-d"), 0);
        assert_eq!(end_leftover(std::process::id(), "somewhere/1", "mark-d"), 0);
        assert_eq!(birth_of(pid).as_deref(), Some(birth.as_str()));
        assert!(end_leftover(pid, &birth, "mark-d") > 0);
        ended(output).await;
        group.wait().await.unwrap();
    }

    #[tokio::test]
    async fn what_a_good_end_leaves_may_go_on() {
        let mut group = spawn_in_group(&mut shell("sleep 600 >/dev/null & echo $!"), "mark-e").unwrap();
        let mut output = group.take_output().remove(0);
        let mut pid = String::new();
        output.read_to_string(&mut pid).await.unwrap();
        group.wait().await.unwrap();
        group.release();
        drop(group);
        let pid: u32 = pid.trim().parse().unwrap();
        let birth = birth_of(pid).expect("it still runs");
        assert_eq!(end_leftover(pid, &birth, "mark-e"), 1);
    }
}
