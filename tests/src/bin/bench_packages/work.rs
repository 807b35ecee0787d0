//! Our side of each figure, done in a process of its own with the same functions that `muster` calls.

use std::path::Path;
use std::time::Duration;

use anyhow::bail;
use muster_shared::crypto::TrustStore;
use muster_shared::index::folder::{Options, update};
use muster_shared::package::build::{BuildOptions, build_folder};
use muster_shared::package::{Package, Unverified};

use crate::data;

pub(crate) fn run(words: &[&str]) -> anyhow::Result<()> {
    let now = muster_shared::clock::now();
    match words {
        ["verify", file, trust] => {
            let trust = TrustStore::from_folder(Path::new(trust))?;
            Package::<Unverified>::open(Path::new(file))?.verify(&trust, now)?;
        }
        ["build", sources, out] => {
            let signer = data::signer()?;
            build_folder(
                Path::new(sources),
                Path::new(out),
                &signer,
                &BuildOptions::default(),
                now,
            )?;
        }
        ["index", folder] => {
            let options = Options {
                wait: Duration::from_secs(1),
                ..Options::default()
            };
            let indexed = update(Path::new(folder), &options, now, |_done, _all| {})?;
            if let Some(left_out) = indexed.left_out.first() {
                bail!("{} is left out: {}", left_out.filename, left_out.reason);
            }
        }
        _ => bail!("unknown work {words:?}"),
    }
    Ok(())
}
