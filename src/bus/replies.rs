//! What the replies of the engine mean.

use std::collections::BTreeMap;

use super::Id;
use super::resp::Reply;

/// One entry of a stream: its id, and its fields.
pub type Entry<'a> = (Id, BTreeMap<&'a [u8], &'a [u8]>);

/// The milliseconds since 1970 in the reply to `TIME`.
pub fn time_of(reply: &Reply<'_>) -> Option<u64> {
    let Reply::Array(parts) = reply else { return None };
    let [Reply::String(seconds), _] = parts.as_slice() else { return None };
    std::str::from_utf8(seconds).ok()?.parse::<u64>().ok()?.checked_mul(1000)
}

/// The id of the newest entry in the reply to `XINFO STREAM`.
pub fn newest_of(reply: &Reply<'_>) -> Option<Id> {
    match info_of(reply, b"last-generated-id")? {
        Reply::String(id) => parse_id(id),
        _ => None,
    }
}

/// The id of the oldest entry in the same reply, if there are any.
pub fn oldest_of(reply: &Reply<'_>) -> Option<Id> {
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
pub fn entries_of<'a>(reply: &Reply<'a>) -> Option<Vec<Entry<'a>>> {
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

fn parse_id(text: &[u8]) -> Option<Id> {
    let (millis, number) = std::str::from_utf8(text).ok()?.split_once('-')?;
    Some((millis.parse().ok()?, number.parse().ok()?))
}
