//! Reading: what a namespace, a link or a wire is and holds. Nothing here changes anything.

use rhai::{Array, Dynamic, Map};
use serde::Serialize;

use super::args::Call;
use super::as_ip;
use super::bridge::value as link_value;
use super::function::{Form, Function};
use super::netns::value as netns_value;
use super::values::{Of, from_json};
use crate::diag::{Code, Diagnostic, KernelError, Result};
use crate::kernel::link::LinkKey;
use crate::kernel::neigh::Table;
use crate::kernel::netlink::Socket;
use crate::lab::Lab;
use crate::lab::objects::{LinkId, NsId};
use crate::probe::state;
use crate::probe::state::link::LinkState;

pub(super) const FUNCTIONS: &[Function] = &[
    Function {
        of: Of::Netns,
        name: "name",
        params: "",
        arity: (0, 0),
        gives: "string",
        doc: "The namespace's name; `\"host\"` for the one that the script runs in.\n\n```rhai\nexpect(netns(\"a\").name == \"a\");\n```",
        form: Form::Property(|c| {
            let id = c.netns()?;
            Ok(c.look()?.netns_name(id).into())
        }),
    },
    Function {
        of: Of::Netns,
        name: "links",
        params: "",
        arity: (0, 0),
        gives: "array of maps",
        doc: "The links of the namespace, with the field names of `ip -j -d link`.\n\n`master`, `link`, `address` and `ifalias` are always there, `()` where a link has none.\n\n```rhai\nexpect(netns(\"a\").links().some(|l| l.ifname == \"lo\"));\n```",
        form: Form::Call(|c| {
            let id = c.netns()?;
            let links = links(c.look()?, id)?;
            Ok(links.into_iter().map(link_map).collect::<Result<Array>>()?.into())
        }),
    },
    Function {
        of: Of::Netns,
        name: "addrs",
        params: "",
        arity: (0, 0),
        gives: "array of maps",
        doc: "The addresses of the namespace's links, with the field names of `ip -j addr`.\n\n```rhai\nexpect(netns(\"a\").addrs()[0].local == \"127.0.0.1\");\n```",
        form: Form::Call(|c| {
            let id = c.netns()?;
            with_names(c.look()?, id, |_| {}, |socket, names| state::addr::read(socket, None, names))
        }),
    },
    Function {
        of: Of::Netns,
        name: "routes",
        params: "",
        arity: (0, 0),
        gives: "array of maps",
        doc: "The routes of the namespace in all tables but the kernel's own, with the field names of `ip -j route`.\n\n```rhai\nlet a = netns(\"a\");\na.route(\"192.0.2.0/24\", #{ type: \"blackhole\" });\nexpect(a.routes()[0].dst == \"192.0.2.0/24\");\n```",
        form: Form::Call(|c| {
            let id = c.netns()?;
            with_names(c.look()?, id, as_ip::route, |socket, names| state::route::read(socket, names, false))
        }),
    },
    Function {
        of: Of::Netns,
        name: "rules",
        params: "",
        arity: (0, 0),
        gives: "array of maps",
        doc: "The policy rules of the namespace, with the field names of `ip -j rule`.\n\n```rhai\nexpect(netns(\"a\").rules().len() >= 3);\n```",
        form: Form::Call(|c| {
            let id = c.netns()?;
            with_names(c.look()?, id, as_ip::rule, |socket, _| state::rule::read(socket))
        }),
    },
    Function {
        of: Of::Netns,
        name: "neighbours",
        params: "",
        arity: (0, 0),
        gives: "array of maps",
        doc: "The neighbours of the namespace, with the field names of `ip -j neighbour`.\n\n```rhai\nexpect(netns(\"a\").neighbours().is_empty());\n```",
        form: Form::Call(|c| {
            let id = c.netns()?;
            with_names(c.look()?, id, as_ip::neighbour, |socket, names| {
                let mut all = state::neigh::read(socket, Table::Neighbours, names)?;
                // As ip, which leaves out those that need no asking.
                all.retain(|n| n.state != "NOARP");
                Ok(all)
            })
        }),
    },
    Function {
        of: Of::Netns,
        name: "fdb",
        params: "",
        arity: (0, 0),
        gives: "array of maps",
        doc: "The forwarding entries of the namespace's bridges and VXLAN links, with the field names of `bridge -j fdb`.\n\n```rhai\nlet wire = veth(netns(\"a\"), bridge(\"lan\"));\nexpect(host.fdb().some(|e| e.ifname == wire.b.name));\n```",
        form: Form::Call(|c| {
            let id = c.netns()?;
            with_names(c.look()?, id, as_ip::fdb, |socket, names| state::neigh::read(socket, Table::Fdb, names))
        }),
    },
    Function {
        of: Of::Link,
        name: "name",
        params: "",
        arity: (0, 0),
        gives: "string",
        doc: "The link's name.\n\n```rhai\nexpect(bridge(\"lan\").name == \"lan\");\n```",
        form: Form::Property(|c| state_of(c, |s| s.ifname.into())),
    },
    Function {
        of: Of::Link,
        name: "kind",
        params: "",
        arity: (0, 0),
        gives: "string",
        doc: "The link's kind, as `ip -d link` shows it; empty for a plain card.\n\n```rhai\nexpect(bridge(\"lan\").kind == \"bridge\");\n```",
        form: Form::Property(|c| state_of(c, |s| s.kind().to_owned().into())),
    },
    Function {
        of: Of::Link,
        name: "index",
        params: "",
        arity: (0, 0),
        gives: "integer",
        doc: "The link's ifindex.\n\n```rhai\nexpect(host[\"lo\"].index == 1);\n```",
        form: Form::Property(|c| state_of(c, |s| i64::from(s.ifindex).into())),
    },
    Function {
        of: Of::Link,
        name: "is_up",
        params: "",
        arity: (0, 0),
        gives: "bool",
        doc: "Whether the link is set up.\n\n(Whether it has a carrier is another matter.)\n\n```rhai\nexpect(bridge(\"lan\").is_up);\n```",
        form: Form::Property(|c| state_of(c, |s| s.up.into())),
    },
    Function {
        of: Of::Link,
        name: "mtu",
        params: "",
        arity: (0, 0),
        gives: "integer",
        doc: "The largest packet that the link takes, in bytes.\n\n```rhai\nexpect(bridge(\"lan\").mtu == 1500);\n```",
        form: Form::Property(|c| state_of(c, |s| i64::from(s.mtu).into())),
    },
    Function {
        of: Of::Link,
        name: "mac",
        params: "",
        arity: (0, 0),
        gives: "string",
        doc: "The link's Ethernet address; `()` if it has none.\n\n```rhai\nexpect(bridge(\"lan\").mac.len() == 17);\n```",
        form: Form::Property(|c| state_of(c, |s| s.address.map_or(Dynamic::UNIT, |m| m.to_string().into()))),
    },
    Function {
        of: Of::Link,
        name: "state",
        params: "",
        arity: (0, 0),
        gives: "map",
        doc: "Everything about the link, with the field names of `ip -j -d link`.\n\n```rhai\nexpect(bridge(\"lan\").state.linkinfo.info_data.stp_state == 0);\n```",
        form: Form::Property(|c| {
            let id = c.link()?;
            link_map(c.look()?.link_state(id)?)
        }),
    },
    Function {
        of: Of::Link,
        name: "netns",
        params: "",
        arity: (0, 0),
        gives: "namespace",
        doc: "The namespace that the link is in.\n\n```rhai\nexpect(bridge(\"lan\").netns == host);\n```",
        form: Form::Property(|c| {
            let id = c.link()?;
            let lab = c.look()?;
            let cookie = lab.objects.link(id)?.key().netns;
            lab.objects.netns_by_cookie(cookie).map(netns_value).ok_or_else(|| crate::action::gone(cookie))
        }),
    },
    Function {
        of: Of::Link,
        name: "master",
        params: "",
        arity: (0, 0),
        gives: "link",
        doc: "The bridge that the link is a port of; `()` if it is none.\n\n```rhai\nlet lan = bridge(\"lan\");\nexpect(veth(netns(\"a\"), lan).b.master == lan);\n```",
        form: Form::Property(|c| {
            let id = c.link()?;
            let state = c.look()?.link_state(id)?;
            let netns = c.look()?.objects.link(id)?.key().netns;
            match state.master_index {
                Some(index) => by_key(c.look()?, LinkKey { netns, index }).map(link_value),
                None => Ok(Dynamic::UNIT),
            }
        }),
    },
    Function {
        of: Of::Link,
        name: "peer",
        params: "",
        arity: (0, 0),
        gives: "link",
        doc: "The other end of a veth pair that the lab made; `()` for any other link.\n\n```rhai\nlet wire = veth(netns(\"a\"), netns(\"b\"));\nexpect(wire.a.peer == wire.b);\n```",
        form: Form::Property(|c| {
            let id = c.link()?;
            Ok(c.look()?.objects.link(id)?.peer.map_or(Dynamic::UNIT, link_value))
        }),
    },
    Function {
        of: Of::Link,
        name: "is_unused",
        params: "",
        arity: (0, 0),
        gives: "bool",
        doc: "Whether the lab made this link and nothing uses it yet: it has no port and no address, and nothing sits on it.\n\n```rhai\nexpect(bridge(\"lan\").is_unused);\n```",
        form: Form::Property(|c| {
            let id = c.link()?;
            let lab = c.look()?;
            let (key, made) = (lab.objects.link(id)?.key(), lab.objects.link(id)?.made);
            let netns = lab.objects.netns_by_cookie(key.netns).ok_or_else(|| crate::action::gone(key.netns))?;
            let used =
                links(lab, netns)?.iter().any(|l| l.master_index == Some(key.index) || l.link_index == Some(key.index));
            let addrs = addrs_of(lab, key)?;
            Ok((made && !used && !addrs.iter().any(|a| a.scope == "global")).into())
        }),
    },
    Function {
        of: Of::Link,
        name: "addrs",
        params: "",
        arity: (0, 0),
        gives: "array of maps",
        doc: "The link's addresses, with the field names of `ip -j addr`.\n\n```rhai\nlet wire = veth(netns(\"a\").port(\"10.0.0.1/24\"), netns(\"b\"));\nexpect(wire.a.addrs()[0].local == \"10.0.0.1\");\n```",
        form: Form::Call(|c| {
            let id = c.link()?;
            let lab = c.look()?;
            let key = lab.objects.link(id)?.key();
            plain(addrs_of(lab, key)?)
        }),
    },
    Function {
        of: Of::Wire,
        name: "a",
        params: "",
        arity: (0, 0),
        gives: "link",
        doc: "The end at the port that was named first.\n\n```rhai\nexpect(veth(netns(\"a\"), netns(\"b\")).a.netns.name == \"a\");\n```",
        form: Form::Property(|c| Ok(link_value(c.wire()?.0.a))),
    },
    Function {
        of: Of::Wire,
        name: "b",
        params: "",
        arity: (0, 0),
        gives: "link",
        doc: "The other end.\n\n```rhai\nexpect(veth(netns(\"a\"), netns(\"b\")).b.netns.name == \"b\");\n```",
        form: Form::Property(|c| Ok(link_value(c.wire()?.0.b))),
    },
];

