//! The door under every error of accept: waiting connections are accepted soon after the cause has
//! ended. Until then the door is not tried without a pause.

use std::io;
use std::time::{Duration, Instant};

use chinwag::server::door::{Door, Next, RETRY};
use rustix::io::Errno;

use crate::random::Random;

/// The errors of accept(2) about the machine, and about one connection.
const SHORTAGES: [Errno; 4] = [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM];
const ONE_PEERS: [Errno; 4] = [Errno::CONNABORTED, Errno::PROTO, Errno::INTR, Errno::NETDOWN];

/// How soon the waiting connections must be accepted once accepting works again.
const SERVED_WITHIN: Duration = Duration::from_millis(200);

struct Listener {
    random: Random,
    waiting: usize,
    shortage: Option<Errno>,
    tried: usize,
}

impl Listener {
    fn accept(&mut self) -> io::Result<()> {
        self.tried += 1;
        if let Some(errno) = self.shortage {
            return Err(errno.into());
        }
        if self.waiting == 0 {
            return Err(Errno::AGAIN.into());
        }
        if self.random.one_in(4) {
            return Err(ONE_PEERS[self.random.below(ONE_PEERS.len())].into());
        }
        self.waiting -= 1;
        Ok(())
    }

    /// The step *accept* of one turn.
    fn turn(&mut self, door: &mut Door, batch: usize, now: Instant) {
        for _ in 0..batch {
            if !door.may_accept(now) {
                return;
            }
            match self.accept() {
                Ok(()) => door.accepted(),
                Err(error) => {
                    // The reserve does not help here: the machine is short, not this process.
                    if door.failed(&error, now) == Next::TurnAway {
                        door.later(now);
                    }
                }
            }
        }
    }
}

#[test]
fn waiting_clients_get_in_soon_after_a_shortage_with_few_tries() {
    for seed in 0..2000 {
        let mut random = Random::seeded(seed);
        let shortage = Some(SHORTAGES[random.below(SHORTAGES.len())]);
        let (batch, lasting) = (1 + random.below(4), random.below(3000) as u64);
        let waiting = 1 + random.below(20);
        let mut listener = Listener { random, waiting, shortage, tried: 0 };
        let (mut door, start) = (Door::default(), Instant::now());
        let end = start + Duration::from_millis(lasting);
        // One event for all of them, and no other.
        door.note();
        let mut now = start;
        while listener.waiting > 0 || door.retry_at(now).is_some() {
            if now >= end {
                listener.shortage = None;
            }
            listener.turn(&mut door, batch, now);
            assert!(now < end + SERVED_WITHIN, "seed {seed}: {} still wait", listener.waiting);
            let next = door.retry_at(now);
            assert!(next.is_some() || listener.waiting == 0, "seed {seed}: forgotten");
            // The loop waits until then, and sometimes something else wakes it.
            let woken = now + Duration::from_millis(listener.random.below(40) as u64);
            now = next.map_or(now, |at| at.max(now).min(woken));
            if listener.shortage.is_some() {
                let tries = now.duration_since(start).as_millis() / RETRY.as_millis() + 2;
                assert!(listener.tried as u128 <= tries, "seed {seed}: {} tries", listener.tried);
            }
        }
    }
}
