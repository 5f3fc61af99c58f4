//! What the kernel dropped along with a step, in numbers: what a learner should see a move or a `down` cost.

use crate::action::After;
use crate::snapshot::group::{Group, Item};
use crate::snapshot::route;

/// How many things of a kind went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Loss {
    /// What they are called, in the singular.
    pub noun: &'static str,
    /// How many.
    pub count: usize,
}

/// Counts them. What was taken away on purpose is no loss: a single thing of one kind.
pub fn losses(after: &After) -> Vec<Loss> {
    let After::Changed { changes, .. } = after else { return Vec::new() };
    let mut losses: Vec<Loss> = Vec::new();
    for changed in changes {
        let noun = match &changed.group {
            Group::Addrs { .. } => "address",
            Group::Routes(_) => "route",
            Group::Neighs(_) => "neighbour",
            Group::Fdb(_) => "forwarding entry",
            Group::Mdb(_) => "multicast entry",
            Group::Vlans(_) => "VLAN",
            Group::Nexthops => "nexthop",
            Group::Qdiscs(_) => "queueing discipline",
            Group::Link(_) | Group::Settings(_) | Group::Rules { .. } | Group::Maddrs(_) => continue,
        };
        let went = changed.items.iter().filter(|pair| pair.after.is_none());
        // The route to the network of an address goes with it and is part of it.
        let is_route = matches!(changed.group, Group::Routes(_));
        let is_own = |item: &&Item| !(is_route && route::is_connected(item));
        let count = went.filter_map(|pair| pair.before.as_ref()).filter(|i| !i.is_told()).filter(is_own).count();
        match losses.iter_mut().find(|loss| loss.noun == noun) {
            Some(loss) => loss.count += count,
            None => losses.push(Loss { noun, count }),
        }
    }
    losses.retain(|loss| loss.count > 0);
    let all: usize = losses.iter().map(|loss| loss.count).sum();
    if all > 1 { losses } else { Vec::new() }
}
