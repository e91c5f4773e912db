//! The program: reads the flags, measures, and shows the results.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use super::flags::{Flags, Kinds};
use super::plot;
use super::summary::{self, Summary};
use super::timeline::Timeline;
use super::trouble::make_trouble;
use crate::crowd::gauge::{self, Calls, Connections, Gauged, Strace};
use crate::crowd::load::{self, Load, Report, Said, Until};
use crate::crowd::progress::Progress;
use crate::crowd::sockets::{Crowd, Server, check_limit};
use crate::crowd::started::Started;
use crate::crowd::table::Table;
use crate::crowd::visitors::{self, Tally, Visitors};
use crate::crowd::{Outcome, Patience};

/// How long to count system calls.
const CALLS_TIME: Duration = Duration::from_secs(1);

/// Measures, and shows the results.
pub fn run(flags: &Flags, out: &mut dyn Write) -> Outcome<()> {
    let kinds = flags.kinds()?;
    let json_file = flags.json.as_deref().filter(|path| *path != Path::new("-"));
    // Better fail before the measurement than after it if a file cannot be written.
    for path in json_file.into_iter().chain(flags.plot.as_deref()) {
        let file = OpenOptions::new().create(true).append(true).open(path);
        file.map_err(|error| unwritten(path, &error))?;
    }
    let summary = measure(flags, &kinds)?;
    let json = format!("{:#}\n", summary.to_json());
    let is_json_shown = flags.json.is_some() && json_file.is_none();
    let shown = if is_json_shown { json.clone() } else { summary.table.to_text() };
    out.write_all(shown.as_bytes())?;
    if let Some(path) = json_file {
        fs::write(path, json).map_err(|error| unwritten(path, &error))?;
    }
    if let Some(path) = &flags.plot {
        let svg = plot::draw(&summary.title, &summary.timeline.intervals)?;
        fs::write(path, svg).map_err(|error| unwritten(path, &error))?;
    }
    Ok(())
}

fn unwritten(path: &Path, error: &std::io::Error) -> String {
    format!("cannot write {}: {error}", path.display())
}

fn measure(flags: &Flags, kinds: &Kinds) -> Outcome<Summary> {
    check_limit(kinds.all())?;
    let found = flags.find_server()?;
    let started = if found.is_none() { Some(Started::chinwag(&[])?) } else { None };
    let address = found.or(started.as_ref().map(|one| one.address)).ok_or("no server")?;
    let pid = flags.pid.or(started.as_ref().map(Started::pid)).or_else(|| {
        // A process of another machine cannot be found from here. A server in this process cannot
        // be told from the clients.
        let here = address.ip().is_loopback().then(|| gauge::listener_pid(address))?;
        here.filter(|pid| *pid != std::process::id())
    });
    let mut table = Table::default();
    summary::add_kinds(&mut table, kinds);

    let before = Gauged::now(pid)?;
    let connections = pid.map(Connections::of).transpose()?;
    let mut crowd = connect(address, kinds, connections)?;
    summary::add_connecting(&mut table, &crowd, &Gauged::now(pid)?.since(&before));
    crowd.deafen(kinds.stuck);
    let mut others = Visitors::new(&crowd, false, Tally::default())?;
    make_trouble(&mut others, &kinds.trouble);
    enter(&mut others, &mut crowd)?;

    let before = Gauged::now(pid)?;
    let gauge = || Gauged::now(pid);
    let (report, timeline, after) = talk(flags, &mut crowd, &mut others, flags.until(), gauge)?;
    summary::add_talking(&mut table, &report, &after.since(&before));
    if others.tally().visits > 0 {
        summary::add_trouble(&mut table, &others.tally());
    }
    let mut summary = Summary::new(flags, table, &report, timeline);
    if !flags.no_calls {
        summary.add_calls(count_calls(flags, &mut crowd, &mut others, pid)?);
    }
    Ok(summary)
}

fn connect(address: SocketAddr, kinds: &Kinds, connections: Option<Connections>) -> Outcome<Crowd> {
    let clients = kinds.reading + kinds.stuck;
    let progress = Progress::new("connecting", clients as u64)?;
    let mut crowd = Crowd::new(Server::chinwag(address, connections))?;
    crowd.connect_watched(clients, &mut |let_in| progress.show(let_in as u64))?;
    crowd.begin()?;
    Ok(crowd)
}

/// Waits until each client that is trouble has been let in once.
fn enter(others: &mut Visitors, crowd: &mut Crowd) -> Outcome<()> {
    let all = others.here();
    let progress = Progress::new("trouble", all as u64)?;
    let mut patience = Patience::full();
    while others.host.been_in.get() < all {
        others.turn()?;
        crowd.read(visitors::WAIT_MAX)?;
        let let_in = others.host.been_in.get();
        progress.show(let_in as u64);
        patience.check(let_in as u64, || format!("only {let_in} of {all} are let in"))?;
    }
    Ok(())
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
    let (what, steps) = match until {
        Until::Heard(messages) => ("messages heard", messages.saturating_mul(flags.senders)),
        Until::Time(time) => ("talking, ms", time.as_millis() as u64),
    };
    let progress = Progress::new(what, steps)?;
    let wait_max = if others.here() == 0 { load::WAIT_MAX } else { visitors::WAIT_MAX };
    let mut load = Load::new(crowd, &flags.talkers(), until);
    let mut timeline = Timeline::new(&load, until);
    while !load.is_over() || !load.is_heard() {
        load.turn(wait_max)?;
        others.turn()?;
        timeline.look(&mut load)?;
        progress.show(match until {
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
    let sum = |of: fn(&Said) -> u64| report.said.iter().map(of).sum::<u64>() * reading;
    let (said, lost) = (sum(|one| one.messages), sum(|one| one.lost));
    let (heard, missed) = (report.deliveries, report.messages_missed);
    let in_time: u64 = timeline.intervals.iter().map(|one| one.deliveries).sum();
    if heard + missed + lost != said || in_time != heard {
        return Err(format!(
            "this program counts wrong: of {said} deliveries {heard} were made, {in_time} of them \
             in an interval, {missed} missed, {lost} lost"
        )
        .into());
    }
    Ok(())
}

/// The system calls and the deliveries of a second run, or why they are not known.
fn count_calls(
    flags: &Flags,
    crowd: &mut Crowd,
    others: &mut Visitors,
    pid: Option<u32>,
) -> Outcome<Result<(Calls, u64), String>> {
    let Some(pid) = pid else { return Ok(Err("the process is not known (--pid)".to_owned())) };
    if !Strace::is_there() {
        return Ok(Err("strace is not installed".to_owned()));
    }
    let strace = match Strace::attach(pid) {
        Ok(strace) => strace,
        Err(error) => return Ok(Err(error.to_string())),
    };
    let until = Until::Time(CALLS_TIME);
    let (report, _, calls) = talk(flags, crowd, others, until, || strace.finish())?;
    Ok(Ok((calls, report.deliveries)))
}
