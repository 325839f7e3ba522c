//! How much memory the process needed.

/// The most main memory, in bytes, that this process ever held, where the system says it: on Linux
/// as `VmHWM` ("high water mark") of `/proc/self/status`, see proc_pid_status(5). `None` elsewhere.
///
/// Linux counts per core and adds up now and then: the number is off by some hundred kB on a few
/// cores, and may even fall by as much.
#[must_use]
pub fn peak_memory_bytes() -> Option<u64> {
    high_water_mark(&std::fs::read_to_string("/proc/self/status").ok()?)
}

/// The file says "kB" and means 1024 bytes.
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
    fn an_unknown_form_is_no_number() {
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

    /// Kernels in a sandbox may leave the line out. Half of the size is more than the count can be
    /// off: Linux adds a core's pages of 4 kB up after 32, or twice the number of cores if that is
    /// more (`percpu_counter_batch`), which makes 32 MiB of 64 cores.
    #[test]
    fn memory_that_was_given_back_still_counts() {
        const SIZE: usize = 128 << 20;
        const OFF: u64 = (SIZE / 2) as u64;
        if peak_memory_bytes().is_none() {
            return;
        }
        // Ones, because untouched zeros are no memory yet.
        let held = std::hint::black_box(vec![1_u8; SIZE]);
        let during = peak_memory_bytes().unwrap();
        drop(held);
        let after = peak_memory_bytes().unwrap();
        assert!(during + OFF >= SIZE as u64, "{during}");
        assert!(after + OFF >= during, "{after} after {during}");
    }
}
