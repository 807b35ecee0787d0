//! Signing: the control attributes and the manifest, with one key and two signatures (formats.md §1).

use std::collections::BTreeSet;
use std::io::Write;
use std::path::Path;

use base64::Engine as _;
use jiff::{Timestamp, ZonedDateTime, tz::TimeZone};
use sha2::{Digest as _, Sha256};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, System, ZipWriter};

use super::entry_name::{self, NameProblem};
use super::error::PackageError;
use super::lone::Lone;
use super::output::{Output, write_beside_checked};
use super::verify::{Unverified, Verified};
use super::{Package, content, manifest, member};
use crate::control::Control;
use crate::crypto::{Certificate, Signer, TrustStore};

/// The name and hash of one member that is already written.
pub(super) type Row = (String, String);

/// Signs a package file in place: any former signature is replaced, everything else stays byte for byte.
/// The file is written beside itself and renamed, so that a failure leaves the old one.
///
/// # Errors
/// When the file is no package, its control breaks a rule, or the key cannot sign.
pub fn sign_file(
    path: &Path,
    signer: &dyn Signer,
    at: Timestamp,
    keep_unknown: bool,
) -> Result<Control, PackageError> {
    let package = Package::<Unverified>::open(path)?;
    let copy = Copy {
        control: package.control().clone(),
        keep_unknown,
        without: &[],
    };
    sign_opened(&package, copy, None, path, signer, at)
}

/// What a signed copy of a package has that the package has not, or the other way round.
#[derive(Debug, Clone)]
pub struct Copy<'a> {
    /// Its control, signed anew.
    pub control: Control,
    /// Keep and sign control attributes that the format does not know.
    pub keep_unknown: bool,
    /// Names of members that are left out.
    pub without: &'a [&'a str],
}

/// Writes a copy of a package file that nobody has verified, signed anew, to a path (its own, or another).
/// Its other members stay byte for byte.
///
/// # Errors
/// As [`sign_file`].
pub fn sign_changed(
    package: &Package<Unverified>,
    copy: Copy<'_>,
    target: &Path,
    signer: &dyn Signer,
    at: Timestamp,
) -> Result<Control, PackageError> {
    sign_opened(package, copy, None, target, signer, at)
}

/// Writes a copy of a verified package, signed anew, to a path. Every member is hashed again and must be the
/// one that was verified.
///
/// # Errors
/// As [`sign_file`], or a member is no longer the one that was verified.
pub fn sign_verified(
    package: &Package<Verified>,
    copy: Copy<'_>,
    target: &Path,
    signer: &dyn Signer,
    at: Timestamp,
) -> Result<Control, PackageError> {
    sign_opened(package, copy, Some(package.manifest()), target, signer, at)
}

/// Writes a signed copy of an open package to a path.
fn sign_opened<S>(
    package: &Package<S>,
    copy: Copy<'_>,
    expected: Option<&manifest::Manifest>,
    target: &Path,
    signer: &dyn Signer,
    at: Timestamp,
) -> Result<Control, PackageError> {
    let write = |source| PackageError::Write {
        path: target.to_owned(),
        source,
    };
    let is_kept = |name: &str| package.entry(name).is_some() && !copy.without.contains(&name);
    content::check(&copy.control, is_kept, |name, limit| {
        if is_kept(name) {
            package.read_member(name, limit)
        } else {
            Ok(None)
        }
    })?;
    let fill = |file: &mut Output| {
        let mut writer = ZipWriter::new(file);
        let mut source = package.raw();
        let mut folders = BTreeSet::new();
        let mut members = package.members();
        let mut rows = Vec::new();
        for entry in &package.entries {
            if is_metadata(&entry.name) || copy.without.contains(&entry.name.as_str()) {
                continue;
            }
            if !entry.is_dir() {
                let mut hash = Sha256::new();
                members.copy(entry, |chunk| {
                    hash.update(chunk);
                    Ok(())
                })?;
                let sum = hex::encode(hash.finalize());
                if expected.is_some_and(|manifest| manifest.get(&entry.name) != Some(&sum)) {
                    return Err(PackageError::ChangedFile(entry.name.clone()));
                }
                rows.push((entry.name.clone(), sum));
            }
            // Readers count members differently when one is there twice.
            if entry.is_dir() && !folders.insert(entry_name::fold(&entry.name)) {
                return Err(PackageError::Name {
                    name: entry.name.clone(),
                    problem: NameProblem::Duplicate,
                });
            }
            // Name and place are ours: extra fields could give the library others.
            let mut lone = zip::ZipArchive::new(Lone::new(&mut source, entry))
                .map_err(|error| PackageError::NotZip(error.to_string()))?;
            let raw = lone
                .by_index_raw(0)
                .map_err(|error| PackageError::NotZip(error.to_string()))?;
            writer.raw_copy_file(raw).map_err(|error| write(zip_io(error)))?;
        }
        let control = append_signature(
            &mut writer,
            rows,
            copy.control,
            signer,
            at,
            copy.keep_unknown,
            target,
        )?;
        writer.finish().map_err(|error| write(zip_io(error)))?;
        Ok(control)
    };
    write_beside_checked(target, at, fill, |draft| check_draft(draft, signer, at))
}

/// The draft is what its signer would accept: nothing that a reader refuses takes the place of a package.
fn check_draft(draft: &Path, signer: &dyn Signer, at: Timestamp) -> Result<(), PackageError> {
    let leaf = signer.certificate();
    // Whether the certificate still counts is said where it is chosen.
    let within = at.clamp(leaf.not_before(), leaf.not_after().max(leaf.not_before()));
    let trust = TrustStore::new(signer.chain().to_vec());
    Package::<Unverified>::open(draft)?.verify(&trust, within)?;
    Ok(())
}

