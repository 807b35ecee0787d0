//! One live channel: brings actions and hints, takes acknowledgements, progress and results.
//!
//! Frames are JSON of at most 256 KiB. What the host says is written before the next frame is read, so a host
//! that talks too fast is slowed down by its own connection. Every send has a time limit.

use std::collections::HashSet;
use std::time::Duration;

use actix_web::web;
use actix_ws::{AggregatedMessage, AggregatedMessageStream, CloseCode, CloseReason, Session};
use futures_util::StreamExt as _;
use muster_shared::hint::chain;
use muster_shared::protocol::action::TargetState;
use muster_shared::protocol::error::ErrorCode;
use muster_shared::protocol::event::Event;
use muster_shared::protocol::live::{FromAgent, PING_EVERY_SECS, Refresh, ToAgent};
use tokio::time::{Instant, interval, sleep_until, timeout};
use uuid::Uuid;

use super::hub::Place;
use super::mailbox::{End, Waiting};
use crate::auth::host_signature::SignedUpgrade;
use crate::domain::action::state_of_finished;
use crate::domain::inventory::clip_sentence;
use crate::state::AppState;
use crate::store::action_targets::{self, News, Take};
use crate::store::{StoreError, host_rows};

/// At most one hint of each kind in this time.
const HINT_EVERY: Duration = Duration::from_secs(10);

/// A frame that the network does not take in this time ends the connection.
const SEND_LIMIT: Duration = Duration::from_secs(30);

/// A host that was not heard for this long is gone.
const SILENCE_LIMIT: Duration = Duration::from_secs(PING_EVERY_SECS * 3);

/// Progress is written at most this often.
const PROGRESS_EVERY: Duration = Duration::from_millis(300);

/// Actions taken from the queue at once.
const QUEUE_PAGE: u32 = 20;

/// Why a connection ended.
#[derive(Debug, thiserror::Error)]
enum Ended {
    #[error("the host closed it")]
    ByHost,
    #[error("the host broke the protocol: {0}")]
    Protocol(String),
    #[error("the host was silent for too long")]
    Silence,
    #[error("the host did not take a frame in time")]
    Slow,
    #[error("a later connection took its place")]
    Replaced,
    #[error("the host was deleted or has a new key")]
    Forgotten,
    #[error("the server stops")]
    Stopping,
    #[error("the database failed")]
    Store(#[from] StoreError),
}

/// Serves a connection until it ends; the host is shown as connected as long as it lasts.
pub async fn serve(
    state: web::Data<AppState>,
    host: SignedUpgrade,
    session: Session,
    frames: AggregatedMessageStream,
) {
    let place = state.relay.connect(&host.host_key);
    let mut connection = Connection {
        state: &state,
        host: &host,
        session,
        hints: [Refresh::Repository, Refresh::HostPackage, Refresh::Rules].map(Hint::new),
        brought_again: HashSet::new(),
        running: None,
        progress_at: None,
    };
    tracing::debug!(host = %host.identifier, "connected");
    let ended = match state.refresh_presence(&host.host_key).await {
        Ok(()) => connection.run(&place, frames).await,
        Err(error) => Ended::Store(error),
    };
    if let Ended::Store(error) = &ended {
        tracing::error!(host = %host.identifier, error = %chain(error), "a live channel broke off");
    } else {
        tracing::debug!(host = %host.identifier, reason = %ended, "disconnected");
    }
    let session = connection.session;
    if state.relay.disconnect(&host.host_key, place.number)
        && let Err(error) = state.refresh_presence(&host.host_key).await
    {
        tracing::error!(host = %host.identifier, error = %chain(&error), "cannot mark the host as offline");
    }
    let code = match ended {
        Ended::ByHost | Ended::Slow | Ended::Silence => CloseCode::Normal,
        Ended::Protocol(_) => CloseCode::Protocol,
        Ended::Replaced | Ended::Forgotten => CloseCode::Policy,
        Ended::Stopping => CloseCode::Away,
        Ended::Store(_) => CloseCode::Error,
    };
    let reason = CloseReason {
        code,
        description: Some(ended.to_string()),
    };
    timeout(SEND_LIMIT, session.close(Some(reason))).await.ok();
}

struct Connection<'a> {
    state: &'a web::Data<AppState>,
    host: &'a SignedUpgrade,
    session: Session,
    hints: [Hint; 3],
    /// Actions that an earlier connection brought, whose acknowledgement never came.
    brought_again: HashSet<Uuid>,
    /// The task that the host's row shows.
    running: Option<Uuid>,
    progress_at: Option<Instant>,
}

/// A hint that is due, and when the last one went.
#[derive(Debug)]
struct Hint {
    what: Refresh,
    due: Option<Instant>,
    sent: Option<Instant>,
}

impl Hint {
    fn new(what: Refresh) -> Self {
        Self {
            what,
            due: None,
            sent: None,
        }
    }

