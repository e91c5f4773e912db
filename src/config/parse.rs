//! The values that flags take, as text, and the errors for any other.

use std::net::{IpAddr, SocketAddr};
use std::ops::RangeBounds;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::RangedU64ValueParser;
use ipnet::IpNet;
use log::LevelFilter;

use super::{Control, Exempt, Listen, PORT};
use crate::wire::web::origin::Hosts;
use crate::words::names::Name;

/// A number in this range: of bytes, or of something about as many.
pub fn size(range: impl RangeBounds<u64>) -> RangedU64ValueParser<usize> {
    RangedU64ValueParser::new().range(range)
}

/// A number in this range, for a rate or a system call that takes 32 bits.
pub fn count(range: impl RangeBounds<u64>) -> RangedU64ValueParser<u32> {
    RangedU64ValueParser::new().range(range)
}

pub fn level(text: &str) -> Result<LevelFilter, String> {
    text.parse().map_err(|_| "not one of off, error, warn, info, debug and trace".to_owned())
}

pub fn listen(text: &str) -> Result<Listen, String> {
    if let Some(name) = text.strip_prefix("room=") {
        return Name::parse(name).map(Listen::Room).map_err(|_| {
            "not a name for a room: 1 to 32 letters and digits, _ - and ., not reserved".to_owned()
        });
    }
    if let Some(network) = text.strip_prefix("exempt=") {
        return exempt(network).map(Listen::Exempt);
    }
    if let Some(path) = text.strip_prefix("unix:") {
        return socket_path(path).map(Listen::Unix);
    }
    let without_port = |_| text.parse::<IpAddr>().map(|address| SocketAddr::new(address, PORT));
    if let Ok(address) = text.parse::<SocketAddr>().or_else(without_port) {
        return Ok(Listen::At(address));
    }
    let port = text.strip_prefix("*:").or(text.strip_prefix(':')).unwrap_or(text);
    port.parse().map(Listen::Everywhere).map_err(|_| {
        "not an address and port such as 127.0.0.1:50005 or [::1]:50005, nor a port, nor unix:PATH \
         (names are not looked up)"
            .to_owned()
    })
}

pub fn host(text: &str) -> Result<String, String> {
    match Hosts::is_name(text) {
        true => Ok(text.to_owned()),
        false => Err("not a host name such as chat.example.org, without a port; one in another \
                      script is written as xn--..."
            .to_owned()),
    }
}

impl Control {
    /// A path, or the word none.
    pub fn parse(text: &str) -> Result<Control, String> {
        if text == "none" {
            return Ok(Control::Off);
        }
        let path = socket_path(text.strip_prefix("unix:").unwrap_or(text));
        path.map(Control::At).map_err(|why| format!("{why}; nor the word none"))
    }
}

/// The path of a Unix socket, which the kernel takes only if it is short.
fn socket_path(text: &str) -> Result<PathBuf, String> {
    match text.len() {
        _ if !text.contains('/') => {
            Err("not a path with a /, such as /run/chinwag/all.sock or ./all.sock".to_owned())
        }
        SOCKET_PATH_BYTES_END.. => {
            Err(format!("a path of at least {SOCKET_PATH_BYTES_END} bytes: unix(7) takes fewer"))
        }
        _ => Ok(PathBuf::from(text)),
    }
}

/// What `sockaddr_un` has for a path and the zero behind it (unix(7)).
const SOCKET_PATH_BYTES_END: usize = 108;

pub fn exempt(text: &str) -> Result<Exempt, String> {
    if text == "none" {
        return Ok(Exempt::Nobody);
    }
    let or_none = |error| format!("{error}, nor the word none");
    network(text).map(Exempt::Network).map_err(or_none)
}

/// A network, or an address alone.
/// A network of proxies. A client of a Unix socket has the unspecified address.
pub fn proxy(text: &str) -> Result<IpNet, String> {
    let unix = IpNet::from(IpAddr::from([0; 4]));
    if text == "unix" { Ok(unix) } else { network(text).map_err(|why| format!("{why}, nor unix")) }
}

pub fn network(text: &str) -> Result<IpNet, String> {
    let single = |_| text.parse::<IpAddr>().map(IpNet::from);
    let network = text.parse::<IpNet>().or_else(single);
    network.map_err(|_| "not a network such as 192.168.0.0/16 or 2001:db8::/32".to_owned())
}

/// As good as never, and small enough that no instant overflows.
const CENTURY: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

/// Neither the poll nor the kernel knows a shorter time.
const MILLISECOND: Duration = Duration::from_millis(1);

/// A time longer than zero.
pub fn seconds(text: &str) -> Result<Duration, String> {
    time(text, MILLISECOND, CENTURY)
}

/// A time, or 0 for none.
pub fn seconds_or_zero(text: &str) -> Result<Duration, String> {
    time(text, Duration::ZERO, CENTURY)
}

