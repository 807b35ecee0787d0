//! `/waptwua/`: the catalogue of Windows updates and their files, for every host.

use actix_web::{HttpRequest, HttpResponse, web};

use crate::error::{ApiError, ApiResult};
use crate::repository::{serve, updates};
use crate::state::AppState;

/// Mounts the routes.
pub fn routes(cfg: &mut web::ServiceConfig) {
    cfg.service(
        web::resource("/waptwua/{path:.+}")
            .route(web::get().to(file))
            .route(web::head().to(file)),
    );
}

async fn file(
    state: web::Data<AppState>,
    request: HttpRequest,
    path: web::Path<String>,
) -> ApiResult<HttpResponse> {
    let folder = state.config.data_folder().updates();
    let found = updates::find(folder, path.into_inner()).await?;
    serve::answer(&request, found)
        .await
        .map_err(|error| ApiError::internal("reading a file of Windows updates", &error))
}
