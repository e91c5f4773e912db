//! How a fuzzer's bytes say into which reads the rest of them is cut.

/// The first byte is a number n. The next n bytes are the lengths of the reads into which the rest
/// is cut, again and again.
pub fn cut(bytes: &[u8]) -> Option<Vec<&[u8]>> {
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
