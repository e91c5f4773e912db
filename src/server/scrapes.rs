//! The sockets of `--metrics`: each request of Prometheus gets the numbers of that moment.
//!
//! It is one request on a connection, `GET /metrics`, and one answer. Nothing here waits, and every
//! buffer has a bound. A client of this has nothing to do with the chat.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

use httparse::{EMPTY_HEADER, Request, Status};
use log::info;

use super::door::RETRY;
use super::machine::{descriptors, memory_bytes};
use super::metrics::{State, Turns};
use super::{BOTH_WAYS, METRICS, SCRAPES, Server, StartError};
use super::{Interest, Registry, SourceFd, Token};
use crate::stdio::backlog::Backlog;
use crate::wire::web::answer;
use crate::wire::web::head::Refusal;

/// At most this many requests are answered at a time. Any further one waits in the kernel.
pub const SCRAPES_MAX: usize = 4;

/// A longer request is refused.
const REQUEST_BYTES_MAX: usize = 4096;

/// So many fields may be in a request: Prometheus sends five.
const FIELDS_MAX: usize = 64;

/// A request and its answer take at most this long. Then the connection is closed.
const PATIENCE: Duration = Duration::from_secs(5);

/// The listener, and the requests that are being answered.
#[derive(Debug)]
pub(super) struct Scrapes {
    listener: TcpListener,
    /// A connection may wait to be accepted.
    is_waiting: bool,
    /// Do not accept before this: it failed.
    retry_at: Option<Instant>,
    open: [Option<Scrape>; SCRAPES_MAX],
    turns: Turns,
    /// When the turn began that is not counted yet.
    turn_began: Option<Instant>,
}

/// A request.
#[derive(Debug)]
struct Scrape {
    socket: TcpStream,
    /// An event came.
    is_due: bool,
    request: Vec<u8>,
    /// Empty until the request is whole.
    answer: Backlog,
    until: Instant,
}

/// Listens at this address, and watches that; `None` if there is none.
pub(super) fn watch(
    address: Option<SocketAddr>,
    registry: &Registry,
) -> Result<Option<Scrapes>, StartError> {
    let Some(at) = address else { return Ok(None) };
    Scrapes::listen(at, registry).map(Some).map_err(|error| {
        let at = format!("{at} for --metrics");
        StartError::Listen { at, error, cause: String::new() }
    })
}

impl Scrapes {
    fn listen(at: SocketAddr, registry: &Registry) -> io::Result<Scrapes> {
        let listener = TcpListener::bind(at)?;
        listener.set_nonblocking(true)?;
        registry.register(&mut SourceFd(&listener.as_raw_fd()), METRICS, Interest::READABLE)?;
        info!("metrics: http://{}/metrics", listener.local_addr()?);
        Ok(Scrapes {
            listener,
            is_waiting: true,
            retry_at: None,
            open: [const { None }; SCRAPES_MAX],
            turns: Turns::default(),
            turn_began: None,
        })
    }

    /// A turn begins.
    pub(super) fn begin_turn(&mut self, now: Instant) {
        self.turn_began = Some(now);
    }

    /// The turn ends.
    pub(super) fn end_turn(&mut self, now: Instant) {
        if let Some(began) = self.turn_began.take() {
            self.turns.count(now.saturating_duration_since(began));
        }
    }

    /// Notes an event of the listener.
    pub(super) fn note_waiting(&mut self) {
        self.is_waiting = true;
    }

    /// Notes an event of the request in this place.
    pub(super) fn note(&mut self, place: usize) {
        if let Some(Some(scrape)) = self.open.get_mut(place) {
            scrape.is_due = true;
        }
    }

    /// When there is something to do, even if nothing happens.
    pub(super) fn next_deadline(&self, now: Instant) -> Option<Instant> {
        let has_room = self.open.iter().any(Option::is_none);
        let accept_at = (self.is_waiting && has_room).then(|| self.retry_at.unwrap_or(now));
        let late = self.open.iter().flatten().map(|scrape| scrape.until);
        late.chain(accept_at).min()
    }

