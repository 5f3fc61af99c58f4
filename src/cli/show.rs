//! `netlab show`: what is there, as tables or in the field names of `ip -j`.

use std::collections::{HashMap, HashSet};

use super::labs::{self, LabInfo};
use super::netns::HOST;
use super::table::Table;
use super::view::{View, Viewer};
use super::{out, place};
use crate::diag::Result;
use crate::journal::store::Store;
use crate::kernel::relay::Keys;
use crate::kernel::route::TABLE_MAIN;
use crate::lab::open::privileged;
use crate::probe::state::link::LinkState;
use crate::probe::state::route::RouteState;

/// The arguments of `show`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  netlab show\n  netlab show ns1\n  netlab show host --json")]
pub struct Args {
    /// A namespace, `host`, or LAB/NAMESPACE; without one, or for a lab in a sandbox, an overview of what the labs made.
    #[arg(value_name = "NS")]
    pub netns: Option<String>,
    /// Print JSON in the field names of `ip -j`: an object per namespace, without NS in an array.
    #[arg(long)]
    pub json: bool,
}

/// Prints it.
///
/// # Errors
/// `NL0108` for a namespace that is not there, `NL0109` without the privilege to look inside.
pub fn run(args: Args) -> Result<u8> {
    let (place, name) = match &args.netns {
        None => (place::only("netlab show")?, None),
        Some(target) => match place::of(target)? {
            // Of a lab that is named, all that it made.
            (place, name) if name == HOST && name != *target && !target.contains('/') => (place, None),
            (place, name) => (place, Some(name)),
        },
    };
    place.go(Keys::Outside, args.json, false, || look(name.as_deref(), args.json))
}

/// Prints it of the machine that this process is in.
fn look(netns: Option<&str>, json: bool) -> Result<u8> {
    privileged()?;
    let mut viewer = Viewer::open()?;
    let labs = labs::all(&Store::open()?);
    let owners: HashMap<String, &LabInfo> =
        labs.iter().flat_map(|lab| lab.namespaces().into_iter().map(move |name| (name, lab))).collect();
    if let Some(name) = netns {
        let view = viewer.look(name)?;
        if json {
            out::json(&view);
        } else {
            one(&view, owners.get(name).copied());
        }
        return Ok(0);
    }
    let names: Vec<String> = viewer
        .names()
        .filter(|name| *name != HOST && (owners.is_empty() || owners.contains_key(*name)))
        .map(str::to_owned)
        .collect();
    let mut views = Vec::new();
    for name in &names {
        // One that goes while we look is not there.
        views.extend(viewer.look(name).ok());
    }
    let host = viewer.look(HOST)?;
    if json {
        views.push(host);
        out::json(&views);
    } else {
        overview(&views, &owners, &host, &labs);
    }
    Ok(0)
}

/// A line for each namespace, and the links on the host that labs made.
fn overview(views: &[View], owners: &HashMap<String, &LabInfo>, host: &View, labs: &[LabInfo]) {
    if views.is_empty() {
        out::line("no namespace has a name; `netlab run FILE` makes some, `netlab show host` shows the host");
    } else {
        let mut table = Table::new(&["NAMESPACE", "LAB", "LINKS", "ADDRESSES", "DEFAULT"]);
        for view in views {
            let links: Vec<&str> = view.links.iter().filter(|l| !l.loopback).map(|l| l.ifname.as_str()).collect();
            let addrs: Vec<String> = view
                .addrs
                .iter()
                .filter(|a| !a.is_link_local() && a.scope != "host")
                .map(|a| format!("{}/{}", a.local, a.prefixlen))
                .collect();
            let via = view.routes.iter().find(|r| r.dst == "default").map_or_else(String::new, way);
            let owner = owners.get(&view.netns).map_or_else(String::new, |lab| lab.name.to_string());
            table.row([view.netns.clone(), owner, few(&links), few(&addrs), via]);
        }
        table.print();
    }
    let made: HashSet<u32> = labs
        .iter()
        .flat_map(|lab| lab.objects.made_links().map(|l| l.key()))
        .filter(|key| key.netns == host.cookie)
        .map(|key| key.index)
        .collect();
    let mut links = host.links.iter().filter(|l| made.contains(&l.ifindex)).peekable();
    if links.peek().is_some() {
        out::line("\non the host");
        print_links(host, links);
    }
}

