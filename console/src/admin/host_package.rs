//! The package of one host: what it must have and must not have. Loaded, edited, signed, replaced.
//!
//! Parties: the person who edits, whose certificate and CAs say whose packages they may replace; the server,
//! which is not believed: its copy is verified here before it is edited. What cannot be read or verified is
//! never overwritten. The server replaces only the very copy that was read (compare and swap).

use std::io::Write as _;

use jiff::Timestamp;
use muster_shared::control::{Control, Section};
use muster_shared::crypto::{Certificate, Signer, TrustStore};
use muster_shared::hint::Hint;
use muster_shared::package::build::build_control_only;
use muster_shared::package::{Package, PackageError, Unverified};
use muster_shared::protocol::error::ErrorCode;
use muster_shared::protocol::host::HostRow;
use muster_shared::protocol::package::Uploaded;
use muster_shared::request::{Request, RequestError, split_list};
use muster_shared::version::Version;

use crate::client::{Client, ClientError, Precondition};

/// The version of a host's first package.
const FIRST_VERSION: &str = "0-0";

/// Why a host package could not be loaded, edited or saved. The server's copy is as it was.
#[derive(Debug, thiserror::Error)]
pub enum HostPackageError {
    #[error("the package of {host} was signed by {signer}, whom your certificate does not cover")]
    Foreign {
        host: String,
        signer: String,
        #[source]
        source: Box<PackageError>,
    },
    #[error("the package of {host} on the server cannot be verified")]
    Unverifiable {
        host: String,
        #[source]
        source: Box<PackageError>,
    },
    #[error("the package on the server for {host} is for {found}")]
    OtherHost { host: String, found: String },
    #[error("the package of {host} was changed by someone else since it was read")]
    Changed { host: String },
    #[error("a package cannot be asked for so")]
    Request(#[source] RequestError),
    #[error("the package of {host} cannot be built")]
    Build {
        host: String,
        #[source]
        source: Box<PackageError>,
    },
    #[error("cannot keep the package of {host} for reading it")]
    Temporary {
        host: String,
        #[source]
        source: std::io::Error,
    },
    #[error("{action} the package of {host} failed")]
    Server {
        action: &'static str,
        host: String,
        #[source]
        source: ClientError,
    },
}

impl Hint for HostPackageError {
    fn hints(&self) -> Vec<String> {
        match self {
            Self::Foreign { .. } => vec![
                "edit it with a certificate of the same CA, or trust the other signer: --trust DIR"
                    .to_owned(),
            ],
            Self::Unverifiable { .. } | Self::OtherHost { .. } => vec![
                "it is left as it is; find out who put it there before deleting it on the server".to_owned(),
            ],
            Self::Changed { .. } => {
                vec!["look at what the other person changed, then do your edit again".to_owned()]
            }
            Self::Request(_) => vec!["write NAME, NAME(=1.2-3) or NAME(>=1.2)".to_owned()],
            Self::Build { source, .. } => source.hints(),
            Self::Server { source, .. } => source.hints(),
            Self::Temporary { .. } => Vec::new(),
        }
    }
}

/// Whose host packages may be replaced by a signer: its own, those of its CAs, and of people trusted besides.
pub fn perimeter(chain: &[Certificate], others: &TrustStore) -> TrustStore {
    let mut anchors = chain.to_vec();
    for other in others.anchors() {
        if !anchors.contains(other) {
            anchors.push(other.clone());
        }
    }
    TrustStore::new(anchors).with_crls(others.crls().cloned())
}

/// A host package being edited.
#[derive(Debug, Clone)]
pub struct EditableHostPackage {
    /// Identifier of the host: also the name of its package.
    pub identifier: String,
    /// Name of the host as shown.
    pub name: String,
    /// Requests for what the host must have.
    pub depends: Vec<String>,
    /// Requests for what the host must not have.
    pub conflicts: Vec<String>,
    /// Version on the server; `None` when there is no package yet.
    pub version: Option<String>,
    /// Version that the host reports to have in force, empty when none.
    pub reported_version: String,
    /// Who signed the server's copy, empty when there is none.
    pub signer: String,
    /// What the server must still hold when this is saved.
    pub precondition: Precondition,
    control: Control,
    loaded: (Vec<String>, Vec<String>),
}

/// Changes to the two lists, as a person orders them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Edit {
    pub require: Vec<String>,
    pub forbid: Vec<String>,
    /// Names to take from the required ones.
    pub unrequire: Vec<String>,
    /// Names to take from the forbidden ones.
    pub unforbid: Vec<String>,
}

