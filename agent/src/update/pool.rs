//! What all repositories together offer this host: each one's rows judged by its own trust folder where it has one.
//!
//! Whatever a package of one repository depends on may be in another, so names are followed through all of them. Which
//! of two rows of one package is taken decides the catalogue: the main repository's, when the versions are the same.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use jiff::Timestamp;
use muster_shared::catalogue::RepositoryLists;
use muster_shared::crypto::TrustStore;
use muster_shared::hint::chain;
use muster_shared::request::parse_list_as_wapt;
use muster_shared::rules::repository::MAIN_REPOSITORY;
use serde::{Deserialize, Serialize};

use super::offers::{self, Files, Gathered, Offers};
use crate::config::Config;
use crate::failure::Failure;
use crate::paths::Paths;
use crate::{platform, revocation};

/// What was read while indexes were taken, by repository.
pub type Collected = BTreeMap<String, Gathered>;

/// The repositories whose indexes are here.
#[derive(Debug)]
pub struct Pool {
    parts: Vec<Part>,
    /// Some repository was never fetched.
    is_partial: bool,
    /// From which names everything was reached last time, when there are several.
    roots: PathBuf,
}

#[derive(Debug)]
struct Part {
    name: String,
    files: Files,
    trust: TrustStore,
}

/// The names that were asked for, and those that everything in all repositories was reached from.
#[derive(Debug, Serialize, Deserialize)]
struct Roots {
    asked: BTreeSet<String>,
    all: BTreeSet<String>,
}

impl Pool {
    /// The repositories of a configuration, as far as their indexes are here.
    ///
    /// # Errors
    /// When the trust folder cannot be read; a folder of another repository only leaves that one out.
    pub fn of(paths: &Paths, config: &Config) -> Result<Self, Failure> {
        let others = config.repositories.others.iter().map(|other| other.name.as_str());
        let mut pool = Self {
            parts: Vec::new(),
            is_partial: false,
            roots: paths.private_dir().join("index-roots.json"),
        };
        for name in std::iter::once(MAIN_REPOSITORY).chain(others) {
            let files = Files::of_repository(paths, name);
            if !files.has_index() {
                pool.is_partial |= name != MAIN_REPOSITORY || config.repository_url().is_some();
                continue;
            }
            match revocation::trust_of(paths, config, name) {
                Ok(trust) => pool.parts.push(Part {
                    name: name.to_owned(),
                    files,
                    trust,
                }),
                Err(error) if name == MAIN_REPOSITORY => return Err(revocation::unusable(&error)),
                Err(error) => {
                    pool.is_partial = true;
                    tracing::error!(repository = name, error = %chain(&error), "the repository's trust folder cannot be read: none of its packages counts");
                }
            }
        }
        Ok(pool)
    }

    /// Some index is here.
    pub fn has_index(&self) -> bool {
        !self.parts.is_empty()
    }

    /// The names of all packages, as far as they are known.
    pub fn all_names(&self) -> BTreeSet<String> {
        self.parts
            .iter()
            .flat_map(|part| offers::all_names(&part.files))
            .collect()
    }

    /// The rows of these names, of what they depend on, and so on, in all repositories: those whose signature is good
    /// and whose signer is trusted now. With `keep`, the answer is kept: asked the same again, nothing is read anew.
    ///
    /// # Errors
    /// The index of the main repository in the cache cannot be read; another one's is left out.
    pub fn offered(
        &self,
        asked: BTreeSet<String>,
        at: Timestamp,
        mut collected: Collected,
        keep: bool,
    ) -> Result<Offers, Failure> {
        let several = self.parts.len() > 1;
        let known = several.then(|| self.read_roots()).flatten();
        let mut roots = match &known {
            // What was reached then is most likely reached again.
            Some(known) if known.asked == asked => known.all.clone(),
            _ => asked.clone(),
        };
        loop {
            let mut pooled = Offers {
                is_whole: !self.is_partial && self.has_index(),
                ..Offers::default()
            };
            for part in &self.parts {
                let gathered = collected.remove(&part.name).unwrap_or_default();
                let found = offers::offered(&part.files, roots.clone(), &part.trust, at, gathered, keep);
                match found {
                    Ok(offers) => part.pool(offers, &mut pooled),
                    Err(failure) if part.name == MAIN_REPOSITORY => return Err(failure),
                    Err(failure) => {
                        pooled.is_whole = false;
                        tracing::error!(repository = %part.name, error = %failure.in_one_line(), "the index of a repository is left out");
                    }
                }
            }
            let before = roots.len();
            if several {
                let depends = pooled.entries.iter().flat_map(|entry| {
                    let requests = parse_list_as_wapt(entry.control.depends());
                    requests.into_iter().map(|request| request.name)
                });
                roots.extend(depends);
            }
            if roots.len() == before {
                let roots = Roots { asked, all: roots };
                if several
                    && keep
                    && known.is_none_or(|known| known.all != roots.all || known.asked != roots.asked)
                {
                    self.write_roots(&roots);
                }
                return Ok(pooled);
            }
        }
    }

    fn read_roots(&self) -> Option<Roots> {
        serde_json::from_slice(&fs_err::read(&self.roots).ok()?).ok()
    }

    fn write_roots(&self, roots: &Roots) {
        let written = serde_json::to_vec(roots)
            .map_err(std::io::Error::other)
            .and_then(|bytes| platform::write_private(&self.roots, &bytes));
        if let Err(error) = written {
            tracing::warn!(%error, "what was reached through the indexes is not kept; it is worked out again");
        }
    }
}

impl Part {
    fn pool(&self, offers: Offers, pooled: &mut Offers) {
        let is_main = self.name == MAIN_REPOSITORY;
        pooled.is_whole &= offers.is_whole;
        pooled.entries.extend(offers.entries.into_iter().map(|mut entry| {
            entry.repository.clone_from(&self.name);
            entry
        }));
        pooled.refused.extend(offers.refused.into_iter().map(|mut row| {
            if !is_main {
                row.reason = format!("{} (in the repository {})", row.reason, self.name);
            }
            row
        }));
    }
}

/// The order of the repositories and the lists that each has in place of the host's.
pub fn lists(config: &Config) -> Vec<RepositoryLists> {
    let repositories = &config.repositories;
    std::iter::once(&repositories.main)
        .chain(&repositories.others)
        .map(|settings| RepositoryLists {
            name: settings.name.clone(),
            maturities: settings.maturities.clone(),
            packages_blacklist: settings.packages_blacklist.clone(),
            packages_whitelist: settings.packages_whitelist.clone(),
        })
        .collect()
}

#[cfg(test)]
mod tests;
