//! Promise P11 on real processes: four servers, a redis-server, and whatever may happen to them.
//!
//! Clients talk on all servers and keep what they read, while the links are cut and processes are
//! stopped or killed. Then everything heals, and what all have read is compared: see [`check`].
//!
//! `scripts/proof.sh cluster` runs it for longer, and writes `scripts/results/cluster.md`.
//! `CHINWAG_SECONDS` is how long clients talk, `CHINWAG_SEEDS` how many runs there are of each
//! history, `CHINWAG_SEED` a single one, and `CHINWAG_FAULT` a part of the name of a history.

use std::time::{Duration, Instant};

use check::Verdict;
use world::{Kept, World};

mod check;
mod people;
mod relay;
mod world;

/// What happens, again and again.
struct History {
    name: &'static str,
    kept: Kept,
    faults: &'static [fn(&mut World)],
    /// The engine may lose what it has acknowledged. Then it must be told.
    may_lose: bool,
}

const fn history(name: &'static str, kept: Kept, faults: &'static [fn(&mut World)]) -> History {
    History { name, kept, faults, may_lose: false }
}

const fn losing(name: &'static str, kept: Kept, faults: &'static [fn(&mut World)]) -> History {
    History { name, kept, faults, may_lose: true }
}

const HISTORIES: [History; 16] = [
    history("nothing", Kept::Always, &[World::nothing]),
    history("links cut", Kept::Always, &[World::cut_link]),
    history("links stalled", Kept::Always, &[World::stall_link]),
    history("a link cut for 36 s", Kept::Always, &[World::be_gone]),
    history("engine stopped", Kept::Always, &[World::stop_engine]),
    history("engine killed, `always`", Kept::Always, &[World::kill_engine]),
    history("servers stopped", Kept::Always, &[World::stop_server]),
    history("servers killed", Kept::Always, &[World::kill_server]),
    history("all of these", Kept::Always, &ALL),
    losing("engine killed, `everysec`", Kept::EverySecond, &[World::kill_engine]),
    losing("power cut, `everysec`", Kept::EverySecond, &[World::cut_power]),
    losing("power cut, and all", Kept::EverySecond, &WITH_POWER_CUTS),
    losing("failover", Kept::WithReplica, &[World::fail_over]),
    history("replica reached", Kept::WithReplica, &[World::reach_replica]),
    losing("failover, and all", Kept::WithReplica, &WITH_FAILOVERS),
    losing("stream forgets", Kept::Always, &[World::forget]),
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

/// One run of a history: what it shows, and how often something was done.
fn run(history: &History, seed: u64, time: Duration) -> (Verdict, u64) {
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
    (check::check(&world.seen()), faults)
}

fn number_from_env(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |value| value.parse().unwrap())
}

/// Asserts what is promised of a history.
fn assert_kept(history: &History, seed: u64, verdict: &Verdict) {
    let Verdict { lost, lacking, doubled, moved, reversed, announced, misled, .. } = *verdict;
    let wrong = doubled + reversed + misled;
    let gone = if history.may_lose { 0 } else { lost + lacking + announced + moved };
    let name = history.name;
    assert!(wrong + gone == 0, "CHINWAG_SEED={seed} CHINWAG_FAULT={name:?}: {verdict:#?}");
}

#[test]
#[ignore = "needs redis-server"]
fn whatever_happens_all_servers_show_the_same_once() {
    let seeds = number_from_env("CHINWAG_SEEDS", 1);
    let seconds = number_from_env("CHINWAG_SECONDS", 2);
    let only = std::env::var("CHINWAG_SEED").ok().map(|seed| seed.parse::<u64>().unwrap());
    let part = std::env::var("CHINWAG_FAULT").unwrap_or_default();
    for history in HISTORIES.iter().filter(|history| history.name.contains(&part)) {
        let mut sum = Verdict::default();
        let mut times = 0;
        for seed in only.map_or(0..seeds, |seed| seed..seed + 1) {
            let (verdict, faults) = run(history, seed, Duration::from_secs(seconds));
            println!("{} {seed}: {faults} {verdict:?}", history.name);
            assert_kept(history, seed, &verdict);
            sum.add(verdict);
            times += faults;
        }
        println!("{}: {times} {sum:?}", history.name);
    }
}
