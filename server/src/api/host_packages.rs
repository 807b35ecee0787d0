//! Host packages: read and replaced by people who edit hosts, fetched by the host itself, hidden from all others.

use actix_web::http::header::{self, EntityTag};
use actix_web::{FromRequest as _, HttpRequest, HttpResponse, web};
use muster_shared::crypto::Certificate;
use muster_shared::name::HostId;
use muster_shared::package::encrypted;
use muster_shared::protocol::error::ErrorCode;
use muster_shared::protocol::inventory::{AgentBlock, Block};
use muster_shared::protocol::live::Refresh;
use muster_shared::protocol::package::Uploaded;

use crate::auth::host_signature::SignedHost;
use crate::auth::rights::{Authorised, authorise, has_bearer_token, right};
use crate::domain::identifier;
use crate::domain::package_upload::{Precondition, UploadRefusal};
use crate::error::{ApiError, ApiResult};
use crate::repository::serve::{self, Representation};
use crate::repository::upload::Announced;
use crate::repository::{PublishedForHost, RepositoryError};
use crate::state::AppState;
use crate::store::host_blocks;

/// Mounts the routes.
pub fn routes(cfg: &mut web::ServiceConfig) {
    cfg.service(
        web::resource("/api/v1/host-packages/{identifier}")
            .route(web::get().to(read))
            .route(web::head().to(read))
            .route(web::put().to(replace)),
    )
    .service(
        web::resource("/wapt-host/{file}")
            .route(web::get().to(fetch))
            .route(web::head().to(fetch)),
    );
}

async fn read(
    state: web::Data<AppState>,
    _user: Authorised<right::View>,
    request: HttpRequest,
    path: web::Path<String>,
) -> ApiResult<HttpResponse> {
    send(&state, &request, &host_id(&path)?).await
}

async fn replace(
    state: web::Data<AppState>,
    user: Authorised<right::EditHosts>,
    request: HttpRequest,
    path: web::Path<String>,
    payload: web::Payload,
) -> ApiResult<HttpResponse> {
    let identifier = host_id(&path)?;
    let precondition = precondition(&request, &identifier)?;
    let announced = Announced::read(&request)?;
    let received = state.repository.receive(payload, announced).await?;
    // On its own: a client that goes away must not leave half a change behind.
    let published = actix_web::rt::spawn(async move {
        let published = state
            .repository
            .publish_for_host(&identifier, received, &precondition, &user.user)
            .await?;
        if !published.unchanged {
            announce(&state, &published).await;
        }
        Ok::<_, RepositoryError>((published, identifier))
    });
    let (published, identifier) = published.await.map_err(RepositoryError::Task)??;
    let record = published.record;
    Ok(HttpResponse::Ok()
        .insert_header(header::ETag(EntityTag::new_strong(record.sha256.clone())))
        .json(Uploaded {
            package: identifier.as_str().to_owned(),
            version: record.version,
            filename: record.filename,
            sha256: record.sha256,
            unchanged: published.unchanged,
        }))
}

/// `/wapt-host/<identifier>.wapt`: for the host itself, and for people who may see hosts.
async fn fetch(
    state: web::Data<AppState>,
    request: HttpRequest,
    path: web::Path<String>,
    payload: web::Payload,
) -> ApiResult<HttpResponse> {
    if has_bearer_token(&request) {
        authorise::<right::View>(&request).await?;
        return send(&state, &request, &file_host_id(&path)?).await;
    }
    // Who does not prove to be a host learns nothing, not even whether a name is one.
    let host = SignedHost::from_request(&request, &mut payload.into_inner()).await?;
    let asked = file_host_id(&path)?;
    if asked.key() != host.host_key {
        return Err(ApiError::new(
            ErrorCode::HostForbidden,
            format!(
                "the package of the host {asked} is not for the host {}",
                host.identifier
            ),
        )
        .hint("a host reads only its own package"));
    }
    if state.config.encrypt_host_packages
        && let Some(certificate) = decryption_certificate(&state, &host.host_key).await?
        && let Some(outline) = outline(&state, &asked, &certificate).await?
    {
        if let Some(response) = serve::answer_early(&request, &outline) {
            return Ok(response);
        }
        let file = state
            .repository
            .host_package_encrypted(&asked, certificate, state.now())
            .await?;
        return serve::answer_whole(&request, file)
            .await
            .map_err(|error| ApiError::internal("reading a host package", &error));
    }
    send(&state, &request, &asked).await
}

/// The package before it is read and encrypted; `None` when it goes as it is, because it is too large.
async fn outline(
    state: &AppState,
    asked: &HostId,
    certificate: &Certificate,
) -> ApiResult<Option<Representation>> {
    let outline = state.repository.host_package_outline(asked, certificate).await?;
    if outline.is_none() {
        tracing::warn!(host = %asked, "the host package is too large to be encrypted and goes unencrypted");
    }
    Ok(outline)
}

