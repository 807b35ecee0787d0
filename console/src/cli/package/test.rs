//! `muster package test`: a package installed, audited and removed, and what that changed.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use clap::Args;
use muster_shared::catalogue::{Capabilities, Catalogue};
use muster_shared::control::Control;
use muster_shared::request::Request;

use super::agent_argument::AgentArgument;
use super::choice::{ChoiceArguments, Wish};
use crate::admin::external_repository::{ExternalRepository, SignerTrust};
use crate::admin::try_package::{Changes, Trial, TrialReport, usual_folders};
use crate::cli::failure::{Outcome, Refusal};
use crate::cli::output::{Tone, shown};
use crate::cli::repository_choice::{TrustArguments, own_trust};
use crate::cli::signer::SignerArguments;
use crate::cli::{Shell, block_on};

/// Paths of one kind that are shown; JSON has all of them.
const SHOWN: usize = 30;
/// How deep dependencies may go.
const MAX_NEEDED: usize = 1000;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  muster package test demo-hello                        a folder of sources
  muster package test demo-hello_1.0-0.wapt             a package that you signed
  muster package test demo-office --deps-from /srv/www/wapt --deps-trust certs
  muster package test demo-hello --watch /srv --keep
      what it changes below /srv; the agent's folder stays

The package is installed by an agent of its own below a temporary folder, signed by a key made for
this. Path helpers such as programfiles() lead below that folder; whatever else the scripts do,
they do to this machine, as the user who calls: use a machine made for tests.

Shown is what appeared, what changed, and what the removal left over. Exit code 0 when every step
said OK.")]
pub(crate) struct Test {
    /// A folder of sources, a package file, or a package of your repository
    #[arg(value_name = "DIR|FILE|NAME")]
    package: String,
    /// Take what the package needs from this repository: a name kept, an address or a folder
    #[arg(long, value_name = "REPOSITORY")]
    deps_from: Option<String>,
    /// Folder of the certificates of that repository's signers [default: those kept with its name, else your own]
    #[arg(long, value_name = "DIR")]
    deps_trust: Option<PathBuf>,
    /// The machine to choose packages for: its capabilities (JSON) [default: this machine]
    #[arg(long, value_name = "FILE")]
    capabilities: Option<PathBuf>,
    /// Watch this folder; may be repeated [default: where software is usually installed]
    #[arg(long = "watch", value_name = "DIR")]
    watched: Vec<PathBuf>,
    /// Keep the throw-away agent's folder
    #[arg(long)]
    keep: bool,
    #[command(flatten)]
    agent: AgentArgument,
    #[command(flatten)]
    choice: ChoiceArguments,
    #[command(flatten)]
    signer: SignerArguments,
}

pub(super) fn run(arguments: &Test, shell: &mut Shell) -> anyhow::Result<Outcome> {
    let agent = arguments.agent.find()?;
    let capabilities = capabilities(arguments, shell)?;
    let folder = tempfile::Builder::new().prefix("muster-test-").tempdir()?;
    let maturities = ["PROD", "PREPROD", "DEV"]
        .into_iter()
        .fold(capabilities.maturities.clone(), with);
    let source = Path::new(&arguments.package);
    let (trial, tried, script) = if source.is_dir() {
        crate::admin::build::check(source)?;
        let control = muster_shared::package::build::read_control(source)?;
        let maturities = with(maturities, control.maturity());
        let trial = Trial::prepare(folder.path(), agent, &maturities, shell.now)?;
        let tried = trial.build(source, shell.now)?;
        (
            trial,
            tried,
            fs_err::read(source.join("setup.py")).unwrap_or_default(),
        )
    } else {
        let chosen =
            arguments
                .choice
                .choose(&arguments.package, &Wish::default(), &arguments.signer, shell)?;
        let maturities = with(maturities, chosen.package().control().maturity());
        let trial = Trial::prepare(folder.path(), agent, &maturities, shell.now)?;
        let tried = trial.copy(chosen.package(), shell.now)?;
        let script = chosen.package().setup_py().unwrap_or_default().to_vec();
        (trial, tried, script)
    };
    let script = String::from_utf8_lossy(&script);
    let needed = needed(arguments, &trial, &tried.1, capabilities, shell)?;
    let watched = if arguments.watched.is_empty() {
        usual_folders()
    } else {
        arguments.watched.clone()
    };
    let output = &mut shell.output;
    let report = trial.run(&needed, &tried, &watched, |step| output.note(format!("{step}…")));
    shell.output.json(&report)?;
    show(&report, &script, &trial.root(), shell)?;
    if arguments.keep {
        let kept = folder.keep();
        shell
            .output
            .note(format!("the agent's folder stays: {}", shown(&kept)));
    }
    if report.passed {
        return Ok(Outcome::Done);
    }
    let failed: Vec<&str> = report
        .steps
        .iter()
        .filter(|step| !step.ok)
        .map(|step| step.step.as_str())
        .collect();
    Err(Refusal::new(format!("{} failed: {}", report.package, failed.join(", "))).into())
}

fn with(mut maturities: Vec<String>, own: &str) -> Vec<String> {
    if !own.is_empty() && !maturities.iter().any(|one| one == own) {
        maturities.push(own.to_owned());
    }
    maturities
}

fn capabilities(arguments: &Test, shell: &Shell) -> anyhow::Result<Capabilities> {
    let Some(path) = &arguments.capabilities else {
        return Ok(Capabilities {
            now: shell.now,
            ..Capabilities::default()
        });
    };
    let text = fs_err::read_to_string(path)?;
    let read: Capabilities = serde_json::from_str(&text)
        .map_err(|error| Refusal::new(format!("cannot understand {}: {error}", path.display())))?;
    Ok(Capabilities {
        now: shell.now,
        ..read
    })
}

