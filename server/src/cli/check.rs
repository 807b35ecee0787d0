//! `muster-server check`: looks at one layer after the other and names the first remedy of each that fails.

use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use jiff::ToSpan as _;
use muster_shared::clock;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};

use super::{Advised, Place, hints_of};
use crate::authority::{AuthorityFiles, RenewableCertificate};
use crate::config::Config;
use crate::output;
use crate::trust::Signers;

/// Check settings, certificates, database, trust and port, and say what to do about what fails
///
/// Changes nothing. Ends with code 1 when something fails, with 0 when there is only something to do.
#[derive(Debug, Args)]
pub(super) struct Check {
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

/// What was found about one layer.
struct Finding {
    layer: &'static str,
    result: anyhow::Result<String>,
    /// What is not in order does not keep the server from working.
    only_advice: bool,
}

impl Finding {
    fn new(layer: &'static str, result: anyhow::Result<String>) -> Self {
        Self {
            layer,
            result,
            only_advice: false,
        }
    }

    fn advice(layer: &'static str, result: anyhow::Result<String>) -> Self {
        Self {
            layer,
            result,
            only_advice: true,
        }
    }

    fn has_failed(&self) -> bool {
        self.result.is_err() && !self.only_advice
    }
}

impl Check {
    pub(super) async fn execute(self, place: &Place) -> anyhow::Result<ExitCode> {
        let mut findings = Vec::new();
        match place.read_config() {
            Err(error) => findings.push(Finding::new("settings", Err(error.into()))),
            Ok(config) => {
                let text = settings(&place.config_path(), &config);
                findings.push(Finding::new("settings", Ok(text)));
                findings.push(Finding::new("data folder", data_folder(&config)));
                findings.push(Finding::new("certificates", certificates(&config)));
                findings.push(Finding::new("database", database(&config).await));
                findings.push(Finding::advice("trust", trust(&config)));
                findings.push(Finding::new("port", port(&config)));
            }
        }
        let failed = findings.iter().any(Finding::has_failed);
        self.print(findings)?;
        Ok(if failed {
            ExitCode::FAILURE
        } else {
            ExitCode::SUCCESS
        })
    }

