//! A link is made, in its place: with its ends, addresses, master and port options, and a veth with its peer.

use serde::{Deserialize, Serialize};

use super::addr::{self, AddrAdd};
use super::text::{Names, dev};
use super::{After, Change, Context, Failure, Subject, Undone, failed};
use super::{link_words, port};
use crate::diag::{Code, Diagnostic, KernelError, Result};
use crate::kernel::addr::AddrSpec;
use crate::kernel::link::bridge::{BridgeOptions, PortOptions, PortVlan};
use crate::kernel::link::kind::LinkKind;
use crate::kernel::link::{self, LinkEnd, LinkKey, LinkSet};
use crate::kernel::netlink::Request;
use crate::kernel::space::NetnsCookie;
use crate::kernel::tun;
use crate::probe::state::link::LinkState;
use crate::snapshot::scope::Touch;
use crate::types::name::IfName;

/// A link is made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkAdd {
    /// Its kind and options.
    pub kind: LinkKind,
    /// The link.
    pub end: NewEnd,
    /// The other end of a veth.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peer: Option<Box<NewEnd>>,
}

/// One end with all that is set on it at once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewEnd {
    /// The link itself.
    #[serde(flatten)]
    pub link: LinkEnd,
    /// Its addresses.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub addrs: Vec<AddrSpec>,
    /// Its options as a port of its bridge.
    #[serde(default, skip_serializing_if = "PortOptions::is_empty")]
    pub port: PortOptions,
    /// Its VLANs as a port of its bridge; if any are given, the bridge's default one is taken away.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub vlans: Vec<PortVlan>,
    /// The master's name, for the text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub master_name: Option<String>,
}

impl LinkAdd {
    /// The end that is the main half of the message, then the peer.
    pub fn ends(&self) -> impl Iterator<Item = &NewEnd> {
        std::iter::once(&self.end).chain(self.peer.as_deref())
    }

    /// What can stand for it in a plan, on a kernel that cannot make it: the same without what few kernels have, and at last a
    /// wire of its name to `far`.
    pub fn stand_ins(&self, far: LinkKey) -> [Self; 2] {
        let plain = |end: &NewEnd| NewEnd { port: PortOptions::default(), vlans: Vec::new(), ..end.clone() };
        let (end, peer) = (plain(&self.end), self.peer.as_ref().map(|peer| Box::new(plain(peer))));
        let kind = match &self.kind {
            LinkKind::Bridge(_) => LinkKind::Bridge(BridgeOptions::default()),
            kind => kind.clone(),
        };
        let far_end = LinkEnd {
            netns: far.netns,
            name: IfName::placeholder(far.index),
            index: far.index,
            mac: None,
            mtu: self.end.link.mtu,
            master: None,
            group: None,
            up: true,
        };
        let far_end = NewEnd {
            link: far_end,
            addrs: Vec::new(),
            port: PortOptions::default(),
            vlans: Vec::new(),
            master_name: None,
        };
        let wire = Self { kind: LinkKind::Veth, end: end.clone(), peer: Some(Box::new(far_end)) };
        [Self { kind, end, peer }, wire]
    }

    /// The same link as it would be made now; an ifindex or a name that something else took in the meantime is an error.
    fn request(&self, ctx: &Context<'_>) -> Request {
        let own = self.end.link.netns;
        // The kernel looks the parent up in the namespace of the socket, so the message goes there.
        let via = self.kind.parent().map_or(own, |parent| parent.netns);
        let peer = self.peer.as_ref().map(|p| link::peer(&p.link, ctx.kernel.target(via, p.link.netns)));
        let parent = match self.kind {
            _ if self.kind.names_parent_itself() => None,
            _ => self.kind.parent().map(|p| p.index),
        };
        link::add(&self.end.link, self.kind.infos(peer), parent, ctx.kernel.target(via, own))
    }
}

