//! Makers of kinds of links that many kernels lack: ipvlan, VRF, bond, GRE, Geneve.

use std::net::{IpAddr, Ipv4Addr};

use rhai::Dynamic;

use super::args::Call;
use super::bridge::{parent, value};
use super::function::{Form, Function};
use super::netns::link_of;
use super::options::{Options, choice};
use super::place::{HERE, as_port};
use super::values::Of;
use crate::diag::{Code, Diagnostic, Result};
use crate::kernel::link::kind::{BondMode, IpvlanMode, LinkKind};
use crate::kernel::link::tunnel::{GeneveOptions, GreOptions};
use crate::lab::port::Place;
use crate::types::address::ip;
use crate::types::name::IfName;
use crate::types::number::Vni;

pub(super) const FUNCTIONS: &[Function] = &[
    Function {
        of: Of::Link,
        name: "ipvlan",
        params: "port, mode",
        arity: (2, 2),
        gives: "link",
        doc: "Makes a link that shares this link's MAC: packets are told apart by their addresses.\n\n* `mode` - `\"l2\"`, `\"l3\"` or `\"l3s\"`\n\n```rhai\nneeds(\"ipvlan\");\nlet wire = veth(netns(\"a\").port(\"eth0\"), netns(\"b\").port(\"eth0\", \"10.0.0.2/24\"));\nwire.a.ipvlan(netns(\"c\").port(\"ipvl0\", \"10.0.0.3/24\"), \"l2\");\nexpect(get_netns(\"c\").ping(\"10.0.0.2\"));\n```",
        form: Form::Call(ipvlan),
    },
    Function {
        of: Of::Free,
        name: "vrf",
        params: "port, table",
        arity: (2, 2),
        gives: "link",
        doc: "Makes a routing domain: links whose master it is have a table of routes of their own.\n\n* `table` - the number of the table\n\n```rhai\nneeds(\"vrf\");\nlet r = netns(\"r\");\nlet red = vrf(r.port(\"red\"), 10);\nlet wire = veth(r.port(\"eth0\"), netns(\"a\").port(\"eth0\", \"10.0.0.2/24\"));\nwire.a.master(red).addr(\"10.0.0.1/24\");\n```",
        form: Form::Call(|c| {
            let (port, table, site) = (as_port(c, 0, HERE)?, c.int(1)?, c.site.clone());
            let table = u32::try_from(table).ok().filter(|table| *table > 0).ok_or_else(|| {
                Diagnostic::new(Code::OutOfRange, format!("there is no table {table}: they are numbered from 1"))
            })?;
            c.lab()?.add_link(&site, &port, LinkKind::Vrf { table }, "vrf0").map(value)
        }),
    },
    Function {
        of: Of::Free,
        name: "bond",
        params: "port, mode, #{ miimon }?",
        arity: (2, 3),
        gives: "link",
        doc: "Makes several links into one; each has to be down when it joins.\n\n* `mode` - `\"balance-rr\"`, `\"active-backup\"`, `\"balance-xor\"`, `\"broadcast\"`, `\"802.3ad\"`, `\"balance-tlb\"` or `\"balance-alb\"`\n* `miimon` - how often their carriers are looked at, in milliseconds\n\n```rhai\nneeds(\"bond\");\nlet a = netns(\"a\");\nlet both = bond(a.port(\"bond0\", \"10.0.0.1/24\"), \"active-backup\", #{ miimon: 100 });\nfor n in 0..2 {\n    let wire = veth(a.port(`eth${n}`, #{ up: false }), netns(`b${n}`));\n    wire.a.master(both);\n}\n```",
        form: Form::Call(|c| {
            let (port, mode) = (as_port(c, 0, HERE)?, choice(&c.text(1)?, "bond mode", &BondMode::WORDS)?);
            let mut options = c.options(2)?;
            let miimon = options.number("miimon")?;
            options.finish()?;
            let site = c.site.clone();
            c.lab()?.add_link(&site, &port, LinkKind::Bond { mode, miimon }, "bond0").map(value)
        }),
    },
    Function {
        of: Of::Free,
        name: "gre",
        params: "port, #{ local, remote, key, ttl, dev }",
        arity: (2, 2),
        gives: "link",
        doc: "Makes an end of a GRE tunnel: IP packets wrapped into IP.\n\n* `local`, `remote` - the tunnel's ends, IPv4 addresses\n* `key` - a number that tells apart tunnels between the same ends\n* `dev` - the link that the tunnel leaves by\n\n```rhai\nneeds(\"gre\");\nlet l = netns(\"l\");\nlet r = netns(\"r\");\nveth(l.port(\"eth0\", \"10.0.0.1/24\"), r.port(\"eth0\", \"10.0.0.2/24\"));\ngre(l.port(\"gre1\", \"192.168.0.1/24\"), #{ local: \"10.0.0.1\", remote: \"10.0.0.2\" });\ngre(r.port(\"gre1\", \"192.168.0.2/24\"), #{ local: \"10.0.0.2\", remote: \"10.0.0.1\" });\nexpect(l.ping(\"192.168.0.2\"));\n```",
        form: Form::Call(|c| gre(c, false)),
    },
    Function {
        of: Of::Free,
        name: "gretap",
        params: "port, #{ local, remote, key, ttl, dev }",
        arity: (2, 2),
        gives: "link",
        doc: "Makes an end of a GRE tunnel that carries Ethernet frames, so that it can be a port of a bridge.\n\n```rhai\nneeds(\"gre\");\nlet l = netns(\"l\");\nlet r = netns(\"r\");\nveth(l.port(\"eth0\", \"10.0.0.1/24\"), r.port(\"eth0\", \"10.0.0.2/24\"));\ngretap(l.port(\"tap1\", \"192.168.0.1/24\"), #{ local: \"10.0.0.1\", remote: \"10.0.0.2\" });\ngretap(r.port(\"tap1\", \"192.168.0.2/24\"), #{ local: \"10.0.0.2\", remote: \"10.0.0.1\" });\nexpect(l.ping(\"192.168.0.2\"));\n```",
        form: Form::Call(|c| gre(c, true)),
    },
    Function {
        of: Of::Free,
        name: "geneve",
        params: "port, vni, #{ remote, dstport, ttl }",
        arity: (3, 3),
        gives: "link",
        doc: "Makes an end of a Geneve tunnel: Ethernet frames wrapped into UDP.\n\n* `vni` - the network identifier, 0 to 16777215\n* `remote` - the other end\n* `dstport` - the UDP port, 6081 if not said\n\n```rhai\nneeds(\"geneve\");\nlet l = netns(\"l\");\nlet r = netns(\"r\");\nveth(l.port(\"eth0\", \"10.0.0.1/24\"), r.port(\"eth0\", \"10.0.0.2/24\"));\ngeneve(l.port(\"gen0\", \"192.168.0.1/24\"), 7, #{ remote: \"10.0.0.2\" });\ngeneve(r.port(\"gen0\", \"192.168.0.2/24\"), 7, #{ remote: \"10.0.0.1\" });\nexpect(l.ping(\"192.168.0.2\"));\n```",
        form: Form::Call(geneve),
    },
];

