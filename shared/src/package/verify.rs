//! From bytes that anyone may have touched to a package that a trusted person signed.
//!
//! Order of checks: the archive's directory and names, within limits; the control file parses; the
//! certificate's chain is trusted at the given time; the control's signature fits its own signed attributes;
//! the manifest's signature fits the manifest; every member is listed with its hash and every listed one is
//! there; code needs a certificate for code signing. One pass over the archive computes all hashes. Unpacking
//! hashes again, so that the bytes written are the bytes verified.

use std::collections::BTreeSet;
use std::io::{BufReader, Cursor, Read as _, Seek as _, Write as _};
use std::path::Path;

use base64::Engine as _;
use fs_err::File;
use jiff::Timestamp;
use md5::{Digest as _, Md5};
use sha2::Sha256;

use super::archive::{self, Limits};
use super::error::PackageError;
use super::manifest::{self, MAX_MANIFEST_BYTES, Manifest};
use super::members::Members;
use super::{Package, encrypted, member};
use crate::control::{Control, MAX_CONTROL_BYTES};
use crate::crypto::{Certificate, PrivateKey, TrustStore};

/// The largest certificate member, in bytes.
const MAX_CERTIFICATE_BYTES: u64 = 1024 * 1024;
/// The largest script, in bytes.
const MAX_SCRIPT_BYTES: u64 = 4 * 1024 * 1024;
/// The largest icon that is taken out, in bytes.
const MAX_ICON_BYTES: u64 = 1024 * 1024;

/// Files up to this size are read into memory once, in bytes.
const MAX_WHOLE_BYTES: u64 = 1024 * 1024;

/// Nothing is proved yet.
#[derive(Debug, Clone, Copy)]
pub struct Unverified;

/// Signed by a trusted person, whole and unchanged.
#[derive(Debug)]
pub struct Verified {
    chain: Vec<Certificate>,
    manifest: Manifest,
    setup: Option<Vec<u8>>,
}

/// The sums of a whole file, lower-case hex.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Digests {
    /// SHA-256.
    pub sha256: String,
    /// MD5: names the file in a repository, protects nothing.
    pub md5: String,
}

impl Package<Unverified> {
    /// Opens a package file with the usual limits.
    ///
    /// # Errors
    /// When the file is no archive within the limits or its control file cannot be read.
    pub fn open(path: &Path) -> Result<Self, PackageError> {
        Self::open_within(path, &Limits::default())
    }

