//! Namespaces: making, finding, naming, and what is set in one: routes, rules, neighbours, settings, files.

use std::ops::{Range, RangeInclusive};

use rhai::{Array, Dynamic};

use super::args::Call;
use super::function::{Form, Function};
use super::options::Options;
use super::values::{Link, Ns, Of, kind};
use crate::diag::{Code, Diagnostic, Result};
use crate::kernel::link::LinkKey;
use crate::kernel::neigh::NeighSpec;
use crate::kernel::netns;
use crate::kernel::route::{NextHop, RouteKind, RouteSpec};
use crate::kernel::rule::RuleSpec;
use crate::lab::objects::{HOST, LinkId, NsId};
use crate::types::address::{Prefix, ip};
use crate::types::mac::Mac;
use crate::types::name::NsName;

pub(super) const FUNCTIONS: &[Function] = &[
    Function {
        of: Of::Free,
        name: "netns",
        params: "name, #{ forward, lo, dns, sysctl }? | prefix, 1..=3, #{ … }?",
        arity: (1, 3),
        gives: "namespace, or an array of them",
        doc: "Makes a namespace, with `lo` set up and without forwarding.\n\nWith a prefix and a range it makes several, numbered: `netns(\"h\", 1..=100)` gives an array of `h1` to `h100`.\n\n* `forward` - whether it passes packets on; a new namespace does not unless told to\n* `lo` - whether `lo` is set up; `false` for lessons that need it down\n* `dns` - the text of its resolv.conf, or name servers: `[\"10.0.0.53\"]`\n* `sysctl` - settings: `#{ \"net.ipv4.conf.all.rp_filter\": \"2\" }`\n\n```rhai\nlet router = netns(\"router\", #{ forward: true });\n```",
        form: Form::Call(make),
    },
    Function {
        of: Of::Free,
        name: "get_netns",
        params: "name",
        arity: (1, 1),
        gives: "namespace",
        doc: "Finds a namespace by its name, whoever made it.\n\n```rhai\nnetns(\"ns1\");\nlet ns1 = get_netns(\"ns1\");\n```",
        form: Form::Call(|c| {
            let name = c.text(0)?;
            if name == "host" { Ok(value(HOST)) } else { c.look()?.find_netns(&name).map(value) }
        }),
    },
    Function {
        of: Of::Free,
        name: "netns_list",
        params: "",
        arity: (0, 0),
        gives: "array of strings",
        doc: "The names of all namespaces, as `ip netns list` shows them.\n\n```rhai\nnetns(\"ns1\");\nexpect(\"ns1\" in netns_list());\n```",
        form: Form::Call(|_| Ok(netns::names().iter().map(|n| Dynamic::from(n.to_string())).collect::<Array>().into())),
    },
    Function {
        of: Of::Free,
        name: "netns_of",
        params: "pid",
        arity: (1, 1),
        gives: "namespace",
        doc: "Finds the namespace that a process is in, as `ip netns identify` does.\n\n```rhai\nlet sleeper = netns(\"ns1\").start(\"sleep 60\");\nexpect(netns_of(sleeper.pid) == get_netns(\"ns1\"));\n```",
        form: Form::Call(|c| {
            let pid = c.number(0, "PID")?;
            c.look()?.netns_of(pid).map(value)
        }),
    },
    Function {
        of: Of::Free,
        name: "attach",
        params: "name, pid",
        arity: (2, 2),
        gives: "namespace",
        doc: "Gives the namespace that a process is in a name, which goes at `down`; the namespace itself stays.\n\n```rhai\nlet sleeper = netns(\"ns1\").start(\"sleep 60\");\nattach(\"also-ns1\", sleeper.pid);\n```",
        form: Form::Call(|c| {
            let (name, pid, site) = (NsName::new(&c.text(0)?)?, c.number(1, "PID")?, c.site.clone());
            c.lab()?.attach(&site, name, pid).map(value)
        }),
    },
    Function {
        of: Of::Netns,
        name: "del",
        params: "",
        arity: (0, 0),
        gives: "()",
        doc: "Deletes the namespace's name; the namespace dies when nothing uses it any more.\n\n```rhai\nlet ns1 = netns(\"ns1\");\nns1.del();\n```",
        form: Form::Call(|c| {
            let (id, site) = (c.netns()?, c.site.clone());
            c.lab()?.del_netns(&site, id).map(|()| Dynamic::UNIT)
        }),
    },
    Function {
        of: Of::Netns,
        name: "route",
        params: "dst, via?, #{ dev, metric, table, src, mtu, onlink, type, nexthops, replace }?",
        arity: (1, 3),
        gives: "the namespace",
        doc: "Makes a route, as `ip route add` does.\n\n* `dst` - `\"default\"`, a network `\"10.0.0.0/8\"`, or one address\n* `via` - the gateway: an address, a link, or a namespace with one address\n* `dev` - the link that it leaves by, a link or its name\n* `type` - `\"blackhole\"`, `\"unreachable\"`, `\"prohibit\"` or `\"throw\"` instead of a gateway\n* `nexthops` - several gateways: `[#{ via, dev, weight }, …]`\n* `replace` - put it in the place of a route that is there\n\n```rhai\nlet a = netns(\"a\");\nveth(a.port(\"eth0\", \"10.0.0.1/24\"), netns(\"b\").port(\"eth0\", \"10.0.0.2/24\"));\na.route(\"default\", \"10.0.0.2\");\na.route(\"192.0.2.0/24\", #{ type: \"blackhole\" });\n```",
        form: Form::Call(|c| {
            let (id, site) = (c.netns()?, c.site.clone());
            let (route, replace) = route_spec(c, id)?;
            c.lab()?.add_route(&site, id, route, replace)?;
            Ok(c.this.clone())
        }),
    },
    Function {
        of: Of::Netns,
        name: "del_route",
        params: "dst, via?, #{ metric, table }?",
        arity: (1, 3),
        gives: "the namespace",
        doc: "Deletes a route.\n\n```rhai\nlet a = netns(\"a\");\na.route(\"192.0.2.0/24\", #{ type: \"blackhole\" });\na.del_route(\"192.0.2.0/24\");\n```",
        form: Form::Call(|c| {
            let (id, site) = (c.netns()?, c.site.clone());
            let (route, _) = route_spec(c, id)?;
            c.lab()?.del_route(&site, id, &route)?;
            Ok(c.this.clone())
        }),
    },
    Function {
        of: Of::Netns,
        name: "rule",
        params: "#{ from, to, iif, oif, fwmark, tos, not, table, type, priority, ipv6 }",
        arity: (1, 1),
        gives: "the namespace",
        doc: "Makes a policy rule, as `ip rule add` does.\n\n```rhai\nlet a = netns(\"a\");\na.rule(#{ from: \"10.0.0.0/24\", table: 100 });\n```",
        form: Form::Call(|c| {
            let (id, site) = (c.netns()?, c.site.clone());
            let (rule, priority) = rule_spec(c.options(0)?)?;
            c.lab()?.add_rule(&site, id, rule, priority)?;
            Ok(c.this.clone())
        }),
    },
    Function {
        of: Of::Netns,
        name: "del_rule",
        params: "#{ from, to, iif, oif, fwmark, tos, not, table, type, priority, ipv6 }",
        arity: (1, 1),
        gives: "the namespace",
        doc: "Deletes a policy rule.\n\n```rhai\nlet a = netns(\"a\");\na.rule(#{ from: \"10.0.0.0/24\", table: 100 });\na.del_rule(#{ from: \"10.0.0.0/24\", table: 100 });\n```",
        form: Form::Call(|c| {
            let (id, site) = (c.netns()?, c.site.clone());
            let (rule, priority) = rule_spec(c.options(0)?)?;
            c.lab()?.del_rule(&site, id, rule, priority)?;
            Ok(c.this.clone())
        }),
    },
    Function {
        of: Of::Netns,
        name: "neigh",
        params: "addr, mac, #{ dev } | addr, #{ dev, proxy }",
        arity: (2, 3),
        gives: "the namespace",
        doc: "Makes a permanent neighbour entry, or a proxy one, as `ip neighbour add` does.\n\n* `dev` - the link, a link or its name; not needed if the namespace has only one\n\n```rhai\nlet a = netns(\"a\");\nveth(a.port(\"eth0\", \"10.0.0.1/24\"), netns(\"b\").port(\"eth0\"));\na.neigh(\"10.0.0.9\", \"02:00:00:00:00:09\");\n```",
        form: Form::Call(|c| {
            let (id, site) = (c.netns()?, c.site.clone());
            let (link, entry) = neigh_spec(c, id)?;
            c.lab()?.add_neigh(&site, link, entry)?;
            Ok(c.this.clone())
        }),
    },
    Function {
        of: Of::Netns,
        name: "del_neigh",
        params: "addr, mac, #{ dev } | addr, #{ dev, proxy }",
        arity: (2, 3),
        gives: "the namespace",
        doc: "Deletes a neighbour or proxy entry.\n\n```rhai\nlet a = netns(\"a\");\nveth(a.port(\"eth0\", \"10.0.0.1/24\"), netns(\"b\").port(\"eth0\"));\na.neigh(\"10.0.0.9\", \"02:00:00:00:00:09\");\na.del_neigh(\"10.0.0.9\", \"02:00:00:00:00:09\");\n```",
        form: Form::Call(|c| {
            let (id, site) = (c.netns()?, c.site.clone());
            let (link, entry) = neigh_spec(c, id)?;
            c.lab()?.del_neigh(&site, link, entry)?;
            Ok(c.this.clone())
        }),
    },
    Function {
        of: Of::Netns,
        name: "forward",
        params: "on",
        arity: (1, 1),
        gives: "the namespace",
        doc: "Switches IPv4 forwarding on or off (`net.ipv4.ip_forward`): whether it is a router.\n\n```rhai\nnetns(\"router\").forward(true);\n```",
        form: Form::Call(|c| forward(c, "net.ipv4.ip_forward")),
    },
    Function {
        of: Of::Netns,
        name: "forward6",
        params: "on",
        arity: (1, 1),
        gives: "the namespace",
        doc: "Switches IPv6 forwarding on or off (`net.ipv6.conf.all.forwarding`).\n\n```rhai\nnetns(\"router\").forward6(true);\n```",
        form: Form::Call(|c| forward(c, "net.ipv6.conf.all.forwarding")),
    },
    Function {
        of: Of::Netns,
        name: "sysctl",
        params: "key, value?",
        arity: (1, 2),
        gives: "the namespace; without a value what the setting is, a string",
        doc: "Writes a setting below /proc/sys/net, or reads it.\n\n```rhai\nlet a = netns(\"a\");\na.sysctl(\"net.ipv4.ip_default_ttl\", \"32\");\nexpect(a.sysctl(\"net.ipv4.ip_default_ttl\") == \"32\");\n```",
        form: Form::Call(|c| {
            let (id, key, site) = (c.netns()?, c.text(0)?, c.site.clone());
            if c.len() == 1 {
                return c.look()?.sysctl(id, &key).map(Dynamic::from);
            }
            let value = plain(c, 1)?;
            c.lab()?.set_sysctl(&site, id, &key, &value)?;
            Ok(c.this.clone())
        }),
    },
    Function {
        of: Of::Netns,
        name: "resolv_conf",
        params: "text | [nameservers] | #{ nameserver, search, options }",
        arity: (1, 1),
        gives: "the namespace",
        doc: "Says who resolves names: writes /etc/netns/NAME/resolv.conf, which programs in the namespace see as /etc/resolv.conf; for `host`, /etc/resolv.conf itself.\n\n```rhai\nnetns(\"a\").resolv_conf([\"10.0.0.53\"]);\n```",
        form: Form::Call(|c| {
            let (id, site) = (c.netns()?, c.site.clone());
            let text = resolv_text(c.args[0].clone())?;
            c.lab()?.put_etc(&site, id, "resolv.conf", &text)?;
            Ok(c.this.clone())
        }),
    },
    Function {
        of: Of::Netns,
        name: "hosts",
        params: "text",
        arity: (1, 1),
        gives: "the namespace",
        doc: "Writes the table of names: /etc/netns/NAME/hosts, which programs in the namespace see as /etc/hosts; for `host`, /etc/hosts itself.\n\n```rhai\nnetns(\"a\").hosts(\"127.0.0.1 localhost\\n10.0.0.2 b\\n\");\n```",
        form: Form::Call(|c| {
            let (id, text, site) = (c.netns()?, c.text(0)?, c.site.clone());
            c.lab()?.put_etc(&site, id, "hosts", &text)?;
            Ok(c.this.clone())
        }),
    },
];

