//! Indexing a repository folder from nothing, and after one package changed.

use std::path::{Path, PathBuf};

use anyhow::Context as _;

use crate::Scale;
use crate::data::{self, Place};
use crate::measure::once;
use crate::table::Table;

/// A repository of packages, with its index.
pub(crate) fn make(place: &Place, scale: Scale) -> anyhow::Result<PathBuf> {
    let repository = place.path("repository");
    fs_err::create_dir(&repository)?;
    println!("building {} packages …", scale.packages);
    let workers = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    std::thread::scope(|scope| {
        let mut running = Vec::new();
        for worker in 0..workers {
            let scratch = place.path(&format!("scratch-{worker}"));
            let repository = &repository;
            running.push(scope.spawn(move || -> anyhow::Result<()> {
                let signer = data::signer()?;
                for number in (worker..scale.packages).step_by(workers) {
                    data::repository_package(&scratch, repository, number, 1, &signer)?;
                }
                Ok(())
            }));
        }
        for worker in running {
            worker
                .join()
                .map_err(|_panic| anyhow::anyhow!("a worker broke off"))??;
        }
        anyhow::Ok(())
    })?;
    Ok(repository)
}

/// Builds the newer version of some packages.
pub(crate) fn change(
    place: &Place,
    repository: &Path,
    packages: std::ops::Range<usize>,
    version: usize,
) -> anyhow::Result<()> {
    let signer = data::signer()?;
    for number in packages {
        data::repository_package(&place.path("scratch-0"), repository, number, version, &signer)?;
    }
    Ok(())
}

pub(crate) fn measure(
    place: &Place,
    repository: &Path,
    scale: Scale,
    table: &mut Table,
) -> anyhow::Result<()> {
    let own = std::env::current_exe()?;
    let own = own.to_str().context("a path")?;
    let folder = repository.to_str().context("a path")?;
    let (mut ours, mut peer, mut after) = (Vec::new(), Vec::new(), Vec::new());
    let sums = "cd \"$1\" && md5sum -- *.wapt && sha256sum -- *.wapt";
    // Everything into the page cache, for both.
    once(&["sh", "-c", "cat \"$1\"/*.wapt", "sh", folder])?;
    for run in 0..scale.runs {
        peer.push(once(&["sh", "-c", sums, "sh", folder])?);
        fs_err::remove_file(repository.join("Packages")).ok();
        ours.push(once(&[own, "work", "index", folder])?);
        change(place, repository, run..run + 1, run + 2)?;
        after.push(once(&[own, "work", "index", folder])?);
    }
    let packages = scale.packages;
    table.beside(
        &format!("index {packages} packages of 256 KiB from nothing"),
        &ours,
        "md5sum + sha256sum",
        &peer,
        1.3,
    );
    table.within(
        &format!("index {packages} packages after one change"),
        &after,
        0.5,
        None,
    );
    println!(
        "  (wall time after one change: {:.0} ms)",
        crate::measure::median(&after).wall * 1000.0
    );
    Ok(())
}
