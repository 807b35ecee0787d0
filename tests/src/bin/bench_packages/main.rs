//! `bench-packages`: what packages and indexes cost, each beside a known tool that does the same work.
//!
//! Every figure is the median of several runs of a child process: user and system time as the system counted it
//! for that child (and its children), the peer in the same run on the same files, which lie in the page cache.
//! `bench-packages` prints a table and always ends with 0: speed is no test. `bench-packages quick` runs on a
//! tenth of the data, to see that everything works; its figures mean nothing.
#![forbid(unsafe_code)]
#![expect(clippy::print_stdout, reason = "it prints a table")]

mod agent;
mod archives;
mod data;
mod index;
mod measure;
mod repository_server;
mod resolve_bench;
mod table;
mod work;

use std::process::ExitCode;

use anyhow::Context as _;

use self::data::Place;
use self::table::Table;

/// How much is measured.
#[derive(Debug, Clone, Copy)]
struct Scale {
    /// Of the large package, before compression, in bytes.
    package_bytes: usize,
    /// Files of the package of many files.
    files: usize,
    /// Packages of the repository.
    packages: usize,
    /// Runs of which the median counts.
    runs: usize,
}

const FULL: Scale = Scale {
    package_bytes: 100 << 20,
    files: 5000,
    packages: 10_000,
    runs: 5,
};

const QUICK: Scale = Scale {
    package_bytes: 10 << 20,
    files: 500,
    packages: 1000,
    runs: 3,
};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match words.as_slice() {
        [] => bench(FULL, None),
        ["quick"] => bench(QUICK, None),
        ["only", part] => bench(FULL, Some(part)),
        ["quick", part] => bench(QUICK, Some(part)),
        ["measure", command @ ..] => measure::report(command),
        ["work", work @ ..] => work::run(work),
        _ => Err(anyhow::anyhow!(
            "usage: bench-packages [quick|only] [verify|build|index|update|resolve]"
        )),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("bench-packages: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn bench(scale: Scale, part: Option<&str>) -> anyhow::Result<()> {
    let wanted = |name: &str| part.is_none_or(|part| part == name);
    let place = Place::new().context("a folder for the data")?;
    let mut table = Table::new(scale.runs);
    if wanted("verify") || wanted("build") {
        archives::measure(&place, scale, &wanted, &mut table)?;
    }
    if wanted("index") || wanted("update") {
        let repository = index::make(&place, scale)?;
        if wanted("index") {
            index::measure(&place, &repository, scale, &mut table)?;
        }
        if wanted("update") {
            agent::measure(&place, &repository, scale, &mut table)?;
        }
    }
    if wanted("resolve") {
        resolve_bench::measure(&place, scale, &mut table)?;
    }
    table.print();
    Ok(())
}
