//! Host packages over HTTPS: compare and swap for people, privacy between hosts.

use muster_shared::package::{Package, Unverified};
use muster_shared::protocol::error::ErrorCode;
use muster_shared::protocol::package::Uploaded;
use muster_shared::protocol::session::Role;
use reqwest::{Method, StatusCode};
use serde_json::Value;

use crate::fixture::{golden, group, host_package, signed, trust};
use crate::server::{TestServer, code, header};

const FIRST: (&str, &str) = ("If-None-Match", "*");

#[tokio::test]
async fn a_host_reads_its_own_package_and_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let server = TestServer::start(&folder).await;
    let person = server.sign_in(Role::Deployer).await;
    let own = server.register("PC-one").await;
    let other = server.register("pc-two").await;
    assert_eq!(
        code(own.get("/wapt-host/PC-one.wapt").await).await,
        ErrorCode::NotFound
    );

    let bytes = host_package("PC-one", "1", "tis-a,tis-b(>=2)");
    let put = person.put_host_package("pc-ONE", bytes.clone(), FIRST).await;
    assert_eq!(put.status(), StatusCode::OK);
    let uploaded: Uploaded = put.json().await.unwrap();
    // Names are the same host in any case.
    for path in ["/wapt-host/PC-one.wapt", "/wapt-host/pc-one.wapt"] {
        let answer = own.get(path).await;
        assert_eq!(header(&answer, "etag"), format!("\"{}\"", uploaded.sha256));
        assert!(header(&answer, "cache-control").starts_with("private"));
        assert_eq!(answer.bytes().await.unwrap(), bytes, "{path}");
    }
    assert_eq!(
        code(other.get("/wapt-host/PC-one.wapt").await).await,
        ErrorCode::HostForbidden
    );
    assert_eq!(
        code(other.get("/wapt-host/nobody.wapt").await).await,
        ErrorCode::HostForbidden
    );
    assert_eq!(
        code(server.get("/wapt-host/PC-one.wapt").await).await,
        ErrorCode::HostSignatureMissing
    );
    assert_eq!(
        code(server.get("/wapt-host/").await).await,
        ErrorCode::RouteNotFound
    );
    assert_eq!(
        code(server.get("/api/v1/host-packages/PC-one").await).await,
        ErrorCode::SignInRequired
    );
    // A host's signature opens no route of people.
    assert_eq!(
        code(own.get("/api/v1/host-packages/PC-one").await).await,
        ErrorCode::SignInRequired
    );

    let for_person = person.get("/api/v1/host-packages/pc-one").await;
    assert_eq!(header(&for_person, "etag"), format!("\"{}\"", uploaded.sha256));
    assert_eq!(for_person.bytes().await.unwrap(), bytes);
    assert_eq!(
        person.get("/wapt-host/pc-one.wapt").await.status(),
        StatusCode::OK
    );

    let row: Value = person.get("/api/v1/hosts/PC-one").await.json().await.unwrap();
    assert_eq!(row["row"]["groups"], serde_json::json!(["tis-a", "tis-b"]));
}

#[tokio::test]
async fn of_two_administrators_the_second_is_told_and_nothing_is_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    let server = TestServer::start(&folder).await;
    let person = server.sign_in(Role::Administrator).await;
    let first = host_package("pc-1", "1", "");
    let uploaded: Uploaded = person
        .put_host_package("pc-1", first.clone(), FIRST)
        .await
        .json()
        .await
        .unwrap();
    let read = format!("\"{}\"", uploaded.sha256);
    let condition = ("If-Match", read.as_str());

    // Both had read version 1; each writes a version 2.
    let (alice, bob) = (
        host_package("pc-1", "2", "tis-alice"),
        host_package("pc-1", "2", "tis-bob"),
    );
    let answers = futures_util::future::join(
        person.put_host_package("pc-1", alice.clone(), condition),
        person.put_host_package("pc-1", bob.clone(), condition),
    )
    .await;
    let (won, lost, winner) = if answers.0.status() == StatusCode::OK {
        (answers.0, answers.1, alice)
    } else {
        (answers.1, answers.0, bob)
    };
    assert_eq!(won.status(), StatusCode::OK);
    let won: Uploaded = won.json().await.unwrap();
    assert_eq!(lost.status(), StatusCode::PRECONDITION_FAILED);
    assert_eq!(code(lost).await, ErrorCode::Changed);
    assert_eq!(
        person
            .get("/api/v1/host-packages/pc-1")
            .await
            .bytes()
            .await
            .unwrap(),
        winner
    );

    // Who lost the answer and sends the same again has not lost the race.
    let again: Uploaded = person
        .put_host_package("pc-1", winner, condition)
        .await
        .json()
        .await
        .unwrap();
    assert!(again.unchanged);
    assert_eq!(again.sha256, won.sha256);
    // Whoever believes that there is none, or says nothing, changes nothing.
    assert_eq!(
        code(person.put_host_package("pc-1", first.clone(), FIRST).await).await,
        ErrorCode::Changed
    );
    let silent = person
        .request(Method::PUT, "/api/v1/host-packages/pc-1")
        .body(first)
        .send()
        .await
        .unwrap();
    assert_eq!(code(silent).await, ErrorCode::RequestInvalid);
}

