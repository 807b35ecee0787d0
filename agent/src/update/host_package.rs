//! The host's own package: fetched, verified, and only then in force.

use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use muster_shared::control::Section;
use muster_shared::crypto::TrustStore;
use muster_shared::hint::chain;
use muster_shared::package::{Package, PackageError, Unverified, Verified};

use super::Problem;
use crate::agent::{Agent, with_advice};
use crate::failure::Failure;
use crate::identity::{DecryptionKey, IdentityError};
use crate::install::run::fresh_row;
use crate::repo::Validators;
use crate::repo::hostpackage::{self, HostPackageFetch};
use crate::state::facts;
use crate::state::host_package::HighestHostPackage;
use crate::state::packages::Installed;

/// Fetches the host's package; the inner error is a part of the update that failed.
///
/// # Errors
/// When the database or the trust folder cannot be used.
pub(super) async fn fetch(agent: &Agent) -> Result<Result<(), Problem>, Failure> {
    let in_force = agent.state.host_package().await?;
    if !agent.config.use_hostpackages {
        // Told so by whoever administers this machine: it has no package of its own then.
        if let Some(in_force) = in_force {
            withdraw(agent, &in_force).await?;
        }
        return Ok(Ok(()));
    }
    let Some(server) = agent.server.as_ref() else {
        return Ok(Ok(()));
    };
    if let Some(in_force) = &in_force {
        // The row may come from a version of the agent that did not remember, and may be forgotten by order.
        agent.state.remember_host_package(&in_force.control).await?;
    }
    let previous: Option<Validators> = match &in_force {
        Some(_) => agent.state.json_fact(facts::HOST_PACKAGE_VALIDATORS).await?,
        None => None,
    };
    let target = agent.paths.private_dir().join("host-package.wapt");
    let problem = |text: String| {
        Ok(Err(Problem {
            text,
            is_unreachable: false,
        }))
    };
    match hostpackage::fetch(server, previous.as_ref(), &target).await {
        Ok(HostPackageFetch::Unchanged) => Ok(Ok(())),
        Ok(HostPackageFetch::Absent) => {
            if let Some(in_force) = in_force {
                withdraw(agent, &in_force).await?;
            }
            Ok(Ok(()))
        }
        Ok(HostPackageFetch::Forbidden { reason }) => problem(format!(
            "the server does not give this host its package: {reason}"
        )),
        Ok(HostPackageFetch::New { path, validators }) => {
            let trust = agent.trust()?;
            let at = agent.own_time().await?;
            let identifier = agent.identity.identifier().to_owned();
            let highest = agent.state.highest_host_package(&identifier).await?;
            let (own, now) = (agent.identity.clone(), agent.now());
            let judged = tokio::task::spawn_blocking(move || {
                let package = open(&path, || own.decryption_key(now))?;
                verify(package, &identifier, highest.as_ref(), &trust, at)
            })
            .await;
            match judged {
                Ok(Ok(package)) => {
                    take(agent, in_force.as_ref(), &package).await?;
                    agent
                        .state
                        .set_json_fact(facts::HOST_PACKAGE_VALIDATORS, &validators)
                        .await?;
                    Ok(Ok(()))
                }
                Ok(Err(reason)) => problem(format!("this host's package is refused: {reason}")),
                Err(error) => problem(format!("this host's package could not be verified: {error}")),
            }
        }
        Err(error) => Ok(Err(Problem {
            is_unreachable: error.is_unreachable(),
            text: with_advice(&error),
        })),
    }
}

/// Opens the file that came, decrypted when it is encrypted; `key` gives this host's decryption key then.
fn open(
    path: &Path,
    key: impl FnOnce() -> Result<Arc<DecryptionKey>, IdentityError>,
) -> Result<Package<Unverified>, String> {
    match Package::<Unverified>::open(path) {
        Err(PackageError::Encrypted) => {
            let key = key().map_err(|error| chain(&error))?;
            Package::<Unverified>::open_encrypted(path, key.key())
        }
        other => other,
    }
    .map_err(|error| chain(&error))
}

