//! DHCP: leases for links, and servers that give them.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use rhai::{Array, Dynamic, Map};

use super::args::Call;
use super::engine::say;
use super::function::{Form, Function};
use super::program::{seconds, texts};
use super::values::{Of, kind};
use crate::dhcp::lease::{FOR_EVER, Lease, Options, Route};
use crate::dhcp::pool::{Binding, Standing};
use crate::diag::{Code, Diagnostic, Result};
use crate::kernel::process::since_boot;
use crate::lab::dhcp::Wants;
use crate::lab::dhcp_server::Service;
use crate::types::address::{Prefix, ip};
use crate::types::mac::Mac;

pub(super) const FUNCTIONS: &[Function] = &[
    Function {
        of: Of::Link,
        name: "dhcp",
        params: "#{ timeout, hostname, client_id, routes, metric, dns, verbose }?",
        arity: (0, 1),
        gives: "#{ address, prefix, server, router, routers, dns, domain, search, mtu, routes, lease, t1, t2, renewals }",
        doc: "Obtains an address by DHCP, with what comes with it: router, routes, MTU, and the name servers in the namespace's resolv.conf.\n\nThe link is set up if it is down. The lease is renewed for as long as the lab is up, and given back at `down`.\n\n* `timeout` - seconds to wait for a server, 10 unless said otherwise\n* `hostname` - the name to tell the server\n* `client_id` - by what to be known to it; by its MAC otherwise\n* `routes` - `false` leaves routes as they are\n* `metric` - the metric of its routes\n* `dns` - whether resolv.conf is written: in a namespace with a name yes, on the host only with `true`\n* `verbose` - prints the exchange, as `dhclient -v` does\n\n```rhai\nlet wire = veth(netns(\"server\").port(\"10.0.0.1/24\"), netns(\"client\"));\nwire.a.dhcp_server();\nexpect(wire.b.dhcp().router == \"10.0.0.1\");\n```",
        form: Form::Call(dhcp),
    },
    Function {
        of: Of::Link,
        name: "dhcp_renew",
        params: "",
        arity: (0, 0),
        gives: "the lease, as from `dhcp`",
        doc: "Asks the server for more time now, which happens by itself when half of the lease's time is over.\n\n```rhai\nlet wire = veth(netns(\"server\").port(\"10.0.0.1/24\"), netns(\"client\"));\nwire.a.dhcp_server();\nwire.b.dhcp();\nexpect(wire.b.dhcp_renew().renewals == 1);\n```",
        form: Form::Call(|c| {
            let id = c.link()?;
            c.lab()?.dhcp_renew(id).map(|lease| value(&lease))
        }),
    },
    Function {
        of: Of::Link,
        name: "dhcp_release",
        params: "",
        arity: (0, 0),
        gives: "the link",
        doc: "Gives the lease back, and takes away the address, the routes and the resolv.conf that came with it.\n\n```rhai\nlet wire = veth(netns(\"server\").port(\"10.0.0.1/24\"), netns(\"client\"));\nwire.a.dhcp_server();\nwire.b.dhcp();\nwire.b.dhcp_release();\n```",
        form: Form::Call(|c| {
            let (id, site) = (c.link()?, c.site.clone());
            let lab = c.lab()?;
            lab.voice = Some(say);
            lab.dhcp_release(&site, id)?;
            Ok(c.this.clone())
        }),
    },
    Function {
        of: Of::Link,
        name: "dhcp_server",
        params: "#{ pool, router, dns, domain, search, mtu, lease, reservations, routes }?",
        arity: (0, 1),
        gives: "the link",
        doc: "Serves addresses by DHCP on the link, which has to have one, for as long as the lab is up.\n\n* `pool` - the first and the last address; the whole network otherwise\n* `router` - the router; the server's own address otherwise, and none with `false`\n* `dns` - name servers\n* `domain`, `search` - the domain, and those in which names are looked up\n* `mtu` - the MTU\n* `lease` - for how many seconds, an hour unless said otherwise; 0 for ever\n* `reservations` - who always gets which: `#{ \"02:00:00:00:00:01\": \"10.0.0.9\" }`\n* `routes` - more routes: `#{ \"10.9.0.0/16\": \"10.0.0.2\" }`\n\n```rhai\nlet wire = veth(netns(\"server\").port(\"10.0.0.1/24\"), netns(\"client\"));\nwire.a.dhcp_server(#{ pool: [\"10.0.0.100\", \"10.0.0.150\"], dns: [\"10.0.0.53\"], lease: 600 });\nexpect(wire.b.dhcp().address == \"10.0.0.100\");\n```",
        form: Form::Call(dhcp_server),
    },
    Function {
        of: Of::Link,
        name: "dhcp_leases",
        params: "",
        arity: (0, 0),
        gives: "array of #{ address, mac, hostname, state, expires }",
        doc: "Who has which address from the DHCP server on the link.\n\n`state` is `bound`, `offered` or `declined`; `expires` is in so many seconds.\n\n```rhai\nlet wire = veth(netns(\"server\").port(\"10.0.0.1/24\"), netns(\"client\"));\nwire.a.dhcp_server();\nwire.b.dhcp();\nexpect(wire.a.dhcp_leases().len() == 1);\n```",
        form: Form::Call(|c| {
            let id = c.link()?;
            let all = c.look()?.dhcp_leases(id)?;
            Ok(all.iter().map(binding).collect::<Array>().into())
        }),
    },
];

