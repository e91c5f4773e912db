//! A line of the log: what was said once, when, and where.
//!
//! `TIME ROOM NUMBER KIND NAME TEXT`, parted by TABs: RFC 3339 in UTC with milliseconds, so the
//! lines of a file sort by time, and `grep`, `cut` and `tail -f` are all the tools that one needs.
//! A field has no TAB and no line feed. This file is values: it knows no file and no clock.

use std::fmt::{self, Write};

use crate::room::transcript::EntryKind;

/// What stands for the name where there is none, and for the room of what belongs to none. No name
/// and no room can be called that.
pub const NONE: &str = "*";

/// What is written behind a part of a line. With it that has more fields than a line, whatever part
/// it is.
pub const TORN: &str = "\t\t\t\t\t\ttorn\n";

const MILLIS_PER_DAY: u64 = 24 * 60 * 60 * 1000;

/// What a line of the log is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A line of a client.
    Say,
    /// What a client does, as it said.
    Me,
    /// The words of the server.
    Notice,
    /// Bytes as they came, made safe to show.
    Raw,
    /// A line that came without a server: see `chinwag keep --help`.
    Line,
    /// The room has ended. One of the same name that begins later is another room.
    End,
    /// So many lines are not kept. They may be of any room.
    Missed,
    /// A server starts.
    Start,
    /// A server has ended. What it said is kept, but for what a line before this counts.
    Stop,
}

impl Kind {
    const ALL: [Kind; 9] = [
        Kind::Say,
        Kind::Me,
        Kind::Notice,
        Kind::Raw,
        Kind::Line,
        Kind::End,
        Kind::Missed,
        Kind::Start,
        Kind::Stop,
    ];

    /// The word of the log for it.
    pub const fn word(self) -> &'static str {
        match self {
            Kind::Say => "say",
            Kind::Me => "me",
            Kind::Notice => "notice",
            Kind::Raw => "raw",
            Kind::Line => "line",
            Kind::End => "end",
            Kind::Missed => "missed",
            Kind::Start => "start",
            Kind::Stop => "stop",
        }
    }
}

/// A line of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry<'a> {
    /// When it was said.
    pub unix_millis: u64,
    /// Where.
    pub room: &'a str,
    /// The numbers of a room only grow, and grow by one while nothing is missing.
    pub number: u64,
    /// What it is.
    pub kind: Kind,
    /// The name of its author, or [`NONE`].
    pub name: &'a str,
    /// The rest.
    pub text: &'a str,
}

impl Entry<'_> {
    /// Appends it to `out`, with its line feed.
    pub fn write(&self, out: &mut String) {
        let Entry { unix_millis, room, number, kind, name, text } = *self;
        // A String takes everything.
        let kind = kind.word();
        write!(out, "{}\t{room}\t{number}\t{kind}\t{name}\t", Time(unix_millis))
            .unwrap_or_default();
        out.push_str(text);
        out.push('\n');
    }
}

/// The entry that a line of the log is, without its line feed.
pub fn parse(line: &str) -> Option<Entry<'_>> {
    let mut fields = line.split('\t');
    let mut next = || fields.next();
    let (time, room, number, kind, name, text) =
        (next()?, next()?, next()?, next()?, next()?, next()?);
    let entry = Entry {
        unix_millis: parse_time(time)?,
        room,
        number: number.parse().ok()?,
        kind: Kind::ALL.into_iter().find(|it| it.word() == kind)?,
        name,
        text,
    };
    next().is_none().then_some(entry)
}

/// The kind, the name and the text of a line as clients get it, without its line feed.
pub fn split(line: &str) -> (Kind, &str, &str) {
    let (before, _) = EntryKind::Notice.marks();
    if let Some(text) = line.strip_prefix(before) {
        return (Kind::Notice, NONE, text);
    }
    let (before, behind) = EntryKind::Me.marks();
    if let Some((name, text)) = line.strip_prefix(before).and_then(|it| it.split_once(behind)) {
        return (Kind::Me, name, text);
    }
    let (_, behind) = EntryKind::Say.marks();
    line.split_once(behind)
        .map_or((Kind::Notice, NONE, line), |(name, text)| (Kind::Say, name, text))
}

/// A day, in UTC. Its text is the name of the file of that day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Day(u64);

impl Day {
    /// The day of this moment.
    pub fn of(unix_millis: u64) -> Day {
        Day(unix_millis / MILLIS_PER_DAY)
    }

    /// The day whose file has this name.
    pub fn parse_file_name(name: &str) -> Option<Day> {
        let day = parse_date(name.strip_suffix(".log")?)?;
        (day.to_string() == name).then_some(day)
    }

    /// How many days it is after another; 0 if it is before.
    pub fn days_after(self, other: Day) -> u64 {
        self.0.saturating_sub(other.0)
    }

    /// Year, month and day: `days_from_civil` of Howard Hinnant, backwards. A year begins in March
    /// there, and an era has 400 years.
    fn date(self) -> (u64, u64, u64) {
        let days = self.0 + 719_468;
        let (era, of_era) = (days / 146_097, days % 146_097);
        let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year + year / 4 - year / 100);
        let month = (5 * of_year + 2) / 153;
        let day = of_year - (153 * month + 2) / 5 + 1;
        let (month, carry) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
        (era * 400 + year + carry, month, day)
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = self.date();
        write!(f, "{year:04}-{month:02}-{day:02}.log")
    }
}

