//! What the value of a flag may be, as text, and what is said of one that it may not be.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use ipnet::IpNet;
use log::LevelFilter;

use super::{Exempt, Listen, PORT};

/// A switch in the environment; on the command line it has no value.
pub fn parse_switch(text: &str) -> Result<bool, String> {
    match text.to_lowercase().as_str() {
        "1" | "true" | "yes" | "on" => Ok(true),
        "0" | "false" | "no" | "off" => Ok(false),
        _ => Err("neither 1 nor 0, true nor false, yes nor no, on nor off".to_owned()),
    }
}

pub fn parse_level(text: &str) -> Result<LevelFilter, String> {
    text.parse().map_err(|_| "not one of off, error, warn, info, debug and trace".to_owned())
}

pub fn parse_listen(text: &str) -> Result<Listen, String> {
    let with_port = text.parse::<SocketAddr>();
    let without = || text.parse::<IpAddr>().map(|address| SocketAddr::new(address, PORT));
    if let Ok(address) = with_port.or_else(|_| without()) {
        return Ok(Listen::At(address));
    }
    let port = text.strip_prefix("*:").or(text.strip_prefix(':')).unwrap_or(text);
    port.parse().map(Listen::Everywhere).map_err(|_| {
        "not an address and port such as 127.0.0.1:50005 or [::1]:50005, nor a port (names are not \
         looked up)"
            .to_owned()
    })
}

pub fn parse_exempt(text: &str) -> Result<Exempt, String> {
    if text == "none" {
        return Ok(Exempt::Nobody);
    }
    let network = text.parse::<IpNet>();
    let single = || text.parse::<IpAddr>().map(IpNet::from);
    network.or_else(|_| single()).map(Exempt::Network).map_err(|_| {
        "not a network such as 192.168.0.0/16 or 2001:db8::/32, nor the word none".to_owned()
    })
}

/// A time that something takes; the poll knows none shorter.
pub fn parse_seconds(text: &str) -> Result<Duration, String> {
    const SHORTEST: Duration = Duration::from_millis(1);
    match parse_seconds_or_never(text)? {
        time if time < SHORTEST => Err("less than a millisecond".to_owned()),
        time => Ok(time),
    }
}

/// What the kernel is told in whole seconds: it takes no more than 15 bits of them.
pub fn parse_keepalive(text: &str) -> Result<Duration, String> {
    const SECONDS_MAX: u64 = 32_767;
    let time = parse_seconds_or_never(text)?;
    match time.as_secs() {
        1..=SECONDS_MAX if time.subsec_nanos() == 0 => Ok(time),
        _ => Err(format!("not a whole number of seconds between 1 and {SECONDS_MAX}")),
    }
}

/// What the kernel is told in milliseconds, as a number of 31 bits; 0 is none.
pub fn parse_user_timeout(text: &str) -> Result<Duration, String> {
    const MILLISECONDS_MAX: u128 = i32::MAX as u128;
    let time = parse_seconds_or_never(text)?;
    match time.as_millis() {
        0 if !time.is_zero() => Err("less than a millisecond".to_owned()),
        0..=MILLISECONDS_MAX => Ok(time),
        _ => Err(format!("more than {} s", MILLISECONDS_MAX / 1000)),
    }
}

pub fn parse_seconds_or_never(text: &str) -> Result<Duration, String> {
    // A hundred years is as good as never, and no instant overflows by it.
    const SECONDS_MAX: f64 = 100.0 * 365.0 * 24.0 * 3600.0;
    let seconds = text.parse::<f64>().map_err(|_| "not a number of seconds".to_owned())?;
    match seconds {
        0.0..=SECONDS_MAX => Ok(Duration::from_secs_f64(seconds)),
        _ => Err("not a number of seconds between 0 and a hundred years".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_may_be_fractions_but_not_nonsense() {
        assert_eq!(parse_seconds("0.5"), Ok(Duration::from_millis(500)));
        assert!(parse_seconds("0").is_err());
        assert_eq!(parse_seconds_or_never("0"), Ok(Duration::ZERO));
        for nonsense in ["-1", "NaN", "inf", "1e300", "ten"] {
            assert!(parse_seconds(nonsense).is_err(), "{nonsense}");
        }
    }

    #[test]
    fn seconds_for_the_kernel_are_such_as_it_takes() {
        assert_eq!(parse_keepalive("32767"), Ok(Duration::from_secs(32_767)));
        for beyond in ["0", "0.5", "1.5", "32768"] {
            assert!(parse_keepalive(beyond).is_err(), "{beyond}");
        }
        assert_eq!(parse_user_timeout("0"), Ok(Duration::ZERO));
        assert_eq!(parse_user_timeout("2147483"), Ok(Duration::from_secs(2_147_483)));
        for beyond in ["0.0001", "2147484"] {
            assert!(parse_user_timeout(beyond).is_err(), "{beyond}");
        }
    }

    #[test]
    fn a_hundred_years_are_the_longest_time() {
        assert_eq!(parse_seconds("3153600000"), Ok(Duration::from_secs(3_153_600_000)));
        assert!(parse_seconds("3153600001").is_err());
    }

    #[test]
    fn a_switch_is_on_or_off_in_words() {
        for (text, switch) in
            [("1", true), ("Yes", true), ("ON", true), ("0", false), ("off", false)]
        {
            assert_eq!(parse_switch(text), Ok(switch), "{text}");
        }
        assert!(parse_switch("").is_err() && parse_switch("2").is_err());
        assert_eq!(parse_level("warn"), Ok(LevelFilter::Warn));
        assert!(parse_level("loud").is_err());
    }

    #[test]
    fn an_address_alone_is_a_network_and_none_is_nobody() {
        assert_eq!(parse_exempt("none"), Ok(Exempt::Nobody));
        for (text, network) in [("10.0.0.0/8", "10.0.0.0/8"), ("10.0.0.1", "10.0.0.1/32")] {
            assert_eq!(parse_exempt(text), Ok(Exempt::Network(network.parse().unwrap())));
        }
        assert!(parse_exempt("nobody").is_err());
    }

    #[test]
    fn an_address_without_a_port_gets_the_usual_one() {
        assert_eq!(parse_listen("::1"), Ok(Listen::At("[::1]:50005".parse().unwrap())));
    }

    #[test]
    fn a_port_without_an_address_is_every_address() {
        for text in ["50006", ":50006", "*:50006"] {
            assert_eq!(parse_listen(text), Ok(Listen::Everywhere(50006)), "{text}");
        }
        assert_eq!(parse_listen("0"), Ok(Listen::Everywhere(0)));
        for text in ["", ":", "*", "*:", "65536", "-1", "::50006:", "localhost:50005", "*50006"] {
            assert!(parse_listen(text).is_err(), "{text}");
        }
    }
}
