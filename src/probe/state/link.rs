//! The links of a namespace.

use netlink_packet_route::link::{
    BridgeStpState, InfoBridge, InfoBridgePort, InfoData, InfoMacVlan, InfoMacVtap, InfoPortData, InfoVlan, InfoVxlan,
    LinkAttribute, LinkFlags, LinkInfo, LinkMessage, MacVlanMode, MacVtapMode, State, VlanProtocol,
};
use serde::Serialize;
use serde_json::{Map, Value};

use super::{Names, name_of};
use crate::diag::KernelError;
use crate::kernel::link;
use crate::kernel::netlink::Socket;
use crate::types::mac::Mac;

/// One link.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[allow(missing_docs)] // The fields of `ip -j -d link`.
pub struct LinkState {
    pub ifindex: u32,
    pub ifname: String,
    pub flags: Vec<&'static str>,
    pub mtu: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub master: Option<String>,
    pub operstate: &'static str,
    pub group: u32,
    pub txqlen: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<Mac>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ifalias: Option<String>,
    /// The ifindex of the peer of a veth or of the link that this one sits on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub link_index: Option<u32>,
    /// The same by name, if it is in this namespace.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub link: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub link_netnsid: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub linkinfo: Option<Info>,
    #[serde(skip)]
    pub master_index: Option<u32>,
    #[serde(skip)]
    pub up: bool,
    #[serde(skip)]
    pub loopback: bool,
    #[serde(skip)]
    pub promisc: bool,
}

/// What is special to the kind of a link.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[allow(missing_docs)] // The fields of `ip -j -d link`.
pub struct Info {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub info_kind: Option<String>,
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub info_data: Map<String, Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub info_slave_kind: Option<String>,
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub info_slave_data: Map<String, Value>,
}

impl LinkState {
    /// The kind, as `ip -d link` shows it; empty for a plain card.
    pub fn kind(&self) -> &str {
        self.linkinfo.as_ref().and_then(|i| i.info_kind.as_deref()).unwrap_or_default()
    }

    /// Whether it is a port of a bridge.
    pub fn is_bridge_port(&self) -> bool {
        self.linkinfo.as_ref().and_then(|i| i.info_slave_kind.as_deref()) == Some("bridge")
    }

    /// Reads one link's message; names of other links are filled in by [`read`].
    pub fn new(message: &LinkMessage) -> Self {
        let flags = message.header.flags;
        let mut state = Self {
            ifindex: message.header.index,
            flags: words(flags),
            up: flags.contains(LinkFlags::Up),
            loopback: flags.contains(LinkFlags::Loopback),
            promisc: flags.contains(LinkFlags::Promisc),
            operstate: "UNKNOWN",
            ..Self::default()
        };
        for attribute in &message.attributes {
            match attribute {
                LinkAttribute::IfName(name) => state.ifname.clone_from(name),
                LinkAttribute::Mtu(mtu) => state.mtu = *mtu,
                LinkAttribute::Controller(index) => state.master_index = Some(*index),
                LinkAttribute::OperState(oper) => state.operstate = oper_word(*oper),
                LinkAttribute::Group(group) => state.group = *group,
                LinkAttribute::TxQueueLen(length) => state.txqlen = *length,
                LinkAttribute::Address(bytes) => state.address = Mac::from_bytes(bytes),
                LinkAttribute::IfAlias(alias) => state.ifalias = Some(alias.clone()),
                LinkAttribute::Link(index) if *index != 0 => state.link_index = Some(*index),
                LinkAttribute::LinkNetNsId(id) => state.link_netnsid = Some(*id),
                LinkAttribute::LinkInfo(infos) => state.linkinfo = Some(info(infos)),
                _ => {}
            }
        }
        state
    }

    fn name_others(&mut self, names: &Names) {
        self.master = self.master_index.map(|index| name_of(names, index));
        if self.link_netnsid.is_none() {
            self.link = self.link_index.map(|index| name_of(names, index));
        }
    }
}

/// All links of a namespace, by ifindex.
///
/// # Errors
/// The kernel's answer.
pub fn read(socket: &mut Socket) -> Result<Vec<LinkState>, KernelError> {
    let mut links: Vec<LinkState> = link::dump(socket)?.iter().map(LinkState::new).collect();
    let names = names(&links);
    for link in &mut links {
        link.name_others(&names);
    }
    links.sort_by_key(|l| l.ifindex);
    Ok(links)
}

