//! Answers one request for one file: conditions, ranges and HEAD as RFC 9110 has them.
//!
//! Knows nothing of packages. The entity tag is strong (a hash of the content), so a download that was
//! cut goes on with `Range` and `If-Range`, and an unchanged file costs one 304 without a body.

use std::io;
use std::path::PathBuf;
use std::time::SystemTime;

use actix_web::body::SizedStream;
use actix_web::http::header::{self, ByteRangeSpec, EntityTag, Header as _, HttpDate};
use actix_web::http::{Method, StatusCode};
use actix_web::web::Bytes;
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder};
use futures_util::stream;
use jiff::Timestamp;
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _};
use tokio_util::io::ReaderStream;

/// Bytes read from the disk at once.
const CHUNK_BYTES: usize = 128 * 1024;

/// The type of `.wapt` files and of the index.
pub const PACKAGE_TYPE: &str = "application/octet-stream";

/// What is at an address.
#[derive(Debug, Clone)]
pub struct Representation {
    /// Names the content; the same for the same bytes. Without quotes.
    pub tag: String,
    pub modified: Timestamp,
    pub content_type: &'static str,
    /// Whether shared caches may keep it.
    pub is_public: bool,
    pub content: Content,
}

/// Where the bytes come from.
#[derive(Debug, Clone)]
pub enum Content {
    Memory(Bytes),
    File { path: PathBuf, size: u64 },
}

impl Content {
    fn size(&self) -> u64 {
        match self {
            Self::Memory(bytes) => bytes.len() as u64,
            Self::File { size, .. } => *size,
        }
    }
}

/// Answers the request with the file, a part of it, or the news that nothing changed.
///
/// # Errors
/// The file cannot be opened.
pub async fn answer(request: &HttpRequest, file: Representation) -> io::Result<HttpResponse> {
    let size = file.content.size();
    match decide(request, &file, size) {
        Decision::NotModified => Ok(head(StatusCode::NOT_MODIFIED, &file).finish()),
        Decision::PreconditionFailed => Ok(head(StatusCode::PRECONDITION_FAILED, &file).finish()),
        Decision::Unsatisfiable => Ok(head(StatusCode::RANGE_NOT_SATISFIABLE, &file)
            .insert_header((header::CONTENT_RANGE, format!("bytes */{size}")))
            .finish()),
        Decision::Whole => body(request, head(StatusCode::OK, &file), file, 0, size).await,
        Decision::Part { first, last } => {
            let mut response = head(StatusCode::PARTIAL_CONTENT, &file);
            response.insert_header((header::CONTENT_RANGE, format!("bytes {first}-{last}/{size}")));
            body(request, response, file, first, last - first + 1).await
        }
    }
}

/// The answer to a request whose conditions end it without a body, for what is costly to make: only tag and time of
/// the file count.
pub fn answer_early(request: &HttpRequest, file: &Representation) -> Option<HttpResponse> {
    let status = match decide(request, file, 0) {
        Decision::NotModified => StatusCode::NOT_MODIFIED,
        Decision::PreconditionFailed => StatusCode::PRECONDITION_FAILED,
        Decision::Whole | Decision::Part { .. } | Decision::Unsatisfiable => return None,
    };
    let mut response = head(status, file).finish();
    weaken(&mut response, &file.tag);
    Some(response)
}

/// Of what is made anew for some requests, no part is given, and two answers with one tag may differ.
fn weaken(response: &mut HttpResponse, tag: &str) {
    let tag = EntityTag::new_weak(tag.to_owned());
    let headers = response.headers_mut();
    if let Ok(value) = header::HeaderValue::from_str(&tag.to_string()) {
        headers.insert(header::ETAG, value);
    }
    headers.remove(header::ACCEPT_RANGES);
}

