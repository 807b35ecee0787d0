//! `DELETE /api/v1/host`: a host has itself forgotten.

use actix_web::{HttpResponse, web};
use muster_shared::protocol::event::Event;

use crate::auth::host_signature::SignedHost;
use crate::error::ApiResult;
use crate::state::AppState;
use crate::store::hosts;

/// Mounts the route.
pub fn routes(cfg: &mut web::ServiceConfig) {
    cfg.service(web::resource("/api/v1/host").route(web::delete().to(unregister)));
}

async fn unregister(state: web::Data<AppState>, host: SignedHost) -> ApiResult<HttpResponse> {
    hosts::delete(&state.store, &host.host_key).await?;
    state.relay.forget(&host.host_key);
    state.events.publish(&Event::HostDeleted {
        identifier: host.identifier.clone(),
    });
    tracing::info!(host = %host.identifier, "a host had itself forgotten");
    Ok(HttpResponse::NoContent().finish())
}
