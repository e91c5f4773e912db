//! What the replies of the engine mean, and what follows from them.

use std::collections::BTreeMap;
use std::time::Instant;

use super::link::{Asked, NoEngine};
use super::resp::Reply;
use super::{Bus, Came, Id, PAST_MILLIS, nodes};

impl Bus {
    /// Takes the next reply of the side that adds.
    pub(super) fn take_added(
        &mut self,
        now: Instant,
        result: &mut Result<(), String>,
    ) -> Result<bool, NoEngine> {
        let Bus { adds, added, .. } = self;
        let mut malformed = false;
        let is_read = adds.next_reply(now, |asked, reply| match (asked, &reply) {
            (_, Reply::Error(_)) => *result = no_error(&reply),
            (Asked::Add { number }, reply) => match added_of(reply) {
                Some(id) => *added = Some((number, id)),
                None => malformed = true,
            },
            _ => {}
        })?;
        if malformed { Err(NoEngine) } else { Ok(is_read) }
    }

    /// Takes the next reply of the side that reads.
    pub(super) fn take_reply(
        &mut self,
        now: Instant,
        result: &mut Result<(), String>,
    ) -> Result<bool, NoEngine> {
        let Bus { reads, last, end, ledger, nodes, came, terms, is_ready, .. } = self;
        let mut caught_up = false;
        let mut malformed = false;
        let is_read = reads.next_reply(now, |asked, reply| match (asked, &reply) {
            (Asked::Info, Reply::Error(error)) if error.starts_with("ERR no such key") => {
                // It is empty, or its engine has lost it.
                *last = last.map(|_| (0, 0));
            }
            (_, Reply::Error(_)) => *result = no_error(&reply),
            (Asked::Time, reply) => match time_of(reply) {
                Some(millis) => *last = Some((millis.saturating_sub(PAST_MILLIS), 0)),
                None => malformed = true,
            },
            (Asked::Info, reply) => match (newest_of(reply), *last) {
                (Some(newest), Some(read)) => {
                    if let Some(oldest) = oldest_of(reply).filter(|oldest| *oldest > read) {
                        nodes.skip(&terms.node, oldest.0);
                    }
                    // If the engine has lost its end, what comes next may have ids that we know.
                    *last = Some(read.min(newest));
                    *end = newest;
                }
                _ => malformed = true,
            },
            (Asked::Read { blocks }, Reply::Nil) => caught_up = !blocks,
            (Asked::Read { blocks }, reply) => match entries_of(reply) {
                Some(entries) => {
                    for (id, fields) in entries {
                        *last = Some(id);
                        let own = &terms.node;
                        nodes::note_entry(own, id, &fields, *is_ready, ledger, nodes, came);
                    }
                    // What was added meanwhile may go on for ever.
                    caught_up = !blocks && last.is_some_and(|last| last >= *end);
                }
                None => malformed = true,
            },
            (Asked::Auth | Asked::Add { .. }, _) => {}
        })?;
        if malformed {
            return Err(NoEngine);
        }
        if caught_up {
            self.is_following = true;
            if !std::mem::replace(&mut self.is_ready, true) {
                self.came.push_back(Came::Ready);
            }
        }
        if is_read && self.came.is_empty() {
            self.read_on(now);
        }
        Ok(is_read)
    }
}

/// An error is the reason why a connection is of no use.
fn no_error(reply: &Reply<'_>) -> Result<(), String> {
    match reply {
        Reply::Error(error) => Err(format!("it says {error:?}")),
        _ => Ok(()),
    }
}

/// One entry of a stream: its id, and its fields.
type Entry<'a> = (Id, BTreeMap<&'a [u8], &'a [u8]>);

/// The milliseconds since 1970 in the reply to `TIME`.
fn time_of(reply: &Reply<'_>) -> Option<u64> {
    let Reply::Array(parts) = reply else { return None };
    let [Reply::String(seconds), _] = parts.as_slice() else { return None };
    std::str::from_utf8(seconds).ok()?.parse::<u64>().ok()?.checked_mul(1000)
}

/// The id of the newest entry in the reply to `XINFO STREAM`.
fn newest_of(reply: &Reply<'_>) -> Option<Id> {
    match info_of(reply, b"last-generated-id")? {
        Reply::String(id) => parse_id(id),
        _ => None,
    }
}

/// The id of the oldest entry in the same reply, if there are any.
fn oldest_of(reply: &Reply<'_>) -> Option<Id> {
    let Reply::Array(entry) = info_of(reply, b"first-entry")? else { return None };
    match entry.first()? {
        Reply::String(id) => parse_id(id),
        _ => None,
    }
}

fn info_of<'a, 'b>(reply: &'b Reply<'a>, name: &[u8]) -> Option<&'b Reply<'a>> {
    let Reply::Array(parts) = reply else { return None };
    let mut pairs = parts.chunks_exact(2);
    pairs.find(|pair| pair[0] == Reply::String(name)).map(|pair| &pair[1])
}

/// The entries in the reply to `XREAD` of one stream.
fn entries_of<'a>(reply: &Reply<'a>) -> Option<Vec<Entry<'a>>> {
    let Reply::Array(streams) = reply else { return None };
    let [Reply::Array(stream)] = streams.as_slice() else { return None };
    let [_, Reply::Array(entries)] = stream.as_slice() else { return None };
    entries.iter().map(entry_of).collect()
}

fn entry_of<'a>(entry: &Reply<'a>) -> Option<Entry<'a>> {
    let Reply::Array(parts) = entry else { return None };
    let [Reply::String(id), Reply::Array(fields)] = parts.as_slice() else { return None };
    let fields = fields.chunks_exact(2).filter_map(|pair| match pair {
        [Reply::String(name), Reply::String(value)] => Some((*name, *value)),
        _ => None,
    });
    Some((parse_id(id)?, fields.collect()))
}

/// The id in the reply to `XADD`.
fn added_of(reply: &Reply<'_>) -> Option<Id> {
    let Reply::String(id) = reply else { return None };
    parse_id(id)
}

fn parse_id(text: &[u8]) -> Option<Id> {
    let (millis, number) = std::str::from_utf8(text).ok()?.split_once('-')?;
    Some((millis.parse().ok()?, number.parse().ok()?))
}