    /// Accepts all that wait, as far as there is room.
    fn accept(&mut self, registry: &Registry, now: Instant) {
        while self.is_waiting && self.retry_at.is_none_or(|at| at <= now) {
            let Some(place) = self.open.iter().position(Option::is_none) else { return };
            self.retry_at = None;
            match self.accept_one(Token(SCRAPES + place), registry) {
                Ok(socket) => {
                    let (request, answer) = (Vec::new(), Backlog::default());
                    let until = now + PATIENCE;
                    let scrape = Scrape { socket, is_due: true, request, answer, until };
                    self.open[place] = Some(scrape);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => self.is_waiting = false,
                // The connection broke, or there is no descriptor for it.
                Err(_) => self.retry_at = Some(now + RETRY),
            }
        }
    }

    fn accept_one(&self, token: Token, registry: &Registry) -> io::Result<TcpStream> {
        let (socket, _) = self.listener.accept()?;
        socket.set_nonblocking(true)?;
        registry.register(&mut SourceFd(&socket.as_raw_fd()), token, BOTH_WAYS)?;
        Ok(socket)
    }

    /// Reads, answers and closes what can be. `text` is called once for each whole request.
    fn speak(&mut self, text: impl Fn(Turns) -> String, now: Instant) {
        let turns = self.turns;
        for place in &mut self.open {
            let Some(scrape) = place else { continue };
            let is_late = scrape.until <= now;
            if is_late || scrape.is_due && scrape.step(|| text(turns)) {
                *place = None;
            }
        }
    }
}

impl Scrape {
    /// Does what it can at once; returns whether the connection is over.
    fn step(&mut self, text: impl Fn() -> String) -> bool {
        self.is_due = false;
        match self.read(text).and_then(|()| self.write()) {
            Ok(()) => true,
            Err(error) => error.kind() != ErrorKind::WouldBlock,
        }
    }

    /// Reads until the request is whole, and makes the answer.
    fn read(&mut self, text: impl Fn() -> String) -> io::Result<()> {
        let mut page = [0; REQUEST_BYTES_MAX];
        while self.answer.is_empty() {
            match self.socket.read(&mut page) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(bytes) => self.request.extend_from_slice(&page[..bytes]),
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            }
            self.answer.end().extend(answer(&self.request, &text).unwrap_or_default());
        }
        Ok(())
    }

    /// Writes the rest of the answer, and ends our side.
    fn write(&mut self) -> io::Result<()> {
        while !self.answer.is_empty() {
            match self.socket.write(self.answer.rest()) {
                Ok(bytes) => self.answer.took(bytes),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.socket.shutdown(Shutdown::Write)
    }
}

/// The answer to a request; `None` if it is not whole yet.
fn answer(request: &[u8], text: impl Fn() -> String) -> Option<Vec<u8>> {
    let mut fields = [EMPTY_HEADER; FIELDS_MAX];
    let mut head = Request::new(&mut fields);
    match head.parse(request) {
        Ok(Status::Complete(_)) => {}
        Ok(Status::Partial) if request.len() < REQUEST_BYTES_MAX => return None,
        Ok(Status::Partial) => return Some(answer::refusal(&Refusal::HeadTooLong, false)),
        Err(_) => return Some(answer::refusal(&Refusal::Malformed, false)),
    }
    Some(match (head.method, head.path) {
        (Some("GET"), Some("/metrics")) => answer::told(answer::OK, text().as_bytes()),
        (Some("GET"), _) => answer::told("404 Not Found", b"see /metrics\n"),
        _ => answer::refusal(&Refusal::WrongMethod("GET"), false),
    })
}

impl Server {
    /// Answers the requests of `--metrics`.
    pub(super) fn answer_scrapes(&mut self, now: Instant) {
        let Some(scrapes) = &mut self.scrapes else { return };
        scrapes.accept(self.poll.registry(), now);
        let hub = &self.hub;
        let state = |turns| State {
            here: hub.here(),
            clients_max: self.clients_max,
            connections: hub.connections(),
            rooms: hub.rooms(),
            counts: hub.counts(),
            turns,
            memory_bytes: memory_bytes(),
            memory_bytes_max: self.own_bytes_max,
            descriptors: descriptors(),
        };
        scrapes.speak(|turns| state(turns).text(), now);
    }
}
