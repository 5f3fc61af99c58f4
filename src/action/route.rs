//! A route is made, put in another's place, or deleted.

use netlink_packet_route::route::RouteMessage;
use serde::{Deserialize, Serialize};

use super::text::{Names, opt};
use super::{After, Change, Context, Failure, Subject, Undone, failed};
use crate::diag::{Code, Diagnostic, KernelError, Result};
use crate::kernel::link::LinkKey;
use crate::kernel::route::{self, RouteKind, RouteSpec, TABLE_MAIN};
use crate::kernel::space::NetnsCookie;
use crate::probe::state;
use crate::probe::state::Names as LinkNames;

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

    fn undo(&self, _after: &After, ctx: &mut Context<'_>) -> Result<Undone> {
        if !ctx.exists(self.netns) || find(self.netns, &self.route, ctx)?.is_none() {
            return Ok(Undone::Already);
        }
        let (message, flags) = route::del(&self.route);
        let answer = ctx.socket(self.netns)?.change(message, flags);
        super::deleted(answer, &format!("delete the route to {}", self.route.dst))
    }

    fn subject(&self) -> Subject {
        subject(self.netns, &self.route)
    }

    fn ip(&self, names: &Names) -> Vec<String> {
        vec![format!("{} add {}", ip(self.netns, &self.route, names), words(&self.route, self.dev.as_deref()))]
    }

    fn by_hand(&self, names: &Names) -> Vec<String> {
        vec![format!("{} del {}", ip(self.netns, &self.route, names), words(&self.route, self.dev.as_deref()))]
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
    /// The one that was there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<RouteSpec>,
}

impl Change for RouteReplace {
    fn apply(&self, ctx: &mut Context<'_>) -> std::result::Result<After, Failure> {
        let (message, flags) = route::replace(&self.route);
        let answer = ctx.socket(self.netns).map_err(Failure::clean)?.change(message, flags);
        answer.map_err(|e| Failure::clean(explain(self.netns, &self.route, e, ctx)))?;
        Ok(After::Nothing)
    }

    fn undo(&self, _after: &After, ctx: &mut Context<'_>) -> Result<Undone> {
        if !ctx.exists(self.netns) {
            return Ok(Undone::Already);
        }
        let Some(now) = replaced(self.netns, &self.route, ctx).unwrap_or(None) else {
            return Ok(match &self.before {
                Some(_) => Undone::Theirs(format!("the route to {} was deleted since", self.route.dst)),
                None => Undone::Already,
            });
        };
        if self.before.as_ref() == Some(&now) {
            return Ok(Undone::Already);
        }
        if (now.via, now.dev.or(self.route.dev)) != (self.route.via, self.route.dev.or(now.dev)) {
            return Ok(Undone::Theirs(format!("the route to {} was changed since", self.route.dst)));
        }
        let (message, flags) = match &self.before {
            // `replace` keeps the place among routes of the same metric, which `add` after `del` does not.
            Some(before) => route::replace(before),
            None => route::del(&self.route),
        };
        let answer = ctx.socket(self.netns)?.change(message, flags);
        super::deleted(answer, &format!("give back the route to {}", self.route.dst))
    }

    fn subject(&self) -> Subject {
        match self.before {
            Some(_) => Subject::Netns(self.netns, None),
            None => subject(self.netns, &self.route),
        }
    }

    fn ip(&self, names: &Names) -> Vec<String> {
        vec![format!("{} replace {}", ip(self.netns, &self.route, names), words(&self.route, self.dev.as_deref()))]
    }

    fn by_hand(&self, names: &Names) -> Vec<String> {
        let (verb, route) = match &self.before {
            Some(before) => ("replace", before),
            None => ("del", &self.route),
        };
        vec![format!("{} {verb} {}", ip(self.netns, route, names), words(route, None))]
    }

    fn rhai(&self, names: &Names) -> String {
        rhai("route", self.netns, &self.route, self.dev.as_deref(), names)
    }
}

/// A route is deleted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouteDel {
    /// The namespace.
    pub netns: NetnsCookie,
    /// The route, as it was found.
    pub route: RouteSpec,
}

impl Change for RouteDel {
    fn apply(&self, ctx: &mut Context<'_>) -> std::result::Result<After, Failure> {
        let (message, flags) = route::del(&self.route);
        let socket = ctx.socket(self.netns).map_err(Failure::clean)?;
        socket.change(message, flags).map_err(|e| {
            Failure::clean(match e.errno {
                libc::ESRCH | libc::ENOENT => no_route(&self.route).kernel(e),
                _ => failed(&format!("delete the route to {}", self.route.dst), e),
            })
        })?;
        Ok(After::Nothing)
    }

    fn undo(&self, _after: &After, ctx: &mut Context<'_>) -> Result<Undone> {
        let (message, flags) = route::add(&self.route);
        match ctx.socket(self.netns)?.change(message, flags) {
            Ok(()) => Ok(Undone::Yes),
            Err(e) if e.errno == libc::EEXIST => Ok(Undone::Already),
            Err(e) => Err(failed(&format!("give back the route to {}", self.route.dst), e)),
        }
    }

    fn subject(&self) -> Subject {
        subject(self.netns, &self.route)
    }

    fn ip(&self, names: &Names) -> Vec<String> {
        vec![format!("{} del {}", ip(self.netns, &self.route, names), words(&self.route, None))]
    }

