//! The program: reads the flags, measures, and shows the results.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressFinish, ProgressStyle};
use serde_json::{Value, json};

use super::flags::{Flags, Kinds};
use super::timeline::Timeline;
use super::trouble::{DRIPS, LEAVES, RESETS, make_trouble};
use super::{plot, summary};
use crate::crowd::author::Author;
use crate::crowd::sockets::check_limit;
use crate::crowd::visitors::WAIT_MAX;
use crate::crowd::{Calls, Connections, Crowd, Gauged, Load, Outcome, Report, Server, Started};
use crate::crowd::{Strace, Table, Tally, Until, Visitors, gauge, text};

/// How long to count system calls.
const CALLS_TIME: Duration = Duration::from_secs(1);

/// Measures, and shows the results.
pub fn run(flags: &Flags, out: &mut dyn Write) -> Outcome<()> {
    let kinds = flags.kinds()?;
    let json_file = flags.json.as_deref().filter(|path| *path != Path::new("-"));
    // Better fail before the measurement than after it if a file cannot be written.
    let unwritten = |path: &Path, error| format!("cannot write {}: {error}", path.display());
    for path in json_file.into_iter().chain(flags.plot.as_deref()) {
        let file = File::options().create(true).append(true).open(path);
        file.map_err(|error| unwritten(path, error))?;
    }
    let (table, timeline) = measure(flags, &kinds)?;
    let json = format!("{:#}\n", table.json);
    let is_json_shown = flags.json.is_some() && json_file.is_none();
    out.write_all(if is_json_shown { &json } else { &table.text }.as_bytes())?;
    if let Some(path) = json_file {
        fs::write(path, json).map_err(|error| unwritten(path, error))?;
    }
    if let Some(path) = &flags.plot {
        let svg = plot::draw(&flags.title(&kinds), &timeline.intervals)?;
        fs::write(path, svg).map_err(|error| unwritten(path, error))?;
    }
    Ok(())
}

fn measure(flags: &Flags, kinds: &Kinds) -> Outcome<(Table, Timeline)> {
    let all = flags.clients;
    check_limit(all as usize)?;
    let found = flags.find_server()?;
    let started = if found.is_none() { Some(Started::chinwag(&[])?) } else { None };
    let address = found.or(started.as_ref().map(|one| one.address)).ok_or("no server")?;
    let pid = flags.pid.or(started.as_ref().map(Started::pid)).or_else(|| {
        // A process of another machine cannot be found from here. A server in this process cannot
        // be told from the clients.
        let here = address.ip().is_loopback().then(|| gauge::listener_pid(address))?;
        here.filter(|pid| *pid != std::process::id())
    });
    let before = Gauged::now(pid)?;
    let progress = progress("connecting", all.into())?;
    let [reading, stuck, drip, reset, leave] = kinds.map(|(.., count)| count);
    let connections = pid.map(Connections::of).transpose()?;
    let mut crowd = Crowd::new(Server::chinwag(address, connections))?;
    crowd.connect_watched(reading + stuck, &mut |let_in| progress.set_position(let_in as u64))?;
    crowd.begin()?;
    let mut table = Table::default();
    summary::add_connecting(&mut table, kinds, &crowd, &Gauged::now(pid)?.since(&before));
    crowd.deafen(stuck);
    let mut others = Visitors::new(&crowd, false, Tally::default())?;
    let trouble = [(DRIPS, drip), (RESETS, reset), (LEAVES, leave)];
    make_trouble(&mut others, &trouble);
    while others.host.been_in.get() < others.here.len() {
        others.turn()?;
        crowd.read(WAIT_MAX)?;
        progress.set_position((crowd.clients.len() + others.host.been_in.get()) as u64);
    }
    progress.finish_and_clear();

    let before = Gauged::now(pid)?;
    let gauge = || Gauged::now(pid);
    let (report, timeline, after) = talk(flags, &mut crowd, &mut others, flags.until(), gauge)?;
    summary::add_talking(&mut table, &report, &after.since(&before));
    let tally = *others.host.tally.borrow();
    if tally.visits > 0 {
        summary::add_trouble(&mut table, &tally);
    }
    let (calls, each) = count_calls(flags, &mut crowd, &mut others, pid)?;
    table.add("system_calls_per_delivery", "system calls per delivery", each, "");
    let said =
        |one: &Author| json!({"name": text(&one.name), "said": one.said, "lost": one.lost()});
    table.json["title"] = flags.title(kinds).into();
    table.json["senders"] = report.authors.iter().map(said).collect();
    table.json["system_calls"] = calls.into_iter().collect();
    table.json["intervals"] = json!(timeline.intervals);
    Ok((table, timeline))
}

