//! `muster-agent update` against an index of many rows: the first time, after ten rows changed, and unchanged.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};

use crate::data::{self, Place};
use crate::measure::once;
use crate::repository_server::RepositoryServer;
use crate::table::Table;
use crate::{Scale, index};

pub(crate) fn measure(
    place: &Place,
    repository: &Path,
    scale: Scale,
    table: &mut Table,
) -> anyhow::Result<()> {
    let own = std::env::current_exe()?;
    let agent = own.with_file_name("muster-agent");
    ensure!(
        agent.is_file(),
        "{} is missing: cargo build --release -p muster-agent",
        agent.display()
    );
    let agent = agent.to_str().context("a path")?;
    let own = own.to_str().context("a path")?;
    let folder = repository.to_str().context("a path")?;
    once(&[own, "work", "index", folder])?;
    let server = RepositoryServer::start(repository, &place.path("trust"))?;
    let (mut first, mut changed, mut unchanged) = (Vec::new(), Vec::new(), Vec::new());
    for run in 0..scale.runs {
        let root = machine(place, run, &server)?;
        let root = root.to_str().context("a path")?;
        let update = [agent, "--root", root, "--standalone", "update"];
        first.push(once(&update)?);
        let from = 100 + run * 10;
        index::change(place, repository, from..from + 10, 50 + run)?;
        once(&[own, "work", "index", folder])?;
        changed.push(once(&update)?);
        unchanged.push(once(&update)?);
    }
    let rows = scale.packages;
    table.within(
        &format!("first update over {rows} rows, all signatures checked"),
        &first,
        0.6,
        Some(60_000_000),
    );
    table.within(
        &format!("update over {rows} rows, 10 changed"),
        &changed,
        0.1,
        None,
    );
    table.within(
        &format!("update over {rows} rows, unchanged"),
        &unchanged,
        0.01,
        None,
    );
    Ok(())
}

/// A machine that never updated.
fn machine(place: &Place, run: usize, server: &RepositoryServer) -> anyhow::Result<PathBuf> {
    let root = place.path(&format!("machine-{run}"));
    let settings = root.join("etc/muster");
    fs_err::create_dir_all(settings.join("trust"))?;
    fs_err::copy(data::certificate(), settings.join("trust/signer.crt"))?;
    fs_err::write(
        settings.join("agent.toml"),
        format!(
            "uuid = \"bench-{run}\"\nrepo_url = \"{}\"\nverify_cert = {:?}\n",
            server.url,
            server.bundle.display().to_string()
        ),
    )?;
    Ok(root)
}
