//! `wapt-get.ini` becomes `agent.toml`: each key taken, changed, or not taken and why.

use std::fmt::Write as _;

use jiff::Timestamp;

use super::ini::{Ini, Setting};
use super::{Fate, Item, MigrationReport};

/// The new configuration and what became of each old key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentConfig {
    /// The text of `agent.toml`.
    pub toml: String,
    pub report: MigrationReport,
}

/// Keys that are about building packages: they are settings of a person's console, not of an agent.
const OF_CONSOLES: [&str; 13] = [
    "personal_certificate_path",
    "private_key",
    "default_package_prefix",
    "default_sources_root",
    "default_sources_root_host",
    "default_sources_suffix",
    "default_sources_url",
    "default_maturity",
    "upload_cmd",
    "upload_cmd_host",
    "after_upload",
    "editor_for_packages",
    "sign_digests",
];

/// Keys that this agent has no counterpart for, and why.
const REASONS: [(&str, &str); 41] = [
    (
        "dnsdomain",
        "the server is named in wapt_server; it is not searched in DNS",
    ),
    (
        "repositories",
        "an agent has one repository; copy the packages of the others into it with `muster migrate repository`",
    ),
    ("use_repo_rules", "rules of repositories come with the server"),
    ("use_ad_groups", "packages by directory group are not offered yet"),
    (
        "host_profiles",
        "profile packages by name are not offered yet; assign the packages to the host instead",
    ),
    (
        "host_organizational_unit_dn",
        "the unit of a host is read from the directory",
    ),
    ("host_ad_site", "the site of a host is read from the directory"),
    (
        "language",
        "the language is the system's; locales says which packages are wanted",
    ),
    (
        "public_certs_dir",
        "trusted certificates lie in the trust folder of the agent: copy them there",
    ),
    (
        "client_certificate",
        "the agent proves who it is with the key that it makes when it enrols",
    ),
    (
        "client_private_key",
        "the agent proves who it is with the key that it makes when it enrols",
    ),
    (
        "use_kerberos",
        "hosts enrol with a token: muster-agent register --token",
    ),
    (
        "private_dir",
        "the agent has its own folders; --root moves them all",
    ),
    (
        "persistent_root_dir",
        "the agent has its own folders; --root moves them all",
    ),
    ("dbpath", "the agent has its own folders; --root moves them all"),
    ("wapt_server_timeout", "time limits are fixed"),
    ("timeout", "time limits are fixed"),
    ("limit_bandwidth", "a limit of bandwidth is not offered yet"),
    (
        "token_lifetime",
        "there are no local tokens: the system says who asks",
    ),
    (
        "loglevel",
        "the agent logs to the system's journal; MUSTER_LOG sets what",
    ),
    (
        "log_to_windows_events",
        "the agent logs to the system's journal; MUSTER_LOG sets what",
    ),
    (
        "waptservice_port",
        "the local interface is a socket that only this machine reaches; it has no port",
    ),
    (
        "waptservice_user",
        "the system says who asks: administrators may, nobody needs a password",
    ),
    (
        "waptservice_password",
        "the system says who asks: administrators may, nobody needs a password",
    ),
    (
        "waptservice_admin_filter",
        "self-service rights are not offered yet",
    ),
    (
        "service_auth_type",
        "the system says who asks: administrators may, nobody needs a password",
    ),
    ("secret_key", "there are no local tokens that it would sign"),
    ("signature_clockskew", "signed actions carry their own validity"),
    (
        "waptupgrade_task_period",
        "upgrades are ordered from the console or its schedules",
    ),
    (
        "waptaudit_task_period",
        "audits run as audit_schedule of each package says",
    ),
    (
        "download_after_update_with_waptupdate_task_period",
        "packages are downloaded when they are installed",
    ),
    (
        "allow_user_service_restart",
        "only administrators restart the service",
    ),
    ("notify_user", "there is no tray yet"),
    ("uninstall_allowed", "self-service rights are not offered yet"),
    ("allow_cancel_upgrade", "upgrades at shutdown are not offered yet"),
    ("upgrade_priorities", "upgrades at shutdown are not offered yet"),
    (
        "upgrade_only_if_not_process_running",
        "upgrades at shutdown are not offered yet",
    ),
    ("waptexit_countdown", "upgrades at shutdown are not offered yet"),
    (
        "waptexit_disable_upgrade",
        "upgrades at shutdown are not offered yet",
    ),
    ("pre_shutdown_timeout", "upgrades at shutdown are not offered yet"),
    ("hiberboot_enabled", "upgrades at shutdown are not offered yet"),
];