/// A namespace as a value.
pub(super) fn value(id: NsId) -> Dynamic {
    Dynamic::from(Ns(id))
}

struct NetnsOptions {
    forward: Option<bool>,
    lo: bool,
    dns: Option<String>,
    sysctl: Vec<(String, String)>,
}

fn make(c: &mut Call<'_>) -> Result<Dynamic> {
    let mut given = c.take_options();
    let options = NetnsOptions {
        forward: given.bool("forward")?,
        lo: given.bool("lo")?.unwrap_or(true),
        dns: given.any("dns").map(resolv_text).transpose()?,
        sysctl: given
            .map("sysctl")?
            .unwrap_or_default()
            .into_iter()
            .map(|(key, value)| (key.to_string(), value.to_string()))
            .collect(),
    };
    given.finish()?;
    let prefix = c.text(0)?;
    if c.len() == 1 {
        return make_one(c, &prefix, &options).map(value);
    }
    let numbers: Vec<i64> =
        match (c.args[1].clone().try_cast::<RangeInclusive<i64>>(), c.args[1].clone().try_cast::<Range<i64>>()) {
            (Some(range), _) => range.collect(),
            (None, Some(range)) => range.collect(),
            _ => return Err(c.mistaken(1, "a range such as 1..=3")),
        };
    // All names are looked at before the first is made.
    let names: Vec<String> = numbers.iter().map(|n| format!("{prefix}{n}")).collect();
    for name in &names {
        NsName::new(name)?;
    }
    // Another core can make them while this one does the rest.
    c.lab()?.kernel().order(names.len());
    let made: Result<Array> = names.iter().map(|name| make_one(c, name, &options).map(value)).collect();
    made.map(Dynamic::from)
}

