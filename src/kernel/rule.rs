//! Policy rules as rtnetlink sees them.

use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL};
use netlink_packet_route::route::RouteProtocol;
use netlink_packet_route::rule::{RuleAction, RuleAttribute, RuleFlags, RuleMessage};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use serde::{Deserialize, Serialize};

use super::netlink::{Request, Socket};
use super::route::RouteKind;
use crate::diag::KernelError;
use crate::types::address::Prefix;

/// A rule to be made, as `ip rule add` takes it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RuleSpec {
    /// For IPv6; IPv4 otherwise.
    pub v6: bool,
    /// Its place: lower is asked first. The kernel takes one before the lowest otherwise, so netlab always chooses.
    pub priority: u32,
    /// The sender.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<Prefix>,
    /// The receiver.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<Prefix>,
    /// The link that the packet came in by.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub iif: Option<String>,
    /// The link that the sending socket is bound to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub oif: Option<String>,
    /// The firewall's mark.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fwmark: Option<u32>,
    /// The type of service.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tos: Option<u8>,
    /// The opposite of all that.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub not: bool,
    /// The table to look in; with another `kind` than unicast none is needed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub table: Option<u32>,
    /// What happens instead of looking in a table: blackhole, unreachable or prohibit.
    pub kind: RouteKind,
    /// Who made it (`RTPROT_*`); boot if absent. The kernel takes rules that differ in nothing else for two, and deletes the
    /// first that fits: who does not say it may hit somebody else's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub protocol: Option<u8>,
}

impl RuleSpec {
    /// The same from the kernel's own message, so that it can be sent back; `None` for one that says what this type cannot.
    pub fn read(message: &RuleMessage) -> Option<Self> {
        let header = &message.header;
        let mut spec = Self {
            v6: header.family == AddressFamily::Inet6,
            tos: (header.tos != 0).then_some(header.tos),
            not: header.flags.contains(RuleFlags::Invert),
            kind: match header.action {
                RuleAction::ToTable => RouteKind::Unicast,
                RuleAction::Blackhole => RouteKind::Blackhole,
                RuleAction::Unreachable => RouteKind::Unreachable,
                RuleAction::Prohibit => RouteKind::Prohibit,
                _ => return None,
            },
            ..Self::default()
        };
        let mut table = u32::from(header.table);
        for attribute in &message.attributes {
            match attribute {
                RuleAttribute::Priority(n) => spec.priority = *n,
                RuleAttribute::Source(addr) => spec.from = Some(Prefix { addr: *addr, len: header.src_len }),
                RuleAttribute::Destination(addr) => spec.to = Some(Prefix { addr: *addr, len: header.dst_len }),
                RuleAttribute::Iifname(name) => spec.iif = Some(name.clone()),
                RuleAttribute::Oifname(name) => spec.oif = Some(name.clone()),
                RuleAttribute::FwMark(mark) => spec.fwmark = Some(*mark),
                RuleAttribute::FwMask(u32::MAX) | RuleAttribute::SuppressPrefixLen(u32::MAX) => {}
                RuleAttribute::Table(n) => table = *n,
                RuleAttribute::Protocol(p) => {
                    spec.protocol = (*p != RouteProtocol::Boot).then(|| u8::from(*p));
                }
                // Padding and the like; from FRA_DSCP on they are selectors.
                RuleAttribute::Other(nla) if netlink_packet_core::Nla::kind(nla) < 25 => {}
                _ => return None,
            }
        }
        spec.table = (spec.kind == RouteKind::Unicast).then_some(table);
        Some(spec)
    }

    /// Whether both do the same with the same packets, whoever made them.
    pub fn is_like(&self, other: &Self) -> bool {
        let bare = |spec: &Self| Self {
            protocol: None,
            tos: spec.tos.filter(|t| *t != 0),
            fwmark: spec.fwmark.filter(|m| *m != 0),
            from: spec.from.filter(|p| p.len > 0),
            to: spec.to.filter(|p| p.len > 0),
            ..spec.clone()
        };
        bare(self) == bare(other)
    }

    fn message(&self) -> RuleMessage {
        let mut message = RuleMessage::default();
        message.header.family = if self.v6 { AddressFamily::Inet6 } else { AddressFamily::Inet };
        message.header.action = match self.kind {
            RouteKind::Blackhole => RuleAction::Blackhole,
            RouteKind::Unreachable => RuleAction::Unreachable,
            RouteKind::Prohibit => RuleAction::Prohibit,
            _ => RuleAction::ToTable,
        };
        message.header.tos = self.tos.unwrap_or(0);
        message.header.flags.set(RuleFlags::Invert, self.not);
        let attributes = &mut message.attributes;
        attributes.push(RuleAttribute::Priority(self.priority));
        attributes.push(RuleAttribute::Protocol(self.protocol.map_or(RouteProtocol::Boot, RouteProtocol::from)));
        if let Some(from) = self.from {
            message.header.src_len = from.len;
            attributes.push(RuleAttribute::Source(from.addr));
        }
        if let Some(to) = self.to {
            message.header.dst_len = to.len;
            attributes.push(RuleAttribute::Destination(to.addr));
        }
        attributes.extend(self.iif.clone().map(RuleAttribute::Iifname));
        attributes.extend(self.oif.clone().map(RuleAttribute::Oifname));
        attributes.extend(self.fwmark.map(RuleAttribute::FwMark));
        if let Some(table) = self.table {
            message.header.table = u8::try_from(table).unwrap_or(0);
            attributes.push(RuleAttribute::Table(table));
        }
        message
    }
}

/// The message that adds a rule. Without `EXCL` the same rule is added twice.
pub fn add(spec: &RuleSpec) -> Request {
    (RouteNetlinkMessage::NewRule(spec.message()), NLM_F_CREATE | NLM_F_EXCL)
}

/// The message that deletes the rule which matches all that is said.
pub fn del(spec: &RuleSpec) -> Request {
    (RouteNetlinkMessage::DelRule(spec.message()), 0)
}

/// All rules of one family in the socket's namespace.
///
/// # Errors
/// The kernel's answer.
pub fn dump(socket: &mut Socket, v6: bool) -> Result<Vec<RuleMessage>, KernelError> {
    let mut message = RuleMessage::default();
    message.header.family = if v6 { AddressFamily::Inet6 } else { AddressFamily::Inet };
    let answers = socket.dump(RouteNetlinkMessage::GetRule(message))?;
    Ok(answers
        .into_iter()
        .filter_map(|m| match m {
            RouteNetlinkMessage::NewRule(rule) => Some(rule),
            _ => None,
        })
        .collect())
}
