//! The names that clients take.

use super::{ask, give, people, read_up_to_mark};
use crate::support::{Client, Server, connect_from, enter};

/// Takes a name, and both clients read that.
fn rename(client: &mut Client, witness: &mut Client, from: &str, to: &str) {
    let notice = format!("* {from} is now {to}\n");
    assert_eq!(give(client, witness, &format!("/nick {to}")), (notice.clone(), notice));
}

#[test]
fn a_new_name_is_told_to_all_and_lines_bear_it_from_there_on() {
    let server = Server::start(&[]);
    let [mut alice, mut bob] = people(&server);
    alice.send("one\n/nick 철수\ntwo\n/nick Юрий\nthree\n");
    let said = "guest1: one\n* guest1 is now 철수\n철수: two\n* 철수 is now Юрий\nЮрий: three\n";
    for client in [&mut alice, &mut bob] {
        client.read_until_last("three\n");
        assert_eq!(client.read_text(), said);
    }
}

#[test]
fn a_refused_name_is_told_to_its_asker_and_changes_nothing() {
    let server = Server::start(&[]);
    let [mut alice, mut bob] = people(&server);
    rename(&mut bob, &mut alice, "guest2", "mike");
    let letters = "use letters, digits, _ - or .";
    let first = "begin with a letter or a digit";
    for (name, answer) in [
        ("mike", "mike is taken".to_owned()),
        ("MIKE", "MIKE is taken".to_owned()),
        ("m1ke", "m1ke looks like the name of someone here".to_owned()),
        ("mіke", "mіke looks like the name of someone here".to_owned()),
        ("admin", "admin is reserved".to_owned()),
        ("Ѕerver", "Ѕerver is reserved".to_owned()),
        ("관리자", "관리자 is reserved".to_owned()),
        ("guest_2", "guest_2 is reserved".to_owned()),
        ("host.", "host. is reserved".to_owned()),
        ("guest2", "guest2 is reserved".to_owned()),
        ("guest9", "guest9 is reserved".to_owned()),
        (&"김".repeat(33), "that name is too long: at most 32 characters".to_owned()),
        ("*", format!("names cannot contain * (U+002A): {letters}")),
        ("a:b", format!("names cannot contain : (U+003A): {letters}")),
        ("[a]", format!("names cannot contain [ (U+005B): {letters}")),
        ("a\u{200b}b", format!("names cannot contain \u{200b} (U+200B): {letters}")),
        ("a\u{202e}b", format!("names cannot contain \\ (U+005C): {letters}")),
        ("bobː", format!("names cannot contain ː (U+02D0): {letters}")),
        ("_a", format!("names cannot begin with _ (U+005F): {first}")),
        ("two words", "usage: /nick NAME".to_owned()),
        ("", "usage: /nick NAME".to_owned()),
    ] {
        let told = ask(&mut alice, &mut bob, &format!("/nick {name}"));
        assert_eq!(told, format!("* {answer}\n"), "{name}");
    }
    alice.send("me still\n");
    bob.read_until_last("guest1: me still\n");
}

/// A terminal that reorders right-to-left lines would show `שרה: שלום` as `שלום :שרה`.
#[test]
fn what_stands_behind_a_right_to_left_name_keeps_its_place() {
    let server = Server::start(&["--hide-addresses"]);
    let (mut alice, mut bob) = (server.enter().0, server.enter().0);
    alice.send("/nick שרה\nשלום\n/me שלום\n/msg guest2 שלום\n");
    bob.send("the mark\n");
    bob.read_until("] שלום\n");
    let read = bob.read_text();
    for line in [
        "* guest1 is now שרה\u{200e}\n",
        "שרה\u{200e}: שלום\n",
        "~ שרה\u{200e} שלום\n",
        "[שרה\u{200e} -> guest2] שלום\n",
    ] {
        assert!(read.contains(line), "{line:?} is not in {read:?}");
    }
    bob.read_until("guest2: the mark\n");
    bob.forget();
    // Once as it is typed, once as it is copied from the screen.
    for name in ["שרה", "שרה\u{200e}"] {
        bob.send(format!("/msg {name} hi\n/ignore {name}\n/unignore {name}\n/nick {name}\n"));
        bob.read_until_last("* שרה\u{200e} is taken\n");
        let read = bob.read_text();
        assert_eq!(
            read,
            "[guest2 -> שרה\u{200e}] hi\n* ignoring שרה\u{200e}\n\
            * no longer ignoring שרה\u{200e}\n* שרה\u{200e} is taken\n"
        );
        bob.forget();
    }
    bob.send("/who\n/msg דוד hi\n/nick דוד\u{200e}\n/nick דוד\n");
    bob.read_until_last("* you are דוד\u{200e} already\n");
    assert_eq!(
        bob.read_text(),
        "* 2 here: שרה\u{200e}, guest2\n* nobody here is called דוד\u{200e}\n\
        * guest2 is now דוד\u{200e}\n* you are דוד\u{200e} already\n"
    );
    alice.send("/quit להתראות\n");
    bob.read_until_last("* שרה\u{200e} left\n");
}

#[test]
fn the_longest_name_passes() {
    let server = Server::start(&[]);
    let [mut alice, mut bob] = people(&server);
    rename(&mut alice, &mut bob, "guest1", &"김".repeat(32));
}

#[test]
fn the_case_of_a_name_can_be_changed_by_its_bearer_alone() {
    let server = Server::start(&[]);
    let [mut alice, mut bob] = people(&server);
    rename(&mut alice, &mut bob, "guest1", "alice");
    rename(&mut alice, &mut bob, "alice", "Alice");
    assert_eq!(ask(&mut alice, &mut bob, "/nick Alice"), "* you are Alice already\n");
    assert_eq!(ask(&mut bob, &mut alice, "/nick ALICE"), "* ALICE is taken\n");
}

