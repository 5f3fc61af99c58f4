//! The kinds of links that netlab makes, and how each is written into `IFLA_LINKINFO`.

use std::net::IpAddr;

use netlink_packet_route::link::{
    BondMode as KernelBondMode, InfoBond, InfoData, InfoIpVlan, InfoKind, InfoMacVlan, InfoMacVtap, InfoVeth, InfoVlan,
    InfoVrf, InfoVxlan, IpVlanMode, LinkInfo, LinkMessage, MacVlanMacAddressMode, MacVlanMode, MacVtapMode,
    VlanProtocol,
};
use serde::{Deserialize, Serialize};

use super::LinkKey;
use super::bridge::BridgeOptions;
use super::tunnel::{GeneveOptions, GreOptions};
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
    /// A link that shares the MAC of the link that it sits on, told apart by its addresses.
    Ipvlan {
        /// The link it sits on.
        link: LinkKey,
        /// Where its packets are told apart.
        mode: IpvlanMode,
    },
    /// A routing domain: its ports have a table of routes of their own.
    Vrf {
        /// The table.
        table: u32,
    },
    /// Several links as one.
    Bond {
        /// How they share the work.
        mode: BondMode,
        /// How often their carriers are looked at, in milliseconds.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        miimon: Option<u32>,
    },
    /// An end of a GRE tunnel.
    Gre(GreOptions),
    /// An end of a Geneve tunnel.
    Geneve(GeneveOptions),
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

/// The modes of ipvlan (`include/uapi/linux/if_link.h`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IpvlanMode {
    /// As on a switch, by addresses.
    L2,
    /// As behind a router that answers no ARP: no broadcasts.
    L3,
    /// The same, with the firewall of the namespace below.
    L3s,
}

impl IpvlanMode {
    /// All modes with iproute2's word for each.
    pub const WORDS: [(&'static str, IpvlanMode); 3] =
        [("l2", IpvlanMode::L2), ("l3", IpvlanMode::L3), ("l3s", IpvlanMode::L3s)];

    /// iproute2's word.
    pub fn word(self) -> &'static str {
        word(&Self::WORDS, self)
    }
}

/// The modes of a bond (Documentation/networking/bonding.rst).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BondMode {
    /// Each packet by the next link.
    BalanceRr,
    /// One link at a time.
    ActiveBackup,
    /// By a hash of the addresses.
    BalanceXor,
    /// Each packet by all links.
    Broadcast,
    /// As agreed with the other side by LACP.
    Lacp,
    /// By the load of the links, outgoing.
    BalanceTlb,
    /// By the load of the links, both ways.
    BalanceAlb,
}

impl BondMode {
    /// All modes with iproute2's word for each.
    pub const WORDS: [(&'static str, BondMode); 7] = [
        ("balance-rr", BondMode::BalanceRr),
        ("active-backup", BondMode::ActiveBackup),
        ("balance-xor", BondMode::BalanceXor),
        ("broadcast", BondMode::Broadcast),
        ("802.3ad", BondMode::Lacp),
        ("balance-tlb", BondMode::BalanceTlb),
        ("balance-alb", BondMode::BalanceAlb),
    ];

    /// iproute2's word.
    pub fn word(self) -> &'static str {
        word(&Self::WORDS, self)
    }

    /// The kernel's number for it, which is its place among the words.
    fn kernel(self) -> KernelBondMode {
        let number = Self::WORDS.iter().position(|(_, mode)| *mode == self).unwrap_or_default();
        KernelBondMode::from(u8::try_from(number).unwrap_or_default())
    }
}

fn word<T: Copy + PartialEq>(words: &[(&'static str, T)], wanted: T) -> &'static str {
    words.iter().find(|(_, one)| *one == wanted).map_or("", |(word, _)| word)
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
            LinkKind::Ipvlan { .. } => "ipvlan",
            LinkKind::Vrf { .. } => "vrf",
            LinkKind::Bond { .. } => "bond",
            LinkKind::Gre(options) if options.tap => "gretap",
            LinkKind::Gre(_) => "gre",
            LinkKind::Geneve(_) => "geneve",
            LinkKind::Dummy => "dummy",
            LinkKind::Ifb => "ifb",
            LinkKind::Tun { .. } => "tun",
        }
    }

    /// The link it sits on, if it sits on one.
    pub fn parent(&self) -> Option<LinkKey> {
        match self {
            LinkKind::Vlan { link, .. }
            | LinkKind::Macvlan { link, .. }
            | LinkKind::Macvtap { link, .. }
            | LinkKind::Ipvlan { link, .. } => Some(*link),
            LinkKind::Vxlan(options) => options.dev,
            LinkKind::Gre(options) => options.dev,
            _ => None,
        }
    }

    /// Whether the link that it sits on is named among its own options, and not in the message.
    pub fn names_parent_itself(&self) -> bool {
        matches!(self, LinkKind::Vxlan(_) | LinkKind::Gre(_))
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
            LinkKind::Ipvlan { mode, .. } => {
                let mode = match mode {
                    IpvlanMode::L2 => IpVlanMode::L2,
                    IpvlanMode::L3 => IpVlanMode::L3,
                    IpvlanMode::L3s => IpVlanMode::L3S,
                };
                (InfoKind::IpVlan, Some(InfoData::IpVlan(vec![InfoIpVlan::Mode(mode)])))
            }
            LinkKind::Vrf { table } => (InfoKind::Vrf, Some(InfoData::Vrf(vec![InfoVrf::TableId(*table)]))),
            LinkKind::Bond { mode, miimon } => {
                let mut data = vec![InfoBond::Mode(mode.kernel())];
                data.extend(miimon.map(InfoBond::MiiMon));
                (InfoKind::Bond, Some(InfoData::Bond(data)))
            }
            LinkKind::Gre(options) if options.tap => (InfoKind::GreTap, Some(InfoData::GreTap(options.attributes()))),
            LinkKind::Gre(options) => (InfoKind::GreTun, Some(InfoData::GreTun(options.attributes()))),
            LinkKind::Geneve(options) => (InfoKind::Geneve, Some(InfoData::Geneve(options.attributes()))),
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
        word(&Self::WORDS, self)
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
