//! Writing an index in the byte form that agents of the predecessor read.
//!
//! Members: `Packages`, then `ssl/<sha256 of the certificate>.crt`, then `crl/<issuer key id>.crl`. Their
//! dates are the given time, the start of the certificate and of the revocation list, all in UTC.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Cursor, Write as _};

use der::{Decode as _, Encode as _};
use jiff::Timestamp;
use jiff::tz::Offset;
use sha1::{Digest as _, Sha1};
use x509_cert::crl::CertificateList;
use x509_cert::ext::pkix::AuthorityKeyIdentifier;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, System, ZipWriter};

use super::{IndexEntry, IndexError, text};
use crate::control::Section;
use crate::crypto::{Certificate, CertificateError};

/// Writes a `Packages` file: the rows in the given order, without host packages.
///
/// `certificates` are PEM texts of one certificate or a chain each, `crls` are DER. Repeated ones are
/// written once.
///
/// # Errors
/// A certificate or revocation list cannot be read, or the archive passes a limit of its format.
pub fn write(
    entries: &[IndexEntry],
    certificates: &[Vec<u8>],
    crls: &[Vec<u8>],
    now: Timestamp,
) -> Result<Vec<u8>, IndexError> {
    let mut members = vec![("Packages".to_owned(), now, to_text(entries).into_bytes())];
    members.extend(certificate_members(certificates)?);
    members.extend(crl_members(crls)?);
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, time, content) in members {
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Deflated)
            .last_modified_time(zip_time(time))
            .system(System::Unix)
            .external_attributes(0);
        writer.start_file(name, options).map_err(write_error)?;
        writer.write_all(&content).map_err(IndexError::Write)?;
    }
    Ok(writer.finish().map_err(write_error)?.into_inner())
}

/// The text of the index: rows with an empty line between, one newline at the end.
pub fn to_text(entries: &[IndexEntry]) -> String {
    let mut out = String::new();
    for entry in entries
        .iter()
        .filter(|entry| !entry.control.is_section(Section::Host))
    {
        if !out.is_empty() {
            out.push('\n');
        }
        out.push_str(&text::row_text(entry));
        out.push('\n');
    }
    out
}

type Member = (String, Timestamp, Vec<u8>);

fn certificate_members(certificates: &[Vec<u8>]) -> Result<Vec<Member>, IndexError> {
    let mut members = Vec::new();
    let mut seen = BTreeSet::new();
    for (position, pem) in certificates.iter().enumerate() {
        let refused = |source| IndexError::Certificate {
            position: position + 1,
            source,
        };
        let pem = std::str::from_utf8(pem).map_err(|_error| refused(CertificateError::NotPem))?;
        for certificate in Certificate::chain_from_pem(pem).map_err(refused)? {
            let fingerprint = certificate.fingerprint();
            if seen.insert(fingerprint.clone()) {
                let name = format!("ssl/{fingerprint}.crt");
                members.push((name, certificate.not_before(), certificate.to_pem().into_bytes()));
            }
        }
    }
    Ok(members)
}

/// Every list, in the order of the issuers' keys. The newest of a key has the plain name; further ones are about
/// other parts, or of another issuer that says to have the same key, and choosing among them is not done here.
fn crl_members(crls: &[Vec<u8>]) -> Result<Vec<Member>, IndexError> {
    let mut by_key: BTreeMap<String, Vec<(Timestamp, &Vec<u8>)>> = BTreeMap::new();
    for (position, der) in crls.iter().enumerate() {
        let (key, updated) = crl_facts(der).ok_or(IndexError::Crl {
            position: position + 1,
        })?;
        let lists = by_key.entry(key).or_default();
        if !lists.iter().any(|(_updated, known)| *known == der) {
            lists.push((updated, der));
        }
    }
    let mut members = Vec::new();
    for (key, mut lists) in by_key {
        lists.sort_by(|one, other| other.cmp(one));
        for (place, (updated, der)) in lists.into_iter().enumerate() {
            let name = if place == 0 {
                format!("crl/{key}.crl")
            } else {
                format!("crl/{key}-{}.crl", place + 1)
            };
            members.push((name, updated, der.clone()));
        }
    }
    Ok(members)
}

