//! How a new link reads: as commands of iproute2, and as a call in a script.

use super::link_add::{LinkAdd, NewEnd};
use super::text::{Names, Options, dev, opt};
use super::{addr, port};
use crate::kernel::link::LinkKey;
use crate::kernel::link::bridge::PortVlan;
use crate::kernel::link::kind::LinkKind;
use crate::kernel::space::NetnsCookie;
use crate::types::mac::Mac;
use crate::types::name::IfName;
use crate::types::number::VlanId;

/// The commands that make it.
pub(super) fn ip(add: &LinkAdd, names: &Names) -> Vec<String> {
    let mut lines = vec![add_line(add, names)];
    if let LinkKind::Tun { .. } = add.kind {
        let end = &add.end.link;
        let mut line = String::new();
        opt(&mut line, "address", end.mac);
        opt(&mut line, "mtu", end.mtu);
        lines.extend(
            (!line.is_empty()).then(|| format!("{} link set {}{line}", names.ip(end.netns), dev(end.name.as_str()))),
        );
    }
    for end in add.ends() {
        lines.extend(end_lines(end, names));
    }
    lines
}

/// The call that makes it.
pub(super) fn rhai(add: &LinkAdd, names: &Names) -> String {
    let end = &add.end;
    let parent = |key: LinkKey| names.link_handle(key, &names.link(key));
    // A name alone stands for a link in the namespace of the link below it, and for the others in the script's own.
    let here = |end: &NewEnd| port_of(end, None, names);
    let beside = |key: LinkKey| port_of(end, Some(key.netns), names);
    let mut options = Options::default();
    match &add.kind {
        LinkKind::Veth => match &add.peer {
            Some(peer) => format!("veth({}, {})", here(end), here(peer)),
            None => format!("veth({})", here(end)),
        },
        LinkKind::Bridge(bridge) => {
            port::bridge_options(&mut options, bridge);
            format!("bridge({})", options.after([here(end)]))
        }
        LinkKind::Vlan { link, id, ad } => {
            options.put_text("protocol", ad.then_some("802.1ad"));
            let usual = IfName::cut(&names.link(*link), &format!(".{}", id.get()));
            let port = Some(beside(*link)).filter(|port| *port != format!("{usual:?}"));
            let args = options.after(port.into_iter().chain([id.get().to_string()]));
            format!("{}.vlan({args})", parent(*link))
        }
        LinkKind::Macvlan { link, mode, macs } => {
            options.put("macaddr", (!macs.is_empty()).then(|| mac_list(macs)));
            let args = options.after([beside(*link), format!("{:?}", mode.word())]);
            format!("{}.macvlan({args})", parent(*link))
        }
        LinkKind::Macvtap { link, mode } => format!("{}.macvtap({}, {:?})", parent(*link), beside(*link), mode.word()),
        LinkKind::Ipvlan { link, mode } => format!("{}.ipvlan({}, {:?})", parent(*link), beside(*link), mode.word()),
        LinkKind::Vxlan(o) => {
            const IANA_PORT: u16 = 4789;
            options.put_text("local", o.local);
            options.put_text("remote", o.remote);
            options.put_text("group", o.group);
            options.put("dev", o.dev.map(|dev| below(dev, end.link.netns, names)));
            options.put("dstport", o.dstport.filter(|port| *port != IANA_PORT));
            options.put("ttl", o.ttl);
            options.put("learning", o.learning);
            options.put_flag("external", o.external);
            format!("vxlan({})", options.after([here(end), o.id.map_or(0, |id| id.get()).to_string()]))
        }
        LinkKind::Vrf { table } => format!("vrf({}, {table})", here(end)),
        LinkKind::Bond { mode, miimon } => {
            options.put("miimon", *miimon);
            format!("bond({})", options.after([here(end), format!("{:?}", mode.word())]))
        }
        LinkKind::Gre(o) => {
            options.put_text("local", o.local);
            options.put_text("remote", o.remote);
            options.put("key", o.key);
            options.put("ttl", o.ttl);
            options.put("dev", o.dev.map(|dev| below(dev, end.link.netns, names)));
            format!("{}({})", add.kind.name(), options.after([here(end)]))
        }
        LinkKind::Geneve(o) => {
            options.put_text("remote", Some(o.remote));
            options.put("dstport", o.dstport);
            options.put("ttl", o.ttl);
            format!("geneve({})", options.after([here(end), o.id.get().to_string()]))
        }
        LinkKind::Tun { tap } => format!("{}({})", if *tap { "tap" } else { "tun" }, here(end)),
        LinkKind::Dummy | LinkKind::Ifb => format!("{}({})", add.kind.name(), here(end)),
    }
}

