//! What belongs to the network that is written: the namespaces of the lab, and all that hangs on them.

use std::collections::BTreeSet;

use super::Wanted;
use crate::probe::state::link::LinkState;
use crate::why::world::{HOST, Spot, World};

/// The namespaces and links that are written.
#[derive(Debug)]
pub(super) struct Scope {
    /// The namespaces with names, by their numbers in the world.
    pub(super) spaces: Vec<usize>,
    /// The namespace that the lab works in.
    pub(super) host: usize,
    /// The links there that are written.
    pub(super) links: BTreeSet<u32>,
    /// All of that namespace is written.
    pub(super) whole: bool,
    /// Those of its links that are the lab's own, with all that hangs on them.
    own: BTreeSet<u32>,
    /// No lab says what is its own.
    every: bool,
}

impl Scope {
    /// Begins with what is wanted, and takes in what that hangs on: a program that makes one end of a wire has to make the
    /// other, and the bridge that it is a port of.
    pub(super) fn new(world: &mut World<'_>, wanted: &Wanted) -> Self {
        let host = world.find(HOST).unwrap_or_default();
        let mut scope = Self {
            spaces: Vec::new(),
            host,
            links: BTreeSet::new(),
            whole: wanted.whole,
            own: BTreeSet::new(),
            every: wanted.every,
        };
        let mut todo: Vec<Spot> = Vec::new();
        let cookie = world.space(host).cookie;
        let is_wanted = |link: &LinkState| {
            wanted.whole || wanted.links.iter().any(|key| key.netns == cookie && key.index == link.ifindex)
        };
        let own: Vec<u32> = world.space(host).links.iter().filter(|l| is_wanted(l)).map(|l| l.ifindex).collect();
        scope.own.extend(&own);
        own.into_iter().for_each(|index| scope.take(world, Spot { space: host, link: index }, &mut todo));
        for name in &wanted.netns {
            if let Some(space) = world.find(name).filter(|space| *space != host) {
                scope.enter(world, space, &mut todo);
            }
        }
        while let Some(spot) = todo.pop() {
            scope.hang(world, spot, &mut todo);
        }
        scope
    }

    /// All namespaces of which something is written, the lab's own first.
    pub(super) fn all(&self) -> Vec<usize> {
        std::iter::once(self.host).chain(self.spaces.iter().copied()).collect()
    }

    /// Whether a link is written.
    pub(super) fn has(&self, spot: Spot) -> bool {
        if spot.space == self.host { self.links.contains(&spot.link) } else { self.spaces.contains(&spot.space) }
    }

    fn enter(&mut self, world: &World<'_>, space: usize, todo: &mut Vec<Spot>) {
        if !self.spaces.contains(&space) {
            self.spaces.push(space);
            todo.extend(world.space(space).links.iter().map(|l| Spot { space, link: l.ifindex }));
        }
    }

    fn take(&mut self, world: &World<'_>, spot: Spot, todo: &mut Vec<Spot>) {
        if spot.space != self.host {
            return self.enter(world, spot.space, todo);
        }
        let is_made = world.link(spot).is_some_and(|l| !l.loopback && !l.kind().is_empty() && !is_kernels(l));
        if is_made && self.links.insert(spot.link) {
            todo.push(spot);
        }
    }

    /// Takes in what a link cannot be without, and what is plugged into one of the lab's own, or sits on it.
    fn hang(&mut self, world: &mut World<'_>, spot: Spot, todo: &mut Vec<Spot>) {
        if spot.space == self.host && (self.every || self.own.contains(&spot.link)) {
            let upper: Vec<Spot> = world.ports(spot).into_iter().chain(world.children(spot)).collect();
            for spot in upper {
                self.own.insert(spot.link);
                self.take(world, spot, todo);
            }
        }
        if let Some(other) = world.peer(spot) {
            self.take(world, other, todo);
        }
        if let Some(master) = world.link(spot).and_then(|l| l.master_index) {
            self.take(world, Spot { space: spot.space, link: master }, todo);
        }
    }
}

/// Whether the kernel makes a link of this name in every namespace by itself.
pub(super) fn is_kernels(link: &LinkState) -> bool {
    matches!(
        link.ifname.as_str(),
        "tunl0" | "gre0" | "gretap0" | "erspan0" | "sit0" | "ip6tnl0" | "ip6gre0" | "ip_vti0" | "ip6_vti0"
    )
}
