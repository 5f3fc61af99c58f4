//! A repair: one change, as netlab's call and as the command of iproute2.

use std::net::IpAddr;

use super::world::HOST;

/// One change that would mend a break, in the namespace `ns`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)] // The words of ip(8).
pub enum Repair {
    LinkUp { ns: String, dev: String },
    Mtu { ns: String, dev: String, mtu: u32 },
    Arp { ns: String, dev: String },
    Master { ns: String, dev: String, bridge: String },
    Stp { ns: String, bridge: String },
    Isolated { ns: String, dev: String },
    PortState { ns: String, dev: String },
    AddrAdd { ns: String, dev: String, addr: String },
    AddrDel { ns: String, dev: String, addr: String },
    RouteAdd { ns: String, dst: String, via: IpAddr, replace: bool },
    RouteDel { ns: String, kind: &'static str, dst: String },
    RuleDel { ns: String, priority: u32, from: Option<String>, to: Option<String>, kind: &'static str },
    NeighFlush { ns: String, dev: String, addr: IpAddr },
    CacheFlush { ns: String },
    NeighDel { ns: String, dev: String, addr: IpAddr, mac: String },
    Setting { ns: String, key: String, value: i64 },
    MacvlanMode { ns: String, dev: String },
    Listen { ns: String, udp: bool, port: u16 },
}

impl Repair {
    /// As a statement of a script.
    pub fn rhai(&self) -> String {
        use Repair::*;
        match self {
            LinkUp { ns, dev } => format!("{}.up();", link(ns, dev)),
            Mtu { ns, dev, mtu } => format!("{}.mtu({mtu});", link(ns, dev)),
            // There is no word of its own for it.
            Arp { ns, dev } => format!("{}.exec(\"ip link set dev {dev} arp on\");", place(ns)),
            Master { ns, dev, bridge } => format!("{}.master({});", link(ns, dev), link(ns, bridge)),
            Stp { ns, bridge } => format!("{}.set(#{{ stp_state: false }});", link(ns, bridge)),
            Isolated { ns, dev } => format!("{}.set(#{{ isolated: false }});", link(ns, dev)),
            PortState { ns, dev } => format!("{}.set(#{{ state: 3 }});", link(ns, dev)),
            AddrAdd { ns, dev, addr } => format!("{}.addr({addr:?});", link(ns, dev)),
            AddrDel { ns, dev, addr } => format!("{}.del_addr({addr:?});", link(ns, dev)),
            RouteAdd { ns, dst, via, replace: false } => format!("{}.route({dst:?}, \"{via}\");", place(ns)),
            RouteAdd { ns, dst, via, replace: true } => {
                format!("{}.route({dst:?}, \"{via}\", #{{ replace: true }});", place(ns))
            }
            RouteDel { ns, dst, .. } => format!("{}.del_route({dst:?});", place(ns)),
            RuleDel { ns, priority, from, to, kind } => {
                let field = |key: &str, value: &Option<String>| {
                    value.as_ref().map_or_else(String::new, |v| format!(" {key}: {v:?},"))
                };
                let ends = format!("{}{}", field("from", from), field("to", to));
                format!("{}.del_rule(#{{ priority: {priority},{ends} type: {kind:?} }});", place(ns))
            }
            NeighFlush { ns, dev, addr } => format!("{}.exec(\"{}\");", place(ns), neigh_flush(*addr, dev)),
            CacheFlush { ns } => format!("{}.exec(\"ip route flush cache\");", place(ns)),
            NeighDel { ns, dev, addr, mac } => {
                format!("{}.del_neigh(\"{addr}\", {mac:?}, #{{ dev: {dev:?} }});", place(ns))
            }
            Setting { ns, key, value: 1 } if key == "net.ipv4.ip_forward" => format!("{}.forward(true);", place(ns)),
            Setting { ns, key, value: 1 } if key == "net.ipv6.conf.all.forwarding" => {
                format!("{}.forward6(true);", place(ns))
            }
            Setting { ns, key, value } => format!("{}.sysctl({key:?}, {value});", place(ns)),
            MacvlanMode { ns, dev } => format!("{}.exec(\"{}\");", place(ns), macvlan_mode(dev)),
            Listen { ns, udp: false, port } => format!("{}.listen({port});", place(ns)),
            Listen { ns, udp: true, port } => format!("{}.udp_echo({port});", place(ns)),
        }
    }

    /// Whether it is done by a program, or needs one that stays: no lab could take that back. To forget what was learned is no
    /// such thing.
    pub fn needs_program(&self) -> bool {
        matches!(self, Self::Arp { .. } | Self::MacvlanMode { .. } | Self::Listen { .. })
    }

    /// As a command line. A link is called `dev NAME` throughout: a bare `a` is short for `address` to ip(8).
    pub fn ip(&self) -> String {
        use Repair::*;
        match self {
            LinkUp { ns, dev } => ip(ns, &format!("link set dev {dev} up")),
            Mtu { ns, dev, mtu } => ip(ns, &format!("link set dev {dev} mtu {mtu}")),
            Arp { ns, dev } => ip(ns, &format!("link set dev {dev} arp on")),
            Master { ns, dev, bridge } => ip(ns, &format!("link set dev {dev} master {bridge}")),
            Stp { ns, bridge } => ip(ns, &format!("link set dev {bridge} type bridge stp_state 0")),
            Isolated { ns, dev } => ip(ns, &format!("link set dev {dev} type bridge_slave isolated off")),
            PortState { ns, dev } => {
                // ip(8) sets it as well, and then the kernel chooses again.
                let of = if ns == HOST { String::new() } else { format!("-n {ns} ") };
                format!("bridge {of}link set dev {dev} state 3")
            }
            AddrAdd { ns, dev, addr } => ip(ns, &format!("addr add {addr} dev {dev}")),
            AddrDel { ns, dev, addr } => ip(ns, &format!("addr del {addr} dev {dev}")),
            RouteAdd { ns, dst, via, replace } => {
                let verb = if *replace { "replace" } else { "add" };
                ip(ns, &format!("route {verb} {dst} via {via}"))
            }
            RouteDel { ns, kind, dst } => ip(ns, &format!("route del {kind} {dst}")),
            RuleDel { ns, priority, .. } => ip(ns, &format!("rule del priority {priority}")),
            NeighFlush { ns, dev, addr } => ip(ns, neigh_flush(*addr, dev).trim_start_matches("ip ")),
            CacheFlush { ns } => ip(ns, "route flush cache"),
            NeighDel { ns, dev, addr, .. } => ip(ns, &format!("neigh del {addr} dev {dev}")),
            Setting { ns, key, value } => inside(ns, &format!("sysctl -w {key}={value}")),
            MacvlanMode { ns, dev } => inside(ns, &macvlan_mode(dev)),
            Listen { ns, udp: false, port } => inside(ns, &format!("python3 -m http.server {port}")),
            Listen { ns, udp: true, port } => inside(ns, &format!("socat UDP-LISTEN:{port},fork EXEC:cat")),
        }
    }
}

/// An entry that is not there, or not yet, is no error to this.
fn neigh_flush(addr: IpAddr, dev: &str) -> String {
    format!("ip neigh flush to {addr} dev {dev}")
}

fn macvlan_mode(dev: &str) -> String {
    format!("ip link set dev {dev} type macvlan mode bridge")
}

fn place(ns: &str) -> String {
    if ns == HOST { HOST.to_owned() } else { format!("get_netns({ns:?})") }
}

fn link(ns: &str, dev: &str) -> String {
    format!("{}[{dev:?}]", place(ns))
}

fn ip(ns: &str, rest: &str) -> String {
    if ns == HOST { format!("ip {rest}") } else { format!("ip -n {ns} {rest}") }
}

fn inside(ns: &str, command: &str) -> String {
    if ns == HOST { command.to_owned() } else { format!("ip netns exec {ns} {command}") }
}
