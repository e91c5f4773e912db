//! What must hold of any bytes of a client. Each rule is written once more, slowly and plainly, and
//! compared with the program. The fuzzer tries these too.

pub mod frames;
pub mod head;
pub mod input;
pub mod line;
pub mod telnet;

/// The first byte is a number n. The next n bytes are the lengths of the reads into which the rest
/// is cut, again and again.
fn cut(bytes: &[u8]) -> Option<Vec<&[u8]>> {
    const CUTS_MAX: u8 = 16;
    let [cuts, rest @ ..] = bytes else { return None };
    let (lengths, mut rest) = rest.split_at_checked(usize::from(cuts % CUTS_MAX))?;
    let mut reads = Vec::new();
    for length in lengths.iter().cycle() {
        if rest.is_empty() || reads.len() > bytes.len() {
            break;
        }
        let (read, later) = rest.split_at(usize::from(*length).min(rest.len()));
        reads.push(read);
        rest = later;
    }
    if !rest.is_empty() {
        reads.push(rest);
    }
    Some(reads)
}
