//! The highest host package that was ever in force: what a fetched one is measured by.
//!
//! It outlives the package itself. A server that says for a moment that there is none must not get an
//! old package accepted afterwards, however validly that one was signed in its day.

use muster_shared::control::Control;
use muster_shared::version::compare_text;
use serde::{Deserialize, Serialize};

use super::{State, StateError, facts};

/// Name, version and time of signature of a host package that was in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HighestHostPackage {
    /// The identifier that this host had then.
    pub package: String,
    pub version: String,
    /// As the signed control gives it.
    pub signature_date: String,
}

impl HighestHostPackage {
    /// What is kept of a host package.
    pub fn of(control: &Control) -> Self {
        Self {
            package: control.package().to_owned(),
            version: control.version().to_owned(),
            signature_date: control.get("signature_date").to_owned(),
        }
    }

    /// A higher version than the other, or the same one signed later.
    pub fn is_above(&self, other: &Self) -> bool {
        compare_text(&self.version, &other.version)
            .then_with(|| self.signature_date.cmp(&other.signature_date))
            .is_gt()
    }

    /// It is of the host that goes by this identifier.
    pub fn is_for(&self, identifier: &str) -> bool {
        self.package.eq_ignore_ascii_case(identifier)
    }
}

impl State {
    /// The highest host package that was ever in force here under this identifier.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn highest_host_package(
        &self,
        identifier: &str,
    ) -> Result<Option<HighestHostPackage>, StateError> {
        let row = self.host_package().await?;
        // A database from before this fact was kept has the row only.
        let row = row.map(|row| HighestHostPackage::of(&row.control));
        let candidates = [self.remembered_host_package().await?, row];
        let of_this_host = candidates
            .into_iter()
            .flatten()
            .filter(|known| known.is_for(identifier));
        Ok(of_this_host.reduce(|highest, other| if other.is_above(&highest) { other } else { highest }))
    }

    /// Remembers a host package as having been in force; never forgets a higher one of the same host.
    ///
    /// # Errors
    /// When the database does not take it.
    pub async fn remember_host_package(&self, control: &Control) -> Result<(), StateError> {
        let new = HighestHostPackage::of(control);
        let known = self.remembered_host_package().await?;
        if known.is_some_and(|known| known.is_for(&new.package) && !new.is_above(&known)) {
            return Ok(());
        }
        self.set_json_fact(facts::HIGHEST_HOST_PACKAGE, &new).await
    }

    pub(super) async fn remembered_host_package(&self) -> Result<Option<HighestHostPackage>, StateError> {
        self.json_fact(facts::HIGHEST_HOST_PACKAGE).await
    }
}

#[cfg(test)]
mod tests {
    use muster_shared::control::Section;

    use super::super::packages::tests::row;
    use super::super::tests::open;
    use super::*;

    fn host(package: &str, version: &str, signed: &str) -> Control {
        Control::new(package, version, Section::Host).with("signature_date", signed)
    }

    #[tokio::test]
    async fn the_highest_host_package_is_remembered_and_never_lowered() {
        let (_place, state) = open().await;
        assert_eq!(state.highest_host_package("host-1").await.unwrap(), None);
        for (version, signed) in [
            ("4", "20260102-000000"),
            ("4", "20260101-000000"),
            ("3", "20260103-000000"),
        ] {
            state
                .remember_host_package(&host("host-1", version, signed))
                .await
                .unwrap();
        }
        let highest = state.highest_host_package("HOST-1").await.unwrap().unwrap();
        assert_eq!(
            (highest.version.as_str(), highest.signature_date.as_str()),
            ("4", "20260102-000000")
        );
        state
            .remember_host_package(&host("host-1", "10", "20260101-000000"))
            .await
            .unwrap();
        let highest = state.highest_host_package("host-1").await.unwrap().unwrap();
        assert_eq!(highest.version, "10");
    }

    #[tokio::test]
    async fn a_host_that_goes_by_another_identifier_begins_anew() {
        let (_place, state) = open().await;
        state
            .remember_host_package(&host("host-1", "9", ""))
            .await
            .unwrap();
        assert_eq!(state.highest_host_package("host-2").await.unwrap(), None);
        state
            .remember_host_package(&host("host-2", "1", ""))
            .await
            .unwrap();
        let highest = state.highest_host_package("host-2").await.unwrap().unwrap();
        assert_eq!(highest.version, "1");
    }

    #[tokio::test]
    async fn the_version_is_still_reported_when_the_host_package_is_gone() {
        let (_place, state) = open().await;
        assert_eq!(state.packages_block().await.unwrap().host_package_version, "");
        let mut in_force = row("host-1", "7");
        in_force.control = host("host-1", "7", "").with("depends", "demo-a");
        state.store_package(&in_force, None).await.unwrap();
        state.remember_host_package(&in_force.control).await.unwrap();
        state.delete_package("host-1").await.unwrap();
        let block = state.packages_block().await.unwrap();
        assert_eq!(block.host_package_version, "7");
        assert!(block.assigned.is_empty());
    }
}
