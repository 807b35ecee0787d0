//! `muster package import`: packages of another repository become one's own.

mod list;

use std::path::{Path, PathBuf};

use clap::Args;
use muster_shared::request::Request;
use serde::Serialize;

use super::edit::upload;
use crate::admin::external_repository::{ExternalRepository, Listing, SignerTrust};
use crate::admin::import::{self, ImportPlan, ImportWishes, Own, PlannedImport, Relation, Skipped};
use crate::cli::failure::{self, Outcome, Refusal};
use crate::cli::output::{Table, shown};
use crate::cli::repository_choice::{TrustArguments, own_repository};
use crate::cli::signer::SignerArguments;
use crate::cli::{Shell, block_on, connection};

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  muster package import --list --from store
      what it has, and what of it you have
  muster package import --list firefox --from store --newer     only what is new or newer here
  muster package import tis-firefox tis-vlc --from store        signed by you, in this folder
  muster package import tis-firefox --from store --with-dependencies --maturity DEV --upload
  muster package import --from store --newer --dry-run
      all that is newer here, if it were imported
  muster package import --from /srv/packages --unverified       every .wapt file of a folder

REPOSITORY is a name kept by `muster import-source add`, an https:// address or a folder with
packages, or one .wapt file. The package is verified against the signers of that repository
(--trust, kept with its name), renamed to your prefix in its name, depends and conflicts, and
signed by you. When you have that software version already, the packaging is raised above yours.

One that fails does not hold the others back; the exit code is then 3.")]
pub(crate) struct Import {
    /// Names or requests such as 'tis-vlc(=3.0)' [default: all]; with --list: words that are searched for
    #[arg(value_name = "PACKAGE")]
    names: Vec<String>,
    /// The other repository
    #[arg(long, value_name = "REPOSITORY")]
    from: String,
    /// Show what the other repository has; import nothing
    #[arg(long)]
    list: bool,
    /// Show what would be imported; import nothing
    #[arg(long, conflicts_with = "list")]
    dry_run: bool,
    /// Only what is new here or newer than yours
    #[arg(long)]
    newer: bool,
    /// Also what the packages need and you do not have
    #[arg(long)]
    with_dependencies: bool,
    /// Your prefix, put in place of theirs [default: the prefix in your settings]
    #[arg(long)]
    prefix: Option<String>,
    /// Keep their names
    #[arg(long, conflicts_with = "prefix")]
    keep_prefix: bool,
    /// Maturity of your copies [default: as theirs]
    #[arg(long, value_name = "MATURITY")]
    maturity: Option<String>,
    /// Take packages of this maturity; may be repeated [default: PROD]
    #[arg(long = "from-maturity", value_name = "MATURITY")]
    from_maturities: Vec<String>,
    /// Take packages of this architecture, and those for all; may be repeated
    #[arg(long = "architecture", value_name = "ARCHITECTURE")]
    architectures: Vec<String>,
    /// Take packages of this language, and those for all; may be repeated
    #[arg(long = "locale", value_name = "LANGUAGE")]
    locales: Vec<String>,
    /// With --list: every version, not only the newest
    #[arg(long, requires = "list")]
    all_versions: bool,
    /// Folder for your copies [default: this one]
    #[arg(long, short = 'o', value_name = "DIR", conflicts_with = "upload")]
    out: Option<PathBuf>,
    /// Upload your copies to the server
    #[arg(long)]
    upload: bool,
    /// Your repository, that theirs is compared with [default: that of the server in use, else the folder of --out]
    #[arg(long, value_name = "REPOSITORY")]
    repo: Option<String>,
    #[command(flatten)]
    trust: TrustArguments,
    #[command(flatten)]
    signer: SignerArguments,
}

#[derive(Serialize)]
struct Done<'a> {
    imported: &'a [Imported],
    skipped: &'a [Skipped],
    failed: &'a [Failed],
}

#[derive(Serialize)]
struct Imported {
    #[serde(flatten)]
    planned: PlannedImport,
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<PathBuf>,
    uploaded: bool,
}

