//! The wire: bytes become what a client has said.
//!
//! Nothing here knows a socket, a clock, or another client. The hub knows one value of this folder,
//! the [`decoder`] of a client. What was read goes in. The decoder takes the commands of a
//! [`dialect`] out, asks [`stranger`] whether a chat client has sent it, and finds the
//! [lines](mod@line). What comes out is one [`Decoded`](decoder::Decoded) after the other. So no
//! other file asks which protocol it was.
//!
//! # Lines
//!
//! LF, CR LF, CR NUL and a lone CR all end a line; empty lines are ignored. NULs around a line and
//! a byte order mark before it are no text. A NUL ends the lines of a client that ends them with
//! nothing else. Every line that the server sends ends in LF; it ends in CR LF for telnet, and for
//! a client that has ended a line with CR or CR LF. A line that begins with
//! `* ` is the server's. Any other is a client's: it begins with a name, with `~ ` (`/me`), or with
//! `[` (`/msg`).
//!
//! A line that is longer than `--max-line` is dropped, and the server tells its sender once. At
//! `--max-endless` bytes without a line end, the server disconnects the client. See [`mod@line`].
//!
//! # Messages without a line end
//!
//! Some scripts send each message without a line end. So as long as a client has never ended a
//! line, its input becomes a message after 200 ms of silence (`--chunk-quiet`), or one second after
//! its first byte (`--chunk-age`). A single character waits for the whole second, since it may be a
//! key of a terminal that sends each one. A lone `네` is sent too. Two messages that are closer
//! together than 200 ms may become one.
//!
//! If such a message has a line end inside, the rest has two seconds (`--line-wait`) to end; then
//! it is a line too. The server waits for a client that has always ended its lines. Only when
//! another piece without a line end follows, more than two seconds later, the piece before is a
//! line.
//!
//! # Keys
//!
//! A terminal that edits no line by itself sends each key as it is typed. Two single characters,
//! one within a second of the other, are such keys: from then on a line ends only where it is
//! ended. BS and DEL take back a character, Ctrl-U the line; telnet does the same by its commands.
//! See [`erase`].
//!
//! # `--raw`
//!
//! This is for scripts that were written for a bare relay. There are no names, commands, welcome or
//! goodbye, and no line end is added. The server relays what it reads to every client, the sender
//! included. Only the first bytes of a UTF-8 character wait for the rest, at most 5 s. The server's
//! only words are `유저(ADDRESS:PORT)가 접속했습니다.` when a client connects, at most ten per second. A
//! client that falls behind is disconnected, since nothing could tell it of the gap. Bytes are not
//! made safe for a terminal. A burst of up to 8 KiB is sent in parts of whole messages, at most
//! 1 024 bytes every millisecond, for clients that decode each read by itself.
//!
//! # telnet
//!
//! A client that sends a telnet command (RFC 854) is answered in telnet; no other client ever reads
//! such a byte. On any port but 23, GNU telnet sends no command by itself. Until it has sent one,
//! it takes some bytes of Korean text for its control keys, even with `-8`. `telnet -- HOST -50005`
//! negotiates from the start, and every telnet does after one Ctrl-C. From then on text in every
//! language arrives whole, and Ctrl-D leaves. The telnet of busybox needs neither. See [`telnet`].
//!
//! # Browsers
//!
//! A client that sends a request of HTTP is answered in HTTP. `/` is the page, and `/healthz` says
//! `ok`. The page opens a WebSocket at `/chat`. From then on each text message is a line, both
//! ways. A page of another site is served nothing, and nothing of a request is ever said. See
//! [`web`].
//!
//! A browser that is greeted before it sends its request cannot use the connection. Browsers open
//! spare ones, which they may use later or never. So for 20 seconds after an address has fetched
//! the page, a silent connection from there is greeted by its first byte, and closed after 30 s
//! without one. With `--greeting 0` no browser can join.
//!
//! A script needs no page. `/tail` is all that is said from now on, as text without an end. What is
//! posted to `/say` is said, each line of it, and the answer tells what became of that:
//!
//! ```text
//! curl -N http://HOST:50005/tail
//! curl http://HOST:50005/say -H 'X-Chinwag: say' -H 'X-Name: build' -d 'all tests pass'
//! ```
//!
//! Neither is announced, and no command finds it; `/who` says how many read so. No line of a body
//! is a command. A server with a password serves neither.
//!
//! # Other protocols
//!
//! Another client on the wrong port reads one line and is disconnected: a client of TLS, SSH, IRC,
//! SIP, RTSP, the PROXY protocol or a binary protocol, and one that sends UTF-16. No other client
//! notices it if it speaks at once, as such clients do. A client that is silent for `--greeting` is
//! welcomed and announced. One that leaves earlier and has sent nothing was never announced. See
//! [`stranger`].
//!
//! # Behind a proxy
//!
//! A connection from a network of `--proxy-from` begins with a header of the PROXY protocol, in
//! version 1 or 2. The client is at the address in that header, and only what stands behind it is
//! the client's. Until then nothing is sent to it. If there is no header after 5 s, or something
//! else comes, the server closes the connection. It closes one of a health check too, and no client
//! notices that. See [`proxy`].
//!
//! # One more dialect
//!
//! A dialect that wraps text both ways is one file here. It holds a [`Dialect`](dialect::Dialect)
//! for what comes in, and for what goes out a function such as [`telnet::push_rendered`]. Two match
//! arms know it: one in [`dialect::begun_by`] tells it by the first bytes, and one in
//! [`Form::render`](form::Form::render) calls its function for a [`Form`](form::Form) of its own.
//! `tests/wire/toy.rs` is such a file. A dialect that is agreed on by HTTP begins in
//! [`web::served`] instead.

pub mod decoder;
pub mod dialect;
pub mod erase;
pub mod form;
pub mod line;
mod protocol;
pub mod proxy;
pub mod stranger;
pub mod telnet;
pub mod web;
