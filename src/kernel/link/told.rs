//! The kind of a link as the kernel tells it, fit to be made again.

use std::net::IpAddr;

use netlink_packet_route::link::BridgeStpState;
use netlink_packet_route::link::{
    InfoBond, InfoBridge, InfoData, InfoGeneve, InfoGre, InfoIpVlan, InfoKind, InfoMacVlan, InfoMacVtap, InfoVlan,
    InfoVrf, InfoVxlan, IpVlanMode, LinkAttribute, LinkInfo, LinkMessage, MacVlanMode, MacVtapMode, VlanProtocol,
};

use super::LinkKey;
use super::bridge::BridgeOptions;
use super::kind::{BondMode, IpvlanMode, LinkKind, MacvlanMode, VxlanOptions};
use super::tunnel::{GeneveOptions, GreOptions};
use crate::types::mac::Mac;
use crate::types::number::{VlanId, Vni};

/// The word for the kind of a link; empty for a card.
pub fn word(message: &LinkMessage) -> String {
    infos(message)
        .iter()
        .find_map(|i| if let LinkInfo::Kind(kind) = i { Some(kind.to_string()) } else { None })
        .unwrap_or_default()
}

/// The ifindex of the link that tunnel packets leave by.
pub fn underlay(message: &LinkMessage) -> Option<u32> {
    let index = match data(message)? {
        InfoData::Vxlan(parts) => parts.iter().find_map(|p| if let InfoVxlan::Link(i) = p { Some(*i) } else { None }),
        InfoData::GreTun(parts) | InfoData::GreTap(parts) => {
            parts.iter().find_map(|p| if let InfoGre::Link(i) = p { Some(*i) } else { None })
        }
        _ => None,
    };
    index.filter(|index| *index != 0)
}

/// The kind with what netlab knows of its options, each left out where it is the kernel's own default; `parent` is the link
/// that it sits on, or that its tunnel leaves by. `None` for kinds that netlab does not make.
pub fn read(message: &LinkMessage, parent: Option<LinkKey>) -> Option<LinkKind> {
    let kind = infos(message).iter().find_map(|i| if let LinkInfo::Kind(kind) = i { Some(kind) } else { None })?;
    Some(match (kind, data(message)) {
        (InfoKind::Veth, _) => LinkKind::Veth,
        (InfoKind::Dummy, _) => LinkKind::Dummy,
        (InfoKind::Ifb, _) => LinkKind::Ifb,
        (InfoKind::Bridge, Some(InfoData::Bridge(parts))) => LinkKind::Bridge(bridge(parts)),
        (InfoKind::Vlan, Some(InfoData::Vlan(parts))) => {
            let id = parts.iter().find_map(|p| if let InfoVlan::Id(id) = p { Some(*id) } else { None })?;
            let ad = parts.iter().any(|p| matches!(p, InfoVlan::Protocol(VlanProtocol::Ieee8021Ad)));
            LinkKind::Vlan { link: parent?, id: VlanId::new(id.into()).ok()?, ad }
        }
        (InfoKind::Vxlan, Some(InfoData::Vxlan(parts))) => LinkKind::Vxlan(vxlan(parts, parent)?),
        (InfoKind::MacVlan, Some(InfoData::MacVlan(parts))) => macvlan(parts, parent?),
        (InfoKind::MacVtap, Some(InfoData::MacVtap(parts))) => {
            let mode = parts.iter().find_map(|p| if let InfoMacVtap::Mode(mode) = p { Some(*mode) } else { None })?;
            let mode = match mode {
                MacVtapMode::Private => MacvlanMode::Private,
                MacVtapMode::Vepa => MacvlanMode::Vepa,
                MacVtapMode::Passthrough => MacvlanMode::Passthru,
                MacVtapMode::Source => MacvlanMode::Source,
                _ => MacvlanMode::Bridge,
            };
            LinkKind::Macvtap { link: parent?, mode }
        }
        (InfoKind::IpVlan, Some(InfoData::IpVlan(parts))) => {
            let mode = parts.iter().find_map(|p| if let InfoIpVlan::Mode(mode) = p { Some(*mode) } else { None })?;
            let mode = match mode {
                IpVlanMode::L3 => IpvlanMode::L3,
                IpVlanMode::L3S => IpvlanMode::L3s,
                _ => IpvlanMode::L2,
            };
            LinkKind::Ipvlan { link: parent?, mode }
        }
        (InfoKind::Vrf, Some(InfoData::Vrf(parts))) => {
            let table = parts.iter().find_map(|p| if let InfoVrf::TableId(id) = p { Some(*id) } else { None })?;
            LinkKind::Vrf { table }
        }
        (InfoKind::Bond, Some(InfoData::Bond(parts))) => {
            let number =
                parts.iter().find_map(|p| if let InfoBond::Mode(mode) = p { Some(u8::from(*mode)) } else { None })?;
            let miimon = parts.iter().find_map(|p| if let InfoBond::MiiMon(ms) = p { Some(*ms) } else { None });
            let (_, mode) = BondMode::WORDS.get(usize::from(number))?;
            LinkKind::Bond { mode: *mode, miimon: miimon.filter(|ms| *ms != 0) }
        }
        (InfoKind::GreTun, Some(InfoData::GreTun(parts))) => LinkKind::Gre(gre(parts, false, parent)),
        (InfoKind::GreTap, Some(InfoData::GreTap(parts))) => LinkKind::Gre(gre(parts, true, parent)),
        (InfoKind::Geneve, Some(InfoData::Geneve(parts))) => LinkKind::Geneve(geneve(parts)?),
        (InfoKind::Tun, _) => LinkKind::Tun { tap: is_ethernet(message) },
        _ => return None,
    })
}

