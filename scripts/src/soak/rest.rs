//! What a server at rest keeps, and whether that grows.

use procfs::net::TcpState;

use crate::crowd::gauge;
use crate::crowd::{Fault, Outcome};

/// At most this much more memory at rest than after the warm-up is no leak. The allocator returns
/// pages or keeps them, and a map that was once fuller keeps its room.
pub const KEPT_BYTES_MAX: u64 = 512 * 1024;

/// At most this much more from the first round to the last is no steady growth. It is measured
/// along the line that fits all rounds best.
pub const GROWN_BYTES_MAX: f64 = 256.0 * 1024.0;

/// With fewer rounds no line is fitted.
pub const ROUNDS_MIN: usize = 4;

/// A server at rest.
#[derive(Clone, Copy, Debug)]
pub struct Rest {
    /// The memory, in bytes.
    pub resident_bytes: u64,
    /// How many descriptors it has open.
    pub descriptors: u64,
    /// How many ends of connections the kernel has at its port.
    pub connections: u64,
}

impl Rest {
    /// The state now.
    pub fn now(pid: u32, port: u16) -> Outcome<Rest> {
        let resident_bytes = gauge::resident_bytes(pid)?;
        let descriptors = gauge::descriptors(pid)?;
        Ok(Rest { resident_bytes, descriptors, connections: connections(port)? })
    }

    /// Fails if the memory now is more than [`KEPT_BYTES_MAX`] above `before`.
    pub fn check_memory(&self, before: &Rest) -> Result<(), Fault> {
        let more = self.resident_bytes.saturating_sub(before.resident_bytes);
        if more > KEPT_BYTES_MAX {
            let (now, then) = (kib(self.resident_bytes), kib(before.resident_bytes));
            return Err(Fault(format!("it keeps {now} KiB when all have left, {then} before")));
        }
        Ok(())
    }
}

/// Bytes in KiB.
pub fn kib(bytes: u64) -> u64 {
    bytes / 1024
}

/// The ends of connections that the kernel has at this port, without those that only wait for late
/// packets.
fn connections(port: u16) -> Outcome<u64> {
    const NOT_COUNTED: [TcpState; 2] = [TcpState::Listen, TcpState::TimeWait];
    let sockets = gauge::sockets(port)?;
    Ok(sockets.iter().filter(|socket| !NOT_COUNTED.contains(&socket.state)).count() as u64)
}

/// How many bytes the last round has more than the first, along the line that fits them best (least
/// squares). `None` for too few rounds.
pub fn growth(rounds: &[Rest]) -> Option<f64> {
    let count = rounds.len();
    if count < ROUNDS_MIN {
        return None;
    }
    let middle = (count - 1) as f64 / 2.0;
    let (mut products, mut squares) = (0.0, 0.0);
    for (at, rest) in rounds.iter().enumerate() {
        products += (at as f64 - middle) * rest.resident_bytes as f64;
        squares += (at as f64 - middle).powi(2);
    }
    Some(products / squares * (count - 1) as f64)
}

/// Fails if the memory grows steadily.
pub fn check_growth(rounds: &[Rest]) -> Result<(), Fault> {
    match growth(rounds) {
        Some(grown) if grown > GROWN_BYTES_MAX => {
            let (grown, count) = (kib(grown as u64), rounds.len());
            Err(Fault(format!("its memory at rest grows: by {grown} KiB over {count} rounds")))
        }
        _ => Ok(()),
    }
}
