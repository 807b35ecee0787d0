//! One child process: its output as lines, its time limits, its end.

use std::collections::VecDeque;
use std::process::ExitStatus;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::platform::GroupChild;

/// A longer line is cut into pieces of this many bytes; frames must fit.
const MAX_LINE_BYTES: usize = 1024 * 1024;

/// How long output may still come after the child ended: grandchildren may hold its pipes for ever.
const DRAIN_FOR: Duration = Duration::from_secs(2);

/// How long a hook may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// From start to end.
    pub total: Duration,
    /// Without a line of output.
    pub idle: Duration,
}

/// How the child ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    Exited(ExitStatus),
    TooLong,
    Silent,
    Cancelled,
}

/// Watches the child to its end, giving each line to `on_line`.
///
/// What it started ends with it when it is ended or breaks down; what it leaves running after it did its work may
/// go on, as programs that an installer starts do.
///
/// # Errors
/// When the child cannot be watched.
pub(super) async fn watch(
    mut group: GroupChild,
    limits: Limits,
    cancel: &CancellationToken,
    mut on_line: impl FnMut(&str),
) -> std::io::Result<Ended> {
    let (lines, mut incoming) = mpsc::channel(64);
    for stream in group.take_output() {
        tokio::spawn(read_lines(stream, lines.clone()));
    }
    drop(lines);
    let mut deadline = Instant::now() + limits.total;
    let mut idle_deadline = Instant::now() + limits.idle;
    let mut exited: Option<ExitStatus> = None;
    let mut drained = false;
    let ended = loop {
        if let (Some(status), true) = (exited, drained) {
            break Ended::Exited(status);
        }
        // Whoever writes faster than anybody reads must not write past its time: lines come last.
        tokio::select! {
            biased;
            () = cancel.cancelled() => break Ended::Cancelled,
            () = tokio::time::sleep_until(deadline) => match exited {
                Some(status) => break Ended::Exited(status),
                None => break Ended::TooLong,
            },
            status = group.wait(), if exited.is_none() => {
                exited = Some(status?);
                deadline = Instant::now() + DRAIN_FOR;
            }
            line = incoming.recv(), if !drained => match line {
                Some(line) => {
                    idle_deadline = Instant::now() + limits.idle;
                    on_line(&line);
                }
                None => drained = true,
            },
            () = tokio::time::sleep_until(idle_deadline), if exited.is_none() => break Ended::Silent,
        }
    };
    match ended {
        Ended::Exited(status) if status.success() => group.release(),
        _ => group.kill_tree(),
    }
    if exited.is_none() {
        group.wait().await?;
    }
    Ok(ended)
}

async fn read_lines(mut stream: impl AsyncRead + Unpin, lines: mpsc::Sender<String>) {
    let mut buffer = Vec::new();
    let mut chunk = vec![0; 8192];
    loop {
        let count = match stream.read(&mut chunk).await {
            Ok(0) | Err(_) => break,
            Ok(count) => count,
        };
        for &byte in &chunk[..count] {
            if byte == b'\n' || buffer.len() >= MAX_LINE_BYTES {
                if lines.send(text(&buffer)).await.is_err() {
                    return;
                }
                buffer.clear();
            }
            if byte != b'\n' {
                buffer.push(byte);
            }
        }
    }
    if !buffer.is_empty() {
        lines.send(text(&buffer)).await.ok();
    }
}

fn text(line: &[u8]) -> String {
    String::from_utf8_lossy(line)
        .trim_end_matches('\r')
        .replace('\0', "")
}

/// The end of a log that may be endless.
#[derive(Debug, Default)]
pub struct Tail {
    lines: VecDeque<String>,
    bytes: usize,
}

impl Tail {
    /// Adds a line, dropping the oldest ones when there is too much.
    pub fn push(&mut self, line: &str) {
        self.bytes += line.len() + 1;
        self.lines.push_back(line.to_owned());
        while self.bytes > crate::state::packages::MAX_LOG_BYTES && self.lines.len() > 1 {
            if let Some(dropped) = self.lines.pop_front() {
                self.bytes -= dropped.len() + 1;
            }
        }
    }

