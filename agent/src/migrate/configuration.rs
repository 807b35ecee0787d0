//! `wapt-get.ini` is merged into `agent.toml`: keys that are set there already stay as they are.

use jiff::Timestamp;
use muster_shared::hint::chain;
use muster_shared::migrate::agent_config::{self, AgentConfig, Line};
use muster_shared::migrate::value::Value;
use muster_shared::migrate::{Fate, Item, MigrationReport};

use super::MigrationError;
use super::base::Base;
use super::database::Contents;
use crate::config::{Config, ConfigError, is_identifier, replace_file};
use crate::paths::Paths;

/// Takes the settings over that are not made yet, and who the machine is.
pub(super) fn take(
    paths: &Paths,
    base: &Base,
    contents: &Contents,
    is_dry: bool,
    now: Timestamp,
    report: &mut MigrationReport,
) -> Result<(), MigrationError> {
    let path = paths.config_file();
    let text = match fs_err::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(ConfigError::Read(error).into()),
    };
    Config::parse(&text, &path)?;
    let present = text.parse::<toml::Table>().unwrap_or_default();
    let mut config = agent_config::migrate(base.ini(), "wapt-get.ini", now);
    leave_server(&mut config);
    identifier(contents, &mut config);
    bundle(paths, base, &mut config, is_dry)?;
    drop_present(&present, &mut config);
    let merged = valid(&text, &path, &mut config)?;
    if !is_dry && merged != text {
        replace_file(&path, merged.as_bytes()).map_err(|source| ConfigError::Write { path, source })?;
    }
    report.items.append(&mut config.report.items);
    Ok(())
}

/// The old server and its repository are those of WAPT; registering names the new ones.
fn leave_server(config: &mut AgentConfig) {
    for (key, reason) in [
        (
            "wapt_server",
            "it is the server of WAPT; muster-agent register --server names the one of Muster",
        ),
        (
            "repo_url",
            "it is the repository of WAPT; that of the Muster server is taken unless repo_url is set",
        ),
    ] {
        config.settings.retain(|line| line.key != key);
        let written = format!("{key} = ");
        for item in &mut config.report.items {
            let is_main = item.object.starts_with("[global]") || item.object.starts_with("[wapt]");
            if is_main
                && item
                    .became
                    .as_deref()
                    .is_some_and(|became| became.starts_with(&written))
            {
                item.fate = Fate::NotTaken;
                item.became = None;
                item.reason = Some(reason.to_owned());
            }
        }
    }
}

/// The machine keeps its name: where the configuration does not say it, the database does.
fn identifier(contents: &Contents, config: &mut AgentConfig) {
    let Some(uuid) = &contents.uuid else { return };
    if config.settings.iter().any(|line| line.key == "uuid") {
        return;
    }
    let object = "identifier of this host";
    if is_identifier(uuid) {
        config.settings.push(Line {
            key: "uuid",
            value: Value::Text(uuid.clone()),
        });
        config
            .report
            .push(Item::new(object, Fate::Taken).became(format!("uuid = {uuid:?}")));
    } else {
        let reason = format!("{uuid:?} is no identifier: 1 to 64 characters of 0-9 A-Z a-z . _ -");
        config.report.push(Item::not_taken(object, reason));
    }
}

/// Certificates of servers that lie in WAPT's folder would go with it: they are copied beside our configuration.
fn bundle(paths: &Paths, base: &Base, config: &mut AgentConfig, is_dry: bool) -> Result<(), MigrationError> {
    let target = paths.config_file().with_file_name("server-ca.pem");
    for line in &mut config.settings {
        let Value::Text(source) = &line.value else {
            continue;
        };
        if line.key != "verify_cert" {
            continue;
        }
        let source = base.folder().join(source);
        if !source.starts_with(base.folder()) || !source.is_file() {
            continue;
        }
        if !is_dry {
            fs_err::copy(&source, &target).map_err(MigrationError::file("copy", &source))?;
        }
        line.value = Value::Text(target.display().to_string());
        for item in &mut config.report.items {
            if item.object.ends_with("] verify_cert") {
                item.fate = Fate::Changed;
                item.became = Some(format!("verify_cert = {}", line.value));
            }
        }
    }
    Ok(())
}

/// What is set in our file stays.
fn drop_present(present: &toml::Table, config: &mut AgentConfig) {
    let mut kept = Vec::new();
    for line in config.settings.drain(..) {
        let Some(value) = present.get(line.key) else {
            kept.push(line);
            continue;
        };
        let is_same = value.to_string() == line.value.to_string();
        let item = config.report.items.iter_mut().rev().find(|item| {
            item.became
                .as_deref()
                .is_some_and(|became| became.starts_with(&format!("{} = ", line.key)))
        });
        if let Some(item) = item {
            item.became = None;
            if is_same {
                item.fate = Fate::NotNeeded;
                item.reason = Some("agent.toml says so already".to_owned());
            } else {
                item.fate = Fate::NotTaken;
                item.reason = Some(format!("agent.toml sets {} already", line.key));
            }
        }
    }
    config.settings = kept;
    if present.contains_key("repository") || present.contains_key("repositories") {
        config.settings.retain(|line| line.key != "repositories");
        config.tables.retain(|(table, _)| !is_repository(table));
    }
    config.tables.retain(|(table, _)| !present.contains_key(table));
}

