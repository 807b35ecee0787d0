//! `muster-agent dnsdebug`: what the system's name service says of the server and the repositories.

use std::collections::BTreeSet;
use std::time::Duration;

use serde::Serialize;

use super::{Common, Done};
use crate::config::Config;
use crate::failure::Exit;
use crate::output::table;
use crate::server_client::{origin_of, without_password};

/// Name servers that do not answer are given up after this long.
const PATIENCE: Duration = Duration::from_secs(20);

/// Look up the names of the server and of the repositories, as the agent does.
///
/// Server and repositories are configured, never searched for in the DNS as WAPT does. Exit code 4 when a name is not
/// known.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {}

/// What came of one name.
#[derive(Debug, Serialize)]
struct Found {
    name: String,
    port: u16,
    addresses: Vec<String>,
    problem: Option<String>,
}

pub(super) async fn run(common: &Common, _arguments: &Arguments) -> Done {
    let config = Config::load(&common.paths())?;
    let mut places: BTreeSet<(String, u16)> = BTreeSet::new();
    places.extend(config.http_proxy.as_deref().and_then(name_and_port));
    // What a proxy fetches, it also looks up.
    let is_direct = |proxied: bool| config.http_proxy.is_none() || !proxied;
    if is_direct(config.repositories.use_http_proxy_for_server) {
        places.extend(config.server.as_deref().and_then(name_and_port));
    }
    if is_direct(config.repositories.use_http_proxy_for_repo) {
        let urls = config.repository_urls();
        places.extend(urls.iter().filter_map(|url| name_and_port(url)));
    }
    let mut found = Vec::new();
    for (name, port) in places {
        found.push(look_up(name, port).await);
    }
    common.output().answer(&found, |found| {
        if found.is_empty() {
            return "neither a server nor a repository is configured: muster-agent register".to_owned();
        }
        let rows: Vec<[String; 3]> = found
            .iter()
            .map(|one| {
                let said = one.problem.clone().unwrap_or_else(|| one.addresses.join(", "));
                [one.name.clone(), one.port.to_string(), said]
            })
            .collect();
        table(["Name", "Port", "Addresses"], &rows)
    });
    let is_unknown = found.iter().any(|one| one.problem.is_some());
    Ok(is_unknown.then_some(Exit::Unreachable))
}

async fn look_up(name: String, port: u16) -> Found {
    let ask = async {
        let found = tokio::net::lookup_host((name.as_str(), port)).await?;
        let all: BTreeSet<String> = found.map(|address| address.ip().to_string()).collect();
        std::io::Result::Ok(all)
    };
    let (addresses, problem) = match tokio::time::timeout(PATIENCE, ask).await {
        Ok(Ok(addresses)) => (addresses.into_iter().collect(), None),
        Ok(Err(error)) => (Vec::new(), Some(error.to_string())),
        Err(_elapsed) => (Vec::new(), Some("no answer in time".to_owned())),
    };
    Found {
        name,
        port,
        addresses,
        problem,
    }
}

/// The name and the port of an address such as `https://name:port/path`.
fn name_and_port(address: &str) -> Option<(String, u16)> {
    let address = without_password(address);
    let (scheme, place) = origin_of(&address).split_once("://")?;
    let usual = if scheme == "http" { 80 } else { 443 };
    if let Some(inner) = place.strip_prefix('[') {
        let (name, rest) = inner.split_once(']')?;
        let port = rest.strip_prefix(':').and_then(|port| port.parse().ok());
        return Some((name.to_owned(), port.unwrap_or(usual)));
    }
    match place.rsplit_once(':') {
        Some((name, port)) => Some((name.to_owned(), port.parse().ok()?)),
        None => Some((place.to_owned(), usual)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_ports_are_taken_out_of_addresses() {
        for (address, name, port) in [
            ("https://muster.example.org", "muster.example.org", 443),
            ("https://muster.example.org:8443/wapt", "muster.example.org", 8443),
            ("http://ann:secret@proxy:3128", "proxy", 3128),
            ("https://[::1]:8443/wapt", "::1", 8443),
            ("https://[::1]/wapt", "::1", 443),
        ] {
            assert_eq!(name_and_port(address), Some((name.to_owned(), port)), "{address}");
        }
        assert_eq!(name_and_port("nonsense"), None);
    }
}