fn make_one(c: &mut Call<'_>, name: &str, options: &NetnsOptions) -> Result<NsId> {
    const FORWARD: &str = "net.ipv4.ip_forward";
    let (name, site) = (NsName::new(name)?, c.site.clone());
    let lab = c.lab()?;
    let id = lab.add_netns(&site, name, options.lo)?;
    // The kernel copies this from its first namespace, where Docker switches it on: a lab must not depend on that.
    let wanted = options.forward.unwrap_or(false);
    if wanted != lab.kernel().new_ones_forward() {
        lab.set_sysctl(&site, id, FORWARD, if wanted { "1" } else { "0" })?;
    }
    for (key, value) in &options.sysctl {
        lab.set_sysctl(&site, id, key, value)?;
    }
    if let Some(text) = &options.dns {
        lab.put_etc(&site, id, "resolv.conf", text)?;
    }
    Ok(id)
}

fn forward(c: &mut Call<'_>, key: &str) -> Result<Dynamic> {
    let (id, on, site) = (c.netns()?, c.bool(0)?, c.site.clone());
    c.lab()?.set_sysctl(&site, id, key, if on { "1" } else { "0" })?;
    Ok(c.this.clone())
}

fn plain(c: &Call<'_>, i: usize) -> Result<String> {
    let value = &c.args[i];
    match value {
        v if v.is_string() || v.is_int() => Ok(v.to_string()),
        v if v.is_bool() => Ok(if v.as_bool() == Ok(true) { "1" } else { "0" }.into()),
        _ => Err(c.mistaken(i, "a string, an integer or a bool")),
    }
}

