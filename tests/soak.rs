//! The soak times the client that it means, whatever the deadlines are.

#![allow(clippy::unwrap_used, reason = "a test")]

#[path = "../scripts/soak/deadlines.rs"]
mod deadlines;
#[allow(dead_code, reason = "the program uses the rest of it")]
#[path = "../scripts/soak/network.rs"]
mod network;
#[path = "../scripts/soak/peer.rs"]
mod peer;
#[path = "../scripts/stress/mod.rs"]
mod stress;

use stress::started::Started;
use stress::{Patience, gauge};

#[test]
fn deadlines_of_any_length_are_kept_and_found_to_be() {
    let flags = [
        ["--stuck", "2"],
        ["--flush", "1"],
        ["--shutdown", "1"],
        ["--drain", "0.5"],
        ["--user-timeout", "9"],
        ["--greeting", "0.3"],
        ["--chunk-quiet", "0.3"],
        ["--chunk-age", "0.7"],
        ["--summary", "0.5"],
        ["--notices", "5"],
        ["--rate", "20"],
        ["--burst", "10"],
        ["--per-address", "7"],
        ["--max-line", "2000"],
        ["--max-endless", "30000"],
        ["--history-bytes", "2000"],
    ];
    let mut out = Vec::new();
    let found = deadlines::look(flags.as_flattened(), false, &mut out);
    let out = String::from_utf8(out).unwrap();
    assert!(found.is_ok(), "{found:?}\n{out}");
    for row in [["--stuck", "2", "s"], ["--max-line", "2000", "2000"]] {
        let is_there = out.lines().any(|line| line.split_whitespace().take(3).eq(row));
        assert!(is_there, "no {row:?} in {out}");
    }
}

#[test]
fn of_three_only_the_stuck_one_has_anything_waiting() {
    let server = Started::chinwag(&[]).unwrap();
    let _here = deadlines::one_stuck(&server).unwrap();
    let mut patience = Patience::new();
    let mut waiting = 3;
    while waiting != 1 {
        let sockets = gauge::sockets(server.address.port()).unwrap();
        waiting = sockets.iter().filter(|socket| socket.unacknowledged_bytes > 0).count();
        patience.check(false, || format!("{waiting} are stuck")).unwrap();
    }
}