/// Whether the link carries Ethernet frames (`ARPHRD_ETHER`).
fn is_ethernet(message: &LinkMessage) -> bool {
    message.header.link_layer_type == netlink_packet_route::link::LinkLayerType::Ether
}

fn infos(message: &LinkMessage) -> &[LinkInfo] {
    let infos = message.attributes.iter().find_map(|a| if let LinkAttribute::LinkInfo(i) = a { Some(i) } else { None });
    infos.map_or(&[], Vec::as_slice)
}

fn data(message: &LinkMessage) -> Option<&InfoData> {
    infos(message).iter().find_map(|i| if let LinkInfo::Data(data) = i { Some(data) } else { None })
}

fn bridge(parts: &[InfoBridge]) -> BridgeOptions {
    // What a new bridge has (net/bridge/br_device.c, `br_dev_setup`).
    let mut o = BridgeOptions::default();
    let mut on = |slot: fn(&mut BridgeOptions) -> &mut Option<bool>, value: bool, usual: bool| {
        *slot(&mut o) = Some(value).filter(|value| *value != usual);
    };
    for part in parts {
        match part {
            InfoBridge::StpState(state) => on(|o| &mut o.stp_state, *state != BridgeStpState::Disabled, false),
            InfoBridge::VlanFiltering(value) => on(|o| &mut o.vlan_filtering, *value, false),
            InfoBridge::MulticastSnooping(value) => on(|o| &mut o.mcast_snooping, *value, true),
            InfoBridge::MulticastQuerier(value) => on(|o| &mut o.mcast_querier, *value, false),
            InfoBridge::NfCallIpTables(value) => on(|o| &mut o.nf_call_iptables, *value, false),
            InfoBridge::NfCallIp6Tables(value) => on(|o| &mut o.nf_call_ip6tables, *value, false),
            InfoBridge::NfCallArpTables(value) => on(|o| &mut o.nf_call_arptables, *value, false),
            _ => {}
        }
    }
    // While the spanning tree changes, the kernel ages entries faster and tells that instead of what was set.
    let changes = parts.iter().any(|p| matches!(p, InfoBridge::TopologyChange(1)));
    for part in parts {
        match part {
            InfoBridge::VlanDefaultPvid(id) => o.vlan_default_pvid = Some(*id).filter(|id| *id != 1),
            InfoBridge::Priority(n) => o.priority = Some(*n).filter(|n| *n != 0x8000),
            InfoBridge::ForwardDelay(n) => o.forward_delay = Some(*n).filter(|n| *n != 1500),
            InfoBridge::HelloTime(n) => o.hello_time = Some(*n).filter(|n| *n != 200),
            InfoBridge::MaxAge(n) => o.max_age = Some(*n).filter(|n| *n != 2000),
            InfoBridge::AgeingTime(n) => o.ageing_time = Some(*n).filter(|n| *n != 30000 && !changes),
            InfoBridge::GroupFwdMask(n) => o.group_fwd_mask = Some(*n).filter(|n| *n != 0),
            _ => {}
        }
    }
    o
}

