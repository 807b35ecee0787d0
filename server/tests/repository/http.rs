//! Upload, list, download and deletion over HTTPS, as consoles, agents of every age and browsers do it.

use std::time::Duration;

use futures_util::StreamExt as _;
use muster_shared::index::IndexLimits;
use muster_shared::protocol::Page;
use muster_shared::protocol::error::ErrorCode;
use muster_shared::protocol::package::{PackageRow, Uploaded};
use muster_shared::protocol::session::Role;
use reqwest::{Method, StatusCode};

use crate::fixture::{code_signed_by_nocode, golden, group, host_package, software};
use crate::server::{TestServer, code, header};

#[tokio::test]
async fn an_uploaded_package_is_listed_indexed_and_downloaded_whole() {
    let folder = tempfile::tempdir().unwrap();
    let server = TestServer::start(&folder).await;
    let person = server.sign_in(Role::Deployer).await;
    let bytes = software("tis-a", "1.0-1", 2_000_000);
    let answer = person.upload(bytes.clone()).await;
    assert_eq!(answer.status(), StatusCode::OK);
    let uploaded: Uploaded = answer.json().await.unwrap();
    assert!(uploaded.filename.starts_with("tis-a_1.0-1_") && !uploaded.unchanged);

    let page: Page<PackageRow> = person.get("/api/v1/packages").await.json().await.unwrap();
    assert_eq!((page.total, page.items.len()), (1, 1));
    let row = &page.items[0];
    assert_eq!(
        (row.filename.as_str(), row.uploaded_by.as_str()),
        (uploaded.filename.as_str(), "deployer")
    );
    assert_eq!(row.signer, "Testeur-éà");
    assert_eq!(row.size, bytes.len() as u64);

    let index = server.get("/wapt/Packages").await.bytes().await.unwrap();
    let index = muster_shared::index::read(&index, &IndexLimits::default()).unwrap();
    assert_eq!(index.entries[0].filename, uploaded.filename);
    assert_eq!(index.certificates.len(), 1);

    let download = server.get(&format!("/wapt/{}", uploaded.filename)).await;
    assert_eq!(header(&download, "etag"), format!("\"{}\"", uploaded.sha256));
    assert!(!header(&download, "last-modified").is_empty());
    assert_eq!(download.bytes().await.unwrap(), bytes);

    let icon = server.get(&format!("/wapt/icons/{}.png", row.package_uuid)).await;
    assert_eq!(header(&icon, "content-type"), "image/png");
    assert_eq!(icon.bytes().await.unwrap(), crate::fixture::png());

    let again: Uploaded = person.upload(bytes).await.json().await.unwrap();
    assert!(again.unchanged);
}

#[tokio::test]
async fn a_download_that_was_cut_goes_on_and_an_unchanged_file_costs_one_304() {
    let folder = tempfile::tempdir().unwrap();
    let server = TestServer::start(&folder).await;
    let person = server.sign_in(Role::Administrator).await;
    // One from memory, one from the disk.
    for (name, size) in [("tis-small", 1000), ("tis-large", 3_000_000)] {
        let bytes = software(name, "1", size);
        let uploaded: Uploaded = person.upload(bytes.clone()).await.json().await.unwrap();
        let path = format!("/wapt/{}", uploaded.filename);
        let tag = format!("\"{}\"", uploaded.sha256);
        let get = |name: &'static str, value: String| server.request(Method::GET, &path).header(name, value);

        let part = get("Range", "bytes=100-".into())
            .header("If-Range", &tag)
            .send()
            .await
            .unwrap();
        assert_eq!(part.status(), StatusCode::PARTIAL_CONTENT);
        assert_eq!(
            header(&part, "content-range"),
            format!("bytes 100-{}/{}", bytes.len() - 1, bytes.len())
        );
        assert_eq!(part.bytes().await.unwrap(), bytes[100..]);

        let stale = get("Range", "bytes=100-".into())
            .header("If-Range", "\"old\"")
            .send()
            .await
            .unwrap();
        assert_eq!(
            (stale.status(), stale.bytes().await.unwrap().len()),
            (StatusCode::OK, bytes.len())
        );

        let past = get("Range", format!("bytes={}-", bytes.len()))
            .send()
            .await
            .unwrap();
        assert_eq!(past.status(), StatusCode::RANGE_NOT_SATISFIABLE);

        let unchanged = get("If-None-Match", tag).send().await.unwrap();
        assert_eq!(unchanged.status(), StatusCode::NOT_MODIFIED);
        assert!(unchanged.bytes().await.unwrap().is_empty());

        let whole = server.get(&path).await;
        let modified = header(&whole, "last-modified");
        assert_eq!(
            get("If-Modified-Since", modified).send().await.unwrap().status(),
            StatusCode::NOT_MODIFIED
        );

        let head = server.request(Method::HEAD, &path).send().await.unwrap();
        assert_eq!(
            (head.status(), header(&head, "content-length")),
            (StatusCode::OK, bytes.len().to_string())
        );
        assert!(head.bytes().await.unwrap().is_empty());
    }
    let index = server.get("/wapt/Packages").await;
    let (tag, modified) = (header(&index, "etag"), header(&index, "last-modified"));
    for (name, value) in [("If-None-Match", &tag), ("If-Modified-Since", &modified)] {
        let answer = server
            .request(Method::GET, "/wapt/Packages")
            .header(name, value)
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), StatusCode::NOT_MODIFIED, "{name}");
    }
    person.upload(group("tis-new", "1", "")).await;
    let answer = server
        .request(Method::GET, "/wapt/Packages")
        .header("If-None-Match", tag)
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
}

