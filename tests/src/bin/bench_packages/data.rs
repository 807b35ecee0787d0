//! The data: the same in every run, in a temporary folder.

use std::path::{Path, PathBuf};

use muster_shared::control::{Control, Section};
use muster_shared::crypto::FileSigner;
use muster_shared::package::build::{BuildOptions, build_folder};
use tempfile::TempDir;

/// Throw-away keys of the golden files.
const KEYS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/golden/keys");

/// The folder of one run; it goes with this value.
pub(crate) struct Place {
    folder: TempDir,
}

impl Place {
    pub(crate) fn new() -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new().prefix("muster-bench-").tempdir()?;
        let trust = folder.path().join("trust");
        fs_err::create_dir(&trust)?;
        fs_err::copy(certificate(), trust.join("signer.crt"))?;
        Ok(Self { folder })
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

/// An RSA 2048 certificate for code signing.
pub(crate) fn certificate() -> PathBuf {
    Path::new(KEYS).join("signer.crt")
}

pub(crate) fn signer() -> anyhow::Result<FileSigner> {
    Ok(FileSigner::open(
        &certificate(),
        &Path::new(KEYS).join("signer.pem"),
        None,
    )?)
}

/// What the bytes of a package look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Content {
    /// As in an installer that is compressed already.
    Incompressible,
    /// As in programs and texts: words that come again.
    Compressible,
}

/// Bytes that depend on a seed alone.
pub(crate) fn bytes(content: Content, length: usize, seed: u64) -> Vec<u8> {
    let mut numbers = Numbers(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let mut bytes = Vec::with_capacity(length + 64);
    match content {
        Content::Incompressible => {
            while bytes.len() < length {
                bytes.extend_from_slice(&numbers.next().to_le_bytes());
            }
        }
        Content::Compressible => {
            let words: Vec<Vec<u8>> = (0..4096)
                .map(|_| {
                    let length = 3 + numbers.next() as usize % 12;
                    let number = numbers.next();
                    (0..length)
                        .map(|place| b'a' + ((number >> (place * 4)) & 0xf) as u8)
                        .collect()
                })
                .collect();
            while bytes.len() < length {
                let number = numbers.next();
                // Some words come far more often than others.
                let place = (number % 4096) as usize & (number >> 20) as usize & 4095;
                if let Some(word) = words.get(place) {
                    bytes.extend_from_slice(word);
                }
                bytes.push(if number >> 60 == 0 { b'\n' } else { b' ' });
            }
        }
    }
    bytes.truncate(length);
    bytes
}

/// A generator of numbers (xorshift64*): fast, and the same everywhere.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }
}

/// Writes the sources of a package with so many files of so many bytes in all.
pub(crate) fn sources(
    folder: &Path,
    content: Content,
    package_bytes: usize,
    files: usize,
) -> anyhow::Result<()> {
    fs_err::create_dir_all(folder.join("WAPT"))?;
    let control = Control::new("bench-package", "1.0-0", Section::Base)
        .with("maintainer", "bench")
        .with("description", "a package for measurements");
    fs_err::write(folder.join("WAPT/control"), control.to_text())?;
    fs_err::write(folder.join("setup.py"), "def install():\n    pass\n")?;
    for number in 0..files {
        let place = folder.join(format!("d{}", number / 100));
        fs_err::create_dir_all(&place)?;
        let bytes = bytes(content, package_bytes / files, number as u64 + 1);
        fs_err::write(place.join(format!("f{number}.bin")), bytes)?;
    }
    Ok(())
}

/// Builds package `number` of a repository, with 256 KiB that do not compress.
pub(crate) fn repository_package(
    scratch: &Path,
    repository: &Path,
    number: usize,
    version: usize,
    signer: &FileSigner,
) -> anyhow::Result<()> {
    const BYTES: usize = 256 * 1024;
    fs_err::create_dir_all(scratch.join("WAPT"))?;
    let depends = if number.is_multiple_of(3) || number == 0 {
        String::new()
    } else {
        format!("bench-app-{:05}", number - 1)
    };
    let control = Control::new(
        format!("bench-app-{number:05}"),
        format!("{version}.0-1"),
        Section::Base,
    )
    .with("name", &format!("Application {number}"))
    .with("maintainer", "Bench Maintainer <bench@example.org>")
    .with(
        "description",
        &format!("Application number {number} for measurements of the index"),
    )
    .with(
        "description_fr",
        &format!("Application numéro {number} pour mesurer"),
    )
    .with("depends", &depends)
    .with("categories", "Utilities,Office")
    .with("homepage", "https://example.org/application")
    .with("target_os", "all");
    fs_err::write(scratch.join("WAPT/control"), control.to_text())?;
    let seed = number as u64 * 1000 + version as u64;
    fs_err::write(
        scratch.join("payload.bin"),
        bytes(Content::Incompressible, BYTES, seed),
    )?;
    let at = muster_shared::clock::now();
    let built = build_folder(scratch, scratch, signer, &BuildOptions::default(), at)?;
    let target = repository.join(format!("bench-app-{number:05}.wapt"));
    fs_err::rename(&built.path, &target)?;
    Ok(())
}
