//! Why an address is in use: another program listens there, or the kernel gave the port to an
//! outgoing connection of this machine. The kernel's tables tell. They are read only once the
//! address is known to be in use.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// The state of a listener, as proc(5) numbers it.
const LISTENING: &str = "0A";

/// The cause, to stand behind the error; empty if the tables do not tell.
pub fn cause(asked: SocketAddr) -> String {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let tables = [read("/proc/self/net/tcp"), read("/proc/self/net/tcp6")].concat();
    cause_in(asked, &tables, &read("/proc/sys/net/ipv4/ip_local_port_range"))
}

fn cause_in(asked: SocketAddr, tables: &str, range: &str) -> String {
    let in_the_way = tables.lines().filter_map(end).filter(|(end, _)| is_in_the_way(*end, asked));
    let states: Vec<&str> = in_the_way.map(|(_, state)| state).collect();
    if states.is_empty() {
        return String::new();
    }
    if states.contains(&LISTENING) {
        return "; another program listens there".to_owned();
    }
    let port = asked.port();
    let mut cause = format!("; an outgoing connection of this machine uses port {port}");
    if let Some((first, last)) = parse_range(range)
        && (first..=last).contains(&port)
    {
        cause.push_str(&format!(
            ", which is one of those that the kernel gives to such ({first} to {last}); \
             `sysctl net.ipv4.ip_local_reserved_ports={port}` keeps it for the server"
        ));
    }
    cause
}

fn is_in_the_way(end: SocketAddr, asked: SocketAddr) -> bool {
    let (its, ours) = (end.ip().to_canonical(), asked.ip());
    // A listener on every IPv6 address may listen on IPv4 as well.
    let every = its.is_unspecified() || (ours.is_unspecified() && its.is_ipv4() == ours.is_ipv4());
    end.port() == asked.port() && (its == ours || every)
}

/// The local address of a connection or listener, and its state; `None` for the heading.
fn end(line: &str) -> Option<(SocketAddr, &str)> {
    let mut columns = line.split_whitespace().skip(1);
    let (address, port) = columns.next()?.split_once(':')?;
    let end = SocketAddr::new(parse_address(address)?, u16::from_str_radix(port, 16).ok()?);
    Some((end, columns.nth(1)?))
}

/// An address as proc(5) prints it: words of four bytes, each in the byte order of this machine.
fn parse_address(text: &str) -> Option<IpAddr> {
    let mut bytes = [0; 16];
    for (word, bytes) in text.as_bytes().chunks(8).zip(bytes.chunks_mut(4)) {
        let word = std::str::from_utf8(word).ok()?;
        bytes.copy_from_slice(&u32::from_str_radix(word, 16).ok()?.to_ne_bytes());
    }
    match text.len() {
        8 => Some(Ipv4Addr::new(bytes[0], bytes[1], bytes[2], bytes[3]).into()),
        32 => Some(Ipv6Addr::from(bytes).into()),
        _ => None,
    }
}

/// Parses two numbers with blanks between them.
fn parse_range(text: &str) -> Option<(u16, u16)> {
    let (first, last) = text.trim().split_once(char::is_whitespace)?;
    Some((first.parse().ok()?, last.trim().parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ASKED: &str = "127.0.0.1:50005";
    const RANGE: &str = "32768\t60999\n";

    /// A line of a table.
    fn line(end: &str, state: &str) -> String {
        let end: SocketAddr = end.parse().unwrap();
        let octets = match end.ip() {
            IpAddr::V4(address) => address.octets().to_vec(),
            IpAddr::V6(address) => address.octets().to_vec(),
        };
        let words = octets.chunks(4).map(|word| u32::from_ne_bytes(word.try_into().unwrap()));
        let address: String = words.map(|word| format!("{word:08X}")).collect();
        format!("   0: {address}:{:04X} 0100007F:1F90 {state} 00000000:00000000\n", end.port())
    }

    fn told(asked: &str, tables: &[String]) -> String {
        let heading = "  sl  local_address rem_address   st tx_queue rx_queue\n".to_owned();
        cause_in(asked.parse().unwrap(), &[&[heading], tables].concat().concat(), RANGE)
    }

    #[test]
    fn a_listener_is_told_of_before_a_connection() {
        let connection = line(ASKED, "01");
        for listener in [ASKED, "0.0.0.0:50005", "[::]:50005", "[::ffff:127.0.0.1]:50005"] {
            let tables = [connection.clone(), line(listener, "0A")];
            for tables in [&tables[..], &tables[1..]] {
                assert_eq!(told(ASKED, tables), "; another program listens there", "{listener}");
            }
        }
    }

    #[test]
    fn an_outgoing_connection_is_told_of_with_the_cure() {
        let table = line(ASKED, "01");
        for asked in [ASKED, "0.0.0.0:50005"] {
            let cause = told(asked, std::slice::from_ref(&table));
            assert!(
                cause.starts_with("; an outgoing connection of this machine uses port 50005, ")
            );
            assert!(cause.contains("(32768 to 60999)"), "{cause}");
            assert!(cause.contains("net.ipv4.ip_local_reserved_ports=50005`"), "{cause}");
        }
        for range in ["1024 2048", ""] {
            let cause = cause_in(ASKED.parse().unwrap(), &table, range);
            assert_eq!(cause, "; an outgoing connection of this machine uses port 50005");
        }
    }

    #[test]
    fn another_address_or_port_is_not_in_the_way() {
        for end in ["127.0.0.2:50005", "127.0.0.1:50006", "[::1]:50005"] {
            assert_eq!(told(ASKED, &[line(end, LISTENING)]), "", "{end}");
        }
        assert_eq!(told("0.0.0.0:50005", &[line("[::1]:50005", "01")]), "");
        // C355 is 50005. Nonsense that is read as 0.0.0.0 would match.
        for nonsense in ["nonsense", "00:C355", "GGGGGGGG:C355", "00000000:GC355", ""] {
            let table = format!("   0: {nonsense} 0:0 0A\n");
            assert_eq!(told(ASKED, &[table]), "", "{nonsense}");
        }
    }
}
