//! The proof that a server has read the key of a WebSocket's handshake (RFC 6455, 4.2.2).

use sha1_smol::Sha1;

/// The version of the WebSocket protocol that is spoken here.
pub const VERSION: &str = "13";

/// What is put behind every key.
const GUID: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// How many characters of base64 a key has: it is 16 bytes.
const KEY_CHARACTERS: usize = 22;

/// What stands behind those.
const KEY_END: &str = "==";

const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// The value of `Sec-WebSocket-Accept` for this key; `None` if it is no key.
pub fn accept(key: &str) -> Option<String> {
    let characters = key.strip_suffix(KEY_END)?;
    let is_key = characters.len() == KEY_CHARACTERS
        && characters.bytes().all(|character| BASE64.contains(&character));
    is_key.then(|| {
        let mut hash = Sha1::from(key);
        hash.update(GUID.as_bytes());
        base64(&hash.digest().bytes())
    })
}

/// Base64 (RFC 4648, 4).
pub(super) fn base64(bytes: &[u8]) -> String {
    let group = |three: &[u8]| {
        let bits = three.iter().enumerate();
        let bits = bits.fold(0, |bits, (at, byte)| bits | u32::from(*byte) << (16 - 8 * at));
        [18, 12, 6, 0].map(|shift| BASE64[(bits >> shift & 63) as usize] as char)
    };
    let mut text: String = bytes.chunks(3).flat_map(group).collect();
    let padding = (3 - bytes.len() % 3) % 3;
    text.truncate(text.len() - padding);
    text.extend("==".chars().take(padding));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_the_rfc_is_accepted() {
        let accepted = accept("dGhlIHNhbXBsZSBub25jZQ==");
        assert_eq!(accepted.as_deref(), Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
    }

    #[test]
    fn what_is_no_key_is_not() {
        for key in [
            "",
            "==",
            "dGhlIHNhbXBsZSBub25jZQ",
            "dGhlIHNhbXBsZSBub25jZQ=",
            "dGhlIHNhbXBsZSBub25jZQA==",
            "dGhlIHNhbXBsZSBub25jZ===",
            "dGhlIHNhbXBsZSBub25j\u{e4}==",
            "dGhlIHNhbXBsZSBub25jZ ==",
        ] {
            assert_eq!(accept(key), None, "{key}");
        }
    }

    #[test]
    fn base64_is_that_of_the_rfc() {
        for (bytes, text) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foob", "Zm9vYg==")] {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
    }
}
