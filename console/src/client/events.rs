//! Live events: server-sent events read as they come, resumed after a lost connection.

use std::time::Duration;

use muster_shared::protocol::event::Event;
use reqwest::header::{ACCEPT, HeaderValue};
use reqwest::{Method, Response};
use tokio::time::{Instant, sleep_until, timeout};

use super::{Client, ClientError};

/// The server sends at least a comment this often; longer silence means the connection is dead.
const SILENCE_WITHIN: Duration = Duration::from_secs(90);
const FIRST_RETRY: Duration = Duration::from_millis(500);
const LAST_RETRY: Duration = Duration::from_secs(30);
/// No event is larger than the largest action detail.
const EVENT_LIMIT: usize = 4 * 1024 * 1024;

/// What comes out of [`Events::next`].
#[derive(Debug, Clone)]
pub enum Incoming {
    /// The stream is open (again); anything missed follows, or [`Event::Reset`] says to load lists again.
    Connected,
    Event(Box<Event>),
    /// The connection was lost; the next call waits this long and tries again.
    Lost {
        error: ClientError,
        retry_in: Duration,
    },
}

/// The stream of events of one server. Dropping it ends the request.
#[derive(Debug)]
pub struct Events {
    client: Client,
    last_id: Option<String>,
    state: State,
    retry: Duration,
}

#[derive(Debug)]
enum State {
    /// Connect at this instant (`None`: at once).
    Waiting(Option<Instant>),
    Open {
        response: Box<Response>,
        parser: Parser,
    },
}

impl Client {
    /// Live events from now on.
    pub fn events(&self) -> Events {
        self.events_after(None)
    }

    /// Live events after the one with this identifier.
    pub fn events_after(&self, last_id: Option<String>) -> Events {
        Events {
            client: self.clone(),
            last_id,
            state: State::Waiting(None),
            retry: FIRST_RETRY,
        }
    }
}

impl Events {
    /// The next thing that happens. Safe to drop while waiting (for `select!`): nothing is lost.
    ///
    /// # Errors
    /// Only what trying again cannot mend: no valid session, no right, another certificate.
    pub async fn next(&mut self) -> Result<Incoming, ClientError> {
        loop {
            match &mut self.state {
                State::Waiting(at) => {
                    if let Some(at) = *at {
                        sleep_until(at).await;
                    }
                    return match self.open().await {
                        Ok(response) => {
                            self.retry = FIRST_RETRY;
                            self.state = State::Open {
                                response: Box::new(response),
                                parser: Parser::default(),
                            };
                            Ok(Incoming::Connected)
                        }
                        Err(error) if error.is_temporary() => Ok(self.lost(error)),
                        Err(error) => Err(error),
                    };
                }
                State::Open { response, parser } => {
                    if let Some(message) = parser.next() {
                        if message.id.is_some() {
                            self.last_id = message.id;
                        }
                        match serde_json::from_str::<Event>(&message.data) {
                            Ok(event) => return Ok(Incoming::Event(Box::new(event))),
                            // A newer server may send kinds that this version does not know.
                            Err(error) => {
                                tracing::debug!(%error, "an event was left out");
                                continue;
                            }
                        }
                    }
                    let error = match timeout(SILENCE_WITHIN, response.chunk()).await {
                        Ok(Ok(Some(chunk))) => {
                            if parser.push(&chunk) {
                                continue;
                            }
                            ClientError::TooLarge {
                                server: self.client.base_url().to_owned(),
                                request: "the events".to_owned(),
                                limit: EVENT_LIMIT as u64,
                            }
                        }
                        Ok(Ok(None)) => ClientError::Unreachable {
                            server: self.client.base_url().to_owned(),
                            reason: "the server closed the event stream".to_owned(),
                        },
                        Ok(Err(error)) => self.client.transport_error(&error).await,
                        Err(_elapsed) => ClientError::Timeout {
                            server: self.client.base_url().to_owned(),
                            after: SILENCE_WITHIN,
                        },
                    };
                    return Ok(self.lost(error));
                }
            }
        }
    }

