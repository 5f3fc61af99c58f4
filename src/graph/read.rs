//! The model from what the kernel says.

use std::collections::{HashMap, HashSet};

use super::{Bar, BarKind, From, Graph, Node, Tie};
use crate::probe::state::link::LinkState;
use crate::why::world::{HOST, Spot, World};

/// The picture of some namespaces, by their names: all if none are given. The host is there if something hangs on it.
pub fn read(world: &mut World<'_>, wanted: &[String]) -> Graph {
    let is_wanted = |name: &str| wanted.is_empty() || name == HOST || wanted.iter().any(|w| w == name);
    let spaces: Vec<usize> = world.all().filter(|space| is_wanted(&world.name(*space))).collect();
    let mut reader = Reader {
        world,
        spaces: spaces.iter().copied().collect(),
        graph: Graph::default(),
        bar_of: HashMap::new(),
        tunnels: HashMap::new(),
    };
    for space in &spaces {
        reader.node(*space);
    }
    for space in &spaces {
        reader.bridges(*space);
    }
    for space in &spaces {
        reader.wires(*space);
    }
    for space in &spaces {
        reader.upper(*space);
    }
    reader.graph.without_idle()
}

struct Reader<'a, 'k> {
    world: &'a mut World<'k>,
    spaces: HashSet<usize>,
    graph: Graph,
    /// The bar that a link hangs on or is.
    bar_of: HashMap<Spot, usize>,
    tunnels: HashMap<String, usize>,
}

impl Reader<'_, '_> {
    fn node(&mut self, space: usize) {
        let is_on = |value: Option<String>| value.as_deref() == Some("1");
        let forwards = is_on(self.world.setting(space, "ipv4/ip_forward"))
            || is_on(self.world.setting(space, "ipv6/conf/all/forwarding"));
        self.graph.nodes.push(Node { name: self.world.name(space), forwards, others: Vec::new() });
    }

    fn number(&self, space: usize) -> usize {
        let name = self.world.name(space);
        self.graph.nodes.iter().position(|node| node.name == name).unwrap_or_default()
    }

    fn links(&self, space: usize) -> Vec<LinkState> {
        self.world.space(space).links.clone()
    }

    /// The name of a link and its addresses, without those that the kernel makes.
    fn lines(&self, spot: Spot) -> Vec<String> {
        let mut lines = vec![self.world.dev(spot)];
        let of = self.world.space(spot.space).addrs.iter().filter(|a| a.index == spot.link && a.scope == "global");
        lines.extend(of.map(|a| format!("{}/{}", a.local, a.prefixlen)));
        lines
    }