/// A moment in the words of RFC 3339.
struct Time(u64);

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = Day::of(self.0).date();
        let (millis, seconds) = (self.0 % 1000, self.0 / 1000 % 86_400);
        let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z")
    }
}

fn parse_time(text: &str) -> Option<u64> {
    let (date, time) = text.strip_suffix('Z')?.split_once('T')?;
    let (time, millis) = time.split_once('.')?;
    let mut parts = time.split(':').map(|part| part.parse::<u64>().ok());
    let (hour, minute, second) = (parts.next()??, parts.next()??, parts.next()??);
    let seconds = (hour * 60 + minute) * 60 + second;
    let time =
        parse_date(date)?.0 * MILLIS_PER_DAY + seconds * 1000 + millis.parse::<u64>().ok()?;
    (Time(time).to_string() == text).then_some(time)
}

fn parse_date(text: &str) -> Option<Day> {
    let mut parts = text.split('-').map(|part| part.parse::<u64>().ok());
    let (year, month, day) = (parts.next()??, parts.next()??, parts.next()??);
    if !(1970..=9999).contains(&year) || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let (era, of_era) = (year / 400, year % 400);
    let days = 365 * of_era + of_era / 4 - of_era / 100 + (153 * month + 2) / 5 + day - 1;
    (era * 146_097 + days).checked_sub(719_468).map(Day)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::words::names::Name;

    fn written(entry: &Entry<'_>) -> String {
        let mut out = String::new();
        entry.write(&mut out);
        out
    }

    #[test]
    fn a_line_of_the_log_is_six_fields() {
        let (kind, name, text) = split("bob: hello: you");
        let unix_millis = 1_795_784_090_007;
        let entry = Entry { unix_millis, room: "lobby", number: 12, kind, name, text };
        let line = "2026-11-27T12:54:50.007Z\tlobby\t12\tsay\tbob\thello: you\n";
        assert_eq!(written(&entry), line);
        assert_eq!(Day::of(unix_millis).to_string(), "2026-11-27.log");
    }

    #[test]
    fn a_line_that_clients_get_is_told_apart_by_its_marks() {
        assert_eq!(split("* bob left: really"), (Kind::Notice, NONE, "bob left: really"));
        assert_eq!(split("~ bob waves: hi"), (Kind::Me, "bob", "waves: hi"));
        assert_eq!(split("철수: ~ * x"), (Kind::Say, "철수", "~ * x"));
        assert_eq!(split("no line of ours"), (Kind::Notice, NONE, "no line of ours"));
    }

    #[test]
    fn the_sign_for_no_name_is_no_name() {
        assert!(Name::parse(NONE).is_err());
    }

    #[test]
    fn days_have_the_names_of_the_calendar() {
        for (unix_seconds, name) in [
            (0, "1970-01-01.log"),
            (951_782_399, "2000-02-28.log"),
            (951_782_400, "2000-02-29.log"),
            (951_868_800, "2000-03-01.log"),
            (4_107_542_399, "2100-02-28.log"),
            (4_107_542_400, "2100-03-01.log"),
            (1_798_761_599, "2026-12-31.log"),
            (1_798_761_600, "2027-01-01.log"),
        ] {
            let day = Day::of(unix_seconds * 1000);
            assert_eq!(day.to_string(), name);
            assert_eq!(Day::parse_file_name(name), Some(day));
        }
        for name in ["2026-02-30.log", "2026-2-3.log", "2026-13-01.log", "bans", "2026-01-01.logs"]
        {
            assert_eq!(Day::parse_file_name(name), None, "{name}");
        }
    }

    proptest! {
        #![proptest_config(crate::cases())]

        #[test]
        fn what_is_written_is_parsed_again(
            unix_millis in 0..253_402_300_800_000_u64,
            number: u64,
            room in "[^\\s\\p{Cc}]{1,9}",
            kind in prop::sample::select(&Kind::ALL[..]),
            name in "[^\\s\\p{Cc}]{1,9}",
            text in "[^\\p{Cc}]{0,40}",
        ) {
            let entry = Entry { unix_millis, room: &room, number, kind, name: &name, text: &text };
            let line = written(&entry);
            let bare = line.strip_suffix('\n').unwrap();
            prop_assert_eq!(parse(bare), Some(entry));
            // No part of it with the mark of one, and nothing longer, is taken for a line.
            let cut = (0..bare.len()).rev().find(|at| bare.is_char_boundary(*at)).unwrap();
            let torn = format!("{}{TORN}", &bare[..cut]);
            prop_assert_eq!(parse(torn.trim_end_matches('\n')), None);
        }

        #[test]
        fn no_input_makes_it_panic(line: String, numbers in "[0-9:.TZ-]{0,40}") {
            parse(&line);
            parse(&format!("{numbers}\ta\t1\tsay\tb\tc"));
            Day::parse_file_name(&numbers);
            split(&line);
        }
    }
}
