//! What a history shows: which lines were lost, came twice, or stand in another order.
//!
//! It knows no server and no engine. What each client has read goes in, and counts come out.

use std::collections::{BTreeMap, BTreeSet, HashMap};

/// What one client has said and read. Its lines are `t{id}.1`, `t{id}.2` and so on.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    pub id: usize,
    /// Its server. One that was started again is another.
    pub server: usize,
    pub room: &'static str,
    /// It has read from the beginning of the history to its end.
    pub is_whole: bool,
    /// How many lines it has said.
    pub said: u64,
    /// So many of them stood before an answer that it has read.
    pub acknowledged: u64,
    /// What was said in its room, in the order in which it has read that.
    pub got: Vec<String>,
    /// So many lines it was told that it missed.
    pub missed: u64,
}

/// What is counted in a history, or in several.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    pub said: u64,
    pub acknowledged: u64,
    /// Acknowledged lines that no client has read, at any server.
    pub lost: u64,
    /// Acknowledged lines that a whole server has not shown: a line counts for each of these.
    pub lacking: u64,
    /// Lines that a client has read twice.
    pub doubled: u64,
    /// Lines that two clients have read in different places.
    pub moved: u64,
    /// Lines that a client has read behind a later one of the same talker.
    pub reversed: u64,
    /// Lines that the servers said were missed. A server counts once for each of its rooms.
    pub announced: u64,
    /// Clients to which that number was not exact.
    pub misled: u64,
    /// Some of what is wrong, in words.
    pub examples: Vec<String>,
}

/// So many words are kept.
const EXAMPLES_MAX: usize = 12;

impl Verdict {
    /// Counts another history too.
    pub fn add(&mut self, other: Verdict) {
        self.said += other.said;
        self.acknowledged += other.acknowledged;
        self.lost += other.lost;
        self.lacking += other.lacking;
        self.doubled += other.doubled;
        self.moved += other.moved;
        self.reversed += other.reversed;
        self.announced += other.announced;
        self.misled += other.misled;
        self.examples.extend(other.examples);
    }

    fn example(&mut self, text: String) {
        if self.examples.len() < EXAMPLES_MAX {
            self.examples.push(text);
        }
    }
}

/// Counts what a history shows.
pub fn check(people: &[Seen]) -> Verdict {
    let mut verdict = Verdict::default();
    let rooms: BTreeSet<&str> = people.iter().map(|one| one.room).collect();
    for room in rooms {
        let here: Vec<&Seen> = people.iter().filter(|one| one.room == room).collect();
        note_lost(&here, &mut verdict);
        note_announced(&here, &mut verdict);
        here.iter().for_each(|one| note_own_order(one, &mut verdict));
        note_order(&here, &mut verdict);
    }
    verdict
}

/// The client that has said a line, and the number of the line; `None` if the server has said it.
pub fn parts_of(line: &str) -> Option<(usize, u64)> {
    let (id, number) = line.strip_prefix('t')?.split_once('.')?;
    Some((id.parse().ok()?, number.parse().ok()?))
}

fn note_lost(here: &[&Seen], verdict: &mut Verdict) {
    let mut shown: HashMap<&str, BTreeSet<usize>> = HashMap::new();
    for one in here {
        for line in &one.got {
            shown.entry(line).or_default().insert(one.server);
        }
    }
    let whole: BTreeSet<usize> =
        here.iter().filter(|one| one.is_whole).map(|one| one.server).collect();
    for one in here {
        verdict.said += one.said;
        verdict.acknowledged += one.acknowledged;
        for number in 1..=one.acknowledged {
            let line = format!("t{}.{number}", one.id);
            match shown.get(line.as_str()) {
                None => {
                    verdict.lost += 1;
                    verdict.example(format!("{line} is shown nowhere"));
                }
                Some(servers) => {
                    let lacking: Vec<&usize> = whole.difference(servers).collect();
                    verdict.lacking += lacking.len() as u64;
                    // A few tell which, and leave room for what is worse.
                    if !lacking.is_empty() && verdict.lacking < 4 {
                        verdict.example(format!("{line} is not shown by {lacking:?}"));
                    }
                }
            }
        }
    }
}

