//! What the tests of the repository share: golden keys, real signed packages, a repository over a folder.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use actix_web::web::Bytes;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::stream;
use muster_server::layout::DataFolder;
use muster_server::repository::file_store::{Area, FileName, FileStore, FolderStore, Staged, StoredFile};
use muster_server::repository::upload::{Announced, Received};
use muster_server::repository::{Published, Repository, RepositoryError};
use muster_server::store::Store;
use muster_server::trust::Signers;
use muster_shared::clock::{SystemClock, now};
use muster_shared::control::{Control, Section};
use muster_shared::crypto::{FileSigner, Signer as _, TrustStore};
use muster_shared::index::{Index, IndexLimits};
use muster_shared::package::build::{BuildOptions, build_control_only, build_folder};
use muster_shared::package::{Package, Unverified};
use sha2::{Digest as _, Sha256};

/// A file made by WAPT 1.8.2.
pub(crate) fn golden(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../tests/golden")
        .join(path)
}

/// One of the golden key pairs: `signer`, `nocode`, `untrusted`.
pub(crate) fn signer(name: &str) -> FileSigner {
    FileSigner::open(
        &golden(&format!("keys/{name}.crt")),
        &golden(&format!("keys/{name}.pem")),
        None,
    )
    .unwrap()
}

/// A signed package without code.
pub(crate) fn group(name: &str, version: &str, depends: &str) -> Vec<u8> {
    signed(
        Control::new(name, version, Section::Group).with("depends", depends),
        "signer",
    )
}

/// A signed host package.
pub(crate) fn host_package(identifier: &str, version: &str, depends: &str) -> Vec<u8> {
    signed(
        Control::new(identifier, version, Section::Host).with("depends", depends),
        "signer",
    )
}

/// A control alone, signed by a golden key.
pub(crate) fn signed(control: Control, key: &str) -> Vec<u8> {
    build_control_only(control.with("maintainer", "Test"), &signer(key), now()).unwrap()
}

/// A signed package with a script, an icon and a file of some size.
pub(crate) fn software(name: &str, version: &str, payload_bytes: usize) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let sources = folder.path().join("sources");
    fs_err::create_dir_all(sources.join("WAPT")).unwrap();
    let control = Control::new(name, version, Section::Base)
        .with("name", &format!("Software {name}"))
        .with("maintainer", "Test")
        .with("description", "Software that a test packaged");
    fs_err::write(sources.join("WAPT/control"), control.to_text()).unwrap();
    fs_err::write(sources.join("WAPT/icon.png"), png()).unwrap();
    fs_err::write(sources.join("setup.py"), "def install():\n    pass\n").unwrap();
    // Bytes that do not compress, so that the package has the size asked for.
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let payload: Vec<u8> = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[0]
    })
    .take(payload_bytes)
    .collect();
    fs_err::write(sources.join("payload.bin"), payload).unwrap();
    let built = build_folder(
        &sources,
        folder.path(),
        &signer("signer"),
        &BuildOptions::default(),
        now(),
    )
    .unwrap();
    fs_err::read(built.path).unwrap()
}

/// Signed rightly, by a certificate that may not sign code: the packaging tools refuse to make such a file.
pub(crate) fn code_signed_by_nocode() -> Vec<u8> {
    let signer = signer("nocode");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.wapt");
    fs_err::write(
        &path,
        signed(Control::new("tis-code", "1", Section::Base), "nocode"),
    )
    .unwrap();
    let control = Package::<Unverified>::open(&path).unwrap().control().to_text();
    let mut members = vec![
        ("setup.py", b"def install():\n    pass\n".to_vec()),
        ("WAPT/control", control.into_bytes()),
        (
            "WAPT/certificate.crt",
            fs_err::read(golden("keys/nocode.crt")).unwrap(),
        ),
    ];
    let rows: Vec<(&str, String)> = members
        .iter()
        .map(|(name, bytes)| (*name, hex::encode(Sha256::digest(bytes))))
        .collect();
    let manifest = serde_json::to_vec(&rows).unwrap();
    let signature = STANDARD.encode(signer.sign(&manifest).unwrap()).into_bytes();
    members.push(("WAPT/manifest.sha256", manifest));
    members.push(("WAPT/signature.sha256", signature));
    stored_zip(&members)
}

/// The smallest picture.
pub(crate) fn png() -> Vec<u8> {
    let text =
        "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c4890000000d4944415478da6364f8cf50\
                0f0003860180 5a347d6b0000000049454e44ae426082"
            .replace(' ', "");
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap())
        .collect()
}

/// An archive of members that are not compressed, written byte by byte: no tool checks what is in it.
pub(crate) fn stored_zip(members: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut directory = Vec::new();
    let length = |bytes: &[u8]| u32::try_from(bytes.len()).unwrap().to_le_bytes();
    for (name, bytes) in members {
        let offset = length(&out);
        // Version 20, no flags, stored, midnight of 1 January 1980.
        let mut common = vec![20, 0, 0, 0, 0, 0, 0, 0, 0x21, 0];
        common.extend(crc32(bytes).to_le_bytes());
        common.extend(length(bytes));
        common.extend(length(bytes));
        common.extend(&length(name.as_bytes())[..2]);
        common.extend([0, 0]);
        out.extend(b"PK\x03\x04");
        out.extend(&common);
        out.extend(name.as_bytes());
        out.extend(bytes);
        directory.extend(b"PK\x01\x02\x14\x03");
        directory.extend(&common);
        directory.extend([0; 6]);
        directory.extend([0, 0, 0xa4, 0x81]);
        directory.extend(offset);
        directory.extend(name.as_bytes());
    }
    let count = u16::try_from(members.len()).unwrap().to_le_bytes();
    let start = length(&out);
    out.extend(&directory);
    out.extend(b"PK\x05\x06\0\0\0\0");
    out.extend(count);
    out.extend(count);
    out.extend(length(&directory));
    out.extend(start);
    out.extend([0, 0]);
    out
}

fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 {
                (crc >> 1) ^ 0xedb8_8320
            } else {
                crc >> 1
            };
        }
    }
    !crc
}

/// A repository over a folder of its own that trusts the golden anchors.
pub(crate) struct Bench {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) store: Store,
    pub(crate) repository: Arc<Repository>,
}

impl Bench {
    /// A new, empty repository that has recovered.
    pub(crate) async fn new() -> Self {
        Self::over(tempfile::tempdir().unwrap()).await
    }

    /// The repository of a folder, as after a start of the server.
    pub(crate) async fn over(folder: tempfile::TempDir) -> Self {
        let files = FolderStore::open(&DataFolder::new(folder.path())).unwrap();
        let bench = Self::with_files(folder, Arc::new(files)).await;
        bench.repository.recover().await.unwrap();
        bench
    }

    /// A repository over other storage, before its first recovery.
    pub(crate) async fn with_files(folder: tempfile::TempDir, files: Arc<dyn FileStore>) -> Self {
        let store = Store::open(&folder.path().join("muster.sqlite")).await.unwrap();
        let signers = Arc::new(Signers::new(golden("certs")));
        let repository = Repository::new(
            files,
            store.clone(),
            signers,
            Arc::new(SystemClock),
            64 * 1024 * 1024,
        );
        Self {
            folder,
            store,
            repository: Arc::new(repository),
        }
    }

    /// Starts again over the same folder and database.
    pub(crate) async fn restart(self) -> Self {
        self.store.close().await;
        Self::over(self.folder).await
    }

    /// Starts again with the database lost.
    pub(crate) async fn restart_without_database(self) -> Self {
        self.store.close().await;
        for name in ["muster.sqlite", "muster.sqlite-wal", "muster.sqlite-shm"] {
            fs_err::remove_file(self.folder.path().join(name)).ok();
        }
        Self::over(self.folder).await
    }

    pub(crate) fn path(&self, below: &str) -> PathBuf {
        self.folder.path().join("repository").join(below)
    }

    pub(crate) async fn receive(&self, bytes: &[u8]) -> Result<Received, RepositoryError> {
        let chunks: Vec<_> = bytes
            .chunks(60_000)
            .map(|chunk| Ok(Bytes::copy_from_slice(chunk)))
            .collect();
        self.repository
            .receive(stream::iter(chunks), Announced::default())
            .await
    }

    pub(crate) async fn publish(&self, bytes: &[u8]) -> Result<Published, RepositoryError> {
        let received = self.receive(bytes).await?;
        self.repository.publish(received, "admin").await
    }

    /// The index as it lies on the disk, every row checked against its signature.
    pub(crate) fn index(&self) -> Index {
        let bytes = fs_err::read(self.path("wapt/Packages")).unwrap();
        let index = muster_shared::index::read(&bytes, &IndexLimits::default()).unwrap();
        assert!(index.rejected.is_empty(), "{:?}", index.rejected);
        index
    }

    pub(crate) fn indexed(&self) -> Vec<String> {
        self.index()
            .entries
            .into_iter()
            .map(|entry| entry.filename)
            .collect()
    }

    /// Names in a folder of the repository, sorted.
    pub(crate) fn listed(&self, below: &str) -> Vec<String> {
        let entries = fs_err::read_dir(self.path(below))
            .unwrap()
            .map(|entry| entry.unwrap());
        let files = entries.filter(|entry| entry.file_type().unwrap().is_file());
        let mut names: Vec<String> = files
            .map(|entry| entry.file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

/// The golden trust folder.
pub(crate) fn trust() -> TrustStore {
    TrustStore::from_folder(&golden("certs")).unwrap()
}

/// A folder on a disk with only so many bytes left.
pub(crate) struct SmallDisk {
    folder: FolderStore,
    left: Arc<AtomicI64>,
}

impl SmallDisk {
    pub(crate) fn new(root: &Path, bytes: i64) -> Self {
        Self {
            folder: FolderStore::open(&DataFolder::new(root)).unwrap(),
            left: Arc::new(AtomicI64::new(bytes)),
        }
    }

    pub(crate) fn set_left(&self, bytes: i64) {
        self.left.store(bytes, Ordering::SeqCst);
    }
}

impl FileStore for SmallDisk {
    fn stage(&self) -> io::Result<Box<dyn Staged>> {
        Ok(Box::new(SmallFile {
            file: self.folder.stage()?,
            left: Arc::clone(&self.left),
        }))
    }

    fn path(&self, area: Area, name: &FileName) -> PathBuf {
        self.folder.path(area, name)
    }

    fn find(&self, area: Area, name: &FileName) -> io::Result<Option<StoredFile>> {
        self.folder.find(area, name)
    }

    fn list(&self, area: Area) -> io::Result<Vec<StoredFile>> {
        self.folder.list(area)
    }

    fn remove(&self, area: Area, name: &FileName) -> io::Result<()> {
        self.folder.remove(area, name)
    }

    fn clear_staging(&self) -> io::Result<usize> {
        self.folder.clear_staging()
    }
}

struct SmallFile {
    file: Box<dyn Staged>,
    left: Arc<AtomicI64>,
}

impl Write for SmallFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let wanted = i64::try_from(bytes.len()).unwrap();
        if self.left.fetch_sub(wanted, Ordering::SeqCst) < wanted {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Staged for SmallFile {
    fn path(&self) -> &Path {
        self.file.path()
    }

    fn publish(self: Box<Self>, area: Area, name: &FileName) -> io::Result<StoredFile> {
        self.file.publish(area, name)
    }
}