fn vxlan(parts: &[InfoVxlan], dev: Option<LinkKey>) -> Option<VxlanOptions> {
    let mut o = VxlanOptions { dev, ..VxlanOptions::default() };
    let mut far = None;
    for part in parts {
        match part {
            InfoVxlan::Id(id) => o.id = Some(Vni::new((*id).into()).ok()?),
            InfoVxlan::Local(a) => o.local = Some(IpAddr::V4(*a)),
            InfoVxlan::Local6(a) => o.local = Some(IpAddr::V6(*a)),
            InfoVxlan::Group(a) => far = Some(IpAddr::V4(*a)),
            InfoVxlan::Group6(a) => far = Some(IpAddr::V6(*a)),
            InfoVxlan::Port(port) => o.dstport = Some(*port),
            InfoVxlan::Ttl(ttl) => o.ttl = Some(*ttl).filter(|ttl| *ttl != 0),
            InfoVxlan::Learning(on) => o.learning = (!on).then_some(false),
            InfoVxlan::CollectMetadata(on) => o.external = *on,
            _ => {}
        }
    }
    o.id = o.id.filter(|_| !o.external);
    (o.group, o.remote) = (far.filter(IpAddr::is_multicast), far.filter(|a| !a.is_multicast()));
    Some(o)
}

fn macvlan(parts: &[InfoMacVlan], link: LinkKey) -> LinkKind {
    let (mut mode, mut macs) = (MacvlanMode::Bridge, Vec::new());
    for part in parts {
        match part {
            InfoMacVlan::Mode(word) => {
                mode = match word {
                    MacVlanMode::Private => MacvlanMode::Private,
                    MacVlanMode::Vepa => MacvlanMode::Vepa,
                    MacVlanMode::Passthrough => MacvlanMode::Passthru,
                    MacVlanMode::Source => MacvlanMode::Source,
                    _ => MacvlanMode::Bridge,
                };
            }
            InfoMacVlan::MacAddrData(list) => {
                macs = list
                    .iter()
                    .filter_map(|m| if let InfoMacVlan::MacAddr(b) = m { Mac::from_bytes(b) } else { None })
                    .collect();
            }
            _ => {}
        }
    }
    LinkKind::Macvlan { link, mode, macs }
}

fn gre(parts: &[InfoGre], tap: bool, dev: Option<LinkKey>) -> GreOptions {
    let mut o = GreOptions { tap, dev, ..GreOptions::default() };
    for part in parts {
        match part {
            InfoGre::Local(a) => o.local = Some(*a).filter(|a| !a.is_unspecified()),
            InfoGre::Remote(a) => o.remote = Some(*a).filter(|a| !a.is_unspecified()),
            InfoGre::IKey(key) => o.key = Some(*key).filter(|key| *key != 0),
            InfoGre::Ttl(ttl) => o.ttl = Some(*ttl).filter(|ttl| *ttl != 0),
            _ => {}
        }
    }
    o
}

fn geneve(parts: &[InfoGeneve]) -> Option<GeneveOptions> {
    let (mut id, mut remote, mut dstport, mut ttl) = (None, None, None, None);
    for part in parts {
        match part {
            InfoGeneve::Id(n) => id = Some(Vni::new((*n).into()).ok()?),
            InfoGeneve::Remote(a) => remote = Some(IpAddr::V4(*a)),
            InfoGeneve::Remote6(a) => remote = Some(IpAddr::V6(*a)),
            InfoGeneve::Port(port) => dstport = Some(*port).filter(|port| *port != 6081),
            InfoGeneve::Ttl(n) => ttl = Some(*n).filter(|n| *n != 0),
            _ => {}
        }
    }
    Some(GeneveOptions { id: id?, remote: remote?, dstport, ttl })
}
