//! Who of this machine may have what done. Pure: the person, the rules and the state of the machine are given.
//!
//! - *Administrators* (root; SYSTEM; elevated administrators) may everything.
//! - *Managers* (members of the system's administrators' groups or of `waptselfservice`) may install and remove
//!   whatever can be offered to people.
//! - *Users* may install and remove what a self-service rule offers to their login name or to one of their groups.
//! - Everybody may upgrade: all that is pending, or single packages that are installed or pending.
//!
//! Parameters, files, forcing and versions are for administrators: scripts run with full rights, and an old version
//! may have holes that the new one closed.

use muster_shared::control::Section;
use muster_shared::protocol::action::{ActionKind, ActionOptions, MAX_ACTION_PACKAGES};
use muster_shared::protocol::error::{ErrorBody, ErrorCode};
use muster_shared::protocol::local::Allowed;
use muster_shared::protocol::package::{Change, PendingPackage};
use muster_shared::request::Request;
use muster_shared::rules::selfservice::{SelfServiceRules, is_offered};

use super::person::{Person, Standing};
use crate::config::People;
use crate::install::remove::removal_order;
use crate::state::packages::Installed;

/// What is known of the machine when somebody asks.
#[derive(Debug, Clone, Copy)]
pub struct Machine<'a> {
    pub policy: &'a People,
    /// The merged rules of all packages in place.
    pub rules: &'a SelfServiceRules,
    /// Who signed them.
    pub rule_signers: &'a [String],
    pub installed: &'a [Installed],
    pub pending: &'a [PendingPackage],
}

/// Why a person may not have something done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("{person} may not order {action}: only administrators of this machine may")]
    Action { person: String, action: ActionKind },
    #[error("{person} may not {verb} {package}: {reason}")]
    Package {
        person: String,
        verb: &'static str,
        package: String,
        reason: String,
        /// Names on the certificates behind the rules.
        ask: Vec<String>,
    },
    #[error("{person} may not give {what}: only administrators of this machine may")]
    Argument { person: String, what: &'static str },
    #[error("{0}")]
    Request(String),
}

impl Refusal {
    /// The refusal with its advice, as it goes to the client.
    pub fn body(&self) -> ErrorBody {
        let code = match self {
            Self::Request(_) => ErrorCode::RequestInvalid,
            _ => ErrorCode::RightMissing,
        };
        let body = ErrorBody::new(code, self.to_string());
        match self {
            Self::Package { ask, .. } if !ask.is_empty() => body.with_hint(format!(
                "ask {}, who signed this machine's self-service rules, or an administrator of this machine",
                ask.join(" or ")
            )),
            Self::Package { .. } => body.with_hint("ask an administrator of this machine"),
            Self::Action { .. } | Self::Argument { .. } => body.with_hint(
                "run the command as root (administrator), or ask an administrator of this machine",
            ),
            Self::Request(_) => body,
        }
    }
}

/// Whether a person may have an action carried out. `section_of` gives the section of the package that an
/// installation would bring.
///
/// # Errors
/// The first rule that forbids it.
pub fn may_run(
    person: &Person,
    machine: Machine<'_>,
    action: ActionKind,
    packages: &[String],
    options: &ActionOptions,
    section_of: impl Fn(&str) -> Option<Section>,
) -> Result<(), Refusal> {
    if person.standing == Standing::Administrator {
        return Ok(());
    }
    let argument = |what| Refusal::Argument {
        person: person.name.clone(),
        what,
    };
    let is_allowed = match action {
        ActionKind::Upgrade | ActionKind::Install | ActionKind::Remove | ActionKind::SessionSetup => true,
        ActionKind::ServiceRestart => machine.policy.allow_user_service_restart,
        _ => false,
    };
    if !is_allowed {
        return Err(Refusal::Action {
            person: person.name.clone(),
            action,
        });
    }
    if packages.len() > MAX_ACTION_PACKAGES {
        return Err(Refusal::Request(format!(
            "more than {MAX_ACTION_PACKAGES} packages are named"
        )));
    }
    let harmless = ActionOptions {
        force: options.force && action == ActionKind::SessionSetup,
        only_if_not_running: options.only_if_not_running,
        notify_user: options.notify_user,
        ..ActionOptions::default()
    };
    if *options != harmless {
        return Err(argument(if options.force {
            "force"
        } else {
            "parameters or other options"
        }));
    }
    let mut names = Vec::new();
    for package in packages {
        if package.contains(['/', '\\']) || package.to_ascii_lowercase().ends_with(".wapt") {
            return Err(argument("files to install"));
        }
        let request = Request::parse(package).map_err(|error| Refusal::Request(error.to_string()))?;
        if request.to_string() != request.name && person.standing == Standing::User {
            return Err(argument("versions to install"));
        }
        names.push(request.name);
    }
    match action {
        ActionKind::Install => {
            for name in &names {
                may_install(person, machine, name, section_of(name))
                    .map_err(|reason| refused(person, machine, "install", name, reason))?;
            }
        }
        ActionKind::Remove => {
            for name in &names {
                may_remove(person, machine, name)
                    .map_err(|reason| refused(person, machine, "remove", name, reason))?;
            }
        }
        _ => {}
    }
    Ok(())
}

