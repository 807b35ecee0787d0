//! `/api/v1/events`: server-sent events to consoles, resumed by `Last-Event-ID`.

use std::sync::Arc;
use std::time::Duration;

use actix_web::http::header::{CACHE_CONTROL, ContentEncoding};
use actix_web::{HttpRequest, HttpResponse, web};
use futures_util::stream;
use muster_shared::protocol::error::ErrorCode;
use muster_shared::protocol::event::Event;
use serde::Deserialize;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::{Interval, interval};

use crate::auth::rights::{Authorised, right};
use crate::error::{ApiError, ApiResult};
use crate::events::{Numbered, Subscription};
use crate::state::AppState;
use crate::store::sessions;

/// A comment goes out this often when nothing else does, so that proxies and clients know it lives; the
/// session is looked at then, too.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// Mounts the route.
pub fn routes(cfg: &mut web::ServiceConfig) {
    cfg.service(web::resource("/api/v1/events").route(web::get().to(listen)));
}

/// Clients that cannot set headers resume by the query.
#[derive(Debug, Deserialize)]
struct Resume {
    #[serde(default)]
    last_event_id: Option<u64>,
}

async fn listen(
    state: web::Data<AppState>,
    user: Authorised<right::View>,
    request: HttpRequest,
    query: web::Query<Resume>,
) -> ApiResult<HttpResponse> {
    let last = match request.headers().get("last-event-id") {
        None => query.last_event_id,
        Some(value) => Some(
            value
                .to_str()
                .ok()
                .and_then(|text| text.trim().parse().ok())
                .ok_or_else(|| {
                    ApiError::new(
                        ErrorCode::RequestInvalid,
                        "Last-Event-ID is not a number that this server gave",
                    )
                })?,
        ),
    };
    let subscription = state.events.subscribe(last);
    let stream = stream::unfold(
        Stream::new(state, user.token_hash, subscription),
        |mut stream| async move {
            stream
                .next()
                .await
                .map(|text| (Ok::<_, actix_web::Error>(web::Bytes::from(text)), stream))
        },
    );
    Ok(HttpResponse::Ok()
        .content_type("text/event-stream")
        .insert_header((CACHE_CONTROL, "no-store"))
        .insert_header(ContentEncoding::Identity)
        .insert_header(("x-accel-buffering", "no"))
        .streaming(stream))
}

struct Stream {
    state: web::Data<AppState>,
    token_hash: String,
    subscription: Subscription,
    /// What goes out before anything else.
    opening: Option<String>,
    keep_alive: Interval,
    over: bool,
}

impl Stream {
    fn new(state: web::Data<AppState>, token_hash: String, mut subscription: Subscription) -> Self {
        let mut opening = "retry: 2000\n\n".to_owned();
        if subscription.missed {
            opening.push_str(&reset(subscription.newest));
        }
        for event in subscription.backlog.drain(..) {
            opening.push_str(&text_of(&event));
        }
        Self {
            state,
            token_hash,
            subscription,
            opening: Some(opening),
            keep_alive: interval(KEEP_ALIVE),
            over: false,
        }
    }

    async fn next(&mut self) -> Option<String> {
        if let Some(opening) = self.opening.take() {
            // The first tick of an interval comes at once.
            self.keep_alive.tick().await;
            return Some(opening);
        }
        if self.over {
            return None;
        }
        tokio::select! {
            event = self.subscription.receiver.recv() => match event {
                Ok(event) => {
                    let mut text = text_of(&event);
                    // What else is there goes into the same packet.
                    while text.len() < 64 * 1024
                        && let Ok(event) = self.subscription.receiver.try_recv()
                    {
                        text.push_str(&text_of(&event));
                    }
                    Some(text)
                }
                Err(RecvError::Lagged(_)) => {
                    self.subscription = self.state.events.subscribe(None);
                    Some(reset(self.subscription.newest))
                }
                Err(RecvError::Closed) => None,
            },
            _ = self.keep_alive.tick() => self.still_signed_in().await,
            () = self.state.stop.cancelled() => None,
        }
    }

    /// A session that was ended ends its streams.
    async fn still_signed_in(&mut self) -> Option<String> {
        match sessions::find(&self.state.store, &self.token_hash, self.state.now()).await {
            Ok(None) => {
                self.over = true;
                Some(": the session has ended\n\n".to_owned())
            }
            Ok(Some(_)) | Err(_) => Some(":\n\n".to_owned()),
        }
    }
}

fn text_of(event: &Numbered) -> String {
    format!("id: {}\ndata: {}\n\n", event.number, event.json)
}

fn reset(newest: u64) -> String {
    let json: Arc<str> = serde_json::to_string(&Event::Reset).unwrap_or_default().into();
    text_of(&Numbered { number: newest, json })
}
