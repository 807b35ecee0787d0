//! The repositories of this agent, and which address serves each of them: the configured one, or that of a signed rule.
//!
//! An address leads to bytes and to nothing else. What a mirror does not have, or has wrongly, is fetched from the
//! configured address, unless its rule forbids that.

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use muster_shared::hint::chain;
use muster_shared::index::IndexEntry;
use muster_shared::rules::repository::{MAIN_REPOSITORY, Rule};
use tokio_util::sync::CancellationToken;

use super::client::Repository;
use super::{Bandwidth, RepoError};
use crate::config::{Config, RepositorySettings};
use crate::paths::Paths;

/// Every configured repository, the main one first.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    all: Vec<Arc<Source>>,
}

/// One repository.
#[derive(Debug)]
pub struct Source {
    settings: RepositorySettings,
    url: String,
    /// Why it cannot be asked at all, when its settings cannot be used.
    configured: Result<Repository, String>,
    bandwidth: Option<Bandwidth>,
    mirror: RwLock<Option<Mirror>>,
}

/// The address of a rule.
#[derive(Debug, Clone)]
pub struct Mirror {
    pub rule: Rule,
    pub repository: Repository,
}

impl Sources {
    /// The repositories of a configuration. Nothing is sent yet.
    ///
    /// # Errors
    /// When the settings of the main repository cannot be used; another one of which that is true says so when it is
    /// asked.
    pub fn new(config: &Config) -> Result<Self, RepoError> {
        let repositories = &config.repositories;
        let of_all = repositories.limit_bandwidth.map(Bandwidth::new);
        let mut all = Vec::new();
        if let Some(url) = config.repository_url() {
            let source = Source::new(url, repositories.main.clone(), config, of_all.as_ref())?;
            all.push(Arc::new(source));
        }
        for settings in &repositories.others {
            let Some(url) = settings.repo_url.clone() else {
                continue;
            };
            let source = Source::new(url.clone(), settings.clone(), config, of_all.as_ref());
            let source = source.unwrap_or_else(|error| Source {
                settings: settings.clone(),
                url,
                configured: Err(chain(&error)),
                bandwidth: None,
                mirror: RwLock::default(),
            });
            all.push(Arc::new(source));
        }
        Ok(Self { all })
    }

    /// None is configured.
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// All, the main one first.
    pub fn iter(&self) -> impl Iterator<Item = &Source> {
        self.all.iter().map(AsRef::as_ref)
    }

    /// The network changed: what is open leads nowhere any more.
    pub fn forget_connections(&self) {
        for source in self.iter() {
            let mirror = source.mirror().map(|mirror| mirror.repository);
            for server in source.configured.iter().cloned().chain(mirror) {
                server.forget_connections();
            }
        }
    }

    /// The main one.
    pub fn main(&self) -> Option<&Source> {
        self.get(MAIN_REPOSITORY)
    }

    /// One by its name; an empty one is the main repository's.
    pub fn get(&self, name: &str) -> Option<&Source> {
        let name = if name.is_empty() { MAIN_REPOSITORY } else { name };
        self.iter().find(|source| source.name() == name)
    }

    /// The package of an index row, from the repository that listed it, in its part of the cache: file names of
    /// different repositories say nothing about each other. See
    /// [`Repository::download`].
    ///
    /// # Errors
    /// When neither the address that serves it nor, where that is allowed, the configured one gives the announced bytes.
    pub async fn download(
        &self,
        entry: &IndexEntry,
        paths: &Paths,
        progress: impl FnMut(u64, u64),
        cancel: &CancellationToken,
    ) -> Result<PathBuf, RepoError> {
        let source = self.get(&entry.repository).ok_or(RepoError::NotConfigured)?;
        source
            .download(entry, &paths.cache_of(source.name()), progress, cancel)
            .await
    }
}

impl Source {
    fn new(
        url: String,
        settings: RepositorySettings,
        config: &Config,
        of_all: Option<&Bandwidth>,
    ) -> Result<Self, RepoError> {
        let bandwidth = settings
            .limit_bandwidth
            .map(Bandwidth::new)
            .or_else(|| of_all.cloned());
        let configured = Repository::at(&url, &settings, config, None, bandwidth.clone())?;
        Ok(Self {
            settings,
            url,
            configured: Ok(configured),
            bandwidth,
            mirror: RwLock::default(),
        })
    }

    /// Its name in the configuration.
    pub fn name(&self) -> &str {
        &self.settings.name
    }

    /// What is set for it.
    pub fn settings(&self) -> &RepositorySettings {
        &self.settings
    }

    /// Its configured address.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// It is the main one.
    pub fn is_main(&self) -> bool {
        self.name() == MAIN_REPOSITORY
    }