impl Edit {
    /// Nothing is to be changed.
    pub fn is_empty(&self) -> bool {
        [&self.require, &self.forbid, &self.unrequire, &self.unforbid]
            .iter()
            .all(|list| list.is_empty())
    }
}

/// Reads the package of a host from the server and verifies it against the perimeter.
///
/// # Errors
/// The server's copy is of a foreign signer, damaged, or of another host; or the server does not answer.
pub async fn load(
    client: &Client,
    identifier: &str,
    perimeter: &TrustStore,
    now: Timestamp,
) -> Result<EditableHostPackage, HostPackageError> {
    let failed = |source| HostPackageError::Server {
        action: "reading",
        host: identifier.to_owned(),
        source,
    };
    let detail = client.host(identifier).await.map_err(failed)?;
    let reported = detail.packages().host_package_version;
    let file = client
        .host_package(&detail.row.identifier)
        .await
        .map_err(failed)?;
    let Some(file) = file else {
        return Ok(EditableHostPackage::fresh(&detail.row, reported));
    };
    let control = verify(&detail.row.identifier, &file.bytes, perimeter, now)?;
    Ok(EditableHostPackage::of(&detail.row, reported, control, file.etag))
}

fn verify(
    identifier: &str,
    bytes: &[u8],
    perimeter: &TrustStore,
    now: Timestamp,
) -> Result<Control, HostPackageError> {
    let host = || identifier.to_owned();
    let temporary = |source| HostPackageError::Temporary { host: host(), source };
    let mut file = tempfile::NamedTempFile::new().map_err(temporary)?;
    file.write_all(bytes).map_err(temporary)?;
    file.flush().map_err(temporary)?;
    let unverifiable = |source| HostPackageError::Unverifiable {
        host: host(),
        source: Box::new(source),
    };
    let package = Package::<Unverified>::open(file.path()).map_err(unverifiable)?;
    let signer = package.control().get("signer").to_owned();
    let verified = package.verify(perimeter, now).map_err(|source| {
        if source.code() == ErrorCode::PackageSignatureUntrusted {
            HostPackageError::Foreign {
                host: host(),
                signer,
                source: Box::new(source),
            }
        } else {
            unverifiable(source)
        }
    })?;
    let control = verified.control().clone();
    if !control.is_section(Section::Host) || !control.package().eq_ignore_ascii_case(identifier) {
        return Err(HostPackageError::OtherHost {
            host: host(),
            found: format!("{} ({})", control.package(), control.section()),
        });
    }
    Ok(control)
}

impl EditableHostPackage {
    fn fresh(row: &HostRow, reported: String) -> Self {
        let control = Control::new(&row.identifier, FIRST_VERSION, Section::Host)
            .with("description", &format!("Package of {}", row.name));
        Self {
            identifier: row.identifier.clone(),
            name: row.name.clone(),
            depends: Vec::new(),
            conflicts: Vec::new(),
            version: None,
            reported_version: reported,
            signer: String::new(),
            precondition: Precondition::Absent,
            control,
            loaded: (Vec::new(), Vec::new()),
        }
    }

    fn of(row: &HostRow, reported: String, control: Control, etag: String) -> Self {
        let list = |csv: &str| split_list(csv).map(str::to_owned).collect::<Vec<_>>();
        let (depends, conflicts) = (list(control.depends()), list(control.conflicts()));
        Self {
            identifier: row.identifier.clone(),
            name: row.name.clone(),
            version: Some(control.version().to_owned()),
            reported_version: reported,
            signer: control.get("signer").to_owned(),
            precondition: Precondition::Unchanged(etag),
            loaded: (depends.clone(), conflicts.clone()),
            depends,
            conflicts,
            control,
        }
    }

    /// The host must have a package: what was asked of the same package before gives way, also a ban.
    ///
    /// # Errors
    /// The text is not a request.
    pub fn require(&mut self, request: &str) -> Result<(), HostPackageError> {
        let request = parse(request)?;
        self.unforbid(&request.name);
        add(&mut self.depends, &request);
        Ok(())
    }

    /// The host must not have a package: an assignment of the same package gives way.
    ///
    /// # Errors
    /// The text is not a request.
    pub fn forbid(&mut self, request: &str) -> Result<(), HostPackageError> {
        let request = parse(request)?;
        self.unrequire(&request.name);
        add(&mut self.conflicts, &request);
        Ok(())
    }

