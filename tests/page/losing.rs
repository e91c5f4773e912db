//! What the page does without its connection.

use crate::relay::Relay;
use crate::start;
use crate::support::browser::{Browser, ENTER, NAME};
use crate::support::wait_for;

const STATE: &str = "document.querySelector('#state span').textContent";
const LOST: &str = "Not connected yet. What you type stays here.";

/// The lines of the page that contain one of these.
fn lines_with(browser: &Browser, texts: &[&str]) -> Vec<String> {
    let has_one = |line: &String| texts.iter().any(|text| line.contains(text));
    browser.lines().into_iter().filter(has_one).collect()
}

#[test]
#[ignore = "needs chromium"]
fn what_is_said_during_a_cut_comes_once_and_in_order() {
    let server = start(&["--history", "20"]);
    let relay = Relay::start(server.address);
    let (mut other, _) = server.join();
    let browser = Browser::open_as("bob", relay.address);
    other.send("before\n");
    browser.wait_for_line("guest1 before");
    for (said, typed) in [("one\n/me waves\n", "later"), ("two\nthree\n", "again")] {
        relay.cut();
        browser.wait_until(STATE, LOST);
        other.read_until("* bob left\n");
        other.send(said);
        other.read_until(said.rsplit(['\n', ' ']).nth(1).unwrap());
        other.forget();
        // What is typed meanwhile is not lost.
        browser.type_keys(&format!("{typed}{ENTER}"));
        assert_eq!(browser.typed(), typed);
        relay.lead_to(server.address);
        browser.wait_until(STATE, "");
        other.read_until("is now bob\n");
        browser.wait_until(NAME, "bob");
        browser.type_keys(ENTER);
        other.read_until(&format!("bob: {typed}\n"));
        browser.wait_for_line(&format!("bob {typed}"));
    }
    let lines = lines_with(&browser, &["guest1 ", "bob left", "bob later", "missed", "anew"]);
    let expected = "guest1 before|* bob left|guest1 one|~ guest1 waves|bob later|\
        * bob left|guest1 two|guest1 three";
    assert_eq!(lines.join("|"), expected);
    assert!(lines_with(&browser, &["already", "taken"]).is_empty(), "its name is asked for once");
}

#[test]
#[ignore = "needs chromium"]
fn of_more_than_is_kept_the_page_shows_the_exact_count() {
    let server = start(&["--recover", "300", "--rate", "0"]);
    let relay = Relay::start(server.address);
    let (mut other, _) = server.join();
    let browser = Browser::open_as("bob", relay.address);
    relay.cut();
    browser.wait_until(STATE, LOST);
    other.read_until("* bob left\n");
    (0..50).for_each(|number| other.send(format!("line {number}\n")));
    other.read_until("line 49\n");
    relay.lead_to(server.address);
    browser.wait_until(STATE, "");
    browser.wait_for_line("guest1 line 49");
    let lines = lines_with(&browser, &["missed", "bob left", "guest1 line"]);
    let missed = lines[0].strip_prefix("* you missed ").expect("a count first");
    let missed: usize = missed.strip_suffix(" lines").unwrap().parse().unwrap();
    // With the notice that it has left.
    assert_eq!(missed + lines.len() - 1, 51, "{lines:?}");
    let last = (missed - 1..50).map(|number| format!("guest1 line {number}"));
    assert_eq!(lines[1..], last.collect::<Vec<_>>());
}

#[test]
#[ignore = "needs chromium"]
fn it_comes_back_to_its_room_and_gets_what_it_lacks_there() {
    let server = start(&["--history", "20"]);
    let relay = Relay::start(server.address);
    let (mut other, _) = server.join();
    let (mut third, _) = server.join();
    third.send("in the lobby\n");
    other.read_until("in the lobby\n");
    other.send("/join 다방\n");
    other.read_until("* you are in 다방, 1 here\n");
    let browser = Browser::open_as("bob", relay.address);
    browser.wait_for_line("guest2 in the lobby");
    browser.type_keys(&format!("/join 다방{ENTER}"));
    other.read_until("* bob (");
    other.send("before\n");
    browser.wait_for_line("guest1 before");
    browser.wait_until("decodeURIComponent(location.hash)", "#다방");
    relay.cut();
    other.read_until("* bob left\n");
    other.forget();
    other.send("one\ntwo\n");
    third.send("also in the lobby\n");
    third.read_until("also in the lobby\n");
    relay.lead_to(server.address);
    other.read_until("* bob (");
    other.send("after\n");
    browser.wait_for_line("guest1 after");
    let lines = lines_with(&browser, &["guest1 ", "guest2 ", "bob left", "missed", "history"]);
    let expected = "* history|guest2 in the lobby|guest1 before|* bob left|\
        guest1 one|guest1 two|guest1 after";
    assert_eq!(lines.join("|"), expected);
}