impl Change for LinkAdd {
    fn apply(&self, ctx: &mut Context<'_>) -> std::result::Result<After, Failure> {
        for end in self.ends() {
            ctx.socket(end.link.netns).map_err(Failure::clean)?;
        }
        let own = self.end.link.netns;
        let via = self.kind.parent().map_or(own, |parent| parent.netns);
        if let LinkKind::Tun { tap } = self.kind {
            add_tun(self, tap, ctx)?;
        } else {
            let (message, flags) = self.request(ctx);
            let socket = ctx.socket(via).map_err(Failure::clean)?;
            socket.change(message, flags).map_err(|e| Failure::clean(explain(self, e)))?;
        }
        for (end, is_peer) in self.ends().zip([false, true]) {
            let made_bare = matches!(self.kind, LinkKind::Tun { .. });
            let steps = follow(end, is_peer || made_bare, made_bare);
            let (requests, texts): (Vec<Request>, Vec<Step<'_>>) = steps.into_iter().unzip();
            let socket = ctx.socket(end.link.netns).map_err(Failure::partial)?;
            socket.change_all(requests).map_err(|(i, e)| Failure::partial(explain_step(end, texts.get(i), e)))?;
        }
        Ok(After::Nothing)
    }

    fn touches(&self, _ctx: &mut Context<'_>) -> Result<Vec<Touch>> {
        // A bridge takes the lowest MAC and the smallest MTU of its ports: with the one it forgets its neighbours, and with an
        // MTU below 1280 its IPv6.
        let masters = self.ends().filter_map(|end| Some(LinkKey { netns: end.link.netns, index: end.link.master? }));
        Ok(masters.map(|key| Touch::Link(key, Vec::new())).collect())
    }

    fn undo(&self, _after: &After, ctx: &mut Context<'_>) -> Result<Undone> {
        // Either end takes the other with it; a namespace that is gone took its own along.
        for end in self.ends() {
            if !ctx.exists(end.link.netns) {
                continue;
            }
            match super::link_del::delete(end.link.key(), end.link.name.as_str(), self.kind.name(), ctx)? {
                Undone::Already => continue,
                other => return Ok(other),
            }
        }
        Ok(Undone::Already)
    }

    fn subject(&self) -> Subject {
        Subject::MakesLink(self.end.link.key())
    }

    fn places(&self) -> Vec<NetnsCookie> {
        self.ends().map(|end| end.link.netns).chain(self.kind.parent().map(|parent| parent.netns)).collect()
    }

    fn needs(&self) -> Vec<&'static str> {
        let mut needs = vec![match self.kind.name() {
            "gretap" => "gre",
            kind => kind,
        }];
        if let LinkKind::Bridge(options) = &self.kind {
            needs.extend(port::needs(options));
        }
        for end in self.ends() {
            needs.extend((!end.vlans.is_empty()).then_some("bridge-vlan-filtering"));
            needs.extend(end.addrs.iter().any(|a| a.addr.addr().is_ipv6()).then_some("ipv6"));
        }
        needs
    }

    fn ip(&self, names: &Names) -> Vec<String> {
        link_words::ip(self, names)
    }

    fn by_hand(&self, names: &Names) -> Vec<String> {
        vec![format!("{} link del {}", names.ip(self.end.link.netns), dev(self.end.link.name.as_str()))]
    }

    fn rhai(&self, names: &Names) -> String {
        link_words::rhai(self, names)
    }
}