    /// The hint should go after a delay, but not within ten seconds of the last one.
    fn ask(&mut self, now: Instant, delay: Duration) {
        let earliest = self.sent.map_or(now, |sent| (sent + HINT_EVERY).max(now));
        let due = earliest.max(now + delay);
        self.due = Some(self.due.map_or(due, |known| known.min(due)));
    }

    /// Takes the hint when it is due.
    fn take(&mut self, now: Instant) -> bool {
        let is_due = self.due.is_some_and(|due| due <= now);
        if is_due {
            self.due = None;
            self.sent = Some(now);
        }
        is_due
    }
}

impl Connection<'_> {
    async fn run(&mut self, place: &Place, mut frames: AggregatedMessageStream) -> Ended {
        if let Err(ended) = self.bring_queue().await {
            return ended;
        }
        let mut ping = interval(Duration::from_secs(PING_EVERY_SECS));
        let mut heard = Instant::now();
        loop {
            let due = self.hints.iter().filter_map(|hint| hint.due).min();
            let step = tokio::select! {
                frame = frames.next() => {
                    heard = Instant::now();
                    match frame {
                        Some(Ok(message)) => self.receive(message).await,
                        Some(Err(error)) => Err(Ended::Protocol(error.to_string())),
                        None => Err(Ended::ByHost),
                    }
                }
                waiting = place.mailbox.take() => self.take(waiting).await,
                () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => self.send_hints().await,
                _ = ping.tick() => {
                    if heard.elapsed() > SILENCE_LIMIT {
                        Err(Ended::Silence)
                    } else {
                        in_time(self.session.ping(b"")).await
                    }
                }
                () = self.state.stop.cancelled() => Err(Ended::Stopping),
            };
            if let Err(ended) = step {
                return ended;
            }
        }
    }

    async fn take(&mut self, waiting: Waiting) -> Result<(), Ended> {
        match waiting.end {
            Some(End::Replaced) => return Err(Ended::Replaced),
            Some(End::Forgotten) => return Err(Ended::Forgotten),
            None => {}
        }
        let now = Instant::now();
        for hint in &mut self.hints {
            let delay = match hint.what {
                Refresh::Repository => waiting.repository,
                Refresh::HostPackage => waiting.host_package,
                Refresh::Rules => waiting.rules,
            };
            if let Some(delay) = delay {
                hint.ask(now, delay);
            }
        }
        if waiting.actions {
            self.bring_new().await?;
        }
        Ok(())
    }

    /// Brings the whole queue, in order; an action whose acknowledgement was lost is brought again.
    async fn bring_queue(&mut self) -> Result<(), Ended> {
        let mut after = 0;
        while let Some(last) = self.bring(Take::Everything { after }).await? {
            after = last;
        }
        Ok(())
    }

    /// Brings what is new in the queue, in order.
    async fn bring_new(&mut self) -> Result<(), Ended> {
        while self.bring(Take::New).await?.is_some() {}
        Ok(())
    }

    /// Brings a few actions; the number of the last one, none when nothing waits.
    async fn bring(&mut self, take: Take) -> Result<Option<i64>, Ended> {
        let (store, now) = (&self.state.store, self.state.now());
        let page = action_targets::waiting(store, &self.host.host_key, take, now, QUEUE_PAGE).await?;
        let mut last = None;
        for waiting in page {
            last = Some(waiting.number);
            if waiting.was_sent {
                self.brought_again.insert(waiting.batch);
            }
            self.send(&ToAgent::Action {
                envelope: waiting.envelope,
                proof: waiting.proof,
            })
            .await?;
            let news = News {
                state: TargetState::Sent,
                percent: None,
                text: "",
                task: None,
            };
            self.apply(waiting.batch, news).await?;
        }
        Ok(last)
    }

    async fn send_hints(&mut self) -> Result<(), Ended> {
        let now = Instant::now();
        for index in 0..self.hints.len() {
            let due = self.hints.get_mut(index).filter(|hint| hint.due.is_some());
            if let Some(hint) = due
                && hint.take(now)
            {
                let what = hint.what;
                self.send(&ToAgent::Refresh { what }).await?;
            }
        }
        Ok(())
    }

    async fn receive(&mut self, message: AggregatedMessage) -> Result<(), Ended> {
        match message {
            AggregatedMessage::Text(text) => match serde_json::from_str::<FromAgent>(&text) {
                Ok(frame) => self.handle(frame).await,
                Err(error) => {
                    // A newer agent may say things that this server does not know.
                    tracing::debug!(host = %self.host.identifier, %error, "a frame was not understood");
                    Ok(())
                }
            },
            AggregatedMessage::Ping(bytes) => in_time(self.session.pong(&bytes)).await,
            AggregatedMessage::Pong(_) => Ok(()),
            AggregatedMessage::Binary(_) => Err(Ended::Protocol("frames are text".to_owned())),
            AggregatedMessage::Close(_) => Err(Ended::ByHost),
        }
    }

    async fn handle(&mut self, frame: FromAgent) -> Result<(), Ended> {
        match frame {
            FromAgent::Ack {
                batch,
                accepted: true,
                reason,
            } => {
                self.apply(
                    batch,
                    News {
                        state: TargetState::Accepted,
                        percent: None,
                        text: &reason,
                        task: None,
                    },
                )
                .await
            }
            FromAgent::Ack {
                batch,
                accepted: false,
                reason,
            } => {
                // The host took it over an earlier connection, and that acknowledgement was lost.
                let was_taken = self.brought_again.contains(&batch)
                    && reason.starts_with(ErrorCode::ActionReplayed.as_str());
                if was_taken {
                    let news = News {
                        state: TargetState::Accepted,
                        percent: None,
                        text: "",
                        task: None,
                    };
                    return self.apply(batch, news).await;
                }
                tracing::info!(host = %self.host.identifier, %batch, ?reason, "the host refused an action");
                let news = News {
                    state: TargetState::Refused,
                    percent: None,
                    text: &reason,
                    task: None,
                };
                self.apply(batch, news).await
            }
            FromAgent::Progress {
                task,
                batch,
                percent,
                text,
            } => {
                self.progress(
                    task,
                    batch,
                    percent.map(|percent| percent.min(100)),
                    &clip_sentence(&text),
                )
                .await
            }
            FromAgent::Finished {
                task,
                batch,
                state,
                summary,
            } => {
                let text = clip_sentence(&summary);
                self.publish_task(task, batch, None, &text, true);
                if let Some(batch) = batch {
                    let news = News {
                        state: state_of_finished(state),
                        percent: None,
                        text: &text,
                        task: Some(task),
                    };
                    self.apply(batch, news).await?;
                }
                self.running = None;
                self.show_running("").await
            }
        }
    }

    async fn progress(
        &mut self,
        task: Uuid,
        batch: Option<Uuid>,
        percent: Option<u8>,
        text: &str,
    ) -> Result<(), Ended> {
        let is_new = self.running != Some(task);
        if !is_new && self.progress_at.is_some_and(|at| at.elapsed() < PROGRESS_EVERY) {
            return Ok(());
        }
        self.progress_at = Some(Instant::now());
        self.publish_task(task, batch, percent, text, false);
        if let Some(batch) = batch {
            let news = News {
                state: TargetState::Running,
                percent,
                text,
                task: Some(task),
            };
            self.apply(batch, news).await?;
        }
        self.running = Some(task);
        self.show_running(if text.is_empty() { "working" } else { text })
            .await
    }

    async fn apply(&self, batch: Uuid, news: News<'_>) -> Result<(), Ended> {
        let state = self.state;
        let change =
            action_targets::apply(&state.store, &self.host.host_key, batch, news, state.now()).await?;
        if let Some(change) = change {
            state.events.publish(&Event::ActionTarget {
                batch: change.batch,
                target: change.target,
            });
        }
        Ok(())
    }

    async fn show_running(&self, text: &str) -> Result<(), Ended> {
        if host_rows::set_running(&self.state.store, &self.host.host_key, text, self.state.now()).await? {
            self.state.publish_host(&self.host.host_key).await?;
        }
        Ok(())
    }

    fn publish_task(&self, task: Uuid, batch: Option<Uuid>, percent: Option<u8>, text: &str, over: bool) {
        self.state.events.publish(&Event::Task {
            identifier: self.host.identifier.clone(),
            task,
            batch,
            percent,
            text: text.to_owned(),
            over,
        });
    }

    async fn send(&mut self, frame: &ToAgent) -> Result<(), Ended> {
        let text = serde_json::to_string(frame).map_err(|error| Ended::Protocol(error.to_string()))?;
        in_time(self.session.text(text)).await
    }
}

