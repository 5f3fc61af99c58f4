//! What is done to a link that exists, and to both ends of a wire.

use std::net::{IpAddr, Ipv4Addr};

use rhai::Dynamic;

use super::args::Call;
use super::bridge::bridge_options;
use super::function::{Form, Function};
use super::place::port_options;
use super::values::{Link, Of};
use crate::action::link_set::LinkChange;
use crate::diag::{Code, Diagnostic, Result};
use crate::kernel::addr::AddrSpec;
use crate::kernel::link::LinkSet;
use crate::kernel::link::bridge::{BridgeOptions, PortVlan};
use crate::kernel::neigh::NeighSpec;
use crate::types::address::{Cidr, ip};
use crate::types::mac::Mac;
use crate::types::name::IfName;
use crate::types::number::VlanId;

pub(super) const FUNCTIONS: &[Function] = &[
    Function {
        of: Of::Link,
        name: "addr",
        params: "\"addr/len\", #{ peer, broadcast, scope, label, valid_lft, preferred_lft, nodad, noprefixroute }?",
        arity: (1, 2),
        gives: "the link",
        doc: "Puts an address on the link, as `ip address add` does.\n\n* `peer` - the other end of a link that has only two\n* `broadcast` - the address for all, which `ip` writes with `brd +`; the kernel sets none by itself\n* `label` - a name for the address, which begins with the link's: `\"eth0:1\"`\n* `nodad` - do not look for duplicates first (IPv6)\n\n```rhai\nlet wire = veth(netns(\"a\"), netns(\"b\"));\nwire.a.addr(\"10.0.0.1/24\").addr(\"fd00::1/64\");\n```",
        form: Form::Call(|c| {
            let (id, site) = (c.link()?, c.site.clone());
            let spec = addr_spec(c)?;
            c.lab()?.add_addr(&site, id, spec)?;
            Ok(c.this.clone())
        }),
    },
    Function {
        of: Of::Link,
        name: "del_addr",
        params: "\"addr/len\", #{ peer }?",
        arity: (1, 2),
        gives: "the link",
        doc: "Takes an address from the link.\n\n```rhai\nlet wire = veth(netns(\"a\").port(\"10.0.0.1/24\"), netns(\"b\"));\nwire.a.del_addr(\"10.0.0.1/24\");\n```",
        form: Form::Call(|c| {
            let (id, site) = (c.link()?, c.site.clone());
            let spec = addr_spec(c)?;
            c.lab()?.del_addr(&site, id, spec)?;
            Ok(c.this.clone())
        }),
    },
    Function {
        of: Of::Link,
        name: "up",
        params: "",
        arity: (0, 0),
        gives: "the link",
        doc: "Sets the link up.\n\n```rhai\nnetns(\"a\", #{ lo: false })[\"lo\"].up();\n```",
        form: Form::Call(|c| set(c, LinkSet { up: Some(true), ..LinkSet::default() }, "set up")),
    },
    Function {
        of: Of::Link,
        name: "down",
        params: "",
        arity: (0, 0),
        gives: "the link",
        doc: "Sets the link down.\n\nThe kernel drops its IPv6 addresses and its routes.\n\n```rhai\nlet wire = veth(netns(\"a\"), netns(\"b\"));\nwire.a.down();\nexpect(!wire.a.is_up);\n```",
        form: Form::Call(|c| set(c, LinkSet { up: Some(false), ..LinkSet::default() }, "take down")),
    },
    Function {
        of: Of::Link,
        name: "mtu",
        params: "bytes",
        arity: (1, 1),
        gives: "the link",
        doc: "Sets the largest packet that the link takes, in bytes.\n\nBelow 1280 the kernel switches IPv6 off on it.\n\n```rhai\nlet wire = veth(netns(\"a\"), netns(\"b\"));\nwire.a.mtu(1400);\nexpect(wire.a.mtu == 1400);\n```",
        form: Form::Call(|c| {
            let mtu = mtu(c)?;
            set(c, LinkSet { mtu: Some(mtu), ..LinkSet::default() }, "change the MTU of")
        }),
    },
    Function {
        of: Of::Link,
        name: "mac",
        params: "\"02:00:00:00:00:01\"",
        arity: (1, 1),
        gives: "the link",
        doc: "Sets the link's Ethernet address.\n\n```rhai\nlet wire = veth(netns(\"a\"), netns(\"b\"));\nwire.a.mac(\"02:00:00:00:00:01\");\n```",
        form: Form::Call(|c| {
            let mac = Mac::new(&c.text(0)?)?;
            set(c, LinkSet { mac: Some(mac), ..LinkSet::default() }, "change the MAC of")
        }),
    },
    Function {
        of: Of::Link,
        name: "rename",
        params: "name",
        arity: (1, 1),
        gives: "the link",
        doc: "Gives the link another name.\n\n```rhai\nlet wire = veth(netns(\"a\"), netns(\"b\"));\nwire.a.rename(\"lan0\");\n```",
        form: Form::Call(|c| {
            let name = IfName::new(&c.text(0)?)?;
            set(c, LinkSet { name: Some(name), ..LinkSet::default() }, "rename")
        }),
    },
    Function {
        of: Of::Link,
        name: "alias",
        params: "text",
        arity: (1, 1),
        gives: "the link",
        doc: "Gives the link a description, a free text of up to 255 bytes.\n\n```rhai\nveth(netns(\"a\"), netns(\"b\")).a.alias(\"to b\");\n```",
        form: Form::Call(|c| {
            let alias = c.text(0)?;
            if alias.len() > 255 {
                return Err(Diagnostic::new(
                    Code::OutOfRange,
                    format!("an alias has up to 255 bytes, this has {}", alias.len()),
                ));
            }
            set(c, LinkSet { alias: Some(alias), ..LinkSet::default() }, "change the alias of")
        }),
    },
    Function {
        of: Of::Link,
        name: "master",
        params: "bridge",
        arity: (1, 1),
        gives: "the link",
        doc: "Makes the link a port of a bridge in the same namespace.\n\n```rhai\nlet lan = bridge(\"lan\");\nveth(\"veth0\", \"veth1\").b.master(lan);\n```",
        form: Form::Call(|c| {
            let (id, site) = (c.link()?, c.site.clone());
            let master = c.get::<Link>(0, "a bridge")?;
            c.lab()?.set_master(&site, id, Some(master.0))?;
            Ok(c.this.clone())
        }),
    },
    Function {
        of: Of::Link,
        name: "nomaster",
        params: "",
        arity: (0, 0),
        gives: "the link",
        doc: "Makes the link a port of nothing.\n\n```rhai\nlet wire = veth(netns(\"a\"), bridge(\"lan\"));\nwire.b.nomaster();\n```",
        form: Form::Call(|c| {
            let (id, site) = (c.link()?, c.site.clone());
            c.lab()?.set_master(&site, id, None)?;
            Ok(c.this.clone())
        }),
    },
    Function {
        of: Of::Link,
        name: "move_to",
        params: "ns",
        arity: (1, 1),
        gives: "the link",
        doc: "Moves the link to another namespace.\n\nIt arrives down and without addresses.\n\n```rhai\nlet wire = veth(\"veth0\", \"veth1\");\nwire.a.move_to(netns(\"a\")).addr(\"10.0.0.1/24\").up();\n```",
        form: Form::Call(|c| {
            let (id, to, site) = (c.link()?, c.ns_arg(0)?, c.site.clone());
            c.lab()?.move_link(&site, id, to)?;
            Ok(c.this.clone())
        }),
    },
    Function {
        of: Of::Link,
        name: "set",
        params: "#{ txqueuelen, promisc, … and of a bridge or a bridge port its options }",
        arity: (1, 1),
        gives: "the link",
        doc: "Changes options of the link: those of its kind and, for a bridge's port, those of bridge(8).\n\n* any link: `txqueuelen`, `promisc`\n* a bridge: the options of `bridge()`\n* a macvlan in mode `source`: `macaddr`\n* a port of a bridge: `state`, `cost`, `priority`, `hairpin`, `isolated`, `learning`, `flood`, …\n\n```rhai\nlet lan = bridge(\"lan\");\nlet wire = veth(netns(\"a\"), lan);\nlan.set(#{ stp_state: true });\nwire.b.set(#{ cost: 10, isolated: true });\n```",
        form: Form::Call(set_options),
    },
    Function {
        of: Of::Link,
        name: "vlan_add",
        params: "id, #{ pvid, untagged }?",
        arity: (1, 2),
        gives: "the link",
        doc: "Puts a port, or a bridge itself, into a VLAN, as `bridge vlan add` does.\n\n```rhai\nneeds(\"bridge-vlan-filtering\");\nlet lan = bridge(\"lan\", #{ vlan_filtering: true });\nveth(netns(\"a\"), lan).b.vlan_add(10, #{ pvid: true, untagged: true });\n```",
        form: Form::Call(|c| vlan(c, true)),
    },
    Function {
        of: Of::Link,
        name: "vlan_del",
        params: "id, #{ pvid, untagged }?",
        arity: (1, 2),
        gives: "the link",
        doc: "Takes a port, or a bridge itself, out of a VLAN.\n\n```rhai\nneeds(\"bridge-vlan-filtering\");\nlet lan = bridge(\"lan\", #{ vlan_filtering: true });\nveth(netns(\"a\"), lan).b.vlan_del(1);\n```",
        form: Form::Call(|c| vlan(c, false)),
    },
    Function {
        of: Of::Link,
        name: "fdb",
        params: "mac, #{ dst, vlan, master, append }?",
        arity: (1, 2),
        gives: "the link",
        doc: "Makes a forwarding entry: which MAC is behind this port, or at which end of this VXLAN tunnel.\n\n* `dst` - the tunnel's end, for a VXLAN link\n* `master` - in the bridge's table and not the link's own; so it is for a port unless said otherwise\n* `append` - one more destination for the same MAC\n\n```rhai\nlet wire = veth(netns(\"a\"), bridge(\"lan\"));\nwire.b.fdb(\"02:00:00:00:00:09\");\n```",
        form: Form::Call(|c| {
            let (id, site) = (c.link()?, c.site.clone());
            let entry = fdb_spec(c)?;
            c.lab()?.add_neigh(&site, id, entry)?;
            Ok(c.this.clone())
        }),
    },
    Function {
        of: Of::Link,
        name: "del_fdb",
        params: "mac, #{ dst, vlan, master }?",
        arity: (1, 2),
        gives: "the link",
        doc: "Deletes a forwarding entry.\n\n```rhai\nlet wire = veth(netns(\"a\"), bridge(\"lan\"));\nwire.b.fdb(\"02:00:00:00:00:09\").del_fdb(\"02:00:00:00:00:09\");\n```",
        form: Form::Call(|c| {
            let (id, site) = (c.link()?, c.site.clone());
            let entry = fdb_spec(c)?;
            c.lab()?.del_neigh(&site, id, entry)?;
            Ok(c.this.clone())
        }),
    },
    Function {
        of: Of::Link,
        name: "del",
        params: "",
        arity: (0, 0),
        gives: "()",
        doc: "Deletes the link; of a veth pair, both ends.\n\n```rhai\nlet lan = bridge(\"lan\");\nlan.del();\n```",
        form: Form::Call(|c| {
            let (id, site) = (c.link()?, c.site.clone());
            c.lab()?.del_link(&site, id).map(|()| Dynamic::UNIT)
        }),
    },
    Function {
        of: Of::Wire,
        name: "up",
        params: "",
        arity: (0, 0),
        gives: "the wire",
        doc: "Sets both ends up.\n\n```rhai\nveth(netns(\"a\").port(#{ up: false }), netns(\"b\").port(#{ up: false })).up();\n```",
        form: Form::Call(|c| both(c, LinkSet { up: Some(true), ..LinkSet::default() })),
    },
    Function {
        of: Of::Wire,
        name: "down",
        params: "",
        arity: (0, 0),
        gives: "the wire",
        doc: "Sets both ends down.\n\n```rhai\nveth(netns(\"a\"), netns(\"b\")).down();\n```",
        form: Form::Call(|c| both(c, LinkSet { up: Some(false), ..LinkSet::default() })),
    },
    Function {
        of: Of::Wire,
        name: "mtu",
        params: "bytes",
        arity: (1, 1),
        gives: "the wire",
        doc: "Sets the MTU of both ends.\n\n```rhai\nveth(netns(\"a\"), netns(\"b\")).mtu(9000);\n```",
        form: Form::Call(|c| {
            let mtu = mtu(c)?;
            both(c, LinkSet { mtu: Some(mtu), ..LinkSet::default() })
        }),
    },
    Function {
        of: Of::Wire,
        name: "del",
        params: "",
        arity: (0, 0),
        gives: "()",
        doc: "Deletes the wire.\n\n```rhai\nveth(netns(\"a\"), netns(\"b\")).del();\n```",
        form: Form::Call(|c| {
            let (wire, site) = (c.wire()?, c.site.clone());
            c.lab()?.del_link(&site, wire.0.a).map(|()| Dynamic::UNIT)
        }),
    },
];

