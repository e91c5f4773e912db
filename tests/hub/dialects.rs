//! The many ways to send text: line ends, NULs, byte order marks, and bytes of other encodings.

use std::time::Duration;

use chinwag::config::Config;

use crate::small::{Seat, Small, all_said};

const SECOND: Duration = Duration::from_secs(1);

/// The first byte of every telnet command.
const IAC: u8 = 255;

/// What another client receives in some seconds when a new one sends these pieces at once.
fn heard_of(pieces: &[&[u8]]) -> String {
    let (mut small, [alice, bob]) = Small::with_two(Config::default());
    pieces.iter().for_each(|piece| small.say(&alice, piece));
    small.pass(5 * SECOND);
    bob.take_text()
}

fn assert_ends_in_cr_lf(text: &str) {
    let is_left = |c| ['\r', '\n'].contains(&c);
    assert!(!text.is_empty() && !text.replace("\r\n", "").contains(is_left), "{text:?}");
}

/// Everything that a client may receive: its own line, a reply, notices, a line of another, and a
/// private message.
fn hear_everything(small: &mut Small, [alice, bob]: &[Seat; 2], end: &str) -> String {
    small.say(alice, format!("hello{end}/who{end}/nope{end}"));
    let newcomer = small.connect(3);
    small.say(bob, "hi\n/msg guest1 psst\n/nick bob\n/me waves\n");
    small.end(&newcomer);
    small.pass(2 * SECOND);
    let text = alice.take_text();
    assert_eq!(text.lines().count(), 9, "{text:?}");
    text
}

#[test]
fn a_client_that_ends_lines_in_cr_is_sent_cr_lf_from_then_on() {
    for end in ["\r\n", "\r"] {
        let mut small = Small::new(Config { greeting: Duration::ZERO, ..Config::default() });
        let two = [small.connect(1), small.connect(2)];
        assert!(!two[0].take_text().contains('\r'));
        small.say(&two[0], format!("one{end}"));
        small.pass(SECOND);
        assert_eq!(two[0].take_text(), "guest1: one\r\n");
        assert_ends_in_cr_lf(&hear_everything(&mut small, &two, end));
        assert!(!two[1].take_text().contains('\r'));
    }
}

#[test]
fn a_client_that_ends_lines_in_lf_is_never_sent_a_cr() {
    let (mut small, two) = Small::with_two(Config::default());
    assert!(!hear_everything(&mut small, &two, "\n").contains('\r'));
    // The line ends of others are not passed on.
    for end in ["\r\n", "\r", "\r\0"] {
        small.say(&two[1], format!("one{end}two{end}"));
        assert_eq!(two[0].take_text(), "bob: one\nbob: two\n");
    }
}

#[test]
fn a_client_that_is_sent_cr_lf_is_told_in_it_what_it_missed() {
    let config = Config { window: 32 * 1024, turn_bytes: 8 * 1024, rate: 0, ..Config::default() };
    let (mut small, [alice, bob]) = Small::with_two(config);
    small.say(&alice, "hello\r\n");
    alice.take_text();
    // It takes a part of the first line.
    alice.pipe.borrow_mut().room = Some(20);
    small.say(&bob, format!("{}\n", "x".repeat(1000)).repeat(100));
    alice.pipe.borrow_mut().room = None;
    small.note(&alice);
    let text = alice.take_text();
    let text = text.replace(&"x".repeat(1000), "..");
    assert!(text.contains("\r\n* you missed "), "{text:?}");
    assert_ends_in_cr_lf(&text);
}

#[test]
fn nuls_at_either_end_of_a_message_are_no_text() {
    let zeroed = |text: &str, bytes: usize| text.to_owned() + &"\0".repeat(bytes - text.len());
    for sent in [
        "hello\0",
        "\0hello",
        "\0\0hello\0\0\0",
        "hello\0\n",
        "\0hello\n",
        "hello\n\0",
        "hello\r\n\0",
        "hello\0\r\n",
        &zeroed("hello", 1024),
        &zeroed("hello\n", 1024),
        &zeroed("hello\r\n", 1024),
    ] {
        let (mut small, [alice, bob]) = Small::with_two(Config::default());
        for _ in 0..3 {
            small.say(&alice, sent);
            small.pass(2 * SECOND);
            assert_eq!(bob.take_text(), "guest1: hello\n", "{sent:?}");
        }
    }
}

