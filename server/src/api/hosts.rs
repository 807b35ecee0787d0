//! `/api/v1/hosts`: the fleet's table, one host, deciding on a pending one, deleting one.

use actix_web::middleware::Compress;
use actix_web::{HttpResponse, web};
use muster_shared::protocol::Page;
use muster_shared::protocol::error::ErrorCode;
use muster_shared::protocol::event::Event;
use muster_shared::protocol::host::{HostDetail, RegistrationDecision, RegistrationVerdict};

use super::paging::{ListQuery, MAX_FLEET_LIMIT, bad_cursor};
use crate::auth::rights::{Authorised, AuthorisedJson, right};
use crate::domain::identifier::{self, host_key};
use crate::domain::{host_filter, inventory::clip};
use crate::error::{ApiError, ApiResult};
use crate::state::AppState;
use crate::store::host_rows::{self, Sort};
use crate::store::hosts::Decided;
use crate::store::{host_blocks, hosts};

/// Mounts the routes.
pub fn routes(cfg: &mut web::ServiceConfig) {
    cfg.service(
        web::resource("/api/v1/hosts")
            .wrap(Compress::default())
            .route(web::get().to(list)),
    )
    .service(
        web::resource("/api/v1/hosts/{identifier}")
            .wrap(Compress::default())
            .route(web::get().to(detail))
            .route(web::delete().to(delete)),
    )
    .service(web::resource("/api/v1/hosts/{identifier}/registration").route(web::post().to(decide)));
}

async fn list(
    state: web::Data<AppState>,
    _user: Authorised<right::View>,
    query: web::Query<ListQuery>,
) -> ApiResult<HttpResponse> {
    let limit = query.limit(MAX_FLEET_LIMIT)?;
    let filter = host_filter::parse(query.filter.as_deref().unwrap_or_default())?;
    let sort = query.sort.as_deref().unwrap_or("name");
    let sort = Sort::parse(sort).ok_or_else(|| {
        ApiError::new(
            ErrorCode::RequestInvalid,
            format!("hosts cannot be sorted by {:?}", clip(sort)),
        )
        .hint(format!(
            "sort by one of {}",
            Sort::names().collect::<Vec<_>>().join(", ")
        ))
    })?;
    let after = match query.cursor.as_deref() {
        Some(cursor) if !identifier::is_identifier(cursor) => return Err(bad_cursor()),
        cursor => cursor.map(host_key),
    };
    let listing = host_rows::list(&state.store, &filter, sort, after.as_deref(), limit, state.now()).await?;
    Ok(HttpResponse::Ok().json(Page {
        items: listing.rows,
        total: listing.total,
        next: listing.next,
    }))
}

async fn detail(
    state: web::Data<AppState>,
    _user: Authorised<right::View>,
    identifier: web::Path<String>,
) -> ApiResult<HttpResponse> {
    let key = key_of(&identifier)?;
    let row = host_rows::get(state.store.readers(), &key)
        .await?
        .ok_or_else(|| ApiError::not_found("host", &identifier))?;
    let blocks = host_blocks::all(&state.store, &key).await?;
    Ok(HttpResponse::Ok().json(HostDetail { row, blocks }))
}

async fn delete(
    state: web::Data<AppState>,
    user: Authorised<right::Enrol>,
    identifier: web::Path<String>,
) -> ApiResult<HttpResponse> {
    let key = key_of(&identifier)?;
    if !hosts::delete(&state.store, &key).await? {
        return Err(ApiError::not_found("host", &identifier));
    }
    state.relay.forget(&key);
    state.events.publish(&Event::HostDeleted {
        identifier: identifier.clone(),
    });
    tracing::info!(host = %identifier, by = %user.user, "a host was deleted");
    Ok(HttpResponse::NoContent().finish())
}

async fn decide(
    state: web::Data<AppState>,
    request: AuthorisedJson<right::Enrol, RegistrationDecision>,
    identifier: web::Path<String>,
) -> ApiResult<HttpResponse> {
    let AuthorisedJson {
        user,
        body: RegistrationDecision { decision, keyid },
    } = request;
    let key = key_of(&identifier)?;
    if host_rows::get(state.store.readers(), &key).await?.is_none() {
        return Err(ApiError::not_found("host", &identifier));
    }
    let decided = match decision {
        RegistrationVerdict::Replace => {
            let replaced = hosts::accept_pending(&state.store, &key, &keyid).await?;
            if replaced == Decided::Done {
                // The connection of the old key, if there is one, is not this host's any more.
                state.relay.forget(&key);
            }
            replaced
        }
        RegistrationVerdict::Refuse => hosts::refuse_pending(&state.store, &key, &keyid, state.now()).await?,
    };
    match decided {
        Decided::Done => {}
        Decided::NobodyWaits => {
            return Err(
                ApiError::new(ErrorCode::Conflict, format!("{identifier} waits for no decision"))
                    .hint("somebody else may have decided; look at the host again"),
            );
        }
        Decided::AnotherWaits => {
            return Err(ApiError::new(
                ErrorCode::Changed,
                format!("another key than the one named waits for a decision on {identifier}"),
            )
            .hint("look at the host again and decide on the key that it shows now"));
        }
    }
    tracing::info!(host = %identifier, %keyid, by = %user.user, ?decision, "a registration was decided");
    state.publish_host(&key).await?;
    Ok(HttpResponse::NoContent().finish())
}

fn key_of(identifier: &str) -> ApiResult<String> {
    if identifier::is_identifier(identifier) {
        Ok(host_key(identifier))
    } else {
        Err(ApiError::not_found("host", &clip(identifier)))
    }
}
