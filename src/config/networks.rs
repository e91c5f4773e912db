//! Which addresses the limits spare, and which are those of proxies.

use std::net::IpAddr;

use ipnet::IpNet;

use super::{Config, Listen};

/// Clients that `--per-address` and `--rate` do not limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exempt {
    /// No client, not even on loopback.
    Nobody,
    /// All clients in this network.
    Network(IpNet),
}

impl Config {
    /// Whether a client at this address is exempt from `--per-address` and `--rate`, if it came to
    /// this one of the [listeners](Config::listeners). A client of a Unix socket has no address,
    /// which is written as the unspecified one. It is exempt unless its listener says otherwise.
    pub fn is_exempt(&self, address: IpAddr, listener: Option<usize>) -> bool {
        let address = address.to_canonical();
        let own = listener.map(|place| self.exempt_at(place)).filter(|own| !own.is_empty());
        if own.is_none() && address.is_unspecified() {
            return true;
        }
        let exempt = own.unwrap_or_else(|| self.exempt.iter().collect());
        if exempt.is_empty() {
            return address.is_loopback();
        }
        exempt.iter().any(|exempt| match exempt {
            Exempt::Nobody => false,
            Exempt::Network(network) => network.contains(&address),
        })
    }

    /// What stands behind the address of this one of the [listeners](Config::listeners).
    fn exempt_at(&self, listener: usize) -> Vec<&Exempt> {
        let addresses = self.listen.iter().scan(0, |count, listen| {
            *count += usize::from(listen.is_place());
            Some((*count, listen))
        });
        let own = addresses.filter(|(count, _)| *count == listener + 1);
        let exempt = own.filter_map(|(_, listen)| match listen {
            Listen::Exempt(exempt) => Some(exempt),
            Listen::At(_) | Listen::Everywhere(_) | Listen::Unix(_) | Listen::Room(_) => None,
        });
        exempt.collect()
    }

    /// Whether a connection from this address is one of a proxy, which names the client.
    pub fn is_proxy(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.proxy_from.iter().any(|network| network.contains(&address))
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::super::parse::exempt;
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn loopback_is_exempt_unless_something_else_is_said() {
        let config = Config::default();
        assert!(config.is_exempt(address("127.9.9.9"), None));
        assert!(config.is_exempt(address("::ffff:127.0.0.1"), None));
        assert!(!config.is_exempt(address("10.0.0.1"), None));
        let exempt = vec![exempt("10.0.0.0/8").unwrap()];
        let config = Config { exempt, ..config };
        assert!(config.is_exempt(address("10.1.2.3"), None));
        assert!(!config.is_exempt(address("127.0.0.1"), None));
        let config = Config { exempt: vec![Exempt::Nobody], ..config };
        assert!(!config.is_exempt(address("127.0.0.1"), None));
    }

    #[test]
    fn networks_behind_a_listener_replace_the_others_there() {
        let flags =
            ["--listen", "1,exempt=none", "--listen", "2,room=den,exempt=10.0.0.1,exempt=::/0"];
        let flags = flags.iter().chain(&["--listen", "3,room=den", "--exempt", "127.0.0.1"]);
        let config = Config::parse_from(["chinwag"].iter().chain(flags));
        let exempt = |text: &str| {
            [None, Some(0), Some(1), Some(2)]
                .map(|listener| config.is_exempt(address(text), listener))
        };
        assert_eq!(config.listeners().len(), 3);
        assert_eq!(exempt("127.0.0.1"), [true, false, false, true]);
        assert_eq!(exempt("10.0.0.1"), [false, false, true, false]);
        assert_eq!(exempt("2001:db8::1"), [false, false, true, false]);
    }

    #[test]
    fn a_proxy_is_one_of_its_networks_and_by_default_none_is() {
        let is_proxy = |config: &Config, text: &str| config.is_proxy(address(text));
        assert!(!is_proxy(&Config::default(), "127.0.0.1"));
        let config = Config::parse_from(["chinwag", "--proxy-from", "10.0.0.0/8,::1"]);
        let unix = Config::parse_from(["chinwag", "--proxy-from", "unix"]);
        assert!(is_proxy(&unix, "0.0.0.0") && !is_proxy(&unix, "127.0.0.1"));
        assert!(!is_proxy(&config, "0.0.0.0"));
        assert!(is_proxy(&config, "::ffff:10.1.2.3") && is_proxy(&config, "::1"));
        assert!(!is_proxy(&config, "127.0.0.1"));
    }
}