    fn lost(&mut self, error: ClientError) -> Incoming {
        let retry_in = self.retry;
        self.state = State::Waiting(Some(Instant::now() + retry_in));
        self.retry = (retry_in * 2).min(LAST_RETRY);
        Incoming::Lost { error, retry_in }
    }

    async fn open(&self) -> Result<Response, ClientError> {
        let mut request = self
            .client
            .request_with(&self.client.http_events, Method::GET, "/api/v1/events", &[])?
            .header(ACCEPT, "text/event-stream");
        if let Some(id) = self
            .last_id
            .as_deref()
            .and_then(|id| HeaderValue::from_str(id).ok())
        {
            request = request.header("last-event-id", id);
        }
        let opened = timeout(SILENCE_WITHIN, self.client.send(request)).await;
        opened.unwrap_or_else(|_elapsed| {
            Err(ClientError::Timeout {
                server: self.client.base_url().to_owned(),
                after: SILENCE_WITHIN,
            })
        })
    }
}

/// One message of the stream.
#[derive(Debug, PartialEq, Eq)]
struct Message {
    id: Option<String>,
    data: String,
}

/// Cuts the byte stream into messages, as the HTML standard defines server-sent events.
#[derive(Debug, Default)]
struct Parser {
    bytes: Vec<u8>,
    /// Where in `bytes` reading goes on.
    at: usize,
    id: Option<String>,
    data: String,
}

impl Parser {
    /// Takes more bytes; `false` when one message has grown past the limit.
    fn push(&mut self, chunk: &[u8]) -> bool {
        self.bytes.drain(..self.at);
        self.at = 0;
        self.bytes.extend_from_slice(chunk);
        self.bytes.len() + self.data.len() <= EVENT_LIMIT
    }

    /// The next whole message, when there is one.
    fn next(&mut self) -> Option<Message> {
        while let Some(line) = self.line() {
            if line.is_empty() {
                let id = self.id.take();
                let data = std::mem::take(&mut self.data);
                if !data.is_empty() {
                    return Some(Message { id, data });
                }
                continue;
            }
            let (field, value) = line.split_once(':').unwrap_or((&line, ""));
            let value = value.strip_prefix(' ').unwrap_or(value);
            match field {
                "data" => {
                    if !self.data.is_empty() {
                        self.data.push('\n');
                    }
                    self.data.push_str(value);
                }
                "id" if !value.contains('\0') => self.id = Some(value.to_owned()),
                // Comments (empty field), `event` and `retry` carry nothing that we use.
                _ => {}
            }
        }
        None
    }

    fn line(&mut self) -> Option<String> {
        let rest = self.bytes.get(self.at..)?;
        let end = rest.iter().position(|byte| *byte == b'\n')?;
        let line = rest.get(..end)?;
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let text = String::from_utf8_lossy(line).into_owned();
        self.at += end + 1;
        Some(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_found_however_the_bytes_are_cut() {
        let stream = b": hello\n\nid: 7\ndata: {\"a\":1}\n\ndata: x\r\ndata:y\r\n\r\nevent: z\n\nid: 9\n";
        for size in 1..stream.len() {
            let mut parser = Parser::default();
            let mut messages = Vec::new();
            for chunk in stream.chunks(size) {
                assert!(parser.push(chunk));
                messages.extend(std::iter::from_fn(|| parser.next()));
            }
            assert_eq!(
                messages,
                [
                    Message {
                        id: Some("7".into()),
                        data: "{\"a\":1}".into()
                    },
                    Message {
                        id: None,
                        data: "x\ny".into()
                    },
                ],
                "in chunks of {size}"
            );
        }
    }

    #[test]
    fn an_endless_message_is_given_up() {
        let mut parser = Parser::default();
        let chunk = vec![b'x'; 1024 * 1024];
        let taken = (0..8).take_while(|_| parser.push(&chunk)).count();
        assert_eq!(taken, 4);
    }
}
