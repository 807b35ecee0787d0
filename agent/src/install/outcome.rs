//! What the word of a hook means for a package: its status, whether it is in place, and why not.

use muster_shared::protocol::package::InstallStatus;

use super::{InstallError, Step};
use crate::script::{Hook, HookRun, Verdict};

/// Names of keys that are listed in a message; the log of the script has them all.
const NAMED_KEYS: usize = 20;

/// How an installation ended.
#[derive(Debug)]
pub(super) struct Outcome {
    pub status: InstallStatus,
    /// The word itself when it is none of the known ones.
    pub word: String,
    /// Why the package is not in place.
    pub error: Option<InstallError>,
}

/// What `install()` said.
pub(super) fn of_install(package: &str, run: &HookRun) -> Outcome {
    let mut word = String::new();
    let (status, reason) = match &run.verdict {
        // Groups of files without a hook are in place when they are unpacked.
        Verdict::Absent => (InstallStatus::Ok, None),
        Verdict::Done { status: said } => match InstallStatus::from_script(said) {
            InstallStatus::Unknown => {
                said.chars().take(100).collect::<String>().clone_into(&mut word);
                (InstallStatus::Unknown, None)
            }
            // It is over: no script can say that it has not begun or still runs.
            InstallStatus::Init | InstallStatus::Running => {
                said.clone_into(&mut word);
                (InstallStatus::Unknown, None)
            }
            status if status.is_installed() => (status, None),
            status => (status, Some(format!("it returned {said}"))),
        },
        Verdict::Raised(failure) => {
            let asked = failure.install_status.as_deref().map(InstallStatus::from_script);
            let status = match asked {
                Some(status @ (InstallStatus::Retry | InstallStatus::Postponed)) => status,
                _ => InstallStatus::Error,
            };
            (status, Some(failure.to_string()))
        }
        Verdict::Ended { reason } => (InstallStatus::Error, Some(reason.clone())),
    };
    let error = if run.missing_keys.is_empty() {
        reason.map(|reason| InstallError::Hook {
            package: package.to_owned(),
            hook: Hook::Install.as_str(),
            step: Step::Install,
            reason,
        })
    } else {
        Some(InstallError::Keys {
            package: package.to_owned(),
            keys: listed(&run.missing_keys),
            appeared: appeared(&run.new_keys),
        })
    };
    let status = if error.is_some() && status.is_installed() {
        InstallStatus::Error
    } else {
        status
    };
    Outcome { status, word, error }
}

fn listed(keys: &[String]) -> String {
    let named: Vec<&str> = keys.iter().take(NAMED_KEYS).map(String::as_str).collect();
    let text = named.join(", ");
    if keys.len() > NAMED_KEYS {
        format!("{text} and {} more", keys.len() - NAMED_KEYS)
    } else {
        text
    }
}

fn appeared(keys: &[String]) -> String {
    if keys.is_empty() {
        "no key appeared meanwhile".to_owned()
    } else {
        format!("these appeared meanwhile: {}", listed(keys))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(verdict: Verdict) -> HookRun {
        HookRun {
            verdict,
            log: String::new(),
            uninstall_keys: Vec::new(),
            missing_keys: Vec::new(),
            new_keys: Vec::new(),
            changed: false,
            wants_restart: false,
            params: serde_json::Map::new(),
        }
    }

    fn said(word: &str) -> Outcome {
        of_install(
            "demo",
            &run(Verdict::Done {
                status: word.to_owned(),
            }),
        )
    }

    #[test]
    fn every_known_word_is_a_status_and_others_are_kept_as_they_are() {
        for (word, status, is_error) in [
            ("OK", InstallStatus::Ok, false),
            ("WARNING", InstallStatus::Warning, false),
            ("ERROR", InstallStatus::Error, true),
            ("RETRY", InstallStatus::Retry, true),
            ("POSTPONED", InstallStatus::Postponed, true),
        ] {
            let outcome = said(word);
            assert_eq!(
                (outcome.status, outcome.error.is_some()),
                (status, is_error),
                "{word}"
            );
            assert_eq!(outcome.word, "");
        }
        for word in ["NEEDS-LICENCE", "RUNNING", "INIT"] {
            let outcome = said(word);
            assert_eq!(
                (outcome.status, outcome.word.as_str()),
                (InstallStatus::Unknown, word)
            );
            assert!(outcome.error.is_none());
        }
    }

    #[test]
    fn missing_keys_are_an_error_that_lists_what_appeared() {
        let mut run = run(Verdict::Done {
            status: "OK".to_owned(),
        });
        run.missing_keys = vec!["{1234}".to_owned()];
        let outcome = of_install("demo", &run);
        assert_eq!(outcome.status, InstallStatus::Error);
        let error = outcome.error.unwrap();
        assert_eq!(error.step(), Step::UninstallKeys);
        assert!(
            error.to_string().contains("missing: {1234}; no key appeared"),
            "{error}"
        );
        run.new_keys = (0..30).map(|number| format!("key-{number}")).collect();
        let text = of_install("demo", &run).error.unwrap().to_string();
        assert!(
            text.contains("appeared meanwhile: key-0, ") && text.contains("and 10 more"),
            "{text}"
        );
    }
}
