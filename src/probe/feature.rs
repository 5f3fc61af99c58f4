//! What this kernel can do, found by trying it in a namespace without a name, which dies with this process.
//!
//! Nothing of the machine changes by it, except that the kernel may load the module that was asked for, as for every
//! program that asks.

use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::tc::{TcAttribute, TcHandle, TcMessage};

use crate::diag::{Code, Diagnostic, KernelError, Result};
use crate::kernel::addr::{self, AddrSpec};
use crate::kernel::link::bridge::BridgeOptions;
use crate::kernel::link::kind::{BondMode, IpvlanMode, LinkKind, MacvlanMode, VxlanOptions};
use crate::kernel::link::tunnel::{GeneveOptions, GreOptions};
use crate::kernel::link::{self, LinkEnd, LinkKey};
use crate::kernel::space::{Kernel, NetnsCookie};
use crate::kernel::tun;
use crate::types::address::Cidr;
use crate::types::name::IfName;
use crate::types::number::{VlanId, Vni};

/// Something that a kernel may lack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Feature {
    /// Its name, as `needs("vlan")` takes it.
    pub name: &'static str,
    /// Whether it works; nothing if it could not be tried.
    pub works: Option<bool>,
    /// The kernel's option for it.
    pub needs: &'static str,
    /// The kernel's module, if the option is `m`.
    pub module: &'static str,
    /// The kernel's answer, if it does not work.
    pub why: Option<KernelError>,
}

impl Feature {
    /// The error for a script that needs it, unless it works. What could not be tried is given the benefit of the doubt:
    /// the step that uses it will tell.
    ///
    /// # Errors
    /// `NL0401`.
    pub fn require(&self) -> Result<()> {
        if self.works != Some(false) {
            return Ok(());
        }
        let mut error = Diagnostic::new(
            Code::NoFeature,
            format!("this kernel has no `{}` ({})", self.name, self.needs),
        )
        .help(format!(
            "load it with `sudo modprobe {}`, or use a kernel that has it; `netlab doctor` shows what works here",
            self.module
        ));
        error.kernel.clone_from(&self.why);
        Err(error)
    }
}

/// The names, the kernel's options and the modules.
const KNOWN: [(&str, &str, &str); 18] = [
    ("veth", "CONFIG_VETH", "veth"),
    ("bridge", "CONFIG_BRIDGE", "bridge"),
    ("bridge-stp", "CONFIG_STP", "stp"),
    ("bridge-vlan-filtering", "CONFIG_BRIDGE_VLAN_FILTERING", "bridge"),
    ("vlan", "CONFIG_VLAN_8021Q", "8021q"),
    ("vxlan", "CONFIG_VXLAN", "vxlan"),
    ("macvlan", "CONFIG_MACVLAN", "macvlan"),
    ("macvtap", "CONFIG_MACVTAP", "macvtap"),
    ("ipvlan", "CONFIG_IPVLAN", "ipvlan"),
    ("vrf", "CONFIG_NET_VRF", "vrf"),
    ("bond", "CONFIG_BONDING", "bonding"),
    ("gre", "CONFIG_NET_IPGRE", "ip_gre"),
    ("geneve", "CONFIG_GENEVE", "geneve"),
    ("dummy", "CONFIG_DUMMY", "dummy"),
    ("ifb", "CONFIG_IFB", "ifb"),
    ("tun", "CONFIG_TUN", "tun"),
    ("ipv6", "CONFIG_IPV6", "ipv6"),
    ("netem", "CONFIG_NET_SCH_NETEM", "sch_netem"),
];

/// The names of all features.
pub fn names() -> impl Iterator<Item = &'static str> {
    KNOWN.into_iter().map(|(name, _, _)| name)
}

/// Tries all.
pub fn features() -> Vec<Feature> {
    let mut bench = Bench::open();
    KNOWN.into_iter().map(|known| feature(&mut bench, known)).collect()
}

/// Tries one; `None` if there is no feature of that name.
pub fn has(name: &str) -> Option<Feature> {
    let known = KNOWN.into_iter().find(|(n, _, _)| *n == name)?;
    Some(feature(&mut Bench::open(), known))
}

