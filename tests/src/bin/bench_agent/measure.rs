//! What a process and its children have used so far, from `/proc`.

use std::time::Duration;

/// One look at a process tree.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sample {
    resident_kib: u64,
    proportional_kib: u64,
    private_kib: u64,
    /// Hundredths of a second.
    ticks: u64,
    written_bytes: u64,
}

/// What an agent cost.
#[derive(Debug, Clone)]
pub(crate) struct Cost {
    pub(crate) resident_kib: u64,
    proportional_kib: u64,
    private_kib: u64,
    /// Hundred-thousandths of one processor.
    pub(crate) processor: u64,
    pub(crate) written_kib: u64,
}

impl Sample {
    /// The tree below a process, itself included. A process that is gone counts nothing.
    pub(crate) fn of(process: u32) -> Self {
        let mut sample = Self::default();
        for process in tree(process) {
            sample.add(process);
        }
        sample
    }

    fn add(&mut self, process: u32) {
        let read = |file: &str| fs_err::read_to_string(format!("/proc/{process}/{file}")).unwrap_or_default();
        let rollup = read("smaps_rollup");
        self.resident_kib += field(&rollup, "Rss:");
        self.proportional_kib += field(&rollup, "Pss:");
        self.private_kib += field(&rollup, "Private_Clean:") + field(&rollup, "Private_Dirty:");
        self.written_bytes += field(&read("io"), "write_bytes:");
        let stat = read("stat");
        let fields: Vec<&str> = stat
            .rsplit_once(')')
            .map(|(_name, rest)| rest.split_whitespace().collect())
            .unwrap_or_default();
        let number = |place: usize| fields.get(place).and_then(|text| text.parse::<u64>().ok());
        // Its own time and that of children that ended.
        self.ticks += (11..=14).filter_map(number).sum::<u64>();
    }
}

impl Cost {
    /// What was used between two looks; memory is that of the second.
    pub(crate) fn between(before: &Sample, after: &Sample, length: Duration) -> Self {
        let hundredths = after.ticks.saturating_sub(before.ticks);
        Self {
            resident_kib: after.resident_kib,
            proportional_kib: after.proportional_kib,
            private_kib: after.private_kib,
            processor: hundredths * 1000 / length.as_secs().max(1),
            written_kib: after
                .written_bytes
                .saturating_sub(before.written_bytes)
                .div_ceil(1024),
        }
    }

    /// A row of the table.
    pub(crate) fn row(&self, name: &str) -> String {
        let mib = |kib: u64| kib as f64 / 1024.0;
        format!(
            "{name:<28} {:>10.1} {:>10.1} {:>10.1} {:>11.3} {:>14}",
            mib(self.resident_kib),
            mib(self.proportional_kib),
            mib(self.private_kib),
            self.processor as f64 / 1000.0,
            self.written_kib,
        )
    }
}

/// A number behind a name, in the unit that stands there.
fn field(text: &str, name: &str) -> u64 {
    text.lines()
        .find_map(|line| line.strip_prefix(name))
        .and_then(|rest| rest.split_whitespace().next())
        .and_then(|number| number.parse().ok())
        .unwrap_or(0)
}

fn tree(root: u32) -> Vec<u32> {
    let mut parents = Vec::new();
    for entry in fs_err::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(process) = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse::<u32>().ok())
        else {
            continue;
        };
        let status = fs_err::read_to_string(entry.path().join("status")).unwrap_or_default();
        parents.push((process, field(&status, "PPid:")));
    }
    let mut found = vec![root];
    let mut next = 0;
    while let Some(parent) = found.get(next).copied() {
        found.extend(
            parents
                .iter()
                .filter(|(_process, of)| *of == u64::from(parent))
                .map(|(process, _of)| *process),
        );
        next += 1;
    }
    found
}
