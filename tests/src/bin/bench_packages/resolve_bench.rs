//! Resolving a host with 500 packages in a catalogue of 60,000 rows, beside `testsolv` of libsolv on the same
//! catalogue.
//!
//! Ours is the time from the rows of an index in memory to the plan: the catalogue built, judged for the host,
//! and everything that is installed upgraded. The peer reads the same catalogue from its own text first, as it
//! has no other way in; that is part of its figure, and what a question about one package takes is told too.

use std::fmt::Write as _;
use std::hint::black_box;
use std::time::Instant;

use anyhow::ensure;
use muster_shared::catalogue::{Capabilities, Catalogue, Installed, Wanted, Why, plan};
use muster_shared::control::{Control, Section};
use muster_shared::index::IndexEntry;
use muster_shared::request::{Request, parse_list_as_wapt};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeVal;

use crate::Scale;
use crate::data::Place;
use crate::measure::{Cost, once};
use crate::table::Table;

/// Versions of each package.
const VERSIONS: usize = 3;

/// Rows for each package file that the other figures take: 60,000 in full.
const ROWS_PER_PACKAGE: usize = 6;

/// Packages of the host for each of the others: 500 in full.
const ROWS_PER_INSTALLED: usize = 120;

/// Layers of dependencies.
const LAYERS: usize = 8;

/// One row as both are told it.
struct Row {
    name: String,
    version: String,
    /// The name and the least version.
    depends: Vec<(String, String)>,
}

/// Every package depends on up to four others of later layers, so that there are no circles and a chain has at
/// most as many levels as there are layers.
fn rows(count: usize) -> Vec<Row> {
    let names = count / VERSIONS;
    let row = |number: usize, version: usize| {
        let depends = (0..number / 3 % 5)
            .map(|edge| number + 1 + (number * 7 + edge * 131) % 97)
            .filter(|other| *other < names && other % LAYERS > number % LAYERS)
            .map(|other| (name(other), "1.0".to_owned()));
        Row {
            name: name(number),
            version: format!("{version}.{}", number % 10),
            depends: depends.collect(),
        }
    };
    (0..names)
        .flat_map(|number| (1..=VERSIONS).map(move |version| (number, version)))
        .map(|(number, version)| row(number, version))
        .collect()
}

fn name(number: usize) -> String {
    format!("bench-p{number}")
}

fn entry(row: &Row) -> IndexEntry {
    let depends: Vec<String> = row
        .depends
        .iter()
        .map(|(name, least)| format!("{name}(>={least})"))
        .collect();
    let control = Control::new(&row.name, &row.version, Section::Base)
        .with("depends", &depends.join(","))
        .with("target_os", "windows")
        .with("architecture", "x64")
        .with("maturity", "PROD");
    IndexEntry {
        filename: format!("{}_{}_x64_PROD.wapt", row.name, row.version),
        control,
        size: 1,
        md5sum: "0".repeat(32),
        sha256sum: None,
        repository: String::new(),
    }
}

/// What the host has: the first version of some packages spread over all.
fn installed(rows: &[Row], count: usize) -> Vec<&Row> {
    let step = (rows.len() / VERSIONS / count.max(1)).max(1) * VERSIONS;
    rows.iter().step_by(step).take(count).collect()
}