#[tokio::test]
async fn bad_uploads_are_refused_with_their_code_and_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let server = TestServer::start(&folder).await;
    let person = server.sign_in(Role::Deployer).await;
    for (name, expected) in [
        ("bad/not-a-zip", ErrorCode::PackageUnreadable),
        ("bad/no-signature", ErrorCode::PackageUnsigned),
        ("bad/control-depends-changed", ErrorCode::PackageSignatureInvalid),
        ("bad/untrusted-signer", ErrorCode::PackageSignatureUntrusted),
        ("bad/tampered-setup", ErrorCode::PackageContentChanged),
        (
            "repo-host/4C4C4544-004E-3510-8051-C7C04F325131",
            ErrorCode::PackageIsHost,
        ),
    ] {
        let answer = person
            .upload(fs_err::read(golden(&format!("{name}.wapt"))).unwrap())
            .await;
        assert_eq!(code(answer).await, expected, "{name}");
    }
    // The trust folder of a server is kept by a command.
    let foreign = fs_err::read(golden("bad/untrusted-signer.wapt")).unwrap();
    let told = person.upload(foreign).await.text().await.unwrap();
    assert!(told.contains("muster-server trust add"), "{told}");
    assert_eq!(
        code(person.upload(code_signed_by_nocode()).await).await,
        ErrorCode::PackageCodeSigningRequired
    );
    let upload = || person.request(Method::POST, "/api/v1/packages");
    let other = upload()
        .header("Content-Digest", format!("sha-256=:{}:", "A".repeat(43) + "="))
        .body(group("tis-a", "1", ""));
    assert_eq!(
        code(other.send().await.unwrap()).await,
        ErrorCode::PackageHashMismatch
    );
    let unreadable = upload()
        .header("Content-Digest", "sha-256=nonsense")
        .body(group("tis-a", "1", ""));
    assert_eq!(
        code(unreadable.send().await.unwrap()).await,
        ErrorCode::RequestInvalid
    );
    let large = upload().body(vec![0; 9 * 1024 * 1024]).send().await.unwrap();
    assert_eq!(code(large).await, ErrorCode::BodyTooLarge);
    // Without a length, it is seen on the way.
    let chunks = futures_util::stream::iter((0..90).map(|_| Ok::<_, std::io::Error>(vec![0_u8; 100 * 1024])));
    let endless = upload()
        .body(reqwest::Body::wrap_stream(chunks))
        .send()
        .await
        .unwrap();
    assert_eq!(code(endless).await, ErrorCode::BodyTooLarge);
    let first = group("tis-a", "1", "tis-b");
    assert_eq!(person.upload(first).await.status(), StatusCode::OK);
    assert_eq!(
        code(person.upload(group("tis-a", "1", "tis-c")).await).await,
        ErrorCode::PackageExists
    );
    assert!(server.listed("incoming").is_empty());
    assert_eq!(server.listed("wapt").len(), 3, "index, icons and the one package");
}

