//! One question to an LDAP server: where is this computer, and in which groups.
//!
//! The server is reached within a time limit, over TLS where the configuration says so, and asked for no more than is
//! needed. Whatever goes wrong is an error: only a whole answer counts as one.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use ldap3::adapters::EntriesOnly;
use ldap3::{
    Ldap, LdapConnAsync, LdapConnSettings, LdapError, Scope, SearchEntry, SearchOptions, ldap_escape,
};
use muster_shared::crypto::Certificate;
use muster_shared::crypto::tls::{ServerTrust, client_config};

use super::groups;
use crate::config::{Bind, Ldap as Server};

/// The server is given up when it does not take the connection within this time.
const CONNECT_WITHIN: Duration = Duration::from_secs(10);

/// The whole question is given up after this long.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);

/// What the server is told to spend on one search at most, in seconds.
const SEARCH_SECONDS: i32 = 10;

/// Two computers of one name are an error: a third need not be read.
const MAX_COMPUTERS: usize = 2;

/// A password is at most this long, in bytes.
const MAX_PASSWORD_BYTES: u64 = 4096;

/// What is asked, of whom.
#[derive(Debug, Clone, Copy)]
pub(super) struct Question<'a> {
    pub server: &'a Server,
    pub hostname: &'a str,
    pub fqdn: &'a str,
    pub wants_groups: bool,
}

