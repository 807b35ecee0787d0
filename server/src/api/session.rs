//! `/api/v1/session`: signing in, who am I, signing out.

use std::time::Duration;

use actix_web::{FromRequest as _, HttpRequest, HttpResponse, web};
use muster_shared::protocol::error::ErrorCode;
use muster_shared::protocol::session::{SignIn, WhoAmI};
use tokio::time::timeout;

use crate::auth::rights::{Authorised, right};
use crate::auth::session;
use crate::error::{ApiError, ApiResult};
use crate::http::limits;
use crate::state::AppState;
use crate::store::sessions;

/// The largest body of a sign-in.
const MAX_SIGN_IN: usize = 8 * 1024;

/// How long it may take to arrive.
const SIGN_IN_WITHIN: Duration = Duration::from_secs(30);

/// Mounts the routes.
pub fn routes(cfg: &mut web::ServiceConfig) {
    cfg.service(
        web::resource("/api/v1/session")
            .app_data(limits::json(MAX_SIGN_IN))
            .route(web::post().to(sign_in))
            .route(web::get().to(who_am_i))
            .route(web::delete().to(sign_out)),
    );
}

/// Open to everyone, so the body is small and must come in time.
async fn sign_in(
    state: web::Data<AppState>,
    request: HttpRequest,
    payload: web::Payload,
) -> actix_web::Result<HttpResponse> {
    let mut payload = payload.into_inner();
    let reading = web::Json::<SignIn>::from_request(&request, &mut payload);
    let body = timeout(SIGN_IN_WITHIN, reading)
        .await
        .map_err(|_elapsed| ApiError::new(ErrorCode::RequestInvalid, "the body did not arrive in time"))??;
    Ok(HttpResponse::Ok().json(session::sign_in(&state, body.into_inner()).await?))
}

async fn who_am_i(user: Authorised<right::Any>) -> HttpResponse {
    HttpResponse::Ok().json(WhoAmI {
        user: user.user,
        role: user.role,
        expires_at: user.expires_at,
    })
}

async fn sign_out(state: web::Data<AppState>, user: Authorised<right::Any>) -> ApiResult<HttpResponse> {
    sessions::delete(&state.store, &user.token_hash).await?;
    Ok(HttpResponse::NoContent().finish())
}