/// All links of a namespace.
pub(super) fn links(lab: &mut Lab, id: NsId) -> Result<Vec<LinkState>> {
    let cookie = lab.objects.netns(id)?.cookie;
    lab.kernel().find(cookie);
    let socket = lab.kernel().socket(cookie).ok_or_else(|| crate::action::gone(cookie))?;
    let mut links = state::link::read(socket).map_err(unreadable)?;
    links.iter_mut().for_each(|link| lab.as_on_the_machine(cookie, link));
    Ok(links)
}

fn addrs_of(lab: &mut Lab, key: LinkKey) -> Result<Vec<state::addr::AddrState>> {
    let netns = lab.objects.netns_by_cookie(key.netns).ok_or_else(|| crate::action::gone(key.netns))?;
    let names = state::link::names(&links(lab, netns)?);
    let socket = lab.kernel().socket(key.netns).ok_or_else(|| crate::action::gone(key.netns))?;
    state::addr::read(socket, Some(key.index), &names).map_err(unreadable)
}

fn with_names<T: Serialize>(
    lab: &mut Lab,
    id: NsId,
    as_ip: fn(&mut serde_json::Map<String, serde_json::Value>),
    read: impl FnOnce(&mut Socket, &state::Names) -> std::result::Result<Vec<T>, KernelError>,
) -> Result<Dynamic> {
    let names = state::link::names(&links(lab, id)?);
    let cookie = lab.objects.netns(id)?.cookie;
    let socket = lab.kernel().socket(cookie).ok_or_else(|| crate::action::gone(cookie))?;
    shown(read(socket, &names).map_err(unreadable)?, as_ip)
}