/// The text of a resolv.conf from what a script gives.
fn resolv_text(given: Dynamic) -> Result<String> {
    let bad = |is: &str| {
        Diagnostic::new(
            Code::WrongArguments,
            format!(
                "a resolv.conf is a text, an array of name servers, or #{{ nameserver, search, options }}, not {is}"
            ),
        )
    };
    if given.is_string() {
        let text = given.into_string().unwrap_or_default();
        return Ok(if text.is_empty() || text.ends_with('\n') { text } else { format!("{text}\n") });
    }
    let mut options = match given.clone() {
        list if list.is_array() => Options::new("resolv_conf", [("nameserver".into(), list)].into_iter().collect()),
        map if map.is_map() => Options::new("resolv_conf", map.try_cast().unwrap_or_default()),
        other => return Err(bad(kind(&other))),
    };
    let mut text = String::new();
    for server in options.texts("nameserver")? {
        text.push_str(&format!("nameserver {}\n", ip(&server)?));
    }
    for (key, words) in [("search", options.texts("search")?), ("options", options.texts("options")?)] {
        if !words.is_empty() {
            text.push_str(&format!("{key} {}\n", words.join(" ")));
        }
    }
    options.finish()?;
    Ok(text)
}

fn route_spec(c: &mut Call<'_>, id: NsId) -> Result<(RouteSpec, bool)> {
    let mut options = c.take_options();
    let mut route = RouteSpec::new(Prefix::new(&c.text(0)?)?);
    let via = if c.has(1) { Some(c.args[1].clone()) } else { options.any("via") };
    route.via = via.map(|via| super::place::address_of(c, &via, "the gateway")).transpose()?;
    route.dev = options.any("dev").map(|dev| link_of(c, id, dev).map(|(_, key)| key.index)).transpose()?;
    route.metric = options.number("metric")?;
    route.table = options.any("table").map(table).transpose()?;
    route.src = options.text("src")?.map(|a| ip(&a)).transpose()?;
    route.mtu = options.number("mtu")?;
    route.onlink = options.bool("onlink")?.unwrap_or(false);
    if let Some(word) = options.text("type")? {
        route.kind = route_kind(&word)?;
    }
    for hop in options.typed::<Array>("nexthops", "an array of #{ via, dev, weight }")?.unwrap_or_default() {
        let is = kind(&hop);
        let map =
            hop.try_cast().ok_or_else(|| options.mistaken("nexthops", "an array of #{ via, dev, weight }", is))?;
        let mut given = Options::new("nexthops", map);
        let via = given.any("via").map(|via| super::place::address_of(c, &via, "the gateway")).transpose()?;
        let dev = given.any("dev").map(|dev| link_of(c, id, dev).map(|(_, key)| key.index)).transpose()?;
        let weight = given.number::<u32>("weight")?.unwrap_or(1);
        let onlink = given.bool("onlink")?.unwrap_or(false);
        given.finish()?;
        if !(1..=256).contains(&weight) {
            return Err(Diagnostic::new(Code::OutOfRange, format!("the weight {weight} is out of range: 1 to 256")));
        }
        route.nexthops.push(NextHop { via, dev, weight, onlink });
    }
    let replace = options.bool("replace")?.unwrap_or(false);
    options.finish()?;
    let gateway = route.via.or(route.nexthops.iter().find_map(|h| h.via));
    if let Some(via) = gateway.filter(|_| route.dst.is_default()) {
        route.dst = if via.is_ipv4() { Prefix::DEFAULT_V4 } else { Prefix::DEFAULT_V6 };
    }
    if let Some(via) = gateway.filter(|via| via.is_ipv4() && route.dst.addr.is_ipv6()) {
        return Err(Diagnostic::new(
            Code::BadAddress,
            format!("the gateway {via} is an IPv4 address, the destination {} IPv6", route.dst),
        ));
    }
    let names_none = route.via.is_none() && route.dev.is_none() && route.nexthops.is_empty();
    if names_none && route.kind == RouteKind::Unicast && c.function.name == "route" {
        return Err(c.wrong(format!("the route to {} says neither `via` nor `dev`", route.dst)));
    }
    Ok((route, replace))
}