/// Appends control, certificate, manifest and signature to an archive whose other members are written.
pub(super) fn append_signature<W: Write + std::io::Seek>(
    writer: &mut ZipWriter<W>,
    mut rows: Vec<Row>,
    control: Control,
    signer: &dyn Signer,
    at: Timestamp,
    keep_unknown: bool,
    target: &Path,
) -> Result<Control, PackageError> {
    let certificate = signer.certificate();
    let has_code = rows.iter().map(|(name, _sum)| name.as_str());
    if let Some(file) = [member::SETUP, member::UPDATE]
        .into_iter()
        .find(|file| has_code.clone().any(|name| name == *file))
        && !certificate.may_sign_code()
    {
        return Err(PackageError::CodeSigning {
            file,
            signer: certificate.common_name(),
        });
    }
    let zoned = at.to_zoned_datetime(TimeZone::system());
    let control = sign_control(control, signer, &zoned, keep_unknown)?;
    let control_text = if keep_unknown {
        control.to_text_with_unknown()
    } else {
        control.to_text()
    };
    let chain = signer
        .chain()
        .iter()
        .map(Certificate::to_pem)
        .collect::<Vec<_>>()
        .join("\n");
    for (name, content) in [
        (member::CONTROL, control_text.as_bytes()),
        (member::CERTIFICATE, chain.as_bytes()),
    ] {
        rows.push((name.to_owned(), hex::encode(Sha256::digest(content))));
        append(writer, name, content, &zoned, target)?;
    }
    let manifest = manifest::write(&rows);
    let signature = signer.sign(&manifest).map_err(PackageError::Sign)?;
    append(writer, member::MANIFEST, &manifest, &zoned, target)?;
    append(
        writer,
        member::SIGNATURE,
        mime_base64(&signature).as_bytes(),
        &zoned,
        target,
    )?;
    Ok(control)
}

/// Checks a control file and signs it.
///
/// # Errors
/// When it breaks a rule for signing, or the key cannot sign.
pub fn sign_control(
    mut control: Control,
    signer: &dyn Signer,
    at: &ZonedDateTime,
    keep_unknown: bool,
) -> Result<Control, PackageError> {
    let problems = control.problems_for_signing();
    if !problems.is_empty() {
        return Err(PackageError::Problems(problems));
    }
    let certificate = signer.certificate();
    control.set("package_uuid", &uuid::Uuid::new_v4().to_string());
    control.set("signer", &certificate.common_name());
    control.set("signer_fingerprint", &certificate.fingerprint());
    control.set("signature_date", &signature_date(at));
    control.prepare_for_signing(keep_unknown);
    let signature = signer.sign(&control.signed_bytes()).map_err(PackageError::Sign)?;
    control.set(
        "signature",
        &base64::engine::general_purpose::STANDARD.encode(signature),
    );
    Ok(control)
}

/// Local time without a zone, microseconds left out when they are zero.
fn signature_date(at: &ZonedDateTime) -> String {
    let second = at.strftime("%Y-%m-%dT%H:%M:%S").to_string();
    let micros = at.subsec_nanosecond() / 1000;
    if micros == 0 {
        second
    } else {
        format!("{second}.{micros:06}")
    }
}

/// The members that signing writes anew.
fn is_metadata(name: &str) -> bool {
    name == member::CONTROL || name == member::CERTIFICATE || member::UNLISTED.contains(&name)
}

fn append<W: Write + std::io::Seek>(
    writer: &mut ZipWriter<W>,
    name: &str,
    content: &[u8],
    at: &ZonedDateTime,
    target: &Path,
) -> Result<(), PackageError> {
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Deflated)
        .last_modified_time(zip_time(at))
        .system(System::Unix)
        .external_attributes(0o600 << 16);
    writer
        .start_file(name, options)
        .map_err(zip_io)
        .and_then(|()| writer.write_all(content))
        .map_err(|source| PackageError::Write {
            path: target.to_owned(),
            source,
        })
}

/// The date of a member: local time, to two seconds, from 1980 on.
pub(super) fn zip_time(at: &ZonedDateTime) -> zip::DateTime {
    let part = |value: i8| u8::try_from(value).unwrap_or_default();
    u16::try_from(at.year())
        .ok()
        .and_then(|year| {
            zip::DateTime::from_date_and_time(
                year,
                part(at.month()),
                part(at.day()),
                part(at.hour()),
                part(at.minute()),
                part(at.second()),
            )
            .ok()
        })
        .unwrap_or_default()
}

/// Base64 in lines of 76 columns, each ended.
fn mime_base64(bytes: &[u8]) -> String {
    let encoded = base64::engine::general_purpose::STANDARD.encode(bytes);
    let mut lines = String::with_capacity(encoded.len() + encoded.len() / 76 + 1);
    let mut rest = encoded.as_str();
    while !rest.is_empty() {
        let (line, after) = rest.split_at(rest.len().min(76));
        lines.push_str(line);
        lines.push('\n');
        rest = after;
    }
    lines
}

/// The library's error as an I/O error, so that a full disk stays recognisable.
pub(super) fn zip_io(error: zip::result::ZipError) -> std::io::Error {
    match error {
        zip::result::ZipError::Io(error) => error,
        other => std::io::Error::other(other.to_string()),
    }
}
