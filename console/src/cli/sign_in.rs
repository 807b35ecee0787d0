//! `muster sign-in`, `muster sign-out`: the session with a server.

use std::io::{BufRead as _, IsTerminal as _, Write as _};

use clap::Args;
use muster_shared::crypto::tls::ServerAddress;
use serde::Serialize;

use super::failure::{Outcome, Refusal};
use super::secret::SecretSource;
use super::{Shell, block_on, connection};
use crate::client::{Client, fetch_server_certificate};
use crate::settings::{KeptSession, KnownServer};

/// How many characters of a fingerprint a person types to show that they compared it.
const TYPED: usize = 8;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  muster sign-in 'muster://srv#sha256=4f0c…'       the line that `muster-server init` printed
  muster sign-in srv.example.org                   shows the certificate; you confirm it
  muster sign-in --user alice                      the server in use, as another user
  muster sign-in --password-stdin < password.txt   without a terminal

The password is sent only to the server whose certificate is confirmed. The session is kept in
your settings folder, readable by you only, until it ends or you sign out.")]
pub(crate) struct SignIn {
    /// muster://NAME[:PORT]#sha256=FINGERPRINT, or NAME[:PORT] [default: the server in use]
    #[arg(value_name = "SERVER")]
    address: Option<String>,
    /// Your name on the server [default: the last one used there, else admin]
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
    /// Read the password from standard input
    #[arg(long)]
    password_stdin: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  muster sign-out
  muster sign-out --server srv.example.org")]
pub(crate) struct SignOut {}

#[derive(Serialize)]
struct SignedIn<'a> {
    server: &'a str,
    user: &'a str,
    role: &'a str,
    expires_at: jiff::Timestamp,
    version: &'a str,
}

pub(crate) fn sign_in(arguments: SignIn, shell: &mut Shell) -> anyhow::Result<Outcome> {
    let folder = shell.folder()?;
    let mut settings = folder.load()?;
    let asked = arguments.address.as_deref().or(shell.server.as_deref());
    let address = match asked {
        None => connection::server(&settings, None)?.1,
        Some(asked) => {
            let mut address = ServerAddress::parse(asked)?;
            if address.pin.is_none() {
                let known = settings.servers.get(&address.base_url());
                address.pin = known.and_then(|known| known.pin.clone());
                if address.pin.is_none() {
                    address = first_contact(address, shell)?;
                }
            }
            address
        }
    };
    let root = address.base_url();
    let last_user = settings
        .servers
        .get(&root)
        .map(|known| known.user.clone())
        .filter(|user| !user.is_empty());
    let user = arguments.user.or(last_user).unwrap_or_else(|| "admin".to_owned());

    // Whatever is wrong with the server is said before a password is asked for.
    let client = block_on(Client::connect(&address))??;
    let source = SecretSource::stdin_or_terminal(arguments.password_stdin, "--password-stdin");
    let password = source.read(&format!("password of {user} on {}", address.host))?;
    let session = block_on(client.sign_in(&user, &password))??;

    folder.keep_session(&KeptSession {
        server: root.clone(),
        user: session.user.clone(),
        expires_at: session.expires_at,
        token: session.token.clone().into(),
    })?;
    settings
        .servers
        .insert(root.clone(), KnownServer::new(&address, &session.user));
    settings.server = Some(root.clone());
    folder.save(&settings)?;

    shell.output.json(&SignedIn {
        server: &root,
        user: &session.user,
        role: session.role.as_str(),
        expires_at: session.expires_at,
        version: &session.version,
    })?;
    shell.output.line(format!(
        "signed in to {root} as {} ({}) until {}",
        session.user,
        session.role.as_str(),
        crate::state::time::exact(session.expires_at)
    ))?;
    Ok(Outcome::Done)
}

/// A server without a known pin: the system's roots vouch for it, or a person compares its fingerprint.
fn first_contact(mut address: ServerAddress, shell: &mut Shell) -> anyhow::Result<ServerAddress> {
    if let Ok(Ok(_client)) = block_on(Client::connect(&address)) {
        return Ok(address);
    }
    let certificate = block_on(fetch_server_certificate(&address.host, address.port))??;
    let fingerprint = certificate.fingerprint();
    if !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() {
        address.pin = Some(fingerprint);
        return Err(Refusal::new(format!(
            "nothing vouches for the certificate of {}",
            address.base_url()
        ))
        .hint(format!(
            "compare its fingerprint with the server's, then: muster sign-in '{address}'"
        ))
        .into());
    }
    shell.output.note(format!(
        "{} shows a certificate that this system does not know:\n\n  name         {}\n  valid until  {}\n  sha256       {}\n\n\
         Compare it with the line that `muster-server init` printed on the server.",
        address.base_url(),
        certificate.common_name(),
        certificate.not_after(),
        grouped(&fingerprint),
    ));
    let mut stderr = std::io::stderr();
    write!(stderr, "Type its first {TYPED} characters if they are the same: ").ok();
    stderr.flush().ok();
    let mut typed = String::new();
    std::io::stdin().lock().read_line(&mut typed)?;
    if !confirms(&typed, &fingerprint) {
        return Err(
            Refusal::new("the fingerprint was not confirmed; nothing was sent")
                .hint("when it differs, someone may stand between you and the server")
                .into(),
        );
    }
    address.pin = Some(fingerprint);
    Ok(address)
}

fn confirms(typed: &str, fingerprint: &str) -> bool {
    let typed: String = typed
        .chars()
        .filter(char::is_ascii_hexdigit)
        .collect::<String>()
        .to_ascii_lowercase();
    typed.len() >= TYPED && fingerprint.starts_with(&typed)
}

/// In groups of eight, as a person compares it.
fn grouped(fingerprint: &str) -> String {
    let letters: Vec<char> = fingerprint.chars().collect();
    let groups: Vec<String> = letters.chunks(8).map(|group| group.iter().collect()).collect();
    groups.join(" ")
}

pub(crate) fn sign_out(SignOut {}: SignOut, shell: &mut Shell) -> anyhow::Result<Outcome> {
    let folder = shell.folder()?;
    let settings = folder.load()?;
    let (root, address) = connection::server(&settings, shell.server.as_deref())?;
    let session = folder.session(&root, shell.now)?;
    folder.forget_session(&root)?;
    if let Some(session) = session {
        let client = Client::new(&address)?;
        client.set_token(Some(session.token));
        match block_on(client.sign_out())? {
            Ok(()) => {}
            Err(error) if error.is_sign_in_required() => {}
            Err(error) => shell.output.note(format!(
                "warning: the session is forgotten here, but the server could not be told: {error}"
            )),
        }
    }
    shell.output.json(&serde_json::json!({ "server": root }))?;
    shell.output.line(format!("signed out of {root}"))?;
    Ok(Outcome::Done)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_is_confirmed_by_its_beginning_only() {
        let fingerprint = "4f0c12ab99";
        assert!(confirms("4F0C12AB\n", fingerprint));
        assert!(confirms("4f0c 12ab 99", fingerprint));
        for wrong in ["", "4f0c12a", "y", "yes\n", "4f0c12ac", "f0c12ab9"] {
            assert!(!confirms(wrong, fingerprint), "{wrong}");
        }
    }

    #[test]
    fn a_fingerprint_is_shown_in_groups() {
        assert_eq!(grouped("4f0c12ab99"), "4f0c12ab 99");
    }
}
