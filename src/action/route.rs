//! A route is made, put in another's place, or deleted.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::text::{Names, Options, opt};
use super::{After, Change, Context, Failure, Subject, failed};
use crate::diag::{Code, Diagnostic, KernelError, Result};
use crate::kernel::link::LinkKey;
use crate::kernel::raw::Bytes;
use crate::kernel::route::{self, RouteKind, RouteSpec, TABLE_MAIN};
use crate::kernel::space::NetnsCookie;
use crate::probe::state;
use crate::probe::state::Names as LinkNames;
use crate::snapshot::group::RouteKey;
use crate::snapshot::route as raw;
use crate::snapshot::scope::Touch;
use crate::types::address::Prefix;

/// What IPv6 gives to a route without a metric (`IP6_RT_PRIO_USER`).
const METRIC_V6: u32 = 1024;

/// A route is made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouteAdd {
    /// The namespace.
    pub netns: NetnsCookie,
    /// The route.
    pub route: RouteSpec,
    /// The name of the link in `route.dev`, for the text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dev: Option<String>,
}

impl RouteAdd {
    fn words(&self, names: &Names) -> String {
        named(self.netns, &self.route, self.dev.as_deref(), names)
    }
}

impl Change for RouteAdd {
    fn check(&self, ctx: &mut Context<'_>) -> Result<()> {
        match find(self.netns, &self.route, ctx)? {
            Some(there) => Err(taken(&self.route, Some(&there))),
            None => Ok(()),
        }
    }

    fn apply(&self, ctx: &mut Context<'_>) -> std::result::Result<After, Failure> {
        let (message, flags) = route::add(&self.route);
        let answer = ctx.socket(self.netns).map_err(Failure::clean)?.change(message, flags);
        answer.map_err(|e| Failure::clean(explain(self.netns, &self.route, e, ctx)))?;
        Ok(After::Nothing)
    }

    fn touches(&self, _ctx: &mut Context<'_>) -> Result<Vec<Touch>> {
        Ok(vec![Touch::Routes(self.netns, key(&self.route), self.route.dev)])
    }

    fn subject(&self) -> Subject {
        subject(self.netns, &self.route)
    }

    fn ip(&self, names: &Names) -> Vec<String> {
        vec![format!("{} add {}", ip(self.netns, &self.route, names), self.words(names))]
    }

    fn by_hand(&self, names: &Names) -> Vec<String> {
        vec![format!("{} del {}", ip(self.netns, &self.route, names), self.words(names))]
    }

    fn rhai(&self, names: &Names) -> String {
        rhai("route", self.netns, &self.route, self.dev.as_deref(), names)
    }
}

/// A route is put in the place of the first with the same destination, table and metric, or made if there is none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouteReplace {
    /// The namespace.
    pub netns: NetnsCookie,
    /// The route.
    pub route: RouteSpec,
    /// The name of the link in `route.dev`, for the text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dev: Option<String>,
}

impl RouteReplace {
    fn words(&self, names: &Names) -> String {
        named(self.netns, &self.route, self.dev.as_deref(), names)
    }
}

impl Change for RouteReplace {
    fn apply(&self, ctx: &mut Context<'_>) -> std::result::Result<After, Failure> {
        let (message, flags) = route::replace(&self.route);
        let answer = ctx.socket(self.netns).map_err(Failure::clean)?.change(message, flags);
        answer.map_err(|e| Failure::clean(explain(self.netns, &self.route, e, ctx)))?;
        Ok(After::Nothing)
    }

    fn touches(&self, _ctx: &mut Context<'_>) -> Result<Vec<Touch>> {
        // What it replaces may lead over another link.
        Ok(vec![Touch::Routes(self.netns, key(&self.route), None)])
    }

    fn subject(&self) -> Subject {
        // What it replaces may lead over another link, and does not go with this one.
        Subject::Netns(self.netns, None)
    }

    fn ip(&self, names: &Names) -> Vec<String> {
        vec![format!("{} replace {}", ip(self.netns, &self.route, names), self.words(names))]
    }

    fn rhai(&self, names: &Names) -> String {
        let text = rhai("route", self.netns, &self.route, self.dev.as_deref(), names);
        match text.strip_suffix(" })") {
            Some(text) => format!("{text}, replace: true }})"),
            None => format!("{}, #{{ replace: true }})", text.trim_end_matches(')')),
        }
    }
}

/// A route is deleted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouteDel {
    /// The namespace.
    pub netns: NetnsCookie,
    /// The route, for the text.
    pub route: RouteSpec,
    /// The route as the kernel tells it, with options that netlab may not know.
    pub message: Bytes,
}