async fn in_time(send: impl Future<Output = Result<(), actix_ws::Closed>>) -> Result<(), Ended> {
    match timeout(SEND_LIMIT, send).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(_closed)) => Err(Ended::ByHost),
        Err(_elapsed) => Err(Ended::Slow),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hints_of_one_kind_keep_ten_seconds_between_them_and_merge() {
        let mut hint = Hint::new(Refresh::Repository);
        let start = Instant::now();
        hint.ask(start, Duration::ZERO);
        assert!(hint.take(start));
        hint.ask(start + Duration::from_secs(1), Duration::ZERO);
        hint.ask(start + Duration::from_secs(2), Duration::ZERO);
        assert!(!hint.take(start + Duration::from_secs(9)));
        assert!(hint.take(start + Duration::from_secs(10)));
        assert!(
            !hint.take(start + Duration::from_secs(11)),
            "two requests were one"
        );
    }

    #[test]
    fn a_spread_hint_waits_for_its_turn_unless_an_earlier_one_is_due() {
        let mut hint = Hint::new(Refresh::Repository);
        let start = Instant::now();
        hint.ask(start, Duration::from_secs(50));
        assert!(!hint.take(start + Duration::from_secs(49)));
        hint.ask(start + Duration::from_secs(49), Duration::ZERO);
        assert!(hint.take(start + Duration::from_secs(49)));
    }
}
