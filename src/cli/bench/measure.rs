//! Numbers of a measurement: medians, percentiles, and what the process used.
//!
//! Source: proc(5) for `/proc/self/{stat,status,clear_refs}`.

use std::time::{Duration, Instant};

/// Ticks of a second in `/proc/self/stat`: Linux shows 100 to programs on every machine.
const TICKS_A_SECOND: f64 = 100.0;

/// Processor time of the process so far, in seconds; `None` where there is no `/proc`.
fn cpu_seconds() -> Option<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    // The name in brackets may hold blanks; fields 14 and 15 are user and system time.
    let mut fields = stat.rsplit_once(") ")?.1.split(' ').skip(11);
    let mut ticks = || fields.next()?.parse::<f64>().ok();
    Some((ticks()? + ticks()?) / TICKS_A_SECOND)
}

/// Largest resident memory of the process since [`forget_memory_peak`], in bytes.
fn memory_peak_bytes() -> Option<u64> {
    status_bytes("VmHWM:")
}

/// Resident memory of the process now, in bytes.
pub(super) fn memory_bytes() -> Option<u64> {
    status_bytes("VmRSS:")
}

fn status_bytes(name: &str) -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes * 1024)
}

/// Begins a new peak. Where the kernel does not let us, the peak stays that of the whole process.
fn forget_memory_peak() {
    let _ = std::fs::write("/proc/self/clear_refs", "5");
}

/// The value that the share `q` of `sorted` does not exceed (nearest rank).
pub(super) fn percentile(sorted: &[Duration], q: f64) -> Duration {
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "an index of a short list"
    )]
    let rank = (q * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.max(1) - 1).copied().unwrap_or_default()
}

/// The middle value; of an even number the mean of the two.
pub(super) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => 0.0,
        odd if odd % 2 == 1 => sorted[middle],
        _ => f64::midpoint(sorted[middle - 1], sorted[middle]),
    }
}

/// What one round of work took.
#[derive(Debug, Clone, Copy)]
pub(super) struct Round {
    /// Events a second.
    pub(super) rate: f64,
    pub(super) cpu_seconds: f64,
    pub(super) memory_peak_bytes: u64,
}

/// Measures a round.
pub(super) struct Stopwatch {
    begun: Instant,
    cpu_seconds: f64,
}

impl Stopwatch {
    pub(super) fn start() -> Self {
        forget_memory_peak();
        Self { begun: Instant::now(), cpu_seconds: cpu_seconds().unwrap_or_default() }
    }

    pub(super) fn stop(self, events: u64) -> Round {
        Round {
            rate: per_second(events, self.begun.elapsed()),
            cpu_seconds: cpu_seconds().unwrap_or_default() - self.cpu_seconds,
            memory_peak_bytes: memory_peak_bytes().unwrap_or_default(),
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "a rate for people")]
pub(super) fn per_second(count: u64, took: Duration) -> f64 {
    count as f64 / took.as_secs_f64().max(1e-9)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_by_nearest_rank() {
        let times: Vec<Duration> = (1..=20).map(Duration::from_millis).collect();
        assert_eq!(percentile(&times, 0.5), Duration::from_millis(10));
        assert_eq!(percentile(&times, 0.95), Duration::from_millis(19));
        assert_eq!(percentile(&times, 0.99), Duration::from_millis(20));
        assert_eq!(percentile(&[], 0.5), Duration::ZERO);
    }

    #[test]
    fn the_median_of_two_is_their_mean() {
        assert!((median(&[3.0, 1.0]) - 2.0).abs() < f64::EPSILON);
        assert!((median(&[9.0, 1.0, 2.0]) - 2.0).abs() < f64::EPSILON);
    }

    #[test]
    fn the_process_knows_its_use() {
        assert!(cpu_seconds().is_some());
        assert!(memory_peak_bytes().unwrap() > 1 << 20);
    }
}
