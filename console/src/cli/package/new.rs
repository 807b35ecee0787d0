//! `muster package new`: sources that work as they are, from nothing or from an installer.

use std::path::{Path, PathBuf};

use clap::Args;
use muster_shared::control::Section;
use serde::Serialize;

use crate::admin::installer::{self, Installer, Kind};
use crate::admin::template::{self, NewPackage, NewSources, helpers};
use crate::cli::Shell;
use crate::cli::failure::{Outcome, Refusal};
use crate::cli::output::shown;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  muster package new demo-hello                          WAPT/control and an explained setup.py
  muster package new hello --prefix demo                 the same name
  muster package new --from 7z2409-x64.msi --prefix demo name, version, code, publisher, icon:
      read from it
  muster package new demo-tool --from setup.exe --silent-flags /S --uninstall-key Tool
  muster package new --from hello_2.10-3_amd64.deb       a .deb, .rpm, .msu or .msix likewise
  muster package new demo-tools --from ./tools           a folder, copied to Program Files or /opt
  muster package new demo-office --section group --depends 'demo-tools,demo-hello(>=1.0)'
                                                         a group: only a list of other packages
  muster package new --section unit --dn 'OU=room1,DC=example,DC=lan' --depends demo-office
                                                         for every machine of this unit
  muster package new demo-updates --section wsus         rules for Windows Update
  muster package new demo-shop --section selfservice     who may install what

Then: edit setup.py, and `muster package build demo-hello`. PyScripter opens WAPT/wapt.psproj, VS
Code the folder: both can install, remove, audit, build and upload.")]
pub(crate) struct New {
    /// Name of the package, by custom PREFIX-NAME [default: made from what --from says]
    name: Option<String>,
    /// The installer or folder to make it from: .msi, .exe, .msu, .msix, .deb, .rpm
    #[arg(long, value_name = "FILE", alias = "from-folder")]
    from: Vec<PathBuf>,
    /// Put before the name [default: the prefix in your settings]
    #[arg(long)]
    prefix: Option<String>,
    /// Version of the software, a dash, your packaging number [default: as read, or 1.0-0]
    #[arg(long = "version", value_name = "VERSION")]
    version: Option<String>,
    /// base, restricted (never in self-service), group, unit, profile, host, wsus, waptwua or selfservice
    #[arg(long, value_name = "SECTION", default_value = "base")]
    section: Section,
    /// Distinguished name of the unit, for --section unit
    #[arg(long, value_name = "DN", conflicts_with = "name")]
    dn: Option<String>,
    /// Name of the software, for people
    #[arg(long = "name", value_name = "TEXT", id = "display_name")]
    display_name: Option<String>,
    /// One sentence for those who choose it
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
    /// Who publishes the software
    #[arg(long, value_name = "TEXT")]
    publisher: Option<String>,
    /// all, x86 or x64
    #[arg(long, value_name = "ARCH")]
    architecture: Option<String>,
    /// DEV, PREPROD or PROD; empty means PROD
    #[arg(long, value_name = "MATURITY")]
    maturity: Option<String>,
    /// Switches that make an EXE or MSU silent
    #[arg(long, value_name = "SWITCHES", allow_hyphen_values = true, requires = "from")]
    silent_flags: Option<String>,
    /// The software's name in the system's list of installed software
    #[arg(long, value_name = "KEY", requires = "from")]
    uninstall_key: Option<String>,
    /// Who looks after the package [default: the maintainer in your settings]
    #[arg(long, value_name = "TEXT")]
    maintainer: Option<String>,
    /// Packages that are installed before it, with commas between them
    #[arg(long, value_name = "LIST", default_value = "", hide_default_value = true)]
    depends: String,
    /// Make the folder of the sources in here
    #[arg(long, value_name = "DIR", default_value = ".")]
    into: PathBuf,
}

#[derive(Serialize)]
struct Made<'a> {
    folder: &'a std::path::Path,
    package: &'a str,
    version: &'a str,
    files: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    installer: Option<Read<'a>>,
    open_questions: &'a [String],
}

/// What was read from the installer.
#[derive(Serialize)]
struct Read<'a> {
    kind: &'static str,
    maker: Option<&'static str>,
    product: &'a str,
    version: &'a str,
    publisher: &'a str,
    description: &'a str,
    homepage: &'a str,
    licence: &'a str,
    architecture: &'static str,
    target_os: &'static str,
    uninstall_key: Option<&'a str>,
    silent_flags: Option<&'a str>,
    programs: &'a [String],
    installed_size: Option<u64>,
    has_icon: bool,
    facts: serde_json::Map<String, serde_json::Value>,
}

