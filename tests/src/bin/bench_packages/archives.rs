//! Verifying and building a large package, as one file and as many.

use anyhow::Context as _;
use muster_shared::package::build::{BuildOptions, build_folder};

use crate::Scale;
use crate::data::{self, Content, Place};
use crate::measure::{Cost, once};
use crate::table::Table;

pub(crate) fn measure(
    place: &Place,
    scale: Scale,
    wanted: &impl Fn(&str) -> bool,
    table: &mut Table,
) -> anyhow::Result<()> {
    let own = std::env::current_exe()?;
    let own = own.to_str().context("a path")?;
    let trust = place.path("trust");
    let mib = scale.package_bytes >> 20;
    for (content, word) in [
        (Content::Incompressible, "incompressible"),
        (Content::Compressible, "compressible"),
    ] {
        for files in [1, scale.files] {
            let sources = place.path("sources");
            let out = place.path("out");
            fs_err::create_dir_all(&out)?;
            data::sources(&sources, content, scale.package_bytes, files)?;
            let shape = format!(
                "{mib} MiB {word}, {files} file{}",
                if files == 1 { "" } else { "s" }
            );
            let built = build_folder(
                &sources,
                &out,
                &data::signer()?,
                &BuildOptions::default(),
                muster_shared::clock::now(),
            )?;
            let text = |path: &std::path::Path| path.to_string_lossy().into_owned();
            let (package, sources_text, out_text) = (text(&built.path), text(&sources), text(&out));
            if wanted("verify") {
                let (mut ours, mut peer) = (Vec::new(), Vec::new());
                for _run in 0..scale.runs {
                    peer.push(once(&["unzip", "-tqq", &package])?);
                    ours.push(once(&[own, "work", "verify", &package, &text(&trust)])?);
                }
                table.beside(&format!("verify {shape}"), &ours, "unzip -t", &peer, 1.2);
            }
            if wanted("build") {
                let (mut ours, mut peer) = (Vec::<Cost>::new(), Vec::new());
                let zip = text(&place.path("peer.zip"));
                let line = "cd \"$1\" && rm -f \"$2\" && zip -1 -q -r \"$2\" . && sha256sum \"$2\"";
                for _run in 0..scale.runs {
                    peer.push(once(&["sh", "-c", line, "sh", &sources_text, &zip])?);
                    ours.push(once(&[own, "work", "build", &sources_text, &out_text])?);
                }
                table.beside(
                    &format!("build and sign {shape}"),
                    &ours,
                    "zip -1 + sha256sum",
                    &peer,
                    1.0,
                );
                println!(
                    "  ({} bytes, zip -1: {} bytes)",
                    built.size,
                    fs_err::metadata(&zip)?.len()
                );
            }
            fs_err::remove_dir_all(&sources)?;
            fs_err::remove_dir_all(&out)?;
        }
    }
    Ok(())
}
