//! `wapt-get.ini` becomes `agent.toml`: each key taken, changed, or not taken and why.

use std::fmt::Write as _;

use jiff::Timestamp;

use super::ini::{Ini, Setting};
use super::value::Value;
use super::{Fate, Item, MigrationReport, reasons};

/// The name of the main repository, there and here.
const MAIN: &str = "wapt";

/// The section about updates of Windows, there and here.
const UPDATES: &str = "waptwua";

/// A key of `agent.toml` and its value.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    pub key: &'static str,
    pub value: Value,
}

/// The new configuration and what became of each old key.
#[derive(Debug, Clone, PartialEq)]
pub struct AgentConfig {
    /// What stands at the top level.
    pub settings: Vec<Line>,
    /// The tables `[repository.NAME]` and `[waptwua]`, by what stands between the brackets.
    pub tables: Vec<(String, Vec<Line>)>,
    /// All of it as the text of an `agent.toml`.
    pub toml: String,
    pub report: MigrationReport,
}

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
        settings: Vec::new(),
        tables: Vec::new(),
        report: MigrationReport::default(),
    };
    work.name_repositories();
    for setting in &ini.settings {
        work.setting(setting);
    }
    work.drop_unusable_tables();
    for line in &ini.unreadable {
        work.report.push(Item::not_taken(
            format!("line {line}"),
            "neither a section nor a setting",
        ));
    }
    let header = format!("# From {} on {}.\n", one_line(source), now.strftime("%Y-%m-%d"));
    let toml = header + &text_of(&work.settings, &work.tables);
    AgentConfig {
        settings: work.settings,
        tables: work.tables,
        toml,
        report: work.report,
    }
}

/// Settings and tables as TOML.
pub fn text_of(settings: &[Line], tables: &[(String, Vec<Line>)]) -> String {
    let mut text = String::new();
    for Line { key, value } in settings {
        writeln!(text, "{key} = {value}").ok();
    }
    for (name, lines) in tables {
        writeln!(text, "\n[{name}]").ok();
        for Line { key, value } in lines {
            writeln!(text, "{key} = {value}").ok();
        }
    }
    text
}

struct Work<'a> {
    ini: &'a Ini,
    settings: Vec<Line>,
    tables: Vec<(String, Vec<Line>)>,
    report: MigrationReport,
}

