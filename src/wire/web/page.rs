//! The page: one file with all that it needs, and what a browser lets it do.

/// The page. Nothing that it needs stands anywhere else.
pub const PAGE: &str = include_str!("../../page/index.html");

/// What the page may do: run its own script in its own style, and speak WebSocket to this server.
/// A script or a style of anyone else has another hash. No form, no frame and no other site has a
/// part in it. If the page changes, the unit test below tells its new hashes.
pub const POLICY: &str = "default-src 'none'; \
    script-src 'sha256-C3ZCupMmmVoxPiG1Aa/2gOMXGa7HLmMUIbIChceAxq8='; \
    style-src 'sha256-NO4i+eAIzASK6VGuFbqUK8HUZnR7R7NGavFpVEcDHIQ='; \
    connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; \
    frame-ancestors 'none'";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::web::handshake::base64;
    use crate::words::notice::{Lang, Notice, Shown, Why};

    /// What a phone loads in a moment.
    const PAGE_BYTES_MAX: usize = 20_000;

    /// The only element of this name.
    fn element(name: &str) -> &'static str {
        let (_, behind) = PAGE.split_once(&format!("<{name}>")).unwrap();
        let (text, rest) = behind.split_once(&format!("</{name}>")).unwrap();
        assert!(!rest.contains(&format!("<{name}")), "two elements {name}");
        text
    }

    #[test]
    fn the_policy_has_the_hashes_of_the_page() {
        for name in ["script", "style"] {
            let hash = base64(&hmac_sha256::Hash::hash(element(name).as_bytes()));
            let source = format!("{name}-src 'sha256-{hash}';");
            assert!(POLICY.contains(&source), "the policy lacks {source}");
        }
    }

    #[test]
    fn the_page_is_small_and_needs_nothing_from_elsewhere() {
        assert!(PAGE.len() < PAGE_BYTES_MAX, "{} bytes", PAGE.len());
        let without_namespace = PAGE.replace("xmlns='http://www.w3.org/2000/svg'", "");
        for foreign in ["//www", "http://", "https://", "src=", "@import", "url(", "import("] {
            assert!(!without_namespace.contains(foreign), "{foreign}");
        }
        for parses in ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("] {
            assert!(!PAGE.contains(parses), "{parses}");
        }
    }

    /// The words of a notice as the page has them: a field stands in braces.
    fn form(notice: &Notice<'_>, lang: Lang) -> String {
        let text = notice.text(lang);
        let text = [" (127.0.0.1:1)", "(127.0.0.1:1)"]
            .iter()
            .fold(text, |text, shown| text.replace(shown, "{address}"));
        let fields = [
            ("71", "{here}"),
            ("72", "{more}"),
            (": {why}", "{why}"),
            // Those that only read are perhaps there.
            (" + 73 reading", "{read}"),
            (" + 읽기만 73명", "{read}"),
        ];
        fields.iter().fold(text, |text, (value, field)| text.replace(value, field))
    }

    #[test]
    fn the_page_knows_the_words_of_the_server() {
        let address = Shown(Some(([127, 0, 0, 1], 1).into()));
        let (name, room, names) = ("{name}", "{room}", "{names}");
        let (here, more, readers) = (71, 72, 73);
        let (by, why) = ("{by}", Why("{why}"));
        for notice in [
            Notice::Welcome { name, address, here },
            Notice::Joined { name, address },
            Notice::Left { name },
            Notice::WasKicked { name, by, why },
            Notice::Renamed { from: "{from}", to: "{to}" },
            Notice::Moved { name, room },
            Notice::Entered { room, here },
            Notice::HereMoreAndReading { here, names, more, readers },
            Notice::HereAndReading { here, names, readers },
            Notice::History,
            Notice::Now,
        ] {
            for lang in [Lang::En, Lang::Ko] {
                let form = format!("\"{}\"", form(&notice, lang));
                assert!(PAGE.contains(&form), "the page lacks {form}");
            }
        }
        let (joined, left) = (1, 1);
        for notice in [
            Notice::ManyJoined { joined, here },
            Notice::ManyLeft { left, here },
            Notice::ManyJoinedAndLeft { joined, left, here },
        ] {
            for lang in [Lang::En, Lang::Ko] {
                let form = form(&notice, lang);
                let (_, end) = form.rsplit_once('(').unwrap();
                assert!(PAGE.contains(&format!("\"{{any}}({end}\"")), "the page lacks ({end}");
            }
        }
    }
}