#[tokio::test]
async fn what_is_no_package_of_this_host_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let server = TestServer::start(&folder).await;
    let person = server.sign_in(Role::Administrator).await;
    let foreign = {
        use muster_shared::control::{Control, Section};
        signed(Control::new("pc-1", "1", Section::Host), "untrusted")
    };
    for (bytes, expected) in [
        (host_package("pc-2", "1", ""), ErrorCode::PackageControlInvalid),
        (group("pc-1", "1", ""), ErrorCode::PackageControlInvalid),
        (foreign, ErrorCode::PackageSignatureUntrusted),
        (b"no package".to_vec(), ErrorCode::PackageUnreadable),
    ] {
        assert_eq!(
            code(person.put_host_package("pc-1", bytes, FIRST).await).await,
            expected
        );
    }
    let bad_name = person
        .put_host_package("pc%20%2f1", host_package("pc-1", "1", ""), FIRST)
        .await;
    assert_eq!(code(bad_name).await, ErrorCode::RequestInvalid);
    let viewer = server.sign_in(Role::Viewer).await;
    let refused = viewer
        .put_host_package("pc-1", host_package("pc-1", "1", ""), FIRST)
        .await;
    assert_eq!(code(refused).await, ErrorCode::RightMissing);
    assert!(server.listed("wapt-host").is_empty());
    assert!(server.listed("incoming").is_empty());
}

#[tokio::test]
async fn a_host_package_made_by_the_predecessor_is_served_to_its_host() {
    let folder = tempfile::tempdir().unwrap();
    let server = TestServer::start(&folder).await;
    let person = server.sign_in(Role::Administrator).await;
    let identifier = "4C4C4544-004E-3510-8051-C7C04F325131";
    let bytes = fs_err::read(golden(&format!("repo-host/{identifier}.wapt"))).unwrap();
    assert_eq!(
        person.put_host_package(identifier, bytes, FIRST).await.status(),
        StatusCode::OK
    );
    // Uploaded before the host registers: its groups are there at once.
    let host = server.register(identifier).await;
    let row: Value = person
        .get(&format!("/api/v1/hosts/{identifier}"))
        .await
        .json()
        .await
        .unwrap();
    assert!(!row["row"]["groups"].as_array().unwrap().is_empty());
    let fetched = host
        .get(&format!("/wapt-host/{identifier}.wapt"))
        .await
        .bytes()
        .await
        .unwrap();
    let path = folder.path().join("fetched.wapt");
    fs_err::write(&path, fetched).unwrap();
    let package = Package::<Unverified>::open(&path).unwrap();
    assert!(package.verify(&trust(), muster_shared::clock::now()).is_ok());
}

#[tokio::test]
async fn a_restart_keeps_host_packages_and_a_lost_database_takes_them_from_the_folder() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = TestServer::start(&folder).await;
    let bytes = host_package("pc-1", "3", "tis-a");
    {
        let person = server.sign_in(Role::Administrator).await;
        assert_eq!(
            person
                .put_host_package("pc-1", bytes.clone(), FIRST)
                .await
                .status(),
            StatusCode::OK
        );
    }
    server.stop();
    for name in ["muster.sqlite", "muster.sqlite-wal", "muster.sqlite-shm"] {
        fs_err::remove_file(folder.path().join(name)).ok();
    }
    let server = TestServer::again(&folder);
    let host = server.register("pc-1").await;
    assert_eq!(
        host.get("/wapt-host/pc-1.wapt").await.bytes().await.unwrap(),
        bytes
    );
}
