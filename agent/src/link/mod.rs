//! The live channel: one WebSocket that the agent keeps open to its server.
//!
//! Parties: the *server* is recognised by TLS, this *host* by the signature of the upgrade request. What
//! comes over the channel is a hint or an envelope that is verified elsewhere: nothing is believed because
//! it came this way. Frames have a size limit, both queues are bounded, a peer that is silent for longer
//! than two pings is taken for dead.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use muster_shared::hint::chain;
use muster_shared::protocol::error::ErrorCode;
use muster_shared::protocol::live::{FromAgent, MAX_FRAME_BYTES, PING_EVERY_SECS, ToAgent};
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, sleep_until, timeout};
use tokio_tungstenite::tungstenite::Message;
use tokio_util::sync::CancellationToken;

use crate::schedule::Pace;
use crate::server_client::ServerClient;

mod connect;
pub mod policy;

pub use connect::ConnectError;
use connect::{Socket, connect};
use policy::{Jitter, Timing};

/// Frames that wait for the rest of the agent.
const INCOMING: usize = 64;
/// Frames that wait for the channel.
const OUTGOING: usize = 256;
/// Acknowledgements and results kept while there is no connection; the oldest go first.
const KEPT: usize = 512;
/// Nothing heard for this long: the peer is dead. Two pings and some patience.
const SILENCE: Duration = Duration::from_secs(2 * PING_EVERY_SECS + 10);
/// A frame that cannot be written, or handed on, within this time ends the connection.
const STUCK: Duration = Duration::from_secs(30);
/// After a change of the network the peer has so long to answer a ping; else the connection is taken for dead.
const ANSWER_AFTER_CHANGE: Duration = Duration::from_secs(5);