/// What a link takes depends on its kind, and the kernel says it; a negative number is wrong for all.
fn mtu(c: &Call<'_>) -> Result<u32> {
    let given = c.int(0)?;
    u32::try_from(given).map_err(|_| {
        Diagnostic::new(Code::OutOfRange, format!("MTU {given} is out of range: most links take 68 to 65535"))
    })
}

fn set(c: &mut Call<'_>, set: LinkSet, verb: &str) -> Result<Dynamic> {
    let (id, site) = (c.link()?, c.site.clone());
    c.lab()?.set_link(&site, id, set, verb)?;
    Ok(c.this.clone())
}

fn both(c: &mut Call<'_>, set: LinkSet) -> Result<Dynamic> {
    let (wire, site) = (c.wire()?, c.site.clone());
    for end in [wire.0.a, wire.0.b] {
        c.lab()?.set_link(&site, end, set.clone(), "change")?;
    }
    Ok(c.this.clone())
}

fn set_options(c: &mut Call<'_>) -> Result<Dynamic> {
    let (id, site) = (c.link()?, c.site.clone());
    let state = c.look()?.link_state(id)?;
    let mut options = c.options(0)?;
    let mut change =
        LinkChange::new(c.look()?.objects.link(id)?.key(), IfName::new(&state.ifname)?, LinkSet::default());
    change.set.txqlen = options.number("txqueuelen")?;
    change.set.promisc = options.bool("promisc")?;
    if state.kind() == "bridge" {
        let bridge = bridge_options(&mut options)?;
        change.bridge = (bridge != BridgeOptions::default()).then_some(bridge);
    }
    if state.kind() == "macvlan" {
        let macs = options.texts("macaddr")?;
        if !macs.is_empty() {
            change.macs = Some(macs.iter().map(|m| Mac::new(m)).collect::<Result<_>>()?);
        }
    }
    let port = if state.is_bridge_port() { port_options(&mut options)? } else { Default::default() };
    options.finish()?;
    let lab = c.lab()?;
    if change.set != LinkSet::default() || change.bridge.is_some() || change.macs.is_some() {
        lab.change_link(&site, id, change, "change")?;
    }
    if !port.is_empty() {
        lab.set_port(&site, id, port)?;
    }
    Ok(c.this.clone())
}