fn route_kind(word: &str) -> Result<RouteKind> {
    let words: Vec<&str> = RouteKind::WORDS.iter().map(|(w, _)| *w).collect();
    RouteKind::WORDS.iter().find(|(w, _)| *w == word).map(|(_, kind)| *kind).ok_or_else(|| {
        Diagnostic::new(Code::BadOption, format!("there is no route type `{word}`"))
            .help(format!("it is one of {}", words.join(", ")))
    })
}

/// A table by its number or by one of the names that every system has.
fn table(given: Dynamic) -> Result<u32> {
    let bad = |is: String| {
        Diagnostic::new(Code::BadOption, format!("there is no routing table {is}"))
            .help("a table is a number from 1 to 4294967295, or \"main\", \"default\", \"local\"")
    };
    if let Ok(number) = given.as_int() {
        return u32::try_from(number).ok().filter(|n| *n > 0).ok_or_else(|| bad(number.to_string()));
    }
    match given.to_string().as_str() {
        "main" => Ok(254),
        "default" => Ok(253),
        "local" => Ok(255),
        other => Err(bad(format!("`{other}`"))),
    }
}

fn rule_spec(mut options: Options) -> Result<(RuleSpec, Option<u32>)> {
    let priority = options.number("priority")?;
    let prefix = |text: Option<String>| text.map(|t| Prefix::new(&t)).transpose();
    let mut rule = RuleSpec {
        from: prefix(options.text("from")?.filter(|t| t != "all"))?,
        to: prefix(options.text("to")?.filter(|t| t != "all"))?,
        iif: options.text("iif")?,
        oif: options.text("oif")?,
        fwmark: options.number("fwmark")?,
        tos: options.number("tos")?,
        not: options.bool("not")?.unwrap_or(false),
        table: options.any("table").map(table).transpose()?,
        ..RuleSpec::default()
    };
    if let Some(word) = options.text("type")? {
        rule.kind = route_kind(&word)?;
    }
    let v6 = options.bool("ipv6")?;
    rule.v6 = v6.unwrap_or(rule.from.or(rule.to).is_some_and(|p| p.addr.is_ipv6()));
    options.finish()?;
    if rule.kind == RouteKind::Unicast && rule.table.is_none() {
        return Err(Diagnostic::new(Code::BadOption, "a rule needs a table to look in")
            .help("add `table: 100`, or `type: \"blackhole\"`"));
    }
    Ok((rule, priority))
}

