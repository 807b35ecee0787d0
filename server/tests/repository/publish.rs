//! Publishing, over a real folder, a real database and real signatures: what is taken, what is refused, and
//! that a crash, a full disk or a second uploader loses nothing.

use std::sync::Arc;

use muster_shared::control::{Control, Section};
use muster_shared::package::{Package, Unverified};
use muster_shared::protocol::error::ErrorCode;

use crate::fixture::{
    Bench, SmallDisk, code_signed_by_nocode, golden, group, host_package, signed, signer, software, trust,
};

#[tokio::test]
async fn every_golden_package_of_the_repository_is_published_under_its_name_with_md5() {
    let bench = Bench::new().await;
    let mut count = 0;
    for entry in fs_err::read_dir(golden("repo")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "wapt") {
            continue;
        }
        let published = bench.publish(&fs_err::read(&path).unwrap()).await.unwrap();
        let stem = path.file_stem().unwrap().to_str().unwrap();
        assert_eq!(
            published.record.filename,
            format!("{stem}_{}.wapt", published.record.md5)
        );
        assert!(!published.unchanged);
        count += 1;
    }
    assert_eq!(count, 10);
    let index = bench.index();
    assert_eq!(index.entries.len(), count);
    assert_eq!(index.certificates.len(), 1);
    let golden_icons = fs_err::read_dir(golden("repo/icons")).unwrap().count();
    assert_eq!(bench.listed("wapt/icons").len(), golden_icons);
}

#[tokio::test]
async fn every_damaged_golden_package_is_refused_with_its_code_and_leaves_nothing() {
    let expected = [
        ("cert-replaced", ErrorCode::PackageSignatureInvalid),
        ("control-depends-changed", ErrorCode::PackageSignatureInvalid),
        ("control-signature-removed", ErrorCode::PackageUnsigned),
        (
            "control-signed-attributes-shrunk",
            ErrorCode::PackageSignatureInvalid,
        ),
        ("extra-file", ErrorCode::PackageContentChanged),
        ("missing-file", ErrorCode::PackageContentChanged),
        ("no-certificate", ErrorCode::PackageUnsigned),
        ("no-manifest", ErrorCode::PackageUnsigned),
        ("no-signature", ErrorCode::PackageUnsigned),
        ("not-a-zip", ErrorCode::PackageUnreadable),
        ("tampered-file", ErrorCode::PackageContentChanged),
        ("tampered-setup", ErrorCode::PackageContentChanged),
        ("truncated", ErrorCode::PackageUnreadable),
        ("untrusted-signer", ErrorCode::PackageSignatureUntrusted),
    ];
    let bench = Bench::new().await;
    for (name, code) in expected {
        let bytes = fs_err::read(golden(&format!("bad/{name}.wapt"))).unwrap();
        let error = bench.publish(&bytes).await.unwrap_err();
        assert_eq!(error.code(), code, "{name}: {error}");
    }
    assert_eq!(bench.listed("wapt"), ["Packages"]);
    assert!(bench.listed("incoming").is_empty());
    assert!(bench.indexed().is_empty());
}

#[tokio::test]
async fn accepted_variants_of_a_package_are_published() {
    for name in [
        "bad/good-rezip",
        "bad/good-stored",
        "bad/good-with-dir-entry",
        "bad/extra-sha1-manifest",
        "chain/peer-app-enckey",
        "chain/peer-base-leafchain",
        "chain/peer-group-nocode",
    ] {
        let bench = Bench::new().await;
        bench
            .publish(&fs_err::read(golden(&format!("{name}.wapt"))).unwrap())
            .await
            .unwrap();
        assert_eq!(bench.index().entries.len(), 1, "{name}");
    }
}

#[tokio::test]
async fn a_signer_without_code_signing_publishes_groups_and_no_code() {
    let bench = Bench::new().await;
    let bytes = signed(Control::new("tis-all", "1", Section::Group), "nocode");
    bench.publish(&bytes).await.unwrap();
    let error = bench.publish(&code_signed_by_nocode()).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::PackageCodeSigningRequired, "{error}");
    assert_eq!(bench.index().entries.len(), 1);
}