/// The certificate that a host reported for this; without one that can be used it gets its package as it is, as
/// older agents do: what a host reports wrongly must not keep its package from it.
async fn decryption_certificate(state: &AppState, host_key: &str) -> ApiResult<Option<Certificate>> {
    let block = host_blocks::get(&state.store, host_key, Block::Agent).await?;
    let reported = block
        .and_then(|block| serde_json::from_value::<AgentBlock>(block).ok())
        .map(|agent| agent.decryption_certificate)
        .filter(|pem| !pem.is_empty());
    let Some(pem) = reported else {
        tracing::debug!(
            host = host_key,
            "no decryption certificate is known; the host package goes unencrypted"
        );
        return Ok(None);
    };
    let certificate = Certificate::from_pem(&pem).ok().filter(encrypted::is_usable);
    if certificate.is_none() {
        tracing::warn!(
            host = host_key,
            "the decryption certificate that the host reported is none with an RSA key of 2048 to 4096 bits; \
             the host package goes unencrypted"
        );
    }
    Ok(certificate)
}

async fn send(state: &AppState, request: &HttpRequest, identifier: &HostId) -> ApiResult<HttpResponse> {
    let file = state.repository.host_package_file(identifier).await?;
    serve::answer(request, file)
        .await
        .map_err(|error| ApiError::internal("reading a host package", &error))
}

/// Tells consoles that the host's groups changed, and the host that its package did.
async fn announce(state: &AppState, published: &PublishedForHost) {
    let host_key = &published.record.host_key;
    if let Err(error) = state.publish_host(host_key).await {
        tracing::warn!(error = %muster_shared::hint::chain(&error), host = %host_key,
            "consoles are not told of a host package");
    }
    state.relay.refresh(host_key, Refresh::HostPackage);
}

fn host_id(text: &str) -> ApiResult<HostId> {
    identifier::check(text)?;
    text.parse().map_err(|error: muster_shared::name::NameError| {
        ApiError::new(ErrorCode::RequestInvalid, error.to_string())
    })
}

fn file_host_id(file: &str) -> ApiResult<HostId> {
    let identifier = file
        .strip_suffix(".wapt")
        .filter(|text| identifier::is_identifier(text));
    host_id(identifier.ok_or_else(|| ApiError::not_found("file", file))?)
}

/// What the writer had read: `If-Match: "TAG"`, or `If-None-Match: *` when there was nothing.
fn precondition(request: &HttpRequest, identifier: &HostId) -> Result<Precondition, RepositoryError> {
    let text = |name: header::HeaderName| {
        request
            .headers()
            .get(name)
            .map(|value| String::from_utf8_lossy(value.as_bytes()).trim().to_owned())
    };
    let refused = |header, value| Err(RepositoryError::Header { header, value });
    match (text(header::IF_MATCH), text(header::IF_NONE_MATCH)) {
        (None, None) => Err(UploadRefusal::PreconditionMissing {
            identifier: identifier.as_str().to_owned(),
        }
        .into()),
        (None, Some(value)) if value == "*" => Ok(Precondition::IsFirst),
        (None, Some(value)) => refused("If-None-Match", value),
        (Some(value), None) => match value.parse::<EntityTag>() {
            Ok(tag) if !tag.weak => Ok(Precondition::Replaces(tag.tag().to_owned())),
            _ => refused("If-Match", value),
        },
        (Some(value), Some(_)) => refused("If-Match", value),
    }
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn read(headers: &[(&str, &str)]) -> Result<Precondition, ErrorCode> {
        let mut request = TestRequest::put();
        for (name, value) in headers {
            request = request.insert_header((*name, *value));
        }
        let identifier = "pc-1".parse().unwrap();
        precondition(&request.to_http_request(), &identifier).map_err(|error| error.code())
    }

    #[test]
    fn a_writer_says_what_it_read() {
        assert_eq!(
            read(&[("If-Match", "\"aa\"")]),
            Ok(Precondition::Replaces("aa".into()))
        );
        assert_eq!(read(&[("If-None-Match", "*")]), Ok(Precondition::IsFirst));
        for headers in [
            &[][..],
            &[("If-Match", "*")],
            &[("If-Match", "aa")],
            &[("If-Match", "W/\"aa\"")],
            &[("If-Match", "\"aa\", \"bb\"")],
            &[("If-None-Match", "\"aa\"")],
            &[("If-Match", "\"aa\""), ("If-None-Match", "*")],
        ] {
            assert_eq!(read(headers), Err(ErrorCode::RequestInvalid), "{headers:?}");
        }
    }

    #[test]
    fn only_the_file_of_a_host_has_an_identifier() {
        assert_eq!(file_host_id("PC-1.wapt").unwrap().as_str(), "PC-1");
        for name in ["PC-1", ".wapt", "..wapt", "a b.wapt", "Packages", "a/b.wapt"] {
            assert_eq!(
                file_host_id(name).unwrap_err().code(),
                ErrorCode::NotFound,
                "{name}"
            );
        }
    }
}
