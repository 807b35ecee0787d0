//! Which address serves each repository from now on: the first of the rules that fit whose address answers.

use std::net::IpAddr;

use muster_shared::hint::chain;
use muster_shared::rules::repository::{HostFacts, RepositoryRules};

use super::client::Repository;
use super::rules;
use super::sources::{Mirror, Source, Sources};
use crate::agent::Agent;
use crate::config::Config;
use crate::directory::{self, Standing};
use crate::failure::Failure;
use crate::server_client::ServerClient;
use crate::state::{State, StateError, facts};

/// Fetches the rules when they changed and lets them decide. Without rules the configured addresses serve.
///
/// # Errors
/// When the database or the trust folder cannot be used.
pub async fn choose(agent: &Agent) -> Result<(), Failure> {
    let in_force = match agent.repositories.main() {
        Some(main) if agent.config.repositories.use_repo_rules => {
            // A machine that may not fall back most likely cannot reach the configured address, so that its mirror
            // comes first. A mirror that is gone must not keep it from the rules that lead it elsewhere, which are
            // signed and small; packages come from nobody else all the same.
            let mirror = main.mirror().filter(|mirror| mirror.rule.no_fallback);
            let mirror = mirror.map(|mirror| mirror.repository);
            let from: Vec<Repository> = mirror
                .into_iter()
                .chain(main.configured().ok().cloned())
                .collect();
            rules::renew(agent, &from).await?
        }
        _ => None,
    };
    let standing = directory::standing(agent).await?;
    let public_ip = public_address(agent).await?;
    for source in agent.repositories.iter() {
        let mirror = match &in_force {
            Some(in_force) => {
                let facts = host_facts(&agent.config, source.url(), &standing, public_ip).await;
                first_available(&in_force.rules, source, &facts, &agent.config).await
            }
            None => None,
        };
        let rule = mirror.as_ref().map(|mirror| &mirror.rule);
        let before = source.mirror().map(|mirror| mirror.rule);
        if before.as_ref() != rule {
            let url = rule.map_or(source.url(), |rule| rule.repo_url.as_str());
            tracing::info!(
                repository = source.name(),
                url,
                "another address serves from now on"
            );
        }
        agent.state.set_repository_rule(source.name(), rule).await?;
        source.set_mirror(mirror);
    }
    Ok(())
}

/// Lets the addresses serve that did so last: a command works at once, also where only a mirror can be reached.
///
/// # Errors
/// When the database does not answer.
pub async fn recall(state: &State, config: &Config, repositories: &Sources) -> Result<(), StateError> {
    if !config.repositories.use_repo_rules {
        return Ok(());
    }
    for known in state.known_repositories().await? {
        if let Some(rule) = known.rule
            && let Some(source) = repositories.get(&known.name)
        {
            source.set_mirror(source.led_to(&rule, config).ok());
        }
    }
    Ok(())
}

async fn first_available(
    rules: &RepositoryRules,
    source: &Source,
    facts: &HostFacts,
    config: &Config,
) -> Option<Mirror> {
    for rule in rules.candidates(source.name(), facts) {
        match source.led_to(rule, config) {
            Ok(mirror) if rule.no_fallback || mirror.repository.is_available().await => return Some(mirror),
            Ok(_away) => {
                tracing::info!(rule = %rule.name, url = %rule.repo_url, "the address of a rule does not answer");
            }
            Err(error) => {
                tracing::warn!(rule = %rule.name, error = %chain(&error), "the address of a rule cannot be used");
            }
        }
    }
    None
}

async fn host_facts(config: &Config, url: &str, standing: &Standing, public_ip: Option<IpAddr>) -> HostFacts {
    let hostname = config.fqdn();
    let of_name = hostname.split_once('.').map(|(_name, domain)| domain.to_owned());
    HostFacts {
        domain: domain_of(&standing.dn)
            .or(of_name)
            .filter(|domain| !domain.is_empty()),
        site: Some(standing.site.clone()).filter(|site| !site.is_empty()),
        agent_ip: rules::own_address(url).await,
        public_ip,
        hostname,
    }
}

/// The domain of a distinguished name: its last parts, of the kind `DC`.
fn domain_of(dn: &str) -> Option<String> {
    let parts: Vec<&str> = dn
        .split(',')
        .filter_map(|part| {
            let (kind, value) = part.trim().split_once('=')?;
            kind.eq_ignore_ascii_case("DC").then_some(value.trim())
        })
        .collect();
    (!parts.is_empty()).then(|| parts.join("."))
}

/// This host's address as the server saw it last, kept for the next run of the agent.
///
/// # Errors
/// When the database does not answer or take it.
pub async fn public_address(agent: &Agent) -> Result<Option<IpAddr>, Failure> {
    let known = agent.state.fact(facts::PUBLIC_ADDRESS).await?;
    let seen = agent.server.as_ref().and_then(ServerClient::public_address);
    if let Some(seen) = seen {
        let text = seen.to_string();
        if known.as_deref() != Some(&text) {
            agent.state.set_fact(facts::PUBLIC_ADDRESS, &text).await?;
        }
        return Ok(Some(seen));
    }
    Ok(known.and_then(|text| text.parse().ok()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_domain_is_read_from_the_name_in_the_directory() {
        assert_eq!(
            domain_of("CN=PC-1,OU=Berlin,DC=example,DC=org").as_deref(),
            Some("example.org")
        );
        assert_eq!(domain_of("CN=pc"), None);
    }

    #[tokio::test]
    async fn what_a_host_knows_of_itself_comes_from_directory_and_name() {
        let config = Config::parse(
            "fake_hostname = \"pc-1.lab.example\"",
            std::path::Path::new("agent.toml"),
        )
        .unwrap();
        let nowhere = Standing::default();
        let facts = host_facts(&config, "https://127.0.0.1/wapt", &nowhere, None).await;
        assert_eq!(facts.domain.as_deref(), Some("lab.example"));
        assert_eq!((facts.site, facts.public_ip), (None, None));
        let standing = Standing {
            dn: "CN=PC-1,DC=corp,DC=example".to_owned(),
            site: "Berlin".to_owned(),
            ..Standing::default()
        };
        let facts = host_facts(&config, "https://127.0.0.1/wapt", &standing, None).await;
        assert_eq!(facts.domain.as_deref(), Some("corp.example"));
        assert_eq!(facts.site.as_deref(), Some("Berlin"));
    }
}