/// The names by ifindex.
pub fn names(links: &[LinkState]) -> Names {
    links.iter().map(|l| (l.ifindex, l.ifname.clone())).collect()
}

fn words(flags: LinkFlags) -> Vec<&'static str> {
    // Not a flag of its own: up, but nothing at the other end.
    let no_carrier = flags.contains(LinkFlags::Up) && !flags.contains(LinkFlags::Running);
    let flags_of = [
        (LinkFlags::Loopback, "LOOPBACK"),
        (LinkFlags::Broadcast, "BROADCAST"),
        (LinkFlags::Pointopoint, "POINTOPOINT"),
        (LinkFlags::Multicast, "MULTICAST"),
        (LinkFlags::Noarp, "NOARP"),
        (LinkFlags::Allmulti, "ALLMULTI"),
        (LinkFlags::Promisc, "PROMISC"),
        (LinkFlags::Up, "UP"),
        (LinkFlags::LowerUp, "LOWER_UP"),
    ]
    .into_iter()
    .filter(|(flag, _)| flags.contains(*flag))
    .map(|(_, word)| word);
    no_carrier.then_some("NO-CARRIER").into_iter().chain(flags_of).collect()
}

fn oper_word(state: State) -> &'static str {
    match state {
        State::Up => "UP",
        State::Down => "DOWN",
        State::LowerLayerDown => "LOWERLAYERDOWN",
        State::Dormant => "DORMANT",
        State::Testing => "TESTING",
        State::NotPresent => "NOTPRESENT",
        _ => "UNKNOWN",
    }
}

fn info(infos: &[LinkInfo]) -> Info {
    let mut info = Info::default();
    for part in infos {
        match part {
            LinkInfo::Kind(kind) => info.info_kind = Some(kind.to_string()),
            LinkInfo::Data(data) => info.info_data = data_of(data),
            LinkInfo::PortKind(kind) => info.info_slave_kind = Some(kind.to_string()),
            LinkInfo::PortData(InfoPortData::BridgePort(port)) => info.info_slave_data = port_data(port),
            _ => {}
        }
    }
    info
}

