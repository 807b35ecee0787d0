//! `muster migrate …`: what a WAPT installation has, taken over with a report.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::{Args, Subcommand};
use muster_shared::control::Section;
use muster_shared::hint::chain;
use secrecy::SecretString;

use super::failure::{Outcome, Refusal};
use super::output::Tone;
use super::repository_choice::TrustArguments;
use super::secret::SecretSource;
use super::{Shell, block_on, connection};
use crate::admin::migrate::keys::NewPassword;
use crate::admin::migrate::repository::{Migration, TakenPackage};
use crate::admin::migrate::{Fate, Item, MigrationReport, agent_config, ini, keys, repository};
use crate::admin::upload;
use crate::client::{Client, Precondition};

/// No configuration of an agent is longer, in bytes.
const MAX_INI_BYTES: u64 = 256 * 1024;

#[derive(Debug, Subcommand)]
pub(crate) enum MigrateCommand {
    /// Take the packages of a WAPT repository, unchanged
    Repository(Repository),
    /// Look at a folder of keys and certificates, and write the keys in today's form
    Keys(Keys),
    /// Translate a wapt-get.ini to agent.toml
    AgentConfig(AgentConfig),
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  muster migrate repository /var/www/wapt --trust certs
      only look: what would be taken
  muster migrate repository /var/www/wapt --trust certs --out repo
      copies in repo, host packages in repo-host
  muster migrate repository https://srv/wapt --ca srv.crt --trust certs --upload
  muster repo index repo
      then: an index of what was taken

Packages are checked and copied byte for byte: their signatures stay valid, so that agents that
trust the signer install them. Without --trust only their wholeness is checked. Nothing is written
over.

Exit code 0 when everything was taken, 3 when something was not; the report says why.")]
pub(crate) struct Repository {
    /// The folder of the repository (or the one that holds wapt and wapt-host), or its address
    #[arg(value_name = "DIR|URL")]
    from: String,
    #[command(flatten)]
    trust: TrustArguments,
    /// Copy packages into this folder, host packages into DIR-host
    #[arg(long, short = 'o', value_name = "DIR")]
    out: Option<PathBuf>,
    /// Send what is taken to the server
    #[arg(long)]
    upload: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  muster migrate keys C:\\private                                only look
  muster migrate keys keys --out new-keys                       asks for the password of each key
  muster migrate keys keys --out new-keys --password-file passwords.txt --no-password

Each certificate is shown with what its holder may do. Keys are written as PKCS#8, encrypted with
the password that they had. In the file of passwords each line is one; all are tried on every key.

Exit code 0 when everything was taken, 3 when something was not.")]
pub(crate) struct Keys {
    /// The folder of .pem, .crt, .cer and .key files
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// Write keys and certificates into this folder
    #[arg(long, short = 'o', value_name = "DIR")]
    out: Option<PathBuf>,
    /// Passwords of the keys, one a line [else asked]
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
    /// The password for keys that have none: the first line of this file
    #[arg(long, value_name = "FILE")]
    new_password_file: Option<PathBuf>,
    /// Leave keys that have no password without one
    #[arg(long, conflicts_with = "new_password_file")]
    no_password: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  muster migrate agent-config wapt-get.ini
      prints agent.toml, the report goes beside it
  muster migrate agent-config wapt-get.ini -o agent.toml
  muster migrate agent-config wapt-get.ini --json

The address of the server is taken as it is: change wapt_server when the new server has another
name.

Exit code 0 when every key was taken, 3 when some were not; the report says why.")]
pub(crate) struct AgentConfig {
    /// The old configuration
    #[arg(value_name = "FILE")]
    ini: PathBuf,
    /// Write agent.toml here [default: standard output]
    #[arg(long, short = 'o', value_name = "FILE")]
    output: Option<PathBuf>,
}

pub(crate) fn run(command: MigrateCommand, shell: &mut Shell) -> anyhow::Result<Outcome> {
    match command {
        MigrateCommand::Repository(arguments) => migrate_repository(&arguments, shell),
        MigrateCommand::Keys(arguments) => migrate_keys(&arguments, shell),
        MigrateCommand::AgentConfig(arguments) => migrate_agent_config(&arguments, shell),
    }
}

fn migrate_repository(arguments: &Repository, shell: &mut Shell) -> anyhow::Result<Outcome> {
    let mut opened = arguments.trust.look(shell, &arguments.from)?;
    // What is sent without being kept lies in a folder of its own meanwhile.
    let meanwhile = if arguments.upload && arguments.out.is_none() {
        Some(tempfile::tempdir().context("cannot make a folder for the copies")?)
    } else {
        None
    };
    let kept = meanwhile.as_ref().map(|folder| folder.path().join("wapt"));
    let out = arguments.out.as_deref().or(kept.as_deref());
    let client = if arguments.upload {
        Some(connection::client(shell)?)
    } else {
        None
    };
    let mut migrated = block_on(async {
        if let Some(client) = &client {
            // A session that has ended is said before anything is copied.
            client.who_am_i().await?;
        }
        let listing = opened.list(shell.now).await;
        let migration = Migration {
            trust: &opened.trust,
            out,
            now: shell.now,
        };
        let output = &mut shell.output;
        let migrated =
            repository::migrate(&opened, listing, &migration, |name| output.progress(name)).await?;
        anyhow::Ok(migrated)
    })??;
    shell.output.clear_progress();
    if migrated.report.items.is_empty() {
        return Err(Refusal::new(format!("{} holds no packages", arguments.from))
            .hint("give the folder that holds the .wapt files: wapt, or the root of the web server above it")
            .into());
    }
    if let Some(client) = &client {
        let taken = std::mem::take(&mut migrated.taken);
        let items = block_on(upload_all(client, &taken, shell))?;
        if meanwhile.is_some() {
            // The copies are gone when the command ends.
            for item in &mut migrated.report.items {
                item.became = item
                    .became
                    .take()
                    .filter(|_| item.object.starts_with("certificate "));
            }
        }
        migrated.report.items.extend(items);
    }
    let outcome = show(&migrated.report, shell)?;
    if let (Some(out), false) = (&arguments.out, shell.output.is_json()) {
        shell
            .output
            .note(format!("next: muster repo index {}", out.display()));
    }
    Ok(outcome)
}

async fn upload_all(client: &Client, taken: &[TakenPackage], shell: &mut Shell) -> Vec<Item> {
    let mut items = Vec::new();
    for package in taken {
        let name = package
            .path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        shell.output.progress(&format!("{name}: sending…"));
        let object = format!("upload of {name}");
        let sent = if package.control.is_section(Section::Host) {
            upload_host_package(client, package).await
        } else {
            let sent = upload::upload(client, &package.path, |_sent, _all| ()).await;
            sent.map(|uploaded| uploaded.filename)
                .map_err(anyhow::Error::from)
        };
        items.push(match sent {
            Ok(filename) => Item {
                object,
                fate: Fate::Taken,
                became: Some(filename),
                reason: None,
                warnings: Vec::new(),
            },
            Err(error) => Item {
                object,
                fate: Fate::NotTaken,
                became: None,
                reason: Some(chain(error.as_ref())),
                warnings: Vec::new(),
            },
        });
    }
    shell.output.clear_progress();
    items
}

async fn upload_host_package(client: &Client, package: &TakenPackage) -> anyhow::Result<String> {
    let bytes = fs_err::read(&package.path)?;
    let sent = client
        .put_host_package(package.control.package(), bytes, &Precondition::Absent)
        .await?;
    Ok(sent.filename)
}

fn migrate_keys(arguments: &Keys, shell: &mut Shell) -> anyhow::Result<Outcome> {
    let known = match &arguments.password_file {
        Some(path) => Some(passwords(path)?),
        None => None,
    };
    let new_password = match (&arguments.new_password_file, arguments.no_password) {
        (Some(path), _) => {
            let password = SecretSource::File(path.clone()).read_new("new password")?;
            crate::admin::password::check(&password)?;
            NewPassword::Given(password)
        }
        (None, true) => NewPassword::None,
        (None, false) => NewPassword::Unknown,
    };
    let report = keys::migrate(
        &arguments.folder,
        arguments.out.as_deref(),
        &new_password,
        shell.now,
        |path, attempt| match &known {
            Some(known) => known.get(attempt).cloned(),
            None if attempt < 3 => {
                let source = SecretSource::Terminal {
                    instead: "--password-file",
                };
                source.read(&format!("password of {}", path.display())).ok()
            }
            None => None,
        },
    )?;
    show(&report, shell)
}

/// Each line of a file is a password.
fn passwords(path: &Path) -> anyhow::Result<Vec<SecretString>> {
    let mut text = zeroizing_text(path)?;
    let lines = text
        .lines()
        .filter(|line| !line.is_empty())
        .map(|line| SecretString::from(line.to_owned()))
        .collect();
    text.clear();
    Ok(lines)
}

fn zeroizing_text(path: &Path) -> anyhow::Result<String> {
    let mut text = String::new();
    fs_err::File::open(path)
        .and_then(|file| file.take(64 * 1024).read_to_string(&mut text))
        .with_context(|| format!("cannot read the passwords in {}", path.display()))?;
    Ok(text)
}

fn migrate_agent_config(arguments: &AgentConfig, shell: &mut Shell) -> anyhow::Result<Outcome> {
    if let Some(path) = &arguments.output
        && path.symlink_metadata().is_ok()
    {
        return Err(Refusal::new(format!("{} is there already", path.display()))
            .hint("choose another file with -o, or move this one away")
            .into());
    }
    let mut bytes = Vec::new();
    fs_err::File::open(&arguments.ini)
        .and_then(|file| file.take(MAX_INI_BYTES + 1).read_to_end(&mut bytes))
        .with_context(|| format!("cannot read {}", arguments.ini.display()))?;
    if bytes.len() as u64 > MAX_INI_BYTES {
        return Err(Refusal::new(format!(
            "{} is larger than any wapt-get.ini",
            arguments.ini.display()
        ))
        .into());
    }
    let parsed = ini::parse(&bytes);
    if parsed.settings.is_empty() {
        return Err(
            Refusal::new(format!("{} holds no setting", arguments.ini.display()))
                .hint("give the wapt-get.ini of an agent: it has a section [global]")
                .into(),
        );
    }
    let name = arguments.ini.file_name().unwrap_or_default().to_string_lossy();
    let config = agent_config::migrate(&parsed, &name, shell.now);
    if let Some(path) = &arguments.output {
        crate::admin::migrate::write_new(path, config.toml.as_bytes())
            .with_context(|| format!("cannot write {}", path.display()))?;
        return show(&config.report, shell);
    }
    shell.output.bytes(config.toml.as_bytes())?;
    shell
        .output
        .json(&serde_json::json!({ "toml": config.toml, "items": config.report.items }))?;
    if !shell.output.is_json() {
        for line in lines(&config.report, shell) {
            shell.output.note(line);
        }
    }
    Ok(outcome(&config.report))
}

fn show(report: &MigrationReport, shell: &mut Shell) -> anyhow::Result<Outcome> {
    shell.output.json(report)?;
    for line in lines(report, shell) {
        shell.output.line(line)?;
    }
    Ok(outcome(report))
}

fn outcome(report: &MigrationReport) -> Outcome {
    if report.count(Fate::NotTaken) > 0 {
        Outcome::Partly
    } else {
        Outcome::Done
    }
}

fn lines(report: &MigrationReport, shell: &Shell) -> Vec<String> {
    let mut lines = Vec::new();
    for item in &report.items {
        let (tone, padding) = match item.fate {
            Fate::Taken => (Tone::Good, "     "),
            Fate::Changed => (Tone::Good, "   "),
            Fate::NotNeeded => (Tone::Faint, ""),
            Fate::NotTaken => (Tone::Bad, " "),
        };
        let mut line = format!(
            "{}{padding}  {}",
            shell.output.tone(tone, item.fate.as_str()),
            item.object
        );
        if let Some(became) = &item.became {
            line.extend([" → ", became]);
        }
        if let Some(reason) = &item.reason {
            line.extend([": ", reason]);
        }
        lines.push(line);
        for warning in &item.warnings {
            lines.push(format!(
                "            {}: {warning}",
                shell.output.tone(Tone::Waiting, "warning")
            ));
        }
    }
    lines.push(format!(
        "{} taken, {} changed, {} not needed, {} not taken",
        report.count(Fate::Taken),
        report.count(Fate::Changed),
        report.count(Fate::NotNeeded),
        report.count(Fate::NotTaken)
    ));
    lines
}
