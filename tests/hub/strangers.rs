//! A request is recognised however long its first line is and wherever it is cut in two.

use std::time::Duration;

use chinwag::config::Config;

use crate::random::Random;
use crate::small::Small;

const LENGTH_MAX: usize = 40_000;

/// Longer than a chunk or a newcomer is waited for.
const GAP: Duration = Duration::from_millis(300);

const HEAD: &str = "Host: a\r\nCookie: secret\r\nContent-Length: 20\r\n\r\nsecret\n/nick secret\n";

/// All that is said when a stranger sends these pieces, with a gap between them.
fn said_by_stranger(config: &Config, pieces: &[&[u8]]) -> String {
    let mut small = Small::new(config.clone());
    let stranger = small.connect(1);
    for piece in pieces {
        small.say(&stranger, piece);
        small.pass(GAP);
    }
    small.said()
}

/// A request whose first line has this length, if there is one so short.
fn request(length: usize) -> Option<String> {
    let padding = length.checked_sub("GET / HTTP/1.1".len())?;
    Some(format!("GET /{} HTTP/1.1\r\n{HEAD}", "a".repeat(padding)))
}

#[test]
fn a_request_is_recognised_whatever_its_length_and_cut() {
    let mut random = Random::seeded(1);
    let [lines, raw] = [false, true].map(|raw| Config { raw, rate: 0, ..Config::default() });
    for length in 1..=LENGTH_MAX {
        let Some(request) = request(length) else { continue };
        // A single letter may be a message.
        let cut = 2 + random.below(length);
        let pieces = [request.as_bytes()[..cut].as_ref(), request.as_bytes()[cut..].as_ref()];
        let config = if random.one_in(4) { &raw } else { &lines };
        let joined = said_by_stranger(config, &pieces);
        let joined = joined.lines().filter(|line| !line.starts_with("유저"));
        assert_eq!(joined.collect::<Vec<_>>(), [""; 0], "{length} bytes, cut at {cut}");
    }
}

#[test]
fn a_request_is_recognised_at_every_cut() {
    let config = Config::default();
    for length in [14, 60, 5000] {
        let request = request(length).unwrap();
        let cuts = (1..=60).chain(length.max(80) - 20..length + HEAD.len());
        for cut in cuts.filter(|cut| *cut < request.len()) {
            let pieces = [request.as_bytes()[..cut].as_ref(), request.as_bytes()[cut..].as_ref()];
            let said = said_by_stranger(&config, &pieces);
            let is_silent =
                said.lines().all(|line| line.ends_with("joined") || line.ends_with("left"));
            assert!(is_silent, "{length} bytes, cut at {cut}: {said:?}");
        }
    }
}

#[test]
fn a_line_of_any_length_is_that_of_a_person() {
    let config = Config { rate: 0, ..Config::default() };
    for length in 1..=config.max_line {
        let words = format!("{}\nGET / HTTP/1.1\n", "a".repeat(length));
        let said = said_by_stranger(&config, &[words.as_bytes()]);
        assert!(said.ends_with("guest1: GET / HTTP/1.1\n"), "{length} bytes: {said:?}");
    }
}