#[test]
fn nuls_count_for_no_limit() {
    let nuls = "\0".repeat(100_000);
    let rest = nuls.as_str();
    for sent in [format!("hello{rest}"), format!("hello\n{rest}"), format!("{rest}hello\n{rest}")] {
        let (mut small, [alice, bob]) = Small::with_two(Config::default());
        small.say(&alice, &sent);
        small.pass(5 * SECOND);
        small.say(&alice, rest);
        small.pass(5 * SECOND);
        assert_eq!(bob.take_text(), "guest1: hello\n", "{:?}..", &sent[..6]);
        assert_eq!(alice.take_text(), "guest1: hello\n");
    }
}

#[test]
fn a_nul_ends_a_message_where_nothing_else_does() {
    let two = "guest1: hello\nguest1: world\n";
    assert_eq!(heard_of(&[b"hello\0world\0"]), two);
    assert_eq!(heard_of(&[b"hel", b"lo\0wor", b"ld\0"]), two);
    assert_eq!(heard_of(&[b"\0hello\0\0\0", b"\0world\0"]), two);
}

#[test]
fn a_nul_inside_a_line_does_not_end_it() {
    let heard = heard_of(&[b"one\n", b"two\0three\n"]);
    let lines: Vec<&str> = heard.lines().collect();
    let [first, second] = lines[..] else { panic!("{heard:?}") };
    assert_eq!(first, "guest1: one");
    assert!(second.starts_with("guest1: two") && second.ends_with("three"), "{second:?}");
}

#[test]
fn a_command_between_nuls_is_a_command() {
    for sent in ["\0/who\0", "/who\0", "\0\0/who\n", "\0/who\r\n"] {
        let (mut small, [alice, bob]) = Small::with_two(Config::default());
        small.say(&alice, sent);
        small.pass(2 * SECOND);
        assert_eq!(bob.take_text(), "", "{sent:?}");
        assert_eq!(alice.take_text().trim_end(), "* 2 here: guest1, guest2", "{sent:?}");
    }
}

#[test]
fn a_line_end_inside_a_message_does_not_mute_its_sender() {
    for messages in [["a\nb", "c", "later", "more"], ["one\ntwo", "three", "four", "x"]] {
        let (mut small, [alice, bob]) = Small::with_two(Config::default());
        let (mut sent, mut heard) = (String::new(), String::new());
        for (number, message) in messages.iter().enumerate() {
            small.say(&alice, message);
            small.pass(3 * SECOND);
            sent.push_str(message);
            heard.push_str(&all_said(&bob.take_text()));
            let is_later = number > 1;
            assert!(!is_later || heard == sent.replace('\n', ""), "{sent:?}: {heard:?}");
        }
    }
}

#[test]
fn a_client_that_ends_its_lines_is_waited_for() {
    let (mut small, [alice, bob]) = Small::with_two(Config::default());
    for part in ["one\n", "two\n", "three\n", "fo", "ur\n"] {
        small.say(&alice, part);
        small.pass(10 * SECOND);
    }
    let heard = bob.take_text();
    assert_eq!(heard, "guest1: one\nguest1: two\nguest1: three\nguest1: four\n");
}

#[test]
fn a_character_in_two_segments_is_never_cut() {
    for text in ["hi안", "안", "안녕하세요", "a😀b", "네\u{1f468}"] {
        for cut in (1..text.len()).filter(|cut| !text.is_char_boundary(*cut)) {
            let (mut small, [alice, bob]) = Small::with_two(Config::default());
            small.say(&alice, &text.as_bytes()[..cut]);
            small.pass(SECOND * 3 / 10);
            small.say(&alice, &text.as_bytes()[cut..]);
            small.pass(3 * SECOND);
            assert_eq!(all_said(&bob.take_text()), text, "cut at {cut}");
            // A hint would be a line of its own.
            assert_eq!(all_said(&alice.take_text()), text, "cut at {cut}");
        }
    }
}

#[test]
fn a_character_in_two_segments_is_never_cut_in_raw_mode() {
    for text in ["hi안", "안", "안녕하세요", "a😀b"] {
        for cut in (1..text.len()).filter(|cut| !text.is_char_boundary(*cut)) {
            let (mut small, [alice, bob]) =
                Small::with_two(Config { raw: true, ..Config::default() });
            small.say(&alice, &text.as_bytes()[..cut]);
            small.pass(SECOND * 3 / 10);
            // A client that decodes each read fails at half a character.
            let first = bob.take_text();
            small.say(&alice, &text.as_bytes()[cut..]);
            assert_eq!(first + &bob.take_text(), text, "cut at {cut}");
        }
    }
}

