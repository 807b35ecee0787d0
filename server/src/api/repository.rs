//! The repository as agents of every age and browsers read it: files, icons, the index and a list.

use actix_web::http::header;
use actix_web::web::Bytes;
use actix_web::{HttpRequest, HttpResponse, web};
use muster_shared::request::split_list;
use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use crate::error::{ApiError, ApiResult};
use crate::repository::browse::{self, BrowsePage, BrowseRow};
use crate::repository::serve::{self, Content, Representation};
use crate::state::AppState;
use crate::store::packages::{self, PackageRecord};

/// The longest search text that is looked at, in characters.
const MAX_QUERY_CHARS: usize = 200;

/// Mounts the routes.
pub fn routes(cfg: &mut web::ServiceConfig) {
    cfg.service(
        web::resource("/wapt")
            .route(web::get().to(to_list))
            .route(web::head().to(to_list)),
    )
    .service(
        web::resource("/wapt/")
            .route(web::get().to(list))
            .route(web::head().to(list)),
    )
    .service(
        web::resource("/wapt/icons/{file}")
            .route(web::get().to(icon))
            .route(web::head().to(icon)),
    )
    .service(
        web::resource("/wapt/{file}")
            .route(web::get().to(file))
            .route(web::head().to(file)),
    );
}

async fn to_list() -> HttpResponse {
    HttpResponse::PermanentRedirect()
        .insert_header((header::LOCATION, "/wapt/"))
        .finish()
}

async fn file(
    state: web::Data<AppState>,
    request: HttpRequest,
    path: web::Path<String>,
) -> ApiResult<HttpResponse> {
    send(&request, state.repository.package_file(&path).await?).await
}

async fn icon(
    state: web::Data<AppState>,
    request: HttpRequest,
    path: web::Path<String>,
) -> ApiResult<HttpResponse> {
    send(&request, state.repository.icon_file(&path).await?).await
}

#[derive(Debug, Default, Deserialize)]
struct ListQuery {
    #[serde(default)]
    q: String,
    #[serde(default)]
    skip: u32,
}

async fn list(
    state: web::Data<AppState>,
    request: HttpRequest,
    query: web::Query<ListQuery>,
) -> ApiResult<HttpResponse> {
    let search: String = query.q.trim().chars().take(MAX_QUERY_CHARS).collect();
    let (records, total) = packages::search(&state.store, &search, query.skip, browse::PAGE_ROWS).await?;
    let modified = records
        .iter()
        .map(|record| record.uploaded_at)
        .max()
        .unwrap_or(state.started_at);
    let html = browse::page(&BrowsePage {
        server: state.config.name.clone(),
        query: search,
        rows: records.iter().map(browse_row).collect(),
        total,
        skipped: u64::from(query.skip),
    });
    let page = Representation {
        tag: hex::encode(Sha256::digest(html.as_bytes())),
        modified,
        content_type: "text/html; charset=utf-8",
        is_public: true,
        content: Content::Memory(Bytes::from(html)),
    };
    let mut response = send(&request, page).await?;
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_SECURITY_POLICY,
        header::HeaderValue::from_static(browse::CONTENT_SECURITY_POLICY),
    );
    headers.insert(
        header::REFERRER_POLICY,
        header::HeaderValue::from_static("no-referrer"),
    );
    Ok(response)
}

async fn send(request: &HttpRequest, file: Representation) -> ApiResult<HttpResponse> {
    serve::answer(request, file)
        .await
        .map_err(|error| ApiError::internal("reading a file of the repository", &error))
}

fn browse_row(record: &PackageRecord) -> BrowseRow {
    let control = &record.control;
    let mut variant = Vec::new();
    if control.architecture() != "all" {
        variant.push(control.architecture().to_owned());
    }
    for attribute in ["maturity", "locale", "target_os"] {
        let words: Vec<&str> = split_list(control.get(attribute))
            .filter(|word| *word != "all")
            .collect();
        if !words.is_empty() {
            variant.push(words.join(", "));
        }
    }
    BrowseRow {
        package: control.package().to_owned(),
        name: control.get("name").to_owned(),
        version: control.version().to_owned(),
        variant: variant.join(" · "),
        section: control.section().to_owned(),
        description: control.get("description").to_owned(),
        size: record.size,
        signer: record.signer.clone(),
        uploaded_at: record.uploaded_at,
        filename: record.filename.clone(),
        icon: record.has_icon.then(|| control.get("package_uuid").to_owned()),
    }
}
