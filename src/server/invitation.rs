//! What others type to join, for the person that starts a server at a terminal.
//!
//! A server that listens on every address says the one that others see: the source address of a
//! packet to somewhere else. The kernel tells it for a UDP socket that sends nothing. This file
//! knows no poll.
//!
//! For a phone there is a QR code of the address, if the terminal has room for it. A server that
//! only this machine can reach shows none.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

use super::qr;
use crate::config::PORT;

/// Addresses of no machine (RFC 5737, RFC 3849). A route to them is the one to most others.
const ELSEWHERE: [IpAddr; 2] = [
    IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)),
    IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1)),
];

/// What is shown for browsers.
#[derive(Clone, Copy, Debug)]
pub enum Browsers {
    /// Nothing: none can join.
    No,
    /// The address alone.
    Address,
    /// Also a QR code of it, on a terminal with this many columns and rows; 0 is unknown.
    Qr(usize, usize),
}

/// What to type to join a server that listens here; nothing if it has no address.
pub fn lines(listening: Vec<SocketAddr>, browsers: Browsers) -> Vec<String> {
    lines_for(&listening, browsers, own_address)
}

fn lines_for(
    listening: &[SocketAddr],
    browsers: Browsers,
    own: impl Fn(bool) -> Option<IpAddr>,
) -> Vec<String> {
    let seen = |address: &SocketAddr| SocketAddr::new(seen_as(address.ip(), &own), address.port());
    let all: Vec<SocketAddr> = listening.iter().map(seen).collect();
    let from_elsewhere = all.iter().find(|address| !address.ip().is_loopback());
    let Some(address) = from_elsewhere.or(all.first()) else { return Vec::new() };
    let (host, port) = (address.ip(), address.port());
    let join_port = if port == PORT { String::new() } else { format!(" {port}") };
    let mut lines = vec![
        format!("to join: nc {host} {port}"),
        // Without -T. curl shows what others say only after each Enter; with it, a meter too.
        format!("     or: curl telnet://{address} -T. --no-progress-meter"),
        format!("     or: chinwag join {host}{join_port}"),
    ];
    let page = format!("http://{address}/");
    if !matches!(browsers, Browsers::No) {
        lines.push(format!("     or: {page} in a browser"));
    }
    if let Browsers::Qr(columns, rows) = browsers
        && !host.is_loopback()
    {
        // A line for each listener stands above, and the cursor below.
        let rows_left = rows.saturating_sub(listening.len() + lines.len() + 1);
        let fits = |code: &qr::Code| code.columns() <= columns && code.rows() <= rows_left;
        lines.extend(qr::Code::of(&page).filter(fits).iter().flat_map(qr::Code::lines));
    }
    lines
}

/// The address by which others reach a listener.
fn seen_as(address: IpAddr, own: impl Fn(bool) -> Option<IpAddr>) -> IpAddr {
    let loopback: IpAddr = match address {
        IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
    };
    match address.is_unspecified() {
        true => own(address.is_ipv6()).unwrap_or(loopback),
        false => address,
    }
}

/// The address of this machine in this family, if it is connected to others.
fn own_address(is_ipv6: bool) -> Option<IpAddr> {
    let elsewhere = ELSEWHERE[usize::from(is_ipv6)];
    let any: IpAddr =
        if is_ipv6 { Ipv6Addr::UNSPECIFIED.into() } else { Ipv4Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind((any, 0)).ok()?;
    // The port of "discard": nothing is sent.
    socket.connect((elsewhere, 9)).ok()?;
    Some(socket.local_addr().ok()?.ip())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is said of these listeners by a machine with these addresses.
    fn said(listening: &[&str], own: [Option<&str>; 2]) -> Vec<String> {
        let listening: Vec<SocketAddr> =
            listening.iter().map(|text| text.parse().unwrap()).collect();
        let own = |is_ipv6| own[usize::from(is_ipv6)].map(|own| own.parse().unwrap());
        lines_for(&listening, Browsers::Address, own)
    }

    #[test]
    fn a_qr_code_is_shown_where_it_fits_and_helps() {
        let shown = |address: &str, browsers| {
            lines_for(&[address.parse().unwrap()], browsers, |_| None).len()
        };
        let both = ["0.0.0.0:50005", "[::]:50005"].map(|text| text.parse().unwrap());
        let own = |is_ipv6: bool| (!is_ipv6).then(|| "192.168.100.177".parse().unwrap());
        assert_eq!(lines_for(&both, Browsers::Qr(80, 24), own).len(), 4 + 15);
        assert_eq!(lines_for(&both, Browsers::Qr(80, 21), own).len(), 4);
        assert_eq!(shown("192.168.1.17:50005", Browsers::Qr(80, 24)), 4 + 15);
        assert_eq!(shown("192.168.1.17:50005", Browsers::Qr(29, 21)), 4 + 15);
        for (address, browsers, lines) in [
            ("192.168.1.17:50005", Browsers::Qr(28, 24), 4),
            ("192.168.1.17:50005", Browsers::Qr(80, 20), 4),
            ("192.168.1.17:50005", Browsers::Qr(0, 0), 4),
            ("192.168.1.17:50005", Browsers::Address, 4),
            ("192.168.1.17:50005", Browsers::No, 3),
            ("127.0.0.1:50005", Browsers::Qr(80, 24), 4),
            ("[::1]:50005", Browsers::Qr(80, 24), 4),
        ] {
            assert_eq!(shown(address, browsers), lines, "{address} {browsers:?}");
        }
    }

    #[test]
    fn others_are_told_the_address_that_they_see() {
        let own = [Some("192.168.1.17"), Some("fd00::2")];
        let lines = said(&["0.0.0.0:50005", "[::]:50005"], own);
        assert_eq!(
            lines,
            [
                "to join: nc 192.168.1.17 50005",
                "     or: curl telnet://192.168.1.17:50005 -T. --no-progress-meter",
                "     or: chinwag join 192.168.1.17",
                "     or: http://192.168.1.17:50005/ in a browser",
            ]
        );
        for (listening, own, first) in [
            (&["0.0.0.0:7", "[::]:7"][..], [None, Some("fd00::2")], "nc fd00::2 7"),
            (&["0.0.0.0:7", "[::]:7"], [None, None], "nc 127.0.0.1 7"),
            (&["[::]:7"], [None, None], "nc ::1 7"),
            (&["127.0.0.1:7", "10.0.0.9:8"], own, "nc 10.0.0.9 8"),
            (&["127.0.0.1:7"], own, "nc 127.0.0.1 7"),
        ] {
            let lines = said(listening, own);
            assert_eq!(lines[0], format!("to join: {first}"), "{listening:?}");
        }
        assert_eq!(
            said(&["[::1]:7"], own)[1..],
            [
                "     or: curl telnet://[::1]:7 -T. --no-progress-meter".to_owned(),
                "     or: chinwag join ::1 7".to_owned(),
                "     or: http://[::1]:7/ in a browser".to_owned(),
            ]
        );
        assert_eq!(said(&[], own), [""; 0]);
    }

    #[test]
    fn the_own_address_is_one_of_this_machine() {
        for own in [false, true].into_iter().filter_map(own_address) {
            assert!(!own.is_unspecified());
            assert!(UdpSocket::bind((own, 0)).is_ok(), "{own}");
        }
    }
}
