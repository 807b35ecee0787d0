//! The packages of the repository: listed, uploaded, deleted.

use std::collections::BTreeSet;

use actix_web::{HttpRequest, HttpResponse, web};
use muster_shared::filter::Filter;
use muster_shared::hint::{Hint as _, chain};
use muster_shared::protocol::Page;
use muster_shared::protocol::error::ErrorCode;
use muster_shared::protocol::event::Event;
use muster_shared::protocol::live::Refresh;
use muster_shared::protocol::package::{PackageRow, Uploaded};

use crate::api::paging::{ListQuery, MAX_LIMIT, bad_cursor};
use crate::auth::rights::{Authorised, right};
use crate::error::{ApiError, ApiResult};
use crate::repository::RepositoryError;
use crate::repository::list::{self, SortField};
use crate::repository::upload::Announced;
use crate::state::AppState;
use crate::store::packages::{self, PackageRecord};

/// Mounts the routes.
pub fn routes(cfg: &mut web::ServiceConfig) {
    cfg.service(
        web::resource("/api/v1/packages")
            .route(web::get().to(list))
            .route(web::post().to(upload)),
    )
    .service(web::resource("/api/v1/packages/{filename}").route(web::delete().to(delete)));
}

async fn list(
    state: web::Data<AppState>,
    _user: Authorised<right::View>,
    query: web::Query<ListQuery>,
) -> ApiResult<web::Json<Page<PackageRow>>> {
    let limit = query.limit(MAX_LIMIT)?;
    let filter = Filter::parse(query.filter.as_deref().unwrap_or_default())
        .map_err(|error| ApiError::new(ErrorCode::FilterInvalid, chain(&error)).hints(error.hints()))?;
    let (field, is_descending) = sort_of(query.sort.as_deref().unwrap_or_default())?;
    let now = state.now();
    let mut records = packages::all(&state.store).await?;
    records.retain(|record| list::matches(record, &filter, now));
    let mut rows = with_host_counts(&state, &records).await?;
    list::sort(&mut rows, field, is_descending);
    let begin = match query.cursor.as_deref() {
        None => 0,
        Some(cursor) => {
            1 + rows
                .iter()
                .position(|row| row.filename == cursor)
                .ok_or_else(bad_cursor)?
        }
    };
    let total = rows.len();
    let items: Vec<PackageRow> = rows.into_iter().skip(begin).take(limit).collect();
    let has_more = begin + items.len() < total;
    let next = items.last().filter(|_| has_more).map(|row| row.filename.clone());
    Ok(web::Json(Page {
        items,
        total: total as u64,
        next,
    }))
}

async fn upload(
    state: web::Data<AppState>,
    user: Authorised<right::EditPackages>,
    request: HttpRequest,
    payload: web::Payload,
) -> ApiResult<HttpResponse> {
    let announced = Announced::read(&request)?;
    let received = state.repository.receive(payload, announced).await?;
    // On its own: a client that goes away must not leave half a publish behind.
    let published = actix_web::rt::spawn(async move {
        let published = state.repository.publish(received, &user.user).await?;
        if !published.unchanged {
            announce(&state, &published.record).await;
        }
        Ok::<_, RepositoryError>(published)
    });
    let published = published.await.map_err(RepositoryError::Task)??;
    let record = published.record;
    Ok(HttpResponse::Ok().json(Uploaded {
        package: record.control.package().to_owned(),
        version: record.control.version().to_owned(),
        filename: record.filename,
        sha256: record.sha256,
        unchanged: published.unchanged,
    }))
}

async fn delete(
    state: web::Data<AppState>,
    user: Authorised<right::EditPackages>,
    path: web::Path<String>,
) -> ApiResult<HttpResponse> {
    let filename = path.into_inner();
    let deleted = actix_web::rt::spawn(async move {
        state.repository.delete(&filename, &user.user).await?;
        state.events.publish(&Event::PackageDeleted { filename });
        state.relay.refresh_all(Refresh::Repository);
        Ok::<_, RepositoryError>(())
    });
    deleted.await.map_err(RepositoryError::Task)??;
    Ok(HttpResponse::NoContent().finish())
}

/// Tells consoles and hosts of a new package.
async fn announce(state: &AppState, record: &PackageRecord) {
    match with_host_counts(state, std::slice::from_ref(record)).await {
        Ok(rows) => {
            for row in rows {
                state.events.publish(&Event::Package { row: Box::new(row) });
            }
        }
        Err(error) => {
            tracing::warn!(%error, file = %record.filename, "consoles are not told of a package");
        }
    }
    state.relay.refresh_all(Refresh::Repository);
}

async fn with_host_counts(state: &AppState, records: &[PackageRecord]) -> ApiResult<Vec<PackageRow>> {
    let names: BTreeSet<String> = records
        .iter()
        .map(|record| record.control.package().to_owned())
        .collect();
    let counts = packages::host_counts(&state.store, &names).await?;
    let rows = records.iter().map(|record| {
        let key = (
            record.control.package().to_owned(),
            record.control.version().to_owned(),
        );
        record.to_row(counts.get(&key).copied().unwrap_or(0))
    });
    Ok(rows.collect())
}

/// `size`, `-size`; the names of packages when nothing is said.
fn sort_of(text: &str) -> ApiResult<(SortField, bool)> {
    let (name, is_descending) = match text.strip_prefix('-') {
        Some(name) => (name, true),
        None => (text, false),
    };
    if name.is_empty() {
        return Ok((SortField::Package, is_descending));
    }
    let words: Vec<&str> = SortField::ALL.iter().map(|(word, _)| *word).collect();
    let field = SortField::find(name).ok_or_else(|| {
        ApiError::new(
            ErrorCode::RequestInvalid,
            format!("packages cannot be sorted by {name:?}"),
        )
        .hint(format!(
            "sort by one of {}; a - before it sorts the other way",
            words.join(", ")
        ))
    })?;
    Ok((field, is_descending))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minus_sorts_the_other_way_and_an_unknown_field_names_the_known_ones() {
        assert_eq!(sort_of("").unwrap(), (SortField::Package, false));
        assert_eq!(sort_of("-size").unwrap(), (SortField::Size, true));
        let error = sort_of("colour").unwrap_err();
        assert_eq!(error.code(), ErrorCode::RequestInvalid);
        assert!(error.body().hints[0].contains("uploaded_at"));
    }
}
