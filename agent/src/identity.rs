//! Who this host is: its identifier, its key, and the certificate that the server gave it.
//!
//! Parties: this *host* makes its identity key itself and keeps it in `private/` (root or SYSTEM and
//! administrators only); the *server's host CA* certifies it at registration; whoever asks over the
//! network never gets it. Order of checks on what a registration brings: the certificate parses, names
//! this identifier, holds this very key; only then is it stored. It serves to enrol again with a server
//! that lost its database and gives no right to anything else.

mod decryption;
mod error;
mod files;
mod identifier;
pub mod renewal;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use muster_shared::crypto::{Certificate, IdentityKey};
use muster_shared::protocol::host::{RegisterAnswer, RegisterOutcome};

use self::files::{
    CERTIFICATE_FILE, KEY_FILE, RECORD_FILE, Record, check_own, load_or_make_key, read_certificate,
    read_record, remove, write_record,
};
use self::identifier::choose;
use crate::config::Config;
use crate::paths::Paths;
use crate::platform;

pub use decryption::{DecryptionKey, KEY_FILE as DECRYPTION_KEY_FILE};
pub use error::IdentityError;
pub use identifier::Origin;

/// This host's identity; clones share one.
#[derive(Clone)]
pub struct Identity {
    inner: Arc<Inner>,
}

struct Inner {
    identifier: String,
    origin: Origin,
    key: IdentityKey,
    folder: PathBuf,
    registration: Mutex<Registration>,
    /// Made on first need.
    decryption: Mutex<Option<Arc<DecryptionKey>>>,
}

#[derive(Debug, Clone, Default)]
struct Registration {
    registered: bool,
    certificate: Option<Certificate>,
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Identity")
            .field("identifier", &self.inner.identifier)
            .field("keyid", &self.inner.key.keyid())
            .finish_non_exhaustive()
    }
}

impl Identity {
    /// The stored identity; on first use chooses the identifier, makes the key and stores both.
    ///
    /// The identifier is the configured one, else the host's name if so configured, else the firmware's
    /// UUID when it is a usable one, else random. Once registered it never changes. Below a root of its
    /// own an agent shares the machine with others, so the firmware's UUID is not used there.
    ///
    /// # Errors
    /// When the private folder cannot be used or what is in it cannot be read.
    pub fn load_or_create(paths: &Paths, config: &Config) -> Result<Self, IdentityError> {
        let firmware = if paths.root().is_some() {
            None
        } else {
            platform::firmware_uuid()
        };
        Self::open(&paths.private_dir(), config, firmware.as_deref(), platform::fqdn)
    }

    /// Forgets who this host is: identifier, key and certificate. The next look chooses and makes them anew.
    ///
    /// # Errors
    /// When a file cannot be removed.
    pub fn forget(paths: &Paths) -> Result<(), IdentityError> {
        // The record first: what is left after a power cut is a host that was never registered.
        for file in [RECORD_FILE, CERTIFICATE_FILE, KEY_FILE] {
            remove(&paths.private_dir().join(file))?;
        }
        Ok(())
    }

    /// Forgets that a server knows this host; identifier and key stay.
    ///
    /// # Errors
    /// When a file cannot be written or removed.
    pub fn forget_registration(paths: &Paths) -> Result<(), IdentityError> {
        let folder = paths.private_dir();
        let path = folder.join(RECORD_FILE);
        if let Some(record) = read_record(&path)? {
            write_record(
                &path,
                &Record {
                    registered: false,
                    ..record
                },
            )?;
        }
        remove(&folder.join(CERTIFICATE_FILE))
    }