fn dhcp(c: &mut Call<'_>) -> Result<Dynamic> {
    let (id, site) = (c.link()?, c.site.clone());
    let mut options = c.options(0)?;
    let timeout = options.any("timeout").map(seconds).transpose()?;
    let wants = Wants {
        timeout: timeout.map_or(10_000, |t| u64::try_from(t.as_millis()).unwrap_or(u64::MAX)),
        hostname: options.text("hostname")?.map(|name| short("hostname", name)).transpose()?,
        client_id: options.text("client_id")?.map(|id| short("client_id", id)).transpose()?,
        verbose: options.bool("verbose")?.unwrap_or(false),
        routes: options.bool("routes")?.unwrap_or(true),
        metric: options.number("metric")?,
        dns: options.bool("dns")?,
    };
    options.finish()?;
    let lab = c.lab()?;
    lab.voice = Some(say);
    lab.dhcp(&site, id, &wants).map(|lease| value(&lease))
}

fn dhcp_server(c: &mut Call<'_>) -> Result<Dynamic> {
    let (id, site) = (c.link()?, c.site.clone());
    let mut options = c.options(0)?;
    let pool = match options.texts("pool")?.as_slice() {
        [] => None,
        [first, last] => Some((ipv4(first)?, ipv4(last)?)),
        _ => {
            return Err(Diagnostic::new(
                Code::BadOption,
                "option `pool` of `dhcp_server` is its first and its last address",
            )
            .help("write pool: [\"10.0.0.100\", \"10.0.0.150\"]"));
        }
    };
    let router = options.any("router");
    let no_router = router.as_ref().is_some_and(|r| r.as_bool() == Ok(false));
    let routers = match router.filter(|_| !no_router) {
        Some(router) if router.is_string() => vec![ipv4(&router.to_string())?],
        Some(router) => return Err(options.mistaken("router", "an address or `false`", kind(&router))),
        None => Vec::new(),
    };
    let mut reservations = BTreeMap::new();
    for (mac, address) in options.map("reservations")?.unwrap_or_default() {
        reservations.insert(Mac::new(&mac)?, ipv4(&address.to_string())?);
    }
    let mut routes = Vec::new();
    for (dst, via) in options.map("routes")?.unwrap_or_default() {
        let prefix = Prefix::new(&dst)?;
        let IpAddr::V4(network) = prefix.addr else { return Err(no_ipv4(&dst)) };
        routes.push(Route { dst: network, len: prefix.len, via: ipv4(&via.to_string())? });
    }
    let lease: Option<u32> = options.number("lease")?;
    let mtu: Option<u16> = options.number("mtu")?;
    if let Some(mtu) = mtu.filter(|mtu| *mtu < 576) {
        return Err(Diagnostic::new(Code::OutOfRange, format!("MTU {mtu} is out of range: clients take 576 or more")));
    }
    let dns = options.texts("dns")?.iter().map(|ip| ipv4(ip)).collect::<Result<_>>()?;
    let domain = options.text("domain")?.map(|name| short("domain", name)).transpose()?;
    let search = options.texts("search")?;
    options.finish()?;
    let service = Service {
        pool,
        is_router: !no_router,
        reservations,
        seconds: match lease {
            Some(0) => FOR_EVER,
            lease => lease.unwrap_or(3600),
        },
        options: Options { routers, dns, domain, search, mtu, routes },
    };
    c.lab()?.dhcp_server(&site, id, service)?;
    Ok(c.this.clone())
}