    /// The lines that are left, as one text.
    pub fn text(&self) -> String {
        let mut text = String::with_capacity(self.bytes);
        for line in &self.lines {
            text.push_str(line);
            text.push('\n');
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use std::process::Stdio;

    use tokio::process::Command;
    use uuid::Uuid;

    use super::*;
    use crate::platform;

    fn python(code: &str) -> Command {
        let python =
            platform::find_python(None, std::path::Path::new("/nowhere")).expect("tests need a Python");
        let mut command = Command::new(python);
        command
            .args(["-c", code])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    fn start(code: &str) -> GroupChild {
        platform::spawn_in_group(&mut python(code), &Uuid::new_v4().simple().to_string()).unwrap()
    }

    const AMPLE: Limits = Limits {
        total: Duration::from_mins(1),
        idle: Duration::from_mins(1),
    };

    async fn lines_of(code: &str, limits: Limits) -> (Ended, Vec<String>) {
        let mut lines = Vec::new();
        let ended = watch(start(code), limits, &CancellationToken::new(), |line| {
            lines.push(line.to_owned());
        })
        .await
        .unwrap();
        (ended, lines)
    }

    #[tokio::test]
    async fn both_streams_arrive_as_lines() {
        let (ended, mut lines) = lines_of(
            "import sys; print('out'); print('err', file=sys.stderr); sys.stdout.write('end')",
            AMPLE,
        )
        .await;
        lines.sort();
        assert_eq!(lines, ["end", "err", "out"]);
        assert!(matches!(ended, Ended::Exited(status) if status.success()));
    }

    #[tokio::test]
    async fn a_script_that_takes_too_long_is_ended() {
        let limits = Limits {
            total: Duration::from_millis(800),
            ..AMPLE
        };
        let (ended, _) = lines_of(
            "import time\nwhile True: print('x', flush=True); time.sleep(0.1)",
            limits,
        )
        .await;
        assert_eq!(ended, Ended::TooLong);
    }

    #[tokio::test]
    async fn a_script_that_floods_is_ended_as_well() {
        let limits = Limits {
            total: Duration::from_millis(500),
            ..AMPLE
        };
        let flood = lines_of("import os\nwhile True: os.write(1, b'x\\n' * 4096)", limits);
        let (ended, _) = tokio::time::timeout(AMPLE.total, flood).await.unwrap();
        assert_eq!(ended, Ended::TooLong);
    }

    #[tokio::test]
    async fn a_grandchild_that_floods_does_not_keep_a_script_that_is_over() {
        let code = "import subprocess, sys\nsubprocess.Popen([sys.executable, '-c', 'import os, time\\nt = time.time()\\n\
                    while time.time() < t + 60: os.write(1, b\"x\\\\n\" * 4096)'])\nprint('done', flush=True)";
        let over = lines_of(code, AMPLE);
        let (ended, lines) = tokio::time::timeout(Duration::from_secs(30), over).await.unwrap();
        assert!(matches!(ended, Ended::Exited(status) if status.success()));
        assert!(lines.iter().any(|line| line == "done"));
    }

    #[tokio::test]
    async fn a_silent_script_is_ended() {
        let limits = Limits {
            idle: Duration::from_millis(500),
            ..AMPLE
        };
        let (ended, _) = lines_of("import time; time.sleep(600)", limits).await;
        assert_eq!(ended, Ended::Silent);
    }

    #[tokio::test]
    async fn cancelling_ends_grandchildren_too() {
        let code = "import subprocess, sys\nchild = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\nprint(child.pid, flush=True)\nchild.wait()";
        let cancel = CancellationToken::new();
        let mut pid = String::new();
        let ended = watch(start(code), AMPLE, &cancel.clone(), |line| {
            line.clone_into(&mut pid);
            cancel.cancel();
        })
        .await
        .unwrap();
        assert_eq!(ended, Ended::Cancelled);
        let gone = || {
            // A killed process that nobody has waited for yet still has an entry, in state Z.
            fs_err::read_to_string(format!("/proc/{pid}/stat")).map_or(true, |stat| {
                stat.rsplit(')')
                    .next()
                    .is_some_and(|rest| rest.trim_start().starts_with('Z'))
            })
        };
        let limit = Instant::now() + Duration::from_secs(10);
        while !gone() {
            assert!(Instant::now() < limit, "process {pid} still runs");
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn a_grandchild_that_keeps_the_pipe_does_not_keep_the_agent() {
        let code = "import subprocess, sys\nsubprocess.Popen([sys.executable, '-c', 'import time; time.sleep(20)'])\nprint('done')";
        let (ended, lines) = lines_of(code, AMPLE).await;
        assert!(matches!(ended, Ended::Exited(status) if status.success()));
        assert_eq!(lines, ["done"]);
    }

    #[tokio::test]
    async fn endless_output_without_a_line_end_stays_bounded() {
        let (_, lines) = lines_of("import sys; sys.stdout.write('x' * 3_000_000)", AMPLE).await;
        assert!(lines.iter().all(|line| line.len() <= MAX_LINE_BYTES));
        assert_eq!(lines.iter().map(String::len).sum::<usize>(), 3_000_000);
    }

    #[test]
    fn a_tail_forgets_the_beginning() {
        let mut tail = Tail::default();
        for number in 0..10_000 {
            tail.push(&format!("line {number}"));
        }
        let text = tail.text();
        assert!(text.len() <= crate::state::packages::MAX_LOG_BYTES);
        assert!(text.ends_with("line 9999\n"));
    }
}