/// Each line once, and those of one client in the order in which it has said them.
fn note_own_order(one: &Seen, verdict: &mut Verdict) {
    let (mut read, mut last) = (BTreeSet::new(), BTreeMap::new());
    for line in &one.got {
        let Some((id, number)) = parts_of(line) else { continue };
        if !read.insert((id, number)) {
            verdict.doubled += 1;
            verdict.example(format!("client {} has read {line} twice", one.id));
            continue;
        }
        let before = last.insert(id, number).unwrap_or(0);
        if before > number {
            verdict.reversed += 1;
            verdict.example(format!("client {} has read {line} behind t{id}.{before}", one.id));
        }
    }
}

/// All have read the same order. A line counts once, though several clients have it elsewhere.
fn note_order(here: &[&Seen], verdict: &mut Verdict) {
    let said = here.iter().map(|one| {
        let lines = one.got.iter().filter(|line| parts_of(line).is_some());
        lines.map(String::as_str).collect::<Vec<&str>>()
    });
    // The clients of a server have mostly read the same: that is compared once.
    let said: BTreeSet<Vec<&str>> = said.collect();
    let said: Vec<Vec<&str>> = said.into_iter().collect();
    let mut moved: BTreeSet<&str> = BTreeSet::new();
    for (place, first) in said.iter().enumerate() {
        let places: HashMap<&str, usize> =
            first.iter().enumerate().rev().map(|(place, line)| (*line, place)).collect();
        for second in &said[place + 1..] {
            let both: Vec<(usize, &str)> =
                second.iter().filter_map(|line| Some((*places.get(line)?, *line))).collect();
            moved.extend(out_of_order(&both));
        }
    }
    verdict.moved += moved.len() as u64;
    moved.into_iter().for_each(|line| verdict.example(format!("{line} is in several places")));
}

/// The fewest lines that must be taken out so that the places of the rest grow.
fn out_of_order<'a>(lines: &[(usize, &'a str)]) -> Vec<&'a str> {
    // For each length of a growing row, the one with the smallest end: by its index in `lines`.
    let mut ends: Vec<usize> = Vec::new();
    let mut before: Vec<Option<usize>> = Vec::new();
    for (index, (place, _)) in lines.iter().enumerate() {
        let length = ends.partition_point(|end| lines[*end].0 < *place);
        before.push(length.checked_sub(1).map(|shorter| ends[shorter]));
        match ends.get_mut(length) {
            Some(end) => *end = index,
            None => ends.push(index),
        }
    }
    let mut row = BTreeSet::new();
    let mut last = ends.last().copied();
    while let Some(index) = last {
        row.insert(index);
        last = before[index];
    }
    let others = (0..lines.len()).filter(|index| !row.contains(index));
    others.map(|index| lines[index].1).collect()
}

