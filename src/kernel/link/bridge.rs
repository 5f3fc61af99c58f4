//! Options of bridges and of their ports, and the VLANs of a port, in iproute2's words.

use netlink_packet_route::link::{
    AfSpecBridge, BridgeStpState, BridgeVlanInfo, BridgeVlanInfoFlags, InfoBridge, InfoBridgePort, LinkAttribute,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use rtnetlink::LinkUnspec;
use serde::{Deserialize, Serialize};

use super::super::netlink::Request;
use crate::types::number::VlanId;

/// What `ip link add … type bridge` takes. Times are in hundredths of a second, as in `ip -d link`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[allow(missing_docs)] // Each is documented by its word in ip-link(8).
pub struct BridgeOptions {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stp_state: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vlan_filtering: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vlan_default_pvid: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub priority: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub forward_delay: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hello_time: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_age: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ageing_time: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group_fwd_mask: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mcast_snooping: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mcast_querier: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nf_call_iptables: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nf_call_ip6tables: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nf_call_arptables: Option<bool>,
}

impl BridgeOptions {
    /// The same as netlink attributes, in the order in which the kernel applies them.
    pub fn attributes(&self) -> Vec<InfoBridge> {
        let mut data = Vec::new();
        data.extend(self.forward_delay.map(InfoBridge::ForwardDelay));
        data.extend(self.hello_time.map(InfoBridge::HelloTime));
        data.extend(self.max_age.map(InfoBridge::MaxAge));
        data.extend(self.ageing_time.map(InfoBridge::AgeingTime));
        data.extend(
            self.stp_state
                .map(|on| InfoBridge::StpState(if on { BridgeStpState::KernelStp } else { BridgeStpState::Disabled })),
        );
        data.extend(self.priority.map(InfoBridge::Priority));
        data.extend(self.vlan_filtering.map(InfoBridge::VlanFiltering));
        data.extend(self.vlan_default_pvid.map(InfoBridge::VlanDefaultPvid));
        data.extend(self.group_fwd_mask.map(InfoBridge::GroupFwdMask));
        data.extend(self.mcast_snooping.map(InfoBridge::MulticastSnooping));
        data.extend(self.mcast_querier.map(InfoBridge::MulticastQuerier));
        data.extend(self.nf_call_iptables.map(InfoBridge::NfCallIpTables));
        data.extend(self.nf_call_ip6tables.map(InfoBridge::NfCallIp6Tables));
        data.extend(self.nf_call_arptables.map(InfoBridge::NfCallArpTables));
        data
    }
}

/// What `bridge link set dev PORT` takes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[allow(missing_docs)] // Each is documented by its word in bridge(8).
pub struct PortOptions {
    /// 0 disabled, 1 listening, 2 learning, 3 forwarding, 4 blocking.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub priority: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cost: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hairpin: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub guard: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub root_block: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fastleave: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub learning: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub flood: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mcast_flood: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bcast_flood: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub isolated: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub neigh_suppress: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub locked: Option<bool>,
}

impl PortOptions {
    /// The states of a port by their numbers.
    pub const STATES: [&'static str; 5] = ["disabled", "listening", "learning", "forwarding", "blocking"];

    /// Whether nothing is asked for.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The same as netlink attributes; `state` has a message of its own.
    pub fn attributes(&self) -> Vec<InfoBridgePort> {
        let mut data = Vec::new();
        data.extend(self.priority.map(InfoBridgePort::Priority));
        data.extend(self.cost.map(InfoBridgePort::Cost));
        data.extend(self.hairpin.map(InfoBridgePort::HairpinMode));
        data.extend(self.guard.map(InfoBridgePort::Guard));
        data.extend(self.root_block.map(InfoBridgePort::Protect));
        data.extend(self.fastleave.map(InfoBridgePort::FastLeave));
        data.extend(self.learning.map(InfoBridgePort::Learning));
        data.extend(self.flood.map(InfoBridgePort::UnicastFlood));
        data.extend(self.mcast_flood.map(InfoBridgePort::MulticastFlood));
        data.extend(self.bcast_flood.map(InfoBridgePort::BroadcastFlood));
        data.extend(self.isolated.map(InfoBridgePort::Isolated));
        data.extend(self.neigh_suppress.map(InfoBridgePort::NeighSupress));
        data.extend(self.locked.map(InfoBridgePort::Locked));
        data
    }
}

/// One VLAN of a bridge port (`bridge vlan`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct PortVlan {
    /// The VLAN.
    pub vid: VlanId,
    /// Untagged frames that come in belong to it.
    pub pvid: bool,
    /// Frames that go out lose their tag.
    pub untagged: bool,
}

/// The message that adds a VLAN to a port; with `own` to the bridge itself.
pub fn vlan_add(index: u32, vlan: PortVlan, own: bool) -> Request {
    (RouteNetlinkMessage::SetLink(vlan_message(index, vlan, own)), 0)
}

/// The message that takes a VLAN from a port; with `own` from the bridge itself.
pub fn vlan_del(index: u32, vlan: PortVlan, own: bool) -> Request {
    (RouteNetlinkMessage::DelLink(vlan_message(index, vlan, own)), 0)
}

fn vlan_message(index: u32, vlan: PortVlan, own: bool) -> netlink_packet_route::link::LinkMessage {
    let mut flags = BridgeVlanInfoFlags::empty();
    flags.set(BridgeVlanInfoFlags::Pvid, vlan.pvid);
    flags.set(BridgeVlanInfoFlags::Untagged, vlan.untagged);
    let mut message = LinkUnspec::new_with_index(index).interface_family(AddressFamily::Bridge).build();
    let mut spec = Vec::new();
    if own {
        // BRIDGE_FLAGS_SELF: the bridge's own VLANs, not a port's.
        spec.push(AfSpecBridge::Flags(netlink_packet_route::link::BridgeFlag::LowerDev));
    }
    spec.push(AfSpecBridge::VlanInfo(BridgeVlanInfo { flags, vid: vlan.vid.get() }));
    message.attributes.push(LinkAttribute::AfSpecBridge(spec));
    message
}
