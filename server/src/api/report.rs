//! `/api/v1/host/report`: a host's differential inventory.

use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::{HttpRequest, HttpResponse, rt, web};
use muster_shared::protocol::event::Event;
use muster_shared::protocol::host::PUBLIC_ADDRESS_HEADER;
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

async fn report(
    state: web::Data<AppState>,
    request: HttpRequest,
    host: SignedHost,
) -> ApiResult<HttpResponse> {
    let (body, identifier) = (host.body.clone(), host.identifier.clone());
    // Parsing and hashing a whole inventory takes a while: not on a request thread.
    let report = web::block(move || inventory::check_report(&body, &identifier))
        .await
        .map_err(|error| ApiError::internal("reading a report", &error))??;
    // On its own: a host that goes away must not leave consoles untold of what was written.
    let mut answer = rt::spawn(async move { write(&state, &host.host_key, &report).await })
        .await
        .map_err(|error| ApiError::internal("writing a report", &error))??;
    // A host that lies about a proxy in front deceives itself.
    let address = request.connection_info().realip_remote_addr().map(str::to_owned);
    if let Some(address) = address.and_then(|address| HeaderValue::from_str(&address).ok()) {
        let name = HeaderName::from_static(PUBLIC_ADDRESS_HEADER);
        answer.headers_mut().insert(name, address);
    }
    Ok(answer)
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