/// What others have read and a client has not is what it was told that it missed. What only clients
/// of a server have read that was killed may be told or not: that server can say no more about it.
fn note_announced(here: &[&Seen], verdict: &mut Verdict) {
    let counts: Vec<Counts<'_>> = here.iter().map(|one| counts_of(&one.got)).collect();
    let all = most_of(counts.iter());
    let whole = here.iter().zip(&counts).filter(|(one, _)| one.is_whole);
    let certain = most_of(whole.map(|(_, counts)| counts));
    // What no server has shown may have been told too, and must have been, if it was acknowledged.
    let is_shown = |id: usize, number: &u64| all.contains_key(format!("t{id}.{number}").as_str());
    let (mut silent, mut silent_acknowledged) = (0, 0);
    for one in here {
        silent += (1..=one.said).filter(|number| !is_shown(one.id, number)).count();
        let acknowledged = if one.is_whole { one.acknowledged } else { 0 };
        silent_acknowledged +=
            (1..=acknowledged).filter(|number| !is_shown(one.id, number)).count();
    }
    let is_lossy = here.iter().any(|one| one.missed > 0);
    let mut told = BTreeSet::new();
    for (one, counts) in here.iter().zip(&counts) {
        if told.insert(one.server) {
            verdict.announced += one.missed;
        }
        let (least, most) = match one.is_whole {
            true => (lacking(&certain, counts), lacking(&all, counts).len() + silent),
            // Where it came in is certain only if nobody has missed anything.
            false if is_lossy => continue,
            false => {
                let lacking = lacking_between(one, counts, here);
                let count = lacking.len();
                (lacking, count)
            }
        };
        let count = least.len() + if one.is_whole { silent_acknowledged } else { 0 };
        if !(count..=most).contains(&(one.missed as usize)) {
            verdict.misled += 1;
            let (some, told) = (&least[..least.len().min(5)], one.missed);
            let words = format!("client {} of server {} in {}", one.id, one.server, one.room);
            verdict.example(format!("{words} lacks {count} to {most} {some:?}, told {told}"));
        }
    }
}

/// How often each line was read.
type Counts<'a> = BTreeMap<&'a str, usize>;

/// The most that one of these has read of each line.
fn most_of<'a, 'b>(counts: impl Iterator<Item = &'b Counts<'a>>) -> Counts<'a>
where
    'a: 'b,
{
    let mut most = Counts::new();
    for (line, count) in counts.flatten() {
        let its = most.entry(*line).or_default();
        *its = (*its).max(*count);
    }
    most
}

fn lacking<'a>(of: &Counts<'a>, counts: &Counts<'_>) -> Vec<&'a str> {
    let lacks =
        |line: &str, count: usize| count.saturating_sub(counts.get(line).copied().unwrap_or(0));
    of.iter().flat_map(|(line, count)| vec![*line; lacks(line, *count)]).collect()
}

fn counts_of(lines: &[String]) -> Counts<'_> {
    let mut counts = Counts::new();
    lines.iter().for_each(|line| *counts.entry(line.as_str()).or_default() += 1);
    counts
}

