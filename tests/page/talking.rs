//! What a person does with the page.

use crate::start;
use crate::support::browser::{Browser, ENTER, NAME, TAB};
use crate::support::program::Program;
use crate::support::wait_for;

#[test]
#[ignore = "needs chromium"]
fn two_pages_and_nc_talk() {
    let server = start(&[]);
    let nc = Program::start(&server, "exec nc $HOST $PORT");
    nc.read_until(") joined\n");
    let browser = Browser::open_as("alice", server.address);
    let first = browser.windows().remove(0);
    browser.type_keys(&format!("hello from a page{ENTER}"));
    nc.read_until("alice: hello from a page\n");
    browser.wait_for_line("alice hello from a page");
    assert_eq!(browser.typed(), "");
    let second = browser.open_window();
    browser.visit(&format!("http://{}/", server.address));
    browser.wait_for_line("* welcome, you are ");
    // Its name is that of the first page, which is taken.
    browser.wait_for_line("* alice is taken");
    browser.take_name("영희");
    browser.type_keys(&format!("안녕{ENTER}"));
    nc.read_until("영희: 안녕\n");
    browser.go_to_window(&first);
    browser.wait_for_line("영희 안녕");
    browser.type_keys(&format!("/me waves{ENTER}/msg 영희 psst{ENTER}"));
    nc.read_until("~ alice waves\n");
    browser.go_to_window(&second);
    browser.wait_for_line("~ alice waves");
    browser.wait_for_line("alice → 영희 psst");
    browser.assert_no_complaint();
}

#[test]
#[ignore = "needs chromium"]
fn the_page_lists_all_that_are_here() {
    let server = start(&[]);
    let browser = Browser::open_as("alice", server.address);
    browser.type_keys(&format!("/join tea{ENTER}"));
    let count = "document.getElementById('here').textContent";
    browser.wait_for_line("* you are in tea, 1 here");
    browser.wait_until(count, "1 here");
    let (mut other, _) = server.join_from_elsewhere();
    other.send("/nick bob\n/join tea\n");
    browser.wait_until(count, "2 here");
    browser.run("document.getElementById('here').click();");
    let names = "[...document.querySelectorAll('#people li')].map(li => li.textContent)";
    browser.wait_until(names, "alice (you),bob");
    other.send("/nick zoe\n");
    browser.wait_until(names, "alice (you),zoe");
    // One that only reads has no name.
    let mut tail = server.connect();
    tail.send("GET /tail HTTP/1.1\r\nHost: localhost\r\n\r\n");
    tail.read_until("200 OK");
    browser.type_keys(&format!("/leave{ENTER}"));
    browser.wait_for_line("* you are in lobby, 1 here");
    browser.wait_until("asked.length", "0");
    browser.wait_until(names, "alice (you)");
    browser.run("location.hash = '#tea';");
    browser.wait_until(names, "alice (you),zoe");
    browser.run("document.querySelector('#people li:last-child button').click();");
    assert_eq!(browser.typed(), "/msg zoe ");
    other.send("/leave\n");
    browser.wait_until(names, "alice (you)");
    browser.wait_until(count, "1 here");
    // What the page asks by itself is not shown, but what its user asks is.
    assert!(!browser.lines().iter().any(|line| line.contains(" here: ")));
    browser.run("document.getElementById('line').value = '';");
    browser.type_keys(&format!("/who{ENTER}"));
    browser.wait_for_line("* 1 here: alice");
}

#[test]
#[ignore = "needs chromium"]
fn a_command_is_completed() {
    let server = start(&[]);
    let browser = Browser::open_as("alice", server.address);
    let (mut other, _) = server.join_from_elsewhere();
    other.send("/nick bob\n");
    browser.wait_for_line(" is now bob");
    let offered = "[...document.querySelectorAll('#choices li')].map(li => li.innerText)";
    browser.type_keys("/M");
    let both = "/me TEXT say what you do,/msg NAME TEXT send a private message,";
    wait_for("the commands", || browser.text(offered).starts_with(both).then_some(()));
    browser.type_keys("s");
    browser.wait_until(offered, "/msg NAME TEXT send a private message");
    browser.type_keys(TAB);
    assert_eq!(browser.typed(), "/msg ");
    browser.type_keys(&format!("b{TAB}psst{ENTER}"));
    other.read_until("[alice -> bob] psst\n");
    assert_eq!(browser.typed(), "");
    // What the page asks by itself is not shown.
    assert!(!browser.lines().iter().any(|line| line.contains("/msg NAME")));
    browser.type_keys(&format!("/help{ENTER}"));
    browser.wait_for_line("/msg NAME TEXT");
}