/// Signed by someone trusted, for this host, not older than any that was ever in force.
fn verify(
    package: Package<Unverified>,
    identifier: &str,
    highest: Option<&HighestHostPackage>,
    trust: &TrustStore,
    at: Timestamp,
) -> Result<Package<Verified>, String> {
    let package = package.verify(trust, at).map_err(|error| chain(&error))?;
    package.rules().map_err(|error| chain(&error))?;
    let control = package.control();
    if !control.is_section(Section::Host) {
        return Err(format!("its section is {}, not host", control.section()));
    }
    if !control.package().eq_ignore_ascii_case(identifier) {
        return Err(format!(
            "it is for {}, this host is {identifier}",
            control.package()
        ));
    }
    let fetched = HighestHostPackage::of(control);
    if let Some(highest) = highest.filter(|highest| highest.is_above(&fetched)) {
        return Err(format!(
            "version {} signed {} is older than version {} signed {}, which was in force on this host; edit and \
             save it again in the console, so that it gets a version above {}",
            fetched.version, fetched.signature_date, highest.version, highest.signature_date, highest.version,
        ));
    }
    Ok(package)
}

/// The server has none any more. What was in force stays the measure of what comes later.
async fn withdraw(agent: &Agent, in_force: &Installed) -> Result<(), Failure> {
    tracing::info!(
        version = in_force.control.version(),
        "this host has no package of its own any more"
    );
    agent.state.remember_host_package(&in_force.control).await?;
    agent.state.delete_package(in_force.package()).await?;
    agent.state.clear_fact(facts::HOST_PACKAGE_VALIDATORS).await?;
    Ok(())
}

