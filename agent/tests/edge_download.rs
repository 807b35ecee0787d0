//! The repository's client against servers that are slow, endless, cut, forgetful or lying.
#![expect(clippy::unwrap_used, reason = "tests")]

mod edge_support;

use std::path::Path;
use std::time::Duration;

use edge_support::{Body, Reply, Request, TestServer};
use md5::Digest as _;
use muster_agent::repo::client::{IndexFetch, Repository};
use muster_agent::repo::{Pace, RepoError};
use muster_shared::control::{Control, Section};
use muster_shared::index::IndexEntry;
use muster_shared::protocol::error::ErrorCode;
use tokio_util::sync::CancellationToken;

const NAME: &str = "demo-hello_1.0-1_all.wapt";

/// Strict enough that a test ends soon: 64 KiB every half second.
const STRICT: Pace = Pace {
    window: Duration::from_millis(500),
    least_bytes: 64 * 1024,
    first_answer: Duration::from_secs(10),
};

fn content(size: usize) -> Vec<u8> {
    (0..size).map(|index| (index % 251) as u8).collect()
}

fn entry(bytes: &[u8]) -> IndexEntry {
    IndexEntry {
        control: Control::new("demo-hello", "1.0-1", Section::Base),
        filename: NAME.to_owned(),
        size: bytes.len() as u64,
        md5sum: hex::encode(md5::Md5::digest(bytes)),
        sha256sum: Some(hex::encode(sha2::Sha256::digest(bytes))),
        repository: String::new(),
    }
}

fn repository(server: &TestServer) -> Repository {
    Repository::new(&server.config("")).unwrap().with_pace(STRICT)
}

async fn fetch(repository: &Repository, entry: &IndexEntry, cache: &Path) -> Result<Vec<u8>, RepoError> {
    let path = repository
        .download(entry, cache, |_done, _all| {}, &CancellationToken::new())
        .await?;
    Ok(fs_err::read(path).unwrap())
}

/// Answers as a web server does: ETag, ranges with If-Range.
fn serve(bytes: &[u8], etag: &str, request: &Request) -> Reply {
    let start = request
        .header("range")
        .filter(|_range| request.header("if-range") == Some(etag))
        .and_then(|range| range.strip_prefix("bytes="))
        .and_then(|range| range.strip_suffix('-'))
        .and_then(|start| start.parse::<usize>().ok())
        .filter(|start| *start < bytes.len());
    match start {
        Some(start) => Reply {
            status: 206,
            headers: Vec::new(),
            body: Body::Whole(bytes[start..].to_vec()),
        }
        .header(
            "content-range",
            format!("bytes {start}-{}/{}", bytes.len() - 1, bytes.len()),
        ),
        None => Reply::new(200, bytes),
    }
    .header("etag", etag)
}

