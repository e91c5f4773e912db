//! The head of a request of HTTP/1.x (RFC 9112), and what it asks for.
//!
//! The rules this file keeps:
//!
//! - However the head is cut into reads, the verdict is the same. A head of more than
//!   [`HEAD_BYTES_MAX`] is refused.
//! - What two programs could read in two ways is refused: two lengths, a length beside a transfer
//!   coding, two hosts, a folded field, blanks before a colon, a target that is no path. A proxy in
//!   front and this server never differ on where a request ends (request smuggling).
//! - Each connection carries one request. So what stands behind it is no second one.
//! - Only [`Asks::Say`] has a body. A page of a foreign site cannot ask for that: it may not send
//!   [`MARK`] without asking first, and it is not answered (CORS preflight).
//! - A foreign site is served nothing but what tells it nothing: see [`origin`](super::origin).
//!
//! It sees bytes, and never knows a socket, a clock, or what is answered.

use httparse::{EMPTY_HEADER, Error, Header, Status};

use super::handshake;
use super::origin::{Authority, Hosts};

/// The most bytes of a head. Browsers send less than 1 KiB, and with large cookies of other servers
/// on this host a few more.
pub const HEAD_BYTES_MAX: usize = 8 * 1024;

/// The most fields of a head. Browsers send about twenty.
pub const FIELDS_MAX: usize = 64;

/// The field that `POST /say` must have, and its value. No form of a foreign page can send it.
pub const MARK: (&str, &str) = ("X-Chinwag", "say");

/// The field that gives the sender of `POST /say` a name.
pub const NAME_FIELD: &str = "X-Name";

/// The methods of RFC 9110 and RFC 5789 that can stand before a path.
const METHODS: [&str; 8] = ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH"];

/// What is served where, and by which methods.
const PLACES: [(&str, Place, &str); 5] = [
    ("/", Place::Page, "GET, HEAD"),
    ("/healthz", Place::Health, "GET, HEAD"),
    ("/tail", Place::Tail, "GET, HEAD"),
    ("/chat", Place::Chat, "GET"),
    ("/say", Place::Say, "POST"),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Page,
    Health,
    Tail,
    Chat,
    Say,
}

/// What a request must keep to.
#[derive(Clone, Copy, Debug)]
pub struct Rules<'a> {
    /// How this server may be called.
    pub hosts: &'a Hosts,
    /// The most bytes of a body.
    pub body_bytes_max: usize,
}

/// A whole head.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// How many bytes it takes.
    pub bytes: usize,
    /// Only the head of the answer is wanted.
    pub is_head: bool,
    /// What is asked for, or why it is refused.
    pub asks: Result<Asks, Refusal>,
}

/// What a request asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asks {
    /// The page.
    Page {
        /// It is a browser that asks.
        is_browser: bool,
    },
    /// Whether the server is alive.
    Health,
    /// All that is said from now on, as text without an end.
    Tail,
    /// To speak the WebSocket protocol from now on.
    Chat {
        /// What proves that its key was read: see [`handshake::accept`].
        accept: String,
        /// What it has had of a room, if it comes back.
        since: Option<Since>,
    },
    /// To say the lines of a body.
    Say {
        /// By which name.
        name: Option<String>,
        /// How long the body is.
        body_bytes: usize,
    },
}

/// What a page has had of a room before its connection was cut.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Since {
    /// The run of the server in which it was.
    pub epoch: u64,
    /// The number of the first line that it lacks.
    pub line: u64,
    /// The name of the room; empty if it is that in which new clients stand.
    pub room: String,
}

impl Since {
    /// What stands behind the path of a request: `since=EPOCH.LINE`, or that and `&room=ROOM`. The
    /// name of the room is percent-encoded.
    fn parse(query: &str) -> Option<Since> {
        let value = |name: &str| {
            let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
            pairs.into_iter().find_map(|(its, value)| (its == name).then_some(value))
        };
        let (epoch, line) = value("since")?.split_once('.')?;
        let room = percent_decoded(value("room").unwrap_or_default())?;
        Some(Since { epoch: epoch.parse().ok()?, line: line.parse().ok()?, room })
    }
}

