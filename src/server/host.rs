//! The host among the steps of the turn: it is admitted like any newcomer, and its replies are
//! printed. What it types, and what it gets, is in [`super::typing`].

use std::io;
use std::time::Instant;

use log::{info, warn};

use super::typing::Typing;
use super::{BOTH_WAYS, HOST, Interest, KEYBOARD, Registry, Server, SourceFd, TcpStream, Token};
use crate::config::Config;
use crate::hub::Hub;

/// Opens the terminal at which the host may type, and watches it; `None` if there is none, or the
/// flags say otherwise.
pub fn open(config: &Config, registry: &Registry) -> io::Result<Option<Typing>> {
    if config.quiet || config.raw {
        return Ok(None);
    }
    let typing = Typing::open(rustix::stdio::stdin());
    if let Some(keyboard) = typing.as_ref().and_then(Typing::keyboard) {
        registry.register(&mut SourceFd(&keyboard), KEYBOARD, Interest::READABLE)?;
    }
    Ok(typing)
}

impl Server {
    /// Passes on what the host types, and what it gets. A host that begins to talk is admitted here
    /// like any newcomer.
    pub(super) fn host(&mut self, now: Instant) {
        let Some(typing) = self.typing.as_mut().filter(|typing| typing.is_due()) else { return };
        if typing.read_keyboard() {
            info!("nobody types at the terminal any more; the server goes on");
        }
        if typing.wants_host()
            && self.stop_by.is_none()
            && let Err(error) = let_host_in(typing, &mut self.hub, self.poll.registry(), now)
        {
            typing.give_up();
            warn!("what is typed at the terminal is not said: {error}");
        }
        let replies = typing.pass_on(self.console.has_room());
        self.console.reply(self.hub.transcript_in(self.console.form()), replies);
        self.typing = self.typing.take().filter(|typing| !typing.is_over());
    }
}

/// Admits the one that types at the terminal.
fn let_host_in(
    typing: &mut Typing,
    hub: &mut Hub<TcpStream>,
    registry: &Registry,
    now: Instant,
) -> io::Result<()> {
    let (hubs, own) = typing.connect()?;
    registry.register(&mut SourceFd(&own), HOST, BOTH_WAYS)?;
    let mut socket = TcpStream::from_std(hubs.into());
    registry.register(&mut socket, Token(hub.next_key()), BOTH_WAYS)?;
    hub.admit_host(socket, now);
    Ok(())
}