#[tokio::test]
async fn the_same_version_with_other_content_is_refused_and_the_same_content_is_unchanged() {
    let bench = Bench::new().await;
    let first = group("tis-all", "1-1", "tis-a");
    let second = group("tis-all", "1-1", "tis-b");
    let published = bench.publish(&first).await.unwrap();
    let again = bench.publish(&first).await.unwrap();
    assert!(again.unchanged);
    assert_eq!(again.record.filename, published.record.filename);
    let error = bench.publish(&second).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::PackageExists);
    assert!(error.to_string().contains(&published.record.filename), "{error}");
    bench.publish(&group("tis-all", "1-2", "tis-b")).await.unwrap();
    assert_eq!(bench.index().entries.len(), 2);
}

#[tokio::test]
async fn a_host_package_is_not_taken_into_the_repository() {
    let bench = Bench::new().await;
    let bytes = fs_err::read(golden("repo-host/4C4C4544-004E-3510-8051-C7C04F325131.wapt")).unwrap();
    assert_eq!(
        bench.publish(&bytes).await.unwrap_err().code(),
        ErrorCode::PackageIsHost
    );
}

#[tokio::test]
async fn an_upload_past_the_limit_is_cut_and_leaves_nothing() {
    let bench = Bench::new().await;
    let error = bench.receive(&vec![0; 65 * 1024 * 1024]).await.err().unwrap();
    assert_eq!(error.code(), ErrorCode::BodyTooLarge);
    assert!(bench.listed("incoming").is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn concurrent_uploads_all_survive() {
    let bench = Arc::new(Bench::new().await);
    let tasks: Vec<_> = (0..24)
        .map(|number| {
            let bench = Arc::clone(&bench);
            let bytes = group(&format!("tis-{number}"), "1", "");
            tokio::spawn(async move { bench.publish(&bytes).await.unwrap() })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(bench.index().entries.len(), 24);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_two_contents_of_one_version_exactly_one_is_published() {
    let bench = Arc::new(Bench::new().await);
    let tasks: Vec<_> = (0..8)
        .map(|number| {
            let bench = Arc::clone(&bench);
            let bytes = group("tis-all", "1", &format!("tis-{number}"));
            tokio::spawn(async move { bench.publish(&bytes).await })
        })
        .collect();
    let mut published = 0;
    for task in tasks {
        match task.await.unwrap() {
            Ok(_) => published += 1,
            Err(error) => assert_eq!(error.code(), ErrorCode::PackageExists),
        }
    }
    assert_eq!(published, 1);
    assert_eq!(bench.index().entries.len(), 1);
    assert_eq!(bench.listed("wapt").len(), 2);
}

#[tokio::test]
async fn a_crash_between_rename_and_row_is_completed_at_the_next_start() {
    let bench = Bench::new().await;
    bench.publish(&group("tis-a", "1", "")).await.unwrap();
    // What a killed server leaves: a half upload, a renamed file without a row and without its line in the index.
    fs_err::write(bench.path("incoming/upload-x.part"), b"half a pack").unwrap();
    let bytes = software("tis-b", "2.0-1", 5000);
    fs_err::write(bench.path("wapt/tis-b_2.0-1.wapt"), &bytes).unwrap();
    let bench = bench.restart().await;
    assert!(bench.listed("incoming").is_empty());
    let index = bench.index();
    assert_eq!(index.entries.len(), 2);
    assert_eq!(bench.listed("wapt/icons").len(), 1);
    assert_eq!(index.entries[1].size, bytes.len() as u64);
}

#[tokio::test]
async fn a_crash_between_row_and_index_is_completed_at_the_next_start() {
    let bench = Bench::new().await;
    bench.publish(&group("tis-a", "1", "")).await.unwrap();
    let before = fs_err::read(bench.path("wapt/Packages")).unwrap();
    bench.publish(&group("tis-b", "1", "")).await.unwrap();
    let after = fs_err::read(bench.path("wapt/Packages")).unwrap();
    for left in [&before[..], b"", b"torn"] {
        fs_err::write(bench.path("wapt/Packages"), left).unwrap();
        bench.repository.recover().await.unwrap();
        assert_eq!(fs_err::read(bench.path("wapt/Packages")).unwrap(), after);
    }
    fs_err::remove_file(bench.path("wapt/Packages")).unwrap();
    bench.repository.recover().await.unwrap();
    assert_eq!(fs_err::read(bench.path("wapt/Packages")).unwrap(), after);
}

#[tokio::test]
async fn a_lost_database_is_rebuilt_from_the_files_and_the_index_keeps_its_bytes() {
    let bench = Bench::new().await;
    bench.publish(&group("tis-a", "1", "")).await.unwrap();
    bench.publish(&software("tis-b", "1", 100)).await.unwrap();
    let names = bench.indexed();
    let bench = bench.restart_without_database().await;
    assert_eq!(bench.indexed(), names);
    let index = fs_err::read(bench.path("wapt/Packages")).unwrap();
    let bench = bench.restart().await;
    assert_eq!(fs_err::read(bench.path("wapt/Packages")).unwrap(), index);
}

#[tokio::test]
async fn files_put_into_the_folder_by_hand_pass_the_same_checks() {
    let bench = Bench::new().await;
    let copy = |from: &str, to: &str| {
        fs_err::copy(golden(from), bench.path(to)).unwrap();
    };
    copy("repo/peer-app_1.0-0.wapt", "wapt/peer-app_1.0-0.wapt");
    copy("bad/tampered-setup.wapt", "wapt/peer-base_1.wapt");
    copy("bad/untrusted-signer.wapt", "wapt/peer-other_1.wapt");
    copy(
        "repo-host/4C4C4544-004E-3510-8051-C7C04F325131.wapt",
        "wapt/host.wapt",
    );
    copy(
        "repo-host/4C4C4544-004E-3510-8051-C7C04F325131.wapt",
        "wapt-host/4C4C4544-004E-3510-8051-C7C04F325131.wapt",
    );
    copy(
        "repo-host/4C4C4544-004E-3510-8051-C7C04F325131.wapt",
        "wapt-host/other-host.wapt",
    );
    copy(
        "host-encrypted/4C4C4544-004E-3510-8051-C7C04F325131.wapt",
        "wapt-host/encrypted.wapt",
    );
    let recovered = bench.repository.recover().await.unwrap();
    assert_eq!(bench.indexed(), ["peer-app_1.0-0.wapt"]);
    assert_eq!(
        recovered.added,
        ["peer-app_1.0-0.wapt", "4C4C4544-004E-3510-8051-C7C04F325131.wapt"]
    );
    let refused: Vec<_> = recovered.refused.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(
        refused,
        [
            "host.wapt",
            "peer-base_1.wapt",
            "peer-other_1.wapt",
            "encrypted.wapt",
            "other-host.wapt"
        ]
    );
    for name in ["host.wapt", "peer-base_1.wapt", "peer-other_1.wapt"] {
        let error = bench.repository.package_file(name).await.unwrap_err();
        assert_eq!(error.code(), ErrorCode::NotFound, "{name}");
    }
    // Nothing changed since: the next start finds nothing to do.
    let again = bench.repository.recover().await.unwrap();
    assert!(again.added.is_empty() && again.removed.is_empty());
}

#[tokio::test]
async fn a_file_that_was_removed_or_written_over_by_hand_leaves_the_index() {
    let bench = Bench::new().await;
    let removed = bench
        .publish(&group("tis-a", "1", ""))
        .await
        .unwrap()
        .record
        .filename;
    let spoiled = bench
        .publish(&software("tis-b", "1", 100))
        .await
        .unwrap()
        .record
        .filename;
    let large = bench
        .publish(&software("tis-c", "1", 700_000))
        .await
        .unwrap()
        .record
        .filename;
    bench.publish(&group("tis-d", "1", "")).await.unwrap();
    fs_err::remove_file(bench.path(&format!("wapt/{removed}"))).unwrap();
    for name in [&spoiled, &large] {
        fs_err::write(bench.path(&format!("wapt/{name}")), b"something else").unwrap();
        // Not even before the next start does anybody get other bytes than those that were checked.
        assert_eq!(
            bench.repository.package_file(name).await.unwrap_err().code(),
            ErrorCode::NotFound
        );
    }
    let bench = bench.restart().await;
    assert_eq!(bench.index().entries.len(), 1);
    assert!(bench.listed("wapt/icons").is_empty());
}

#[tokio::test]
async fn a_deleted_package_takes_its_file_its_icon_and_its_row_along() {
    let bench = Bench::new().await;
    let kept = bench
        .publish(&group("tis-a", "1", ""))
        .await
        .unwrap()
        .record
        .filename;
    let gone = bench
        .publish(&software("tis-b", "1", 100))
        .await
        .unwrap()
        .record
        .filename;
    assert_eq!(bench.listed("wapt/icons").len(), 1);
    bench.repository.delete(&gone, "admin").await.unwrap();
    assert_eq!(bench.indexed(), std::slice::from_ref(&kept));
    assert_eq!(bench.listed("wapt"), ["Packages".to_owned(), kept]);
    assert!(bench.listed("wapt/icons").is_empty());
    assert_eq!(
        bench.repository.delete(&gone, "admin").await.unwrap_err().code(),
        ErrorCode::NotFound
    );
    // The version is free again.
    bench.publish(&software("tis-b", "1", 200)).await.unwrap();
}

#[tokio::test]
async fn a_full_disk_is_said_and_leaves_everything_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let disk = Arc::new(SmallDisk::new(folder.path(), i64::MAX));
    let files: Arc<dyn muster_server::repository::file_store::FileStore> = Arc::<SmallDisk>::clone(&disk);
    let bench = Bench::with_files(folder, files).await;
    bench.repository.recover().await.unwrap();
    bench.publish(&group("tis-a", "1", "")).await.unwrap();
    let index = fs_err::read(bench.path("wapt/Packages")).unwrap();
    let names = bench.listed("wapt");
    let bytes = software("tis-b", "1", 300_000);
    let size = i64::try_from(bytes.len()).unwrap();
    // Full at the first byte, in the middle, at the icon, and at the index.
    for left in [0, size / 2, size, size + 80] {
        disk.set_left(left);
        let error = bench.publish(&bytes).await.unwrap_err();
        assert_eq!(error.code(), ErrorCode::StorageFull, "{left}: {error}");
        assert_eq!(bench.listed("wapt"), names, "{left}");
        assert!(bench.listed("incoming").is_empty(), "{left}");
        assert!(bench.listed("wapt/icons").is_empty(), "{left}");
        assert_eq!(
            fs_err::read(bench.path("wapt/Packages")).unwrap(),
            index,
            "{left}"
        );
    }
    disk.set_left(i64::MAX);
    bench.publish(&bytes).await.unwrap();
    assert_eq!(bench.index().entries.len(), 2);
}

#[tokio::test]
async fn the_index_of_a_hundred_packages_stays_under_100_kb_and_its_rows_verify() {
    let bench = Bench::new().await;
    for number in 0..100 {
        let control = Control::new(format!("tis-package-{number}"), "12.34.56-7", Section::Base)
            .with("name", &format!("Package number {number}"))
            .with(
                "description",
                "A package of the usual length of description, for people who look at lists",
            )
            .with(
                "description_fr",
                "Un paquet avec une description d'une longueur habituelle, pour les listes",
            )
            .with("depends", "tis-base,tis-other(>=1.2)")
            .with("homepage", "https://example.org/software")
            .with("keywords", "software,test,list");
        bench.publish(&signed(control, "signer")).await.unwrap();
    }
    let size = fs_err::metadata(bench.path("wapt/Packages")).unwrap().len();
    assert!(size < 100_000, "{size} bytes");
    let index = bench.index();
    let leaf = &trust();
    for entry in &index.entries {
        let path = bench.path(&format!("wapt/{}", entry.filename));
        let package = Package::<Unverified>::open(&path)
            .unwrap()
            .verify(leaf, muster_shared::clock::now())
            .unwrap();
        assert_eq!(package.control().signed_bytes(), entry.control.signed_bytes());
        assert_eq!(
            (package.digests().unwrap().md5.as_str(), package.size()),
            (entry.md5sum.as_str(), entry.size)
        );
    }
}

#[tokio::test]
async fn an_encrypted_host_package_is_known_before_it_is_made_and_made_once() {
    use muster_server::domain::package_upload::Precondition;
    use muster_server::repository::serve::Content;
    use muster_shared::crypto::Signer as _;
    use muster_shared::package::encrypted;

    let bench = Bench::new().await;
    let identifier = "pc-1".parse().unwrap();
    let received = bench.receive(&host_package("pc-1", "1", "")).await.unwrap();
    bench
        .repository
        .publish_for_host(&identifier, received, &Precondition::IsFirst, "admin")
        .await
        .unwrap();
    let certificate = signer("signer").certificate().clone();
    let outline = bench
        .repository
        .host_package_outline(&identifier, &certificate)
        .await
        .unwrap()
        .unwrap();
    let mut made = Vec::new();
    for _ in 0..2 {
        let file = bench
            .repository
            .host_package_encrypted(&identifier, certificate.clone(), jiff::Timestamp::UNIX_EPOCH)
            .await
            .unwrap();
        assert_eq!((&file.tag, file.modified), (&outline.tag, outline.modified));
        let Content::Memory(bytes) = file.content else {
            panic!("it is in memory");
        };
        assert!(encrypted::is_encrypted(&bytes));
        made.push(bytes);
    }
    assert_eq!(made[0], made[1]);
}
