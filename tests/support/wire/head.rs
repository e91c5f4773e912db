//! However the head of a request is cut into reads, the verdict is the same, and none is served
//! that two programs could read in two ways.

use chinwag::wire::web::head::{Asks, HEAD_BYTES_MAX, Head, Rules, parse};
use chinwag::wire::web::origin::Hosts;

const BODY_BYTES_MAX: usize = 100;

pub fn holds(bytes: &[u8]) {
    let whole = verdict(bytes);
    for end in 0..bytes.len() {
        let part = verdict(&bytes[..end]);
        assert!(part.is_none() || is_same(&part, &whole), "{end}: {part:?} {whole:?}");
    }
    assert!(whole.is_some() || bytes.len() < HEAD_BYTES_MAX);
    if let Some(Head { bytes: length, asks: Ok(asks), .. }) = whole {
        a_served_head_is_read_in_one_way(&bytes[..length], &asks);
    }
}

fn verdict(bytes: &[u8]) -> Option<Head> {
    parse(bytes, &Rules { hosts: &Hosts::default(), body_bytes_max: BODY_BYTES_MAX })
}

/// Where a broken head ends is nothing that counts.
fn is_same(part: &Option<Head>, whole: &Option<Head>) -> bool {
    match (part, whole) {
        (Some(part), Some(whole)) => {
            part.asks == whole.asks && (part.asks.is_err() || part.bytes == whole.bytes)
        }
        _ => false,
    }
}

/// Looked at line by line, as a careless program would.
fn a_served_head_is_read_in_one_way(head: &[u8], asks: &Asks) {
    let text = String::from_utf8_lossy(head);
    let lines: Vec<&str> = text.trim_start().split('\n').map(|line| line.trim_end()).collect();
    let [first, fields @ .., "", ""] = lines.as_slice() else { panic!("no end: {text:?}") };
    assert!(!text.replace("\r\n", "\n").contains(['\r', '\0']), "{text:?}");
    assert!(["GET /", "HEAD /", "POST /"].iter().any(|method| first.starts_with(method)));
    let fields: Vec<(String, &str)> = fields
        .iter()
        .map(|field| {
            let (name, value) = field.split_once(':').unwrap();
            assert!(!name.is_empty() && !name.contains([' ', '\t']), "{field:?}");
            (name.to_ascii_lowercase(), value.trim())
        })
        .collect();
    let values = |name: &str| -> Vec<&str> {
        fields.iter().filter(|(its, _)| its == name).map(|(_, value)| *value).collect()
    };
    assert!(values("transfer-encoding").is_empty());
    assert!(values("host").len() <= 1);
    assert!(values("origin").is_empty() || values("host").len() == 1);
    match (asks, values("content-length").as_slice()) {
        (Asks::Say { body_bytes, .. }, [length]) => {
            assert_eq!(length.parse(), Ok(*body_bytes));
            assert!((1..=BODY_BYTES_MAX).contains(body_bytes));
            assert_eq!(values("x-chinwag"), ["say"]);
            assert!(first.starts_with("POST /say"));
        }
        (Asks::Say { .. }, lengths) => panic!("{lengths:?}"),
        (_, []) => assert!(!first.starts_with("POST")),
        (_, lengths) => assert!(lengths.len() == 1 && lengths[0].bytes().all(|byte| byte == b'0')),
    }
    if matches!(asks, Asks::Chat { .. }) {
        assert_eq!(values("sec-websocket-version"), ["13"]);
        assert_eq!(values("sec-websocket-key").len(), 1);
    }
}
