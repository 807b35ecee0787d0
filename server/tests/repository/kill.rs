//! The program itself, killed in the middle of uploads: what was answered is there, and everything is whole.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::future::join_all;
use muster_shared::index::IndexLimits;
use muster_shared::package::{Package, Unverified};
use muster_shared::protocol::package::Uploaded;
use muster_shared::protocol::session::Role;
use reqwest::StatusCode;

use crate::fixture::{software, trust};
use crate::server::TestServer;

const UPLOADS: usize = 12;

#[tokio::test]
async fn a_server_killed_in_the_middle_of_uploads_loses_nothing_that_it_answered() {
    let folder = tempfile::tempdir().unwrap();
    TestServer::prepare(&folder).await;
    let mut answered: Vec<Uploaded> = Vec::new();
    for round in 0..4 {
        let mut server = TestServer::process(&folder);
        let seen = Arc::new(AtomicUsize::new(0));
        let uploaded = {
            let person = server.sign_in(Role::Administrator).await;
            let uploads = (0..UPLOADS).map(|number| {
                let bytes = software(&format!("tis-{round}-{number}"), "1", 40_000 * (number + 1));
                let (person, seen) = (&person, Arc::clone(&seen));
                async move {
                    let answer = person.try_upload(bytes).await.ok()?;
                    seen.fetch_add(1, Ordering::SeqCst);
                    assert_eq!(answer.status(), StatusCode::OK);
                    answer.json::<Uploaded>().await.ok()
                }
            });
            let killed_after = round * 3;
            let until_killed = crate::eventually(|| seen.load(Ordering::SeqCst) >= killed_after);
            let uploads = join_all(uploads);
            tokio::pin!(uploads);
            tokio::select! {
                _ = &mut uploads => {}
                () = until_killed => {}
            }
            server.kill();
            uploads.await
        };
        server.stop();
        answered.extend(uploaded.into_iter().flatten());

        let server = TestServer::process(&folder);
        assert!(server.listed("incoming").is_empty());
        let index = server.get("/wapt/Packages").await.bytes().await.unwrap();
        let index = muster_shared::index::read(&index, &IndexLimits::default()).unwrap();
        assert!(index.rejected.is_empty());
        for upload in &answered {
            assert!(
                index
                    .entries
                    .iter()
                    .any(|entry| entry.filename == upload.filename),
                "{}",
                upload.filename
            );
        }
        for entry in &index.entries {
            let bytes = server
                .get(&format!("/wapt/{}", entry.filename))
                .await
                .bytes()
                .await
                .unwrap();
            let path = folder.path().join("downloaded.wapt");
            fs_err::write(&path, bytes).unwrap();
            let package = Package::<Unverified>::open(&path)
                .unwrap()
                .verify(&trust(), muster_shared::clock::now());
            assert_eq!(package.unwrap().digests().unwrap().md5, entry.md5sum);
        }
    }
    assert!(answered.len() >= 9, "{}", answered.len());
}
