//! DHCP: leases for links, and servers that give them.

use rhai::{Array, Dynamic, Map};

use super::args::Call;
use super::engine::say;
use super::function::{Form, Function};
use super::program::{seconds, texts};
use super::values::Of;
use crate::dhcp::lease::{FOR_EVER, Lease};
use crate::diag::{Code, Diagnostic, Result};
use crate::lab::dhcp::Wants;

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
