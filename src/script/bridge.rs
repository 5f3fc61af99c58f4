//! Makers of links: bridges, veth pairs, and all other kinds.

use rhai::Dynamic;

use super::args::Call;
use super::function::{Form, Function};
use super::netns::link_of;
use super::options::{Options, choice};
use super::place::{HERE, as_port};
use super::values::{Cable, Link, Of};
use crate::diag::{Code, Diagnostic, Result};
use crate::kernel::link::bridge::BridgeOptions;
use crate::kernel::link::kind::{LinkKind, MacvlanMode, VxlanOptions};
use crate::lab::objects::{LinkId, NsId};
use crate::lab::port::{Place, Port};
use crate::types::address::ip;
use crate::types::mac::Mac;
use crate::types::name::IfName;
use crate::types::number::{VlanId, Vni};

pub(super) const FUNCTIONS: &[Function] = &[
    Function {
        of: Of::Free,
        name: "veth",
        params: "port, port",
        arity: (2, 2),
        gives: "wire, with its ends `.a` and `.b`",
        doc: "Makes a veth pair, a virtual cable, each end where its port says and set up.\n\nA namespace or a bridge stands for a port of it, and a name for a port of `host`.\n\n```rhai\nlet wire = veth(netns(\"a\").port(\"eth0\", \"10.0.0.1/24\"), netns(\"b\").port(\"eth0\", \"10.0.0.2/24\"));\nexpect(get_netns(\"a\").ping(wire.b));\n```",
        form: Form::Call(|c| {
            let (a, b, site) = (as_port(c, 0, HERE)?, as_port(c, 1, HERE)?, c.site.clone());
            c.lab()?.veth(&site, &a, &b).map(|wire| Dynamic::from(Cable(wire)))
        }),
    },
    Function {
        of: Of::Free,
        name: "bridge",
        params: "port, #{ stp_state, vlan_filtering, vlan_default_pvid, priority, forward_delay, … }?",
        arity: (1, 2),
        gives: "link",
        doc: "Makes a bridge, a virtual switch, and sets it up.\n\nA name stands for a port of `host`; addresses of the port go on the bridge itself.\n\nThe options are those of `ip link add type bridge`: `stp_state`, `vlan_filtering`, `mcast_snooping`, `mcast_querier`, `nf_call_iptables`, `nf_call_ip6tables`, `nf_call_arptables` (bools), `vlan_default_pvid`, `priority`, `group_fwd_mask`, and in hundredths of a second `forward_delay`, `hello_time`, `max_age`, `ageing_time`.\n\n```rhai\nlet lan = bridge(\"lan\", #{ stp_state: false });\nveth(netns(\"a\").port(\"10.0.0.1/24\"), lan);\n```",
        form: Form::Call(|c| {
            let (port, site) = (as_port(c, 0, HERE)?, c.site.clone());
            let mut options = c.options(1)?;
            let kind = LinkKind::Bridge(bridge_options(&mut options)?);
            options.finish()?;
            c.lab()?.add_link(&site, &port, kind, "br0").map(value)
        }),
    },
    Function {
        of: Of::Link,
        name: "vlan",
        params: "port?, id, #{ protocol }?",
        arity: (1, 3),
        gives: "link",
        doc: "Makes a VLAN subinterface on this link: what leaves by it is tagged.\n\nWithout a port it is called `PARENT.ID` and lives beside its parent.\n\n* `id` - 1 to 4094\n* `protocol` - `\"802.1Q\"`, or `\"802.1ad\"` for the outer tag of QinQ\n\n```rhai\nneeds(\"vlan\");\nlet wire = veth(netns(\"a\").port(\"eth0\"), netns(\"b\").port(\"eth0\"));\nwire.a.vlan(10).addr(\"10.0.0.1/24\");\n```",
        form: Form::Call(vlan),
    },
    Function {
        of: Of::Link,
        name: "macvlan",
        params: "port, mode, #{ macaddr }?",
        arity: (2, 3),
        gives: "link",
        doc: "Makes a link with a MAC of its own on this link.\n\n* `mode` - `\"private\"`, `\"vepa\"`, `\"bridge\"`, `\"passthru\"` or `\"source\"`\n* `macaddr` - in `source` mode: the senders that are let in, a MAC or an array of them\n\n```rhai\nlet wire = veth(netns(\"a\").port(\"eth0\"), netns(\"b\").port(\"eth0\", \"10.0.0.2/24\"));\nwire.a.macvlan(netns(\"c\").port(\"mv0\", \"10.0.0.3/24\"), \"bridge\");\nexpect(get_netns(\"c\").ping(\"10.0.0.2\"));\n```",
        form: Form::Call(|c| macvlan(c, false)),
    },
    Function {
        of: Of::Link,
        name: "macvtap",
        params: "port, mode",
        arity: (2, 2),
        gives: "link",
        doc: "Makes a macvlan whose other end is a character device, /dev/tapN, for a virtual machine.\n\n```rhai\nlet wire = veth(netns(\"a\").port(\"eth0\"), netns(\"b\").port(\"eth0\"));\nwire.a.macvtap(get_netns(\"a\").port(\"tap0\"), \"bridge\");\n```",
        form: Form::Call(|c| macvlan(c, true)),
    },
    Function {
        of: Of::Free,
        name: "vxlan",
        params: "port, vni, #{ local, remote, group, dev, dstport, ttl, learning, external }?",
        arity: (2, 3),
        gives: "link",
        doc: "Makes an end of a VXLAN tunnel: Ethernet frames wrapped into UDP.\n\n* `vni` - the network identifier, 0 to 16777215\n* `local`, `remote` - the tunnel's ends; `group` is a multicast address instead of one other end\n* `dev` - the link that the tunnel leaves by, a link or its name in the port's namespace\n* `dstport` - the UDP port, 4789 if not said\n\n```rhai\nlet l = netns(\"l\");\nlet r = netns(\"r\");\nveth(l.port(\"eth0\", \"10.0.0.1/24\"), r.port(\"eth0\", \"10.0.0.2/24\"));\nvxlan(l.port(\"vx0\", \"192.168.0.1/24\"), 100, #{ local: \"10.0.0.1\", remote: \"10.0.0.2\", dev: \"eth0\" });\nvxlan(r.port(\"vx0\", \"192.168.0.2/24\"), 100, #{ local: \"10.0.0.2\", remote: \"10.0.0.1\", dev: \"eth0\" });\nexpect(l.ping(\"192.168.0.2\"));\n```",
        form: Form::Call(vxlan),
    },
    Function {
        of: Of::Free,
        name: "dummy",
        params: "port",
        arity: (1, 1),
        gives: "link",
        doc: "Makes a link that swallows what it is sent, for addresses that belong to no wire.\n\n```rhai\nneeds(\"dummy\");\ndummy(netns(\"a\").port(\"dummy0\", \"10.0.0.1/32\"));\n```",
        form: Form::Call(|c| plain(c, LinkKind::Dummy, "dummy0")),
    },
    Function {
        of: Of::Free,
        name: "ifb",
        params: "port",
        arity: (1, 1),
        gives: "link",
        doc: "Makes an intermediate functional block, a place for traffic control.\n\n```rhai\nifb(netns(\"a\").port(\"ifb0\"));\n```",
        form: Form::Call(|c| plain(c, LinkKind::Ifb, "ifb0")),
    },
    Function {
        of: Of::Free,
        name: "tun",
        params: "port",
        arity: (1, 1),
        gives: "link",
        doc: "Makes a TUN link, whose other end is a program that reads and writes IP packets.\n\n```rhai\nneeds(\"tun\");\ntun(netns(\"a\").port(\"tun0\", \"10.0.0.1/24\"));\n```",
        form: Form::Call(|c| plain(c, LinkKind::Tun { tap: false }, "tun0")),
    },
    Function {
        of: Of::Free,
        name: "tap",
        params: "port",
        arity: (1, 1),
        gives: "link",
        doc: "Makes a TAP link, whose other end is a program that reads and writes Ethernet frames.\n\n```rhai\nneeds(\"tun\");\ntap(netns(\"a\").port(\"tap0\"));\n```",
        form: Form::Call(|c| plain(c, LinkKind::Tun { tap: true }, "tap0")),
    },
];

