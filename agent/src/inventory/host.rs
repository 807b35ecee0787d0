//! Block `host`: who and where the machine is, its people and its services.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use muster_shared::protocol::inventory::{
    HostBlock, Interface, Machine, Profile, Service, StartupItem, SystemDetails,
};

use super::Problems;
use super::address::{mac_of, main_address};
use super::facts::{Accounts, System};
use super::part::Part;
use crate::config::Config;
use crate::platform::{self, facts};

/// Local sources answer within milliseconds, on a machine that is busy within seconds.
const QUICK: Duration = Duration::from_secs(20);
/// Accounts may be looked up in a directory.
const SLOW: Duration = Duration::from_mins(1);

/// The tables of the block.
#[derive(Debug)]
pub(super) struct HostTables {
    system: Part<SystemFacts>,
    network: Part<Network>,
    sessions: Part<Sessions>,
    accounts: Part<Accounts>,
    profiles: Part<Vec<Profile>>,
    startup: Part<Vec<StartupItem>>,
    services: Part<Vec<Service>>,
    environment: Part<BTreeMap<String, String>>,
    restart: Part<Vec<String>>,
}

#[derive(Debug, Clone, Default)]
struct SystemFacts {
    system: System,
    language: String,
    ou: String,
    site: String,
    domain: String,
    booted_at: Option<Timestamp>,
    details: SystemDetails,
}

#[derive(Debug, Clone, Default)]
struct Network {
    interfaces: Vec<Interface>,
    gateways: Vec<String>,
    dns_servers: Vec<String>,
    main_address: String,
    main_mac: String,
}

#[derive(Debug, Clone, Default)]
struct Sessions {
    users: Vec<String>,
    last_user: String,
}

impl Default for HostTables {
    fn default() -> Self {
        Self {
            system: Part::new("system", QUICK),
            network: Part::new("network", QUICK),
            sessions: Part::new("sessions", QUICK),
            accounts: Part::new("accounts", SLOW),
            profiles: Part::new("profiles", SLOW),
            startup: Part::new("startup", QUICK),
            services: Part::new("services", QUICK),
            environment: Part::new("environment", QUICK),
            restart: Part::new("restart", QUICK),
        }
    }
}

impl HostTables {
    /// Reads the block; what cannot be read stays empty and is named in `problems`.
    pub(super) async fn read(
        &mut self,
        config: &Config,
        description: &str,
        problems: &mut Problems,
    ) -> HostBlock {
        let never = || None;
        let system = self
            .system
            .read(problems, never, system)
            .await
            .unwrap_or_default();
        let network = self
            .network
            .read(problems, never, network)
            .await
            .unwrap_or_default();
        let sessions = self
            .sessions
            .read(problems, never, || Ok(sessions()))
            .await
            .unwrap_or_default();
        let accounts = self
            .accounts
            .read(problems, facts::accounts::stamp, facts::accounts::read)
            .await
            .unwrap_or_default();
        let machine = Machine {
            local_users: accounts.users,
            local_groups: accounts.groups,
            local_administrators: accounts.administrators,
            profiles: self
                .profiles
                .read(problems, never, facts::profiles::read)
                .await
                .unwrap_or_default(),
            startup: self
                .startup
                .read(problems, never, facts::startup::read)
                .await
                .unwrap_or_default(),
            services: self
                .services
                .read(problems, never, facts::services::read)
                .await
                .unwrap_or_default(),
            environment: self
                .environment
                .read(problems, never, facts::environment::read)
                .await
                .unwrap_or_default(),
            reboot_reasons: self
                .restart
                .read(problems, never, facts::restart::reasons)
                .await
                .unwrap_or_default(),
        };
        HostBlock {
            hostname: config.hostname(),
            fqdn: config.fqdn(),
            description: description.to_owned(),
            platform: platform::PLATFORM.to_owned(),
            os: system.system.name,
            os_version: system.system.version,
            kernel: system.system.kernel,
            architecture: platform::architecture().to_owned(),
            language: system.language,
            interfaces: network.interfaces,
            gateways: network.gateways,
            dns_servers: network.dns_servers,
            ou: system.ou,
            site: system.site,
            domain: system.domain,
            users: sessions.users,
            last_user: sessions.last_user,
            booted_at: system.booted_at,
            main_address: network.main_address,
            main_mac: network.main_mac,
            details: system.details,
            machine,
        }
    }

    /// The next reading believes no stamp.
    pub(super) fn forget(&mut self) {
        self.accounts.forget();
    }
}

fn system() -> Result<SystemFacts, super::facts::FactError> {
    Ok(SystemFacts {
        system: facts::system::read()?,
        language: facts::system::language(),
        ou: facts::system::organisational_unit(),
        site: facts::system::site(),
        domain: facts::system::domain(),
        booted_at: facts::system::booted_at(),
        details: facts::system::details(),
    })
}

fn network() -> Result<Network, super::facts::FactError> {
    let interfaces = facts::network::interfaces()?;
    let main = main_address();
    Ok(Network {
        main_address: main.map_or_else(String::new, |address| address.to_string()),
        main_mac: main.map_or_else(String::new, |address| mac_of(address, &interfaces)),
        gateways: facts::network::gateways(),
        dns_servers: facts::network::dns_servers(),
        interfaces,
    })
}

fn sessions() -> Sessions {
    let mut users = platform::logged_in_users();
    users.sort();
    users.dedup();
    Sessions {
        users,
        last_user: platform::last_user(),
    }
}
