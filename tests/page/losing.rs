//! What the page does without its connection.

use crate::browser::{Browser, ENTER, NAME};
use crate::relay::Relay;
use crate::support::Server;

const STATE: &str = "document.querySelector('#state span').textContent";
const LOST: &str = "Not connected yet. What you type stays here.";

#[test]
#[ignore = "needs chromium"]
fn after_a_cut_the_page_comes_back_and_counts_what_it_missed() {
    let server = Server::start(&[]);
    let relay = Relay::start(server.address);
    let (mut other, _) = server.join();
    let browser = Browser::open_as("bob", relay.address);
    other.send("before\n");
    browser.wait_for_line("guest1 before");
    relay.cut();
    browser.wait_until(STATE, LOST);
    other.read_until("* bob left\n");
    other.send("one\ntwo\nthree\n");
    other.read_until("guest1: three\n");
    // What is typed meanwhile is not lost.
    browser.type_keys(&format!("later{ENTER}"));
    assert_eq!(browser.typed(), "later");
    relay.lead_to(server.address);
    browser.wait_until(STATE, "");
    // With the notice that it has left.
    browser.wait_for_line("* 4 lines were missed while you were away");
    browser.wait_for_line("is now bob");
    browser.type_keys(ENTER);
    other.read_until("bob: later\n");
    browser.wait_for_line("bob later");
    assert!(!browser.lines().iter().any(|line| line.contains("anew")));
}

#[test]
#[ignore = "needs chromium"]
fn earlier_lines_come_back_once_and_are_not_missed() {
    let server = Server::start(&["--history", "20"]);
    let relay = Relay::start(server.address);
    let (mut other, _) = server.join();
    let browser = Browser::open_as("bob", relay.address);
    other.send("before\n");
    browser.wait_for_line("guest1 before");
    relay.cut();
    other.read_until("* bob left\n");
    other.send("meanwhile\n");
    other.read_until("guest1: meanwhile\n");
    relay.lead_to(server.address);
    browser.wait_until(STATE, "");
    other.read_until("is now bob\n");
    other.send("after\n");
    browser.wait_for_line("guest1 after");
    let lines = browser.lines();
    let count = |text: &str| lines.iter().filter(|line| line.contains(text)).count();
    // The notices are not among the earlier lines: that it left has been missed.
    let shown = ["guest1 before", "guest1 meanwhile", "* 1 line was missed", "anew"].map(count);
    assert_eq!(shown, [1, 1, 1, 0], "{lines:#?}");
}

#[test]
#[ignore = "needs chromium"]
fn a_name_that_was_lost_is_taken_again_when_it_is_free() {
    let server = Server::start(&[]);
    let relay = Relay::start(server.address);
    let (mut other, _) = server.join();
    let browser = Browser::open_as("bob", relay.address);
    relay.cut();
    other.read_until("* bob left\n");
    other.send("/nick bob\n");
    other.read_until("* guest1 is now bob\n");
    relay.lead_to(server.address);
    browser.wait_for_line("* bob is taken");
    assert_ne!(browser.text(NAME), "bob");
    drop(other);
    browser.wait_until(NAME, "bob");
}

#[test]
#[ignore = "needs chromium"]
fn the_page_says_that_the_server_started_anew() {
    let server = Server::start(&[]);
    let relay = Relay::start(server.address);
    let (mut other, _) = server.join();
    let browser = Browser::open(relay.address);
    other.send("one\ntwo\nthree\n");
    browser.wait_for_line("guest1 three");
    relay.cut();
    browser.wait_until(STATE, LOST);
    let anew = Server::start(&[]);
    relay.lead_to(anew.address);
    browser.wait_for_line("* the server or this room started anew while you were away");
    assert!(!browser.lines().iter().any(|line| line.contains("missed")));
}

#[test]
#[ignore = "needs chromium"]
fn a_line_that_may_not_have_arrived_is_typed_again() {
    let server = Server::start(&[]);
    let relay = Relay::start(server.address);
    let browser = Browser::open(relay.address);
    server.pause();
    browser.type_keys(&format!("is this heard?{ENTER}"));
    assert_eq!(browser.typed(), "");
    browser.type_keys("next");
    relay.cut();
    browser.wait_until("document.getElementById('line').value", "is this heard?\nnext");
    server.resume();
}

#[test]
#[ignore = "needs chromium"]
fn a_page_that_has_left_stays_away_until_it_is_told() {
    let server = Server::start(&[]);
    let (mut other, _) = server.join();
    let browser = Browser::open_as("mina", server.address);
    browser.type_keys(&format!("/quit so long{ENTER}"));
    other.read_until("mina: so long\n* mina left\n");
    other.forget();
    browser.wait_until(STATE, "You have left the conversation.");
    browser.run("dispatchEvent(new Event('online'));");
    assert_eq!(browser.text(STATE), "You have left the conversation.");
    browser.run("document.getElementById('again').click();");
    other.read_until(" is now mina\n");
    browser.wait_until(STATE, "");
}

/// Makes each second a few milliseconds long for the page.
const IN_HASTE: &str = "{
    const later = setTimeout;
    globalThis.setTimeout = (call, ms, ...rest) => later(call, ms > 1000 ? ms / 100 : ms, ...rest);
    const send = WebSocket.prototype.send;
    globalThis.sent = [];
    WebSocket.prototype.send = function (text) { sent.push(text); send.call(this, text); };
}";

#[test]
#[ignore = "needs chromium"]
fn a_silent_page_keeps_its_connection_and_notices_a_dead_one() {
    let server = Server::start(&[]);
    let browser = Browser::start("en");
    let source = serde_json::json!({ "source": IN_HASTE });
    browser.command("Page.addScriptToEvaluateOnNewDocument", source);
    browser.visit(&format!("http://{}/", server.address));
    browser.wait_for_line("* welcome, you are ");
    browser.wait_until("sent.filter(text => text === '').length > 2", "true");
    // The server sleeps, and the page comes to the foreground.
    server.pause();
    browser.run("document.dispatchEvent(new Event('visibilitychange'));");
    browser.wait_until("document.getElementById('again').hidden", "false");
    server.resume();
    browser.wait_until(STATE, "");
}
