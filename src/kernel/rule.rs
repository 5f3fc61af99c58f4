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
}

impl RuleSpec {
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
    let mut message = spec.message();
    message.attributes.push(RuleAttribute::Protocol(RouteProtocol::Boot));
    (RouteNetlinkMessage::NewRule(message), NLM_F_CREATE | NLM_F_EXCL)
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
