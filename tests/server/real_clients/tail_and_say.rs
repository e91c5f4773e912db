//! curl at `/tail` and `/say`, as `--help` shows it.

use super::shown_by;
use crate::support::program::Program;
use crate::support::{Client, Server, wait_for};

/// Posts this, and shows the status and the answer.
const SAY: &str = "curl -sS -w '%{http_code}' http://$HOST:$PORT/say -H 'X-Chinwag: say'";

#[test]
#[ignore = "needs curl"]
fn curl_reads_all_that_is_said_and_says_a_line() {
    let server = Server::start(&[]);
    let (mut alice, name) = server.join();
    let tail = Program::start(&server, "exec curl -sSN http://$HOST:$PORT/tail");
    let who = |alice: &mut Client, text: &str| {
        wait_for(text, || {
            alice.forget();
            alice.send("/who\n");
            Some(alice.read_until("\n")).filter(|who| who.contains(text))
        })
    };
    who(&mut alice, " + 1 reading\n");
    alice.forget();
    let told = shown_by(&server, &format!("{SAY} -H 'X-Name: 빌드' -d 'all tests pass'"));
    assert_eq!(told, "* said as 빌드\n200");
    assert_eq!(alice.take_line(), "빌드: all tests pass");
    let told = shown_by(&server, &format!("echo /quit | {SAY} -H 'X-Name: 빌드' --data-binary @-"));
    assert_eq!(told, "* said as 빌드\n200");
    assert_eq!(alice.take_line(), "빌드: /quit");
    let told = shown_by(&server, &format!("{SAY} -H 'X-Name: server' -d hello"));
    assert!(told.ends_with(" is reserved\n403"), "{told}");
    alice.send("/nick bob\nhello\n");
    let shown = tail.read_until("bob: hello\n");
    let renamed = format!("* {name} is now bob\n");
    assert_eq!(shown, format!("빌드: all tests pass\n빌드: /quit\n{renamed}bob: hello\n"));
    drop(tail);
    who(&mut alice, "1 here: bob\n");
}