impl Change for RouteDel {
    fn apply(&self, ctx: &mut Context<'_>) -> std::result::Result<After, Failure> {
        let lost = || Failure::clean(no_route(&self.route));
        let message = raw::delete(&self.message).ok_or_else(lost)?;
        let socket = ctx.socket(self.netns).map_err(Failure::clean)?;
        socket.change_raw(&message, 0).map_err(|e| {
            Failure::clean(match e.errno {
                libc::ESRCH | libc::ENOENT => no_route(&self.route).kernel(e),
                _ => failed(&format!("delete the route to {}", self.route.dst), e),
            })
        })?;
        Ok(After::Nothing)
    }

    fn touches(&self, _ctx: &mut Context<'_>) -> Result<Vec<Touch>> {
        Ok(vec![Touch::Routes(self.netns, key(&self.route), self.route.dev)])
    }

    fn subject(&self) -> Subject {
        subject(self.netns, &self.route)
    }

    fn ip(&self, names: &Names) -> Vec<String> {
        vec![format!("{} del {}", ip(self.netns, &self.route, names), named(self.netns, &self.route, None, names))]
    }

    fn by_hand(&self, names: &Names) -> Vec<String> {
        vec![format!("{} add {}", ip(self.netns, &self.route, names), named(self.netns, &self.route, None, names))]
    }

    fn rhai(&self, names: &Names) -> String {
        rhai("del_route", self.netns, &self.route, None, names)
    }
}

/// The route of a namespace that has the same destination, table and metric, if there is one.
///
/// # Errors
/// What the kernel said.
pub fn find(netns: NetnsCookie, wanted: &RouteSpec, ctx: &mut Context<'_>) -> Result<Option<RouteSpec>> {
    let v6 = wanted.dst.addr.is_ipv6();
    let dump = route::dump(ctx.socket(netns)?, v6).map_err(|e| failed("list the routes", e))?;
    let metric = |m: Option<u32>| m.unwrap_or(if v6 { METRIC_V6 } else { 0 });
    Ok(dump.iter().filter_map(RouteSpec::read).find(|r| {
        r.dst == wanted.dst
            && r.table.unwrap_or(TABLE_MAIN) == wanted.table.unwrap_or(TABLE_MAIN)
            && metric(r.metric) == metric(wanted.metric)
            // IPv6 keeps routes of one metric side by side, by their gateways.
            && (!v6 || wanted.via.is_none() || r.via == wanted.via)
    }))
}

/// The route that `ip route del` would take: the first to the destination with the same table and metric and, if these are
/// given, the gateway and the link. One of several IPv6 gateways is taken by itself.
///
/// # Errors
/// What the kernel said.
pub fn find_to_delete(netns: NetnsCookie, wanted: &RouteSpec, ctx: &mut Context<'_>) -> Result<Option<RouteDel>> {
    let all = raw::dump(ctx.socket(netns)?).map_err(|e| failed("list the routes", e))?;
    let key = key(wanted);
    let via = wanted.via.map(|via| match via {
        IpAddr::V4(v4) => v4.octets().to_vec(),
        IpAddr::V6(v6) => v6.octets().to_vec(),
    });
    let found = all
        .iter()
        .filter(|r| raw::key(r) == key && !raw::is_local(r))
        .find_map(|r| raw::hop(r, via.as_deref(), wanted.dev));
    Ok(found.map(|message| {
        let payload = message.payload();
        let route = RouteSpec::read_bytes(&payload).unwrap_or_else(|| wanted.clone());
        RouteDel { netns, route, message: Bytes(payload) }
    }))
}

/// The error for a route that is not there.
pub fn no_route(route: &RouteSpec) -> Box<Diagnostic> {
    Diagnostic::new(
        Code::NoSuchEntry,
        format!("there is no route `{}`", words(route, None, |index| format!("if{index}"))),
    )
    .help("print(ns.routes()) shows those that there are")
}

fn taken(route: &RouteSpec, there: Option<&RouteSpec>) -> Box<Diagnostic> {
    let what = if route.dst.is_default() { "a default route".to_owned() } else { format!("a route to {}", route.dst) };
    let via = there.and_then(|r| r.via).map_or_else(String::new, |via| format!(", via {via}"));
    Diagnostic::new(Code::EntryTaken, format!("there is {what} already{via}"))
        .help("use #{ replace: true } to put yours in its place, or another metric to have both")
}

