//! Taking back what was typed, as a terminal does when it edits a line (termios(3)).
//!
//! A client whose keys come one by one has no terminal that does it: BS and DEL (VERASE) take back
//! the last character, Ctrl-U (VKILL) the line, never beyond its start. What a person sees as one
//! character is one: a syllable, a letter with its marks.

use memchr::memchr3;
use unicode_segmentation::UnicodeSegmentation;

const BACKSPACE: u8 = 0x08;
const DELETE: u8 = 0x7f;
const KILL: u8 = 0x15;

/// So many bytes before the end are looked at for the last character: more than any that is in use.
const CHARACTER_BYTES_MAX: usize = 64;

/// Takes back what these bytes ask to be; moves what is left to the end and says how much it is.
pub fn take_back(line: &mut [u8]) -> usize {
    let Some(first) = memchr3(BACKSPACE, DELETE, KILL, line) else { return line.len() };
    let mut left = first;
    for at in first..line.len() {
        match line[at] {
            BACKSPACE | DELETE => left -= last_character(&line[..left]),
            KILL => left = 0,
            byte => {
                line[left] = byte;
                left += 1;
            }
        }
    }
    line.copy_within(..left, line.len() - left);
    left
}

/// How many bytes the last character has: one where they are no UTF-8.
fn last_character(text: &[u8]) -> usize {
    let tail = &text[text.len().saturating_sub(CHARACTER_BYTES_MAX)..];
    match tail.utf8_chunks().last() {
        Some(chunk) if chunk.invalid().is_empty() => {
            chunk.valid().graphemes(true).next_back().map_or(0, str::len)
        }
        Some(_) => 1,
        None => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn left(line: &[u8]) -> Vec<u8> {
        let mut line = line.to_vec();
        let left = take_back(&mut line);
        line.split_off(line.len() - left)
    }

    #[test]
    fn a_key_takes_back_one_character_and_never_more_than_there_is() {
        assert_eq!(left(b"hellp\x08o"), b"hello");
        assert_eq!(left(b"\x08\x7fa"), b"a");
        assert_eq!(left(b"ab\x7f\x7f\x7fc"), b"c");
        assert_eq!(left("안녕\x7f".as_bytes()), "안".as_bytes());
        assert_eq!(left("한글\u{1112}\u{1161}\u{11ab}\x08".as_bytes()), "한글".as_bytes());
        assert_eq!(left("e\u{301}\x08".as_bytes()), b"");
        assert_eq!(left(b"a\xff\xea\xb0\x08\x08\x08"), b"a");
    }

    #[test]
    fn control_u_takes_back_the_line() {
        assert_eq!(left(b"abc\x15x"), b"x");
        assert_eq!(left(b"abc\x15"), b"");
    }

    #[test]
    fn what_asks_for_nothing_stays() {
        assert_eq!(left("안녕 hello".as_bytes()), "안녕 hello".as_bytes());
        assert_eq!(left(b""), b"");
    }
}
