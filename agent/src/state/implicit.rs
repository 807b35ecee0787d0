//! The highest unit and profile packages that were ever in force: what offered ones are measured by.
//!
//! They outlive the packages themselves. A repository that hides a package for a moment must not get an old one
//! accepted afterwards, however validly that one was signed in its day.

use std::collections::BTreeMap;

use muster_shared::control::Control;
use muster_shared::name::unit_name_from_dn;
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

use super::{State, StateError, query};
use crate::plan::implicit::Highest;

impl State {
    /// The highest unit and profile packages that were in force here, by the name that agents look for.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn highest_implicit(&self) -> Result<BTreeMap<String, Highest>, StateError> {
        let read = |row: &SqliteRow| -> Result<(String, Highest), sqlx::Error> {
            let highest = Highest {
                version: row.try_get("version")?,
                signature_date: row.try_get("signature_date")?,
            };
            Ok((row.try_get("name")?, highest))
        };
        sqlx::query("SELECT name, version, signature_date FROM highest_implicit")
            .fetch_all(&self.pool)
            .await
            .map_err(query("list the highest unit packages"))?
            .iter()
            .map(|row| read(row).map_err(query("read the highest unit package")))
            .collect()
    }

    /// Remembers a unit or profile package as having been in force. It is the highest: a lower one never is taken.
    ///
    /// # Errors
    /// When the database does not take it.
    pub async fn remember_implicit(&self, control: &Control) -> Result<(), StateError> {
        let highest = Highest::of(control);
        sqlx::query(
            "INSERT INTO highest_implicit (name, version, signature_date) VALUES (?, ?, ?) \
             ON CONFLICT (name) DO UPDATE SET version = excluded.version, signature_date = excluded.signature_date",
        )
        .bind(unit_name_from_dn(control.package()))
        .bind(highest.version)
        .bind(highest.signature_date)
        .execute(&self.pool)
        .await
        .map_err(query("remember a unit package"))?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use muster_shared::control::Section;

    use super::super::tests::open;
    use super::*;

    #[tokio::test]
    async fn what_was_in_force_is_remembered_by_the_name_that_agents_look_for() {
        let (_place, state) = open().await;
        let control = |version: &str| Control::new("OU=a b,DC=c", version, Section::Unit);
        state.remember_implicit(&control("1")).await.unwrap();
        state.remember_implicit(&control("2")).await.unwrap();
        let known = state.highest_implicit().await.unwrap();
        assert_eq!(known["OU=a~b_DC=c"].version, "2");
    }
}