/// Has the clients talk, and waits until all that they said has arrived. Then calls `settled`, and
/// returns its result too.
fn talk<T>(
    flags: &Flags,
    crowd: &mut Crowd,
    others: &mut Visitors,
    until: Until,
    settled: impl FnOnce() -> Outcome<T>,
) -> Outcome<(Report, Timeline, T)> {
    let talkers = flags.talkers();
    let progress = match until {
        Until::Heard(messages) => progress("messages heard", messages * talkers.len() as u64)?,
        Until::Time(time) => progress("talking, ms", time.as_millis() as u64)?,
    };
    let mut load = Load::new(crowd, &talkers, until);
    let mut timeline = Timeline::new(&load);
    while !load.is_over() || !load.is_heard() {
        load.turn(WAIT_MAX)?;
        others.turn()?;
        timeline.look(&mut load)?;
        progress.set_position(match until {
            Until::Heard(_) => load.record().heard_by_all,
            Until::Time(_) => load.start.elapsed().as_millis() as u64,
        });
    }
    timeline.end(&mut load)?;
    let settled = settled()?;
    load.crowd.end()?;
    let report = load.report()?;
    others.end(crowd)?;
    check_sums(&report, &timeline, crowd.hearing() as u64)?;
    Ok((report, timeline, settled))
}

/// Checks that every message has reached every client, or the client was told that it missed it.
fn check_sums(report: &Report, timeline: &Timeline, reading: u64) -> Outcome<()> {
    let due: u64 = report.authors.iter().map(|one| (one.said - one.lost()) * reading).sum();
    let (heard, missed) = (report.deliveries, report.messages_missed);
    let timed: u64 = timeline.intervals.iter().map(|one| one.deliveries).sum();
    let told = format!("of {due} deliveries {heard} came, {timed} in an interval, {missed} missed");
    let is_right = heard + missed == due && timed == heard;
    if is_right { Ok(()) } else { Err(format!("this program counts wrong: {told}").into()) }
}

/// The system calls of a second run, and how many of them each delivery took, or why that is not
/// known.
fn count_calls(
    flags: &Flags,
    crowd: &mut Crowd,
    others: &mut Visitors,
    pid: Option<u32>,
) -> Outcome<(Calls, Value)> {
    let strace = match pid {
        _ if flags.no_calls => Err("--no-calls".into()),
        None => Err(summary::NO_PROCESS.into()),
        Some(_) if !Strace::is_there() => Err("strace is not installed".into()),
        Some(pid) => Strace::attach(pid),
    };
    let strace = match strace {
        Ok(strace) => strace,
        Err(why) => return Ok((Calls::new(), why.to_string().into())),
    };
    let until = Until::Time(CALLS_TIME);
    let (report, _, calls) = talk(flags, crowd, others, until, || strace.finish())?;
    let all: u64 = calls.iter().map(|(_, calls)| calls).sum();
    Ok((calls, (all as f64 / report.deliveries as f64).into()))
}

/// A progress bar on standard error, until it is dropped; none if that is no terminal.
fn progress(what: &'static str, steps: u64) -> Outcome<ProgressBar> {
    const TEMPLATE: &str = "{msg:16} [{wide_bar}] {human_pos}/{human_len} {elapsed}";
    let style = ProgressStyle::with_template(TEMPLATE)?.progress_chars("=> ");
    let bar = ProgressBar::new(steps).with_style(style).with_message(what);
    Ok(bar.with_finish(ProgressFinish::AndClear))
}
