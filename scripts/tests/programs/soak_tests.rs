//! The soak test times the right client, whatever the deadlines are.

use std::fs;
use std::io::{self, ErrorKind, Write};

use scripts::soak::deadlines;
use scripts::stress::started::Started;
use scripts::stress::{Patience, gauge};

#[test]
fn deadlines_of_any_length_are_kept_and_found_to_be() {
    // A check lets a deadline be 4 s late. So --flush is further than that from --shutdown, and
    // --chunk-age from --chunk-quiet. Else one could pass for the other.
    let flags = [
        ["--stuck", "2"],
        ["--flush", "5"],
        ["--shutdown", "0.5"],
        ["--drain", "0.5"],
        ["--user-timeout", "20"],
        ["--greeting", "0.3"],
        ["--chunk-quiet", "0.3"],
        ["--chunk-age", "5"],
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

/// A reader that leaves after this many lines, as `head` does.
struct Head {
    lines: usize,
}

impl Write for Head {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.lines == 0 {
            return Err(ErrorKind::BrokenPipe.into());
        }
        self.lines -= bytes.iter().filter(|byte| **byte == b'\n').count().min(self.lines);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn no_server_is_left_when_nobody_reads_what_is_found() {
    // Only the servers of this test have this limit.
    const MARK: &str = "2222";
    let flags = ["--stuck", "1", "--flush", "1", "--user-timeout", "5", "--max-line", MARK];
    let error = deadlines::look(&flags, false, &mut Head { lines: 3 }).unwrap_err();
    assert!(error.to_string().contains("broken pipe"), "{error}");
    let has_mark = |entry: io::Result<fs::DirEntry>| {
        let flags = fs::read_to_string(entry.unwrap().path().join("cmdline")).unwrap_or_default();
        flags.split('\0').any(|flag| flag == MARK)
    };
    assert!(!fs::read_dir("/proc").unwrap().any(has_mark));
}