/// Text in which `%` and two digits stand for a byte (RFC 3986, 2.1).
fn percent_decoded(text: &str) -> Option<String> {
    let mut pieces = text.split('%');
    let mut bytes = pieces.next()?.as_bytes().to_vec();
    for piece in pieces {
        let (digits, rest) = piece.split_at_checked(2)?;
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
        bytes.extend_from_slice(rest.as_bytes());
    }
    String::from_utf8(bytes).ok()
}

/// Why a request is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It is no request, or one that could be read in two ways.
    Malformed,
    /// It comes from a page of another site.
    Foreign,
    /// `POST /say` without [`MARK`].
    Unmarked,
    /// Nothing is served there.
    NotFound,
    /// Not by this method, but by these.
    WrongMethod(&'static str),
    /// It did not end in time.
    TooSlow,
    /// Its body has no length.
    NoLength,
    /// Its body is too long, or should not be.
    BodyTooLong,
    /// Its first line is too long.
    TargetTooLong,
    /// It expects something, and no answer is sent before the body.
    Expecting,
    /// It calls this server by a name that nobody has allowed.
    WrongHost(Option<String>),
    /// Only WebSocket is served there, in version 13.
    NoUpgrade,
    /// It has too many fields, or they are too long.
    HeadTooLong,
    /// An unknown method, or an unknown transfer coding.
    Unimplemented,
    /// Another version of HTTP.
    WrongVersion,
}

/// Whether the head has ended, or will be refused in any case.
pub fn has_ended(bytes: &[u8]) -> bool {
    let mut fields = [EMPTY_HEADER; FIELDS_MAX];
    let parsed = httparse::Request::new(&mut fields).parse(bytes);
    bytes.len() >= HEAD_BYTES_MAX || parsed != Ok(Status::Partial)
}

/// What the bytes of a client ask for. `None`: the head has not ended. Then there are fewer than
/// [`HEAD_BYTES_MAX`].
pub fn parse(bytes: &[u8], rules: &Rules<'_>) -> Option<Head> {
    let mut fields = [EMPTY_HEADER; FIELDS_MAX];
    let mut request = httparse::Request::new(&mut fields);
    let kept = &bytes[..bytes.len().min(HEAD_BYTES_MAX)];
    let refused = |refusal| Some(Head { bytes: kept.len(), is_head: false, asks: Err(refusal) });
    match request.parse(kept) {
        Ok(Status::Complete(bytes)) => {
            let is_head = request.method == Some("HEAD");
            Some(Head { bytes, is_head, asks: Asked::of(&request).judge(rules) })
        }
        Ok(Status::Partial) if kept.len() < HEAD_BYTES_MAX => None,
        Ok(Status::Partial) if has_first_line(kept) => refused(Refusal::HeadTooLong),
        Ok(Status::Partial) => refused(Refusal::TargetTooLong),
        Err(Error::TooManyHeaders) => refused(Refusal::HeadTooLong),
        Err(Error::Version) if names_version(kept) => refused(Refusal::WrongVersion),
        Err(_) => refused(Refusal::Malformed),
    }
}

/// Whether the request line has ended. Empty lines before it are no part of the request.
fn has_first_line(bytes: &[u8]) -> bool {
    bytes.trim_ascii_start().contains(&b'\n')
}

/// Whether the third word is a version of HTTP.
fn names_version(bytes: &[u8]) -> bool {
    let version = bytes.trim_ascii_start().splitn(3, |byte| *byte == b' ').nth(2);
    version.is_some_and(|version| version.starts_with(b"HTTP/"))
}

/// The parts of a request.
struct Asked<'a> {
    method: &'a str,
    target: &'a str,
    is_1_0: bool,
    fields: &'a [Header<'a>],
}

