//! IP addresses as links hold them (with a prefix length) and as routes name them (without host bits).

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnetwork::IpNetwork;
use serde::{Deserialize, Serialize};

use crate::diag::{Code, Diagnostic, Result};

/// An address with its prefix length, as a link holds it: `10.0.0.1/24`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Cidr(IpNetwork);

impl Cidr {
    /// Reads `ADDRESS/LENGTH`. The length must be written: Linux would silently take /32, a network with this one address.
    ///
    /// # Errors
    /// `NL0103` for what is no address, a missing length, and a length over 32 or 128.
    pub fn new(text: &str) -> Result<Self> {
        let Some((addr, len)) = text.split_once('/') else {
            let addr = ip(text)?;
            let guess = if addr.is_ipv4() { 24 } else { 64 };
            return Err(Diagnostic::new(
                Code::BadAddress,
                format!(
                    "address `{text}` has no prefix length; Linux would take /{}, a network with this one address",
                    bits(addr)
                ),
            )
            .help(format!(
                "did you mean \"{text}/{guess}\"? Write \"{text}/{}\" if one address is what you want",
                bits(addr)
            )));
        };
        let addr = ip(addr)?;
        Self::with_len(addr, length(text, addr, len)?)
    }

    /// The same from its parts.
    ///
    /// # Errors
    /// `NL0103` for a length over 32 or 128.
    pub fn with_len(addr: IpAddr, len: u8) -> Result<Self> {
        IpNetwork::new(addr, len).map(Self).map_err(|_| bad_length(&format!("{addr}/{len}"), addr))
    }

    /// The address itself.
    pub fn addr(self) -> IpAddr {
        self.0.ip()
    }

    /// The prefix length in bits.
    pub fn len(self) -> u8 {
        self.0.prefix()
    }

    /// Whether it is a network of no bits, `0.0.0.0/0` or `::/0`.
    pub fn is_empty(self) -> bool {
        self.0.prefix() == 0
    }

    /// The network that it is in.
    pub fn network(self) -> Prefix {
        Prefix { addr: self.0.network(), len: self.0.prefix() }
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.addr(), self.len())
    }
}

/// The destination of a route: a network without host bits; `default` is the one of no bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Prefix {
    /// The network address.
    pub addr: IpAddr,
    /// The prefix length in bits.
    pub len: u8,
}

impl Prefix {
    /// The IPv4 default route.
    pub const DEFAULT_V4: Prefix = Prefix { addr: IpAddr::V4(Ipv4Addr::UNSPECIFIED), len: 0 };
    /// The IPv6 default route.
    pub const DEFAULT_V6: Prefix = Prefix { addr: IpAddr::V6(Ipv6Addr::UNSPECIFIED), len: 0 };

    /// Reads `default`, `ADDRESS` (one host) or `ADDRESS/LENGTH`. `default` is IPv4 here; who knows a gateway may turn it.
    ///
    /// # Errors
    /// `NL0112` for a network with host bits, `NL0103` for what is no address.
    pub fn new(text: &str) -> Result<Self> {
        if text == "default" {
            return Ok(Self::DEFAULT_V4);
        }
        let Some((addr, len)) = text.split_once('/') else {
            let addr = ip(text).map_err(|error| match crate::diag::nearest(text, ["default"]) {
                Some(_) => error.help("did you mean \"default\"?"),
                None if error.help.is_some() => error,
                None => error.help("a destination is \"default\", a network such as \"10.0.0.0/8\", or one address"),
            })?;
            return Ok(Self { addr, len: bits(addr) });
        };
        let addr = ip(addr)?;
        let len = length(text, addr, len)?;
        let network = Cidr::with_len(addr, len)?.network();
        if network.addr != addr {
            return Err(Diagnostic::new(
                Code::BadDestination,
                format!("destination `{text}` has host bits; the network is {network}"),
            )
            .help(format!("write \"{network}\", or \"{addr}\" for the one host")));
        }
        Ok(network)
    }

    /// Whether this is the default route of either family.
    pub fn is_default(self) -> bool {
        self.len == 0
    }

    /// Whether the address is inside.
    pub fn contains(self, addr: IpAddr) -> bool {
        IpNetwork::new(self.addr, self.len).is_ok_and(|n| n.contains(addr))
    }

    /// The number of bits of an address of this family.
    pub fn bits(self) -> u8 {
        bits(self.addr)
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_default() { f.write_str("default") } else { write!(f, "{}/{}", self.addr, self.len) }
    }
}