/// MACs as an array of texts.
pub(super) fn mac_list(macs: &[Mac]) -> String {
    let macs: Vec<String> = macs.iter().map(|mac| format!("\"{mac}\"")).collect();
    format!("[{}]", macs.join(", "))
}

/// A link that a tunnel leaves by: a name means one in the tunnel's own namespace.
fn below(dev: LinkKey, own: NetnsCookie, names: &Names) -> String {
    let name = names.link(dev);
    if dev.netns == own { format!("{name:?}") } else { names.link_handle(dev, &name) }
}

/// An end as a port, or as its name alone where that says all; `obvious` is the namespace that a name is taken to be in,
/// the script's own if there is none.
fn port_of(end: &NewEnd, obvious: Option<NetnsCookie>, names: &Names) -> String {
    const MOST_ADDRS: usize = 3;
    let netns = end.link.netns;
    let place = match end.link.master {
        Some(index) => {
            let key = LinkKey { netns, index };
            names.link_handle(key, &end.master_name.clone().unwrap_or_else(|| names.link(key)))
        }
        None => names.handle(netns),
    };
    let mut args = vec![format!("{:?}", end.link.name.as_str())];
    let mut options = Options::default();
    let addrs: Vec<String> = end.addrs.iter().map(|addr| format!("\"{}\"", addr.addr)).collect();
    if addrs.len() > MOST_ADDRS {
        options.put("addrs", Some(format!("[{}]", addrs.join(", "))));
    } else {
        args.extend(addrs);
    }
    options.put_text("mac", end.link.mac);
    options.put("mtu", end.link.mtu);
    options.put("up", (!end.link.up).then_some(false));
    options.put("access", end.vlans.iter().find(|vlan| vlan.pvid).map(|vlan| vlan.vid.get()));
    let trunk: Vec<String> =
        end.vlans.iter().filter(|vlan| !vlan.pvid).map(|vlan| vlan.vid.get().to_string()).collect();
    options.put("trunk", (!trunk.is_empty()).then(|| format!("[{}]", trunk.join(", "))));
    port::port_options(&mut options, &end.port);
    let is_obvious = end.link.master.is_none() && obvious.map_or(place == "host", |obvious| obvious == netns);
    if is_obvious && args.len() == 1 && options.is_empty() {
        return args.swap_remove(0);
    }
    format!("{place}.port({})", options.after(args))
}

fn add_line(add: &LinkAdd, names: &Names) -> String {
    let end = &add.end.link;
    let own = end.netns;
    let via = add.kind.parent().map_or(own, |p| p.netns);
    if let LinkKind::Tun { tap } = add.kind {
        return format!("{} tuntap add {} mode {}", names.ip(own), end.name, if tap { "tap" } else { "tun" });
    }
    let mut line = format!("{} link add", names.ip(via));
    if let (Some(parent), false) = (add.kind.parent(), add.kind.names_parent_itself()) {
        opt(&mut line, "link", Some(names.link(parent)));
    }
    opt(&mut line, "name", Some(&end.name));
    opt(&mut line, "address", end.mac);
    opt(&mut line, "mtu", end.mtu);
    if via != own {
        opt(&mut line, "netns", Some(names.target(own)));
    }
    line.push_str(" type ");
    line.push_str(add.kind.name());
    kind_words(&mut line, &add.kind, names);
    if let Some(peer) = &add.peer {
        opt(&mut line, "peer name", Some(&peer.link.name));
        opt(&mut line, "address", peer.link.mac);
        opt(&mut line, "mtu", peer.link.mtu);
        if peer.link.netns != via {
            opt(&mut line, "netns", Some(names.target(peer.link.netns)));
        }
    }
    line
}

