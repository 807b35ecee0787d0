//! Processor and memory: `/proc/cpuinfo`, `/proc/meminfo`.

use super::text::read_limited;
use crate::inventory::facts::{FactError, Processor};

/// Model and number of logical processors, memory and swap space in bytes.
///
/// # Errors
/// When `/proc` cannot be read.
pub fn read() -> Result<Processor, FactError> {
    let cpuinfo = read_limited("/proc/cpuinfo").map_err(|source| FactError::Unreadable {
        what: "/proc/cpuinfo",
        source,
    })?;
    let meminfo = read_limited("/proc/meminfo").map_err(|source| FactError::Unreadable {
        what: "/proc/meminfo",
        source,
    })?;
    Ok(parse(&cpuinfo, &meminfo))
}

fn parse(cpuinfo: &str, meminfo: &str) -> Processor {
    let field = |names: &[&str]| {
        cpuinfo.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            names
                .contains(&name.trim())
                .then(|| value.split_whitespace().collect::<Vec<_>>().join(" "))
        })
    };
    let count = cpuinfo
        .lines()
        .filter(|line| {
            line.split_once(':')
                .is_some_and(|(name, _)| name.trim() == "processor")
        })
        .count();
    let bytes = |name: &str| {
        meminfo
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
            .and_then(|rest| rest.split_whitespace().next())
            .and_then(|number| number.parse::<u64>().ok())
            .unwrap_or(0)
            .saturating_mul(1024)
    };
    Processor {
        name: field(&["model name", "Hardware", "cpu model"]).unwrap_or_default(),
        count: u32::try_from(count).unwrap_or(u32::MAX),
        memory_bytes: bytes("MemTotal"),
        swap_bytes: bytes("SwapTotal"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn model_count_and_memory_are_read() {
        let cpuinfo = "processor\t: 0\nmodel name\t: Intel(R)  Core(TM) i5\n\nprocessor\t: 1\nmodel name\t: Intel(R) Core(TM) i5\n";
        let processor = parse(
            cpuinfo,
            "MemTotal:       16303412 kB\nMemFree: 1 kB\nSwapTotal: 4 kB\n",
        );
        assert_eq!(processor.name, "Intel(R) Core(TM) i5");
        assert_eq!(processor.count, 2);
        assert_eq!(processor.memory_bytes, 16_303_412 * 1024);
        assert_eq!(processor.swap_bytes, 4096);
    }

    #[test]
    fn nonsense_gives_zeros_and_no_panic() {
        assert_eq!(parse("::::\n", "MemTotal: many kB"), Processor::default());
    }
}