#[derive(Serialize)]
struct Failed {
    package: String,
    version: String,
    reason: String,
}

pub(super) fn run(arguments: &Import, shell: &mut Shell) -> anyhow::Result<Outcome> {
    let settings = shell.settings()?;
    let prefix = match &arguments.prefix {
        _ if arguments.keep_prefix => None,
        Some(prefix) => Some(prefix.clone()),
        None => settings.prefix,
    };
    if let Some(prefix) = &prefix {
        check_prefix(prefix)?;
    }
    if let Some(maturity) = &arguments.maturity {
        crate::admin::promote::check_maturity(maturity)?;
    }
    let mut wishes = ImportWishes {
        wanted: Vec::new(),
        prefix,
        architectures: arguments.architectures.clone(),
        locales: arguments.locales.clone(),
        from_maturities: arguments.from_maturities.clone(),
        maturity: arguments.maturity.clone(),
        with_dependencies: arguments.with_dependencies,
        only_newer: arguments.newer,
    };
    if arguments.list {
        return list::run(arguments, &wishes, shell);
    }
    for name in &arguments.names {
        wishes.wanted.push(Request::parse(name)?);
    }
    let repository = arguments.trust.open(shell, &arguments.from)?;
    warn(&repository, wishes.prefix.as_deref(), shell);
    let listing = block_on(repository.list())??;
    let own = own(arguments, shell)?;
    let plan = import::plan(&listing.entries, &own, &wishes)?;
    if arguments.dry_run {
        return dry_run(&plan, shell);
    }
    carry_out(arguments, &repository, &wishes, plan, shell)
}

fn check_prefix(prefix: &str) -> anyhow::Result<()> {
    let is_letter = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '_' | '.');
    if prefix.is_empty() || !prefix.chars().all(is_letter) {
        return Err(Refusal::new(format!("{prefix:?} cannot be a prefix"))
            .hint("use letters and digits without a dash, for example the short name of your organisation")
            .into());
    }
    Ok(())
}

fn warn(repository: &ExternalRepository, prefix: Option<&str>, shell: &mut Shell) {
    if !repository.trust.is_verified() {
        shell.output.note(format!(
            "warning: nobody vouches for the packages of {}: read their setup.py before you publish them",
            repository.name
        ));
    }
    if prefix.is_none() {
        shell.output.note(
            "note: names stay as they are; --prefix, or prefix in your settings, puts your own in front",
        );
    }
}

/// One's own packages: those of the server, of the repository named, or of the folder that is written to.
fn own(arguments: &Import, shell: &Shell) -> anyhow::Result<Own> {
    let known = own_repository(shell, arguments.repo.as_deref(), SignerTrust::Unverified)?;
    let repository = known.or_else(|| {
        let out = arguments.out.clone().unwrap_or_else(|| PathBuf::from("."));
        out.is_dir().then(|| ExternalRepository {
            name: out.display().to_string(),
            place: crate::admin::external_repository::Place::Folder(out),
            trust: SignerTrust::Unverified,
        })
    });
    let listing = match repository {
        Some(repository) => block_on(repository.list())??,
        None => Listing::default(),
    };
    Ok(Own::new(listing.entries.iter().map(|entry| &entry.control)))
}

fn dry_run(plan: &ImportPlan, shell: &mut Shell) -> anyhow::Result<Outcome> {
    shell.output.json(plan)?;
    if !plan.imports.is_empty() {
        let mut table = Table::new(vec![
            "PACKAGE",
            "VERSION",
            "HERE AS",
            "VERSION",
            "MATURITY",
            "IS",
            "NEEDED BY",
        ]);
        for planned in &plan.imports {
            table.row(vec![
                planned.from_package.clone(),
                planned.from_version.clone(),
                planned.package.clone(),
                planned.version.clone(),
                planned.maturity.clone(),
                planned.relation.as_str().to_owned(),
                planned.needed_by.clone().unwrap_or_default(),
            ]);
        }
        table.write(&mut shell.output)?;
    }
    say_skipped(&plan.skipped, shell);
    let bytes: u64 = plan.imports.iter().map(|planned| planned.size).sum();
    shell.output.note(format!(
        "{} packages would be imported, {} KiB; nothing was changed",
        plan.imports.len(),
        bytes / 1024
    ));
    Ok(Outcome::Done)
}

