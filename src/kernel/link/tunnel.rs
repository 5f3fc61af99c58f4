//! Tunnels other than VXLAN: GRE and Geneve, with their options in iproute2's words.

use std::net::{IpAddr, Ipv4Addr};

use netlink_packet_route::link::{GreIOFlags, InfoGeneve, InfoGre};
use serde::{Deserialize, Serialize};

use super::LinkKey;
use crate::types::number::Vni;

/// The options of a GRE link (`ip_gre` of the kernel).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GreOptions {
    /// Whether it carries Ethernet frames (`gretap`), not IP packets.
    pub tap: bool,
    /// The source address of the tunnel.
    pub local: Option<Ipv4Addr>,
    /// The other end's address.
    pub remote: Option<Ipv4Addr>,
    /// The number by which tunnels between the same ends are told apart.
    pub key: Option<u32>,
    /// The TTL of tunnel packets; 0 takes the inner one's.
    pub ttl: Option<u8>,
    /// The link that tunnel packets leave by.
    pub dev: Option<LinkKey>,
}

impl GreOptions {
    pub(super) fn attributes(&self) -> Vec<InfoGre> {
        let mut data = Vec::new();
        data.extend(self.dev.map(|dev| InfoGre::Link(dev.index)));
        data.extend(self.local.map(InfoGre::Local));
        data.extend(self.remote.map(InfoGre::Remote));
        if let Some(key) = self.key {
            data.extend([
                InfoGre::IFlags(GreIOFlags::Key),
                InfoGre::OFlags(GreIOFlags::Key),
                InfoGre::IKey(key),
                InfoGre::OKey(key),
            ]);
        }
        data.extend(self.ttl.map(InfoGre::Ttl));
        data
    }
}

/// The options of a Geneve link (`drivers/net/geneve.c`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GeneveOptions {
    /// The network identifier.
    pub id: Vni,
    /// The other end's address.
    pub remote: IpAddr,
    /// The UDP port; the kernel's is IANA's 6081.
    pub dstport: Option<u16>,
    /// The TTL of tunnel packets; 0 takes the inner one's.
    pub ttl: Option<u8>,
}

impl GeneveOptions {
    pub(super) fn attributes(&self) -> Vec<InfoGeneve> {
        let mut data = vec![
            InfoGeneve::Id(self.id.get()),
            match self.remote {
                IpAddr::V4(v4) => InfoGeneve::Remote(v4),
                IpAddr::V6(v6) => InfoGeneve::Remote6(v6),
            },
        ];
        data.extend(self.dstport.map(InfoGeneve::Port));
        data.extend(self.ttl.map(InfoGeneve::Ttl));
        data
    }
}