fn ipvlan(c: &mut Call<'_>) -> Result<Dynamic> {
    let (link, name, netns) = parent(c)?;
    let port = as_port(c, 0, Place::Netns(netns))?;
    let mode = choice(&c.text(1)?, "ipvlan mode", &IpvlanMode::WORDS)?;
    let default = IfName::cut(&format!("ip-{name}"), "");
    let site = c.site.clone();
    c.lab()?.add_link(&site, &port, LinkKind::Ipvlan { link, mode }, &default).map(value)
}

fn gre(c: &mut Call<'_>, tap: bool) -> Result<Dynamic> {
    let port = as_port(c, 0, HERE)?;
    let mut options = c.options(1)?;
    let lab = c.look()?;
    let cookie = lab.port_netns(&port)?;
    let netns = lab.objects.netns_by_cookie(cookie).ok_or_else(|| crate::action::gone(cookie))?;
    let (local, remote) = (v4(&mut options, "local")?, v4(&mut options, "remote")?);
    let dev = options.any("dev").map(|dev| link_of(c, netns, dev).map(|(_, key)| key)).transpose()?;
    let gre = GreOptions { tap, local, remote, key: options.number("key")?, ttl: options.number("ttl")?, dev };
    options.finish()?;
    if gre.local.is_none() && gre.remote.is_none() {
        // The kernel makes one such link for all by itself, and refuses another.
        return Err(Diagnostic::new(Code::BadOption, "a GRE tunnel needs an end: `remote`, `local`, or both"));
    }
    let site = c.site.clone();
    c.lab()?.add_link(&site, &port, LinkKind::Gre(gre), if tap { "gretap1" } else { "gre1" }).map(value)
}

fn v4(options: &mut Options, key: &'static str) -> Result<Option<Ipv4Addr>> {
    let Some(text) = options.text(key)? else { return Ok(None) };
    match ip(&text)? {
        IpAddr::V4(v4) => Ok(Some(v4)),
        IpAddr::V6(_) => Err(Diagnostic::new(Code::BadAddress, format!("`{key}` is an IPv4 address, {text} is none"))),
    }
}

fn geneve(c: &mut Call<'_>) -> Result<Dynamic> {
    let (port, id) = (as_port(c, 0, HERE)?, Vni::new(c.int(1)?)?);
    let mut options = c.options(2)?;
    let remote = options.text("remote")?.map(|a| ip(&a)).transpose()?;
    let (dstport, ttl) = (options.number("dstport")?, options.number("ttl")?);
    options.finish()?;
    let Some(remote) = remote else {
        return Err(Diagnostic::new(Code::BadOption, "a Geneve tunnel needs its other end: `remote`"));
    };
    let (kind, site) = (LinkKind::Geneve(GeneveOptions { id, remote, dstport, ttl }), c.site.clone());
    c.lab()?.add_link(&site, &port, kind, "geneve0").map(value)
}