/// What a client lacks that has come late or left early: between its first and its last line.
fn lacking_between<'a>(one: &Seen, counts: &Counts<'_>, here: &[&'a Seen]) -> Vec<&'a str> {
    let said = |line: &&String| parts_of(line).is_some();
    let mut own = one.got.iter().filter(said);
    let (Some(first), last) = (own.next(), own.next_back()) else { return Vec::new() };
    let last = last.unwrap_or(first);
    for other in here.iter().filter(|other| other.is_whole) {
        let place = |line: &String| other.got.iter().position(|its| its == line);
        let (Some(from), Some(to)) = (place(first), place(last)) else { continue };
        let between = other.got[from.min(to)..=to].iter().filter(said);
        return between.map(String::as_str).filter(|line| !counts.contains_key(line)).collect();
    }
    Vec::new()
}

/// Three clients of a server each; the first two have said two lines each.
#[cfg(test)]
fn sound() -> Vec<Seen> {
    let got: Vec<String> =
        ["t0.1", "t1.1", "* b joined", "t1.2", "t0.2"].map(str::to_owned).to_vec();
    let said = [2, 2, 0];
    let seen = |id: usize| Seen {
        id,
        server: id,
        room: "lobby",
        is_whole: true,
        said: said[id],
        acknowledged: said[id],
        got: got.clone(),
        missed: 0,
    };
    (0..3).map(seen).collect()
}

#[test]
fn a_sound_history_has_nothing_wrong() {
    let expected = Verdict { said: 4, acknowledged: 4, ..Verdict::default() };
    assert_eq!(check(&sound()), expected);
}

#[test]
fn a_line_that_is_shown_nowhere_is_lost() {
    let mut people = sound();
    people.iter_mut().for_each(|one| one.got.retain(|line| line != "t1.2"));
    let verdict = check(&people);
    assert_eq!((verdict.lost, verdict.lacking, verdict.misled), (1, 0, 3), "{verdict:?}");
    // All are told.
    people.iter_mut().for_each(|one| one.missed = 1);
    assert_eq!((check(&people).lost, check(&people).misled), (1, 0));
    // It counts only if it was acknowledged.
    people[1].acknowledged = 1;
    assert_eq!((check(&people).lost, check(&people).misled), (0, 0));
    people.iter_mut().for_each(|one| one.missed = 0);
    assert_eq!((check(&people).lost, check(&people).misled), (0, 0));
}

#[test]
fn a_line_that_one_server_has_not_shown_is_to_be_told() {
    let mut people = sound();
    people[2].got.remove(1);
    let verdict = check(&people);
    assert_eq!((verdict.lost, verdict.lacking, verdict.misled), (0, 1, 1), "{verdict:?}");
    people[2].missed = 1;
    let verdict = check(&people);
    assert_eq!((verdict.lacking, verdict.misled, verdict.announced), (1, 0, 1), "{verdict:?}");
    // A notice to all is a line too.
    people[2].got.retain(|line| !line.starts_with('*'));
    assert_eq!(check(&people).misled, 1);
    people[2].missed = 2;
    assert_eq!(check(&people).misled, 0);
}

#[test]
fn too_much_that_is_told_is_not_exact() {
    let mut people = sound();
    people[0].missed = 1;
    assert_eq!(check(&people).misled, 1);
}

#[test]
fn a_line_that_comes_twice_is_doubled() {
    for place in 0..=5 {
        let mut people = sound();
        people[1].got.insert(place, "t1.1".to_owned());
        let verdict = check(&people);
        assert_eq!(verdict.doubled, 1, "{verdict:?}");
        // The others lack it, and nobody has told them.
        assert_eq!(verdict.misled, 2, "{verdict:?}");
    }
    // A server may say the same twice, if it says so to all.
    let mut people = sound();
    people.iter_mut().for_each(|one| one.got.push("* b joined".to_owned()));
    assert_eq!((check(&people).doubled, check(&people).misled), (0, 0));
}

#[test]
fn a_line_in_two_places_is_moved() {
    let mut people = sound();
    people[2].got.swap(0, 1);
    assert_eq!((check(&people).moved, check(&people).reversed), (1, 0));
    // However far it stands from its place.
    let line = people[0].got.remove(1);
    people[0].got.push(line);
    let verdict = check(&people);
    assert!((1..=2).contains(&verdict.moved), "{verdict:?}");
}

#[test]
fn lines_of_a_client_in_another_order_are_reversed() {
    let mut people = sound();
    people.iter_mut().for_each(|one| one.got.swap(0, 4));
    assert_eq!((check(&people).moved, check(&people).reversed), (0, 3));
}

#[test]
fn a_client_that_came_late_lacks_only_what_is_between() {
    let mut people = sound();
    people[2].is_whole = false;
    people[2].got.drain(..1);
    assert_eq!(check(&people).misled, 0);
    people[2].got.retain(|line| line != "t1.2");
    assert_eq!(check(&people).misled, 1);
    people[2].missed = 1;
    assert_eq!(check(&people).misled, 0);
}

#[test]
fn a_server_that_was_killed_need_not_show_all() {
    let mut people = sound();
    people[1].is_whole = false;
    people[1].got.truncate(4);
    let verdict = check(&people);
    assert_eq!((verdict.lost, verdict.lacking, verdict.misled), (0, 0, 0), "{verdict:?}");
    // It may have read what the others have not, but not what was acknowledged to its clients.
    people.iter_mut().filter(|one| one.is_whole).for_each(|one| one.got.truncate(3));
    let verdict = check(&people);
    assert_eq!((verdict.lacking, verdict.lost), (2, 1), "{verdict:?}");
}