#[tokio::test]
async fn only_those_with_the_right_upload_list_and_delete() {
    let folder = tempfile::tempdir().unwrap();
    let server = TestServer::start(&folder).await;
    let viewer = server.sign_in(Role::Viewer).await;
    let bytes = group("tis-a", "1", "");
    assert_eq!(
        code(viewer.upload(bytes.clone()).await).await,
        ErrorCode::RightMissing
    );
    let large = vec![0; 9 * 1024 * 1024];
    assert_eq!(
        code(viewer.upload(large).await).await,
        ErrorCode::RightMissing,
        "whatever the size"
    );
    let anonymous = server
        .request(Method::POST, "/api/v1/packages")
        .body(bytes.clone())
        .send()
        .await
        .unwrap();
    assert_eq!(code(anonymous).await, ErrorCode::SignInRequired);
    assert_eq!(
        code(server.get("/api/v1/packages").await).await,
        ErrorCode::SignInRequired
    );
    assert_eq!(viewer.get("/api/v1/packages").await.status(), StatusCode::OK);
    let deployer = server.sign_in(Role::Deployer).await;
    let uploaded: Uploaded = deployer.upload(bytes).await.json().await.unwrap();
    let path = format!("/api/v1/packages/{}", uploaded.filename);
    assert_eq!(
        code(viewer.request(Method::DELETE, &path).send().await.unwrap()).await,
        ErrorCode::RightMissing
    );
    let deleted = deployer.request(Method::DELETE, &path).send().await.unwrap();
    assert_eq!(deleted.status(), StatusCode::NO_CONTENT);
    assert_eq!(
        code(deployer.request(Method::DELETE, &path).send().await.unwrap()).await,
        ErrorCode::NotFound
    );
    assert_eq!(
        code(server.get(&format!("/wapt/{}", uploaded.filename)).await).await,
        ErrorCode::NotFound
    );
}