impl<'a> Asked<'a> {
    fn of(request: &'a httparse::Request<'_, '_>) -> Asked<'a> {
        Asked {
            method: request.method.unwrap_or_default(),
            target: request.path.unwrap_or_default(),
            is_1_0: request.version == Some(0),
            fields: request.headers,
        }
    }

    fn judge(&self, rules: &Rules<'_>) -> Result<Asks, Refusal> {
        let body_bytes = self.body_bytes()?;
        let host = self.host()?;
        if !METHODS.contains(&self.method) {
            return Err(Refusal::Unimplemented);
        }
        let place = self.place()?;
        if place != Place::Health {
            self.check_site(place, host.as_ref(), rules.hosts)?;
        }
        if self.all("Expect").next().is_some() {
            return Err(Refusal::Expecting);
        }
        if place == Place::Say {
            return self.say(body_bytes, rules);
        }
        if body_bytes.is_some_and(|bytes| bytes > 0) {
            return Err(Refusal::BodyTooLong);
        }
        match place {
            Place::Chat => self.chat(),
            Place::Tail => Ok(Asks::Tail),
            Place::Health => Ok(Asks::Health),
            Place::Page | Place::Say => Ok(Asks::Page { is_browser: self.is_browser() }),
        }
    }

    /// The length of the body that follows; `None` if none is told (RFC 9112, 6.3).
    fn body_bytes(&self) -> Result<Option<u64>, Refusal> {
        let length = self.only("Content-Length")?;
        let mut codings = self.all("Transfer-Encoding");
        if let Some(coding) = codings.next() {
            let is_ambiguous = length.is_some() || self.is_1_0 || codings.next().is_some();
            return Err(match coding {
                _ if is_ambiguous => Refusal::Malformed,
                b"chunked" => Refusal::NoLength,
                _ => Refusal::Unimplemented,
            });
        }
        let Some(length) = length else { return Ok(None) };
        if length.is_empty() || !length.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(Refusal::Malformed);
        }
        // What does not fit a number is too long for everything.
        Ok(Some(length.parse().unwrap_or(u64::MAX)))
    }

    /// How the client calls this server. No program sends HTTP/1.0 without it for a browser's page.
    fn host(&self) -> Result<Option<Authority>, Refusal> {
        match self.only("Host")? {
            Some(host) => Authority::parse(host).map(Some).ok_or(Refusal::Malformed),
            None if self.is_1_0 => Ok(None),
            None => Err(Refusal::Malformed),
        }
    }

    fn place(&self) -> Result<Place, Refusal> {
        if !self.target.starts_with('/') {
            return Err(Refusal::Malformed);
        }
        let path = self.target.split('?').next().unwrap_or_default();
        let (_, place, methods) =
            PLACES.iter().find(|(its, ..)| *its == path).ok_or(Refusal::NotFound)?;
        match methods.split(", ").any(|method| method == self.method) {
            true => Ok(*place),
            false => Err(Refusal::WrongMethod(methods)),
        }
    }

    /// Refuses what a foreign site could have made a browser send.
    fn check_site(
        &self,
        place: Place,
        host: Option<&Authority>,
        hosts: &Hosts,
    ) -> Result<(), Refusal> {
        if let Some(host) = host
            && !hosts.allow(host)
        {
            let called = self.only("Host")?.map(str::to_owned);
            return Err(Refusal::WrongHost(called));
        }
        let origin = self.only("Origin")?;
        let is_own = |origin: &str| host.is_some_and(|host: &Authority| host.is_origin(origin));
        // Browsers name no origin where a page only shows an image from here, but this (Fetch
        // Metadata). A link to the page is fine.
        let site = self.only("Sec-Fetch-Site")?.filter(|_| place != Place::Page);
        let is_foreign = site.is_some_and(|site| !matches!(site, "same-origin" | "none"));
        match is_foreign || origin.is_some_and(|origin| !is_own(origin)) {
            true => Err(Refusal::Foreign),
            false => Ok(()),
        }
    }

    /// Whether the client calls itself a browser. All browsers do, and no health check.
    fn is_browser(&self) -> bool {
        self.all("User-Agent").any(|agent| agent.starts_with(b"Mozilla/"))
    }

