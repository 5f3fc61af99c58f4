//! A wire with all that hangs on it: which links a frame can come to, through cables, bridges, macvlan, VLANs and tunnels.
//!
//! It is followed whether links are up or not, so that what is down can be named.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;

use super::world::{Spot, World};

/// A place on the way of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Node {
    /// It leaves by a link.
    Out(Spot),
    /// It comes in by a link.
    In(Spot),
    /// It is in a bridge.
    Bridge(Spot),
}

impl Node {
    /// The link.
    pub fn spot(self) -> Spot {
        match self {
            Node::Out(spot) | Node::In(spot) | Node::Bridge(spot) => spot,
        }
    }
}

/// All that frames come to which leave by a link.
#[derive(Debug, Default)]
pub struct Segment {
    /// The links whose own namespace takes the frame, nearest first.
    pub receivers: Vec<Node>,
    /// Ends of wires that have no address and are in no bridge.
    pub ends: Vec<Spot>,
    /// Whether the wire leads out of the namespaces that have a name.
    pub outside: bool,
    parents: HashMap<(Node, u64), (Node, u64)>,
    tags: HashMap<Node, u64>,
}

impl Segment {
    /// Follows the frames that leave by a link.
    pub fn from(world: &mut World<'_>, start: Spot) -> Self {
        let mut segment = Self::default();
        let first = (Node::Out(start), 0);
        let mut queue = VecDeque::from([first]);
        segment.parents.insert(first, first);
        // What leads by a port that does not forward comes last: a bridge with spanning tree has another way round.
        let mut later: VecDeque<((Node, u64), (Node, u64))> = VecDeque::new();
        loop {
            let here = match queue.pop_front() {
                Some(here) => here,
                None => match later.pop_front() {
                    Some((next, _)) if segment.parents.contains_key(&next) => continue,
                    Some((next, before)) => {
                        segment.parents.insert(next, before);
                        next
                    }
                    None => break,
                },
            };
            for next in segment.next(world, here, start) {
                let Entry::Vacant(free) = segment.parents.entry(next) else { continue };
                if is_open(world, next.0) {
                    free.insert(here);
                    queue.push_back(next);
                } else {
                    later.push_back((next, here));
                }
            }
        }
        segment
    }

    /// The way of a frame to a receiver, from its first link on.
    pub fn path(&self, to: Node) -> Vec<Node> {
        let mut here = (to, self.tags.get(&to).copied().unwrap_or(0));
        let mut path = vec![to];
        while let Some(before) = self.parents.get(&here).filter(|before| **before != here) {
            path.push(before.0);
            here = *before;
        }
        path.reverse();
        path
    }

    /// The bridges that frames pass.
    pub fn bridges(&self) -> impl Iterator<Item = Spot> {
        self.parents.keys().filter_map(|(node, _)| if let Node::Bridge(bridge) = node { Some(*bridge) } else { None })
    }

    /// Whether frames come to a link at all, be it only as a port.
    pub fn reaches(&self, spot: Spot) -> bool {
        self.parents.keys().any(|(node, _)| node.spot() == spot)
    }

    fn receive(&mut self, node: Node, tag: u64, start: Spot) {
        if node.spot() != start && !self.receivers.contains(&node) {
            self.receivers.push(node);
            self.tags.insert(node, tag);
        }
    }