pub(super) fn run(arguments: New, shell: &mut Shell) -> anyhow::Result<Outcome> {
    let from = match arguments.from.as_slice() {
        [] => None,
        [one] => Some(one),
        many => {
            return Err(Refusal::new(format!(
                "a package is made from one installer, {} were given",
                many.len()
            ))
            .hint("run the command once for each; packages that belong together are tied by `depends`")
            .into());
        }
    };
    if let Some(name) = arguments
        .name
        .as_ref()
        .filter(|name| from.is_some() && Path::new(name).is_file())
    {
        return Err(Refusal::new(format!(
            "{name} is a file, and a second one; a package is made from one installer"
        ))
        .hint("run the command once for each")
        .into());
    }
    let settings = shell.settings()?;
    if let Some(file) = from {
        shell.output.progress(&format!("reading {}…", shown(file)));
    }
    let installer = from.map(|file| installer::read(file)).transpose()?;
    shell.output.clear_progress();
    let request = NewPackage {
        name: arguments.name,
        prefix: arguments.prefix.or(settings.prefix),
        section: arguments.section,
        dn: arguments.dn,
        version: arguments.version,
        display_name: arguments.display_name,
        description: arguments.description,
        publisher: arguments.publisher,
        architecture: arguments.architecture,
        maturity: arguments.maturity,
        maintainer: arguments.maintainer.or(settings.maintainer).unwrap_or_default(),
        depends: arguments.depends,
        silent_flags: arguments.silent_flags,
        uninstall_key: arguments.uninstall_key,
        completion: completion(arguments.section, shell),
        installer,
        parent: arguments.into,
    };
    let made = template::create(&request)?;
    show(&made, request.installer.as_ref(), shell)?;
    Ok(Outcome::Done)
}

/// The folder of `setuphelpers` for editors. Sources are useful without it.
fn completion(section: Section, shell: &mut Shell) -> Option<String> {
    if !section.carries_code() {
        return None;
    }
    let folder = shell.folder().ok()?;
    match helpers::prepare(folder.path()) {
        Ok(path) => Some(path),
        Err(error) => {
            shell
                .output
                .note(format!("note: editors will not complete setuphelpers: {error}"));
            None
        }
    }
}

fn show(made: &NewSources, installer: Option<&Installer>, shell: &mut Shell) -> anyhow::Result<()> {
    shell.output.json(&Made {
        folder: &made.folder,
        package: &made.package,
        version: &made.version,
        files: &made.files,
        installer: installer.map(read),
        open_questions: &made.open_questions,
    })?;
    if let Some(installer) = installer {
        facts(installer, made, shell)?;
        shell.output.line("")?;
    }
    // A folder's own files are many, and known.
    let inside = made
        .files
        .iter()
        .filter(|file| file.starts_with("files/"))
        .count();
    for file in made
        .files
        .iter()
        .filter(|file| inside <= 10 || !file.starts_with("files/"))
    {
        shell.output.line(shown(&made.folder.join(file)))?;
    }
    if inside > 10 {
        shell
            .output
            .line(format!("{} ({inside} files)", shown(&made.folder.join("files"))))?;
    }
    for question in &made.open_questions {
        shell.output.note(format!("to decide: {question}"));
    }
    shell
        .output
        .note(format!("next: muster package build {}", shown(&made.folder)));
    Ok(())
}

fn facts(installer: &Installer, made: &NewSources, shell: &mut Shell) -> anyhow::Result<()> {
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    let mut facts = vec![
        (
            "read from",
            format!("{} ({})", shown(&installer.path), kind(installer)),
        ),
        ("package", format!("{} {}", made.package, made.version)),
        ("product", installer.product.clone()),
        ("version", installer.version.clone()),
        ("publisher", installer.publisher.clone()),
        ("description", installer.description.clone()),
        ("homepage", installer.homepage.clone()),
        ("licence", installer.licence.clone()),
        ("architecture", installer.architecture.to_owned()),
        ("system", installer.target_os.to_owned()),
        ("silent with", text(&installer.silent_flags)),
        ("uninstall key", text(&installer.uninstall_key)),
        ("programs", installer.programs.join(", ")),
        (
            "needs on disk",
            installer
                .installed_size
                .map(|size| format!("{size} bytes"))
                .unwrap_or_default(),
        ),
        (
            "icon",
            if installer.icon.is_some() {
                "48×48, from the file"
            } else {
                "none in it"
            }
            .to_owned(),
        ),
    ];
    // What stands above already is not said twice.
    let more: Vec<_> = installer
        .facts
        .iter()
        .filter(|(label, _)| !matches!(*label, "product code" | "made with" | "architecture"))
        .map(|(label, value)| (*label, value.clone()))
        .collect();
    facts.extend(more);
    shell.output.facts(&facts)?;
    Ok(())
}

fn kind(installer: &Installer) -> String {
    match installer.kind {
        Kind::Exe(maker) => format!("EXE, {maker}"),
        kind => kind.word().to_owned(),
    }
}

fn read(installer: &Installer) -> Read<'_> {
    Read {
        kind: installer.kind.word(),
        maker: match installer.kind {
            Kind::Exe(maker) => Some(maker.name()),
            _ => None,
        },
        product: &installer.product,
        version: &installer.version,
        publisher: &installer.publisher,
        description: &installer.description,
        homepage: &installer.homepage,
        licence: &installer.licence,
        architecture: installer.architecture,
        target_os: installer.target_os,
        uninstall_key: installer.uninstall_key.as_deref(),
        silent_flags: installer.silent_flags.as_deref(),
        programs: &installer.programs,
        installed_size: installer.installed_size,
        has_icon: installer.icon.is_some(),
        facts: installer
            .facts
            .iter()
            .map(|(label, value)| ((*label).to_owned(), value.clone().into()))
            .collect(),
    }
}