    fn dead(&self, spots: &[Spot]) -> Option<&'static str> {
        let links: Vec<&LinkState> = spots.iter().filter_map(|spot| self.world.link(*spot)).collect();
        if links.iter().any(|link| !link.up) {
            return Some("down");
        }
        links.iter().any(|link| link.flags.contains(&"NO-CARRIER")).then_some("no carrier")
    }

    fn tie(&mut self, from: From, bar: usize, lines: Vec<String>, port: String, spots: &[Spot]) {
        let dead = self.dead(spots);
        self.graph.ties.push(Tie { from, bar, lines, port, dead });
    }

    fn bar(&mut self, kind: BarKind, label: String, down: bool) -> usize {
        self.graph.bars.push(Bar { kind, label, down });
        self.graph.bars.len() - 1
    }

    fn bridges(&mut self, space: usize) {
        for link in self.links(space).iter().filter(|l| l.kind() == "bridge") {
            let spot = Spot { space, link: link.ifindex };
            let data = |key: &str| {
                link.linkinfo.as_ref().and_then(|i| i.info_data.get(key)).and_then(serde_json::Value::as_u64)
            };
            let mut label = match self.world.name(space).as_str() {
                HOST => link.ifname.clone(),
                place => format!("{} in {place}", link.ifname),
            };
            for (key, word) in [("stp_state", "STP"), ("vlan_filtering", "VLANs")] {
                if data(key).is_some_and(|value| value > 0) {
                    label.push_str(&format!(", {word}"));
                }
            }
            let bar = self.bar(BarKind::Bridge, label, !link.up);
            self.bar_of.insert(spot, bar);
            let lines = self.lines(spot);
            if lines.len() > 1 {
                let node = self.number(space);
                self.tie(From::Node(node), bar, lines, String::new(), &[]);
            }
        }
        for link in self.links(space).iter().filter(|l| l.is_bridge_port()) {
            let Some(master) = link.master_index else { continue };
            if let Some(bar) = self.bar_of.get(&Spot { space, link: master }).copied() {
                self.bar_of.insert(Spot { space, link: link.ifindex }, bar);
            }
        }
    }

    /// The veth pairs and tunnels.
    fn wires(&mut self, space: usize) {
        for link in self.links(space) {
            let spot = Spot { space, link: link.ifindex };
            let hangs_on = self.bar_of.get(&spot).copied().filter(|_| link.is_bridge_port());
            match link.kind() {
                "veth" => {
                    let peer = self.world.peer(spot).filter(|peer| self.spaces.contains(&peer.space));
                    let Some(peer) = peer else {
                        self.alone(spot, hangs_on, "its other end is elsewhere");
                        continue;
                    };
                    let far = self
                        .bar_of
                        .get(&peer)
                        .copied()
                        .filter(|_| self.world.link(peer).is_some_and(LinkState::is_bridge_port));
                    let is_first = (space, link.ifindex) < (peer.space, peer.link);
                    match (hangs_on, far) {
                        (Some(bar), None) => {
                            let (node, lines) = (self.number(peer.space), self.lines(peer));
                            self.bar_of.insert(peer, bar);
                            self.tie(From::Node(node), bar, lines, link.ifname.clone(), &[peer, spot]);
                        }
                        (Some(bar), Some(other)) if is_first => {
                            let name = self.world.dev(peer);
                            self.tie(From::Bar(bar), other, vec![link.ifname.clone()], name, &[spot, peer]);
                        }
                        (None, None) if is_first => {
                            let bar = self.bar(BarKind::Wire, String::new(), false);
                            for end in [spot, peer] {
                                self.bar_of.insert(end, bar);
                                let (node, lines) = (self.number(end.space), self.lines(end));
                                self.tie(From::Node(node), bar, lines, String::new(), &[end]);
                            }
                        }
                        _ => {}
                    }
                }
                "vxlan" => {
                    let data =
                        |key: &str| link.linkinfo.as_ref().and_then(|i| i.info_data.get(key)).map(ToString::to_string);
                    let id = data("id").unwrap_or_default();
                    let bar = match self.tunnels.get(&id) {
                        Some(bar) => *bar,
                        None => {
                            let bar = self.bar(BarKind::Tunnel, format!("VXLAN {id}"), false);
                            self.tunnels.insert(id, bar);
                            bar
                        }
                    };
                    match hangs_on {
                        Some(bridge) => {
                            self.tie(From::Bar(bridge), bar, vec![link.ifname.clone()], String::new(), &[spot])
                        }
                        None => {
                            let (node, lines) = (self.number(space), self.lines(spot));
                            self.tie(From::Node(node), bar, lines, String::new(), &[spot]);
                        }
                    }
                }
                "bridge" | "vlan" | "macvlan" | "macvtap" => {}
                _ if link.loopback && self.lines(spot).len() < 2 => {}
                kind => {
                    let what = if kind.is_empty() && !link.loopback { "a card" } else { kind };
                    self.alone(spot, hangs_on, what);
                }
            }
        }
    }

    /// A link whose other side is not drawn.
    fn alone(&mut self, spot: Spot, bar: Option<usize>, what: &str) {
        let mut lines = self.lines(spot);
        if let Some(bar) = bar {
            self.graph.bars[bar].label.push_str(&format!(", {}", lines[0]));
            return;
        }
        if !what.is_empty() {
            lines.push(format!("({what})"));
        }
        if let Some(dead) = self.dead(&[spot]) {
            lines.push(format!("✗ {dead}"));
        }
        let node = self.number(spot.space);
        self.graph.nodes[node].others.push(lines.join(" "));
    }

    /// VLAN and macvlan links: on the bar of the link that they sit on.
    fn upper(&mut self, space: usize) {
        for link in self.links(space).iter().filter(|l| matches!(l.kind(), "vlan" | "macvlan" | "macvtap")) {
            let spot = Spot { space, link: link.ifindex };
            let data = |key: &str| {
                let value = link.linkinfo.as_ref().and_then(|i| i.info_data.get(key));
                value.map(|v| v.as_str().map_or_else(|| v.to_string(), str::to_owned)).unwrap_or_default()
            };
            let what = if link.kind() == "vlan" {
                format!("VLAN {}", data("id"))
            } else {
                format!("{} {}", link.kind(), data("mode"))
            };
            let parent = self.world.peer(spot).filter(|parent| self.spaces.contains(&parent.space));
            let bar = parent.and_then(|parent| self.bar_of.get(&parent)).copied();
            let Some(bar) = bar else {
                self.alone(spot, None, &what);
                continue;
            };
            let mut lines = self.lines(spot);
            lines.insert(1, what);
            self.bar_of.insert(spot, bar);
            let node = self.number(space);
            self.tie(From::Node(node), bar, lines, String::new(), &[spot]);
        }
    }
}

impl Graph {
    /// Without the host where nothing hangs on it, and without what would be a box with nothing to say.
    fn without_idle(mut self) -> Self {
        let is_tied = |at: usize| self.ties.iter().any(|tie| tie.from == From::Node(at));
        let only_bars = |at: usize| {
            let place = &self.nodes[at].name;
            self.bars.iter().any(|bar| bar.label.contains(&format!(" in {place}")))
        };
        let keeps = |at: usize| {
            is_tied(at) || (self.nodes[at].name != HOST && (!self.nodes[at].others.is_empty() || !only_bars(at)))
        };
        let kept: Vec<bool> = (0..self.nodes.len()).map(keeps).collect();
        let new = |old: usize| kept[..old].iter().filter(|k| **k).count();
        for tie in &mut self.ties {
            if let From::Node(at) = &mut tie.from {
                *at = new(*at);
            }
        }
        let mut keep = kept.iter();
        self.nodes.retain(|_| *keep.next().unwrap_or(&true));
        // A bridge without ports says nothing either, unless it is all there is.
        self
    }
}