fn ipv4(text: &str) -> Result<Ipv4Addr> {
    match ip(text)? {
        IpAddr::V4(ip) => Ok(ip),
        IpAddr::V6(_) => Err(no_ipv4(text)),
    }
}

fn no_ipv4(text: &str) -> Box<Diagnostic> {
    Diagnostic::new(Code::BadAddress, format!("`{text}` is not IPv4, and this DHCP gives nothing else"))
}

/// An address that a server gave, as a value.
fn binding(binding: &Binding) -> Dynamic {
    let state = match binding.state {
        Standing::Offered => "offered",
        Standing::Bound => "bound",
        Standing::Released => "released",
        Standing::Declined => "declined",
    };
    let left = binding.until.map(|until| until.saturating_sub(since_boot()).div_ceil(1000));
    let map: Map = [
        ("address", Dynamic::from(binding.address.to_string())),
        ("mac", binding.mac.to_string().into()),
        ("hostname", binding.hostname.clone().map_or(Dynamic::UNIT, Dynamic::from)),
        ("state", state.into()),
        ("expires", left.and_then(|s| i64::try_from(s).ok()).map_or(Dynamic::UNIT, Dynamic::from)),
    ]
    .into_iter()
    .map(|(key, value)| (key.into(), value))
    .collect();
    map.into()
}

/// An option of DHCP has up to 255 bytes, of which some are taken.
fn short(what: &str, text: String) -> Result<String> {
    match text.len() {
        1..=250 => Ok(text),
        n => Err(Diagnostic::new(Code::OutOfRange, format!("`{what}` has 1 to 250 bytes, this has {n}"))),
    }
}

/// A lease as a value.
fn value(lease: &Lease) -> Dynamic {
    let options = &lease.options;
    let ips = |all: &[std::net::Ipv4Addr]| texts(all.iter().map(ToString::to_string));
    let text = |text: Option<String>| text.map_or(Dynamic::UNIT, Dynamic::from);
    let time = |seconds: u32| if seconds == FOR_EVER { Dynamic::UNIT } else { i64::from(seconds).into() };
    let routes: Array = lease
        .routes()
        .iter()
        .map(|route| {
            let dst = if route.len == 0 { "default".to_owned() } else { format!("{}/{}", route.dst, route.len) };
            let via = (!route.via.is_unspecified()).then(|| route.via.to_string());
            let map: Map = [("dst".into(), dst.into()), ("via".into(), text(via))].into_iter().collect();
            Dynamic::from(map)
        })
        .collect();
    let map: Map = [
        ("address", Dynamic::from(lease.address.to_string())),
        ("prefix", i64::from(lease.len).into()),
        ("server", lease.server.to_string().into()),
        ("router", text(options.routers.first().map(ToString::to_string))),
        ("routers", ips(&options.routers)),
        ("dns", ips(&options.dns)),
        ("domain", text(options.domain.clone())),
        ("search", texts(options.search.iter().cloned())),
        ("mtu", options.mtu.map_or(Dynamic::UNIT, |mtu| i64::from(mtu).into())),
        ("routes", routes.into()),
        ("lease", time(lease.seconds)),
        ("t1", time(lease.t1)),
        ("t2", time(lease.t2)),
        ("renewals", i64::from(lease.renewals).into()),
    ]
    .into_iter()
    .map(|(key, value)| (key.into(), value))
    .collect();
    map.into()
}