/// Values that no report repeats.
const SECRETS: [&str; 4] = [
    "waptservice_password",
    "secret_key",
    "http_proxy",
    "client_private_key",
];

/// Translates a configuration.
pub fn migrate(ini: &Ini, source: &str, now: Timestamp) -> AgentConfig {
    let mut work = Work {
        ini,
        lines: Vec::new(),
        report: MigrationReport::default(),
    };
    for setting in &ini.settings {
        work.setting(setting);
    }
    for line in &ini.unreadable {
        work.push(Item::not_taken(
            format!("line {line}"),
            "neither a section nor a setting",
        ));
    }
    let mut toml = format!("# From {} on {}.\n", one_line(source), now.strftime("%Y-%m-%d"));
    for (key, value) in &work.lines {
        writeln!(toml, "{key} = {value}").ok();
    }
    AgentConfig {
        toml,
        report: work.report,
    }
}

struct Work<'a> {
    ini: &'a Ini,
    lines: Vec<(&'static str, String)>,
    report: MigrationReport,
}

/// A key of `agent.toml`, or why there is none.
enum Answer {
    Set(&'static str, toml::Value),
    Always(&'static str),
    No(String),
}

impl Work<'_> {
    fn push(&mut self, item: Item) {
        self.report.items.push(item);
    }

    fn setting(&mut self, setting: &Setting) {
        let object = format!("[{}] {}", setting.section, setting.key);
        let answer = match setting.section.as_str() {
            "global" => self.global(&setting.key, &setting.value),
            // The section of the main repository says more than the global one.
            "wapt" => self.main_repository(&setting.key, &setting.value),
            "waptwua" => Answer::No("updates of Windows are not offered yet".to_owned()),
            "repo-sync" | "sync" => Answer::No("secondary repositories are not offered yet".to_owned()),
            "wapt-host" => Answer::No("host packages come from the server".to_owned()),
            _ => Answer::No(
                "an agent has one repository; copy the packages of this one into it with `muster migrate repository`"
                    .to_owned(),
            ),
        };
        match answer {
            Answer::Set(key, value) => {
                let written = value.to_string();
                let shown = if SECRETS.contains(&setting.key.as_str()) && written.contains('@') {
                    format!("{key} = (with its password)")
                } else {
                    format!("{key} = {written}")
                };
                let is_same = key == setting.key && plain(&value) == setting.value;
                self.lines.retain(|(existing, _)| *existing != key);
                self.lines.push((key, written));
                self.push(Item::new(object, if is_same { Fate::Taken } else { Fate::Changed }).became(shown));
            }
            Answer::Always(reason) => self.push(Item::new(object, Fate::NotNeeded).because(reason)),
            Answer::No(reason) => self.push(Item::not_taken(object, reason)),
        }
    }

    fn global(&self, key: &str, value: &str) -> Answer {
        match key {
            "repo_url" => {
                let of_server = self
                    .ini
                    .get("global", "wapt_server")
                    .map(|server| server.trim_end_matches('/'));
                let url = value.trim_end_matches('/');
                if of_server.is_some_and(|server| format!("{server}/wapt") == url) {
                    return Answer::Always("the repository of the server is taken by itself");
                }
                https("repo_url", url)
            }
            "wapt_server" if value.is_empty() => {
                Answer::No("the server is not searched in DNS: name it".to_owned())
            }
            "wapt_server" => https("wapt_server", value.trim_end_matches('/')),
            "use_hostpackages" => flag("use_hostpackages", value),
            "use_fqdn_as_uuid" => flag("use_fqdn_as_uuid", value),
            "allow_remote_shutdown" => flag("allow_remote_shutdown", value),
            "allow_remote_reboot" => flag("allow_remote_reboot", value),
            "uuid" if value.is_empty() => Answer::Always("an empty one is the firmware's"),
            "uuid" => identifier(value),
            "fake_hostname" if value.is_empty() => Answer::Always("an empty one is the system's"),
            "fake_hostname" => text("fake_hostname", value),
            "maturities" => list("maturities", value),
            "locales" => list("locales", value),
            "packages_whitelist" => list("packages_whitelist", value),
            "packages_blacklist" => list("packages_blacklist", value),
            "waptupdate_task_period" => period(value),
            "verify_cert" => verify_cert(value),
            "check_certificates_validity" if is_off(value) => Answer::No(
                "dates and revocations of package certificates are always checked; renew what has expired"
                    .to_owned(),
            ),
            "check_certificates_validity" => Answer::Always("certificates are always checked"),
            "http_proxy" => self.proxy(value),
            "use_http_proxy_for_repo" | "use_http_proxy_for_server" => {
                Answer::Always("http_proxy counts for everything when it is set")
            }
            _ => Answer::No(reason(key)),
        }
    }

    fn main_repository(&self, key: &str, value: &str) -> Answer {
        match key {
            "repo_url"
            | "packages_whitelist"
            | "packages_blacklist"
            | "maturities"
            | "verify_cert"
            | "http_proxy"
            | "check_certificates_validity" => self.global(key, value),
            _ => Answer::No(reason(key)),
        }
    }

    fn proxy(&self, value: &str) -> Answer {
        let is_on = ["use_http_proxy_for_repo", "use_http_proxy_for_server"]
            .iter()
            .any(|key| self.ini.get("global", key).is_some_and(|value| !is_off(value)));
        if value.is_empty() {
            Answer::Always("an empty one is no proxy")
        } else if !is_on {
            Answer::No(
                "it was switched off: neither use_http_proxy_for_repo nor use_http_proxy_for_server is set"
                    .to_owned(),
            )
        } else if value.starts_with("http://") || value.starts_with("https://") {
            text("http_proxy", value.trim_end_matches('/'))
        } else {
            text("http_proxy", &format!("http://{}", value.trim_end_matches('/')))
        }
    }
}

fn reason(key: &str) -> String {
    if let Some((_, reason)) = REASONS.iter().find(|(name, _)| *name == key) {
        return (*reason).to_owned();
    }
    if OF_CONSOLES.contains(&key) {
        return "a setting of who builds packages: it belongs to console.toml".to_owned();
    }
    for (beginning, reason) in [
        (
            "loglevel_",
            "the agent logs to the system's journal; MUSTER_LOG sets what",
        ),
        (
            "ldap_auth",
            "the system says who asks: administrators may, nobody needs a password",
        ),
        (
            "verify_cert_ldap",
            "the system says who asks: administrators may, nobody needs a password",
        ),
        (
            "websockets_",
            "the channel to the server has fixed times and checks the server as everything else does",
        ),
        ("waptservice_", "the service has no such setting"),
    ] {
        if key.starts_with(beginning) {
            return reason.to_owned();
        }
    }
    "the agent has no such setting".to_owned()
}

fn text(key: &'static str, value: &str) -> Answer {
    Answer::Set(key, toml::Value::String(one_line(value)))
}

fn https(key: &'static str, value: &str) -> Answer {
    if value.starts_with("https://")
        && !value
            .chars()
            .any(|letter| letter.is_whitespace() || letter.is_control())
    {
        text(key, value)
    } else {
        Answer::No(format!(
            "{value:?} is no https:// address, and the agent takes no other"
        ))
    }
}

fn flag(key: &'static str, value: &str) -> Answer {
    let lower = value.to_lowercase();
    match lower.as_str() {
        "1" | "true" | "yes" | "on" => Answer::Set(key, toml::Value::Boolean(true)),
        "0" | "false" | "no" | "off" | "" => Answer::Set(key, toml::Value::Boolean(false)),
        _ => Answer::No(format!("{value:?} is neither true nor false")),
    }
}

fn is_off(value: &str) -> bool {
    matches!(
        value.to_lowercase().as_str(),
        "" | "0" | "false" | "no" | "off" | "none"
    )
}

fn list(key: &'static str, value: &str) -> Answer {
    let parts: Vec<toml::Value> = value
        .split([',', '\n'])
        .map(str::trim)
        .filter(|part| !part.is_empty())
        .map(|part| toml::Value::String(part.to_owned()))
        .collect();
    if parts.is_empty() {
        return Answer::Always("an empty list is as none");
    }
    Answer::Set(key, toml::Value::Array(parts))
}

/// The firmware's identifier is taken unless another one is allowed as a name.
fn identifier(value: &str) -> Answer {
    let is_allowed = value.len() <= 64
        && value
            .chars()
            .all(|letter| letter.is_ascii_alphanumeric() || matches!(letter, '.' | '_' | '-'));
    if is_allowed {
        text("uuid", value)
    } else {
        Answer::No(format!(
            "{value:?} is no identifier: 1 to 64 characters of 0-9 A-Z a-z . _ -"
        ))
    }
}

fn period(value: &str) -> Answer {
    if value.is_empty() {
        return Answer::No("updates cannot be switched off; the agent looks every two hours".to_owned());
    }
    let digits = value.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let unit = value.get(digits.len()..).unwrap_or_default();
    let is_number = digits.parse::<u32>().is_ok_and(|number| number > 0);
    match (is_number, unit) {
        // A bare number is minutes there and here; written out it needs no knowing.
        (true, "") => text("waptupdate_task_period", &format!("{digits}m")),
        (true, "s" | "m" | "min" | "h" | "d" | "w") => text("waptupdate_task_period", value),
        _ => Answer::No(format!("{value:?} is no period such as 30m, 2h or 1d")),
    }
}

fn verify_cert(value: &str) -> Answer {
    let lower = value.to_lowercase();
    match lower.as_str() {
        "1" | "true" | "yes" | "on" => Answer::Set("verify_cert", toml::Value::Boolean(true)),
        _ if is_off(value) => Answer::No(
            "a server that is not checked could hold this machine back unseen; set server_pin to the fingerprint of \
             its certificate"
                .to_owned(),
        ),
        _ => text("verify_cert", value),
    }
}

/// The value as an `ini` file would write it.
fn plain(value: &toml::Value) -> String {
    match value {
        toml::Value::String(text) => text.clone(),
        toml::Value::Boolean(flag) => flag.to_string(),
        toml::Value::Array(parts) => parts.iter().map(plain).collect::<Vec<_>>().join(","),
        other => other.to_string(),
    }
}

fn one_line(text: &str) -> String {
    text.replace(['\n', '\r'], " ")
}

#[cfg(test)]
mod tests {
    use super::super::ini;
    use super::*;