pub(crate) fn measure(place: &Place, scale: Scale, table: &mut Table) -> anyhow::Result<()> {
    let count = scale.packages * ROWS_PER_PACKAGE;
    let rows = rows(count);
    let entries: Vec<IndexEntry> = rows.iter().map(entry).collect();
    let host = Capabilities {
        os: "windows".to_owned(),
        os_version: "10.0.19045".to_owned(),
        architecture: "x64".to_owned(),
        ..Capabilities::default()
    };
    let have = installed(&rows, count / ROWS_PER_INSTALLED);
    let present: Vec<Installed> = have
        .iter()
        .map(|row| {
            let depends = parse_list_as_wapt(entry(row).control.depends());
            Installed::new(&row.name, &row.version).with_depends(depends)
        })
        .collect();
    let wanted: Vec<Wanted> = have
        .iter()
        .map(|row| Wanted {
            request: Request::any(&row.name),
            why: Why::Upgrade,
        })
        .collect();
    let (mut ours, mut building, mut planning) = (Vec::new(), Vec::new(), Vec::new());
    let mut steps = 0;
    let began = Instant::now();
    for _run in 0..scale.runs {
        let entries = entries.clone();
        let start = Cost::now(began)?;
        let catalogue = Catalogue::new(entries, &host);
        let built = Cost::now(began)?;
        let resolution = black_box(plan(&catalogue, &present, &wanted));
        let end = Cost::now(began)?;
        steps = resolution.steps.len();
        ensure!(
            steps >= have.len() && resolution.errors.is_empty(),
            "only {steps} steps: {:?}",
            resolution.errors.first()
        );
        building.push(built.since(start));
        planning.push(end.since(built));
        ours.push(end.since(start));
    }
    let with_job = place.path("resolve.testcase");
    let without_job = place.path("read.testcase");
    fs_err::write(&with_job, testcase(&rows, &have, true))?;
    fs_err::write(&without_job, testcase(&rows, &have, false))?;
    let figure = format!("resolve {} packages among {count}: {steps} steps", have.len());
    table.within(&figure, &ours, 0.05, None);
    println!(
        "  (building the catalogue {:.1} ms, planning {:.1} ms)",
        crate::measure::median(&building).cpu * 1000.0,
        crate::measure::median(&planning).cpu * 1000.0
    );
    // It ends with 1 when the result is not the one that its file expects; ours expects none.
    let solve = "testsolv \"$1\" || [ $? -eq 1 ]";
    let (mut peer, mut reading) = (Vec::new(), Vec::new());
    for _run in 0..scale.runs {
        peer.push(once(&["sh", "-c", solve, "sh", &with_job.to_string_lossy()])?);
        reading.push(once(&["sh", "-c", solve, "sh", &without_job.to_string_lossy()])?);
    }
    table.beside(
        "the same beside a solver",
        &ours,
        "testsolv, reading included",
        &peer,
        1.0,
    );
    println!(
        "  (testsolv for one package of the same catalogue: {:.1} ms)",
        crate::measure::median(&reading).cpu * 1000.0
    );
    Ok(())
}

impl Cost {
    /// What this process has used so far.
    fn now(began: Instant) -> anyhow::Result<Self> {
        let usage = getrusage(UsageWho::RUSAGE_SELF)?;
        let seconds = |time: TimeVal| time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6;
        Ok(Self {
            cpu: seconds(usage.user_time()) + seconds(usage.system_time()),
            wall: began.elapsed().as_secs_f64(),
            memory: 0,
        })
    }

    fn since(self, before: Self) -> Self {
        Self {
            cpu: self.cpu - before.cpu,
            wall: self.wall - before.wall,
            memory: self.memory,
        }
    }
}

/// The same question as libsolv reads it.
fn testcase(rows: &[Row], installed: &[&Row], with_job: bool) -> String {
    let mut text = String::from("repo available 0 testtags <inline>\n#>=Ver: 3.0\n");
    for row in rows {
        package(&mut text, row);
    }
    text.push_str("repo system 0 testtags <inline>\n#>=Ver: 3.0\n");
    for row in installed {
        package(&mut text, row);
    }
    text.push_str("system x86_64 rpm system\n");
    let asked = if with_job { installed.len() } else { 1 };
    for row in installed.iter().take(asked) {
        writeln!(text, "job update name {}", row.name).ok();
    }
    text.push_str("result transaction,problems <inline>\n");
    text
}

fn package(text: &mut String, row: &Row) {
    writeln!(text, "#>=Pkg: {} {} 1 noarch", row.name, row.version).ok();
    for (name, least) in &row.depends {
        writeln!(text, "#>=Req: {name} >= {least}").ok();
    }
    writeln!(text, "#>=Prv: {} = {}-1", row.name, row.version).ok();
}