    /// Whether it may become a WebSocket (RFC 6455, 4.2.1).
    fn chat(&self) -> Result<Asks, Refusal> {
        let wants = |field, word: &str| {
            let words = self.all(field).flat_map(|value| value.split(|byte| *byte == b','));
            let mut words = words.map(<[u8]>::trim_ascii);
            words.any(|its| its.eq_ignore_ascii_case(word.as_bytes()))
        };
        let version = self.only("Sec-WebSocket-Version")?;
        let upgrades = wants("Upgrade", "websocket") && wants("Connection", "upgrade");
        if self.is_1_0 || !upgrades || version != Some(handshake::VERSION) {
            return Err(Refusal::NoUpgrade);
        }
        let key = self.only("Sec-WebSocket-Key")?;
        let accept = key.and_then(handshake::accept).ok_or(Refusal::Malformed)?;
        let since = self.target.split_once('?').and_then(|(_, query)| Since::parse(query));
        Ok(Asks::Chat { accept, since })
    }

    fn say(&self, body_bytes: Option<u64>, rules: &Rules<'_>) -> Result<Asks, Refusal> {
        if self.only(MARK.0)? != Some(MARK.1) {
            return Err(Refusal::Unmarked);
        }
        let name = self.only(NAME_FIELD)?.map(str::to_owned);
        let body_bytes = body_bytes.ok_or(Refusal::NoLength)?;
        match usize::try_from(body_bytes) {
            Ok(0) => Err(Refusal::Malformed),
            Ok(body_bytes) if body_bytes <= rules.body_bytes_max => {
                Ok(Asks::Say { name, body_bytes })
            }
            _ => Err(Refusal::BodyTooLong),
        }
    }

