//! `muster-server init`: everything a new server needs, once, without overwriting anything.

use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;
use muster_shared::clock;
use muster_shared::crypto::tls::ServerAddress;
use muster_shared::protocol::session::Role;

use super::{Advised, Place};
use crate::auth::{password::PasswordHasher, secret};
use crate::authority::AuthorityFiles;
use crate::config::{Config, DEFAULT_PORT, is_host_name};
use crate::layout::{DataFolder, write_atomically};
use crate::output;
use crate::store::{Store, users};

/// Set a new server up: settings, database, certificates, first administrator
///
/// Prints the address line that agents and consoles need, and the administrator's password. The password is
/// shown this once. The line's sha256 names the server's own CA: whoever uses the line cannot be led to
/// another server, and the TLS certificate can be renewed without changing it.
///
/// Nothing that is there already is overwritten.
#[derive(Debug, Args)]
pub(super) struct Init {
    /// The name that agents and consoles reach this server by, for example srv.example.org
    #[arg(long, value_name = "NAME")]
    name: String,
    /// The port that they reach it by, and that the server listens on
    #[arg(long, value_name = "N", default_value_t = DEFAULT_PORT)]
    port: u16,
    /// Another name or address for the TLS certificate; may be repeated
    #[arg(long, value_name = "NAME|IP")]
    also: Vec<String>,
    /// Listen here instead of on every address
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<SocketAddr>,
    /// The data folder [default: /var/lib/muster-server]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// The first administrator's name
    #[arg(long, value_name = "USER", default_value = "admin")]
    admin: String,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

impl Init {
    pub(super) async fn execute(self, place: &Place) -> anyhow::Result<()> {
        let names = self.names()?;
        if !users::is_user_name(&self.admin) {
            return Err(Advised::new(
                format!("{:?} is no user name", self.admin),
                "use 1 to 64 of a-z, 0-9, '.', '_' and '-'",
            )
            .into());
        }
        let config_path = place.config_path();
        let config = self.config();
        let data = DataFolder::new(crate::config::below(place.root.as_deref(), &config.data));
        let files = AuthorityFiles::new(data.authority());
        for path in [&config_path, &data.database()] {
            if path.exists() {
                return Err(already(path.display().to_string()));
            }
        }
        if files.exist() {
            return Err(already(data.authority().display().to_string()));
        }
        let database = data.database();
        let beside = |suffix: &str| PathBuf::from(format!("{}{suffix}", database.display()));
        let made = Made {
            paths: vec![beside("-wal"), beside("-shm"), database.clone(), data.authority()],
            keep: false,
        };
        data.create().context("creating the data folder")?;
        let now = clock::now();
        let store = Store::open(&data.database()).await?;
        let password = secret::generate_password()?;
        let hash = PasswordHasher::new()?.hash(password.clone().into()).await?;
        users::insert(&store, &self.admin, Role::Administrator, &hash, now).await?;
        store.close().await;
        files.create(&names, now)?;
        let pin = files.server_ca_certificate()?.fingerprint();
        if let Some(folder) = config_path.parent() {
            fs_err::create_dir_all(folder)?;
        }
        write_atomically(&config_path, config.to_toml().as_bytes(), false)
            .with_context(|| format!("writing {}", config_path.display()))?;
        made.keep();
        let address = ServerAddress {
            host: self.name.to_ascii_lowercase(),
            port: self.port,
            pin: Some(pin),
        }
        .to_string();
        self.print(&address, &password, &config_path.display().to_string())
    }

    fn names(&self) -> anyhow::Result<Vec<String>> {
        let mut names = vec![self.name.to_ascii_lowercase(), "localhost".to_owned()];
        names.extend(self.also.iter().map(|name| name.to_ascii_lowercase()));
        if let Some(bad) = names.iter().find(|name| !is_host_name(name)) {
            return Err(Advised::new(
                format!("{bad:?} is neither a host name nor an address"),
                "give the name without https:// and without a port",
            )
            .into());
        }
        let mut seen = std::collections::BTreeSet::new();
        names.retain(|name| seen.insert(name.clone()));
        Ok(names)
    }

    fn config(&self) -> Config {
        let mut config = Config::new(self.name.to_ascii_lowercase());
        config.listen = self
            .listen
            .unwrap_or_else(|| SocketAddr::from(([0, 0, 0, 0], self.port)));
        if self.listen.is_some_and(|listen| listen.port() != self.port) && self.port != 0 {
            config.public_port = Some(self.port);
        }
        if let Some(data) = &self.data {
            config.data.clone_from(data);
        }
        config
    }

    fn print(&self, address: &str, password: &str, config: &str) -> anyhow::Result<()> {
        if self.json {
            output::line(serde_json::json!({
                "address": address, "user": self.admin, "password": password, "config": config,
            }))?;
            return Ok(());
        }
        output::line(format_args!("address   {address}"))?;
        output::line(format_args!("user      {}", self.admin))?;
        output::line(format_args!("password  {password}"))?;
        output::note("");
        output::note("The password is shown this once. Next:");
        output::note("  muster-server run");
        output::note("  muster-server trust add CERTIFICATE   (whose packages and actions to accept)");
        if self.port == 0 {
            output::note(
                "Port 0 takes a free port at each start; `muster-server address` prints the line then.",
            );
        }
        Ok(())
    }
}

fn already(path: String) -> anyhow::Error {
    Advised::new(
        format!("this server is set up already: {path} is there"),
        "start it with `muster-server run`, look at it with `muster-server check`, or choose another --root",
    )
    .into()
}

/// What `init` made; removed again unless it got to its end.
struct Made {
    paths: Vec<PathBuf>,
    keep: bool,
}

impl Made {
    fn keep(mut self) {
        self.keep = true;
    }
}

impl Drop for Made {
    fn drop(&mut self) {
        if self.keep {
            return;
        }
        for path in &self.paths {
            if path.is_dir() {
                fs_err::remove_dir_all(path).ok();
            } else {
                fs_err::remove_file(path).ok();
            }
        }
    }
}
