//! `muster-server address`: the line that agents and consoles need.

use anyhow::Context as _;
use clap::Args;
use muster_shared::crypto::tls::ServerAddress;

use super::Place;
use crate::authority::AuthorityFiles;
use crate::output;

/// Print the muster://… line that agents and consoles need
#[derive(Debug, Args)]
pub(super) struct Address {}

impl Address {
    pub(super) fn execute(self, place: &Place) -> anyhow::Result<()> {
        let Self {} = self;
        let config = place.read_config()?;
        let data = config.data_folder();
        let pin = AuthorityFiles::new(data.authority())
            .server_ca_certificate()?
            .fingerprint();
        let mut port = config.public_port.unwrap_or_else(|| config.listen.port());
        if port == 0 {
            // A free port was taken at the start: the running server wrote which.
            let running = fs_err::read_to_string(data.address_file()).context("the server is not running")?;
            port = ServerAddress::parse(running.trim())?.port;
        }
        output::line(ServerAddress {
            host: config.name.to_ascii_lowercase(),
            port,
            pin: Some(pin),
        })?;
        Ok(())
    }
}