/// A link as a value.
pub(super) fn value(id: LinkId) -> Dynamic {
    Dynamic::from(Link(id))
}

fn plain(c: &mut Call<'_>, kind: LinkKind, name: &str) -> Result<Dynamic> {
    let (port, site) = (as_port(c, 0, HERE)?, c.site.clone());
    c.lab()?.add_link(&site, &port, kind, name).map(value)
}

/// The options of a bridge, in ip-link(8)'s words.
pub(super) fn bridge_options(options: &mut Options) -> Result<BridgeOptions> {
    Ok(BridgeOptions {
        stp_state: options.bool("stp_state")?,
        vlan_filtering: options.bool("vlan_filtering")?,
        vlan_default_pvid: options.number("vlan_default_pvid")?,
        priority: options.number("priority")?,
        forward_delay: options.number("forward_delay")?,
        hello_time: options.number("hello_time")?,
        max_age: options.number("max_age")?,
        ageing_time: options.number("ageing_time")?,
        group_fwd_mask: options.number("group_fwd_mask")?,
        mcast_snooping: options.bool("mcast_snooping")?,
        mcast_querier: options.bool("mcast_querier")?,
        nf_call_iptables: options.bool("nf_call_iptables")?,
        nf_call_ip6tables: options.bool("nf_call_ip6tables")?,
        nf_call_arptables: options.bool("nf_call_arptables")?,
    })
}

