//! Following an action on its hosts until it is over on all of them.

use std::collections::HashMap;
use std::time::Duration;

use muster_shared::protocol::action::{ActionDetail, TargetRow};
use muster_shared::protocol::event::Event;
use tokio::time::{Instant, sleep_until};

use crate::client::{Client, ClientError, Events, Incoming};

/// Even when no event comes, the server is asked this often.
const ASK_AGAIN: Duration = Duration::from_secs(20);

/// What became of an action so far, and live events about it.
#[derive(Debug)]
pub struct Follow {
    client: Client,
    events: Events,
    detail: ActionDetail,
    /// Where each target stands in `detail.targets`, by lower-case identifier.
    places: HashMap<String, usize>,
    ask_at: Instant,
    changed: Vec<TargetRow>,
}

impl Follow {
    /// Follows an action from where it stands.
    pub fn new(client: &Client, detail: ActionDetail) -> Self {
        let mut follow = Self {
            client: client.clone(),
            events: client.events(),
            places: HashMap::new(),
            changed: detail.targets.clone(),
            detail,
            ask_at: Instant::now() + ASK_AGAIN,
        };
        follow.index();
        follow
    }

    /// The action as known now.
    pub fn detail(&self) -> &ActionDetail {
        &self.detail
    }

    /// Nothing more will happen on any target.
    pub fn is_over(&self) -> bool {
        self.detail.targets.iter().all(|target| target.state.is_over())
    }

    /// The next targets that moved; empty when only the connection did. At once the first time.
    ///
    /// # Errors
    /// What trying again cannot mend: the session ended, or the server forgot the action.
    pub async fn next(&mut self) -> Result<Vec<TargetRow>, ClientError> {
        loop {
            if !self.changed.is_empty() {
                return Ok(std::mem::take(&mut self.changed));
            }
            if self.is_over() {
                return Ok(Vec::new());
            }
            let incoming = tokio::select! {
                incoming = self.events.next() => Some(incoming?),
                () = sleep_until(self.ask_at) => None,
            };
            match incoming {
                // Asked after the stream is open, so nothing falls between the two.
                None | Some(Incoming::Connected) => self.ask().await?,
                Some(Incoming::Lost { .. }) => return Ok(Vec::new()),
                Some(Incoming::Event(event)) => match *event {
                    Event::Reset => self.ask().await?,
                    Event::ActionTarget { batch, target } if batch == self.detail.row.batch => {
                        self.take(target);
                    }
                    _ => {}
                },
            }
        }
    }

    async fn ask(&mut self) -> Result<(), ClientError> {
        self.ask_at = Instant::now() + ASK_AGAIN;
        match self.client.action(self.detail.row.batch).await {
            Ok(detail) => {
                self.detail.row = detail.row;
                for target in detail.targets {
                    self.take(target);
                }
                Ok(())
            }
            Err(error) if error.is_temporary() => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn take(&mut self, target: TargetRow) {
        let place = self.places.get(&target.identifier.to_ascii_lowercase());
        let Some(known) = place.and_then(|place| self.detail.targets.get_mut(*place)) else {
            return;
        };
        // Events and answers overtake each other: what is over stays over, what is older is left out.
        let is_news = *known != target && known.changed_at <= target.changed_at && !known.state.is_over();
        if is_news {
            known.clone_from(&target);
            self.changed.push(target);
        }
    }

    fn index(&mut self) {
        let targets = self.detail.targets.iter().enumerate();
        self.places = targets
            .map(|(place, target)| (target.identifier.to_ascii_lowercase(), place))
            .collect();
    }
}

#[cfg(test)]
mod tests {
    use muster_shared::crypto::tls::ServerAddress;
    use muster_shared::protocol::action::TargetState;

    use super::*;

    fn target(identifier: &str, state: TargetState, second: i64) -> TargetRow {
        TargetRow {
            identifier: identifier.to_owned(),
            name: String::new(),
            state,
            percent: None,
            text: String::new(),
            changed_at: jiff::Timestamp::from_second(second).unwrap(),
        }
    }

    fn follow() -> Follow {
        let pin = "ab".repeat(32);
        let address = ServerAddress::parse(&format!("muster://srv.example.org#sha256={pin}")).unwrap();
        let detail = serde_json::from_value(serde_json::json!({
            "row": {
                "batch": "0190c2f0-7d5c-7000-8000-3f6a5b1c2d3e", "action": "upgrade", "signer": "Alice",
                "signer_fingerprint": pin, "submitted_by": "admin", "issued_at": "2026-01-01T00:00:00Z",
                "expires_at": "2026-01-02T00:00:00Z", "target_count": 2, "states": {},
            },
            "envelope": { "payloadType": "t", "payload": "", "signatures": [] },
            "targets": [target("PC-1", TargetState::Queued, 1), target("pc-2", TargetState::Queued, 1)],
        }));
        let mut follow = Follow::new(&Client::new(&address).unwrap(), detail.unwrap());
        assert_eq!(std::mem::take(&mut follow.changed).len(), 2);
        follow
    }

    #[test]
    fn news_of_a_target_counts_once_and_what_is_over_stays_over() {
        let mut follow = follow();
        follow.take(target("pc-1", TargetState::Running, 3));
        follow.take(target("PC-1", TargetState::Accepted, 2));
        follow.take(target("unknown", TargetState::Running, 3));
        assert_eq!(follow.changed.len(), 1);
        follow.take(target("pc-1", TargetState::Done, 4));
        follow.take(target("pc-1", TargetState::Running, 5));
        assert_eq!(follow.changed.len(), 2);
        assert!(!follow.is_over());
        follow.take(target("pc-2", TargetState::Expired, 5));
        assert!(follow.is_over());
    }
}
