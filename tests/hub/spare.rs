//! The connections that a browser opens and may never use.

use std::time::Duration;

use chinwag::config::Config;

use crate::small::{Seat, Small};

const SECOND: Duration = Duration::from_secs(1);

const PAGE: &str = "GET / HTTP/1.1\r\nHost: 10.0.0.1:50005\r\nUser-Agent: Mozilla/5.0\r\n\r\n";

/// A client, and a browser at 10.0.0.2 that has fetched the page.
fn after_a_page(config: Config) -> (Small, Seat) {
    let mut small = Small::new(config);
    let alice = small.connect(1);
    small.pass(SECOND);
    fetch(&mut small);
    alice.take_text();
    (small, alice)
}

fn fetch(small: &mut Small) {
    let browser = small.connect(2);
    small.say(&browser, PAGE);
    assert!(browser.take_text().starts_with("HTTP/1.1 200 "));
    small.end(&browser);
}

#[test]
fn a_spare_connection_is_closed_unseen_after_30_seconds() {
    let (mut small, alice) = after_a_page(Config::default());
    let spare = small.connect(2);
    small.pass(29 * SECOND);
    assert!(!spare.pipe.borrow().closed);
    small.pass(2 * SECOND);
    assert_eq!((spare.take_text(), alice.take_text()), (String::new(), String::new()));
    small.end(&spare);
    assert!(spare.pipe.borrow().closed);
}

#[test]
fn a_spare_connection_serves_a_late_request() {
    let (mut small, alice) = after_a_page(Config::default());
    let (spare, slow) = (small.connect(2), small.connect(2));
    small.pass(20 * SECOND);
    small.say(&spare, PAGE);
    assert!(spare.take_text().starts_with("HTTP/1.1 200 "));
    small.say(&slow, &PAGE[..20]);
    small.pass(20 * SECOND);
    assert!(slow.take_text().starts_with("HTTP/1.1 408 "));
    assert_eq!(alice.take_text(), "");
}

#[test]
fn nc_at_the_address_of_a_browser_is_welcomed_by_its_first_byte() {
    for sent in ["hello\n", "\n", "h"] {
        let (mut small, alice) = after_a_page(Config::default());
        let nc = small.connect(2);
        small.pass(20 * SECOND);
        assert_eq!(nc.take_text(), "");
        small.say(&nc, sent);
        small.pass(SECOND);
        assert!(nc.take_text().starts_with("* welcome, you are guest3"), "{sent:?}");
        assert!(alice.take_text().starts_with("* guest3 (10.0.0.2:1000) joined\n"));
        small.pass(60 * SECOND);
        assert!(!nc.pipe.borrow().closed);
    }
}

#[test]
fn a_first_byte_may_come_in_one_read_with_the_header() {
    let header = "PROXY TCP4 10.0.0.2 10.0.0.9 1000 50005\r\n";
    for sent in ["", "hello\n", "\n", "h"] {
        let proxy_from = vec!["10.0.0.9/32".parse().unwrap()];
        let (mut small, _) = after_a_page(Config { proxy_from, ..Config::default() });
        let nc = small.connect(9);
        small.say(&nc, format!("{header}{sent}"));
        small.pass(2 * SECOND);
        let is_welcomed = nc.take_text().starts_with("* welcome, you are guest3");
        assert_eq!(is_welcomed, !sent.is_empty(), "{sent:?}");
    }
}

#[test]
fn another_address_or_a_later_time_is_welcomed_at_once() {
    let (mut small, _) = after_a_page(Config::default());
    let other = small.connect(3);
    small.pass(SECOND);
    assert!(other.take_text().starts_with("* welcome"));
    small.pass(2 * SECOND);
    let soon = small.connect(2);
    small.pass(2 * SECOND);
    let later = small.connect(2);
    small.pass(SECOND);
    assert_eq!(soon.take_text(), "");
    assert!(later.take_text().starts_with("* welcome"));
}

#[test]
fn a_health_check_that_fetches_the_page_is_no_browser() {
    let mut small = Small::new(Config::default());
    let check = small.connect(2);
    small.say(&check, PAGE.replace("Mozilla/5.0", "kube-probe/1.31"));
    assert!(check.take_text().starts_with("HTTP/1.1 200 "));
    let nc = small.connect(2);
    small.pass(SECOND);
    assert!(nc.take_text().starts_with("* welcome"));
}

#[test]
fn a_connection_that_comes_just_before_the_page_is_spare_too() {
    let mut small = Small::new(Config::default());
    let (spare, other) = (small.connect(2), small.connect(3));
    fetch(&mut small);
    small.pass(SECOND);
    assert_eq!(spare.take_text(), "");
    assert!(other.take_text().starts_with("* welcome"));
}

#[test]
fn a_spare_connection_hears_no_flood_and_no_stop() {
    let config = Config { window: 32 * 1024, turn_bytes: 8 * 1024, rate: 0, ..Config::default() };
    let (mut small, alice) = after_a_page(config);
    let (spare, late) = (small.connect(2), small.connect(2));
    small.say(&alice, format!("{}\n", "x".repeat(1000)).repeat(100));
    assert_eq!(spare.take_text(), "");
    small.say(&late, "hello\n");
    small.pass(SECOND);
    let text = late.take_text();
    assert_eq!(text.matches("* you missed ").count(), 1, "{text}");
    small.hub.stop(small.now);
    small.turns();
    assert_eq!(spare.take_text(), "");
}

#[test]
fn an_enter_before_the_page_is_fetched_is_a_first_byte() {
    let mut small = Small::new(Config::default());
    let nc = small.connect(2);
    small.say(&nc, "\n");
    fetch(&mut small);
    small.pass(SECOND);
    assert!(nc.take_text().starts_with("* welcome, you are guest1"));
}

#[test]
fn a_refused_client_at_the_address_of_a_browser_is_told_at_once() {
    let mut small = Small::new(Config { per_address: 1, ..Config::default() });
    let browser = small.connect(2);
    let nc = small.connect(2);
    small.say(&browser, PAGE);
    small.pass(SECOND);
    assert!(nc.take_text().starts_with("* too many connections from your address"));
}
