//! Limits of what one address or client may do, over a time that need not pass.

use std::time::Duration;

use chinwag::config::Config;
use rustix::io::Errno;

use crate::small::Small;

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn an_address_that_comes_and_goes_is_told_in_summaries() {
    const SECONDS: usize = 60;
    let greeting = Duration::ZERO;
    let mut small = Small::new(Config { greeting, notices: 10, ..Config::default() });
    let watcher = small.connect(1);
    for _ in 0..SECONDS * 4 {
        let client = small.connect(2);
        small.end(&client);
        small.pass(SECOND / 4);
    }
    let text = watcher.take_text();
    let alone = text.lines().filter(|line| line.starts_with("* guest")).count();
    assert!((10..=SECONDS).contains(&alone), "{alone} notices in {SECONDS} s");
    small.pass(2 * SECOND);
    small.connect(3);
    assert!(watcher.take_text().contains("(10.0.0.3:1000) joined\n"));
}

#[test]
fn a_broken_client_that_is_paced_is_gone_after_the_flush_time() {
    for is_noticed_by_writing in [false, true] {
        let mut small = Small::new(Config { greeting: Duration::ZERO, ..Config::default() });
        let (watcher, ghost) = (small.connect(1), small.connect(2));
        small.say(&ghost, "boo\n".repeat(4000));
        ghost.pipe.borrow_mut().broken = Some(Errno::CONNRESET);
        if is_noticed_by_writing {
            small.say(&watcher, "is anybody here?\n");
        }
        small.note(&ghost);
        let flush = Config::default().flush;
        small.pass(flush - SECOND / 2);
        assert_eq!(small.hub.here(), 2);
        small.pass(SECOND);
        assert_eq!((small.hub.here(), small.hub.connections()), (1, 1));
        let heard = watcher.take_text().matches(": boo\n").count();
        assert!((20..=80).contains(&heard), "{heard} lines");
    }
}