/// As [`answer`], for what is made anew for some requests: never a part of it, and with a weak tag.
///
/// # Errors
/// The file cannot be opened.
pub async fn answer_whole(request: &HttpRequest, file: Representation) -> io::Result<HttpResponse> {
    let size = file.content.size();
    let tag = file.tag.clone();
    let mut response = match decide(request, &file, size) {
        Decision::NotModified => head(StatusCode::NOT_MODIFIED, &file).finish(),
        Decision::PreconditionFailed => head(StatusCode::PRECONDITION_FAILED, &file).finish(),
        Decision::Whole | Decision::Part { .. } | Decision::Unsatisfiable => {
            body(request, head(StatusCode::OK, &file), file, 0, size).await?
        }
    };
    weaken(&mut response, &tag);
    Ok(response)
}

#[derive(Debug, PartialEq, Eq)]
enum Decision {
    Whole,
    /// From the first to the last byte, both included.
    Part {
        first: u64,
        last: u64,
    },
    NotModified,
    PreconditionFailed,
    Unsatisfiable,
}

/// The order of RFC 9110 §13.2.2.
fn decide(request: &HttpRequest, file: &Representation, size: u64) -> Decision {
    let tag = EntityTag::new_strong(file.tag.clone());
    if let Some(matches) = if_match(request, &tag) {
        if !matches {
            return Decision::PreconditionFailed;
        }
    } else if let Some(since) = date(request, header::IF_UNMODIFIED_SINCE)
        && file.modified.as_second() > seconds(since)
    {
        return Decision::PreconditionFailed;
    }
    if let Some(matches) = if_none_match(request, &tag) {
        if matches {
            return Decision::NotModified;
        }
    } else if let Some(since) = date(request, header::IF_MODIFIED_SINCE)
        && file.modified.as_second() <= seconds(since)
    {
        return Decision::NotModified;
    }
    if request.method() != Method::GET || !is_range_current(request, file, &tag) {
        return Decision::Whole;
    }
    match ranges(request).as_deref() {
        // Several ranges in one answer serve nobody here: the whole file is a right answer to them.
        Some([range]) => match range.to_satisfiable_range(size) {
            Some((first, last)) => Decision::Part { first, last },
            None => Decision::Unsatisfiable,
        },
        _ => Decision::Whole,
    }
}

/// Whether `If-Match` names the content; `None` without one.
fn if_match(request: &HttpRequest, tag: &EntityTag) -> Option<bool> {
    if !request.headers().contains_key(header::IF_MATCH) {
        return None;
    }
    Some(match header::IfMatch::parse(request) {
        Ok(header::IfMatch::Any) => true,
        Ok(header::IfMatch::Items(tags)) => tags.iter().any(|candidate| candidate.strong_eq(tag)),
        Err(_) => false,
    })
}

/// Whether `If-None-Match` names the content; `None` without one.
fn if_none_match(request: &HttpRequest, tag: &EntityTag) -> Option<bool> {
    if !request.headers().contains_key(header::IF_NONE_MATCH) {
        return None;
    }
    Some(match header::IfNoneMatch::parse(request) {
        Ok(header::IfNoneMatch::Any) => true,
        Ok(header::IfNoneMatch::Items(tags)) => tags.iter().any(|candidate| candidate.weak_eq(tag)),
        Err(_) => false,
    })
}

/// Whether the range still means what the client meant: `If-Range` is absent or names this content.
fn is_range_current(request: &HttpRequest, file: &Representation, tag: &EntityTag) -> bool {
    let Some(value) = request.headers().get(header::IF_RANGE) else {
        return true;
    };
    let Ok(text) = value.to_str() else { return false };
    if let Ok(candidate) = text.parse::<EntityTag>() {
        return candidate.strong_eq(tag);
    }
    text.parse::<HttpDate>()
        .is_ok_and(|date| seconds(date.into()) == file.modified.as_second())
}

fn ranges(request: &HttpRequest) -> Option<Vec<ByteRangeSpec>> {
    match header::Range::parse(request) {
        Ok(header::Range::Bytes(ranges)) => Some(ranges),
        Ok(header::Range::Unregistered(..)) | Err(_) => None,
    }
}

fn date(request: &HttpRequest, name: header::HeaderName) -> Option<SystemTime> {
    let date: HttpDate = request.headers().get(name)?.to_str().ok()?.parse().ok()?;
    Some(date.into())
}