#[test]
#[ignore = "needs chromium"]
fn the_name_is_remembered_and_the_room_is_in_the_address() {
    let server = start(&[]);
    let browser = Browser::open(server.address);
    browser.take_name("철수");
    browser.type_keys(&format!("/join 다방{ENTER}"));
    browser.wait_for_line("* you are in 다방, 1 here");
    browser.wait_until("decodeURIComponent(location.hash)", "#다방");
    browser.run("location.reload();");
    browser.wait_until(NAME, "철수");
    browser.wait_for_line("* you are in 다방, 1 here");
    browser.wait_until("document.getElementById('room').textContent", "#다방");
    // Another room in the address leads there.
    browser.run("location.hash = '#tea';");
    browser.wait_for_line("* you are in tea, 1 here");
    browser.type_keys(&format!("/leave{ENTER}"));
    browser.wait_until("location.hash", "");
    browser.assert_no_complaint();
}

#[test]
#[ignore = "needs chromium"]
fn a_hidden_page_counts_what_was_said() {
    let server = start(&[]);
    let browser = Browser::open(server.address);
    let (mut other, _) = server.join_from_elsewhere();
    browser.wait_until("document.title", "#lobby · chinwag");
    browser.minimize();
    browser.wait_until("document.hidden", "true");
    other.send("one\ntwo\n/nick bob\nthree\n");
    browser.wait_until("document.title", "(3) #lobby · chinwag");
    browser.wait_for_line("bob three");
    browser.restore();
    browser.wait_until("document.title", "#lobby · chinwag");
}

#[test]
#[ignore = "needs chromium"]
fn a_screen_reader_reads_only_what_is_said_from_now_on() {
    let server = start(&["--history", "5"]);
    let (mut other, _) = server.join_from_elsewhere();
    other.send("before\n");
    other.read_until("guest1: before\n");
    let browser = Browser::start("en");
    let record = "addEventListener('DOMContentLoaded', () => {
        const log = document.getElementById('log');
        globalThis.heard = [];
        new MutationObserver(changes => {
            for (const { addedNodes } of changes) {
                if (log.ariaLive === 'polite') {
                    for (const node of addedNodes) heard.push(node.textContent);
                }
            }
        }).observe(log, { childList: true });
    });";
    browser.run_first(record);
    browser.visit(&format!("http://{}/", server.address));
    browser.wait_for_line("guest1 before");
    browser.wait_until("document.getElementById('log').ariaLive", "polite");
    other.send("after\n");
    browser.wait_for_line("guest1 after");
    let heard = browser.text("heard.join('|')");
    assert!(heard.contains("after") && !heard.contains("before"), "{heard}");
}

#[test]
#[ignore = "needs chromium"]
fn a_script_in_a_message_is_text() {
    let server = start(&[]);
    let browser = Browser::open(server.address);
    let (mut other, name) = server.join_from_elsewhere();
    browser.run(
        "globalThis.broken = [];
         addEventListener('securitypolicyviolation', event =>
             broken.push(event.violatedDirective));",
    );
    let script = "<img src=x onerror=alert(1)><script>alert(2)</script> https://a.example/?q=1.";
    other.send(format!("{script}\n"));
    browser.wait_for_line(&format!("{name} {script}"));
    assert_eq!(browser.text("document.querySelectorAll('#log img, #log script').length"), "0");
    let link = "document.querySelector('#log a')";
    assert_eq!(browser.text(&format!("{link}.href")), "https://a.example/?q=1");
    assert_eq!(browser.text(&format!("{link}.rel")), "noopener");
    browser.assert_no_complaint();
    // Even if it were taken for HTML, the browser would not run it.
    browser.run(
        "const script = document.createElement('script');
         script.textContent = 'globalThis.ran = true';
         document.body.append(script);
         document.body.insertAdjacentHTML('beforeend', '<img src=x onerror=\"ran = true\">');",
    );
    browser.wait_until("broken.sort()", "img-src,script-src-attr,script-src-elem");
    assert_eq!(browser.text("globalThis.ran"), "undefined");
}