fn end_lines(end: &NewEnd, names: &Names) -> Vec<String> {
    let (netns, name) = (end.link.netns, &end.link.name);
    let ip = names.ip(netns);
    let mut lines = Vec::new();
    if let Some(master) = &end.master_name {
        lines.push(format!("{ip} link set {} master {master}", dev(name.as_str())));
    }
    if !end.port.is_empty() {
        lines.push(port::words(name, &end.port, netns, names));
    }
    let first = PortVlan { vid: VlanId::FIRST, pvid: false, untagged: false };
    if !end.vlans.is_empty() && end.vlans.iter().all(|vlan| vlan.vid != first.vid) {
        lines.push(port::vlan_words("del", name, first, false, netns, names));
    }
    for vlan in &end.vlans {
        lines.push(port::vlan_words("add", name, *vlan, false, netns, names));
    }
    for spec in &end.addrs {
        lines.push(format!("{ip} address add {} dev {name}", addr::words(spec)));
    }
    if end.link.up {
        lines.push(format!("{ip} link set {} up", dev(name.as_str())));
    }
    lines
}

fn kind_words(line: &mut String, kind: &LinkKind, names: &Names) {
    match kind {
        LinkKind::Vlan { id, ad, .. } => {
            if *ad {
                line.push_str(" protocol 802.1ad");
            }
            opt(line, "id", Some(id.get()));
        }
        LinkKind::Macvlan { mode, macs, .. } => {
            opt(line, "mode", Some(mode.word()));
            if !macs.is_empty() {
                let macs: Vec<String> = macs.iter().map(Mac::to_string).collect();
                opt(line, "macaddr set", Some(macs.join(" ")));
            }
        }
        LinkKind::Macvtap { mode, .. } => opt(line, "mode", Some(mode.word())),
        LinkKind::Vxlan(o) => {
            opt(line, "id", o.id.map(|id| id.get()));
            opt(line, "local", o.local);
            opt(line, "remote", o.remote);
            opt(line, "group", o.group);
            opt(line, "dev", o.dev.map(|d| names.link(d)));
            opt(line, "dstport", o.dstport);
            opt(line, "ttl", o.ttl);
            if let Some(learning) = o.learning {
                line.push_str(if learning { " learning" } else { " nolearning" });
            }
            if o.external {
                line.push_str(" external");
            }
        }
        LinkKind::Bridge(options) => port::bridge_words(line, options),
        LinkKind::Ipvlan { mode, .. } => opt(line, "mode", Some(mode.word())),
        LinkKind::Vrf { table } => opt(line, "table", Some(table)),
        LinkKind::Bond { mode, miimon } => {
            opt(line, "mode", Some(mode.word()));
            opt(line, "miimon", *miimon);
        }
        LinkKind::Gre(o) => {
            opt(line, "local", o.local);
            opt(line, "remote", o.remote);
            opt(line, "key", o.key);
            opt(line, "ttl", o.ttl);
            opt(line, "dev", o.dev.map(|d| names.link(d)));
        }
        LinkKind::Geneve(o) => {
            opt(line, "id", Some(o.id.get()));
            opt(line, "remote", Some(o.remote));
            opt(line, "dstport", o.dstport);
            opt(line, "ttl", o.ttl);
        }
        LinkKind::Veth | LinkKind::Dummy | LinkKind::Ifb | LinkKind::Tun { .. } => {}
    }
}
