//! The report of all histories, in words and a table.

use std::process::Command;

use super::check::Verdict;

/// What the runs of a history have shown.
#[derive(Debug, Default)]
pub struct Row {
    pub name: &'static str,
    pub runs: u64,
    /// How often something was done.
    pub faults: u64,
    pub verdict: Verdict,
}

impl Row {
    /// Counts another run too.
    pub fn add(&mut self, other: Row) {
        self.runs += other.runs;
        self.faults += other.faults;
        self.verdict.add(other.verdict);
    }
}

const HEAD: &str = "\
# Cluster

Four servers share one conversation by a redis-server. Meanwhile their links are cut, and processes
are stopped or killed. All that clients read is kept and compared. The promise is P11 of
[tests/README.md](../../tests/README.md): what one server shows all show, in one order, once. A cut
delays a line and never doubles it. What the engine has lost is told, and counted exactly.

`scripts/proof.sh --keep cluster` writes this page. It fails if a promise is broken.

";

const WHAT: &str = "
- Each server has five clients, in two rooms. Three of them say numbered lines. All five keep what
  they read.
- *Acknowledged* are lines that stood before an unknown command which was answered. A server answers
  once it has read the lines before it from the stream.
- *Lost* are acknowledged lines that no server has shown.
- *Lacking* are acknowledged lines that a server has not shown that lived through the history. A
  line counts for each of these servers.
- *Twice* are lines that a client has read twice. *Order* are lines that a client has read behind a
  later one of the same talker.
- *Moved* are lines that two clients have read in different places.
- *Told* is the sum of N in `* you missed N lines`. A server counts once for each of its rooms. It
  includes lines that were not acknowledged, notices such as `bob joined`, and what servers missed
  that were started or killed meanwhile. So it can be more than what is lacking.
- *Inexact* are clients to which N was not the number of lines that others had read and they had
  not. What only a killed server or no server has shown may be in N or not.

What is done:

- *Links* are those of one server: cut or stalled, one way or both, for up to 2.5 s, now and then
  13 s. What is on its way is lost, or arrives up to 2 s later. After 30 s a server counts as gone.
- *SIGSTOP* lasts up to 3 s. A server or an engine that was killed is away for up to 1 s. A server
  comes back under its name, with other clients.
- *Power cut* kills the engine and takes up to a second from the end of its log, as
  `appendfsync everysec` allows. Now and then a server has not read all of that.
- *Failover* kills the primary, makes the replica the primary, and lets the old one follow it. Now
  and then the replica is up to 0.7 s behind, or a server is. The servers were given both addresses.
- *Trimmed* is the stream, while a server is cut off. Of what that has not read, at most 30 entries
  are left, or 100 after 36 s. Now and then another server has started meanwhile.

What it means:

- **As long as the engine keeps what it has acknowledged, nothing is lost, doubled or moved.** With
  `appendfsync always` that holds for each of the first rows, also for all of their faults at once.
  A kill alone loses nothing with `everysec` either: the kernel still writes what the process wrote.
- **What the engine loses is told exactly.** After a power cut with `everysec`, a failover, or a
  stream that was trimmed, a server lacks lines that others have shown. Its clients are told how
  many. Replication of Redis is asynchronous, so a failover can lose what was acknowledged.
- **What the engine loses may also move lines.** A server sends again what it has not read back. If
  the first copy was lost, servers that have read it show those lines there, and the others where
  the second copy stands. That is at most one batch of each server, each time.
- What a server has said that ended before the others read it, and that the engine has lost, may not
  be told: nobody knows how much it was.

The first runs found faults that no other test had: the last lines of a server that stopped came
twice; what a server had missed of another was not told, if that had started meanwhile, or if it had
read nothing for half a minute; and after half a minute without an engine the servers took each
other for gone. They are mended, and `tests/hub/cluster.rs` has a test for each.

The comparison itself is tested with histories that are wrong on purpose. It was also seen to fail
with servers that do not drop what comes again, do not send again what a cut has lost, answer before
the lines come back, or do not tell what was missed.
";

const COLUMNS: &str = "\
| history | runs | faults | said | acknowledged | lost | lacking | told | inexact | twice | order \
| moved |
|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|
";

/// The whole page.
pub fn of(rows: &[Row], seconds: u64) -> String {
    let mut page = [HEAD, COLUMNS].concat();
    for Row { name, runs, faults, verdict: its } in rows {
        let counts = [*runs, *faults, its.said, its.acknowledged, its.lost, its.lacking];
        let more = [its.announced, its.misled, its.doubled, its.reversed, its.moved];
        let counts: Vec<String> = counts.into_iter().chain(more).map(grouped).collect();
        page.push_str(&format!("| {name} | {} |\n", counts.join(" | ")));
    }
    page.push_str(&format!("\n{}. Clients talk for {seconds} s in each run.\n", machine()));
    page.push_str(WHAT);
    page
}

/// `12345` as `12 345`.
fn grouped(number: u64) -> String {
    match number {
        0..1000 => number.to_string(),
        _ => format!("{} {:03}", grouped(number / 1000), number % 1000),
    }
}

/// The day, the machine and the programs.
fn machine() -> String {
    let told = |program: &str, flags: &[&str]| {
        let output = Command::new(program).args(flags).output().unwrap();
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    let day = told("date", &["-u", "+%Y-%m-%d"]);
    let cores = std::thread::available_parallelism().unwrap();
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap();
    let model = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let (_, model) = model.unwrap_or(("", "unknown"));
    let kernel = told("uname", &["-sr"]);
    let redis = told("redis-server", &["--version"]);
    let redis = redis.split_whitespace().take(3).collect::<Vec<&str>>().join(" ");
    let build = if cfg!(debug_assertions) { "with its assertions" } else { "a release" };
    let version = env!("CARGO_PKG_VERSION");
    format!("{day}, {cores} x {model}, {kernel}, {redis}, chinwag {version}, {build}")
}

#[test]
fn a_row_of_the_report_has_all_counts() {
    assert_eq!([0, 999, 1000, 1_234_567].map(grouped), ["0", "999", "1 000", "1 234 567"]);
    let verdict = Verdict { said: 1001, acknowledged: 1000, lacking: 3, ..Verdict::default() };
    let mut row = Row { name: "links cut", ..Row::default() };
    row.add(Row { name: "links cut", runs: 1, faults: 2, verdict });
    let page = of(&[row], 20);
    let cells = "| links cut | 1 | 2 | 1 001 | 1 000 | 0 | 3 | 0 | 0 | 0 | 0 | 0 |\n";
    assert!(page.contains(cells), "{page}");
}