/// The link that it is called on, its key, and the namespace it is in.
pub(super) fn parent(c: &mut Call<'_>) -> Result<(crate::kernel::link::LinkKey, String, NsId)> {
    let id = c.link()?;
    let lab = c.look()?;
    let link = lab.objects.link(id)?;
    let (key, name) = (link.key(), link.name().to_owned());
    let netns = lab.objects.netns_by_cookie(key.netns).ok_or_else(|| crate::action::gone(key.netns))?;
    Ok((key, name, netns))
}

fn vlan(c: &mut Call<'_>) -> Result<Dynamic> {
    let mut options = c.take_options();
    let (link, name, netns) = parent(c)?;
    let (port, id) = match c.len() {
        1 => (Port::new(Place::Netns(netns)), c.int(0)?),
        _ => (as_port(c, 0, Place::Netns(netns))?, c.int(1)?),
    };
    let id = VlanId::new(id)?;
    let ad = match options.text("protocol")?.as_deref() {
        None | Some("802.1Q" | "802.1q") => false,
        Some("802.1ad") => true,
        Some(other) => {
            return Err(Diagnostic::new(Code::BadOption, format!("there is no VLAN protocol `{other}`"))
                .help("it is \"802.1Q\" or \"802.1ad\""));
        }
    };
    options.finish()?;
    let tail = format!(".{}", id.get());
    let default = IfName::cut(&name, &tail);
    let site = c.site.clone();
    c.lab()?.add_link(&site, &port, LinkKind::Vlan { link, id, ad }, &default).map(value)
}

fn macvlan(c: &mut Call<'_>, tap: bool) -> Result<Dynamic> {
    let mut options = c.take_options();
    let (link, name, netns) = parent(c)?;
    let port = as_port(c, 0, Place::Netns(netns))?;
    let word = c.text(1)?;
    let mode = choice(&word, "macvlan mode", &MacvlanMode::WORDS)?;
    let macs = options.texts("macaddr")?.iter().map(|m| Mac::new(m)).collect::<Result<Vec<_>>>()?;
    options.finish()?;
    if !macs.is_empty() && mode != MacvlanMode::Source {
        return Err(Diagnostic::new(
            Code::BadOption,
            format!("`macaddr` is for the mode \"source\", this is \"{word}\""),
        ));
    }
    let default = IfName::cut(&format!("mv-{name}"), "");
    let site = c.site.clone();
    let kind = if tap { LinkKind::Macvtap { link, mode } } else { LinkKind::Macvlan { link, mode, macs } };
    c.lab()?.add_link(&site, &port, kind, &default).map(value)
}

fn vxlan(c: &mut Call<'_>) -> Result<Dynamic> {
    const IANA_PORT: u16 = 4789;
    let port = as_port(c, 0, HERE)?;
    let id = Vni::new(c.int(1)?)?;
    let mut options = c.options(2)?;
    let lab = c.look()?;
    let cookie = lab.port_netns(&port)?;
    let netns = lab.objects.netns_by_cookie(cookie).ok_or_else(|| crate::action::gone(cookie))?;
    let mut addr = |key: &'static str| options.text(key)?.map(|a| ip(&a)).transpose();
    let (local, remote, group) = (addr("local")?, addr("remote")?, addr("group")?);
    let dev = options.any("dev").map(|dev| link_of(c, netns, dev).map(|(_, key)| key)).transpose()?;
    let external = options.bool("external")?.unwrap_or(false);
    let vxlan = VxlanOptions {
        id: (!external).then_some(id),
        local,
        remote,
        group,
        dev,
        dstport: Some(options.number("dstport")?.unwrap_or(IANA_PORT)),
        ttl: options.number("ttl")?,
        learning: options.bool("learning")?,
        external,
    };
    options.finish()?;
    if remote.is_some() && group.is_some() {
        return Err(Diagnostic::new(Code::BadOption, "a VXLAN link has either `remote` or `group`"));
    }
    if group.is_some_and(|g| !g.is_multicast()) {
        return Err(Diagnostic::new(Code::BadAddress, "`group` is no multicast address")
            .help("the address of one other end is `remote`"));
    }
    let site = c.site.clone();
    c.lab()?.add_link(&site, &port, LinkKind::Vxlan(vxlan), "vxlan0").map(value)
}