/// The running channel. Dropping it ends it.
#[derive(Debug)]
pub struct Link {
    /// Frames from the server.
    pub incoming: mpsc::Receiver<ToAgent>,
    /// Frames to the server; what is not progress waits for the next connection.
    pub outgoing: mpsc::Sender<FromAgent>,
    connected: watch::Receiver<bool>,
    network_changed: Arc<Notify>,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Link {
    /// The network changed: without a connection the next try is now, and an open one has to prove that it lives.
    pub fn network_changed(&self) {
        self.network_changed.notify_one();
    }

    /// Whether the channel is open, and a way to wait for a change of that.
    pub fn connected(&self) -> watch::Receiver<bool> {
        self.connected.clone()
    }

    /// Closes the channel in order and waits until it is closed.
    pub async fn stop(mut self) {
        self.stop.cancel();
        // Nobody takes frames any more: a full queue must not hold up the end.
        self.incoming.close();
        if timeout(STUCK, &mut self.task).await.is_err() {
            self.task.abort();
        }
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// Opens the channel and keeps it open.
pub fn spawn(client: ServerClient, pace: Pace) -> Link {
    spawn_with(client, Timing::default().at(pace))
}

/// The same with other distances between tries.
pub fn spawn_with(client: ServerClient, timing: Timing) -> Link {
    let (incoming_sender, incoming) = mpsc::channel(INCOMING);
    let (outgoing, outgoing_receiver) = mpsc::channel(OUTGOING);
    let (connected_sender, connected) = watch::channel(false);
    let stop = CancellationToken::new();
    let network_changed = Arc::new(Notify::new());
    let keeper = Keeper {
        client,
        incoming: incoming_sender,
        outgoing: outgoing_receiver,
        connected: connected_sender,
        network_changed: network_changed.clone(),
        stop: stop.clone(),
        kept: VecDeque::new(),
        jitter: Jitter::new(),
        timing,
    };
    let task = tokio::spawn(keeper.run());
    Link {
        incoming,
        outgoing,
        connected,
        network_changed,
        stop,
        task,
    }
}

struct Keeper {
    client: ServerClient,
    incoming: mpsc::Sender<ToAgent>,
    outgoing: mpsc::Receiver<FromAgent>,
    connected: watch::Sender<bool>,
    network_changed: Arc<Notify>,
    stop: CancellationToken,
    kept: VecDeque<FromAgent>,
    jitter: Jitter,
    timing: Timing,
}

/// Why a connection ended.
enum Ended {
    Stopped,
    Lost(String),
    /// The network changed and the peer does not answer over the old one.
    Moved,
}

impl Keeper {
    async fn run(mut self) {
        // At the start of the agent nothing was lost yet: connect at once.
        let mut lost_at = Instant::now();
        let mut attempt = 0;
        // A refusal that teaches something is answered at once, but never twice in a row.
        let mut learned = false;
        loop {
            let tried = tokio::select! {
                tried = connect(&self.client) => tried,
                () = self.stop.cancelled() => return,
            };
            let floor = match tried {
                Ok(socket) => {
                    tracing::info!(server = %self.client.server(), "live channel open");
                    self.connected.send_replace(true);
                    let ended = self.serve(socket).await;
                    self.connected.send_replace(false);
                    lost_at = Instant::now();
                    attempt = 0;
                    learned = false;
                    match ended {
                        Ended::Stopped => return,
                        Ended::Lost(reason) => tracing::warn!(%reason, "live channel lost"),
                        Ended::Moved => {
                            tracing::info!("the live channel did not survive the change of the network");
                            continue;
                        }
                    }
                    Duration::ZERO
                }
                Err(error) => {
                    tracing::debug!(error = %chain(&error), attempt, "live channel not opened");
                    match self.learn(error).await {
                        Next::Now if !learned => {
                            learned = true;
                            continue;
                        }
                        Next::Now => {
                            attempt += 1;
                            self.timing.undecided
                        }
                        Next::NotBefore(floor) => {
                            attempt += 1;
                            floor
                        }
                    }
                }
            };
            let wait = self
                .timing
                .wait_before(attempt, lost_at.elapsed(), self.jitter.next())
                .max(floor);
            if self.wait(wait).await.is_break() {
                return;
            }
        }
    }

    /// What a refusal teaches: the server's time, that it lost its database, that somebody must decide.
    async fn learn(&self, error: ConnectError) -> Next {
        let ConnectError::Refused(refusal) = error else {
            return Next::NotBefore(Duration::ZERO);
        };
        if self.client.learn(&refusal).await {
            return Next::Now;
        }
        match refusal.code {
            ErrorCode::HostUnknown => match self.client.register_again().await {
                Ok(true) => Next::Now,
                Ok(false) => Next::NotBefore(self.timing.undecided),
                Err(error) => {
                    tracing::warn!(error = %chain(&error), "registering by certificate failed");
                    Next::NotBefore(self.timing.undecided)
                }
            },
            ErrorCode::HostPending => Next::NotBefore(self.timing.undecided),
            _ => Next::NotBefore(Duration::ZERO),
        }
    }

    /// Waits for the next try, keeping the outgoing queue moving; a change of network ends the wait.
    async fn wait(&mut self, wait: Duration) -> std::ops::ControlFlow<()> {
        let end = sleep(wait);
        tokio::pin!(end);
        loop {
            tokio::select! {
                () = &mut end => return std::ops::ControlFlow::Continue(()),
                () = self.stop.cancelled() => return std::ops::ControlFlow::Break(()),
                frame = self.outgoing.recv() => match frame {
                    Some(frame) => keep(&mut self.kept, frame),
                    None => return std::ops::ControlFlow::Break(()),
                },
                () = self.network_changed.notified() => {
                    tracing::debug!("the network changed; connecting at once");
                    return std::ops::ControlFlow::Continue(());
                }
            }
        }
    }

    async fn serve(&mut self, mut socket: Socket) -> Ended {
        while let Some(frame) = self.kept.pop_front() {
            if let Err(reason) = send(&mut socket, &frame).await {
                self.kept.push_front(frame);
                return Ended::Lost(reason);
            }
        }
        let mut ping = interval(Duration::from_secs(PING_EVERY_SECS));
        ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // The first tick comes at once and says nothing.
        ping.tick().await;
        let mut heard = Instant::now();
        // When a peer that has to prove that it lives must have been heard of.
        let mut answer_by: Option<Instant> = None;
        loop {
            let far = Instant::now() + SILENCE;
            tokio::select! {
                () = self.stop.cancelled() => {
                    timeout(Duration::from_secs(2), socket.close(None)).await.ok();
                    return Ended::Stopped;
                }
                frame = self.outgoing.recv() => {
                    let Some(frame) = frame else { return Ended::Stopped };
                    if let Err(reason) = send(&mut socket, &frame).await {
                        keep(&mut self.kept, frame);
                        return Ended::Lost(reason);
                    }
                }
                message = socket.next() => {
                    heard = Instant::now();
                    answer_by = None;
                    match message {
                        Some(Ok(Message::Text(text))) => {
                            if let Err(reason) = self.take(text.as_str()).await {
                                return Ended::Lost(reason);
                            }
                        }
                        Some(Ok(Message::Close(_))) | None => {
                            return Ended::Lost("the server closed it".to_owned());
                        }
                        Some(Ok(_ping_pong_or_bytes)) => {}
                        Some(Err(error)) => return Ended::Lost(chain(&error)),
                    }
                }
                () = self.network_changed.notified() => {
                    if !ping_peer(&mut socket, ANSWER_AFTER_CHANGE).await {
                        return Ended::Moved;
                    }
                    answer_by.get_or_insert(Instant::now() + ANSWER_AFTER_CHANGE);
                }
                () = sleep_until(answer_by.unwrap_or(far)), if answer_by.is_some() => return Ended::Moved,
                _ = ping.tick() => {
                    if heard.elapsed() > SILENCE {
                        return Ended::Lost(format!("nothing heard for {} s", SILENCE.as_secs()));
                    }
                    if !ping_peer(&mut socket, STUCK).await {
                        return Ended::Lost("a ping could not be sent".to_owned());
                    }
                }
            }
        }
    }

    async fn take(&self, text: &str) -> Result<(), String> {
        let frame: ToAgent = match serde_json::from_str(text) {
            Ok(frame) => frame,
            Err(error) => {
                // A newer server may say more than this version understands.
                tracing::warn!(%error, "a frame of the live channel is not understood");
                return Ok(());
            }
        };
        match timeout(STUCK, self.incoming.send(frame)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_closed)) => Err("the agent takes no more frames".to_owned()),
            Err(_elapsed) => Err("the agent is too busy to take frames".to_owned()),
        }
    }
}

/// `false`: the ping could not be sent in time.
async fn ping_peer(socket: &mut Socket, patience: Duration) -> bool {
    let sent = timeout(patience, socket.send(Message::Ping(Vec::new().into()))).await;
    matches!(sent, Ok(Ok(())))
}

enum Next {
    /// Signed anew it may pass at once.
    Now,
    NotBefore(Duration),
}

async fn send(socket: &mut Socket, frame: &FromAgent) -> Result<(), String> {
    let text = serde_json::to_string(frame).map_err(|error| error.to_string())?;
    if text.len() > MAX_FRAME_BYTES {
        tracing::warn!(
            bytes = text.len(),
            "a frame is too large for the live channel and is left out"
        );
        return Ok(());
    }
    match timeout(STUCK, socket.send(Message::text(text))).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(chain(&error)),
        Err(_elapsed) => Err("a frame could not be sent in time".to_owned()),
    }
}

/// Progress is of no use later; everything else waits for the next connection.
fn keep(kept: &mut VecDeque<FromAgent>, frame: FromAgent) {
    if matches!(frame, FromAgent::Progress { .. }) {
        return;
    }
    if kept.len() >= KEPT {
        kept.pop_front();
    }
    kept.push_back(frame);
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn results_wait_for_the_next_connection_and_progress_does_not() {
        let mut kept = VecDeque::new();
        let task = Uuid::now_v7();
        keep(
            &mut kept,
            FromAgent::Progress {
                task,
                batch: None,
                percent: None,
                text: "half".into(),
            },
        );
        assert!(kept.is_empty());
        for number in 0..KEPT + 10 {
            keep(
                &mut kept,
                FromAgent::Ack {
                    batch: task,
                    accepted: true,
                    reason: number.to_string(),
                },
            );
        }
        assert_eq!(kept.len(), KEPT);
        assert!(matches!(kept.front(), Some(FromAgent::Ack { reason, .. }) if reason == "10"));
    }
}