fn neigh_spec(c: &mut Call<'_>, id: NsId) -> Result<(LinkId, NeighSpec)> {
    let mut options = c.take_options();
    let addr = ip(&c.text(0)?)?;
    let proxy = options.bool("proxy")?.unwrap_or(false);
    let entry = if proxy { NeighSpec::Proxy { addr } } else { NeighSpec::Neigh { addr, mac: Mac::new(&c.text(1)?)? } };
    let link = match options.any("dev") {
        Some(dev) => link_of(c, id, dev)?.0,
        None => only_link(c, id)?,
    };
    options.finish()?;
    Ok((link, entry))
}

/// A link that is given as a link or by its name.
pub(super) fn link_of(c: &mut Call<'_>, netns: NsId, given: Dynamic) -> Result<(LinkId, LinkKey)> {
    let id = if let Some(link) = given.clone().try_cast::<Link>() {
        link.0
    } else if given.is_string() {
        let name = given.into_string().unwrap_or_default();
        c.look()?.find_link(netns, &name)?
    } else {
        return Err(Diagnostic::new(Code::BadOption, format!("`dev` is {}, not a link or its name", kind(&given))));
    };
    let key = c.look()?.objects.link(id)?.key();
    Ok((id, key))
}

fn only_link(c: &mut Call<'_>, netns: NsId) -> Result<LinkId> {
    let links = super::read::links(c.look()?, netns)?;
    let others: Vec<&str> = links.iter().filter(|l| !l.loopback).map(|l| l.ifname.as_str()).collect();
    match others[..] {
        [name] => c.look()?.find_link(netns, name),
        [] => Err(Diagnostic::new(Code::NoSuchLink, "the namespace has no link but `lo`")),
        _ => Err(Diagnostic::new(Code::BadOption, "the namespace has several links")
            .help(format!("say which: #{{ dev: {:?} }}", others[0]))),
    }
}