async fn take(
    agent: &Agent,
    in_force: Option<&Installed>,
    package: &Package<Verified>,
) -> Result<(), Failure> {
    let control = package.control();
    // Before the row: between the two, a power cut may only make the rule stricter.
    agent.state.remember_host_package(control).await?;
    // An identifier may be written in another case than before.
    if let Some(in_force) = in_force.filter(|row| row.package() != control.package()) {
        agent.state.delete_package(in_force.package()).await?;
    }
    let row = Installed {
        signer: package.signer().common_name(),
        signer_fingerprint: package.signer().fingerprint(),
        ..fresh_row(control, agent.now())
    };
    agent.state.store_package(&row, None).await?;
    tracing::info!(
        version = control.version(),
        depends = control.depends(),
        conflicts = control.conflicts(),
        signer = %row.signer,
        "this host's package is in force"
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use muster_shared::clock::SystemClock;
    use muster_shared::control::Control;
    use muster_shared::crypto::{Certificate, FileSigner, Signer as _};
    use muster_shared::package::build::build_control_only;
    use muster_shared::package::encrypted::encrypt;

    use super::*;
    use crate::config::Config;
    use crate::paths::Paths;

    const KEYS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/golden/keys");

    fn now() -> Timestamp {
        "2026-12-01T00:00:00Z".parse().unwrap()
    }

    fn signer(name: &str) -> FileSigner {
        let path = |extension: &str| Path::new(KEYS).join(format!("{name}.{extension}"));
        FileSigner::open(&path("crt"), &path("pem"), None).unwrap()
    }

    fn open_at(
        control: Control,
        signed_by: &str,
        signed_at: Timestamp,
        highest: Option<&HighestHostPackage>,
    ) -> Result<Package<Verified>, String> {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("host.wapt");
        fs_err::write(
            &path,
            build_control_only(control, &signer(signed_by), signed_at).unwrap(),
        )
        .unwrap();
        let trusted: Vec<Certificate> = vec![signer("signer").certificate().clone()];
        let package = open(&path, || panic!("it is not encrypted"))?;
        verify(package, "Host-1", highest, &TrustStore::new(trusted), now())
    }

    fn judge(
        control: Control,
        signed_by: &str,
        highest: Option<&HighestHostPackage>,
    ) -> Result<String, String> {
        open_at(control, signed_by, now(), highest).map(|package| package.control().version().to_owned())
    }

    fn host(version: &str) -> Control {
        Control::new("host-1", version, Section::Host).with("depends", "demo-a")
    }

    #[test]
    fn the_hosts_own_package_is_taken_whatever_the_case_of_its_name() {
        assert_eq!(judge(host("3"), "signer", None).unwrap(), "3");
    }

    #[test]
    fn another_hosts_package_another_section_and_another_signer_are_refused() {
        let other = Control::new("host-2", "3", Section::Host);
        assert!(
            judge(other, "signer", None)
                .unwrap_err()
                .contains("it is for host-2")
        );
        let group = Control::new("host-1", "3", Section::Group);
        assert!(judge(group, "signer", None).unwrap_err().contains("section"));
        assert!(
            judge(host("3"), "leaf", None)
                .unwrap_err()
                .contains("not trusted")
        );
    }

    #[test]
    fn an_encrypted_package_opens_with_the_key_of_this_host_only() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("host.wapt");
        let plain = build_control_only(host("3"), &signer("signer"), now()).unwrap();
        let for_leaf = encrypt(&plain, signer("leaf").certificate(), now()).unwrap();
        let key = |name: &str| {
            let folder = tempfile::tempdir().unwrap();
            fs_err::copy(
                format!("{KEYS}/{name}.pem"),
                folder.path().join("host-decrypt.pem"),
            )
            .unwrap();
            DecryptionKey::in_folder(folder.path(), now())
        };
        let trust = TrustStore::new(vec![signer("signer").certificate().clone()]);
        fs_err::write(&path, &for_leaf).unwrap();
        let package = open(&path, || key("leaf")).unwrap();
        verify(package, "Host-1", None, &trust, now()).unwrap();
        let refused = open(&path, || key("signer")).unwrap_err();
        assert!(refused.contains("cannot be decrypted"), "{refused}");
        fs_err::write(&path, for_leaf.get(..for_leaf.len() - 9).unwrap()).unwrap();
        assert_eq!(open(&path, || key("leaf")).unwrap_err(), refused);
    }

    #[test]
    fn an_older_package_does_not_replace_the_one_in_force() {
        let mut highest = HighestHostPackage::of(&host("4"));
        let refused = judge(host("3"), "signer", Some(&highest)).unwrap_err();
        assert!(refused.contains("older than version 4"), "{refused}");
        assert_eq!(judge(host("5"), "signer", Some(&highest)).unwrap(), "5");
        // The same version, signed later: it was edited again.
        assert_eq!(judge(host("4"), "signer", Some(&highest)).unwrap(), "4");
        highest.signature_date = "2030-01-01T00:00:00".to_owned();
        assert!(judge(host("4"), "signer", Some(&highest)).is_err());
    }

    #[tokio::test]
    async fn a_package_that_was_withdrawn_does_not_make_room_for_an_older_one() {
        let root = tempfile::tempdir().unwrap();
        let agent = Agent::open(
            Paths::new(Some(root.path())),
            Config::default(),
            Arc::new(SystemClock),
        )
        .await
        .unwrap();
        let earlier = now() - jiff::SignedDuration::from_hours(1);
        let package = open_at(host("4"), "signer", earlier, None).unwrap();
        take(&agent, None, &package).await.unwrap();
        let in_force = agent.state.host_package().await.unwrap().unwrap();
        withdraw(&agent, &in_force).await.unwrap();
        assert!(agent.state.host_package().await.unwrap().is_none());

        let highest = agent.state.highest_host_package("Host-1").await.unwrap();
        let highest = highest.as_ref();
        let refused = open_at(host("3"), "signer", now(), highest).unwrap_err();
        assert!(refused.contains("older than version 4"), "{refused}");
        let before = earlier - jiff::SignedDuration::from_hours(1);
        assert!(open_at(host("4"), "signer", before, highest).is_err());
        // The very same one again, the same version signed later, and a newer one.
        for (version, signed) in [("4", earlier), ("4", now()), ("5", now())] {
            open_at(host(version), "signer", signed, highest).unwrap();
        }
        agent.close().await;
    }
}