#[test]
fn hangul_is_the_same_name_composed_and_decomposed() {
    const DECOMPOSED: &str = "\u{1112}\u{1161}\u{11ab}\u{1100}\u{1173}\u{11af}";
    let server = Server::start(&[]);
    let [mut alice, mut bob] = people(&server);
    let notice = "* guest1 is now 한글\n".to_owned();
    let given = give(&mut alice, &mut bob, &format!("/nick {DECOMPOSED}"));
    assert_eq!(given, (notice.clone(), notice));
    let taken = format!("* {DECOMPOSED} is taken\n");
    assert_eq!(ask(&mut bob, &mut alice, &format!("/nick {DECOMPOSED}")), taken);
    assert_eq!(ask(&mut bob, &mut alice, "/nick 한글"), "* 한글 is taken\n");
    bob.send(format!("/msg {DECOMPOSED} 안녕\n"));
    alice.read_until_last("[guest2 -> 한글] 안녕\n");
}

#[test]
fn a_name_is_free_only_after_all_were_told_that_its_bearer_left() {
    let server = Server::start(&["--drain", "600"]);
    let [mut alice, mut bob, mut carol] = people(&server);
    rename(&mut carol, &mut alice, "guest3", "carol");
    bob.read_until_last("carol: after\n");
    bob.forget();
    assert_eq!(ask(&mut bob, &mut alice, "/nick Carol"), "* Carol is taken\n");
    bob.forget();
    // Its side stays open, but it has left.
    carol.send("/quit\n");
    bob.read_until_last("* carol left\n");
    bob.forget();
    alice.read_until_last("* carol left\n");
    alice.forget();
    rename(&mut bob, &mut alice, "guest2", "Carol");
}

#[test]
fn a_name_given_up_for_another_is_kept_for_its_bearer() {
    let server = Server::start(&[]);
    let [mut alice, mut bob] = people(&server);
    rename(&mut alice, &mut bob, "guest1", "mike");
    rename(&mut alice, &mut bob, "mike", "alice");
    assert_eq!(ask(&mut bob, &mut alice, "/nick Mike"), "* Mike is taken\n");
    let looks = "* m1ke looks like the name of someone here\n";
    assert_eq!(ask(&mut bob, &mut alice, "/nick m1ke"), looks);
    let nobody = "* nobody here is called mike\n";
    assert_eq!(ask(&mut bob, &mut alice, "/msg mike hello"), nobody);
    rename(&mut alice, &mut bob, "alice", "mike");
    assert_eq!(ask(&mut bob, &mut alice, "/nick alice"), "* alice is taken\n");
}

#[test]
fn a_name_given_up_by_leaving_is_kept_for_its_address() {
    let server = Server::start(&[]);
    let [mut alice, mut bob] = people(&server);
    rename(&mut alice, &mut bob, "guest1", "alice");
    let stranger = |last| Client::new(connect_from([127, 0, 0, last], server.address));
    let (mut carol, mut dave) = (enter(stranger(2)).0, enter(stranger(3)).0);
    drop(alice);
    carol.read_until("* alice left\n");
    carol.send("/nick Alice\n/nick a1ice\n");
    carol.read_until("* Alice is taken\n");
    carol.read_until("* a1ice looks like the name of someone here\n");
    // A client from that address gets the name back.
    bob.send("/nick alice\n");
    dave.read_until("* guest2 is now alice\n");
}

#[test]
fn a_client_is_found_by_its_name_in_any_case_and_nothing_else() {
    let server = Server::start(&[]);
    let [mut alice, mut bob, mut carol] = people(&server);
    rename(&mut bob, &mut alice, "guest2", "Юрий");
    carol.read_until_last("Юрий: after\n");
    carol.forget();
    for (to, name) in [("юрий", "Юрий"), ("ЮРИЙ", "Юрий"), ("GUEST3", "guest3")] {
        let line = format!("[guest1 -> {name}] hello\n");
        alice.send(format!("/msg {to} hello\n"));
        alice.read_until_last(&line);
        let other = if name == "guest3" { &mut carol } else { &mut bob };
        other.read_until_last(&line);
        assert_eq!(other.read_text(), line);
        [&mut alice, other].into_iter().for_each(Client::forget);
    }
    for nobody in ["guest2", "guest4", "guest03", "guest", "Юpий", "0"] {
        let answer = ask(&mut alice, &mut bob, &format!("/msg {nobody} hello"));
        assert_eq!(answer, format!("* nobody here is called {nobody}\n"));
    }
    drop(bob);
    alice.read_until_last("* Юрий left\n");
    for nobody in ["Юрий", "guest2"] {
        alice.forget();
        alice.send(format!("/msg {nobody} hello\n"));
        alice.read_until_last(&format!("* nobody here is called {nobody}\n"));
    }
}

#[test]
fn all_are_listed_by_their_newest_names() {
    let server = Server::start(&[]);
    let [mut alice, mut bob, carol] = people(&server);
    rename(&mut bob, &mut alice, "guest2", "민수");
    rename(&mut bob, &mut alice, "민수", "영희");
    assert_eq!(ask(&mut alice, &mut bob, "/who"), "* 3 here: guest1, 영희, guest3\n");
    drop(carol);
    alice.read_until_last("* guest3 left\n");
    read_up_to_mark(&mut bob);
    alice.read_until_last(": the mark\n");
    alice.forget();
    assert_eq!(ask(&mut alice, &mut bob, "/who"), "* 2 here: guest1, 영희\n");
}
