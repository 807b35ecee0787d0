//! The worker's thread: requests in, answers out, the window woken for each.

use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;

use tokio::sync::{Semaphore, mpsc};

use super::requests::{Answer, Request};
use super::serve::Server;
use crate::settings::SettingsFolder;

/// More requests than this wait only when something hangs; the window is told then.
const REQUESTS: usize = 512;
const ANSWERS: usize = 4096;
/// Requests to the server at the same time.
const AT_ONCE: usize = 12;

/// The worker as the window holds it. Dropping it ends the thread.
pub struct Worker {
    requests: mpsc::Sender<Request>,
    answers: mpsc::Receiver<Answer>,
    thread: Option<JoinHandle<()>>,
}

impl Worker {
    /// Starts the thread. `wake` is called after each answer.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn start(folder: SettingsFolder, wake: impl Fn() + Send + Sync + 'static) -> io::Result<Self> {
        let (requests, incoming) = mpsc::channel(REQUESTS);
        let (outgoing, answers) = mpsc::channel(ANSWERS);
        let thread = std::thread::Builder::new()
            .name("muster-worker".to_owned())
            .spawn(move || {
                let runtime = tokio::runtime::Builder::new_multi_thread()
                    .worker_threads(2)
                    .thread_name("muster-worker")
                    .enable_all()
                    .build();
                match runtime {
                    Ok(runtime) => {
                        runtime.block_on(run(folder, incoming, outgoing, Arc::new(wake)));
                        // A token that does not answer must not keep the window from closing.
                        runtime.shutdown_background();
                    }
                    Err(error) => tracing::error!(%error, "the worker could not start"),
                }
            })?;
        Ok(Self {
            requests,
            answers,
            thread: Some(thread),
        })
    }

    /// Hands a request over. Says whether it was taken.
    pub fn ask(&self, request: Request) -> bool {
        match self.requests.try_send(request) {
            Ok(()) => true,
            Err(error) => {
                tracing::error!(%error, "the worker does not take requests");
                false
            }
        }
    }

    /// The next answer, when there is one.
    pub fn take(&mut self) -> Option<Answer> {
        self.answers.try_recv().ok()
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // The thread ends when its requests end.
        let (closed, _) = mpsc::channel(1);
        self.requests = closed;
        self.answers.close();
        if let Some(thread) = self.thread.take() {
            thread.join().ok();
        }
    }
}

/// Where answers go.
#[derive(Clone)]
pub(super) struct Outbox {
    answers: mpsc::Sender<Answer>,
    wake: Arc<dyn Fn() + Send + Sync>,
}

impl Outbox {
    /// Sends an answer and wakes the window.
    pub(super) async fn send(&self, answer: Answer) {
        if self.answers.send(answer).await.is_ok() {
            (self.wake)();
        }
    }
}

impl Outbox {
    /// Sends what may also be missed: progress.
    pub(super) fn offer(&self, answer: Answer) {
        if self.answers.try_send(answer).is_ok() {
            (self.wake)();
        }
    }
}

async fn run(
    folder: SettingsFolder,
    mut requests: mpsc::Receiver<Request>,
    answers: mpsc::Sender<Answer>,
    wake: Arc<dyn Fn() + Send + Sync>,
) {
    let outbox = Outbox { answers, wake };
    let server = Arc::new(Server::new(folder, outbox));
    let slots = Arc::new(Semaphore::new(AT_ONCE));
    while let Some(request) = requests.recv().await {
        let Ok(slot) = Arc::clone(&slots).acquire_owned().await else {
            break;
        };
        let server = Arc::clone(&server);
        tokio::spawn(async move {
            server.serve(request).await;
            drop(slot);
        });
    }
    server.stop();
}