/// A time for the kernel in whole seconds, of at most 15 bits.
pub fn keepalive(text: &str) -> Result<Duration, String> {
    match time(text, Duration::from_secs(1), Duration::from_secs(32_767))? {
        time if time.subsec_nanos() == 0 => Ok(time),
        _ => Err("not a whole number of seconds".to_owned()),
    }
}

/// A time for the kernel in milliseconds, of at most 31 bits; 0 is none.
pub fn user_timeout(text: &str) -> Result<Duration, String> {
    match time(text, Duration::ZERO, i32::MAX as u32 * MILLISECOND)? {
        time if time.is_zero() || time >= MILLISECOND => Ok(time),
        _ => Err("less than a millisecond".to_owned()),
    }
}

fn time(text: &str, least: Duration, most: Duration) -> Result<Duration, String> {
    let time = text.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    time.filter(|time| (least..=most).contains(time)).ok_or_else(|| {
        let [least, most] = [least, most].map(|time| time.as_secs_f64());
        format!("not a number of seconds between {least} and {most}")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_may_be_fractions_but_not_nonsense() {
        assert_eq!(seconds("0.5"), Ok(Duration::from_millis(500)));
        assert!(seconds("0").is_err());
        assert_eq!(seconds_or_zero("0"), Ok(Duration::ZERO));
        for nonsense in ["-1", "NaN", "inf", "1e300", "ten"] {
            assert!(seconds(nonsense).is_err(), "{nonsense}");
        }
    }

    #[test]
    fn seconds_for_the_kernel_are_such_as_it_takes() {
        assert_eq!(keepalive("32767"), Ok(Duration::from_secs(32_767)));
        for beyond in ["0", "0.5", "1.5", "32768"] {
            assert!(keepalive(beyond).is_err(), "{beyond}");
        }
        assert_eq!(user_timeout("0"), Ok(Duration::ZERO));
        assert_eq!(user_timeout("2147483"), Ok(Duration::from_secs(2_147_483)));
        for beyond in ["0.0001", "2147484"] {
            assert!(user_timeout(beyond).is_err(), "{beyond}");
        }
    }

    #[test]
    fn a_hundred_years_are_the_longest_time() {
        assert_eq!(seconds("3153600000"), Ok(Duration::from_secs(3_153_600_000)));
        assert!(seconds("3153600001").is_err());
    }

    #[test]
    fn a_level_of_the_log_is_one_of_six_words() {
        assert_eq!(level("warn"), Ok(LevelFilter::Warn));
        assert!(level("loud").is_err());
    }

    #[test]
    fn an_address_alone_is_a_network_and_none_is_nobody() {
        assert_eq!(exempt("none"), Ok(Exempt::Nobody));
        for (text, network) in [("10.0.0.0/8", "10.0.0.0/8"), ("10.0.0.1", "10.0.0.1/32")] {
            assert_eq!(exempt(text), Ok(Exempt::Network(network.parse().unwrap())));
        }
        assert!(exempt("nobody").is_err());
    }

    #[test]
    fn a_room_of_a_listener_is_a_name() {
        let room = |text: &str| listen(text).map(|room| room.to_string());
        assert_eq!(room("room=garden"), Ok("room=garden".to_owned()));
        for text in ["room=", "room=a b", "room=admin", "room=a/b"] {
            assert!(listen(text).is_err(), "{text}");
        }
    }

    #[test]
    fn networks_of_a_listener_are_those_of_exempt() {
        for text in ["exempt=none", "exempt=10.0.0.0/8"] {
            assert_eq!(listen(text).map(|listen| listen.to_string()), Ok(text.to_owned()));
        }
        for text in ["exempt=", "exempt=nobody", "exempt"] {
            assert!(listen(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_path_is_one_that_the_kernel_takes() {
        let path = |bytes: usize| "/".repeat(bytes);
        assert_eq!(listen("unix:./a.sock"), Ok(Listen::Unix("./a.sock".into())));
        assert_eq!(listen("unix:/a.sock").unwrap().to_string(), "unix:/a.sock");
        assert_eq!(Control::parse("none"), Ok(Control::Off));
        for text in [path(107), format!("unix:{}", path(107))] {
            assert_eq!(Control::parse(&text), Ok(Control::At(path(107).into())));
        }
        for text in ["", "unix:", "off", "a.sock", &path(108)] {
            assert!(Control::parse(text).is_err(), "{text}");
            assert!(listen(&format!("unix:{text}")).is_err(), "{text}");
        }
    }

    #[test]
    fn an_address_without_a_port_gets_the_usual_one() {
        assert_eq!(listen("::1"), Ok(Listen::At("[::1]:50005".parse().unwrap())));
    }

    #[test]
    fn a_port_without_an_address_is_every_address() {
        for text in ["50006", ":50006", "*:50006"] {
            assert_eq!(listen(text), Ok(Listen::Everywhere(50006)), "{text}");
        }
        assert_eq!(listen("0"), Ok(Listen::Everywhere(0)));
        for text in ["", ":", "*", "*:", "65536", "-1", "::50006:", "localhost:50005", "*50006"] {
            assert!(listen(text).is_err(), "{text}");
        }
    }
}