/// What one of the requests after the first was for.
enum Step<'a> {
    Addr(&'a AddrSpec),
    Other(&'static str),
}

/// The requests that finish an end; master and `up` are `late` where the making message could not take them, and one that
/// was `made_bare`, by no message at all, lacks its MAC and MTU as well.
fn follow(end: &NewEnd, late: bool, made_bare: bool) -> Vec<(Request, Step<'_>)> {
    let index = end.link.index;
    let mut steps = Vec::new();
    if late && let Some(master) = end.link.master {
        let set = LinkSet { master: Some(master), ..LinkSet::default() };
        steps.push((link::set(index, &set), Step::Other("attach to its master")));
    }
    if made_bare {
        let set = LinkSet { mac: end.link.mac, mtu: end.link.mtu, ..LinkSet::default() };
        if set != LinkSet::default() {
            steps.push((link::set(index, &set), Step::Other("set the MAC or MTU of")));
        }
    }
    if !end.port.is_empty() {
        steps.extend(port::requests(index, &end.port).into_iter().map(|r| (r, Step::Other("set the port options of"))));
    }
    if !end.vlans.is_empty() {
        // A bridge puts each new port into VLAN 1; a port whose VLANs are listed is in those and no other.
        let first = PortVlan { vid: crate::types::number::VlanId::FIRST, pvid: false, untagged: false };
        if end.vlans.iter().all(|v| v.vid != first.vid) {
            steps.push((link::bridge::vlan_del(index, first, false), Step::Other("take VLAN 1 from")));
        }
        for vlan in &end.vlans {
            steps.push((link::bridge::vlan_add(index, *vlan, false), Step::Other("add a VLAN to")));
        }
    }
    for spec in &end.addrs {
        steps.push((crate::kernel::addr::add(index, spec), Step::Addr(spec)));
    }
    if late && end.link.up {
        steps.push((link::set(index, &LinkSet { up: Some(true), ..LinkSet::default() }), Step::Other("set up")));
    }
    steps
}

fn add_tun(add: &LinkAdd, tap: bool, ctx: &mut Context<'_>) -> std::result::Result<(), Failure> {
    let end = &add.end.link;
    let fd = ctx.kernel.fd(end.netns).ok_or_else(|| Failure::clean(super::gone(end.netns)))?;
    tun::add(fd, &end.name, end.index, tap).map_err(|e| {
        let kernel = KernelError::from_io("TUNSETIFF on /dev/net/tun", &e);
        Failure::partial(match kernel.errno {
            libc::EBUSY => explain(add, KernelError { errno: libc::EEXIST, ..kernel }),
            libc::ENOENT | libc::ENODEV => {
                Diagnostic::new(Code::NoFeature, "this machine has no /dev/net/tun").kernel(kernel)
            }
            _ => failed(&format!("make `{}`", end.name), kernel),
        })
    })
}

fn explain_step(end: &NewEnd, step: Option<&Step<'_>>, error: KernelError) -> Box<Diagnostic> {
    let dev = end.link.name.clone();
    match step {
        Some(Step::Addr(spec)) => addr::explain(&AddrAdd { link: end.link.key(), dev, addr: (*spec).clone() }, error),
        Some(Step::Other(verb)) => port::explain(&format!("{verb} `{dev}`"), error),
        None => failed(&format!("finish `{dev}`"), error),
    }
}

/// What a refused link means. Who has the name is found out by the lab, which knows what others made.
fn explain(add: &LinkAdd, error: KernelError) -> Box<Diagnostic> {
    let (name, kind) = (&add.end.link.name, add.kind.name());
    let lacks = |option: &str| {
        Diagnostic::new(Code::NoFeature, format!("this kernel cannot make `{kind}` links ({option})"))
            .help("`netlab doctor` shows what works on this machine")
    };
    match (error.errno, error.text.as_deref()) {
        (libc::EEXIST, Some(text)) if text.contains("VNI") => Diagnostic::new(
            Code::NameTaken,
            format!("cannot make `{name}`: a VXLAN link with this id and port exists already"),
        )
        .help("choose another id, or another dstport")
        .kernel(error),
        (libc::EEXIST, _) => Diagnostic::new(Code::NameTaken, taken_text(add)).kernel(error),
        (libc::EBUSY, _) if matches!(add.kind, LinkKind::Macvlan { .. } | LinkKind::Macvtap { .. }) => {
            Diagnostic::new(Code::Busy, format!("cannot make `{name}`: the link below it is taken by another use"))
                .help("a passthru macvlan wants the link for itself, and a bridge port can carry no macvlan")
                .kernel(error)
        }
        (libc::EBUSY, _) => Diagnostic::new(
            Code::Busy,
            format!("cannot make `{name}`: its ifindex {} was taken meanwhile", add.end.link.index),
        )
        .kernel(error),
        (libc::EOPNOTSUPP, _) => match &add.kind {
            LinkKind::Bridge(o) if o.vlan_filtering == Some(true) => Diagnostic::new(
                Code::NoFeature,
                "this kernel has no VLAN filtering on bridges (CONFIG_BRIDGE_VLAN_FILTERING)",
            )
            .help("`netlab doctor` shows what works on this machine"),
            _ => lacks(kernel_option(kind)),
        }
        .kernel(error),
        (libc::EINVAL, None) if matches!(add.kind, LinkKind::Macvlan { .. } | LinkKind::Macvtap { .. }) => {
            Diagnostic::new(
                Code::Busy,
                format!("the link below refuses `{name}`: it has a passthru macvlan, or is one itself"),
            )
            .help("passthru allows a single macvlan on its link; use mode \"bridge\" for several")
            .kernel(error)
        }
        (libc::EINVAL | libc::ERANGE, _) if bad_mtu(add).is_some() => {
            let mtu = bad_mtu(add).unwrap_or_default();
            Diagnostic::new(Code::OutOfRange, format!("cannot make the {kind} `{name}` with the MTU {mtu}"))
                .help("an Ethernet-like link takes 68 to 65535; IPv6 needs 1280")
                .kernel(error)
        }
        (libc::ENODEV, _) => {
            Diagnostic::new(Code::NoSuchLink, format!("cannot make `{name}`: the link it sits on is gone"))
                .kernel(error)
        }
        _ => failed(&format!("make the {kind} `{name}`"), error),
    }
}

/// An MTU that no Ethernet-like link takes. The kernel does not say which of the values it refuses.
fn bad_mtu(add: &LinkAdd) -> Option<u32> {
    add.ends().filter_map(|end| end.link.mtu).find(|mtu| !(68..=65535).contains(mtu))
}

fn taken_text(add: &LinkAdd) -> String {
    match &add.peer {
        Some(peer) if peer.link.netns == add.end.link.netns => {
            format!("there is a link called `{}` or `{}` already", add.end.link.name, peer.link.name)
        }
        Some(peer) => {
            format!("there is a link called `{}`, or `{}` at the other end, already", add.end.link.name, peer.link.name)
        }
        None => format!("there is a link called `{}` already", add.end.link.name),
    }
}

/// The option that a kernel is configured with to have a kind of link.
pub fn kernel_option(kind: &str) -> &'static str {
    match kind {
        "veth" => "CONFIG_VETH",
        "bridge" => "CONFIG_BRIDGE",
        "vlan" => "CONFIG_VLAN_8021Q",
        "vxlan" => "CONFIG_VXLAN",
        "macvlan" => "CONFIG_MACVLAN",
        "macvtap" => "CONFIG_MACVTAP",
        "dummy" => "CONFIG_DUMMY",
        "ipvlan" => "CONFIG_IPVLAN",
        "vrf" => "CONFIG_NET_VRF",
        "bond" => "CONFIG_BONDING",
        "gre" | "gretap" => "CONFIG_NET_IPGRE",
        "geneve" => "CONFIG_GENEVE",
        "ifb" => "CONFIG_IFB",
        "tun" => "CONFIG_TUN",
        _ => "its module",
    }
}

/// Whether a link found in a dump is the one that this action made.
pub fn is_ours(found: &LinkState, key: LinkKey, name: &str, kind: &str) -> bool {
    found.ifindex == key.index && found.ifname == name && found.kind() == kind
}