/// HTTP dates have whole seconds, files have finer times.
fn seconds(time: SystemTime) -> i64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

fn head(status: StatusCode, file: &Representation) -> HttpResponseBuilder {
    let mut response = HttpResponse::build(status);
    let policy = if file.is_public {
        "public, no-cache"
    } else {
        "private, no-cache"
    };
    if let Ok(modified) = SystemTime::try_from(file.modified) {
        response.insert_header(header::LastModified(modified.into()));
    }
    response
        .insert_header(header::ETag(EntityTag::new_strong(file.tag.clone())))
        .insert_header((header::CACHE_CONTROL, policy))
        .insert_header((header::ACCEPT_RANGES, "bytes"))
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"));
    response
}

async fn body(
    request: &HttpRequest,
    mut response: HttpResponseBuilder,
    file: Representation,
    first: u64,
    length: u64,
) -> io::Result<HttpResponse> {
    response.content_type(file.content_type);
    // What is served here is compressed already, and a range of a compressed answer would be another one.
    response.insert_header(header::ContentEncoding::Identity);
    if request.method() == Method::HEAD {
        return Ok(response.body(SizedStream::new(length, stream::empty::<io::Result<Bytes>>())));
    }
    match file.content {
        Content::Memory(bytes) => {
            let (Ok(first), Ok(length)) = (usize::try_from(first), usize::try_from(length)) else {
                return Err(io::Error::other("a file in memory is larger than memory"));
            };
            Ok(response.body(bytes.slice(first..first + length)))
        }
        Content::File { path, .. } => {
            let mut file = fs_err::tokio::File::open(path).await?;
            file.seek(io::SeekFrom::Start(first)).await?;
            let stream = ReaderStream::with_capacity(file.take(length), CHUNK_BYTES);
            Ok(response.body(SizedStream::new(length, stream)))
        }
    }
}

#[cfg(test)]
mod tests {
    use actix_web::body::to_bytes;
    use actix_web::test::TestRequest;

    use super::*;

    const MODIFIED: &str = "Tue, 24 Nov 2026 08:00:00 GMT";
    const EARLIER: &str = "Tue, 24 Nov 2026 07:59:59 GMT";

    fn file() -> Representation {
        Representation {
            tag: "abc".to_owned(),
            modified: "2026-11-24T08:00:00.75Z".parse().unwrap(),
            content_type: PACKAGE_TYPE,
            is_public: true,
            content: Content::Memory(Bytes::from_static(b"0123456789")),
        }
    }

    fn decided(headers: &[(&str, &str)]) -> Decision {
        let mut request = TestRequest::get();
        for (name, value) in headers {
            request = request.insert_header((*name, *value));
        }
        decide(&request.to_http_request(), &file(), 10)
    }

    #[test]
    fn an_unchanged_file_is_told_by_tag_or_date() {
        assert_eq!(decided(&[("If-None-Match", "\"abc\"")]), Decision::NotModified);
        assert_eq!(
            decided(&[("If-None-Match", "\"x\", W/\"abc\"")]),
            Decision::NotModified
        );
        assert_eq!(decided(&[("If-None-Match", "*")]), Decision::NotModified);
        assert_eq!(decided(&[("If-None-Match", "\"other\"")]), Decision::Whole);
        assert_eq!(decided(&[("If-Modified-Since", MODIFIED)]), Decision::NotModified);
        assert_eq!(decided(&[("If-Modified-Since", EARLIER)]), Decision::Whole);
        assert_eq!(decided(&[("If-Modified-Since", "nonsense")]), Decision::Whole);
    }

    #[test]
    fn the_tag_outranks_the_date() {
        assert_eq!(
            decided(&[("If-None-Match", "\"other\""), ("If-Modified-Since", MODIFIED)]),
            Decision::Whole
        );
    }

