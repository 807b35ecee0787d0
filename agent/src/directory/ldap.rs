//! One question to an LDAP server: where is this computer, and in which groups.
//!
//! The server is reached within a time limit, over TLS where the configuration says so, and asked for no more than is
//! needed. Whatever goes wrong is an error: only a whole answer counts as one.

use std::io::Read as _;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use ldap3::adapters::EntriesOnly;
use ldap3::{
    Ldap, LdapConnAsync, LdapConnSettings, LdapError, Scope, SearchEntry, SearchOptions, ldap_escape,
};

use super::error::LdapFailure;
use super::guard::{self, Limits};
use super::{connect, groups};
use crate::config::{Bind, Ldap as Server};
use crate::platform;

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

/// Asks the server.
///
/// # Errors
/// When it gives no whole answer in time.
pub(super) async fn ask(question: &Question<'_>) -> Result<Found, LdapFailure> {
    let url = question.server.url.clone();
    let tls = connect::tls(question.server)?;
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
    let reached = tokio::time::timeout(CONNECT_WITHIN, connect::connect(&asked.server, tls)).await;
    let server = reached
        .unwrap_or_else(|_elapsed| Err(std::io::ErrorKind::TimedOut.into()))
        .map_err(|source| LdapFailure::Connect {
            url: url.clone(),
            source,
        })?;
    let inside = |source: LdapError| LdapFailure::Inside {
        url: url.clone(),
        source: source.into(),
    };
    let (library, address, own) = platform::inner_stream().map_err(|error| inside(error.into()))?;
    let refused = Arc::new(OnceLock::new());
    // Both end with this conversation, however that ends.
    let mut tasks = tokio::task::JoinSet::new();
    tasks.spawn(guard::carry(server, own, Limits::default(), refused.clone()));
    let settings = LdapConnSettings::new().set_std_stream(library);
    let (connection, mut ldap) = LdapConnAsync::with_settings(settings, address)
        .await
        .map_err(inside)?;
    tasks.spawn(async move {
        connection.drive().await.ok();
    });
    let found = search(asked, &mut ldap, password).await;
    ldap.unbind().await.ok();
    match (found, refused.get()) {
        // What the library makes of a connection that was closed says less.
        (Err(_closed), Some(reason)) => Err(LdapFailure::Refused {
            url: url.clone(),
            source: reason.clone(),
        }),
        (found, _) => found,
    }
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

    fn at(url: String, start_tls: bool) -> Server {
        Server {
            url,
            start_tls,
            base_dn: None,
            bind: None,
            authorities: None,
        }
    }

    async fn asked(server: &Server) -> LdapFailure {
        let question = Question {
            server,
            hostname: "pc",
            fqdn: "pc",
            wants_groups: false,
        };
        ask(&question).await.unwrap_err()
    }

    /// A server that answers whatever it is asked first with these bytes, again and again if so told; its address.
    async fn hostile(answer: Vec<u8>, is_endless: bool) -> String {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("ldap://{}", listener.local_addr().unwrap());
        tokio::spawn(async move {
            while let Ok((mut stream, _peer)) = listener.accept().await {
                let mut question = [0; 1024];
                if stream.read(&mut question).await.is_err() {
                    continue;
                }
                while stream.write_all(&answer).await.is_ok() && is_endless {}
                // Held open until the other side has had enough.
                stream.read_to_end(&mut Vec::new()).await.ok();
            }
        });
        url
    }

    #[tokio::test]
    async fn a_hostile_server_neither_ends_this_process_nor_fills_its_memory() {
        use super::super::guard::tests::{nested, value};
        let numbered =
            |number, inside: &[u8]| value(0x30, &[&[2, 1, number][..], &value(0x64, inside)].concat());
        let message = |inside: &[u8]| numbered(1, inside);
        for (answer, is_endless, word) in [
            (message(&nested(200_000)), false, "bytes"),
            (message(&nested(100_000)), false, "levels deep"),
            (message(&[5, 0].repeat(300_000)), false, "parts"),
            (vec![0x30, 0x84, 0xff, 0xff, 0xff, 0xff], true, "bytes"),
            (numbered(9, &[4, 0]), true, "sent more than"),
        ] {
            let url = hostile(answer, is_endless).await;
            let error = asked(&at(url, false)).await;
            // Sockets under Wine are slow: there the limit of time ends an endless answer before the limit of bytes.
            let is_slow = crate::platform::PLATFORM == "windows";
            if is_endless && is_slow && matches!(error, LdapFailure::Time { .. }) {
                continue;
            }
            assert!(matches!(error, LdapFailure::Refused { .. }), "{word}: {error:?}");
            let said = muster_shared::hint::chain(&error);
            assert!(said.contains(word), "{word}: {said}");
        }
    }

    #[tokio::test]
    async fn a_server_that_answers_the_wish_for_tls_with_anything_else_is_not_spoken_to() {
        for answer in [
            &b"\x30\x0c\x02\x01\x01\x78\x07\x0a\x01\x02\x04\x00\x04\x00"[..],
            b"\x30\x84\x7f\xff\xff\xff",
            b"HTTP/1.1 400 No\r\n\r\n",
        ] {
            let url = hostile(answer.to_vec(), false).await;
            let error = asked(&at(url, true)).await;
            assert!(matches!(error, LdapFailure::Connect { .. }), "{error:?}");
        }
    }

    #[tokio::test]
    async fn a_server_that_is_not_there_is_an_error_that_names_it() {
        let error = asked(&at("ldap://127.0.0.1:1".to_owned(), false)).await;
        assert!(matches!(error, LdapFailure::Connect { .. }));
        assert!(error.to_string().contains("127.0.0.1:1"), "{error}");
    }
}
