//! One package that a command works on: a file here, or one of one's own repository.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use clap::Args;
use muster_shared::index::IndexEntry;
use muster_shared::package::{Package, Verified};
use muster_shared::request::Request;
use muster_shared::version::compare_text;

use crate::admin::external_repository::{ExternalRepository, Fetched, SignerTrust, verify_file};
use crate::admin::lint::near;
use crate::admin::verify::VerifyError;
use crate::cli::failure::Refusal;
use crate::cli::repository_choice::{own_repository, own_trust};
use crate::cli::signer::SignerArguments;
use crate::cli::{Shell, block_on};

#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Where the package comes from, and who may have signed it")]
pub(crate) struct ChoiceArguments {
    /// Your repository: an address or a folder [default: that of the server in use]
    #[arg(long, value_name = "REPOSITORY")]
    repo: Option<String>,
    /// Folder of certificates that are trusted besides your own and its CAs
    #[arg(long, value_name = "DIR")]
    pub(super) trust: Option<PathBuf>,
}

/// A verified package; a downloaded one goes away with this value.
pub(crate) struct Chosen {
    file: Option<Package<Verified>>,
    fetched: Option<Fetched>,
    /// Every version of that name, architecture and language in the repository.
    pub(crate) taken: Vec<String>,
    /// Where the file is, when it is one here.
    pub(crate) path: Option<PathBuf>,
}

impl Chosen {
    pub(crate) fn package(&self) -> &Package<Verified> {
        let package = self.file.as_ref();
        package
            .or_else(|| self.fetched.as_ref().map(|fetched| &fetched.package))
            .expect("a choice is a file or a download")
    }
}

/// Which builds of a package are meant, when its name does not say.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Wish<'a> {
    /// Only those of this maturity.
    pub(crate) maturity: Option<&'a str>,
    /// None of this maturity: it is what one is to become.
    pub(crate) not_maturity: Option<&'a str>,
}

impl Wish<'_> {
    fn allows(&self, entry: &IndexEntry) -> bool {
        let maturity = entry.control.effective_maturity();
        self.maturity.is_none_or(|wanted| wanted == maturity)
            && self.not_maturity.is_none_or(|unwanted| unwanted != maturity)
    }
}

/// Whether a text names a file here rather than a package of a repository.
pub(crate) fn is_file(text: &str) -> bool {
    text.contains(['/', '\\']) || Path::new(text).is_file()
}

impl ChoiceArguments {
    /// The package of a text: a file, `NAME`, `NAME(=1.2-3)`, or a file name of the repository.
    pub(crate) fn choose(
        &self,
        text: &str,
        wish: &Wish<'_>,
        signer: &SignerArguments,
        shell: &mut Shell,
    ) -> anyhow::Result<Chosen> {
        let trust = SignerTrust::Signers(own_trust(shell, signer, self.trust.as_deref())?);
        if is_file(text) {
            return self.choose_file(Path::new(text), trust, shell);
        }
        let mut repository = self.repository(trust, shell)?;
        let entries = block_on(repository.list(shell.now))??.entries;
        let (entry, others) = find(&entries, text, wish)?;
        if others > 0 {
            shell.output.note(format!(
                "note: {} {} {} is taken, of {} builds",
                entry.control.package(),
                entry.control.version(),
                entry.control.effective_maturity(),
                others + 1
            ));
        }
        let fetched = block_on(fetch(&repository, entry, shell))??;
        Ok(Chosen {
            taken: taken(&entries, entry),
            file: None,
            fetched: Some(fetched),
            path: None,
        })
    }

    fn choose_file(&self, path: &Path, trust: SignerTrust, shell: &mut Shell) -> anyhow::Result<Chosen> {
        let package = verify_file(path, &trust, shell.now).map_err(|source| VerifyError::Package {
            path: path.to_owned(),
            source,
        })?;
        // A repository that is named counts; without one, a file is all there is.
        let mut versions = Vec::new();
        if self.repo.is_some() {
            let entries = block_on(self.repository(trust, shell)?.list(shell.now))??.entries;
            let same = |entry: &&IndexEntry| {
                entry.control.package() == package.control().package()
                    && entry.control.architecture() == package.control().architecture()
            };
            versions = entries
                .iter()
                .filter(same)
                .map(|entry| entry.control.version().to_owned())
                .collect();
        }
        Ok(Chosen {
            file: Some(package),
            fetched: None,
            taken: versions,
            path: Some(path.to_owned()),
        })
    }

    /// One's own repository.
    pub(crate) fn repository(&self, trust: SignerTrust, shell: &Shell) -> anyhow::Result<ExternalRepository> {
        own_repository(shell, self.repo.as_deref(), trust)?.ok_or_else(|| {
            Refusal::new("no repository is known yet")
                .hint("sign in to your server: muster sign-in 'muster://NAME#sha256=…'")
                .hint("or name a repository with --repo, or a .wapt file")
                .into()
        })
    }
}

