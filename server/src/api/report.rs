//! `/api/v1/host/report`: a host's differential inventory.

use actix_web::{HttpResponse, rt, web};
use muster_shared::protocol::event::Event;
use muster_shared::protocol::inventory::ReportAnswer;

use crate::auth::host_signature::SignedHost;
use crate::domain::inventory::{self, CheckedReport};
use crate::error::{ApiError, ApiResult};
use crate::state::AppState;
use crate::store::host_blocks;

/// Mounts the route.
pub fn routes(cfg: &mut web::ServiceConfig) {
    cfg.service(web::resource("/api/v1/host/report").route(web::post().to(report)));
}

async fn report(state: web::Data<AppState>, host: SignedHost) -> ApiResult<HttpResponse> {
    let (body, identifier) = (host.body.clone(), host.identifier.clone());
    // Parsing and hashing a whole inventory takes a while: not on a request thread.
    let report = web::block(move || inventory::check_report(&body, &identifier))
        .await
        .map_err(|error| ApiError::internal("reading a report", &error))??;
    // On its own: a host that goes away must not leave consoles untold of what was written.
    rt::spawn(async move { write(&state, &host.host_key, &report).await })
        .await
        .map_err(|error| ApiError::internal("writing a report", &error))?
}

async fn write(state: &AppState, host_key: &str, report: &CheckedReport) -> ApiResult<HttpResponse> {
    let now = state.now();
    let applied = host_blocks::apply(&state.store, host_key, report, now).await?;
    state.publish_host(host_key).await?;
    for change in applied.targets {
        state.events.publish(&Event::ActionTarget {
            batch: change.batch,
            target: change.target,
        });
    }
    Ok(HttpResponse::Ok().json(ReportAnswer {
        hashes: applied.hashes,
        server_time: now,
    }))
}