fn feature(bench: &mut Option<Bench>, (name, needs, module): (&'static str, &'static str, &'static str)) -> Feature {
    let answer = bench.as_mut().map(|bench| bench.attempt(name));
    let (works, why) = match answer {
        None => (None, None),
        Some(Ok(())) => (Some(true), None),
        // It is the privilege that is missing, and nothing is known of the feature.
        Some(Err(e)) if matches!(e.errno, libc::EPERM | libc::EACCES) => (None, Some(e)),
        Some(Err(e)) => (Some(false), Some(e)),
    };
    Feature { name, works, needs, module, why }
}

type Answer<T = ()> = std::result::Result<T, KernelError>;

/// A namespace to try things in.
struct Bench {
    kernel: Kernel,
    netns: NetnsCookie,
    made: u32,
}

impl Bench {
    fn open() -> Option<Self> {
        let mut kernel = Kernel::open().ok()?;
        let netns = kernel.make().ok()?;
        Some(Self { kernel, netns, made: 1 })
    }

    fn attempt(&mut self, name: &str) -> Answer {
        let bridge = |options| LinkKind::Bridge(options);
        match name {
            "veth" => self.add(LinkKind::Veth),
            "bridge" => self.add(bridge(BridgeOptions::default())),
            "bridge-stp" => self.add(bridge(BridgeOptions { stp_state: Some(true), ..Default::default() })),
            "bridge-vlan-filtering" => {
                self.add(bridge(BridgeOptions { vlan_filtering: Some(true), ..Default::default() }))
            }
            "vlan" => {
                let (link, id) = (self.below()?, VlanId::new(2).map_err(|_| invalid())?);
                self.add(LinkKind::Vlan { link, id, ad: false })
            }
            "vxlan" => {
                let id = Vni::new(42).map_err(|_| invalid())?;
                self.add(LinkKind::Vxlan(VxlanOptions { id: Some(id), dstport: Some(4789), ..Default::default() }))
            }
            "macvlan" => {
                let link = self.below()?;
                self.add(LinkKind::Macvlan { link, mode: MacvlanMode::Bridge, macs: Vec::new() })
            }
            "macvtap" => {
                let link = self.below()?;
                self.add(LinkKind::Macvtap { link, mode: MacvlanMode::Bridge })
            }
            "ipvlan" => {
                let link = self.below()?;
                self.add(LinkKind::Ipvlan { link, mode: IpvlanMode::L2 })
            }
            "vrf" => self.add(LinkKind::Vrf { table: 10 }),
            "bond" => self.add(LinkKind::Bond { mode: BondMode::ActiveBackup, miimon: None }),
            "gre" => self.add(LinkKind::Gre(GreOptions { remote: Some([192, 0, 2, 1].into()), ..Default::default() })),
            "geneve" => {
                let (id, remote) = (Vni::new(42).map_err(|_| invalid())?, [192, 0, 2, 1].into());
                self.add(LinkKind::Geneve(GeneveOptions { id, remote, dstport: None, ttl: None }))
            }
            "dummy" => self.add(LinkKind::Dummy),
            "ifb" => self.add(LinkKind::Ifb),
            "tun" => self.add_tun(),
            "ipv6" => self.add_address(),
            _ => self.add_netem(),
        }
    }

    /// Makes a link. A module that is loaded for it may make links of its own in every namespace, and take the ifindex.
    fn add(&mut self, kind: LinkKind) -> Answer {
        let answer = self.add_once(&kind);
        if !answer.as_ref().is_err_and(|e| matches!(e.errno, libc::EEXIST | libc::EBUSY)) {
            return answer;
        }
        self.made += 8;
        self.add_once(&kind)
    }

    fn add_once(&mut self, kind: &LinkKind) -> Answer {
        let end = self.end()?;
        let peer = if *kind == LinkKind::Veth { Some(link::peer(&self.end()?, None)) } else { None };
        let parent = kind.parent().map(|parent| parent.index);
        let (message, flags) = link::add(&end, kind.infos(peer), parent, None);
        self.change(message, flags)
    }

    /// A link for others to sit on: the first of these kinds that this kernel has.
    fn below(&mut self) -> Answer<LinkKey> {
        self.add(LinkKind::Veth)
            .or_else(|_| self.add(LinkKind::Dummy))
            .or_else(|_| self.add(LinkKind::Bridge(BridgeOptions::default())))?;
        Ok(LinkKey { netns: self.netns, index: self.made })
    }

    fn add_tun(&mut self) -> Answer {
        let end = self.end()?;
        let fd = self.kernel.fd(self.netns).ok_or_else(invalid)?;
        tun::add(fd, &end.name, end.index, false).map_err(|e| KernelError::from_io("TUNSETIFF", &e))
    }

    fn add_address(&mut self) -> Answer {
        let cidr = Cidr::new("2001:db8::1/128").map_err(|_| invalid())?;
        let (message, flags) = addr::add(LO, &AddrSpec::new(cidr));
        self.change(message, flags)
    }

    /// Asks for a netem without its options: a kernel that has it says so (`EINVAL`), one that does not know the word is
    /// `ENOENT`.
    fn add_netem(&mut self) -> Answer {
        let mut message = TcMessage::with_index(LO as i32);
        message.header.parent = TcHandle::ROOT;
        message.attributes.push(TcAttribute::Kind("netem".into()));
        match self.change(RouteNetlinkMessage::NewQueueDiscipline(message), NLM_F_CREATE | NLM_F_EXCL) {
            Err(e) if e.errno == libc::EINVAL => Ok(()),
            other => other.map_err(|e| KernelError { request: "RTM_NEWQDISC".into(), ..e }),
        }
    }

    fn change(&mut self, message: RouteNetlinkMessage, flags: u16) -> Answer {
        self.kernel.socket(self.netns).ok_or_else(invalid)?.change(message, flags)
    }

    fn end(&mut self) -> Answer<LinkEnd> {
        self.made += 1;
        let name = IfName::new(&format!("try{}", self.made)).map_err(|_| invalid())?;
        Ok(LinkEnd {
            netns: self.netns,
            name,
            index: self.made,
            mac: None,
            mtu: None,
            master: None,
            group: None,
            up: false,
        })
    }
}

/// The ifindex of `lo` in every namespace (`LOOPBACK_IFINDEX`).
const LO: u32 = 1;

fn invalid() -> KernelError {
    KernelError::new("probe", libc::EINVAL)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_feature_names_its_option() {
        assert_eq!(has("nosuch"), None);
        let why = Some(KernelError::new("RTM_NEWLINK", libc::EOPNOTSUPP));
        let vlan = Feature { name: "vlan", works: Some(false), needs: "CONFIG_VLAN_8021Q", module: "8021q", why };
        let error = vlan.require().unwrap_err();
        assert_eq!(error.message, "this kernel has no `vlan` (CONFIG_VLAN_8021Q)");
        assert_eq!(error.code.exit_code(), 3);
        assert!(Feature { works: None, ..vlan }.require().is_ok());
    }
}
