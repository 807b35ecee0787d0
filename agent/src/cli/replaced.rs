//! Commands of WAPT that this agent needs not, or answers otherwise: each says what takes its place.

use clap::Subcommand;
use serde_json::json;

use super::{Common, Done};
use crate::config::{Config, VerifyCert};
use crate::failure::Exit;

/// A command of WAPT that has no work to do here.
#[derive(Debug, Clone, Copy, Subcommand)]
pub(super) enum Replaced {
    /// Say how the server's certificate is checked; WAPT's command of this name fetches it.
    GetServerCertificate,
    /// Say how the server's certificate is checked; WAPT's command of this name turns that on.
    EnableCheckCertificate,
    /// Say why the database needs no upgrade by hand.
    #[command(hide = true)]
    Upgradedb,
    /// Say why there is no local password.
    #[command(hide = true)]
    Setlocalpassword,
    /// Say what plans the agent's work.
    #[command(hide = true, alias = "setup-tasks", alias = "disable-tasks")]
    EnableTasks,
    /// Say how the agent itself is upgraded.
    #[command(hide = true)]
    Waptupgrade,
    /// Say what takes the place of WAPT's test task.
    #[command(hide = true)]
    Longtask,
}

pub(super) fn run(common: &Common, command: Replaced) -> Done {
    let (text, exit) = match command {
        Replaced::GetServerCertificate | Replaced::EnableCheckCertificate => (certificate(common)?, None),
        Replaced::Upgradedb => (
            "nothing to do: the local database is brought to this version's form whenever the agent opens it".to_owned(),
            None,
        ),
        Replaced::Setlocalpassword => (
            "there is no local password: the operating system says who asks, and self-service packages say what each \
             group may have"
                .to_owned(),
            Some(Exit::Failed),
        ),
        Replaced::EnableTasks => (
            "there are no scheduled tasks to enable or disable: the service plans its work by itself; see \
             waptupdate_task_period, waptupgrade_task_period and maintenance in `muster-agent config show`"
                .to_owned(),
            Some(Exit::Failed),
        ),
        Replaced::Waptupgrade => (
            "the agent is upgraded like everything else: by a package of section base whose name ends in -muster-agent; by \
             hand: muster-agent self-upgrade FILE"
                .to_owned(),
            Some(Exit::Failed),
        ),
        Replaced::Longtask => (
            "there is no task for tests: muster-agent audit --force runs something harmless on every package, \
             muster-agent tasks and cancel show and end it"
                .to_owned(),
            Some(Exit::Failed),
        ),
    };
    common
        .output()
        .answer(&json!({ "done": false, "reason": text }), |_value| text.clone());
    Ok(exit)
}

fn certificate(common: &Common) -> Result<String, crate::failure::Failure> {
    let config = Config::load(&common.paths())?;
    let how = match (&config.server, &config.server_pin, &config.verify_cert) {
        (None, _, _) => "no server is configured yet; `muster-agent register --server 'muster://NAME#sha256=…'` brings its \
                         fingerprint along"
            .to_owned(),
        (Some(server), Some(pin), _) => {
            format!("{server} must show the certificate with the SHA-256 fingerprint {pin}, or one that it issued")
        }
        (Some(server), None, VerifyCert::Bundle(path)) => {
            format!("the certificate of {server} must come from an authority in {}", path.display())
        }
        (Some(server), None, VerifyCert::System) => {
            format!("the certificate of {server} must come from an authority that this system trusts")
        }
    };
    Ok(format!(
        "nothing to do: the server's certificate is always checked\n{how}\nto pin another one, register again with the \
         address that `muster-server` prints, or set server_pin in agent.toml"
    ))
}