    /// The configured address.
    ///
    /// # Errors
    /// When its settings cannot be used.
    pub fn configured(&self) -> Result<&Repository, RepoError> {
        self.configured.as_ref().map_err(|reason| RepoError::Unusable {
            name: self.name().to_owned(),
            reason: reason.clone(),
        })
    }

    /// The address of the rule by which another one serves, if there is any.
    pub fn mirror(&self) -> Option<Mirror> {
        self.mirror.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whom to ask, in turn.
    ///
    /// # Errors
    /// When there is nobody to ask because its settings cannot be used.
    pub fn servers(&self) -> Result<Vec<Repository>, RepoError> {
        match self.mirror() {
            Some(mirror) if mirror.rule.no_fallback => Ok(vec![mirror.repository]),
            Some(mirror) => {
                let configured = self.configured.iter().cloned();
                Ok(std::iter::once(mirror.repository).chain(configured).collect())
            }
            None => Ok(vec![self.configured()?.clone()]),
        }
    }

    /// What a rule leads to. Nothing is sent yet.
    ///
    /// # Errors
    /// When its address cannot be used.
    pub fn led_to(&self, rule: &Rule, config: &Config) -> Result<Mirror, RepoError> {
        let pin = rule.server_pin.as_deref();
        let repository = Repository::at(
            &rule.repo_url,
            &self.settings,
            config,
            pin,
            self.bandwidth.clone(),
        )?;
        Ok(Mirror {
            rule: rule.clone(),
            repository,
        })
    }

    /// Lets an address serve from now on; `None` is the configured one.
    pub fn set_mirror(&self, mirror: Option<Mirror>) {
        *self.mirror.write().unwrap_or_else(PoisonError::into_inner) = mirror;
    }

    async fn download(
        &self,
        entry: &IndexEntry,
        cache: &Path,
        mut progress: impl FnMut(u64, u64),
        cancel: &CancellationToken,
    ) -> Result<PathBuf, RepoError> {
        let servers = self.servers()?;
        let last = servers.len().saturating_sub(1);
        for (turn, server) in servers.iter().enumerate() {
            match server.download(entry, cache, &mut progress, cancel).await {
                Err(error) if turn < last && error.is_of_server() => {
                    tracing::warn!(url = server.url(), error = %chain(&error), "a mirror failed; the repository itself is asked");
                }
                done => return done,
            }
        }
        Err(RepoError::NotConfigured)
    }
}

#[cfg(test)]
mod tests {
    use muster_shared::rules::repository::Condition;

    use super::*;

    fn config(more: &str) -> Config {
        let pin = "ab".repeat(32);
        let text = format!("wapt_server = \"https://a.org\"\nserver_pin = \"{pin}\"\n{more}");
        Config::parse(&text, Path::new("agent.toml")).unwrap()
    }

    #[test]
    fn one_repository_whose_settings_cannot_be_used_does_not_stop_the_others() {
        let sources = Sources::new(&config(
            "repositories = [\"bad\"]\n[repository.bad]\nrepo_url = \"https://b.org/wapt\"\nverify_cert = \"/nowhere.pem\"",
        ))
        .unwrap();
        let names: Vec<&str> = sources.iter().map(Source::name).collect();
        assert_eq!(names, ["wapt", "bad"]);
        assert!(sources.main().unwrap().servers().is_ok());
        let error = chain(&sources.get("bad").unwrap().servers().unwrap_err());
        assert!(error.contains("/nowhere.pem"), "{error}");
    }

    #[test]
    fn a_mirror_is_asked_first_and_alone_when_its_rule_says_so() {
        let config = config("");
        let sources = Sources::new(&config).unwrap();
        let main = sources.get("").unwrap();
        let mut rule = Rule {
            sequence: 1,
            name: "near".to_owned(),
            condition: Condition::Hostname,
            value: "*".to_owned(),
            negation: false,
            no_fallback: false,
            repo_url: "https://mirror.org/wapt".to_owned(),
            server_pin: Some("cd".repeat(32)),
            repositories: Vec::new(),
        };
        let asked = |rule: Option<&Rule>| {
            main.set_mirror(rule.map(|rule| main.led_to(rule, &config).unwrap()));
            let servers = main.servers().unwrap();
            servers
                .iter()
                .map(|server| server.url().to_owned())
                .collect::<Vec<_>>()
        };
        assert_eq!(asked(None), ["https://a.org/wapt"]);
        assert_eq!(
            asked(Some(&rule)),
            ["https://mirror.org/wapt", "https://a.org/wapt"]
        );
        rule.no_fallback = true;
        assert_eq!(asked(Some(&rule)), ["https://mirror.org/wapt"]);
    }
}
