//! `/api/v1/enrolment-tokens`: how new machines prove that the organisation expects them.

use actix_web::{HttpResponse, web};
use jiff::SignedDuration;
use muster_shared::protocol::Page;
use muster_shared::protocol::error::ErrorCode;
use muster_shared::protocol::token::{CreateToken, CreatedToken, TokenRow};

use crate::auth::rights::{Authorised, AuthorisedJson, right};
use crate::auth::secret;
use crate::domain::identifier;
use crate::domain::inventory::clip;
use crate::error::{ApiError, ApiResult};
use crate::state::AppState;
use crate::store::tokens;

/// The most machines that one token enrols.
const MAX_USES: u32 = 10_000;

/// The longest life of a token.
const MAX_LIFETIME_SECS: u64 = 365 * 24 * 3600;

/// Mounts the routes.
pub fn routes(cfg: &mut web::ServiceConfig) {
    cfg.service(
        web::resource("/api/v1/enrolment-tokens")
            .route(web::get().to(list))
            .route(web::post().to(create)),
    )
    .service(web::resource("/api/v1/enrolment-tokens/{id}").route(web::delete().to(delete)));
}

async fn list(state: web::Data<AppState>, _user: Authorised<right::Enrol>) -> ApiResult<HttpResponse> {
    let items = tokens::list(&state.store).await?;
    let total = items.len() as u64;
    Ok(HttpResponse::Ok().json(Page {
        items,
        total,
        next: None,
    }))
}

async fn create(
    state: web::Data<AppState>,
    request: AuthorisedJson<right::Enrol, CreateToken>,
) -> ApiResult<HttpResponse> {
    let AuthorisedJson { user, body: wanted } = request;
    let invalid = |message: String| Err(ApiError::new(ErrorCode::RequestInvalid, message));
    if !(1..=MAX_USES).contains(&wanted.uses) {
        return invalid(format!("a token has from 1 to {MAX_USES} uses"));
    }
    if !(1..=MAX_LIFETIME_SECS).contains(&wanted.lifetime_secs) {
        return invalid("a token lives from one second to 365 days".to_owned());
    }
    if let Some(identifier) = &wanted.identifier {
        identifier::check(identifier)?;
        if wanted.uses != 1 {
            return invalid("a token for one host has one use".to_owned());
        }
    }
    let now = state.now();
    let lifetime = SignedDuration::from_secs(i64::try_from(wanted.lifetime_secs).unwrap_or(i64::MAX));
    let (id, secret) = (secret::generate_id()?, secret::generate()?);
    let row = TokenRow {
        id: id.clone(),
        uses_left: wanted.uses,
        uses: wanted.uses,
        created_at: now,
        expires_at: now
            .checked_add(lifetime)
            .map_err(|error| ApiError::internal("computing an end", &error))?,
        created_by: user.user,
        note: clip(&wanted.note),
        identifier: wanted.identifier,
    };
    tokens::insert(&state.store, &row, &secret::hash(&secret)).await?;
    tracing::info!(token = %id, by = %row.created_by, uses = row.uses, "an enrolment token was made");
    Ok(HttpResponse::Created().json(CreatedToken {
        token: format!("{id}.{secret}"),
        row,
    }))
}

async fn delete(
    state: web::Data<AppState>,
    _user: Authorised<right::Enrol>,
    id: web::Path<String>,
) -> ApiResult<HttpResponse> {
    if tokens::delete(&state.store, &id).await? {
        Ok(HttpResponse::NoContent().finish())
    } else {
        Err(ApiError::not_found("enrolment token", &clip(&id)))
    }
}