    fn open(
        folder: &Path,
        config: &Config,
        firmware: Option<&str>,
        fqdn: impl FnOnce() -> String,
    ) -> Result<Self, IdentityError> {
        platform::lock_down_dir(folder).map_err(|source| IdentityError::Folder {
            folder: folder.to_path_buf(),
            source,
        })?;
        let stored = read_record(&folder.join(RECORD_FILE))?;
        let record = match stored {
            Some(record) if record.registered => {
                if let Some(configured) = &config.uuid
                    && *configured != record.identifier
                {
                    tracing::warn!(
                        identifier = %record.identifier,
                        configured = %configured,
                        "this host is registered already and keeps its identifier"
                    );
                }
                record
            }
            other => {
                let chosen = choose(config, other.as_ref(), firmware, fqdn);
                if other.as_ref() != Some(&chosen) {
                    write_record(&folder.join(RECORD_FILE), &chosen)?;
                }
                chosen
            }
        };
        let key = load_or_make_key(&folder.join(KEY_FILE))?;
        let certificate = read_certificate(&folder.join(CERTIFICATE_FILE), &record.identifier, &key);
        Ok(Self {
            inner: Arc::new(Inner {
                identifier: record.identifier,
                origin: record.origin,
                key,
                folder: folder.to_path_buf(),
                registration: Mutex::new(Registration {
                    registered: record.registered,
                    certificate,
                }),
                decryption: Mutex::default(),
            }),
        })
    }

    /// The identifier that this host goes by everywhere.
    pub fn identifier(&self) -> &str {
        &self.inner.identifier
    }

    /// Where the identifier came from.
    pub fn origin(&self) -> Origin {
        self.inner.origin
    }

    /// The key that signs this host's requests.
    pub fn key(&self) -> &IdentityKey {
        &self.inner.key
    }

    /// The host CA's certificate for the key, once registered.
    pub fn certificate(&self) -> Option<Certificate> {
        self.registration().certificate
    }

    /// A server has registered this host at some time.
    pub fn is_registered(&self) -> bool {
        self.registration().registered
    }

    /// Checks and stores what a registration brought. A pending one changes nothing.
    ///
    /// # Errors
    /// When the certificate is not for this host and key, or cannot be stored.
    pub fn store_registration(&self, answer: &RegisterAnswer) -> Result<(), IdentityError> {
        if answer.outcome == RegisterOutcome::Pending {
            return Ok(());
        }
        let certificate = match &answer.certificate {
            Some(pem) => {
                let certificate = Certificate::from_pem(pem).map_err(IdentityError::Certificate)?;
                check_own(&certificate, &self.inner.identifier, &self.inner.key)?;
                let path = self.inner.folder.join(CERTIFICATE_FILE);
                platform::write_private(&path, certificate.to_pem().as_bytes())
                    .map_err(|source| IdentityError::Write { path, source })?;
                Some(certificate)
            }
            None => None,
        };
        write_record(
            &self.inner.folder.join(RECORD_FILE),
            &Record {
                identifier: self.inner.identifier.clone(),
                origin: self.inner.origin,
                registered: true,
            },
        )?;
        let mut registration = self
            .inner
            .registration
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        registration.registered = true;
        if certificate.is_some() {
            registration.certificate = certificate;
        }
        Ok(())
    }