/// By what the kernel tells a route apart from others.
fn key(route: &RouteSpec) -> RouteKey {
    let v6 = route.dst.addr.is_ipv6();
    RouteKey {
        v6,
        table: route.table.unwrap_or(TABLE_MAIN),
        dst: format!("{}/{}", route.dst.addr, route.dst.len),
        tos: 0,
        metric: route.metric.unwrap_or(if v6 { METRIC_V6 } else { 0 }),
    }
}

fn subject(netns: NetnsCookie, route: &RouteSpec) -> Subject {
    Subject::Netns(netns, route.dev.map(|index| LinkKey { netns, index }))
}

fn ip(netns: NetnsCookie, route: &RouteSpec, names: &Names) -> String {
    format!("{}{} route", names.ip(netns), if route.dst.addr.is_ipv6() { " -6" } else { "" })
}

/// A route as `ip route add` takes it; links that `names` does not know are told by their ifindexes.
fn named(netns: NetnsCookie, route: &RouteSpec, dev: Option<&str>, names: &Names) -> String {
    words(route, dev, |index| names.link(LinkKey { netns, index }))
}

/// The same, where `link` names the links of its gateways.
pub fn words(route: &RouteSpec, dev: Option<&str>, link: impl Fn(u32) -> String) -> String {
    let mut line = match route.kind {
        RouteKind::Unicast => route.dst.to_string(),
        kind => format!("{} {}", kind.word(), route.dst),
    };
    via_words(&mut line, &route.dst, route.via);
    opt(&mut line, "dev", dev.map(str::to_owned).or(route.dev.map(&link)));
    opt(&mut line, "src", route.src);
    opt(&mut line, "metric", route.metric);
    opt(&mut line, "table", route.table);
    opt(&mut line, "mtu", route.mtu);
    if route.onlink {
        line.push_str(" onlink");
    }
    for hop in &route.nexthops {
        line.push_str(" nexthop");
        via_words(&mut line, &route.dst, hop.via);
        opt(&mut line, "dev", hop.dev.map(&link));
        opt(&mut line, "weight", Some(hop.weight));
        if hop.onlink {
            line.push_str(" onlink");
        }
    }
    line
}

/// A gateway, whose family is said where it is not the destination's.
fn via_words(line: &mut String, dst: &Prefix, via: Option<IpAddr>) {
    let word = if dst.addr.is_ipv4() && via.is_some_and(|via| via.is_ipv6()) { "via inet6" } else { "via" };
    opt(line, word, via);
}

fn rhai(verb: &str, netns: NetnsCookie, route: &RouteSpec, dev: Option<&str>, names: &Names) -> String {
    let link = |index: u32| names.link(LinkKey { netns, index });
    let mut options = Options::default();
    options.put_text("type", (route.kind != RouteKind::Unicast).then(|| route.kind.word()));
    options.put_text("dev", dev.map(str::to_owned).or(route.dev.map(link)));
    options.put("metric", route.metric);
    options.put("table", route.table);
    options.put_text("src", route.src);
    options.put("mtu", route.mtu);
    options.put_flag("onlink", route.onlink);
    let hops = route.nexthops.iter().map(|hop| {
        let mut options = Options::default();
        options.put_text("via", hop.via);
        options.put_text("dev", hop.dev.map(link));
        options.put("weight", Some(hop.weight).filter(|weight| *weight != 1));
        options.put_flag("onlink", hop.onlink);
        options.after([""; 0])
    });
    let hops: Vec<String> = hops.collect();
    options.put("nexthops", (!hops.is_empty()).then(|| format!("[{}]", hops.join(", "))));
    // Without a gateway `default` is IPv4's.
    let is_v6 = route.dst.addr.is_ipv6() && route.via.is_none() && route.nexthops.is_empty();
    let dst = if is_v6 && route.dst.is_default() { "::/0".to_owned() } else { route.dst.to_string() };
    let dst = std::iter::once(format!("\"{dst}\"")).chain(route.via.map(|via| format!("\"{via}\"")));
    format!("{}.{verb}({})", names.handle(netns), options.after(dst))
}

