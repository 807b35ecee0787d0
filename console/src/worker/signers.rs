//! Which signers there are: those kept in the settings, and those on plugged tokens.

use std::path::PathBuf;

use muster_shared::clock;
use muster_shared::crypto::Certificate;
use muster_shared::crypto::token::{self, PinState, TokenInfo};

use super::requests::{SignerEntry, SignerKind};
use crate::admin::signer::{self, SecretKind, SignerChoice};
use crate::remote::Problem;
use crate::settings::Settings;

/// Where the settings keep key files beside the one in use.
const OTHER_SIGNERS: &str = "signers";

/// Signers found, with the choice behind each.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub entries: Vec<SignerEntry>,
    pub choices: Vec<(String, SignerChoice)>,
    /// The one in use.
    pub chosen: Option<String>,
    pub problems: Vec<Problem>,
}

/// Looks at settings, files and tokens. Blocks while tokens answer; asks for no secret.
pub(super) fn find(settings: &Settings) -> Found {
    let mut found = Found::default();
    let in_use = settings.signer.clone();
    let mut choices: Vec<SignerChoice> = in_use.iter().cloned().collect();
    choices.extend(other_signers(settings));
    for choice in choices {
        if let SignerChoice::KeyFile { certificate, key } = &choice {
            add_file(&mut found, &choice, certificate, key);
        }
    }
    let mut modules = settings.modules.clone();
    if let Some(SignerChoice::Token { module, .. }) = &in_use
        && !modules.contains(module)
    {
        modules.push(module.clone());
    }
    for module in modules {
        match token::list(&module) {
            Ok(tokens) => tokens.iter().for_each(|token| add_token(&mut found, token)),
            Err(error) => found.problems.push(Problem::of(&error)),
        }
    }
    found.chosen = in_use.and_then(|in_use| key_of(&found, &in_use));
    found
}

/// The key of a choice among those found; a token without a named key is its first.
fn key_of(found: &Found, wanted: &SignerChoice) -> Option<String> {
    found
        .choices
        .iter()
        .find(|(_, choice)| match (choice, wanted) {
            (
                SignerChoice::Token {
                    module,
                    label,
                    key_id,
                    ..
                },
                SignerChoice::Token {
                    module: wanted_module,
                    label: wanted_label,
                    key_id: wanted_id,
                    ..
                },
            ) => {
                module == wanted_module
                    && label == wanted_label
                    && (wanted_id.is_none() || key_id == wanted_id)
            }
            (one, other) => one == other,
        })
        .map(|(key, _)| key.clone())
}

fn add_file(found: &mut Found, choice: &SignerChoice, certificate: &std::path::Path, key: &std::path::Path) {
    let name = format!("file:{}", key.display());
    if found.choices.iter().any(|(known, _)| *known == name) {
        return;
    }
    match (signer::certificates(choice), signer::needs_secret(choice)) {
        (Ok(chain), Ok(secret)) => {
            let Some(leaf) = chain.first() else { return };
            found.entries.push(SignerEntry {
                place: key
                    .file_name()
                    .map_or_else(String::new, |name| name.to_string_lossy().into_owned()),
                needs_secret: secret != SecretKind::None,
                warning: validity_warning(leaf),
                ..entry(&name, SignerKind::File, leaf)
            });
            found.choices.push((name, choice.clone()));
        }
        (Err(error), _) | (_, Err(error)) => {
            let mut problem = Problem::of(&error);
            problem.message = format!("{}: {}", certificate.display(), problem.message);
            found.problems.push(problem);
        }
    }
}

fn add_token(found: &mut Found, token: &TokenInfo) {
    // Some modules count slots from a large number that says nothing to anyone.
    let slot = if token.slot < 100 {
        format!(", slot {}", token.slot)
    } else {
        String::new()
    };
    for held in &token.certificates {
        let name = format!("token:{}|{}|{}", token.module.display(), token.label, held.id);
        let pin_warning = match token.pin {
            PinState::WrongBefore | PinState::LastTry | PinState::Locked => token.pin.text().to_owned(),
            PinState::NotNeeded | PinState::Ready | PinState::ReaderPad => {
                validity_warning(&held.certificate)
            }
        };
        found.entries.push(SignerEntry {
            place: format!("{}{slot}", token.label),
            needs_secret: !matches!(token.pin, PinState::NotNeeded | PinState::ReaderPad),
            warning: pin_warning,
            ..entry(&name, SignerKind::Token, &held.certificate)
        });
        let choice = SignerChoice::Token {
            module: token.module.clone(),
            label: token.label.clone(),
            key_id: Some(held.id.clone()),
            certificate: None,
        };
        found.choices.push((name, choice));
    }
}

fn entry(key: &str, kind: SignerKind, certificate: &Certificate) -> SignerEntry {
    SignerEntry {
        key: key.to_owned(),
        kind,
        name: certificate.common_name().clone(),
        place: String::new(),
        fingerprint: certificate.fingerprint().clone(),
        self_signed: certificate.subject() == certificate.issuer(),
        not_after: Some(certificate.not_after()),
        may_sign_code: certificate.may_sign_code(),
        needs_secret: true,
        warning: String::new(),
    }
}

fn validity_warning(certificate: &Certificate) -> String {
    let now = clock::now();
    if certificate.not_after() < now {
        "this certificate has expired; hosts will refuse it".to_owned()
    } else if certificate.not_before() > now {
        "this certificate is not valid yet".to_owned()
    } else {
        String::new()
    }
}

/// Key files kept beside the one in use.
fn other_signers(settings: &Settings) -> Vec<SignerChoice> {
    settings
        .others
        .get(OTHER_SIGNERS)
        .and_then(|value| value.clone().try_into::<Vec<SignerChoice>>().ok())
        .unwrap_or_default()
}

/// Makes a signer the one in use, keeping the one before as another.
pub(super) fn use_signer(settings: &mut Settings, choice: SignerChoice) {
    let mut others = other_signers(settings);
    let before = settings.signer.replace(choice.clone());
    if let Some(before @ SignerChoice::KeyFile { .. }) = before
        && !others.contains(&before)
    {
        others.push(before);
    }
    others.retain(|other| *other != choice);
    match toml::Value::try_from(&others) {
        Ok(_) if others.is_empty() => {
            settings.others.remove(OTHER_SIGNERS);
        }
        Ok(value) => {
            settings.others.insert(OTHER_SIGNERS.to_owned(), value);
        }
        Err(error) => tracing::warn!(%error, "the other signers were not kept"),
    }
}

/// Checks a key file before it is kept.
///
/// # Errors
/// Why it cannot be used.
pub(super) fn check_file(certificate: PathBuf, key: PathBuf) -> Result<SignerChoice, Problem> {
    let choice = SignerChoice::KeyFile { certificate, key };
    signer::needs_secret(&choice).map_err(|error| Problem::of(&error))?;
    Ok(choice)
}