    fn registration(&self) -> Registration {
        self.inner
            .registration
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

#[cfg(test)]
mod tests {
    use muster_shared::clock::now;
    use muster_shared::crypto::issue::Authority;
    use muster_shared::hint::Hint as _;

    use super::*;

    const FIRMWARE: &str = "4C4C4544-0042-3510-8052-B4C04F4E4D32";

    fn open(folder: &Path, config: &Config, firmware: Option<&str>) -> Identity {
        Identity::open(&folder.join("private"), config, firmware, || {
            "pc.example.org".to_owned()
        })
        .unwrap()
    }

    fn configured(uuid: &str) -> Config {
        Config::parse(&format!("uuid = \"{uuid}\""), Path::new("agent.toml")).unwrap()
    }

    fn answer(identifier: &str, spki: &[u8]) -> RegisterAnswer {
        let now = now();
        let end = now + jiff::SignedDuration::from_hours(24);
        let authority = Authority::create("host CA", now, end).unwrap();
        let certificate = authority.issue_host(spki, identifier, now, end).unwrap();
        RegisterAnswer {
            outcome: RegisterOutcome::Registered,
            certificate: Some(certificate.to_pem()),
            host_ca: None,
            server_time: now,
        }
    }

    #[test]
    fn the_identifier_is_chosen_in_the_order_of_the_rules() {
        let place = tempfile::tempdir().unwrap();
        let at = |name: &str| place.path().join(name);
        let by_name = Config::parse("use_fqdn_as_uuid = true", Path::new("agent.toml")).unwrap();
        assert_eq!(
            open(&at("a"), &configured("my-pc"), Some(FIRMWARE)).identifier(),
            "my-pc"
        );
        assert_eq!(
            open(&at("b"), &by_name, Some(FIRMWARE)).identifier(),
            "pc.example.org"
        );
        assert_eq!(
            open(&at("c"), &Config::default(), Some(FIRMWARE)).identifier(),
            FIRMWARE
        );
        let random = open(&at("d"), &Config::default(), None);
        assert!(random.identifier().starts_with("rnd-"));
        assert_eq!(random.origin(), Origin::Random);
    }

    #[test]
    fn what_was_chosen_is_kept_when_the_hardware_changes() {
        let place = tempfile::tempdir().unwrap();
        let first = open(place.path(), &Config::default(), None);
        let second = open(place.path(), &Config::default(), Some(FIRMWARE));
        assert_eq!(first.identifier(), second.identifier());
        assert_eq!(first.key().keyid(), second.key().keyid());
    }

    #[test]
    fn once_registered_the_identifier_stays_whatever_is_configured() {
        let place = tempfile::tempdir().unwrap();
        let first = open(place.path(), &configured("one"), None);
        let second = open(place.path(), &configured("two"), None);
        assert_eq!((first.identifier(), second.identifier()), ("one", "two"));
        second
            .store_registration(&answer("two", &second.key().spki_der()))
            .unwrap();
        let third = open(place.path(), &configured("three"), None);
        assert_eq!(third.identifier(), "two");
        assert!(third.is_registered());
        assert!(third.certificate().is_some());
    }

    #[test]
    fn a_certificate_for_another_host_or_key_is_refused_and_not_stored() {
        let place = tempfile::tempdir().unwrap();
        let identity = open(place.path(), &configured("one"), None);
        let other_key = IdentityKey::generate().unwrap();
        let other_host = identity.store_registration(&answer("two", &identity.key().spki_der()));
        assert!(matches!(other_host, Err(IdentityError::OtherHost { .. })));
        let other_key = identity.store_registration(&answer("one", &other_key.spki_der()));
        assert!(matches!(other_key, Err(IdentityError::OtherKey)));
        assert!(!identity.is_registered());
        assert!(!open(place.path(), &configured("one"), None).is_registered());
    }

    #[test]
    fn a_pending_answer_changes_nothing() {
        let place = tempfile::tempdir().unwrap();
        let identity = open(place.path(), &configured("one"), None);
        let pending = RegisterAnswer {
            outcome: RegisterOutcome::Pending,
            certificate: None,
            host_ca: None,
            server_time: now(),
        };
        identity.store_registration(&pending).unwrap();
        assert!(!identity.is_registered());
    }

    #[test]
    fn a_record_that_says_nothing_is_told_with_what_to_do() {
        let place = tempfile::tempdir().unwrap();
        open(place.path(), &Config::default(), None);
        fs_err::write(place.path().join("private").join(RECORD_FILE), b"{}").unwrap();
        let error = Identity::open(
            &place.path().join("private"),
            &Config::default(),
            None,
            String::new,
        )
        .unwrap_err();
        assert!(error.hints()[0].contains(RECORD_FILE), "{error}");
    }
}