    /// The package of this name is no longer required.
    pub fn unrequire(&mut self, name: &str) {
        self.depends
            .retain(|text| Request::parse_as_wapt(text).name != name);
    }

    /// The package of this name is no longer forbidden.
    pub fn unforbid(&mut self, name: &str) {
        self.conflicts
            .retain(|text| Request::parse_as_wapt(text).name != name);
    }

    /// Carries out all changes of an edit.
    ///
    /// # Errors
    /// One of them is not a request; nothing is changed then.
    pub fn apply(&mut self, edit: &Edit) -> Result<(), HostPackageError> {
        let mut edited = self.clone();
        for text in &edit.unrequire {
            edited.unrequire(&parse(text)?.name);
        }
        for text in &edit.unforbid {
            edited.unforbid(&parse(text)?.name);
        }
        for text in &edit.require {
            edited.require(text)?;
        }
        for text in &edit.forbid {
            edited.forbid(text)?;
        }
        *self = edited;
        Ok(())
    }

    /// The lists differ from what was read.
    pub fn is_changed(&self) -> bool {
        self.depends != self.loaded.0 || self.conflicts != self.loaded.1
    }

    /// What is required now and was not, and the other way round: `(added, taken)`.
    pub fn required_changes(&self) -> (Vec<&str>, Vec<&str>) {
        difference(&self.loaded.0, &self.depends)
    }

    /// What is forbidden now and was not, and the other way round: `(added, taken)`.
    pub fn forbidden_changes(&self) -> (Vec<&str>, Vec<&str>) {
        difference(&self.loaded.1, &self.conflicts)
    }

    /// The version that saving gives: above the server's copy and above what the host reports, so that the
    /// host takes it even after the server's copy was deleted once.
    pub fn next_version(&self) -> String {
        let known = [self.version.as_deref(), Some(self.reported_version.as_str())];
        let highest = known
            .into_iter()
            .flatten()
            .filter_map(|text| text.parse::<Version>().ok())
            .max();
        highest.map_or_else(
            || FIRST_VERSION.to_owned(),
            |version| version.incremented().as_str().to_owned(),
        )
    }

    /// The signed package file.
    ///
    /// # Errors
    /// The lists break a rule, or the key cannot be used now.
    pub fn build(&self, signer: &dyn Signer, now: Timestamp) -> Result<Vec<u8>, HostPackageError> {
        let control = self
            .control
            .clone()
            .with("version", &self.next_version())
            .with("depends", &self.depends.join(","))
            .with("conflicts", &self.conflicts.join(","));
        build_control_only(control, signer, now).map_err(|source| HostPackageError::Build {
            host: self.identifier.clone(),
            source: Box::new(source),
        })
    }
}

/// Signs the package as edited.
///
/// # Errors
/// As [`EditableHostPackage::build`].
pub fn build(
    editable: &EditableHostPackage,
    signer: &dyn Signer,
    now: Timestamp,
) -> Result<Vec<u8>, HostPackageError> {
    editable.build(signer, now)
}

/// Replaces the server's copy with a signed package, if nobody else changed it meanwhile.
///
/// # Errors
/// [`HostPackageError::Changed`] when somebody did; nothing is overwritten then.
pub async fn put(
    client: &Client,
    editable: &EditableHostPackage,
    bytes: Vec<u8>,
) -> Result<Uploaded, HostPackageError> {
    let host = editable.identifier.clone();
    let answer = client
        .put_host_package(&host, bytes, &editable.precondition)
        .await;
    answer.map_err(|source| {
        if source.code() == Some(ErrorCode::Changed) {
            HostPackageError::Changed { host }
        } else {
            HostPackageError::Server {
                action: "saving",
                host,
                source,
            }
        }
    })
}

/// Signs and replaces: [`build`], then [`put`].
///
/// # Errors
/// As both.
pub async fn save(
    client: &Client,
    editable: &EditableHostPackage,
    signer: &dyn Signer,
    now: Timestamp,
) -> Result<Uploaded, HostPackageError> {
    let bytes = editable.build(signer, now)?;
    put(client, editable, bytes).await
}

fn parse(text: &str) -> Result<Request, HostPackageError> {
    Request::parse(text).map_err(HostPackageError::Request)
}

/// Puts a request in the place of one for the same package, else at the end.
fn add(list: &mut Vec<String>, request: &Request) {
    let text = request.to_string();
    let place = list
        .iter()
        .position(|known| Request::parse_as_wapt(known).name == request.name);
    match place.and_then(|place| list.get_mut(place)) {
        Some(known) => *known = text,
        None => list.push(text),
    }
}