#[test]
#[ignore = "needs chromium"]
fn a_name_that_was_lost_is_taken_again_when_it_is_free() {
    let server = start(&[]);
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
fn it_tells_that_the_server_was_started_anew() {
    let server = start(&["--history", "5"]);
    let relay = Relay::start(server.address);
    let (mut other, _) = server.join();
    let browser = Browser::open(relay.address);
    other.send("one\ntwo\nthree\n");
    browser.wait_for_line("guest1 three");
    relay.cut();
    browser.wait_until(STATE, LOST);
    drop(server);
    let anew = start(&["--history", "5"]);
    let (mut other, name) = anew.join();
    other.send("four\n");
    other.read_until(": four\n");
    relay.lead_to(anew.address);
    browser.wait_for_line("welcome, you are guest2");
    browser.wait_for_line(&format!("{name} four"));
    let lines = lines_with(&browser, &["guest1 ", "missed", "anew", "history"]);
    let expected = "guest1 one|guest1 two|guest1 three|\
        * the server was started anew while you were away|* history|guest1 four";
    assert_eq!(lines.join("|"), expected);
}

#[test]
#[ignore = "needs chromium"]
fn a_line_that_may_not_have_arrived_is_typed_again() {
    let server = start(&[]);
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
    let server = start(&[]);
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

/// What the page has for later: what it stores, its address, and the input.
const KEPT: &str = "JSON.stringify({ ...localStorage, ...sessionStorage }) + location.href
    + document.cookie + document.getElementById('line').value";

#[test]
#[ignore = "needs chromium"]
fn a_password_lets_the_page_in_and_is_kept_nowhere() {
    let server = start(&["--password", "sesame"]);
    let relay = Relay::start(server.address);
    let mut other = server.connect();
    other.send("/password sesame\n");
    other.read_until(" joined\n");
    let browser = Browser::start("en");
    browser.visit(&format!("http://{}/", relay.address));
    browser.wait_for_line("* a password is needed: /password SECRET lets you in");
    browser.wait_until(STATE, "");
    browser.type_keys(&format!("/password sesame{ENTER}"));
    browser.wait_for_line("* welcome, you are ");
    browser.type_keys(&format!("/oper abracadabra{ENTER}/join tea rosebud{ENTER}"));
    browser.wait_until("location.hash", "#tea");
    // The server gets neither of these.
    server.pause();
    browser.type_keys(&format!("/password rosebud{ENTER}unheard{ENTER}"));
    relay.cut();
    browser.wait_until("document.getElementById('line').value", "unheard");
    let kept = browser.text(KEPT);
    for secret in ["sesame", "abracadabra", "rosebud"] {
        assert!(!kept.contains(secret), "{kept}");
    }
    server.resume();
    relay.lead_to(server.address);
    // Its user is asked again.
    browser.wait_until(STATE, "");
    browser.run("document.getElementById('line').value = '';");
    browser.type_keys(&format!("/password sesame{ENTER}"));
    wait_for("tea once more", || {
        (lines_with(&browser, &["* you are in tea"]).len() == 2).then_some(())
    });
}

#[test]
#[ignore = "needs chromium"]
fn what_is_ignored_and_the_echo_outlive_a_cut() {
    let server = start(&[]);
    let relay = Relay::start(server.address);
    let (mut other, _) = server.join();
    let (mut third, _) = server.join();
    let browser = Browser::open_as("bob", relay.address);
    browser.type_keys(&format!("/ignore Guest1{ENTER}/echo off{ENTER}"));
    browser.wait_for_line("* ignoring guest1");
    relay.cut();
    browser.wait_until(STATE, LOST);
    third.read_until("* bob left\n");
    third.forget();
    relay.lead_to(server.address);
    third.read_until(" is now bob\n");
    browser.wait_until(NAME, "bob");
    other.send("unheard\n");
    third.read_until("unheard\n");
    browser.type_keys(&format!("unechoed{ENTER}"));
    third.read_until("bob: unechoed\n");
    third.send("heard\n");
    browser.wait_for_line("guest2 heard");
    assert!(lines_with(&browser, &["unheard", "unechoed"]).is_empty());
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
    let server = start(&[]);
    let browser = Browser::start("en");
    browser.run_first(IN_HASTE);
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
