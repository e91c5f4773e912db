//! Clients of other protocols.

use super::shown_by;
use crate::support::{Client, Server};

/// Runs a program that is no chat client, and returns what it shows. Asserts that no other client
/// sees anything of it.
fn shown_to_stranger(program: &str) -> String {
    let server = Server::start(&[]);
    let (mut watcher, _) = server.join();
    let shown = shown_by(&server, program);
    mark(&mut watcher);
    assert_eq!(watcher.read_text(), "guest1: mark\n", "{program}");
    shown
}

fn mark(watcher: &mut Client) {
    watcher.send("mark\n");
    watcher.read_until_last("guest1: mark\n");
}

#[test]
#[ignore = "needs curl"]
fn curl_is_served_in_its_own_protocol() {
    for (flags, path, told) in [
        ("", "healthz", "ok\n200"),
        ("--http1.0", "healthz", "ok\n200"),
        ("", "x?b", "there is a page at / and nothing else to see\n404"),
        ("-d hello", "", "not by this method\n405"),
        ("-H 'Expect: 100-continue' -d x", "say", "send the body at once\n417"),
        ("-d x", "say", "send the field X-Chinwag: say too\n403"),
        ("-H 'Transfer-Encoding: chunked' -d x", "say", "send the length of the body\n411"),
        ("-H 'Host: evil.example' -o /dev/null", "", "421"),
    ] {
        let curl = format!("curl -s -S -w '%{{http_code}}' {flags} http://$HOST:$PORT/{path}");
        assert_eq!(shown_to_stranger(&curl), told, "{flags}");
    }
    let shown = shown_to_stranger("curl -s -S -I http://$HOST:$PORT/");
    assert!(shown.starts_with("HTTP/1.1 200 OK\n"), "{shown}");
    assert!(shown_to_stranger("curl -s -S http://$HOST:$PORT/").ends_with("</html>\n"));
    // It shows what it cannot use only as an error.
    let shown = shown_to_stranger("curl -s -S -k https://$HOST:$PORT/ 2>&1 || true");
    assert!(shown.contains("curl: (35)"), "{shown}");
}

#[test]
#[ignore = "needs openssl"]
fn tls_is_let_go_at_once() {
    let script = "openssl s_client -connect $HOST:$PORT </dev/null 2>&1 || true";
    let shown = shown_to_stranger(script);
    assert!(shown.contains("wrong version number"), "{shown}");
    let shown = shown_to_stranger("openssl s_client -msg -connect $HOST:$PORT </dev/null || true");
    // What the server sent, in hexadecimal: "* this".
    assert!(shown.contains("2a 20 74 68 69"), "{shown}");
}

#[test]
#[ignore = "needs ssh"]
fn ssh_reads_why_it_is_let_go() {
    let flags = "-v -F none -o BatchMode=yes -o StrictHostKeyChecking=no";
    let shown = shown_to_stranger(&format!("ssh {flags} -p $PORT x@$HOST 2>&1 || true"));
    let told = "* this is a chat server and does not speak SSH; try nc or telnet";
    assert!(shown.contains(told), "{shown}");
}