fn difference<'a>(before: &'a [String], after: &'a [String]) -> (Vec<&'a str>, Vec<&'a str>) {
    let only = |these: &'a [String], those: &[String]| {
        these
            .iter()
            .filter(|text| !those.contains(text))
            .map(String::as_str)
            .collect()
    };
    (only(after, before), only(before, after))
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;
    use muster_shared::crypto::issue::{self, Purpose, Subject};
    use muster_shared::crypto::{FileSigner, PrivateKey};

    use super::*;

    fn now() -> Timestamp {
        "2026-03-01T10:00:00Z".parse().unwrap()
    }

    fn signer(name: &str) -> FileSigner {
        let key = PrivateKey::generate_ec().unwrap();
        let subject = Subject {
            common_name: name.into(),
            ..Subject::default()
        };
        let purpose = Purpose {
            code_signing: false,
            client_auth: true,
            authority: false,
        };
        let day = SignedDuration::from_hours(24);
        let certificate = issue::self_signed(&key, &subject, purpose, now() - day, now() + day).unwrap();
        FileSigner::new(key, vec![certificate]).unwrap()
    }

    fn row() -> HostRow {
        serde_json::from_value(serde_json::json!({
            "identifier": "PC-1", "name": "pc1.lan", "status": "OK", "reachable": true,
            "packages_total": 0, "packages_failed": 0, "packages_pending": 0,
            "first_seen": "2026-01-01T00:00:00Z", "last_seen": "2026-01-01T00:00:00Z",
        }))
        .unwrap()
    }

    #[test]
    fn what_is_added_to_one_list_leaves_the_other_and_replaces_its_older_self() {
        let mut package = EditableHostPackage::fresh(&row(), String::new());
        package.require("demo-a").unwrap();
        package.require("demo-b(>=2)").unwrap();
        package.require("demo-a(=1.0-3)").unwrap();
        assert_eq!(package.depends, ["demo-a(=1.0-3)", "demo-b(>=2)"]);
        package.forbid("demo-b").unwrap();
        assert_eq!(package.depends, ["demo-a(=1.0-3)"]);
        assert_eq!(package.conflicts, ["demo-b"]);
        package.require("demo-b").unwrap();
        assert!(package.conflicts.is_empty());
        assert_eq!(
            package.required_changes(),
            (vec!["demo-a(=1.0-3)", "demo-b"], vec![])
        );
    }

    #[test]
    fn a_bad_request_in_an_edit_changes_nothing() {
        let mut package = EditableHostPackage::fresh(&row(), String::new());
        let edit = Edit {
            require: vec!["demo-a".into(), "demo b (".into()],
            ..Edit::default()
        };
        assert!(package.apply(&edit).is_err());
        assert!(!package.is_changed());
    }

    #[test]
    fn the_next_version_is_above_the_server_and_above_the_host() {
        let mut package = EditableHostPackage::fresh(&row(), String::new());
        assert_eq!(package.next_version(), "0-0");
        package.reported_version = "0-7".into();
        assert_eq!(package.next_version(), "0-8");
        package.version = Some("0-9".into());
        assert_eq!(package.next_version(), "0-10");
    }

    #[test]
    fn a_signed_package_reads_back_for_its_signer_and_is_foreign_to_others() {
        let (alice, bob) = (signer("Alice"), signer("Bob"));
        let mut package = EditableHostPackage::fresh(&row(), "0-4".into());
        package.require("demo-a").unwrap();
        let bytes = package.build(&alice, now()).unwrap();
        let hers = perimeter(alice.chain(), &TrustStore::default());
        let control = verify("PC-1", &bytes, &hers, now()).unwrap();
        assert_eq!((control.version(), control.depends()), ("0-5", "demo-a"));
        let his = perimeter(bob.chain(), &TrustStore::default());
        let refused = verify("PC-1", &bytes, &his, now());
        assert!(matches!(refused, Err(HostPackageError::Foreign { signer, .. }) if signer == "Alice"));
        let both = perimeter(bob.chain(), &hers);
        assert!(verify("PC-1", &bytes, &both, now()).is_ok());
        assert!(matches!(
            verify("PC-2", &bytes, &hers, now()),
            Err(HostPackageError::OtherHost { .. })
        ));
        let refused = verify("PC-1", b"not a package", &hers, now());
        assert!(matches!(refused, Err(HostPackageError::Unverifiable { .. })));
    }
}
