//! Networks to take addresses from.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use rhai::{Array, Dynamic};

use super::function::{Form, Function};
use super::values::{Of, Subnet};
use crate::diag::{Code, Diagnostic, Result};
use crate::types::address::Cidr;

pub(super) const FUNCTIONS: &[Function] = &[
    Function {
        of: Of::Free,
        name: "subnet",
        params: "\"addr/len\"",
        arity: (1, 1),
        gives: "subnet",
        doc: "A network to take addresses from: `net[5]` is the fifth with its prefix length, `net[-1]` the last host, `net.ip(5)` the bare address, `net.split(24)` an array of smaller ones.\n\n```rhai\nlet net = subnet(\"10.0.0.0/16\");\nexpect(net[5] == \"10.0.0.5/16\" && net[-1] == \"10.0.255.254/16\");\nexpect(net.split(24)[3][1] == \"10.0.3.1/24\");\n```",
        form: Form::Call(|c| {
            let network = Cidr::new(&c.text(0)?)?.network();
            Ok(Dynamic::from(Subnet { base: network.addr, len: network.len }))
        }),
    },
    Function {
        of: Of::Subnet,
        name: "ip",
        params: "number",
        arity: (1, 1),
        gives: "string",
        doc: "An address of the network without its prefix length; 0 is the network's own, -1 the last host.\n\n```rhai\nexpect(subnet(\"10.0.0.0/24\").ip(-1) == \"10.0.0.254\");\n```",
        form: Form::Call(|c| {
            let (net, n) = (c.subnet()?, c.int(0)?);
            Ok(net.at(n)?.to_string().into())
        }),
    },
    Function {
        of: Of::Subnet,
        name: "len",
        params: "",
        arity: (0, 0),
        gives: "integer",
        doc: "The prefix length.\n\n```rhai\nexpect(subnet(\"10.0.0.0/24\").len == 24);\n```",
        form: Form::Property(|c| Ok(i64::from(c.subnet()?.len).into())),
    },
    Function {
        of: Of::Subnet,
        name: "split",
        params: "len",
        arity: (1, 1),
        gives: "array of subnets",
        doc: "The smaller networks of that prefix length, 65536 at most.\n\n```rhai\nexpect(subnet(\"10.0.0.0/8\").split(16).len() == 256);\n```",
        form: Form::Call(|c| {
            let (net, len) = (c.subnet()?, c.number::<u8>(0, "prefix length")?);
            net.split(len)
        }),
    },
];

impl Subnet {
    /// Address number `n`; negative ones count from the end, -1 being the last that a host may have.
    ///
    /// # Errors
    /// `NL0106` outside of the network.
    pub fn at(self, n: i64) -> Result<IpAddr> {
        let bits = if self.base.is_ipv4() { 32u32 } else { 128 };
        let host_bits = bits - u32::from(self.len);
        let last = if host_bits >= 128 { u128::MAX } else { (1u128 << host_bits) - 1 };
        // In IPv4 the highest address is the broadcast address, unless the network is a point-to-point wire.
        let highest = if bits == 32 && host_bits > 1 { last - 1 } else { last };
        let offset = match u128::try_from(n) {
            Ok(up) => Some(up).filter(|up| *up <= highest),
            Err(_) => highest.checked_sub(u128::from(n.unsigned_abs() - 1)),
        };
        let out =
            || Diagnostic::new(Code::OutOfRange, format!("{self} has no address number {n}; the last is {highest}"));
        let offset = offset.ok_or_else(out)?;
        Ok(match self.base {
            IpAddr::V4(base) => Ipv4Addr::from_bits(base.to_bits() + u32::try_from(offset).unwrap_or(0)).into(),
            IpAddr::V6(base) => Ipv6Addr::from_bits(base.to_bits() + offset).into(),
        })
    }

    /// The address with its prefix length, as a port takes it.
    ///
    /// # Errors
    /// As [`Subnet::at`].
    pub fn cidr(self, n: i64) -> Result<String> {
        Ok(format!("{}/{}", self.at(n)?, self.len))
    }

    fn split(self, len: u8) -> Result<Dynamic> {
        let bits = if self.base.is_ipv4() { 32 } else { 128 };
        if len < self.len || len > bits {
            return Err(Diagnostic::new(Code::OutOfRange, format!("{self} cannot be split into /{len}"))
                .help(format!("a length from {} to {bits} makes smaller networks", self.len)));
        }
        if len - self.len > 16 {
            return Err(Diagnostic::new(Code::OutOfRange, format!("{self} has too many /{len}; 65536 at most")));
        }
        let step = u32::from(bits - len);
        let parts = (0..1u128 << (len - self.len)).map(|i| {
            let offset = i << step;
            let base = match self.base {
                IpAddr::V4(base) => Ipv4Addr::from_bits(base.to_bits() + u32::try_from(offset).unwrap_or(0)).into(),
                IpAddr::V6(base) => Ipv6Addr::from_bits(base.to_bits() + offset).into(),
            };
            Dynamic::from(Subnet { base, len })
        });
        Ok(parts.collect::<Array>().into())
    }
}

impl std::fmt::Display for Subnet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.base, self.len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn net(text: &str) -> Subnet {
        let network = Cidr::new(text).unwrap().network();
        Subnet { base: network.addr, len: network.len }
    }

    #[test]
    fn counting() {
        let n = net("10.0.0.0/16");
        for (at, is) in [(0, "10.0.0.0/16"), (5, "10.0.0.5/16"), (-1, "10.0.255.254/16"), (-2, "10.0.255.253/16")] {
            assert_eq!(n.cidr(at).unwrap(), is);
        }
        assert_eq!(net("10.0.0.0/31").cidr(1).unwrap(), "10.0.0.1/31");
        assert_eq!(net("fd00::/64").cidr(-1).unwrap(), "fd00::ffff:ffff:ffff:ffff/64");
        assert_eq!(net("::/0").cidr(1).unwrap(), "::1/0");
        assert_eq!(
            net("10.0.0.0/30").cidr(3).unwrap_err().message,
            "10.0.0.0/30 has no address number 3; the last is 2"
        );
        assert_eq!(net("10.0.0.0/30").cidr(i64::MIN).unwrap_err().code, Code::OutOfRange);
    }
}