    fn migrated(text: &str) -> AgentConfig {
        migrate(
            &ini::parse(text.as_bytes()),
            "wapt-get.ini",
            Timestamp::UNIX_EPOCH,
        )
    }

    fn fate(config: &AgentConfig, object: &str) -> Fate {
        let item = config.report.items.iter().find(|item| item.object == object);
        item.unwrap_or_else(|| panic!("{object}: {config:?}")).fate
    }

    #[test]
    fn what_both_agents_have_is_taken() {
        let config = migrated(
            "[global]\nwapt_server=https://srv.example.lan\nrepo_url=https://srv.example.lan/wapt\nuse_hostpackages=1\n\
             maturities=PROD,PREPROD\nwaptupdate_task_period=120\nverify_cert=1\nuuid=ABC-1\nlocales=fr, en\n",
        );
        assert_eq!(
            config.toml,
            "# From wapt-get.ini on 1970-01-01.\nwapt_server = \"https://srv.example.lan\"\nuse_hostpackages = true\n\
             maturities = [\"PROD\", \"PREPROD\"]\nwaptupdate_task_period = \"120m\"\nverify_cert = true\nuuid = \"ABC-1\"\n\
             locales = [\"fr\", \"en\"]\n"
        );
        assert_eq!(fate(&config, "[global] wapt_server"), Fate::Taken);
        assert_eq!(fate(&config, "[global] repo_url"), Fate::NotNeeded);
        assert_eq!(fate(&config, "[global] waptupdate_task_period"), Fate::Changed);
    }