fn addr_spec(c: &Call<'_>) -> Result<AddrSpec> {
    let mut options = c.options(1)?;
    let mut spec = AddrSpec::new(Cidr::new(&c.text(0)?)?);
    spec.peer = options.text("peer")?.map(|p| ip(p.split('/').next().unwrap_or_default())).transpose()?;
    spec.scope = options.any("scope").map(scope).transpose()?;
    spec.broadcast = options.text("broadcast")?.map(|b| v4(&b)).transpose()?;
    spec.label = options.text("label")?;
    spec.valid_lft = options.number("valid_lft")?;
    spec.preferred_lft = options.number("preferred_lft")?;
    spec.nodad = options.bool("nodad")?.unwrap_or(false);
    spec.noprefixroute = options.bool("noprefixroute")?.unwrap_or(false);
    options.finish()?;
    if let (Some(valid), Some(preferred)) = (spec.valid_lft, spec.preferred_lft)
        && preferred > valid
    {
        return Err(Diagnostic::new(
            Code::OutOfRange,
            format!("preferred_lft {preferred} is longer than valid_lft {valid}"),
        ));
    }
    Ok(spec)
}

fn v4(text: &str) -> Result<Ipv4Addr> {
    match ip(text)? {
        IpAddr::V4(v4) => Ok(v4),
        IpAddr::V6(_) => Err(Diagnostic::new(Code::BadAddress, "IPv6 has no broadcast addresses")
            .help("leave `broadcast` out: all nodes of a link are ff02::1")),
    }
}