/// Everything of one namespace.
fn one(view: &View, owner: Option<&LabInfo>) {
    let of = owner.map_or_else(String::new, |lab| format!(", made by the lab `{}`", lab.name));
    let what = if view.netns == HOST { "the host".to_owned() } else { format!("namespace `{}`", view.netns) };
    out::line(format!("{what}{of}"));
    print_links(view, view.links.iter());
    print_routes(&view.routes);
    let mut rules = Table::new(&["RULE", "FAMILY", "FROM", "TO", "IN", "OUT", "MARK", "DOES"]);
    // The three of every namespace (two for IPv6) say nothing.
    for r in view.rules.iter().filter(|r| !matches!(r.priority, 0 | 32766 | 32767)) {
        let text = |field: &Option<String>| field.clone().unwrap_or_default();
        let does = r.action.map_or_else(|| format!("table {}", r.table.unwrap_or(TABLE_MAIN)), str::to_owned);
        let from = format!("{}{}", if r.not { "not " } else { "" }, r.src);
        let mark = r.fwmark.map_or_else(String::new, |m| format!("{m:#x}"));
        let cells =
            [r.priority.to_string(), r.family.into(), from, text(&r.dst), text(&r.iif), text(&r.oif), mark, does];
        rules.row(cells);
    }
    print_section(&rules);
    let mut neighbours = Table::new(&["NEIGHBOUR", "MAC", "LINK", "STATE"]);
    for n in view.neigh.iter().filter(|n| n.state != "NOARP") {
        let mac = n.mac.map_or_else(String::new, |m| m.to_string());
        let addr = n.dst.map_or_else(String::new, |a| a.to_string());
        neighbours.row([addr, mac, n.dev.clone(), n.state.to_lowercase()]);
    }
    print_section(&neighbours);
}

fn print_links<'a>(view: &View, links: impl Iterator<Item = &'a LinkState>) {
    let mut table = Table::new(&["LINK", "KIND", "STATE", "MTU", "MAC", "MASTER", "PEER", "ADDRESSES"]);
    for link in links {
        let addrs: Vec<String> = view
            .addrs_of(link)
            .map(|a| match a.address {
                Some(peer) => format!("{} peer {peer}/{}", a.local, a.prefixlen),
                None => format!("{}/{}", a.local, a.prefixlen),
            })
            .collect();
        let kind = if link.loopback { "loopback" } else { link.kind() };
        table.row([
            link.ifname.clone(),
            kind.into(),
            state(link).into(),
            link.mtu.to_string(),
            if link.loopback { String::new() } else { link.address.map_or_else(String::new, |m| m.to_string()) },
            link.master.clone().unwrap_or_default(),
            view.peer(link).unwrap_or_default(),
            addrs.join(" "),
        ]);
    }
    print_section(&table);
}

fn print_routes(routes: &[RouteState]) {
    let mut table = Table::new(&["ROUTE", "VIA", "LINK", "METRIC", "TABLE", "FROM", "BY"]);
    for r in routes {
        let dst = r.kind.map_or_else(|| r.dst.clone(), |kind| format!("{kind} {}", r.dst));
        let text = |n: Option<u32>| n.map_or_else(String::new, |n| n.to_string());
        let from = r.prefsrc.map_or_else(String::new, |a| a.to_string());
        let (via, dev) = if r.nexthops.is_empty() {
            (r.gateway.map_or_else(String::new, |g| g.to_string()), r.dev.clone().unwrap_or_default())
        } else {
            let via: Vec<String> = r.nexthops.iter().filter_map(|h| h.gateway.map(|g| g.to_string())).collect();
            let dev: Vec<&str> = r.nexthops.iter().map(|h| h.dev.as_str()).collect();
            (via.join(" "), dev.join(" "))
        };
        let dead = if r.flags.contains(&"linkdown") { " (no carrier)" } else { "" };
        let number = if r.table == TABLE_MAIN { String::new() } else { r.table.to_string() };
        table.row([dst, via, format!("{dev}{dead}"), text(r.metric), number, from, r.protocol.into()]);
    }
    print_section(&table);
}

fn print_section(table: &Table) {
    if !table.is_empty() {
        out::line("");
        table.print();
    }
}

/// The state as a learner needs it: whether it is set up, and whether anything is at the other end.
fn state(link: &LinkState) -> &'static str {
    match link.operstate {
        _ if !link.up => "down",
        "DOWN" | "LOWERLAYERDOWN" => "no carrier",
        "DORMANT" => "dormant",
        // Links that have no carrier to speak of, such as `lo`, are in state UNKNOWN.
        _ => "up",
    }
}

fn way(route: &RouteState) -> String {
    match (route.gateway, &route.dev) {
        (Some(gateway), _) => gateway.to_string(),
        (None, Some(dev)) => format!("dev {dev}"),
        (None, None) => route.kind.unwrap_or("several").into(),
    }
}

/// The first few of a list, so that a bridge with a hundred ports stays on its line.
fn few<T: AsRef<str>>(words: &[T]) -> String {
    const FEW: usize = 4;
    let shown: Vec<&str> = words.iter().take(FEW).map(AsRef::as_ref).collect();
    match words.len().saturating_sub(FEW) {
        0 => shown.join(" "),
        more => format!("{} +{more}", shown.join(" ")),
    }
}
