//! The table of figures: ours, the peer's, the ratio and the limit.

use crate::measure::{Cost, median};

/// Figures in the order in which they were measured.
pub(crate) struct Table {
    runs: usize,
    rows: Vec<[String; 6]>,
}

impl Table {
    pub(crate) fn new(runs: usize) -> Self {
        Self {
            runs,
            rows: Vec::new(),
        }
    }

    /// A figure beside a peer's: at most `limit` times its processor time.
    pub(crate) fn beside(&mut self, name: &str, own: &[Cost], peer_name: &str, peer: &[Cost], limit: f64) {
        let (own, peer) = (median(own), median(peer));
        let ratio = own.cpu / peer.cpu.max(1e-6);
        self.add([
            name.to_owned(),
            seconds(own.cpu),
            format!("{} {peer_name}", seconds(peer.cpu)),
            format!("{ratio:.2}"),
            format!("{limit:.1} ×"),
            verdict(ratio <= limit),
        ]);
    }

    /// A figure with a limit of its own, in seconds of processor time and, if given, bytes.
    pub(crate) fn within(&mut self, name: &str, own: &[Cost], limit: f64, memory: Option<u64>) {
        let own = median(own);
        let fits = memory.is_none_or(|limit| own.memory <= limit);
        self.add([
            name.to_owned(),
            seconds(own.cpu),
            String::new(),
            format!("{} MB", own.memory / 1_000_000),
            memory.map_or_else(
                || seconds(limit),
                |memory| format!("{}, {} MB", seconds(limit), memory / 1_000_000),
            ),
            verdict(own.cpu <= limit && fits),
        ]);
    }

    fn add(&mut self, row: [String; 6]) {
        println!("{}", row.join("  "));
        self.rows.push(row);
    }

    /// Prints everything as a Markdown table.
    pub(crate) fn print(&self) {
        println!(
            "\nProcessor time of each child process, median of {} runs:\n",
            self.runs
        );
        println!("| figure | ours | peer | ratio or memory | at most | |");
        println!("|---|---|---|---|---|---|");
        for row in &self.rows {
            println!("| {} |", row.join(" | "));
        }
    }
}

fn seconds(value: f64) -> String {
    if value < 1.0 {
        format!("{:.1} ms", value * 1000.0)
    } else {
        format!("{value:.2} s")
    }
}

fn verdict(fits: bool) -> String {
    if fits {
        "PASS".to_owned()
    } else {
        "over".to_owned()
    }
}
