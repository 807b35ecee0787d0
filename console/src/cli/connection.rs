//! The session of an earlier `muster sign-in`, taken up again.

use muster_shared::crypto::tls::ServerAddress;

use super::Shell;
use super::failure::Refusal;
use crate::client::Client;
use crate::settings::Settings;

/// A client with the session kept for the server in use.
pub(crate) fn client(shell: &Shell) -> anyhow::Result<Client> {
    let folder = shell.folder()?;
    let settings = folder.load()?;
    let (root, address) = server(&settings, shell.server.as_deref())?;
    let session = folder.session(&root, shell.now)?.ok_or_else(|| {
        Refusal::new(format!(
            "you are not signed in to {root}, or the session has ended"
        ))
        .hint(format!("sign in: muster sign-in {root}"))
    })?;
    let client = Client::new(&address)?;
    client.set_token(Some(session.token));
    Ok(client)
}

/// The server meant: the one named, else the one in use.
pub(crate) fn server(settings: &Settings, named: Option<&str>) -> anyhow::Result<(String, ServerAddress)> {
    let Some(named) = named.or(settings.server.as_deref()) else {
        return Err(Refusal::new("no server is known yet")
            .hint("sign in with the line that `muster-server init` printed: muster sign-in 'muster://NAME#sha256=…'")
            .into());
    };
    let known = settings
        .servers
        .iter()
        .find(|(root, server)| root.as_str() == named || server.host == named);
    if let Some((root, server)) = known {
        return Ok((root.clone(), server.address()));
    }
    let asked = ServerAddress::parse(named)?;
    let known = settings.servers.get_key_value(&asked.base_url());
    let (root, server) = known.ok_or_else(|| {
        Refusal::new(format!("you have never signed in to {named}"))
            .hint(format!("sign in: muster sign-in '{named}'"))
    })?;
    Ok((root.clone(), server.address()))
}