    fn next(&mut self, world: &mut World<'_>, here: (Node, u64), start: Spot) -> Vec<(Node, u64)> {
        let (node, tag) = here;
        let Some(link) = world.link(node.spot()).cloned() else { return Vec::new() };
        match node {
            Node::Out(spot) => match link.kind() {
                "veth" => match world.peer(spot) {
                    Some(peer) => vec![(Node::In(peer), tag)],
                    None => self.leave(),
                },
                "bridge" => vec![(Node::Bridge(spot), tag)],
                "vlan" => lower(world, spot).map(|parent| (Node::Out(parent), vlan_id(world, spot))).collect(),
                "macvlan" | "macvtap" => {
                    let mut next: Vec<_> = lower(world, spot).map(|parent| (Node::Out(parent), tag)).collect();
                    if mode(world, spot) == "bridge"
                        && let Some(parent) = world.peer(spot)
                    {
                        let siblings = world.children(parent);
                        let alike = siblings.into_iter().filter(|s| *s != spot && mode(world, *s) == "bridge");
                        next.extend(alike.map(|sibling| (Node::In(sibling), tag)));
                    }
                    next
                }
                "vxlan" => tunnel(world, spot).into_iter().map(|far| (Node::In(far), tag)).collect(),
                _ if link.loopback => Vec::new(),
                // A card, or a kind whose other end is unknown.
                _ => self.leave(),
            },
            Node::In(spot) => {
                let children = world.children(spot);
                let is_bridge_port = link.is_bridge_port();
                if tag == 0 && !is_bridge_port {
                    self.receive(node, tag, start);
                    let has_addrs =
                        world.space(spot.space).addrs.iter().any(|a| a.index == spot.link && a.scope != "link");
                    if !has_addrs && children.is_empty() && spot != start {
                        self.ends.push(spot);
                    }
                }
                let bridge = link.master_index.filter(|_| is_bridge_port).map(|link| Spot { link, ..spot });
                bridge.map(|b| (Node::Bridge(b), tag)).into_iter().chain(above(world, &children, tag)).collect()
            }
            Node::Bridge(bridge) => {
                let from = self.parents.get(&here).map(|(before, _)| before.spot());
                if tag == 0 {
                    self.receive(node, tag, start);
                }
                let ports = world.ports(bridge).into_iter().filter(|port| Some(*port) != from);
                let mut next: Vec<_> = ports.map(|port| (Node::Out(port), tag)).collect();
                let children = world.children(bridge);
                next.extend(above(world, &children, tag));
                next
            }
        }
    }

    fn leave(&mut self) -> Vec<(Node, u64)> {
        self.outside = true;
        Vec::new()
    }
}

/// Whether frames pass now: of a port, that it forwards, and of the rest, that it is up.
fn is_open(world: &World<'_>, node: Node) -> bool {
    let Some(link) = world.link(node.spot()) else { return false };
    let state = link.linkinfo.as_ref().and_then(|i| i.info_slave_data.get("state")).and_then(|s| s.as_str());
    link.up && state.is_none_or(|state| state == "forwarding")
}

/// The links on top of a link that take a frame with this tag.
fn above(world: &World<'_>, children: &[Spot], tag: u64) -> Vec<(Node, u64)> {
    let takes = |child: &&Spot| match world.link(**child).map(|l| l.kind()) {
        Some("vlan") => tag != 0 && vlan_id(world, **child) == tag,
        _ => tag == 0,
    };
    children.iter().filter(takes).map(|child| (Node::In(*child), 0)).collect()
}

fn lower(world: &mut World<'_>, spot: Spot) -> impl Iterator<Item = Spot> + use<> {
    world.peer(spot).into_iter()
}

/// A field of a link's own kind, as text.
pub fn field(world: &World<'_>, spot: Spot, key: &str) -> Option<String> {
    let value = world.link(spot)?.linkinfo.as_ref()?.info_data.get(key)?;
    Some(value.as_str().map_or_else(|| value.to_string(), str::to_owned))
}

/// The mode of a macvlan link.
pub fn mode(world: &World<'_>, spot: Spot) -> String {
    field(world, spot, "mode").unwrap_or_default()
}

fn vlan_id(world: &World<'_>, spot: Spot) -> u64 {
    field(world, spot, "id").and_then(|id| id.parse().ok()).unwrap_or(0)
}

/// The address to which a VXLAN link sends what is for another.
pub fn tunnel_end(world: &mut World<'_>, spot: Spot, far: Spot) -> Option<IpAddr> {
    let mut ends: Vec<IpAddr> = ENDS.iter().filter_map(|key| field(world, spot, key)?.parse().ok()).collect();
    ends.extend(world.tunnel_ends(spot));
    ends.into_iter().find(|end| world.own(far.space, *end).is_some())
}

/// The fields that say where tunnels lead to.
const ENDS: [&str; 4] = ["remote", "remote6", "group", "group6"];

/// The far ends of a VXLAN link: those with the same number where its tunnels lead to.
fn tunnel(world: &mut World<'_>, spot: Spot) -> Vec<Spot> {
    let named = |world: &World<'_>, at: Spot| -> Vec<IpAddr> {
        ENDS.iter().filter_map(|key| field(world, at, key)?.parse().ok()).collect()
    };
    let mut ends = named(world, spot);
    ends.extend(world.tunnel_ends(spot));
    let id = field(world, spot, "id");
    let others = world.every_link(|l| l.kind() == "vxlan").into_iter().filter(|other| *other != spot);
    let same: Vec<Spot> = others.filter(|other| field(world, *other, "id") == id).collect();
    let leads = |far: &Spot| {
        ends.iter()
            .any(|end| world.own(far.space, *end).is_some() || named(world, *far).contains(end) && end.is_multicast())
    };
    same.iter().copied().filter(leads).collect()
}
