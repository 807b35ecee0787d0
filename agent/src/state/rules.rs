//! Rules that signed packages bring: who may install what, which Windows updates are wanted.
//!
//! Kept when a package of such a section is installed, gone with it (a trigger of the database sees to that).

use muster_shared::package::content::Rules;
use muster_shared::rules::selfservice::SelfServiceRules;
use muster_shared::rules::windows_update::UpdateRules;
use sqlx::Row as _;

use super::{State, StateError, query};

/// What rules are about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RuleKind {
    /// Packages of the section `selfservice`.
    SelfService,
    /// Packages of the sections `wsus` and `waptwua`.
    WindowsUpdate,
}

impl RuleKind {
    /// The word in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SelfService => "selfservice",
            Self::WindowsUpdate => "windows-update",
        }
    }
}

/// The rules of one package in place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredRules {
    pub package: String,
    /// The rules file: a JSON object.
    pub content: String,
}

impl State {
    /// Keeps the rules that a package brings; without any, forgets those of an earlier version of it.
    ///
    /// # Errors
    /// When the database does not take it.
    pub async fn keep_rules(&self, package: &str, rules: Option<&Rules>) -> Result<(), StateError> {
        let (kind, content) = match rules {
            None => {
                sqlx::query("DELETE FROM rules WHERE package = ?")
                    .bind(package)
                    .execute(&self.pool)
                    .await
                    .map_err(query("forget the rules of a package"))?;
                return Ok(());
            }
            Some(Rules::SelfService(rules)) => (RuleKind::SelfService, rules.to_json()),
            Some(Rules::WindowsUpdate(rules)) => (RuleKind::WindowsUpdate, rules.to_json()),
        };
        sqlx::query(
            "INSERT INTO rules (package, kind, content) VALUES (?, ?, ?) \
             ON CONFLICT (package) DO UPDATE SET kind = excluded.kind, content = excluded.content",
        )
        .bind(package)
        .bind(kind.as_str())
        .bind(content)
        .execute(&self.pool)
        .await
        .map_err(query("keep the rules of a package"))?;
        Ok(())
    }

    /// The rules of every package that is in place, by the package's name.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn rules(&self, kind: RuleKind) -> Result<Vec<StoredRules>, StateError> {
        sqlx::query(
            "SELECT rules.package, rules.content FROM rules JOIN packages ON packages.package = rules.package \
             WHERE rules.kind = ? AND packages.in_place AND packages.section IN ('selfservice', 'wsus', 'waptwua') ORDER BY rules.package",
        )
        .bind(kind.as_str())
        .fetch_all(&self.pool)
        .await
        .map_err(query("read the rules of packages"))?
        .iter()
        .map(|row| {
            let text = |name| {
                row.try_get::<String, _>(name)
                    .map_err(query("read the rules of packages"))
            };
            Ok(StoredRules {
                package: text("package")?,
                content: text("content")?,
            })
        })
        .collect()
    }

    /// Who may install what by themselves: the rules of all packages in place, merged.
    ///
    /// # Errors
    /// When the database does not answer or holds rules that cannot be read.
    pub async fn self_service_rules(&self) -> Result<SelfServiceRules, StateError> {
        let stored = self.rules(RuleKind::SelfService).await?;
        let parsed: Result<Vec<_>, _> = stored
            .iter()
            .map(|rules| SelfServiceRules::parse(rules.content.as_bytes()).map_err(unreadable))
            .collect();
        Ok(SelfServiceRules::merged(parsed?))
    }

    /// Which Windows updates are wanted: the rules of all packages in place, merged. `None` when none brings any.
    ///
    /// # Errors
    /// When the database does not answer or holds rules that cannot be read.
    pub async fn windows_update_rules(&self) -> Result<Option<UpdateRules>, StateError> {
        let stored = self.rules(RuleKind::WindowsUpdate).await?;
        if stored.is_empty() {
            return Ok(None);
        }
        let parsed: Result<Vec<_>, _> = stored
            .iter()
            .map(|rules| UpdateRules::parse(rules.content.as_bytes()).map_err(unreadable))
            .collect();
        Ok(Some(UpdateRules::merged(parsed?)))
    }
}

fn unreadable(error: muster_shared::rules::RulesError) -> StateError {
    StateError::Content {
        what: "rules of a package",
        reason: error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use muster_shared::control::Section;

    use super::super::packages::Installed;
    use super::super::packages::tests::row;
    use super::super::tests::open;
    use super::*;

    fn of(section: Section, package: &str) -> Installed {
        let mut row = row(package, "1");
        row.control.set("section", section.as_str());
        row
    }

    fn self_service(text: &str) -> Rules {
        Rules::SelfService(SelfServiceRules::parse(text.as_bytes()).unwrap())
    }

    #[tokio::test]
    async fn rules_count_while_their_package_is_in_place_and_go_with_it() {
        let (_place, state) = open().await;
        let rules = self_service(r#"{"Accounting": ["demo-a"]}"#);
        state.keep_rules("rules-a", Some(&rules)).await.unwrap();
        // The package is not there yet.
        assert!(state.self_service_rules().await.unwrap().is_empty());
        state
            .store_package(&of(Section::SelfService, "rules-a"), None)
            .await
            .unwrap();
        state
            .store_package(&of(Section::SelfService, "rules-b"), None)
            .await
            .unwrap();
        state
            .keep_rules("rules-b", Some(&self_service(r#"{"bob": ["demo-b"]}"#)))
            .await
            .unwrap();
        let merged = state.self_service_rules().await.unwrap();
        assert!(merged.allows(&["accounting".to_owned()], "demo-a", Section::Base));
        assert!(merged.allows(&["bob".to_owned()], "demo-b", Section::Base));
        assert_eq!(state.windows_update_rules().await.unwrap(), None);

        state.keep_rules("rules-b", None).await.unwrap();
        state.delete_package("rules-a").await.unwrap();
        assert!(state.rules(RuleKind::SelfService).await.unwrap().is_empty());
        // Installed again without rules: those of before do not come back.
        state
            .store_package(&of(Section::SelfService, "rules-a"), None)
            .await
            .unwrap();
        assert!(state.self_service_rules().await.unwrap().is_empty());
    }

    #[tokio::test]
    async fn rules_of_windows_updates_are_kept_apart() {
        let (_place, state) = open().await;
        state
            .store_package(&of(Section::Wsus, "wsus-a"), None)
            .await
            .unwrap();
        let rules = UpdateRules::parse(br#"{"waptwua": {"default_allow": true}}"#).unwrap();
        let stored = Rules::WindowsUpdate(Box::new(rules.clone()));
        state.keep_rules("wsus-a", Some(&stored)).await.unwrap();
        assert_eq!(state.windows_update_rules().await.unwrap(), Some(rules));
        assert!(state.self_service_rules().await.unwrap().is_empty());
    }
}
