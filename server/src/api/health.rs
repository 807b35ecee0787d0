//! `/api/v1/health`: open to everyone, says nothing secret.

use actix_web::{HttpResponse, web};
use muster_shared::protocol::Health;

use crate::error::ApiResult;
use crate::state::AppState;

/// Mounts the route.
pub fn routes(cfg: &mut web::ServiceConfig) {
    cfg.service(web::resource("/api/v1/health").route(web::get().to(health)));
}

async fn health(state: web::Data<AppState>) -> ApiResult<HttpResponse> {
    // A server whose database does not answer is not healthy.
    sqlx::query("SELECT 1").execute(state.store.readers()).await?;
    Ok(HttpResponse::Ok().json(Health {
        status: "ok".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        name: state.config.name.clone(),
        time: state.now(),
    }))
}
