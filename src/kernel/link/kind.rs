//! The kinds of links that netlab makes, and how each is written into `IFLA_LINKINFO`.

use std::net::IpAddr;

use netlink_packet_route::link::{
    InfoData, InfoKind, InfoMacVlan, InfoMacVtap, InfoVeth, InfoVlan, InfoVxlan, LinkInfo, LinkMessage,
    MacVlanMacAddressMode, MacVlanMode, MacVtapMode, VlanProtocol,
};
use serde::{Deserialize, Serialize};

use super::LinkKey;
use super::bridge::BridgeOptions;
use crate::types::mac::Mac;
use crate::types::number::{VlanId, Vni};

/// A kind of link with its options.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LinkKind {
    /// A virtual cable; the other end is made with it.
    Veth,
    /// A virtual switch.
    Bridge(BridgeOptions),
    /// An 802.1Q or 802.1ad subinterface.
    Vlan {
        /// The link it sits on.
        link: LinkKey,
        /// The tag.
        id: VlanId,
        /// 802.1ad, the service tag of QinQ, instead of 802.1Q.
        #[serde(default)]
        ad: bool,
    },
    /// A VXLAN tunnel end.
    Vxlan(VxlanOptions),
    /// A link with a MAC of its own on another link.
    Macvlan {
        /// The link it sits on.
        link: LinkKey,
        /// What its siblings may do.
        mode: MacvlanMode,
        /// In `source` mode: the senders that are let in.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        macs: Vec<Mac>,
    },
    /// A macvlan whose other end is a character device, /dev/tapN.
    Macvtap {
        /// The link it sits on.
        link: LinkKey,
        /// What its siblings may do.
        mode: MacvlanMode,
    },
    /// A link that swallows what it is sent.
    Dummy,
    /// The intermediate functional block, a place for traffic control.
    Ifb,
    /// A link whose other end is a program: `tun` carries IP packets, `tap` Ethernet frames. Not made by rtnetlink.
    Tun {
        /// A `tap`, not a `tun`.
        tap: bool,
    },
}

/// The modes of macvlan and macvtap (`include/uapi/linux/if_link.h`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MacvlanMode {
    /// Siblings cannot reach each other.
    Private,
    /// Siblings reach each other through the outside switch, if it sends frames back.
    Vepa,
    /// Siblings reach each other directly.
    Bridge,
    /// The only one on its link, which it takes over.
    Passthru,
    /// Only frames from listed senders are let in.
    Source,
}

/// The options of a VXLAN link, in iproute2's words.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct VxlanOptions {
    /// The network identifier; absent with `external`.
    pub id: Option<Vni>,
    /// The source address of the tunnel.
    pub local: Option<IpAddr>,
    /// The other end's address.
    pub remote: Option<IpAddr>,
    /// The multicast group instead of one other end.
    pub group: Option<IpAddr>,
    /// The link that tunnel packets leave by.
    pub dev: Option<LinkKey>,
    /// The UDP port; 4789 is IANA's, the kernel's own default is the older 8472.
    pub dstport: Option<u16>,
    /// The TTL of tunnel packets; 0 takes the inner one's.
    pub ttl: Option<u8>,
    /// Whether senders are learned.
    pub learning: Option<bool>,
    /// Whether the destination comes with each packet (collect metadata).
    pub external: bool,
}