fn state_of(c: &mut Call<'_>, field: impl FnOnce(LinkState) -> Dynamic) -> Result<Dynamic> {
    let id = c.link()?;
    c.look()?.link_state(id).map(field)
}

fn by_key(lab: &mut Lab, key: LinkKey) -> Result<LinkId> {
    if let Some(id) = lab.objects.link_by_key(key) {
        return Ok(id);
    }
    let netns = lab.objects.netns_by_cookie(key.netns).ok_or_else(|| crate::action::gone(key.netns))?;
    let links = links(lab, netns)?;
    let name = links.iter().find(|l| l.ifindex == key.index).map(|l| l.ifname.clone()).unwrap_or_default();
    lab.find_link(netns, &name)
}

/// A link as a map in which what every script asks for is always there.
fn link_map(state: LinkState) -> Result<Dynamic> {
    let value = shown(state, as_ip::link)?;
    let mut map = value.try_cast::<Map>().unwrap_or_default();
    for key in ["master", "link", "address", "ifalias"] {
        map.entry(key.into()).or_insert(Dynamic::UNIT);
    }
    Ok(map.into())
}

fn plain<T: Serialize>(value: T) -> Result<Dynamic> {
    shown(value, |_| {})
}

/// One record or a list of them as values of the language, each by way of `as_ip`.
fn shown<T: Serialize>(value: T, as_ip: fn(&mut serde_json::Map<String, serde_json::Value>)) -> Result<Dynamic> {
    let convert = |mut value: serde_json::Value| {
        match &mut value {
            serde_json::Value::Object(map) => as_ip(map),
            serde_json::Value::Array(list) => list.iter_mut().filter_map(|v| v.as_object_mut()).for_each(as_ip),
            _ => {}
        }
        from_json(value)
    };
    serde_json::to_value(value)
        .map(convert)
        .map_err(|e| Diagnostic::new(Code::Internal, format!("cannot write a state as a map: {e}")))
}

fn unreadable(error: KernelError) -> Box<Diagnostic> {
    Diagnostic::new(Code::Refused, "cannot read the namespace's state").kernel(error)
}
