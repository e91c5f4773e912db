//! Whether the memory of a server at rest grows.

use crate::crowd::Fault;

/// At most this much more memory at rest than after the warm-up is no leak. The allocator returns
/// pages or keeps them, and a map that was once fuller keeps its room.
pub const KEPT_BYTES_MAX: u64 = 512 * 1024;

/// At most this much more from the first round to the last is no steady growth. It is measured
/// along the line that fits all rounds best.
pub const GROWN_BYTES_MAX: f64 = 256.0 * 1024.0;

/// With fewer rounds no line is fitted.
pub const ROUNDS_MIN: usize = 4;

/// Bytes in KiB.
pub fn kib(bytes: u64) -> u64 {
    bytes / 1024
}

/// Fails if the memory now is more than [`KEPT_BYTES_MAX`] above that before.
pub fn check_kept(now: u64, before: u64) -> Result<(), Fault> {
    if now <= before + KEPT_BYTES_MAX {
        return Ok(());
    }
    Err(Fault(format!("it keeps {} KiB when all have left, {} before", kib(now), kib(before))))
}

/// How many bytes the last round has more than the first, along the line that fits them best (least
/// squares). Fails if that is more than [`GROWN_BYTES_MAX`].
pub fn growth(rounds: &[u64]) -> Result<f64, Fault> {
    let count = rounds.len() as f64;
    let middle = (count - 1.0) / 2.0;
    let products = (0..).zip(rounds).map(|(at, bytes)| (f64::from(at) - middle) * *bytes as f64);
    // The squares of the distances from the middle add up to count * (count² - 1) / 12.
    let grown = products.sum::<f64>() * 12.0 / (count * (count + 1.0));
    if grown <= GROWN_BYTES_MAX {
        return Ok(grown);
    }
    let grown = kib(grown as u64);
    Err(Fault(format!("its memory at rest grows: by {grown} KiB over {count} rounds")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn growth_over_rounds_is_found_and_a_step_is_no_growth() {
        let rounds = |kib: fn(u64) -> u64| (0..30).map(|at| kib(at) * 1024).collect::<Vec<_>>();
        assert!(growth(&rounds(|at| 4000 + 10 * at)).is_err());
        assert!(growth(&rounds(|at| 4000 - 10 * at)).is_ok());
        assert!(growth(&rounds(|at| if at == 0 { 4000 } else { 4200 })).is_ok());
        assert!(growth(&rounds(|at| 4000 + 100 * (at % 3))).is_ok());
        let line = growth(&[1024, 2048, 3072, 4096]).unwrap();
        assert!((line - 3072.0).abs() < 0.001, "{line}");
    }

    #[test]
    fn memory_that_is_kept_when_all_have_left_is_found() {
        assert!(check_kept(4600 * 1024, 4000 * 1024).is_err());
        assert!(check_kept(4400 * 1024, 4000 * 1024).is_ok());
        assert!(check_kept(3000 * 1024, 4000 * 1024).is_ok());
    }
}
