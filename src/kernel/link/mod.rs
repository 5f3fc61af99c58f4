//! Links as rtnetlink sees them: making, changing, deleting, listing.
//!
//! A link is made where it will live, in one message: with its ifindex (chosen by us, so that the journal can name it
//! before it exists), master, MAC, MTU and group, and a veth with its peer in the peer's namespace. Made here and moved
//! there it would cost two RCU grace periods, 20 ms each.

pub mod bridge;
pub mod kind;
pub mod told;
pub mod tunnel;

use std::os::fd::RawFd;

use netlink_packet_core::{DefaultNla, Emitable, NLM_F_CREATE, NLM_F_EXCL};
use netlink_packet_route::link::{
    InfoPortData, InfoPortKind, LinkAttribute, LinkExtentMask, LinkFlags, LinkInfo, LinkMessage,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use rtnetlink::{LinkMessageBuilder, LinkUnspec};
use serde::{Deserialize, Serialize};

use self::bridge::PortOptions;
use super::netlink::{Request, Socket};
use super::space::NetnsCookie;
use crate::diag::KernelError;
use crate::types::mac::Mac;
use crate::types::name::IfName;

/// A link, beyond doubt as long as it lives: its namespace and its ifindex there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct LinkKey {
    /// The namespace it is in.
    pub netns: NetnsCookie,
    /// Its ifindex there.
    pub index: u32,
}

/// One end of a link to be made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkEnd {
    /// The namespace it will be born in.
    pub netns: NetnsCookie,
    /// Its name.
    pub name: IfName,
    /// Its ifindex, chosen by us.
    pub index: u32,
    /// Its Ethernet address; the kernel chooses one otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mac: Option<Mac>,
    /// Its MTU in bytes; the kernel's default for the kind otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mtu: Option<u32>,
    /// The ifindex of the bridge (or bond, vrf) it belongs to, in the same namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub master: Option<u32>,
    /// The link group, by which many links are deleted with one message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<u32>,
    /// Whether it is set up.
    pub up: bool,
}

impl LinkEnd {
    /// The key that it will have.
    pub fn key(&self) -> LinkKey {
        LinkKey { netns: self.netns, index: self.index }
    }

    /// The attributes that may stand in the message that makes it. `target` is its namespace, if the message goes elsewhere.
    fn message(&self, target: Option<RawFd>) -> LinkMessageBuilder<LinkUnspec> {
        let mut message = LinkMessageBuilder::<LinkUnspec>::new().index(self.index).name(self.name.as_str());
        if let Some(mac) = self.mac {
            message = message.address(mac.bytes().to_vec());
        }
        if let Some(mtu) = self.mtu {
            message = message.mtu(mtu);
        }
        if let Some(group) = self.group {
            message = message.link_group(group);
        }
        if let Some(fd) = target {
            message = message.setns_by_fd(fd);
        }
        message
    }
}

/// The message that makes a link; `infos` says its kind, `parent` the ifindex of the link it sits on.
pub fn add(end: &LinkEnd, infos: Vec<LinkInfo>, parent: Option<u32>, target: Option<RawFd>) -> Request {
    let mut message = end.message(target);
    if let Some(master) = end.master {
        message = message.controller(master);
    }
    if let Some(parent) = parent {
        message = message.link(parent);
    }
    if end.up {
        message = message.up();
    }
    let mut message = message.build();
    message.attributes.push(LinkAttribute::LinkInfo(infos));
    (RouteNetlinkMessage::NewLink(message), NLM_F_CREATE | NLM_F_EXCL)
}

/// The peer's half of a veth message. Its master would be ignored there and IFF_UP refused (`ENOTCONN`: a veth opens only
/// when its peer is complete), so both are left out and set afterwards.
pub fn peer(end: &LinkEnd, target: Option<RawFd>) -> LinkMessage {
    end.message(target).build()
}

/// What can be changed of a link that exists; `None` leaves it alone.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkSet {
    /// Up or down.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub up: Option<bool>,
    /// The MTU in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mtu: Option<u32>,
    /// The Ethernet address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mac: Option<Mac>,
    /// A new name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<IfName>,
    /// The master's ifindex; 0 for none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub master: Option<u32>,
    /// The alias, a free text of up to 255 bytes; empty for none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alias: Option<String>,
    /// The length of the transmit queue in packets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub txqlen: Option<u32>,
    /// Promiscuous mode.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub promisc: Option<bool>,
}

/// The message that changes a link. Without `NLM_F_CREATE` a missing link is `ENODEV`.
pub fn set(index: u32, set: &LinkSet) -> Request {
    let mut message = LinkUnspec::new_with_index(index);
    message = match set.up {
        Some(true) => message.up(),
        Some(false) => message.down(),
        None => message,
    };
    if let Some(mtu) = set.mtu {
        message = message.mtu(mtu);
    }
    if let Some(mac) = set.mac {
        message = message.address(mac.bytes().to_vec());
    }
    if let Some(name) = &set.name {
        message = message.name(name.as_str());
    }
    if let Some(master) = set.master {
        message = message.controller(master);
    }
    if let Some(alias) = &set.alias {
        message = message.alias(alias.as_str());
    }
    if let Some(txqlen) = set.txqlen {
        message = message.txqueuelen(txqlen);
    }
    if let Some(promisc) = set.promisc {
        message = message.promiscuous(promisc);
    }
    (RouteNetlinkMessage::NewLink(message.build()), 0)
}

