//! Keys that arrive one by one, and keys that erase others. Time passes only where a test says so.

use std::time::Duration;

use chinwag::config::Config;

use crate::small::{Seat, Small, all_said};

const SECOND: Duration = Duration::from_secs(1);

/// The time between two keys: longer than the silence that ends a chunk, shorter than the wait for
/// a single character.
const GAP: Duration = Duration::from_millis(300);

const NO_OPERATION: &[u8] = b"\xff\xf1";
const ARE_YOU_THERE: &[u8] = b"\xff\xf6";

/// Each way to erase: what is sent, and the resulting line.
const ERASED: [(&str, &str); 11] = [
    ("hellp\x08o", "hello"),
    ("hellp\x7fo", "hello"),
    ("안녕\x7f", "안"),
    ("안녕\x08요", "안요"),
    ("a😀\x7fb", "ab"),
    ("ae\u{301}\x7fx", "ax"),
    ("ae\u{301}\u{323}\x08x", "ax"),
    ("abc\x15x", "x"),
    ("안녕\x15네", "네"),
    ("\x08\x08a", "a"),
    ("a\x7f\x7f\x15\x08b", "b"),
];

/// A client sends each of these characters by itself, with this time between two.
fn type_keys(small: &mut Small, seat: &Seat, keys: &str, gap: Duration) {
    for key in keys.chars() {
        small.say(seat, key.to_string());
        small.pass(gap);
    }
}

#[test]
fn a_line_typed_key_by_key_is_one_message() {
    for gap in [50, 300, 900].map(Duration::from_millis) {
        for line in ["hi", "hello there", "안녕", "안녕하세요", "a b"] {
            for end in ["\r", "\n", "\r\n"] {
                let (mut small, [alice, bob]) = Small::with_two(Config::default());
                type_keys(&mut small, &alice, &format!("{line}{end}"), gap);
                assert_eq!(bob.take_text(), format!("guest1: {line}\n"), "{gap:?} {end:?}");
            }
        }
    }
}

#[test]
fn a_command_typed_key_by_key_is_one() {
    let (mut small, [alice, bob]) = Small::with_two(Config::default());
    type_keys(&mut small, &alice, "/who\r", GAP);
    assert_eq!(alice.take_text().trim_end(), "* 2 here: guest1, guest2");
    assert_eq!(bob.take_text(), "");
    let (mut small, [alice, bob]) = Small::with_two(Config::default());
    type_keys(&mut small, &alice, "/nick 철수\r", GAP);
    assert_eq!(bob.take_text(), "* guest1 is now 철수\n");
}

#[test]
fn a_line_that_is_being_typed_waits_for_its_end() {
    let (mut small, [alice, bob]) = Small::with_two(Config::default());
    type_keys(&mut small, &alice, "hell", GAP);
    small.pass(60 * SECOND);
    assert_eq!(bob.take_text(), "");
    type_keys(&mut small, &alice, "o\r", GAP);
    assert_eq!(bob.take_text(), "guest1: hello\n");
}

#[test]
fn a_key_of_several_bytes_in_several_reads_is_one() {
    let (mut small, [alice, bob]) = Small::with_two(Config::default());
    for key in "안녕하세요\r".chars() {
        key.to_string().bytes().for_each(|byte| small.say(&alice, [byte]));
        small.pass(GAP);
    }
    assert_eq!(bob.take_text(), "guest1: 안녕하세요\n");
}

#[test]
fn a_line_printed_byte_by_byte_is_one_message() {
    let (mut small, [alice, bob]) = Small::with_two(Config::default());
    let line = "temperature 23.5 C, humidity 41 %, all is well";
    type_keys(&mut small, &alice, line, SECOND / 20);
    small.say(&alice, "\r\n");
    assert_eq!(bob.take_text(), format!("guest1: {line}\n"));
}

#[test]
fn a_single_character_and_a_second_of_quiet_are_a_message() {
    let (mut small, [alice, bob]) = Small::with_two(Config::default());
    for character in ["네", "k", "ㅋ"] {
        small.say(&alice, character);
        small.pass(SECOND - SECOND / 10);
        assert_eq!(bob.take_text(), "");
        small.pass(SECOND / 5);
        assert_eq!(bob.take_text(), format!("guest1: {character}\n"));
        small.pass(SECOND);
    }
}

#[test]
fn words_without_line_ends_are_heard_after_their_quiet() {
    let (mut small, [alice, bob]) = Small::with_two(Config::default());
    for words in ["hello", "안녕", "no", "오늘 점심은 뭐 먹을까?"] {
        small.say(&alice, words);
        small.pass(SECOND / 10);
        assert_eq!(bob.take_text(), "");
        small.pass(SECOND / 5);
        assert_eq!(bob.take_text(), format!("guest1: {words}\n"));
    }
}