fn files(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs_err::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[tokio::test]
async fn an_unchanged_index_costs_one_answer_without_a_body() {
    let server = TestServer::start(|request, _number| {
        assert_eq!(request.path, "/wapt/Packages");
        if request.header("if-none-match") == Some("\"7\"") {
            return Reply::new(304, "");
        }
        Reply::new(200, "the index").header("etag", "\"7\"")
    })
    .await;
    let repository = repository(&server);
    let IndexFetch::New { bytes, validators } = repository.fetch_index(None).await.unwrap() else {
        panic!("nothing was known before");
    };
    assert_eq!(bytes, b"the index");
    assert_eq!(
        repository.fetch_index(Some(&validators)).await.unwrap(),
        IndexFetch::Unchanged
    );
    assert_eq!(server.seen().len(), 2);
}

#[tokio::test]
async fn an_endless_index_stops_at_its_limit() {
    let server = TestServer::start(|_request, _number| Reply::with_body(Body::Endless)).await;
    let repository = repository(&server).with_max_index_bytes(1024 * 1024);
    let error = repository.fetch_index(None).await.unwrap_err();
    assert!(
        matches!(error, RepoError::TooLarge { limit: 1_048_576, .. }),
        "{error}"
    );
    assert_eq!(error.code(), ErrorCode::BodyTooLarge);
}

#[tokio::test]
async fn an_index_that_drips_is_given_up() {
    let server = TestServer::start(|_request, _number| {
        Reply::with_body(Body::Drip(content(1 << 20), 10, Duration::from_millis(20)))
    })
    .await;
    let error = repository(&server).fetch_index(None).await.unwrap_err();
    assert!(matches!(error, RepoError::TooSlow { .. }), "{error}");
    assert!(error.is_unreachable());
}

#[tokio::test]
async fn files_of_every_size_arrive_whole_and_the_second_time_from_the_cache() {
    for size in [0, 1, 16_383, 16_384, 262_143, 262_144, 262_145, 3_000_000] {
        let bytes = content(size);
        let row = entry(&bytes);
        let server = TestServer::start(move |request, _number| serve(&bytes, "\"1\"", request)).await;
        let place = tempfile::tempdir().unwrap();
        let repository = repository(&server);
        assert!(
            fetch(&repository, &row, place.path()).await.unwrap() == content(size),
            "{size}"
        );
        assert!(
            fetch(&repository, &row, place.path()).await.unwrap() == content(size),
            "{size}"
        );
        assert_eq!(server.seen().len(), 1, "{size}");
        assert_eq!(files(place.path()), [NAME], "{size}");
    }
}

#[tokio::test]
async fn progress_only_grows_and_ends_at_the_whole() {
    let bytes = content(2_000_000);
    let row = entry(&bytes);
    let server = TestServer::start(move |request, _number| serve(&bytes, "\"1\"", request)).await;
    let place = tempfile::tempdir().unwrap();
    let mut steps = Vec::new();
    repository(&server)
        .download(
            &row,
            place.path(),
            |done, all| steps.push((done, all)),
            &CancellationToken::new(),
        )
        .await
        .unwrap();
    assert!(steps.is_sorted());
    assert_eq!(steps.last(), Some(&(2_000_000, 2_000_000)));
}

#[tokio::test]
async fn a_cut_download_goes_on_where_it_ended() {
    let bytes = content(1_000_000);
    let row = entry(&bytes);
    let server = TestServer::start(move |request, number| {
        if number == 0 {
            return Reply::with_body(Body::Cut(bytes.clone(), 400_000)).header("etag", "\"1\"");
        }
        serve(&bytes, "\"1\"", request)
    })
    .await;
    let place = tempfile::tempdir().unwrap();
    let repository = repository(&server);
    let error = fetch(&repository, &row, place.path()).await.unwrap_err();
    assert!(error.is_resumable(), "{error}");
    assert!(fetch(&repository, &row, place.path()).await.unwrap() == content(1_000_000));
    let second = &server.seen()[1];
    assert_eq!(second.header("range"), Some("bytes=400000-"));
    assert_eq!(second.header("if-range"), Some("\"1\""));
    assert_eq!(files(place.path()), [NAME]);
}

#[tokio::test]
async fn a_file_that_was_replaced_meanwhile_is_taken_from_its_beginning() {
    let bytes = content(500_000);
    let row = entry(&bytes);
    let server = TestServer::start(move |request, number| {
        if number == 0 {
            return Reply::with_body(Body::Cut(vec![7; 500_000], 200_000)).header("etag", "\"old\"");
        }
        serve(&bytes, "\"new\"", request)
    })
    .await;
    let place = tempfile::tempdir().unwrap();
    let repository = repository(&server);
    fetch(&repository, &row, place.path()).await.unwrap_err();
    assert!(fetch(&repository, &row, place.path()).await.unwrap() == content(500_000));
}

#[tokio::test]
async fn a_part_that_is_wrong_is_thrown_away_and_fetched_anew() {
    let bytes = content(500_000);
    let row = entry(&bytes);
    let server = TestServer::start(move |request, number| {
        if number == 0 {
            // The same name for another content: only the hash tells.
            return Reply::with_body(Body::Cut(vec![7; 500_000], 200_000)).header("etag", "\"1\"");
        }
        serve(&bytes, "\"1\"", request)
    })
    .await;
    let place = tempfile::tempdir().unwrap();
    let repository = repository(&server);
    fetch(&repository, &row, place.path()).await.unwrap_err();
    assert!(fetch(&repository, &row, place.path()).await.unwrap() == content(500_000));
    let ranges: Vec<_> = server
        .seen()
        .iter()
        .map(|request| request.header("range").is_some())
        .collect();
    assert_eq!(ranges, [false, true, false]);
}

#[tokio::test]
async fn a_file_with_another_hash_is_refused_and_nothing_stays() {
    let row = entry(&content(1000));
    let server = TestServer::start(|request, _number| serve(&[9; 1000], "\"1\"", request)).await;
    let place = tempfile::tempdir().unwrap();
    let error = fetch(&repository(&server), &row, place.path()).await.unwrap_err();
    assert!(
        matches!(
            &error,
            RepoError::Hash {
                algorithm: "sha256",
                ..
            }
        ),
        "{error}"
    );
    assert_eq!(error.code(), ErrorCode::PackageHashMismatch);
    assert!(files(place.path()).is_empty());
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn old_rows_are_checked_by_md5() {
    let bytes = content(1000);
    let row = IndexEntry {
        sha256sum: None,
        ..entry(&bytes)
    };
    let server = TestServer::start(move |request, _number| serve(&bytes, "\"1\"", request)).await;
    let place = tempfile::tempdir().unwrap();
    let repository = repository(&server);
    fetch(&repository, &row, place.path()).await.unwrap();
    let lie = IndexEntry {
        md5sum: "0".repeat(32),
        filename: "other_1.wapt".to_owned(),
        ..row
    };
    let error = fetch(&repository, &lie, place.path()).await.unwrap_err();
    assert!(
        matches!(error, RepoError::Hash { algorithm: "md5", .. }),
        "{error}"
    );
}

#[tokio::test]
async fn more_bytes_than_announced_are_refused() {
    let row = entry(&content(1000));
    let longer = TestServer::start(|_request, _number| Reply::new(200, vec![1; 1001])).await;
    let endless = TestServer::start(|_request, _number| Reply::with_body(Body::Endless)).await;
    for server in [longer, endless] {
        let place = tempfile::tempdir().unwrap();
        let error = fetch(&repository(&server), &row, place.path()).await.unwrap_err();
        assert!(matches!(error, RepoError::TooLarge { .. }), "{error}");
        assert!(files(place.path()).is_empty());
    }
}

#[tokio::test]
async fn a_download_that_drips_is_given_up_and_its_part_is_kept() {
    let bytes = content(1_000_000);
    let row = entry(&bytes);
    let server = TestServer::start(move |request, number| {
        if number == 0 {
            return Reply::with_body(Body::Drip(bytes.clone(), 300_000, Duration::from_millis(20)))
                .header("etag", "\"1\"");
        }
        serve(&bytes, "\"1\"", request)
    })
    .await;
    let place = tempfile::tempdir().unwrap();
    let repository = repository(&server);
    let error = fetch(&repository, &row, place.path()).await.unwrap_err();
    assert!(matches!(error, RepoError::TooSlow { .. }), "{error}");
    assert_eq!(files(place.path()).len(), 2);
    // What dripped was wrong, so the hash sends it back to the beginning.
    assert!(fetch(&repository, &row, place.path()).await.unwrap() == content(1_000_000));
}

#[tokio::test]
async fn a_cancelled_download_ends_at_once_and_keeps_its_part() {
    let bytes = content(1_000_000);
    let row = entry(&bytes);
    let server = TestServer::start(move |_request, _number| {
        Reply::with_body(Body::Drip(bytes.clone(), 300_000, Duration::from_mins(1))).header("etag", "\"1\"")
    })
    .await;
    let place = tempfile::tempdir().unwrap();
    let slow = Pace {
        window: Duration::from_mins(1),
        ..STRICT
    };
    let repository = Repository::new(&server.config("")).unwrap().with_pace(slow);
    let cancel = CancellationToken::new();
    let error = repository
        .download(
            &row,
            place.path(),
            |done, _all| {
                if done >= 300_000 {
                    cancel.cancel();
                }
            },
            &cancel,
        )
        .await
        .unwrap_err();
    assert!(matches!(error, RepoError::Cancelled { .. }), "{error}");
    assert!(files(place.path()).iter().any(|name| name.contains(".part")));
}

#[tokio::test]
async fn a_package_over_the_limit_is_not_even_asked_for() {
    let server = TestServer::start(|_request, _number| Reply::new(200, "")).await;
    let repository = Repository::new(&server.config("download_limit_mib = 1")).unwrap();
    let row = IndexEntry {
        size: 1024 * 1024 + 1,
        ..entry(b"x")
    };
    let place = tempfile::tempdir().unwrap();
    let error = fetch(&repository, &row, place.path()).await.unwrap_err();
    assert!(matches!(error, RepoError::TooLarge { .. }), "{error}");
    assert!(server.seen().is_empty());
}

#[tokio::test]
async fn a_package_that_the_disk_cannot_hold_is_told_before_the_first_byte() {
    let server = TestServer::start(|_request, _number| Reply::new(200, "")).await;
    let repository = Repository::new(&server.config("download_limit_mib = 8796093022208")).unwrap();
    let row = IndexEntry {
        size: 1 << 62,
        ..entry(b"x")
    };
    let place = tempfile::tempdir().unwrap();
    let error = fetch(&repository, &row, place.path()).await.unwrap_err();
    assert!(matches!(error, RepoError::DiskFull { .. }), "{error}");
    assert_eq!(error.code(), ErrorCode::StorageFull);
    assert!(server.seen().is_empty());
}

#[tokio::test]
async fn a_name_that_leaves_the_cache_is_refused() {
    let server = TestServer::start(|_request, _number| Reply::new(200, "x")).await;
    let place = tempfile::tempdir().unwrap();
    for filename in ["../evil.wapt", "/etc/evil.wapt", "a\\b.wapt", ""] {
        let row = IndexEntry {
            filename: filename.to_owned(),
            ..entry(b"x")
        };
        fetch(&repository(&server), &row, place.path()).await.unwrap_err();
    }
    assert!(server.seen().is_empty());
}

#[tokio::test]
async fn a_missing_package_and_a_broken_repository_are_told_apart() {
    let server =
        TestServer::start(|_request, number| Reply::new(if number == 0 { 404 } else { 502 }, "no")).await;
    let place = tempfile::tempdir().unwrap();
    let repository = repository(&server);
    let row = entry(b"x");
    let missing = fetch(&repository, &row, place.path()).await.unwrap_err();
    assert!(matches!(missing, RepoError::Missing { .. }), "{missing}");
    let broken = fetch(&repository, &row, place.path()).await.unwrap_err();
    assert!(broken.is_unreachable(), "{broken}");
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let server = TestServer::start(|_request, _number| {
        Reply::new(302, "").header("location", "https://elsewhere.example/")
    })
    .await;
    let error = repository(&server).fetch_index(None).await.unwrap_err();
    assert!(matches!(error, RepoError::Status { status: 302, .. }), "{error}");
}
