//! Programs of other protocols that connect to the wrong port, run as they are or by their first
//! packet.

use super::shown_by;
use crate::support::Server;

/// Runs a program that is no chat client and ends when the server disconnects it; returns what it
/// shows. Asserts that no other client sees anything of it, not even a notice.
fn shown_to(program: &str) -> String {
    let server = Server::start(&["--greeting", "60"]);
    let mut watcher = server.connect();
    watcher.send("before\n");
    watcher.read_until_last("guest1: before\n");
    watcher.forget();
    let shown = shown_by(&server, program);
    watcher.send("after\n");
    watcher.read_until_last("guest1: after\n");
    assert_eq!(watcher.read_text(), "guest1: after\n", "{program}");
    shown
}

#[test]
#[ignore = "needs curl"]
fn curl_that_begins_with_http_2_is_let_go() {
    shown_to("curl -s --http2-prior-knowledge http://$HOST:$PORT/ || true");
}

#[test]
#[ignore = "needs curl"]
fn curl_behind_a_proxy_that_tells_its_address_is_let_go() {
    shown_to("curl -s --haproxy-protocol http://$HOST:$PORT/ || true");
}

#[test]
#[ignore = "needs curl"]
fn curl_that_speaks_rtsp_is_told_so_or_let_go() {
    let shown = shown_to("curl -s -i rtsp://$HOST:$PORT/x || true");
    assert!(!shown.contains("HTTP/1.1"), "{shown:?}");
}

#[test]
#[ignore = "needs curl"]
fn curl_that_speaks_smb_is_let_go() {
    // It does not always end when it is disconnected.
    shown_to("curl -s -m 2 -u a:b smb://$HOST:$PORT/share/file || true");
}

/// nc sends this, and stays until the server disconnects it.
fn shown_to_nc(packet: &str) -> String {
    shown_to(&format!("printf '{packet}' | nc $HOST $PORT"))
}

#[test]
#[ignore = "needs nc"]
fn a_client_of_irc_is_told_in_its_own_form() {
    let shown = shown_to_nc(r"CAP LS 302\r\nNICK a\r\nUSER a 0 * :a\r\n");
    assert!(shown.starts_with("ERROR :") && shown.lines().count() == 1, "{shown:?}");
}

#[test]
#[ignore = "needs nc"]
fn first_packets_of_other_protocols_are_let_go() {
    for packet in [
        r"OPTIONS sip:nm SIP/2.0\r\nVia: SIP/2.0/TCP nm;branch=foo\r\n\r\n",
        r"PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\r\n",
        r"\r\n\r\n\0\r\nQUIT\n\041\021\0\014\300\250\0\001\300\250\0\013\334\004\303\125",
        r"\003\0\0\023\016\340\0\0\0\0\0\001\0\010\0\003\0\0\0",
        r"\0\001\0\0\041\022\244\102abcdefghijkl",
    ] {
        shown_to_nc(packet);
    }
}
