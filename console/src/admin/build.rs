//! Building a package from its sources, with the packaging number kept in step.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use muster_shared::control::Problem;
use muster_shared::crypto::Signer;
use muster_shared::hint::Hint;
use muster_shared::package::PackageError;
use muster_shared::package::build::{self, BuildOptions, Built};

use super::lint::{self, Finding, Severity, Sources};
use super::write::{self, Readers};

/// Why a package was not built. Sources and earlier packages are as they were.
#[derive(Debug, thiserror::Error)]
pub enum BuildFailure {
    #[error("{path} is not a folder of package sources")]
    NotSources { path: PathBuf },
    #[error("cannot build {path}")]
    Package {
        path: PathBuf,
        #[source]
        source: PackageError,
    },
    #[error("{path} has {count} in its scripts", path = .path.display(), count = mistakes(.findings))]
    Lint {
        path: PathBuf,
        /// The errors.
        findings: Vec<Finding>,
    },
    #[error("cannot make the folder {path}")]
    OutFolder {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("cannot keep the new version in {path}; the package was not built")]
    KeepVersion {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
}

impl Hint for BuildFailure {
    fn hints(&self) -> Vec<String> {
        match self {
            Self::NotSources { .. } => vec![
                "give the folder that holds WAPT/control; `muster package new NAME` makes one".to_owned(),
            ],
            Self::Package {
                source: PackageError::Problems(problems),
                ..
            } => problems
                .iter()
                .map(|problem| format!("{}: {}", problem.attribute, problem.advice))
                .collect(),
            Self::Package { source, .. } => source.hints(),
            Self::Lint { findings, .. } => {
                let mut hints: Vec<String> = findings.iter().take(MAX_SHOWN).map(finding_hint).collect();
                hints.push(
                    "build it as it is with --no-lint; `muster package lint` shows everything".to_owned(),
                );
                hints
            }
            Self::OutFolder { path, .. } if path.exists() => {
                vec!["give a folder with --out; the file's name is made of the package's".to_owned()]
            }
            Self::OutFolder { .. } | Self::KeepVersion { .. } => Vec::new(),
        }
    }
}

/// How many mistakes a refusal names; `muster package lint` names all.
const MAX_SHOWN: usize = 5;

fn mistakes(findings: &[Finding]) -> String {
    match findings.len() {
        1 => "a mistake".to_owned(),
        many => format!("{many} mistakes"),
    }
}

fn finding_hint(finding: &Finding) -> String {
    let place = format!("{}:{}:{}", finding.file, finding.line, finding.column);
    match &finding.suggestion {
        Some(suggestion) => format!("{place}: {}; {suggestion}", finding.message),
        None => format!("{place}: {}", finding.message),
    }
}

/// Where a package goes unless told otherwise: beside its sources.
pub fn usual_out(sources: &Path) -> PathBuf {
    // `.` and `dir/..` have no useful parent before they are resolved.
    let resolved = fs_err::canonicalize(sources).unwrap_or_else(|_missing| sources.to_owned());
    let beside = match sources.parent() {
        Some(parent) if sources.file_name().is_some() && parent.as_os_str().is_empty() => {
            Some(PathBuf::from("."))
        }
        Some(parent) if sources.file_name().is_some() => Some(parent.to_owned()),
        _ => resolved.parent().map(Path::to_owned),
    };
    beside.unwrap_or_else(|| PathBuf::from("."))
}

/// Refuses early what [`build`] would refuse: before a password is asked for.
///
/// # Errors
/// The sources have no control that can be read, or it breaks a rule.
pub fn check(sources: &Path) -> Result<(), BuildFailure> {
    if !sources.join("WAPT").join("control").is_file() {
        return Err(BuildFailure::NotSources {
            path: sources.to_owned(),
        });
    }
    let failed = |source| BuildFailure::Package {
        path: sources.to_owned(),
        source,
    };
    let control = build::with_written_name(build::read_control(sources).map_err(failed)?);
    let problems = control.problems_for_signing();
    if problems.is_empty() {
        Ok(())
    } else {
        Err(failed(PackageError::Problems(problems)))
    }
}

/// Lints the sources and refuses mistakes; gives the warnings.
///
/// # Errors
/// The sources cannot be read, or lint finds an error in them.
pub fn lint(sources: &Path) -> Result<Vec<Finding>, BuildFailure> {
    let read = Sources::read(sources).map_err(|source| BuildFailure::Package {
        path: sources.to_owned(),
        source,
    })?;
    let (errors, others): (Vec<Finding>, Vec<Finding>) = lint::lint_sources(&read)
        .findings
        .into_iter()
        .partition(|finding| finding.severity == Severity::Error);
    if errors.is_empty() {
        let is_warning = |finding: &Finding| finding.severity == Severity::Warning;
        Ok(others.into_iter().filter(is_warning).collect())
    } else {
        Err(BuildFailure::Lint {
            path: sources.to_owned(),
            findings: errors,
        })
    }
}

/// Builds and signs; with `options.increment` the sources keep the new version.
///
/// # Errors
/// The sources cannot be read, break a rule or cannot be signed; nothing is left behind then.
pub fn build(
    sources: &Path,
    out: &Path,
    signer: &dyn Signer,
    options: &BuildOptions,
    now: Timestamp,
) -> Result<Built, BuildFailure> {
    check(sources)?;
    let control_path = sources.join("WAPT").join("control");
    fs_err::create_dir_all(out).map_err(|source| BuildFailure::OutFolder {
        path: out.to_owned(),
        source,
    })?;
    let built =
        build::build_folder(sources, out, signer, options, now).map_err(|source| BuildFailure::Package {
            path: sources.to_owned(),
            source,
        })?;
    if options.increment
        && let Err(source) = keep_version(&control_path, built.control.version())
    {
        // Two different packages of one version must not come out of the same sources.
        fs_err::remove_file(&built.path).ok();
        return Err(BuildFailure::KeepVersion {
            path: control_path,
            source,
        });
    }
    Ok(built)
}

fn keep_version(path: &Path, version: &str) -> std::io::Result<()> {
    let text = fs_err::read_to_string(path)?;
    write::replace(path, with_version(&text, version).as_bytes(), Readers::Everyone)
}

/// The same control text with another version; every other byte stays.
fn with_version(text: &str, version: &str) -> String {
    let mut changed = String::with_capacity(text.len() + version.len());
    for line in text.split_inclusive('\n') {
        let is_version = line
            .split_once(':')
            .is_some_and(|(key, _)| !key.starts_with(' ') && key.trim().eq_ignore_ascii_case("version"));
        if is_version {
            let end = line
                .get(line.trim_end_matches(['\n', '\r']).len()..)
                .unwrap_or_default();
            changed.extend(["version           : ", version, end]);
        } else {
            changed.push_str(line);
        }
    }
    changed
}

/// What is signed as it stands but is likely not meant.
pub fn advice(built: &Built) -> Vec<Problem> {
    built.control.advice_for_signing()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_version_line_of_a_control_changes() {
        let text = "package : a\r\nversion:1.0-1\r\ndescription : one\n version : not this\nx : y";
        assert_eq!(
            with_version(text, "1.0-2"),
            "package : a\r\nversion           : 1.0-2\r\ndescription : one\n version : not this\nx : y"
        );
    }

    #[test]
    fn a_package_goes_beside_its_sources() {
        assert_eq!(usual_out(Path::new("demo")), Path::new("."));
        assert_eq!(usual_out(Path::new("a/demo")), Path::new("a"));
        let dir = tempfile::tempdir().unwrap();
        let inside = dir.path().join("demo");
        fs_err::create_dir(&inside).unwrap();
        let resolved = fs_err::canonicalize(dir.path()).unwrap();
        assert_eq!(
            usual_out(&inside.join("..").join("demo").join(".")),
            inside.join("..")
        );
        assert_eq!(usual_out(&inside.join("..")), resolved.parent().unwrap());
    }
}
