//! `/api/v1/session`: signing in, who am I, signing out.

use actix_web::{HttpResponse, web};
use muster_shared::protocol::session::{SignIn, WhoAmI};

use crate::auth::rights::{Authorised, right};
use crate::auth::session;
use crate::error::ApiResult;
use crate::state::AppState;
use crate::store::sessions;

/// Mounts the routes.
pub fn routes(cfg: &mut web::ServiceConfig) {
    cfg.service(
        web::resource("/api/v1/session")
            .route(web::post().to(sign_in))
            .route(web::get().to(who_am_i))
            .route(web::delete().to(sign_out)),
    );
}

async fn sign_in(state: web::Data<AppState>, body: web::Json<SignIn>) -> ApiResult<HttpResponse> {
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