/// A key of `agent.toml`, or why there is none.
enum Answer {
    Set(&'static str, Value),
    Always(&'static str),
    No(String),
}

impl Work<'_> {
    /// The further repositories that the old agent asked and this one can ask.
    fn name_repositories(&mut self) {
        let named = self.ini.get("global", "repositories").unwrap_or_default();
        for name in parts(named) {
            let name = name.to_lowercase();
            let has_address = self
                .ini
                .get(&name, "repo_url")
                .is_some_and(|url| matches!(https("repo_url", url), Answer::Set(..)));
            if is_further(&name) && has_address && !self.is_repository(&name) {
                self.tables.push((table_of(&name), Vec::new()));
            }
        }
    }

    fn is_repository(&self, name: &str) -> bool {
        self.tables.iter().any(|(table, _)| *table == table_of(name))
    }

    fn lines_of(&mut self, table: &str) -> &mut Vec<Line> {
        let position = self.tables.iter().position(|(known, _)| known == table);
        let position = position.unwrap_or_else(|| {
            self.tables.push((table.to_owned(), Vec::new()));
            self.tables.len() - 1
        });
        &mut self.tables[position].1
    }

    /// A repository without an address would make the file invalid.
    fn drop_unusable_tables(&mut self) {
        self.tables.retain(|(name, lines)| {
            !lines.is_empty()
                && (!name.starts_with("repository.") || lines.iter().any(|line| line.key == "repo_url"))
        });
    }

    fn setting(&mut self, setting: &Setting) {
        let object = format!("[{}] {}", setting.section, setting.key);
        let section = setting.section.as_str();
        let answer = match section {
            "global" => self.global(&setting.key, &setting.value),
            // The section of the main repository says more than the global one.
            MAIN => repository(&setting.key, &setting.value),
            UPDATES => windows_update(&setting.key, &setting.value),
            "repo-sync" | "sync" => Answer::No("secondary repositories are not offered yet".to_owned()),
            "wapt-host" => Answer::No("host packages come from the server".to_owned()),
            "wapt-templates" => Answer::No(reasons::of("default_sources_root")),
            name if self.is_repository(name) => repository(&setting.key, &setting.value),
            name if parts(self.ini.get("global", "repositories").unwrap_or_default())
                .any(|named| named.eq_ignore_ascii_case(name)) =>
            {
                Answer::No("a repository needs an https:// address and a name of 0-9 a-z _ -".to_owned())
            }
            _ => Answer::No("this section is not named in repositories, so it was not asked".to_owned()),
        };
        match answer {
            Answer::Set(key, value) => {
                let shown = if SECRETS.contains(&setting.key.as_str()) && value.plain().contains('@') {
                    format!("{key} = (with its password)")
                } else {
                    format!("{key} = {value}")
                };
                let is_same = key == setting.key && value.plain() == setting.value;
                let lines = match section {
                    "global" | MAIN => &mut self.settings,
                    UPDATES => self.lines_of(UPDATES),
                    name => self.lines_of(&table_of(name)),
                };
                lines.retain(|line| line.key != key);
                lines.push(Line { key, value });
                self.report
                    .push(Item::new(object, if is_same { Fate::Taken } else { Fate::Changed }).became(shown));
            }
            Answer::Always(reason) => self
                .report
                .push(Item::new(object, Fate::NotNeeded).because(reason)),
            Answer::No(reason) => self.report.push(Item::not_taken(object, reason)),
        }
    }

    fn global(&mut self, key: &str, value: &str) -> Answer {
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
            "repositories" => {
                let names: Vec<String> = self
                    .tables
                    .iter()
                    .filter_map(|(table, _)| table.strip_prefix("repository."))
                    .map(str::to_owned)
                    .collect();
                if names.is_empty() {
                    return Answer::Always("no further repository was named that can be asked");
                }
                Answer::Set("repositories", Value::List(names))
            }
            "uuid" if value.is_empty() => Answer::Always("an empty one is the firmware's"),
            "uuid" => identifier(value),
            "fake_hostname" if value.is_empty() => Answer::Always("an empty one is the system's"),
            "fake_hostname" => text("fake_hostname", value),
            "host_organizational_unit_dn" | "host_ad_site" if value.is_empty() => {
                Answer::Always("an empty one is the directory's")
            }
            "host_organizational_unit_dn" => text("host_organizational_unit_dn", value),
            "host_ad_site" => text("host_ad_site", value),
            "waptupdate_task_period" if value.is_empty() => {
                Answer::No("updates cannot be switched off; the agent looks every two hours".to_owned())
            }
            "waptupdate_task_period" => period("waptupdate_task_period", value),
            "waptupgrade_task_period" | "waptaudit_task_period" | "pre_shutdown_timeout"
                if value.is_empty() =>
            {
                Answer::Always("an empty one is none")
            }
            "waptupgrade_task_period" => period("waptupgrade_task_period", value),
            "waptaudit_task_period" => period("waptaudit_task_period", value),
            "pre_shutdown_timeout" => period("pre_shutdown_timeout", value),
            "check_certificates_validity" if is_off(value) => Answer::No(
                "dates and revocations of package certificates are always checked; renew what has expired"
                    .to_owned(),
            ),
            "check_certificates_validity" => Answer::Always("certificates are always checked"),
            "http_proxy" => self.proxy(value),
            "use_http_proxy_for_repo" | "use_http_proxy_for_server"
                if self.ini.get("global", "http_proxy").is_none_or(str::is_empty) =>
            {
                Answer::Always("there is no http_proxy")
            }
            "host_profiles" => list("host_profiles", value),
            "upgrade_priorities" => list("upgrade_priorities", value),
            "locales" => list("locales", value),
            _ => match FLAGS.iter().find(|name| **name == key) {
                Some(name) => flag(name, value),
                None => repository(key, value),
            },
        }
    }

    /// A proxy that was switched on; where it was not to be used is said, because here it counts for everything
    /// unless told otherwise.
    fn proxy(&mut self, value: &str) -> Answer {
        let is_on = |key| self.ini.get("global", key).is_some_and(|value| !is_off(value));
        let uses = [
            ("use_http_proxy_for_repo", is_on("use_http_proxy_for_repo")),
            ("use_http_proxy_for_server", is_on("use_http_proxy_for_server")),
        ];
        if value.is_empty() {
            return Answer::Always("an empty one is no proxy");
        }
        if uses.iter().all(|(_, is_on)| !is_on) {
            return Answer::No(
                "it was switched off: neither use_http_proxy_for_repo nor use_http_proxy_for_server is set"
                    .to_owned(),
            );
        }
        for (key, is_on) in uses {
            if !is_on && !self.settings.iter().any(|line| line.key == key) {
                let value = Value::Flag(false);
                self.settings.push(Line { key, value });
            }
        }
        proxy_address(value)
    }
}

