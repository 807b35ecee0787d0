//! A folder of package files without an index, or one package file alone.

use std::io::Read as _;
use std::path::Path;

use muster_shared::crypto::RevocationList;
use muster_shared::hint::chain;
use muster_shared::index::{IndexEntry, IndexLimits, is_package_filename};
use muster_shared::package::{Package, Unverified};

use super::{Listing, RepositoryAccessError};

/// The most files of one folder.
const MAX_FILES: usize = 100_000;

/// Lists the package files of a folder by what they say of themselves.
pub(super) fn list(folder: &Path) -> Result<Listing, RepositoryAccessError> {
    let read = |source| RepositoryAccessError::Read {
        path: folder.to_owned(),
        source,
    };
    if !fs_err::metadata(folder).map_err(read)?.is_dir() {
        return Err(RepositoryAccessError::NoRepository {
            path: folder.to_owned(),
        });
    }
    let mut names = Vec::new();
    for entry in fs_err::read_dir(folder).map_err(read)?.take(MAX_FILES) {
        if let Ok(name) = entry.map_err(read)?.file_name().into_string()
            && is_package_filename(&name)
        {
            names.push(name);
        }
    }
    names.sort();
    let mut listing = list_files(folder, names);
    for folder in [folder, &folder.join("crl")] {
        add_crls(folder, &mut listing);
    }
    Ok(listing)
}

/// Lists one package file by what it says of itself.
pub(super) fn list_file(path: &Path) -> Result<Listing, RepositoryAccessError> {
    let named = path.file_name().and_then(|name| name.to_str());
    match (path.parent(), named) {
        (Some(folder), Some(name)) => Ok(list_files(folder, vec![name.to_owned()])),
        _ => Err(RepositoryAccessError::NoRepository {
            path: path.to_owned(),
        }),
    }
}

fn list_files(folder: &Path, names: Vec<String>) -> Listing {
    let mut listing = Listing::default();
    for filename in names {
        match Package::<Unverified>::open(&folder.join(&filename)) {
            Ok(package) => {
                for certificate in package.certificates().unwrap_or_default() {
                    if !listing.certificates.contains(&certificate) {
                        listing.certificates.push(certificate);
                    }
                }
                listing.entries.push(IndexEntry {
                    control: package.control().clone(),
                    filename,
                    size: package.size(),
                    md5sum: String::new(),
                    sha256sum: None,
                    repository: String::new(),
                });
            }
            Err(error) => listing.left_out.push(format!("{filename}: {}", chain(&error))),
        }
    }
    listing
}

/// Adds the revocation lists `*.crl` of a folder, where `repo index` looks for them too.
fn add_crls(folder: &Path, listing: &mut Listing) {
    let Ok(entries) = fs_err::read_dir(folder) else {
        return;
    };
    let files = entries.take(MAX_FILES).filter_map(Result::ok);
    let mut paths: Vec<_> = files
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "crl"))
        .collect();
    paths.sort();
    for path in paths {
        match RevocationList::all_from_file(&path) {
            Ok(lists) => listing.crls.extend(lists.iter().map(|list| list.der().to_vec())),
            Err(error) => listing.left_out.push(chain(&error)),
        }
    }
}

/// Reads an index file up to the largest that is one.
pub(super) fn read_index(path: &Path) -> Result<Vec<u8>, RepositoryAccessError> {
    let limit = IndexLimits::default().max_file_bytes as u64;
    let mut bytes = Vec::new();
    fs_err::File::open(path)
        .and_then(|file| file.take(limit + 1).read_to_end(&mut bytes))
        .map_err(|source| RepositoryAccessError::Read {
            path: path.to_owned(),
            source,
        })?;
    Ok(bytes)
}
