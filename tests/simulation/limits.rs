//! Limits of what one address or client may do, over a time that need not pass.

use std::time::Duration;

use chinwag::config::Config;

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