    /// Opens a package file.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_within(path: &Path, limits: &Limits) -> Result<Self, PackageError> {
        let read = |source| PackageError::Read {
            path: path.to_owned(),
            source,
        };
        let not_a_file = || PackageError::NotZip("it is not a file".into());
        // Before it is opened: opening a pipe waits for somebody to write into it.
        if !fs_err::metadata(path).map_err(read)?.is_file() {
            return Err(not_a_file());
        }
        let file = File::open(path).map_err(read)?;
        let metadata = file.metadata().map_err(read)?;
        if !metadata.is_file() {
            return Err(not_a_file());
        }
        let size = metadata.len();
        let whole = (size <= MAX_WHOLE_BYTES)
            .then(|| read_whole(&file, size))
            .transpose()
            .map_err(read)?;
        if begins_encrypted(&file, whole.as_deref()).map_err(read)? {
            return Err(PackageError::Encrypted);
        }
        Self::from_parts(path, file, whole, size, limits)
    }

    /// Opens a package file that is encrypted to this key; nothing decrypted is written anywhere. Its size and
    /// sums are those of the package inside.
    ///
    /// # Errors
    /// When it cannot be read or decrypted, or as [`Self::open`].
    pub fn open_encrypted(path: &Path, key: &PrivateKey) -> Result<Self, PackageError> {
        let read = |source| PackageError::Read {
            path: path.to_owned(),
            source,
        };
        let file = File::open(path).map_err(read)?;
        let mut bytes = Vec::new();
        file.file()
            .take(encrypted::MAX_ENCRYPTED_BYTES as u64 + 1)
            .read_to_end(&mut bytes)
            .map_err(read)?;
        let plain = encrypted::decrypt(&bytes, key).map_err(PackageError::Decrypt)?;
        let size = plain.len() as u64;
        Self::from_parts(path, file, Some(plain), size, &Limits::default())
    }

    fn from_parts(
        path: &Path,
        file: File,
        whole: Option<Vec<u8>>,
        size: u64,
        limits: &Limits,
    ) -> Result<Self, PackageError> {
        let entries = match &whole {
            Some(bytes) => archive::entries(&mut Cursor::new(bytes), bytes.len() as u64, limits)?,
            None => archive::entries(&mut BufReader::new(file.file()), size, limits)?,
        };
        let entry = entries
            .iter()
            .find(|entry| entry.name == member::CONTROL)
            .ok_or(PackageError::Missing(member::CONTROL))?;
        let control = match &whole {
            Some(bytes) => Members::new(Cursor::new(bytes)).read(entry, MAX_CONTROL_BYTES as u64)?,
            None => Members::new(file.file()).read(entry, MAX_CONTROL_BYTES as u64)?,
        };
        let control = Control::parse(&control).map_err(PackageError::Control)?;
        Ok(Self {
            path: path.to_owned(),
            file,
            whole,
            size,
            entries,
            control,
            state: Unverified,
        })
    }

    /// The control file as it stands: nothing in it is proved.
    pub fn control(&self) -> &Control {
        &self.control
    }

    /// The certificates in the package, signer first: nothing says yet that it signed anything.
    ///
    /// # Errors
    /// When there are none, or they cannot be read.
    pub fn certificates(&self) -> Result<Vec<Certificate>, PackageError> {
        let bytes = self
            .read_member(member::CERTIFICATE, MAX_CERTIFICATE_BYTES)?
            .ok_or(PackageError::Unsigned("WAPT/certificate.crt is missing"))?;
        Certificate::chain_from_pem(&String::from_utf8_lossy(&bytes)).map_err(PackageError::Certificate)
    }

    /// Checks everything (see the module's text) at a time.
    ///
    /// # Errors
    /// The first check that fails.
    pub fn verify(self, trust: &TrustStore, at: Timestamp) -> Result<Package<Verified>, PackageError> {
        let chain = self.certificates()?;
        let signer = chain
            .first()
            .ok_or(PackageError::Unsigned("WAPT/certificate.crt is empty"))?;
        trust
            .check_signer(signer, &chain, at)
            .map_err(PackageError::Untrusted)?;
        check_control(&self.control, signer)?;
        let manifest_bytes = self
            .read_member(member::MANIFEST, MAX_MANIFEST_BYTES)?
            .ok_or_else(|| PackageError::Unsigned(self.unsigned_reason("WAPT/manifest.sha256 is missing")))?;
        let signature = self
            .read_member(member::SIGNATURE, MAX_CERTIFICATE_BYTES)?
            .ok_or_else(|| {
                PackageError::Unsigned(self.unsigned_reason("WAPT/signature.sha256 is missing"))
            })?;
        let signature =
            decode_base64(&signature).ok_or(PackageError::Unsigned("WAPT/signature.sha256 is not base64"))?;
        signer
            .verify(&manifest_bytes, &signature)
            .map_err(|source| PackageError::ManifestSignature {
                signer: signer.common_name(),
                source,
            })?;
        let manifest = manifest::parse(&manifest_bytes)?;
        let setup = self.check_content(&manifest)?;
        for file in [member::SETUP, member::UPDATE] {
            if self.entry(file).is_some() && !signer.may_sign_code() {
                return Err(PackageError::CodeSigning {
                    file,
                    signer: signer.common_name(),
                });
            }
        }
        Ok(Package {
            path: self.path,
            file: self.file,
            whole: self.whole,
            size: self.size,
            entries: self.entries,
            control: self.control,
            state: Verified {
                chain,
                manifest,
                setup,
            },
        })
    }

    /// What is missing, or that only the twins are there, which prove nothing.
    fn unsigned_reason(&self, missing: &'static str) -> &'static str {
        if self.entry(member::MANIFEST_SHA1).is_some() && self.entry(member::SIGNATURE_SHA1).is_some() {
            "it has only SHA-1 signatures (WAPT/manifest.sha1, WAPT/signature), which are never trusted alone"
        } else {
            missing
        }
    }

    /// One pass over all members against the manifest; returns `setup.py` as it was hashed.
    fn check_content(&self, manifest: &Manifest) -> Result<Option<Vec<u8>>, PackageError> {
        let mut members = self.members();
        let mut setup = None;
        let mut listed = 0;
        for entry in self.entries.iter().filter(|entry| !entry.is_dir()) {
            let name = entry.name.as_str();
            if member::UNLISTED.contains(&name) {
                continue;
            }
            let expected = manifest
                .get(name)
                .ok_or_else(|| PackageError::ExtraFile(name.to_owned()))?;
            if name == member::SETUP && entry.size > MAX_SCRIPT_BYTES {
                return Err(PackageError::Limit(format!("{name} has {} bytes", entry.size)));
            }
            let mut hash = Sha256::new();
            let mut kept = (name == member::SETUP).then(Vec::new);
            members
                .copy(entry, |chunk| {
                    hash.update(chunk);
                    if let Some(kept) = &mut kept {
                        kept.extend_from_slice(chunk);
                    }
                    Ok(())
                })
                .map_err(|error| match error {
                    // A bad CRC or stream inside a member means that its content was touched.
                    PackageError::NotZip(_) => PackageError::ChangedFile(name.to_owned()),
                    other => other,
                })?;
            if hex::encode(hash.finalize()) != *expected {
                return Err(PackageError::ChangedFile(name.to_owned()));
            }
            setup = setup.or(kept);
            listed += 1;
        }
        // No name is there twice: as many as the manifest lists are all of them.
        if listed < manifest.len() {
            let names: BTreeSet<&str> = self.entries.iter().map(|entry| entry.name.as_str()).collect();
            if let Some(missing) = manifest.keys().find(|name| !names.contains(name.as_str())) {
                return Err(PackageError::MissingFile(missing.clone()));
            }
        }
        Ok(setup)
    }
}

