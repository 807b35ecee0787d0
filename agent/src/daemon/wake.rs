//! What the actor wakes up for: one thing at a time, each in its turn, the end first.

use std::time::Duration;

use muster_shared::protocol::live::ToAgent;
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;

use super::actor::Actor;
use super::command::Command;
use super::event::Event;

/// What the actor woke up for.
pub(super) enum Woken {
    Stop,
    Command(Command),
    Event(Option<Event>),
    Frame(Option<ToAgent>),
    Connection(bool),
    Clock,
    Report,
    Progress,
    ShutdownLimit,
}

impl Actor {
    /// Sleeps until there is something to do.
    pub(super) async fn wait(&mut self, stop: &CancellationToken) -> Woken {
        if stop.is_cancelled() {
            return Woken::Stop;
        }
        let now = Instant::now();
        let idle_for = match self.storage.pause() {
            Some(pause) => pause,
            None => self.pace.real(self.idle_for()),
        };
        let report_at = self.reports.next();
        let progress_at = self.throttle.due();
        let limit_at = self.pre_shutdown.as_ref().map(|work| work.until);
        // A server that floods this host is read as fast as its allowance grows, and no faster.
        let frame_at = now + self.frames.wait(now);
        let far = now + Duration::from_hours(24);
        let (link, connected) = (&mut self.link, &mut self.connected);
        let frame = async {
            match link {
                Some(link) => {
                    if frame_at > now {
                        sleep_until(frame_at).await;
                    }
                    link.incoming.recv().await
                }
                None => std::future::pending().await,
            }
        };
        let connection = async {
            match connected {
                Some(connected) => match connected.changed().await {
                    Ok(()) => *connected.borrow_and_update(),
                    Err(_ended) => std::future::pending().await,
                },
                None => std::future::pending().await,
            }
        };
        // By chance among those that are ready: a script that writes without end must not keep others waiting.
        tokio::select! {
            () = stop.cancelled() => Woken::Stop,
            event = self.events.recv() => Woken::Event(event),
            () = sleep_until(limit_at.unwrap_or(far)), if limit_at.is_some() => Woken::ShutdownLimit,
            frame = frame => Woken::Frame(frame),
            Some(command) = self.commands.recv() => Woken::Command(command),
            is_connected = connection => Woken::Connection(is_connected),
            () = sleep_until(progress_at.unwrap_or(far)), if progress_at.is_some() => Woken::Progress,
            () = sleep_until(report_at.unwrap_or(far)), if report_at.is_some() => Woken::Report,
            () = sleep(idle_for) => Woken::Clock,
        }
    }
}