fn data_of(data: &InfoData) -> Map<String, Value> {
    let mut map = Map::new();
    let mut put = |key: &str, value: Value| map.insert(key.into(), value);
    match data {
        InfoData::Vlan(parts) => {
            for part in parts {
                match part {
                    InfoVlan::Id(id) => put("id", (*id).into()),
                    InfoVlan::Protocol(p) => {
                        put("protocol", if *p == VlanProtocol::Ieee8021Ad { "802.1ad" } else { "802.1Q" }.into())
                    }
                    _ => None,
                };
            }
        }
        InfoData::Vxlan(parts) => {
            for part in parts {
                match part {
                    InfoVxlan::Id(id) => put("id", (*id).into()),
                    InfoVxlan::Local(a) => put("local", a.to_string().into()),
                    InfoVxlan::Local6(a) => put("local6", a.to_string().into()),
                    InfoVxlan::Group(a) if a.is_multicast() => put("group", a.to_string().into()),
                    InfoVxlan::Group(a) => put("remote", a.to_string().into()),
                    InfoVxlan::Group6(a) if a.is_multicast() => put("group6", a.to_string().into()),
                    InfoVxlan::Group6(a) => put("remote6", a.to_string().into()),
                    InfoVxlan::Port(port) => put("port", (*port).into()),
                    InfoVxlan::Ttl(ttl) => put("ttl", (*ttl).into()),
                    InfoVxlan::Learning(on) => put("learning", (*on).into()),
                    InfoVxlan::CollectMetadata(on) => put("external", (*on).into()),
                    _ => None,
                };
            }
        }
        InfoData::Bridge(parts) => {
            for part in parts {
                match part {
                    InfoBridge::StpState(s) => put("stp_state", i64::from(*s != BridgeStpState::Disabled).into()),
                    InfoBridge::VlanFiltering(on) => put("vlan_filtering", i64::from(*on).into()),
                    InfoBridge::VlanDefaultPvid(id) => put("vlan_default_pvid", (*id).into()),
                    InfoBridge::ForwardDelay(n) => put("forward_delay", (*n).into()),
                    InfoBridge::HelloTime(n) => put("hello_time", (*n).into()),
                    InfoBridge::MaxAge(n) => put("max_age", (*n).into()),
                    InfoBridge::AgeingTime(n) => put("ageing_time", (*n).into()),
                    InfoBridge::Priority(n) => put("priority", (*n).into()),
                    InfoBridge::GroupFwdMask(n) => put("group_fwd_mask", (*n).into()),
                    InfoBridge::MulticastSnooping(on) => put("mcast_snooping", i64::from(*on).into()),
                    InfoBridge::MulticastQuerier(on) => put("mcast_querier", i64::from(*on).into()),
                    InfoBridge::NfCallIpTables(on) => put("nf_call_iptables", i64::from(*on).into()),
                    InfoBridge::NfCallIp6Tables(on) => put("nf_call_ip6tables", i64::from(*on).into()),
                    InfoBridge::NfCallArpTables(on) => put("nf_call_arptables", i64::from(*on).into()),
                    _ => None,
                };
            }
        }
        InfoData::MacVlan(parts) => {
            for part in parts {
                match part {
                    InfoMacVlan::Mode(mode) => put("mode", macvlan_word(*mode).into()),
                    InfoMacVlan::MacAddrData(macs) if !macs.is_empty() => {
                        let macs = macs.iter().filter_map(|m| match m {
                            InfoMacVlan::MacAddr(bytes) => Mac::from_bytes(bytes).map(|m| m.to_string().into()),
                            _ => None,
                        });
                        put("macaddr_data", Value::Array(macs.collect()))
                    }
                    _ => None,
                };
            }
        }
        InfoData::MacVtap(parts) => {
            for part in parts {
                if let InfoMacVtap::Mode(mode) = part {
                    put("mode", macvtap_word(*mode).into());
                }
            }
        }
        _ => {}
    }
    map
}

fn port_data(parts: &[InfoBridgePort]) -> Map<String, Value> {
    let mut map = Map::new();
    let mut put = |key: &str, value: Value| map.insert(key.into(), value);
    for part in parts {
        match part {
            InfoBridgePort::State(state) => {
                let word = ["disabled", "listening", "learning", "forwarding", "blocking"];
                put("state", word.get(usize::from(u8::from(*state))).copied().unwrap_or("unknown").into())
            }
            InfoBridgePort::Priority(n) => put("priority", (*n).into()),
            InfoBridgePort::Cost(n) => put("cost", (*n).into()),
            InfoBridgePort::HairpinMode(on) => put("hairpin", (*on).into()),
            InfoBridgePort::Guard(on) => put("guard", (*on).into()),
            InfoBridgePort::Protect(on) => put("root_block", (*on).into()),
            InfoBridgePort::FastLeave(on) => put("fastleave", (*on).into()),
            InfoBridgePort::Learning(on) => put("learning", (*on).into()),
            InfoBridgePort::UnicastFlood(on) => put("flood", (*on).into()),
            InfoBridgePort::MulticastFlood(on) => put("mcast_flood", (*on).into()),
            InfoBridgePort::BroadcastFlood(on) => put("bcast_flood", (*on).into()),
            InfoBridgePort::NeighSupress(on) => put("neigh_suppress", (*on).into()),
            InfoBridgePort::Isolated(on) => put("isolated", (*on).into()),
            InfoBridgePort::Locked(on) => put("locked", (*on).into()),
            _ => None,
        };
    }
    map
}

fn macvlan_word(mode: MacVlanMode) -> &'static str {
    match mode {
        MacVlanMode::Private => "private",
        MacVlanMode::Vepa => "vepa",
        MacVlanMode::Passthrough => "passthru",
        MacVlanMode::Source => "source",
        _ => "bridge",
    }
}

fn macvtap_word(mode: MacVtapMode) -> &'static str {
    match mode {
        MacVtapMode::Private => "private",
        MacVtapMode::Vepa => "vepa",
        MacVtapMode::Passthrough => "passthru",
        MacVtapMode::Source => "source",
        _ => "bridge",
    }
}