/// The reads of a client with a small buffer, when three have each said messages at one moment.
fn small_reads_of(messages: [&str; 3]) -> Vec<Vec<u8>> {
    const BUFFER_BYTES: usize = 1024;
    let mut small = Small::new(Config { raw: true, ..Config::default() });
    let talkers = [1, 2, 3].map(|last| small.connect(last));
    let reader = small.connect(4);
    small.pass(SECOND);
    reader.take_bytes();
    talkers.iter().zip(messages).for_each(|(seat, message)| small.say_later(seat, message));
    let mut reads = Vec::new();
    for _ in 0..20 {
        small.turns();
        // It reads as soon as it has anything.
        reads.extend(reader.take_bytes().chunks(BUFFER_BYTES).map(<[u8]>::to_vec));
        small.now += Duration::from_millis(1);
    }
    reads
}

#[test]
fn a_burst_in_raw_mode_is_read_in_whole_messages() {
    let (long, short) = ("가".repeat(300), "나".repeat(100));
    for messages in [[&long, &short, &long], [&short, &short, &short], [&long, &long, &long]] {
        let messages = messages.map(String::as_str);
        let reads = small_reads_of(messages);
        assert_eq!(reads.concat(), messages.concat().into_bytes());
        for read in reads {
            assert!(std::str::from_utf8(&read).is_ok(), "{}", String::from_utf8_lossy(&read));
        }
    }
}

#[test]
fn a_message_of_more_than_1024_bytes_comes_alone() {
    let (long, short) = ("가".repeat(1000), "나".repeat(100));
    let reads = small_reads_of([&short, &long, &short]);
    let at = reads.iter().position(|read| read.starts_with("가".as_bytes())).unwrap();
    assert_eq!(reads[at..at + 3].concat(), long.as_bytes());
    assert_eq!(reads.concat(), [&short, &long, &short].map(String::as_str).concat().into_bytes());
}

#[test]
fn a_byte_order_mark_at_the_beginning_of_a_line_is_dropped() {
    for end in ["\n", "\r\n", ""] {
        let (mut small, [alice, bob]) = Small::with_two(Config::default());
        for _ in 0..2 {
            small.say(&alice, format!("\u{feff}hello{end}"));
            small.pass(2 * SECOND);
            assert_eq!(bob.take_text(), "guest1: hello\n", "{end:?}");
        }
        alice.take_text();
        small.say(&alice, format!("\u{feff}/who{end}"));
        small.pass(2 * SECOND);
        assert_eq!(alice.take_text().trim_end(), "* 2 here: guest1, guest2", "{end:?}");
        assert_eq!(bob.take_text(), "");
    }
}

#[test]
fn a_line_of_a_byte_order_mark_alone_says_nothing() {
    assert_eq!(heard_of(&["\u{feff}\n\u{feff}\r\n\n".as_bytes()]), "");
    assert_eq!(heard_of(&["\u{feff}".as_bytes()]), "");
    assert_eq!(heard_of(&["\u{feff}\n\u{feff}hi\n".as_bytes()]), "guest1: hi\n");
}

/// UTF-16, the less significant byte of each unit first or last.
fn utf16(text: &str, is_little: bool) -> Vec<u8> {
    let bytes = |unit: u16| if is_little { unit.to_le_bytes() } else { unit.to_be_bytes() };
    text.encode_utf16().flat_map(bytes).collect()
}

/// Asserts that a client that sends these lines gets one hint that they are UTF-16, and is not
/// treated as telnet.
fn assert_utf16_is_told(lines: &[Vec<u8>]) {
    let (mut small, [alice, _bob]) = Small::with_two(Config::default());
    let mut sent = Vec::new();
    for line in lines {
        small.say(&alice, line);
        small.pass(2 * SECOND);
        sent.extend(alice.take_bytes());
    }
    let text = String::from_utf8_lossy(&sent);
    let told = text.lines().filter(|line| line.starts_with("* ") && line.contains("UTF-16"));
    assert_eq!(told.count(), 1, "{}: {text:?}", lines.concat().escape_ascii());
    assert!(!sent.contains(&IAC), "{text:?}");
}

#[test]
fn utf16_with_its_byte_order_mark_is_told_by_name_once() {
    for text in ["hello", "안녕하세요"] {
        for is_little in [true, false] {
            let first = utf16(&format!("\u{feff}{text}\r\n"), is_little);
            let later = utf16(&format!("{text}\r\n"), is_little);
            assert_utf16_is_told(&[first, later.clone(), later]);
        }
    }
}

#[test]
fn utf16_without_a_byte_order_mark_is_told_by_name_once() {
    for is_little in [true, false] {
        let line = utf16("hello there\r\n", is_little);
        assert_utf16_is_told(&[line.clone(), line.clone(), line]);
    }
}