/// What the server says of this computer; empty when it knows none of that name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Found {
    pub dn: String,
    pub groups: Vec<String>,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum LdapFailure {
    #[error("{url} gave no whole answer within {seconds} s")]
    Time { url: String, seconds: u64 },
    #[error("{url} cannot be reached")]
    Connect {
        url: String,
        #[source]
        source: Box<LdapError>,
    },
    #[error("{url}: the certificates of {path} (verify_cert_ldap) cannot be used", path = path.display())]
    Authorities {
        url: String,
        path: PathBuf,
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    #[error("{url}: TLS cannot be set up")]
    Tls {
        url: String,
        #[source]
        source: muster_shared::crypto::tls::TlsError,
    },
    #[error("the password in {path} (ldap_password_file) cannot be read", path = path.display())]
    Password {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("{url} does not accept {dn} (ldap_bind_dn)")]
    Bind {
        url: String,
        dn: String,
        #[source]
        source: Box<LdapError>,
    },
    #[error("{url} does not say below which name it keeps its entries; set ldap_base_dn")]
    NoBase { url: String },
    #[error("{url} does not answer the search for {what} below {base}")]
    Search {
        url: String,
        what: &'static str,
        base: String,
        #[source]
        source: Box<LdapError>,
    },
    #[error("{url} has several computers of the name {hostname}: {dns}")]
    Ambiguous {
        url: String,
        hostname: String,
        dns: String,
    },
    #[error("{url} has more {what} for this computer than the {limit} that are read")]
    TooMany {
        url: String,
        what: &'static str,
        limit: usize,
    },
    #[error("the answer of {url} cannot be understood")]
    Malformed { url: String },
}

/// Asks the server.
///
/// # Errors
/// When it gives no whole answer in time.
pub(super) async fn ask(question: &Question<'_>) -> Result<Found, LdapFailure> {
    let url = question.server.url.clone();
    let tls = tls(question.server)?;
    let password = match &question.server.bind {
        Some(bind) => Some((bind.clone(), password(&bind.password_file)?)),
        None => None,
    };
    let asked = Asked {
        server: question.server.clone(),
        hostname: short(question.hostname).to_owned(),
        fqdn: question.fqdn.to_owned(),
        wants_groups: question.wants_groups,
    };
    // In a task of its own: the library panics on some malformed answers.
    let mut work = tokio::spawn(async move { converse(&asked, tls, password).await });
    match tokio::time::timeout(ANSWER_WITHIN, &mut work).await {
        Ok(Ok(found)) => found,
        Ok(Err(_panicked)) => Err(LdapFailure::Malformed { url }),
        Err(_elapsed) => {
            work.abort();
            Err(LdapFailure::Time {
                url,
                seconds: ANSWER_WITHIN.as_secs(),
            })
        }
    }
}

struct Asked {
    server: Server,
    hostname: String,
    fqdn: String,
    wants_groups: bool,
}

async fn converse(
    asked: &Asked,
    tls: Option<Arc<rustls::ClientConfig>>,
    password: Option<(Bind, String)>,
) -> Result<Found, LdapFailure> {
    let url = &asked.server.url;
    let mut settings = LdapConnSettings::new()
        .set_conn_timeout(CONNECT_WITHIN)
        .set_starttls(asked.server.start_tls);
    if let Some(tls) = tls {
        settings = settings.set_config(tls);
    }
    let (connection, mut ldap) = LdapConnAsync::with_settings(settings, url)
        .await
        .map_err(|source| LdapFailure::Connect {
            url: url.clone(),
            source: source.into(),
        })?;
    let driver = tokio::spawn(connection.drive());
    let found = search(asked, &mut ldap, password).await;
    ldap.unbind().await.ok();
    driver.abort();
    found
}

async fn search(
    asked: &Asked,
    ldap: &mut Ldap,
    password: Option<(Bind, String)>,
) -> Result<Found, LdapFailure> {
    let url = &asked.server.url;
    if let Some((bind, password)) = password {
        let bound = ldap.simple_bind(&bind.dn, &password).await;
        bound
            .and_then(ldap3::LdapResult::success)
            .map_err(|source| LdapFailure::Bind {
                url: url.clone(),
                dn: bind.dn,
                source: source.into(),
            })?;
    }
    let mut search = Search { ldap, url };
    let root = search
        .entries(
            "the server itself",
            "",
            Scope::Base,
            "(objectClass=*)",
            &["defaultNamingContext", "namingContexts", "supportedCapabilities"],
            1,
        )
        .await?;
    let root = root.first();
    let first = |attribute| root.and_then(|root| values(root, attribute).first().cloned());
    let base = asked
        .server
        .base_dn
        .clone()
        .or_else(|| first("defaultNamingContext"))
        .or_else(|| first("namingContexts"))
        .filter(|base| !base.is_empty())
        .ok_or_else(|| LdapFailure::NoBase { url: url.clone() })?;
    let computers = search
        .entries(
            "this computer",
            &base,
            Scope::Subtree,
            &computer_filter(&asked.hostname, &asked.fqdn),
            &["1.1"],
            MAX_COMPUTERS,
        )
        .await?;
    let computer = match computers.as_slice() {
        [] => {
            tracing::info!(
                url,
                base,
                host = asked.hostname,
                "the directory has no computer of this name"
            );
            return Ok(Found::default());
        }
        [computer] => computer,
        several => {
            let dns: Vec<&str> = several.iter().map(|entry| entry.dn.as_str()).collect();
            return Err(LdapFailure::Ambiguous {
                url: url.clone(),
                hostname: asked.hostname.clone(),
                dns: dns.join("; "),
            });
        }
    };
    let groups = if asked.wants_groups {
        let capabilities = root.map(|root| values(root, "supportedCapabilities"));
        let follows_chains = capabilities
            .unwrap_or_default()
            .iter()
            .any(|capability| capability == groups::FOLLOWS_CHAINS);
        groups::of(&mut search, &base, &computer.dn, follows_chains).await?
    } else {
        Vec::new()
    };
    Ok(Found {
        dn: with_upper_kinds(&computer.dn),
        groups,
    })
}

/// `OU=Sales,DC=example` of `ou=Sales,dc=example`: servers differ in how they write the kinds, and unit packages are
/// named the way Active Directory writes them.
fn with_upper_kinds(dn: &str) -> String {
    let mut name = String::with_capacity(dn.len());
    let (mut is_kind, mut is_escaped) = (true, false);
    for letter in dn.chars() {
        match letter {
            '=' => is_kind = false,
            ',' if !is_escaped => is_kind = true,
            _ => {}
        }
        is_escaped = letter == '\\' && !is_escaped;
        name.push(if is_kind {
            letter.to_ascii_uppercase()
        } else {
            letter
        });
    }
    name
}

/// Searches of one conversation.
pub(super) struct Search<'a> {
    ldap: &'a mut Ldap,
    pub url: &'a str,
}

impl Search<'_> {
    /// The entries that a filter finds; more than `limit` are an error.
    pub(super) async fn entries(
        &mut self,
        what: &'static str,
        base: &str,
        scope: Scope,
        filter: &str,
        attributes: &[&str],
        limit: usize,
    ) -> Result<Vec<SearchEntry>, LdapFailure> {
        let failed = |source: LdapError| LdapFailure::Search {
            url: self.url.to_owned(),
            what,
            base: base.to_owned(),
            source: source.into(),
        };
        let options = SearchOptions::new().timelimit(SEARCH_SECONDS);
        let mut stream = self
            .ldap
            .with_search_options(options)
            .streaming_search_with(EntriesOnly::new(), base, scope, filter, attributes.to_vec())
            .await
            .map_err(failed)?;
        let mut entries = Vec::new();
        while let Some(entry) = stream.next().await.map_err(failed)? {
            if entries.len() >= limit {
                return Err(LdapFailure::TooMany {
                    url: self.url.to_owned(),
                    what,
                    limit,
                });
            }
            entries.push(SearchEntry::construct(entry));
        }
        stream.finish().await.success().map_err(failed)?;
        Ok(entries)
    }
}

