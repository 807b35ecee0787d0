//! The host's own package: fetched, verified, and only then in force.

use std::path::Path;

use jiff::Timestamp;
use muster_shared::control::{Control, Section};
use muster_shared::crypto::TrustStore;
use muster_shared::hint::chain;
use muster_shared::package::{Package, Unverified, Verified};
use muster_shared::version::compare_text;

use super::Problem;
use crate::agent::{Agent, with_advice};
use crate::failure::Failure;
use crate::install::run::fresh_row;
use crate::repo::Validators;
use crate::repo::hostpackage::{self, HostPackageFetch};
use crate::state::facts;
use crate::state::packages::Installed;

/// Fetches the host's package; the inner error is a part of the update that failed.
///
/// # Errors
/// When the database or the trust folder cannot be used.
pub(super) async fn fetch(agent: &Agent) -> Result<Result<(), Problem>, Failure> {
    let Some(server) = agent
        .server
        .as_ref()
        .filter(|_server| agent.config.use_hostpackages)
    else {
        return Ok(Ok(()));
    };
    let in_force = agent.state.host_package().await?;
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
                tracing::info!(
                    version = in_force.control.version(),
                    "this host has no package of its own any more"
                );
                agent.state.delete_package(in_force.package()).await?;
                agent.state.clear_fact(facts::HOST_PACKAGE_VALIDATORS).await?;
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
            let earlier = in_force.clone();
            let judged =
                tokio::task::spawn_blocking(move || verify(&path, &identifier, earlier.as_ref(), &trust, at))
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

/// Signed by someone trusted, for this host, not older than the one in force.
fn verify(
    path: &Path,
    identifier: &str,
    in_force: Option<&Installed>,
    trust: &TrustStore,
    at: Timestamp,
) -> Result<Package<Verified>, String> {
    let package = Package::<Unverified>::open(path)
        .and_then(|package| package.verify(trust, at))
        .map_err(|error| chain(&error))?;
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
    if package.setup_py().is_some() {
        return Err("it carries a script; host packages only list packages".to_owned());
    }
    if let Some(in_force) = in_force
        && is_older(control, &in_force.control)
    {
        return Err(format!(
            "version {} signed {} is older than version {} signed {}, which is in force",
            control.version(),
            control.get("signature_date"),
            in_force.control.version(),
            in_force.control.get("signature_date"),
        ));
    }
    Ok(package)
}

/// A lower version, or the same one signed earlier.
fn is_older(new: &Control, in_force: &Control) -> bool {
    let order = compare_text(new.version(), in_force.version())
        .then_with(|| new.get("signature_date").cmp(in_force.get("signature_date")));
    order.is_lt()
}

async fn take(
    agent: &Agent,
    in_force: Option<&Installed>,
    package: &Package<Verified>,
) -> Result<(), Failure> {
    let control = package.control();
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
    use muster_shared::crypto::{Certificate, FileSigner, Signer as _};
    use muster_shared::package::build::build_control_only;

    use super::*;
    use crate::state::packages::tests::row;

    const KEYS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/golden/keys");

    fn now() -> Timestamp {
        "2026-12-01T00:00:00Z".parse().unwrap()
    }

    fn signer(name: &str) -> FileSigner {
        let path = |extension: &str| Path::new(KEYS).join(format!("{name}.{extension}"));
        FileSigner::open(&path("crt"), &path("pem"), None).unwrap()
    }

    fn judge(control: Control, signed_by: &str, in_force: Option<&Installed>) -> Result<String, String> {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("host.wapt");
        fs_err::write(
            &path,
            build_control_only(control, &signer(signed_by), now()).unwrap(),
        )
        .unwrap();
        let trusted: Vec<Certificate> = vec![signer("signer").certificate().clone()];
        verify(&path, "Host-1", in_force, &TrustStore::new(trusted), now())
            .map(|package| package.control().version().to_owned())
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
    fn an_older_package_does_not_replace_the_one_in_force() {
        let mut in_force = row("host-1", "4");
        in_force.control.set("section", "host");
        assert!(
            judge(host("3"), "signer", Some(&in_force))
                .unwrap_err()
                .contains("older")
        );
        assert_eq!(judge(host("5"), "signer", Some(&in_force)).unwrap(), "5");
        // The same version, signed later: it was edited again.
        assert_eq!(judge(host("4"), "signer", Some(&in_force)).unwrap(), "4");
        in_force.control.set("signature_date", "2030-01-01T00:00:00");
        assert!(judge(host("4"), "signer", Some(&in_force)).is_err());
    }
}