fn scope(given: Dynamic) -> Result<u8> {
    match given.to_string().as_str() {
        "global" => Ok(0),
        "site" => Ok(200),
        "link" => Ok(253),
        "host" => Ok(254),
        other => other.parse().map_err(|_| {
            Diagnostic::new(Code::BadOption, format!("there is no scope `{other}`"))
                .help("it is \"global\", \"site\", \"link\" or \"host\"")
        }),
    }
}

fn vlan(c: &mut Call<'_>, join: bool) -> Result<Dynamic> {
    let (id, site) = (c.link()?, c.site.clone());
    let mut options = c.options(1)?;
    let vlan = PortVlan {
        vid: VlanId::new(c.int(0)?)?,
        pvid: options.bool("pvid")?.unwrap_or(false),
        untagged: options.bool("untagged")?.unwrap_or(false),
    };
    options.finish()?;
    c.lab()?.port_vlan(&site, id, vlan, join)?;
    Ok(c.this.clone())
}

fn fdb_spec(c: &mut Call<'_>) -> Result<NeighSpec> {
    let id = c.link()?;
    let state = c.look()?.link_state(id)?;
    let mut options = c.options(1)?;
    let dst = options.text("dst")?.map(|d| ip(&d)).transpose()?;
    let spec = NeighSpec::Fdb {
        mac: Mac::any(&c.text(0)?)?,
        dst,
        vlan: options.typed::<i64>("vlan", "a VLAN id")?.map(VlanId::new).transpose()?,
        master: options.bool("master")?.unwrap_or(dst.is_none() && state.is_bridge_port()),
        append: options.bool("append")?.unwrap_or(false),
    };
    options.finish()?;
    Ok(spec)
}