/// The merged file; a value that our agent refuses is left out and reported.
fn valid(text: &str, path: &std::path::Path, config: &mut AgentConfig) -> Result<String, MigrationError> {
    loop {
        let merged = merge(text, config);
        let refused = match Config::parse(&merged, path) {
            Ok(_config) => return Ok(merged),
            Err(error @ ConfigError::Value { .. }) => error,
            Err(error) => return Err(error.into()),
        };
        let ConfigError::Value { key, .. } = &refused else {
            return Err(refused.into());
        };
        let size = |config: &AgentConfig| config.settings.len() + config.tables.len();
        let before = size(config);
        // Of a key in a table the name says the table first: `waptwua.filter`.
        let first = key.split('.').next().unwrap_or(key);
        config.settings.retain(|line| line.key != first);
        config.tables.retain(|(table, _)| table != first);
        if first == "repositories" || first == "repository" {
            config.settings.retain(|line| line.key != "repositories");
            config.tables.retain(|(table, _)| !is_repository(table));
        }
        if before == size(config) {
            return Err(refused.into());
        }
        config
            .report
            .push(Item::not_taken(format!("agent.toml {key}"), chain(&refused)));
    }
}

fn is_repository(table: &str) -> bool {
    table.starts_with("repository.")
}

/// Settings stand before the first table of the file, new tables behind everything.
fn merge(text: &str, config: &AgentConfig) -> String {
    if config.settings.is_empty() && config.tables.is_empty() {
        return text.to_owned();
    }
    let settings = agent_config::text_of(&config.settings, &[]);
    let tables = agent_config::text_of(&[], &config.tables);
    let separator = if text.is_empty() || text.ends_with('\n') {
        ""
    } else {
        "\n"
    };
    let header = if settings.is_empty() {
        ""
    } else {
        "# From wapt-get.ini.\n"
    };
    format!("{header}{settings}{text}{separator}{tables}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(ini: &str, toml: &str, uuid: Option<&str>) -> (String, MigrationReport) {
        let place = tempfile::tempdir().unwrap();
        let paths = Paths::new(Some(&place.path().join("root")));
        let folder = place.path().join("wapt");
        fs_err::create_dir_all(&folder).unwrap();
        fs_err::write(folder.join("wapt-get.ini"), ini).unwrap();
        if !toml.is_empty() {
            fs_err::create_dir_all(paths.config_file().parent().unwrap()).unwrap();
            fs_err::write(paths.config_file(), toml).unwrap();
        }
        let base = Base::find(Some(&folder)).unwrap();
        let contents = Contents {
            uuid: uuid.map(str::to_owned),
            ..Contents::default()
        };
        let mut report = MigrationReport::default();
        take(
            &paths,
            &base,
            &contents,
            false,
            Timestamp::UNIX_EPOCH,
            &mut report,
        )
        .unwrap();
        let text = fs_err::read_to_string(paths.config_file()).unwrap_or_default();
        Config::parse(&text, &paths.config_file()).unwrap();
        (text, report)
    }

    #[test]
    fn settings_come_before_the_tables_of_the_file_and_its_own_stay() {
        let (text, report) = taken(
            "[global]\nmaturities=DEV\nuse_hostpackages=1\nlocales=fr\n",
            "locales = [\"en\"]\n\n[signers]\n",
            Some("ABC-1"),
        );
        assert_eq!(
            text,
            "# From wapt-get.ini.\nmaturities = [\"DEV\"]\nuse_hostpackages = true\nuuid = \"ABC-1\"\n\
             locales = [\"en\"]\n\n[signers]\n"
        );
        let locales = report
            .items
            .iter()
            .find(|item| item.object == "[global] locales")
            .unwrap();
        assert_eq!(locales.fate, Fate::NotTaken);
    }

    #[test]
    fn a_second_time_changes_nothing() {
        let ini = "[global]\nmaturities=DEV\nuse_hostpackages=1\n";
        let (first, _) = taken(ini, "", Some("ABC-1"));
        let (second, report) = taken(ini, &first, Some("ABC-1"));
        assert_eq!(first, second);
        assert_eq!(report.count(Fate::Taken) + report.count(Fate::Changed), 0);
        assert_eq!(report.count(Fate::NotTaken), 0, "{report:?}");
    }
}
