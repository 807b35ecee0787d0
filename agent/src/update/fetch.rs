//! The indexes of all repositories: each fetched when it changed, each failing alone.

use futures_util::future::join_all;
use muster_shared::hint::chain;

use super::Problem;
use super::offers::{self, Files, Gathered};
use super::pool::Collected;
use crate::agent::{Agent, with_advice};
use crate::failure::Failure;
use crate::repo::client::IndexFetch;
use crate::repo::sources::Source;
use crate::repo::{RepoError, Validators, choice};
use crate::state::repositories::KnownRepository;
use crate::{platform, revocation};

/// What asking one repository gave.
struct Asked {
    url: String,
    /// Nothing: the index in the cache is still its own.
    new: Option<(Vec<u8>, Validators)>,
}

/// Fetches every index that changed: one conditional request for each repository. What could not be fetched is a
/// problem, and the index in force stays. What was read on the way comes by repository.
///
/// # Errors
/// When the local database or the trust folder cannot be used.
pub async fn fetch_indexes(agent: &Agent) -> Result<(Collected, Vec<Problem>), Failure> {
    if agent.repositories.is_empty() {
        let problem = Problem {
            text: "no repository is configured: register with `muster-agent register --server 'muster://…' --token \
                   TOKEN`, or set repo_url in agent.toml"
                .to_owned(),
            is_unreachable: false,
        };
        return Ok((Collected::new(), vec![problem]));
    }
    forget_others(agent).await?;
    choice::choose(agent).await?;
    let known = agent.state.known_repositories().await?;
    // At the same time: one that does not answer must not keep the others waiting.
    let asked = join_all(agent.repositories.iter().map(|source| {
        let known = known.iter().find(|known| known.name == source.name());
        ask(agent, source, known)
    }))
    .await;
    let mut gathered = Collected::new();
    let mut problems = Vec::new();
    for (source, asked) in agent.repositories.iter().zip(asked) {
        let problem = match asked {
            Ok(Asked { new: None, .. }) => None,
            Ok(Asked { url, new: Some(new) }) => match take(agent, source, &url, new).await? {
                Ok(found) => {
                    gathered.insert(source.name().to_owned(), found);
                    None
                }
                Err(problem) => Some(problem),
            },
            Err(error) => Some(Problem {
                is_unreachable: error.is_unreachable(),
                text: with_advice(&error),
            }),
        };
        let problem = problem.map(|problem| Problem {
            text: if source.is_main() {
                problem.text
            } else {
                format!("repository {}: {}", source.name(), problem.text)
            },
            ..problem
        });
        let text = problem.as_ref().map_or("", |problem| problem.text.as_str());
        agent.state.note_repository_problem(source.name(), text).await?;
        problems.extend(problem);
    }
    Ok((gathered, problems))
}

/// Asks whoever serves a repository, in turn.
async fn ask(agent: &Agent, source: &Source, known: Option<&KnownRepository>) -> Result<Asked, RepoError> {
    let files = Files::of_repository(&agent.paths, source.name());
    let servers = source.servers()?;
    let last = servers.len().saturating_sub(1);
    for (turn, server) in servers.iter().enumerate() {
        // Without the file the validators would bring a 304 for something that is not here.
        let previous = known
            .filter(|known| known.url == server.url() && files.has_index())
            .map(|known| &known.validators);
        match server.fetch_index(previous).await {
            Ok(IndexFetch::Unchanged) => {
                return Ok(Asked {
                    url: server.url().to_owned(),
                    new: None,
                });
            }
            Ok(IndexFetch::New { bytes, validators }) => {
                return Ok(Asked {
                    url: server.url().to_owned(),
                    new: Some((bytes, validators)),
                });
            }
            Err(error) if turn < last && error.is_of_server() => {
                tracing::warn!(url = server.url(), error = %chain(&error), "a mirror failed; the repository itself is asked");
            }
            Err(error) => return Err(error),
        }
    }
    Err(RepoError::NotConfigured)
}

/// Takes an index; the inner error is why it is not taken.
async fn take(
    agent: &Agent,
    source: &Source,
    url: &str,
    (bytes, validators): (Vec<u8>, Validators),
) -> Result<Result<Gathered, Problem>, Failure> {
    // First: a list may take the place of a damaged one, without which no row is judged. And before the validators:
    // an index whose lists could not be kept is fetched again.
    if let Some(brought) = revocation::Brought::of_bytes(&bytes) {
        revocation::take(agent, source.name(), brought).await?;
    }
    let at = agent.own_time().await?;
    let files = Files::of_repository(&agent.paths, source.name());
    let folder = agent.paths.cache_of(source.name());
    platform::lock_down_dir(&folder).map_err(|error| {
        Failure::from(anyhow::Error::new(error).context(format!("opening {}", folder.display())))
    })?;
    let refused = |reason: String| Problem {
        text: format!("the index of {url} is not taken: {reason}"),
        is_unreachable: false,
    };
    let trust = match agent.trust_of(source.name()) {
        Ok(trust) => trust,
        Err(failure) if source.is_main() => return Err(failure),
        Err(failure) => return Ok(Err(refused(failure.in_one_line()))),
    };
    let taken = tokio::task::spawn_blocking(move || offers::take_index(&files, &bytes, &trust, at))
        .await
        .unwrap_or_else(|error| Err(error.to_string()));
    match taken {
        Ok(gathered) => {
            agent
                .state
                .took_index(source.name(), url, &validators, agent.now())
                .await?;
            Ok(Ok(gathered))
        }
        Err(reason) => Ok(Err(refused(reason))),
    }
}

/// What is kept of repositories that are not configured any more goes.
async fn forget_others(agent: &Agent) -> Result<(), Failure> {
    let names: Vec<&str> = agent.repositories.iter().map(Source::name).collect();
    for gone in agent.state.forget_repositories_but(&names).await? {
        tracing::info!(repository = %gone, "a repository is not configured any more");
        Files::of_repository(&agent.paths, &gone).remove();
    }
    Ok(())
}
