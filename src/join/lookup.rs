//! Looks up the name of the server again, because its address may have changed.
//!
//! Without a network the lookup of the system takes long, and would block the keyboard. So another
//! process of this program does it.

use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::process::{Child, Command, Stdio};

use crate::stdio::own_program;

/// The server, if it has a name, and the process that looks it up.
#[derive(Debug, Default)]
pub struct Lookup {
    name: Option<(String, u16)>,
    child: Option<Child>,
}

impl Lookup {
    /// For this host and port. An address is never looked up.
    pub fn of((host, port): (&str, u16)) -> Lookup {
        let is_name = host.parse::<IpAddr>().is_err();
        Lookup { name: is_name.then(|| (host.to_owned(), port)), child: None }
    }

    /// Starts a lookup, unless one is running.
    pub fn begin(&mut self) {
        if let (Some((host, port)), None, Ok(program)) = (&self.name, &self.child, own_program()) {
            let mut command = Command::new(program);
            command.args(["lookup", host, &port.to_string()]);
            command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
            self.child = command.spawn().ok();
        }
    }

    /// The addresses that were found since the last call.
    pub fn found(&mut self) -> Option<Vec<SocketAddr>> {
        let ended = self.child.take_if(|child| !matches!(child.try_wait(), Ok(None)))?;
        let mut text = String::new();
        ended.stdout?.read_to_string(&mut text).ok()?;
        let addresses: Vec<_> = text.lines().filter_map(|line| line.parse().ok()).collect();
        (!addresses.is_empty()).then_some(addresses)
    }
}

/// The task of the other process: prints the addresses, one in each line.
pub fn print(host: &str, port: u16) -> io::Result<()> {
    let addresses = (host, port).to_socket_addrs()?;
    let text: String = addresses.map(|address| format!("{address}\n")).collect();
    io::stdout().write_all(text.as_bytes())
}