fn say_skipped(skipped: &[Skipped], shell: &mut Shell) {
    for one in skipped {
        shell.output.note(format!(
            "left alone: {} {}: {}",
            one.package, one.version, one.reason
        ));
    }
}

fn carry_out(
    arguments: &Import,
    repository: &ExternalRepository,
    wishes: &ImportWishes,
    plan: ImportPlan,
    shell: &mut Shell,
) -> anyhow::Result<Outcome> {
    say_skipped(&plan.skipped, shell);
    let temporary = tempfile::tempdir()?;
    let out = match &arguments.out {
        _ if arguments.upload => temporary.path().to_owned(),
        Some(out) => out.clone(),
        None => PathBuf::from("."),
    };
    fs_err::create_dir_all(&out)?;
    if arguments.upload {
        connection::client(shell)?;
    }
    let signer = if plan.imports.is_empty() {
        None
    } else {
        Some(arguments.signer.signer(shell)?)
    };
    let (mut imported, mut failed) = (Vec::new(), Vec::new());
    let is_single = plan.imports.len() == 1;
    for planned in plan.imports {
        let Some(signer) = &signer else { break };
        let output = &mut shell.output;
        let name = planned.from_package.clone();
        let work = import::import(
            repository,
            &planned,
            wishes.prefix.as_deref(),
            &out,
            signer.as_ref(),
            shell.now,
            |read, all| {
                let percent = u128::from(read) * 100 / u128::from(all.max(1));
                output.progress(&format!("{name}: {percent} %"));
            },
        );
        let done = block_on(work)?.map_err(anyhow::Error::from);
        shell.output.clear_progress();
        let done = done.and_then(|path| publish(arguments, &path, shell).map(|()| path));
        match done {
            Ok(path) => {
                say_imported(&planned, repository, &path, arguments.upload, shell)?;
                imported.push(Imported {
                    planned,
                    path: (!arguments.upload).then_some(path),
                    uploaded: arguments.upload,
                });
            }
            Err(error) if is_single => return Err(error),
            Err(error) => {
                failed.push(Failed {
                    package: planned.from_package.clone(),
                    version: planned.from_version.clone(),
                    reason: format!("{error:#}"),
                });
                let error = error.context(format!("{} was not imported", planned.from_package));
                failure::report(&error, shell.output.is_json());
            }
        }
    }
    shell.output.json(&Done {
        imported: &imported,
        skipped: &plan.skipped,
        failed: &failed,
    })?;
    if imported.is_empty() && failed.is_empty() {
        shell.output.note("nothing is to be imported");
    }
    Ok(if failed.is_empty() {
        Outcome::Done
    } else {
        Outcome::Partly
    })
}

fn publish(arguments: &Import, path: &Path, shell: &mut Shell) -> anyhow::Result<()> {
    if arguments.upload {
        upload(path, shell)
    } else {
        Ok(())
    }
}

fn say_imported(
    planned: &PlannedImport,
    repository: &ExternalRepository,
    path: &Path,
    uploaded: bool,
    shell: &mut Shell,
) -> anyhow::Result<()> {
    let place = if uploaded {
        "published".to_owned()
    } else {
        shown(path)
    };
    shell.output.line(format!(
        "{} {} of {} as {} {}: {place}",
        planned.from_package, planned.from_version, repository.name, planned.package, planned.version
    ))?;
    if planned.relation == Relation::Older {
        shell.output.note(format!(
            "note: you have a newer {}; machines take this one only when it is asked for by version",
            planned.package
        ));
    }
    Ok(())
}