impl Package<Verified> {
    /// The control file. Attributes that the signature does not cover are in it; ask
    /// [`Control::is_signed`] before an unknown one is believed.
    pub fn control(&self) -> &Control {
        &self.control
    }

    /// Who signed.
    pub fn signer(&self) -> &Certificate {
        self.state.chain.first().expect("verify refuses an empty chain")
    }

    /// The signer's certificate and what came along with it.
    pub fn signer_chain(&self) -> &[Certificate] {
        &self.state.chain
    }

    /// The verified bytes of `setup.py`.
    pub fn setup_py(&self) -> Option<&[u8]> {
        self.state.setup.as_deref()
    }

    /// The icon, when there is one of at most 1 MiB.
    pub fn icon(&self) -> Option<Vec<u8>> {
        self.read_checked(member::ICON, MAX_ICON_BYTES)
    }

    /// A small member by name, hashed again; `None` when it is absent, larger, or changed since.
    pub fn read_checked(&self, name: &str, limit: u64) -> Option<Vec<u8>> {
        let bytes = self.read_member(name, limit).ok()??;
        let expected = self.state.manifest.get(name)?;
        (hex::encode(Sha256::digest(&bytes)) == *expected).then_some(bytes)
    }

    /// SHA-256 and MD5 of the whole file: another pass over a large file, so computed only when asked for.
    ///
    /// # Errors
    /// When the file cannot be read any more.
    pub fn digests(&self) -> Result<Digests, PackageError> {
        let (mut sha256, mut md5) = (Sha256::new(), Md5::new());
        self.read_file(|bytes| {
            sha256.update(bytes);
            md5.update(bytes);
        })?;
        Ok(Digests {
            sha256: hex::encode(sha256.finalize()),
            md5: hex::encode(md5.finalize()),
        })
    }

    /// SHA-256 of the whole file, lower-case hex; see [`Self::digests`].
    ///
    /// # Errors
    /// When the file cannot be read any more.
    pub fn sha256(&self) -> Result<String, PackageError> {
        let mut sha256 = Sha256::new();
        self.read_file(|bytes| sha256.update(bytes))?;
        Ok(hex::encode(sha256.finalize()))
    }