    #[test]
    fn what_would_weaken_the_agent_is_not_taken_and_why() {
        let config = migrated(
            "[global]\nverify_cert=0\ncheck_certificates_validity=0\nwaptservice_password=5e884898\nrepo_url=http://a/wapt\n\
             waptupdate_task_period=\nhttp_proxy=http://proxy:3128\nsomething_else=1\n[tranquilit]\nrepo_url=https://x/wapt\n\
             [waptwua]\nenabled=1\n",
        );
        assert_eq!(config.report.count(Fate::NotTaken), config.report.items.len());
        assert!(config.report.items.iter().all(|item| item.reason.is_some()));
        assert!(!format!("{:?}", config.report).contains("5e884898"));
        assert_eq!(config.toml.lines().count(), 1);
    }

    #[test]
    fn a_proxy_counts_when_it_was_switched_on() {
        let config = migrated("[global]\nhttp_proxy=proxy:3128\nuse_http_proxy_for_repo=1\n");
        assert!(config.toml.contains("http_proxy = \"http://proxy:3128\""));
        assert_eq!(fate(&config, "[global] http_proxy"), Fate::Changed);
    }

    #[test]
    fn the_section_of_the_main_repository_counts() {
        let config = migrated("[global]\npackages_blacklist=a\n[wapt]\npackages_blacklist=b*\ntimeout=5\n");
        assert!(config.toml.ends_with("packages_blacklist = [\"b*\"]\n"));
        assert_eq!(fate(&config, "[wapt] timeout"), Fate::NotTaken);
    }
}
