//! What is known of each repository: whose index is in the cache, why the last try failed, which rule leads elsewhere.

use jiff::Timestamp;
use muster_shared::rules::repository::Rule;
use serde::Serialize;
use sqlx::Row as _;

use super::{State, StateError, json, micros, query, timestamp};
use crate::repo::Validators;

const READ: &str = "read what is known of repositories";

/// What is known of one repository.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct KnownRepository {
    pub name: String,
    /// Where the index in the cache came from; empty when there is none.
    pub url: String,
    #[serde(skip)]
    pub validators: Validators,
    pub fetched_at: Option<Timestamp>,
    /// Why the last try to fetch the index failed; empty when it did not.
    pub problem: String,
    /// The signed rule by which another address serves it.
    pub rule: Option<Rule>,
}

impl State {
    /// Everything that is known of repositories, by name.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn known_repositories(&self) -> Result<Vec<KnownRepository>, StateError> {
        let rows = sqlx::query(
            "SELECT name, url, validators, fetched_at, problem, rule FROM repositories ORDER BY name",
        )
        .fetch_all(&self.pool)
        .await
        .map_err(query(READ))?;
        let mut known = Vec::new();
        for row in rows {
            let text = |name| row.try_get::<String, _>(name).map_err(query(READ));
            known.push(KnownRepository {
                name: text("name")?,
                url: text("url")?,
                // What cannot be read is asked for again.
                validators: serde_json::from_str(&text("validators")?).unwrap_or_default(),
                fetched_at: row
                    .try_get::<Option<i64>, _>("fetched_at")
                    .map_err(query(READ))?
                    .map(timestamp),
                problem: text("problem")?,
                rule: serde_json::from_str(&text("rule")?).ok(),
            });
        }
        Ok(known)
    }

    /// What is known of one repository.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn known_repository(&self, name: &str) -> Result<KnownRepository, StateError> {
        let known = self.known_repositories().await?;
        Ok(known.into_iter().find(|one| one.name == name).unwrap_or_default())
    }

    /// Keeps where the index in the cache came from.
    ///
    /// # Errors
    /// When the database does not take it.
    pub async fn took_index(
        &self,
        name: &str,
        url: &str,
        validators: &Validators,
        now: Timestamp,
    ) -> Result<(), StateError> {
        sqlx::query(
            "INSERT INTO repositories (name, url, validators, fetched_at) VALUES (?, ?, ?, ?) ON CONFLICT (name) DO UPDATE \
             SET url = excluded.url, validators = excluded.validators, fetched_at = excluded.fetched_at, problem = ''",
        )
        .bind(name)
        .bind(url)
        .bind(json(validators))
        .bind(micros(now))
        .execute(&self.pool)
        .await
        .map_err(query("keep what is known of a repository"))?;
        Ok(())
    }

    /// Notes why the index could not be fetched, or with an empty text that it could. Writes only what changed.
    ///
    /// # Errors
    /// When the database does not take it.
    pub async fn note_repository_problem(&self, name: &str, problem: &str) -> Result<(), StateError> {
        if self.known_repository(name).await?.problem == problem {
            return Ok(());
        }
        sqlx::query(
            "INSERT INTO repositories (name, problem) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET problem = excluded.problem",
        )
        .bind(name)
        .bind(problem)
        .execute(&self.pool)
        .await
        .map_err(query("note the problem of a repository"))?;
        Ok(())
    }

    /// Keeps by which rule another address serves a repository. Writes only what changed.
    ///
    /// # Errors
    /// When the database does not take it.
    pub async fn set_repository_rule(&self, name: &str, rule: Option<&Rule>) -> Result<(), StateError> {
        if self.known_repository(name).await?.rule.as_ref() == rule {
            return Ok(());
        }
        sqlx::query(
            "INSERT INTO repositories (name, rule) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET rule = excluded.rule",
        )
        .bind(name)
        .bind(rule.map(json).unwrap_or_default())
        .execute(&self.pool)
        .await
        .map_err(query("keep the rule of a repository"))?;
        Ok(())
    }

    /// Makes the next update fetch every index whole.
    ///
    /// # Errors
    /// When the database does not take it.
    pub async fn forget_index_validators(&self) -> Result<(), StateError> {
        sqlx::query("UPDATE repositories SET validators = '{}' WHERE validators <> '{}'")
            .execute(&self.pool)
            .await
            .map_err(query("forget what indexes were called"))?;
        Ok(())
    }

    /// Forgets repositories that are not configured any more; their names.
    ///
    /// # Errors
    /// When the database does not take it.
    pub async fn forget_repositories_but(&self, names: &[&str]) -> Result<Vec<String>, StateError> {
        let known = self.known_repositories().await?;
        let gone: Vec<String> = known
            .into_iter()
            .map(|one| one.name)
            .filter(|name| !names.contains(&name.as_str()))
            .collect();
        for name in &gone {
            sqlx::query("DELETE FROM repositories WHERE name = ?")
                .bind(name)
                .execute(&self.pool)
                .await
                .map_err(query("forget a repository"))?;
        }
        Ok(gone)
    }
}