#[tokio::test]
async fn a_list_is_filtered_sorted_and_paged() {
    let folder = tempfile::tempdir().unwrap();
    let server = TestServer::start(&folder).await;
    let person = server.sign_in(Role::Administrator).await;
    for number in 0..7 {
        person.upload(group(&format!("tis-{number}"), "1", "")).await;
    }
    person.upload(software("other", "1", 10)).await;
    let mut seen = Vec::new();
    let mut cursor = String::new();
    loop {
        let path = format!("/api/v1/packages?limit=3&sort=-package&filter=section:group{cursor}");
        let page: Page<PackageRow> = person.get(&path).await.json().await.unwrap();
        assert_eq!(page.total, 7);
        seen.extend(page.items.into_iter().map(|row| row.package));
        match page.next {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(
        seen,
        ["tis-6", "tis-5", "tis-4", "tis-3", "tis-2", "tis-1", "tis-0"]
    );
    for (query, expected) in [
        ("limit=1001", ErrorCode::RequestInvalid),
        ("sort=colour", ErrorCode::RequestInvalid),
        ("cursor=nothing", ErrorCode::RequestInvalid),
        ("filter=(", ErrorCode::FilterInvalid),
    ] {
        let answer = person.get(&format!("/api/v1/packages?{query}")).await;
        assert_eq!(code(answer).await, expected, "{query}");
    }
}

#[tokio::test]
async fn no_path_leaves_the_repository_or_reaches_what_is_hidden() {
    let folder = tempfile::tempdir().unwrap();
    let server = TestServer::start(&folder).await;
    let person = server.sign_in(Role::Administrator).await;
    let put = person
        .put_host_package("pc-1", host_package("pc-1", "1", ""), ("If-None-Match", "*"))
        .await;
    assert_eq!(put.status(), StatusCode::OK);
    fs_err::write(folder.path().join("repository/wapt/secret.txt"), "secret").unwrap();
    for path in [
        "/wapt/..%2fwapt-host%2fpc-1.wapt",
        "/wapt/%2e%2e%2fwapt-host%2fpc-1.wapt",
        "/wapt/..%5cwapt-host%5cpc-1.wapt",
        "/wapt/%2e%2e/wapt-host/pc-1.wapt",
        "/wapt/icons/..%2f..%2f..%2fmuster.sqlite",
        "/wapt/icons",
        "/wapt/secret.txt",
        "/wapt/.hidden",
        "/wapt/a%00b.wapt",
        "/wapt//etc/passwd",
        "/wapt-host/",
        "/wapt-host",
        "/wapt-host/Packages",
        "/incoming/x",
    ] {
        // Written byte for byte: a client that tidies paths would hide the attack.
        let answer = server.raw_get(path).await;
        let status: u16 = answer.split(' ').nth(1).unwrap().parse().unwrap();
        assert!(matches!(status, 400 | 401 | 404), "{path}: {answer}");
        assert!(!answer.contains("secret") || path.contains("secret"), "{path}");
    }
}

#[tokio::test]
async fn a_browser_gets_a_list_that_it_can_search() {
    let folder = tempfile::tempdir().unwrap();
    let server = TestServer::start(&folder).await;
    let person = server.sign_in(Role::Administrator).await;
    person.upload(software("tis-a", "1.0-1", 1000)).await;
    person.upload(group("tis-group", "3", "tis-a")).await;
    let to_list = server.get("/wapt").await;
    assert_eq!(
        (to_list.status(), header(&to_list, "location")),
        (StatusCode::PERMANENT_REDIRECT, "/wapt/".to_owned())
    );
    let list = server.get("/wapt/").await;
    assert_eq!(header(&list, "content-type"), "text/html; charset=utf-8");
    assert!(header(&list, "content-security-policy").contains("default-src 'none'"));
    let tag = header(&list, "etag");
    let html = list.text().await.unwrap();
    for part in [
        "2 packages",
        "tis-a",
        "1.0-1",
        "Testeur-éà",
        "Software tis-a",
        "tis-group",
    ] {
        assert!(html.contains(part), "{part}");
    }
    let unchanged = server
        .request(Method::GET, "/wapt/")
        .header("If-None-Match", tag)
        .send()
        .await
        .unwrap();
    assert_eq!(unchanged.status(), StatusCode::NOT_MODIFIED);
    let found = server.get("/wapt/?q=SOFTWARE").await.text().await.unwrap();
    assert!(found.contains("1 package matches") && !found.contains("tis-group"));
    let evil = server.get("/wapt/?q=%3Cscript%3E").await.text().await.unwrap();
    assert!(!evil.contains("<script"));
}

#[tokio::test]
async fn concurrent_uploads_over_https_all_survive_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = TestServer::start(&folder).await;
    {
        let person = server.sign_in(Role::Administrator).await;
        let uploads = (0..12).map(|number| person.upload(group(&format!("tis-{number}"), "1", "")));
        for answer in futures_util::future::join_all(uploads).await {
            assert_eq!(answer.status(), StatusCode::OK);
        }
    }
    let before = server.get("/wapt/Packages").await.bytes().await.unwrap();
    server.stop();
    let server = TestServer::again(&folder);
    let after = server.get("/wapt/Packages").await.bytes().await.unwrap();
    assert_eq!(before, after);
    assert_eq!(
        muster_shared::index::read(&after, &IndexLimits::default())
            .unwrap()
            .entries
            .len(),
        12
    );
}

#[tokio::test]
async fn consoles_are_told_of_new_and_deleted_packages() {
    let folder = tempfile::tempdir().unwrap();
    let server = TestServer::start(&folder).await;
    let person = server.sign_in(Role::Administrator).await;
    let events = person.get("/api/v1/events").await;
    assert_eq!(events.status(), StatusCode::OK);
    let mut events = events.bytes_stream();
    let uploaded: Uploaded = person.upload(group("tis-a", "1", "")).await.json().await.unwrap();
    let path = format!("/api/v1/packages/{}", uploaded.filename);
    person.request(Method::DELETE, &path).send().await.unwrap();
    let mut seen = String::new();
    let both = async {
        while !(seen.contains("\"type\":\"package\"") && seen.contains("\"type\":\"package-deleted\"")) {
            let chunk = events.next().await.unwrap().unwrap();
            seen.push_str(std::str::from_utf8(&chunk).unwrap());
        }
    };
    tokio::time::timeout(Duration::from_secs(10), both).await.unwrap();
    assert!(seen.contains(&uploaded.filename));
}

#[tokio::test]
async fn a_client_that_goes_away_in_the_middle_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let server = TestServer::start(&folder).await;
    let person = server.sign_in(Role::Administrator).await;
    let chunks = futures_util::stream::iter([Ok(vec![0_u8; 100_000]), Err(std::io::Error::other("gone"))]);
    let cut = person
        .request(Method::POST, "/api/v1/packages")
        .body(reqwest::Body::wrap_stream(chunks));
    assert!(cut.send().await.is_err());
    crate::eventually(|| server.listed("incoming").is_empty()).await;
    assert_eq!(server.listed("wapt"), ["Packages", "icons"]);
}