    fn read_file(&self, mut each: impl FnMut(&[u8])) -> Result<(), PackageError> {
        if let Some(bytes) = &self.whole {
            each(bytes);
            return Ok(());
        }
        let read = |source| PackageError::Read {
            path: self.path.clone(),
            source,
        };
        let mut file = self.file.file();
        file.rewind().map_err(read)?;
        let mut chunk = vec![0; 128 * 1024];
        loop {
            let count = file.read(&mut chunk).map_err(read)?;
            match chunk.get(..count) {
                Some(bytes) if count > 0 => each(bytes),
                _ => return Ok(()),
            }
        }
    }

    /// Size of all members after decompression, in bytes.
    pub fn unpacked_size(&self) -> u64 {
        self.entries.iter().map(|entry| entry.size).sum()
    }

    /// The names and hashes that the signature covers.
    pub fn manifest(&self) -> &Manifest {
        &self.state.manifest
    }

    /// Writes every member below a folder that exists and is empty, hashing each again.
    ///
    /// # Errors
    /// When a file cannot be written, or a member is no longer the one that was verified.
    pub fn unpack(&self, folder: &Path) -> Result<(), PackageError> {
        let mut members = self.members();
        for entry in &self.entries {
            let target = entry
                .name
                .split('/')
                .fold(folder.to_owned(), |path, part| path.join(part));
            let write = |source| PackageError::Write {
                path: target.clone(),
                source,
            };
            if entry.is_dir() {
                fs_err::create_dir_all(&target).map_err(write)?;
                continue;
            }
            if let Some(parent) = target.parent() {
                fs_err::create_dir_all(parent).map_err(write)?;
            }
            let mut file = fs_err::OpenOptions::new()
                .write(true)
                .create_new(true)
                .open(&target)
                .map_err(write)?;
            let mut hash = Sha256::new();
            members.copy(entry, |chunk| {
                hash.update(chunk);
                file.write_all(chunk).map_err(write)
            })?;
            let is_unlisted = member::UNLISTED.contains(&entry.name.as_str());
            let sum = hex::encode(hash.finalize());
            if !is_unlisted && self.state.manifest.get(&entry.name) != Some(&sum) {
                return Err(PackageError::ChangedFile(entry.name.clone()));
            }
        }
        Ok(())
    }
}

/// The file begins as encrypted ones do.
fn begins_encrypted(file: &File, whole: Option<&[u8]>) -> std::io::Result<bool> {
    if let Some(bytes) = whole {
        return Ok(encrypted::is_encrypted(bytes));
    }
    let mut start = Vec::new();
    let mut file = file.file();
    file.rewind()?;
    file.take(16).read_to_end(&mut start)?;
    Ok(encrypted::is_encrypted(&start))
}

/// Checks the signature of a control file, alone or as a row of an index, whose signer is trusted already.
///
/// # Errors
/// When it is not signed, does not match, or does not cover what identifies the package.
pub fn check_control(control: &Control, signer: &Certificate) -> Result<(), PackageError> {
    const MUST_COVER: [&str; 6] = [
        "package",
        "version",
        "section",
        "architecture",
        "depends",
        "conflicts",
    ];
    let signature = control.get("signature");
    if signature.is_empty() {
        return Err(PackageError::Unsigned("the control file has no signature"));
    }
    let signature = decode_base64(signature.as_bytes()).ok_or(PackageError::Unsigned(
        "the signature of the control file is not base64",
    ))?;
    signer
        .verify(&control.signed_bytes(), &signature)
        .map_err(|source| PackageError::ControlSignature {
            signer: signer.common_name(),
            source,
        })?;
    let covered = control.signed_attributes();
    match MUST_COVER.into_iter().find(|name| !covered.contains(name)) {
        Some(name) => Err(PackageError::NotCovered(name)),
        None => Ok(()),
    }
}

/// Reads a small file; one that grows meanwhile is read no further.
fn read_whole(file: &File, size: u64) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or_default().saturating_add(1));
    file.file().take(size).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Base64 with line ends anywhere, as MIME writes it.
pub(super) fn decode_base64(text: &[u8]) -> Option<Vec<u8>> {
    let compact: Vec<u8> = text
        .iter()
        .copied()
        .filter(|byte| !byte.is_ascii_whitespace())
        .collect();
    base64::engine::general_purpose::STANDARD.decode(compact).ok()
}