    /// The values of a field, each as it stands there.
    fn all(&self, name: &str) -> impl Iterator<Item = &'a [u8]> {
        self.fields
            .iter()
            .filter(move |its| its.name.eq_ignore_ascii_case(name))
            .map(|its| its.value)
    }

    /// The value of a field that may stand there once.
    fn only(&self, name: &str) -> Result<Option<&'a str>, Refusal> {
        let mut values = self.all(name);
        let value = values.next();
        if values.next().is_some() {
            return Err(Refusal::Malformed);
        }
        value.map(|value| str::from_utf8(value).map_err(|_| Refusal::Malformed)).transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOST: &str = "Host: localhost:50005\r\n";
    const UPGRADE: &str = "Upgrade: websocket\r\nConnection: Upgrade\r\n\
        Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

    const PAGE: Asks = Asks::Page { is_browser: false };

    fn parsed(bytes: &[u8]) -> Option<Head> {
        parse(bytes, &Rules { hosts: &Hosts::default(), body_bytes_max: 100 })
    }

    /// What is asked for with this first line and these fields, which stand behind a `Host`.
    fn asked(line: &str, fields: &str) -> Result<Asks, Refusal> {
        let head = format!("{line}\r\n{HOST}{fields}\r\n");
        let parsed = parsed(format!("{head}rest").as_bytes()).unwrap();
        if parsed.asks.is_ok() {
            assert_eq!(parsed.bytes, head.len());
        }
        parsed.asks
    }

    fn refusal(line: &str, fields: &str) -> Refusal {
        asked(line, fields).expect_err(&format!("{line} {fields}"))
    }

    fn said(name: Option<&str>, body_bytes: usize) -> Result<Asks, Refusal> {
        Ok(Asks::Say { name: name.map(str::to_owned), body_bytes })
    }

    #[test]
    fn what_is_served_is_asked_for_by_its_path() {
        for (line, asks) in [
            ("GET / HTTP/1.1", PAGE),
            ("GET /?from=a HTTP/1.1", PAGE),
            ("HEAD / HTTP/1.0", PAGE),
            ("GET /healthz HTTP/1.1", Asks::Health),
            ("GET /tail HTTP/1.1", Asks::Tail),
        ] {
            assert_eq!(asked(line, "Accept: */*\r\n"), Ok(asks), "{line}");
        }
        let agent = |agent: &str| asked("GET / HTTP/1.1", &format!("User-Agent: {agent}\r\n"));
        assert_eq!(agent("Mozilla/5.0 (X11)"), Ok(Asks::Page { is_browser: true }));
        assert_eq!(agent("curl/8.5.0"), Ok(PAGE));
        let is_head = |line: &str| parsed(format!("{line}\r\n{HOST}\r\n").as_bytes()).unwrap();
        assert!(is_head("HEAD / HTTP/1.1").is_head);
        assert!(is_head("HEAD /no HTTP/1.1").is_head);
        assert!(!is_head("GET / HTTP/1.1").is_head);
    }

    #[test]
    fn what_is_not_served_is_refused_with_its_reason() {
        for (line, reason) in [
            ("GET /no HTTP/1.1", Refusal::NotFound),
            ("GET /chat/ HTTP/1.1", Refusal::NotFound),
            ("GET //chat HTTP/1.1", Refusal::NotFound),
            ("GET /%63hat HTTP/1.1", Refusal::NotFound),
            ("POST / HTTP/1.1", Refusal::WrongMethod("GET, HEAD")),
            ("OPTIONS /say HTTP/1.1", Refusal::WrongMethod("POST")),
            ("HEAD /chat HTTP/1.1", Refusal::WrongMethod("GET")),
            ("GET /say HTTP/1.1", Refusal::WrongMethod("POST")),
            ("BREW / HTTP/1.1", Refusal::Unimplemented),
            ("get / HTTP/1.1", Refusal::Unimplemented),
            ("CONNECT localhost:50005 HTTP/1.1", Refusal::Unimplemented),
            ("GET http://localhost:50005/ HTTP/1.1", Refusal::Malformed),
            ("GET http://evil.example/ HTTP/1.1", Refusal::Malformed),
            ("OPTIONS * HTTP/1.1", Refusal::Malformed),
            ("GET /a b HTTP/1.1", Refusal::Malformed),
            ("GET  / HTTP/1.1", Refusal::Malformed),
            ("GET / http/1.1", Refusal::Malformed),
            ("GET / HTTP/1.1 x", Refusal::Malformed),
            ("GET / HTTP/1.2", Refusal::WrongVersion),
            ("PRI * HTTP/2.0", Refusal::WrongVersion),
            ("GET /\0 HTTP/1.1", Refusal::Malformed),
        ] {
            assert_eq!(refusal(line, ""), reason, "{line}");
        }
    }

    #[test]
    fn a_host_is_named_once_and_known() {
        for (head, asks) in [
            ("GET / HTTP/1.1\r\n\r\n", Err(Refusal::Malformed)),
            ("GET / HTTP/1.0\r\n\r\n", Ok(PAGE)),
            ("GET / HTTP/1.0\r\nOrigin: http://localhost\r\n\r\n", Err(Refusal::Foreign)),
            ("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", Err(Refusal::Malformed)),
            ("GET / HTTP/1.1\r\nHost: localhost\r\nhost: a\r\n\r\n", Err(Refusal::Malformed)),
            ("GET / HTTP/1.1\r\nHost: a@localhost\r\n\r\n", Err(Refusal::Malformed)),
            ("GET / HTTP/1.1\r\nHost:\r\n\r\n", Err(Refusal::Malformed)),
            ("GET / HTTP/1.1\r\nHost: \u{e9}\r\n\r\n", Err(Refusal::Malformed)),
            ("GET / HTTP/1.1\r\nHost: 10.0.0.1\r\n\r\n", Ok(PAGE)),
            (
                "GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n",
                Err(Refusal::WrongHost(Some("evil.example".into()))),
            ),
            // A load balancer has a name of its own for this.
            ("GET /healthz HTTP/1.1\r\nHost: backend\r\n\r\n", Ok(Asks::Health)),
            ("GET /healthz HTTP/1.1\r\n\r\n", Err(Refusal::Malformed)),
        ] {
            assert_eq!(parsed(head.as_bytes()).unwrap().asks, asks, "{head}");
        }
    }

    #[test]
    fn a_page_of_another_site_is_served_nothing() {
        let own = "Origin: http://localhost:50005\r\n";
        let foreign = "Origin: http://evil.example\r\n";
        let mark = "X-Chinwag: say\r\nContent-Length: 2\r\n";
        for (line, fields, is_served) in [
            ("GET /chat HTTP/1.1", format!("{own}{UPGRADE}"), true),
            ("GET /chat HTTP/1.1", UPGRADE.to_owned(), true),
            ("GET /chat HTTP/1.1", format!("{foreign}{UPGRADE}"), false),
            ("GET /chat HTTP/1.1", format!("Origin: null\r\n{UPGRADE}"), false),
            ("GET /chat HTTP/1.1", format!("{own}{own}{UPGRADE}"), false),
            ("POST /say HTTP/1.1", format!("{own}{mark}"), true),
            ("POST /say HTTP/1.1", format!("{foreign}{mark}"), false),
            ("GET / HTTP/1.1", foreign.to_owned(), false),
            ("GET / HTTP/1.1", "Sec-Fetch-Site: cross-site\r\n".to_owned(), true),
            ("GET /tail HTTP/1.1", "Sec-Fetch-Site: none\r\n".to_owned(), true),
            ("GET /tail HTTP/1.1", "Sec-Fetch-Site: cross-site\r\n".to_owned(), false),
            ("GET /tail HTTP/1.1", "Sec-Fetch-Site: same-site\r\n".to_owned(), false),
        ] {
            assert_eq!(asked(line, &fields).is_ok(), is_served, "{line} {fields}");
        }
        assert_eq!(refusal("GET /chat HTTP/1.1", foreign), Refusal::Foreign);
    }

    #[test]
    fn a_websocket_is_opened_as_the_rfc_says() {
        let accept = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=".to_owned();
        let chat = |fields: &str| asked("GET /chat HTTP/1.1", fields);
        assert_eq!(chat(UPGRADE), Ok(Asks::Chat { accept, since: None }));
        let with = |from: &str, to: &str| chat(&UPGRADE.replace(from, to));
        for (from, to) in [
            ("Upgrade: websocket", "upgrade: h2c, WebSocket"),
            ("Connection: Upgrade", "Connection: keep-alive\r\nConnection: x,UPGRADE"),
        ] {
            assert!(with(from, to).is_ok(), "{to}");
        }
        for (from, to, reason) in [
            ("Upgrade: websocket\r\n", "", Refusal::NoUpgrade),
            ("websocket", "websockets", Refusal::NoUpgrade),
            ("Connection: Upgrade", "Connection: close", Refusal::NoUpgrade),
            ("Version: 13", "Version: 8", Refusal::NoUpgrade),
            ("Version: 13", "Version: 13, 8", Refusal::NoUpgrade),
            ("Sec-WebSocket-Version: 13\r\n", "", Refusal::NoUpgrade),
            ("Key: dGhl", "Key: dGh", Refusal::Malformed),
            ("Sec-WebSocket-Key", "X-Key", Refusal::Malformed),
            ("Sec-WebSocket-Key", "Sec-WebSocket-Key: a\r\nSec-WebSocket-Key", Refusal::Malformed),
            ("Upgrade: w", "Content-Length: 5\r\nUpgrade: w", Refusal::BodyTooLong),
        ] {
            assert_eq!(with(from, to), Err(reason), "{to}");
        }
        assert_eq!(refusal("GET /chat HTTP/1.0", UPGRADE), Refusal::NoUpgrade);
    }

    #[test]
    fn a_body_is_said_only_with_its_mark_and_its_length() {
        let mark = "X-Chinwag: say\r\n";
        let say = |fields: &str| asked("POST /say HTTP/1.1", fields);
        assert_eq!(say(&format!("{mark}Content-Length: 100\r\n")), said(None, 100));
        let named = format!("{mark}X-Name: 철수\r\nContent-Length: 3\r\n");
        assert_eq!(say(&named), said(Some("철수"), 3));
        for (fields, reason) in [
            ("Content-Length: 3\r\n", Refusal::Unmarked),
            ("X-Chinwag: yes\r\nContent-Length: 3\r\n", Refusal::Unmarked),
            ("X-Chinwag: say\r\n", Refusal::NoLength),
            ("X-Chinwag: say\r\nContent-Length: 0\r\n", Refusal::Malformed),
            ("X-Chinwag: say\r\nContent-Length: 101\r\n", Refusal::BodyTooLong),
            ("X-Chinwag: say\r\nContent-Length: 99999999999999999999\r\n", Refusal::BodyTooLong),
            ("X-Chinwag: say\r\nExpect: 100-continue\r\nContent-Length: 3\r\n", Refusal::Expecting),
            (
                "X-Chinwag: say\r\nX-Name: a\r\nX-Name: b\r\nContent-Length: 3\r\n",
                Refusal::Malformed,
            ),
        ] {
            assert_eq!(say(fields), Err(reason), "{fields}");
        }
        assert_eq!(refusal("GET / HTTP/1.1", "Content-Length: 1\r\n"), Refusal::BodyTooLong);
        assert_eq!(asked("GET / HTTP/1.1", "Content-Length: 0\r\n"), Ok(PAGE));
    }

    #[test]
    fn what_two_could_read_in_two_ways_is_refused() {
        for (fields, reason) in [
            ("Content-Length: 3\r\nContent-Length: 3\r\n", Refusal::Malformed),
            ("Content-Length: 3, 3\r\n", Refusal::Malformed),
            ("Content-Length: +3\r\n", Refusal::Malformed),
            ("Content-Length: 0x3\r\n", Refusal::Malformed),
            ("Content-Length:\r\n", Refusal::Malformed),
            ("Content-Length: 3\r\nTransfer-Encoding: chunked\r\n", Refusal::Malformed),
            ("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", Refusal::Malformed),
            ("Transfer-Encoding: chunked\r\n", Refusal::NoLength),
            ("Transfer-Encoding: gzip, chunked\r\n", Refusal::Unimplemented),
            ("Transfer-Encoding: identity\r\n", Refusal::Unimplemented),
            ("Content-Length : 3\r\n", Refusal::Malformed),
            ("A: b\r\n c\r\n", Refusal::Malformed),
            (" A: b\r\n", Refusal::Malformed),
            ("A: b\rc\r\n", Refusal::Malformed),
            ("A: b\0c\r\n", Refusal::Malformed),
            ("A b\r\n", Refusal::Malformed),
            (": b\r\n", Refusal::Malformed),
        ] {
            assert_eq!(refusal("POST /say HTTP/1.1", fields), reason, "{fields:?}");
        }
        let coded = "Transfer-Encoding: chunked\r\n";
        assert_eq!(refusal("POST /say HTTP/1.0", coded), Refusal::Malformed);
    }

    #[test]
    fn a_head_is_whole_or_waited_for_or_too_long() {
        let long = |bytes: usize| format!("X: {}\r\n", "a".repeat(bytes));
        let fits = HEAD_BYTES_MAX - "GET / HTTP/1.1\r\nX: \r\n\r\n".len() - HOST.len();
        assert_eq!(asked("GET / HTTP/1.1", &long(fits)), Ok(PAGE));
        assert_eq!(refusal("GET / HTTP/1.1", &long(fits + 1)), Refusal::HeadTooLong);
        let target = format!("GET /{} HTTP/1.1", "a".repeat(HEAD_BYTES_MAX));
        assert_eq!(refusal(&target, ""), Refusal::TargetTooLong);
        let many = "A: b\r\n".repeat(FIELDS_MAX - 1);
        assert_eq!(asked("GET / HTTP/1.1", &many), Ok(PAGE));
        assert_eq!(refusal("GET / HTTP/1.1", &format!("{many}A: b\r\n")), Refusal::HeadTooLong);
        for part in ["", "\r\n", "GET", "GET / HTTP/1.1\r\n", "GET / HTTP/1.1\r\nHost: a\r\n"] {
            assert_eq!(parsed(part.as_bytes()), None, "{part}");
        }
        // As a person may type it.
        assert_eq!(parsed(b"GET / HTTP/1.0\n\n").unwrap().asks, Ok(PAGE));
    }
}