impl LinkKind {
    /// The kind in the kernel's word for it, as `ip -d link` shows it.
    pub fn name(&self) -> &'static str {
        match self {
            LinkKind::Veth => "veth",
            LinkKind::Bridge(_) => "bridge",
            LinkKind::Vlan { .. } => "vlan",
            LinkKind::Vxlan(_) => "vxlan",
            LinkKind::Macvlan { .. } => "macvlan",
            LinkKind::Macvtap { .. } => "macvtap",
            LinkKind::Dummy => "dummy",
            LinkKind::Ifb => "ifb",
            LinkKind::Tun { .. } => "tun",
        }
    }

    /// The link it sits on, if it sits on one.
    pub fn parent(&self) -> Option<LinkKey> {
        match self {
            LinkKind::Vlan { link, .. } | LinkKind::Macvlan { link, .. } | LinkKind::Macvtap { link, .. } => {
                Some(*link)
            }
            LinkKind::Vxlan(options) => options.dev,
            _ => None,
        }
    }

    /// The contents of `IFLA_LINKINFO`; `peer` is the other end of a veth.
    pub fn infos(&self, peer: Option<LinkMessage>) -> Vec<LinkInfo> {
        let (kind, data) = match self {
            LinkKind::Veth => (InfoKind::Veth, peer.map(|peer| InfoData::Veth(InfoVeth::Peer(peer)))),
            LinkKind::Bridge(options) => (InfoKind::Bridge, some(options.attributes(), InfoData::Bridge)),
            LinkKind::Vlan { id, ad, .. } => {
                let mut data = vec![InfoVlan::Id(id.get())];
                if *ad {
                    data.push(InfoVlan::Protocol(VlanProtocol::Ieee8021Ad));
                }
                (InfoKind::Vlan, Some(InfoData::Vlan(data)))
            }
            LinkKind::Vxlan(options) => (InfoKind::Vxlan, Some(InfoData::Vxlan(options.attributes()))),
            LinkKind::Macvlan { mode, macs, .. } => {
                let mut data = vec![InfoMacVlan::Mode(mode.macvlan())];
                if !macs.is_empty() {
                    data.push(InfoMacVlan::MacAddrMode(MacVlanMacAddressMode::Set));
                    data.push(InfoMacVlan::MacAddrData(macs.iter().map(|m| InfoMacVlan::MacAddr(m.bytes())).collect()));
                }
                (InfoKind::MacVlan, Some(InfoData::MacVlan(data)))
            }
            LinkKind::Macvtap { mode, .. } => {
                (InfoKind::MacVtap, Some(InfoData::MacVtap(vec![InfoMacVtap::Mode(mode.macvtap())])))
            }
            LinkKind::Dummy => (InfoKind::Dummy, None),
            LinkKind::Ifb => (InfoKind::Ifb, None),
            LinkKind::Tun { .. } => (InfoKind::Tun, None),
        };
        let mut infos = vec![LinkInfo::Kind(kind)];
        infos.extend(data.map(LinkInfo::Data));
        infos
    }
}

impl VxlanOptions {
    fn attributes(&self) -> Vec<InfoVxlan> {
        let mut data = Vec::new();
        data.extend(self.id.map(|id| InfoVxlan::Id(id.get())));
        data.extend(self.dev.map(|dev| InfoVxlan::Link(dev.index)));
        data.extend(self.local.map(|addr| match addr {
            IpAddr::V4(v4) => InfoVxlan::Local(v4),
            IpAddr::V6(v6) => InfoVxlan::Local6(v6),
        }));
        // One attribute serves both a single remote end and a multicast group (drivers/net/vxlan/vxlan_core.c).
        data.extend(self.remote.or(self.group).map(|addr| match addr {
            IpAddr::V4(v4) => InfoVxlan::Group(v4),
            IpAddr::V6(v6) => InfoVxlan::Group6(v6),
        }));
        data.extend(self.dstport.map(InfoVxlan::Port));
        data.extend(self.ttl.map(InfoVxlan::Ttl));
        data.extend(self.learning.map(InfoVxlan::Learning));
        if self.external {
            data.push(InfoVxlan::CollectMetadata(true));
        }
        data
    }
}

impl MacvlanMode {
    /// All modes with iproute2's word for each.
    pub const WORDS: [(&'static str, MacvlanMode); 5] = [
        ("private", MacvlanMode::Private),
        ("vepa", MacvlanMode::Vepa),
        ("bridge", MacvlanMode::Bridge),
        ("passthru", MacvlanMode::Passthru),
        ("source", MacvlanMode::Source),
    ];

    /// iproute2's word.
    pub fn word(self) -> &'static str {
        Self::WORDS.iter().find(|(_, mode)| *mode == self).map_or("bridge", |(word, _)| word)
    }

    fn macvlan(self) -> MacVlanMode {
        match self {
            MacvlanMode::Private => MacVlanMode::Private,
            MacvlanMode::Vepa => MacVlanMode::Vepa,
            MacvlanMode::Bridge => MacVlanMode::Bridge,
            MacvlanMode::Passthru => MacVlanMode::Passthrough,
            MacvlanMode::Source => MacVlanMode::Source,
        }
    }

    fn macvtap(self) -> MacVtapMode {
        match self {
            MacvlanMode::Private => MacVtapMode::Private,
            MacvlanMode::Vepa => MacVtapMode::Vepa,
            MacvlanMode::Bridge => MacVtapMode::Bridge,
            MacvlanMode::Passthru => MacVtapMode::Passthrough,
            MacvlanMode::Source => MacVtapMode::Source,
        }
    }
}

fn some<T>(attributes: Vec<T>, wrap: fn(Vec<T>) -> InfoData) -> Option<InfoData> {
    if attributes.is_empty() { None } else { Some(wrap(attributes)) }
}