/// Keys that stand in the section of a repository, or at the top for all of them.
fn repository(key: &str, value: &str) -> Answer {
    match key {
        "repo_url" => https("repo_url", value.trim_end_matches('/')),
        "maturities" => list("maturities", value),
        "packages_whitelist" => list("packages_whitelist", value),
        "packages_blacklist" => list("packages_blacklist", value),
        "verify_cert" => verify_cert(value),
        "limit_bandwidth" => bandwidth(value),
        "timeout" => seconds("timeout", value),
        "use_http_proxy_for_repo" => flag("use_http_proxy_for_repo", value),
        "http_proxy" if value.is_empty() => Answer::Always("an empty one is no proxy"),
        "http_proxy" => proxy_address(value),
        _ => Answer::No(reasons::of(key)),
    }
}

/// Flags with the same name and meaning in both agents.
const FLAGS: [&str; 12] = [
    "use_hostpackages",
    "use_fqdn_as_uuid",
    "use_ad_groups",
    "use_repo_rules",
    "use_http_proxy_for_server",
    "allow_remote_shutdown",
    "allow_remote_reboot",
    "waptservice_admin_filter",
    "uninstall_allowed",
    "allow_user_service_restart",
    "download_after_update_with_waptupdate_task_period",
    "upgrade_only_if_not_process_running",
];

/// The table of a further repository.
fn table_of(repository: &str) -> String {
    format!("repository.{repository}")
}

fn is_further(name: &str) -> bool {
    ![MAIN, "wapt-host", "wapt-templates", "global"].contains(&name)
        && (1..=32).contains(&name.len())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'_' | b'-'))
}

fn parts(text: &str) -> impl Iterator<Item = &str> {
    text.split([',', '\n'])
        .map(str::trim)
        .filter(|part| !part.is_empty())
}

fn text(key: &'static str, value: &str) -> Answer {
    Answer::Set(key, Value::Text(one_line(value)))
}

