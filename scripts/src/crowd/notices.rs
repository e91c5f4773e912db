//! What chinwag tells one client and not the others, in every language that it has.

use chinwag::words::notice::{Lang, Notice};

/// The notice in these words, if it is one for the client that reads it. Others are lines for all.
pub fn told(words: &[u8]) -> Option<Notice<'_>> {
    let words = std::str::from_utf8(words.strip_prefix(b"* ")?).ok()?;
    let one = Notice::Missed { lines: 1 };
    // The server reads back no singular.
    let notice = if words == one.text(Lang::En) { one } else { Notice::read(words)? };
    let is_private = matches!(
        notice,
        Notice::Welcome { .. }
            | Notice::Missed { .. }
            | Notice::LineTooLong { .. }
            | Notice::Full { .. }
            | Notice::TooManyFromAddress { .. }
    );
    is_private.then_some(notice)
}

#[cfg(test)]
mod tests {
    use chinwag::words::notice::Shown;
    use clap::ValueEnum;

    use super::*;

    #[test]
    fn what_a_notice_tells_is_the_same_in_every_language() {
        for lang in Lang::value_variants().iter().copied() {
            let address = Shown("10.0.0.7:1234".parse().ok());
            for address in [address, Shown(None)] {
                let welcome = Notice::Welcome { name: "guest120", address, here: 7 };
                let line = welcome.to_line(lang);
                let welcomed = told(line.trim_ascii_end());
                assert!(matches!(welcomed, Some(Notice::Welcome { name: "guest120", .. })));
                let joined = Notice::Joined { name: "guest120", address };
                assert!(told(joined.to_line(lang).trim_ascii_end()).is_none());
            }
            for notice in [
                Notice::Missed { lines: 12 },
                Notice::Missed { lines: 1 },
                Notice::LineTooLong { bytes_max: 4096 },
                Notice::Full { clients_max: 5 },
                Notice::TooManyFromAddress { per_address: 64 },
            ] {
                let line = notice.to_line(lang);
                let read = told(line.trim_ascii_end());
                assert_eq!(format!("{read:?}"), format!("{:?}", Some(notice)));
                assert!(told(notice.text(lang).as_bytes()).is_none(), "{notice:?}");
            }
        }
        assert!(told(b"* you missed some lines").is_none());
    }
}
