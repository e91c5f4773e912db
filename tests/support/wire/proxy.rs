//! However the bytes behind a proxy are cut into reads, what comes behind the header is heard as if
//! there were none.

use std::time::Instant;

use chinwag::hub::client::Input;
use chinwag::wire::decoder::{Decoded, Decoder};
use chinwag::wire::line::LineRules;
use chinwag::wire::proxy::{Header, Opening};

use super::input::take_all;

/// The header is that of all bytes at once, and no part of it is a line.
pub fn a_header_is_taken_out_and_nothing_else(rules: &LineRules, reads: &[&[u8]]) {
    let now = Instant::now();
    let mut whole = Opening::default();
    let mut left = whole.take_in(&reads.concat());
    let (mut proxied, mut plain) = (Decoder::of_proxied(now), Decoder::new(now));
    let mut header = None;
    for read in reads {
        let behind = &read[left.min(read.len())..];
        left -= read.len() - behind.len();
        let answers = proxied.take_in(&mut [&[0], *read].concat(), rules, now);
        if header.is_none() {
            match proxied.next(Input::Readable, rules, now) {
                Decoded::Header(its) => header = Some(its),
                other => assert_eq!(other, Decoded::NotYet, "before the header"),
            }
        }
        let Some(Header::Client(_)) = header else { continue };
        assert_eq!(left, 0, "a header of less than its bytes");
        assert_eq!(answers, plain.take_in(&mut [&[0], behind].concat(), rules, now));
        let expected = take_all(&mut plain, Input::Readable, rules, now);
        assert_eq!(take_all(&mut proxied, Input::Readable, rules, now), expected);
        if expected.is_none() {
            break;
        }
    }
    assert_eq!(header, whole.header());
}