    #[test]
    fn preconditions_fail_on_other_content() {
        assert_eq!(
            decided(&[("If-Match", "\"other\"")]),
            Decision::PreconditionFailed
        );
        assert_eq!(
            decided(&[("If-Match", "W/\"abc\"")]),
            Decision::PreconditionFailed
        );
        assert_eq!(decided(&[("If-Match", "\"abc\"")]), Decision::Whole);
        assert_eq!(
            decided(&[("If-Unmodified-Since", EARLIER)]),
            Decision::PreconditionFailed
        );
        assert_eq!(decided(&[("If-Unmodified-Since", MODIFIED)]), Decision::Whole);
    }

    #[test]
    fn one_range_is_cut_out_and_a_wrong_one_refused() {
        assert_eq!(
            decided(&[("Range", "bytes=2-4")]),
            Decision::Part { first: 2, last: 4 }
        );
        assert_eq!(
            decided(&[("Range", "bytes=7-")]),
            Decision::Part { first: 7, last: 9 }
        );
        assert_eq!(
            decided(&[("Range", "bytes=-3")]),
            Decision::Part { first: 7, last: 9 }
        );
        assert_eq!(
            decided(&[("Range", "bytes=8-99999999999")]),
            Decision::Part { first: 8, last: 9 }
        );
        assert_eq!(decided(&[("Range", "bytes=10-")]), Decision::Unsatisfiable);
        assert_eq!(decided(&[("Range", "bytes=1-2,4-5")]), Decision::Whole);
        assert_eq!(decided(&[("Range", "lines=1-2")]), Decision::Whole);
        assert_eq!(decided(&[("Range", "bytes=x")]), Decision::Whole);
    }

    #[test]
    fn a_range_of_other_content_gets_the_whole_file() {
        assert_eq!(
            decided(&[("Range", "bytes=2-4"), ("If-Range", "\"other\"")]),
            Decision::Whole
        );
        assert_eq!(
            decided(&[("Range", "bytes=2-4"), ("If-Range", "W/\"abc\"")]),
            Decision::Whole
        );
        assert_eq!(
            decided(&[("Range", "bytes=2-4"), ("If-Range", EARLIER)]),
            Decision::Whole
        );
        assert_eq!(
            decided(&[("Range", "bytes=2-4"), ("If-Range", "\"abc\"")]),
            Decision::Part { first: 2, last: 4 }
        );
        assert_eq!(
            decided(&[("Range", "bytes=2-4"), ("If-Range", MODIFIED)]),
            Decision::Part { first: 2, last: 4 }
        );
    }

    #[actix_web::test]
    async fn memory_and_disk_answer_alike() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        fs_err::write(&path, b"0123456789").unwrap();
        for content in [
            Content::Memory(Bytes::from_static(b"0123456789")),
            Content::File { path, size: 10 },
        ] {
            let whole = TestRequest::get().to_http_request();
            let answered = answer(
                &whole,
                Representation {
                    content: content.clone(),
                    ..file()
                },
            )
            .await
            .unwrap();
            assert_eq!(answered.status(), StatusCode::OK);
            assert_eq!(answered.headers().get("etag").unwrap(), "\"abc\"");
            assert_eq!(answered.headers().get("last-modified").unwrap(), MODIFIED);
            assert_eq!(to_bytes(answered.into_body()).await.unwrap(), "0123456789");

            let part = TestRequest::get()
                .insert_header(("Range", "bytes=3-5"))
                .to_http_request();
            let answered = answer(&part, Representation { content, ..file() }).await.unwrap();
            assert_eq!(answered.status(), StatusCode::PARTIAL_CONTENT);
            assert_eq!(answered.headers().get("content-range").unwrap(), "bytes 3-5/10");
            assert_eq!(to_bytes(answered.into_body()).await.unwrap(), "345");
        }
    }

    #[actix_web::test]
    async fn an_unchanged_file_costs_no_body() {
        let request = TestRequest::get()
            .insert_header(("If-None-Match", "\"abc\""))
            .to_http_request();
        let answered = answer(&request, file()).await.unwrap();
        assert_eq!(answered.status(), StatusCode::NOT_MODIFIED);
        assert_eq!(answered.headers().get("etag").unwrap(), "\"abc\"");
        assert!(to_bytes(answered.into_body()).await.unwrap().is_empty());
    }
}