/// What a person may do with a package, for lists of packages.
pub fn allowed(person: &Person, machine: Machine<'_>, package: &str, section: Option<Section>) -> Allowed {
    if person.standing == Standing::Administrator {
        return Allowed {
            install: true,
            remove: is_in_place(machine, package),
            reason: String::new(),
        };
    }
    let install = may_install(person, machine, package, section);
    let remove = may_remove(person, machine, package);
    let reason = match (&install, &remove) {
        (Err(reason), _) => reason.clone(),
        (Ok(()), Err(reason)) if is_in_place(machine, package) => reason.clone(),
        _ => String::new(),
    };
    Allowed {
        install: install.is_ok(),
        remove: remove.is_ok() && is_in_place(machine, package),
        reason,
    }
}

fn refused(
    person: &Person,
    machine: Machine<'_>,
    verb: &'static str,
    package: &str,
    reason: String,
) -> Refusal {
    Refusal::Package {
        person: person.name.clone(),
        verb,
        package: package.to_owned(),
        reason,
        ask: machine.rule_signers.to_vec(),
    }
}

fn is_in_place(machine: Machine<'_>, package: &str) -> bool {
    machine
        .installed
        .iter()
        .any(|row| row.package() == package && row.in_place)
}

fn may_install(
    person: &Person,
    machine: Machine<'_>,
    package: &str,
    section: Option<Section>,
) -> Result<(), String> {
    let is_pending = machine.pending.iter().any(|change| {
        change.package == package && matches!(change.change, Change::Install | Change::Upgrade)
    });
    if is_pending || is_in_place(machine, package) {
        return Ok(());
    }
    is_offered_to(person, machine, package, section)
}

fn may_remove(person: &Person, machine: Machine<'_>, package: &str) -> Result<(), String> {
    if !machine.policy.uninstall_allowed {
        return Err("users of this machine may not remove packages (uninstall_allowed)".to_owned());
    }
    // What depends on it goes first, and so must be theirs as well.
    for name in removal_order(machine.installed, &[package.to_owned()]) {
        let section = machine
            .installed
            .iter()
            .find(|row| row.package() == name)
            .and_then(|row| row.control.section_kind().ok());
        let offered = match is_offered_to(person, machine, &name, section) {
            // It is installed, which is enough to upgrade it and not to remove it.
            Err(_reason) if machine.rules.is_empty() => Err(
                "this machine has no self-service rules, and only they let users remove packages".to_owned(),
            ),
            offered => offered,
        };
        offered.map_err(|reason| {
            if name == package {
                reason
            } else {
                format!("{name} depends on it and would go as well, and {reason}")
            }
        })?;
    }
    Ok(())
}

/// The sentence says why not, without a full stop.
fn is_offered_to(
    person: &Person,
    machine: Machine<'_>,
    package: &str,
    section: Option<Section>,
) -> Result<(), String> {
    if let Some(section) = section.filter(|section| !is_offered(*section)) {
        return Err(format!(
            "packages of the section {section} are never offered to users"
        ));
    }
    if person.standing == Standing::Manager {
        return Ok(());
    }
    if machine
        .rules
        .allows(&person.identities, package, section.unwrap_or(Section::Base))
    {
        return Ok(());
    }
    if machine.rules.is_empty() {
        return Err(
            "this machine has no self-service rules, and it is neither installed nor pending".to_owned(),
        );
    }
    Err(format!(
        "no self-service rule of this machine offers it to {}",
        person.in_words()
    ))
}

#[cfg(test)]
mod tests;