/// The values of an attribute, whatever the case in which the server writes its name.
pub(super) fn values<'a>(entry: &'a SearchEntry, attribute: &str) -> &'a [String] {
    let found = entry
        .attrs
        .iter()
        .find(|(name, _values)| name.eq_ignore_ascii_case(attribute));
    found.map_or(&[], |(_name, values)| values)
}

/// A computer by its name: as Active Directory and Samba keep it, as FreeIPA does, and as a device or host.
fn computer_filter(hostname: &str, fqdn: &str) -> String {
    let (host, fqdn) = (ldap_escape(hostname), ldap_escape(fqdn));
    format!(
        "(|(&(objectClass=computer)(|(sAMAccountName={host}$)(dNSHostName={fqdn})))(uid={host}$)(fqdn={fqdn})\
         (&(|(objectClass=device)(objectClass=ipHost))(|(cn={host})(cn={fqdn}))))"
    )
}

/// The host name without its domain.
fn short(hostname: &str) -> &str {
    hostname.split('.').next().unwrap_or(hostname)
}

fn tls(server: &Server) -> Result<Option<Arc<rustls::ClientConfig>>, LdapFailure> {
    if !server.url.starts_with("ldaps://") && !server.start_tls {
        return Ok(None);
    }
    let trust = if let Some(path) = &server.authorities {
        let failed = |source| LdapFailure::Authorities {
            url: server.url.clone(),
            path: path.clone(),
            source: Box::new(source) as Box<dyn std::error::Error + Send + Sync>,
        };
        ServerTrust::Bundle(Certificate::chain_from_file(path).map_err(failed)?)
    } else {
        let found = rustls_native_certs::load_native_certs().certs;
        ServerTrust::System(found.iter().map(|certificate| certificate.to_vec()).collect())
    };
    client_config(&trust)
        .map(Some)
        .map_err(|source| LdapFailure::Tls {
            url: server.url.clone(),
            source,
        })
}

/// The password: the file's first line.
fn password(path: &Path) -> Result<String, LdapFailure> {
    let failed = |source| LdapFailure::Password {
        path: path.to_path_buf(),
        source,
    };
    let mut text = String::new();
    let file = fs_err::File::open(path).map_err(failed)?;
    file.take(MAX_PASSWORD_BYTES)
        .read_to_string(&mut text)
        .map_err(failed)?;
    let password = text.lines().next().unwrap_or_default().to_owned();
    if password.is_empty() {
        // An empty password would be an anonymous bind that looks like one by name.
        return Err(failed(std::io::Error::other("its first line is empty")));
    }
    Ok(password)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_name_cannot_change_the_filter() {
        let filter = computer_filter("pc)(cn=*", "pc");
        assert!(filter.contains("sAMAccountName=pc\\29\\28cn=\\2a$"), "{filter}");
        assert_eq!(short("pc.example.org"), "pc");
    }

    #[test]
    fn kinds_are_written_as_active_directory_does() {
        let dn = r"cn=pc\,a=b,ou=Sales West,dc=ad";
        assert_eq!(with_upper_kinds(dn), r"CN=pc\,a=b,OU=Sales West,DC=ad");
    }

    #[test]
    fn an_empty_password_is_refused() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("password");
        fs_err::write(&path, "\n").unwrap();
        assert!(
            password(&path)
                .unwrap_err()
                .to_string()
                .contains("ldap_password_file")
        );
        fs_err::write(&path, "secret\n").unwrap();
        assert_eq!(password(&path).unwrap(), "secret");
    }

    #[tokio::test]
    async fn a_server_that_is_not_there_is_an_error_that_names_it() {
        let server = Server {
            url: "ldap://127.0.0.1:1".to_owned(),
            start_tls: false,
            base_dn: None,
            bind: None,
            authorities: None,
        };
        let question = Question {
            server: &server,
            hostname: "pc",
            fqdn: "pc",
            wants_groups: false,
        };
        let error = ask(&question).await.unwrap_err();
        assert!(matches!(error, LdapFailure::Connect { .. }));
        assert!(error.to_string().contains("127.0.0.1:1"), "{error}");
    }
}
