//! The policy rules of a namespace.

use netlink_packet_route::rule::{RuleAction, RuleAttribute, RuleFlags, RuleMessage};
use serde::Serialize;

use crate::diag::KernelError;
use crate::kernel::netlink::Socket;
use crate::kernel::rule;

/// One rule.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[allow(missing_docs)] // The fields of `ip -j rule`.
pub struct RuleState {
    pub family: &'static str,
    pub priority: u32,
    pub src: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dst: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub iif: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub oif: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fwmark: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub table: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub action: Option<&'static str>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub not: bool,
}

impl RuleState {
    fn new(message: &RuleMessage, v6: bool) -> Self {
        let header = &message.header;
        let mut state = Self {
            family: if v6 { "inet6" } else { "inet" },
            src: "all".into(),
            table: (header.action == RuleAction::ToTable).then_some(u32::from(header.table)),
            action: match header.action {
                RuleAction::Blackhole => Some("blackhole"),
                RuleAction::Unreachable => Some("unreachable"),
                RuleAction::Prohibit => Some("prohibit"),
                RuleAction::Nop => Some("nop"),
                RuleAction::Goto => Some("goto"),
                _ => None,
            },
            not: header.flags.contains(RuleFlags::Invert),
            ..Self::default()
        };
        for attribute in &message.attributes {
            match attribute {
                RuleAttribute::Priority(n) => state.priority = *n,
                RuleAttribute::Source(a) => state.src = format!("{a}/{}", header.src_len),
                RuleAttribute::Destination(a) => state.dst = Some(format!("{a}/{}", header.dst_len)),
                RuleAttribute::Iifname(name) => state.iif = Some(name.clone()),
                RuleAttribute::Oifname(name) => state.oif = Some(name.clone()),
                RuleAttribute::FwMark(mark) => state.fwmark = Some(*mark),
                RuleAttribute::Table(table) if header.action == RuleAction::ToTable => state.table = Some(*table),
                _ => {}
            }
        }
        state
    }
}

/// All rules of a namespace, IPv4 first.
///
/// # Errors
/// The kernel's answer.
pub fn read(socket: &mut Socket) -> Result<Vec<RuleState>, KernelError> {
    let mut rules = Vec::new();
    for v6 in [false, true] {
        rules.extend(rule::dump(socket, v6)?.iter().map(|m| RuleState::new(m, v6)));
    }
    Ok(rules)
}
