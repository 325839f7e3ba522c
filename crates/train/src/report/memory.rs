//! Peak memory of the process.

/// Peak main memory of this process in bytes: on Linux `VmHWM` ("high water mark") of
/// `/proc/self/status`, see proc_pid_status(5); `None` elsewhere.
///
/// Linux counts per core and adds up from time to time, so the value is off by some hundred kB on a
/// few cores, and may decrease by as much.
#[must_use]
pub fn peak_memory_bytes() -> Option<u64> {
    high_water_mark(&std::fs::read_to_string("/proc/self/status").ok()?)
}

/// The unit "kB" of the file is 1024 bytes.
fn high_water_mark(status: &str) -> Option<u64> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kibibytes: u64 = line.trim().strip_suffix(" kB")?.trim().parse().ok()?;
    kibibytes.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_peak_is_found_among_the_other_lines() {
        let status = "Name:\ttrain\nVmPeak:\t  999999 kB\nVmHWM:\t  123456 kB\nVmRSS:\t  100 kB\n";
        assert_eq!(high_water_mark(status), Some(123_456 * 1024));
    }

    #[test]
    fn an_unknown_format_gives_none() {
        for status in [
            "",
            "VmRSS:\t100 kB\n",
            "VmHWM:\t100\n",
            "VmHWM:\t100 MB\n",
            "VmHWM:\t-1 kB\n",
            "VmHWM:\t18446744073709551615 kB\n",
        ] {
            assert_eq!(high_water_mark(status), None, "{status:?}");
        }
    }

    /// How far the count may be off: each core adds its pages of 4 kB up after 32, or after twice the
    /// number of cores if that is more (`percpu_counter_batch` of Linux).
    fn uncertainty() -> u64 {
        let stat = std::fs::read_to_string("/proc/stat").unwrap_or_default();
        let is_core = |line: &&str| {
            line.strip_prefix("cpu")
                .is_some_and(|rest| rest.starts_with(|first: char| first.is_ascii_digit()))
        };
        let cores = stat.lines().filter(is_core).count().max(1) as u64;
        cores * (2 * cores).max(32) * 4096
    }

    /// Runs in a child process, where no other test allocates memory.
    #[test]
    fn freed_memory_still_counts() {
        const CHILD: &str = "TRAIN_TEST_PEAK_MEMORY";
        if peak_memory_bytes().is_none() {
            // Not Linux, or a sandbox whose kernel leaves the line out.
            return;
        }
        if std::env::var_os(CHILD).is_none() {
            let name = "report::memory::tests::freed_memory_still_counts";
            let output = std::process::Command::new(std::env::current_exe().unwrap())
                .args(["--exact", name])
                .env(CHILD, "1")
                .output()
                .unwrap();
            let text = String::from_utf8_lossy(&output.stdout);
            assert!(output.status.success(), "{text}");
            assert!(text.contains("1 passed"), "{text}");
            return;
        }
        // The margin is for allocations of the test itself.
        let margin = uncertainty() + (4 << 20);
        let size = (64 << 20) + 2 * margin;
        let before = peak_memory_bytes().unwrap();
        // Ones, because the system does not hold untouched zeros.
        let held = std::hint::black_box(vec![1_u8; size as usize]);
        let during = peak_memory_bytes().unwrap();
        drop(held);
        let after = peak_memory_bytes().unwrap();
        let grown = during - before;
        assert!(grown.abs_diff(size) <= margin, "{before} -> {during}");
        assert!(after.abs_diff(during) <= margin, "{during} -> {after}");
    }
}
