//! Block `host`: who and where the machine is.

use muster_shared::protocol::inventory::HostBlock;

use super::Problems;
use crate::config::Config;
use crate::platform::{self, facts};

/// Reads the block; what cannot be read stays empty and is named in `problems`.
pub(super) async fn read(config: &Config, description: &str, problems: &mut Problems) -> HostBlock {
    let system = problems.unless_failed("system", facts::system::read());
    let interfaces = problems.unless_failed("network", facts::network::interfaces().await);
    let mut users = platform::logged_in_users();
    users.sort();
    users.dedup();
    HostBlock {
        hostname: config.hostname(),
        fqdn: config.fqdn(),
        description: description.to_owned(),
        platform: platform::PLATFORM.to_owned(),
        os: system.name,
        os_version: system.version,
        kernel: system.kernel,
        architecture: platform::architecture().to_owned(),
        language: facts::system::language(),
        interfaces,
        gateways: facts::network::gateways(),
        dns_servers: facts::network::dns_servers(),
        ou: facts::system::organisational_unit(),
        site: facts::system::site(),
        domain: facts::system::domain(),
        last_user: platform::last_user(),
        users,
        booted_at: facts::system::booted_at(),
    }
}