async fn fetch(
    repository: &ExternalRepository,
    entry: &IndexEntry,
    shell: &mut Shell,
) -> anyhow::Result<Fetched> {
    let name = entry.filename.clone();
    let output = &mut shell.output;
    let fetched = repository
        .fetch(entry, shell.now, |read, all| {
            let percent = u128::from(read) * 100 / u128::from(all.max(1));
            output.progress(&format!("{name}: {percent} %"));
        })
        .await;
    shell.output.clear_progress();
    Ok(fetched?)
}

/// The newest package that a request or a file name means, of several builds the one signed last, and how many
/// others are as new or newer.
fn find<'a>(
    entries: &'a [IndexEntry],
    text: &str,
    wish: &Wish<'_>,
) -> anyhow::Result<(&'a IndexEntry, usize)> {
    if let Some(entry) = entries.iter().find(|entry| entry.filename == text) {
        return Ok((entry, 0));
    }
    let request = Request::parse(text)?;
    let matching: Vec<&IndexEntry> = entries
        .iter()
        .filter(|entry| request.matches(entry.control.package(), entry.control.version()))
        .collect();
    if matching.is_empty() {
        return Err(missing(entries, &request).into());
    }
    let allowed: Vec<&IndexEntry> = matching
        .iter()
        .copied()
        .filter(|entry| wish.allows(entry))
        .collect();
    let newest = allowed.iter().copied().max_by(|a, b| {
        compare_text(a.control.version(), b.control.version()).then_with(|| {
            a.control
                .get("signature_date")
                .cmp(b.control.get("signature_date"))
        })
    });
    let Some(newest) = newest else {
        return Err(unwanted(&matching, &request, wish).into());
    };
    let same: Vec<&IndexEntry> = allowed
        .into_iter()
        .filter(|entry| entry.control.version() == newest.control.version())
        .collect();
    // Builds for other machines are other packages; a maturity is a stage of one.
    let is_for_same = |entry: &IndexEntry| {
        let or_all = |text: &str| {
            if text.is_empty() {
                "all".to_owned()
            } else {
                text.to_owned()
            }
        };
        ["architecture", "locale", "target_os"]
            .iter()
            .all(|attribute| or_all(entry.control.get(attribute)) == or_all(newest.control.get(attribute)))
    };
    if !same.iter().all(|entry| is_for_same(entry)) {
        let names: Vec<&str> = same.iter().map(|entry| entry.filename.as_str()).collect();
        return Err(Refusal::new(format!(
            "{} builds of {} {} for different machines are there",
            names.len(),
            request.name,
            newest.control.version()
        ))
        .hint(format!("name one by its file: {}", names.join(", ")))
        .into());
    }
    let others = matching.iter().filter(|entry| {
        !std::ptr::eq(**entry, newest)
            && is_for_same(entry)
            && compare_text(entry.control.version(), newest.control.version()).is_ge()
    });
    Ok((newest, others.count()))
}

fn missing(entries: &[IndexEntry], request: &Request) -> Refusal {
    let others: Vec<&str> = entries
        .iter()
        .filter(|entry| entry.control.package() == request.name)
        .map(|entry| entry.control.version())
        .take(5)
        .collect();
    let refusal = Refusal::new(format!("the repository has no package {request}"));
    if !others.is_empty() {
        return refusal.hint(format!("there is: {}", others.join(", ")));
    }
    let names: BTreeSet<&str> = entries.iter().map(|entry| entry.control.package()).collect();
    let near = near(&request.name, names);
    if near.is_empty() {
        return refusal.hint("`muster package import --list --from REPOSITORY` shows what a repository has");
    }
    refusal.hint(format!("there is: {}", near.join(", ")))
}

fn unwanted(matching: &[&IndexEntry], request: &Request, wish: &Wish<'_>) -> Refusal {
    let mut builds: Vec<String> = matching
        .iter()
        .map(|entry| {
            format!(
                "{} {}",
                entry.control.version(),
                entry.control.effective_maturity()
            )
        })
        .collect();
    builds.truncate(5);
    let refusal = match (wish.maturity, wish.not_maturity) {
        (Some(wanted), _) => Refusal::new(format!("the repository has no {request} of maturity {wanted}")),
        (None, unwanted) => Refusal::new(format!(
            "every build of {request} has the maturity {} already",
            unwanted.unwrap_or_default()
        )),
    };
    refusal.hint(format!("there is: {}", builds.join(", ")))
}

fn taken(entries: &[IndexEntry], one: &IndexEntry) -> Vec<String> {
    entries
        .iter()
        .filter(|entry| {
            entry.control.package() == one.control.package()
                && entry.control.architecture() == one.control.architecture()
                && entry.control.get("locale") == one.control.get("locale")
        })
        .map(|entry| entry.control.version().to_owned())
        .collect()
}