/// What the package needs, what is needed first before what needs it, copied for the trial.
fn needed(
    arguments: &Test,
    trial: &Trial,
    control: &Control,
    capabilities: Capabilities,
    shell: &mut Shell,
) -> anyhow::Result<Vec<(PathBuf, Control)>> {
    let requests = control.depends_list();
    if requests.is_empty() {
        return Ok(Vec::new());
    }
    let Some(from) = &arguments.deps_from else {
        return Err(
            Refusal::new(format!("{} needs {}", control.package(), control.depends()))
                .hint("name the repository that has it with --deps-from")
                .into(),
        );
    };
    let mut repository = TrustArguments::trusting(arguments.deps_trust.clone()).look(shell, from)?;
    if !repository.trust.is_verified() {
        // Without other signers, those whose packages are one's own.
        let others = arguments.choice.trust.as_deref();
        repository.trust = SignerTrust::Signers(own_trust(shell, &arguments.signer, others)?);
    }
    let catalogue = Catalogue::new(block_on(repository.list(shell.now))??.entries, &capabilities);
    let mut order = Vec::new();
    let mut seen = BTreeSet::from([control.package().to_owned()]);
    for request in &requests {
        collect(&catalogue, request, control.package(), &mut seen, &mut order)?;
    }
    let mut copies = Vec::new();
    for place in order {
        copies.push(copy(&repository, place, trial, shell)?);
    }
    Ok(copies)
}

fn copy(
    repository: &ExternalRepository,
    entry: &muster_shared::index::IndexEntry,
    trial: &Trial,
    shell: &Shell,
) -> anyhow::Result<(PathBuf, Control)> {
    let fetched = block_on(repository.fetch(entry, shell.now, |_read, _all| {}))??;
    Ok(trial.copy(&fetched.package, shell.now)?)
}

fn collect<'a>(
    catalogue: &'a Catalogue,
    request: &Request,
    parent: &str,
    seen: &mut BTreeSet<String>,
    order: &mut Vec<&'a muster_shared::index::IndexEntry>,
) -> anyhow::Result<()> {
    enum Todo<'a> {
        Enter(Request, String),
        Leave(&'a muster_shared::index::IndexEntry),
    }
    let mut todo = vec![Todo::Enter(request.clone(), parent.to_owned())];
    while let Some(next) = todo.pop() {
        match next {
            Todo::Leave(entry) => order.push(entry),
            Todo::Enter(request, parent) => {
                if !seen.insert(request.name.clone()) {
                    continue;
                }
                if seen.len() > MAX_NEEDED {
                    return Err(Refusal::new(format!("more than {MAX_NEEDED} packages are needed")).into());
                }
                let entry = catalogue.best(&request).ok_or_else(|| {
                    Refusal::new(format!(
                        "{parent} needs {request}, which the repository does not have for this machine"
                    ))
                })?;
                todo.push(Todo::Leave(entry));
                for request in entry.control.depends_list() {
                    todo.push(Todo::Enter(request, entry.control.package().to_owned()));
                }
            }
        }
    }
    Ok(())
}

fn show(report: &TrialReport, script: &str, root: &Path, shell: &mut Shell) -> anyhow::Result<()> {
    for step in &report.steps {
        let (tone, word) = if step.ok {
            (Tone::Good, "OK    ")
        } else {
            (Tone::Bad, "FAILED")
        };
        let word = shell.output.tone(tone, word);
        shell
            .output
            .line(format!("{word}  {}: {}", step.step, step.summary))?;
        for line in step.log.lines() {
            shell.output.line(format!("        {line}"))?;
        }
    }
    let sections = [
        ("the installation", &report.installed),
        ("left over after the removal", &report.left_over),
    ];
    for (title, changes) in sections {
        shell.output.line("")?;
        shell.output.line(shell.output.tone(Tone::Strong, title))?;
        if !show_changes(changes, root, shell)? {
            shell.output.line("  nothing")?;
        }
    }
    let keys: Vec<String> = report
        .installed
        .new_uninstall_keys
        .iter()
        .filter(|key| !script.contains(key.as_str()))
        .map(|key| format!("{key:?}"))
        .collect();
    if !keys.is_empty() {
        shell.output.note(format!(
            "setup.py may name them: uninstallkey = [{}]",
            keys.join(", ")
        ));
    }
    Ok(())
}

fn show_changes(changes: &Changes, root: &Path, shell: &mut Shell) -> anyhow::Result<bool> {
    let mut has_any = false;
    let paths = [
        ("created", &changes.created),
        ("changed", &changes.changed),
        ("deleted", &changes.deleted),
    ];
    for (word, paths) in paths {
        for path in paths.iter().take(SHOWN) {
            // Below the trial's root a script sees the path without it.
            let shown = match path.strip_prefix(root) {
                Ok(inside) => format!(
                    "{} (in the trial's folder)",
                    Path::new("/").join(inside).display()
                ),
                Err(_on_machine) => path.display().to_string(),
            };
            shell.output.line(format!("  {word}  {shown}"))?;
            has_any = true;
        }
        if paths.len() > SHOWN {
            shell.output.line(format!(
                "  {word}  and {} more; --json lists all",
                paths.len() - SHOWN
            ))?;
        }
    }
    let names = [
        ("software appeared", &changes.new_uninstall_keys),
        ("software gone", &changes.gone_uninstall_keys),
        ("service appeared", &changes.new_services),
        ("service gone", &changes.gone_services),
    ];
    for (word, names) in names {
        for name in names {
            shell.output.line(format!("  {word}: {name}"))?;
            has_any = true;
        }
    }
    if changes.is_partial {
        shell
            .output
            .note("the watched folders hold too many files: not all are compared");
    }
    Ok(has_any)
}
