//! What the server itself says: one table, so that another language is one more column.
//!
//! Every notice is a line of its own that begins with `* `, which no line of a client does: those
//! begin with a name. This room knows words only, not who reads them or when.

use std::fmt;
use std::net::SocketAddr;

/// One thing that the server has to say.
#[derive(Clone, Copy, Debug)]
#[expect(missing_docs, reason = "the fields are the words of the sentence above them")]
pub enum Notice<'a> {
    /// To a newcomer: who it is, where it comes from (unless hidden), how many are here with it.
    Welcome { name: &'a str, address: Option<SocketAddr>, here: usize },
    /// To all: someone came.
    Joined { name: &'a str, address: Option<SocketAddr> },
    /// To all: someone went.
    Left { name: &'a str },
    /// To all, instead of single notices when too many come and go.
    Summary { joined: u64, left: u64, here: usize },
    /// Before the lines said earlier, for a newcomer.
    History,
    /// After the lines said earlier, for a newcomer.
    Now,
    /// To one that could not keep up.
    Missed { lines: u64 },
    /// To the sender of a line that was thrown away.
    LineTooLong { bytes_max: usize },
    /// To a sender who is given up: so much without a line end.
    Endless { bytes_max: usize },
    /// To one that has said nothing for so long.
    Idle { seconds: u64 },
    /// To one whose replies have piled up unread.
    TooManyReplies { bytes_max: usize },
    /// To a peer there is no room for.
    Full { clients_max: usize },
    /// To a peer with too many connections already.
    TooManyFromAddress { per_address: usize },
    /// To all: the server stops.
    Stopping,
}

impl fmt::Display for Notice<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use Notice as N;
        match *self {
            N::Welcome { name, address: Some(address), here } => {
                write!(f, "welcome, you are {name} ({}), {here} here", folded(address))
            }
            N::Welcome { name, address: None, here } => {
                write!(f, "welcome, you are {name}, {here} here")
            }
            N::Joined { name, address: Some(address) } => {
                write!(f, "{name} ({}) joined", folded(address))
            }
            N::Joined { name, address: None } => write!(f, "{name} joined"),
            N::Left { name } => write!(f, "{name} left"),
            N::Summary { joined, left: 0, here } => write!(f, "{joined} joined ({here} here)"),
            N::Summary { joined: 0, left, here } => write!(f, "{left} left ({here} here)"),
            N::Summary { joined, left, here } => {
                write!(f, "{joined} joined, {left} left ({here} here)")
            }
            N::History => write!(f, "history"),
            N::Now => write!(f, "now"),
            N::Missed { lines } => write!(f, "you missed {lines} lines"),
            N::LineTooLong { bytes_max } => {
                write!(f, "line too long, not sent: {bytes_max} bytes is the most")
            }
            N::Endless { bytes_max } => {
                write!(f, "closed: {bytes_max} bytes without a line end")
            }
            N::Idle { seconds } => write!(f, "closed: nothing said for {seconds} s"),
            N::TooManyReplies { bytes_max } => {
                write!(f, "closed: {bytes_max} bytes of replies unread")
            }
            N::Full { clients_max } => write!(f, "server full ({clients_max})"),
            N::TooManyFromAddress { per_address } => {
                write!(f, "too many connections from your address ({per_address}, --per-address)")
            }
            N::Stopping => write!(f, "server shutting down"),
        }
    }
}

impl Notice<'_> {
    /// The notice as it is sent, with its mark and its line end.
    pub fn to_line(&self) -> Vec<u8> {
        format!("* {self}\n").into_bytes()
    }
}

/// The one notice of raw mode, as clients of the old server know it: to the letter, no line end.
pub fn joined_raw(address: Option<SocketAddr>) -> String {
    match address {
        Some(address) => format!("유저({})가 접속했습니다.", folded(address)),
        None => "유저가 접속했습니다.".to_owned(),
    }
}

/// An IPv4 peer of an IPv6 socket is shown as what it is.
fn folded(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notices_are_marked_lines() {
        let address = Some(SocketAddr::from(([127, 0, 0, 1], 40112)));
        let joined = Notice::Joined { name: "guest3", address };
        assert_eq!(joined.to_line(), b"* guest3 (127.0.0.1:40112) joined\n");
        let summary = Notice::Summary { joined: 532, left: 12, here: 1204 };
        assert_eq!(summary.to_line(), b"* 532 joined, 12 left (1204 here)\n");
        assert_eq!(Notice::Missed { lines: 7 }.to_line(), b"* you missed 7 lines\n");
    }

    #[test]
    fn the_raw_join_notice_is_that_of_the_old_server() {
        let address = "[::ffff:10.0.0.7]:1234".parse().unwrap();
        assert_eq!(joined_raw(Some(address)), "유저(10.0.0.7:1234)가 접속했습니다.");
    }
}
