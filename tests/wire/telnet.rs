//! Telnet, whatever a client sends, however it is cut into reads.

use chinwag::wire::dialect::Dialect;
use chinwag::wire::telnet::{IAC, Telnet};
use proptest::prelude::*;

use crate::cut_at;
use crate::rules::telnet::{self as property, DO, DONT, EOF, SB, SE, TIMING_MARK, WILL};

const MARK: [u8; 3] = [IAC, WILL, TIMING_MARK];
const NO_OPERATION: [u8; 2] = [IAC, 241];

/// The commands that erase, and the keys that do the same.
const ERASES: [(u8, u8); 2] = [(247, 8), (248, 21)];

fn read_all(telnet: &mut Telnet, reads: &[&[u8]]) -> (Vec<u8>, Vec<u8>) {
    let (mut text, mut answers) = (Vec::new(), Vec::new());
    for bytes in reads {
        let mut bytes = [&[0], *bytes].concat();
        let text_len = telnet.take_in(&mut bytes, &mut answers);
        text.extend_from_slice(&bytes[..text_len]);
    }
    (text, answers)
}

/// What a correct telnet may send: the bytes, and the text in them.
fn part() -> impl Strategy<Value = (Vec<u8>, Vec<u8>)> {
    let plain = "[a-z가-힣\r\n]{0,20}".prop_map(String::into_bytes);
    let doubled = Just((vec![IAC, IAC], vec![IAC]));
    let command = (SE + 1..SB).prop_map(|command| {
        let erases = ERASES.iter().find(|(its, _)| *its == command);
        (vec![IAC, command], erases.map(|(_, key)| *key).into_iter().collect())
    });
    let option = (WILL..=DONT, any::<u8>());
    let option = option.prop_map(|(verb, option)| (vec![IAC, verb, option], vec![]));
    let data = prop::collection::vec(prop_oneof![any::<u8>(), Just(IAC)], 0..10);
    prop_oneof![
        plain.prop_map(|text| (text.clone(), text)),
        doubled,
        command,
        option,
        data.prop_map(|data| (subnegotiation(&data), vec![])),
    ]
}

fn subnegotiation(data: &[u8]) -> Vec<u8> {
    let mut bytes = vec![IAC, SB];
    data.iter().for_each(|byte| match *byte {
        IAC => bytes.extend([IAC, IAC]),
        byte => bytes.push(byte),
    });
    bytes.extend([IAC, SE]);
    bytes
}

/// Bytes with many commands, whole and broken, and perhaps the byte order mark of UTF-16.
fn noise() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![3 => Just(IAC), 3 => EOF..=DONT, 1 => 0..8u8, 1 => any::<u8>()];
    let beginning = prop_oneof![3 => Just(vec![]), 1 => Just(vec![IAC, DONT])];
    (beginning, prop::collection::vec(byte, 0..100)).prop_map(|(one, two)| [one, two].concat())
}

/// Text in which a byte 255 is a letter.
fn latin1() -> impl Strategy<Value = Vec<u8>> {
    let letter =
        prop_oneof![2 => Just(IAC), 3 => b' '..=b'~', 3 => 0xc0..0xec_u8, 1 => Just(b'\n')];
    let text = prop::collection::vec(letter, 0..40);
    text.prop_filter("two in a row are one", |text| !text.windows(2).any(|two| two == [IAC, IAC]))
}

fn marks(answers: &[u8]) -> usize {
    answers.chunks(3).filter(|answer| *answer == MARK).count()
}

proptest! {
    #[test]
    fn however_the_input_is_cut_only_commands_are_taken_out(
        input in noise(),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..20),
    ) {
        property::commands_are_taken_out_and_nothing_else(&[&input]);
        property::commands_are_taken_out_and_nothing_else(&cut_at(&input, &cuts));
        property::commands_are_taken_out_and_nothing_else(
            &input.chunks(1).collect::<Vec<_>>(),
        );
    }

    #[test]
    fn bytes_that_come_one_by_one_are_answered_mark_by_mark(
        options in prop::collection::vec((WILL..=DONT, 0..8u8), 0..20),
    ) {
        let said: Vec<u8> = options.iter().flat_map(|(verb, x)| [IAC, *verb, *x]).collect();
        let reads: Vec<&[u8]> = said.chunks(1).collect();
        let (_, answers) = read_all(&mut Telnet::default(), &reads);
        let asked = options.iter().filter(|option| **option == (DO, TIMING_MARK)).count();
        prop_assert_eq!(marks(&answers), asked);
    }

    #[test]
    fn text_without_an_iac_is_unchanged_and_unanswered(text in any::<String>()) {
        let (same, answers) = read_all(&mut Telnet::default(), &[text.as_bytes()]);
        prop_assert_eq!(same, text.as_bytes());
        prop_assert_eq!(answers, Vec::<u8>::new());
    }

    #[test]
    fn text_with_a_lone_byte_255_is_unchanged_and_unanswered(
        text in latin1(),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..20),
    ) {
        let mut telnet = Telnet::default();
        let (same, answers) = read_all(&mut telnet, &cut_at(&text, &cuts));
        // Behind an IAC at the very end a command might have come.
        prop_assert_eq!([same.as_slice(), telnet.take_rest()].concat(), text);
        prop_assert_eq!(answers, Vec::<u8>::new());
        prop_assert!(!telnet.has_begun());
    }

    #[test]
    fn text_among_commands_is_exactly_the_text(parts in prop::collection::vec(part(), 0..30)) {
        let (bytes, text): (Vec<_>, Vec<_>) = parts.into_iter().unzip();
        let bytes = bytes.concat();
        // At the very beginning, a refusal of no known option would be the byte order mark of
        // UTF-16.
        let (read, _) = read_all(&mut Telnet::default(), &[&NO_OPERATION, &bytes]);
        prop_assert_eq!(read, text.concat());
    }

    #[test]
    fn rendered_text_is_read_back_as_it_was(line in prop::collection::vec(any::<u8>(), 0..99)) {
        property::rendered_text_is_read_back_as_it_was(&line);
    }
}
