//! `muster package import`: packages of another repository become one's own.

mod list;

use std::collections::BTreeSet;
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

Without names, packages of the sections base and group are taken, and what becomes a name that you
have already only when it is visibly the same software. Packages that act or grant rights without
being asked for (unit, profile, selfservice, wsus, waptwua, restricted) are named, with
--any-section. Control attributes that the format does not know are dropped, see --keep-unknown.

One that fails does not hold the others back; the exit code is then 3, and 1 when nothing was
imported.")]
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
    /// With names: also packages of the sections unit, profile, selfservice, wsus, waptwua and restricted
    #[arg(long, requires = "names")]
    any_section: bool,
    /// Keep and sign control attributes that the format does not know
    #[arg(long)]
    keep_unknown: bool,
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
        any_section: arguments.any_section,
        keep_unknown: arguments.keep_unknown,
    };
    if arguments.list {
        return list::run(arguments, &wishes, shell);
    }
    for name in &arguments.names {
        wishes.wanted.push(Request::parse(name)?);
    }
    let mut repository = arguments.trust.open(shell, &arguments.from)?;
    let mut listing = block_on(repository.list(shell.now))??;
    warn(
        &repository,
        &listing,
        &wishes.wanted,
        wishes.prefix.as_deref(),
        shell,
    );
    let bad = sort_out(&repository, &mut listing, &wishes, shell)?;
    let own = own(arguments, shell)?;
    let plan = import::plan(&listing.entries, &own, &wishes)?;
    if arguments.dry_run {
        return dry_run(&plan, !bad.is_empty(), shell);
    }
    carry_out(arguments, &repository, &wishes, plan, bad, shell)
}

/// Names the files that cannot be read or are refused, and takes them out of the listing. Those that nobody asked
/// for are named and do not count.
fn sort_out(
    repository: &ExternalRepository,
    listing: &mut Listing,
    wishes: &ImportWishes,
    shell: &mut Shell,
) -> anyhow::Result<Vec<Failed>> {
    let is_everything = wishes.wanted.is_empty();
    let mut bad = Vec::new();
    for left_out in &listing.left_out {
        if is_everything {
            let refusal = Refusal::new(format!("left out: {left_out}"));
            failure::report(&refusal.into(), shell.output.is_json());
            bad.push(Failed {
                package: String::new(),
                version: String::new(),
                reason: left_out.clone(),
            });
        } else {
            shell.output.note(format!("left out: {left_out}"));
        }
    }
    let refused = repository.sort_out(listing, shell.now, |control| {
        is_everything
            || wishes.with_dependencies
            || wishes.wanted.iter().any(|one| one.name == control.package())
    });
    if bad.is_empty() && refused.len() == 1 && listing.entries.is_empty() {
        let only = refused.into_iter().next();
        return only.map_or(Ok(bad), |(_entry, error)| Err(error.into()));
    }
    for (entry, error) in refused {
        let error = anyhow::Error::from(error);
        bad.push(Failed {
            package: entry.control.package().to_owned(),
            version: entry.control.version().to_owned(),
            reason: format!("{error:#}"),
        });
        let error = error.context(format!("{} was not imported", entry.filename));
        failure::report(&error, shell.output.is_json());
    }
    Ok(bad)
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

fn warn(
    repository: &ExternalRepository,
    listing: &Listing,
    wanted: &[Request],
    prefix: Option<&str>,
    shell: &mut Shell,
) {
    if !repository.trust.is_verified() {
        shell.output.note(format!(
            "warning: nobody vouches for the packages of {}: read their setup.py before you publish them",
            repository.name
        ));
    }
    let Some(prefix) = prefix else {
        shell.output.note(
            "note: names stay as they are; --prefix, or prefix in your settings, puts your own in front",
        );
        return;
    };
    let dashless: Vec<&str> = listing
        .entries
        .iter()
        .map(|entry| entry.control.package())
        .filter(|name| wanted.iter().any(|one| one.name == *name) && !name.contains('-'))
        .collect::<BTreeSet<_>>()
        .into_iter()
        .collect();
    if !dashless.is_empty() {
        shell.output.note(format!(
            "note: {} has no prefix that {prefix} could replace: the name stays",
            dashless.join(", ")
        ));
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
        Some(mut repository) => block_on(repository.list(shell.now))??,
        None => Listing::default(),
    };
    Ok(Own::new(listing.entries.iter().map(|entry| &entry.control)))
}

fn dry_run(plan: &ImportPlan, has_bad: bool, shell: &mut Shell) -> anyhow::Result<Outcome> {
    shell.output.json(plan)?;
    if !plan.imports.is_empty() {
        let mut table = Table::new(vec![
            "SECTION",
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
                planned.section.clone(),
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
    Ok(ended(has_bad, plan.imports.is_empty()))
}

/// How it ended: a failure beside imports is partly, one without any is no.
fn ended(has_failed: bool, is_nothing: bool) -> Outcome {
    match (has_failed, is_nothing) {
        (false, _) => Outcome::Done,
        (true, true) => Outcome::Refused,
        (true, false) => Outcome::Partly,
    }
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
    mut failed: Vec<Failed>,
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
    let mut imported = Vec::new();
    let is_single = plan.imports.len() == 1 && failed.is_empty();
    for planned in plan.imports {
        let Some(signer) = &signer else { break };
        let output = &mut shell.output;
        let name = planned.from_package.clone();
        let work = import::import(
            repository,
            &planned,
            wishes,
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
    Ok(ended(!failed.is_empty(), imported.is_empty()))
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