    fn print(&self, findings: Vec<Finding>) -> anyhow::Result<()> {
        let mut rows = Vec::new();
        for finding in findings {
            let verdict = match (&finding.result, finding.only_advice) {
                (Ok(_), _) => "ok",
                (Err(_), true) => "to do",
                (Err(_), false) => "FAILED",
            };
            let layer = finding.layer;
            let (text, hints) = match finding.result {
                Ok(text) => (text, Vec::new()),
                Err(error) => (format!("{error:#}"), hints_of(&error)),
            };
            if self.json {
                rows.push(
                    serde_json::json!({"layer": layer, "verdict": verdict, "text": text, "hints": hints}),
                );
                continue;
            }
            output::line(format_args!("{verdict:<6} {layer:<13} {text}"))?;
            for hint in hints {
                output::line(format_args!("       {:<13} hint: {hint}", ""))?;
            }
        }
        if self.json {
            output::line(serde_json::Value::from(rows))?;
        }
        Ok(())
    }
}

/// What is in force, on one line.
fn settings(path: &Path, config: &Config) -> String {
    let registration = if config.open_registration {
        "open registration"
    } else {
        "registration by proof"
    };
    let public = config
        .public_port
        .map_or_else(String::new, |port| format!(", public port {port}"));
    format!(
        "{}: name {}{public}, listens on {}, {registration}, sessions of {} h, uploads up to {} MiB",
        path.display(),
        config.name,
        config.listen,
        config.session_hours,
        config.upload_limit_mib,
    )
}

fn data_folder(config: &Config) -> anyhow::Result<String> {
    let data = config.data_folder();
    let probe = tempfile::NamedTempFile::new_in(data.root())
        .with_context(|| format!("cannot write into {}", data.root().display()))?;
    drop(probe);
    Ok(data.root().display().to_string())
}

fn certificates(config: &Config) -> anyhow::Result<String> {
    let files = AuthorityFiles::new(config.data_folder().authority());
    RenewableCertificate::load(&files)?;
    files.host_authority()?;
    let (ca, tls) = (files.server_ca_certificate()?, files.tls_certificate()?);
    let names = tls.alternative_names();
    if !names.iter().any(|name| name.eq_ignore_ascii_case(&config.name)) {
        return Err(Advised::new(
            format!(
                "the TLS certificate is for {}, not for {}",
                names.join(", "),
                config.name
            ),
            "set `name` in the settings to one of these names, or set the server up anew",
        )
        .into());
    }
    let soon = clock::now()
        .checked_add((24 * 14).hours())
        .unwrap_or(tls.not_after());
    if tls.not_after() < soon {
        return Err(Advised::new(
            format!("the TLS certificate ends on {}", tls.not_after()),
            "restart the server: it renews its certificate at start and twice a day",
        )
        .into());
    }
    Ok(format!(
        "TLS until {}, pin {}",
        tls.not_after().strftime("%F"),
        ca.fingerprint()
    ))
}

async fn database(config: &Config) -> anyhow::Result<String> {
    let path = config.data_folder().database();
    if !path.exists() {
        return Err(Advised::new(
            format!("{} is missing", path.display()),
            "`muster-server run` makes it anew; then add a user with `muster-server user add NAME --role administrator`",
        )
        .into());
    }
    let options = SqliteConnectOptions::new()
        .filename(&path)
        .read_only(true)
        .busy_timeout(Duration::from_secs(5));
    let pool = SqlitePoolOptions::new()
        .max_connections(1)
        .connect_with(options)
        .await
        .with_context(|| format!("cannot open {}", path.display()))?;
    let verdict: String = sqlx::query_scalar("PRAGMA quick_check(1)")
        .fetch_one(&pool)
        .await?;
    if verdict != "ok" {
        return Err(Advised::new(
            format!("{} is damaged: {verdict}", path.display()),
            "stop the server and restore the file, or delete it: hosts and repository come back by themselves",
        )
        .into());
    }
    let users: i64 = sqlx::query_scalar("SELECT count(*) FROM users")
        .fetch_one(&pool)
        .await?;
    let hosts: i64 = sqlx::query_scalar("SELECT count(*) FROM hosts")
        .fetch_one(&pool)
        .await?;
    pool.close().await;
    if users == 0 {
        return Err(Advised::new(
            "there are no users, so nobody can sign in",
            "add one: `muster-server user add NAME --role administrator`",
        )
        .into());
    }
    Ok(format!("{} ({users} users, {hosts} hosts)", path.display()))
}

fn trust(config: &Config) -> anyhow::Result<String> {
    let signers = Signers::new(config.signers_folder());
    let store = signers.current()?;
    let (trusted, lists) = (store.anchors().len(), store.crls().count());
    if trusted == 0 {
        return Err(Advised::new(
            format!(
                "{} holds no certificate, so uploads and actions are refused",
                signers.folder().display()
            ),
            "`muster-server trust add CERTIFICATE`",
        )
        .into());
    }
    let warnings = signers.list_warnings(clock::now())?;
    if !warnings.is_empty() {
        return Err(Advised::new(
            warnings.join("; "),
            "make a new list with `muster cert crl` and add it with `muster-server trust add FILE`",
        )
        .into());
    }
    Ok(format!(
        "{trusted} certificates and {lists} revocation lists in {}",
        signers.folder().display()
    ))
}

fn port(config: &Config) -> anyhow::Result<String> {
    let listen = config.listen;
    if listen.port() == 0 {
        return Ok("a free one at each start".to_owned());
    }
    match TcpListener::bind(listen) {
        Ok(_listener) => Ok(format!("{listen} is free; the server is not running")),
        Err(error)
            if error.kind() == std::io::ErrorKind::AddrInUse
                && config.data_folder().address_file().exists() =>
        {
            let here = if listen.ip().is_unspecified() {
                std::net::SocketAddr::from(([127, 0, 0, 1], listen.port()))
            } else {
                listen
            };
            TcpStream::connect_timeout(&here, Duration::from_secs(3))
                .with_context(|| format!("the server does not answer on {here}"))?;
            Ok(format!("{listen}, the server is running"))
        }
        Err(error) => Err(error).with_context(|| format!("cannot listen on {listen}")),
    }
}
