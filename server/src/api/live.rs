//! `/api/v1/host/live`: the live channel of a host, a WebSocket opened with a signed request.

use actix_web::{HttpRequest, HttpResponse, rt, web};
use muster_shared::protocol::error::ErrorCode;
use muster_shared::protocol::live::MAX_FRAME_BYTES;

use crate::auth::host_signature::SignedUpgrade;
use crate::error::{ApiError, ApiResult};
use crate::relay::connection;
use crate::state::AppState;

/// Mounts the route.
pub fn routes(cfg: &mut web::ServiceConfig) {
    cfg.service(web::resource("/api/v1/host/live").route(web::get().to(open)));
}

async fn open(
    state: web::Data<AppState>,
    host: SignedUpgrade,
    request: HttpRequest,
    payload: web::Payload,
) -> ApiResult<HttpResponse> {
    let (response, session, frames) = actix_ws::handle(&request, payload).map_err(|error| {
        ApiError::new(
            ErrorCode::RequestInvalid,
            format!("this is no WebSocket handshake: {error}"),
        )
    })?;
    let frames = frames
        .max_frame_size(MAX_FRAME_BYTES)
        .aggregate_continuations()
        .max_continuation_size(MAX_FRAME_BYTES);
    let channel = connection::serve(state.clone(), host, session, frames);
    rt::spawn(state.channels.track_future(channel));
    Ok(response)
}