/// The hexadecimal key identifier of the issuer, and when the list was made.
fn crl_facts(der: &[u8]) -> Option<(String, Timestamp)> {
    let list = CertificateList::<x509_cert::certificate::Rfc5280>::from_der(der).ok()?;
    let extensions = list.tbs_cert_list.crl_extensions.as_deref().unwrap_or_default();
    let extension = extensions
        .iter()
        .find(|extension| extension.extn_id == const_oid::db::rfc5280::ID_CE_AUTHORITY_KEY_IDENTIFIER);
    let identifier = match extension {
        Some(extension) => AuthorityKeyIdentifier::from_der(extension.extn_value.as_bytes())
            .ok()?
            .key_identifier
            .map(|key| key.as_bytes().to_vec()),
        None => None,
    };
    let key = match identifier {
        Some(key) => hex::encode(key),
        // Lists of version 1 name no key; their issuer's name tells them apart as well.
        None => hex::encode(Sha1::digest(list.tbs_cert_list.issuer.to_der().ok()?)),
    };
    let seconds = list.tbs_cert_list.this_update.to_unix_duration().as_secs();
    Some((key, Timestamp::from_second(i64::try_from(seconds).ok()?).ok()?))
}

/// The date that a zip archive can hold: from 1980, in steps of two seconds.
fn zip_time(time: Timestamp) -> DateTime {
    let civil = Offset::UTC.to_datetime(time);
    let part = |value: i8| u8::try_from(value).unwrap_or_default();
    DateTime::from_date_and_time(
        u16::try_from(civil.year()).unwrap_or_default(),
        part(civil.month()),
        part(civil.day()),
        part(civil.hour()),
        part(civil.minute()),
        part(civil.second()),
    )
    .unwrap_or_default()
}

fn write_error(error: zip::result::ZipError) -> IndexError {
    IndexError::Write(std::io::Error::other(error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::Control;
    use crate::index::{IndexLimits, read};

    #[test]
    fn an_empty_index_reads_back() {
        let bytes = write(&[], &[], &[], Timestamp::UNIX_EPOCH).unwrap();
        assert_eq!(
            read(&bytes, &IndexLimits::default()).unwrap(),
            crate::index::Index::default()
        );
    }

    #[test]
    fn rows_are_separated_by_one_empty_line_and_hosts_left_out() {
        let entries = [
            entry("a", Section::Base),
            entry("pc", Section::Host),
            entry("b", Section::Group),
        ];
        let text = to_text(&entries);
        assert_eq!(text.matches("\n\n").count(), 1);
        assert!(text.ends_with('\n') && !text.ends_with("\n\n"));
        assert!(!text.contains(": pc"));
        let bytes = write(&entries, &[], &[], Timestamp::UNIX_EPOCH).unwrap();
        assert_eq!(
            read(&bytes, &IndexLimits::default()).unwrap().entries,
            [entries[0].clone(), entries[2].clone()]
        );
    }

    #[test]
    fn the_same_input_gives_the_same_bytes() {
        let now = "2026-11-23T14:59:52Z".parse().unwrap();
        let entries = [entry("a", Section::Base)];
        assert_eq!(
            write(&entries, &[], &[], now).unwrap(),
            write(&entries, &[], &[], now).unwrap()
        );
    }

    #[test]
    fn a_hundred_packages_stay_small() {
        let entries: Vec<_> = (0..100)
            .map(|number| entry(&format!("package-{number}"), Section::Base))
            .collect();
        assert!(write(&entries, &[], &[], Timestamp::UNIX_EPOCH).unwrap().len() < 100_000);
    }

    #[test]
    fn unreadable_trust_material_is_named_by_its_place() {
        let error = write(&[], &[b"nonsense".to_vec()], &[], Timestamp::UNIX_EPOCH).unwrap_err();
        assert!(matches!(error, IndexError::Certificate { position: 1, .. }));
        let error = write(&[], &[], &[b"nonsense".to_vec()], Timestamp::UNIX_EPOCH).unwrap_err();
        assert!(matches!(error, IndexError::Crl { position: 1 }));
    }

    fn entry(package: &str, section: Section) -> IndexEntry {
        let mut control =
            Control::parse(Control::new(package, "1.0-1", section).to_text().as_bytes()).unwrap();
        control.remove("signature");
        IndexEntry {
            control,
            filename: format!("{package}_1.0-1.wapt"),
            size: 1,
            md5sum: "0".repeat(32),
            sha256sum: Some("0".repeat(64)),
            repository: String::new(),
        }
    }
}
