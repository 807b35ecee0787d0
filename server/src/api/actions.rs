//! `/api/v1/actions`: submitting a signed action, and following what becomes of it.

use actix_web::middleware::Compress;
use actix_web::{HttpResponse, rt, web};
use muster_shared::protocol::Page;
use muster_shared::protocol::action::SubmitAction;
use muster_shared::protocol::error::ErrorCode;
use muster_shared::protocol::event::Event;
use uuid::Uuid;

use super::paging::{ListQuery, MAX_LIMIT, bad_cursor};
use crate::auth::rights::{Authorised, AuthorisedJson, right};
use crate::domain::action::{self, CheckedAction, MAX_ENVELOPE_BYTES};
use crate::domain::identifier::host_key;
use crate::error::{ApiError, ApiResult};
use crate::http::limits;
use crate::state::AppState;
use crate::store::actions::{self, Submitted};

/// The largest submission: an envelope and 100,000 identifiers.
const MAX_SUBMISSION: usize = 8 * 1024 * 1024;

/// Unknown hosts named in an error.
const NAMED_UNKNOWN: usize = 20;

/// Mounts the routes.
pub fn routes(cfg: &mut web::ServiceConfig) {
    cfg.service(
        web::resource("/api/v1/actions")
            .app_data(limits::json(MAX_SUBMISSION))
            .wrap(Compress::default())
            .route(web::get().to(list))
            .route(web::post().to(submit)),
    )
    .service(
        web::resource("/api/v1/actions/{batch}")
            .wrap(Compress::default())
            .route(web::get().to(detail)),
    );
}

async fn submit(
    state: web::Data<AppState>,
    request: AuthorisedJson<right::Act, SubmitAction>,
) -> ApiResult<HttpResponse> {
    let AuthorisedJson {
        user,
        body: submitted,
    } = request;
    let size = serde_json::to_vec(&submitted.envelope).map_or(usize::MAX, |bytes| bytes.len());
    if size > MAX_ENVELOPE_BYTES {
        return Err(ApiError::new(
            ErrorCode::BodyTooLarge,
            format!("the signed action has {size} bytes, at most {MAX_ENVELOPE_BYTES} reach a host"),
        )
        .hint("name fewer packages"));
    }
    let now = state.now();
    let trust = state
        .signers
        .current()
        .map_err(|error| ApiError::internal("reading the trusted signers", &error))?;
    // Signatures and the tree over the targets take a while: not on a request thread.
    let checked = web::block(move || action::check(submitted, &trust, now))
        .await
        .map_err(|error| ApiError::internal("checking an action", &error))??;
    // On its own: a client that goes away must not leave hosts untold of an action that is on disk.
    rt::spawn(async move { store_and_bring(&state, &checked, &user.user).await })
        .await
        .map_err(|error| ApiError::internal("storing an action", &error))?
}

async fn store_and_bring(state: &AppState, checked: &CheckedAction, user: &str) -> ApiResult<HttpResponse> {
    let batch = checked.payload.batch;
    let (number, cancelled) = match actions::submit(&state.store, checked, user, state.now()).await? {
        Submitted::Stored { number, cancelled } => (number, cancelled),
        Submitted::Replayed => {
            return Err(ApiError::new(
                ErrorCode::ActionReplayed,
                format!("the action {batch} was submitted before"),
            )
            .hint("sign it again to order it again"));
        }
        Submitted::UnknownHosts(unknown) => return Err(unknown_hosts(&unknown)),
    };
    tracing::info!(
        %batch, action = %checked.payload.action, targets = checked.targets.len(),
        signer = %checked.signer, by = user, "an action was submitted"
    );
    if let Some(row) = actions::queued_row(&state.store, number).await? {
        state.events.publish(&Event::Action { row: Box::new(row) });
    }
    for change in cancelled {
        state.events.publish(&Event::ActionTarget {
            batch: change.batch,
            target: change.target,
        });
    }
    let keys: Vec<String> = checked.targets.iter().map(|target| host_key(target)).collect();
    state.relay.actions_waiting(keys.iter().map(String::as_str));
    found(state, batch).await
}

async fn list(
    state: web::Data<AppState>,
    _user: Authorised<right::View>,
    query: web::Query<ListQuery>,
) -> ApiResult<HttpResponse> {
    let limit = query.limit(MAX_LIMIT)?;
    let is_given = |parameter: &Option<String>| parameter.as_deref().is_some_and(|text| !text.is_empty());
    if is_given(&query.filter) || is_given(&query.sort) {
        return Err(ApiError::new(
            ErrorCode::RequestInvalid,
            "actions are listed newest first, without filter= and sort=",
        ));
    }
    let before = match query.cursor.as_deref() {
        None => None,
        Some(cursor) => Some(cursor.parse::<i64>().map_err(|_error| bad_cursor())?),
    };
    let (items, total, next) = actions::list(&state.store, before, limit).await?;
    Ok(HttpResponse::Ok().json(Page {
        items,
        total,
        next: next.map(|number| number.to_string()),
    }))
}

async fn detail(
    state: web::Data<AppState>,
    _user: Authorised<right::View>,
    batch: web::Path<Uuid>,
) -> ApiResult<HttpResponse> {
    found(&state, *batch).await
}

async fn found(state: &AppState, batch: Uuid) -> ApiResult<HttpResponse> {
    let detail = actions::detail(&state.store, batch)
        .await?
        .ok_or_else(|| ApiError::not_found("action", &batch.to_string()))?;
    Ok(HttpResponse::Ok().json(detail))
}

fn unknown_hosts(unknown: &[String]) -> ApiError {
    let mut named = unknown
        .iter()
        .take(NAMED_UNKNOWN)
        .cloned()
        .collect::<Vec<_>>()
        .join(", ");
    if unknown.len() > NAMED_UNKNOWN {
        let more = unknown.len() - NAMED_UNKNOWN;
        named = format!("{named} and {more} more");
    }
    ApiError::new(ErrorCode::NotFound, format!("this server has no host {named}"))
        .hint("load the list of hosts again, then sign for those that are there")
}