/// What a refused route means. The kernel says "invalid gateway" for three different mistakes, so it is looked up which.
fn explain(netns: NetnsCookie, route: &RouteSpec, error: KernelError, ctx: &mut Context<'_>) -> Box<Diagnostic> {
    match (error.errno, route.via) {
        (libc::EEXIST, _) => {
            let there = find(netns, route, ctx).ok().flatten();
            taken(route, there.as_ref()).kernel(error)
        }
        (libc::EINVAL, _) if route.src.is_some() && names_source(&error) => {
            let src = route.src.map(|s| s.to_string()).unwrap_or_default();
            Diagnostic::new(Code::BadAddress, format!("`src` {src} cannot be used: no link of the namespace has it yet"))
                .help("IPv6 looks for duplicates for a second or two before an address counts; #{ nodad: true } at .addr() skips that")
                .kernel(error)
        }
        (libc::ENETUNREACH | libc::EINVAL | libc::EHOSTUNREACH, Some(via)) if !names_source(&error) => {
            unreachable_gateway(netns, via, ctx).kernel(error)
        }
        (libc::ENETDOWN, _) => Diagnostic::new(
            Code::GatewayUnreachable,
            format!("cannot make the route to {}: its link is down", route.dst),
        )
        .help("set the link up first: .up()")
        .kernel(error),
        (libc::ENODEV, _) => {
            Diagnostic::new(Code::NoSuchLink, format!("cannot make the route to {}: its link is gone", route.dst))
                .kernel(error)
        }
        _ => failed(&format!("make the route to {}", route.dst), error),
    }
}

/// Whether the kernel complains of the source address; without a text it may be anything.
fn names_source(error: &KernelError) -> bool {
    error.text.as_deref().is_some_and(|text| text.to_lowercase().contains("source"))
}

/// Refuses a gateway that is the namespace's own address: IPv4 takes it, and then sends nothing anywhere.
///
/// # Errors
/// `NL0104`.
pub fn refuse_own(netns: NetnsCookie, via: std::net::IpAddr, ctx: &mut Context<'_>) -> Result<()> {
    let addrs = state::addr::read(ctx.socket(netns)?, None, &LinkNames::default()).unwrap_or_default();
    let Some(own) = addrs.iter().find(|a| a.local == via).map(|a| a.index) else { return Ok(()) };
    let links = state::link::read(ctx.socket(netns)?).unwrap_or_default();
    let name =
        links.into_iter().find(|l| l.ifindex == own).map_or_else(String::new, |l| format!(", on `{}`", l.ifname));
    Err(Diagnostic::new(Code::GatewayUnreachable, format!("gateway {via} is this namespace's own address{name}"))
        .help("the gateway is the address of the router, at the other end of the wire"))
}

fn unreachable_gateway(netns: NetnsCookie, via: std::net::IpAddr, ctx: &mut Context<'_>) -> Box<Diagnostic> {
    let error = |why: String| Diagnostic::new(Code::GatewayUnreachable, format!("gateway {via} {why}"));
    let Ok(socket) = ctx.socket(netns) else { return error("cannot be used: its namespace is gone".into()) };
    let links = state::link::read(socket).unwrap_or_default();
    let names: LinkNames = state::link::names(&links);
    let addrs = state::addr::read(socket, None, &names).unwrap_or_default();
    if let Some(on) = addrs.iter().find(|a| a.network().is_some_and(|n| n.contains(via)))
        && links.iter().any(|l| l.ifindex == on.index && !l.up)
    {
        let network = on.network().map_or_else(String::new, |n| n.to_string());
        return error(format!(
            "cannot be used: `{}` is down, so its network {network} is not in the table yet",
            on.dev
        ))
        .help(format!("set the link up first: ns[\"{}\"].up()", on.dev));
    }
    let own: Vec<_> = addrs.iter().filter(|a| a.local.is_ipv4() == via.is_ipv4() && a.scope == "global").collect();
    let nets: Vec<String> = own.iter().map(|a| format!("{}/{} on `{}`", a.local, a.prefixlen, a.dev)).collect();
    if nets.is_empty() {
        let family = if via.is_ipv4() { "IPv4" } else { "IPv6" };
        return error(format!("is in no network of this namespace, which has no {family} address at all"))
            .help("give it an address in the gateway's network first: port(\"eth0\", \"…/24\"), or link.addr(…)");
    }
    let error = error(format!("is in no network of this namespace, which has {}", nets.join(", ")));
    match own.iter().find(|a| a.prefixlen == crate::types::address::bits(a.local)) {
        Some(lone) => error.help(format!(
            "/{0} is a network of one address: did you mean {1}/{2}?",
            lone.prefixlen,
            lone.local,
            if lone.local.is_ipv4() { 24 } else { 64 }
        )),
        None => error.help(
            "the gateway is the router's address on a wire to here; #{ onlink: true, dev: \"…\" } if it is reached all the same",
        ),
    }
}