#[test]
fn a_single_byte_255_in_latin_1_is_no_telnet() {
    let lines: [&[u8]; 4] =
        [b"Lou\xffs\n", b"A\xff is a y\n", b"na\xefve \xff\n", b"l'Ha\xff-les-Roses\n"];
    for line in lines {
        for cut in 0..line.len() {
            let (mut small, [alice, bob]) = Small::with_two(Config::default());
            small.say(&alice, &line[..cut]);
            small.say(&alice, &line[cut..]);
            small.pass(2 * SECOND);
            small.say(&bob, "yes\n");
            let sent = alice.take_bytes();
            let shown = sent.escape_ascii();
            assert!(!sent.contains(&IAC) && !sent.contains(&b'\r'), "cut at {cut}: {shown}");
            assert!(sent.ends_with(b"\nguest2: yes\n"), "{shown}");
            let heard = bob.take_text();
            let (said, rest) = heard.split_once('\n').unwrap();
            assert!(said.starts_with("guest1: ") && rest == "guest2: yes\n", "{heard:?}");
        }
    }
}

#[test]
fn a_byte_255_that_nothing_follows_is_said() {
    for (sent, said) in [
        (&b"\xff"[..], "guest1: \u{fffd}\n"),
        (b"Lou\xff", "guest1: Lou\u{fffd}\n"),
        (b"hello\nLou\xff", "guest1: hello\nguest1: Lou\u{fffd}\n"),
        (b"\xff\xf1Lou\xff", "guest1: Lou\n"),
    ] {
        for cut in 0..sent.len() {
            let (mut small, [alice, bob]) = Small::with_two(Config::default());
            small.say(&alice, &sent[..cut]);
            small.say(&alice, &sent[cut..]);
            small.end(&alice);
            let heard = bob.take_text();
            let heard = heard.strip_suffix("* guest1 left\n").unwrap_or(&heard);
            assert_eq!(heard, said, "{} cut at {cut}", sent.escape_ascii());
        }
    }
}

#[test]
fn a_byte_255_at_the_end_of_a_message_is_said_with_it() {
    let (mut small, [alice, bob]) = Small::with_two(Config::default());
    for _ in 0..2 {
        small.say(&alice, b"Lou\xff");
        small.pass(6 * SECOND);
        assert_eq!(bob.take_text(), "guest1: Lou\u{fffd}\n");
    }
}

#[test]
fn a_telnet_may_refuse_an_unknown_option_behind_its_first_line() {
    let (mut small, [alice, bob]) = Small::with_two(Config::default());
    small.say(&alice, "one\n");
    // At the very beginning this would be UTF-16.
    small.say(&alice, b"\xff\xfe\xc8two\n");
    assert_eq!(bob.take_text(), "guest1: one\nguest1: two\n");
}

#[test]
fn a_telnet_command_in_two_segments_is_no_text() {
    let (mut small, [alice, bob]) = Small::with_two(Config::default());
    small.say(&alice, b"Lou\xff");
    small.pass(4 * SECOND);
    small.say(&alice, b"\xf1ise\n");
    assert_eq!(bob.take_text(), "guest1: Louise\n");
}

/// What nc shows a person, to the byte.
#[test]
fn a_plain_client_is_sent_what_it_always_was() {
    let mut small = Small::new(Config { greeting: Duration::ZERO, ..Config::default() });
    let (alice, bob) = (small.connect(1), small.connect(2));
    small.say(&alice, "hello\n/who\n/me waves\n/nope\n/nick kim\n\n안녕\n");
    small.say(&bob, "hi\n/msg kim psst\n/quit\n");
    small.end(&bob);
    small.say(&alice, b"\xec\x9d\n");
    small.say(&alice, "/quit\n");
    small.end(&alice);
    small.pass(SECOND);
    let expected = "\
        * welcome, you are guest1 (10.0.0.1:1000), 1 here\n\
        * guest1 (10.0.0.1:1000) joined\n\
        * guest2 (10.0.0.2:1000) joined\n\
        guest1: hello\n\
        * 2 here: guest1, guest2\n\
        ~ guest1 waves\n\
        * no such command: /nope; /help lists them, //text says /text\n\
        * guest1 is now kim\n\
        kim: 안녕\n\
        guest2: hi\n\
        [guest2 -> kim] psst\n\
        * guest2 left\n\
        kim: \u{fffd}\n\
        * what you type is not UTF-8, so others see \u{fffd}; set your terminal to UTF-8\n\
        * bye\n";
    assert_eq!(alice.take_text(), expected);
}
