//! The wire from a server to an engine, which a test can cut or stall.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::support::talk::vanish_on_drop;

/// How soon a change is noticed.
const NOTICE: Timespec = Timespec { tv_sec: 0, tv_nsec: 5_000_000 };

/// A way that bytes take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// What a server sends.
    There = 0,
    /// What the engine replies.
    Back = 1,
}

#[derive(Debug, Default)]
struct Orders {
    /// Nothing passes this way.
    is_stalled: [AtomicBool; 2],
    /// How often all connections were cut.
    cuts: AtomicUsize,
    /// What a server had sent arrives so many milliseconds after the cut; at 0 it is lost.
    late_millis: AtomicU64,
    /// Connections are closed at once.
    is_closed: AtomicBool,
    /// The test is over.
    is_over: AtomicBool,
}

impl Orders {
    fn is(&self, order: &AtomicBool) -> bool {
        order.load(Ordering::Relaxed)
    }
}

/// A listener whose connections lead to an engine.
pub struct Relay {
    pub address: SocketAddr,
    orders: Arc<Orders>,
}

impl Relay {
    /// A relay to the engine at this address.
    pub fn to(engine: SocketAddr) -> Relay {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let orders = Arc::new(Orders::default());
        let its = Arc::clone(&orders);
        std::thread::spawn(move || accept(&listener, engine, &its));
        Relay { address, orders }
    }

    /// From now on nothing passes this way, or all again.
    pub fn stall(&self, way: Way, is_stalled: bool) {
        self.orders.is_stalled[way as usize].store(is_stalled, Ordering::Relaxed);
    }

    /// Cuts all connections. What is on its way is lost; or what the server has sent arrives so
    /// much later.
    pub fn cut(&self, late: Duration) {
        self.orders.late_millis.store(late.as_millis() as u64, Ordering::Relaxed);
        self.orders.cuts.fetch_add(1, Ordering::Relaxed);
    }

    /// From now on it takes no connection, or some again.
    pub fn close(&self, is_closed: bool) {
        self.orders.is_closed.store(is_closed, Ordering::Relaxed);
    }

    /// Everything passes.
    pub fn heal(&self) {
        self.close(false);
        [Way::There, Way::Back].into_iter().for_each(|way| self.stall(way, false));
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.orders.is_over.store(true, Ordering::Relaxed);
    }
}

fn accept(listener: &TcpListener, engine: SocketAddr, orders: &Arc<Orders>) {
    while !orders.is(&orders.is_over) {
        let mut awaited = [PollFd::new(listener, PollFlags::IN)];
        if poll(&mut awaited, Some(&NOTICE)).unwrap_or(0) == 0 {
            continue;
        }
        let Ok((server, _)) = listener.accept() else { continue };
        vanish_on_drop(&server);
        if orders.is(&orders.is_closed) {
            continue;
        }
        let orders = Arc::clone(orders);
        std::thread::spawn(move || {
            if let Ok(engine) = TcpStream::connect(engine) {
                vanish_on_drop(&engine);
                Pair::new(server, engine).relay(&orders);
            }
        });
    }
}

/// Two connections, and what waits to be passed on each way.
struct Pair {
    /// The server's and the engine's.
    ends: [TcpStream; 2],
    waiting: [Vec<u8>; 2],
}

impl Pair {
    fn new(server: TcpStream, engine: TcpStream) -> Pair {
        for end in [&server, &engine] {
            end.set_nonblocking(true).unwrap();
            end.set_nodelay(true).unwrap();
        }
        Pair { ends: [server, engine], waiting: [Vec::new(), Vec::new()] }
    }

    /// Passes bytes on until one end has closed or the connection is cut.
    fn relay(mut self, orders: &Orders) {
        let cuts = orders.cuts.load(Ordering::Relaxed);
        loop {
            if orders.is(&orders.is_over) {
                return;
            }
            if orders.cuts.load(Ordering::Relaxed) != cuts {
                let late = Duration::from_millis(orders.late_millis.load(Ordering::Relaxed));
                if !late.is_zero() {
                    self.deliver_late(late);
                }
                return;
            }
            let stalled = [Way::There, Way::Back].map(|way| {
                let its = &orders.is_stalled[way as usize];
                orders.is(its)
            });
            self.wait(stalled);
            for way in [Way::There, Way::Back].into_iter().filter(|way| !stalled[*way as usize]) {
                if self.pass(way).is_err() {
                    return;
                }
            }
        }
    }

    fn wait(&self, stalled: [bool; 2]) {
        let mut flags = [PollFlags::empty(); 2];
        for way in (0..2).filter(|way| !stalled[*way]) {
            match self.waiting[way].is_empty() {
                true => flags[way] |= PollFlags::IN,
                false => flags[1 - way] |= PollFlags::OUT,
            }
        }
        let [server, engine] = &self.ends;
        // One of which nothing is awaited would report that it was closed, again and again.
        let awaited = [(server, flags[0]), (engine, flags[1])];
        let awaited = awaited.into_iter().filter(|(_, flags)| !flags.is_empty());
        let mut awaited: Vec<PollFd<'_>> =
            awaited.map(|(end, flags)| PollFd::from_borrowed_fd(end.as_fd(), flags)).collect();
        // It is asked again, whatever it says.
        _ = poll(&mut awaited, Some(&NOTICE));
    }

    fn pass(&mut self, way: Way) -> Result<(), ()> {
        let from = way as usize;
        let mut buffer = [0; 65536];
        if self.waiting[from].is_empty() {
            match self.ends[from].read(&mut buffer) {
                Ok(0) => return Err(()),
                Ok(bytes) => self.waiting[from].extend_from_slice(&buffer[..bytes]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(_) => return Err(()),
            }
        }
        match self.ends[1 - from].write(&self.waiting[from]) {
            Ok(bytes) => _ = self.waiting[from].drain(..bytes),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(_) => return Err(()),
        }
        Ok(())
    }

    /// The server loses its connection now. What it has sent is carried out later.
    fn deliver_late(mut self, late: Duration) {
        let mut buffer = [0; 65536];
        while let Ok(bytes @ 1..) = self.ends[0].read(&mut buffer) {
            self.waiting[0].extend_from_slice(&buffer[..bytes]);
        }
        let [server, mut engine] = self.ends;
        drop(server);
        std::thread::sleep(late);
        // The engine may be gone too; then it is lost after all.
        if engine.set_nonblocking(false).and_then(|()| engine.write_all(&self.waiting[0])).is_ok() {
            let deadline = Instant::now() + late;
            engine.set_read_timeout(Some(late)).unwrap();
            while Instant::now() < deadline && matches!(engine.read(&mut buffer), Ok(1..)) {}
        }
    }
}