/// The message that changes options of a link's kind, as `ip link set LINK type KIND …` does.
pub fn set_kind(index: u32, infos: Vec<LinkInfo>) -> Request {
    let mut message = LinkUnspec::new_with_index(index).build();
    message.attributes.push(LinkAttribute::LinkInfo(infos));
    (RouteNetlinkMessage::NewLink(message), 0)
}

/// The message that changes a bridge port's options, as `ip link set LINK type bridge_slave …` does.
pub fn set_port(index: u32, options: &PortOptions) -> Request {
    let message = LinkUnspec::new_with_index(index)
        .set_port_kind(InfoPortKind::Bridge)
        .set_port_data(InfoPortData::BridgePort(options.attributes()))
        .build();
    (RouteNetlinkMessage::NewLink(message), 0)
}

/// The message that changes the state of a bridge port, as `bridge link set dev LINK state …` does. It has a message of its
/// own: after one to the link as such (`ip link set … type bridge_slave`) the kernel looks at the carrier again and sets a
/// port that was just disabled back to forwarding.
pub fn set_port_state(index: u32, state: u8) -> Request {
    const IFLA_PROTINFO: u16 = 12;
    const IFLA_BRPORT_STATE: u16 = 1;
    const NLA_F_NESTED: u16 = 1 << 15;
    let inner = DefaultNla::new(IFLA_BRPORT_STATE, vec![state]);
    let mut bytes = vec![0; inner.buffer_len()];
    inner.emit(&mut bytes);
    let mut message = LinkUnspec::new_with_index(index).interface_family(AddressFamily::Bridge).build();
    message.attributes.push(LinkAttribute::Other(DefaultNla::new(IFLA_PROTINFO | NLA_F_NESTED, bytes)));
    (RouteNetlinkMessage::SetLink(message), 0)
}

/// The message that moves a link to another namespace, where it gets the ifindex `new_index` and perhaps a new name.
pub fn move_to(index: u32, target: RawFd, new_index: u32, name: Option<&IfName>) -> Request {
    let mut message = LinkUnspec::new_with_index(index)
        .setns_by_fd(target)
        .append_extra_attribute(LinkAttribute::NewIfIndex(new_index as i32));
    if let Some(name) = name {
        message = message.name(name.as_str());
    }
    (RouteNetlinkMessage::NewLink(message.build()), 0)
}

/// The message that deletes a link.
pub fn del(index: u32) -> Request {
    (RouteNetlinkMessage::DelLink(LinkUnspec::new_with_index(index).build()), 0)
}

/// The message that deletes all links of a group, which waits for RCU once and not once per link.
pub fn del_group(group: u32) -> Request {
    (RouteNetlinkMessage::DelLink(LinkMessageBuilder::<LinkUnspec>::new().link_group(group).build()), 0)
}

/// All links of the socket's namespace.
///
/// # Errors
/// The kernel's answer.
pub fn dump(socket: &mut Socket) -> Result<Vec<LinkMessage>, KernelError> {
    // Statistics are most of a link's message and never looked at here.
    let mut message = LinkMessage::default();
    message.attributes.push(LinkAttribute::ExtMask(vec![LinkExtentMask::SkipStats]));
    let answers = socket.dump(RouteNetlinkMessage::GetLink(message))?;
    Ok(answers
        .into_iter()
        .filter_map(|m| match m {
            RouteNetlinkMessage::NewLink(link) => Some(link),
            _ => None,
        })
        .collect())
}

/// One link, by its ifindex.
///
/// # Errors
/// `ENODEV` if there is none.
pub fn get(socket: &mut Socket, index: u32) -> Result<LinkMessage, KernelError> {
    one(socket, LinkUnspec::new_with_index(index))
}

/// One link, by its name.
///
/// # Errors
/// `ENODEV` if there is none.
pub fn get_by_name(socket: &mut Socket, name: &str) -> Result<LinkMessage, KernelError> {
    one(socket, LinkUnspec::new_with_name(name))
}

fn one(socket: &mut Socket, question: LinkMessageBuilder<LinkUnspec>) -> Result<LinkMessage, KernelError> {
    let question = question.append_extra_attribute(LinkAttribute::ExtMask(vec![LinkExtentMask::SkipStats]));
    match socket.get(RouteNetlinkMessage::GetLink(question.build()))? {
        RouteNetlinkMessage::NewLink(link) => Ok(link),
        _ => Err(KernelError::new("RTM_GETLINK", libc::ENODEV)),
    }
}

/// Whether a link is set up, by its message's flags. The operational state lags behind.
pub fn is_up(link: &LinkMessage) -> bool {
    link.header.flags.contains(LinkFlags::Up)
}