#[test]
fn what_was_typed_is_said_when_whole_words_come_again() {
    let (mut small, [alice, bob]) = Small::with_two(Config::default());
    type_keys(&mut small, &alice, "hey", GAP);
    small.pass(10 * SECOND);
    assert_eq!(bob.take_text(), "");
    let mut heard = String::new();
    for words in ["good morning", "anybody", "here?"] {
        small.say(&alice, words);
        small.pass(2 * SECOND);
        heard.push_str(&all_said(&bob.take_text()));
        assert!(heard.ends_with(words), "{heard:?}");
    }
    assert_eq!(heard, "heygood morninganybodyhere?");
}

#[test]
fn what_was_typed_is_said_when_the_input_ends() {
    let (mut small, [alice, bob]) = Small::with_two(Config::default());
    type_keys(&mut small, &alice, "bye", GAP);
    small.end(&alice);
    small.pass(SECOND);
    let heard = bob.take_text();
    assert_eq!(all_said(heard.strip_suffix("* guest1 left\n").unwrap()), "bye");
}

#[test]
fn a_typed_key_can_be_taken_back() {
    for (typed, said) in ERASED {
        let (mut small, [alice, bob]) = Small::with_two(Config::default());
        // It is tried in a first line and in a later one.
        for end in ["\r", "\n"] {
            type_keys(&mut small, &alice, &format!("{typed}{end}"), GAP);
            assert_eq!(bob.take_text(), format!("guest1: {said}\n"), "{typed:?}");
        }
    }
}

#[test]
fn telnet_takes_back_what_it_erases_in_a_line() {
    for (typed, said) in ERASED {
        let (mut small, [alice, bob]) = Small::with_two(Config::default());
        small.say(&alice, NO_OPERATION);
        for end in ["\r\n", "\r\0"] {
            small.say(&alice, format!("{typed}{end}"));
            assert_eq!(bob.take_text(), format!("guest1: {said}\n"), "{typed:?}");
        }
    }
}

#[test]
fn erasing_ends_at_the_start_of_the_line() {
    for erase in ["\x08\x08\x08", "\x7f\x7f", "\x15"] {
        let (mut small, [alice, bob]) = Small::with_two(Config::default());
        small.say(&alice, NO_OPERATION);
        small.say(&alice, format!("one\r\n{erase}two\r\n"));
        small.say(&alice, format!("{erase}\r\nthree\r\n"));
        assert_eq!(bob.take_text(), "guest1: one\nguest1: two\nguest1: three\n", "{erase:?}");
    }
}

#[test]
fn what_is_erased_is_so_however_it_is_cut_into_reads() {
    let line = "안녀\x7f녕\x08\x08a\x15안녕\x7f!\r\n".as_bytes();
    for cut in 0..line.len() {
        let (mut small, [alice, bob]) = Small::with_two(Config::default());
        small.say(&alice, NO_OPERATION);
        small.say(&alice, &line[..cut]);
        small.pass(GAP);
        small.say(&alice, &line[cut..]);
        assert_eq!(bob.take_text(), "guest1: 안!\n", "{cut}");
    }
}

#[test]
fn telnet_erases_by_its_commands() {
    const ERASE_CHARACTER: &[u8] = b"\xff\xf7";
    const ERASE_LINE: &[u8] = b"\xff\xf8";
    let lines: [(&[&[u8]], &str); 5] = [
        (&[b"hellp", ERASE_CHARACTER, b"o\r\n"], "hello"),
        (&["안녕".as_bytes(), ERASE_CHARACTER, b"\r\n"], "안"),
        (&[b"abc", ERASE_LINE, b"x\r\n"], "x"),
        (&[ERASE_CHARACTER, ERASE_CHARACTER, b"a\r\n"], "a"),
        (&[b"ab", ERASE_LINE, ERASE_LINE, ERASE_CHARACTER, b"c\r\n"], "c"),
    ];
    for (parts, said) in lines {
        let sent = parts.concat();
        for cut in 0..sent.len() {
            let (mut small, [alice, bob]) = Small::with_two(Config::default());
            small.say(&alice, b"before\r\n");
            small.say(&alice, &sent[..cut]);
            small.say(&alice, &sent[cut..]);
            let heard = format!("guest1: before\nguest1: {said}\n");
            assert_eq!(bob.take_text(), heard, "{} cut at {cut}", sent.escape_ascii());
        }
    }
}

#[test]
fn telnet_that_asks_whether_we_are_there_sees_an_answer() {
    let (mut small, [alice, bob]) = Small::with_two(Config::default());
    small.say(&alice, NO_OPERATION);
    alice.take_bytes();
    for _ in 0..2 {
        small.say(&alice, ARE_YOU_THERE);
        let answer = alice.take_bytes();
        let is_seen = answer.iter().filter(|byte| byte.is_ascii_alphanumeric()).count() > 1;
        assert!(is_seen && answer.ends_with(b"\r\n"), "{}", answer.escape_ascii());
        assert_eq!(bob.take_text(), "");
    }
}
