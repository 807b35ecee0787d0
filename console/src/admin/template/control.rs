//! The control file of new sources: what the person typed, else what the installer says, else the usual.

use muster_shared::control::{Control, Section};
use muster_shared::name::{PackageName, unit_name_from_dn};
use muster_shared::version::Version;

use super::{NewPackage, TemplateError, prefixed};
use crate::admin::installer::{Installer, Kind, naming};

/// The version of a package that was made from nothing.
const FIRST_VERSION: &str = "1.0-0";

/// The control, checked as for signing; what the person has to look at is added to `questions`.
pub(super) fn of(request: &NewPackage, questions: &mut Vec<String>) -> Result<Control, TemplateError> {
    let package = package_name(request, questions)?;
    PackageName::check_for(&package, request.section).map_err(TemplateError::Name)?;
    let control = Control::new(&package, version(request, questions), request.section);
    let control = match &request.installer {
        Some(installer) => with_installer(control, installer, request),
        None => control.with("description", &format!("Package {package}")),
    };
    let mut control = control
        .with("maintainer", &request.maintainer)
        .with("depends", &request.depends);
    for (attribute, typed) in [
        ("name", &request.display_name),
        ("description", &request.description),
        ("editor", &request.publisher),
        ("architecture", &request.architecture),
        ("maturity", &request.maturity),
    ] {
        if let Some(typed) = typed {
            control.set(attribute, typed);
        }
    }
    if request.section.holds_update_rules() {
        control.set("target_os", "windows");
    }
    match control.problems_for_signing().into_iter().next() {
        Some(problem) => Err(TemplateError::Control {
            problem: problem.to_string(),
        }),
        None => Ok(control),
    }
}

fn with_installer(control: Control, installer: &Installer, request: &NewPackage) -> Control {
    let product = request.display_name.as_ref().unwrap_or(&installer.product);
    let description = if installer.description.is_empty() {
        product
    } else {
        &installer.description
    };
    let size = installer
        .installed_size
        .map(|size| size.to_string())
        .unwrap_or_default();
    let oldest = if installer.kind == Kind::Msix { "10.0" } else { "" };
    control
        .with("name", product)
        .with("description", description)
        .with("architecture", installer.architecture)
        .with("target_os", installer.target_os)
        .with("min_os_version", oldest)
        .with("editor", &installer.publisher)
        .with("licence", &installer.licence)
        .with("homepage", &installer.homepage)
        .with("installed_size", &size)
        .with("impacted_process", &installer.programs.join(","))
}

fn package_name(request: &NewPackage, questions: &mut Vec<String>) -> Result<String, TemplateError> {
    let section = request.section;
    if let Some(dn) = &request.dn {
        if section != Section::Unit {
            return Err(TemplateError::NoUnit { section });
        }
        if !dn.split(',').all(|part| part.contains('=')) {
            return Err(TemplateError::NotADn { dn: dn.clone() });
        }
        return Ok(unit_name_from_dn(
            &dn.split(',').map(str::trim).collect::<Vec<_>>().join(","),
        ));
    }
    let prefix = request.prefix.as_deref();
    match (&request.name, &request.installer) {
        // Hosts look for units, profiles and their own package by these very names.
        (Some(name), _) if matches!(section, Section::Unit | Section::Profile) => Ok(unit_name_from_dn(name)),
        (Some(name), _) if section == Section::Host => Ok(name.clone()),
        (Some(name), _) => Ok(prefixed(name, prefix)),
        (None, Some(installer)) => {
            let stem = installer.file_name.split('.').next().unwrap_or_default();
            let name = [
                naming::package_name(&installer.short_name),
                naming::package_name(stem),
            ]
            .into_iter()
            .find(|name| !name.is_empty())
            .ok_or(TemplateError::NoName { section })?;
            if prefix.is_none_or(str::is_empty) {
                questions.push(format!(
                    "the package is named {name} without a prefix: give yours with --prefix, or keep it as `prefix` in your settings"
                ));
            }
            Ok(prefixed(&name, prefix))
        }
        (None, None) => Err(TemplateError::NoName { section }),
    }
}

fn version(request: &NewPackage, questions: &mut Vec<String>) -> String {
    if let Some(typed) = &request.version {
        let is_bare = !typed.contains('-') && typed.parse::<Version>().is_ok();
        return if is_bare {
            format!("{typed}-0")
        } else {
            typed.clone()
        };
    }
    let Some(installer) = &request.installer else {
        return FIRST_VERSION.to_owned();
    };
    if let Some(software) = naming::software_version(&installer.version) {
        format!("{software}-0")
    } else {
        if installer.kind == Kind::Folder {
            questions.push("no program in it tells a version: it is 1.0 until you write another".to_owned());
        }
        FIRST_VERSION.to_owned()
    }
}

/// Whether the version of the package is that of the software, so that scripts may compare it.
pub(super) fn has_software_version(request: &NewPackage) -> bool {
    request.version.is_some()
        || request
            .installer
            .as_ref()
            .is_some_and(|installer| naming::software_version(&installer.version).is_some())
}