    fn by_hand(&self, names: &Names) -> Vec<String> {
        vec![format!("{} add {}", ip(self.netns, &self.route, names), words(&self.route, None))]
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
    // IPv6 gives 1024 to a route without a metric.
    let metric = |m: Option<u32>| m.unwrap_or(if v6 { 1024 } else { 0 });
    Ok(dump.iter().filter_map(RouteSpec::read).find(|r| {
        r.dst == wanted.dst
            && r.table.unwrap_or(TABLE_MAIN) == wanted.table.unwrap_or(TABLE_MAIN)
            && metric(r.metric) == metric(wanted.metric)
            // IPv6 keeps routes of one metric side by side, by their gateways.
            && (!v6 || wanted.via.is_none() || r.via == wanted.via)
    }))
}

/// The route that another one would be put in the place of: the first with the same destination, table and metric, whatever
/// its gateway, and for IPv6 rather one that also has a gateway or also has none (`fib6_add_rt2node`).
///
/// # Errors
/// `NL0115` for one that could not be given back; what the kernel said.
pub fn replaced(netns: NetnsCookie, wanted: &RouteSpec, ctx: &mut Context<'_>) -> Result<Option<RouteSpec>> {
    let v6 = wanted.dst.addr.is_ipv6();
    let dump = route::dump(ctx.socket(netns)?, v6).map_err(|e| failed("list the routes", e))?;
    let in_place: Vec<_> = dump.iter().filter(|m| stands_in(m, wanted)).collect();
    let has_gateway = |spec: &RouteSpec| spec.via.is_some() || spec.nexthops.iter().any(|h| h.via.is_some());
    let like = |m: &&&RouteMessage| RouteSpec::read_any(m).is_some_and(|r| has_gateway(&r) == has_gateway(wanted));
    let Some(message) = in_place.iter().find(|m| !v6 || like(m)).or(in_place.first()) else { return Ok(None) };
    RouteSpec::read_any(message).map(Some).ok_or_else(|| {
        Diagnostic::new(
            Code::NotOurs,
            format!("the route to {} that is there has options that netlab cannot give back", wanted.dst),
        )
        .help("use another metric, so that both are there")
    })
}

/// Whether a route has the same destination, table and metric.
fn stands_in(message: &RouteMessage, wanted: &RouteSpec) -> bool {
    let v6 = wanted.dst.addr.is_ipv6();
    let state = state::route::RouteState::new(message, v6, &LinkNames::default());
    let is_made = !matches!(state.kind, Some("local" | "broadcast" | "multicast" | "anycast"));
    // IPv6 gives 1024 to a route without a metric.
    let metric = |m: Option<u32>| m.unwrap_or(if v6 { 1024 } else { 0 });
    // A route for one type of service stands beside the others.
    message.header.tos == 0
        && (is_made || wanted.kind == RouteKind::Local)
        && state.prefix == wanted.dst
        && state.table == wanted.table.unwrap_or(TABLE_MAIN)
        && metric(state.metric) == metric(wanted.metric)
}

/// The error for a route that is not there.
pub fn no_route(route: &RouteSpec) -> Box<Diagnostic> {
    Diagnostic::new(Code::NoSuchEntry, format!("there is no route `{}`", words(route, None)))
        .help("print(ns.routes()) shows those that there are")
}

fn taken(route: &RouteSpec, there: Option<&RouteSpec>) -> Box<Diagnostic> {
    let what = if route.dst.is_default() { "a default route".to_owned() } else { format!("a route to {}", route.dst) };
    let via = there.and_then(|r| r.via).map_or_else(String::new, |via| format!(", via {via}"));
    Diagnostic::new(Code::EntryTaken, format!("there is {what} already{via}"))
        .help("use #{ replace: true } to put yours in its place, or another metric to have both")
}

fn subject(netns: NetnsCookie, route: &RouteSpec) -> Subject {
    Subject::Netns(netns, route.dev.map(|index| LinkKey { netns, index }))
}

fn ip(netns: NetnsCookie, route: &RouteSpec, names: &Names) -> String {
    format!("{}{} route", names.ip(netns), if route.dst.addr.is_ipv6() { " -6" } else { "" })
}

/// A route as `ip route add` takes it.
pub fn words(route: &RouteSpec, dev: Option<&str>) -> String {
    let mut line = match route.kind {
        RouteKind::Unicast => route.dst.to_string(),
        kind => format!("{} {}", kind.word(), route.dst),
    };
    opt(&mut line, "via", route.via);
    match (dev, route.dev) {
        (Some(name), _) => opt(&mut line, "dev", Some(name)),
        (None, Some(index)) => opt(&mut line, "dev", Some(format!("if{index}"))),
        (None, None) => {}
    }
    opt(&mut line, "src", route.src);
    opt(&mut line, "metric", route.metric);
    opt(&mut line, "table", route.table);
    opt(&mut line, "mtu", route.mtu);
    if route.onlink {
        line.push_str(" onlink");
    }
    for hop in &route.nexthops {
        line.push_str(" nexthop");
        opt(&mut line, "via", hop.via);
        opt(&mut line, "dev", hop.dev.map(|d| format!("if{d}")));
        opt(&mut line, "weight", Some(hop.weight));
    }
    line
}

fn rhai(verb: &str, netns: NetnsCookie, route: &RouteSpec, dev: Option<&str>, names: &Names) -> String {
    let mut options = String::new();
    opt(&mut options, "dev:", dev.map(|d| format!("{d:?},")));
    opt(&mut options, "metric:", route.metric.map(|m| format!("{m},")));
    opt(&mut options, "table:", route.table.map(|t| format!("{t},")));
    let mut text = format!("{}.{verb}(\"{}\"", names.handle(netns), route.dst);
    if let Some(via) = route.via {
        text.push_str(&format!(", \"{via}\""));
    }
    if !options.is_empty() {
        text.push_str(&format!(", #{{{} }}", options.trim_end_matches(',')));
    }
    text.push(')');
    text
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