/// Reads a plain address, and says what is wrong with one that is nearly one.
///
/// # Errors
/// `NL0103`.
pub fn ip(text: &str) -> Result<IpAddr> {
    text.parse().map_err(|_| {
        let error = Diagnostic::new(Code::BadAddress, format!("`{text}` is not an IP address"));
        let parts: Vec<&str> = text.split('.').collect();
        if text.contains('/') {
            return error.help("leave out the prefix length here");
        }
        if parts.len() > 1 && parts.iter().all(|p| p.chars().all(|c| c.is_ascii_digit())) {
            let numbers = parts.iter().filter(|p| !p.is_empty()).count();
            if numbers != 4 || parts.len() != 4 {
                return error.help(format!("an IPv4 address has four numbers; this has {numbers}"));
            }
            if parts.iter().any(|p| p.len() > 1 && p.starts_with('0')) {
                return error.help("leave out leading zeros: some programs read them as octal");
            }
            return error.help("each of the four numbers goes from 0 to 255");
        }
        error
    })
}

/// 32 or 128.
pub fn bits(addr: IpAddr) -> u8 {
    if addr.is_ipv4() { 32 } else { 128 }
}

fn length(text: &str, addr: IpAddr, len: &str) -> Result<u8> {
    if len.contains('.') {
        let mask: Option<Ipv4Addr> = len.parse().ok();
        let error = Diagnostic::new(Code::BadAddress, format!("`{text}` has a mask where a prefix length belongs"));
        return Err(match mask.and_then(|m| ipnetwork::ipv4_mask_to_prefix(m).ok()) {
            Some(n) => error.help(format!("write \"{addr}/{n}\"")),
            None => error.help("and this mask has no length: its ones must come first"),
        });
    }
    let digits = !len.is_empty() && len.chars().all(|c| c.is_ascii_digit());
    match len.parse::<u8>() {
        Ok(n) if digits && n <= bits(addr) => Ok(n),
        _ => Err(bad_length(text, addr)),
    }
}

fn bad_length(text: &str, addr: IpAddr) -> Box<Diagnostic> {
    let (family, most) = if addr.is_ipv4() { ("IPv4", 32) } else { ("IPv6", 128) };
    Diagnostic::new(Code::BadAddress, format!("`{text}` has no usable prefix length; {family} has 0 to {most}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_links() {
        assert_eq!(Cidr::new("194.168.1.2/8").unwrap().to_string(), "194.168.1.2/8");
        assert_eq!(Cidr::new("fd00::1/64").unwrap().network().to_string(), "fd00::/64");
        for (bad, why) in [
            (
                "10.0.0.1",
                "address `10.0.0.1` has no prefix length; Linux would take /32, a network with this one address",
            ),
            ("10.0.0.1/33", "`10.0.0.1/33` has no usable prefix length; IPv4 has 0 to 32"),
            ("10.0.0.1/", "`10.0.0.1/` has no usable prefix length; IPv4 has 0 to 32"),
            ("10.0.0.1/+8", "`10.0.0.1/+8` has no usable prefix length; IPv4 has 0 to 32"),
            ("10.0.0.1/255.255.255.0", "`10.0.0.1/255.255.255.0` has a mask where a prefix length belongs"),
            ("195.168.1./24", "`195.168.1.` is not an IP address"),
            ("010.0.0.1/8", "`010.0.0.1` is not an IP address"),
            ("eth0", "`eth0` is not an IP address"),
        ] {
            assert_eq!(Cidr::new(bad).unwrap_err().message, why);
        }
        let help = |text| Cidr::new(text).unwrap_err().help.unwrap();
        assert_eq!(help("195.168.1./24"), "an IPv4 address has four numbers; this has 3");
        assert_eq!(help("10.0.0.1/255.255.255.0"), "write \"10.0.0.1/24\"");
        assert_eq!(
            help("10.0.0.1"),
            "did you mean \"10.0.0.1/24\"? Write \"10.0.0.1/32\" if one address is what you want"
        );
    }

    #[test]
    fn destinations() {
        assert_eq!(Prefix::new("default").unwrap(), Prefix::DEFAULT_V4);
        assert_eq!(Prefix::new("10.0.0.1").unwrap().to_string(), "10.0.0.1/32");
        assert!(Prefix::new("10.1.0.0/16").unwrap().contains("10.1.2.3".parse().unwrap()));
        let bad = Prefix::new("10.1.1.1/24").unwrap_err();
        assert_eq!(bad.message, "destination `10.1.1.1/24` has host bits; the network is 10.1.1.0/24");
        assert_eq!(bad.help.unwrap(), "write \"10.1.1.0/24\", or \"10.1.1.1\" for the one host");
    }
}