fn proxy_address(value: &str) -> Answer {
    let address = value.trim_end_matches('/');
    if value.starts_with("http://") || value.starts_with("https://") {
        text("http_proxy", address)
    } else {
        text("http_proxy", &format!("http://{address}"))
    }
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
        "1" | "true" | "yes" | "on" => Answer::Set(key, Value::Flag(true)),
        "0" | "false" | "no" | "off" | "" => Answer::Set(key, Value::Flag(false)),
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
    let parts: Vec<String> = parts(value).map(str::to_owned).collect();
    if parts.is_empty() {
        return Answer::Always("an empty list is as none");
    }
    Answer::Set(key, Value::List(parts))
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

fn period(key: &'static str, value: &str) -> Answer {
    let digits = value.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let unit = value.get(digits.len()..).unwrap_or_default();
    let is_number = digits.parse::<u32>().is_ok_and(|number| number > 0);
    match (is_number, unit) {
        // A bare number is minutes there and here; written out it needs no knowing.
        (true, "") => text(key, &format!("{digits}m")),
        (true, "s" | "m" | "min" | "h" | "d" | "w") => text(key, value),
        _ => Answer::No(format!("{value:?} is no period such as 30m, 2h or 1d")),
    }
}

/// The section about updates of Windows has the same keys in both agents.
fn windows_update(key: &str, value: &str) -> Answer {
    let is_unset = value.trim().is_empty() || value.eq_ignore_ascii_case("none");
    match key {
        _ if is_unset => Answer::Always("an empty one is as none"),
        "enabled" => flag("enabled", value),
        "offline" => flag("offline", value),
        "allow_direct_download" => flag("allow_direct_download", value),
        "default_allow" => flag("default_allow", value),
        "install_at_shutdown" => flag("install_at_shutdown", value),
        "filter" => text("filter", value),
        "download_scheduling" => period("download_scheduling", value),
        // A bare number was days here.
        "install_scheduling" => period("install_scheduling", &in_days(value)),
        "install_delay" => period("install_delay", &in_days(value)),
        "allowed_severities" => list("allowed_severities", value),
        _ => Answer::No(reasons::of(key)),
    }
}

fn in_days(value: &str) -> String {
    if value.bytes().all(|byte| byte.is_ascii_digit()) {
        format!("{value}d")
    } else {
        value.to_owned()
    }
}

/// A time limit that was a number of seconds.
fn seconds(key: &'static str, value: &str) -> Answer {
    match value.trim().parse::<f64>() {
        Ok(number) if (0.1..=86400.0).contains(&number) => text(key, &format!("{}s", number.ceil() as u64)),
        _ => Answer::No(format!("{value:?} is no number of seconds")),
    }
}

/// Megabits a second, there and here.
fn bandwidth(value: &str) -> Answer {
    match value.trim().parse::<f64>() {
        Ok(0.0) => Answer::Always("none is no limit"),
        Ok(number) if (0.1..=1_000_000.0).contains(&number) => {
            Answer::Set("limit_bandwidth", Value::Number(number))
        }
        _ if value.trim().is_empty() => Answer::Always("an empty one is no limit"),
        _ => Answer::No(format!("{value:?} is no number of megabits a second")),
    }
}

fn verify_cert(value: &str) -> Answer {
    let lower = value.to_lowercase();
    match lower.as_str() {
        "1" | "true" | "yes" | "on" => Answer::Set("verify_cert", Value::Flag(true)),
        _ if is_off(value) => Answer::No(
            "a server that is not checked could hold this machine back unseen; set server_pin to the fingerprint of \
             its certificate"
                .to_owned(),
        ),
        _ => text("verify_cert", value),
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
             maturities=PROD,PREPROD\nwaptupdate_task_period=120\nverify_cert=1\nuuid=ABC-1\nlocales=fr, en\n\
             host_profiles=lab,kiosk\nuse_ad_groups=1\nwaptupgrade_task_period=1d\ntimeout=7.5\nlimit_bandwidth=2\n",
        );
        assert_eq!(
            config.toml,
            "# From wapt-get.ini on 1970-01-01.\nwapt_server = \"https://srv.example.lan\"\nuse_hostpackages = true\n\
             maturities = [\"PROD\", \"PREPROD\"]\nwaptupdate_task_period = \"120m\"\nverify_cert = true\nuuid = \"ABC-1\"\n\
             locales = [\"fr\", \"en\"]\nhost_profiles = [\"lab\", \"kiosk\"]\nuse_ad_groups = true\n\
             waptupgrade_task_period = \"1d\"\ntimeout = \"8s\"\nlimit_bandwidth = 2.0\n"
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
             [repo-sync]\nenable_remote_repo=1\n",
        );
        assert_eq!(config.report.count(Fate::NotTaken), config.report.items.len());
        assert!(config.report.items.iter().all(|item| item.reason.is_some()));
        assert!(!format!("{:?}", config.report).contains("5e884898"));
        assert_eq!(config.toml.lines().count(), 1);
    }

    #[test]
    fn a_proxy_counts_where_it_was_switched_on() {
        let config = migrated("[global]\nhttp_proxy=proxy:3128\nuse_http_proxy_for_repo=1\n");
        assert!(config.toml.contains("http_proxy = \"http://proxy:3128\""));
        assert!(config.toml.contains("use_http_proxy_for_repo = true"));
        assert!(config.toml.contains("use_http_proxy_for_server = false"));
        assert_eq!(fate(&config, "[global] http_proxy"), Fate::Changed);
    }

    #[test]
    fn the_section_of_the_main_repository_counts() {
        let config = migrated("[global]\npackages_blacklist=a\n[wapt]\npackages_blacklist=b*\ntimeout=5\n");
        assert!(config.toml.contains("packages_blacklist = [\"b*\"]\n"));
        assert_eq!(fate(&config, "[wapt] timeout"), Fate::Changed);
    }

    #[test]
    fn further_repositories_become_tables() {
        let config = migrated(
            "[global]\nrepositories=partner,plain\n[partner]\nrepo_url=https://p.example/wapt\nmaturities=PROD\n\
             [plain]\nrepo_url=http://q.example/wapt\n",
        );
        assert!(
            config.toml.ends_with(
                "repositories = [\"partner\"]\n\n[repository.partner]\nrepo_url = \"https://p.example/wapt\"\n\
                 maturities = [\"PROD\"]\n"
            ),
            "{}",
            config.toml
        );
        assert_eq!(fate(&config, "[plain] repo_url"), Fate::NotTaken);
    }

    #[test]
    fn updates_of_windows_keep_their_section() {
        let config = migrated(
            "[waptwua]\nenabled=True\noffline=None\ninstall_scheduling=3\ninstall_delay=7d\nallowed_severities=Critical,Important\n",
        );
        assert!(
            config.toml.ends_with(
                "\n[waptwua]\nenabled = true\ninstall_scheduling = \"3d\"\ninstall_delay = \"7d\"\n\
                 allowed_severities = [\"Critical\", \"Important\"]\n"
            ),
            "{}",
            config.toml
        );
        assert_eq!(fate(&config, "[waptwua] offline"), Fate::NotNeeded);
    }
}
