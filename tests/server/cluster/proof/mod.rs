//! Promise P11 on real processes: four servers, a redis-server, and what may happen to them.
//!
//! Clients talk on all servers and keep what they read, while links are cut and processes are
//! stopped or killed. Then everything heals, and what all have read is compared: see [`check`].
//!
//! `scripts/proof.sh cluster` runs it for longer, and writes `scripts/results/cluster.md`.
//! `CHINWAG_SECONDS` is how long clients talk, `CHINWAG_SEEDS` how many runs there are of each
//! history, `CHINWAG_SEED` a single one, and `CHINWAG_FAULT` a part of the name of a history. With
//! `CHINWAG_REPORT` the report is written to that file. A seed chooses what is done, but not what
//! the machine makes of it: a failure may need several runs to come again.

use std::time::{Duration, Instant};

use check::Verdict;
use report::Row;
use world::{Kept, World};

mod check;
mod people;
mod relay;
mod report;
mod world;

/// What happens, again and again.
struct History {
    name: &'static str,
    kept: Kept,
    faults: &'static [Fault],
    /// The engine may lose what it has acknowledged. Then it must be told.
    may_lose: bool,
}

const fn history(name: &'static str, kept: Kept, faults: &'static [Fault]) -> History {
    History { name, kept, faults, may_lose: false }
}

const fn losing(name: &'static str, kept: Kept, faults: &'static [Fault]) -> History {
    History { name, kept, faults, may_lose: true }
}

/// Those with this in their name take so long that they are left out of a short test.
const LONG: &str = "36 s";

const HISTORIES: [History; 18] = [
    history("no fault", Kept::Always, &[World::nothing]),
    history("links cut", Kept::Always, &[World::cut_link]),
    history("links stalled", Kept::Always, &[World::stall_link]),
    history("engine stopped, SIGSTOP", Kept::Always, &[World::stop_engine]),
    history("engine killed, `always`", Kept::Always, &[World::kill_engine]),
    history("servers stopped, SIGTERM", Kept::Always, &[World::stop_server]),
    history("servers killed, SIGKILL", Kept::Always, &[World::kill_server]),
    history("all of the above", Kept::Always, &ALL),
    history("link cut for 36 s", Kept::Always, &[World::be_gone]),
    history("replica reached, it is behind", Kept::WithReplica, &[World::reach_replica]),
    losing("engine killed, `everysec`", Kept::EverySecond, &[World::kill_engine]),
    losing("power cut, `everysec`", Kept::EverySecond, &[World::cut_power]),
    losing("power cut for 36 s", Kept::EverySecond, &[World::cut_power_for_long]),
    losing("power cut, and servers, links", Kept::EverySecond, &WITH_POWER_CUTS),
    losing("failover", Kept::WithReplica, &[World::fail_over]),
    losing("failover, and servers, links", Kept::WithReplica, &WITH_FAILOVERS),
    losing("stream trimmed", Kept::Always, &[World::forget]),
    losing("stream trimmed, link cut for 36 s", Kept::Always, &[World::be_gone_and_forget]),
];

type Fault = fn(&mut World);

const ALL: [Fault; 6] = [
    World::cut_link,
    World::stall_link,
    World::stop_engine,
    World::kill_engine,
    World::stop_server,
    World::kill_server,
];

const WITH_POWER_CUTS: [Fault; 6] = [
    World::cut_power,
    World::cut_power,
    World::cut_link,
    World::stall_link,
    World::stop_server,
    World::kill_server,
];

const WITH_FAILOVERS: [Fault; 7] = [
    World::fail_over,
    World::fail_over,
    World::reach_replica,
    World::cut_link,
    World::stall_link,
    World::stop_server,
    World::kill_server,
];

/// One run of a history.
fn run(history: &History, seed: u64, time: Duration) -> Row {
    let mut world = World::start(seed, history.kept);
    let end = Instant::now() + time;
    while Instant::now() < end {
        world.talk_up_to(600);
        let fault = history.faults[world.random.below(history.faults.len())];
        fault(&mut world);
    }
    world.heal();
    world.wait_until_quiet();
    let faults = world.faults;
    Row { name: history.name, runs: 1, faults, verdict: check::check(&world.seen()) }
}

/// Asserts what is promised of a history.
fn assert_kept(history: &History, seed: u64, verdict: &Verdict) {
    let Verdict { lost, lacking, doubled, moved, reversed, announced, misled, .. } = *verdict;
    let wrong = doubled + reversed + misled;
    let gone = if history.may_lose { 0 } else { lost + lacking + announced + moved };
    let name = history.name;
    assert!(wrong + gone == 0, "CHINWAG_SEED={seed} CHINWAG_FAULT={name:?}: {verdict:#?}");
}

fn number_from_env(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|value| value.parse().unwrap())
}

#[test]
#[ignore = "needs redis-server"]
fn whatever_happens_all_servers_show_the_same_once() {
    let seconds = number_from_env("CHINWAG_SECONDS").unwrap_or(2);
    let seeds = match number_from_env("CHINWAG_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number_from_env("CHINWAG_SEEDS").unwrap_or(1),
    };
    let part = std::env::var("CHINWAG_FAULT").unwrap_or_default();
    let is_asked = |history: &&History| {
        let is_long = history.name.contains(LONG);
        history.name.contains(&part) && (!is_long || seconds >= 20 || part == LONG)
    };
    let mut rows = Vec::new();
    for history in HISTORIES.iter().filter(is_asked) {
        let mut sum = Row { name: history.name, ..Row::default() };
        // All at once: most of the time they wait.
        std::thread::scope(|scope| {
            let run = |seed| scope.spawn(move || run(history, seed, Duration::from_secs(seconds)));
            let runs: Vec<_> = seeds.clone().map(|seed| (seed, run(seed))).collect();
            for (seed, run) in runs {
                let row = run.join().unwrap();
                println!("seed {seed}: {row:?}");
                assert_kept(history, seed, &row.verdict);
                sum.add(row);
            }
        });
        rows.push(sum);
    }
    if let Some(path) = std::env::var_os("CHINWAG_REPORT") {
        std::fs::write(path, report::of(&rows, seconds)).unwrap();
    }
}
